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
from atomizer.domain.instruments import Side
from atomizer.domain.refusals import Reason
from atomizer.strategies.rfq_responder import Costs, ResponderSettings, RfqResponder, _round_e18
from tests.engine.rfq_desk import FORWARD, NEAR_S, RfqDesk, smile
from tests.engine.test_gate import MANY

# A change of settings, and the term of the explanation it must move.
TERMS: list[tuple[dict[str, Any], str]] = [
    ({"hedge_half_spread_bps": 3.0}, "cost_hedge"),
    ({"hedge_fee_bps": 9.0}, "cost_hedge"),
    ({"slippage_bps": 4.0}, "cost_rebalancing"),
    ({"margin_rate": 0.5}, "cost_carry"),
    ({"margin_share": 0.2}, "cost_carry"),
    ({"funding_rate": 0.3}, "cost_carry"),
    ({"vol_of_vol": 3.0}, "cost_taker_option"),
    ({"validity_s": 60}, "cost_taker_option"),
    ({"fixing_basis_bps": 3.0}, "cost_fixing"),
    ({"delivery_usd": 2.0}, "cost_delivery"),
    ({"vol_error_points": 0.5}, "cost_winners_curse"),
    ({"makers_in_auction": 8}, "cost_winners_curse"),
    ({"skew_delta_usd_per_coin": 3.0}, "cost_own_size"),
    ({"skew_vega_usd_per_vega": 0.4}, "cost_own_size"),
    ({"edge_usd": 4.0}, "edge"),
    ({"edge_bps_of_premium": 500.0}, "edge"),
    ({"edge_vol_points": 3.0}, "edge"),
    ({"edge_scale": 2.0}, "edge"),
]


def price(quote: SendQuote) -> float:
    return quote.price_e18 / 1e18


def quoted(responder: ResponderSettings, **changes: Any) -> SendQuote:
    """The quote of a desk of its own, so that no other quote is in its book."""
    return RfqDesk(responder=responder, limits=MANY).quote(**changes)


def refused(responder: ResponderSettings, **changes: Any) -> Refused:
    answer = RfqDesk(responder=responder, limits=MANY).ask(**changes)
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
    assert price(bid) + total(bid) == pytest.approx(black, rel=1e-6)
    assert price(ask) - total(ask) == pytest.approx(black, rel=1e-6)


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
    assert price(before) - price(after) == pytest.approx(int(before.side) * (total(after) - total(before)))
    assert int(before.side) * (price(before) - price(after)) >= moved * (1.0 - 1e-9)


@pytest.mark.parametrize("taker_buys", [False, True])
def test_the_price_is_fair_value_less_every_term_once(taker_buys: bool) -> None:
    quote = quoted(ResponderSettings(delivery_usd=0.5, funding_rate=0.1), taker_buys=taker_buys)
    assert {name[5:] for name in quote.why if name.startswith("cost_")} == set(Costs._fields)
    expected = float(quote.why["fair"]) - int(quote.side) * total(quote)
    assert price(quote) == pytest.approx(expected, rel=1e-14)
    assert float(quote.why["expected_edge"]) == pytest.approx(float(quote.why["edge"]))


def test_a_negative_funding_rate_pays_us_nothing() -> None:
    assert price(quoted(ResponderSettings(funding_rate=-5.0))) == price(quoted(ResponderSettings()))


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-9, 1e6), st.sampled_from([Side.BUY, Side.SELL]))
def test_prices_round_against_us_to_the_last_unit(value: float, side: Side) -> None:
    rounded, exact = Fraction(_round_e18(value, side), 10**18), Fraction(value)
    assert side * (exact - rounded) >= 0
    assert abs(exact - rounded) < Fraction(1, 10**18)


def test_no_price_of_a_number_that_is_none() -> None:
    assert [_round_e18(value, Side.BUY) for value in (math.nan, math.inf, -math.inf)] == [0, 0, 0]


