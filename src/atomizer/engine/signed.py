"""Signed quotes that may still be executed: each counts as if it will be, until it is traded or dead.

Kept current quote by quote: a few thousand can be alive, and counting all of them at every valuation would
hold up whatever comes next.
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
Key = tuple[str, str, int]
K = TypeVar("K")


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
    """`takers`: live quotes by taker."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self.live: dict[Key, LiveQuote] = {}
        self.worth: dict[str, Worth] = {}
        self.takers: dict[str, int] = {}
        self._on: dict[tuple[str, int], tuple[int, float]] = {}
        self._premium: dict[Purse, tuple[int, float]] = {}
        self._collateral: dict[Purse, tuple[int, float]] = {}
        self._ends: dict[tuple[str, str], list[tuple[int, Key]]] = {}

    def on(self, instrument: str, side: int) -> tuple[int, float]:
        """Number and size of the live quotes on one side of an instrument."""
        return self._on.get((instrument, side), (0, 0.0))

    def premium(self, purse: Purse) -> float:
        """What all that we may buy would cost."""
        return self._premium.get(purse, (0, 0.0))[1]

    def collateral(self, purse: Purse) -> float:
        """What all that we may sell would lock, in the purse's currency."""
        return self._collateral.get(purse, (0, 0.0))[1]

    def add(self, key: Key, quote: LiveQuote) -> None:
        """A quote was signed."""
        self.live[key] = quote
        self._count(quote, 1)
        heapq.heappush(self._ends.setdefault(key[:2], []), (quote.command.valid_until_s * NS, key))

    def follow(self, open_quotes: dict[Key, LiveQuote]) -> None:
        """Agree with the ledger: at a start, and when a quote was traded."""
        if len(self.live) == len(open_quotes):
            return
        self.live.clear()
        self.takers.clear()
        for counted in (self.worth, self._on, self._premium, self._collateral, self._ends):
            counted.clear()
        for key, quote in open_quotes.items():
            self.add(key, quote)

    def bury(self, scope: tuple[str, str], before_ns: int) -> list[Key]:
        """Forget this account's quotes that were valid until before this time; which they were."""
        ends, dead = self._ends.get(scope, []), list[Key]()
        while ends and ends[0][0] < before_ns:
            dead.append(heapq.heappop(ends)[1])
            self._count(self.live.pop(dead[-1]), -1)
        return dead

    def _count(self, quote: LiveQuote, sign: int) -> None:
        command, size = quote.command, sign * float(quote.size)
        worth = self.worth.get(command.underlying)
        if worth is None:
            worth = self.worth[command.underlying] = Worth()
        worth.count += sign
        worth.size += size
        worth.delta.add(command.delta, size)
        worth.gamma.add(command.gamma, size)
        worth.vega.add(command.vega, size)
        if not worth.count:  # and with the last one goes what rounding left
            self.worth[command.underlying] = Worth()
        same_taker = self.takers.pop(command.taker, 0) + sign
        if same_taker:
            self.takers[command.taker] = same_taker
        _add(self._on, (command.instrument, int(command.side)), sign, size)
        if command.side > 0:
            purse = Purse(command.venue, command.account, "USD")
            _add(self._premium, purse, sign, command.price_e18 * 1e-18 * size)
        else:
            purse, amount = self._collateral_of(command)
            _add(self._collateral, purse, sign, sign * amount)

    def _collateral_of(self, command: SendQuote) -> tuple[Purse, float]:
        """What selling this option would lock: coins of its tokens for a call, strike in USD for a put."""
        terms = command.terms
        size = terms.quantity_e18 * 1e-18
        if terms.is_put:
            return Purse(command.venue, command.account, "USD"), terms.strike_e8 * 1e-8 * size
        instrument = self._instruments.get(command.instrument)
        coins = size if instrument is None else size * float(instrument.per_token)
        return Purse(command.venue, command.account, command.underlying), coins


def _add(sums: dict[K, tuple[int, float]], key: K, sign: int, amount: float) -> None:
    """Count one more or one less; the last one takes what rounding left with it."""
    count, total = sums.pop(key, (0, 0.0))
    if count + sign:
        sums[key] = (count + sign, total + amount)
