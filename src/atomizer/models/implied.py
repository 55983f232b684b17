"""Implied volatility of Black-76 prices, to the accuracy that the price itself carries.

Same inputs and units as `black`. The array form never raises: where there is no implied volatility it writes
NaN and a status code. The scalar form `implied_vol` raises the typed error of the same code.

Method (after Jaeckel, Let's Be Rational, 2015): reduce to the out-of-the-money option on x = -|ln(F/K)| with
beta = value / sqrt(F K); then third-order Householder steps on ln b below the inflection point, on b in
the middle and on ln(b_max - b) above. The start is the Bachelier vol (tabulated once) turned lognormal by
Hagan's expansion, which is close enough for one or two steps.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel
from atomizer.models._normal import INV_SQRT_2PI, log_moneyness, mills

OK: Final = 0
BAD_INPUT: Final = 1
EXPIRED: Final = 2
BELOW_INTRINSIC: Final = 3
AT_INTRINSIC: Final = 4
ABOVE_MAXIMUM: Final = 5

LOG_SQRT_2PI: Final = 0.9189385332046727
SQRT_2PI: Final = 2.5066282746310002

MAX_STEPS: Final = 24
CLOSE_ENOUGH: Final = 2e-5  # a third-order step from here lands below rounding
TABLE_LOW: Final = -42.0
TABLE_STEP: Final = 0.125
TABLE_SIZE: Final = 385


class ImpliedVolError(ValueError):
    """The price has no implied volatility; the subclass says why, the text what was expected and found."""


class BadInputError(ImpliedVolError):
    """A forward, strike or discount factor that is not positive, or something that is not a number."""


class ExpiredError(ImpliedVolError):
    """No time is left."""


class BelowIntrinsicError(ImpliedVolError):
    """The price is under the discounted intrinsic value: an arbitrage, or a wrong forward."""


class AtIntrinsicError(ImpliedVolError):
    """The price equals the discounted intrinsic value: zero vol, not a number to quote from."""


class AboveMaximumError(ImpliedVolError):
    """The price is at or over its upper bound (forward for a call, strike for a put, discounted)."""


def _bachelier_table() -> NDArray[np.float64]:
    """ln eta and its slope at ln rho = TABLE_LOW + i TABLE_STEP, where rho = n(eta)/eta - N(-eta).

    rho is the out-of-the-money Bachelier value over the distance to the strike, eta that distance over the
    standard deviation. Newton in ln eta; only a starting point depends on it, so 1e-9 is plenty.
    """
    table = np.empty((TABLE_SIZE, 2))
    log_eta = 2.2
    for i in range(TABLE_SIZE):
        target = TABLE_LOW + i * TABLE_STEP
        for _ in range(60):
            eta = math.exp(log_eta)
            density = INV_SQRT_2PI * math.exp(-0.5 * eta * eta)
            rho = density / eta - 0.5 * math.erfc(eta / math.sqrt(2.0))
            slope = -density / (eta * rho)  # d ln rho / d ln eta
            move = (math.log(rho) - target) / slope
            log_eta -= max(-0.5, min(0.5, move))
            if abs(move) < 1e-11:
                break
        table[i] = log_eta, 1.0 / slope
    return table


_TABLE: Final = _bachelier_table()


@kernel("f8(f8,f8)")
def _bachelier_start(beta: float, width: float) -> float:
    """Normal standard deviation, in units of sqrt(F K), of an out-of-the-money value."""
    if width <= 1e-14 * beta:
        return beta / INV_SQRT_2PI
    position = (math.log(beta / width) - TABLE_LOW) / TABLE_STEP
    if position >= TABLE_SIZE - 1:
        return (beta + 0.5 * width) / INV_SQRT_2PI
    if position < 0.0:
        level = -math.log(beta / width) - LOG_SQRT_2PI
        eta = math.sqrt(2.0 * level)
        eta = math.sqrt(2.0 * (level - 3.0 * math.log(eta)))
        return width / math.sqrt(2.0 * (level - 3.0 * math.log(eta)))
    i = int(position)
    u = position - i
    y0, y1 = _TABLE[i, 0], _TABLE[i + 1, 0]
    m0, m1 = _TABLE[i, 1] * TABLE_STEP, _TABLE[i + 1, 1] * TABLE_STEP
    rise = y1 - y0
    log_eta = y0 + u * (m0 + u * (3.0 * rise - 2.0 * m0 - m1 + u * (m0 + m1 - 2.0 * rise)))
    return width * math.exp(-log_eta)


@kernel("f8(f8,f8)")
def _tail_start(shortfall: float, x: float) -> float:
    """Start for values near their maximum: b_max - b is about 2 exp(-h^2/2) N(-t), h = x/s, t = s/2."""
    t = 0.0
    scale = 0.5
    for _ in range(2):
        q = min(max(shortfall * scale, 1e-300), 0.5)
        r = math.sqrt(-2.0 * math.log(q))
        # Abramowitz and Stegun 26.2.23
        t = r - (2.515517 + r * (0.802853 + r * 0.010328)) / (
            1.0 + r * (1.432788 + r * (0.189269 + r * 0.001308))
        )
        t = max(t, 0.3)
        h = x / (2.0 * t)
        scale = 0.5 * math.exp(min(0.5 * h * h, 40.0))
    return 2.0 * t


@kernel("f8(f8,f8)")
def _difference_by_series(h: float, t: float) -> float:
    """Y(h+t) - Y(h-t), Y = N/n, for small t and h <= 0; each odd derivative from Y'' = z Y' + Y and so on."""
    previous = mills(-h)
    current = 1.0 + h * previous
    total = current
    power = 1.0
    for n in range(1, 14, 2):
        even = h * current + n * previous
        odd = h * even + (n + 1.0) * current
        power *= t * t / ((n + 1.0) * (n + 2.0))
        total += power * odd
        previous, current = even, odd
    return 2.0 * t * total


