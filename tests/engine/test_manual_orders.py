"""Manual trades through the engine, with the door that a node has in front of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill
from atomizer.domain.commands import (
    CancelOrder,
    DeadLetter,
    HedgeState,
    LetterKind,
    LetterState,
    PlaceOrder,
    Resubscribe,
)
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason, Purpose
from atomizer.domain.trades import TradeState
from atomizer.engine.ledger import Ledger
from atomizer.engine.settings import Limits
from atomizer.runtime.operating import QUEUE, Operating
from atomizer.runtime.words import Request, checked
from atomizer.storage import records
from atomizer.strategies.hedging import Hedger, HedgerSettings
from atomizer.strategies.manual_orders import ManualOrders

from .bench_desk import HEDGE, PERP, T0, Desk, S, Wishes
from .rfq_desk import NEAR_S, RfqDesk, chain_events, option


class Door:
    """A desk with the node's door; what a turn puts out is kept in `out`, all records in `journal`."""

    def __init__(self, *strategies: Any, manual: bool = True, **more: Any) -> None:
        self.desk = Desk(*(strategies or (ManualOrders(),)), **more)
        self.engine = self.desk.engine
        self.journal: list[Any] = []
        self._batch: list[Any] = []
        self.out: list[Any] = []
        self.stopped = False
        self._operating = Operating(self, lambda: self.desk.now_ns, dict, self._stop, manual=manual)

    def _stop(self) -> None:
        self.stopped = True

    def put(self, event: Any) -> None:
        self._batch.append(event)

    def flush(self) -> None:
        batch, self._batch = self._batch, []
        self.out = self.feed(*batch)

    def feed(self, *batch: Any) -> list[Any]:
        self.journal += self.engine.admit(self.desk.now_ns, batch)
        out = self.engine.handle(self.desk.now_ns, batch)
        self.journal += out
        return out

    def say(self, word: str, by: str = "ann", **fields: Any) -> dict[str, Any]:
        return self._operating.answer(checked(Request(word=word, **fields)), by)

    def trade(self, trade_id: str) -> Any:
        return self.engine.ledger.trades.trades[trade_id]


def order(**changes: Any) -> dict[str, Any]:
    return {"instrument": "ETH-PERP", "side": "buy", "price": "3999.95", "amount": "0.1", **changes}


def placed(out: list[Any]) -> PlaceOrder:
    (found,) = [item for item in out if isinstance(item, PlaceOrder)]
    return found


def filled(found: PlaceOrder, lots: int, trade: str = "t1") -> Fill:
    return Fill(
        venue="deribit",
        account="main",
        instrument=found.instrument,
        trade_id=trade,
        side=found.side,
        price=Decimal(4000),
        size=Decimal(lots),
        order_id=found.order_id,
        ts_ns=T0,
    )


def ended(found: PlaceOrder, lots: int, reason: EndReason) -> ev.OrderEnded:
    return ev.OrderEnded(
        venue="deribit", account="main", order_id=found.order_id, reason=reason, filled_lots=lots
    )


# --- execute ---


def test_a_request_becomes_one_order_and_its_fill_the_trade() -> None:
    door = Door()
    answer = door.say("execute", request_id="m-1", args=order())
    assert answer["trade"]["state"] == "quoted"
    assert "399.995 USD rounded down to 399" in answer["done"]
    found = placed(door.out)
    assert (found.instrument, found.side, found.lots, found.group) == (PERP.key, Side.BUY, 399, "manual/m-1")
    assert found.why["trade_id"] == "m-1"
    door.feed(filled(found, 200))
    assert (door.trade("m-1").state, door.trade("m-1").executed) == (TradeState.EXECUTED, Decimal(200))
    assert not [item for item in door.feed(ev.Tick()) if isinstance(item, PlaceOrder)]
    door.feed(filled(found, 199, "t2"), ended(found, 399, EndReason.FILLED))
    assert door.trade("m-1").executed == Decimal(399)
    assert not list(door.engine.ledger.trades.requests())
    door.desk.now_ns += 5 * S
    assert not [item for item in door.feed(ev.Tick()) if isinstance(item, PlaceOrder)]