def test_edge_is_the_largest_of_its_three_floors_times_the_scale() -> None:
    quote = quoted(ResponderSettings())
    fair, vega = float(quote.why["fair"]), float(quote.why["vega"])
    floors = (1.0, 50.0 * 1e-4 * fair, 0.5 * 0.01 * vega)
    assert float(quote.why["edge"]) == pytest.approx(max(floors))
    assert float(quoted(ResponderSettings(edge_scale=3.0)).why["edge"]) == pytest.approx(3.0 * max(floors))


@pytest.mark.parametrize("taker_buys", [False, True])
def test_nothing_is_quoted_with_a_negative_expected_edge(taker_buys: bool) -> None:
    refusal = refused(ResponderSettings(edge_scale=-0.01), taker_buys=taker_buys)
    assert refusal.reason is Reason.NEGATIVE_EDGE
    assert float(refusal.why["expected_edge"]) < 0.0


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


def test_an_option_outside_the_live_strikes_or_expiries_is_not_priced() -> None:
    for changes in ({"strike": 2990.0}, {"strike": 5010.0}, {"expiry_s": NEAR_S - 86_400}):
        assert refused(ResponderSettings(), **changes).reason is Reason.NO_SURFACE


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

SKEW = ResponderSettings(skew_delta_usd_per_coin=2.0, skew_vega_usd_per_vega=0.5, mark_distance_points=50.0)


def test_the_signed_size_is_a_cost_on_both_sides() -> None:
    for taker_buys in (False, True):
        small, large = (quoted(SKEW, size=size, taker_buys=taker_buys) for size in ("1", "5"))
        assert int(small.side) * (price(small) - price(large)) > 0.0


def test_without_a_skew_the_book_does_not_move_the_price() -> None:
    desk = RfqDesk(limits=MANY)
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
    desk = RfqDesk(responder=SKEW, limits=msgspec.structs.replace(MANY, delta=1e6, gamma=1e6, vega=1e9))
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
    long = RfqDesk(responder=settings_, perpetual="10000")
    ask = long.ask(taker_buys=True)
    assert isinstance(ask, Refused)
    assert ask.reason is Reason.OFF_MARK


def test_the_book_is_not_in_the_costs_but_in_the_skew() -> None:
    desk = RfqDesk(responder=SKEW, perpetual="-4000")
    quote = desk.quote()
    skew = float(quote.why["skew"])
    assert skew == pytest.approx(2.0 * -1.0 * float(quote.why["delta"]), rel=1e-3)
    assert price(quote) == pytest.approx(float(quote.why["fair"]) - total(quote) - skew, rel=1e-14)


def test_costs_of_one_option_in_numbers() -> None:
    """A call at the money by hand: 7 bps each way on delta x forward, entry and exit."""
    quote = quoted(ResponderSettings())
    delta, gamma, vega = (float(quote.why[name]) for name in ("delta", "gamma", "vega"))
    tau = float(quote.why["tau_days"]) / 365.0
    vol = float(quote.why["vol"])
    assert float(quote.why["cost_hedge"]) == pytest.approx(2 * delta * FORWARD * 7e-4)
    daily = gamma * FORWARD**2 * vol * math.sqrt(2.0 / (math.pi / 365.0))
    assert float(quote.why["cost_rebalancing"]) == pytest.approx(7e-4 * daily * tau)
    assert float(quote.why["cost_carry"]) == pytest.approx(delta * FORWARD * 0.02 * 0.05 * tau)
    risk = math.hypot(delta * FORWARD * vol, vega)
    validity = 10.0 / (365 * 86_400)
    assert float(quote.why["cost_taker_option"]) == pytest.approx(risk * math.sqrt(validity / (2 * math.pi)))
    assert float(quote.why["cost_winners_curse"]) == pytest.approx(0.5641895835477563 * 1.5 * 0.001 * vega)


def test_an_answer_is_a_pure_function_of_rfq_and_engine() -> None:
    desk = RfqDesk()
    rfq = desk.rfq()
    responder = RfqResponder(ResponderSettings())
    assert responder.answer(rfq, Decimal(1), desk.engine) == responder.answer(rfq, Decimal(1), desk.engine)
