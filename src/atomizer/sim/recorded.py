"""Recorded liquidity as a participant: anonymous size in the same price-time queue as everybody's orders.

Only recorded trades fill resting orders: a trade enters as an immediate order at its price and takes the
queue in its order. Depth adds behind what rests and takes away from behind; where it would cross an order
of an account it waits until that one is gone. docs/adr/006 has the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from atomizer.sim.matching import MatchingBook, Mode
from atomizer.sim.recording import Depth, Level, Print, RecordingError

BUY, SELL = 1, -1


class Grid(Protocol):
    """How an instrument counts prices and sizes."""

    @property
    def name(self) -> str: ...
    @property
    def tick(self) -> Decimal: ...
    @property
    def lot(self) -> Decimal: ...


class RecordedBook:
    """One instrument's anonymous side.

    `trade(side, ticks, lots, mode)` places an anonymous order in the venue's book and returns its number.
    """

    def __init__(
        self, grid: Grid, matching: MatchingBook, trade: Callable[[int, int, int, Mode], int]
    ) -> None:
        self._grid = grid
        self._matching = matching
        self._trade = trade
        self._wanted: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self._rows: dict[int, dict[int, list[int]]] = {BUY: {}, SELL: {}}
        self._withheld: dict[tuple[int, int], None] = {}

    def recorded(self, side: int) -> dict[int, int]:
        """Lots per price as last recorded."""
        return dict(self._wanted[side])

    def resting(self, side: int, ticks: int) -> int:
        """Anonymous lots that rest at a price now."""
        return sum(self._matching.left(number) for number in self._rows[side].get(ticks, ()))

    def withheld(self) -> list[tuple[int, int]]:
        """(side, ticks) of levels that wait behind an account's order."""
        return list(self._withheld)

    def middle(self) -> Decimal | None:
        """Between the best recorded prices, None without both."""
        if not self._wanted[BUY] or not self._wanted[SELL]:
            return None
        return (max(self._wanted[BUY]) + min(self._wanted[SELL])) * self._grid.tick / 2

    def check(self, event: Depth | Print) -> None:
        """Refuse an event that `apply` could not take.

        Raises:
            RecordingError: a price or an amount that is not on the instrument's grid.
        """
        levels = [(event.price, event.amount)] if isinstance(event, Print) else [*event.bids, *event.asks]
        for price, amount in levels:
            self._ticks(price)
            self._lots(amount)

    def apply(self, event: Depth | Print) -> None:
        """Let one recorded event happen.

        Raises:
            RecordingError: a price or an amount that is not on the instrument's grid.
        """
        if isinstance(event, Print):
            ticks, lots = self._ticks(event.price), self._lots(event.amount)
            self._trade(event.side, ticks, lots, Mode.IMMEDIATE)
            return
        changed = [
            *self._changes(BUY, event.bids, event.whole),
            *self._changes(SELL, event.asks, event.whole),
        ]
        for side, ticks in changed:
            self._shrink(side, ticks)
        for side, ticks in changed:
            self._grow(side, ticks)

    def settle(self) -> bool:
        """Bring in what waited and need not any more; whether anything did."""
        waiting = list(self._withheld)
        for side, ticks in waiting:
            self._grow(side, ticks)
        return len(self._withheld) < len(waiting)

    def _changes(self, side: int, levels: Sequence[Level], whole: bool) -> list[tuple[int, int]]:
        """Note what is recorded now; the levels to adjust."""
        wanted = self._wanted[side]
        given = {self._ticks(price): self._lots(amount) for price, amount in levels}
        touched = list(dict.fromkeys([*(wanted if whole else ()), *given]))
        for ticks in touched:
            lots = given.get(ticks, 0)
            if lots:
                wanted[ticks] = lots
            else:
                wanted.pop(ticks, None)
        return [(side, ticks) for ticks in touched]

    def _shrink(self, side: int, ticks: int) -> None:
        """Take away from behind what is no longer recorded."""
        rows = self._rows[side].get(ticks, [])
        excess = self.resting(side, ticks) - self._wanted[side].get(ticks, 0)
        while excess > 0:
            left = self._matching.left(rows[-1])
            if left <= excess:
                self._matching.cancel(rows.pop())
            else:
                self._matching.amend(rows[-1], ticks, left - excess)
            excess -= min(left, excess)
        self._tidy(side, ticks)

    def _grow(self, side: int, ticks: int) -> None:
        """Queue behind everything what is newly recorded, unless it would meet somebody."""
        self._withheld.pop((side, ticks), None)
        missing = self._wanted[side].get(ticks, 0) - self.resting(side, ticks)
        if missing <= 0:
            return
        number = self._trade(side, ticks, missing, Mode.POST_REJECT)
        if number in self._matching:
            self._rows[side].setdefault(ticks, []).append(number)
        else:
            self._withheld[side, ticks] = None

    def _tidy(self, side: int, ticks: int) -> None:
        rows = [number for number in self._rows[side].get(ticks, ()) if number in self._matching]
        if rows:
            self._rows[side][ticks] = rows
        else:
            self._rows[side].pop(ticks, None)

    def _ticks(self, price: Decimal) -> int:
        return self._whole(price, self._grid.tick, "price")

    def _lots(self, amount: Decimal) -> int:
        return self._whole(amount, self._grid.lot, "amount")

    def _whole(self, value: Decimal, unit: Decimal, what: str) -> int:
        count, rest = divmod(value, unit)
        if rest:
            raise RecordingError(f"{self._grid.name}: expected a {what} in steps of {unit}, found {value}")
        return int(count)
