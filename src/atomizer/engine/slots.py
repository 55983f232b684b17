"""Targets kept, slots compared, messages budgeted.

A slot (strategy, instrument, side, level) holds at most one order. Columns hold what is wanted and what was
last asked; one kernel makes ticks of prices and yields the few slots that differ. This is the one place
where floats become ticks and lots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import isfinite

import numpy as np

from atomizer.domain.capabilities import RateBudget
from atomizer.domain.instruments import GRID_EPSILON, Instrument, OffGridError, Side
from atomizer.domain.orders import EndReason, OrderState, Purpose, TimeInForce
from atomizer.engine import kernels
from atomizer.engine.kernels import planned
from atomizer.engine.ledger import Order
from atomizer.engine.market import NEVER
from atomizer.engine.strategy import Level, Target

# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_DONE, _LIVE, _FILLED = OrderState.DONE, OrderState.LIVE, EndReason.FILLED
_IOC, _HEDGE = TimeInForce.IOC, Purpose.HEDGE
BACK_OFF_FIRST_NS = 1_000_000_000
BACK_OFF_LAST_NS = 60_000_000_000
GROWTH = 64


class Slot:
    """One place for one order: `number` is its column, `order` what occupies it, None when empty; `ended` is
    the last one that was over here.

    `immediate`: its target is consumed by one order. `refused` is the reason last recorded why the target
    does not become a command. Found once (`enrolled`): whether its strategy may rest here (`claimed`), and
    the `budget` of its messages, None where many share one.
    """

    __slots__ = (
        "back_off_ns",
        "budget",
        "claimed",
        "ended",
        "enrolled",
        "immediate",
        "instrument",
        "level",
        "number",
        "order",
        "refused",
        "side",
        "size",
        "stepped",
        "strategy",
        "target",
    )

    def __init__(self, number: int, strategy: int, level: Level, instrument: Instrument) -> None:
        self.number = number
        self.strategy = strategy
        self.level = level
        self.side: Side = level.side
        self.listed(instrument)
        self.target: Target | None = None
        self.order: Order | None = None
        self.ended: Order | None = None
        self.immediate = False
        self.back_off_ns = 0
        self.refused = ""
        self.enrolled = self.claimed = False
        self.budget: MessageBudget | None = None

    def listed(self, instrument: Instrument) -> None:
        """Go by these terms from here on."""
        self.instrument = instrument
        self.stepped = bool(instrument.grid.steps)
        self.size = math.nan  # whose lots are in the column


class SlotTable:
    """Dense slots and their columns, each a row of the one array that the kernel reads."""

    _table: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    state: memoryview
    asked_px: memoryview
    asked_left: memoryview
    want_px: memoryview
    want_qty: memoryview
    want_until: memoryview
    rest_until: memoryview
    purpose: memoryview
    price: memoryview[float]
    tick: memoryview[float]

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.of_strategy: dict[int, dict[Level, Slot]] = {}
        self.of_instrument: dict[str, list[Slot]] = {}
        self.reserve = 0
        self._grow(GROWTH)

    def _grow(self, capacity: int) -> None:
        table = np.zeros((len(kernels.SLOT_COLUMNS) + 1, capacity + 1), np.int64)
        if self.reserve:
            table[:, : self.reserve] = self._table[:, : self.reserve]
        self._table = table
        self._codes = table[-1].data
        for name, row in zip(kernels.SLOT_COLUMNS, table[:-1], strict=True):
            column = row.view(np.float64) if name in kernels.FLOAT_COLUMNS else row
            setattr(self, name, column.data)  # one number costs a fifth of numpy's own way
        table[kernels.SLOT_COLUMNS.index("min_move"), self.reserve :] = 1
        self.reserve = capacity

    def slot(self, strategy: int, level: Level, instrument: Instrument) -> Slot:
        """The slot of this level, made on first use."""
        mine = self.of_strategy.setdefault(strategy, {})
        found = mine.get(level)
        if found is not None:
            return found
        made = Slot(len(self.slots), strategy, level, instrument)
        if made.number == self.reserve:
            self._grow(self.reserve * 2)
        self._keep_tick(made)
        self.slots.append(made)
        self.of_instrument.setdefault(level.instrument, []).append(made)
        mine[level] = made
        return made

    def listed(self, instrument: Instrument) -> None:
        """An instrument's listing changed: its slots go by the new terms."""
        for slot in self.of_instrument.get(instrument.key, ()):
            slot.listed(instrument)
            self._keep_tick(slot)

    def _keep_tick(self, slot: Slot) -> None:
        """On a grid of one step the kernel rounds; what is wanted already is wanted on this grid from now."""
        self.tick[slot.number] = 0.0 if slot.stepped else slot.side * slot.instrument.grid.tick_size
        if slot.stepped and slot.target is not None:
            self.want_px[slot.number] = slot.instrument.grid.round_ticks(slot.target.price, slot.side)

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
        mine = self.of_strategy.setdefault(strategy, {})
        for level, target in targets.items():
            slot = mine.get(level)
            if slot is None:
                slot = self.slot(strategy, level, instruments[level.instrument])
            if slot.immediate and slot.order is not None:
                continue  # it is on its way; the strategy restates when it is done
            number, price = slot.number, target.price
            if not isfinite(price):
                raise OffGridError(f"expected a finite price, found {price}; do not quote without one")
            self.price[number] = price
            if slot.stepped:
                self.want_px[number] = slot.instrument.grid.round_ticks(price, slot.side)
            if target.size != slot.size:
                instrument = slot.instrument
                lots = math.floor(target.size / instrument.lot_size * (1 + GRID_EPSILON) + GRID_EPSILON)
                self.want_qty[number] = lots if lots >= instrument.min_lots else 0
                slot.size = target.size
            slot.target, slot.immediate = target, target.time_in_force is _IOC
            self.want_until[number] = now_ns + target.life_ns
            self.purpose[number] = target.purpose
        if len(mine) > len(targets):
            for level, slot in mine.items():
                if level not in targets:
                    self.clear(slot)

    def clear(self, slot: Slot) -> None:
        """Nothing should rest here. An immediate order on its way is left to end by itself."""
        if slot.order is None or not slot.immediate:
            self._empty(slot)

    def clear_all(self) -> None:
        """Nothing should rest anywhere, immediate orders included."""
        for slot in self.slots:
            self._empty(slot)

    def _empty(self, slot: Slot) -> None:
        self.want_qty[slot.number] = 0
        slot.target, slot.immediate, slot.size = None, False, math.nan

    # --- orders in ---

    def holder(self, order: Order) -> Slot | None:
        """The slot that an order occupies; None for one of an earlier run or of a slot that moved on."""
        if order.slot < len(self.slots):
            slot = self.slots[order.slot]
            if slot.order is order:
                return slot
        return None

    def mirror(self, order: Order, now_ns: int) -> Slot | None:
        """Mirror an order into the columns of the slot it occupies; that slot when it became free."""
        number = order.slot
        slot = self.slots[number] if number < len(self.slots) else None
        if slot is None or slot.order is not order:
            return None
        state = order.state
        self.state[number] = state
        self.asked_px[number] = order.ticks
        if state is not _DONE:
            left = self.asked_left[number] = order.lots - order.booked
            if order.time_in_force is _IOC and self.want_qty[number]:
                self.want_qty[number] = left  # its target is consumed by this one order, part by part
            if state is _LIVE:
                slot.back_off_ns = 0  # it was taken and rests: the back-off starts from its first step again
            return None
        self.asked_left[number] = 0
        slot.order, slot.ended = None, order
        self._after(slot, order, now_ns)
        return slot

    def _after(self, slot: Slot, order: Order, now_ns: int) -> None:
        target, immediate = slot.target, order.time_in_force is _IOC
        if immediate:
            self._empty(slot)
        ours = order.end in (_FILLED, EndReason.CANCELLED_BY_US) or (
            immediate and order.end in (EndReason.EXPIRED, EndReason.CANCELLED_BY_VENUE)
        )
        if not ours:
            self.rest(slot, now_ns)
            return
        slot.back_off_ns = 0
        if immediate and target is not None and order.end is not _FILLED:
            self.rest_until[slot.number] = now_ns + target.retry_ns

    def rest(self, slot: Slot, now_ns: int) -> None:
        """The slot was emptied or refused by someone else: wait, longer each time."""
        slot.back_off_ns = min(max(2 * slot.back_off_ns, BACK_OFF_FIRST_NS), BACK_OFF_LAST_NS)
        self.rest_until[slot.number] = now_ns + slot.back_off_ns

    def wake(self, instrument: str) -> None:
        """The event that clears a back-off came: the instrument's slots may place again at once."""
        for slot in self.of_instrument.get(instrument, ()):
            slot.back_off_ns = 0
            self.rest_until[slot.number] = 0

    # --- what differs ---

    def plan(self, now_ns: int) -> tuple[list[int], int]:
        """Slots that differ, as codes of the kernel, cancels first, then in the order of the message budget;
        and the time at which to look again."""
        if not self.slots:
            return [], NEVER
        found = planned(now_ns, len(self.slots), self._table)
        wake_ns: int = self._codes[found]
        if not found:
            return [], wake_ns
        return sorted(self._codes[:found]), wake_ns


