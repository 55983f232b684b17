"""Takers who know what comes: the market is a function of seed and time, so they look at its future.

An informed taker with a few options in mind compares, for every moment of its patience, what makers will
quote for each (its value a moment before) with what it will be worth at its horizon to somebody who hedges
its delta from the settlement on. It asks when the two are furthest apart: sells what will lose, buys what
will gain. It takes a quote only if the price is better than that future value. Direction alone is worth
nothing to it beyond the seconds until the hedge: what it takes, it takes from a maker who hedges.
"""

from __future__ import annotations

from typing import NamedTuple

from atomizer.sim.market import Market
from atomizer.sim.rysk.fair import NS_PER_S, FairValue, Terms, fair_value

LOOK_EVERY_S = 2.0
# What makers quote is what their surfaces made of the market a moment ago.
MAKERS_LAG_S = 1.5
HEDGE_EVERY_S = 10.0


class Insight(NamedTuple):
    """When to ask and on which side; `gain` in USD per unit against what makers think it worth then."""

    gain: float
    wait_s: float
    buys: bool


def later_value(market: Market, option: Terms, from_ns: int, to_ns: int) -> float:
    """What a holder has at `to_ns`, USD per unit, who hedged the delta at `from_ns` and every ten seconds."""
    cash, at_ns = 0.0, from_ns
    now = fair_value(market, option, at_ns)
    while at_ns < to_ns:
        at_ns = min(at_ns + round(HEDGE_EVERY_S * NS_PER_S), to_ns)
        then = fair_value(market, option, at_ns)
        cash -= now.delta * (then.index_usd - now.index_usd)
        now = then
    return now.usd + cash


def best_moment(
    market: Market, option: Terms, now_ns: int, *, patience_s: float, horizon_s: float, settles_s: float
) -> Insight:
    """The moment within the patience at which the option is furthest from its later value."""
    best = Insight(0.0, 0.0, buys=False)
    for look in range(int(patience_s / LOOK_EVERY_S) + 1):
        wait_s = look * LOOK_EVERY_S
        asked_ns = now_ns + round(wait_s * NS_PER_S)
        settled_ns = asked_ns + round(settles_s * NS_PER_S)
        value = fair_value(market, option, asked_ns - round(MAKERS_LAG_S * NS_PER_S)).usd
        gain = later_value(market, option, settled_ns, settled_ns + round(horizon_s * NS_PER_S)) - value
        if abs(gain) > best.gain:
            best = Insight(abs(gain), wait_s, gain > 0.0)
    return best


def accepts(price: float, later: float, *, buys: bool) -> bool:
    """Whether a price is better than the later value, both USD per unit."""
    return price < later if buys else price > later


def hedged_result(
    market: Market, option: Terms, quoted_ns: int, settled_ns: int, now_ns: int
) -> tuple[float, float]:
    """What holding one unit brought since the quote, USD: (up to the settlement, unhedged; since, hedged)."""
    first: FairValue = fair_value(market, option, quoted_ns)
    settled = fair_value(market, option, settled_ns)
    return settled.usd - first.usd, later_value(market, option, settled_ns, now_ns) - settled.usd
