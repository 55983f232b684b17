"""Limits count everything that may still happen, so nothing that happens can breach them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill, RfqTrade
from atomizer.domain.capabilities import Capabilities, RateBudget
from atomizer.domain.commands import PlaceOrder, SendQuote
from atomizer.domain.instruments import Instrument, Kind, PriceGrid, Side
from atomizer.domain.rfq import OnchainTerms, Rfq
from atomizer.engine.core import Engine
from atomizer.engine.settings import (
    AccountSettings,
    AllowedAsset,
    AllowedChain,
    EngineSettings,
    Freshness,
    Limits,
)
from atomizer.engine.signed import Signed
from atomizer.engine.strategy import Level, NoQuote, QuoteTarget, Target
from atomizer.strategies.responder_settings import ResponderSettings
from tests.engine.bench_desk import DERIBIT, HEDGE, PERP, T0, Desk, S

DELTA_LIMIT = 2.0
SLACK = 1e-3  # coins: deltas age by the milliseconds a case takes
DAY_S = 86_400
EXPIRY_S = (T0 // S // DAY_S + 20) * DAY_S + 8 * 3600
TOKEN, STABLE = "0x" + "e1" * 20, "0x" + "57" * 20
RYSK = Capabilities(venue="rysk", rfq=True, settlement_margin_ms=60_000, rate=RateBudget(50.0, 100.0, 0.0))
SETTINGS = EngineSettings(
    limits=Limits(delta=DELTA_LIMIT, gamma=1e6, vega=1e9, notional=1e9, position_size=1e6),
    freshness=Freshness(market_ms=60_000, fills_ms=600_000, account_ms=600_000),
    accounts=(
        AccountSettings(venue="deribit", account="main", numeraire="coin"),
        AccountSettings(venue="rysk", account="maker", numeraire="usd"),
    ),
    chains=(
        AllowedChain(
            chain_id=31337,
            domain_name="rysk",
            domain_version="0.0.0",
            verifying_contract="0x" + "0d" * 20,
            premium_tokens=(STABLE,),
            assets=(AllowedAsset(address=TOKEN, underlying="ETH"),),
        ),
    ),
    hedge_markets=(HEDGE,),
    marks_every_ms=3_600_000,
)


def option(venue: str, strike: int, *, is_call: bool) -> Instrument:
    name = f"ETH-{strike}-{'C' if is_call else 'P'}"
    return Instrument(
        key=f"{venue}:{name}",
        venue=venue,
        name=name,
        kind=Kind.OPTION,
        underlying="ETH",
        quote="USD",
        settlement="USD",
        grid=PriceGrid(tick=Decimal("0.0001")),
        lot=Decimal("0.1"),
        strike=Decimal(strike),
        is_call=is_call,
        expiry_ns=EXPIRY_S * S,
    )


class Answers:
    """Quotes every RFQ it is asked, at the surface's greeks."""

    settings = ResponderSettings()

    def value(self, rfq: Rfq, engine: Engine) -> float:
        return 1.0

    def improve(self, rfq: Rfq, best_e18: int, engine: Engine) -> QuoteTarget | NoQuote:
        return self.answer(rfq, rfq.size, engine)

    def answer(self, rfq: Rfq, size: Decimal, engine: Engine) -> QuoteTarget | NoQuote:
        unit = engine.exposure.unit(engine.market.instruments[rfq.instrument], engine.now_ns)
        return QuoteTarget(
            price_e18=100 * 10**18,
            valid_for_s=30,
            delta=rfq.side * unit.delta,
            gamma=rfq.side * unit.gamma,
            vega=rfq.side * unit.vega,
            underlying_price=4000.0,
        )


class Layers:
    """Wants orders at several levels of both sides, whatever the limits say."""

    name, number = "layers", 1

    def __init__(self, sizes: Mapping[Side, list[float]]) -> None:
        self.sizes = sizes

    def claims(self) -> tuple[str, ...]:
        return (PERP.key,)

    def wants(self, event: ev.Event) -> bool:
        return True

    def next_deadline(self) -> int:
        return 1 << 62

    def decide(self, engine: Engine) -> Mapping[Level, Target]:
        return {
            Level(PERP.key, side, level): Target(
                price=4000.0 - side * (2.0 + level), size=size, life_ns=3600 * S, post_only=True
            )
            for side, sizes in self.sizes.items()
            for level, size in enumerate(sizes)
        }


