"""Channel names: which exist, who may have them, and how often they speak."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from atomizer.sim.deribit.listings import Listing

INTERVALS = ("raw", "100ms", "agg2")
KINDS = ("future", "option", "spot", "future_combo", "option_combo", "any")
CURRENCIES = ("BTC", "ETH", "SOL", "USDC", "USDT", "EURR", "any")
GROUPS = ("none", "1", "2", "5", "10", "25", "100", "250")
DEPTHS = ("1", "10", "20")
USER_FEEDS = ("orders", "trades", "changes", "combo_trades")
# Channels that are granted and say nothing here: no account lock or access list is simulated.
QUIET_USER = ("lock", "access_log")


@dataclass(frozen=True, slots=True)
class Channel:
    """One valid channel. `feed` is its first word or two, `scope` its middle, `interval` its last."""

    name: str
    feed: str
    scope: str = ""
    interval: str = ""
    group: int = 0
    depth: int = 0

    @property
    def private(self) -> bool:
        return self.feed.startswith("user.")

    @property
    def raw(self) -> bool:
        return self.interval == "raw"


def parse_channel(name: str, listings: Mapping[str, Listing], indices: Collection[str]) -> Channel | None:
    """The channel of this name, None when there is none such."""
    words = name.split(".")
    head, rest = words[0], words[1:]
    if head == "user" and rest:
        return _user(name, rest, listings, indices)
    if head == "book":
        return _book(name, rest, listings)
    if head in ("ticker", "perpetual") and len(rest) == 2 and rest[0] in listings and rest[1] in INTERVALS:
        return Channel(name, head, rest[0], rest[1])
    if head in ("quote", "incremental_ticker") and len(rest) == 1 and rest[0] in listings:
        return Channel(name, head, rest[0])
    if head == "trades" and _scoped(rest, listings):
        return Channel(name, head, ".".join(rest[:-1]), rest[-1])
    if head in ("deribit_price_index", "deribit_volatility_index") and len(rest) == 1 and rest[0] in indices:
        return Channel(name, head, rest[0])
    if head == "estimated_expiration_price" and len(rest) == 1 and rest[0] in indices:
        return Channel(name, head, rest[0])
    if head == "markprice" and len(rest) == 2 and rest[0] == "options" and rest[1] in indices:
        return Channel(name, "markprice", rest[1])
    if head == "instrument" and len(rest) == 3 and rest[0] == "state" and rest[1] in KINDS:
        return Channel(name, "instrument.state", ".".join(rest[1:]))
    if name == "platform_state":
        return Channel(name, name)
    return None


def _scoped(rest: list[str], listings: Mapping[str, Listing]) -> bool:
    """Whether `rest` is {instrument}.{interval} or {kind}.{currency}.{interval}."""
    if not rest or rest[-1] not in INTERVALS:
        return False
    if len(rest) == 2:
        return rest[0] in listings
    return len(rest) == 3 and rest[0] in KINDS and rest[1] in CURRENCIES


def _user(
    name: str, rest: list[str], listings: Mapping[str, Listing], indices: Collection[str]
) -> Channel | None:
    feed, scope = f"user.{rest[0]}", rest[1:]
    if rest[0] in USER_FEEDS and _scoped(scope, listings):
        return Channel(name, feed, ".".join(scope[:-1]), scope[-1])
    if (
        rest[0] == "portfolio"
        and len(scope) == 1
        and (scope[0] in CURRENCIES or scope[0].upper() in CURRENCIES)
    ):
        return Channel(name, feed, scope[0])
    if rest[0] == "mmp_trigger" and len(scope) == 1 and scope[0] in (*indices, "any"):
        return Channel(name, feed, scope[0])
    if rest[0] in QUIET_USER:
        return Channel(name, feed, ".".join(scope))
    return None


def _book(name: str, rest: list[str], listings: Mapping[str, Listing]) -> Channel | None:
    if not rest or rest[0] not in listings:
        return None
    if len(rest) == 2 and rest[1] in INTERVALS:
        return Channel(name, "book", rest[0], rest[1])
    if len(rest) == 4 and rest[1] in GROUPS and rest[2] in DEPTHS and rest[3] in ("100ms", "agg2"):
        group = 0 if rest[1] == "none" else int(rest[1])
        return Channel(name, "grouped", rest[0], rest[3], group, int(rest[2]))
    return None
