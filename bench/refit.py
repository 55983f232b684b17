"""What a surface refit in the background adds to the event loop's delay.

A real loop that does nothing but turn, and the node's thread worker beside it with one refit after the other:
the engine's own job on six expiries of 25 strikes, compiled and without the interpreter's lock. The delay is
the time between two turns; the peer is the same loop without the worker.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from atomizer.domain.commands import RunJob
from atomizer.domain.events import JobDone
from atomizer.engine.fitting import FIT_SURFACE, JOBS
from atomizer.runtime.driver import ThreadWorker

EXPIRIES, STRIKES = 6, 25
FORWARD = 4000.0


def inputs() -> dict[str, Any]:
    """What the core hands to a fit: live quotes around six smiles, nothing fitted before."""
    k = np.tile(np.linspace(-0.4, 0.4, STRIKES), EXPIRIES)
    vols = 0.6 - 0.1 * k + 0.5 * k * k
    return {
        "expiries": list(range(EXPIRIES)),
        "starts": np.arange(0, (EXPIRIES + 1) * STRIKES, STRIKES, dtype=np.int64).tobytes(),
        "strikes": (FORWARD * np.exp(k)).tobytes(),
        "bid_vols": (vols - 0.01).tobytes(),
        "ask_vols": (vols + 0.01).tobytes(),
        "vols": vols.tobytes(),
        "forwards": np.full(EXPIRIES, FORWARD).tobytes(),
        "years": (np.arange(1, EXPIRIES + 1) * 0.02).tobytes(),
        "previous": np.full((EXPIRIES, 5), np.nan).tobytes(),
        "beyond": 0.25,
    }


async def delays(turns: int, *, beside: bool) -> list[float]:
    """Microseconds between turns of the loop; with `beside` a refit is always running or asked for."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    worker, asked, fits = ThreadWorker(JOBS), inputs(), 0

    def again(done: JobDone | None = None) -> None:
        nonlocal fits
        if done is not None and done.error:
            raise AssertionError(f"expected a fit, found {done.error}")
        fits += 1
        if fits > 0:
            worker.start(RunJob(job=FIT_SURFACE, job_id=fits, as_of_ns=0, inputs=asked), again)

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
    fits = -1_000  # the one under way is the last
    await asyncio.sleep(0.2)
    return gaps


def run(quick: bool) -> list[dict[str, Any]]:
    JOBS[FIT_SURFACE](inputs())
    turns = 100_000 if quick else 500_000
    alone, beside = (
        statistics.quantiles(asyncio.run(delays(turns, beside=beside)), n=100)[98] for beside in (False, True)
    )
    return [
        {
            "name": "loop delay beside a surface refit in the background, p99",
            "ours": beside,
            "peer": alone,
            "ratio": beside / alone,
            "unit": "us",
            "target": "< 100 us",
        }
    ]
