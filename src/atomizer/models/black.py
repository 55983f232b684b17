"""Black-76 and Black-Scholes-Merton prices and greeks; the implied vol lives in `implied`.

Units: F, K, S in the quote currency; T in years of 365 days to the instrument's own expiry; sigma per
sqrt(year), relative (0.6 is 60 %); rate per year, continuous; df = exp(-rate T). Greeks are derivatives with
F fixed (BSM: with S fixed): delta per unit of F, gamma per unit of F squared, vega, vanna, volga and zomma
per 1.00 of vol, theta, charm and color per year of calendar time, rho and phi per 1.00 of rate. A venue's
screen shows vega / 100 and theta / 365.

Limits: T <= 0 or sigma = 0 gives the discounted intrinsic value with a step delta and no curvature; at
exactly F = K that step has no value, and delta and gamma are NaN there. Not-a-number in, F <= 0, K <= 0,
sigma < 0 or an infinite input: NaN in every output. Nothing raises.

Source: Black 1976; Haug, The Complete Guide to Option Pricing Formulas, 2nd ed., chapter 2.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel
from atomizer.models._normal import INV_SQRT_2PI, mills

GREEKS: Final = ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm")
HIGHER_GREEKS: Final = ("speed", "zomma", "color")
BLOCK: Final = 64
BSM_GREEKS: Final = ("price", "delta", "gamma", "vega", "theta", "rho", "phi", "vanna", "volga", "charm")


@kernel("b1(f8,f8,f8,f8,f8)")
def _acceptable(F: float, K: float, T: float, sigma: float, rate: float) -> bool:
    return 0.0 < F < math.inf and 0.0 < K < math.inf and 0.0 <= sigma < math.inf and math.isfinite(T + rate)


@kernel("UniTuple(f8,3)(f8,f8,f8)")
def _arguments(F: float, K: float, s: float) -> tuple[float, float, float]:
    """d1, d2, n(d1). ln(F/K) is off by a rounding of F/K at most, as if F changed in its last digit."""
    x = math.log(F / K) / s
    d1 = x + 0.5 * s
    return d1, x - 0.5 * s, INV_SQRT_2PI * math.exp(-0.5 * d1 * d1)


@kernel("f8(f8,f8,f8,f8,f8,f8,b1)")
def _value(F: float, K: float, d1: float, d2: float, tail1: float, tail2: float, is_call: bool) -> float:
    """Undiscounted value by way of the out-of-the-money side and parity."""
    side = 1.0 if F <= K else -1.0
    first = 1.0 - tail1 if side * d1 > 0.0 else tail1
    second = 1.0 - tail2 if side * d2 > 0.0 else tail2
    otm = side * (F * first - K * second)
    otm = max(otm, 0.0)
    return otm if is_call == (F <= K) else otm + abs(F - K)


@kernel("f8(f8,f8,f8,f8,f8,b1)")
def black76_price(F: float, K: float, T: float, sigma: float, df: float, is_call: bool) -> float:
    """Value today of one European option on a forward, quote currency; NaN on bad input."""
    if not (_acceptable(F, K, T, sigma, 0.0) and 0.0 < df < math.inf):
        return math.nan
    s = sigma * math.sqrt(T) if T > 0.0 else 0.0
    if s <= 0.0:
        return df * max(F - K if is_call else K - F, 0.0)
    d1, d2, density = _arguments(F, K, s)
    tail1 = density * mills(abs(d1))
    tail2 = density * (F / K) * mills(abs(d2))
    return df * _value(F, K, d1, d2, tail1, tail2, is_call)


@kernel("UniTuple(f8,9)(f8,f8,f8,f8,f8,b1)")
def _degenerate(
    F: float, K: float, T: float, df: float, rate: float, is_call: bool
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Greeks of a discounted intrinsic value: no time or no vol left."""
    sign = 1.0 if is_call else -1.0
    price = df * max(sign * (F - K), 0.0)
    delta = gamma = math.nan
    if F != K:
        delta = sign * df if sign * (F - K) > 0.0 else 0.0
        gamma = 0.0
    alive = T > 0.0
    theta = rate * price if alive else 0.0
    rho = -T * price if alive else 0.0
    charm = rate * delta if alive else 0.0
    return price, delta, gamma, 0.0, theta, rho, 0.0, 0.0, charm


