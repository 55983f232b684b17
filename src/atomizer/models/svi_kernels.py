"""Kernels of the raw SVI slice: evaluation, the butterfly function, and the fit to quotes.

Parameters are an array (a, b, rho, m, sigma): w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)),
k = ln(K/F), w = vol^2 T. See `svi` for the typed form.

The fit minimises, over quotes with a band of total variance, a loss of u = (w - middle)/half-width that
hardly counts inside the band and stops growing far outside, so that one stale quote does not bend the slice.
It starts from weighted least squares (for each of a grid of (m, sigma) the rest is linear: Zeliade 2009) and
follows the loss from convex to bounded with Levenberg-Marquardt steps. Butterfly arbitrage, Lee's wing bound
and negative variance are penalised; `butterfly_minimum` is the check afterwards.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel

FloatArray = NDArray[np.float64]

GRID_HALF_WIDTH: Final = 1.5
GRID_POINTS: Final = 61
G_FLOOR: Final = 0.005
WING_BOUND: Final = 2.0  # Lee
WING_LIMIT: Final = 1.95
SMALLEST_SHARE: Final = 1e-4  # of the mean variance: floor for the lowest point of the slice
FIRMNESS: Final = 30.0
FIRMER: Final = 4  # times the penalties may grow tenfold to press the last arbitrage out
PENALTIES: Final = GRID_POINTS + 2
MAX_RHO_STEP: Final = 3.8  # atanh(0.999)
PARAMETERS: Final = 5
MAX_STEPS: Final = 200
STARTS: Final = 3
# Stages of the loss on each path: two from a cold start, one from a warm start; -1 is no stage.
STAGES: Final = np.array(
    [[0.0, 4.0, 2.0, 1.0], [0.0, 1.0, -1.0, -1.0], [2.0, 1.0, -1.0, -1.0], [1.0, -1.0, -1.0, -1.0]]
)
WARM_PATH: Final = 2
FIRM_PATH: Final = 3


@kernel("void(f8[::1],f8[::1],f8[::1])")
def svi_variance_into(k: FloatArray, raw: FloatArray, out: FloatArray) -> None:
    """Total variance at each k."""
    a, b, rho, m, sigma = raw[0], raw[1], raw[2], raw[3], raw[4]
    for i in range(k.size):
        y = k[i] - m
        out[i] = a + b * (rho * y + math.sqrt(y * y + sigma * sigma))


@kernel("void(f8[::1],i8[::1],f8[::1],f8[::1],f8[:,::1],f8[::1],f8[::1],f8[::1])")
def chain_vols_into(
    strikes: FloatArray,
    expiry: NDArray[np.int64],
    forwards: FloatArray,
    years: FloatArray,
    raws: FloatArray,
    out_forward: FloatArray,
    out_years: FloatArray,
    out_vol: FloatArray,
) -> None:
    """Forward, time and vol of every option of a chain: option i belongs to slice `expiry[i]`.

    `forwards`, `years` and `raws` (rows of five parameters) are per slice. The three outputs are what
    `black.black76_greeks_into` takes. NaN vol where the slice has no variance.
    """
    for i in range(strikes.size):
        j = expiry[i]
        y = math.log(strikes[i] / forwards[j]) - raws[j, 3]
        w = raws[j, 0] + raws[j, 1] * (raws[j, 2] * y + math.sqrt(y * y + raws[j, 4] * raws[j, 4]))
        out_forward[i] = forwards[j]
        out_years[i] = years[j]
        out_vol[i] = math.sqrt(w / years[j])


@kernel("UniTuple(f8,4)(f8,f8,f8,f8,f8,f8)")
def svi_point(
    k: float, a: float, b: float, rho: float, m: float, sigma: float
) -> tuple[float, float, float, float]:
    """(w, dw/dk, d2w/dk2, g): g < 0 is a butterfly arbitrage at k (Gatheral and Jacquier 2014, eq. 2.1)."""
    y = k - m
    root = math.sqrt(y * y + sigma * sigma)
    w = a + b * (rho * y + root)
    slope = b * (rho + y / root)
    bend = b * sigma * sigma / (root * root * root)
    if w <= 0.0:
        return w, slope, bend, -math.inf
    lead = 1.0 - k * slope / (2.0 * w)
    return w, slope, bend, lead * lead - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * bend


@kernel("UniTuple(f8,2)(f8[::1],f8,f8,i8)")
def butterfly_minimum(raw: FloatArray, low: float, high: float, points: int) -> tuple[float, float]:
    """(least g, its k) on an even grid from low to high."""
    least, where = math.inf, low
    for i in range(points):
        k = low + (high - low) * i / (points - 1)
        g = svi_point(k, raw[0], raw[1], raw[2], raw[3], raw[4])[3]
        if not g >= least:
            least, where = g, k
    return least, where


@kernel("void(f8[::1],f8,f8,f8[::1])")
def _raw_from(x: FloatArray, level: float, width: float, raw: FloatArray) -> None:
    raw[0] = level * x[0]
    raw[1] = math.exp(x[1]) * level / width
    raw[2] = math.tanh(x[2])
    raw[3] = width * x[3]
    raw[4] = width * math.exp(x[4])


@kernel("f8(f8[::1],f8,f8,f8,f8[::1])")
def _penalties(raw: FloatArray, level: float, reach: float, firmness: float, out: FloatArray) -> float:
    """Residuals of what a slice must not do; returns their sum of squares."""
    a, b, rho, m, sigma = raw[0], raw[1], raw[2], raw[3], raw[4]
    lowest = (a + b * sigma * math.sqrt(1.0 - rho * rho)) / level
    out[0] = firmness * max(0.0, SMALLEST_SHARE - lowest)
    out[1] = firmness * max(0.0, b * (1.0 + abs(rho)) - WING_LIMIT)
    total: float = out[0] * out[0] + out[1] * out[1]
    for i in range(GRID_POINTS):
        # denser where the quotes are: k = reach * u^3 + linear part
        u = 2.0 * i / (GRID_POINTS - 1) - 1.0
        k = u * (reach + (GRID_HALF_WIDTH - reach) * u * u)
        g = max(svi_point(k, a, b, rho, m, sigma)[3], -10.0)
        out[i + 2] = firmness * max(0.0, G_FLOOR - g)
        total += out[i + 2] * out[i + 2]
    return total


@kernel("UniTuple(f8,2)(f8,f8)")
def _loss(u: float, stage: float) -> tuple[float, float]:
    """(loss, weight) of a residual in half-widths; the weight is d loss / d(u^2).

    Stage 0: u^2. Stage t > 0: v^4/(1 + v^4) + v^2/50, v = u/t.
    """
    if stage == 0.0:
        return u * u, 1.0
    square = (u / stage) * (u / stage)
    quart = square * square
    loss = quart / (1.0 + quart) + 0.02 * square
    weight = 2.0 * square / ((1.0 + quart) * (1.0 + quart)) + 0.02
    return loss, weight / (stage * stage)


@kernel("f8(f8[::1],f8[::1],f8[::1],f8[::1],f8)")
def _data_loss(raw: FloatArray, k: FloatArray, middle: FloatArray, half: FloatArray, stage: float) -> float:
    total = 0.0
    for i in range(k.size):
        y = k[i] - raw[3]
        w: float = raw[0] + raw[1] * (raw[2] * y + math.sqrt(y * y + raw[4] * raw[4]))
        total += _loss((w - middle[i]) / half[i], stage)[0]
    return total


@kernel("b1(f8[:,::1],f8[::1],f8,f8[::1])")
def _solve(matrix: FloatArray, right: FloatArray, damping: float, out: FloatArray) -> bool:
    """Solve (matrix + damping diag(matrix)) out = right by Cholesky; False where it is not positive."""
    n = right.size
    factor = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            if i == j:
                total += damping * (matrix[i, i] + 1e-12)
            for p in range(j):
                total -= factor[i, p] * factor[j, p]
            if i == j:
                if not total > 0.0:
                    return False
                factor[i, i] = math.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    for i in range(n):
        total = right[i]
        for p in range(i):
            total -= factor[i, p] * out[p]
        out[i] = total / factor[i, i]
    for i in range(n - 1, -1, -1):
        total = out[i]
        for p in range(i + 1, n):
            total -= factor[p, i] * out[p]
        out[i] = total / factor[i, i]
    return True


@kernel("void(f8[::1],f8[::1],f8[::1],f8[::1],f8,f8,f8,f8[:,::1],f8[::1])")
def _normal_equations(
    raw: FloatArray,
    k: FloatArray,
    middle: FloatArray,
    half: FloatArray,
    level: float,
    width: float,
    stage: float,
    matrix: FloatArray,
    right: FloatArray,
) -> None:
    """Gauss-Newton matrix and right side of the data part, reweighted by the loss."""
    b, rho, m, sigma = raw[1], raw[2], raw[3], raw[4]
    slope = np.empty(PARAMETERS)
    for p in range(PARAMETERS):
        right[p] = 0.0
        for q in range(PARAMETERS):
            matrix[p, q] = 0.0
    for i in range(k.size):
        y = k[i] - m
        root = math.sqrt(y * y + sigma * sigma)
        core = b * (rho * y + root)
        u = (raw[0] + core - middle[i]) / half[i]
        weight = _loss(u, stage)[1]
        slope[0] = level / half[i]
        slope[1] = core / half[i]
        slope[2] = b * y * (1.0 - rho * rho) / half[i]
        slope[3] = -width * b * (rho + y / root) / half[i]
        slope[4] = b * sigma * sigma / root / half[i]
        for p in range(PARAMETERS):
            right[p] -= weight * slope[p] * u
            for q in range(p + 1):
                matrix[p, q] += weight * slope[p] * slope[q]


@kernel("void(f8[::1],f8[::1],f8,f8,f8,f8,f8[:,::1],f8[::1])")
def _add_penalties(
    x: FloatArray,
    active: FloatArray,
    level: float,
    width: float,
    reach: float,
    firmness: float,
    matrix: FloatArray,
    right: FloatArray,
) -> None:
    """Add the penalties' Gauss-Newton terms, slopes by forward differences."""
    raw = np.empty(PARAMETERS)
    bumped = np.empty(PENALTIES)
    slopes = np.empty((PARAMETERS, PENALTIES))
    for p in range(PARAMETERS):
        kept = x[p]
        x[p] = kept + 1e-6
        _raw_from(x, level, width, raw)
        _penalties(raw, level, reach, firmness, bumped)
        x[p] = kept
        for i in range(PENALTIES):
            slopes[p, i] = (bumped[i] - active[i]) / 1e-6 if active[i] > 0.0 else 0.0
    for p in range(PARAMETERS):
        for i in range(PENALTIES):
            right[p] -= slopes[p, i] * active[i]
        for q in range(p + 1):
            for i in range(PENALTIES):
                matrix[p, q] += slopes[p, i] * slopes[q, i]


