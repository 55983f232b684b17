"""Slices joined in time: interpolation, event variance, calendar check and repair, sticky rules.

Total variance is linear in time at fixed log-moneyness between slices (so no calendar arbitrage appears where
the slices have none) and grows at constant vol before the first and after the last. Event variance (a
release, an upgrade) is taken out before interpolating and put back for expiries after its time.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from atomizer.models.svi import ButterflyError, RawSvi

CALENDAR_GRID: Final = np.linspace(-1.5, 1.5, 301)
ROUNDING: Final = 1e-12


class SurfaceError(ValueError):
    """Slices or a question that make no surface."""


class CalendarError(SurfaceError):
    """Calendar arbitrage that raising the later slice cannot remove."""


@dataclass(frozen=True, slots=True)
class ExpirySlice:
    """One expiry: years to it, its forward, its smile."""

    years: float
    forward: float
    raw: RawSvi


@dataclass(frozen=True, slots=True)
class EventVariance:
    """Extra total variance that arrives at `years` from now."""

    years: float
    variance: float


@dataclass(frozen=True, slots=True)
class Surface:
    """Slices in order of expiry, with the events between them.

    Raises:
        SurfaceError: no slice, times not increasing, or an event larger than the variance around it.
    """

    slices: tuple[ExpirySlice, ...]
    events: tuple[EventVariance, ...] = ()

    def __post_init__(self) -> None:
        times = [one.years for one in self.slices]
        if not times or times[0] <= 0.0 or any(later <= earlier for earlier, later in pairwise(times)):
            raise SurfaceError(
                f"expected at least one slice, expiries increasing from now, found years {times}"
            )
        if any(event.years <= 0.0 or not 0.0 <= event.variance < math.inf for event in self.events):
            raise SurfaceError(f"expected events in the future with variance >= 0, found {self.events!r}")
        for one in self.slices:
            taken = self._event_variance(one.years)
            if taken >= one.raw.least_variance and taken > 0.0:
                raise SurfaceError(
                    f"expected event variance under the slice's least {one.raw.least_variance:.3g} "
                    f"at T={one.years:.4f}, found {taken:.3g}"
                )

    def _event_variance(self, years: float) -> float:
        return math.fsum(event.variance for event in self.events if event.years <= years)

    def _base(self, one: ExpirySlice, k: float) -> float:
        return one.raw.variance(k) - self._event_variance(one.years)

    def variance(self, k: float, years: float) -> float:
        """Total variance at log-moneyness k and time to expiry.

        Raises:
            SurfaceError: no time left, or k not finite.
        """
        if not (0.0 < years < math.inf and math.isfinite(k)):
            raise SurfaceError(f"expected T > 0 and a finite k, found T={years!r}, k={k!r}")
        first, last = self.slices[0], self.slices[-1]
        if years <= first.years:
            base = self._base(first, k) * years / first.years
        elif years >= last.years:
            base = self._base(last, k) * years / last.years
        else:
            for earlier, later in pairwise(self.slices):
                if years <= later.years:
                    share = (years - earlier.years) / (later.years - earlier.years)
                    base = (1.0 - share) * self._base(earlier, k) + share * self._base(later, k)
                    break
        return base + self._event_variance(years)

    def vol(self, k: float, years: float) -> float:
        """Vol per sqrt(year) at log-moneyness k."""
        return math.sqrt(self.variance(k, years) / years)

    def forward(self, years: float) -> float:
        """Forward, log-linear in time between slices, flat outside them."""
        times = [one.years for one in self.slices]
        logs = [math.log(one.forward) for one in self.slices]
        return math.exp(float(np.interp(years, times, logs)))


@dataclass(frozen=True, slots=True)
class CalendarViolation:
    """Total variance falls by `depth` from one expiry to the next at log-moneyness `k`."""

    earlier_years: float
    later_years: float
    k: float
    depth: float


def calendar_violations(slices: Sequence[ExpirySlice]) -> list[CalendarViolation]:
    """The worst point of each pair of neighbours whose variance falls somewhere on |k| <= 1.5."""
    found = []
    for earlier, later in pairwise(slices):
        gap = later.raw.variances(CALENDAR_GRID) - earlier.raw.variances(CALENDAR_GRID)
        worst = int(np.argmin(gap))
        if gap[worst] < 0.0:
            found.append(
                CalendarViolation(earlier.years, later.years, float(CALENDAR_GRID[worst]), float(-gap[worst]))
            )
    return found


def repair_calendar(slices: Sequence[ExpirySlice]) -> tuple[ExpirySlice, ...]:
    """Raise each slice by its worst shortfall against the one before; the first stays.

    Raises:
        CalendarError: a raised slice has butterfly arbitrage.
    """
    mended = [slices[0]] if slices else []
    for one in slices[1:]:
        shortfall = mended[-1].raw.variances(CALENDAR_GRID) - one.raw.variances(CALENDAR_GRID)
        worst = float(np.max(shortfall))
        if worst > 0.0:
            raw = one.raw.raised(worst * (1.0 + ROUNDING) + 1e-16)
            if raw.butterfly()[0] < 0.0 <= one.raw.butterfly()[0]:
                raise CalendarError(
                    f"expected no butterfly arbitrage after raising T={one.years:.4f} by {worst:.3g}, found "
                    "some; refit the slice or drop it"
                )
            one = replace(one, raw=raw)
        mended.append(one)
    return tuple(mended)


def assert_no_arbitrage(slices: Sequence[ExpirySlice]) -> None:
    """Check butterflies of each slice and calendars between them on |k| <= 1.5.

    Raises:
        ButterflyError, CalendarError: the first arbitrage found.
    """
    for one in slices:
        least, where = one.raw.butterfly()
        if least < 0.0:
            raise ButterflyError(f"expected g >= 0, found {least:.3g} at k={where:.3f}, T={one.years:.4f}")
    violations = calendar_violations(slices)
    if violations:
        raise CalendarError(f"expected total variance to rise with expiry, found {violations[0]!r}")


class Sticky(enum.Enum):
    """What the smile does when the forward moves."""

    STRIKE = "strike"
    """The vol of a strike stays: hedge the Black delta."""
    MONEYNESS = "moneyness"
    """The vol of a moneyness stays: the smile travels with the forward."""


def smile_delta(delta: float, vega: float, forward: float, vol_slope: float, rule: Sticky) -> float:
    """Delta including the smile's own move; `vol_slope` is dsigma/dk, vega per 1.00 of vol.

    Sticky moneyness: Delta - (vega/F) dsigma/dk, since dk = -dF/F.
    """
    if rule is Sticky.STRIKE:
        return delta
    return delta - vega / forward * vol_slope


def vol_slope(raw: RawSvi, k: float, years: float) -> float:
    """dsigma/dk of a slice."""
    w, slope, _, _ = raw.point(k)
    return slope / (2.0 * math.sqrt(w * years))


def moved_vol(one: ExpirySlice, strike: float, new_forward: float, rule: Sticky) -> float:
    """Vol of a strike after the forward moved, under the rule."""
    reference = one.forward if rule is Sticky.STRIKE else new_forward
    return math.sqrt(one.raw.variance(math.log(strike / reference)) / one.years)
