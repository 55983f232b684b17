"""Credits for requests outside the matching engine: awaited calls wait for theirs, they are never refused.

Each pool holds so many credits and regains them at one rate; a request takes its cost. We stay below the
venue's pools, because going over them may end the session. Source: the venue's section on rate limits.
"""

from __future__ import annotations

from typing import NamedTuple

REFILL_PER_S = 10_000.0
# The part of a pool that is used: requests in flight may arrive closer together than they were sent.
USED = 0.8


class Price(NamedTuple):
    """What one request takes out of a pool of this size."""

    cost: float
    pool: float


DEFAULT = Price(500.0, 50_000.0)
SUBSCRIBE = Price(3_000.0, 30_000.0)
PRICES: dict[str, Price] = {
    "public/get_instruments": Price(10_000.0, 500_000.0),
    "public/subscribe": SUBSCRIBE,
    "private/subscribe": SUBSCRIBE,
    "private/get_transaction_log": Price(10_000.0, 80_000.0),
}


class Credits:
    """Token buckets by pool: the methods above have their own, all others share one."""

    def __init__(self) -> None:
        self._left: dict[Price, float] = {}
        self._at_s: dict[Price, float] = {}

    def wait_s(self, method: str, now_s: float) -> float:
        """Take the cost of a request; seconds until it may be sent."""
        price = PRICES.get(method, DEFAULT)
        full = price.pool * USED
        gained = (now_s - self._at_s.get(price, now_s)) * REFILL_PER_S
        left = min(full, self._left.get(price, full) + gained) - price.cost
        self._left[price], self._at_s[price] = left, now_s
        return max(0.0, -left / REFILL_PER_S)
