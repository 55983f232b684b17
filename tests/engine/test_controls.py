"""A trader's words: what can be meant, how they replace each other, lapse, and survive a restart."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from atomizer.domain import events as ev
from atomizer.domain.commands import Markout, Refused, RiskState, SendQuote
from atomizer.domain.controls import Control, ControlError, Controls, check
from atomizer.domain.refusals import Reason
from atomizer.engine.ledger import Ledger

from .bench_desk import S
from .rfq_desk import TAKER, RfqDesk

LATER = 10**18


@pytest.mark.parametrize(
    ("word", "scope", "args", "until"),
    [
        ("widen", "", {}, 0),
        ("widen", "", {"factor": 0.0}, 0),
        ("widen", "", {"factor": 101.0}, 0),
        ("widen", "", {"factor": "2"}, 0),
        ("widen", "", {"factor": 2.0, "more": 1.0}, 0),
        ("one_sided", "ETH", {"side": "left"}, 0),
        ("vol", "ETH", {"kind": "bend", "points": 1.0}, LATER),
        ("vol", "", {"kind": "shift", "points": 1.0}, LATER),
        ("vol", "taker/0x1", {"kind": "shift", "points": 1.0}, LATER),
        ("vol", "ETH", {"kind": "shift", "points": float("nan")}, LATER),
        ("vol", "ETH", {"kind": "shift", "points": 1.0}, 0),
        ("vol", "ETH", {"kind": "pin", "points": 60.0, "strike": 4000.0}, LATER),
        ("vol", "ETH", {"kind": "pin", "points": -60.0, "strike": 4000.0, "expiry_s": 1.0}, LATER),
        ("vol", "ETH", {"kind": "event", "at_s": 1.0, "variance": -1.0}, LATER),
        ("hum", "", {}, 0),
    ],
)
def test_what_cannot_be_meant_is_an_error_that_says_so(
    word: str, scope: str, args: dict[str, Any], until: int
) -> None:
    with pytest.raises(ControlError, match="expected"):
        check(word, scope, args, until)


@pytest.mark.parametrize(
    ("word", "scope", "args"),
    [
        ("widen", "venue/rysk", {"factor": 1.5}),
        ("one_sided", "taker/0x1", {"side": "buy"}),
        ("vol", "ETH", {"kind": "shift", "points": -2.0, "expiry_s": 5.0}),
        ("vol", "ETH", {"kind": "event", "at_s": 1.0, "variance": 0.001}),
        ("vol", "ETH", {"kind": "clear"}),
    ],
)
def test_what_can_be_meant_is_taken(word: str, scope: str, args: dict[str, Any]) -> None:
    check(word, scope, args, LATER)


def test_a_word_replaces_its_like_and_the_neutral_one_ends_it() -> None:
    rules = Controls().changed(Control(word="widen", args={"factor": 2.0}))
    rules = rules.changed(Control(word="widen", scope="ETH", args={"factor": 3.0}))
    rules = rules.changed(Control(word="widen", args={"factor": 4.0}))
    assert [rule.args["factor"] for rule in rules.on("widen", ("", "ETH"))] == [4.0, 3.0]
    rules = rules.changed(Control(word="widen", args={"factor": 1.0}))
    assert [rule.scope for rule in rules.rules] == ["ETH"]


def test_rules_lapse_by_themselves() -> None:
    rules = Controls((Control(word="widen", args={"factor": 2.0}, until_ns=100),))
    assert rules.at(99) is rules
    assert rules.at(100).rules == ()


def test_words_survive_a_restart_through_the_journal() -> None:
    desk = RfqDesk()
    until = desk.now_ns + 3600 * S
    out = desk.feed(
        ev.Operator("widen", scope="ETH", args={"factor": 2.0}, until_ns=until, by="ann"),
        ev.Operator("pause", scope=f"taker/{TAKER}", until_ns=until),
    )
    state = msgspec.json.decode(
        msgspec.json.encode([item for item in out if isinstance(item, RiskState)][-1]), type=RiskState
    )
    ledger = Ledger()
    ledger.apply(state, desk.now_ns)
    again = Ledger()
    again.restore(msgspec.json.decode(msgspec.json.encode(ledger.state())))
    assert again.risk == ledger.risk
    desk.restart(2)
    assert [rule.in_words() for rule in desk.engine.controls.rules] == ["widen ETH factor=2.0 by ann"]
    assert desk.engine.halts.paused_until == {f"taker/{TAKER}": until}


@pytest.mark.parametrize("scope", ["", "ETH", "venue/rysk", f"taker/{TAKER}"])
def test_a_pause_stops_its_scope_until_it_lapses_or_is_lifted(scope: str) -> None:
    desk = RfqDesk()
    desk.feed(ev.Operator("pause", scope=scope, until_ns=desk.now_ns + 2 * S))
    answer = desk.ask()
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.PAUSED
    desk.refresh(after_s=2.1)
    desk.quote()
    desk.feed(ev.Operator("pause", scope=scope))
    assert isinstance(desk.ask(), Refused)
    desk.feed(ev.Operator("resume", scope=scope))
    desk.quote()


def test_another_taker_is_not_paused() -> None:
    desk = RfqDesk()
    desk.feed(ev.Operator("pause", scope="taker/0xother"))
    desk.quote()


@pytest.mark.parametrize(("side", "buys"), [("buy", True), ("sell", False)])
def test_one_side_only(side: str, buys: bool) -> None:
    desk = RfqDesk(coins="5")
    desk.feed(ev.Operator("one_sided", scope="ETH", args={"side": side}))
    assert isinstance(desk.ask(taker_buys=not buys), SendQuote)
    refused = desk.ask(taker_buys=buys)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.ONE_SIDED
    desk.feed(ev.Operator("one_sided", scope="ETH", args={"side": "both"}))
    desk.quote(taker_buys=buys)


# --- markouts ---


def test_quotes_and_trades_are_valued_one_five_and_thirty_minutes_later() -> None:
    desk = RfqDesk()
    desk.engine._marks_ns = S
    quote = desk.quote()
    desk.win(quote)
    found: list[Markout] = []
    for _ in range(31):
        for _ in range(6):
            found += [item for item in desk.refresh(after_s=10.0) if isinstance(item, Markout)]
    assert sorted((item.kind, item.after_s) for item in found) == [
        (kind, after_s) for kind in ("quote", "trade") for after_s in (60, 300, 1800)
    ]
    for item in found:
        assert (item.nonce, item.rfq_id, item.missing) == (quote.nonce, quote.rfq_id, "")
        assert 0.0 < item.fair < 200.0
        assert 0.4 < item.delta < 0.6


def test_a_restart_takes_up_the_markouts_that_are_still_to_come() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    desk.now_ns += 200 * S
    desk.restart(2)
    due = desk.engine.markouts._due
    assert [(item.kind, item.nonce, item.after_s) for item in due] == [("quote", quote.nonce, 300)]
