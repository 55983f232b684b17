"""The gate: every reason of the closed list is produced here, and what the limits count."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill
from atomizer.domain.capabilities import RateBudget
from atomizer.domain.commands import Refused, RunStarted, SendQuote
from atomizer.domain.instruments import GridStep, PriceGrid, Side
from atomizer.domain.orders import EndReason, Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.engine.gate import Held
from atomizer.engine.ledger import Ledger, Order
from atomizer.engine.settings import Freshness, Limits
from atomizer.engine.strategy import Level, QuoteTarget, Target
from atomizer.strategies.hedging import Hedger, HedgerSettings
from atomizer.strategies.responder_settings import ResponderSettings

from .bench_desk import DERIBIT, HEDGE, MS, PERP, Desk, S, Wishes, bid, placed
from .rfq_desk import BITCOIN, EIGHT, FAR_S, FORWARD, NEAR_S, RYSK, UNRATED, RfqDesk, chain_events, option

MANY = Limits(quotes_per_terms=1000, quotes_per_taker=1000)


def resting(ticks: int, side: Side) -> Order:
    """An order of ours that rests with one lot."""
    return Order(
        order_id=1,
        venue="deribit",
        account="main",
        instrument=PERP.key,
        side=side,
        ticks=ticks,
        lots=PERP.min_lots,
        time_in_force=TimeInForce.GTC,
        purpose=Purpose.QUOTE,
        slot=0,
        deadline_ns=0,
        asked_ns=0,
    )


def limited(**limits: Any) -> Limits:
    return msgspec.structs.replace(MANY, **limits)


def asked(desk: RfqDesk | None = None, **changes: Any) -> Refused:
    answer = (desk or RfqDesk()).ask(**changes)
    assert isinstance(answer, Refused), answer
    return answer


def after(*batch: ev.Event, **desk: Any) -> Refused:
    made = RfqDesk(**desk)
    made.feed(*batch)
    return asked(made)


def refused_order(desk: Desk, wishes: Wishes, targets: Any) -> Refused:
    wishes.targets = targets
    out = desk.tick()
    assert not placed(out)
    (refusal,) = [item for item in out if isinstance(item, Refused)]
    return refusal


def ordered(targets: Any, *before: ev.Event, claims: tuple[str, ...] = (PERP.key,), **desk: Any) -> Refused:
    wishes = Wishes(claims=claims)
    made = Desk(wishes, **desk)
    made.feed(*before)
    return refused_order(made, wishes, targets)


def _duplicate() -> Refused:
    desk = RfqDesk()
    desk.quote(rfq_id="again")
    return asked(desk, rfq_id="again")


def _off_mark() -> Refused:
    """A book so short that the skew lifts the bid far over the surface."""
    settings = ResponderSettings(skew_delta_usd_per_coin=50.0)
    return asked(RfqDesk(responder=settings, perpetual="-10000"))


def _terms_cap() -> Refused:
    desk = RfqDesk(limits=limited(quotes_per_terms=3))
    for _ in range(3):
        desk.quote()
    return asked(desk)


def _taker_cap() -> Refused:
    desk = RfqDesk(limits=limited(quotes_per_taker=3))
    for strike in (3750.0, 4000.0, 4250.0):
        desk.quote(strike=strike)
    return asked(desk, strike=4500.0)


def _account_stale() -> Refused:
    desk = RfqDesk(fresh=Freshness(market_ms=600_000, fills_ms=600_000, account_ms=1_000))
    desk.refresh(after_s=2.0)
    return asked(desk)


def _warming_up() -> Refused:
    ledger = Ledger()
    ledger.apply(RunStarted(run=1, network="sim", mode="live", version="0", clean=False), 0)
    desk = RfqDesk(ledger=ledger)
    desk.refresh(after_s=88.0)
    refusal = asked(desk)
    desk.refresh(after_s=3.0)
    desk.quote()
    return refusal


def _hedge_failed() -> Refused:
    hedger = Hedger(HedgerSettings(alarm_ms=5_000, naked_stop=1.0), HEDGE, 2)
    desk = RfqDesk(hedger, perpetual="20000")
    for _ in range(25):
        desk.tick(after_ms=250.0)
    return asked(desk)


def _settling() -> Refused:
    """Quoted at 07:24, pulled from 07:25 on."""
    desk = RfqDesk()
    desk.now_ns = (NEAR_S - 36 * 60) * S
    desk.refresh(after_s=1.0)
    desk.feed(*chain_events())
    answer = desk.ask()
    assert not isinstance(answer, Refused) or answer.reason is not Reason.SETTLING
    desk.refresh(after_s=60.0)
    return asked(desk)


def external_fill(size: str = "4000") -> Fill:
    return Fill(
        venue="deribit",
        account="main",
        instrument=PERP.key,
        trade_id="stranger",
        side=Side.BUY,
        price=Decimal(4000),
        size=Decimal(size),
        venue_order_id="ETH-1",
    )


def _back_off() -> Refused:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    out = desk.feed(ev.PlaceRefused(order.order_id, "10009", "not_enough_funds"))
    (refusal,) = [item for item in out if isinstance(item, Refused)]
    assert "1 s" in refusal.text
    assert "not_enough_funds" in refusal.text
    return refusal


def _off_grid() -> Refused:
    """The venue takes nothing as small any more while a slot rests."""
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid(3990.05)
    (order,) = placed(desk.tick())
    desk.feed(ev.PlaceRefused(order.order_id, "1", "not now"))
    wishes.targets = None
    desk.feed(ev.InstrumentListed(msgspec.structs.replace(PERP, min_lots=101)))
    out = desk.tick(after_ms=1100.0)
    assert not placed(out)
    (refusal,) = [item for item in out if isinstance(item, Refused)]
    return refusal


def _broke() -> Refused:
    spent = msgspec.structs.replace(DERIBIT, rate=RateBudget(per_s=0.001, burst=1.0, reserve=1.0))
    return ordered(bid(), capabilities={"deribit": spent})


def _over_budget() -> Refused:
    """Three requests at once on a venue that takes one message."""
    slow = msgspec.structs.replace(RYSK, rate=RateBudget(per_s=0.01, burst=1.0, reserve=0.0))
    desk = RfqDesk(capabilities={"deribit": DERIBIT, "rysk": slow})
    out = desk.feed(*[desk.rfq(strike=strike) for strike in (3750.0, 4000.0, 4250.0)])
    assert sum(isinstance(item, SendQuote) for item in out) == 1
    (first, _second) = [item for item in desk.tick(after_ms=1600.0) if isinstance(item, Refused)]
    return first


def _surface_gate() -> Refused:
    desk = RfqDesk()
    closed = [msgspec.structs.replace(one, open=False) for one in desk.chain if isinstance(one, ev.Ticker)]
    desk.feed(*closed[: len(closed) // 2])
    return asked(desk)


def _stale_fit() -> Refused:
    desk = RfqDesk()
    desk.work = lambda job: None  # type: ignore[method-assign]  # the worker never comes back
    for _ in range(11):
        desk.refresh(after_s=1.0)
    return asked(desk)


def _listed_bound() -> Refused:
    desk = RfqDesk()
    call = option("deribit", 4000.0, NEAR_S, is_call=True)
    desk.feed(ev.Ticker(instrument=call.key, forward=FORWARD, index=FORWARD, mark_vol=0.6, ask=0.001))
    return asked(desk)


def _beyond_reservation() -> Refused:
    desk = RfqDesk(responder=ResponderSettings(improvements=2))
    quote = desk.quote()
    desk.feed(ev.QuoteOutbid("rysk", quote.rfq_id, 2 * quote.price_e18, quote.price_e18))
    (refusal,) = [item for item in desk.tick(after_ms=1700.0) if isinstance(item, Refused)]
    return refusal


def _unknown_word() -> Refused:
    desk = RfqDesk()
    (refusal,) = [item for item in desk.feed(ev.Operator("widen")) if isinstance(item, Refused)]
    return refusal


CASES: dict[Reason, Callable[[], Refused]] = {
    Reason.CHAIN_NOT_ALLOWED: lambda: asked(chain_id=1),
    Reason.CONTRACT_NOT_ALLOWED: lambda: asked(verifying_contract="0xbad"),
    Reason.ASSET_NOT_ALLOWED: lambda: asked(asset="0xbad"),
    Reason.PREMIUM_TOKEN_NOT_ALLOWED: lambda: asked(premium_token="0xbad"),
    Reason.COLLATERAL_NOT_ALLOWED: lambda: asked(collateral_token="0xbad"),
    Reason.NO_HEDGE_MARKET: lambda: asked(underlying="BTC", asset=BITCOIN, collateral_token=BITCOIN),
    Reason.EXPIRED: lambda: asked(expiry_s=EIGHT - 86_400),
    Reason.SETTLING: _settling,
    Reason.OFF_CALENDAR: lambda: asked(expiry_s=NEAR_S + 1),
    Reason.STRIKE_OUT_OF_RANGE: lambda: asked(strike=40_000.0),
    Reason.QUANTITY_OUT_OF_BOUNDS: lambda: asked(size="1000000"),
    Reason.DUPLICATE_RFQ: _duplicate,
    Reason.MARKET_DATA_STALE: lambda: after(ev.FeedDown("deribit/market", "cut")),
    Reason.MARKET_DATA_MISSING: lambda: asked(_unpriced_position()),
    Reason.NO_SURFACE: lambda: asked(RfqDesk(chain=False)),
    Reason.SURFACE_GATE: _surface_gate,
    Reason.STALE_FIT: _stale_fit,
    Reason.BEYOND_SURFACE: lambda: asked(strike=7000.0),
    Reason.LISTED_BOUND: _listed_bound,
    Reason.BEYOND_RESERVATION: _beyond_reservation,
    Reason.COLLATERAL_TOO_SMALL: lambda: asked(taker_buys=True),
    Reason.UNKNOWN_RATIO: lambda: asked(asset=UNRATED, collateral_token=UNRATED),
    Reason.OVER_BUDGET: _over_budget,
    Reason.ONE_SIDED: lambda: after(ev.Operator("one_sided", args={"side": "sell"})),
    Reason.UNKNOWN_WORD: _unknown_word,
    Reason.OFF_MARK: _off_mark,
    Reason.PRICE_ABOVE_CAP: lambda: asked(
        RfqDesk(responder=ResponderSettings(delivery_usd=5000.0)), taker_buys=True
    ),
    Reason.NEGATIVE_EDGE: lambda: asked(RfqDesk(responder=ResponderSettings(delivery_usd=1000.0))),
    Reason.PREMIUM_TOO_LARGE: lambda: asked(RfqDesk(limits=limited(premium_per_quote=10.0))),
    Reason.DEPOSIT_TOO_SMALL: lambda: asked(RfqDesk(deposit="10")),
    Reason.TERMS_CAP: _terms_cap,
    Reason.TAKER_CAP: _taker_cap,
    Reason.POSITION_LIMIT: lambda: asked(RfqDesk(limits=limited(position_size=0.5))),
    Reason.DELTA_LIMIT: lambda: asked(RfqDesk(limits=limited(delta=0.1))),
    Reason.GAMMA_LIMIT: lambda: asked(RfqDesk(limits=limited(gamma=0.001))),
    Reason.VEGA_LIMIT: lambda: asked(RfqDesk(limits=limited(vega=0.1))),
    Reason.NOTIONAL_LIMIT: lambda: asked(RfqDesk(limits=limited(notional=100.0))),
    Reason.CLOCK_OFFSET: lambda: after(ev.ClockOffset("rysk", -2 * S)),
    Reason.ACCOUNT_DATA_STALE: _account_stale,
    Reason.NOT_RECONCILED: lambda: after(ev.FeedDown("rysk/maker", "cut")),
    Reason.WARMING_UP: _warming_up,
    Reason.HEDGE_FAILED: _hedge_failed,
    Reason.EXTERNAL_ACTIVITY: lambda: after(external_fill()),
    Reason.KILLED: lambda: after(ev.Operator("kill", level=1)),
    Reason.PAUSED: lambda: after(ev.Operator("pause", scope="ETH")),
    Reason.JOURNAL_FULL: lambda: after(ev.StorageState("reserve")),
    Reason.MESSAGE_BUDGET: _broke,
    Reason.BACK_OFF: _back_off,
    Reason.PRICE_COLLAR: lambda: ordered(bid(4200.0)),
    Reason.OFF_GRID: _off_grid,
    Reason.INSTRUMENT_CLOSED: lambda: ordered(
        bid(), ev.InstrumentListed(msgspec.structs.replace(PERP, open=False))
    ),
    Reason.NOT_CLAIMED: lambda: ordered(bid(), claims=()),
    Reason.WRONG_ACCOUNT: lambda: asked(account="other"),
}


def _unpriced_position() -> RfqDesk:
    """A position far outside the listed strikes: what it risks is not known."""
    desk = RfqDesk()
    far = option("deribit", 40_000.0, NEAR_S, is_call=True)
    desk.feed(
        ev.InstrumentListed(far),
        msgspec.structs.replace(external_fill("10"), instrument=far.key, price=Decimal("0.001")),
    )
    desk.feed(ev.Operator("accept", scope="ETH"))
    return desk


def test_every_reason_of_the_closed_list_has_a_case() -> None:
    assert set(CASES) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_reason_is_produced_with_words(reason: Reason) -> None:
    refusal = CASES[reason]()
    assert refusal.reason is reason
    assert len(refusal.text) > len("too short")


def test_an_order_on_a_venue_without_an_account_is_the_wrong_account() -> None:
    elsewhere = msgspec.structs.replace(PERP, key="mars:ETH-PERPETUAL", venue="mars")
    target = {Level(elsewhere.key, Side.BUY): Target(price=3990.0, size=10.0, life_ns=S)}
    refusal = ordered(target, ev.InstrumentListed(elsewhere), claims=(elsewhere.key,))
    assert refusal.reason is Reason.WRONG_ACCOUNT


def test_an_rfq_of_a_venue_nobody_answers_is_not_claimed() -> None:
    desk = RfqDesk()
    rfq = msgspec.structs.replace(desk.rfq(), venue="elsewhere")
    (refusal,) = [item for item in desk.feed(rfq) if isinstance(item, Refused)]
    assert refusal.reason is Reason.NOT_CLAIMED


# --- what data must be there ---


def test_no_quote_without_an_index() -> None:
    desk = RfqDesk()
    desk.engine.market.indices.clear()
    assert asked(desk).reason is Reason.MARKET_DATA_MISSING


def test_no_quote_on_a_book_with_a_gap_until_its_new_snapshot() -> None:
    desk = RfqDesk()
    desk.feed(ev.BookChange(PERP.key, [("new", 3999.0, 1.0)], [], 9, 8))
    assert asked(desk).reason is Reason.MARKET_DATA_STALE
    desk.refresh()
    desk.quote()


def test_no_quote_on_a_silent_market() -> None:
    desk = RfqDesk(fresh=Freshness(market_ms=500, fills_ms=600_000, account_ms=600_000))
    desk.now_ns += 600 * MS
    assert asked(desk).reason is Reason.MARKET_DATA_STALE


def test_no_quote_when_the_socket_that_tells_of_fills_is_silent() -> None:
    desk = RfqDesk(fresh=Freshness(market_ms=600_000, fills_ms=10_000, account_ms=600_000))
    desk.now_ns += 11 * S
    refusal = asked(desk)
    assert refusal.reason is Reason.MARKET_DATA_STALE
    assert "fills" in refusal.text


def test_an_index_from_before_a_reconnect_prices_nothing() -> None:
    desk = RfqDesk()
    desk.feed(ev.FeedDown("deribit/market", "cut"), after_ms=1000.0)
    desk.feed(
        ev.FeedUp("deribit/market"),
        ev.BookSnapshot(PERP.key, [(3999.5, 1e6)], [(4000.5, 1e6)], 1),
        *_tickers(),
    )
    refusal = asked(desk)
    assert refusal.reason is Reason.MARKET_DATA_STALE
    assert "eth_usd" in refusal.text
    desk.refresh()
    desk.quote()


def _tickers() -> list[ev.Event]:
    return [event for event in chain_events() if isinstance(event, ev.Ticker)]


def test_no_quote_when_a_venues_clock_is_two_seconds_off_either_way() -> None:
    for venue, offset in (("deribit", 2 * S), ("rysk", -2 * S)):
        assert after(ev.ClockOffset(venue, offset)).reason is Reason.CLOCK_OFFSET
    desk = RfqDesk()
    desk.feed(ev.ClockOffset("rysk", 900 * MS))
    desk.quote()


@pytest.mark.parametrize(
    ("greek", "reason"),
    [("delta", Reason.DELTA_LIMIT), ("gamma", Reason.GAMMA_LIMIT), ("vega", Reason.VEGA_LIMIT)],
)
def test_a_greek_that_is_no_number_is_within_no_limit(greek: str, reason: Reason) -> None:
    desk = RfqDesk(limits=MANY)
    target = desk.responder.answer(desk.rfq(), desk.rfq().size, desk.engine)
    assert isinstance(target, QuoteTarget)
    assert desk.engine.gate.refuse_quote(desk.rfq(), target) is None
    refusal = desk.engine.gate.refuse_quote(desk.rfq(), msgspec.structs.replace(target, **{greek: math.nan}))
    assert refusal is not None
    assert refusal.reason is reason
    assert "would reach nan at worst" in refusal.text


def test_nothing_is_signed_on_a_refusal() -> None:
    desk = RfqDesk()
    for changes in ({"chain_id": 1}, {"strike": 40_000.0}, {"size": "1000000"}):
        asked(desk, **changes)
    assert not [item for item in desk.all if isinstance(item, SendQuote)]
    assert not desk.engine.exposure.signed.live


# --- every live signature counts ---


def test_quotes_of_one_pass_count_for_each_other() -> None:
    desk = RfqDesk(limits=limited(quotes_per_terms=2))
    listed = option("rysk", 4000.0, NEAR_S, is_call=True)
    out = desk.feed(ev.InstrumentListed(listed), *[desk.rfq() for _ in range(3)])
    assert len([item for item in out if isinstance(item, SendQuote)]) == 2
    assert [item.reason for item in out if isinstance(item, Refused)] == [Reason.TERMS_CAP]


def test_quotes_of_one_pass_share_a_limit() -> None:
    once = abs(RfqDesk().quote().delta)
    desk = RfqDesk(limits=limited(delta=2.5 * once))
    listed = option("rysk", 4000.0, NEAR_S, is_call=True)
    out = desk.feed(ev.InstrumentListed(listed), *[desk.rfq() for _ in range(3)])
    assert len([item for item in out if isinstance(item, SendQuote)]) == 2
    assert [item.reason for item in out if isinstance(item, Refused)] == [Reason.DELTA_LIMIT]


def test_a_quote_counts_before_the_node_has_time_for_it() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    engine, exposure = desk.engine, desk.engine.exposure
    assert engine.behind
    seen = [(exposure.of("ETH", greek).up, exposure.of("ETH", greek).down) for greek in ("delta", "vega")]
    assert seen[0] == (quote.delta, 0.0) and seen[1] == (quote.vega, 0.0)
    assert exposure.of("ETH", "notional").up == FORWARD
    assert exposure.signed.on(quote.instrument, quote.side) == (1, 1.0)
    assert exposure.signed.takers == {quote.taker: 1}
    engine.settle()
    assert not engine.behind
    assert seen == [
        (exposure.of("ETH", greek).up, exposure.of("ETH", greek).down) for greek in ("delta", "vega")
    ]


def test_the_same_option_asked_ten_times_is_three_signatures() -> None:
    desk = RfqDesk(limits=Limits())
    answers = [desk.ask() for _ in range(10)]
    assert [isinstance(item, SendQuote) for item in answers] == [True] * 3 + [False] * 7
    assert {item.reason for item in answers if isinstance(item, Refused)} == {Reason.TERMS_CAP}


def test_live_signatures_use_up_the_deposit() -> None:
    desk = RfqDesk(deposit="400")
    answers = [desk.ask(strike=strike) for strike in (3750.0, 4000.0, 4250.0, 4500.0)]
    spent = sum(item.price_e18 for item in answers if isinstance(item, SendQuote)) / 1e18
    assert spent <= 400.0
    assert {item.reason for item in answers if isinstance(item, Refused)} == {Reason.DEPOSIT_TOO_SMALL}


def test_coins_in_the_account_are_no_deposit_for_premiums() -> None:
    desk = RfqDesk(deposit="10")
    desk.read_rysk(coins="1000000")
    assert asked(desk).reason is Reason.DEPOSIT_TOO_SMALL


def test_live_signatures_add_up_in_the_delta_limit() -> None:
    desk = RfqDesk(coins="5", limits=limited(delta=6.2))
    desk.quote()
    desk.quote()
    assert asked(desk).reason is Reason.DELTA_LIMIT
    desk.quote(taker_buys=True)


def test_a_signature_dies_after_validity_margin_and_a_later_read() -> None:
    desk = RfqDesk(limits=limited(quotes_per_terms=1))
    quote = desk.quote()
    margin_ends_ns = (quote.valid_until_s + 60) * S
    asked_before = margin_ends_ns - 1 * S
    desk.refresh(after_s=(asked_before - desk.now_ns) / S)
    assert asked(desk).reason is Reason.TERMS_CAP, "the margin has not passed"
    desk.refresh(after_s=2.0)
    assert asked(desk).reason is Reason.TERMS_CAP, "nobody has looked since"
    desk.read_rysk(asked_ns=asked_before)
    assert asked(desk).reason is Reason.TERMS_CAP, "that read was asked for too early"
    desk.read_rysk()
    desk.refresh(after_s=0.3)
    desk.quote()


def test_a_signature_stays_alive_while_a_read_shows_something_unexplained() -> None:
    desk = RfqDesk(limits=limited(quotes_per_terms=1))
    quote = desk.quote()
    desk.refresh(after_s=75.0)
    desk.read_rysk({quote.instrument: "1"})
    assert asked(desk).reason is Reason.TERMS_CAP
    desk.read_rysk({quote.instrument: "1"})
    assert desk.engine.ledger.accounts.size("rysk", "maker", quote.instrument) == 1


def test_an_executed_signature_counts_once_as_a_position() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    signed = desk.engine.exposure.of("ETH", "delta")
    before = signed.base + signed.up
    desk.win(quote)
    after_it = desk.engine.exposure.of("ETH", "delta")
    assert after_it.up == 0.0
    assert after_it.base == pytest.approx(before, rel=1e-4), "signed at our smile, held at the venue's"


def test_a_quote_that_brings_a_position_down_is_not_refused_for_it() -> None:
    desk = RfqDesk(limits=limited(position_size=1.0))
    desk.win(desk.quote(taker_buys=True, is_call=False))
    desk.quote(taker_buys=False, is_call=False)
    assert asked(desk, taker_buys=True, is_call=False).reason is Reason.POSITION_LIMIT


def test_a_position_counts_what_is_held_what_works_and_every_live_signature() -> None:
    desk = RfqDesk(limits=limited(position_size=5.0))
    first = desk.quote(size="2")
    desk.win(first)
    exposure = desk.engine.exposure
    assert (exposure.towards(first.instrument, 1), exposure.towards(first.instrument, -1)) == (2.0, -2.0)
    desk.quote(size="3")
    assert asked(desk, size="0.001").reason is Reason.POSITION_LIMIT
    assert exposure.towards(first.instrument, 1) == 2.0
    desk.quote(size="5", strike=4250.0)


def test_a_working_order_counts_towards_its_side_only() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    exposure = desk.engine.exposure
    assert exposure.towards(order.instrument, order.side) == float(PERP.size(order.lots))
    assert exposure.towards(order.instrument, -order.side) == 0.0
    wishes.targets = {}
    desk.tick()
    desk.ended(order.order_id, 0, EndReason.CANCELLED_BY_US)
    assert exposure.towards(order.instrument, order.side) == 0.0


def test_both_expiries_and_both_kinds_are_quoted_to_both_takers() -> None:
    desk = RfqDesk(coins="5")
    for expiry_s in (NEAR_S, (NEAR_S + FAR_S) // 2 // 86_400 * 86_400 + 8 * 3600, FAR_S):
        for is_call in (True, False):
            for taker_buys in (True, False):
                desk.quote(expiry_s=expiry_s, is_call=is_call, taker_buys=taker_buys)


# --- orders ---


def immediate(side: Side, price: float, size: float) -> dict[Level, Target]:
    return {
        Level(PERP.key, side): Target(
            price=price, size=size, life_ns=S, time_in_force=TimeInForce.IOC, purpose=Purpose.HEDGE
        )
    }


@settings(max_examples=200)
@given(
    mark=st.floats(0.0005, 1e5),
    tick=st.sampled_from(["0.0001", "0.0005", "0.05", "0.5", "1", "25"]),
    shift=st.floats(-0.2, 0.2),
    side=st.sampled_from(Side),
)
def test_what_is_amended_without_a_closer_look_has_no_objection_to_it(
    mark: float, tick: str, shift: float, side: Side
) -> None:
    desk = Desk(ready=False)
    perp = msgspec.structs.replace(PERP, grid=PriceGrid(Decimal(tick)))
    desk.feed(ev.FeedUp("deribit/market"), ev.FeedUp("deribit/trading"), ev.InstrumentListed(perp))
    desk.feed(
        ev.IndexPrice("deribit", "eth_usd", mark), ev.Ticker(instrument=PERP.key, mark=mark, index=mark)
    )
    desk.feed(ev.BookSnapshot(PERP.key, [(mark * 0.999, 1.0)], [(mark * 1.001, 1.0)], 1))
    desk.engine.halts.unreconciled.clear()
    gate, now_ns = desk.engine.gate, desk.now_ns
    standing = gate.standing(perp, now_ns, None, hedge=False, immediate=False)
    assert standing.held is None
    collar, size = desk.settings.limits.collar, float(tick)
    for bound in (mark * (1.0 - collar), mark, mark * (1.0 + collar), mark * (1.0 + shift)):
        for ticks in range(int(bound / size) - 3, int(bound / size) + 4):
            if standing.low <= ticks <= standing.high:
                order = resting(ticks, side)
                assert gate.approve_order(standing, perp, side, ticks, perp.min_lots, now_ns, order) is None


def test_no_amend_goes_without_a_closer_look_where_steps_grow_or_nothing_may_go() -> None:
    desk = Desk()
    gate, now_ns = desk.engine.gate, desk.now_ns
    stepped = msgspec.structs.replace(PERP, grid=PriceGrid(Decimal("0.05"), (GridStep(20_000, 2),)))
    for judged in (
        gate.standing(stepped, now_ns, None, hedge=False, immediate=False),
        gate.standing(PERP, now_ns, Held(Reason.KILLED, "x"), hedge=False, immediate=False),
    ):
        assert judged.low > judged.high


def test_reducing_passes_where_adding_is_refused() -> None:
    wishes = Wishes(claims=())
    desk = Desk(wishes, limits=Limits(delta=0.1), ready=False)
    desk.open(positions={PERP.key: "20000"})
    wishes.targets = immediate(Side.BUY, 4001.0, 100.0)
    (refusal,) = [item for item in desk.tick() if isinstance(item, Refused)]
    assert refusal.reason is Reason.DELTA_LIMIT
    wishes.targets = immediate(Side.SELL, 3999.0, 20_000.0)
    assert [order.lots for order in placed(desk.tick())] == [20_000]


def test_more_than_the_position_is_not_reducing() -> None:
    wishes = Wishes(claims=())
    desk = Desk(wishes, limits=Limits(delta=0.1), ready=False)
    desk.open(positions={PERP.key: "20000"})
    wishes.targets = immediate(Side.SELL, 3999.0, 21_000.0)
    assert not placed(desk.tick())


def test_reducing_never_skips_the_collar() -> None:
    wishes = Wishes(claims=())
    desk = Desk(wishes, limits=Limits(delta=0.1), ready=False)
    desk.open(positions={PERP.key: "20000"})
    assert refused_order(desk, wishes, immediate(Side.SELL, 3800.0, 100.0)).reason is Reason.PRICE_COLLAR


@pytest.mark.parametrize(("level", "lives"), [(1, True), (2, True), (3, False)])
def test_a_kill_stops_quotes_at_once_and_the_hedger_at_level_three(level: int, lives: bool) -> None:
    quoting, hedging = Wishes(1), Wishes(2, claims=())
    desk = Desk(quoting, hedging)
    desk.feed(ev.Operator("kill", level=level))
    quoting.targets = bid()
    hedging.targets = immediate(Side.SELL, 3999.0, 1000.0)
    orders = placed(desk.tick())
    assert [order.purpose for order in orders] == ([Purpose.HEDGE] if lives else [])


def test_a_position_that_cannot_be_valued_stops_its_own_underlying_only() -> None:
    solana = option("manual", 200.0, NEAR_S, is_call=True, underlying="SOL")
    desk = RfqDesk()
    desk.feed(
        ev.InstrumentListed(solana),
        Fill(
            venue="manual",
            account="manual",
            instrument=solana.key,
            trade_id="hand-1",
            side=Side.BUY,
            price=Decimal(9),
            size=Decimal(5),
            recorded=True,
            ts_ns=desk.now_ns,
        ),
    )
    desk.refresh()
    assert desk.engine.exposure.unpriced
    assert isinstance(desk.ask(), SendQuote)
