"""Whatever fills, is refused, vanishes or restarts: hedges never cover the same exposure twice.

Two venues, resting or immediate hedges: after every event the hedges that may still fill never exceed the
exposure they stand against, whichever of them fill.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain import events as ev
from atomizer.domain.orders import EndReason, OrderState, Purpose
from atomizer.strategies.hedging import Hedger
from tests.engine.bench_desk import PERP

from .desks import PERP2, SECOND, TwoVenues, hedge_market

LOT_COINS = 2.0 / 4000.0

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(-40, 40)),
        st.tuples(st.just("fill"), st.integers(1, 10)),
        st.tuples(st.just("end"), st.integers(0, 3)),
        st.tuples(st.just("refuse"), st.integers(0, 3)),
        st.tuples(st.just("rest"), st.integers(0, 3)),
        st.tuples(st.just("cut"), st.sampled_from([1, 2])),
        st.tuples(st.just("wait"), st.integers(1, 6)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=30,
)
CHOICES = st.fixed_dictionaries(
    {
        "order_type": st.sampled_from(["ioc", "post_only"]),
        "post_deadline_ms": st.sampled_from([500, 5_000]),
        "band_to": st.sampled_from(["edge", "target"]),
        "slice_usd": st.sampled_from([100.0, 5_000.0]),
        "retry_attempts": st.sampled_from([1, 3]),
    }
)


def under_way(desk: TwoVenues) -> list[Any]:
    return [
        item for item in desk.engine.ledger.orders.values() if item.purpose is Purpose.HEDGE and item.owed
    ]


def could_bring(desk: TwoVenues) -> tuple[float, float]:
    """Coins that the hedges under way may still add and take away."""
    up = down = 0.0
    for order in under_way(desk):
        instrument = desk.engine.ledger.instruments[order.instrument]
        coins = float(instrument.size(order.owed)) / 4000.0
        up, down = (up + coins, down) if order.side > 0 else (up, down + coins)
    return up, down


def bounded(desk: Played) -> None:
    """Whatever of it fills, what is under way brings |delta| down and never through zero."""
    base, (up, down) = desk.engine.net_delta("ETH"), could_bring(desk)
    if desk.turned:
        return  # a trade came the other way: what was under way before is too much, and nothing may be added
    assert up <= max(-base, 0.0) + LOT_COINS
    assert down <= max(base, 0.0) + LOT_COINS


class Played(TwoVenues):
    """Plays steps; `turned` says that exposure came the other way while a hedge was under way."""

    turned = False
    trades = 0

    def play(self, word: str, number: int) -> None:
        orders = under_way(self)
        if word == "trade":
            after = self.engine.net_delta("ETH") + number / 4.0
            up, down = could_bring(self)
            self.turned |= up > max(-after, 0.0) + LOT_COINS or down > max(after, 0.0) + LOT_COINS
            self.market_moves(number * 1000)
        elif word == "wait":
            for _ in range(number):
                self.tick(after_ms=250.0)
        elif word == "cut":
            venue = "deribit" if number == 1 else "deribit2"
            self.lose(venue)
            self.tick(after_ms=300.0)
            self.back(venue)
        elif word == "restart":
            self.again()
        elif orders:
            self.answer(word, orders[number % len(orders)])
        if not under_way(self):
            self.turned = False

    def answer(self, word: str, order: Any) -> None:
        self.trades += 1
        if word == "fill":
            lots = max(1, order.owed // 2)
            self.fill_at(order, lots, f"t{self.trades}")
        elif word == "end":
            reason = EndReason.FILLED if order.owed == 0 else EndReason.CANCELLED_BY_VENUE
            self.end(order, order.booked, reason)
        elif word == "refuse" and order.state is OrderState.PENDING and not order.booked:
            self.feed(ev.PlaceRefused(order.order_id, "11054", "post_only_reject"))
        elif word == "rest" and order.state is OrderState.PENDING:
            self.rests(order)

    def back(self, venue: str) -> None:
        if venue == "deribit2":
            self.connect_second()
        else:
            self.feed(
                ev.FeedUp("deribit/market"),
                ev.FeedUp("deribit/trading"),
                ev.IndexPrice("deribit", "eth_usd", 4000.0),
                ev.Ticker(instrument=PERP.key, mark=4000.0, index=4000.0),
                ev.BookSnapshot(PERP.key, [(3999.5, 1e6)], [(4000.5, 1e6)], 1),
            )
            held = self.engine.ledger.accounts.size("deribit", "main", PERP.key)
            self.read(positions={PERP.key: str(held)} if held else {})

    def again(self) -> None:
        self._strategies = (Hedger(self.hedger.settings, self.market, 2),)
        self.restart(self.engine.run + 1)
        self.feed(ev.InstrumentListed(PERP), ev.InstrumentListed(PERP2))
        self.back("deribit")
        self.connect_second()
        self.feed(ev.FeedUp("rysk/maker"))
        self.read_rysk()
        self.tick(after_ms=250.0)


@settings(max_examples=120, deadline=None)
@given(choices=CHOICES, steps=STEPS)
def test_hedges_never_overlap_and_never_exceed_the_exposure(
    choices: dict[str, Any], steps: list[tuple[str, int]]
) -> None:
    desk = Played(hedge_market(SECOND), **choices)
    bounded(desk)
    for word, number in steps:
        desk.play(word, number)
        bounded(desk)


def test_the_property_is_about_something() -> None:
    desk = Played(hedge_market(SECOND))
    desk.play("trade", 20)
    (order,) = under_way(desk)
    assert order.owed == 20_000
    desk.play("restart", 0)
    bounded(desk)
    assert [item.order_id for item in under_way(desk)] == [order.order_id]
