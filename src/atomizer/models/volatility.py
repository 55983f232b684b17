"""Volatility estimators, annualised by elapsed time (365-day years), never by a count of bars per year.

Bars are rows (open, high, low, close) of one length; `bar_years` is that length in years. Results are
relative, per sqrt(year).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, positive, within

Vector = NDArray[np.float64]
DAY = 1.0 / 365.0


def _closes(prices: ArrayLike, least: int) -> Vector:
    values = np.asarray(prices, dtype=np.float64)
    if values.ndim != 1 or values.size < least or not (np.isfinite(values) & (values > 0.0)).all():
        raise ModelInputError("prices", f"at least {least} finite prices above 0", values.shape)
    return values


def _returns(prices: ArrayLike, least: int) -> Vector:
    changes: Vector = np.diff(np.log(_closes(prices, least + 1)))
    return changes


def _bars(bars: ArrayLike, least: int) -> tuple[Vector, Vector, Vector, Vector]:
    values = np.asarray(bars, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 4 or values.shape[0] < least:
        raise ModelInputError("bars", f"at least {least} rows (open, high, low, close)", values.shape)
    if not (np.isfinite(values) & (values > 0.0)).all():
        raise ModelInputError("bars", "finite prices above 0", "a price that is not")
    o, h, low, c = np.log(values).T
    if (h < np.maximum(o, c)).any() or (low > np.minimum(o, c)).any():
        raise ModelInputError("bars", "low <= open, close <= high", "a bar that is not")
    return o, h, low, c


def _annual(variance: float, bar_years: float) -> float:
    return math.sqrt(max(variance, 0.0) / bar_years)


def close_to_close(prices: ArrayLike, bar_years: float = DAY) -> float:
    """Sample standard deviation of log returns (mean removed, n - 1).

    Raises:
        ModelInputError: fewer than 3 prices, one not above 0, bar_years not above 0.
    """
    positive(bar_years=bar_years)
    return _annual(float(_returns(prices, 2).var(ddof=1)), bar_years)


def realised(prices: ArrayLike, bar_years: float = DAY) -> float:
    """Root mean square of log returns, mean taken as zero.

    Raises:
        ModelInputError: fewer than 2 prices, one not above 0, bar_years not above 0.
    """
    positive(bar_years=bar_years)
    return _annual(float(np.mean(_returns(prices, 1) ** 2)), bar_years)


def realised_irregular(prices: ArrayLike, years: ArrayLike) -> float:
    """Realised volatility of prices at any times: sum of squared returns over the elapsed time.

    Args:
        prices: at least 2.
        years: time of each price in years, rising.

    Raises:
        ModelInputError: a price not above 0, times not rising, lengths that disagree.
    """
    times = np.asarray(years, dtype=np.float64)
    changes = _returns(prices, 1)
    if times.shape != (changes.size + 1,) or not np.isfinite(times).all() or (np.diff(times) <= 0.0).any():
        raise ModelInputError("years", "one rising time per price", times.shape)
    return _annual(float(np.sum(changes**2)), float(times[-1] - times[0]))


def ewma(prices: ArrayLike, decay: float = 0.94, bar_years: float = DAY) -> float:
    """Exponentially weighted volatility, seeded with the first squared return.

    Raises:
        ModelInputError: fewer than 2 prices, one not above 0, decay outside [0, 1].
    """
    positive(bar_years=bar_years)
    within(0.0, 1.0, decay=decay)
    squares = _returns(prices, 1) ** 2
    variance = float(squares[0])
    for square in squares[1:]:
        variance = decay * variance + (1.0 - decay) * float(square)
    return _annual(variance, bar_years)


def bipower(prices: ArrayLike, bar_years: float = DAY) -> float:
    """Bipower variation pi/2 mean |r_i||r_(i-1)|: robust to jumps.

    Raises:
        ModelInputError: fewer than 3 prices, one not above 0, bar_years not above 0.
    """
    positive(bar_years=bar_years)
    size = np.abs(_returns(prices, 2))
    return _annual(0.5 * math.pi * float(np.mean(size[1:] * size[:-1])), bar_years)


def parkinson(bars: ArrayLike, bar_years: float = DAY) -> float:
    """(H - L)^2 / (4 ln 2), no drift, no gaps.

    Raises:
        ModelInputError: no bar, a bar whose high or low is not one, bar_years not above 0.
    """
    positive(bar_years=bar_years)
    _, h, low, _ = _bars(bars, 1)
    return _annual(float(np.mean((h - low) ** 2)) / (4.0 * math.log(2.0)), bar_years)


def garman_klass(bars: ArrayLike, bar_years: float = DAY) -> float:
    """(H - L)^2 / 2 - (2 ln 2 - 1)(C - O)^2, no drift, no gaps.

    Raises:
        ModelInputError: as `parkinson`.
    """
    positive(bar_years=bar_years)
    o, h, low, c = _bars(bars, 1)
    terms = 0.5 * (h - low) ** 2 - (2.0 * math.log(2.0) - 1.0) * (c - o) ** 2
    return _annual(float(np.mean(terms)), bar_years)


def _rogers_satchell_terms(o: Vector, h: Vector, low: Vector, c: Vector) -> Vector:
    terms: Vector = (h - o) * (h - c) + (low - o) * (low - c)
    return terms


def rogers_satchell(bars: ArrayLike, bar_years: float = DAY) -> float:
    """u(u - c) + d(d - c) from the open: unbiased under any drift, no gaps.

    Raises:
        ModelInputError: as `parkinson`.
    """
    positive(bar_years=bar_years)
    return _annual(float(np.mean(_rogers_satchell_terms(*_bars(bars, 1)))), bar_years)


def yang_zhang(bars: ArrayLike, bar_years: float = DAY) -> float:
    """Overnight, open-to-close and Rogers-Satchell variance mixed for least variance; drift and gaps allowed.

    The first bar only gives the close before the second; k = 0.34 / (1.34 + (m + 1)/(m - 1)) for m bars.

    Raises:
        ModelInputError: as `parkinson`, fewer than 3 bars.
    """
    positive(bar_years=bar_years)
    o, h, low, c = _bars(bars, 3)
    gap, body = o[1:] - c[:-1], c[1:] - o[1:]
    m = gap.size
    k = 0.34 / (1.34 + (m + 1.0) / (m - 1.0))
    inner = float(np.mean(_rogers_satchell_terms(o[1:], h[1:], low[1:], c[1:])))
    variance = float(gap.var(ddof=1)) + k * float(body.var(ddof=1)) + (1.0 - k) * inner
    return _annual(variance, bar_years)
