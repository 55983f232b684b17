"""No-trade bands around the hedge target under proportional costs.

`cost_rate` (lambda) is the one-way cost as a fraction of traded value, `risk_aversion` in 1/currency,
everything per one option unit: for a book pass the book's gamma and a risk aversion at book level. Widths
are in units of the underlying. Inside the band nothing trades; outside, trade to the nearest edge, not to
the target. Sources: Whalley, Wilmott (1997); Zakamouline (2006); Leland (1985). Hodges and Neuberger's
(1989) exact bands have Whalley-Wilmott as their small-cost limit.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

Position = Literal["long", "short"]


class Band(NamedTuple):
    """Hedge positions between which nothing trades, units of the underlying."""

    low: float
    high: float

    def trade(self, held: float) -> float:
        """Signed trade that takes `held` to the nearest edge; 0 inside.

        Raises:
            ModelInputError: `held` is not finite.
        """
        finite(held=held)
        return min(max(held, self.low), self.high) - held


def band(target: float, half_width: float) -> Band:
    """The band of a half width around a target (fixed bands, Whalley-Wilmott).

    Raises:
        ModelInputError: target not finite, half width below 0.
    """
    finite(target=target)
    non_negative(half_width=half_width)
    return Band(target - half_width, target + half_width)


def whalley_wilmott(
    spot: float, gamma: float, years: float, rate: float, cost_rate: float, risk_aversion: float
) -> float:
    """Half width (1.5 e^(-r tau) lambda S Gamma^2 / gamma_R)^(1/3).

    Raises:
        ModelInputError: spot or risk aversion not above 0, time or cost below 0.
    """
    positive(spot=spot, risk_aversion=risk_aversion)
    non_negative(years=years, cost_rate=cost_rate)
    finite(gamma=gamma, rate=rate)
    return math.cbrt(1.5 * math.exp(-rate * years) * cost_rate * spot * gamma**2 / risk_aversion)


class Zakamouline(NamedTuple):
    """H0 and H1 (the half width is their sum), K, and the volatility at which the target delta is taken.

    `modified_sigma` is NaN where 1 + K or 1 - K is not positive: costs too large for the approximation.
    """

    h0: float
    h1: float
    k: float
    modified_sigma: float

    @property
    def half_width(self) -> float:
        """H1 + H0."""
        return self.h0 + self.h1


def zakamouline(
    spot: float,
    gamma: float,
    sigma: float,
    years: float,
    rate: float,
    cost_rate: float,
    risk_aversion: float,
    position: Position,
) -> Zakamouline:
    """Double-asymptotic bands: target delta at the modified volatility, half width H1 + H0.

    Args:
        spot, gamma, sigma, years, rate: of the option.
        cost_rate: lambda.
        risk_aversion: 1/currency.
        position: of the option being hedged.

    Raises:
        ModelInputError: a number outside its domain, an unknown position.
    """
    positive(spot=spot, sigma=sigma, years=years, risk_aversion=risk_aversion)
    non_negative(cost_rate=cost_rate)
    finite(gamma=gamma, rate=rate)
    if position not in ("long", "short"):
        raise ModelInputError("position", "'long' or 'short'", position)
    size = abs(gamma)
    discounted = (math.exp(-rate * years) / sigma) ** 0.25
    h0 = cost_rate / (risk_aversion * spot * sigma**2 * years)
    h1 = 1.12 * cost_rate**0.31 * years**0.05 * discounted * math.sqrt(size / risk_aversion)
    k = -4.76 * cost_rate**0.78 / years**0.02 * discounted * (risk_aversion * spot**2 * size) ** 0.15
    scale = 1.0 + k if position == "long" else 1.0 - k
    return Zakamouline(h0, h1, k, sigma * math.sqrt(scale) if scale > 0.0 else math.nan)


def leland_number(sigma: float, cost_rate: float, interval: float) -> float:
    """Le = sqrt(2/pi) 2 lambda / (sigma sqrt(dt)); the round trip costs 2 lambda.

    Raises:
        ModelInputError: sigma or interval not above 0, cost below 0.
    """
    positive(sigma=sigma, interval=interval)
    non_negative(cost_rate=cost_rate)
    return math.sqrt(2.0 / math.pi) * 2.0 * cost_rate / (sigma * math.sqrt(interval))


def leland_volatility(sigma: float, cost_rate: float, interval: float, position: Position) -> float:
    """Volatility at which a re-hedger at fixed intervals (years) breaks even after costs.

    Higher when short gamma, lower when long; NaN when long and the Leland number reaches 1.

    Raises:
        ModelInputError: as `leland_number`, an unknown position.
    """
    if position not in ("long", "short"):
        raise ModelInputError("position", "'long' or 'short'", position)
    number = leland_number(sigma, cost_rate, interval)
    scale = 1.0 - number if position == "long" else 1.0 + number
    return sigma * math.sqrt(scale) if scale > 0.0 else math.nan