@kernel("UniTuple(f8,9)(f8,f8,f8,f8,f8,f8,f8,f8,f8,f8,f8,b1)")
def _assemble(
    F: float,
    K: float,
    T: float,
    sigma: float,
    rate: float,
    df: float,
    d1: float,
    d2: float,
    density: float,
    mills1: float,
    mills2: float,
    is_call: bool,
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Price and greeks from d1, d2, n(d1) and the Mills ratios at |d1|, |d2|."""
    root_t = math.sqrt(T)
    tail1 = density * mills1
    tail2 = density * (F / K) * mills2  # n(d2) = n(d1) F/K
    price = df * _value(F, K, d1, d2, tail1, tail2, is_call)
    density *= df
    upper = df * (1.0 - tail1 if (d1 > 0.0) == is_call else tail1)
    delta = upper if is_call else -upper
    per_s = 1.0 / (sigma * root_t)
    per_root = sigma * per_s  # 1/sqrt(T)
    gamma = density * per_s / F
    vega = F * density * root_t
    theta = rate * price - 0.5 * F * density * sigma * per_root
    bend = d2 * root_t * per_s  # d2/sigma
    vanna = -density * bend
    volga = vega * d1 * bend
    charm = rate * delta + 0.5 * density * d2 * per_root * per_root
    return price, delta, gamma, vega, theta, -T * price, vanna, volga, charm


@kernel("UniTuple(f8,9)(f8,f8,f8,f8,f8,b1)")
def black76_greeks(
    F: float, K: float, T: float, sigma: float, rate: float, is_call: bool
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Price and eight greeks in the order of `GREEKS`; takes the rate, not the discount factor."""
    if not _acceptable(F, K, T, sigma, rate):
        nan = math.nan
        return nan, nan, nan, nan, nan, nan, nan, nan, nan
    df = math.exp(-rate * T) if rate != 0.0 and T > 0.0 else 1.0
    s = sigma * math.sqrt(T) if T > 0.0 else 0.0
    if s <= 0.0:
        return _degenerate(F, K, T, df, rate, is_call)
    d1, d2, density = _arguments(F, K, s)
    return _assemble(F, K, T, sigma, rate, df, d1, d2, density, mills(abs(d1)), mills(abs(d2)), is_call)


@kernel("UniTuple(f8,3)(f8,f8,f8,f8,f8)")
def black76_higher(F: float, K: float, T: float, sigma: float, rate: float) -> tuple[float, float, float]:
    """Speed (per F cubed), zomma (gamma per 1.00 vol), color (gamma per year), equal for calls and puts."""
    if not _acceptable(F, K, T, sigma, rate):
        return math.nan, math.nan, math.nan
    root_t = math.sqrt(T) if T > 0.0 else 0.0
    s = sigma * root_t
    if s <= 0.0:
        step = math.nan if F == K else 0.0
        return step, step, step
    x = math.log(F / K)
    d1 = x / s + 0.5 * s
    d2 = x / s - 0.5 * s
    gamma = INV_SQRT_2PI * math.exp(-0.5 * d1 * d1 - rate * T) / (F * s)
    speed = -(gamma / F) * (d1 / s + 1.0)
    zomma = gamma * (d1 * d2 - 1.0) / sigma
    color = rate * gamma + gamma * (1.0 - d1 * d2) / (2.0 * T)
    return speed, zomma, color


@kernel("void(f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[:,::1])")
def black76_higher_into(
    F: NDArray[np.float64],
    K: NDArray[np.float64],
    T: NDArray[np.float64],
    sigma: NDArray[np.float64],
    rate: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Array form: row i of `out` (3, n) is greek i of `HIGHER_GREEKS`."""
    for i in range(F.size):
        out[0, i], out[1, i], out[2, i] = black76_higher(F[i], K[i], T[i], sigma[i], rate[i])


@kernel("void(f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],b1[::1],f8[:,::1])")
def black76_greeks_into(
    F: NDArray[np.float64],
    K: NDArray[np.float64],
    T: NDArray[np.float64],
    sigma: NDArray[np.float64],
    rate: NDArray[np.float64],
    is_call: NDArray[np.bool_],
    out: NDArray[np.float64],
) -> None:
    """Array form: row i of `out` (9, n) is greek i of `GREEKS`, the same numbers as the scalar form.

    In blocks, so that the Mills ratios (polynomials, no branches) become vector instructions.
    """
    arguments = np.empty(2 * BLOCK)
    ratios = np.empty(2 * BLOCK)
    densities = np.empty(BLOCK)
    discounts = np.empty(BLOCK)
    for start in range(0, F.size, BLOCK):
        size = min(BLOCK, F.size - start)
        for j in range(size):
            i = start + j
            # what has no s = sigma sqrt(T) > 0 goes through the scalar form below
            s = sigma[i] * math.sqrt(T[i]) if T[i] > 0.0 else 0.0
            arguments[j], arguments[size + j], densities[j] = _arguments(F[i], K[i], s)
            discounts[j] = math.exp(-rate[i] * T[i]) if rate[i] != 0.0 else 1.0
        for j in range(2 * size):
            ratios[j] = mills(abs(arguments[j]))
        for j in range(size):
            i = start + j
            sound = _acceptable(F[i], K[i], T[i], sigma[i], rate[i])
            if sound and T[i] > 0.0 and sigma[i] * math.sqrt(T[i]) > 0.0:
                greeks = _assemble(
                    F[i],
                    K[i],
                    T[i],
                    sigma[i],
                    rate[i],
                    discounts[j],
                    arguments[j],
                    arguments[size + j],
                    densities[j],
                    ratios[j],
                    ratios[size + j],
                    is_call[i],
                )
            else:
                greeks = black76_greeks(F[i], K[i], T[i], sigma[i], rate[i], is_call[i])
            (
                out[0, i],
                out[1, i],
                out[2, i],
                out[3, i],
                out[4, i],
                out[5, i],
                out[6, i],
                out[7, i],
                out[8, i],
            ) = greeks


@kernel("void(f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],b1[::1],f8[::1])")
def black76_price_into(
    F: NDArray[np.float64],
    K: NDArray[np.float64],
    T: NDArray[np.float64],
    sigma: NDArray[np.float64],
    df: NDArray[np.float64],
    is_call: NDArray[np.bool_],
    out: NDArray[np.float64],
) -> None:
    """Array form of `black76_price`."""
    for i in range(F.size):
        out[i] = black76_price(F[i], K[i], T[i], sigma[i], df[i], is_call[i])


@kernel("UniTuple(f8,10)(f8,f8,f8,f8,f8,f8,b1)")
def bsm_greeks(
    S: float, K: float, T: float, sigma: float, rate: float, dividend: float, is_call: bool
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """Black-Scholes-Merton on a spot with continuous yield, in the order of `BSM_GREEKS`.

    Price and volga come from Black-76 at F = S exp((rate - dividend) T); rho and phi are total derivatives
    (the forward moves with them), theta and charm hold S and sigma fixed.
    """
    carry = rate - dividend
    growth = math.exp(carry * T) if T > 0.0 else 1.0
    F = S * growth
    price, delta_f, gamma_f, vega, _, _, vanna_f, volga, _ = black76_greeks(F, K, T, sigma, rate, is_call)
    delta = delta_f * growth
    gamma = gamma_f * growth * growth
    if not T > 0.0:
        return price, delta, gamma, vega, 0.0 * price, 0.0 * price, 0.0 * price, vanna_f, volga, 0.0 * delta
    root_t = math.sqrt(T)
    s = sigma * root_t
    strike_leg = F * delta_f - price  # phi D K N(phi d2), to full precision below
    if s > 0.0:
        _, d2, density = _arguments(F, K, s)
        tail2 = density * (F / K) * mills(abs(d2))
        strike_leg = K * math.exp(-rate * T) * (1.0 - tail2 if (d2 > 0.0) == is_call else tail2)
        if not is_call:
            strike_leg = -strike_leg
        density_leg = S * gamma * sigma  # exp(-dividend T) n(d1) / sqrt(T)
        charm = dividend * delta - density_leg * (carry * root_t / sigma - 0.5 * d2) / root_t
        theta = dividend * S * delta - rate * strike_leg - 0.5 * density_leg * sigma * S
    else:
        charm = dividend * delta
        theta = dividend * S * delta - rate * strike_leg
    rho = T * strike_leg
    phi = -T * S * delta
    return price, delta, gamma, vega, theta, rho, phi, vanna_f * growth, volga, charm


@kernel("void(f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],b1[::1],f8[:,::1])")
def bsm_greeks_into(
    S: NDArray[np.float64],
    K: NDArray[np.float64],
    T: NDArray[np.float64],
    sigma: NDArray[np.float64],
    rate: NDArray[np.float64],
    dividend: NDArray[np.float64],
    is_call: NDArray[np.bool_],
    out: NDArray[np.float64],
) -> None:
    """Array form: row i of `out` (10, n) is greek i of `BSM_GREEKS`."""
    for i in range(S.size):
        row = bsm_greeks(S[i], K[i], T[i], sigma[i], rate[i], dividend[i], is_call[i])
        for j in range(10):
            out[j, i] = row[j]
