"""Coin-settled options and futures: coin parity, derivatives of the coin price, inverse P&L."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.inverse import (
    INVERSE_GREEKS,
    average_entry,
    coin_implied_vol,
    future_dcoin_dprice,
    future_delta_coin,
    future_pnl_coin,
    inverse_greeks,
    inverse_greeks_into,
)


def greeks(F, K, T, sigma, is_call):
    return dict(zip(INVERSE_GREEKS, inverse_greeks(F, K, T, sigma, is_call), strict=True))


@settings(max_examples=80)
@given(st.floats(0.3, 3.0), st.floats(1e-3, 2.0), st.floats(0.1, 2.0))
def test_coin_parity_and_adjusted_delta(ratio, T, sigma):
    F, K = 3000.0, 3000.0 * ratio
    call, put = greeks(F, K, T, sigma, True), greeks(F, K, T, sigma, False)
    assert call["price_coin"] - put["price_coin"] == pytest.approx(1.0 - K / F, abs=1e-12)
    assert call["delta_pa"] - put["delta_pa"] == pytest.approx(K / F, rel=1e-12)
    for side in (call, put):
        assert side["delta_pa"] == pytest.approx(side["delta_bs"] - side["price_coin"], abs=1e-12)


@settings(max_examples=40)
@given(st.floats(0.6, 1.6), st.floats(0.02, 1.0), st.floats(0.2, 1.5), st.booleans())
def test_coin_greeks_are_derivatives_of_the_coin_price(ratio, T, sigma, is_call):
    F, K, step = 100.0, 100.0 * ratio, 1e-4
    here = greeks(F, K, T, sigma, is_call)
    up, down = (greeks(F * (1 + e), K, T, sigma, is_call) for e in (step, -step))
    assert here["dcoin_dF"] == pytest.approx(
        (up["price_coin"] - down["price_coin"]) / (2 * F * step), abs=1e-7
    )
    assert here["d2coin_dF2"] == pytest.approx((up["dcoin_dF"] - down["dcoin_dF"]) / (2 * F * step), abs=1e-7)
    high, low = (greeks(F, K, T, sigma * (1 + e), is_call) for e in (step, -step))
    width = 2 * sigma * step
    assert here["vega_coin"] == pytest.approx((high["price_coin"] - low["price_coin"]) / width, abs=1e-6)
    assert here["vanna_coin"] == pytest.approx((high["dcoin_dF"] - low["dcoin_dF"]) / width, abs=1e-5)
    assert here["volga_coin"] == pytest.approx((high["vega_coin"] - low["vega_coin"]) / width, abs=1e-4)


def test_implied_vol_of_a_coin_price_comes_from_price_times_forward():
    coin = greeks(65000.0, 70000.0, 0.1, 0.55, True)["price_coin"]
    assert coin_implied_vol(coin, 65000.0, 70000.0, 0.1, True) == pytest.approx(0.55, rel=1e-12)


def test_array_form_equals_scalar_form_and_bad_input_is_nan():
    F = np.array([3000.0, 3000.0, -1.0])
    K, T, sigma = np.array([3000.0, 3300.0, 3000.0]), np.array([0.1, 0.0, 0.1]), np.full(3, 0.6)
    is_call = np.array([True, False, True])
    out = np.empty((10, 3))
    inverse_greeks_into(F, K, T, sigma, is_call, out)
    for i in range(3):
        expected = inverse_greeks(F[i], K[i], T[i], sigma[i], bool(is_call[i]))
        np.testing.assert_array_equal(out[:, i], expected)
    assert np.isnan(out[:, 2]).all()
    assert out[1, 1] == pytest.approx(300.0 / 3000.0)


def test_inverse_future_is_linear_in_coins_per_dollar():
    size, entry = -200_000.0, 2800.0
    step = 1e-3
    slope = (future_pnl_coin(size, entry, 3000.0 + step) - future_pnl_coin(size, entry, 3000.0 - step)) / (
        2 * step
    )
    assert future_dcoin_dprice(size, 3000.0) == pytest.approx(slope, rel=1e-6)
    assert future_delta_coin(size, 3000.0) == pytest.approx(3000.0 * slope, rel=1e-6)
    assert math.isnan(future_pnl_coin(size, 0.0, 3000.0))


def test_average_entry_keeps_the_coin_profit():
    sizes, entries = [1000.0, 3000.0], [2000.0, 2500.0]
    together = future_pnl_coin(4000.0, average_entry(sizes, entries), 2600.0)
    apart = sum(future_pnl_coin(n, e, 2600.0) for n, e in zip(sizes, entries, strict=True))
    assert together == pytest.approx(apart, rel=1e-12)
    assert math.isnan(average_entry([100.0, -100.0], [2000.0, 2000.0]))
