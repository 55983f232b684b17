"""The generator's fair value of any option, listed or not, and its scale: what a vol point is worth."""

from __future__ import annotations

import math
from typing import NamedTuple

from atomizer.sim.market import Market

NS_PER_S = 1_000_000_000


class Terms(NamedTuple):
    """What the generator needs to price an option."""

    strike: float
    expiry_ns: int
    is_call: bool


class FairValue(NamedTuple):
    """USD per coin of underlying: the price, the index, the value of one vol point."""

    usd: float
    index_usd: float
    vega_point: float

    def width(self, vol_points: float, bps: float) -> float:
        """A distance in USD: vol points at their value plus basis points of the index."""
        return vol_points * self.vega_point + bps * 1e-4 * self.index_usd


def fair_value(market: Market, terms: Terms, now_ns: int) -> FairValue:
    """Fair value on the generated market at `now_ns`; after expiry, intrinsic value at the expiry."""
    state = market.state(min(now_ns, terms.expiry_ns))
    price, tau = state.fair_usd(terms), state.tau(terms.expiry_ns)
    if tau <= 0.0:
        return FairValue(price, state.index, 0.0)
    forward, vol = state.forward(terms.expiry_ns), state.vol(terms.strike, terms.expiry_ns)
    deviation = vol * math.sqrt(tau)
    d1 = math.log(forward / terms.strike) / deviation + 0.5 * deviation
    density = math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
    return FairValue(price, state.index, 0.01 * forward * density * math.sqrt(tau))
