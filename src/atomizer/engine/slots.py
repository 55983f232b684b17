"""Targets kept, slots compared, messages budgeted.

A slot (strategy, instrument, side, level) holds at most one order. Columns hold what is wanted and what was
last asked; one kernel yields the few slots that differ. This is the one place where floats become ticks
and lots.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from atomizer.domain.capabilities import RateBudget
from atomizer.domain.instruments import GRID_EPSILON, Instrument
from atomizer.domain.orders import EndReason, OrderState, Purpose, TimeInForce
from atomizer.engine import kernels
from atomizer.engine.ledger import Order
from atomizer.engine.market import NEVER
from atomizer.engine.strategy import Level, Target

# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_DONE, _IOC, _HEDGE = OrderState.DONE, TimeInForce.IOC, Purpose.HEDGE
BACK_OFF_FIRST_NS = 1_000_000_000
BACK_OFF_LAST_NS = 60_000_000_000
GROWTH = 64


class SlotKey(NamedTuple):
    """Which slot: the strategy's number and the level it stated."""

    strategy: int
    level: Level


class SlotTable:
    """Dense slots. `order_of[slot]` is the id of the order that occupies it, 0 when empty."""

    def __init__(self) -> None:
        self.keys: list[SlotKey] = []
        self.index: dict[int, dict[Level, int]] = {}
        self.targets: list[Target | None] = []
        self.order_of: list[int] = []
        self.back_off_ns: list[int] = []
        self.refused: list[str] = []
        self.reserve = 0
        self._columns(GROWTH)

    def _columns(self, capacity: int) -> None:
        columns = np.zeros((len(kernels.SLOT_COLUMNS), capacity), np.int64)
        if self.keys:
            columns[:, : self.reserve] = self._table
        self._table = columns
        for name, row in zip(kernels.SLOT_COLUMNS, columns, strict=True):
            setattr(self, name, row)
        self.min_move[self.reserve :] = 1
        self.reserve = capacity
        self._out = np.zeros((capacity + 1, 2), np.int64)

    _table: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    state: np.ndarray[tuple[int], np.dtype[np.int64]]
    asked_px: np.ndarray[tuple[int], np.dtype[np.int64]]
    asked_left: np.ndarray[tuple[int], np.dtype[np.int64]]
    want_px: np.ndarray[tuple[int], np.dtype[np.int64]]
    want_qty: np.ndarray[tuple[int], np.dtype[np.int64]]
    want_until: np.ndarray[tuple[int], np.dtype[np.int64]]
    min_move: np.ndarray[tuple[int], np.dtype[np.int64]]
    rest_until: np.ndarray[tuple[int], np.dtype[np.int64]]

    def slot(self, key: SlotKey) -> int:
        """The number of this slot, made on first use."""
        mine = self.index.setdefault(key.strategy, {})
        found = mine.get(key.level)
        if found is not None:
            return found
        number = len(self.keys)
        if number == self.reserve:
            self._columns(self.reserve * 2)
        self.keys.append(key)
        mine[key.level] = number
        self.targets.append(None)
        self.order_of.append(0)
        self.back_off_ns.append(0)
        self.refused.append("")
        return number

    # --- targets in ---

    def state_targets(
        self,
        strategy: int,
        targets: Mapping[Level, Target],
        instruments: Mapping[str, Instrument],
        now_ns: int,
    ) -> None:
        """Take a strategy's complete statement; levels it does not name are wanted empty.

        Raises:
            OffGridError: a price is not finite; nothing of this level is changed.
        """
        mine = self.index.setdefault(strategy, {})
        for level, target in targets.items():
            number = mine.get(level)
            if number is None:
                number = self.slot(SlotKey(strategy, level))
            if self.order_of[number] and self._immediate(number):
                continue  # its order is on its way; the strategy restates when that one is done
            self._want(number, target, instruments[level.instrument], level, now_ns)
        if len(mine) > len(targets):
            for level, number in mine.items():
                if level not in targets:
                    self.clear(number)

    def _immediate(self, number: int) -> bool:
        target = self.targets[number]
        return target is not None and target.time_in_force is _IOC

    def _want(self, number: int, target: Target, instrument: Instrument, level: Level, now_ns: int) -> None:
        ticks = instrument.grid.round_ticks(target.price, level.side)
        lots = math.floor(target.size / float(instrument.lot) * (1 + GRID_EPSILON) + GRID_EPSILON)
        if lots < instrument.min_lots:
            lots = 0
        self.targets[number] = target
        self.want_px[number] = ticks
        self.want_qty[number] = lots
        self.want_until[number] = min(now_ns + target.life_ns, NEVER)

    def clear(self, number: int) -> None:
        """Nothing should rest here. An immediate order on its way is left to end by itself."""
        if self._immediate(number) and self.order_of[number]:
            return
        self.want_qty[number] = 0
        self.targets[number] = None

    def clear_all(self) -> None:
        """Nothing should rest anywhere, immediate orders included."""
        for number in range(len(self.keys)):
            self.want_qty[number] = 0
            self.targets[number] = None

    # --- orders in ---

    def occupy(self, number: int, order_id: int) -> None:
        self.order_of[number] = order_id

    def refresh(self, order: Order, now_ns: int) -> bool:
        """Mirror an order into its slot's columns; True when the slot became free."""
        number = order.slot
        if number >= len(self.keys) or self.order_of[number] != order.order_id:
            return False
        self.state[number] = int(order.state)
        self.asked_px[number] = order.ticks
        self.asked_left[number] = order.asked_left
        if order.state is not _DONE:
            return False
        self.order_of[number] = 0
        self.asked_left[number] = 0
        self._after(number, order, now_ns)
        return True

    def _after(self, number: int, order: Order, now_ns: int) -> None:
        target = self.targets[number]
        immediate = order.time_in_force is _IOC
        if immediate:
            self.want_qty[number] = 0
            self.targets[number] = None
        ours = order.end in (EndReason.FILLED, EndReason.CANCELLED_BY_US) or (
            immediate and order.end in (EndReason.EXPIRED, EndReason.CANCELLED_BY_VENUE)
        )
        if ours:
            self.back_off_ns[number] = 0
            if immediate and target is not None and order.end is not EndReason.FILLED:
                self.rest_until[number] = now_ns + target.retry_ns
            return
        self.rest(number, now_ns)

    def rest(self, number: int, now_ns: int) -> None:
        """The slot was emptied or refused by someone else: wait, longer each time."""
        wait = min(max(2 * self.back_off_ns[number], BACK_OFF_FIRST_NS), BACK_OFF_LAST_NS)
        self.back_off_ns[number] = wait
        self.rest_until[number] = now_ns + wait

    def wake(self, instrument: str) -> None:
        """The event that clears a back-off came: the instrument's slots may place again at once."""
        for number, key in enumerate(self.keys):
            if key.level.instrument == instrument:
                self.back_off_ns[number] = 0
                self.rest_until[number] = 0

    def settle(self, order: Order) -> None:
        """An order was taken and rests: the back-off starts from its first step again."""
        if order.slot < len(self.keys) and self.order_of[order.slot] == order.order_id:
            self.back_off_ns[order.slot] = 0

    # --- what differs ---

    def plan(self, now_ns: int) -> tuple[list[tuple[int, int]], int]:
        """Slots that differ as (slot, action) and the time at which to look again."""
        count = len(self.keys)
        if not count:
            return [], NEVER
        found = kernels.plan_slots(now_ns, count, self._table, self._out)
        pairs = [(slot, action) for slot, action in self._out[:found].tolist()] if found else []
        return pairs, self._out.item(self.reserve, 0)

    def of_instrument(self, instrument: str) -> Iterator[int]:
        """Slots of an instrument that hold an order."""
        for number, key in enumerate(self.keys):
            if key.level.instrument == instrument and self.order_of[number]:
                yield number


class MessageBudget:
    """A token bucket on event time. The last `reserve` tokens are for cancels and hedges."""

    def __init__(self, budget: RateBudget) -> None:
        self._budget = budget
        self._tokens = budget.burst
        self._at_ns = 0

    def _refill(self, now_ns: int) -> None:
        if self._at_ns:
            gained = (now_ns - self._at_ns) * self._budget.per_s / 1e9
            self._tokens = min(self._budget.burst, self._tokens + gained)
        self._at_ns = now_ns

    def take(self, purpose: Purpose, now_ns: int) -> bool:
        """Take a token for a message of this purpose, if there is one for it."""
        self._refill(now_ns)
        floor = 0.0 if purpose <= _HEDGE else self._budget.reserve
        if self._tokens - 1.0 < floor - 1e-9:
            return False
        self._tokens -= 1.0
        return True

    def due_ns(self, purpose: Purpose, now_ns: int) -> int:
        """When the next token for this purpose will be there."""
        floor = 0.0 if purpose <= _HEDGE else self._budget.reserve
        missing = max(0.0, floor + 1.0 - self._tokens)
        return now_ns + math.ceil(missing / self._budget.per_s * 1e9)