def test_a_repeated_request_id_asks_for_nothing_more() -> None:
    door = Door()
    door.say("execute", request_id="m-1", args=order())
    again = door.say("execute", request_id="m-1", args=order(amount="7"))
    assert again["done"] == "m-1 was asked for before"
    assert again["trade"]["size"] == "399"


def test_a_full_queue_says_so() -> None:
    door = Door()
    for number in range(QUEUE):
        door.say("execute", request_id=f"m-{number}", args=order())
    answer = door.say("execute", request_id="more", args=order())
    assert (answer["ok"], answer["reason"]) == (False, "full")
    assert "more" not in door.engine.ledger.trades.trades
    working = list(door.engine.ledger.orders.values())
    assert len({item.slot for item in working}) == QUEUE


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"instrument": "ETH-20260101-3000-C"}, "expected a contract that a connected venue lists"),
        ({"instrument": "nonsense"}, "expected a name like"),
        ({"instrument": "ETH-PERPETUAL", "amount": "0.5"}, "expected at least 1 in steps of 1, found 0.5"),
        ({"instrument": "deribit:ETH-NOWHERE"}, "expected an instrument of a connected venue"),
    ],
)
def test_what_cannot_be_is_refused_at_the_door(changes: dict[str, Any], text: str) -> None:
    door = Door()
    answer = door.say("execute", request_id="m-1", args=order(**changes))
    assert not answer["ok"]
    assert text in answer["error"]
    assert not door.out


def test_what_the_gate_refuses_is_cancelled_with_its_reason_and_never_sent_again() -> None:
    door = Door(limits=Limits(delta=0.01))
    answer = door.say("execute", request_id="m-1", args=order())
    assert (answer["ok"], answer["reason"]) == (False, "risk")
    assert answer["trade"]["state"] == "cancelled"
    assert "delta_limit" in answer["error"]
    assert not list(door.engine.ledger.trades.requests())
    # The same level again, with another request: it is told as well.
    assert door.say("execute", request_id="m-2", args=order())["trade"]["state"] == "cancelled"


def test_an_order_that_reduces_passes_a_kill_level_and_one_that_does_not_is_refused() -> None:
    door = Door()
    door.desk.read(positions={PERP.key: "4000"})  # adopted when first read: long one coin
    door.feed(fill_of_position())
    door.say("kill", level=2)
    more = door.say("execute", request_id="more", args=order(amount="0.1"))
    assert (more["ok"], more["reason"]) == (False, "risk")
    assert not [item for item in door.out if isinstance(item, PlaceOrder)]
    less = door.say("execute", request_id="less", args=order(side="sell", price="4000.5"))
    assert less["trade"]["state"] == "quoted"
    assert placed(door.out).purpose is Purpose.REDUCE


def fill_of_position() -> Fill:
    return Fill(
        venue="deribit",
        account="main",
        instrument=PERP.key,
        trade_id="before",
        side=Side.BUY,
        price=Decimal(4000),
        size=Decimal(4000),
        recorded=True,
        ts_ns=T0,
    )


def test_what_the_venue_refuses_becomes_a_dead_letter_that_a_retry_asks_again() -> None:
    door = Door()
    door.say("execute", request_id="m-1", args=order())
    door.feed(ev.PlaceRefused(placed(door.out).order_id, "10009", "not_enough_funds"))
    assert door.trade("m-1").state is TradeState.FAILED
    (letter,) = door.engine.ledger.dead_letters.values()
    assert (letter.kind, letter.subject, letter.attempts) == (LetterKind.MANUAL, "m-1", 1)
    assert "not_enough_funds" in letter.text
    door.desk.now_ns += 2 * S
    answer = door.say("retry", scope=letter.letter_id, by="bob")
    assert answer["done"] == f"{letter.letter_id} manual m-1: retrying, attempt 2"
    again = placed(door.out)
    door.feed(filled(again, 399), ended(again, 399, EndReason.FILLED))
    door.desk.now_ns += S
    door.feed(ev.Tick())
    assert door.trade("m-1").state is TradeState.EXECUTED
    last = door.engine.ledger.dead_letters[letter.letter_id]
    assert (last.state, last.attempts) == (LetterState.RESOLVED, 2)
    assert not door.say("retry", scope=letter.letter_id).get("ok", True)


