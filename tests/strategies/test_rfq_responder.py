"""The responder's prices: every cost once and against us, rounding, caps, the law of inventory."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain.commands import Refused, SendQuote
from atomizer.domain.events import BookChange, BookSnapshot, Operator, QuoteOutbid, Ticker
from atomizer.domain.instruments import Side
from atomizer.domain.refusals import Reason
from atomizer.models.rfq_quote import COSTS, INPUTS, recompute, round_e18
from atomizer.strategies.hedge_costs import HedgeCosts
from atomizer.strategies.responder_settings import ResponderSettings as Responder
from atomizer.strategies.rfq_responder import RfqResponder
from tests.engine.bench_desk import HEDGE, PERP, S
from tests.engine.rfq_desk import FAR_S, FORWARD, NEAR_S, STAKED, STRIKES, TAKER, RfqDesk, smile
from tests.engine.test_gate import limited

WIDE = limited(delta=1e6, gamma=1e6, vega=1e9, position_size=1e6, notional=1e12)
NO_SKEW = {
    "skew_delta_usd_per_coin": 0.0,
    "skew_vega_usd_per_vega": 0.0,
    "skew_expiry_vega_usd_per_vega": 0.0,
    "skew_long_vega_usd_per_vega": 0.0,
}


def ResponderSettings(**changes: Any) -> Responder:
    return Responder(**{**NO_SKEW, **changes})


# A change of settings, and the term of the explanation it must move.
TERMS: list[tuple[dict[str, Any], str]] = [
    ({"hedge_half_spread_bps": 3.0}, "cost_hedge"),
    ({"hedge_fee_bps": 9.0}, "cost_hedge"),
    ({"slippage_bps": 4.0}, "cost_rebalancing"),
    ({"margin_rate": 0.5}, "cost_carry"),
    ({"margin_share": 0.2}, "cost_carry"),
    ({"vol_of_vol": 3.0}, "cost_taker_option"),
    ({"validity_s": 60}, "cost_taker_option"),
    ({"fixing_basis_bps": 3.0}, "cost_fixing"),
    ({"delivery_usd": 2.0}, "cost_delivery"),
    ({"vol_error_points": 0.5}, "cost_winners_curse"),
    ({"makers_in_auction": 8}, "cost_winners_curse"),
    ({"skew_delta_usd_per_coin": 0.01}, "cost_own_size"),
    ({"skew_vega_usd_per_vega": 0.4}, "cost_own_size"),
    ({"skew_expiry_vega_usd_per_vega": 0.4}, "cost_own_size"),
    ({"delivery_bps": 10.0}, "cost_delivery"),
    ({"edge_usd": 4.0}, "edge"),
    ({"edge_bps_of_premium": 500.0}, "edge"),
    ({"edge_vol_points": 3.0}, "edge"),
    ({"edge_scale": 2.0}, "edge"),
]


def price(quote: SendQuote) -> float:
    return quote.price_e18 / 1e18


def quoted(responder: Responder, **changes: Any) -> SendQuote:
    """The quote of a desk of its own, so that no other quote is in its book."""
    return RfqDesk(responder=responder, limits=WIDE, coins="100").quote(**changes)


def refused(responder: Responder, **changes: Any) -> Refused:
    answer = RfqDesk(responder=responder, limits=WIDE, coins="100").ask(**changes)
    assert isinstance(answer, Refused), answer
    return answer


def total(quote: SendQuote) -> float:
    """Costs and edge of a quote, as its explanation has them."""
    costs = sum(float(value) for name, value in quote.why.items() if name.startswith("cost_"))
    return costs + float(quote.why["edge"])


@pytest.mark.parametrize("is_call", [True, False])
def test_the_taker_who_sells_meets_our_bid_the_taker_who_buys_our_ask(is_call: bool) -> None:
    bid, ask = (quoted(ResponderSettings(), is_call=is_call, taker_buys=buys) for buys in (False, True))
    assert (bid.side, ask.side) == (Side.BUY, Side.SELL)
    assert price(bid) < float(bid.why["fair"]) < price(ask)


def test_both_sides_stand_around_the_fair_value_of_the_chain() -> None:
    bid, ask = (quoted(ResponderSettings(), taker_buys=buys) for buys in (False, True))
    tau = (NEAR_S - 1_757_300_000) / (365 * 86_400)
    black = FORWARD * math.erf(smile(FORWARD) * math.sqrt(tau) / math.sqrt(8.0))
    tenth_of_a_point = 0.001 * float(bid.why["vega"])
    assert price(bid) + total(bid) == pytest.approx(black, abs=tenth_of_a_point)
    assert price(ask) - total(ask) == pytest.approx(black, abs=tenth_of_a_point)


@pytest.mark.parametrize("taker_buys", [False, True])
@pytest.mark.parametrize(("change", "term"), TERMS, ids=[next(iter(change)) for change, _ in TERMS])
def test_a_term_raised_moves_the_price_against_the_taker_by_exactly_that(
    change: dict[str, Any], term: str, taker_buys: bool
) -> None:
    plain = ResponderSettings()
    before = quoted(plain, taker_buys=taker_buys)
    after = quoted(msgspec.structs.replace(plain, **change), taker_buys=taker_buys)
    moved = float(after.why[term]) - float(before.why[term])
    assert moved > 0.0, "the term was raised"
    leaned = float(after.why["skew"]) - float(before.why["skew"])
    worse = int(before.side) * (price(before) - price(after) - leaned)
    assert worse == pytest.approx(total(after) - total(before))
    assert worse >= moved * (1.0 - 1e-9)


@pytest.mark.parametrize("taker_buys", [False, True])
def test_the_price_is_fair_value_less_every_term_once(taker_buys: bool) -> None:
    quote = quoted(Responder(delivery_usd=0.5), taker_buys=taker_buys)
    assert {name for name in quote.why if name.startswith("cost_")} == set(COSTS)
    expected = float(quote.why["fair"]) - float(quote.why["skew"]) - int(quote.side) * total(quote)
    assert price(quote) == pytest.approx(expected, rel=1e-14)
    assert float(quote.why["expected_edge"]) == pytest.approx(float(quote.why["edge"]))


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("taker_buys", [False, True])
def test_funding_is_charged_to_the_hedge_that_pays_it(is_call: bool, taker_buys: bool) -> None:
    """Longs pay a positive rate: a call bought is hedged short and is paid, a put bought is hedged long."""
    desk = RfqDesk(responder=ResponderSettings(), limits=WIDE, coins="100")
    asked = {"is_call": is_call, "taker_buys": taker_buys}
    before = desk.quote(**asked)
    desk.feed(Ticker(instrument=PERP.key, mark=FORWARD, index=FORWARD, funding=0.0003))
    after = desk.quote(**asked)
    hedged_long = int(after.side) * float(after.why["delta"]) < 0.0
    moved = float(after.why["cost_carry"]) - float(before.why["cost_carry"])
    held = 0.0003 * 3 * abs(float(after.why["delta"])) * FORWARD
    assert moved == pytest.approx(held if hedged_long else -held, rel=1e-3)


def test_live_spread_fee_and_depth_of_the_hedge_are_charged() -> None:
    desk = RfqDesk(responder=ResponderSettings(), limits=WIDE)
    assert float(desk.quote().why["half_spread"]) == pytest.approx(0.5 / FORWARD)
    assert float(desk.quote().why["slippage"]) == 0.0
    desk.feed(*thin_book())
    quote = desk.quote(size="10")
    assert float(quote.why["half_spread"]) == pytest.approx(2.0 / FORWARD)
    coins, touch = 10 * float(quote.why["delta"]), FORWARD - 2.0
    assert float(quote.why["slippage"]) == pytest.approx((coins - 1.0) * 8.0 / coins / touch, rel=0.01)


def test_the_hedges_levels_are_coins_and_contiguous_and_read_once_per_book() -> None:
    desk = RfqDesk(responder=ResponderSettings(), limits=WIDE)
    desk.feed(*thin_book())
    costs = HedgeCosts(least_half_spread=1e-6, least_fee=0.25)
    live = costs.state(desk.engine, HEDGE)
    assert live is not None
    assert live.bids.tolist() == [
        [FORWARD - 2.0, FORWARD - 10.0],
        [1.0, pytest.approx(1e7 / (FORWARD - 10.0))],
    ]
    assert live.asks[0].tolist() == [FORWARD + 2.0, FORWARD + 10.0]
    assert live.bids.flags.c_contiguous
    assert live.asks.flags.c_contiguous
    assert live.half_spread == pytest.approx(2.0 / FORWARD)
    assert live.fee == 0.25
    assert costs.state(desk.engine, HEDGE) is live
    desk.feed(BookChange(PERP.key, [("delete", FORWARD - 2.0, 0.0)], [], 6, 5))
    moved = costs.state(desk.engine, HEDGE)
    assert moved is not None
    assert moved.bids[0].tolist() == [FORWARD - 10.0]
    desk.feed(BookChange(PERP.key, [], [], 9, 8))
    assert costs.state(desk.engine, HEDGE) is None, "a gap"


def thin_book() -> list[Any]:
    """One coin at the touch, plenty eight dollars further."""
    touch, far = FORWARD - 2.0, FORWARD - 10.0
    asks = [(FORWARD + 2.0, FORWARD), (FORWARD + 10.0, 1e7)]
    return [BookSnapshot(PERP.key, [(touch, touch), (far, 1e7)], asks, 5)]


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-9, 1e6), st.sampled_from([Side.BUY, Side.SELL]))
def test_prices_round_against_us_to_the_last_unit(value: float, side: Side) -> None:
    rounded, exact = Fraction(round_e18(value, side), 10**18), Fraction(value)
    assert side * (exact - rounded) >= 0
    assert abs(exact - rounded) < Fraction(1, 10**18)


def test_no_price_of_a_number_that_is_none() -> None:
    assert [round_e18(value, Side.BUY) for value in (math.nan, math.inf, -math.inf)] == [0, 0, 0]


def test_edge_is_the_largest_of_its_three_floors_times_the_scale() -> None:
    quote = quoted(ResponderSettings())
    fair, vega = float(quote.why["fair"]), float(quote.why["vega"])
    floors = (1.0, 50.0 * 1e-4 * fair, 0.5 * 0.01 * vega)
    assert float(quote.why["edge"]) == pytest.approx(max(floors))
    assert float(quoted(ResponderSettings(edge_scale=3.0)).why["edge"]) == pytest.approx(3.0 * max(floors))


@pytest.mark.parametrize("taker_buys", [False, True])
def test_nothing_is_quoted_with_a_negative_expected_edge(taker_buys: bool) -> None:
    """However small the edge, what is left after all costs is at least the least edge."""
    quote = quoted(ResponderSettings(edge_scale=0.0), taker_buys=taker_buys)
    left, least = float(quote.why["expected_edge"]), float(quote.why["least_edge"])
    assert left > least * (1.0 - 1e-12) > 0.0


def test_costs_above_the_fair_value_leave_no_bid() -> None:
    refusal = refused(ResponderSettings(delivery_usd=1000.0))
    assert refusal.reason is Reason.NEGATIVE_EDGE
    assert "fair value" in refusal.text


@pytest.mark.parametrize(("is_call", "most"), [(True, 4000.0), (False, 3000.0)])
def test_no_price_above_the_no_arbitrage_cap(is_call: bool, most: float) -> None:
    """A call is worth at most the index, a put at most its strike."""
    strike = 4000.0 if is_call else 3000.0
    asked = {"strike": strike, "is_call": is_call, "taker_buys": True}
    assert price(quoted(ResponderSettings(dummy_price=most - 50.0), **asked)) < most
    refusal = refused(ResponderSettings(dummy_price=most + 1.0), **asked)
    assert refusal.reason is Reason.PRICE_ABOVE_CAP


def test_the_placeholder_price_replaces_the_fair_value_and_nothing_else() -> None:
    plain, dummy = quoted(ResponderSettings()), quoted(ResponderSettings(dummy_price=100.0))
    assert float(dummy.why["fair"]) == 100.0
    assert dummy.why["vega"] == plain.why["vega"]
    assert (dummy.delta, dummy.gamma, dummy.vega) == (plain.delta, plain.gamma, plain.vega)


def test_an_option_far_beyond_the_live_strikes_or_expiries_is_not_priced() -> None:
    far = (NEAR_S - 1_757_300_000) // 2
    for changes in (
        {"strike": 2000.0},
        {"strike": 7000.0},
        {"expiry_s": (NEAR_S - far) // 86_400 * 86_400 + 28_800},
    ):
        assert refused(ResponderSettings(), **changes).reason is Reason.BEYOND_SURFACE


def test_no_surface_while_the_chain_is_not_there_yet() -> None:
    answer = RfqDesk(chain=False).ask()
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.NO_SURFACE


# --- greeks of what was signed ---


@pytest.mark.parametrize(
    ("is_call", "taker_buys", "sign"), [(True, False, 1), (True, True, -1), (False, False, -1)]
)
def test_a_quote_carries_the_delta_of_our_side(is_call: bool, taker_buys: bool, sign: int) -> None:
    quote = quoted(ResponderSettings(), is_call=is_call, taker_buys=taker_buys)
    assert quote.delta * sign > 0.0
    assert (quote.vega > 0.0) is (quote.side is Side.BUY)


def test_validity_is_whole_seconds_from_now() -> None:
    desk = RfqDesk(responder=ResponderSettings(validity_s=12))
    quote = desk.quote()
    assert quote.valid_until_s == desk.now_ns // 10**9 + 12


# --- inventory ---

SKEW = ResponderSettings(
    skew_delta_usd_per_coin=0.02,
    skew_vega_usd_per_vega=0.05,
    skew_expiry_vega_usd_per_vega=0.1,
    skew_long_vega_usd_per_vega=0.05,
    mark_distance_points=1e4,
)


def test_the_signed_size_is_a_cost_on_both_sides() -> None:
    for taker_buys in (False, True):
        small, large = (quoted(SKEW, size=size, taker_buys=taker_buys) for size in ("1", "5"))
        assert int(small.side) * (price(small) - price(large)) > 0.0


def test_without_a_skew_the_book_does_not_move_the_price() -> None:
    desk = RfqDesk(responder=ResponderSettings(), limits=WIDE)
    first = desk.quote()
    desk.win(first)
    assert float(desk.quote().why["skew"]) == 0.0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([3500.0, 4000.0, 4500.0]), st.booleans(), st.sampled_from(["1", "3"])),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([3750.0, 4000.0, 4250.0]),
    st.booleans(),
    st.booleans(),
)
def test_a_longer_book_never_bids_or_asks_higher_for_more_of_the_same(
    held: list[tuple[float, bool, str]], strike: float, is_call: bool, taker_buys: bool
) -> None:
    desk = RfqDesk(responder=SKEW, limits=WIDE, coins="100")
    for one, buys, size in held:
        desk.win(desk.quote(strike=one, is_call=is_call, taker_buys=buys, size=size))
    asked = {"strike": strike, "is_call": is_call, "taker_buys": taker_buys}
    before = desk.quote(**asked)
    desk.win(desk.quote(strike=strike, is_call=is_call, taker_buys=False, size="2"))
    after = desk.quote(**asked)
    assert price(after) < price(before)


def test_a_quote_skewed_beyond_the_mark_on_the_wrong_side_is_refused() -> None:
    settings_ = ResponderSettings(skew_delta_usd_per_coin=50.0, mark_distance_points=5.0)
    short = RfqDesk(responder=settings_, perpetual="-10000")
    bid = short.ask()
    assert isinstance(bid, Refused)
    assert bid.reason is Reason.OFF_MARK
    ask = RfqDesk(responder=settings_, perpetual="-10000").ask(taker_buys=True, is_call=False)
    assert isinstance(ask, Refused)
    assert ask.reason is Reason.OFF_MARK


def test_the_book_is_not_in_the_costs_but_in_the_skew() -> None:
    desk = RfqDesk(responder=SKEW, perpetual="-4000", limits=WIDE)
    quote = desk.quote()
    skew = float(quote.why["skew"])
    assert skew == pytest.approx(0.02 * -1.0 * float(quote.why["delta"]), rel=1e-3)
    assert price(quote) == pytest.approx(float(quote.why["fair"]) - total(quote) - skew, rel=1e-14)


def test_costs_of_one_option_in_numbers() -> None:
    """A call at the money by hand: 7 bps each way on delta x forward, entry and exit."""
    charged = {"hedge_half_spread_bps": 1.5, "hedge_fee_bps": 5.0, "slippage_bps": 0.5}
    quote = quoted(ResponderSettings(**charged))
    delta, gamma, vega = (float(quote.why[name]) for name in ("delta", "gamma", "vega"))
    tau = float(quote.why["tau_days"]) / 365.0
    vol = float(quote.why["vol"])
    assert float(quote.why["cost_hedge"]) == pytest.approx(2 * delta * FORWARD * 7e-4)
    daily = gamma * FORWARD**2 * vol * math.sqrt(2.0 / (math.pi / 365.0))
    assert float(quote.why["cost_rebalancing"]) == pytest.approx(7e-4 * daily * tau)
    assert float(quote.why["cost_carry"]) == pytest.approx(delta * FORWARD * 0.02 * 0.05 * tau)
    risk = math.hypot(delta * FORWARD * float(quote.why["spot_vol"]), vega)
    validity = 10.0 / (365 * 86_400)
    assert float(quote.why["cost_taker_option"]) == pytest.approx(risk * math.sqrt(validity / (2 * math.pi)))
    assert float(quote.why["cost_winners_curse"]) == pytest.approx(0.5641895835477563 * 1.5 * 0.001 * vega)


def test_an_answer_is_a_pure_function_of_rfq_and_engine() -> None:
    desk = RfqDesk()
    rfq = desk.rfq()
    responder = RfqResponder(ResponderSettings())
    assert responder.answer(rfq, Decimal(1), desk.engine) == responder.answer(rfq, Decimal(1), desk.engine)


# --- the law of inventory, per expiry ---


def test_an_expiry_that_is_full_of_vega_is_skewed_more_than_another() -> None:
    desk = RfqDesk(responder=SKEW, limits=WIDE)
    before = {expiry: desk.quote(expiry_s=expiry, is_call=False) for expiry in (NEAR_S, FAR_S)}
    desk.win(desk.quote(expiry_s=FAR_S, is_call=False, size="10"))
    after = {expiry: desk.quote(expiry_s=expiry, is_call=False) for expiry in (NEAR_S, FAR_S)}

    def per_vega(expiry: int) -> float:
        lean = float(after[expiry].why["skew"]) - float(before[expiry].why["skew"])
        lean -= (
            0.02 * (net_delta(after[expiry]) - net_delta(before[expiry])) * float(after[expiry].why["delta"])
        )
        return lean / float(after[expiry].why["vega"])

    assert per_vega(FAR_S) > 2.0 * per_vega(NEAR_S) > 0.0


def net_delta(quote: SendQuote) -> float:
    return float(quote.why["net_delta"])


def test_long_vega_that_is_offset_within_an_expiry_still_counts_as_one_way_flow() -> None:
    only_long = ResponderSettings(skew_long_vega_usd_per_vega=0.05)
    desk = RfqDesk(responder=only_long, limits=WIDE, coins="100")
    desk.win(desk.quote(size="5"))
    desk.win(desk.quote(size="5", strike=4250.0, taker_buys=True))
    quote = desk.quote()
    assert abs(float(quote.why["expiry_vega"])) < 0.3 * float(quote.why["expiry_long_vega"])
    assert float(quote.why["skew"]) == pytest.approx(
        0.05 * float(quote.why["expiry_long_vega"]) * 0.01 * float(quote.why["vega"])
    )


# --- tiers, width, validity ---


def test_a_taker_of_a_dearer_tier_pays_a_multiple_of_the_edge() -> None:
    tiered = ResponderSettings(taker_tiers={TAKER: 3.0}, default_tier=2.0)
    plain = float(quoted(ResponderSettings()).why["edge"])
    assert float(quoted(tiered).why["edge"]) == pytest.approx(3.0 * plain)
    assert float(quoted(tiered, taker="0xother").why["edge"]) == pytest.approx(2.0 * plain)


def test_a_shorter_validity_is_cheaper_for_the_taker_on_both_sides() -> None:
    for taker_buys in (False, True):
        short, long = (quoted(ResponderSettings(validity_s=s), taker_buys=taker_buys) for s in (5, 120))
        assert int(short.side) * (price(short) - price(long)) > 0.0


def test_a_signature_lives_no_longer_than_its_request_needs() -> None:
    desk = RfqDesk(responder=ResponderSettings(validity_s=30, validity_after_close_s=4), limits=WIDE)
    rfq = msgspec.structs.replace(desk.rfq(), closes_ns=desk.now_ns + 2 * S)
    (quote,) = [item for item in desk.feed(rfq) if isinstance(item, SendQuote)]
    assert quote.valid_until_s == desk.now_ns // S + 6
    assert float(quote.why["validity"]) == pytest.approx(6 / (365 * 86_400))


def test_widen_multiplies_the_edge_where_it_applies_until_it_lapses() -> None:
    desk = RfqDesk(responder=ResponderSettings(), limits=WIDE)
    plain = float(desk.quote().why["edge"])
    until = desk.now_ns + 60 * S
    desk.feed(Operator("widen", scope="ETH", args={"factor": 2.5}, until_ns=until, by="ann"))
    wide = desk.quote()
    assert float(wide.why["edge"]) == pytest.approx(2.5 * plain, rel=1e-3)
    assert "ann" in str(wide.why["controls"])
    desk.feed(Operator("widen", scope="taker/0xother", args={"factor": 9.0}))
    assert float(desk.quote().why["edge"]) == pytest.approx(2.5 * plain, rel=1e-3)
    for _ in range(61):
        desk.refresh(after_s=1.0)
    assert float(desk.quote().why["edge"]) == pytest.approx(plain, rel=1e-2)


# --- vols a person has set ---


def vol_word(desk: RfqDesk, kind: str, **args: Any) -> Operator:
    return Operator("vol", scope="ETH", args={"kind": kind, **args}, until_ns=desk.now_ns + 600 * S, by="ann")


def test_shift_skew_and_pin_move_the_vol_as_said() -> None:
    desk = RfqDesk(responder=ResponderSettings(mark_distance_points=50.0), limits=WIDE)
    at = {"strike": 4250.0, "expiry_s": NEAR_S, "is_call": False}
    base = float(desk.quote(**at).why["vol"])
    desk.feed(vol_word(desk, "shift", points=2.0))
    assert float(desk.quote(**at).why["vol"]) == pytest.approx(base + 0.02)
    desk.feed(vol_word(desk, "skew", points=10.0))
    tilted = base + 0.02 + 0.1 * math.log(4250.0 / FORWARD)
    assert float(desk.quote(**at).why["vol"]) == pytest.approx(tilted)
    desk.feed(vol_word(desk, "pin", points=75.0, strike=4250.0, expiry_s=NEAR_S))
    quote = desk.quote(**at)
    assert float(quote.why["vol"]) == pytest.approx(0.75)
    assert str(quote.why["controls"]).count("vol ETH") == 3
    other = desk.quote(strike=4250.0, expiry_s=FAR_S, is_call=False)
    assert float(other.why["vol_added"]) == pytest.approx(0.02 + 0.1 * math.log(4250.0 / FORWARD))
    desk.feed(Operator("vol", scope="ETH", args={"kind": "clear"}))
    assert float(desk.quote(**at).why["vol"]) == pytest.approx(base)


def test_event_variance_is_moved_behind_the_event_and_not_added_twice() -> None:
    desk = RfqDesk(responder=ResponderSettings(mark_distance_points=50.0), limits=WIDE)
    before_s, after_s = NEAR_S + 5 * 86_400, NEAR_S + 12 * 86_400
    asked = {"is_call": False, "strike": 4000.0}
    plain = {expiry: desk.quote(expiry_s=expiry, **asked) for expiry in (NEAR_S, before_s, after_s, FAR_S)}
    desk.feed(vol_word(desk, "event", at_s=NEAR_S + 7 * 86_400, variance=0.002))
    moved = {expiry: desk.quote(expiry_s=expiry, **asked) for expiry in plain}
    change = {expiry: float(moved[expiry].why["vol"]) - float(plain[expiry].why["vol"]) for expiry in plain}
    assert change[before_s] < 0.0 < change[after_s]
    assert change[NEAR_S] == change[FAR_S] == 0.0


# --- tokens ---


def test_a_token_worth_more_than_a_coin_is_priced_per_token() -> None:
    """1.2 options of strike K / 1.2 on the coin each, sizes and greeks per token, less the haircut."""
    asked = {"is_call": False, "size": "2"}
    token = quoted(ResponderSettings(), strike=4800.0, asset=STAKED, **asked)
    coin = quoted(ResponderSettings(), strike=4000.0, is_call=False, size="2.4")
    assert float(token.why["strike"]) == pytest.approx(4000.0)
    assert float(token.why["size"]) == pytest.approx(2.4)
    assert price(token) == pytest.approx(1.2 * price(coin), rel=1e-9)
    assert (token.delta, token.gamma, token.vega) == pytest.approx(
        (1.2 * coin.delta, 1.2 * coin.gamma, 1.2 * coin.vega)
    )
    call = quoted(ResponderSettings(), strike=4800.0, asset=STAKED, collateral_token=STAKED, size="2")
    plain = quoted(ResponderSettings(), strike=4000.0, size="2.4")
    haircut = 0.01 * float(plain.why["in_the_money"]) * float(plain.why["forward"])
    assert price(call) == pytest.approx(1.2 * (price(plain) - haircut), rel=1e-9)


# --- improvements ---


def improving(**changes: Any) -> RfqDesk:
    return RfqDesk(responder=ResponderSettings(improvements=2, **changes), limits=WIDE)


def outbid(desk: RfqDesk, quote: SendQuote, better_by: float, ticks: int = 20) -> list[SendQuote]:
    """Improvements sent in the window after another maker is better by this fraction."""
    best = round(quote.price_e18 * (1.0 + better_by))
    out = desk.feed(QuoteOutbid("rysk", quote.rfq_id, best, quote.price_e18))
    for _ in range(ticks):
        out = [*out, *desk.tick(after_ms=95.0)]
    return [item for item in out if isinstance(item, SendQuote)]


def test_an_improvement_beats_the_best_by_a_step_late_in_the_window_with_its_own_nonce() -> None:
    desk = improving()
    quote = desk.quote()
    asked_ns = desk.now_ns
    (better,) = outbid(desk, quote, 0.0005)
    assert better.price_e18 / 1e18 == pytest.approx(price(quote) * 1.0005 * 1.0025, rel=1e-4)
    assert better.nonce == quote.nonce + 1
    assert len(desk.engine.exposure.signed.live) == 2
    sent_ns = desk.engine.ledger.quotes["rysk", "maker", better.nonce].sent_ns
    assert 1.0 * S < sent_ns - asked_ns < 2.0 * S
    assert recompute(better.why) == better.price_e18


def test_no_improvement_beyond_the_reservation_price_nor_more_than_allowed() -> None:
    desk = improving(improve_most_share=1.0)
    quote = desk.quote()
    edge, least = float(quote.why["edge"]), float(quote.why["least_edge"])
    reach = (edge - least) / price(quote)
    assert not outbid(desk, quote, reach * 1.01)
    desk = improving(improve_most_share=1.0)
    quote = desk.quote()
    (better,) = outbid(desk, quote, reach * 0.3, ticks=17)
    assert float(better.why["expected_edge"]) > least
    (second,) = outbid(desk, better, 0.0001, ticks=3)
    assert not outbid(desk, second, 0.0001)


def test_without_the_setting_nothing_is_improved() -> None:
    desk = RfqDesk(responder=ResponderSettings(), limits=WIDE)
    assert not outbid(desk, desk.quote(), 0.001)


# --- many at once ---


def test_of_many_requests_the_most_valuable_are_answered_first() -> None:
    desk = RfqDesk(responder=ResponderSettings(parallel_quotes=2), limits=WIDE)
    rfqs = [desk.rfq(size=str(size), rfq_id=f"size-{size}") for size in (1, 9, 3, 7, 5)]
    answered: list[list[str]] = []
    out = desk.feed(*rfqs)
    for _ in range(4):
        answered.append([item.rfq_id for item in out if isinstance(item, SendQuote)])
        out = desk.tick()
    assert answered == [["size-9", "size-7"], ["size-5", "size-3"], ["size-1"], []]


# --- what is stored ---


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([float(strike) for strike in STRIKES] + [3333.0, 4111.5, 5300.0]),
    st.sampled_from([NEAR_S, NEAR_S + 6 * 86_400, FAR_S, FAR_S + 7 * 86_400]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["0.1", "1", "7.3"]),
    st.booleans(),
)
def test_the_stored_terms_make_the_price_again_to_the_last_digit(
    strike: float, expiry_s: int, is_call: bool, taker_buys: bool, size: str, leaning: bool
) -> None:
    desk = RfqDesk(responder=SKEW if leaning else Responder(), limits=WIDE, coins="100")
    desk.win(desk.quote(is_call=False))
    answer = desk.ask(strike=strike, expiry_s=expiry_s, is_call=is_call, taker_buys=taker_buys, size=size)
    if isinstance(answer, SendQuote):
        stored = msgspec.json.decode(msgspec.json.encode(answer), type=SendQuote)
        assert set(INPUTS) <= set(stored.why)
        assert recompute(stored.why) == answer.price_e18


def test_a_valuation_is_reused_for_no_longer_than_its_time_to_live() -> None:
    desk = RfqDesk(responder=ResponderSettings(cache_ttl_ms=50), limits=WIDE)
    for _ in range(10):
        desk.quote()
    assert desk.responder.reused == 9
    desk.tick(after_ms=60.0)
    desk.quote()
    assert desk.responder.reused == 9
    plain = RfqDesk(responder=ResponderSettings(), limits=WIDE)
    plain.quote()
    plain.quote()
    assert plain.responder.reused == 0
