"""Avellaneda-Stoikov (2008): quotes of a maker with exponential utility and a horizon.

Mid price dS = sigma dW, fills Poisson with rate A exp(-k d) at distance d. The spread formula gives the
*total* width, half of it on each side. All prices in price units, `sigma` in price units per sqrt(time),
`gamma` in 1/currency, `k` in 1/price, `tau` in the time unit of sigma. A perpetual has no horizon: pass a
constant `tau` (rolling horizon), or use `glft`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel
from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

Vector = NDArray[np.float64]
SECONDS_PER_YEAR = 31_536_000.0


class AvellanedaQuote(NamedTuple):
    """One two-sided quote, price units. `bid` may exceed the reference when inventory is very short."""

    bid: float
    ask: float
    reservation: float
    half_spread: float


@kernel("UniTuple(float64, 4)(float64, float64, float64, float64, float64, float64)")
def as_quote_kernel(
    s: float, q: float, gamma: float, sigma: float, tau: float, k: float
) -> tuple[float, float, float, float]:
    """(bid, ask, reservation, half spread); unchecked, NaN in gives NaN out. gamma = 0 is the limit 1/k."""
    risk = gamma * sigma * sigma * tau
    liquidity = math.log1p(gamma / k) / gamma if gamma > 0.0 else 1.0 / k
    half = 0.5 * risk + liquidity
    reservation = s - q * risk
    return reservation - half, reservation + half, reservation, half


@kernel("void(f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[:,::1])")
def as_quotes_into(
    s: Vector, q: Vector, gamma: Vector, sigma: Vector, tau: Vector, k: Vector, out: Vector
) -> None:
    """Array form of `as_quote_kernel`: column i of `out` (4, n) is its result for element i."""
    for i in range(s.shape[0]):
        out[0, i], out[1, i], out[2, i], out[3, i] = as_quote_kernel(
            s[i], q[i], gamma[i], sigma[i], tau[i], k[i]
        )


def quote(s: float, q: float, gamma: float, sigma: float, tau: float, k: float) -> AvellanedaQuote:
    """Optimal bid and ask around the reservation price.

    Args:
        s: reference price.
        q: inventory, signed, in units of the traded size.
        gamma: risk aversion, 1/currency; 0 is risk-neutral.
        sigma: volatility, price units per sqrt(time).
        tau: time left T - t; a constant for a rolling horizon.
        k: decay of the fill intensity, 1/price.

    Raises:
        ModelInputError: a number not finite, k not above 0, gamma, sigma or tau below 0.
    """
    finite(s=s, q=q)
    non_negative(gamma=gamma, sigma=sigma, tau=tau)
    positive(k=k)
    return AvellanedaQuote(*as_quote_kernel(s, q, gamma, sigma, tau, k))


def total_spread(gamma: float, sigma: float, tau: float, k: float) -> float:
    """Ask minus bid: gamma sigma^2 tau + (2/gamma) ln(1 + gamma/k).

    Raises:
        ModelInputError: as `quote`.
    """
    return 2.0 * quote(0.0, 0.0, gamma, sigma, tau, k).half_spread


def absolute_volatility(price: float, annual_volatility: float) -> float:
    """Price units per sqrt(second) of a relative volatility per sqrt(year of 365 days).

    3000 at 60 % is 0.3205. Gamma, k and A must then be per currency, per price and per second too.

    Raises:
        ModelInputError: price not above 0, volatility below 0.
    """
    positive(price=price)
    non_negative(annual_volatility=annual_volatility)
    return price * annual_volatility / math.sqrt(SECONDS_PER_YEAR)


def inside_touch(
    best_bid: float, best_ask: float, aggression: float, *, ceiling: float = 0.9
) -> tuple[float, float]:
    """(bid, ask) moved from the touch towards the mid by `aggression` of the half spread.

    The book must be without our own resting orders, else the quote ratchets to the mid by itself.

    Args:
        best_bid, best_ask: touch of the others' book.
        aggression: 0 joins the touch; clamped to `ceiling`.
        ceiling: below 1, where both sides would meet at the mid.

    Raises:
        ModelInputError: crossed or locked book, aggression below 0, ceiling outside [0, 1).
    """
    finite(best_bid=best_bid, best_ask=best_ask)
    non_negative(aggression=aggression)
    if not 0.0 <= ceiling < 1.0:
        raise ModelInputError("ceiling", "a number in [0, 1)", ceiling)
    if best_bid >= best_ask:
        raise ModelInputError("best_bid", f"below the ask {best_ask!r}", best_bid)
    step = min(aggression, ceiling) * 0.5 * (best_ask - best_bid)
    return best_bid + step, best_ask - step
