"""Account deltas equal bump-and-revalue; the two numeraires differ by the equity in coins."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from atomizer.models.account import (
    CoinAccount,
    InverseFuture,
    LinearFuture,
    OptionHolding,
    UsdAccount,
    account_delta,
    total_delta,
)

options = st.builds(
    OptionHolding,
    is_call=st.booleans(),
    strike=st.floats(2000.0, 4500.0),
    years=st.floats(0.01, 1.0),
    sigma=st.floats(0.2, 1.5),
    forward=st.floats(2900.0, 3200.0),
    quantity=st.floats(-50.0, 50.0),
    entry=st.floats(0.0, 300.0),
)
inverse = st.builds(InverseFuture, st.floats(-2e5, 2e5), st.floats(2500.0, 3500.0), st.floats(2900.0, 3100.0))
linear = st.builds(LinearFuture, st.floats(-50.0, 50.0), st.floats(2500.0, 3500.0), st.floats(2900.0, 3100.0))
coin_accounts = st.builds(
    CoinAccount, st.floats(-20.0, 50.0), st.lists(options, max_size=3), st.lists(inverse, max_size=2)
)
usd_accounts = st.builds(
    UsdAccount,
    st.floats(-1e5, 1e5),
    st.floats(0.0, 30.0),
    st.lists(options, max_size=3),
    st.lists(linear, max_size=2),
    st.booleans(),
)
INDEX = 3000.0


def exact_value(account, index, bump):
    """USD value after everything moves by 1 + bump, in 40 digits and by its own formulas."""
    move = 1 + mpf(bump)

    def option(held):
        F = mpf(held.forward) * move
        s = mpf(held.sigma) * mp.sqrt(mpf(held.years))
        d1 = mp.log(F / held.strike) / s + s / 2
        sign = 1 if held.is_call else -1
        value = sign * (F * mp.ncdf(sign * d1) - held.strike * mp.ncdf(sign * (d1 - s)))
        return value, F

    if isinstance(account, CoinAccount):
        coins = mpf(account.cash)
        for held in account.options:
            value, F = option(held)
            coins += held.quantity * value / F
        for future in account.futures:
            coins += future.size_usd * (1 / mpf(future.entry) - 1 / (mpf(future.mark) * move))
        return coins * index * move
    usd = mpf(account.cash) + mpf(account.coin_collateral) * index * move
    for held in account.options:
        usd += held.quantity * (option(held)[0] - (held.entry if account.futures_style else 0))
    for future in account.futures:
        usd += future.quantity * (mpf(future.mark) * move - future.entry)
    return usd


@settings(max_examples=40, deadline=None)
@given(st.one_of(coin_accounts, usd_accounts))
def test_deltas_equal_bump_and_revalue(account):
    found = account_delta(account, INDEX)
    with mp.workdps(40):
        step = mpf(10) ** -12
        up, down = exact_value(account, INDEX, step), exact_value(account, INDEX, -step)
        here = exact_value(account, INDEX, 0)
        in_usd = (up - down) / (2 * step * INDEX)
        in_coin = (up / (1 + step) - down / (1 - step)) / (2 * step) / INDEX
    gross = 1.0 + abs(found.usd_delta) + abs(found.equity) + sum(abs(o.quantity) for o in account.options)
    assert found.value_usd == pytest.approx(float(here), rel=1e-9, abs=1e-9 * gross * INDEX)
    assert found.usd_delta == pytest.approx(float(in_usd), abs=1e-9 * gross)
    assert found.coin_delta == pytest.approx(float(in_coin), abs=1e-9 * gross)
    assert found.usd_delta - found.coin_delta == pytest.approx(found.value_usd / INDEX, abs=1e-9 * gross)


def test_worked_example_counts_the_option_value_once():
    book = CoinAccount(
        20.0,
        (OptionHolding(True, 3000.0, 0.25, 0.6, 3000.0, 100.0),),
        (InverseFuture(-200_000.0, 2800.0, 3000.0),),
    )
    found = account_delta(book, 3000.0)
    assert found.equity == pytest.approx(27.16, abs=0.005)
    assert found.usd_delta == pytest.approx(4.53, abs=0.005)
    assert found.coin_delta == pytest.approx(-22.63, abs=0.005)


def test_gamma_is_the_change_of_usd_delta_for_one_percent():
    held = OptionHolding(True, 3100.0, 0.1, 0.6, 3000.0, 10.0)
    book = CoinAccount(5.0, (held,))

    def usd_delta(bump):
        moved = replace(book, options=(replace(held, forward=3000.0 * (1 + bump)),))
        return account_delta(moved, 3000.0 * (1 + bump)).usd_delta

    step = 1e-4
    slope = (usd_delta(step) - usd_delta(-step)) / (2 * step) * 0.01
    assert account_delta(book, 3000.0).gamma_1pct == pytest.approx(slope, rel=1e-5)


def test_totals_add_up_and_a_bad_index_is_refused():
    one, two = CoinAccount(10.0), UsdAccount(1000.0, 2.0)
    both = total_delta([one, two], 2000.0)
    assert both.value_usd == 10.0 * 2000.0 + 1000.0 + 2.0 * 2000.0
    assert both.usd_delta - both.coin_delta == pytest.approx(both.value_usd / 2000.0)
    with pytest.raises(ValueError, match="positive index"):
        account_delta(one, 0.0)


def test_a_position_without_a_vol_makes_the_delta_nan():
    book = CoinAccount(1.0, (OptionHolding(True, 3000.0, 0.25, math.nan, 3000.0, 1.0),))
    assert math.isnan(account_delta(book, 3000.0).usd_delta)
