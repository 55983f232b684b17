from __future__ import annotations

import math

import numpy as np
import pytest

from atomizer.models import volatility
from atomizer.models.inputs import ModelInputError

SIGMA = 0.8
RANGE_ESTIMATORS = (
    volatility.parkinson,
    volatility.garman_klass,
    volatility.rogers_satchell,
    volatility.yang_zhang,
)
CLOSE_ESTIMATORS = (
    volatility.close_to_close,
    volatility.realised,
    volatility.bipower,
)


def daily_bars(days: int, drift: float = 0.0, steps: int = 800) -> np.ndarray:
    draw = np.random.default_rng(11)
    moves = draw.normal(drift / 365.0 / steps, SIGMA / math.sqrt(365.0 * steps), (days, steps))
    path = 3000.0 * np.exp(np.cumsum(moves.ravel())).reshape(days, steps)
    opens = np.concatenate(([3000.0], path[:-1, -1]))
    high = np.maximum(path.max(axis=1), opens)
    low = np.minimum(path.min(axis=1), opens)
    return np.column_stack((opens, high, low, path[:, -1]))


@pytest.mark.parametrize("estimator", RANGE_ESTIMATORS, ids=lambda f: f.__name__)
def test_range_estimators_find_the_volatility(estimator: object) -> None:
    # discrete sampling misses some of the range: a few per cent low
    assert estimator(daily_bars(500)) == pytest.approx(SIGMA, rel=0.06)  # type: ignore[operator]


@pytest.mark.parametrize("estimator", CLOSE_ESTIMATORS, ids=lambda f: f.__name__)
def test_close_estimators_find_the_volatility(estimator: object) -> None:
    assert estimator(daily_bars(1500, steps=20)[:, 3]) == pytest.approx(SIGMA, rel=0.08)  # type: ignore[operator]


def test_drift_does_not_move_rogers_satchell() -> None:
    trending = daily_bars(500, drift=20.0)
    assert volatility.rogers_satchell(trending) == pytest.approx(SIGMA, rel=0.06)
    assert volatility.parkinson(trending) > SIGMA


@pytest.mark.parametrize("estimator", RANGE_ESTIMATORS, ids=lambda f: f.__name__)
def test_annualised_by_elapsed_time(estimator: object) -> None:
    bars = daily_bars(20)
    hourly = estimator(bars, volatility.DAY / 24.0)  # type: ignore[operator]
    assert hourly == pytest.approx(estimator(bars) * math.sqrt(24.0))  # type: ignore[operator]


def test_irregular_times_count_by_their_length() -> None:
    prices = [100.0, 101.0, 99.0]
    quick = volatility.realised_irregular(prices, [0.0, 0.001, 0.002])
    slow = volatility.realised_irregular(prices, [0.0, 0.001, 0.008])
    assert quick == pytest.approx(2.0 * slow)


def test_regular_times_agree_with_realised() -> None:
    prices = [100.0, 101.0, 99.0, 100.5]
    times = [i * volatility.DAY for i in range(4)]
    assert volatility.realised_irregular(prices, times) == pytest.approx(volatility.realised(prices))


def test_bipower_shrugs_off_a_jump() -> None:
    closes = daily_bars(500, steps=10)[:, 3].copy()
    closes[250:] *= 1.5
    assert volatility.bipower(closes) < 0.95 * volatility.realised(closes)


def test_ewma_without_decay_is_the_last_return() -> None:
    assert volatility.ewma([100.0, 120.0, 121.0], 0.0) == pytest.approx(
        math.log(121.0 / 120.0) * math.sqrt(365.0)
    )


def test_flat_prices_have_no_volatility() -> None:
    assert volatility.realised([5.0, 5.0, 5.0]) == 0.0


@pytest.mark.parametrize(
    "bad",
    [
        lambda: volatility.realised([100.0]),
        lambda: volatility.realised([100.0, math.nan]),
        lambda: volatility.realised([100.0, -1.0]),
        lambda: volatility.close_to_close([100.0, 101.0]),
        lambda: volatility.parkinson([[100.0, 99.0, 98.0, 100.0]]),
        lambda: volatility.yang_zhang([[100.0, 101.0, 99.0, 100.0]] * 2),
        lambda: volatility.parkinson([[100.0, 101.0, 99.0, 100.0]], 0.0),
        lambda: volatility.ewma([100.0, 101.0], 1.5),
        lambda: volatility.realised_irregular([100.0, 101.0], [0.0, 0.0]),
    ],
)
def test_bad_samples_are_refused(bad: object) -> None:
    with pytest.raises(ModelInputError):
        bad()  # type: ignore[operator]
