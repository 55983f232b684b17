"""How long things took, for people. Nanoseconds in, microseconds out."""

from __future__ import annotations

from collections import deque

KEPT = 10_000


class Latencies:
    """Recent durations: RFQ read to quote written, first unhedged trade read to hedge written."""

    def __init__(self) -> None:
        self._quotes: deque[int] = deque(maxlen=KEPT)
        self._hedges: deque[int] = deque(maxlen=KEPT)
        self._traded_at: int | None = None

    def quoted(self, nanoseconds: int) -> None:
        self._quotes.append(nanoseconds)

    def trade(self, at: int) -> None:
        """A trade was read; the clock runs until the next hedge is written."""
        if self._traded_at is None:
            self._traded_at = at

    def hedged(self, at: int) -> None:
        if self._traded_at is not None:
            self._hedges.append(at - self._traded_at)
            self._traded_at = None

    def summary(self) -> dict[str, dict[str, float]]:
        return {"rfq_to_quote": _quantiles(self._quotes), "fill_to_hedge": _quantiles(self._hedges)}


def _quantiles(values: deque[int]) -> dict[str, float]:
    """p50 and p99 in microseconds; zeros when nothing was measured."""
    if not values:
        return {"p50": 0.0, "p99": 0.0}
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        "p50": round(ordered[round(0.50 * last)] / 1000.0, 1),
        "p99": round(ordered[round(0.99 * last)] / 1000.0, 1),
    }