@kernel("f8(f8[::1],f8[::1],f8[::1],f8[::1],f8,f8,f8,f8,f8)")
def _descend(
    x: FloatArray,
    k: FloatArray,
    middle: FloatArray,
    half: FloatArray,
    level: float,
    width: float,
    reach: float,
    stage: float,
    firmness: float,
) -> float:
    """Levenberg-Marquardt from x, in place; returns the loss reached."""
    raw = np.empty(PARAMETERS)
    trial = np.empty(PARAMETERS)
    step = np.empty(PARAMETERS)
    matrix = np.empty((PARAMETERS, PARAMETERS))
    right = np.empty(PARAMETERS)
    active = np.empty(PENALTIES)
    _raw_from(x, level, width, raw)
    penalty = _penalties(raw, level, reach, firmness, active)
    best = _data_loss(raw, k, middle, half, stage) + penalty
    damping = 1e-3
    for _ in range(MAX_STEPS):
        _normal_equations(raw, k, middle, half, level, width, stage, matrix, right)
        if penalty > 0.0:
            _add_penalties(x, active, level, width, reach, firmness, matrix, right)
        improved = False
        gain = 0.0
        while damping < 1e9:
            if _solve(matrix, right, damping, step):
                for p in range(PARAMETERS):
                    trial[p] = x[p] + min(max(step[p], -2.0), 2.0)
                trial[1] = min(max(trial[1], -12.0), 8.0)
                trial[2] = min(max(trial[2], -MAX_RHO_STEP), MAX_RHO_STEP)
                trial[3] = min(max(trial[3], -8.0), 8.0)
                trial[4] = min(max(trial[4], -5.0), 3.0)
                _raw_from(trial, level, width, raw)
                fresh = _penalties(raw, level, reach, firmness, active)
                found = _data_loss(raw, k, middle, half, stage) + fresh
                if found < best:
                    gain = best - found
                    best = found
                    penalty = fresh
                    for p in range(PARAMETERS):
                        x[p] = trial[p]
                    improved = True
                    damping = max(damping * 0.2, 1e-12)
                    break
            damping *= 4.0
        if not improved:
            break
        if gain <= (1e-13 if stage == 1.0 else 1e-4) * best:
            break
    return best


