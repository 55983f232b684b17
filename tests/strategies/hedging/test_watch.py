"""How the hedge stands, as the journal tells it, and what of it outlives a restart."""

from __future__ import annotations

from typing import Any

from atomizer.domain import events as ev
from atomizer.domain.commands import Refused, SendQuote
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason
from atomizer.domain.refusals import Reason
from atomizer.engine.ledger import Ledger
from atomizer.strategies.hedging import Hedger, HedgerSettings
from tests.engine.bench_desk import PERP, placed
from tests.engine.rfq_desk import RfqDesk, chain_events

from .desks import SECOND, TwoVenues, hedge_market


def filled(desk: TwoVenues) -> None:
    for number, order in enumerate(placed(desk.all)):
        if desk.engine.ledger.orders.get(order.order_id):
            desk.fill_at(order, order.lots, f"f{number}")
            desk.end(order, order.lots, EndReason.FILLED)


def test_transitions_are_written_once_each() -> None:
    desk = TwoVenues(hedge_market())
    desk.market_moves(20_000)
    for _ in range(4):
        desk.tick(after_ms=250.0)
    filled(desk)
    for _ in range(4):
        desk.tick(after_ms=250.0)
    assert [state.state for state in desk.states()] == ["hedging", "flat"]
    first = desk.states()[0]
    assert (first.net_delta, first.naked_usd) == (5.0, 20_000.0)


def test_a_trade_is_named_until_a_hedge_covers_it() -> None:
    desk = TwoVenues(hedge_market())
    desk.feed(*chain_events())
    desk.win(desk.quote(size="5"))
    (state,) = desk.states()
    assert state.trades == tuple(desk.engine.ledger.groups.groups)
    assert state.group == state.trades[0]
    (order,) = placed(desk.all)
    assert order.group == state.group
    filled(desk)
    desk.tick(after_ms=250.0)
    assert desk.states()[-1].state == "flat"
    assert desk.states()[-1].trades == ()
    assert PERP.key in desk.engine.ledger.groups.groups[state.group].sizes


def failing() -> TwoVenues:
    """Too much is unhedged for too long."""
    desk = TwoVenues(hedge_market(), alarm_ms=1_000)
    desk.feed(*chain_events())
    desk.market_moves(20_000)
    for _ in range(8):
        desk.tick(after_ms=250.0)
    assert desk.states()[-1].state == "failed"
    return desk


def restarted(desk: TwoVenues, ledger: Ledger | None = None) -> TwoVenues:
    desk._strategies = (Hedger(HedgerSettings(alarm_ms=1_000), desk.market, 2),)
    if ledger is not None:
        desk.engine.ledger = ledger
    desk.restart(desk.engine.run + 1)
    desk.all.clear()
    desk.feed(
        ev.FeedUp("deribit/market"),
        ev.FeedUp("deribit/trading"),
        ev.InstrumentListed(PERP),
        ev.IndexPrice("deribit", "eth_usd", 4000.0),
        ev.Ticker(instrument=PERP.key, mark=4000.0, index=4000.0),
        ev.BookSnapshot(PERP.key, [(3999.5, 1e6)], [(4000.5, 1e6)], 1),
        *chain_events(),
    )
    held = desk.engine.ledger.accounts.size("deribit", "main", PERP.key)
    desk.read(positions={PERP.key: str(held)})
    desk.connect_second()
    desk.feed(ev.FeedUp("rysk/maker"))
    desk.read_rysk()
    return desk


def asked(desk: RfqDesk) -> Any:
    return desk.ask(size="0.01")


def test_what_was_failed_is_failed_after_a_restart_and_from_a_snapshot() -> None:
    for snapshot in (False, True):
        desk = failing()
        ledger = None
        if snapshot:
            ledger = Ledger()
            ledger.restore(desk.engine.ledger.state())
        restarted(desk, ledger)
        refusal = asked(desk)
        assert isinstance(refusal, Refused)
        assert refusal.reason is Reason.HEDGE_FAILED
        assert "20000 USD naked" in refusal.text


def test_a_hedge_in_flight_at_a_restart_is_not_sent_again_before_it_is_explained() -> None:
    desk = TwoVenues(hedge_market())
    desk.market_moves(20_000)
    (order,) = placed(desk.all)
    restarted(desk)
    for _ in range(4):
        desk.tick(after_ms=250.0)
    assert not [item for item in placed(desk.all) if item.side is Side.SELL]
    desk.fill_at(order, 12_000, "late")
    desk.end(order, 12_000, EndReason.CANCELLED_BY_VENUE)
    for _ in range(4):
        desk.tick(after_ms=250.0)
    assert [(item.side, item.lots) for item in placed(desk.all)] == [(Side.SELL, 8_000)]


def test_nothing_is_quoted_before_every_account_was_read() -> None:
    desk = RfqDesk(Hedger(HedgerSettings(), hedge_market(), 2))
    desk.engine.ledger.opened_ns.clear()
    desk.tick(after_ms=250.0)
    refusal = asked(desk)
    assert isinstance(refusal, Refused)
    assert "delta is not known" in refusal.text


def test_an_unexplained_difference_on_the_second_account_stops_quoting() -> None:
    desk = TwoVenues(hedge_market(SECOND))
    desk.feed(*chain_events())
    desk.refresh()
    assert isinstance(desk.ask(), SendQuote)
    desk.engine.halts.unreconciled["deribit2", "second"] = "deribit2: 40 more than booked"
    refused = desk.ask()
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.text) == (Reason.NOT_RECONCILED, "deribit2: 40 more than booked")
