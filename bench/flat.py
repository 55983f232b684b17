"""Does an event cost the same after a day as after an hour? CPU per event from 40,000 to 400,000 events.

The two-sided quoter of `bench.deribit` on a running node: book changes, edits, their answers, and every
fiftieth time both orders filled and placed anew, so that orders, bookings and the journal grow all along.
A machine's speed wanders over such a run, so every window of 2,000 events is counted in frames of the bare
loop timed within it; medians over the windows before both ends. The collector is off: growth of memory
shows only where the code walks it.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import Any

from bench.deribit import BareLoop, Session, TwoSided, book_frames
from bench.node import Bench, first_book, run_node

WINDOW, WINDOWS = 2_000, 15
FILL_EVERY = 50
EARLY, LATE = 40_000, 400_000


async def measure(bench: Bench) -> tuple[float, float]:
    """Cost of an event, in bare frames, before the early and before the late count."""
    session, bare = Session(bench, 1), BareLoop(first_book(0))
    session.settle()
    counters = bench.node.engine.counters
    costs: list[tuple[int, float]] = []
    spent, bare_spent, frames, since = 0, 0, 0, counters.events
    for number, frame in enumerate(book_frames(LATE)):
        spent += session.read([frame])
        bare_spent += bare.read([frame])
        spent += session.settle(fill=number % FILL_EVERY == FILL_EVERY - 1)
        frames += 1
        await asyncio.sleep(0.005)
        if counters.events - since >= WINDOW:
            per_event = spent / (counters.events - since)
            costs.append((counters.events, per_event * frames / bare_spent))
            spent, bare_spent, frames, since = 0, 0, 0, counters.events
            if counters.events >= LATE:
                break
    return _before(costs, EARLY), _before(costs, LATE + WINDOW)


def _before(costs: list[tuple[int, float]], count: int) -> float:
    return statistics.median([cost for events, cost in costs if events <= count][-WINDOWS:])


def run(quick: bool) -> list[dict[str, Any]]:
    """The same length in both modes."""
    early, late = run_node(measure, [TwoSided()], {})
    return [
        {
            "name": "cost of an event, at 400,000 beside at 40,000",
            "ours": late,
            "peer": early,
            "ratio": late / early,
            "unit": "bare frames",
            "target": "<= 1.1",
        }
    ]
