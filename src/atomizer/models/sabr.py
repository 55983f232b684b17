"""SABR lognormal vol after Hagan et al. 2002, eq. 2.17a; its wings have arbitrage for long expiries.

Units: F, K in the quote currency, T in years, alpha in vol times F^(1 - beta), nu per sqrt(year).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel


@kernel("f8(f8,f8,f8,f8,f8,f8,f8)")
def sabr_vol(F: float, K: float, T: float, alpha: float, beta: float, nu: float, rho: float) -> float:
    """Black vol per sqrt(year); NaN for F, K, alpha <= 0, T < 0, nu < 0, |rho| >= 1, beta outside [0, 1]."""
    positive = 0.0 < F < math.inf and 0.0 < K < math.inf and 0.0 < alpha < math.inf and 0.0 <= T < math.inf
    if not (positive and 0.0 <= nu < math.inf and abs(rho) < 1.0 and 0.0 <= beta <= 1.0):
        return math.nan
    complement = 1.0 - beta
    ratio = (F - K) / K
    x = math.log1p(ratio) if -0.5 < ratio < 0.5 else math.log(F / K)
    middle: float = math.pow(F * K, 0.5 * complement)
    spread = complement * x
    denominator = middle * (1.0 + spread * spread / 24.0 + spread * spread * spread * spread / 1920.0)
    z = nu / alpha * middle * x
    if abs(z) < 1e-4:
        # z / chi(z) around 0
        stretch = 1.0 - 0.5 * rho * z + (2.0 - 3.0 * rho * rho) / 12.0 * z * z
        stretch += rho * (5.0 - 6.0 * rho * rho) / 24.0 * z * z * z
    else:
        root = math.sqrt(1.0 - 2.0 * rho * z + z * z)
        # chi = ln((root + z - rho)/(1 - rho)), written so that neither end loses digits
        above_one = z * (z - 2.0 * rho) / (root + 1.0)  # root - 1
        up, down = (above_one + z) / (1.0 - rho), (above_one - z) / (1.0 + rho)
        chi = math.log1p(up) if z >= 0.0 else -math.log1p(down)
        stretch = z / chi
    drift = (
        complement * complement / 24.0 * alpha * alpha / (middle * middle)
        + 0.25 * rho * beta * nu * alpha / middle
        + (2.0 - 3.0 * rho * rho) / 24.0 * nu * nu
    )
    return alpha / denominator * stretch * (1.0 + drift * T)


@kernel("void(f8,f8[::1],f8,f8,f8,f8,f8,f8[::1])")
def sabr_vol_into(
    F: float,
    K: NDArray[np.float64],
    T: float,
    alpha: float,
    beta: float,
    nu: float,
    rho: float,
    out: NDArray[np.float64],
) -> None:
    """Vols of one expiry's strikes."""
    for i in range(K.size):
        out[i] = sabr_vol(F, K[i], T, alpha, beta, nu, rho)
