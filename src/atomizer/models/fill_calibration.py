"""Calibration of the fill intensity A exp(-k d) from traded depths, and of sigma from mid prices.

A depth is how far from the previous mid the farthest trade of a step went, price units. Only the near range
carries the quotes: the choice of range moves k by a factor of 2.5, so it is an argument, not a constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, finite, positive

Vector = NDArray[np.float64]
MIN_COUNT = 10


@dataclass(frozen=True, slots=True)
class IntensityFit:
    """A (per time), k (per price), the standard error of k, and how many observations carry it."""

    intensity: float
    decay: float
    decay_error: float
    observations: int

    def rate(self, distance: float) -> float:
        """Fills per time at a distance."""
        return self.intensity * math.exp(-self.decay * distance)


def fit_depths(depths: ArrayLike, duration: float, *, nearest: float = 0.0) -> IntensityFit:
    """Maximum likelihood from independent depths: k = 1/mean(depth - d0), A = (n/duration) exp(k d0).

    Args:
        depths: depth of every order, price units.
        duration: time they were observed over.
        nearest: d0; depths at or below it are left out.

    Raises:
        ModelInputError: duration not above 0, a depth not finite, fewer than 10 depths beyond `nearest`.
    """
    positive(duration=duration)
    finite(nearest=nearest)
    values = np.asarray(depths, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ModelInputError("depths", "finite numbers", "NaN or infinity")
    beyond = values[values > nearest] - nearest
    if beyond.size < MIN_COUNT:
        raise ModelInputError("depths", f"at least {MIN_COUNT} beyond {nearest:g}", int(beyond.size))
    k = 1.0 / float(beyond.mean())
    a = beyond.size / duration * math.exp(k * nearest)
    return IntensityFit(a, k, k / math.sqrt(beyond.size), int(beyond.size))


def fit_step_maxima(
    depths: ArrayLike, step: float, levels: ArrayLike, *, min_count: int = MIN_COUNT
) -> IntensityFit:
    """Weighted least squares of ln lambda(d) = ln A - k d over chosen levels.

    lambda(d) = #(steps with depth > d) / (n step). Counts are nested, so each level is weighted by its
    count and levels with fewer than `min_count` are dropped; an unweighted fit would be ruled by the empty
    tail.

    Args:
        depths: farthest traded depth of every step, 0 or NaN where nothing traded.
        step: length of a step, time.
        levels: distances to fit over, the near range, price units.
        min_count: least count of a level.

    Raises:
        ModelInputError: step not above 0, no step, fewer than 2 levels with enough counts, or no decay.
    """
    positive(step=step)
    values = np.nan_to_num(np.asarray(depths, dtype=np.float64), nan=0.0)
    grid = np.sort(np.asarray(levels, dtype=np.float64))
    if values.size == 0 or not np.isfinite(grid).all():
        raise ModelInputError("depths", "at least one step and finite levels", values.size)
    counts = np.array([np.count_nonzero(values > level) for level in grid], dtype=np.float64)
    kept = counts >= max(min_count, 1)
    if np.count_nonzero(kept) < 2:
        raise ModelInputError("levels", f"2 levels with at least {min_count} counts", counts.tolist())
    x, n = grid[kept], counts[kept]
    y = np.log(n / (values.size * step))
    centre = float(np.average(x, weights=n))
    spread = float(np.sum(n * (x - centre) ** 2))
    k = -float(np.sum(n * (x - centre) * y)) / spread
    if not k > 0.0:
        raise ModelInputError("depths", "fewer trades at larger depths", f"slope {-k:g}")
    a = math.exp(float(np.average(y, weights=n)) + k * centre)
    return IntensityFit(a, k, k / math.sqrt(float(n[0])), int(n[0]))


def absolute_volatility_of_mids(mids: ArrayLike, step: float) -> float:
    """sigma in price units per sqrt(time): root mean square of mid changes over sqrt(step), mean taken as
    zero.

    Tick noise biases it up: sample at 1-5 s, or use `volatility.bipower`.

    Raises:
        ModelInputError: fewer than 2 mids, one not finite, step not above 0.
    """
    positive(step=step)
    values = np.asarray(mids, dtype=np.float64)
    if values.size < 2 or not np.isfinite(values).all():
        raise ModelInputError("mids", "at least 2 finite prices", values.size)
    return math.sqrt(float(np.mean(np.diff(values) ** 2)) / step)