def test_a_retry_that_fails_again_opens_the_same_letter_again() -> None:
    door = Door()
    door.say("execute", request_id="m-1", args=order())
    door.feed(ev.PlaceRefused(placed(door.out).order_id, "1", "no"))
    (letter,) = door.engine.ledger.dead_letters.values()
    door.desk.now_ns += 2 * S
    door.say("retry", scope=letter.letter_id)
    door.feed(ev.PlaceRefused(placed(door.out).order_id, "2", "no again"))
    door.desk.now_ns += S
    door.feed(ev.Tick())
    (letter,) = door.engine.ledger.dead_letters.values()
    assert (letter.state, letter.attempts, letter.text) == (LetterState.OPEN, 2, "rejected 2 no again")


def test_a_discarded_letter_ends_retries_and_changes_no_position() -> None:
    door = Door()
    door.say("execute", request_id="m-1", args=order())
    door.feed(ev.PlaceRefused(placed(door.out).order_id, "1", "no"))
    (letter,) = door.engine.ledger.dead_letters.values()
    before = (dict(door.engine.ledger.accounts.cash), door.engine.ledger.position_sizes())
    sums = door.engine.net_delta("ETH")
    door.say("discard", scope=letter.letter_id, by="bob")
    door.desk.now_ns += 10 * S
    out = door.feed(ev.Tick())
    assert not [item for item in out if isinstance(item, (PlaceOrder, DeadLetter))]
    assert (dict(door.engine.ledger.accounts.cash), door.engine.ledger.position_sizes()) == before
    assert door.engine.net_delta("ETH") == sums
    (letter,) = door.engine.ledger.dead_letters.values()
    assert (letter.state, letter.by) == (LetterState.DISCARDED, "bob")
    assert "nothing is left to retry" in door.say("retry", scope=letter.letter_id)["error"]


def test_a_request_lapses_and_can_be_withdrawn() -> None:
    door = Door()
    door.say("execute", request_id="m-1", args=order(price="3990"), for_s=10.0)
    lapsing = placed(door.out)
    door.desk.now_ns += 11 * S
    out = door.feed(ev.FeedAlive("deribit/trading"), ev.FeedAlive("deribit/market"))
    assert [item.order_id for item in out if isinstance(item, CancelOrder)] == [lapsing.order_id]
    door.feed(ended(lapsing, 0, EndReason.CANCELLED_BY_US))
    assert door.trade("m-1").state is TradeState.CANCELLED
    door.say("execute", request_id="m-2", args=order(price="3990"))
    resting = placed(door.out)
    door.feed(acked(resting))
    answer = door.say("withdraw", scope="m-2", by="bob")
    assert [item.order_id for item in door.out if isinstance(item, CancelOrder)] == [resting.order_id]
    assert "withdrawn by bob" in answer["done"]
    door.feed(ended(resting, 0, EndReason.CANCELLED_BY_US))
    assert (door.trade("m-2").state, door.trade("m-2").why) == (TradeState.CANCELLED, "withdrawn by bob")


def acked(found: PlaceOrder) -> ev.OrderOpen:
    return ev.OrderOpen(
        venue="deribit",
        account="main",
        order_id=found.order_id,
        venue_order_id=f"v{found.order_id}",
        instrument=found.instrument,
        side=found.side,
        ticks=found.ticks,
        lots=found.lots,
        filled_lots=0,
        reply=True,
    )


def test_an_immediate_request_is_over_with_its_order() -> None:
    door = Door()
    door.say("execute", request_id="m-1", args=order(price="4000.5", time_in_force="ioc"))
    found = placed(door.out)
    door.feed(filled(found, 100), ended(found, 100, EndReason.EXPIRED))
    assert (door.trade("m-1").state, door.trade("m-1").executed) == (TradeState.EXECUTED, Decimal(100))
    door.desk.now_ns += 5 * S
    assert not [item for item in door.feed(ev.Tick()) if isinstance(item, PlaceOrder)]


