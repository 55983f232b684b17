"""SSVI: one smile shape for all expiries, from the ATM total variance theta of each.

w(k, theta) = theta/2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)), phi(theta) = eta / (theta^gamma
(1 + theta)^(1 - gamma)). With eta (1 + |rho|) <= 2 and 0 < gamma <= 1/2 there is no static arbitrage at all
while theta does not fall with expiry.

Source: Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces, 2014, theorems 4.1, 4.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from atomizer.models.ssvi_kernels import ssvi_variance
from atomizer.models.svi import RawSvi, SviBoundsError


@dataclass(frozen=True, slots=True)
class Ssvi:
    """Shape parameters of a power-law SSVI surface.

    Raises:
        SviBoundsError: |rho| >= 1, eta <= 0 or gamma outside (0, 1).
    """

    rho: float
    eta: float
    gamma: float

    def __post_init__(self) -> None:
        if not (abs(self.rho) < 1.0 and 0.0 < self.eta < math.inf and 0.0 < self.gamma < 1.0):
            raise SviBoundsError(f"expected |rho| < 1, eta > 0, 0 < gamma < 1, found {self!r}")

    def phi(self, theta: float) -> float:
        """Curvature scale at ATM total variance theta."""
        return self.eta / (math.pow(theta, self.gamma) * math.pow(1.0 + theta, 1.0 - self.gamma))

    def variance(self, k: float, theta: float) -> float:
        """Total variance at log-moneyness k on the slice with ATM total variance theta."""
        return ssvi_variance(k, theta, self.rho, self.eta, self.gamma)

    def lee_margin(self, theta: float) -> float:
        """theta phi (1 + |rho|): under 4 the wings have no butterfly arbitrage far out."""
        return theta * self.phi(theta) * (1.0 + abs(self.rho))

    def butterfly_margin(self, theta: float) -> float:
        """theta phi^2 (1 + |rho|): at most 4 for no butterfly arbitrage."""
        return theta * self.phi(theta) ** 2 * (1.0 + abs(self.rho))

    def butterfly_free(self, theta: float) -> bool:
        """The sufficient condition on one slice."""
        return self.lee_margin(theta) < 4.0 and self.butterfly_margin(theta) <= 4.0

    @property
    def globally_free(self) -> bool:
        """eta (1 + |rho|) <= 2 and gamma <= 1/2: no static arbitrage for any rising theta."""
        return self.eta * (1.0 + abs(self.rho)) <= 2.0 and self.gamma <= 0.5

    def growth(self, theta: float) -> float:
        """d(theta phi)/d theta."""
        return self.phi(theta) * ((1.0 - self.gamma) + (self.gamma - 1.0) * theta / (1.0 + theta))

    def calendar_free(self, thetas: Sequence[float]) -> bool:
        """Theta does not fall, and 0 <= d(theta phi)/d theta <= (1 + sqrt(1 - rho^2)) phi / rho^2 at each."""
        if any(later < earlier for earlier, later in pairwise(thetas)):
            return False
        for theta in thetas:
            growth = self.growth(theta)
            limit = (1.0 + math.sqrt(1.0 - self.rho * self.rho)) * self.phi(theta)
            if growth < 0.0 or growth * self.rho * self.rho > limit:
                return False
        return True

    def slice(self, theta: float) -> RawSvi:
        """The same slice as raw SVI.

        Raises:
            SviBoundsError: theta is not positive.
        """
        if not 0.0 < theta < math.inf:
            raise SviBoundsError(f"expected ATM total variance > 0, found {theta!r}")
        phi = self.phi(theta)
        width = math.sqrt(1.0 - self.rho * self.rho)
        return RawSvi(
            a=0.5 * theta * (1.0 - self.rho * self.rho),
            b=0.5 * theta * phi,
            rho=self.rho,
            m=-self.rho / phi,
            sigma=width / phi,
        )
