"""Price-time matching of one book, compiled; simulated venues and backtests share it.

Rows of an integer matrix are orders; each side keeps its rows sorted best price first, then by arrival.
An order may show a part of itself: when that part has traded, the next one queues behind its price level.
Recorded or generated liquidity is a participant like any other: rows of owner 0 in the same queue.
Prices are finest ticks, sizes lots. Venue rules (margin, limits, error codes) wrap this from outside.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit

ANONYMOUS = 0

# Columns of the order matrix: LEFT is what shows, HIDDEN what stands behind it, SHOW the size of a part.
ID, OWNER, SIDE, PRICE, LEFT, HIDDEN, SHOW = range(7)
COLUMNS = 7
# Cells of the book's head: rows in use per side, free rows, the coarse price band, last result.
BUYS, SELLS, FREE, BAND, STEP, STATUS, FILLED, RESTING, FILLS = range(9)
HEAD = 9
# Columns of the fills matrix.
FILL_ROW, FILL_ID, FILL_OWNER, FILL_PRICE, FILL_LOTS, FILL_LEFT = range(6)
FILL_COLUMNS = 6
MAX_FILLS = 256
FIRST_CAPACITY = 64


class Mode(IntEnum):
    """What becomes of an order that meets the other side, or of what is left of it."""

    REST = 0
    IMMEDIATE = 1  # the rest is dropped
    ALL_OR_NOTHING = 2
    POST_MOVE = 3  # moved to just inside the opposite best
    POST_REJECT = 4


class SelfTrade(IntEnum):
    """What happens when an order would meet one of the same owner."""

    ALLOW = 0
    CANCEL_TAKER = 1  # the incoming order ends there
    CANCEL_MAKER = 2


class Outcome(IntEnum):
    """How a placement ended."""

    OK = 0
    WOULD_CROSS = 1  # POST_REJECT met the other side; nothing happened
    NOT_ENOUGH = 2  # ALL_OR_NOTHING found too little; nothing happened
    SELF_TRADE = 3  # ended at an order of its own owner; fills before that stand
    FULL = 4  # more fills than one call returns; what is left was dropped


class MakerFill(NamedTuple):
    """One execution against a resting order: at its price; `left` is what still rests of it.

    `lots` 0: the resting order was cancelled by self-trade prevention.
    """

    order_id: int
    owner: int
    ticks: int
    lots: int
    left: int


class Placed(NamedTuple):
    """Result of a placement: lots filled, lots now resting and at which price."""

    outcome: Outcome
    filled: int
    resting: int
    ticks: int
    fills: list[MakerFill]


@njit("void(i8[:, ::1], i8[::1], i8[:, ::1], i8[::1], i8)", cache=True, nogil=True, error_model="numpy")
def _take_out(orders, head, sides, free, row):  # type: ignore[no-untyped-def]
    """Remove a row from its side and give it back to the free list."""
    side = orders[row, SIDE]
    count = head[BUYS + side]
    at = 0
    while sides[side, at] != row:
        at += 1
    for i in range(at, count - 1):
        sides[side, i] = sides[side, i + 1]
    head[BUYS + side] = count - 1
    free[head[FREE]] = row
    head[FREE] += 1


@njit("void(i8[:, ::1], i8[::1], i8[:, ::1], i8)", cache=True, nogil=True, error_model="numpy")
def _show_next(orders, head, sides, row):  # type: ignore[no-untyped-def]
    """Show the next part of the first row of a side, behind all others at its price."""
    side = orders[row, SIDE]
    part = min(orders[row, SHOW], orders[row, HIDDEN])
    orders[row, LEFT] = part
    orders[row, HIDDEN] -= part
    at = 0
    while at + 1 < head[BUYS + side] and orders[sides[side, at + 1], PRICE] == orders[row, PRICE]:
        sides[side, at] = sides[side, at + 1]
        at += 1
    sides[side, at] = row


@njit(
    "i8(i8[:, ::1], i8[::1], i8[:, ::1], i8[::1], i8, i8, i8, i8, i8, i8)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _put_in(  # type: ignore[no-untyped-def]
    orders, head, sides, free, order_id, owner, side, price, lots, show
):
    """Queue an order behind everything at its price or better; returns its row."""
    head[FREE] -= 1
    row = free[head[FREE]]
    orders[row, ID] = order_id
    orders[row, OWNER] = owner
    orders[row, SIDE] = side
    orders[row, PRICE] = price
    orders[row, SHOW] = show
    orders[row, LEFT] = min(show, lots) if show > 0 else lots
    orders[row, HIDDEN] = lots - orders[row, LEFT]
    count = head[BUYS + side]
    at = count
    while at > 0:
        ahead = orders[sides[side, at - 1], PRICE]
        if (ahead >= price) if side == 0 else (ahead <= price):
            break
        sides[side, at] = sides[side, at - 1]
        at -= 1
    sides[side, at] = row
    head[BUYS + side] = count + 1
    return row


@njit("i8(i8[::1], i8, i8)", cache=True, nogil=True, error_model="numpy")
def _just_inside(head, side, opposite):  # type: ignore[no-untyped-def]
    """The best price of `side` that does not meet `opposite`, on the book's grid."""
    if side == 0:
        price = opposite - 1
        return price - price % head[STEP] if price >= head[BAND] else price
    price = opposite + 1
    return price + (-price) % head[STEP] if price >= head[BAND] else price