def test_a_restart_takes_no_request_over_and_keeps_letters() -> None:
    door = Door()
    door.say("execute", request_id="m-1", args=order())
    door.feed(ev.PlaceRefused(placed(door.out).order_id, "1", "no"))
    door.say("execute", request_id="m-2", args=order(price="3990"))
    folded = Ledger()
    for record in door.journal:
        folded.apply(records.decode(records.encode(record)), T0)
    assert folded.trades.trades.keys() == door.engine.ledger.trades.trades.keys()
    assert folded.dead_letters == door.engine.ledger.dead_letters
    from atomizer.domain.commands import RunStarted

    folded.apply(RunStarted(run=2, network="sim", mode="live", version="1"), T0)
    assert not list(folded.trades.requests())
    assert folded.trades.trades["m-2"].state is TradeState.QUOTED  # its order may still be filled
    assert [letter.state for letter in folded.dead_letters.values()] == [LetterState.OPEN]


def test_the_orders_of_a_person_rest_where_no_strategy_does() -> None:
    door = Door(ManualOrders(), Wishes())
    answer = door.say("execute", request_id="m-1", args=order())
    assert "not_claimed" in answer["error"]
    immediate = door.say("execute", request_id="m-2", args=order(time_in_force="ioc"))
    assert immediate["trade"]["state"] == "quoted"


def test_a_book_that_is_not_followed_is_asked_for_and_the_request_waits() -> None:
    door = Door()
    door.feed(*chain_events())
    name = option("deribit", 4000, NEAR_S, is_call=True).key
    answer = door.say("execute", request_id="m-1", args=order(instrument=name, price="0.05", amount="1"))
    assert answer["trade"]["state"] == "pending"
    assert [item.instrument for item in door.out if isinstance(item, Resubscribe)] == [name]


def test_switched_off_requests_are_refused_and_what_was_done_is_booked_all_the_same() -> None:
    door = Door(manual=False)
    assert door.say("execute", request_id="m-1", args=order())["reason"] == "disabled"
    answer = door.say("record", request_id="m-2", args=order())
    assert answer["trade"]["state"] == "executed"
    assert "switched off" in answer["flags"][-1]


# --- record ---


def test_a_trade_done_elsewhere_is_booked_counted_and_hedged() -> None:
    hedger = Hedger(HedgerSettings(threshold=0.05), HEDGE, 2)
    door = Door(ManualOrders(), hedger)
    answer = door.say("record", request_id="otc-1", args=order(amount="2", price="4010", note="by phone"))
    assert answer["done"] == "booked as otc-1"
    assert door.trade("otc-1").state is TradeState.EXECUTED
    ledger = door.engine.ledger
    assert ledger.accounts.size("manual", "manual", "manual:ETH-PERP") == Decimal(2)
    assert door.engine.net_delta("ETH") == pytest.approx(2.0)
    hedge = placed(door.out)
    assert (hedge.side, hedge.purpose) == (Side.SELL, Purpose.HEDGE)
    assert not door.engine.halts.paused  # a person told of it: no stranger traded
    kinds = [type(record).__name__ for record in door.journal]
    assert kinds.index("Fill") < kinds.index("Operator") < kinds.index("PlaceOrder")


def test_a_recorded_option_is_valued_off_the_surface() -> None:
    door = Door(ManualOrders())
    door.feed(*chain_events())
    door.say(
        "record",
        request_id="otc-2",
        args=order(instrument="ETH-20250915-4000-C", side="sell", price="160", amount="3"),
    )
    holding = "manual:ETH-20250915-4000-C"
    assert door.engine.ledger.accounts.size("manual", "manual", holding) == Decimal(-3)
    assert -2.0 < door.engine.net_delta("ETH") < -1.0


def test_a_repetition_is_booked_once_and_another_trade_under_its_id_is_told() -> None:
    door = Door()
    door.say("record", request_id="otc-1", args=order())
    assert "was booked before" in door.say("record", request_id="otc-1", args=order())["done"]
    taken = door.say("record", request_id="otc-1", args=order(amount="5"))
    assert "names another trade" in taken["error"]
    assert door.engine.ledger.accounts.size("manual", "manual", "manual:ETH-PERP") == Decimal("0.1")


def test_nothing_refuses_a_trade_that_was_done() -> None:
    door = Door(limits=Limits(delta=0.001, position_size=0.001))
    door.say("kill", level=3)
    door.feed(ev.StorageState("reserve"))
    answer = door.say("record", request_id="otc-1", args=order(price="9000", amount="50"))
    assert answer["trade"]["state"] == "executed"
    assert len(answer["flags"]) == 2


