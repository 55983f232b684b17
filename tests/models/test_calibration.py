"""Fitting slices: exact recovery, robustness, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.black import black76_price
from atomizer.models.calibration import (
    BadQuotesError,
    CrossedQuotesError,
    TooFewQuotesError,
    VolBands,
    bands_from_prices,
    fit_slice,
    leave_one_out,
)
from atomizer.models.svi import RawSvi

YEARS, FORWARD = 0.1, 3000.0
TRUE = RawSvi(0.01, 0.08, -0.3, 0.02, 0.15)


def bands_of(raw, count=25, width=0.004, years=YEARS):
    reach = 2.2 * math.sqrt(raw.variance(0.0))
    k = np.linspace(-reach, reach, count)
    vols = np.sqrt(raw.variances(k) / years)
    return VolBands(FORWARD, years, FORWARD * np.exp(k), vols - width, vols + width)


def worst_vol_error(fit, raw):
    k = fit.bands.moneyness
    return float(np.max(np.abs(fit.vols(fit.bands.strikes) - np.sqrt(raw.variances(k) / fit.bands.years))))


def symmetric_in_variance(raw, count=25, years=YEARS):
    """Bands whose centre in variance is the slice itself, and a strike at the forward."""
    reach = 2.2 * math.sqrt(raw.variance(0.0))
    k = np.linspace(-reach, reach, count | 1)
    w = raw.variances(k)
    half = 0.01 * w
    return VolBands(
        FORWARD, years, FORWARD * np.exp(k), np.sqrt((w - half) / years), np.sqrt((w + half) / years)
    )


@pytest.mark.parametrize(
    "raw",
    [
        TRUE,
        RawSvi(0.005, 0.05, 0.4, 0.05, 0.2),
        RawSvi(0.03, 0.02, -0.6, -0.05, 0.1),
        RawSvi(2e-3, 0.1, 0.0, 0.0, 0.3),
    ],
)
def test_exact_quotes_give_the_slice_back(raw):
    bands = symmetric_in_variance(raw)
    cold = fit_slice(bands)
    assert worst_vol_error(cold, raw) < 1e-10
    start = RawSvi(raw.a * 1.1, raw.b * 0.9, raw.rho, raw.m, raw.sigma * 1.1)
    assert worst_vol_error(fit_slice(bands, start), raw) < 1e-10
    assert cold.inside.all()


@settings(max_examples=15, deadline=None)
@given(
    st.floats(0.005, 0.2),
    st.floats(0.02, 0.3),
    st.floats(-0.8, 0.8),
    st.floats(-0.1, 0.1),
    st.floats(0.03, 0.3),
    st.integers(0, 10_000),
)
def test_a_fit_never_has_butterfly_arbitrage_and_follows_noisy_quotes(low, b, rho, m, sigma, seed):
    raw = RawSvi(low - b * sigma * math.sqrt(1 - rho * rho), b, rho, m, sigma)
    clean = bands_of(raw, width=0.01, years=0.25)
    noise = np.random.default_rng(seed).uniform(-0.004, 0.004, clean.size)
    fit = fit_slice(VolBands(FORWARD, 0.25, clean.strikes, clean.bid_vols + noise, clean.ask_vols + noise))
    assert fit.butterfly_minimum >= 0.0
    assert fit.raw.within_lee
    if raw.butterfly()[0] >= 0.01:
        assert fit.inside.mean() >= 0.8


def test_one_stale_quote_does_not_bend_the_slice():
    clean = bands_of(TRUE)
    bid, ask = clean.bid_vols.copy(), clean.ask_vols.copy()
    bid[6] += 0.08
    ask[6] += 0.08
    fit = fit_slice(VolBands(FORWARD, YEARS, clean.strikes, bid, ask))
    assert worst_vol_error(fit, TRUE) < 0.002
    assert not fit.inside[6]


@pytest.mark.parametrize("seed", range(8))
def test_quotes_that_hold_arbitrage_still_give_a_slice_without_it(seed):
    rng = np.random.default_rng(seed)
    k = np.linspace(-1.5, 1.5, 12) * 0.05
    vols = rng.uniform(0.1, 2.0, 12)
    fit = fit_slice(VolBands(FORWARD, 0.002, FORWARD * np.exp(k), vols - 0.01, vols + 0.01))
    assert fit.butterfly_minimum >= 0.0
    assert fit.raw.within_lee
    assert fit.raw.least_variance >= 0.0
    assert np.isfinite(fit.vols(fit.bands.strikes)).all()


def test_leave_one_out_on_clean_quotes_is_all_inside():
    assert leave_one_out(bands_of(TRUE, count=12, width=0.006)).all()


def test_too_few_quotes_is_a_typed_refusal():
    few = bands_of(TRUE, count=5)
    with pytest.raises(TooFewQuotesError, match="too few quotes"):
        fit_slice(few)
    one = VolBands(FORWARD, YEARS, few.strikes[:1], few.bid_vols[:1], few.ask_vols[:1])
    with pytest.raises(TooFewQuotesError, match="found 1"):
        fit_slice(one)


def test_bands_come_from_prices_and_leave_sides_without_a_vol_out():
    strikes = np.array([2500.0, 2800.0, 3000.0, 3300.0, 9000.0])
    is_call = strikes >= FORWARD
    prices = np.array(
        [black76_price(FORWARD, k, YEARS, 0.6, 1.0, bool(c)) for k, c in zip(strikes, is_call, strict=True)]
    )
    bids, asks = prices * 0.99, prices * 1.01
    bids[0] = math.nan
    asks[4] = math.inf
    bands = bands_from_prices(
        forward=FORWARD, years=YEARS, strikes=strikes, is_call=is_call, bids=bids, asks=asks
    )
    assert bands.strikes.tolist() == [2800.0, 3000.0, 3300.0]
    assert (bands.bid_vols < 0.6).all()
    assert (bands.ask_vols > 0.6).all()


def test_crossed_prices_and_vols_are_refused_with_the_strike():
    strikes = np.array([2800.0, 3000.0])
    with pytest.raises(CrossedQuotesError, match="3000"):
        bands_from_prices(
            forward=FORWARD,
            years=YEARS,
            strikes=strikes,
            is_call=np.array([False, True]),
            bids=np.array([50.0, 210.0]),
            asks=np.array([55.0, 200.0]),
        )
    with pytest.raises(CrossedQuotesError, match="2800"):
        VolBands(FORWARD, YEARS, strikes, np.array([0.7, 0.5]), np.array([0.6, 0.6]))


@pytest.mark.parametrize(
    ("forward", "years", "strikes", "bid"),
    [
        (math.nan, YEARS, [2800.0, 3000.0], [0.5, 0.5]),
        (FORWARD, 0.0, [2800.0, 3000.0], [0.5, 0.5]),
        (FORWARD, YEARS, [3000.0, 2800.0], [0.5, 0.5]),
        (FORWARD, YEARS, [2800.0, 3000.0], [0.5, math.nan]),
        (FORWARD, YEARS, [2800.0, 3000.0], [0.5, -0.1]),
        (FORWARD, YEARS, [2800.0, 3000.0], [0.5]),
    ],
)
def test_bad_quotes_are_refused(forward, years, strikes, bid):
    with pytest.raises(BadQuotesError, match="expected"):
        VolBands(forward, years, np.array(strikes), np.array(bid), np.full(len(strikes), 0.6))
