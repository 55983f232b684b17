"""Black-76 and BSM: parity, derivatives, limits, and one set of numbers from scalar and array form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib as quantlib  # noqa: N813  (the package has no lower-case name)
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.black import (
    BSM_GREEKS,
    GREEKS,
    black76_greeks,
    black76_greeks_into,
    black76_higher,
    black76_price,
    black76_price_into,
    bsm_greeks,
)

forwards = st.floats(0.01, 1e5)
ratios = st.floats(0.2, 5.0)
times = st.floats(1e-4, 5.0)
sigmas = st.floats(0.05, 3.0)
rates = st.floats(-0.1, 0.2)


@settings(max_examples=80)
@given(forwards, ratios, times, sigmas, rates)
def test_call_minus_put_is_the_discounted_forward_minus_strike(F, ratio, T, sigma, rate):
    K, df = F * ratio, math.exp(-rate * T)
    parity = black76_price(F, K, T, sigma, df, True) - black76_price(F, K, T, sigma, df, False)
    assert parity == pytest.approx(df * (F - K), abs=1e-13 * max(F, K))


@settings(max_examples=80)
@given(forwards, ratios, times, sigmas)
def test_price_stays_between_intrinsic_and_its_maximum(F, ratio, T, sigma):
    K = F * ratio
    call, put = black76_price(F, K, T, sigma, 1.0, True), black76_price(F, K, T, sigma, 1.0, False)
    assert max(F - K, 0.0) <= call <= F
    assert max(K - F, 0.0) <= put <= K


@settings(max_examples=50)
@given(st.floats(0.5, 2.0), st.floats(0.02, 2.0), st.floats(0.1, 1.5), rates, st.booleans())
def test_greeks_are_the_derivatives_of_the_price(ratio, T, sigma, rate, is_call):
    F = 100.0
    K = F * ratio

    def value(f=F, t=T, s=sigma):
        return black76_greeks(f, K, t, s, rate, is_call)

    step = 1e-4
    greeks = dict(zip(GREEKS, value(), strict=True))
    speed, zomma, color = black76_higher(F, K, T, sigma, rate)

    def slope(up, down, width, i=0):
        return (up[i] - down[i]) / (2.0 * width)

    wide, narrow = F * step, sigma * step
    by_f = value(f=F + wide), value(f=F - wide)
    by_sigma = value(s=sigma + narrow), value(s=sigma - narrow)
    by_t = value(t=T * (1.0 - step)), value(t=T * (1.0 + step))
    expected = {
        "delta": slope(*by_f, wide),
        "gamma": slope(*by_f, wide, 1),
        "vega": slope(*by_sigma, narrow),
        "theta": slope(*by_t, T * step),
        "vanna": slope(*by_sigma, narrow, 1),
        "volga": slope(*by_sigma, narrow, 3),
        "charm": slope(*by_t, T * step, 1),
    }
    scale = max(1.0, 1.0 / T) * 100.0
    for name, number in expected.items():
        assert greeks[name] == pytest.approx(number, rel=1e-4, abs=1e-6 * scale), name
    assert speed == pytest.approx(slope(*by_f, wide, 2), rel=1e-4, abs=1e-7 * scale)
    assert zomma == pytest.approx(slope(*by_sigma, narrow, 2), rel=1e-4, abs=1e-6 * scale)
    assert color == pytest.approx(slope(*by_t, T * step, 2), rel=1e-4, abs=1e-6 * scale)


def test_array_form_gives_the_same_bits_as_the_scalar_form():
    rng = np.random.default_rng(1)
    n = 333
    F = rng.uniform(1.0, 5000.0, n)
    K = F * np.exp(rng.normal(0.0, 0.5, n))
    T, sigma, rate = rng.uniform(-0.1, 2.0, n), rng.uniform(0.0, 2.0, n), rng.uniform(-0.05, 0.1, n)
    sigma[::17], T[5], K[9], rate[11] = 0.0, 0.0, -1.0, math.nan
    is_call = rng.random(n) < 0.5
    out, prices = np.empty((9, n)), np.empty(n)
    black76_greeks_into(F, K, T, sigma, rate, is_call, out)
    black76_price_into(F, K, T, sigma, np.ones(n), is_call, prices)
    for i in range(n):
        np.testing.assert_array_equal(
            out[:, i], black76_greeks(F[i], K[i], T[i], sigma[i], rate[i], bool(is_call[i]))
        )
        np.testing.assert_equal(prices[i], black76_price(F[i], K[i], T[i], sigma[i], 1.0, bool(is_call[i])))


@pytest.mark.parametrize(
    ("F", "K", "T", "sigma", "rate"),
    [
        (math.nan, 100.0, 1.0, 0.5, 0.0),
        (100.0, math.nan, 1.0, 0.5, 0.0),
        (100.0, 100.0, math.nan, 0.5, 0.0),
        (100.0, 100.0, 1.0, math.nan, 0.0),
        (100.0, 100.0, 1.0, -0.5, 0.0),
        (-100.0, 100.0, 1.0, 0.5, 0.0),
        (100.0, 0.0, 1.0, 0.5, 0.0),
        (math.inf, 100.0, 1.0, 0.5, 0.0),
        (100.0, 100.0, 1.0, 0.5, math.nan),
    ],
)
def test_bad_input_gives_nan_in_every_output(F, K, T, sigma, rate):
    assert all(math.isnan(value) for value in black76_greeks(F, K, T, sigma, rate, True))
    assert all(math.isnan(value) for value in black76_higher(F, K, T, sigma, rate))
    df = math.nan if math.isnan(rate) else 1.0
    assert math.isnan(black76_price(F, K, T, sigma, df, False))


@pytest.mark.parametrize(("T", "sigma"), [(0.0, 0.5), (-1.0, 0.5), (1.0, 0.0)])
def test_without_time_or_vol_the_value_is_intrinsic_with_a_step_delta(T, sigma):
    price, delta, gamma, vega, *_ = black76_greeks(110.0, 100.0, T, sigma, 0.0, True)
    assert (price, delta, gamma, vega) == (10.0, 1.0, 0.0, 0.0)
    assert black76_greeks(110.0, 100.0, T, sigma, 0.0, False)[:2] == (0.0, 0.0)
    assert black76_price(90.0, 100.0, T, sigma, 1.0, False) == 10.0
    at_the_strike = black76_greeks(100.0, 100.0, T, sigma, 0.0, True)
    assert at_the_strike[0] == 0.0
    assert math.isnan(at_the_strike[1])
    assert math.isnan(at_the_strike[2])


def test_deep_wing_keeps_its_digits():
    tail = black76_price(100.0, 400.0, 0.05, 0.6, 1.0, True)
    again = black76_price(100.0, 400.0, 0.05, 0.6 * (1.0 + 1e-9), 1.0, True)
    assert 0.0 < tail < 1e-20
    assert again > tail


@pytest.mark.parametrize("is_call", [True, False])
def test_agrees_with_quantlib(is_call):
    kind = quantlib.Option.Call if is_call else quantlib.Option.Put
    payoff = quantlib.PlainVanillaPayoff(kind, 3300.0)
    other = quantlib.BlackCalculator(payoff, 3000.0, 0.6 * math.sqrt(0.25), math.exp(-0.05 * 0.25))
    price, delta, gamma, vega, *_ = black76_greeks(3000.0, 3300.0, 0.25, 0.6, 0.05, is_call)
    assert price == pytest.approx(other.value(), rel=1e-13)
    assert delta == pytest.approx(other.deltaForward(), rel=1e-13)
    assert gamma == pytest.approx(other.gammaForward(), rel=1e-13)
    assert vega == pytest.approx(other.vega(0.25), rel=1e-13)


def test_bsm_without_carry_is_black():
    spot = dict(zip(BSM_GREEKS, bsm_greeks(100.0, 90.0, 0.5, 0.4, 0.03, 0.03, True), strict=True))
    black = dict(zip(GREEKS, black76_greeks(100.0, 90.0, 0.5, 0.4, 0.03, True), strict=True))
    for name in ("price", "delta", "gamma", "vega", "theta", "vanna", "volga", "charm"):
        assert spot[name] == pytest.approx(black[name], rel=1e-12), name


def test_a_wrong_type_is_refused_instead_of_compiled():
    with pytest.raises(TypeError):
        black76_price("100", 100.0, 1.0, 0.5, 1.0, True)