def desk(sizes: Mapping[Side, list[float]]) -> Desk:
    made = Desk(
        Layers(sizes),
        settings=SETTINGS,
        responders={"rysk": Answers()},
        capabilities={"deribit": DERIBIT, "rysk": RYSK},
    )
    strikes = [(strike, strike >= 4000) for strike in (3400, 3700, 4000, 4300, 4600)]
    listed = [option("deribit", strike, is_call=is_call) for strike, is_call in strikes]
    sold = [
        option("rysk", strike, is_call=is_call) for strike in (3700, 4000, 4300) for is_call in (True, False)
    ]
    made.feed(
        *[ev.InstrumentListed(item) for item in (*listed, *sold)],
        *[
            ev.Ticker(
                instrument=item.key,
                forward=4000.0,
                bid=0.01,
                ask=0.011,
                bid_vol=0.59,
                ask_vol=0.61,
                mark_vol=0.6,
            )
            for item in listed
        ],
        ev.FeedUp("rysk/maker"),
        ev.ReadBegun("rysk", "maker", made.now_ns),
        ev.BalanceReport(
            venue="rysk",
            account="maker",
            currency="USD",
            cash=Decimal(10**6),
            equity=Decimal(10**6),
            excess=Decimal(10**6),
        ),
        ev.ReadEnded("rysk", "maker", made.now_ns),
    )
    return made


def rfq(number: int, strike: int, side: Side, tenths: int, *, is_call: bool) -> Rfq:
    size = Decimal(tenths) / 10
    return Rfq(
        rfq_id=f"rfq-{number}",
        venue="rysk",
        account="maker",
        instrument=f"rysk:ETH-{strike}-{'C' if is_call else 'P'}",
        underlying="ETH",
        side=side,
        size=size,
        strike=Decimal(strike),
        is_call=is_call,
        expiry_ns=EXPIRY_S * S,
        taker=f"0x{number}",
        terms=OnchainTerms(
            chain_id=31337,
            asset=TOKEN,
            premium_token=STABLE,
            collateral_token=TOKEN if is_call else STABLE,
            strike_e8=strike * 10**8,
            quantity_e18=tenths * 10**17,
            expiry_s=EXPIRY_S,
            is_put=not is_call,
            is_taker_buy=side is Side.SELL,
        ),
    )


def executed(made: Desk, what: PlaceOrder | SendQuote, number: int, share: float) -> ev.Event:
    """A part of an order filled, or a quote taken whole."""
    if isinstance(what, SendQuote):
        size = Decimal(what.terms.quantity_e18).scaleb(-18)
        return RfqTrade(
            venue="rysk",
            account="maker",
            instrument=what.instrument,
            nonce=what.nonce,
            side=what.side,
            price=None,
            size=size,
            premium_currency="USD",
        )
    order = made.engine.ledger.find(what.order_id)
    left = what.lots - (order.booked if order is not None else 0)
    return Fill(
        venue="deribit",
        account="main",
        instrument=what.instrument,
        trade_id=str(number),
        side=what.side,
        price=PERP.grid.price(what.ticks),
        size=Decimal(max(1, min(left, round(left * share)))),
        order_id=what.order_id,
        ts_ns=made.now_ns,
    )


def may_happen(made: Desk) -> list[Any]:
    """What the venues could still execute: working orders and live quotes."""
    orders = made.engine.ledger.orders
    traded = {key[2] for key, quote in made.engine.ledger.quotes.items() if quote.traded}
    return [
        item
        for item in made.all
        if (isinstance(item, PlaceOrder) and item.order_id in orders and orders[item.order_id].owed)
        or (isinstance(item, SendQuote) and item.nonce not in traded)
    ]


