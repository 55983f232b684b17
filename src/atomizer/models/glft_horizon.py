"""GLFT with a finite horizon: quotes v(t) = exp(-M (T - t)) v(T) and terminal penalties.

The matrix exponential is taken of a matrix without negative entries (M shifted by its largest diagonal), so
no subtraction happens and even components many orders below the largest keep their relative accuracy.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from atomizer.models.glft import GlftParameters, GlftTable, solve, validated
from atomizer.models.inputs import ModelInputError, non_negative

Vector = NDArray[np.float64]
_FORGOTTEN = 45.0  # gap times horizon beyond which the terminal condition is below rounding
_TAYLOR_TERMS = 18  # enough for 1e-18 at norm 1/2


def solve_horizon(
    parameters: GlftParameters,
    time_left: float,
    *,
    terminal_linear: float = 0.0,
    terminal_quadratic: float = 0.0,
) -> GlftTable:
    """Distances at `time_left` before the end, with terminal cost a|q| + b q^2.

    The cost of liquidating with market orders belongs into `terminal_linear` (half spread plus fee per unit).

    Args:
        parameters: as for the stationary problem.
        time_left: T - t, in the time unit of the parameters.
        terminal_linear: a, price units per unit of inventory.
        terminal_quadratic: b, price units per unit squared.

    Raises:
        ModelInputError: a parameter outside its domain; penalties too steep for double precision.
    """
    p = validated(parameters)
    non_negative(time_left=time_left, terminal_linear=terminal_linear, terminal_quadratic=terminal_quadratic)
    n = np.arange(-p.lots, p.lots + 1, dtype=np.float64)
    cost = terminal_linear * np.abs(n * p.lot) + terminal_quadratic * (n * p.lot) ** 2
    # unequal sides: the symmetric problem's vector is v times (A_bid/A_ask)^(n/2), undone by side_shift in
    # _table
    log_end = -(p.decay / p.lot) * cost - 0.5 * p.decay * p.impact * n * n + p.decay * p.side_shift * n
    if time_left == 0.0:
        return _table(p, log_end)
    matrix = _problem(p, n)
    levels = np.linalg.eigvalsh(matrix)
    if (levels[1] - levels[0]) * time_left > _FORGOTTEN:
        return solve(p)
    with np.errstate(under="ignore"):
        end = np.exp(log_end - log_end.max())
        value = _grow(matrix, time_left) @ end
    if not (np.isfinite(value).all() and (value > 0.0).all()):
        raise ModelInputError(
            "terminal penalty",
            "costs below about 700 decay lengths over the inventory range",
            (terminal_linear, terminal_quadratic),
        )
    return _table(p, np.log(value))


def _problem(p: GlftParameters, n: Vector) -> Vector:
    """The matrix M, symmetric: unequal sides enter by their geometric mean."""
    off = np.full(n.size - 1, -p.eta)
    matrix: Vector = np.diag(p.alpha * n * n - p.decay * p.drift * n) + np.diag(off, 1) + np.diag(off, -1)
    return matrix


def _grow(matrix: Vector, time_left: float) -> Vector:
    """exp(-matrix time_left) up to a common factor, by Taylor series and squaring without cancellation."""
    shift = float(np.diag(matrix).max())
    positive = (shift * np.eye(matrix.shape[0]) - matrix) * time_left
    norm = float(positive.sum(axis=1).max())
    halvings = max(0, math.ceil(math.log2(max(norm, 1e-300))) + 1)
    small = positive / 2.0**halvings
    result = np.eye(matrix.shape[0])
    for term in range(_TAYLOR_TERMS, 0, -1):
        result = np.eye(matrix.shape[0]) + (small @ result) / term
    for _ in range(halvings):
        result = result @ result
        result /= result.max()
    grown: Vector = result
    return grown


def _table(p: GlftParameters, log_value: Vector) -> GlftTable:
    step = (log_value[:-1] - log_value[1:]) / p.decay
    bid, ask = np.full((2, log_value.size), math.nan)
    bid[:-1] = p.base + step + p.side_shift
    ask[1:] = p.base - step - p.side_shift
    return GlftTable(p, bid, ask)
