"""The rules of orders and slots, written once as kernels.

The engine calls them record by record; a compiled backtest inlines the same functions. Numbers of states
and answers are those of `domain.orders`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from atomizer.domain.instruments import GRID_EPSILON
from atomizer.domain.orders import Answer, OrderState, Purpose
from atomizer.models._jit import direct, kernel

DONE, PENDING, LIVE = int(OrderState.DONE), int(OrderState.PENDING), int(OrderState.LIVE)
AMENDING, CANCELLING = int(OrderState.AMENDING), int(OrderState.CANCELLING)
UNKNOWN, OWED = int(OrderState.UNKNOWN), int(OrderState.OWED)

ACK, PLACE_REFUSED = int(Answer.ACK), int(Answer.PLACE_REFUSED)
AMEND_REFUSED, CANCEL_REFUSED = int(Answer.AMEND_REFUSED), int(Answer.CANCEL_REFUSED)
FILL, ENDED, TIMED_OUT = int(Answer.FILL), int(Answer.ENDED), int(Answer.TIMED_OUT)
NOT_FOUND, SENT_AMEND, SENT_CANCEL = int(Answer.NOT_FOUND), int(Answer.SENT_AMEND), int(Answer.SENT_CANCEL)

CANCEL, ANSWERS = int(Purpose.CANCEL), len(Answer)

# What a slot should do. The order is the order in which actions of one pass are served.
ACT_NONE, ACT_CANCEL, ACT_AMEND, ACT_PLACE = 0, 1, 2, 3
ACT_BITS, SLOT_BITS = 3, 24
ACT_MASK, SLOT_MASK = (1 << ACT_BITS) - 1, (1 << SLOT_BITS) - 1

# Beyond any price of any grid: one further away stays here, on its side. Where it would trade (a buy up
# there, a sell down there) the collar refuses it. The distance between both ends fits into 64 bits.
FAR_TICKS = 1 << 61
# The rows of a slot table's columns, in the order `plan_slots` reads them. Those of `FLOAT_COLUMNS` hold the
# bits of floats: the price wanted, and the tick it is to be rounded to, below zero for a sell; a tick of zero
# leaves `want_px` as it is.
SLOT_COLUMNS = (
    "state",
    "asked_px",
    "asked_left",
    "want_px",
    "want_qty",
    "want_until",
    "min_move",
    "rest_until",
    "purpose",
    "price",
    "tick",
)
FLOAT_COLUMNS = frozenset(("price", "tick"))


@kernel("int64(int64, int64, int64, int64, int64)")
def order_transition(state: int, answer: int, booked: int, total: int, final_filled: int) -> int:
    """The state after an answer.

    `booked`: lots of booked fills, this one included. `total`: the largest total size that may be working.
    `final_filled`: what the venue says was filled when it said the order ended, -1 before.
    """
    if state == DONE:
        return DONE
    if answer == ENDED or (state == OWED and answer == FILL):
        return DONE if booked >= final_filled else OWED
    if state == OWED:
        return OWED
    if answer == FILL:
        if booked >= total and state != AMENDING:
            return DONE
        return LIVE if state == PENDING else state
    if answer == ACK:
        return CANCELLING if state == CANCELLING else LIVE
    if answer == PLACE_REFUSED:
        # Fills prove that it was placed; a refusal never takes that back.
        return state if booked > 0 else DONE
    if answer == AMEND_REFUSED:
        return LIVE if state == AMENDING else state
    if answer == CANCEL_REFUSED:
        return LIVE if state == CANCELLING else state
    if answer == TIMED_OUT:
        return UNKNOWN if state in (PENDING, AMENDING, CANCELLING) else state
    if answer == NOT_FOUND:
        return DONE if state == UNKNOWN else state
    if answer == SENT_AMEND:
        return AMENDING if state == LIVE else state
    if answer == SENT_CANCEL:
        return CANCELLING
    return state


# `order_transition` depends on three comparisons only; a look-up in Python costs a third of a call to it.
_CASES = tuple(
    (booked, booked if full else booked + 1, booked if over else booked + 1)
    for booked in (0, 1)
    for full in (False, True)
    for over in (False, True)
)
# Every transition as the kernel gives it: by state, answer and the three comparisons.
TRANSITIONS = bytes(
    order_transition(state, answer, booked, total, final)
    for state in range(len(OrderState))
    for answer in range(ANSWERS)
    for booked, total, final in _CASES
)
# The state after it where the comparisons do not matter, else 255: by state and answer.
PLAIN_TRANSITIONS = bytes(
    row[0] if row.count(row[0]) == len(row) else 255
    for row in (TRANSITIONS[at : at + len(_CASES)] for at in range(0, len(TRANSITIONS), len(_CASES)))
)


@kernel("int64(int64, int64, int64, int64, int64, int64)")
def slot_action(
    state: int, asked_px: int, asked_left: int, want_px: int, want_qty: int, min_move: int
) -> int:
    """What brings a slot's order to its target, judged against what was last asked of the venue."""
    if want_qty == 0:
        return ACT_NONE if state in (DONE, CANCELLING, OWED) else ACT_CANCEL
    if state == DONE:
        return ACT_PLACE
    if state != LIVE:
        return ACT_NONE
    if abs(asked_px - want_px) < min_move and asked_left == want_qty:
        return ACT_NONE
    return ACT_AMEND


