"""All slices of a chain fitted in one call without the interpreter: what a background worker runs.

Per expiry: targets and bands of total variance (`calibration.targets` in compiled form), the SVI fit from
the last slice, how the result sits among its quotes, its least butterfly function; then, from the
second expiry on, the slice is raised by its worst calendar shortfall against the one before.

The kernels called here live in `svi_kernels`; numba's disk cache does not see edits there: clear
`__pycache__` after changing them (tests compare both paths).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel
from atomizer.models.svi_kernels import butterfly_minimum, fit_svi, svi_point

FloatArray = NDArray[np.float64]

LEAST_QUOTES: Final = 6
HALF_WIDTH_FLOOR: Final = 0.001  # of vol, added in quadrature; as in `calibration`
AT_THE_MONEY_SHARE: Final = 0.5
REACH: Final = 1.5  # |k| on which butterflies are looked for
CALENDAR_POINTS: Final = 101
POINTS: Final = 301

# Columns of the result, a row per expiry.
COLUMNS: Final = (
    "a",
    "b",
    "rho",
    "m",
    "sigma",
    "status",
    "quotes",
    "inside",
    "least_g",
    "raised",
    "low_k",
    "high_k",
)
A, B, RHO, M, SIGMA, STATUS, QUOTES, INSIDE, LEAST_G, RAISED, LOW_K, HIGH_K = range(12)
FITTED, TOO_FEW, FAILED = 0.0, 1.0, 2.0


@kernel("i8(f8[::1],f8[::1],f8[::1],f8[::1],f8,f8,f8[::1],f8[::1],f8[::1])")
def _bands(
    strikes: FloatArray,
    bid_vols: FloatArray,
    ask_vols: FloatArray,
    vols: FloatArray,
    forward: float,
    years: float,
    k: FloatArray,
    middle: FloatArray,
    half: FloatArray,
) -> int:
    """Fill targets and half-widths in total variance of the two-sided quotes; returns how many."""
    n = 0
    for i in range(strikes.size):
        bid, ask = bid_vols[i], ask_vols[i]
        if not (0.0 < bid <= ask < math.inf):
            continue
        low, high = bid * bid * years, ask * ask * years
        k[n] = math.log(strikes[i] / forward)
        inside = bid <= vols[i] <= ask
        middle[n] = vols[i] * vols[i] * years if inside else 0.5 * (low + high)
        floor = 2.0 * math.sqrt(middle[n] * years) * HALF_WIDTH_FLOOR
        half[n] = math.sqrt(0.25 * (high - low) * (high - low) + floor * floor)
        n += 1
    return n


@kernel("i8(f8[::1],f8[::1],f8[::1],i8,f8[::1],f8[::1],f8[::1])")
def _with_money(
    k: FloatArray,
    middle: FloatArray,
    half: FloatArray,
    n: int,
    out_k: FloatArray,
    out_middle: FloatArray,
    out_half: FloatArray,
) -> int:
    """The bands with one more at the money, on the line between its neighbours with half their width."""
    at = 0
    while at < n and k[at] < 0.0:
        at += 1
    spans = 0 < at < n and k[at] > 0.0
    written = 0
    for i in range(n):
        if spans and i == at:
            share = -k[at - 1] / (k[at] - k[at - 1])
            vol = (1.0 - share) * math.sqrt(middle[at - 1]) + share * math.sqrt(middle[at])
            out_k[written] = 0.0
            out_middle[written] = vol * vol
            out_half[written] = AT_THE_MONEY_SHARE * ((1.0 - share) * half[at - 1] + share * half[at])
            written += 1
        out_k[written], out_middle[written], out_half[written] = k[i], middle[i], half[i]
        written += 1
    return written


@kernel("f8(f8[::1],f8[::1],f8,f8)")
def _shortfall(earlier: FloatArray, later: FloatArray, low: float, high: float) -> float:
    """By how much the later slice's total variance falls below the earlier one's at worst, on a grid."""
    worst = 0.0
    for i in range(CALENDAR_POINTS):
        k = low + (high - low) * i / (CALENDAR_POINTS - 1)
        first = svi_point(k, earlier[0], earlier[1], earlier[2], earlier[3], earlier[4])[0]
        second = svi_point(k, later[0], later[1], later[2], later[3], later[4])[0]
        worst = max(worst, first - second)
    return worst


@kernel("void(f8[::1],i8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[::1],f8[:,::1],f8,f8[:,::1])")
def fit_surface_into(
    strikes: FloatArray,
    starts: NDArray[np.int64],
    bid_vols: FloatArray,
    ask_vols: FloatArray,
    vols: FloatArray,
    forwards: FloatArray,
    years: FloatArray,
    previous: FloatArray,
    beyond: float,
    out: FloatArray,
) -> None:
    """Fit every expiry; row j of `out` takes the `COLUMNS` of the j-th, zeros where there is no slice.

    Args:
        strikes, bid_vols, ask_vols: of all expiries in a row, increasing within each; NaN: no such side.
        vols: what is aimed at between bid and ask; the middle of the band where it is NaN or outside.
        starts: where each expiry begins, and the end.
        forwards, years: per expiry, in order of expiry.
        previous: the last slices (rows of five, NaN: none).
        beyond: log-moneyness beyond the quotes on which calendars are looked at.
        out: `inside` is the share of quotes whose band holds the slice; `raised` what the calendar repair
            added, in half-widths at the money; `low_k`, `high_k` the outermost quotes.
    """
    count = forwards.size
    largest = 0
    for j in range(count):
        largest = max(largest, starts[j + 1] - starts[j])
    k, middle, half = np.empty(largest), np.empty(largest), np.empty(largest)
    fit_k, fit_middle, fit_half = np.empty(largest + 1), np.empty(largest + 1), np.empty(largest + 1)
    raw = np.empty(5)
    before = -1
    for j in range(count):
        for c in range(out.shape[1]):
            out[j, c] = 0.0
        low, high = starts[j], starts[j + 1]
        n = _bands(
            strikes[low:high],
            bid_vols[low:high],
            ask_vols[low:high],
            vols[low:high],
            forwards[j],
            years[j],
            k,
            middle,
            half,
        )
        out[j, QUOTES] = n
        if n < LEAST_QUOTES or not (0.0 < forwards[j] < math.inf and 0.0 < years[j] < math.inf):
            out[j, STATUS] = TOO_FEW
            continue
        size = _with_money(k, middle, half, n, fit_k, fit_middle, fit_half)
        loss = fit_svi(fit_k[:size], fit_middle[:size], fit_half[:size], previous[j], raw)[0]
        if not math.isfinite(loss):
            out[j, STATUS] = FAILED
            continue
        if before >= 0:
            at, nearest = 0, math.inf
            for i in range(size):
                if abs(fit_k[i]) < nearest:
                    at, nearest = i, abs(fit_k[i])
            shortfall = _shortfall(
                out[before], raw, out[before, LOW_K] - beyond, out[before, HIGH_K] + beyond
            )
            if shortfall > 0.0:
                raw[0] += shortfall * (1.0 + 1e-12) + 1e-16
                out[j, RAISED] = shortfall / fit_half[at]
        inside = 0
        for i in range(low, high):
            if 0.0 < bid_vols[i] <= ask_vols[i] < math.inf:
                at_k = math.log(strikes[i] / forwards[j])
                w = svi_point(at_k, raw[0], raw[1], raw[2], raw[3], raw[4])[0]
                vol = math.sqrt(max(w, 0.0) / years[j])
                inside += bid_vols[i] - HALF_WIDTH_FLOOR <= vol <= ask_vols[i] + HALF_WIDTH_FLOOR
        reach = min(1.5 * max(abs(k[0]), abs(k[n - 1])), REACH)
        least = butterfly_minimum(raw, -REACH, REACH, POINTS)[0]
        least = min(least, butterfly_minimum(raw, -reach, reach, POINTS)[0])
        for p in range(5):
            out[j, p] = raw[p]
        out[j, INSIDE] = inside / n
        out[j, LEAST_G] = least if math.isfinite(least) else -1.0
        out[j, LOW_K], out[j, HIGH_K] = k[0], k[n - 1]
        before = j
