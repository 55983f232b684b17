"""Gamma through listed options: when it trades, which way, how much, and when it lets be."""

from __future__ import annotations

from typing import Any

import pytest

from atomizer.domain import events as ev
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason, Purpose, TimeInForce
from atomizer.engine.settings import Limits
from atomizer.strategies.hedging import Hedger, HedgerSettings
from tests.engine.bench_desk import HEDGE, PERP, placed
from tests.engine.rfq_desk import RfqDesk

from .desks import quoted_chain
from .test_resale import fill, won


def desk_of(*, spread: float = 0.002, stats: dict[str, float] | None = None, **settings: Any) -> RfqDesk:
    """A desk with a quoted chain whose hedger hedges gamma; risk is dear unless a test says otherwise."""
    chosen = {"gamma": True, "gamma_threshold": 0.05, "risk_aversion": 1.0, **settings}
    made = RfqDesk(
        Hedger(HedgerSettings(**chosen), HEDGE, 2),
        limits=Limits(quotes_per_terms=1000, quotes_per_taker=1000, collar=0.2, delta=100.0),
        chain=False,
    )
    for event in quoted_chain(spread):
        if isinstance(event, ev.Ticker) and stats:
            event = ev.Ticker(**{**{n: getattr(event, n) for n in event.__struct_fields__}, **stats})
        made.feed(event)
    made.tick(after_ms=1100.0)  # the surface is fitted once a second
    return made


def options(orders: list[Any]) -> list[Any]:
    return [order for order in orders if order.instrument != PERP.key]


def test_bought_gamma_beyond_the_threshold_is_sold_at_the_touch() -> None:
    desk = desk_of()
    (order,) = options(won(desk, size="20"))
    assert (order.side, order.time_in_force, order.purpose) == (Side.SELL, TimeInForce.IOC, Purpose.HEDGE)
    listed = desk.engine.market.instruments[order.instrument]
    assert float(listed.grid.price(order.ticks)) == desk.engine.market.tickers[listed.key].ticker.bid
    assert order.why["because"] == "gamma"
    assert order.why["net_gamma"] == pytest.approx(desk.engine.exposure.net("ETH", "gamma"))
    before = desk.engine.exposure.net("ETH", "gamma")
    fill(desk, order, order.lots, listed, "g")
    desk.ended(order.order_id, order.lots, EndReason.FILLED)
    assert abs(desk.engine.exposure.net("ETH", "gamma")) < 0.1 * before


def test_sold_gamma_is_bought_back() -> None:
    desk = desk_of()
    quote = desk.quote(size="20", taker_buys=True, is_call=False)
    (order,) = options(placed(desk.win(quote)))
    assert order.side is Side.BUY


def test_below_the_threshold_nothing_trades() -> None:
    assert not options(won(desk_of(gamma_threshold=50.0), size="20"))


def test_off_by_default() -> None:
    assert not options(won(desk_of(gamma=False), size="20"))


def test_a_part_is_hedged_where_the_ratio_says_so() -> None:
    whole = options(won(desk_of(), size="20"))[0]
    part = options(won(desk_of(gamma_ratio=0.5), size="20"))[0]
    assert part.lots == pytest.approx(0.5 * whole.lots, abs=1)


def test_what_costs_more_than_it_saves_is_let_be() -> None:
    assert not options(won(desk_of(risk_aversion=1e-9), size="20"))


def test_the_cheapest_gamma_per_unit_is_chosen() -> None:
    desk = desk_of()
    (order,) = options(won(desk, size="20"))
    engine, index = desk.engine, 4000.0

    def price_of_gamma(key: str) -> float:
        instrument = engine.market.instruments[key]
        touch = engine.market.touch(key, engine.now_ns)
        assert touch is not None
        unit = engine.exposure.unit(instrument, engine.now_ns)
        return (0.5 * (touch.ask - touch.bid) + instrument.taker_fee) * index / unit.gamma

    keys = [event.instrument for event in quoted_chain() if isinstance(event, ev.Ticker)]
    assert price_of_gamma(order.instrument) == min(map(price_of_gamma, keys))


def test_an_illiquid_chain_is_left_alone_and_a_liquid_one_is_not() -> None:
    assert not options(won(desk_of(min_liquidity_score=0.95), size="20"))
    stats = {"volume_usd": 1e9, "open_interest": 1e6, "bid_size": 5e3, "ask_size": 5e3}
    assert options(won(desk_of(min_liquidity_score=0.7, stats=stats), size="20"))


def test_one_option_hedge_at_a_time() -> None:
    desk = desk_of()
    (order,) = options(won(desk, size="20"))
    desk.now_ns += 5 * 10**9
    later = options(placed(desk.refresh()))
    assert not later, f"{order.instrument} is still on its way"


def test_no_more_than_rests_at_the_touch() -> None:
    (order,) = options(won(desk_of(stats={"bid_size": 3.0}), size="20"))
    assert order.lots == 3


def test_the_delta_it_brings_is_hedged_next() -> None:
    desk = desk_of()
    orders = won(desk, size="20")
    desk.fill_whole([order for order in orders if order.instrument == PERP.key])
    (order,) = options(orders)
    listed = desk.engine.market.instruments[order.instrument]
    out = fill(desk, order, order.lots, listed, "g")
    hedges = [item for item in placed(out) if item.instrument == PERP.key]
    desk.fill_whole(hedges)
    assert abs(desk.engine.net_delta("ETH")) < 0.06
