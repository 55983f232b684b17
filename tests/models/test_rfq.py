from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models import rfq
from atomizer.models.inputs import ModelInputError

MINUTE = 1.0 / (365.0 * 24.0 * 60.0)
costs = st.floats(0.0, 20.0)
sides = st.builds(rfq.SideCosts, hedge=costs, rebalancing=costs, takers_option=costs, delivery=costs)


def make(buy: rfq.SideCosts, sell: rfq.SideCosts, **kw: float) -> rfq.RfqQuote:
    terms = {"edge_amount": 1.0, "skew": 0.0, "tick": 0.5} | kw
    return rfq.assemble(120.0, 0.999, buy=buy, sell=sell, **terms)


@given(sides, sides, st.floats(0.0, 5.0), st.floats(-20.0, 20.0), st.sampled_from([0.01, 0.5, 5.0]))
def test_quotes_lie_outside_cost_and_edge_and_on_the_grid(
    buy: rfq.SideCosts, sell: rfq.SideCosts, edge: float, skew: float, tick: float
) -> None:
    quote = make(buy, sell, edge_amount=edge, skew=skew, tick=tick)
    centre = 120.0 * 0.999 - skew
    if quote.bid is not None:
        assert quote.bid <= centre - buy.total() - edge + 1e-8
        assert abs(quote.bid / tick - round(quote.bid / tick)) < 1e-6
    if quote.ask is not None:
        assert quote.ask >= centre + sell.total() + edge - 1e-8


@given(
    sides, st.sampled_from(["hedge", "rebalancing", "carry", "takers_option", "fixing", "delivery"]), costs
)
def test_every_cost_term_adds_to_its_side(side: rfq.SideCosts, term: str, extra: float) -> None:
    values = {name: getattr(side, name) for name in ("hedge", "rebalancing", "takers_option", "delivery")}
    values[term] = values.get(term, 0.0) + extra
    assert rfq.SideCosts(**values).total() == pytest.approx(side.total() + extra)


def test_cost_and_edge_that_meet_still_add_up() -> None:
    quote = rfq.assemble(
        100.0,
        1.0,
        buy=rfq.SideCosts(hedge=0.99),
        sell=rfq.SideCosts(hedge=0.99),
        edge_amount=1.0,
        skew=0.0,
        tick=0.01,
    )
    assert quote.bid == pytest.approx(98.01)
    assert quote.ask == pytest.approx(101.99)


def test_bid_at_or_below_zero_is_no_quote() -> None:
    quote = rfq.assemble(
        2.0, 1.0, buy=rfq.SideCosts(hedge=3.0), sell=rfq.SideCosts(), edge_amount=0.0, skew=0.0, tick=0.5
    )
    assert quote.bid is None
    assert quote.ask == 2.0


def test_long_skew_lowers_both_sides() -> None:
    none = make(rfq.SideCosts(), rfq.SideCosts())
    long = make(rfq.SideCosts(), rfq.SideCosts(), skew=4.0)
    assert long.bid == none.bid - 4.0  # type: ignore[operator]
    assert long.ask == none.ask - 4.0  # type: ignore[operator]


def test_income_that_would_cross_the_quote_is_refused() -> None:
    with pytest.raises(ModelInputError, match="costs"):
        make(rfq.SideCosts(carry=-5.0), rfq.SideCosts(), edge_amount=0.5)


def test_income_on_one_side_is_used() -> None:
    paid = make(rfq.SideCosts(hedge=2.0, carry=-1.0), rfq.SideCosts(hedge=2.0))
    assert paid.bid == make(rfq.SideCosts(hedge=1.0), rfq.SideCosts(hedge=2.0)).bid


def test_minimum_half_spread_replaces_smaller_costs() -> None:
    quote = make(rfq.SideCosts(), rfq.SideCosts(), edge_amount=0.0, minimum_half_spread=7.0)
    assert quote.bid == 112.5
    assert quote.ask == 127.0


