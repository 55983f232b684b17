"""What listed prices say an option can cost at most and at least, whatever any model says.

A long position in listed options that pays at least as much as the option in every case bounds its price
from above: the same type and strike at the same or a later expiry, or the two neighbouring strikes of the
same expiry mixed so that their strikes average to ours (payoffs are convex in the strike). Mirror images on
listed bids bound it from below. All prices in one currency, undiscounted or discounted alike; costs of the
hedge are the caller's. `listed_kernels` does the same on the quoting path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive


class ListedPrice(NamedTuple):
    """One listed option of the same type and underlying: strike, years to expiry, best bid and ask (NaN:
    none).
    """

    strike: float
    years: float
    bid: float
    ask: float


class PriceBounds(NamedTuple):
    """Dearest and cheapest price that listed quotes allow; NaN where none bounds it."""

    floor: float
    cap: float


def price_bounds(
    strike: float,
    years: float,
    listed: Sequence[ListedPrice],
    *,
    is_call: bool,
    forward: float,
    discount: float = 1.0,
) -> PriceBounds:
    """Bounds from listed neighbours and from the payoff itself.

    cap: the cheapest of D F (call) or D K (put), listed asks of the same strike at this or a later expiry,
    and listed asks of this expiry interpolated linearly in the strike. floor: the dearest of discounted
    intrinsic, and listed bids of the same strike at this or an earlier expiry.

    The calendar bounds hold for rates near zero (coin options, futures-style options).

    Args:
        strike, years: of the option.
        listed: of the same type and underlying; strikes and expiries are matched exactly.
        is_call: call or put.
        forward: of the option's expiry.
        discount: factor of the option's expiry.

    Raises:
        ModelInputError: a number outside its domain, a listed bid above its ask.
    """
    positive(strike=strike, forward=forward, discount=discount)
    non_negative(years=years)
    for quote in listed:
        finite(listed_strike=quote.strike, listed_years=quote.years)
        if quote.bid > quote.ask:
            raise ModelInputError("listed", f"a bid of at most the ask {quote.ask!r}", quote.bid)
    caps = [discount * (forward if is_call else strike)]
    floors = [discount * max(forward - strike if is_call else strike - forward, 0.0)]
    caps += [q.ask for q in listed if q.strike == strike and q.years >= years and not math.isnan(q.ask)]
    floors += [q.bid for q in listed if q.strike == strike and q.years <= years and not math.isnan(q.bid)]
    mixed = interpolated_ask(strike, [q for q in listed if q.years == years])
    if not math.isnan(mixed):
        caps.append(mixed)
    return PriceBounds(max(floors), min(caps))


def interpolated_ask(strike: float, listed: Sequence[ListedPrice]) -> float:
    """Cheapest mix of two listed asks of one expiry around the strike whose strikes average to it; NaN
    without one.

    Raises:
        ModelInputError: the strike is not above 0.
    """
    positive(strike=strike)
    asks = [(q.strike, q.ask) for q in listed if not math.isnan(q.ask)]
    below = [pair for pair in asks if pair[0] < strike]
    above = [pair for pair in asks if pair[0] > strike]
    mixes = (
        low_ask + (strike - low) / (high - low) * (high_ask - low_ask)
        for low, low_ask in below
        for high, high_ask in above
    )
    return min(mixes, default=math.nan)
