"""Quotes for several correlated assets at once (quadratic approximation, model B or CARA).

One inventory vector, one covariance: a long position in one asset skews the quotes of all correlated ones.
Use it for a perpetual, a future and options hedged to one delta, with the covariance of the residual risks.
Source: Bergault, Evangelista, Gueant, Vieira (2021), closed-form approximation; one asset reproduces the
closed form of `glft`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, positive

Vector = NDArray[np.float64]
_SYMMETRY = 1e-9
_EIGENVALUE_FLOOR = 1e-12  # of the largest: below it, negative eigenvalues are rounding


@dataclass(frozen=True, slots=True)
class MultiAssetQuoter:
    """Prepared quotes: `matrix` is the inventory matrix, `base` the half spread of an uninformed maker.

    Distances are in price units from each asset's reference; inventory in units of each asset.
    """

    base: Vector
    matrix: Vector
    sizes: Vector

    def distances(self, inventory: ArrayLike) -> tuple[Vector, Vector]:
        """(bid distances, ask distances) per asset, in price units.

        Raises:
            ModelInputError: the inventory has another shape or a number that is not finite.
        """
        q = np.asarray(inventory, dtype=np.float64)
        if q.shape != self.base.shape or not np.isfinite(q).all():
            raise ModelInputError("inventory", f"{self.base.size} finite numbers", inventory)
        skew = 2.0 * self.matrix @ q
        centre = self.base + self.sizes * np.diag(self.matrix)
        return centre + skew, centre - skew


def multi_asset_quoter(
    gamma: float,
    covariance: ArrayLike,
    intensity: ArrayLike,
    decay: ArrayLike,
    sizes: ArrayLike,
    *,
    cara: bool = False,
) -> MultiAssetQuoter:
    """Solve the quadratic approximation once per parameter set.

    Args:
        gamma: risk aversion, 1/currency.
        covariance: price covariance per unit of time, (n, n), price^2/time. A factor model B Omega B' +
            diag fits.
        intensity: fill intensity at zero distance per asset, 1/time.
        decay: decay k of the fill intensity per asset, 1/price.
        sizes: order size per asset.
        cara: exponential utility (True) or mean-variance running penalty (False, model B).

    Raises:
        ModelInputError: shapes disagree, a parameter not above 0, covariance not symmetric positive
            semidefinite.
    """
    positive(gamma=gamma)
    sigma = np.asarray(covariance, dtype=np.float64)
    a, k, z = (np.asarray(v, dtype=np.float64) for v in (intensity, decay, sizes))
    n = a.size
    if not (a.shape == k.shape == z.shape == (n,) and sigma.shape == (n, n) and n > 0):
        raise ModelInputError("covariance", f"shape ({n}, {n}) with vectors of {n}", sigma.shape)
    for name, values in (("intensity", a), ("decay", k), ("sizes", z)):
        if not (np.isfinite(values).all() and (values > 0.0).all()):
            raise ModelInputError(name, "finite numbers above 0", values.tolist())
    if cara:
        ratio = gamma * z / k
        base = np.log1p(ratio) / (gamma * z)
        curvature = a * k * np.exp(-(1.0 + 1.0 / ratio) * np.log1p(ratio))
    else:
        base, curvature = 1.0 / k, a * k / np.e
    weights = np.sqrt(z * curvature)
    root = _root(weights[:, None] * sigma * weights[None, :])
    matrix = np.sqrt(gamma / 8.0) * root / weights[:, None] / weights[None, :]
    return MultiAssetQuoter(base, matrix, z)


def _root(matrix: Vector) -> Vector:
    """Symmetric square root of a positive semidefinite matrix.

    Raises:
        ModelInputError: the matrix is not symmetric positive semidefinite.
    """
    scale = float(np.abs(matrix).max())
    if not np.isfinite(scale) or np.abs(matrix - matrix.T).max() > _SYMMETRY * scale:
        raise ModelInputError("covariance", "a finite symmetric matrix", matrix.tolist())
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    if values[0] < -_EIGENVALUE_FLOOR * max(float(values[-1]), 0.0) - 1e-300:
        raise ModelInputError("covariance", "a positive semidefinite matrix", f"eigenvalue {values[0]:g}")
    root: Vector = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
