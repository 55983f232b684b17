"""The table of a trade's life, in full."""

from __future__ import annotations

import itertools

import pytest

from atomizer.domain.trades import EXECUTED_STATES, Happening, TradeState, transition

P, Q, E = TradeState.PENDING, TradeState.QUOTED, TradeState.EXECUTED
H, F, C = TradeState.HEDGED, TradeState.FAILED, TradeState.CANCELLED
STATES = (P, Q, E, H, F, C)
# Rows by happening, columns as STATES. While nothing is booked, then while a booking stands.
UNEXECUTED = {
    Happening.OFFERED: (Q, Q, E, H, Q, Q),
    Happening.DECLINED: (C, Q, E, H, F, C),
    Happening.REFUSED: (F, F, E, H, F, C),
    Happening.DIED: (C, C, E, H, F, C),
    Happening.ASKED_AGAIN: (P, Q, E, H, P, C),
    Happening.BOOKED: (E, E, E, E, E, E),
    Happening.REVERSED: (C, C, C, C, C, C),
    Happening.FLAT: (P, Q, E, H, F, C),
    Happening.HEDGE_FAILED: (P, Q, E, H, F, C),
    Happening.HEDGE_RETRIED: (P, Q, E, H, F, C),
}
EXECUTED = {
    Happening.OFFERED: (P, Q, E, H, F, C),
    Happening.DECLINED: (P, Q, E, H, F, C),
    Happening.REFUSED: (P, Q, E, H, F, C),
    Happening.DIED: (P, Q, E, H, F, C),
    Happening.ASKED_AGAIN: (P, Q, E, H, F, C),
    Happening.BOOKED: (E, E, E, E, E, E),
    Happening.REVERSED: (C, C, C, C, C, C),
    Happening.FLAT: (P, Q, H, H, H, C),
    Happening.HEDGE_FAILED: (P, Q, F, H, F, C),
    Happening.HEDGE_RETRIED: (P, Q, E, H, E, C),
}
CASES = [
    (table, executed, what, state, table[what][column])
    for table, executed in ((UNEXECUTED, False), (EXECUTED, True))
    for what in Happening
    for column, state in enumerate(STATES)
]


@pytest.mark.parametrize(("table", "executed", "what", "state", "after"), CASES)
def test_every_state_meets_every_happening(
    table: object, executed: bool, what: Happening, state: TradeState, after: TradeState
) -> None:
    assert transition(state, what, executed=executed) is after


def test_the_tables_above_are_whole() -> None:
    assert set(UNEXECUTED) == set(EXECUTED) == set(Happening)
    assert set(STATES) == set(TradeState)


def test_nothing_but_a_reversal_takes_an_execution_back() -> None:
    for state, what in itertools.product(EXECUTED_STATES, Happening):
        if what is not Happening.REVERSED:
            assert transition(state, what, executed=True) in EXECUTED_STATES
