"""Delta through several instruments and venues: where it goes, when it waits, when one is away."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from atomizer.domain import events as ev
from atomizer.domain.commands import Refused
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.engine.settings import HedgeInstrument
from tests.engine.bench_desk import PERP, cancelled, placed
from tests.engine.rfq_desk import FORWARD, chain_events

from .desks import FUTURE, PERP2, SECOND, TwoVenues, hedge_market

FUT = HedgeInstrument("deribit", "main", FUTURE.key)


def ticks(desk: TwoVenues, count: int, ms: float = 250.0) -> list[Any]:
    return [item for _ in range(count) for item in desk.tick(after_ms=ms)]


def where(orders: list[Any]) -> dict[str, int]:
    return {order.instrument: order.lots for order in orders}


# --- where it goes ---


def test_it_goes_where_it_is_cheapest() -> None:
    desk = TwoVenues(hedge_market(SECOND))
    desk.book(PERP.key, spread=4.0)
    desk.book(PERP2.key, spread=1.0)
    desk.market_moves(20_000)
    assert where(placed(desk.out)) == {PERP2.key: 20_000}


def test_it_is_split_by_depth_over_two_venues_and_never_more_than_the_whole() -> None:
    desk = TwoVenues(hedge_market(SECOND), slice_usd=100.0)
    desk.book(PERP.key, size=5_000.0, depth=6)
    desk.book(PERP2.key, size=5_000.0, depth=6)
    desk.market_moves(20_000)
    orders = placed(desk.out)
    assert where(orders) == {PERP.key: 10_000, PERP2.key: 10_000}
    assert {order.side for order in orders} == {Side.SELL}


def test_a_small_hedge_is_not_split() -> None:
    desk = TwoVenues(hedge_market(SECOND), slice_usd=1_000.0)
    desk.book(PERP.key, size=900.0, depth=6)
    desk.book(PERP2.key, size=900.0, depth=6)
    desk.market_moves(1_500)
    assert sum(where(placed(desk.out)).values()) == 1_500
    assert len(placed(desk.out)) == 1


def test_fees_count_so_the_perpetual_beats_the_future_unless_funding_is_dear() -> None:
    for funding, expected in ((0.0, PERP.key), (-0.01, FUTURE.key)):
        desk = TwoVenues(hedge_market(FUT))
        desk.add(FUTURE)
        desk.feed(ev.Ticker(instrument=PERP.key, mark=FORWARD, index=FORWARD, funding=funding))
        desk.market_moves(20_000)
        assert list(where(placed(desk.out))) == [expected], funding


def test_a_dated_future_whose_book_is_followed_may_hedge_without_being_named() -> None:
    desk = TwoVenues(hedge_market(futures=True))
    desk.add(msgspec.structs.replace(FUTURE, taker_fee=0.0))
    desk.book(PERP.key, spread=8.0)
    desk.market_moves(20_000)
    assert list(where(placed(desk.out))) == [FUTURE.key]


def test_the_hedge_venue_is_used_though_the_other_is_cheaper_while_it_can_be_reached() -> None:
    desk = TwoVenues(hedge_market(SECOND, hedge_venue="deribit2"))
    desk.book(PERP2.key, spread=4.0)
    desk.market_moves(20_000)
    assert list(where(placed(desk.out))) == [PERP2.key]


# --- refusals, outages ---


def test_after_some_refusals_the_fallback_is_asked() -> None:
    desk = TwoVenues(hedge_market(SECOND, hedge_venue="deribit2"), retry_attempts=2, fallback_ms=60_000)
    desk.market_moves(20_000)
    asked: list[str] = []
    for _ in range(60):
        for order in placed(desk.all)[len(asked) :]:
            asked.append(order.venue)
            if order.venue == "deribit2":
                desk.feed(ev.PlaceRefused(order.order_id, "10009", "not_enough_funds"))
            else:
                desk.fill_at(order, order.lots, "done")
                desk.end(order, order.lots, EndReason.FILLED)
        desk.tick(after_ms=100.0)
    assert asked == ["deribit2", "deribit2", "deribit"]
    assert abs(desk.engine.net_delta("ETH")) < 0.05


def test_a_venue_that_goes_away_in_mid_hedge_stops_quoting_and_the_rest_goes_elsewhere() -> None:
    desk = TwoVenues(hedge_market(SECOND, hedge_venue="deribit2"), outage_ms=1_000)
    desk.feed(*chain_events())
    desk.market_moves(20_000)
    (first,) = placed(desk.out)
    assert first.venue == "deribit2"
    desk.lose("deribit2")
    desk.market_moves(8_000)
    out = desk.out + ticks(desk, 8)
    orders = placed(out)
    assert where(orders) == {PERP.key: 8_000}, "the part in doubt is not hedged twice"
    desk.fill_at(orders[0], 8_000, "b")
    desk.end(orders[0], 8_000, EndReason.FILLED)
    refusal = desk.ask()
    assert isinstance(refusal, Refused)
    assert refusal.reason is Reason.HEDGE_FAILED
    assert "deribit2 is away, 1 orders in doubt" in refusal.text
    assert "20000 USD naked" in refusal.text
    assert desk.states()[-1].state == "failed"
    desk.connect_second()
    desk.fill_at(first, 20_000, "late")
    desk.end(first, 20_000, EndReason.FILLED)
    ticks(desk, 3)
    assert abs(desk.engine.net_delta("ETH")) < 0.05
    assert desk.states()[-1].state == "flat"
    desk.quote(size="0.01")


def test_a_person_may_release_quoting_while_the_delta_is_still_open() -> None:
    desk = TwoVenues(hedge_market(), alarm_ms=1_000, naked_stop=1.0)
    desk.market_moves(20_000)
    ticks(desk, 8)
    assert "ETH" in desk.engine.halts.naked
    desk.feed(ev.Operator("resume", scope="ETH"))
    ticks(desk, 8)
    assert "ETH" not in desk.engine.halts.naked
    assert desk.states()[-1].released


def test_a_difference_that_nobody_explains_does_not_stop_the_hedger() -> None:
    desk = TwoVenues(hedge_market())
    for _ in range(3):
        desk.read(positions={PERP.key: "777"})
        desk.tick(after_ms=1_500.0)
    assert ("deribit", "main") in desk.engine.halts.unreconciled
    desk.market_moves(20_000)
    assert where(placed(desk.out)) == {PERP.key: 20_000}


def test_after_a_cut_nothing_is_sent_before_the_account_was_read_again() -> None:
    desk = TwoVenues(hedge_market())
    desk.feed(ev.FeedDown("deribit/trading", "cut"))
    desk.feed(ev.FeedUp("deribit/trading"))
    desk.market_moves(20_000)
    assert not placed(desk.out + ticks(desk, 2))
    desk.read(positions={PERP.key: "20000"})
    assert where(placed(desk.out + desk.tick(after_ms=250.0))) == {PERP.key: 20_000}


# --- waiting ---


def test_a_post_only_hedge_rests_and_takes_after_its_deadline() -> None:
    desk = TwoVenues(hedge_market(), order_type="post_only", post_deadline_ms=2_000)
    desk.market_moves(20_000)
    (resting,) = placed(desk.out)
    assert resting.post_only
    assert resting.time_in_force is TimeInForce.GTC
    assert float(PERP.grid.price(resting.ticks)) == FORWARD + 0.5
    desk.rests(resting)
    out = ticks(desk, 7)
    assert not placed(out)
    out = ticks(desk, 3)
    assert [item.order_id for item in cancelled(out)] == [resting.order_id]
    assert not placed(out), "the resting order may still fill: nothing is taken before it is gone"
    desk.fill_at(resting, 5_000, "part")
    desk.end(resting, 5_000, EndReason.CANCELLED_BY_US)
    (taking,) = placed(desk.out + desk.tick())
    assert taking.time_in_force is TimeInForce.IOC
    assert taking.lots == 15_000


def test_a_resting_hedge_stands_off_the_mid_by_half_the_target_spread() -> None:
    desk = TwoVenues(hedge_market(), order_type="post_only", target_spread_bps=10.0)
    desk.market_moves(-20_000)
    (resting,) = placed(desk.out)
    assert float(PERP.grid.price(resting.ticks)) == pytest.approx(FORWARD * (1 - 5e-4), abs=0.05)


def test_a_wide_book_is_not_crossed_before_the_deadline() -> None:
    desk = TwoVenues(hedge_market(), max_spread_bps=5.0, post_deadline_ms=1_000)
    desk.book(PERP.key, spread=8.0)
    desk.market_moves(20_000)
    (resting,) = placed(desk.out)
    assert resting.post_only
    desk.rests(resting)
    out = ticks(desk, 6)
    assert [item.order_id for item in cancelled(out)] == [resting.order_id]
    desk.end(resting, 0, EndReason.CANCELLED_BY_US)
    (taking,) = placed(desk.out + desk.tick())
    assert taking.time_in_force is TimeInForce.IOC


def test_while_one_book_is_wide_the_delta_goes_through_a_narrow_one() -> None:
    desk = TwoVenues(hedge_market(SECOND), max_spread_bps=5.0)
    desk.book(PERP.key, spread=8.0)
    desk.market_moves(20_000)
    (order,) = placed(desk.out)
    assert (order.instrument, order.time_in_force) == (PERP2.key, TimeInForce.IOC)


def test_a_delay_gathers_trades_into_one_hedge() -> None:
    desk = TwoVenues(hedge_market(), delay_ms=1_000)
    sent = []
    for _ in range(3):
        desk.market_moves(4_000)
        sent += placed(desk.out) + placed(ticks(desk, 1))
    assert not sent
    assert where(placed(ticks(desk, 2, ms=300.0))) == {PERP.key: 12_000}
