"""Funding of a perpetual: continuous, from longs to shorts while it trades above the index.

rate (per 8 h) = max(0.025 %, premium) + min(-0.025 %, premium), capped at 0.5 % either way, with
premium = (mark - index) / index; Deribit's page "Funding Specifications". Counted per market step, so it is
a pure function of the market.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from typing import NamedTuple

from atomizer.sim.calendar import SECOND_NS
from atomizer.sim.deribit.listings import NS_PER_MS, ZERO
from atomizer.sim.market import Market, MarketState

DAMPER, CAP = 0.00025, 0.005
PERIOD_NS = 8 * 3600 * SECOND_NS
SAMPLE_NS = 60 * SECOND_NS
# Coins per USD are kept to this place: finer than any position can see.
INDEX_QUANTUM = Decimal("1e-20")


class Sample(NamedTuple):
    """Interest paid since the venue began (a fraction of the position) at a moment, and the index in USD."""

    at_ms: int
    interest: float
    index_price: float


def rate_of(state: MarketState) -> float:
    """Funding rate per 8 hours in one step, a fraction."""
    index = round(state.index, 4)
    premium = (round(state.perpetual, 4) - index) / index
    return min(max(max(DAMPER, premium) + min(-DAMPER, premium), -CAP), CAP)


class Funding:
    """What a USD of a long perpetual has paid since the venue began."""

    def __init__(self, market: Market, now_ns: int) -> None:
        self._market = market
        self._step = market.state(now_ns).step
        self.coins_per_usd = ZERO
        self.interest = 0.0
        self.samples = [self._sample(market.state(now_ns))]

    def advance(self, now_ns: int) -> None:
        """Count every step up to now."""
        market = self._market
        last = max(now_ns - market.start_ns, 0) // market.step_ns
        while self._step < last:
            self._step += 1
            state = market.state(market.start_ns + self._step * market.step_ns)
            rate = rate_of(state)
            if rate:
                share = Decimal(market.step_ns) / PERIOD_NS
                paid = Decimal(repr(rate)) * share / Decimal(repr(round(state.index, 4)))
                self.coins_per_usd += paid.quantize(INDEX_QUANTUM)
                self.interest += rate * market.step_ns / PERIOD_NS
            if state.ts_ns - self.samples[-1].at_ms * NS_PER_MS >= SAMPLE_NS:
                self.samples.append(self._sample(state))

    def _sample(self, state: MarketState) -> Sample:
        return Sample(state.ts_ns // NS_PER_MS, self.interest, round(state.index, 4))

    def paid_at(self, at_ms: int) -> Sample:
        """The last sample at or before a moment, the first one before there was any."""
        at = bisect_right(self.samples, at_ms, key=lambda sample: sample.at_ms)
        return self.samples[max(at - 1, 0)]

    def value(self, start_ms: int, end_ms: int) -> float:
        """Interest over a period, a fraction of the position."""
        now = Sample(end_ms, self.interest, 0.0) if end_ms > self.samples[-1].at_ms else self.paid_at(end_ms)
        return now.interest - self.paid_at(start_ms).interest

    def last_8h(self, now_ms: int) -> float:
        """Interest over the last eight hours."""
        return self.value(now_ms - PERIOD_NS // NS_PER_MS, now_ms + 1)
