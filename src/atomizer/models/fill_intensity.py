"""Fill intensities of any decreasing shape and the quotes they imply.

Lambda(d) is the rate of fills at distance d. For Lambda Lambda'' < 2 Lambda'^2 the best distance d*(p) at a
marginal inventory cost p is unique; inventory then enters through the quadratic closed form. Exponential
intensities reproduce `glft.closed_form`; logistic ones are the usual RFQ hit ratio times an arrival rate.
Source: Gueant (2017), sections 2-4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

_STEPS = 200
_PRECISION = 1e-14


class Intensity(Protocol):
    """A decreasing rate of fills."""

    def derivatives(self, d: float) -> tuple[float, float, float]:
        """(Lambda, Lambda', Lambda'') at distance d."""
        ...

    @property
    def length(self) -> float:
        """A distance of the order of its decay, where the search starts."""
        ...


@dataclass(frozen=True, slots=True)
class Exponential:
    """A exp(-k d): `rate` per time, `decay` per price."""

    rate: float
    decay: float

    def derivatives(self, d: float) -> tuple[float, float, float]:
        """(Lambda, Lambda', Lambda'') at distance d."""
        value = self.rate * math.exp(-self.decay * d)
        return value, -self.decay * value, self.decay**2 * value

    @property
    def length(self) -> float:
        """1/k."""
        return 1.0 / self.decay


@dataclass(frozen=True, slots=True)
class Logistic:
    """rate / (1 + exp(alpha + beta d)): RFQs per time times the hit ratio."""

    rate: float
    alpha: float
    beta: float

    def derivatives(self, d: float) -> tuple[float, float, float]:
        """(Lambda, Lambda', Lambda'') at distance d."""
        x = self.alpha + self.beta * d
        hit = math.exp(-x) / (1.0 + math.exp(-x)) if x > 0.0 else 1.0 / (1.0 + math.exp(x))
        miss = 1.0 - hit if x < 0.0 else 1.0 / (1.0 + math.exp(-x))
        first = -self.beta * hit * miss
        return self.rate * hit, self.rate * first, self.rate * self.beta * first * (2.0 * hit - 1.0)

    @property
    def length(self) -> float:
        """1/beta."""
        return 1.0 / self.beta


def best_distance(intensity: Intensity, p: float, *, xi: float = 0.0, size: float = 1.0) -> float:
    """d*(p): the distance that maximises the flow of value at marginal inventory cost p.

    xi = 0: p = d + Lambda/Lambda'. xi > 0 (CARA): p = d - ln(1 - xi size Lambda/Lambda') / (xi size).

    Args:
        intensity: a decreasing rate.
        p: marginal cost of the fill, price units.
        xi: risk aversion of CARA utility, 0 for the running-penalty model.
        size: order size.

    Raises:
        ModelInputError: a number outside its domain, or the search does not converge (intensity not
            decreasing, or Lambda Lambda'' >= 2 Lambda'^2).
    """
    finite(p=p)
    non_negative(xi=xi)
    positive(size=size)
    scale = xi * size

    def gap(d: float) -> tuple[float, float]:
        value, first, second = intensity.derivatives(d)
        if not (value >= 0.0 and first <= 0.0):
            raise ModelInputError("intensity", f"a decreasing rate at distance {d:g}", (value, first))
        if first == 0.0:  # saturated (far left) or extinct (far right) in double precision
            return (math.inf if value == 0.0 else -math.inf), 1.0
        ratio = value / first
        slope = 2.0 - value * second / first**2
        if scale > 0.0:
            return d - math.log1p(-scale * ratio) / scale - p, 1.0 + (slope - 1.0) / (1.0 - scale * ratio)
        return d + ratio - p, slope

    low = high = p + intensity.length
    reach = intensity.length
    while gap(high)[0] < 0.0:
        high, reach = high + reach, 2.0 * reach
    reach = intensity.length
    while gap(low)[0] > 0.0:
        low, reach = low - reach, 2.0 * reach
    d = 0.5 * (low + high)
    for _ in range(_STEPS):
        value, slope = gap(d)
        if value > 0.0:
            high = d
        else:
            low = d
        newton = d - value / slope
        following = newton if low < newton < high else 0.5 * (low + high)
        if abs(following - d) <= _PRECISION * max(abs(d), intensity.length):
            return following
        d = following
    raise ModelInputError("intensity", "Lambda Lambda'' < 2 Lambda'^2 (a unique best distance)", intensity)


def curvature(intensity: Intensity) -> float:
    """H''(0) of the running-penalty model: -Lambda'(d*) / (2 - Lambda Lambda''/Lambda'^2) at d* = d*(0).

    Raises:
        ModelInputError: as `best_distance`.
    """
    value, first, second = intensity.derivatives(best_distance(intensity, 0.0))
    return -first / (2.0 - value * second / first**2)


def quadratic_distances(
    intensity: Intensity, q: float, *, gamma: float, sigma: float, size: float = 1.0
) -> tuple[float, float]:
    """(bid, ask) distances of the quadratic approximation at inventory q.

    theta ~ -a q^2 with a = sqrt(gamma sigma^2 / (8 size H''(0))); the marginal costs are a (size +- 2 q).

    Args:
        intensity: of both sides.
        q: inventory.
        gamma: risk aversion of the running penalty.
        sigma: price per sqrt(time).
        size: order size.

    Raises:
        ModelInputError: a number outside its domain; as `best_distance`.
    """
    finite(q=q)
    non_negative(gamma=gamma, sigma=sigma)
    positive(size=size)
    a = math.sqrt(gamma * sigma**2 / (8.0 * size * curvature(intensity)))
    return (
        best_distance(intensity, a * (size + 2.0 * q)),
        best_distance(intensity, a * (size - 2.0 * q)),
    )
