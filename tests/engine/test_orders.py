"""Orders and slots: the table of rules and the loops that targets could create."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain import events as ev
from atomizer.domain.commands import QueryOrder, Refused
from atomizer.domain.instruments import Side
from atomizer.domain.orders import Answer, EndReason, OrderState, Purpose, TimeInForce
from atomizer.engine import kernels
from atomizer.engine.kernels import ACT_AMEND, ACT_CANCEL, ACT_NONE, ACT_PLACE, order_transition, slot_action
from atomizer.engine.settings import Limits
from atomizer.engine.strategy import Level, Target

from .bench_desk import MS, PERP, Desk, S, Wishes, amended, bid, cancelled, placed

D, P, L, A, C, U, O = OrderState  # noqa: E741

# The state after each answer, with nothing filled (booked 0 of 10, the end at 0).
TABLE = {
    Answer.ACK: {P: L, L: L, A: L, C: C, U: L, O: O},
    Answer.PLACE_REFUSED: {P: D, L: D, A: D, C: D, U: D, O: O},
    Answer.AMEND_REFUSED: {P: P, L: L, A: L, C: C, U: U, O: O},
    Answer.CANCEL_REFUSED: {P: P, L: L, A: A, C: L, U: U, O: O},
    Answer.FILL: {P: L, L: L, A: A, C: C, U: U, O: D},
    Answer.ENDED: {P: D, L: D, A: D, C: D, U: D, O: D},
    Answer.TIMED_OUT: {P: U, L: L, A: U, C: U, U: U, O: O},
    Answer.NOT_FOUND: {P: P, L: L, A: A, C: C, U: D, O: O},
    Answer.SENT_AMEND: {P: P, L: A, A: A, C: C, U: U, O: O},
    Answer.SENT_CANCEL: {P: C, L: C, A: C, C: C, U: C, O: O},
}


@pytest.mark.parametrize(("state", "answer"), list(product(OrderState, Answer)))
def test_every_state_and_answer_leads_where_the_table_says(state: OrderState, answer: Answer) -> None:
    expected = D if state is D else TABLE[answer][state]
    assert order_transition(state, answer, 0, 10, 0) == expected


@pytest.mark.parametrize("state", [P, L, A, C, U])
def test_an_end_with_fills_missing_is_owed_until_they_are_booked(state: OrderState) -> None:
    assert order_transition(state, Answer.ENDED, 4, 10, 10) == O
    assert order_transition(O, Answer.FILL, 9, 10, 10) == O
    assert order_transition(O, Answer.FILL, 10, 10, 10) == D


@pytest.mark.parametrize(("state", "answer"), list(product(OrderState, Answer)))
def test_a_finished_order_is_never_revived(state: OrderState, answer: Answer) -> None:
    assert order_transition(D, answer, 3, 10, 3) == D
    if state is not D:
        assert order_transition(state, Answer.PLACE_REFUSED, 1, 10, -1) == state


@pytest.mark.parametrize("state", [P, L, U, C])
def test_the_last_fill_finishes_an_order_whose_end_is_not_known_yet(state: OrderState) -> None:
    assert order_transition(state, Answer.FILL, 10, 10, -1) == D


def test_fills_up_to_the_old_total_do_not_finish_an_order_being_amended() -> None:
    assert order_transition(A, Answer.FILL, 10, 10, -1) == A


@pytest.mark.parametrize(("state", "want"), list(product(OrderState, (0, 5))))
def test_every_state_and_target_gives_one_action(state: OrderState, want: int) -> None:
    same = slot_action(state, 100, want, 100, want, 1)
    moved = slot_action(state, 99, want, 100, want, 1)
    if want == 0:
        assert same == moved == (ACT_NONE if state in (D, C, O) else ACT_CANCEL)
    elif state is D:
        assert same == moved == ACT_PLACE
    elif state is L:
        assert (same, moved) == (ACT_NONE, ACT_AMEND)
        assert slot_action(state, 100, want - 1, 100, want, 1) == ACT_AMEND
    else:
        assert same == moved == ACT_NONE


def test_moves_below_the_minimum_are_not_made() -> None:
    assert slot_action(L, 99, 5, 100, 5, 2) == ACT_NONE
    assert slot_action(L, 98, 5, 100, 5, 2) == ACT_AMEND


def test_kernel_constants_are_those_of_the_domain() -> None:
    assert [kernels.DONE, kernels.PENDING, kernels.LIVE, kernels.AMENDING] == [D, P, L, A]
    assert [kernels.CANCELLING, kernels.UNKNOWN, kernels.OWED] == [C, U, O]


# --- the four loops ---


def test_a_venue_that_refuses_gets_one_order_a_second_then_two_then_four() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    sent_at = []
    for _ in range(2000):
        for order in placed(desk.tick(after_ms=10.0)):
            sent_at.append((desk.now_ns, order))
            desk.feed(ev.PlaceRefused(order.order_id, "10009", "not_enough_funds"))
    gaps = [round((b[0] - a[0]) / S) for a, b in pairwise(sent_at)]
    assert gaps == [1, 2, 4, 8]


def test_an_order_the_venue_moved_is_not_amended_back() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid(4000.0)
    (order,) = placed(desk.tick())
    desk.ack(order, ticks=order.ticks - 7)
    out = [item for _ in range(50) for item in desk.tick()]
    assert not amended(out)
    assert not placed(out)


@pytest.mark.parametrize("reason", [EndReason.MMP, EndReason.CANCELLED_BY_VENUE, EndReason.SELF_TRADE])
def test_a_slot_emptied_by_someone_else_is_not_refilled_at_once(reason: EndReason) -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    desk.ack(order)
    desk.ended(order.order_id, 0, reason)
    assert not placed([item for _ in range(9) for item in desk.tick(after_ms=100)])
    assert placed([item for _ in range(3) for item in desk.tick(after_ms=100)])


def test_a_refusal_is_recorded_when_it_changes_not_at_each_tick() -> None:
    wishes = Wishes()
    desk = Desk(wishes, limits=Limits(delta=0.01))
    wishes.targets = bid(size=4000.0)
    out = [item for _ in range(100) for item in desk.tick()]
    assert len([item for item in out if isinstance(item, Refused)]) == 1
    assert not placed(out)


# --- lives of orders ---


def hedge(lots: int = 1000) -> dict[Level, Target]:
    return {
        Level(PERP.key, Side.SELL): Target(
            price=3995.0,
            size=float(lots),
            life_ns=S,
            time_in_force=TimeInForce.IOC,
            purpose=Purpose.HEDGE,
            retry_ns=100 * MS,
        )
    }


def test_fills_thirty_ms_behind_filled_send_one_hedge() -> None:
    wishes = Wishes(claims=())
    desk = Desk(wishes)
    wishes.targets = hedge()
    (order,) = placed(desk.tick())
    desk.ended(order.order_id, 1000)
    between = [item for _ in range(30) for item in desk.tick()]
    assert not placed(between)
    assert desk.engine.ledger.orders[order.order_id].owed == 1000
    wishes.targets = {}
    desk.fill(order, 1000)
    assert not placed([item for _ in range(30) for item in desk.tick()])
    assert not desk.engine.ledger.orders


def test_a_fill_before_its_ack_is_the_ack_and_its_second_arrival_is_dropped() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid(size=10.0)
    (order,) = placed(desk.tick())
    wishes.targets = bid(size=6.0)
    desk.fill(order, 4)
    assert desk.engine.ledger.orders[order.order_id].state is L
    desk.fill(order, 4)
    assert desk.engine.ledger.accounts.duplicates == 1
    assert desk.engine.ledger.orders[order.order_id].booked == 4


def test_a_fill_after_a_cancel_is_booked() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid(size=10.0)
    (order,) = placed(desk.tick())
    desk.ack(order)
    wishes.targets = {}
    assert cancelled(desk.tick())
    desk.ended(order.order_id, 0, EndReason.CANCELLED_BY_US)
    desk.fill(order, 3)
    assert desk.engine.ledger.accounts.size("deribit", "main", PERP.key) == 3


def test_an_order_without_an_answer_is_asked_about_only_after_its_own_deadline() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    wishes.targets = bid()
    out = []
    for _ in range(25):
        out += desk.tick(after_ms=100)
    queries = [item for item in out if isinstance(item, QueryOrder)]
    assert len(queries) == 1
    assert not placed(out), "an unknown order keeps its slot"
    desk.feed(ev.OrderNotFound(order.order_id))
    assert order.order_id not in desk.engine.ledger.orders


def test_not_found_before_the_deadline_is_not_final() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    desk.feed(ev.RequestTimedOut(order.order_id))
    desk.feed(ev.OrderNotFound(order.order_id))
    assert desk.engine.ledger.orders[order.order_id].state is U


def test_an_amend_carries_the_new_total_and_a_refused_one_leaves_the_order_as_it_was() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid(3990.0, 10.0)
    (order,) = placed(desk.tick())
    desk.ack(order)
    wishes.targets = bid(3991.0, 10.0)
    (amend,) = amended(desk.fill(order, 4))
    assert (amend.lots, amend.filled_lots) == (14, 4)
    assert desk.engine.ledger.orders[order.order_id].owed == 10
    desk.feed(ev.AmendRefused(order.order_id, "11054", "post_only_reject"))
    known = desk.engine.ledger.orders[order.order_id]
    # The order stays; it should move and cannot, so it is pulled and rests.
    assert (known.ticks, known.lots) == (order.ticks, order.lots)
    assert known.state is C
    desk.ended(order.order_id, 4, EndReason.CANCELLED_BY_US)
    assert not placed([item for _ in range(8) for item in desk.tick(after_ms=100)])


def test_an_older_push_does_not_settle_an_amend() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid(3990.0, 10.0)
    (order,) = placed(desk.tick())
    desk.ack(order)
    wishes.targets = bid(3991.0, 10.0)
    (amend,) = amended(desk.tick())
    desk.ack(order, reply=False)
    assert desk.engine.ledger.orders[order.order_id].state is A
    desk.ack(amend)
    assert desk.engine.ledger.orders[order.order_id].state is L
    assert desk.engine.ledger.orders[order.order_id].ticks == amend.ticks


def test_a_hedge_through_our_own_quote_cancels_that_first() -> None:
    maker, hedger = Wishes(1), Wishes(2, claims=())
    desk = Desk(maker, hedger)
    maker.targets = bid(3999.0, 100.0)
    (quote,) = placed(desk.tick())
    desk.ack(quote)
    hedger.targets = hedge()
    first = desk.tick()
    assert [item.order_id for item in cancelled(first)] == [quote.order_id]
    assert not placed(first)
    maker.targets = {}
    out = desk.ended(quote.order_id, 0, EndReason.CANCELLED_BY_US) + desk.tick()
    assert [item.purpose for item in placed(out)] == [Purpose.HEDGE]


def test_two_strategies_may_not_rest_on_one_instrument() -> None:
    with pytest.raises(ValueError, match="claimed by two strategies"):
        Desk(Wishes(1), Wishes(2))


def test_a_target_past_its_life_is_pulled_by_a_timer() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    level = Level(PERP.key, Side.BUY)
    wishes.targets = {level: Target(price=3990.0, size=10.0, life_ns=50 * MS)}
    (order,) = placed(desk.tick())
    desk.ack(order)
    assert desk.engine.next_deadline() <= desk.now_ns + 50 * MS
    wishes.targets = None
    assert cancelled(desk.tick(after_ms=60))


@pytest.mark.parametrize("word", [ev.Operator("stop"), ev.Operator("kill", 3)])
def test_a_silenced_engine_does_not_ask_to_be_woken_for_strategies_that_may_not_decide(
    word: ev.Operator,
) -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.next_deadline = lambda: desk.now_ns  # type: ignore[method-assign]
    desk.tick()
    assert desk.engine.next_deadline() <= desk.now_ns + 1
    desk.feed(word)
    assert desk.engine.next_deadline() > desk.now_ns + MS


def test_a_due_read_with_the_connection_down_is_looked_at_again_later_not_at_once() -> None:
    desk = Desk(Wishes())
    desk.feed(ev.FeedDown("deribit/trading", "cut"))
    desk.feed(ev.Look(accounts=True))
    assert desk.engine.next_deadline() > desk.now_ns + MS


def test_an_order_we_took_for_lost_that_rests_after_all_counts_again_and_is_cancelled() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    wishes.targets = None
    desk.feed(ev.RequestTimedOut(order.order_id))
    desk.feed(ev.OrderNotFound(order.order_id), after_ms=2000)
    assert order.order_id not in desk.engine.ledger.orders
    out = desk.ack(order, reply=False)
    assert [item.order_id for item in cancelled(out)] == [order.order_id]
    assert desk.engine.ledger.orders[order.order_id].owed == order.lots
    wishes.targets = bid(3980.0)
    assert not placed(desk.tick(after_ms=2000)), "the instrument waits until the order is accounted for"
    assert placed(desk.ended(order.order_id, 0, EndReason.CANCELLED_BY_US))


def test_an_old_push_does_not_revive_what_the_venue_ended() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    wishes.targets = {}
    desk.ended(order.order_id, 0, EndReason.CANCELLED_BY_VENUE)
    desk.ack(order, reply=False)
    assert not desk.engine.ledger.orders


def test_finished_orders_are_forgotten_after_two_days() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    wishes.targets = {}
    desk.ended(order.order_id, 0, EndReason.CANCELLED_BY_VENUE)
    desk.tick(after_ms=47 * 3600 * 1000)
    assert desk.engine.ledger.find(order.order_id) is not None
    desk.tick(after_ms=2 * 3600 * 1000)
    assert desk.engine.ledger.find(order.order_id) is None


@given(
    st.sampled_from(list(OrderState)),
    st.sampled_from(list(Answer)),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(-1, 5),
)
def test_the_table_of_transitions_is_the_kernel(
    state: OrderState, answer: Answer, booked: int, total: int, final: int
) -> None:
    case = (booked > 0) << 2 | (booked >= total) << 1 | (booked >= final)
    found = kernels.TRANSITIONS[(state * kernels.ANSWERS + answer) << 3 | case]
    assert found == order_transition(state, answer, booked, total, final)
