"""Signed quotes that may still be executed: each counts as if it will be, until it is traded or dead.

Kept current quote by quote: a few thousand can be alive, and counting all of them at every valuation would
hold up whatever comes next. A quote is counted when somebody looks, or when the node has time for it, which
is when it was sent (`catch_up`).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from atomizer.domain.commands import SendQuote
from atomizer.domain.instruments import Instrument
from atomizer.engine.accounts import Purse
from atomizer.engine.ledger import LiveQuote

NS = 1_000_000_000
E18 = 10**18
Key = tuple[str, str, int]
K = TypeVar("K")


class Sum(msgspec.Struct):
    """So many quotes, and what they add up to."""

    count: int
    amount: float


class Pair(msgspec.Struct):
    """What raises an amount and what lowers it."""

    up: float = 0.0
    down: float = 0.0

    def add(self, per_unit: float, size: float) -> None:
        """Count a size (negative: take it back) to the side of its sign per unit."""
        if per_unit > 0.0:
            self.up += per_unit * size
        else:
            self.down += per_unit * size


class Worth(msgspec.Struct):
    """What the live quotes of one underlying add when executed; `size` in units of underlying."""

    count: int = 0
    size: float = 0.0
    delta: Pair = msgspec.field(default_factory=Pair)
    gamma: Pair = msgspec.field(default_factory=Pair)
    vega: Pair = msgspec.field(default_factory=Pair)


class Signed:
    """The live quotes, and their sums by underlying, by taker, by side of an instrument and by purse."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._waiting: list[LiveQuote] = []
        self._live: dict[Key, LiveQuote] = {}
        self._worth: dict[str, Worth] = {}
        self._takers: dict[str, int] = {}
        self._on: dict[tuple[str, int], Sum] = {}
        self._premium: dict[tuple[str, str, str], Sum] = {}
        self._collateral: dict[tuple[str, str, str], Sum] = {}
        self._ends: dict[tuple[str, str], list[tuple[int, Key]]] = {}

    @property
    def live(self) -> dict[Key, LiveQuote]:
        """By account and nonce."""
        self.catch_up()
        return self._live

    @property
    def worth(self) -> dict[str, Worth]:
        """By underlying."""
        self.catch_up()
        return self._worth

    @property
    def takers(self) -> dict[str, int]:
        """Live quotes by taker."""
        if self._waiting:
            self.catch_up()
        return self._takers

    def on(self, instrument: str, side: int) -> tuple[int, float]:
        """Number and size of the live quotes on one side of an instrument."""
        if self._waiting:
            self.catch_up()
        found = self._on.get((instrument, side))
        return (0, 0.0) if found is None else (found.count, found.amount)

    def premium(self, purse: Purse) -> float:
        """What all that we may buy would cost."""
        if self._waiting:
            self.catch_up()
        found = self._premium.get(purse)
        return 0.0 if found is None else found.amount

    def collateral(self, purse: Purse) -> float:
        """What all that we may sell would lock, in the purse's currency."""
        if self._waiting:
            self.catch_up()
        found = self._collateral.get(purse)
        return 0.0 if found is None else found.amount

    def add(self, quote: LiveQuote) -> None:
        """A quote was signed."""
        self._waiting.append(quote)

    def catch_up(self) -> None:
        """Count what was signed since."""
        waiting, self._waiting = self._waiting, []
        for quote in waiting:
            command = quote.command
            scope = (command.venue, command.account)
            key = (*scope, command.nonce)
            self._live[key] = quote
            self._count(quote, 1)
            heapq.heappush(self._ends.setdefault(scope, []), (command.valid_until_s * NS, key))

    def follow(self, open_quotes: dict[Key, LiveQuote]) -> None:
        """Agree with the ledger: at a start, and when a quote was traded."""
        if len(self.live) == len(open_quotes):
            return
        self._live.clear()
        self._takers.clear()
        for counted in (self._worth, self._on, self._premium, self._collateral, self._ends):
            counted.clear()
        self._waiting.extend(open_quotes.values())

    def bury(self, scope: tuple[str, str], before_ns: int) -> list[Key]:
        """Forget this account's quotes that were valid until before this time; which they were."""
        self.catch_up()
        ends, dead = self._ends.get(scope, []), list[Key]()
        while ends and ends[0][0] < before_ns:
            dead.append(heapq.heappop(ends)[1])
            self._count(self._live.pop(dead[-1]), -1)
        return dead

    def _count(self, quote: LiveQuote, sign: int) -> None:
        """Count one more or one less; the last one of a sum takes what rounding left with it."""
        command = quote.command
        size = sign * (command.terms.quantity_e18 / E18)
        worth = self._worth.get(command.underlying)
        if worth is None:
            worth = self._worth[command.underlying] = Worth()
        worth.count += sign
        worth.size += size
        worth.delta.add(command.delta, size)
        worth.gamma.add(command.gamma, size)
        worth.vega.add(command.vega, size)
        if not worth.count:
            self._worth[command.underlying] = Worth()
        same_taker = self._takers.get(command.taker, 0) + sign
        if same_taker:
            self._takers[command.taker] = same_taker
        else:
            del self._takers[command.taker]
        _add(self._on, (command.instrument, command.side), sign, size)
        if command.side > 0:
            purse = (command.venue, command.account, "USD")
            _add(self._premium, purse, sign, command.price_e18 * 1e-18 * size)
        else:
            purse, amount = self._collateral_of(command)
            _add(self._collateral, purse, sign, sign * amount)

    def _collateral_of(self, command: SendQuote) -> tuple[tuple[str, str, str], float]:
        """What selling this option would lock: coins of its tokens for a call, strike in USD for a put."""
        terms = command.terms
        size = terms.quantity_e18 * 1e-18
        if terms.is_put:
            return (command.venue, command.account, "USD"), terms.strike_e8 * 1e-8 * size
        instrument = self._instruments.get(command.instrument)
        coins = size if instrument is None else size * float(instrument.per_token)
        return (command.venue, command.account, command.underlying), coins


def _add(sums: dict[K, Sum], key: K, sign: int, amount: float) -> None:
    found = sums.get(key)
    if found is None:
        sums[key] = Sum(sign, amount)
        return
    found.count += sign
    found.amount += amount
    if not found.count:
        del sums[key]
