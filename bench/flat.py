"""Does an event cost the same after a day as after an hour? CPU per event from 40,000 to 400,000 events.

The two-sided quoter of `bench.deribit` on a running node: book changes, edits, their answers, and every
fiftieth time both orders filled and placed anew, so that orders, bookings and the journal grow all along.
Medians over windows of 2,000 events around both ends; the collector is off, so growth of memory shows only
where the code walks it.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import Any

from bench.deribit import Session, TwoSided, book_frames
from bench.node import Bench, run_node

WINDOW, WINDOWS = 2_000, 9
FILL_EVERY = 50
EARLY, LATE = 40_000, 400_000


async def measure(bench: Bench) -> tuple[float, float]:
    """Microseconds of CPU per event before the early and before the late count."""
    session = Session(bench, 1)
    session.settle()
    counters = bench.node.engine.counters
    costs: list[tuple[int, float]] = []
    spent, since = 0, counters.events
    for number, frame in enumerate(book_frames(LATE)):
        spent += session.read([frame])
        spent += session.settle(fill=number % FILL_EVERY == FILL_EVERY - 1)
        await asyncio.sleep(0.005)
        if counters.events - since >= WINDOW:
            costs.append((counters.events, spent / (counters.events - since) / 1000))
            spent, since = 0, counters.events
            if counters.events >= LATE:
                break
    return _before(costs, EARLY), _before(costs, LATE + WINDOW)


def _before(costs: list[tuple[int, float]], count: int) -> float:
    return statistics.median([cost for events, cost in costs if events <= count][-WINDOWS:])


def run(quick: bool) -> list[dict[str, Any]]:
    """The same length in both modes: a shorter run would measure something else."""
    early, late = run_node(measure, [TwoSided()], {})
    return [
        {
            "name": "CPU per event, 400,000 beside 40,000 events",
            "ours": late,
            "peer": early,
            "ratio": late / early,
            "unit": "us",
            "target": "<= 1.1",
        }
    ]
