"""What a person and a venue add to the fitted smile: overrides, and own fit against mark vol."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

OWN_MAX_AGE_S: Final = 10.0
MARK_MAX_AGE_S: Final = 5.0
MARK_DISTANCE: Final = 0.05


class OverrideError(ValueError):
    """An override that cannot be meant."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A vol a person has set at a log-moneyness."""

    k: float
    vol: float


@dataclass(frozen=True, slots=True)
class VolOverride:
    """Manual change of one expiry's smile until `expires_ns` (UTC nanoseconds).

    `shift` adds vol everywhere, `skew` adds vol per unit of k, each pin holds its vol exactly at its k and
    fades linearly to nothing over `pin_width` (or to the next pin, if nearer).

    Raises:
        OverrideError: a pin without a positive vol, two pins at one k, or a width that is not positive.
    """

    expires_ns: int
    shift: float = 0.0
    skew: float = 0.0
    pins: tuple[Pin, ...] = ()
    pin_width: float = 0.05

    def __post_init__(self) -> None:
        spots = [pin.k for pin in self.pins]
        sound = all(0.0 < pin.vol < math.inf and math.isfinite(pin.k) for pin in self.pins)
        if not sound or len(set(spots)) != len(spots):
            raise OverrideError(f"expected one positive vol per pinned k, found {self.pins!r}")
        if not (0.0 < self.pin_width < math.inf and math.isfinite(self.shift) and math.isfinite(self.skew)):
            raise OverrideError(
                f"expected a finite shift and skew and pin_width > 0, found {self.shift!r}, {self.skew!r}, "
                f"{self.pin_width!r}"
            )

    def active(self, now_ns: int) -> bool:
        """Whether it still applies."""
        return now_ns < self.expires_ns

    def reach(self, pin: Pin) -> float:
        """How far from its k a pin is felt."""
        others = [abs(other.k - pin.k) for other in self.pins if other is not pin]
        return min([self.pin_width, *others])


def overridden_vol(smile: Callable[[float], float], k: float, override: VolOverride) -> float:
    """Vol at k after shift, skew and pins; `smile` is the fitted vol as a function of log-moneyness.

    Raises:
        OverrideError: the result is not a positive vol.
    """
    result = smile(k) + override.shift + override.skew * k
    for pin in override.pins:
        weight = max(0.0, 1.0 - abs(k - pin.k) / override.reach(pin))
        if weight > 0.0:
            result += weight * (pin.vol - (smile(pin.k) + override.shift + override.skew * pin.k))
    if not 0.0 < result < math.inf:
        raise OverrideError(f"expected a positive vol at k={k!r} after {override!r}, found {result!r}")
    return result


class VolSource(enum.Enum):
    """Where a vol came from."""

    OWN = "own"
    MARK = "mark"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class VolChoice:
    """The vol to value with, whether it may be quoted from, and why."""

    vol: float
    source: VolSource
    quotable: bool
    reason: str


def choose_vol(
    *,
    own: float | None,
    own_age_s: float,
    mark: float | None,
    mark_age_s: float,
    own_max_age_s: float = OWN_MAX_AGE_S,
    mark_max_age_s: float = MARK_MAX_AGE_S,
    max_distance: float = MARK_DISTANCE,
) -> VolChoice:
    """Own fit or the venue's mark vol.

    Own fit, fresh and within `max_distance` of a fresh mark (or with no fresh mark to compare): value and
    quote from it. Fresh but further away: value at it, do not quote. Stale or missing: value at a fresh mark,
    do not quote; a mark alone is never quoted from. Neither: no vol.
    """
    own_fresh = own is not None and 0.0 < own < math.inf and 0.0 <= own_age_s <= own_max_age_s
    mark_fresh = mark is not None and 0.0 < mark < math.inf and 0.0 <= mark_age_s <= mark_max_age_s
    if own_fresh and own is not None:
        if mark_fresh and mark is not None and abs(own - mark) > max_distance:
            reason = f"own fit {own:.4f} is more than {max_distance:.4f} from the mark {mark:.4f}"
            return VolChoice(own, VolSource.OWN, False, reason)
        return VolChoice(
            own, VolSource.OWN, True, "own fit fresh" + ("" if mark_fresh else ", no fresh mark")
        )
    if mark_fresh and mark is not None:
        return VolChoice(mark, VolSource.MARK, False, f"own fit missing or older than {own_max_age_s:g} s")
    return VolChoice(math.nan, VolSource.NONE, False, "neither own fit nor mark is fresh")