@kernel("f8(f8[::1],f8[::1],f8[::1],f8,f8,f8,f8,f8[::1])")
def _linear_start(
    k: FloatArray,
    middle: FloatArray,
    half: FloatArray,
    level: float,
    width: float,
    m: float,
    sigma: float,
    x: FloatArray,
) -> float:
    """For given (m, sigma) the least squares (a, rho b, b), put into x; returns its sum of squares."""
    matrix = np.zeros((3, 3))
    right = np.zeros(3)
    basis = np.empty(3)
    solution = np.empty(3)
    for i in range(k.size):
        y = (k[i] - m) / sigma
        basis[0] = 1.0
        basis[1] = y
        basis[2] = math.sqrt(y * y + 1.0)
        weight = 1.0 / (half[i] * half[i])
        for p in range(3):
            right[p] += weight * basis[p] * middle[i]
            for q in range(p + 1):
                matrix[p, q] += weight * basis[p] * basis[q]
    if not _solve(matrix, right, 1e-12, solution):
        return math.inf
    c = max(solution[2], 1e-4 * level)
    d = min(max(solution[1], -0.99 * c), 0.99 * c)
    x[0] = solution[0] / level
    x[1] = math.log(c / sigma * width / level)
    x[2] = math.atanh(d / c)
    x[3] = m / width
    x[4] = math.log(sigma / width)
    total = 0.0
    for i in range(k.size):
        y = (k[i] - m) / sigma
        u = (solution[0] + d * y + c * math.sqrt(y * y + 1.0) - middle[i]) / half[i]
        total += u * u
    return total