def test_a_recorded_trade_that_was_none_is_reversed_once_and_said_why() -> None:
    door = Door()
    door.say("record", request_id="otc-1", args=order())
    answer = door.say("reverse", scope="otc-1", args={"reason": "typed in twice"})
    assert (answer["trade"]["state"], answer["trade"]["why"]) == ("cancelled", "typed in twice")
    assert not door.engine.ledger.position_sizes()
    again = door.say("reverse", scope="otc-1", args={"reason": "typed in twice"})
    assert again["done"] == "otc-1 was reversed before"
    assert "names another trade" in door.say("record", request_id="otc-1", args=order())["error"]


def test_what_a_venue_told_of_is_not_a_persons_to_undo() -> None:
    door = Door()
    door.say("execute", request_id="m-1", args=order(price="4000.5", time_in_force="ioc"))
    found = placed(door.out)
    door.feed(filled(found, 399), ended(found, 399, EndReason.FILLED))
    assert "expected a recorded trade" in door.say("reverse", scope="m-1", args={"reason": "no"})["error"]
    assert door.trade("m-1").bookings


# --- other letters ---


def test_a_confirmation_that_nobody_signed_for_opens_a_letter_once() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    from .test_trades import traded

    desk.feed(traded(quote, nonce=1, rfq_id="other"))
    for _ in range(3):
        desk.now_ns += S
        desk.refresh()
    (letter,) = desk.engine.ledger.dead_letters.values()
    assert (letter.kind, letter.subject, letter.state) == (LetterKind.UNMATCHED, "other", LetterState.OPEN)


def failed(net: float, state: str = "failed") -> HedgeState:
    return HedgeState(
        underlying="ETH",
        state=state,  # type: ignore[arg-type]
        net_delta=net,
        band=0.1,
        naked_usd=net * 4000.0,
        since_ns=T0,
        text=f"{net} ETH unhedged",
    )


def test_a_failed_hedge_opens_a_letter_and_a_person_releases_it() -> None:
    door = Door(ManualOrders())
    door.engine.emit(failed(2.0))
    door.engine.halts.naked["ETH"] = "2.0 ETH unhedged"
    door.desk.now_ns += S
    door.feed(ev.Tick())
    (letter,) = door.engine.ledger.dead_letters.values()
    assert (letter.kind, letter.subject, letter.text) == (LetterKind.HEDGE, "ETH", "2.0 ETH unhedged")
    door.say("retry", scope=letter.letter_id)
    assert door.engine.letters.rearmed_ns == {"ETH": door.engine.now_ns}
    assert door.engine.halts.naked  # a retry lets nobody quote
    door.desk.now_ns += S
    door.feed(ev.Tick())
    assert door.engine.ledger.dead_letters[letter.letter_id].attempts == 2
    assert door.engine.ledger.dead_letters[letter.letter_id].state is LetterState.OPEN
    door.say("discard", scope=letter.letter_id)
    assert not door.engine.halts.naked
    door.desk.now_ns += S
    assert not [item for item in door.feed(ev.Tick()) if isinstance(item, DeadLetter)]
    door.engine.emit(failed(0.0, "flat"))
    door.desk.now_ns += S
    door.feed(ev.Tick())
    assert door.engine.ledger.dead_letters[letter.letter_id].state is LetterState.RESOLVED


def test_a_word_without_effect_on_a_letter_that_is_none_is_told() -> None:
    door = Door()
    assert "found no 'dl-9'" in door.say("discard", scope="dl-9")["error"]
    assert "reading 1 accounts" in door.say("reconcile")["done"]
    door.say("stop")
    assert door.stopped


def test_a_kill_level_pulls_the_order_that_rests_and_ends_its_request() -> None:
    door = Door()
    door.say("execute", request_id="m-1", args=order(price="3990"))
    resting = placed(door.out)
    door.feed(acked(resting))
    door.say("kill", level=1)
    assert [item.order_id for item in door.out if isinstance(item, CancelOrder)] == [resting.order_id]
    door.feed(ended(resting, 0, EndReason.CANCELLED_BY_US))
    assert door.trade("m-1").state is TradeState.CANCELLED
