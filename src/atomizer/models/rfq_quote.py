"""One RFQ price in one call: vol off two slices, Black-76, every cost, edge, skew, the price of one side.

The same arithmetic prices on the quoting path and, months later, from what the journal kept: `INPUTS` names
every number that goes in, `OUTPUTS` every number that comes out; both are stored, and `recompute` makes the
price again to the last digit. Formulas: `rfq`, `fixing`, `hedge_bands`, `package`; money is in USD per
coin of underlying unless said otherwise, rates are fractions, times are years.

    distance = max(costs + max(edge - concession, least edge), least distance)
    price    = token ratio x (fair - skew - side x distance)

The kernels inlined here live in `rfq` and `black`; numba's disk cache does not see edits there (a test
compares with them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import direct, kernel
from atomizer.models.black import black76_greeks, black76_price
from atomizer.models.rfq import _carry, _hedge, _rebalancing, _takers

FloatArray = NDArray[np.float64]
E18 = 10**18

# What a configuration fixes, and what changes with every request.
FIXED: Final = (
    "fair_given",  # replaces the model's fair value where it is above 0 (simulated networks only)
    "interval",  # between re-hedges; 0: no fixed interval, a band
    "risk_aversion",  # 1/USD, of the band
    "margin_share",
    "margin_rate",
    "stable_rate",
    "vol_of_vol",
    "spot_vol_correlation",
    "basis",  # print against the hedge's price, fraction of the index
    "fixing_risk_price",
    "delivery_rate",  # fees of turning delivered coins into cash, fraction
    "delivery_usd",  # gas and the like, per coin
    "own_delta",  # USD per coin of delta per coin
    "own_vega",  # USD per vega point per vega point
    "vol_error",
    "winner",  # expected maximum of as many standard normals as there are makers
    "skew_delta",
    "skew_vega",
    "skew_expiry_vega",
    "skew_long_vega",
    "edge_usd",
    "edge_premium",  # fraction
    "edge_vol",
    "least_edge_usd",
    "least_edge_premium",
    "least_edge_vol",
    "least_distance_premium",
    "least_distance_vol",
)
ASKED: Final = (
    # The request and where it lies on the surface.
    "side",  # ours: 1 we buy, -1 we sell
    "call",  # 1 call, 0 put
    "strike",  # of one coin
    "tau",
    "size",  # coins
    "ratio",  # coins per token
    "index",
    "forward",
    "near_a",
    "near_b",
    "near_rho",
    "near_m",
    "near_sigma",
    "near_years",  # to expiry when it was fitted
    "near_tau",  # to expiry now; `tau` where the slice stands alone
    "stretch",  # of moneyness on the near slice, 1 unless the expiry lies beyond the listed ones
    "far_a",
    "far_b",
    "far_rho",
    "far_m",
    "far_sigma",
    "far_years",
    "far_tau",
    "far_share",  # of the far slice, 0 to 1
    "event_variance",  # added total variance
    "vol_added",  # by a person's shift, skew or pin
    "beyond",  # vol error of extrapolation
    # The hedge's market.
    "half_spread",  # one way, fraction of the hedge's price
    "fee",
    "funding_held",  # fraction of notional a long hedge pays over the time it is expected
    "window",  # averaging window of the hedge's fixing; 0: it does not average
    "spot_vol",  # short-horizon
    "validity",
    "haircut",  # of the delivered token
    # What the book holds.
    "net_delta",
    "net_vega",  # vega points
    "expiry_vega",
    "expiry_long_vega",
    # What we want for it.
    "edge_scale",  # scale x tier x width
    "concession",
    "slippage",  # of the hedge, through the levels of its book
)
INPUTS: Final = (*FIXED, *ASKED)
OUTPUTS: Final = (
    "vol",
    "fair",
    "delta",
    "gamma",
    "vega",
    "theta",
    "in_the_money",
    "cost_hedge",
    "cost_rebalancing",
    "cost_carry",
    "cost_taker_option",
    "cost_fixing",
    "cost_delivery",
    "cost_own_size",
    "cost_winners_curse",
    "cost_extrapolation",
    "edge",
    "least_edge",
    "skew",
    "expected_edge",
    "price",
)
COSTS: Final = tuple(name for name in OUTPUTS if name.startswith("cost_"))
# A sheet is one array: what is fixed, what is asked, what comes out.
PLACES: Final = {name: place for place, name in enumerate((*INPUTS, *OUTPUTS))}
FIRST_COST: Final = PLACES[COSTS[0]]
COST_COUNT: Final = len(COSTS)

# The places, as constants that a kernel compiles in: names in the order of FIXED, ASKED and OUTPUTS.
# fmt: off
(
    _FAIR_GIVEN, _INTERVAL, _RISK_AVERSION, _MARGIN_SHARE, _MARGIN_RATE, _STABLE_RATE, _VOL_OF_VOL,
    _SPOT_VOL_CORRELATION, _BASIS, _FIXING_RISK_PRICE, _DELIVERY_RATE, _DELIVERY_USD, _OWN_DELTA, _OWN_VEGA,
    _VOL_ERROR, _WINNER, _SKEW_DELTA, _SKEW_VEGA, _SKEW_EXPIRY_VEGA, _SKEW_LONG_VEGA, _EDGE_USD,
    _EDGE_PREMIUM, _EDGE_VOL, _LEAST_EDGE_USD, _LEAST_EDGE_PREMIUM, _LEAST_EDGE_VOL,
    _LEAST_DISTANCE_PREMIUM, _LEAST_DISTANCE_VOL,
    _SIDE, _CALL, _STRIKE, _TAU, _SIZE, _RATIO, _INDEX, _FORWARD, _NEAR_A, _NEAR_B, _NEAR_RHO, _NEAR_M,
    _NEAR_SIGMA, _NEAR_YEARS, _NEAR_TAU, _STRETCH, _FAR_A, _FAR_B, _FAR_RHO, _FAR_M, _FAR_SIGMA, _FAR_YEARS,
    _FAR_TAU, _FAR_SHARE, _EVENT_VARIANCE, _VOL_ADDED, _BEYOND, _HALF_SPREAD, _FEE,
    _FUNDING_HELD, _WINDOW, _SPOT_VOL, _VALIDITY, _HAIRCUT, _NET_DELTA, _NET_VEGA, _EXPIRY_VEGA,
    _EXPIRY_LONG_VEGA, _EDGE_SCALE, _CONCESSION, _SLIPPAGE,
    _VOL, _FAIR, _DELTA, _GAMMA, _VEGA, _THETA, _IN_THE_MONEY, _COST_HEDGE, _COST_REBALANCING, _COST_CARRY,
    _COST_TAKER_OPTION, _COST_FIXING, _COST_DELIVERY, _COST_OWN_SIZE, _COST_WINNERS_CURSE,
    _COST_EXTRAPOLATION, _EDGE, _LEAST_EDGE, _SKEW, _EXPECTED_EDGE, _PRICE,
) = range(len(PLACES))
# fmt: on

_HALF = 0.7071067811865476


@kernel("f8(f8,f8,f8,f8,f8,f8,f8,f8)", inline=True)
def _variance(
    k: float, a: float, b: float, rho: float, m: float, sigma: float, years: float, tau: float
) -> float:
    """Total variance over `tau` of a slice fitted `years` before its expiry: vol stays, time passes."""
    y = k - m
    return (a + b * (rho * y + math.sqrt(y * y + sigma * sigma))) / years * tau


@kernel("f8(f8,f8,f8,f8,f8,f8,f8)", inline=True)
def _band_rebalancing(
    gamma: float, forward: float, sigma: float, years: float, cost_rate: float, aversion: float, reach: float
) -> float:
    """Cost of keeping a reflected delta inside a Whalley-Wilmott band: turnover (Gamma F sigma)^2/(2 H)."""
    if aversion <= 0.0 or cost_rate <= 0.0 or gamma == 0.0:
        return 0.0
    half = math.pow(1.5 * cost_rate * forward * gamma * gamma / aversion, 1.0 / 3.0)
    speed = abs(gamma) * forward * sigma
    return cost_rate * forward * min(speed * speed / (2.0 * half) * years, reach)


@kernel("f8(f8[::1])", inline=True)
def _vol(sheet: FloatArray) -> float:
    """Vol off one or two slices, with what a person added."""
    k = math.log(sheet[_STRIKE] / sheet[_FORWARD])
    variance = _variance(
        k * sheet[_STRETCH],
        sheet[_NEAR_A],
        sheet[_NEAR_B],
        sheet[_NEAR_RHO],
        sheet[_NEAR_M],
        sheet[_NEAR_SIGMA],
        sheet[_NEAR_YEARS],
        sheet[_NEAR_TAU],
    )
    share = sheet[_FAR_SHARE]
    if share > 0.0:
        far = _variance(
            k,
            sheet[_FAR_A],
            sheet[_FAR_B],
            sheet[_FAR_RHO],
            sheet[_FAR_M],
            sheet[_FAR_SIGMA],
            sheet[_FAR_YEARS],
            sheet[_FAR_TAU],
        )
        variance = (1.0 - share) * variance + share * far
    return float(math.sqrt((variance + sheet[_EVENT_VARIANCE]) / sheet[_TAU]) + sheet[_VOL_ADDED])


@kernel("void(f8[::1])")
def price_sheet(sheet: FloatArray) -> None:
    """Price one side: inputs and outputs stand in the sheet in the order of `PLACES`. Checks nothing."""
    side, is_call, strike, tau, size, ratio, index, forward = (
        sheet[_SIDE],
        sheet[_CALL] > 0.5,
        sheet[_STRIKE],
        sheet[_TAU],
        sheet[_SIZE],
        sheet[_RATIO],
        sheet[_INDEX],
        sheet[_FORWARD],
    )
    k = math.log(strike / forward)
    vol = _vol(sheet)
    greeks = black76_greeks(forward, strike, tau, vol, 0.0, is_call)
    delta, gamma, vega = greeks[1], greeks[2], greeks[3]
    discount = math.exp(-sheet[_STABLE_RATE] * tau)
    fair = sheet[_FAIR_GIVEN] if sheet[_FAIR_GIVEN] > 0.0 else greeks[0] * discount
    deviation = vol * math.sqrt(tau)
    sign = 1.0 if is_call else -1.0
    exercised = 0.5 * math.erfc(sign * (k / deviation + 0.5 * deviation) * _HALF)
    half_spread, fee, slippage = sheet[_HALF_SPREAD], sheet[_FEE], sheet[_SLIPPAGE]
    rate = half_spread + fee + slippage
    hedged = -side * delta * forward  # USD of the hedge, long above 0
    sheet[_COST_HEDGE] = _hedge(delta, half_spread * forward, fee * forward, slippage * forward)
    if sheet[_INTERVAL] > 0.0:
        sheet[_COST_REBALANCING] = _rebalancing(gamma, forward, vol, sheet[_INTERVAL], tau, rate)
    else:
        sheet[_COST_REBALANCING] = _band_rebalancing(
            gamma, forward, vol, tau, rate, sheet[_RISK_AVERSION], 1e3
        )
    sheet[_COST_CARRY] = _carry(
        sheet[_MARGIN_SHARE] * abs(hedged), sheet[_MARGIN_RATE], tau, -sheet[_FUNDING_HELD] * hedged
    )
    sheet[_COST_TAKER_OPTION] = _takers(
        delta,
        vega,
        forward,
        sheet[_SPOT_VOL],
        sheet[_VOL_OF_VOL],
        sheet[_SPOT_VOL_CORRELATION],
        sheet[_VALIDITY],
    )
    fixing = sheet[_BASIS] * index
    window = sheet[_WINDOW]
    if window > 0.0 and tau >= window:
        averaged = black76_price(forward, strike, tau - 2.0 * window / 3.0, vol, 1.0, is_call)
        fixing += exercised * (half_spread + fee) * forward
        fixing += sheet[_FIXING_RISK_PRICE] * exercised * forward * vol * math.sqrt(window / 3.0)
        fixing -= side * (greeks[0] - averaged)
    sheet[_COST_FIXING] = fixing
    received = (
        sheet[_HAIRCUT] * forward if side * sign > 0.0 else 0.0
    )  # coins come to us: long calls, short puts
    sheet[_COST_DELIVERY] = exercised * (sheet[_DELIVERY_RATE] * forward + received) + sheet[_DELIVERY_USD]
    point = 0.01 * vega
    sheet[_COST_OWN_SIZE] = (
        0.5 * size * (sheet[_OWN_DELTA] * delta * delta + sheet[_OWN_VEGA] * point * point)
    )
    sheet[_COST_WINNERS_CURSE] = sheet[_VOL_ERROR] * vega * sheet[_WINNER]
    sheet[_COST_EXTRAPOLATION] = sheet[_BEYOND] * vega
    costs = 0.0
    for i in range(FIRST_COST, FIRST_COST + COST_COUNT):
        costs += sheet[i]
    edge = sheet[_EDGE_SCALE] * max(sheet[_EDGE_USD], sheet[_EDGE_PREMIUM] * fair, sheet[_EDGE_VOL] * vega)
    least = max(sheet[_LEAST_EDGE_USD], sheet[_LEAST_EDGE_PREMIUM] * fair, sheet[_LEAST_EDGE_VOL] * vega)
    distance = max(sheet[_LEAST_DISTANCE_PREMIUM] * fair, sheet[_LEAST_DISTANCE_VOL] * vega)
    distance = max(distance, costs + max(edge - sheet[_CONCESSION], least))
    skew = sheet[_SKEW_DELTA] * sheet[_NET_DELTA] * delta + point * (
        sheet[_SKEW_VEGA] * sheet[_NET_VEGA]
        + sheet[_SKEW_EXPIRY_VEGA] * sheet[_EXPIRY_VEGA]
        + sheet[_SKEW_LONG_VEGA] * sheet[_EXPIRY_LONG_VEGA]
    )
    sheet[_VOL], sheet[_FAIR], sheet[_DELTA], sheet[_GAMMA], sheet[_VEGA], sheet[_THETA] = (
        vol,
        fair,
        delta,
        gamma,
        vega,
        greeks[4],
    )
    sheet[_IN_THE_MONEY] = exercised
    sheet[_EDGE], sheet[_LEAST_EDGE], sheet[_SKEW] = edge, least, skew
    sheet[_EXPECTED_EDGE] = distance - costs
    sheet[_PRICE] = ratio * (fair - skew - side * distance)


@kernel("f8(f8[:,::1],f8)")
def slippage(levels: FloatArray, coins: float) -> float:
    """Average distance from the touch that a market order pays, as a fraction of the touch.

    `levels`: a row of prices, best first, and one of coins; what is larger pays the last price for the rest.
    """
    touch, left, paid, price = levels[0, 0], coins, 0.0, levels[0, 0]
    for i in range(levels.shape[1]):
        price = levels[0, i]
        taken = min(left, levels[1, i])
        paid += taken * abs(price - touch)
        left -= taken
        if left <= 0.0:
            break
    paid += max(left, 0.0) * abs(price - touch)
    return paid / (coins * touch) if coins > 0.0 and math.isfinite(paid) else 0.0


@kernel("void(f8[::1],f8[:,::1],f8)")
def price_request(sheet: FloatArray, levels: FloatArray, least_slippage: float) -> None:
    """Price one side after walking the hedge's book with about the delta to be hedged, |N(+-d1)|."""
    deviation = _vol(sheet) * math.sqrt(sheet[_TAU])
    d1 = math.log(sheet[_FORWARD] / sheet[_STRIKE]) / deviation + 0.5 * deviation
    delta = 0.5 * math.erfc((-d1 if sheet[_CALL] > 0.5 else d1) * _HALF)
    sheet[_SLIPPAGE] = max(slippage(levels, delta * sheet[_SIZE]), least_slippage)
    price_sheet(sheet)


# What a caller in Python takes.
price_request_now, price_sheet_now = direct(price_request), direct(price_sheet)


def round_e18(price: float, side: int) -> int:
    """Premium with 18 decimals, rounded against us; the float's own value is taken exactly, NaN gives 0."""
    if not math.isfinite(price):
        return 0
    numerator, denominator = price.as_integer_ratio()
    scaled = numerator * E18
    return scaled // denominator if side > 0 else -(-scaled // denominator)


def _number(term: float | str | None) -> float:
    """A stored input; one that was no number came back as None."""
    return math.nan if term is None else float(term)


def recompute(why: Mapping[str, float | int | str | None]) -> int:
    """The price, 18 decimals, made again from the stored inputs of a quote.

    Raises:
        KeyError: an input is missing.
    """
    sheet = np.empty(len(PLACES))
    sheet[: len(INPUTS)] = [_number(why[name]) for name in INPUTS]
    price_sheet_now(sheet)
    return round_e18(float(sheet[PLACES["price"]]), int(sheet[PLACES["side"]]))
