"""Risk of several instruments together: signed exposures and their correlation.

An exposure is position x price x volatility, signed like the position; taking its size would make a hedge
look like a second risk. Currency per sqrt(time of the volatility).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, finite, non_negative, within

Vector = NDArray[np.float64]
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class PortfolioRisk:
    """Total standard deviation and what each instrument adds; contributions sum to the total."""

    total: float
    contributions: Vector


def exposure(position: float, price: float, volatility: float) -> float:
    """Signed exposure of one instrument: position x price x volatility.

    Raises:
        ModelInputError: a number not finite, price or volatility below 0.
    """
    finite(position=position)
    non_negative(price=price, volatility=volatility)
    return position * price * volatility


def pair_risk(first: float, second: float, correlation: float) -> float:
    """sqrt(a^2 + b^2 + 2 rho a b) of two signed exposures: a perfect hedge is 0.

    Raises:
        ModelInputError: an exposure not finite, a correlation outside [-1, 1].
    """
    finite(first=first, second=second)
    within(-1.0, 1.0, correlation=correlation)
    return math.sqrt(max(first * first + second * second + 2.0 * correlation * first * second, 0.0))


def portfolio_risk(exposures: ArrayLike, correlation: ArrayLike) -> PortfolioRisk:
    """sqrt(e' C e) and the contributions e_i (C e)_i / total.

    Args:
        exposures: signed, one per instrument.
        correlation: matrix with unit diagonal.

    Raises:
        ModelInputError: shapes disagree, NaN, a matrix that is no correlation matrix.
    """
    e = np.asarray(exposures, dtype=np.float64)
    c = np.asarray(correlation, dtype=np.float64)
    n = e.size
    if e.shape != (n,) or c.shape != (n, n) or n == 0:
        raise ModelInputError("correlation", f"shape ({n}, {n})", c.shape)
    if not (np.isfinite(e).all() and np.isfinite(c).all()):
        raise ModelInputError("exposures", "finite numbers", "NaN or infinity")
    if np.abs(c - c.T).max() > _SLACK or np.abs(np.diag(c) - 1.0).max() > _SLACK:
        raise ModelInputError("correlation", "a symmetric matrix with unit diagonal", c.tolist())
    if float(np.linalg.eigvalsh(c)[0]) < -_SLACK * n:
        raise ModelInputError("correlation", "a positive semidefinite matrix", c.tolist())
    pull = c @ e
    total = math.sqrt(max(float(e @ pull), 0.0))
    return PortfolioRisk(total, e * pull / total if total > 0.0 else np.zeros(n))
