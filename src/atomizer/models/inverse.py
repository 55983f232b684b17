"""Coin-settled (inverse) options and futures.

An inverse option is quoted in coin per coin of underlying: p = V(F, K, sigma, T, r = 0)/F, on the forward of
its own expiry. An inverse future has a size N in USD (long positive) and pays N (1/entry - 1/exit) coins.

Units: coin greeks are coins per unit of F (dcoin_dF, d2coin_dF2), per 1.00 of vol (vega_coin, volga_coin),
per year (theta_coin). delta_pa is the premium-adjusted delta F dp/dF = Delta - p in coins, which venues show
as the net transaction delta; delta_bs is the Black delta, the venue's `delta`. The call's delta_pa is not
monotone in K.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel
from atomizer.models._normal import INV_SQRT_2PI, log_moneyness, mills
from atomizer.models.implied import implied_vol

INVERSE_GREEKS: Final = (
    "price_usd",
    "price_coin",
    "delta_bs",
    "delta_pa",
    "dcoin_dF",
    "d2coin_dF2",
    "vega_coin",
    "theta_coin",
    "vanna_coin",
    "volga_coin",
)


@kernel("UniTuple(f8,10)(f8,f8,f8,f8,b1)")
def inverse_greeks(
    F: float, K: float, T: float, sigma: float, is_call: bool
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """In the order of `INVERSE_GREEKS`. Expired or without vol: intrinsic; NaN on bad input (see `black`)."""
    nan = math.nan
    positive = 0.0 < F < math.inf and 0.0 < K < math.inf and 0.0 <= sigma < math.inf
    if not positive or not math.isfinite(T):
        return nan, nan, nan, nan, nan, nan, nan, nan, nan, nan
    sign = 1.0 if is_call else -1.0
    root_t = math.sqrt(T) if T > 0.0 else 0.0
    s = sigma * root_t
    if s <= 0.0:
        inside = sign * (F - K) > 0.0
        delta = nan if F == K else (sign if inside else 0.0)
        # of one coin in the money: p = phi (1 - K/F)
        adjusted = nan if F == K else (sign * K / F if inside else 0.0)
        value = max(sign * (F - K), 0.0)
        return value, value / F, delta, adjusted, adjusted / F, -2.0 * adjusted / (F * F), 0.0, 0.0, 0.0, 0.0
    x = log_moneyness(F, K)
    d1 = x / s + 0.5 * s
    d2 = x / s - 0.5 * s
    density = INV_SQRT_2PI * math.exp(-0.5 * d1 * d1)
    tail1 = density * mills(abs(d1))
    tail2 = density * (F / K) * mills(abs(d2))
    delta = sign * (1.0 - tail1 if (d1 > 0.0) == is_call else tail1)
    strike_leg = sign * K * (1.0 - tail2 if (d2 > 0.0) == is_call else tail2)
    if F <= K:
        otm = max(F * (1.0 - tail1 if d1 > 0.0 else tail1) - K * tail2, 0.0)
    else:
        otm = max(K * (1.0 - tail2 if d2 < 0.0 else tail2) - F * tail1, 0.0)
    value = otm if is_call == (F <= K) else otm + sign * (F - K)
    # Delta - p without the cancellation of the wings: phi (K/F) N(phi d2)
    adjusted = strike_leg / F
    gamma = density / (F * s)
    coin_vega = density * root_t
    return (
        value,
        value / F,
        delta,
        adjusted,
        adjusted / F,
        (gamma - 2.0 * adjusted / F) / F,
        coin_vega,
        -density * sigma / (2.0 * root_t),
        -(density * d2 / sigma + coin_vega) / F,
        coin_vega * d1 * d2 / sigma,
    )


@kernel("void(f8[::1],f8[::1],f8[::1],f8[::1],b1[::1],f8[:,::1])")
def inverse_greeks_into(
    F: NDArray[np.float64],
    K: NDArray[np.float64],
    T: NDArray[np.float64],
    sigma: NDArray[np.float64],
    is_call: NDArray[np.bool_],
    out: NDArray[np.float64],
) -> None:
    """Array form: row i of `out` (10, n) is greek i of `INVERSE_GREEKS`."""
    for i in range(F.size):
        row = inverse_greeks(F[i], K[i], T[i], sigma[i], is_call[i])
        for j in range(10):
            out[j, i] = row[j]


def coin_implied_vol(price_coin: float, F: float, K: float, T: float, is_call: bool) -> float:
    """Implied vol of a coin price.

    Raises:
        ImpliedVolError: the price has none (see `implied`).
    """
    return implied_vol(price_coin * F, F, K, T, 1.0, is_call)


def future_pnl_coin(size_usd: float, entry: float, exit_price: float) -> float:
    """Coins earned by `size_usd` (long positive) of an inverse future; NaN unless both prices are > 0."""
    if not (entry > 0.0 and exit_price > 0.0):
        return math.nan
    return size_usd * (exit_price - entry) / (entry * exit_price)


def future_delta_coin(size_usd: float, mark: float) -> float:
    """N/mark, coins: its term in the coin delta and, beside coin equity, in the USD delta."""
    return size_usd / mark if mark > 0.0 else math.nan


def future_dcoin_dprice(size_usd: float, mark: float) -> float:
    """d(coin P&L)/d(price) = N/mark^2, coins per unit of price."""
    return size_usd / (mark * mark) if mark > 0.0 else math.nan


def average_entry(sizes_usd: Sequence[float], entries: Sequence[float]) -> float:
    """Harmonic average entry N / sum(N_i/e_i) of inverse fills of one direction; NaN when nothing is left."""
    coins = math.fsum(size / entry for size, entry in zip(sizes_usd, entries, strict=True))
    total = math.fsum(sizes_usd)
    return total / coins if coins != 0.0 and total != 0.0 else math.nan
