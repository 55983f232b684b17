"""Signed quotes that may still be executed: each counts as if it will be, until it is traded or dead.

Kept current quote by quote: a few thousand can be alive, and counting all of them at every valuation would
hold up whatever comes next.
"""

from __future__ import annotations

import heapq

import msgspec

from atomizer.engine.ledger import LiveQuote

NS = 1_000_000_000
Key = tuple[str, str, int]


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
    """`takers`: live quotes by taker. `premium`: what our own buying would cost, by (venue, account), USD."""

    def __init__(self) -> None:
        self.live: dict[Key, LiveQuote] = {}
        self.worth: dict[str, Worth] = {}
        self.takers: dict[str, int] = {}
        self.premium: dict[tuple[str, str], float] = {}
        self._on: dict[tuple[str, int], tuple[int, float]] = {}
        self._ends: dict[tuple[str, str], list[tuple[int, Key]]] = {}

    def on(self, instrument: str, side: int) -> tuple[int, float]:
        """Number and size of the live quotes on one side of an instrument."""
        return self._on.get((instrument, side), (0, 0.0))

    def add(self, key: Key, quote: LiveQuote) -> None:
        """A quote was signed."""
        self.live[key] = quote
        self._count(quote, 1)
        heapq.heappush(self._ends.setdefault(key[:2], []), (quote.command.valid_until_s * NS, key))

    def follow(self, open_quotes: dict[Key, LiveQuote]) -> None:
        """Agree with the ledger: at a start, and when a quote was traded."""
        if len(self.live) == len(open_quotes):
            return
        for counted in (self.live, self.worth, self.takers, self.premium, self._on, self._ends):
            counted.clear()
        for key, quote in open_quotes.items():
            self.add(key, quote)

    def bury(self, scope: tuple[str, str], before_ns: int) -> list[Key]:
        """Forget this account's quotes that were valid until before this time; which they were."""
        ends, dead = self._ends.get(scope, []), []
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
        side, scope = (command.instrument, command.side), (command.venue, command.account)
        count, total = self._on.pop(side, (0, 0.0))
        if count + sign:
            self._on[side] = (count + sign, total + size)
        same_taker = self.takers.pop(command.taker, 0) + sign
        if same_taker:
            self.takers[command.taker] = same_taker
        if command.side > 0:
            self.premium[scope] = self.premium.get(scope, 0.0) + command.price_e18 * 1e-18 * size
