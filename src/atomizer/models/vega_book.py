"""Quotes for an options book whose only risk is its total vega (constant-vega approximation).

Delta is hedged away; the book's risk is the volatility factor, so the inventory of every option is one
number, the total vega V, and every quote leans against V in proportion to the option's own vega.
Source: Baldacci, Bergault, Gueant (2021); the closed form is the quadratic approximation with exponential
fills. One option of vega 1 is model B of `glft` with sigma = vol_of_var / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class VegaBookQuoter:
    """Prepared quotes. `slope` (a) in price per vega^2; vegas are per unit of sqrt(variance) for one
    option.
    """

    slope: float
    base: Vector
    vegas: Vector
    sizes: Vector
    vega_limit: float

    def distances(self, total_vega: float) -> tuple[Vector, Vector]:
        """(bid distances, ask distances) per option, in price units, at the book's total vega.

        A side whose fill would take |V| beyond `vega_limit` is NaN: no quote there.

        Raises:
            ModelInputError: `total_vega` not finite.
        """
        finite(total_vega=total_vega)
        own = self.sizes * self.vegas
        bid = self.base + self.slope * self.vegas * (2.0 * total_vega + own)
        ask = self.base - self.slope * self.vegas * (2.0 * total_vega - own)
        bid[np.abs(total_vega + own) > np.maximum(self.vega_limit, abs(total_vega))] = np.nan
        ask[np.abs(total_vega - own) > np.maximum(self.vega_limit, abs(total_vega))] = np.nan
        return bid, ask


def vega_book_quoter(
    gamma: float,
    vol_of_var: float,
    vegas: ArrayLike,
    intensity: ArrayLike,
    decay: ArrayLike,
    sizes: ArrayLike,
    *,
    vega_limit: float = float("inf"),
) -> VegaBookQuoter:
    """Solve the constant-vega approximation once per parameter set.

    Args:
        gamma: risk aversion, 1/currency.
        vol_of_var: volatility of the variance, d nu = .. + vol_of_var sqrt(nu) dW (per sqrt of the time
            unit).
        vegas: vega of one option w.r.t. sqrt(variance), currency.
        intensity: fills per time at zero distance.
        decay: decay k of the fill intensity, 1/price.
        sizes: trade size per option.
        vega_limit: quotes are withdrawn on a side whose fill would raise |V| beyond it; infinite: never.

    Raises:
        ModelInputError: shapes disagree, a number not finite or of the wrong sign.
    """
    positive(gamma=gamma)
    non_negative(vol_of_var=vol_of_var)
    if not vega_limit > 0.0:
        raise ModelInputError("vega_limit", "a number above 0 (inf for none)", vega_limit)
    v, a, k, z = (np.asarray(x, dtype=np.float64) for x in (vegas, intensity, decay, sizes))
    if not (v.ndim == 1 and v.shape == a.shape == k.shape == z.shape and v.size > 0):
        raise ModelInputError("vegas", "vectors of one length for vegas, intensity, decay, sizes", v.shape)
    if not np.isfinite(v).all():
        raise ModelInputError("vegas", "finite numbers", v.tolist())
    for name, values in (("intensity", a), ("decay", k), ("sizes", z)):
        if not (np.isfinite(values).all() and (values > 0.0).all()):
            raise ModelInputError(name, "finite numbers above 0", values.tolist())
    flow = float(np.sum(z * (a * k / np.e) * v * v))
    if flow <= 0.0:
        raise ModelInputError("vegas", "at least one option with vega", v.tolist())
    slope = float(np.sqrt(gamma * vol_of_var**2 / (32.0 * flow)))
    return VegaBookQuoter(slope, 1.0 / k, v, z, vega_limit)