class MessageBudget:
    """A token bucket on event time, kept as the one instant at which it will be full again (the generic cell
    rate algorithm). The last `reserve` tokens are for cancels and hedges."""

    __slots__ = ("_each_ns", "_full_ns", "_reach_ns", "_reserved_ns")

    def __init__(self, budget: RateBudget) -> None:
        self.change(budget)

    def change(self, budget: RateBudget) -> None:
        """Count by another budget from here on, with a full bucket."""
        self._full_ns = 0
        self._each_ns = math.ceil(1e9 / budget.per_s)
        # How far ahead of now the bucket may be full when a token is taken: without and with the reserve.
        self._reach_ns = math.floor((budget.burst - 1.0 - budget.reserve) * self._each_ns)
        self._reserved_ns = math.floor((budget.burst - 1.0) * self._each_ns)

    def take(self, purpose: Purpose, now_ns: int) -> bool:
        """Take a token for a message of this purpose, if there is one for it."""
        full_ns = self._full_ns
        if full_ns < now_ns:
            full_ns = now_ns
        ahead_ns = full_ns - now_ns
        if ahead_ns > self._reach_ns and (purpose > _HEDGE or ahead_ns > self._reserved_ns):
            return False
        self._full_ns = full_ns + self._each_ns
        return True

    def due_ns(self, purpose: Purpose, now_ns: int) -> int:
        """When the next token for this purpose will be there."""
        reach_ns = self._reserved_ns if purpose <= _HEDGE else self._reach_ns
        return max(now_ns, self._full_ns - reach_ns)
