"""The hedger: side, size, band, one hedge at a time, and what happens when a hedge does not come."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill
from atomizer.domain.commands import PlaceOrder, Refused
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason, Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.engine.settings import Freshness, Limits
from atomizer.strategies.hedging import Hedger, HedgerSettings
from tests.engine.bench_desk import HEDGE, MS, PERP, Desk, S, amended, placed
from tests.engine.rfq_desk import FORWARD, NEAR_S, RfqDesk, chain_events, option


def hedger(**settings: Any) -> Hedger:
    return Hedger(HedgerSettings(**settings), HEDGE, 2)


def holding(usd: str, **settings: Any) -> tuple[Desk, list[PlaceOrder]]:
    """A desk that starts with this many USD of the perpetual, and the orders of its first passes."""
    desk = Desk(hedger(**settings), ready=False)
    desk.open(positions={PERP.key: usd})
    desk.tick()
    return desk, placed(desk.all)


@pytest.mark.parametrize(("usd", "side"), [("20000", Side.SELL), ("-20000", Side.BUY)])
def test_the_hedge_is_opposite_to_the_exposure_and_counts_contracts(usd: str, side: Side) -> None:
    _, (order,) = holding(usd)
    assert order.side is side
    assert order.lots == 20_000
    assert order.purpose is Purpose.HEDGE
    assert order.time_in_force is TimeInForce.IOC


@pytest.mark.parametrize(("usd", "cross"), [("20000", 3999.5), ("-20000", 4000.5)])
def test_the_price_reaches_through_the_touch_and_no_further(usd: str, cross: float) -> None:
    _, (order,) = holding(usd, cross_bps=10.0)
    touch = float(PERP.grid.price(order.ticks))
    assert abs(touch / cross - 1.0) == pytest.approx(1e-3, abs=2e-5)
    assert (touch - cross) * order.side > 0.0


def test_inside_the_band_nothing_is_sent() -> None:
    desk, orders = holding("199", threshold=0.05)
    assert not orders
    assert not placed([item for _ in range(20) for item in desk.tick(after_ms=250.0)])
    assert holding("201", threshold=0.05)[1]


def test_a_ratio_of_a_half_hedges_half() -> None:
    assert [order.lots for order in holding("20000", ratio=0.5)[1]] == [10_000]


def test_a_linear_hedge_is_in_coins() -> None:
    linear = msgspec.structs.replace(
        PERP, inverse=False, size_in_quote=False, settlement="USDC", lot=Decimal("0.01")
    )
    desk = Desk(hedger(), ready=False)
    desk.feed(
        ev.FeedUp("deribit/market"),
        ev.FeedUp("deribit/trading"),
        ev.InstrumentListed(linear),
        ev.IndexPrice("deribit", "eth_usd", 4000.0),
        ev.BookSnapshot(linear.key, [(3999.5, 1e6)], [(4000.5, 1e6)], 1),
    )
    desk.read(positions={linear.key: "5"})
    desk.tick()
    assert [(order.side, order.lots) for order in placed(desk.all)] == [(Side.SELL, 500)]


def test_a_disabled_hedger_sends_nothing_and_wakes_nobody() -> None:
    desk, orders = holding("20000", enabled=False)
    assert not orders
    assert desk.engine._strategies[0].next_deadline() > desk.now_ns + 10**15


def test_one_hedge_at_a_time_restated_only_after_its_fills_are_booked() -> None:
    desk, (order,) = holding("20000")
    desk.ended(order.order_id, 20_000)
    waiting = [item for _ in range(30) for item in desk.tick(after_ms=50.0)]
    assert not placed(waiting), "filled, but its fills are not booked"
    desk.fill(order, 12_000, trade="a")
    assert not placed(desk.tick())
    desk.fill(order, 8_000, trade="b")
    assert not placed([item for _ in range(10) for item in desk.tick(after_ms=250.0)])
    assert desk.engine.net_delta("ETH") == 0.0


def test_what_a_partial_fill_leaves_is_hedged_next() -> None:
    desk, (order,) = holding("20000")
    desk.fill(order, 15_000)
    desk.ended(order.order_id, 15_000, EndReason.CANCELLED_BY_VENUE)
    again = placed([item for _ in range(3) for item in desk.tick(after_ms=100.0)])
    assert [item.lots for item in again] == [5_000]


def test_an_immediate_hedge_that_fills_in_parts_is_never_amended_to_more() -> None:
    desk, (order,) = holding("20000")
    out = desk.fill(order, 5_000, trade="a") + desk.fill(order, 5_000, trade="b") + desk.tick()
    assert not amended(out)
    assert not placed(out)


def test_an_unfilled_hedge_is_retried_at_its_own_pace_not_backed_off() -> None:
    desk, (order,) = holding("20000", retry_ms=100)
    sent_at, last = [desk.now_ns], order
    for _ in range(300):
        desk.ended(last.order_id, 0, EndReason.CANCELLED_BY_VENUE)
        again = placed(desk.out) + placed(desk.tick(after_ms=10.0))
        if again:
            (last,) = again
            sent_at.append(desk.now_ns)
    gaps = [round((b - a) / MS) for a, b in itertools.pairwise(sent_at)]
    assert len(gaps) > 5
    assert min(gaps) >= 100
    assert max(gaps) <= 400


def test_a_trade_won_is_hedged_in_the_pass_that_books_it() -> None:
    desk = RfqDesk(hedger())
    quote = desk.quote(size="5")
    (order,) = placed(desk.win(quote))
    assert order.side is Side.SELL
    assert order.lots == pytest.approx(5 * quote.delta * FORWARD, rel=1e-3)
    desk.fill_whole([order])
    assert abs(desk.engine.net_delta("ETH")) < 0.05


def test_a_bought_put_is_hedged_by_buying() -> None:
    desk = RfqDesk(hedger())
    (order,) = placed(desk.win(desk.quote(size="5", strike=3500.0, is_call=False)))
    assert order.side is Side.BUY


def test_signed_quotes_are_not_hedged_before_they_trade() -> None:
    desk = RfqDesk(hedger())
    for _ in range(3):
        desk.quote(size="5")
    assert not placed([item for _ in range(10) for item in desk.tick(after_ms=250.0)])


# --- alarms ---


def test_a_hedge_that_does_not_come_stops_quoting_and_says_how_much_is_naked() -> None:
    desk = RfqDesk(hedger(alarm_ms=5_000, naked_stop=1.0), perpetual="20000")
    for _ in range(19):
        desk.tick(after_ms=250.0)
    desk.quote(size="0.1")
    for _ in range(4):
        desk.tick(after_ms=250.0)
    refusal = desk.ask()
    assert isinstance(refusal, Refused)
    assert refusal.reason is Reason.HEDGE_FAILED
    assert "20000 USD naked" in refusal.text


def test_a_hedge_that_comes_late_ends_the_alarm() -> None:
    desk = RfqDesk(hedger(alarm_ms=5_000, naked_stop=1.0), perpetual="20000")
    for _ in range(25):
        desk.tick(after_ms=250.0)
    assert desk.engine.halts.naked
    desk.fill_whole(placed(desk.all))
    desk.tick(after_ms=250.0)
    assert not desk.engine.halts.naked
    desk.quote()


def test_less_than_the_naked_stop_alarms_nobody() -> None:
    desk = RfqDesk(hedger(alarm_ms=1_000, naked_stop=6.0), perpetual="20000")
    for _ in range(25):
        desk.tick(after_ms=250.0)
    assert not desk.engine.halts.naked


# --- when prices are missing ---


def hedged_book() -> RfqDesk:
    """Five calls won and hedged."""
    desk = RfqDesk(hedger())
    desk.fill_whole(placed(desk.win(desk.quote(size="5"))))
    assert abs(desk.engine.net_delta("ETH")) < 0.05
    return desk


def gapped(mark_age_ms: float) -> list[PlaceOrder]:
    """A call is won while the hedge book has a gap and the venue's mark is so old."""
    desk = RfqDesk(hedger(), fresh=Freshness(market_ms=1_000, fills_ms=600_000, account_ms=600_000))
    quote = desk.quote(size="5")
    desk.feed(ev.Ticker(instrument=PERP.key, mark=4000.0, index=4000.0))
    desk.feed(ev.FeedAlive("deribit/market"), after_ms=mark_age_ms)
    desk.feed(ev.BookChange(PERP.key, [("new", 3999.0, 1.0)], [], 9, 8))
    return placed(desk.win(quote) + desk.tick())