@kernel("int64(float64, float64)")
def round_ticks(price: float, tick: float) -> int:
    """Whole ticks nearest a finite `price` on the safe side, as `domain.instruments.safe_ticks`: a buy
    rounds down, a sell, whose `tick` is below zero, up.
    """
    raw = price / tick
    if abs(raw) >= FAR_TICKS:
        return FAR_TICKS if price > 0.0 else -FAR_TICKS
    ticks = int(np.floor(raw + GRID_EPSILON * max(1.0, abs(raw))))
    return ticks if tick > 0.0 else -ticks


@kernel("int64(int64, int64, int64[:, ::1])")
def plan_slots(now: int, slots: int, columns: Any) -> int:
    """Examine the first `slots` slots; fills the last row with one code for each that differs, and returns
    how many. Prices become ticks here.

    `columns` holds the rows named in `SLOT_COLUMNS` and that row, one item longer than there are slots; one
    array, since each costs a call more than the work. A code is purpose, slot and action in one number below
    2^30: codes in ascending order are served in that order. Behind the last one stands the earliest future
    time at which a slot must be looked at again.
    A target past its life counts as no target. A slot in back-off places nothing until `rest_until`, and an
    order there that should move is pulled.
    """
    state, asked_px, asked_left = columns[0], columns[1], columns[2]
    want_px, want_qty, want_until = columns[3], columns[4], columns[5]
    min_move, rest_until, purpose = columns[6], columns[7], columns[8]
    price, tick, out = columns[9].view(np.float64), columns[10].view(np.float64), columns[11]
    count = 0
    wake = 9223372036854775807
    for index in range(slots):
        quantity = want_qty[index]
        if quantity != 0:
            if want_until[index] <= now:
                quantity = 0
            elif want_until[index] < wake:
                wake = want_until[index]
            if tick[index] != 0.0:
                want_px[index] = round_ticks(price[index], tick[index])
        action = slot_action(
            state[index], asked_px[index], asked_left[index], want_px[index], quantity, min_move[index]
        )
        if action in (ACT_PLACE, ACT_AMEND) and rest_until[index] > now:
            wake = min(wake, rest_until[index])
            if action == ACT_PLACE:
                continue
            action = ACT_CANCEL
        if action != ACT_NONE:
            first = CANCEL if action == ACT_CANCEL else purpose[index]
            out[count] = first << SLOT_BITS + ACT_BITS | index << ACT_BITS | action
            count += 1
    out[count] = wake
    return count


planned = direct(plan_slots)
