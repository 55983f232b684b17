"""Selling on what was won: which option, how much, and what becomes of the delta meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill
from atomizer.domain.commands import HedgeState
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason, Purpose, TimeInForce
from atomizer.engine.settings import Limits
from atomizer.strategies.hedging import Hedger, HedgerSettings
from tests.engine.bench_desk import HEDGE, PERP, cancelled, placed
from tests.engine.rfq_desk import NEAR_S, RfqDesk, option

from .desks import quoted_chain

LISTED = option("deribit", 4000.0, NEAR_S, is_call=True)


def desk_of(policy: str, **settings: Any) -> RfqDesk:
    hedger = Hedger(HedgerSettings(policy=policy, **settings), HEDGE, 2)  # type: ignore[arg-type]
    made = RfqDesk(
        hedger,
        limits=Limits(quotes_per_terms=1000, quotes_per_taker=1000, collar=0.2),
        chain=False,
    )
    made.feed(*quoted_chain())
    made.tick()
    return made


def won(desk: RfqDesk, size: str = "5", **terms: Any) -> list[Any]:
    return placed(desk.win(desk.quote(size=size, **terms)))


def rests(desk: RfqDesk, order: Any) -> None:
    desk.feed(
        ev.OrderOpen(
            venue="deribit",
            account="main",
            order_id=order.order_id,
            venue_order_id=f"v{order.order_id}",
            instrument=order.instrument,
            side=order.side,
            ticks=order.ticks,
            lots=order.lots,
            filled_lots=0,
            reply=True,
        )
    )


def fill(desk: RfqDesk, order: Any, lots: int, instrument: Any, trade: str) -> list[Any]:
    return desk.feed(
        Fill(
            venue="deribit",
            account="main",
            instrument=order.instrument,
            trade_id=trade,
            side=order.side,
            price=instrument.grid.price(order.ticks),
            size=instrument.size(lots),
            order_id=order.order_id,
            ts_ns=desk.now_ns,
        )
    )


def test_the_same_option_is_offered_post_only_and_its_delta_is_not_hedged_twice() -> None:
    desk = desk_of("resale")
    orders = won(desk)
    (resale,) = [order for order in orders if order.instrument == LISTED.key]
    assert (resale.side, resale.lots, resale.post_only) == (Side.SELL, 5, True)
    assert resale.purpose is Purpose.HEDGE
    assert resale.group.startswith("rysk/maker/rfq/"), "it belongs to the trade it resells"
    linear = [order for order in orders if order.instrument == PERP.key]
    premium = desk.engine.exposure.units[LISTED.key]
    left = 5 * (
        desk.engine.exposure.units[resale.instrument.replace("deribit", "rysk")].delta - premium.delta
    )
    assert sum(order.lots for order in linear) == pytest.approx(abs(left) * 4000.0, rel=0.02)
    bid = desk.engine.market.tickers[LISTED.key].ticker.bid
    assert bid is not None
    assert float(LISTED.grid.price(resale.ticks)) > bid


def test_both_hedges_the_delta_at_once_and_gives_it_back_as_the_resale_fills() -> None:
    desk = desk_of("both")
    orders = won(desk)
    (resale,) = [order for order in orders if order.instrument == LISTED.key]
    (perp,) = [order for order in orders if order.instrument == PERP.key]
    delta = desk.engine.net_delta("ETH")
    assert perp.lots == pytest.approx(delta * 4000.0, rel=0.01)
    rests(desk, resale)
    fill(desk, perp, perp.lots, PERP, "p")
    desk.ended(perp.order_id, perp.lots, EndReason.FILLED)
    back = placed(fill(desk, resale, 5, LISTED, "r"))
    assert {(order.instrument, order.side) for order in back} == {(PERP.key, Side.BUY)}
    states = [item.state for item in desk.all if isinstance(item, HedgeState)]
    assert states == ["hedging", "flat", "hedging"], "a resale that rests beside a whole hedge is no alarm"
    desk.fill_whole(back)
    assert abs(desk.engine.net_delta("ETH")) < 0.05


def test_what_is_below_the_listed_least_size_is_hedged_as_delta_and_waits_for_more() -> None:
    desk = desk_of("resale")
    orders = won(desk, size="0.6")
    assert {order.instrument for order in orders} == {PERP.key}
    desk.fill_whole(orders)
    orders = won(desk, size="0.6")
    (resale,) = [order for order in orders if order.instrument == LISTED.key]
    assert resale.lots == 1


def test_an_option_that_is_not_listed_goes_to_the_nearest_of_its_type() -> None:
    desk = desk_of("resale")
    orders = won(desk, strike=4100.0)
    resold = [order.instrument for order in orders if order.instrument != PERP.key]
    assert resold == [option("deribit", 4250.0, NEAR_S, is_call=True).key]
    (resale,) = [order for order in orders if order.instrument == resold[0]]
    assert resale.why["pair_loss"] < resale.why["bare_loss"]  # type: ignore[operator]
    assert any(order.instrument == PERP.key for order in orders), "the residual delta goes through the perp"


def test_a_resale_that_saves_too_little_is_left_to_delta_hedging() -> None:
    desk = desk_of("resale", resale_risk_price=0.0)
    assert {order.instrument for order in won(desk)} == {PERP.key}


def test_past_its_deadline_an_offer_takes_if_that_still_pays() -> None:
    desk = desk_of("resale", resale_deadline_ms=1_000)
    desk.feed(*[item for item in quoted_chain(spread=0.001) if isinstance(item, ev.Ticker)])
    (resale,) = [order for order in won(desk) if order.instrument == LISTED.key]
    rests(desk, resale)
    out = [item for _ in range(6) for item in desk.tick(after_ms=250.0)]
    assert resale.order_id in [item.order_id for item in cancelled(out)]
    assert not [order for order in placed(out) if order.instrument == LISTED.key]
    desk.ended(resale.order_id, 0, EndReason.CANCELLED_BY_US)
    (taking,) = [o for o in placed(desk.out + desk.tick()) if o.instrument == LISTED.key]
    assert taking.time_in_force is TimeInForce.IOC
    assert float(LISTED.grid.price(taking.ticks)) <= desk.engine.market.tickers[LISTED.key].ticker.bid + 1e-9  # type: ignore[operator]


def test_a_plan_that_fails_releases_its_part_to_delta_hedging() -> None:
    desk = desk_of("resale", resale_deadline_ms=1_000, retry_attempts=1)
    orders = won(desk)
    (resale,) = [order for order in orders if order.instrument == LISTED.key]
    rests(desk, resale)
    desk.fill_whole([order for order in orders if order.instrument == PERP.key])
    wide = [item for item in quoted_chain(spread=0.03) if isinstance(item, ev.Ticker)]
    desk.feed(*wide)
    for _ in range(6):
        desk.tick(after_ms=250.0)
    out = desk.ended(resale.order_id, 0, EndReason.CANCELLED_BY_US)
    out += [item for _ in range(3) for item in desk.tick(after_ms=250.0)]
    released = [order for order in placed(out) if order.instrument == PERP.key]
    assert sum(order.lots for order in released) == pytest.approx(
        desk.engine.net_delta("ETH") * 4000.0, rel=0.02
    )
    assert not [order for order in placed(out) if order.instrument == LISTED.key]


def test_a_resale_is_taken_up_again_after_a_restart_at_what_is_still_open() -> None:
    desk = desk_of("resale")
    orders = won(desk)
    (resale,) = [order for order in orders if order.instrument == LISTED.key]
    rests(desk, resale)
    fill(desk, resale, 2, LISTED, "half")
    desk.ended(resale.order_id, 2, EndReason.DISCONNECT)
    desk.fill_whole([order for order in orders if order.instrument == PERP.key])
    desk._strategies = (Hedger(HedgerSettings(policy="resale"), HEDGE, 2),)
    desk.restart(2)
    desk.out = []
    desk.all.clear()
    desk.feed(
        ev.FeedUp("deribit/market"),
        ev.FeedUp("deribit/trading"),
        ev.InstrumentListed(PERP),
        ev.IndexPrice("deribit", "eth_usd", 4000.0),
        ev.Ticker(instrument=PERP.key, mark=4000.0, index=4000.0),
        ev.BookSnapshot(PERP.key, [(3999.5, 1e6)], [(4000.5, 1e6)], 1),
    )
    desk.feed(*quoted_chain())
    held = {
        key.instrument: str(size)
        for key, size in desk.engine.ledger.position_sizes().items()
        if key.venue == "deribit"
    }
    desk.read(positions=held)
    desk.feed(ev.FeedUp("rysk/maker"))
    desk.read_rysk(
        {"rysk:" + LISTED.name: "5"}, usd=str(desk.engine.ledger.accounts.balance("rysk", "maker", "USD"))
    )
    for _ in range(3):
        desk.tick(after_ms=250.0)
    again = [order for order in placed(desk.all) if order.instrument == LISTED.key]
    assert [order.lots for order in again] == [3]


def test_an_offer_counts_at_its_last_known_delta_while_the_options_have_no_price() -> None:
    desk = desk_of("resale")
    orders = won(desk)
    (resale,) = [order for order in orders if order.instrument == LISTED.key]
    rests(desk, resale)
    desk.fill_whole([order for order in orders if order.instrument == PERP.key])
    desk.feed(ev.FeedDown("deribit/market", "cut"), after_ms=300.0)
    desk.feed(ev.FeedUp("deribit/market"), after_ms=1_000.0)
    out = desk.refresh()
    for _ in range(4):
        out += desk.tick(after_ms=250.0)
    assert not placed(out), "what the resting offer may still bring is not hedged a second time"