def test_on_a_book_with_a_gap_a_hedge_goes_only_at_once_and_near_the_fresh_mark() -> None:
    (order,) = gapped(mark_age_ms=500.0)
    assert order.time_in_force is TimeInForce.IOC
    assert float(PERP.grid.price(order.ticks)) >= 4000.0 * (1 - Limits().collar)


def test_no_hedge_on_a_book_with_a_gap_and_an_old_mark() -> None:
    assert not gapped(mark_age_ms=1_100.0)


def test_a_hedge_waits_for_the_book_and_goes_when_it_is_back() -> None:
    desk = RfqDesk(hedger(), fresh=Freshness(market_ms=1_000, fills_ms=600_000, account_ms=600_000))
    quote = desk.quote(size="5")
    desk.feed(ev.FeedAlive("deribit/market"), after_ms=1_100.0)
    desk.feed(ev.BookChange(PERP.key, [("new", 3999.0, 1.0)], [], 9, 8))
    assert not placed(desk.win(quote) + desk.tick())
    desk.refresh()
    assert placed(desk.tick(after_ms=250.0) + desk.all)


def test_a_hedge_is_not_undone_while_the_options_have_no_price_after_a_reconnect() -> None:
    desk = hedged_book()
    desk.feed(ev.FeedDown("deribit/market", "cut"), after_ms=300.0)
    desk.feed(ev.FeedUp("deribit/market"), after_ms=1_000.0)
    out = desk.refresh()
    for _ in range(10):
        out += desk.tick(after_ms=250.0)
    assert not placed(out)
    assert desk.engine.exposure.unpriced
    assert isinstance(desk.ask(), Refused)
    desk.feed(*chain_events())
    desk.tick(after_ms=250.0)
    desk.quote()


