"""Kernels of SSVI: evaluation, and the joint fit of one shape to all expiries.

Shape (rho, eta, gamma) and per expiry the ATM total variance theta; see `ssvi`. The fit searches where
eta (1 + |rho|) <= 2 and gamma <= 1/2, so that what it returns has no static arbitrage whatever the quotes.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel

FloatArray = NDArray[np.float64]

SHAPE: Final = 3
MAX_STEPS: Final = 100
FAR: Final = 6.0  # logistic(6) is 0.9975: as near to a bound as the search goes


@kernel("f8(f8,f8,f8,f8,f8)")
def ssvi_variance(k: float, theta: float, rho: float, eta: float, gamma: float) -> float:
    """Total variance at log-moneyness k on the slice of ATM variance theta > 0."""
    tilt = eta / (math.pow(theta, gamma) * math.pow(1.0 + theta, 1.0 - gamma)) * k
    root = math.sqrt((tilt + rho) * (tilt + rho) + 1.0 - rho * rho)
    return 0.5 * theta * (1.0 + rho * tilt + root)


@kernel("void(f8[::1],f8[::1],f8,f8,f8,f8[::1])")
def ssvi_variance_into(
    k: FloatArray, theta: FloatArray, rho: float, eta: float, gamma: float, out: FloatArray
) -> None:
    """Array form: option i lies at k[i] on the slice of ATM variance theta[i]."""
    for i in range(k.size):
        out[i] = ssvi_variance(k[i], theta[i], rho, eta, gamma)


@kernel("void(f8[::1],f8[::1])")
def _shape_from(x: FloatArray, shape: FloatArray) -> None:
    rho = math.tanh(x[0])
    shape[0] = rho
    shape[1] = 2.0 / ((1.0 + abs(rho)) * (1.0 + math.exp(-x[1])))
    shape[2] = 0.5 / (1.0 + math.exp(-x[2]))


@kernel("f8(f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1])")
def _residuals(
    x: FloatArray, k: FloatArray, theta: FloatArray, middle: FloatArray, half: FloatArray, out: FloatArray
) -> float:
    """Signed roots of a loss that grows linearly outside the band; returns the loss."""
    shape = np.empty(SHAPE)
    _shape_from(x, shape)
    total = 0.0
    for i in range(k.size):
        u = (ssvi_variance(k[i], theta[i], shape[0], shape[1], shape[2]) - middle[i]) / half[i]
        loss = math.sqrt(1.0 + u * u) - 1.0
        out[i] = math.copysign(math.sqrt(loss), u)
        total += loss
    return total


@kernel("f8(f8[::1],f8[::1],f8[::1],f8[::1],f8[::1])")
def fit_ssvi_shape(
    k: FloatArray, theta: FloatArray, middle: FloatArray, half: FloatArray, shape: FloatArray
) -> float:
    """Fit (rho, eta, gamma) to bands of total variance; `shape` is start and result. Returns the loss.

    Gauss-Newton with damping on differences; three parameters, so a normal matrix by Cramer's rule.
    """
    n = k.size
    x, trial, step = np.empty(SHAPE), np.empty(SHAPE), np.empty(SHAPE)
    here, there = np.empty(n), np.empty(n)
    slopes = np.empty((SHAPE, n))
    matrix, right = np.empty((SHAPE, SHAPE)), np.empty(SHAPE)
    share = min(max(shape[1] * (1.0 + abs(shape[0])) / 2.0, 0.01), 0.99)
    power = min(max(2.0 * shape[2], 0.01), 0.99)
    x[0] = math.atanh(min(max(shape[0], -0.99), 0.99))
    x[1] = math.log(share / (1.0 - share))
    x[2] = math.log(power / (1.0 - power))
    best = _residuals(x, k, theta, middle, half, here)
    damping = 1e-3
    for _ in range(MAX_STEPS):
        for p in range(SHAPE):
            for q in range(SHAPE):
                trial[q] = x[q] + (1e-6 if q == p else 0.0)
            _residuals(trial, k, theta, middle, half, there)
            for i in range(n):
                slopes[p, i] = (there[i] - here[i]) / 1e-6
        for p in range(SHAPE):
            right[p] = 0.0
            for i in range(n):
                right[p] -= slopes[p, i] * here[i]
            for q in range(SHAPE):
                matrix[p, q] = 0.0
                for i in range(n):
                    matrix[p, q] += slopes[p, i] * slopes[q, i]
        gain = 0.0
        while damping < 1e9:
            a, b, c = matrix[0, 0] * (1.0 + damping) + 1e-12, matrix[0, 1], matrix[0, 2]
            d, e, f = (
                matrix[1, 1] * (1.0 + damping) + 1e-12,
                matrix[1, 2],
                matrix[2, 2] * (1.0 + damping) + 1e-12,
            )
            whole = a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d)
            step[0] = (
                right[0] * (d * f - e * e)
                - b * (right[1] * f - e * right[2])
                + c * (right[1] * e - d * right[2])
            ) / whole
            step[1] = (
                a * (right[1] * f - e * right[2])
                - right[0] * (b * f - c * e)
                + c * (b * right[2] - right[1] * c)
            ) / whole
            step[2] = (
                a * (d * right[2] - right[1] * e)
                - b * (b * right[2] - right[1] * c)
                + right[0] * (b * e - d * c)
            ) / whole
            for p in range(SHAPE):
                trial[p] = min(max(x[p] + min(max(step[p], -2.0), 2.0), -FAR), FAR)
            trial[0] = min(max(trial[0], -3.0), 3.0)
            found = _residuals(trial, k, theta, middle, half, there)
            if found < best:
                gain = best - found
                best = found
                for p in range(SHAPE):
                    x[p] = trial[p]
                for i in range(n):
                    here[i] = there[i]
                damping = max(damping * 0.2, 1e-12)
                break
            damping *= 4.0
        if gain <= 1e-12 * best:
            break
    _shape_from(x, shape)
    return best