@kernel("f8(f8,f8,f8)")
def _difference(h: float, t: float, x: float) -> float:
    """Y(h+t) - Y(h-t) below the inflection point, where h + t <= 0 but for a step that went a little far."""
    if t < 0.25 and x > -0.5:
        return _difference_by_series(h, t)
    if h + t > 0.0:
        return SQRT_2PI * math.exp(0.5 * (h + t) * (h + t)) - mills(h + t) - mills(t - h)
    return mills(-h - t) - mills(t - h)


@kernel("f8(f8,f8,f8,f8)")
def _householder(miss: float, h: float, s: float, ratio: float) -> float:
    """Step for an objective g with -g/g' = miss, where g''/g' and g'''/g' follow from b and `ratio`."""
    curve = h * h / s - 0.25 * s
    second = curve - ratio
    third = curve * curve - 3.0 * (h / s) * (h / s) - 0.25 - 3.0 * ratio * curve + 2.0 * ratio * ratio
    step = miss * (1.0 + 0.5 * miss * second) / (1.0 + miss * (second + miss * third / 6.0))
    return min(max(step, -0.5 * s), s)


@kernel("f8(f8,f8,f8)")
def _total_deviation(beta: float, x: float, width: float) -> float:
    """s = sigma sqrt(T) of the normalised out-of-the-money value 0 < beta < exp(x/2), x <= 0."""
    b_max = math.exp(0.5 * x)
    s_inflection = math.sqrt(-2.0 * x)
    b_inflection = b_max * 0.5 - INV_SQRT_2PI * b_max * mills(s_inflection)
    upper = beta > 0.6 * b_max and beta > b_inflection
    lower = beta < b_inflection
    if upper:
        s = _tail_start(b_max - beta, x)
        target = math.log(b_max - beta)
    else:
        s = _bachelier_start(beta, width)
        s = s if width <= 0.0 else s * (-x / width)
        square = s * s
        for _ in range(2):
            trial = s * (1.0 + square / 24.0 + square * square / 5760.0)
            square = min(trial * trial, 9.0)
        s *= 1.0 + square / 24.0 + square * square / 5760.0
        target = math.log(beta)
    for _ in range(MAX_STEPS):
        h = x / s
        t = 0.5 * s
        exponent = -0.5 * (h * h + t * t)
        if lower:
            # lnb = exponent - ln sqrt(2 pi) + ln(Y(h+t) - Y(h-t))
            gap = _difference(h, t, x)
            miss = (target - exponent + LOG_SQRT_2PI - math.log(gap)) * gap
            step = _householder(miss, h, s, 1.0 / gap)
        elif upper:
            total = mills(abs(h + t)) + mills(t - h)
            if h + t < 0.0:
                total = b_max / (INV_SQRT_2PI * math.exp(exponent)) - mills(-h - t) + mills(t - h)
            miss = (math.log(total) + exponent - LOG_SQRT_2PI - target) * total
            step = _householder(miss, h, s, -1.0 / total)
        else:
            density = INV_SQRT_2PI * math.exp(exponent)
            if t < 0.25:
                value = density * _difference_by_series(h, t)
            elif h + t > 0.0:
                value = b_max - density * (mills(h + t) + mills(t - h))
            else:
                value = density * (mills(-h - t) - mills(t - h))
            step = _householder((beta - value) / density, h, s, 0.0)
        s += step
        if abs(step) <= CLOSE_ENOUGH * s:
            return s
    return math.nan


