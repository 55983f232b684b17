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

from atomizer.models._jit import kernel
from atomizer.models.black import black76_greeks, black76_price
from atomizer.models.rfq import _carry, _hedge, _rebalancing, _takers

FloatArray = NDArray[np.float64]
E18 = 10**18

# What changes with every request comes first, what a configuration fixes last.
INPUTS: Final = (
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
    "slippage",
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
    # What the configuration fixes.
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
IN: Final = {name: place for place, name in enumerate(INPUTS)}
OUT: Final = {name: place for place, name in enumerate(OUTPUTS)}
FIRST_COST: Final = OUT[COSTS[0]]
COST_COUNT: Final = len(COSTS)

# Their places, as constants that a kernel compiles in.
(
    _SIDE,
    _CALL,
    _STRIKE,
    _TAU,
    _SIZE,
    _RATIO,
    _INDEX,
    _FORWARD,
    _NEAR_A,
    _NEAR_B,
    _NEAR_RHO,
    _NEAR_M,
    _NEAR_SIGMA,
    _NEAR_YEARS,
    _NEAR_TAU,
    _STRETCH,
    _FAR_A,
    _FAR_B,
    _FAR_RHO,
    _FAR_M,
    _FAR_SIGMA,
    _FAR_YEARS,
    _FAR_TAU,
    _FAR_SHARE,
    _EVENT_VARIANCE,
    _VOL_ADDED,
    _BEYOND,
    _HALF_SPREAD,
    _FEE,
    _SLIPPAGE,
    _FUNDING_HELD,
    _WINDOW,
    _SPOT_VOL,
    _VALIDITY,
    _HAIRCUT,
    _NET_DELTA,
    _NET_VEGA,
    _EXPIRY_VEGA,
    _EXPIRY_LONG_VEGA,
    _EDGE_SCALE,
    _CONCESSION,
    _FAIR_GIVEN,
    _INTERVAL,
    _RISK_AVERSION,
    _MARGIN_SHARE,
    _MARGIN_RATE,
    _STABLE_RATE,
    _VOL_OF_VOL,
    _SPOT_VOL_CORRELATION,
    _BASIS,
    _FIXING_RISK_PRICE,
    _DELIVERY_RATE,
    _DELIVERY_USD,
    _OWN_DELTA,
    _OWN_VEGA,
    _VOL_ERROR,
    _WINNER,
    _SKEW_DELTA,
    _SKEW_VEGA,
    _SKEW_EXPIRY_VEGA,
    _SKEW_LONG_VEGA,
    _EDGE_USD,
    _EDGE_PREMIUM,
    _EDGE_VOL,
    _LEAST_EDGE_USD,
    _LEAST_EDGE_PREMIUM,
    _LEAST_EDGE_VOL,
    _LEAST_DISTANCE_PREMIUM,
    _LEAST_DISTANCE_VOL,
) = range(len(INPUTS))
(
    _VOL,
    _FAIR,
    _DELTA,
    _GAMMA,
    _VEGA,
    _THETA,
    _IN_THE_MONEY,
    _COST_HEDGE,
    _COST_REBALANCING,
    _COST_CARRY,
    _COST_TAKER_OPTION,
    _COST_FIXING,
    _COST_DELIVERY,
    _COST_OWN_SIZE,
    _COST_WINNERS_CURSE,
    _COST_EXTRAPOLATION,
    _EDGE,
    _LEAST_EDGE,
    _SKEW,
    _EXPECTED_EDGE,
    _PRICE,
) = range(len(OUTPUTS))

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


@kernel("void(f8[::1],f8[::1])")
def price_rfq_into(given: FloatArray, out: FloatArray) -> None:
    """Price one side: `given` in the order of `INPUTS`, `out` in the order of `OUTPUTS`. Checks nothing."""
    side, is_call, strike, tau, size, ratio, index, forward = (
        given[_SIDE],
        given[_CALL] > 0.5,
        given[_STRIKE],
        given[_TAU],
        given[_SIZE],
        given[_RATIO],
        given[_INDEX],
        given[_FORWARD],
    )
    k = math.log(strike / forward)
    variance = _variance(
        k * given[_STRETCH],
        given[_NEAR_A],
        given[_NEAR_B],
        given[_NEAR_RHO],
        given[_NEAR_M],
        given[_NEAR_SIGMA],
        given[_NEAR_YEARS],
        given[_NEAR_TAU],
    )
    share = given[_FAR_SHARE]
    if share > 0.0:
        far = _variance(
            k,
            given[_FAR_A],
            given[_FAR_B],
            given[_FAR_RHO],
            given[_FAR_M],
            given[_FAR_SIGMA],
            given[_FAR_YEARS],
            given[_FAR_TAU],
        )
        variance = (1.0 - share) * variance + share * far
    vol = math.sqrt((variance + given[_EVENT_VARIANCE]) / tau) + given[_VOL_ADDED]
    greeks = black76_greeks(forward, strike, tau, vol, 0.0, is_call)
    delta, gamma, vega = greeks[1], greeks[2], greeks[3]
    discount = math.exp(-given[_STABLE_RATE] * tau)
    fair = given[_FAIR_GIVEN] if given[_FAIR_GIVEN] > 0.0 else greeks[0] * discount
    deviation = vol * math.sqrt(tau)
    sign = 1.0 if is_call else -1.0
    exercised = 0.5 * math.erfc(sign * (k / deviation + 0.5 * deviation) * _HALF)
    half_spread, fee, slippage = given[_HALF_SPREAD], given[_FEE], given[_SLIPPAGE]
    rate = half_spread + fee + slippage
    hedged = -side * delta * forward  # USD of the hedge, long above 0
    out[_COST_HEDGE] = _hedge(delta, half_spread * forward, fee * forward, slippage * forward)
    if given[_INTERVAL] > 0.0:
        out[_COST_REBALANCING] = _rebalancing(gamma, forward, vol, given[_INTERVAL], tau, rate)
    else:
        out[_COST_REBALANCING] = _band_rebalancing(gamma, forward, vol, tau, rate, given[_RISK_AVERSION], 1e3)
    out[_COST_CARRY] = _carry(
        given[_MARGIN_SHARE] * abs(hedged), given[_MARGIN_RATE], tau, -given[_FUNDING_HELD] * hedged
    )
    out[_COST_TAKER_OPTION] = _takers(
        delta,
        vega,
        forward,
        given[_SPOT_VOL],
        given[_VOL_OF_VOL],
        given[_SPOT_VOL_CORRELATION],
        given[_VALIDITY],
    )
    fixing = given[_BASIS] * index
    window = given[_WINDOW]
    if window > 0.0 and tau >= window:
        averaged = black76_price(forward, strike, tau - 2.0 * window / 3.0, vol, 1.0, is_call)
        fixing += exercised * (half_spread + fee) * forward
        fixing += given[_FIXING_RISK_PRICE] * exercised * forward * vol * math.sqrt(window / 3.0)
        fixing -= side * (greeks[0] - averaged)
    out[_COST_FIXING] = fixing
    received = (
        given[_HAIRCUT] * forward if side * sign > 0.0 else 0.0
    )  # coins come to us: long calls, short puts
    out[_COST_DELIVERY] = exercised * (given[_DELIVERY_RATE] * forward + received) + given[_DELIVERY_USD]
    point = 0.01 * vega
    out[_COST_OWN_SIZE] = 0.5 * size * (given[_OWN_DELTA] * delta * delta + given[_OWN_VEGA] * point * point)
    out[_COST_WINNERS_CURSE] = given[_VOL_ERROR] * vega * given[_WINNER]
    out[_COST_EXTRAPOLATION] = given[_BEYOND] * vega
    costs = 0.0
    for i in range(FIRST_COST, FIRST_COST + COST_COUNT):
        costs += out[i]
    edge = given[_EDGE_SCALE] * max(given[_EDGE_USD], given[_EDGE_PREMIUM] * fair, given[_EDGE_VOL] * vega)
    least = max(given[_LEAST_EDGE_USD], given[_LEAST_EDGE_PREMIUM] * fair, given[_LEAST_EDGE_VOL] * vega)
    distance = max(given[_LEAST_DISTANCE_PREMIUM] * fair, given[_LEAST_DISTANCE_VOL] * vega)
    distance = max(distance, costs + max(edge - given[_CONCESSION], least))
    skew = given[_SKEW_DELTA] * given[_NET_DELTA] * delta + point * (
        given[_SKEW_VEGA] * given[_NET_VEGA]
        + given[_SKEW_EXPIRY_VEGA] * given[_EXPIRY_VEGA]
        + given[_SKEW_LONG_VEGA] * given[_EXPIRY_LONG_VEGA]
    )
    out[_VOL], out[_FAIR], out[_DELTA], out[_GAMMA], out[_VEGA], out[_THETA] = (
        vol,
        fair,
        delta,
        gamma,
        vega,
        greeks[4],
    )
    out[_IN_THE_MONEY] = exercised
    out[_EDGE], out[_LEAST_EDGE], out[_SKEW] = edge, least, skew
    out[_EXPECTED_EDGE] = distance - costs
    out[_PRICE] = ratio * (fair - skew - side * distance)


def round_e18(price: float, side: int) -> int:
    """Premium with 18 decimals, rounded against us; the float's own value is taken exactly, NaN gives 0."""
    if not math.isfinite(price):
        return 0
    numerator, denominator = price.as_integer_ratio()
    scaled = numerator * E18
    return scaled // denominator if side > 0 else -(-scaled // denominator)


def recompute(why: Mapping[str, float | int | str]) -> int:
    """The price, 18 decimals, made again from the stored inputs of a quote.

    Raises:
        KeyError: an input is missing.
    """
    given, out = np.array([float(why[name]) for name in INPUTS]), np.empty(len(OUTPUTS))
    price_rfq_into(given, out)
    return round_e18(float(out[OUT["price"]]), int(given[IN["side"]]))