def test_takers_option_of_the_stated_examples() -> None:
    # 7-day 10 % out-of-the-money call at 60 vol
    from atomizer.models.black import black76_greeks

    price, delta, *_ = black76_greeks(3000.0, 3300.0, 7.0 / 365.0, 0.6, 0.0, True)
    half_minute = rfq.takers_option(delta, 0.0, 3000.0, 0.6, 0.0, 0.0, 0.5 * MINUTE)
    ten_minutes = rfq.takers_option(delta, 0.0, 3000.0, 0.6, 0.0, 0.0, 10.0 * MINUTE)
    assert half_minute / price == pytest.approx(0.0058, rel=0.03)
    assert ten_minutes / price == pytest.approx(0.026, rel=0.03)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(1.0, 5.0))
def test_takers_option_grows_with_validity_and_correlation(rho: float, more: float, longer: float) -> None:
    base = rfq.takers_option(0.4, 200.0, 3000.0, 0.6, 0.8, rho * 0.5, MINUTE)
    assert rfq.takers_option(0.4, 200.0, 3000.0, 0.6, 0.8, rho * 0.5 + more * 0.5, MINUTE) >= base
    assert rfq.takers_option(0.4, 200.0, 3000.0, 0.6, 0.8, rho * 0.5, longer * MINUTE) >= base


def test_rebalancing_cost_of_the_stated_example() -> None:
    from atomizer.models.black import black76_greeks

    gamma = black76_greeks(3000.0, 3000.0, 30.0 / 365.0, 0.6, 0.0, True)[2]
    hourly, daily = (
        rfq.rebalancing_cost(gamma, 3000.0, 0.6, hours / 8760.0, 30.0 / 365.0, 0.0005) for hours in (1, 24)
    )
    assert hourly == pytest.approx(12.76, abs=0.05)
    assert daily == pytest.approx(2.61, abs=0.02)


@pytest.mark.parametrize(("makers", "mean"), [(1, 0.0), (2, 0.5642), (3, 0.8463), (5, 1.1630), (10, 1.5388)])
def test_expected_maximum_of_normals(makers: int, mean: float) -> None:
    assert rfq.expected_maximum(makers) == pytest.approx(mean, abs=1e-4)


def test_more_rivals_make_winning_worse_news() -> None:
    curses = [rfq.winners_curse(100.0, 0.02, makers) for makers in range(1, 12)]
    assert curses == sorted(curses)
    assert curses[0] == 0.0


def test_width_multiplier_scales_edge_and_not_the_curse() -> None:
    kw = {"edge_usd": 1.0, "edge_bps": 0.0, "edge_vol": 0.0, "curse": 2.0}
    assert rfq.edge(100.0, 10.0, **kw) == 3.0
    assert rfq.edge(100.0, 10.0, width_multiplier=2.0, **kw) == 4.0


def test_edge_is_the_largest_of_its_three_floors() -> None:
    assert rfq.edge(100.0, 50.0, edge_usd=0.5, edge_bps=100.0, edge_vol=0.01) == 1.0
    assert rfq.edge(100.0, 500.0, edge_usd=0.5, edge_bps=100.0, edge_vol=0.01) == 5.0


def test_effective_half_spread_is_never_below_a_tick() -> None:
    assert rfq.effective_half_spread(10.0, 0.5, 0.0, minimum_bps=10.0, vol_floor=0.0) == 0.5


def test_carry_of_a_paid_short_can_be_an_income() -> None:
    assert rfq.carry_cost(300.0, 0.05, 0.1, 4.0) == pytest.approx(-2.5)


@pytest.mark.parametrize("value", [math.nan, -1.0])
def test_bad_fair_value_is_refused(value: float) -> None:
    with pytest.raises(ModelInputError, match="value"):
        rfq.assemble(
            value, 1.0, buy=rfq.SideCosts(), sell=rfq.SideCosts(), edge_amount=0.0, skew=0.0, tick=0.5
        )


def test_auction_without_makers_is_refused() -> None:
    with pytest.raises(ModelInputError, match="makers"):
        rfq.expected_maximum(0)
