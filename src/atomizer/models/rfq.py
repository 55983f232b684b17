"""Two-sided RFQ prices for one option: costs added, edge on top, rounded against us.

    bid = floor(D V - cost_buy - edge - skew)     ask = ceil(D V + cost_sell + edge - skew)

All money per unit of underlying in USD; times in years; every cost term is signed so that + is against us,
and the terms add up (taking the largest would leave no edge where two costs meet). The side is ours: a
taker who sells hits the bid. `skew` is D V minus the inventory part of the reservation price (`package`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache

from atomizer.models._jit import kernel
from atomizer.models.inputs import ModelInputError, finite, non_negative, positive, within
from atomizer.models.inverse_quotes import ceil_tick, floor_tick

_HALF_NORMAL = 1.0 / math.sqrt(2.0 * math.pi)  # E max(0, N(0,1)), the 0.4 of the taker's option


@kernel("f8(f8,f8,f8,f8)", inline=True)
def _hedge(delta: float, half_spread: float, fee: float, slippage: float) -> float:
    return 2.0 * abs(delta) * (half_spread + fee + slippage)


@kernel("f8(f8,f8,f8,f8,f8,f8)", inline=True)
def _rebalancing(
    gamma: float, forward: float, sigma: float, interval: float, years: float, cost_rate: float
) -> float:
    return cost_rate * abs(gamma) * forward**2 * sigma * math.sqrt(2.0 / (math.pi * interval)) * years


@kernel("f8(f8,f8,f8,f8)", inline=True)
def _carry(hedge_margin: float, margin_rate: float, years: float, expected_funding: float) -> float:
    return hedge_margin * margin_rate * years - expected_funding


@kernel("f8(f8,f8,f8,f8,f8,f8,f8)", inline=True)
def _takers(
    delta: float,
    vega: float,
    forward: float,
    sigma_now: float,
    vol_of_vol: float,
    rho: float,
    validity_years: float,
) -> float:
    spot = abs(delta) * forward * sigma_now
    vol = vega * vol_of_vol
    variance = spot * spot + vol * vol + 2.0 * rho * spot * vol
    return _HALF_NORMAL * math.sqrt(max(variance, 0.0) * validity_years)


@kernel("UniTuple(f8,4)(f8,f8,f8,f8,f8,f8,f8,f8,f8,f8,f8,f8,f8,f8,f8,f8)")
def cost_terms(
    delta: float,
    gamma: float,
    vega: float,
    forward: float,
    sigma: float,
    years: float,
    half_spread_rate: float,
    fee_rate: float,
    slippage_rate: float,
    interval: float,
    margin_share: float,
    margin_rate: float,
    funding_rate: float,
    vol_of_vol: float,
    rho: float,
    validity_years: float,
) -> tuple[float, float, float, float]:
    """Hedge round trip, rebalancing, carry and taker's option in one call, for the quoting path.

    The same formulas as the functions below, without their checks: inputs outside their domains give
    numbers without meaning or NaN. Rates are fractions of traded value; `margin_share` of the hedge's
    notional is held at `margin_rate`; `funding_rate` per year is paid on the notional.
    """
    notional = abs(delta) * forward
    rate = half_spread_rate + fee_rate + slippage_rate
    return (
        _hedge(delta, half_spread_rate * forward, fee_rate * forward, slippage_rate * forward),
        _rebalancing(gamma, forward, sigma, interval, years, rate),
        _carry(margin_share * notional, margin_rate, years, -funding_rate * notional * years),
        _takers(delta, vega, forward, sigma, vol_of_vol, rho, validity_years),
    )


@dataclass(frozen=True, slots=True)
class SideCosts:
    """Cost terms of one side, USD per unit of underlying, + against us."""

    hedge: float = 0.0
    rebalancing: float = 0.0
    carry: float = 0.0
    takers_option: float = 0.0
    fixing: float = 0.0
    delivery: float = 0.0
    own_size: float = 0.0

    def total(self) -> float:
        """Their sum."""
        return math.fsum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class RfqQuote:
    """Rounded prices (None: no quote on that side) and what went into them, USD per unit of underlying."""

    bid: float | None
    ask: float | None
    fair: float
    skew: float
    edge: float
    buy: SideCosts
    sell: SideCosts


def hedge_round_trip(delta: float, half_spread: float, fee: float, slippage: float) -> float:
    """Entry and exit of the delta hedge: 2 |delta| (half spread + fee + slippage), each USD per coin.

    Raises:
        ModelInputError: a cost below 0 (a fee may be a rebate), a number not finite.
    """
    finite(delta=delta, fee=fee)
    non_negative(half_spread=half_spread, slippage=slippage)
    return _hedge(delta, half_spread, fee, slippage)


def rebalancing_cost(
    gamma: float, forward: float, sigma: float, interval: float, years: float, cost_rate: float
) -> float:
    """Expected cost of re-hedging at a fixed interval to expiry, exact in expectation.

    lambda Gamma S^2 sigma sqrt(2 / (pi dt)) T: the mean of Gamma_t S_t^2 is constant over the life.

    Args:
        gamma: option gamma per USD (its size is used).
        forward: price of the underlying.
        sigma: realised volatility, per sqrt(year).
        interval: time between re-hedges, years.
        years: time to expiry.
        cost_rate: one-way cost as a fraction of traded value.

    Raises:
        ModelInputError: a number outside its domain.
    """
    finite(gamma=gamma)
    positive(forward=forward, interval=interval)
    non_negative(sigma=sigma, years=years, cost_rate=cost_rate)
    return _rebalancing(gamma, forward, sigma, interval, years, cost_rate)


def carry_cost(hedge_margin: float, margin_rate: float, years: float, expected_funding: float) -> float:
    """Financing of the hedge's margin less the funding it is expected to receive (USD over the whole life).

    The premium is not financed here: the discount factor on V already carries it.

    Raises:
        ModelInputError: a number not finite, margin or time below 0.
    """
    non_negative(hedge_margin=hedge_margin, years=years)
    finite(margin_rate=margin_rate, expected_funding=expected_funding)
    return _carry(hedge_margin, margin_rate, years, expected_funding)


def takers_option(
    delta: float,
    vega: float,
    forward: float,
    sigma_now: float,
    vol_of_vol: float,
    rho: float,
    validity_years: float,
) -> float:
    """Value of a firm quote to the taker over its validity.

    Args:
        delta: option delta.
        vega: per 1.00 of vol.
        forward: price of the underlying.
        sigma_now: short-horizon volatility, not the option's.
        vol_of_vol: absolute volatility of the vol, per sqrt(year).
        rho: correlation of forward and vol.
        validity_years: how long the quote binds us.

    Raises:
        ModelInputError: a number outside its domain.
    """
    finite(delta=delta)
    positive(forward=forward)
    non_negative(vega=vega, sigma_now=sigma_now, vol_of_vol=vol_of_vol, validity_years=validity_years)
    within(-1.0, 1.0, rho=rho)
    return _takers(delta, vega, forward, sigma_now, vol_of_vol, rho, validity_years)


@lru_cache(maxsize=256)
def expected_maximum(makers: int) -> float:
    """Mean of the largest of n standard normals (2: .564, 3: .846, 5: 1.163, 10: 1.539).

    Trapezoidal rule over n x Phi(x)^(n-1) phi(x), spectrally accurate for such an integrand.

    Raises:
        ModelInputError: fewer than 1 maker.
    """
    if makers < 1:
        raise ModelInputError("makers", "at least 1 maker in the auction, us included", makers)
    points = (i / 32.0 for i in range(-384, 385))
    return math.fsum(
        x * makers * (0.5 * math.erfc(-x / math.sqrt(2.0))) ** (makers - 1) * math.exp(-0.5 * x * x)
        for x in points
    ) / (32.0 * math.sqrt(2.0 * math.pi))


def winners_curse(vega: float, vol_error_sd: float, makers: int) -> float:
    """What winning tells us: eps vega e_n, the error of the most optimistic of n makers.

    Args:
        vega: per 1.00 of vol.
        vol_error_sd: sd of our own fair-vol error, absolute.
        makers: bidders in the auction, us included.

    Raises:
        ModelInputError: a number below 0, fewer than 1 maker.
    """
    non_negative(vega=vega, vol_error_sd=vol_error_sd)
    return vol_error_sd * vega * expected_maximum(makers)


def edge(
    premium: float,
    vega: float,
    *,
    edge_usd: float,
    edge_bps: float,
    edge_vol: float,
    width_multiplier: float = 1.0,
    curse: float = 0.0,
) -> float:
    """max(edge_usd, edge_bps of premium, edge_vol vega) times the width multiplier, plus the winner's curse.

    Raises:
        ModelInputError: a number below 0.
    """
    non_negative(
        premium=premium,
        vega=vega,
        edge_usd=edge_usd,
        edge_bps=edge_bps,
        edge_vol=edge_vol,
        width_multiplier=width_multiplier,
        curse=curse,
    )
    return width_multiplier * max(edge_usd, 1e-4 * edge_bps * premium, edge_vol * vega) + curse


def effective_half_spread(
    mid: float, tick: float, vega: float, *, minimum_bps: float, vol_floor: float
) -> float:
    """Smallest half spread to show: the largest of bps of mid, one tick, vol floor times vega.

    Raises:
        ModelInputError: a number below 0.
    """
    non_negative(mid=mid, tick=tick, vega=vega, minimum_bps=minimum_bps, vol_floor=vol_floor)
    return max(1e-4 * minimum_bps * mid, tick, vol_floor * vega)


def assemble(
    value: float,
    discount: float,
    *,
    buy: SideCosts,
    sell: SideCosts,
    edge_amount: float,
    skew: float,
    tick: float,
    minimum_half_spread: float = 0.0,
) -> RfqQuote:
    """Both sides of the quote on the tick grid.

    Args:
        value: undiscounted fair value at this expiry's forward.
        discount: of a premium paid now; 1 for futures-style options and venue marks.
        buy: costs when we buy (bid).
        sell: costs when we sell (ask).
        edge_amount: see `edge`.
        skew: D V minus the inventory part of the reservation price, positive when we are long.
        tick: price grid.
        minimum_half_spread: each side keeps at least this distance from D V - skew.

    Raises:
        ModelInputError: a number not finite, value below 0, discount or tick not above 0.
    """
    non_negative(value=value, edge_amount=edge_amount, minimum_half_spread=minimum_half_spread)
    positive(discount=discount, tick=tick)
    buying, selling = buy.total(), sell.total()
    finite(skew=skew, buy=buying, sell=selling)
    if buying + selling + 2.0 * edge_amount < 0.0:
        raise ModelInputError(
            "costs",
            "costs and edge that sum to at least 0 over both sides",
            buying + selling + 2.0 * edge_amount,
        )
    fair = discount * value
    bid = floor_tick(fair - skew - max(buying + edge_amount, minimum_half_spread), tick)
    ask = ceil_tick(fair - skew + max(selling + edge_amount, minimum_half_spread), tick)
    return RfqQuote(
        bid if bid > 0.0 else None, ask if ask > 0.0 else None, fair, skew, edge_amount, buy, sell
    )
