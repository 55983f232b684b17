"""Raw SVI slices and their jump-wing form, with bounds, the butterfly check and its repair.

w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), k = ln(K/F), w = vol^2 T. Bounds: b >= 0, |rho| < 1,
sigma > 0, a + b sigma sqrt(1 - rho^2) >= 0, and Lee's b (1 + |rho|) <= 2. No butterfly arbitrage: g(k) >= 0.

Source: Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces, 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models.svi_kernels import butterfly_minimum, svi_point, svi_variance_into

CHECK_POINTS: Final = 601
REPAIR_HALVINGS: Final = 40


class SviBoundsError(ValueError):
    """Parameters outside the bounds of a slice."""


class ButterflyError(ValueError):
    """A slice with butterfly arbitrage that no repair removes."""


@dataclass(frozen=True, slots=True)
class RawSvi:
    """One expiry's total variance by log-moneyness.

    Raises:
        SviBoundsError: on construction outside the bounds (Lee's bound is reported by `within_lee`).
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def __post_init__(self) -> None:
        finite = all(math.isfinite(value) for value in (self.a, self.b, self.rho, self.m, self.sigma))
        if not finite or self.b < 0.0 or not abs(self.rho) < 1.0 or not self.sigma > 0.0:
            raise SviBoundsError(f"expected finite a, m, b >= 0, |rho| < 1, sigma > 0, found {self!r}")
        if self.least_variance < -1e-15:
            raise SviBoundsError(f"expected least variance >= 0, found {self.least_variance!r} in {self!r}")

    @classmethod
    def from_array(cls, raw: NDArray[np.float64]) -> RawSvi:
        """From the kernels' (a, b, rho, m, sigma)."""
        a, b, rho, m, sigma = (float(value) for value in raw)
        return cls(a, b, rho, m, sigma)

    def as_array(self) -> NDArray[np.float64]:
        """(a, b, rho, m, sigma), as the kernels take them."""
        return np.array([self.a, self.b, self.rho, self.m, self.sigma])

    @property
    def least_variance(self) -> float:
        """The lowest total variance of the slice."""
        return self.a + self.b * self.sigma * math.sqrt(1.0 - self.rho * self.rho)

    @property
    def within_lee(self) -> bool:
        """Whether both wings respect Lee's moment bound."""
        return self.b * (1.0 + abs(self.rho)) <= 2.0

    def point(self, k: float) -> tuple[float, float, float, float]:
        """(w, dw/dk, d2w/dk2, g) at one log-moneyness."""
        return svi_point(k, self.a, self.b, self.rho, self.m, self.sigma)

    def variance(self, k: float) -> float:
        """Total variance at one log-moneyness."""
        return self.point(k)[0]

    def variances(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        """Total variance at each log-moneyness."""
        out = np.empty(k.size)
        svi_variance_into(np.ascontiguousarray(k, dtype=np.float64), self.as_array(), out)
        return out

    def butterfly(
        self, low: float = -1.5, high: float = 1.5, points: int = CHECK_POINTS
    ) -> tuple[float, float]:
        """(least g, where) on an even grid; negative means butterfly arbitrage."""
        return butterfly_minimum(self.as_array(), low, high, points)

    def raised(self, by: float) -> RawSvi:
        """The same smile with `by` more total variance everywhere."""
        return replace(self, a=self.a + by)


@dataclass(frozen=True, slots=True)
class JumpWings:
    """The traded view of a slice: ATM variance, ATM skew, put and call wing slope, least variance."""

    v: float
    psi: float
    p: float
    c: float
    v_tilde: float


def to_jump_wings(raw: RawSvi, years: float) -> JumpWings:
    """Jump-wing parameters of a slice.

    Raises:
        SviBoundsError: no time to expiry, or no variance at the money.
    """
    w0 = raw.variance(0.0)
    if not (years > 0.0 and w0 > 0.0):
        raise SviBoundsError(f"expected T > 0 and ATM variance > 0, found T={years!r}, w(0)={w0!r}")
    root = math.sqrt(w0)
    return JumpWings(
        v=w0 / years,
        psi=0.5 * raw.b * (raw.rho - raw.m / math.hypot(raw.m, raw.sigma)) / root,
        p=raw.b * (1.0 - raw.rho) / root,
        c=raw.b * (1.0 + raw.rho) / root,
        v_tilde=raw.least_variance / years,
    )


def from_jump_wings(wings: JumpWings, years: float) -> RawSvi:
    """The slice with these jump-wing parameters.

    With rho = sin A and m/sqrt(m^2 + sigma^2) = sin B, the ATM level above the least variance is
    2 b r sin^2((A - B)/2), r = sqrt(m^2 + sigma^2): no cancellation.

    Raises:
        SviBoundsError: no slice has them (or, for v = v_tilde, many have).
    """
    w0 = wings.v * years
    if not (w0 > 0.0 and wings.p >= 0.0 and wings.c >= 0.0 and wings.p + wings.c > 0.0):
        raise SviBoundsError(f"expected v, T > 0, p, c >= 0 and not both 0, found {wings!r}, T={years!r}")
    root = math.sqrt(w0)
    b = 0.5 * root * (wings.c + wings.p)
    rho = (wings.c - wings.p) / (wings.c + wings.p)
    lean = rho - 2.0 * wings.psi * root / b
    if not (abs(rho) < 1.0 and abs(lean) < 1.0):
        raise SviBoundsError(f"expected psi between -p/2 and c/2 and both wings > 0, found {wings!r}")
    opening = 2.0 * math.sin(0.5 * (math.asin(lean) - math.asin(rho))) ** 2
    height = (wings.v - wings.v_tilde) * years
    if not (opening > 0.0 and height > 0.0):
        raise SviBoundsError(
            f"expected v_tilde < v with skew psi != 0 at the least variance, found {wings!r}"
        )
    radius = height / (b * opening)
    sigma = radius * math.sqrt(1.0 - lean * lean)
    a = wings.v_tilde * years - b * sigma * math.sqrt(1.0 - rho * rho)
    return RawSvi(a, b, rho, radius * lean, sigma)


def repaired_wings(wings: JumpWings) -> JumpWings:
    """Gatheral and Jacquier's arbitrage-free neighbour: c' = p + 2 psi, v~' = 4 v p c'/(p + c')^2."""
    call_wing = wings.p + 2.0 * wings.psi
    lowest = 4.0 * wings.v * wings.p * call_wing / (wings.p + call_wing) ** 2
    return replace(wings, c=call_wing, v_tilde=lowest)


def repair_butterfly(raw: RawSvi, years: float, low: float = -1.5, high: float = 1.5) -> RawSvi:
    """The slice itself if g >= 0 on [low, high], else the nearest one on the way to its repaired neighbour.

    (c, v~) move along a straight line by the least share, found by bisection, that removes the arbitrage; ATM
    level, ATM skew and put wing stay.

    Raises:
        ButterflyError: the repaired neighbour has arbitrage too (p or c' not positive).
    """
    if raw.butterfly(low, high)[0] >= 0.0:
        return raw
    try:
        wings = to_jump_wings(raw, years)
        goal = repaired_wings(wings)
        mended = from_jump_wings(goal, years)
    except SviBoundsError as error:
        raise ButterflyError(f"expected a slice that can be repaired, found {raw!r}: {error}") from error
    if not mended.butterfly(low, high)[0] >= 0.0:  # nor NaN: a skew of almost nothing repairs to no slice
        raise ButterflyError(f"expected g >= 0 after repair on [{low}, {high}], found less in {mended!r}")
    good, bad = 1.0, 0.0
    for _ in range(REPAIR_HALVINGS):
        share = 0.5 * (good + bad)
        c = wings.c + share * (goal.c - wings.c)
        v_tilde = wings.v_tilde + share * (goal.v_tilde - wings.v_tilde)
        try:
            trial = from_jump_wings(replace(wings, c=c, v_tilde=v_tilde), years)
            clean = trial.butterfly(low, high)[0] >= 0.0
        except SviBoundsError:
            clean = False
        if clean:
            good, mended = share, trial
        else:
            bad = share
    return mended
