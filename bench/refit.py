"""What a surface refit in the background adds to the event loop's delay.

A real loop that does nothing but turn, and the node's thread worker beside it with one refit after the other:
six slices of 25 strikes through the compiled fit, which runs without the interpreter's lock. The delay is the
time between two turns; the peer is the same loop without the worker.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atomizer.domain.commands import RunJob
from atomizer.models.svi_kernels import PARAMETERS, fit_svi, svi_variance_into
from atomizer.runtime.driver import ThreadWorker

SLICES, STRIKES = 6, 25
FloatArray = NDArray[np.float64]


def refit(slices: list[tuple[FloatArray, FloatArray, FloatArray]]) -> FloatArray:
    """Fit every slice cold; one row of raw parameters each."""
    out = np.empty((len(slices), PARAMETERS))
    start = np.full(PARAMETERS, np.nan)
    for row, (k, middle, half) in zip(out, slices, strict=True):
        fit_svi(k, middle, half, start, row)
    return out


def quoted() -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Bands of total variance around six smiles."""
    slices = []
    for number in range(1, SLICES + 1):
        k, middle = np.linspace(-0.4, 0.4, STRIKES), np.empty(STRIKES)
        raw = np.array([0.02 * number, 0.1, -0.3, 0.01, 0.15])
        svi_variance_into(k, raw, middle)
        slices.append((k, middle, np.full(STRIKES, 1e-3)))
    return slices


async def delays(turns: int, *, beside: bool) -> list[float]:
    """Microseconds between turns of the loop; with `beside` a refit is always running or asked for."""
    worker, inputs, fits = ThreadWorker({"refit": refit}), quoted(), 0

    def again(_done: Any = None) -> None:
        nonlocal fits
        fits += 1
        worker.start(RunJob(job="refit", job_id=fits, as_of_ns=0, inputs=inputs), again)

    if beside:
        again()
    gaps, last = [], time.perf_counter_ns()
    for _ in range(turns):
        await asyncio.sleep(0)
        now = time.perf_counter_ns()
        gaps.append((now - last) / 1000)
        last = now
    if beside and fits < 3:
        raise AssertionError(f"expected several refits beside the loop, found {fits - 1} done")
    return gaps


def run(quick: bool) -> list[dict[str, Any]]:
    refit(quoted())
    turns, found = 100_000 if quick else 500_000, {}
    for beside in (False, True):
        found[beside] = statistics.quantiles(asyncio.run(delays(turns, beside=beside)), n=100)[98]
    return [
        {
            "name": "loop delay beside a surface refit in the background, p99",
            "ours": found[True],
            "peer": found[False],
            "ratio": found[True] / found[False],
            "unit": "us",
            "target": "< 100 us",
        }
    ]