@njit("i8(i8[:, ::1], i8[::1], i8[:, ::1], i8, i8, i8, i8)", cache=True, nogil=True, error_model="numpy")
def _reachable(orders, head, sides, owner, side, price, self_trade):  # type: ignore[no-untyped-def]
    """Lots that an order of this owner could take at this price."""
    other = 1 - side
    found = 0
    for i in range(head[BUYS + other]):
        row = sides[other, i]
        at = orders[row, PRICE]
        if not ((price >= at) if side == 0 else (price <= at)):
            break
        if owner != 0 and self_trade != 0 and orders[row, OWNER] == owner:
            if self_trade == 1:
                break
            continue
        found += orders[row, LEFT] + orders[row, HIDDEN]
    return found


@njit(
    "i8(i8[:, ::1], i8[::1], i8[:, ::1], i8[::1], i8[:, ::1], i8, i8, i8, i8, i8, i8, i8, i8)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _place(  # type: ignore[no-untyped-def]
    orders, head, sides, free, fills, order_id, owner, side, price, lots, show, mode, self_trade
):
    """Match an order, queue what is left of it; returns its row or -1. Results are in `head`."""
    other = 1 - side
    head[STATUS] = 0
    head[FILLED] = 0
    head[RESTING] = 0
    head[FILLS] = 0
    if mode >= 3 and head[BUYS + other] > 0:
        best = orders[sides[other, 0], PRICE]
        if (price >= best) if side == 0 else (price <= best):
            if mode == 4:
                head[STATUS] = 1
                return -1
            price = _just_inside(head, side, best)
            if price < 1:
                head[STATUS] = 1
                return -1
    if mode == 2 and _reachable(orders, head, sides, owner, side, price, self_trade) < lots:
        head[STATUS] = 2
        return -1
    left = lots
    count = 0
    while left > 0 and head[BUYS + other] > 0:
        row = sides[other, 0]
        at = orders[row, PRICE]
        if not ((price >= at) if side == 0 else (price <= at)):
            break
        same = owner != 0 and orders[row, OWNER] == owner
        if same and self_trade == 1:
            head[STATUS] = 3
            left = 0
            break
        if count == fills.shape[0]:
            head[STATUS] = 4
            left = 0
            break
        traded = 0 if same and self_trade == 2 else min(left, orders[row, LEFT])
        orders[row, LEFT] = 0 if traded == 0 else orders[row, LEFT] - traded
        orders[row, HIDDEN] = 0 if traded == 0 else orders[row, HIDDEN]
        left -= traded
        head[FILLED] += traded
        fills[count, FILL_ROW] = row
        fills[count, FILL_ID] = orders[row, ID]
        fills[count, FILL_OWNER] = orders[row, OWNER]
        fills[count, FILL_PRICE] = at
        fills[count, FILL_LOTS] = traded
        fills[count, FILL_LEFT] = orders[row, LEFT] + orders[row, HIDDEN]
        count += 1
        if orders[row, LEFT] == 0 and orders[row, HIDDEN] > 0:
            _show_next(orders, head, sides, row)
        elif orders[row, LEFT] == 0:
            _take_out(orders, head, sides, free, row)
    head[FILLS] = count
    if left == 0 or mode == 1 or mode == 2:
        return -1
    head[RESTING] = left
    return _put_in(orders, head, sides, free, order_id, owner, side, price, left, show)


@njit("i8(i8[:, ::1], i8[::1], i8[:, ::1], i8, i8[:, ::1])", cache=True, nogil=True, error_model="numpy")
def _levels(orders, head, sides, side, out):  # type: ignore[no-untyped-def]
    """Aggregate a side into (price, lots) rows of `out`, best first; returns how many."""
    levels = 0
    for i in range(head[BUYS + side]):
        row = sides[side, i]
        if levels > 0 and out[levels - 1, 0] == orders[row, PRICE]:
            out[levels - 1, 1] += orders[row, LEFT]
            continue
        if levels == out.shape[0]:
            break
        out[levels, 0] = orders[row, PRICE]
        out[levels, 1] = orders[row, LEFT]
        levels += 1
    return levels


