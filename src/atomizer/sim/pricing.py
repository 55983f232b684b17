"""The generator's own Black-76 and smile, scalar and for a whole chain, from the same kernels.

Simulated venues price with this module and never with `atomizer.models`: a mistake shared by desk and
venue would hide. Prices are USD per unit; vols are fractions; `tau` is in years of 365 days.
"""

from __future__ import annotations

import math

from numba import njit

YEAR_S = 365.0 * 86_400.0
# An option this close to expiry is worth its intrinsic value: below one second.
MIN_TAU = 1.0 / YEAR_S
MIN_VARIANCE = 1e-4

# Rows of the matrix that `price_chain` fills.
USD, VOL, DELTA, GAMMA, VEGA, THETA, FORWARD = range(7)
ROWS = 7


@njit("f8(f8)", cache=True, nogil=True, error_model="numpy")
def normal_cdf(x):  # type: ignore[no-untyped-def]
    """Standard normal distribution, accurate in both tails."""
    return 0.5 * math.erfc(-x * 0.7071067811865476)


@njit("f8(f8, f8, f8, f8, b1)", cache=True, nogil=True, error_model="numpy")
def black(forward, strike, vol, tau, is_call):  # type: ignore[no-untyped-def]
    """Undiscounted Black-76 price; intrinsic value where no time or vol is left."""
    sd = vol * math.sqrt(tau) if tau > MIN_TAU else 0.0
    if sd <= 0.0:
        gap = forward - strike if is_call else strike - forward
        return max(gap, 0.0)
    d1 = math.log(forward / strike) / sd + 0.5 * sd
    d2 = d1 - sd
    if is_call:
        return forward * normal_cdf(d1) - strike * normal_cdf(d2)
    return strike * normal_cdf(-d2) - forward * normal_cdf(-d1)


@njit("f8(f8, f8, f8, f8, f8, f8, f8[::1], f8[::1])", cache=True, nogil=True, error_model="numpy")
def smile_vol(k, tau, base, level, rho, eta, knots, variances):  # type: ignore[no-untyped-def]
    """Vol at log-moneyness `k`: the recorded smile where there is one, else SSVI, moved by `level`.

    SSVI (Gatheral and Jacquier 2014) with phi = eta / sqrt(theta) has no butterfly arbitrage while
    eta^2 (1 + |rho|) <= 4. Recorded: variance linear in k between knots, flat outside.
    """
    n = knots.shape[0]
    if n == 0:
        atm = base + level
        theta = atm * atm * max(tau, MIN_TAU)
        x = eta * k / math.sqrt(theta)
        shape = 0.5 * (1.0 + rho * x + math.sqrt((x + rho) * (x + rho) + 1.0 - rho * rho))
        return atm * math.sqrt(max(shape, MIN_VARIANCE))
    if k <= knots[0]:
        variance = variances[0]
    elif k >= knots[n - 1]:
        variance = variances[n - 1]
    else:
        low, high = 0, n - 1
        while high - low > 1:
            middle = (low + high) // 2
            if knots[middle] <= k:
                low = middle
            else:
                high = middle
        weight = (k - knots[low]) / (knots[high] - knots[low])
        variance = variances[low] + weight * (variances[high] - variances[low])
    return max(math.sqrt(variance) + level, math.sqrt(MIN_VARIANCE))


@njit(
    "void(f8, f8, f8[::1], f8[::1], b1[::1], f8, f8, f8, f8, f8[::1], f8[::1], f8[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def price_chain(  # type: ignore[no-untyped-def]
    index, carry, strikes, taus, calls, base, level, rho, eta, knots, variances, out
):
    """Fill `out` (ROWS x options) with USD price, vol, forward and greeks of every option.

    Delta is the Black-76 delta, gamma per USD, vega USD per vol point, theta USD per day.
    """
    for i in range(strikes.shape[0]):
        tau = taus[i]
        strike = strikes[i]
        forward = index * math.exp(carry * max(tau, 0.0))
        vol = smile_vol(math.log(strike / forward), tau, base, level, rho, eta, knots, variances)
        out[USD, i] = black(forward, strike, vol, tau, calls[i])
        out[VOL, i] = vol
        out[FORWARD, i] = forward
        sign = 1.0 if calls[i] else -1.0
        if tau <= MIN_TAU:
            inside = (forward - strike) * sign > 0.0
            out[DELTA, i] = sign if inside else 0.0
            out[GAMMA, i] = 0.0
            out[VEGA, i] = 0.0
            out[THETA, i] = 0.0
            continue
        root = math.sqrt(tau)
        d1 = math.log(forward / strike) / (vol * root) + 0.5 * vol * root
        density = math.exp(-0.5 * d1 * d1) * 0.3989422804014327
        out[DELTA, i] = sign * normal_cdf(sign * d1)
        out[GAMMA, i] = density / (forward * vol * root)
        out[VEGA, i] = forward * density * root * 0.01
        out[THETA, i] = -forward * density * vol / (2.0 * root) / 365.0


def implied_vol(price: float, forward: float, strike: float, tau: float, *, is_call: bool) -> float | None:
    """Vol in [0.01, 5] that gives this USD price, by bisection; None where none does."""
    low, high = 0.01, 5.0
    if not black(forward, strike, low, tau, is_call) < price < black(forward, strike, high, tau, is_call):
        return None
    for _ in range(60):
        middle = 0.5 * (low + high)
        if black(forward, strike, middle, tau, is_call) < price:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
