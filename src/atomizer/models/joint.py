"""One SSVI shape through the quotes of all expiries: coarser than slices, but free of arbitrage by build.

For expiries with too few quotes of their own, and as a second opinion on the slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from atomizer.models.calibration import (
    LEAST_QUOTES,
    BadQuotesError,
    FitFailedError,
    TooFewQuotesError,
    VolBands,
    targets,
)
from atomizer.models.ssvi import Ssvi
from atomizer.models.ssvi_kernels import fit_ssvi_shape

STARTS: Final = ((0.0, 1.0, 0.4), (-0.4, 1.0, 0.25), (0.4, 0.8, 0.25))


@dataclass(frozen=True, slots=True)
class SsviFit:
    """The shape, the ATM total variance of each expiry in order, and the loss (a sum over quotes)."""

    shape: Ssvi
    thetas: tuple[float, ...]
    loss: float


def fit_ssvi(expiries: Sequence[VolBands]) -> SsviFit:
    """Fit one shape to several expiries, given in order of time.

    ATM variances come from the quotes around the forward and are not let fall with expiry.

    Raises:
        BadQuotesError: expiries out of order, or one whose quotes do not span its forward.
        TooFewQuotesError: fewer than `LEAST_QUOTES` quotes in all.
        FitFailedError: the search ended without a shape.
    """
    times = [bands.years for bands in expiries]
    if times != sorted(set(times)):
        raise BadQuotesError(f"expected expiries in order of time, found T={times}")
    count = sum(bands.size for bands in expiries)
    if count < LEAST_QUOTES:
        raise TooFewQuotesError(f"too few quotes: expected at least {LEAST_QUOTES} in all, found {count}")
    rows = [targets(bands) for bands in expiries]
    thetas: list[float] = []
    for bands, (k, middle, _) in zip(expiries, rows, strict=True):
        if not k[0] < 0.0 < k[-1]:
            raise BadQuotesError(f"expected quotes on both sides of the forward at T={bands.years:.6f}")
        theta = float(middle[int(np.searchsorted(k, 0.0))])
        thetas.append(max([theta, *thetas[-1:]]))
    ks, middles, halves = (np.concatenate(column) for column in zip(*rows, strict=True))
    by_quote = np.repeat(thetas, [row[0].size for row in rows])
    best, found = np.inf, np.empty(3)
    for start in STARTS:
        shape = np.array(start)
        loss = fit_ssvi_shape(ks, by_quote, middles, halves, shape)
        if loss < best:
            best, found = loss, shape
    if not np.isfinite(best):
        raise FitFailedError(
            f"expected a shape through {count} quotes, found none; check forwards and quotes"
        )
    rho, eta, gamma = (float(value) for value in found)
    return SsviFit(Ssvi(rho, eta, gamma), tuple(thetas), float(best))
