"""SSVI through all expiries: recovery, freedom from arbitrage, refusals; array forms of the small kernels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from atomizer.models.averaged import averaged_greeks, averaged_greeks_into
from atomizer.models.black import (
    black76_higher,
    black76_higher_into,
    bsm_greeks,
    bsm_greeks_into,
)
from atomizer.models.calibration import BadQuotesError, TooFewQuotesError, VolBands
from atomizer.models.joint import fit_ssvi
from atomizer.models.ssvi import Ssvi

TRUE = Ssvi(-0.25, 1.1, 0.4)
TIMES = (7 / 365, 30 / 365, 90 / 365)
THETAS = (0.007, 0.03, 0.09)


def quotes(noise=0.0, count=15):
    rng = np.random.default_rng(3)
    out = []
    for years, theta in zip(TIMES, THETAS, strict=True):
        k = np.linspace(-2.0, 2.0, count) * math.sqrt(theta)
        w = np.array([TRUE.variance(float(x), theta) for x in k]) * (1.0 + noise * rng.uniform(-1, 1, count))
        low, high = np.sqrt(0.98 * w / years), np.sqrt(1.02 * w / years)
        out.append(VolBands(3000.0, years, 3000.0 * np.exp(k), low, high))
    return out


def test_exact_quotes_give_the_shape_back():
    fit = fit_ssvi(quotes())
    assert fit.thetas == pytest.approx(THETAS, rel=1e-9)
    assert (fit.shape.rho, fit.shape.eta, fit.shape.gamma) == pytest.approx((-0.25, 1.1, 0.4), rel=1e-5)


def test_noisy_quotes_give_a_surface_without_arbitrage():
    fit = fit_ssvi(quotes(noise=0.3))
    assert fit.shape.globally_free
    assert fit.shape.calendar_free(fit.thetas)
    for theta in fit.thetas:
        assert fit.shape.slice(theta).butterfly()[0] >= 0.0


def test_quotes_that_give_no_shape_are_refused():
    some = quotes()
    with pytest.raises(BadQuotesError, match="order of time"):
        fit_ssvi(some[::-1])
    with pytest.raises(TooFewQuotesError, match="too few quotes"):
        fit_ssvi([])
    one = some[0]
    upper = VolBands(one.forward, one.years, one.strikes[8:], one.bid_vols[8:], one.ask_vols[8:])
    with pytest.raises(BadQuotesError, match="both sides"):
        fit_ssvi([upper])


def test_array_forms_give_the_same_bits_as_the_scalar_forms():
    rng = np.random.default_rng(5)
    n = 20
    F, K = rng.uniform(50.0, 150.0, n), rng.uniform(50.0, 150.0, n)
    T, sigma = rng.uniform(0.01, 1.0, n), rng.uniform(0.1, 1.0, n)
    rate, dividend = rng.uniform(0.0, 0.1, n), rng.uniform(0.0, 0.1, n)
    is_call = rng.random(n) < 0.5
    higher, spot, average = np.empty((3, n)), np.empty((10, n)), np.empty((7, n))
    black76_higher_into(F, K, T, sigma, rate, higher)
    bsm_greeks_into(F, K, T, sigma, rate, dividend, is_call, spot)
    averaged_greeks_into(100.0, 101.0, K, sigma, 900.0, 1800.0, 30, is_call, average)
    for i in range(n):
        side = bool(is_call[i])
        assert tuple(higher[:, i]) == black76_higher(F[i], K[i], T[i], sigma[i], rate[i])
        assert tuple(spot[:, i]) == bsm_greeks(F[i], K[i], T[i], sigma[i], rate[i], dividend[i], side)
        assert tuple(average[:, i]) == averaged_greeks(100.0, 101.0, K[i], sigma[i], 900.0, 1800.0, 30, side)