SIZES = st.lists(st.floats(100.0, 12_000.0), max_size=4)
RFQS = st.lists(
    st.tuples(
        st.sampled_from([3700, 4000, 4300]),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(1, 30),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(buys=SIZES, sells=SIZES, asked=RFQS, data=st.data())
def test_no_sequence_of_fills_and_executions_breaches_the_delta_limit(
    buys: list[float], sells: list[float], asked: list[tuple[int, Side, int, bool]], data: st.DataObject
) -> None:
    made = desk({Side.BUY: buys, Side.SELL: sells})
    for number, (strike, side, tenths, is_call) in enumerate(asked):
        made.feed(rfq(number, strike, side, tenths, is_call=is_call))
    for step in range(data.draw(st.integers(0, 12), label="executions")):
        open_now = may_happen(made)
        if not open_now:
            break
        what = data.draw(st.sampled_from(open_now), label="what")
        share = data.draw(st.sampled_from([0.3, 1.0]), label="share")
        made.feed(executed(made, what, step, share))
        assert abs(made.engine.net_delta("ETH")) <= DELTA_LIMIT + SLACK


def test_the_property_is_about_something() -> None:
    """Orders rest, quotes live, and what would go beyond the limit is held back."""
    made = desk({Side.BUY: [5000.0, 5000.0], Side.SELL: [3000.0]})
    for number in range(6):
        made.feed(rfq(number, 4000, Side.BUY, 10, is_call=True))
    happening = may_happen(made)
    assert sum(isinstance(item, PlaceOrder) for item in happening) == 2
    assert sum(isinstance(item, SendQuote) for item in happening) == 1


AMOUNTS = st.floats(0.0, 10.0)


@settings(max_examples=300, deadline=None)
@given(
    base=st.floats(-10.0, 10.0),
    up=AMOUNTS,
    down=AMOUNTS,
    change=st.floats(-15.0, 15.0),
    share=st.floats(0, 1),
)
def test_a_reducing_order_lowers_delta_whatever_of_the_orders_in_flight_is_filled(
    base: float, up: float, down: float, change: float, share: float
) -> None:
    made = desk({})
    sums = made.engine.exposure.of("ETH", "delta")
    sums.base, sums.orders_up, sums.orders_down = base, up, -down
    if change and made.engine.gate.reducing("ETH", change):
        for filled in (0.0, up, -down, up - down, share * up, -share * down, share * up - (1 - share) * down):
            before = base + filled
            assert (before > 0.0) != (change > 0.0)
            assert abs(before + change) <= abs(before) + 1e-6


def test_a_reducing_order_may_not_pass_through_zero() -> None:
    made = desk({})
    made.engine.exposure.of("ETH", "delta").base = 3.0
    assert made.engine.gate.reducing("ETH", -3.0)
    assert not made.engine.gate.reducing("ETH", -3.5)
    assert not made.engine.gate.reducing("ETH", 0.5)


@settings(max_examples=60, deadline=None)
@given(RFQS, st.data())
def test_quotes_counted_one_by_one_are_those_counted_anew(
    asked: list[tuple[int, Side, int, bool]], data: st.DataObject
) -> None:
    """Through trades and deaths, what is kept current equals a count of what the ledger holds open."""
    made = desk({})
    for number, (strike, side, tenths, is_call) in enumerate(asked):
        made.feed(rfq(number, strike, side, tenths, is_call=is_call))
        if not made.engine.ledger.quotes:
            continue
        quotes = [what for what in may_happen(made) if isinstance(what, SendQuote)]
        if quotes and data.draw(st.booleans(), label="trade"):
            made.feed(executed(made, quotes[0], number, 1.0))
        made.tick(after_ms=data.draw(st.sampled_from([1.0, 300.0, 20_000.0]), label="wait"))
        exposure, ledger = made.engine.exposure, made.engine.ledger
        exposure.agreed_ns[next(iter(ledger.quotes))[:2]] = made.now_ns
        exposure.rebuild(made.now_ns, {})
        kept, anew = exposure.signed, Signed(ledger.instruments)
        anew.follow(ledger.open_quotes)
        assert kept.live == anew.live
        assert kept.takers == anew.takers
        for underlying, worth in anew.worth.items():
            now = kept.worth[underlying]
            assert now.count == worth.count
            for one, other in ((now.delta, worth.delta), (now.gamma, worth.gamma), (now.vega, worth.vega)):
                assert one.up == pytest.approx(other.up, abs=1e-9)
                assert one.down == pytest.approx(other.down, abs=1e-9)