@kernel("Tuple((f8,i8))(f8,f8,f8,f8,f8,b1)")
def black76_implied_vol(
    price: float, F: float, K: float, T: float, df: float, is_call: bool
) -> tuple[float, int]:
    """(vol, OK), or (NaN, status code) where the price has none. Never raises."""
    if not (0.0 < F < math.inf and 0.0 < K < math.inf and 0.0 < df < math.inf):
        return math.nan, BAD_INPUT
    if not (math.isfinite(price) and math.isfinite(T)):
        return math.nan, BAD_INPUT
    if T <= 0.0:
        return math.nan, EXPIRED
    value = price / df
    intrinsic = max(F - K, 0.0) if is_call else max(K - F, 0.0)
    if value < intrinsic or price < 0.0:
        return math.nan, BELOW_INTRINSIC
    if value == intrinsic:
        return math.nan, AT_INTRINSIC
    if value >= (F if is_call else K):
        return math.nan, ABOVE_MAXIMUM
    scale = math.sqrt(F) * math.sqrt(K)
    s = _total_deviation((value - intrinsic) / scale, -abs(log_moneyness(F, K)), abs(F - K) / scale)
    return s / math.sqrt(T), OK


@kernel("void(f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],b1[::1],f8[::1],i8[::1])")
def black76_implied_vol_into(
    price: NDArray[np.float64],
    F: NDArray[np.float64],
    K: NDArray[np.float64],
    T: NDArray[np.float64],
    df: NDArray[np.float64],
    is_call: NDArray[np.bool_],
    out: NDArray[np.float64],
    status: NDArray[np.int64],
) -> None:
    """Array form: `out` takes the vols (NaN where there is none), `status` the codes."""
    for i in range(price.size):
        out[i], status[i] = black76_implied_vol(price[i], F[i], K[i], T[i], df[i], is_call[i])


def price_bounds(F: float, K: float, df: float, is_call: bool) -> tuple[float, float]:
    """(discounted intrinsic, discounted maximum): prices strictly between them have an implied vol."""
    intrinsic = max(F - K, 0.0) if is_call else max(K - F, 0.0)
    return df * intrinsic, df * (F if is_call else K)


_ERRORS: Final[dict[int, type[ImpliedVolError]]] = {
    BAD_INPUT: BadInputError,
    EXPIRED: ExpiredError,
    BELOW_INTRINSIC: BelowIntrinsicError,
    AT_INTRINSIC: AtIntrinsicError,
    ABOVE_MAXIMUM: AboveMaximumError,
}


def implied_vol(price: float, F: float, K: float, T: float, df: float = 1.0, is_call: bool = True) -> float:
    """Black-76 implied vol per sqrt(year).

    Raises:
        ImpliedVolError: the price has none; see the subclasses.
    """
    vol, status = black76_implied_vol(price, F, K, T, df, is_call)
    if status == OK and math.isfinite(vol):
        return vol
    side = "call" if is_call else "put"
    if status == EXPIRED:
        raise ExpiredError(f"expected time to expiry T > 0 years, found {T!r}; use the fixing instead")
    if status in (OK, BAD_INPUT):
        raise BadInputError(
            "expected finite price and T, and F, K, df > 0, found "
            f"price={price!r}, F={F!r}, K={K!r}, T={T!r}, df={df!r}; check the quote and its forward"
        )
    low, high = price_bounds(F, K, df, is_call)
    raise _ERRORS[status](
        f"expected a {side} price strictly between {low!r} and {high!r} (F={F!r}, K={K!r}, df={df!r}), "
        f"found {price!r}; check the quote and its forward"
    )
