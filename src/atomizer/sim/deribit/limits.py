"""Request limits: credits that refill, per account or address, and the matching engine's own tiers."""

from __future__ import annotations

from dataclasses import dataclass

from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.settings import Tier

REFILL_PER_S = 10_000.0
MATCHING_METHODS = frozenset(
    {
        "private/buy",
        "private/sell",
        "private/edit",
        "private/edit_by_label",
        "private/cancel",
        "private/cancel_all",
        "private/cancel_all_by_currency",
        "private/cancel_all_by_currency_pair",
        "private/cancel_all_by_instrument",
        "private/cancel_all_by_kind_or_type",
        "private/cancel_by_label",
        "private/close_position",
        "private/cancel_quotes",
    }
)
# Requests and single quotes per second, and how many of each can be saved up.
MASS_QUOTES, QUOTES = 10.0, 500.0


@dataclass(frozen=True, slots=True)
class Pool:
    """Cost of one request and the most that can be saved up."""

    name: str
    cost: float
    capacity: float


DEFAULT_POOL = Pool("default", 500.0, 50_000.0)
POOLS = {
    "public/get_instruments": Pool("instruments", 10_000.0, 500_000.0),
    "public/subscribe": Pool("subscribe", 3_000.0, 30_000.0),
    "private/subscribe": Pool("subscribe", 3_000.0, 30_000.0),
    "private/get_transaction_log": Pool("transactions", 10_000.0, 80_000.0),
}


@dataclass(slots=True)
class Bucket:
    """Credits left at a moment."""

    level: float
    at_ns: int


class Limits:
    """Takes credits for every request of one venue."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def charge(self, method: str, owner: str, now_ns: int) -> None:
        """Pay for one request of `owner` (an account, or an address without one).

        Raises:
            DeribitError: 10028, not enough credits.
        """
        if method == "private/mass_quote":
            name, cost, capacity, refill = "mass quote", 1.0, MASS_QUOTES, MASS_QUOTES
        elif method in MATCHING_METHODS:
            name, cost, capacity, refill = "matching", 1.0, float(self._tier.burst), float(self._tier.rate)
        else:
            pool = POOLS.get(method, DEFAULT_POOL)
            name, cost, capacity, refill = pool.name, pool.cost, pool.capacity, REFILL_PER_S
        self._take(owner, name, cost, capacity, refill, now_ns)

    def charge_quotes(self, owner: str, count: int, now_ns: int) -> None:
        """Pay for the single quotes of a mass quote.

        Raises:
            DeribitError: 10028, not enough credits.
        """
        self._take(owner, "quote", float(count), QUOTES, QUOTES, now_ns)

    def _take(self, owner: str, name: str, cost: float, capacity: float, refill: float, now_ns: int) -> None:
        bucket = self._buckets.get((owner, name))
        if bucket is None:
            bucket = self._buckets[owner, name] = Bucket(capacity, now_ns)
        bucket.level = min(bucket.level + (now_ns - bucket.at_ns) * 1e-9 * refill, capacity)
        bucket.at_ns = now_ns
        if bucket.level < cost:
            raise DeribitError("too_many_requests", f"{name} requests exceed the limit")
        bucket.level -= cost

    def describe(self) -> dict[str, object]:
        """The `limits` member of the account summary."""
        return {
            "non_matching_engine": {"burst": 100, "rate": 20},
            "limits_per_currency": False,
            "matching_engine": {
                "trading": {"total": {"burst": self._tier.burst, "rate": self._tier.rate}},
                "spot": {"burst": self._tier.burst, "rate": self._tier.rate},
                "maximum_quotes": {"burst": 500, "rate": 500},
                "maximum_mass_quotes": {"burst": 10, "rate": 10},
                "guaranteed_mass_quotes": {"burst": 2, "rate": 2},
                "cancel_all": {"burst": 5, "rate": 5},
            },
        }
