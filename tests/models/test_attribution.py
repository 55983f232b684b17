"""Attribution closes; markouts are hedged; yields and scores keep their order."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.attribution import (
    attribute_option,
    close_statement,
    linear_markout,
    option_markout,
)
from atomizer.models.black import black76_greeks
from atomizer.models.scoring import liquidity_score, option_apr

moves = st.floats(-0.03, 0.03)


def explained(move=0.0, shift=0.0, elapsed=0.0, quantity=10.0, K=3100.0):
    return attribute_option(
        start_forward=3000.0,
        end_forward=3000.0 * (1 + move),
        strike=K,
        is_call=True,
        years=0.1,
        elapsed=elapsed,
        start_sigma=0.6,
        end_sigma=0.6 + shift,
        quantity=quantity,
    )


@settings(max_examples=60)
@given(moves, st.floats(-0.03, 0.03), st.floats(0.0, 0.003), st.floats(2500.0, 3600.0))
def test_terms_and_residual_add_up_to_the_total(move, shift, elapsed, K):
    pnl = explained(move, shift, elapsed, K=K)
    terms = (pnl.delta, pnl.gamma, pnl.vega, pnl.theta, pnl.vanna, pnl.volga, pnl.charm)
    assert sum(terms) + pnl.residual == pytest.approx(pnl.total, abs=1e-9)
    first = sum(terms[:4]) + pnl.residual_first
    assert first == pytest.approx(pnl.total, abs=1e-9)


def test_second_order_leaves_less_than_first_on_average():
    grid = [explained(m, s, 1 / 365 / 24) for m in (-0.02, -0.01, 0.01, 0.02) for s in (-0.02, 0.02)]
    assert sum(abs(p.residual) for p in grid) < 0.5 * sum(abs(p.residual_first) for p in grid)


def test_a_short_interval_is_explained_to_five_percent():
    assert explained(0.005, 0.003, 1 / 365 / 24).residual_share < 0.05


def test_positions_add_and_flat_positions_earn_nothing():
    both = explained(0.01) + explained(0.01, quantity=-10.0)
    assert both.total == pytest.approx(0.0, abs=1e-9)
    assert explained().total == 0.0
    assert explained().residual_share == 0.0


def test_realised_equal_to_implied_earns_theta_back_by_gamma():
    year_share = 1 / 365 / 24
    step = 0.6 * math.sqrt(year_share)
    both = [explained(m, 0.0, year_share) for m in (step, -step)]
    gain = sum(p.gamma + p.theta for p in both)
    assert gain == pytest.approx(0.0, abs=1e-9 * sum(abs(p.gamma) for p in both))


@pytest.mark.parametrize(
    "bad", [{"start_sigma": -0.1}, {"end_forward": math.nan}, {"years": 0.0}, {"elapsed": -1.0}]
)
def test_impossible_intervals_are_refused(bad):
    given_ = {
        "start_forward": 3000.0,
        "end_forward": 3000.0,
        "strike": 3000.0,
        "is_call": True,
        "years": 0.1,
        "elapsed": 0.0,
        "start_sigma": 0.5,
        "end_sigma": 0.5,
        "quantity": 1.0,
    }
    with pytest.raises(ValueError, match="expected positive forwards"):
        attribute_option(**{**given_, **bad})


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_a_statement_closes_with_one_residual(start, end, transfers, fees):
    closed = close_statement(
        equity_start=start, equity_end=end, net_transfers=transfers, terms={"fees": fees, "trading": 5.0}
    )
    assert closed.total == pytest.approx(end - start - transfers, abs=1e-9)
    assert sum(closed.terms.values()) + closed.residual == pytest.approx(closed.total, abs=1e-9)


def test_a_statement_refuses_unknown_terms():
    with pytest.raises(ValueError, match="luck"):
        close_statement(equity_start=0.0, equity_end=1.0, net_transfers=0.0, terms={"luck": 1.0})


def test_option_markout_takes_the_spot_move_out():
    value, delta, _, vega, *_ = black76_greeks(3000.0, 3000.0, 0.1, 0.6, 0.0, True)
    later = black76_greeks(3010.0, 3000.0, 0.1, 0.6, 0.0, True)[0]
    given_ = {"fill": value - 2.0, "later_value": later, "delta": delta, "vega": vega}
    bought = option_markout(bought=True, forward=3000.0, later_forward=3010.0, **given_)
    sold = option_markout(bought=False, forward=3000.0, later_forward=3010.0, **given_)
    assert bought.money == pytest.approx(2.0, abs=0.1)
    assert bought.vol_points == pytest.approx(bought.money / (vega / 100.0))
    assert sold.money == -bought.money
    assert math.isnan(
        option_markout(
            bought=True, fill=1.0, later_value=1.0, delta=1.0, forward=1.0, later_forward=1.0, vega=0.0
        ).vol_points
    )
    assert linear_markout(bought=False, fill=100.0, later_mid=99.0) == 1.0


def test_apr_uses_the_coin_for_calls_and_the_strike_for_puts():
    call = option_apr(premium=30.0, index=3000.0, strike=3300.0, seconds_to_expiry=7 * 86400.0, is_call=True)
    put = option_apr(premium=30.0, index=3000.0, strike=2500.0, seconds_to_expiry=7 * 86400.0, is_call=False)
    assert call == pytest.approx(30.0 / 3000.0 * 365.0 / 7.0)
    assert put == pytest.approx(30.0 / 2500.0 * 365.0 / 7.0)
    with pytest.raises(ValueError, match="time to expiry"):
        option_apr(premium=1.0, index=1.0, strike=1.0, seconds_to_expiry=0.0, is_call=True)


metrics = st.floats(0.0, 1e9)


@given(st.floats(0.0, 5.0), metrics, metrics, metrics, metrics, st.floats(1e-6, 1e6))
def test_liquidity_score_is_bounded_and_monotone_in_each_metric(
    spread, depth, volume, trades, interest, more
):
    names = ("depth_usd", "volume_usd", "trades", "open_interest_usd")
    base = dict(zip(names, (depth, volume, trades, interest), strict=True))
    score = liquidity_score(relative_spread=spread, **base)
    assert 0.0 <= score <= 1.0 + 1e-12
    for name in names:
        assert liquidity_score(relative_spread=spread, **{**base, name: base[name] + more}) >= score - 1e-12
    assert liquidity_score(relative_spread=spread + more, **base) <= score + 1e-12
    assert liquidity_score(relative_spread=None, **base) <= score + 1e-12


def test_liquidity_score_ends_and_refusal():
    assert liquidity_score(relative_spread=None) == 0.0
    assert liquidity_score(
        relative_spread=0.0, depth_usd=1e15, volume_usd=1e15, trades=1e12, open_interest_usd=1e15
    ) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="expected metrics"):
        liquidity_score(relative_spread=-0.1)
