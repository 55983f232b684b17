"""Options on the arithmetic average of the index over a window before expiry, before and inside the window.

The part of the average that is fixed shifts the strike, the open part is lognormal:

    floating part w F, strike left K' = K - (1 - w) R, v = sigma sqrt(tau_eff)
    price = phi (w F N(phi d1) - K' N(phi d2)), delta = w phi N(phi d1), gamma = w n(d1)/(F v)

Zero rates. Error against exact simulation: at most 3e-4 of one standard deviation of the floating part.
Prints are equally spaced at window start + i window/samples, i = 1..samples; one exactly now counts as fixed.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel

SECONDS_PER_YEAR: Final = 31_536_000.0
AVERAGED_GREEKS: Final = (
    "price",
    "delta",
    "gamma",
    "vega",
    "fraction_left",
    "variance_seconds",
    "strike_left",
)
CONTINUOUS: Final = 0

_INV_SQRT_2: Final = 0.7071067811865476
_INV_SQRT_2PI: Final = 0.3989422804014327


@kernel("UniTuple(f8,2)(f8,f8,i8)")
def averaging_clock(seconds_to_expiry: float, window_seconds: float, samples: int) -> tuple[float, float]:
    """(fraction of the average still open, seconds of variance it carries); samples 0 means continuous.

    Before a continuous window that is (1, T - 2W/3): the time to use in quoting and in inverting prices of
    averaged instruments. NaN on a negative window or count or on a time that is not a number.
    """
    tau = seconds_to_expiry
    if not (window_seconds >= 0.0 and samples >= 0 and math.isfinite(tau) and math.isfinite(window_seconds)):
        return math.nan, math.nan
    if tau <= 0.0:
        return 0.0, 0.0
    if window_seconds == 0.0:
        return 1.0, tau
    if samples == 0:
        if tau >= window_seconds:
            return 1.0, tau - 2.0 * window_seconds / 3.0
        return tau / window_seconds, tau / 3.0
    spacing = window_seconds / samples
    left = min(float(samples), math.ceil(tau / spacing - 1e-9))
    first = max(tau - (left - 1.0) * spacing, 0.0)
    return left / samples, first + spacing * (left - 1.0) * (2.0 * left - 1.0) / (6.0 * left)


@kernel("UniTuple(f8,7)(f8,f8,f8,f8,f8,f8,i8,b1)")
def averaged_greeks(
    F: float,
    running_average: float,
    K: float,
    sigma: float,
    seconds_to_expiry: float,
    window_seconds: float,
    samples: int,
    is_call: bool,
) -> tuple[float, float, float, float, float, float, float]:
    """In the order of `AVERAGED_GREEKS`; derivatives with respect to F with the running average fixed.

    `running_average` is the mean of what is already fixed, NaN before the window. After expiry: intrinsic on
    the running average. NaN on bad input, and inside the window without a running average.
    """
    nan = math.nan
    w, variance_seconds = averaging_clock(seconds_to_expiry, window_seconds, samples)
    fixed = (1.0 - w) * running_average if w < 1.0 else 0.0
    strike = K - fixed
    positive = 0.0 < F < math.inf and 0.0 < K < math.inf and 0.0 <= sigma < math.inf
    if not positive or math.isnan(strike) or (w < 1.0 and not running_average > 0.0):
        return nan, nan, nan, nan, w, variance_seconds, nan
    sign = 1.0 if is_call else -1.0
    floating = w * F
    v = sigma * math.sqrt(variance_seconds / SECONDS_PER_YEAR)
    if strike <= 0.0 or v <= 0.0:
        inside = sign * (floating - strike) > 0.0
        price = max(sign * (floating - strike), 0.0)
        kink = floating == strike and w > 0.0
        delta = sign * w if inside else 0.0
        return price, nan if kink else delta, nan if kink else 0.0, 0.0, w, variance_seconds, strike
    ratio = (floating - strike) / strike
    x = math.log1p(ratio) if -0.5 < ratio < 0.5 else math.log(floating / strike)
    d1 = x / v + 0.5 * v
    d2 = x / v - 0.5 * v
    # out-of-the-money side first, the other by parity
    side = 1.0 if floating <= strike else -1.0
    value = (
        side
        * 0.5
        * (floating * math.erfc(-side * d1 * _INV_SQRT_2) - strike * math.erfc(-side * d2 * _INV_SQRT_2))
    )
    value = max(value, 0.0)
    if side != sign:
        value += sign * (floating - strike)
    density = _INV_SQRT_2PI * math.exp(-0.5 * d1 * d1)
    delta = sign * w * 0.5 * math.erfc(-sign * d1 * _INV_SQRT_2)
    vega = floating * density * v / sigma
    return value, delta, w * density / (F * v), vega, w, variance_seconds, strike


@kernel("void(f8,f8,f8[::1],f8[::1],f8,f8,i8,b1[::1],f8[:,::1])")
def averaged_greeks_into(
    F: float,
    running_average: float,
    K: NDArray[np.float64],
    sigma: NDArray[np.float64],
    seconds_to_expiry: float,
    window_seconds: float,
    samples: int,
    is_call: NDArray[np.bool_],
    out: NDArray[np.float64],
) -> None:
    """Array form over the strikes of one expiry: row i of `out` (7, n) is item i of `AVERAGED_GREEKS`."""
    for i in range(K.size):
        row = averaged_greeks(
            F, running_average, K[i], sigma[i], seconds_to_expiry, window_seconds, samples, is_call[i]
        )
        for j in range(7):
            out[j, i] = row[j]


def fixing_basis_sd(F: float, sigma: float, window_seconds: float) -> float:
    """Standard deviation of (print - average) at the expiry second, in units of F: F sigma sqrt(W/3)."""
    return F * sigma * math.sqrt(window_seconds / SECONDS_PER_YEAR / 3.0)
