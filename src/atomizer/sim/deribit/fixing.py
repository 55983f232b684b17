"""The half hour before an expiry: the index average that everything of that expiry is delivered at.

One reading a second, 07:30:01 to 08:00:00 UTC. The index is a pure function of time, so the average of any
expiry can be made at any moment after it.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from atomizer.sim.calendar import SECOND_NS
from atomizer.sim.market import Market

TICKS = 1800
WINDOW_NS = TICKS * SECOND_NS
DELIVERY_QUANTUM = Decimal("0.01")


def index_at(market: Market, ts_ns: int) -> Decimal:
    """The index as published at a moment, USD with four decimals."""
    return Decimal(repr(round(market.state(ts_ns).index, 4)))


class Fixing:
    """The average of one expiry as far as it is known."""

    def __init__(self, market: Market, expiry_ns: int) -> None:
        self._market = market
        self.expiry_ns = expiry_ns
        self.taken = 0
        self._total = Decimal(0)

    def advance(self, now_ns: int) -> None:
        """Take the readings that are due."""
        due = min((now_ns - self.expiry_ns + WINDOW_NS) // SECOND_NS, TICKS)
        first = self.expiry_ns - WINDOW_NS
        while self.taken < due:
            self.taken += 1
            self._total += index_at(self._market, first + self.taken * SECOND_NS)

    @property
    def share(self) -> float:
        """How much of the average is fixed, 0 to 1."""
        return self.taken / TICKS

    @property
    def average(self) -> Decimal:
        """Average of the readings so far; nothing is fixed before the first.

        Raises:
            ZeroDivisionError: no reading yet.
        """
        return (self._total / self.taken).quantize(DELIVERY_QUANTUM, rounding=ROUND_HALF_EVEN)

    def blend(self, rest: float) -> float:
        """Expected average when every reading to come is expected at `rest` (USD)."""
        if not self.taken:
            return rest
        return (float(self._total) + (TICKS - self.taken) * rest) / TICKS
