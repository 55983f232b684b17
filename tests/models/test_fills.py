"""Fill intensities, their calibration, and the hit ratio of RFQs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models import fill_calibration, glft
from atomizer.models.fill_intensity import (
    Exponential,
    Logistic,
    best_distance,
    curvature,
    quadratic_distances,
)
from atomizer.models.hit_ratio import HitRatio, fit_hit_ratio
from atomizer.models.inputs import ModelInputError

intensities = st.one_of(
    st.builds(Exponential, rate=st.floats(0.1, 100.0), decay=st.floats(0.1, 10.0)),
    st.builds(Logistic, rate=st.floats(0.1, 100.0), alpha=st.floats(-3.0, 3.0), beta=st.floats(0.1, 10.0)),
)


@given(intensities, st.floats(-5.0, 5.0))
@settings(max_examples=60)
def test_best_distance_maximises_the_flow_of_value(intensity: Exponential | Logistic, p: float) -> None:
    best = best_distance(intensity, p)
    value = intensity.derivatives(best)[0] * (best - p)
    for nudge in (0.9, 0.99, 1.01, 1.1):
        d = p + (best - p) * nudge
        assert intensity.derivatives(d)[0] * (d - p) <= value * (1.0 + 1e-12)


@given(intensities, st.floats(-5.0, 5.0), st.floats(0.0, 5.0))
@settings(max_examples=60)
def test_dearer_inventory_is_quoted_further_away(
    intensity: Exponential | Logistic, p: float, more: float
) -> None:
    assert best_distance(intensity, p + more) >= best_distance(intensity, p) - 1e-9


@given(st.floats(0.05, 1.0), st.floats(0.1, 10.0), st.floats(0.1, 3.0))
def test_cara_distance_of_an_exponential_is_the_logarithm(xi: float, k: float, size: float) -> None:
    found = best_distance(Exponential(7.0, k), 0.3, xi=xi, size=size)
    assert found == pytest.approx(0.3 + math.log1p(xi * size / k) / (xi * size), rel=1e-12)


@given(st.floats(-5.0, 5.0))
def test_exponential_flow_gives_the_glft_closed_form(q: float) -> None:
    bid, ask = quadratic_distances(Exponential(14.0, 1.5), q, gamma=0.1, sigma=2.0, size=2.0)
    p = glft.GlftParameters(0.1, 2.0, 14.0, 14.0, 1.5, 20, lot=2.0)
    half, skew, _ = glft.closed_form(p)
    assert (bid, ask) == pytest.approx((half + skew * q, half - skew * q), rel=1e-9, abs=1e-9)


def test_curvature_of_an_exponential() -> None:
    assert curvature(Exponential(14.0, 1.5)) == pytest.approx(14.0 * 1.5 / math.e, rel=1e-12)


def test_rising_intensity_is_refused() -> None:
    with pytest.raises(ModelInputError, match="intensity"):
        best_distance(Exponential(5.0, -1.0), 0.0)


def test_intensity_and_decay_are_recovered_from_exponential_depths() -> None:
    draw = np.random.default_rng(5)
    depths = draw.exponential(1.0 / 1.7, 20_000)
    fit = fill_calibration.fit_depths(depths, 2000.0, nearest=0.2)
    assert fit.decay == pytest.approx(1.7, abs=3.0 * fit.decay_error)
    assert fit.intensity == pytest.approx(10.0, rel=0.05)


def test_intensity_and_decay_are_recovered_from_step_maxima() -> None:
    draw = np.random.default_rng(6)
    counts = draw.poisson(0.05, 60_000)
    depths = np.array([draw.exponential(1.0 / 1.7, n).max() if n else 0.0 for n in counts])
    fit = fill_calibration.fit_step_maxima(depths, 0.1, np.arange(0.0, 1.5, 0.1))
    assert fit.decay == pytest.approx(1.7, rel=0.06)
    assert fit.rate(0.5) == pytest.approx(0.5 * math.exp(-0.85), rel=0.06)


def test_empty_tail_levels_do_not_change_the_fit() -> None:
    draw = np.random.default_rng(7)
    depths = draw.exponential(1.0, 3000)
    near = fill_calibration.fit_step_maxima(depths, 0.1, np.arange(0.0, 2.0, 0.1))
    far = fill_calibration.fit_step_maxima(
        depths, 0.1, np.concatenate((np.arange(0.0, 2.0, 0.1), [50.0, 80.0]))
    )
    assert far == near


def test_too_few_depths_are_refused() -> None:
    with pytest.raises(ModelInputError, match="depths"):
        fill_calibration.fit_depths([1.0] * 5, 10.0)


def test_depths_without_decay_are_refused() -> None:
    with pytest.raises(ModelInputError, match="depths"):
        fill_calibration.fit_step_maxima([5.0] * 50, 0.1, [0.0, 1.0, 2.0])


def test_sigma_of_a_random_walk() -> None:
    draw = np.random.default_rng(8)
    mids = 3000.0 + np.cumsum(draw.normal(0.0, 0.5 * math.sqrt(2.0), 20_000))
    assert fill_calibration.absolute_volatility_of_mids(mids, 2.0) == pytest.approx(0.5, rel=0.03)


def test_hit_ratio_is_recovered_within_three_standard_errors() -> None:
    draw = np.random.default_rng(9)
    margins = draw.uniform(0.0, 5.0, 5000)
    won = draw.random(5000) < 1.0 / (1.0 + np.exp(-1.0 + 0.8 * margins))
    fit = fit_hit_ratio(margins, won)
    assert fit.alpha == pytest.approx(-1.0, abs=3.0 * fit.alpha_error)
    assert fit.beta == pytest.approx(0.8, abs=3.0 * fit.beta_error)


@given(st.floats(-5.0, 5.0), st.floats(0.05, 20.0), st.floats(-3.0, 3.0))
def test_best_margin_earns_the_most(alpha: float, beta: float, cost: float) -> None:
    model = HitRatio(alpha, beta)
    best = model.best_margin(cost)
    earned = model.probability(best) * (best - cost)
    for nudge in (0.9, 0.99, 1.01, 1.1):
        margin = cost + (best - cost) * nudge
        assert model.probability(margin) * (margin - cost) <= earned * (1.0 + 1e-9)


@given(st.floats(-5.0, 5.0), st.floats(0.05, 20.0), st.floats(0.0, 5.0))
def test_dearer_quotes_win_less(alpha: float, beta: float, more: float) -> None:
    model = HitRatio(alpha, beta)
    assert model.probability(1.0 + more) <= model.probability(1.0)


@pytest.mark.parametrize(
    ("margins", "won"),
    [
        ([1.0, 2.0, 3.0], [1, 1, 1]),
        ([1.0, 2.0, 3.0, 4.0], [1, 1, 0, 0]),
        ([1.0, math.nan, 3.0], [1, 0, 1]),
        ([1.0, 1.0, 1.0], [1, 0, 1]),
        ([1.0, 2.0], [1, 0]),
    ],
)
def test_outcomes_without_a_best_fit_are_refused(margins: list[float], won: list[int]) -> None:
    with pytest.raises(ModelInputError):
        fit_hit_ratio(margins, won)


def test_hit_ratio_that_rises_with_margin_has_no_best_margin() -> None:
    with pytest.raises(ModelInputError, match="beta"):
        HitRatio(0.0, -1.0).best_margin()
