"""Trades derived from records: nothing lost, nothing taken back, the same from the engine and a journal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain import events as ev
from atomizer.domain.bookings import Reversal, RfqTrade, booking_key
from atomizer.domain.commands import (
    DeadLetter,
    HedgeState,
    InstrumentUsed,
    LetterKind,
    LetterState,
    Marks,
    RunStarted,
    SendQuote,
)
from atomizer.domain.instruments import Instrument, Side
from atomizer.domain.trades import EXECUTED_STATES, Trade, TradeState
from atomizer.engine.ledger import Ledger
from atomizer.engine.trades import ENDED_KEPT

from .bench_desk import PERP, T0, S
from .rfq_desk import NEAR_S, RfqDesk, option


def traded(quote: SendQuote, **changes: Any) -> RfqTrade:
    made = RfqTrade(
        venue="rysk",
        account="maker",
        instrument=quote.instrument,
        nonce=quote.nonce,
        side=quote.side,
        price=Decimal(quote.price_e18).scaleb(-18),
        size=Decimal(quote.terms.quantity_e18).scaleb(-18),
        premium_currency="USD",
        rfq_id=quote.rfq_id,
        taker=quote.taker,
    )
    return msgspec.structs.replace(made, **changes)


def state_of(desk: RfqDesk, trade_id: str) -> TradeState:
    return desk.engine.ledger.trades.trades[trade_id].state


def test_an_rfq_is_quoted_executed_and_hedged() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    assert state_of(desk, quote.rfq_id) is TradeState.QUOTED
    desk.win(quote)
    trade = desk.engine.ledger.trades.trades[quote.rfq_id]
    assert (trade.state, trade.executed, trade.source) == (TradeState.EXECUTED, Decimal(1), "rysk_rfq")
    assert trade.price == Decimal(quote.price_e18).scaleb(-18)
    ledger = desk.engine.ledger
    ledger.apply(Marks(index={"ETH": 4000.0}, instruments={}, naked={"ETH": (0.5, 0.0, 0.5)}), T0 + S)
    assert trade.state is TradeState.EXECUTED
    ledger.apply(Marks(index={"ETH": 4000.0}, instruments={}, naked={"ETH": (0.01, 0.0, 0.5)}), T0 + 2 * S)
    assert trade.state is TradeState.HEDGED
    assert trade.changed_ns == T0 + 2 * S


def test_the_band_is_the_hedgers_of_this_run() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    desk.win(quote)
    ledger = desk.engine.ledger
    started = RunStarted(
        run=2, network="sim", mode="live", version="1", settings={"hedge": {"delta_threshold": 0.6}}
    )
    ledger.apply(started, T0 + S)
    ledger.apply(Marks(index={"ETH": 4000.0}, instruments={}, naked={"ETH": (0.5, 0.0, 0.5)}), T0 + S)
    assert state_of(desk, quote.rfq_id) is TradeState.HEDGED


def test_a_refused_rfq_is_cancelled_with_its_reason() -> None:
    desk = RfqDesk()
    refused = desk.ask(strike=100_000.0, rfq_id="far")
    assert state_of(desk, "far") is TradeState.CANCELLED
    assert desk.engine.ledger.trades.trades["far"].why == f"{refused.reason}: {refused.text}"  # type: ignore[union-attr]


def test_a_quote_that_nobody_took_is_cancelled_once_its_signature_is_dead_and_read() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    dead_ns = (quote.valid_until_s + 60) * S
    desk.now_ns = dead_ns
    desk.read_rysk(asked_ns=dead_ns - S)  # asked for before the last second: proves nothing
    assert state_of(desk, quote.rfq_id) is TradeState.QUOTED
    desk.now_ns = dead_ns + 2 * S
    desk.read_rysk()
    assert state_of(desk, quote.rfq_id) is TradeState.CANCELLED


def test_what_the_venue_refused_can_still_be_executed() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    desk.feed(ev.QuoteRefused("rysk", quote.rfq_id, "late", "too late"))
    assert state_of(desk, quote.rfq_id) is TradeState.FAILED
    desk.win(quote)
    assert state_of(desk, quote.rfq_id) is TradeState.EXECUTED


def test_a_bust_takes_it_back_and_the_same_confirmation_again_does_not_revive_it() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    desk.win(quote)
    key = booking_key(traded(quote))
    desk.feed(Reversal(venue="rysk", account="maker", key=key, why="bust"))
    assert state_of(desk, quote.rfq_id) is TradeState.CANCELLED
    desk.win(quote)
    assert state_of(desk, quote.rfq_id) is TradeState.CANCELLED
    assert desk.engine.ledger.trades.trades[quote.rfq_id].executed == 0


def test_a_confirmation_of_a_quote_nobody_signed_is_a_trade_and_a_question() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    desk.feed(traded(quote, nonce=999_999, rfq_id=""))
    trade = desk.engine.ledger.trades.trades["rysk/maker/999999"]
    assert trade.state is TradeState.EXECUTED
    assert trade.unmatched
    assert list(desk.engine.ledger.trades.failed_or_unmatched()) == [trade]


def test_rfqs_that_came_to_nothing_are_bounded_and_executions_are_not() -> None:
    ledger = Ledger()
    desk = RfqDesk()
    quote = desk.quote(rfq_id="won")
    for record in (*desk_rfqs(desk, 5), quote, traded(quote)):
        ledger.apply(record, T0)
    for number in range(ENDED_KEPT + 50):
        rfq = desk.rfq(rfq_id=f"r{number}")
        ledger.apply(rfq, T0)
        ledger.apply(declined(rfq.rfq_id), T0)
    assert ledger.trades.trades["won"].state is TradeState.EXECUTED
    ended = [trade for trade in ledger.trades.trades.values() if trade.state is TradeState.CANCELLED]
    assert len(ended) == ENDED_KEPT
    ledger.trades.forget(T0 + 100 * S)
    assert "won" in ledger.trades.trades  # not hedged: never dropped


def desk_rfqs(desk: RfqDesk, count: int) -> list[Any]:
    return [desk.rfq(rfq_id=f"early-{number}") for number in range(count)]


def declined(rfq_id: str) -> Any:
    from atomizer.domain.commands import Refused
    from atomizer.domain.refusals import Reason

    return Refused(reason=Reason.PAUSED, text="paused", subject=rfq_id)


# --- properties ---

OPTION: Instrument = option("rysk", 4000.0, NEAR_S, is_call=True)
RFQS = ("a", "b", "c")
NONCES = (1, 2, 3, 4)


def records(desk: RfqDesk) -> dict[str, Any]:
    """The makings: RFQs, two quotes on one of them, confirmations, and what may come between."""
    quote = desk.quote(rfq_id="made")
    rfqs = {name: msgspec.structs.replace(desk.rfq(rfq_id=name), instrument=OPTION.key) for name in RFQS}
    quotes = {
        nonce: msgspec.structs.replace(quote, nonce=nonce, rfq_id=RFQS[nonce % 3], instrument=OPTION.key)
        for nonce in NONCES
    }
    return {"rfqs": rfqs, "quotes": quotes}


MADE = records(RfqDesk())
STEPS = st.one_of(
    st.sampled_from(RFQS).map(lambda name: MADE["rfqs"][name]),
    st.sampled_from(NONCES).map(lambda nonce: MADE["quotes"][nonce]),
    st.sampled_from(NONCES).map(lambda nonce: traded(MADE["quotes"][nonce])),
    st.sampled_from(NONCES).map(lambda nonce: traded(MADE["quotes"][nonce], inferred=True)),
    st.sampled_from(NONCES).map(
        lambda nonce: Reversal(
            venue="rysk", account="maker", key=booking_key(traded(MADE["quotes"][nonce])), why="bust"
        )
    ),
    st.sampled_from(RFQS).map(declined),
    st.sampled_from(RFQS).map(lambda name: ev.QuoteRefused("rysk", name, "x", "no")),
    st.sampled_from((0.0, 5.0)).map(
        lambda net: Marks(index={}, instruments={}, naked={"ETH": (net, 0.0, 0.0)})
    ),
    st.sampled_from((LetterState.OPEN, LetterState.RETRYING, LetterState.DISCARDED)).map(
        lambda state: DeadLetter(
            letter_id="dl-1", kind=LetterKind.HEDGE, subject="ETH", text="naked", since_ns=T0, state=state
        )
    ),
    st.sampled_from(("flat", "hedging", "failed")).map(
        lambda state: HedgeState(
            underlying="ETH", state=state, net_delta=1.0, band=0.1, naked_usd=4000.0, since_ns=T0
        )
    ),
    st.just(ev.ReadEnded("rysk", "maker", T0 + 10**6 * S)),
    st.just(RunStarted(run=2, network="sim", mode="live", version="1")),
)


def executions(ledger: Ledger) -> dict[str, RfqTrade]:
    """Confirmations that stand, by key."""
    return {
        key: booking
        for key, booking in ledger.accounts.booked.items()
        if isinstance(booking, RfqTrade) and key not in ledger.accounts.reversed
    }


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=40))
def test_no_execution_is_lost_and_none_is_taken_back_but_by_a_reversal(steps: list[Any]) -> None:
    ledger = Ledger()
    ledger.apply(InstrumentUsed(OPTION), T0)
    before: dict[str, Trade] = {}
    for step in steps:
        ledger.apply(step, T0)
        standing = executions(ledger)
        held = {key: trade for trade in ledger.trades.executed() for key in trade.bookings}
        assert set(held) == set(standing)
        total = sum((trade.executed for trade in ledger.trades.executed()), Decimal(0))
        assert total == sum((booking.size for booking in standing.values()), Decimal(0))
        for trade_id, earlier in before.items():
            now = ledger.trades.trades[trade_id]
            if earlier.state in EXECUTED_STATES and earlier.bookings and now.state not in EXECUTED_STATES:
                assert isinstance(step, Reversal)
        before = {
            trade_id: msgspec.structs.replace(trade, bookings=list(trade.bookings))
            for trade_id, trade in ledger.trades.trades.items()
        }


@settings(max_examples=100)
@given(st.lists(STEPS, max_size=40), st.sets(st.integers(0, 40)))
def test_when_somebody_looks_changes_nothing(steps: list[Any], looks: set[int]) -> None:
    """RFQs and quotes wait to be folded: until the end, or until a look in between."""
    looked, left = Ledger(), Ledger()
    for number, step in enumerate((InstrumentUsed(OPTION), *steps)):
        looked.apply(step, T0 + number)
        left.apply(step, T0 + number)
        if number in looks:
            looked.trades.counts()
    assert left.trades.state() == looked.trades.state()
    assert list(left.trades.trades) == list(looked.trades.trades)
    assert left.trades.changed is looked.trades.changed


def test_a_snapshot_replaces_what_waits() -> None:
    ledger = Ledger()
    ledger.apply(MADE["rfqs"][RFQS[0]], T0)
    ledger.restore(Ledger().state())
    assert ledger.trades.trades == {}


@settings(max_examples=100)
@given(st.lists(STEPS, max_size=30), st.lists(STEPS, max_size=10))
def test_a_snapshot_goes_on_as_the_fold_would_have(first: list[Any], then: list[Any]) -> None:
    whole, begun = Ledger(), Ledger()
    for step in (InstrumentUsed(OPTION), *first):
        whole.apply(step, T0)
        begun.apply(step, T0)
    taken = Ledger()
    taken.restore(msgspec.json.decode(msgspec.json.encode(begun.state())))
    for step in then:
        whole.apply(step, T0 + S)
        taken.apply(step, T0 + S)
    assert taken.trades.state() == whole.trades.state()
    assert taken.dead_letters == whole.dead_letters


def test_a_snapshot_from_before_there_were_trades_is_read() -> None:
    state = Ledger().state()
    for name in ("trades", "dead_letters", "letters_dropped"):
        del state[name]
    ledger = Ledger()
    ledger.restore(state)
    assert ledger.trades.trades == {}


def test_sides_and_instruments_are_those_asked_for() -> None:
    desk = RfqDesk(coins="5")
    quote = desk.quote(taker_buys=True, size="2")
    trade = desk.engine.ledger.trades.trades[quote.rfq_id]
    assert (trade.side, trade.size, trade.underlying) == (Side.SELL, Decimal(2), "ETH")
    assert trade.instrument != PERP.key


def test_the_hedgers_own_word_counts() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    desk.win(quote)
    ledger = desk.engine.ledger
    failed = HedgeState(
        underlying="ETH", state="failed", net_delta=2.0, band=0.1, naked_usd=8000.0, since_ns=T0, text="naked"
    )
    ledger.apply(failed, T0)
    assert (state_of(desk, quote.rfq_id), ledger.trades.trades[quote.rfq_id].why) == (
        TradeState.FAILED,
        "naked",
    )
    ledger.apply(Marks(index={}, instruments={}, naked={"ETH": (0.0, 0.0, 0.0)}), T0)
    assert state_of(desk, quote.rfq_id) is TradeState.FAILED
    ledger.apply(msgspec.structs.replace(failed, state="hedging"), T0)
    assert state_of(desk, quote.rfq_id) is TradeState.EXECUTED
    ledger.apply(msgspec.structs.replace(failed, state="flat"), T0)
    assert state_of(desk, quote.rfq_id) is TradeState.HEDGED


def test_an_rfq_that_nobody_answers_does_not_wait_for_ever() -> None:
    ledger = Ledger()
    desk = RfqDesk()
    ledger.apply(desk.rfq(rfq_id="ignored"), T0)
    ledger.apply(desk.rfq(rfq_id="young"), T0 + 100 * S)
    ledger.apply(Marks(index={}, instruments={}, naked={}), T0 + 119 * S)
    assert ledger.trades.trades["ignored"].state is TradeState.PENDING
    ledger.apply(Marks(index={}, instruments={}, naked={}), T0 + 121 * S)
    trade = ledger.trades.trades["ignored"]
    assert (trade.state, trade.why) == (TradeState.CANCELLED, "not answered in time")
    assert ledger.trades.trades["young"].state is TradeState.PENDING
