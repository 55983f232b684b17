"""Reservation price of a package (option, multi-leg RFQ, block, combo) against any book.

Mean-variance indifference over a horizon tau. A package is one instrument: its fair value and sensitivities
are the ratio-weighted sums of its legs, so netting between legs counts; summing one-leg quotes ignores it.
Sizes are signed: positive when we buy. Source: docs/models/quoting.md, section Reservation price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, finite, non_negative, within

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sensitivities:
    """What a position gains per unit of each risk factor.

    `delta` per 1 of forward, `vega` per 1.00 of volatility, `gamma` per 1 of forward squared (all in
    currency).
    """

    delta: float
    vega: float
    gamma: float

    def vector(self) -> Vector:
        """(delta, vega, gamma) as an array, in the order of `risk_covariance`."""
        return np.array((self.delta, self.vega, self.gamma))


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg: `ratio` per unit of the package (negative: we would sell it when we buy the package)."""

    ratio: float
    fair: float
    sensitivities: Sensitivities


@dataclass(frozen=True, slots=True)
class PackageQuote:
    """Reservation prices in the currency of `fair`, per unit of the package.

    skew: g_p' Sigma g, the direction the book leans; own_variance: g_p' Sigma g_p.
    """

    fair: float
    sensitivities: Sensitivities
    skew: float
    own_variance: float
    bid: float
    ask: float

    @property
    def inventory_shift(self) -> float:
        """What the book's lean takes off both prices: the `skew` of `rfq.assemble`."""
        return self.fair - 0.5 * (self.bid + self.ask)

    @property
    def size_cost(self) -> float:
        """What the trade's own variance costs on each side: `own_size` of `rfq.SideCosts`."""
        return 0.5 * (self.ask - self.bid)


def risk_covariance(
    forward: float,
    sigma: float,
    vol_of_vol: float,
    rho: float,
    rehedge_years: float,
    *,
    delta_hedged: bool,
    complete_market: bool = False,
) -> Vector:
    """Covariance per year of (dF, dvol, gamma residual).

    Args:
        forward: price of the underlying, currency.
        sigma: volatility, per sqrt(year).
        vol_of_vol: absolute volatility of the vol, per sqrt(year).
        rho: correlation of forward and vol moves, in [-1, 1].
        rehedge_years: interval between delta re-hedges, years; scales the gamma residual.
        delta_hedged: the forward's row and column are hedged away.
        complete_market: nothing is left to bear (Stoikov-Saglam's first case): zero matrix.

    Raises:
        ModelInputError: a number outside its domain.
    """
    non_negative(forward=forward, sigma=sigma, vol_of_vol=vol_of_vol, rehedge_years=rehedge_years)
    within(-1.0, 1.0, rho=rho)
    matrix = np.zeros((3, 3))
    if complete_market:
        return matrix
    matrix[1, 1] = vol_of_vol**2
    matrix[2, 2] = 0.5 * sigma**4 * forward**4 * rehedge_years
    if not delta_hedged:
        matrix[0, 0] = (sigma * forward) ** 2
        matrix[0, 1] = matrix[1, 0] = rho * sigma * forward * vol_of_vol
    return matrix


def combine(legs: Sequence[Leg]) -> tuple[float, Sensitivities]:
    """(fair value, sensitivities) of one unit of the package.

    Raises:
        ModelInputError: no leg, or a number that is not finite.
    """
    if not legs:
        raise ModelInputError("legs", "at least one leg", "none")
    fair = sum(leg.ratio * leg.fair for leg in legs)
    delta = sum(leg.ratio * leg.sensitivities.delta for leg in legs)
    vega = sum(leg.ratio * leg.sensitivities.vega for leg in legs)
    gamma = sum(leg.ratio * leg.sensitivities.gamma for leg in legs)
    finite(fair=fair, delta=delta, vega=vega, gamma=gamma)
    return fair, Sensitivities(delta, vega, gamma)


def package_quote(
    legs: Sequence[Leg],
    book: Sensitivities,
    covariance: ArrayLike,
    *,
    size: float,
    risk_aversion: float,
    horizon_years: float,
) -> PackageQuote:
    """Indifference prices for buying and for selling `size` packages.

    Args:
        legs: the package.
        book: the book's sensitivities before the trade.
        covariance: per year over (dF, dvol, gamma residual), see `risk_covariance`.
        size: units of the package, not negative; both sides are priced for it.
        risk_aversion: 1/currency.
        horizon_years: time the risk is expected to be carried.

    Raises:
        ModelInputError: a number outside its domain, a matrix that is not 3 x 3.
    """
    non_negative(size=size, risk_aversion=risk_aversion, horizon_years=horizon_years)
    finite(book_delta=book.delta, book_vega=book.vega, book_gamma=book.gamma)
    sigma = np.asarray(covariance, dtype=np.float64)
    if sigma.shape != (3, 3) or not np.isfinite(sigma).all():
        raise ModelInputError("covariance", "a finite 3 x 3 matrix", covariance)
    fair, unit = combine(legs)
    g = unit.vector()
    skew = float(g @ sigma @ book.vector())
    own = float(g @ sigma @ g)
    price = risk_aversion * horizon_years
    return PackageQuote(
        fair,
        unit,
        skew,
        own,
        fair - price * (skew + 0.5 * size * own),
        fair - price * (skew - 0.5 * size * own),
    )


def after_trade(book: Sensitivities, unit: Sensitivities, signed_size: float) -> Sensitivities:
    """The book after trading `signed_size` units (positive: bought)."""
    return Sensitivities(
        book.delta + signed_size * unit.delta,
        book.vega + signed_size * unit.vega,
        book.gamma + signed_size * unit.gamma,
    )