class MatchingBook:
    """One instrument's orders. Sides are +1 (buy) and -1 (sell), as in the domain.

    Prices at or above `band_ticks` move in steps of `step_ticks` (used when a post-only order is moved).
    """

    def __init__(self, band_ticks: int = 0, step_ticks: int = 1) -> None:
        self._rows: dict[int, int] = {}
        self._head = np.zeros(HEAD, np.int64)
        self._head[BAND], self._head[STEP] = band_ticks, step_ticks
        self._fills = np.zeros((MAX_FILLS, FILL_COLUMNS), np.int64)
        self._allocate(FIRST_CAPACITY)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def _allocate(self, capacity: int) -> None:
        self._orders = np.zeros((capacity, COLUMNS), np.int64)
        self._sides = np.zeros((2, capacity), np.int64)
        self._free = np.arange(capacity - 1, -1, -1, dtype=np.int64)
        self._out = np.zeros((capacity, 2), np.int64)
        self._head[FREE] = capacity

    def _grow(self) -> None:
        orders, sides, old = self._orders, self._sides, len(self._orders)
        used = self._head[FREE]
        free = self._free[:used].copy()
        self._allocate(2 * old)
        self._orders[:old] = orders
        self._sides[:, :old] = sides
        fresh = np.arange(2 * old - 1, old - 1, -1, dtype=np.int64)
        self._free[: old + used] = np.concatenate([fresh, free])
        self._head[FREE] = old + used

    def place(
        self,
        order_id: int,
        owner: int,
        side: int,
        ticks: int,
        lots: int,
        mode: Mode = Mode.REST,
        self_trade: SelfTrade = SelfTrade.CANCEL_TAKER,
        show: int = 0,
    ) -> Placed:
        """Match and, where the mode allows, rest. `order_id` must not be resting already.

        `show`: lots that show at a time; 0 shows all.
        """
        if self._head[FREE] == 0:
            self._grow()
        head, fills = self._head, self._fills
        row = _place(
            self._orders, head, self._sides, self._free, fills,
            order_id, owner, 0 if side > 0 else 1, ticks, lots, show, int(mode), int(self_trade),
        )  # fmt: skip
        if row >= 0:
            self._rows[order_id] = row
            ticks = int(self._orders[row, PRICE])
        count = int(head[FILLS])
        made = []
        if count:
            for _, maker, maker_owner, at, traded, left in fills[:count].tolist():
                made.append(MakerFill(maker, maker_owner, at, traded, left))
                if left == 0:
                    del self._rows[maker]
        return Placed(Outcome(int(head[STATUS])), int(head[FILLED]), int(head[RESTING]), ticks, made)

    def cancel(self, order_id: int) -> int:
        """Take an order out; returns the lots it had left, 0 when it does not rest here."""
        row = self._rows.pop(order_id, None)
        if row is None:
            return 0
        left = int(self._orders[row, LEFT] + self._orders[row, HIDDEN])
        _take_out(self._orders, self._head, self._sides, self._free, row)
        return left

    def amend(
        self,
        order_id: int,
        ticks: int,
        lots: int,
        mode: Mode = Mode.REST,
        self_trade: SelfTrade = SelfTrade.CANCEL_TAKER,
    ) -> Placed:
        """Give a resting order a new price and remaining size.

        A smaller size at the same price keeps its place in the queue; anything else goes to the back and
        may trade. A refusal by the mode leaves the order out of the book: the caller decides what then.

        Raises:
            KeyError: no such order rests here.
        """
        row = self._rows[order_id]
        order = self._orders[row]
        if order[PRICE] == ticks and lots <= order[LEFT] + order[HIDDEN]:
            order[LEFT] = min(order[LEFT], lots)
            order[HIDDEN] = lots - order[LEFT]
            return Placed(Outcome.OK, 0, lots, ticks, [])
        owner, side, show = int(order[OWNER]), 1 if order[SIDE] == 0 else -1, int(order[SHOW])
        self.cancel(order_id)
        return self.place(order_id, owner, side, ticks, lots, mode, self_trade, show)

    def left(self, order_id: int) -> int:
        """Lots an order has left, shown or not; 0 when it does not rest here."""
        row = self._rows.get(order_id)
        return 0 if row is None else int(self._orders[row, LEFT] + self._orders[row, HIDDEN])

    def shown(self, order_id: int) -> int:
        """Lots of an order that show, 0 when it does not rest here."""
        row = self._rows.get(order_id)
        return 0 if row is None else int(self._orders[row, LEFT])

    def best(self, side: int) -> tuple[int, int] | None:
        """(ticks, lots of the first order) at the top of a side, None when it is empty."""
        at = 0 if side > 0 else 1
        if self._head[BUYS + at] == 0:
            return None
        row = self._sides[at, 0]
        return int(self._orders[row, PRICE]), int(self._orders[row, LEFT])

    def levels(self, side: int) -> list[list[int]]:
        """[ticks, lots that show] per price, best first."""
        count = _levels(self._orders, self._head, self._sides, 0 if side > 0 else 1, self._out)
        result: list[list[int]] = self._out[:count].tolist()
        return result

    def queue(self, side: int) -> list[tuple[int, int, int]]:
        """(order id, ticks, lots that show) of a side in matching order."""
        at = 0 if side > 0 else 1
        rows = self._sides[at, : self._head[BUYS + at]]
        return [(int(o[ID]), int(o[PRICE]), int(o[LEFT])) for o in self._orders[rows]]