@kernel("i8(f8[::1],f8[::1],f8[::1],f8,f8,f8[:,::1])")
def _cold_starts(
    k: FloatArray, middle: FloatArray, half: FloatArray, level: float, width: float, starts: FloatArray
) -> int:
    """The best least-squares starts over a grid of (m, sigma), best first; returns how many there are."""
    x = np.empty(PARAMETERS)
    scores = np.empty(STARTS)
    found = 0
    centre = 0.0
    for i in range(k.size):
        centre += k[i] / k.size
    for i in range(9):
        for j in range(7):
            sigma = width * 0.05 * math.exp(0.6 * j)
            score = _linear_start(k, middle, half, level, width, centre + width * (i - 4) / 4.0, sigma, x)
            if not math.isfinite(score) or (found == STARTS and score >= scores[STARTS - 1]):
                continue
            found = min(found + 1, STARTS)
            slot = found - 1
            while slot > 0 and score < scores[slot - 1]:
                scores[slot] = scores[slot - 1]
                for p in range(PARAMETERS):
                    starts[slot, p] = starts[slot - 1, p]
                slot -= 1
            scores[slot] = score
            for p in range(PARAMETERS):
                starts[slot, p] = x[p]
    return found


@kernel("UniTuple(f8,2)(f8[::1],f8[::1],f8[::1],f8[::1],f8[::1])")
def fit_svi(
    k: FloatArray, middle: FloatArray, half: FloatArray, start: FloatArray, out: FloatArray
) -> tuple[float, float]:
    """Fit a slice to quotes; `out` takes the raw parameters. Returns (loss, least g on |k| <= 1.5).

    `middle` and `half` are the centre and half-width of each quote's band in total variance, half > 0, k in
    increasing order, at least five quotes. `start` is the last slice (warm start: one descent) or has a NaN
    in it (cold start). The loss is a sum over quotes, about one for each that is left far outside its band.
    """
    n = k.size
    level = 0.0
    for i in range(n):
        level += middle[i] / n
    width = 0.5 * (k[n - 1] - k[0])
    reach = min(max(abs(k[0]), abs(k[n - 1])) * 1.5, GRID_HALF_WIDTH)
    x = np.empty(PARAMETERS)
    starts = np.empty((STARTS, PARAMETERS))
    warm = math.isfinite(start[0] + start[1] + start[2] + start[3] + start[4])
    if warm:
        count, paths = 1, 1
        starts[0, 0] = start[0] / level
        starts[0, 1] = math.log(max(start[1], 1e-5 * level / width) * width / level)
        starts[0, 2] = math.atanh(min(max(start[2], -0.999), 0.999))
        starts[0, 3] = start[3] / width
        starts[0, 4] = math.log(max(start[4], 1e-2 * width) / width)
    else:
        count, paths = _cold_starts(k, middle, half, level, width, starts), 2
    best, least = math.inf, math.nan
    best_x = np.empty(PARAMETERS)
    for p in range(PARAMETERS):
        out[p] = math.nan
    runs = count * paths
    for run in range(runs + FIRMER):
        firmer = run >= runs
        firmness = FIRMNESS
        row = WARM_PATH if warm else run % paths
        for p in range(PARAMETERS):
            x[p] = best_x[p] if firmer else starts[run // paths, p]
        if firmer:
            least = min(
                butterfly_minimum(out, -GRID_HALF_WIDTH, GRID_HALF_WIDTH, 301)[0],
                butterfly_minimum(out, -reach, reach, 301)[0],
            )
            sound = least >= 0.0 and out[1] * (1.0 + abs(out[2])) <= WING_BOUND
            if sound or not best < math.inf:
                break
            row = FIRM_PATH
            firmness *= math.pow(10.0, run - runs + 1.0)
        found = math.inf
        for position in range(STAGES.shape[1]):
            stage = STAGES[row, position]
            if stage >= 0.0:
                found = _descend(x, k, middle, half, level, width, reach, stage, firmness)
        if found < best or firmer:
            best = found
            for p in range(PARAMETERS):
                best_x[p] = x[p]
            _raw_from(x, level, width, out)
    if not best < math.inf:
        return math.nan, math.nan
    return best, least