def test_nothing_is_hedged_before_every_account_is_read_and_every_position_priced() -> None:
    held = option("rysk", 4000.0, NEAR_S, is_call=True)
    desk = RfqDesk(hedger(), chain=False, listed=(held,), options={held.key: "5"}, perpetual="-20000")
    desk.tick(after_ms=250.0)
    assert not placed(desk.all), "five calls are there whose delta nobody knows"
    desk.feed(*chain_events())
    desk.tick(after_ms=250.0)
    (order,) = placed(desk.all)
    assert (order.side, order.lots) == (Side.BUY, pytest.approx(20_000 - 5 * 0.53 * 4000, rel=0.05))


def test_an_expired_option_counts_the_coins_that_are_due() -> None:
    held = option("rysk", 3500.0, NEAR_S, is_call=True)
    desk = RfqDesk(chain=False, listed=(held,), options={held.key: "5"})
    desk.now_ns = NEAR_S * S
    desk.refresh(after_s=1.0)
    assert desk.engine.net_delta("ETH") == pytest.approx(5.0)


@pytest.mark.parametrize(
    "halt", [ev.Operator("kill", level=3), ev.Operator("stop"), ev.FeedDown("deribit/trading", "cut")]
)
def test_a_halted_engine_does_not_ask_to_be_woken_at_once_again_and_again(halt: ev.Event) -> None:
    desk = RfqDesk(hedger(), perpetual="20000")
    desk.feed(halt)
    desk.feed(ev.Look(accounts=True))
    for _ in range(8):
        desk.refresh(after_s=1.0)
        if isinstance(halt, ev.FeedDown):
            desk.feed(ev.FeedDown("rysk/maker", "cut"))
    desk.tick()
    assert desk.engine.next_deadline() > desk.now_ns + MS


def test_a_trade_recorded_by_hand_is_hedged_like_any_other() -> None:
    desk = RfqDesk(Hedger(HedgerSettings(), HEDGE, 2))
    elsewhere = option("manual", 4000.0, NEAR_S, is_call=True)
    out = desk.feed(
        ev.InstrumentListed(elsewhere),
        Fill(
            venue="manual",
            account="manual",
            instrument=elsewhere.key,
            trade_id="hand-1",
            side=Side.BUY,
            price=Decimal(90),
            size=Decimal(5),
            recorded=True,
            ts_ns=desk.now_ns,
        ),
    )
    (hedge,) = placed(out)
    assert (hedge.instrument, hedge.side) == (PERP.key, Side.SELL)
    assert hedge.lots == pytest.approx(desk.engine.net_delta("ETH") * 4000.0, rel=0.01)
