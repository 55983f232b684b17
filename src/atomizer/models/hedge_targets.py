"""What to hold against delta, gamma and vega: targets, instruments, and whether a gamma hedge pays.

First gamma and vega with options (least squares inside boxes, cost against variance), then the *net* delta
with the cheapest linear instrument. Greeks are in the units of the caller, the same for book and instruments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

Vector = NDArray[np.float64]
_SWEEPS = 10_000
_STILL = 1e-12


def single_gamma_hedge(book_gamma: float, instrument_gamma: float, target: float = 0.0) -> float:
    """Units of one option that take the book's gamma to its target: (target - book) / instrument.

    Raises:
        ModelInputError: a number not finite, an instrument without gamma.
    """
    finite(book_gamma=book_gamma, instrument_gamma=instrument_gamma, target=target)
    if instrument_gamma == 0.0:
        raise ModelInputError("instrument_gamma", "a number other than 0", instrument_gamma)
    return (target - book_gamma) / instrument_gamma


@dataclass(frozen=True, slots=True)
class HedgeChoice:
    """Units per instrument, residual exposures, and the money: cost now, variance price before and after."""

    amounts: Vector
    residual: Vector
    cost: float
    risk_before: float
    risk_after: float

    @property
    def saving(self) -> float:
        """Price of the variance removed less the cost; trade only when above 0."""
        return self.risk_before - self.risk_after - self.cost


def choose_hedge(
    exposures: ArrayLike,
    instruments: ArrayLike,
    covariance: ArrayLike,
    unit_costs: ArrayLike,
    *,
    risk_aversion: float,
    horizon_years: float,
    lower: ArrayLike = -math.inf,
    upper: ArrayLike = math.inf,
) -> HedgeChoice:
    """Minimise sum |h_i| cost_i + gamma_R/2 horizon Var(exposures + instruments' h) inside a box.

    Coordinate descent with the exact one-dimensional minimum of each instrument; the problem is convex and
    the cost separable, so it ends at the optimum. With no cost and full rank it is the least-squares hedge.

    Args:
        exposures: the book's distance from its targets per factor (e.g. gamma, vega, vanna).
        instruments: (n, factors), exposures of one unit of each hedge.
        covariance: of the factors' contribution to P&L per year, (factors, factors).
        unit_costs: half spread plus fees of one unit, currency.
        risk_aversion: 1/currency.
        horizon_years: time the risk would be carried.
        lower, upper: bounds of each amount (listed sizes, limits); they must allow 0.

    Raises:
        ModelInputError: shapes disagree, a cost below 0, a matrix not symmetric positive semidefinite, a box
            without 0.
    """
    non_negative(risk_aversion=risk_aversion, horizon_years=horizon_years)
    e = np.atleast_1d(np.asarray(exposures, dtype=np.float64))
    units = np.atleast_2d(np.asarray(instruments, dtype=np.float64))
    sigma = np.atleast_2d(np.asarray(covariance, dtype=np.float64))
    n = units.shape[0]
    if units.shape[1] != e.size or sigma.shape != (e.size, e.size):
        raise ModelInputError("instruments", f"(n, {e.size}) with a covariance to match", units.shape)
    if not (np.isfinite(e).all() and np.isfinite(units).all() and np.isfinite(sigma).all()):
        raise ModelInputError("exposures", "finite numbers", "NaN or infinity")
    spread = float(np.abs(sigma).max())
    if np.abs(sigma - sigma.T).max() > 1e-9 * spread or np.linalg.eigvalsh(sigma)[0] < -1e-9 * spread:
        raise ModelInputError("covariance", "a symmetric positive semidefinite matrix", sigma.tolist())
    costs, low, high = (
        np.broadcast_to(np.asarray(x, dtype=np.float64), (n,)) for x in (unit_costs, lower, upper)
    )
    if not (np.isfinite(costs).all() and (costs >= 0.0).all()):
        raise ModelInputError("unit_costs", "finite numbers of at least 0", costs.tolist())
    if not ((low <= 0.0).all() and (high >= 0.0).all()):
        raise ModelInputError("lower", "a box that contains 0", (low.tolist(), high.tolist()))
    price = 0.5 * risk_aversion * horizon_years
    h = _descend(e, units, sigma, costs, price, low, high)
    residual = e + h @ units
    return HedgeChoice(
        h,
        residual,
        float(np.abs(h) @ costs),
        price * float(e @ sigma @ e),
        price * float(residual @ sigma @ residual),
    )


def _descend(
    e: Vector, units: Vector, sigma: Vector, costs: Vector, price: float, low: Vector, high: Vector
) -> Vector:
    h = np.zeros(units.shape[0])
    quadratic = units @ sigma @ units.T
    linear = units @ sigma @ e
    own = np.diag(quadratic)
    for _ in range(_SWEEPS):
        largest = 0.0
        for i in range(h.size):
            if own[i] <= 0.0 or price == 0.0:
                continue
            # minimise price (own h^2 + 2 pull h) + cost |h|: soft threshold
            pull = linear[i] + float(quadratic[i] @ h) - own[i] * h[i]
            free = math.copysign(max(abs(pull) - costs[i] / (2.0 * price), 0.0), -pull) / own[i]
            moved = min(max(free, low[i]), high[i])
            largest = max(largest, abs(moved - h[i]) * math.sqrt(own[i]))
            h[i] = moved
        if largest <= _STILL * max(1.0, math.sqrt(float(e @ sigma @ e))):
            break
    return h


def gamma_hedge_saving(
    gamma_before: float,
    gamma_after: float,
    *,
    sigma: float,
    forward: float,
    rehedge_years: float,
    horizon_years: float,
    risk_aversion: float,
) -> float:
    """What less gamma is worth: gamma_R/2 x (1/2) sigma^4 S^4 tau_h x horizon x (before^2 - after^2),
    currency.

    Compare it with half spread plus fees of the hedge; there is no rule of thumb.

    Raises:
        ModelInputError: a number outside its domain.
    """
    finite(gamma_before=gamma_before, gamma_after=gamma_after)
    non_negative(
        sigma=sigma,
        forward=forward,
        rehedge_years=rehedge_years,
        horizon_years=horizon_years,
        risk_aversion=risk_aversion,
    )
    variance_rate = 0.5 * sigma**4 * forward**4 * rehedge_years
    return 0.5 * risk_aversion * variance_rate * horizon_years * (gamma_before**2 - gamma_after**2)


def delta_hedge(net_delta_coins: float, target_coins: float, *, forward: float, price: float) -> float:
    """Coins of the hedge instrument that take an option book's delta to its target.

    The option's delta is against its forward F; a hedge at price P moves by P/F of it, so q Delta F/P coins:
    1 with the expiry's own future, 1-3 % more with a perpetual against a long expiry.

    Raises:
        ModelInputError: a number not finite, a price not above 0.
    """
    finite(net_delta_coins=net_delta_coins, target_coins=target_coins)
    positive(forward=forward, price=price)
    return (target_coins - net_delta_coins) * forward / price
