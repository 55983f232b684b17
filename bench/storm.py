"""RFQs in a storm of tickers: how long an answer takes at 50 RFQs a second while 500 instruments tick.

One node, one core, first come first served. Reads arrive at drawn times of a virtual clock; each is handled
by the running node and costs the thread CPU time it took; an RFQ's latency is its own cost and that of what
was before it in the queue. So the queue is real and the other jobs of the machine are not in it. Beside it
the same node with a quiet market and 20 RFQs a second, one at a time.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

from atomizer.strategies.rfq_responder import ResponderSettings, RfqResponder
from bench.deribit import clock_cost
from bench.node import INDEX, Bench, run_node
from bench.rfq import FITTED_S, rfq_frame
from bench.venue import index_frame, ticker_frame

EXPIRIES, STRIKES = 10, 25  # calls and puts: 500 options
RFQS_PER_S, TICKS_PER_S = 50, 2
PER_READ = 5  # tickers that one read brings
IDLE_EVERY_S, IDLE_RFQS = 0.05, 1_000
CALM_S = 10.0  # before the storm is measured: as long as quotes live
NS = 1e9


class Queue:
    """First come, first served: `serve` says how long a read that arrived at `at_s` was in the house."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.rfqs = bench.venues.wire("/rfqs/")
        self.market = bench.venues.wire("deribit")
        self.quotes = bench.venues.wire("/maker").last
        self.number = 0
        self._free_s = 0.0
        self._clock_ns = clock_cost()

    def serve(self, at_s: float, frames: list[bytes], wire: Any) -> float:
        started = time.thread_time_ns()
        for place, frame in enumerate(frames):
            wire.handler.message(frame, place == len(frames) - 1)
        spent_s = (time.thread_time_ns() - started - self._clock_ns) / NS
        self._free_s = max(self._free_s, at_s) + spent_s
        return self._free_s - at_s

    def ask(self, at_s: float, taken: list[float]) -> None:
        """One RFQ; what it took in microseconds is noted when it was answered with a quote."""
        self.number += 1
        frame = rfq_frame(self.bench, self.number)
        took_s = self.serve(at_s, [frame], self.rfqs)
        if self.quotes:
            taken.append(took_s * 1e6)
        self.quotes.clear()

    def tick(self, at_s: float, listed: list[dict[str, Any]], index: float) -> None:
        now_ns = self.bench.clock.now_ns()
        frames = [ticker_frame(item, now_ns, index) for item in listed]
        self.serve(at_s, [*frames, index_frame(now_ns, index)], self.market)


def arrivals(rng: random.Random, seconds: float, reads_per_s: float) -> Iterator[tuple[float, bool]]:
    """Times and whether an RFQ comes then: two independent streams of drawn gaps."""
    due = {True: rng.expovariate(RFQS_PER_S), False: rng.expovariate(reads_per_s)}
    while True:
        rfq = due[True] < due[False]
        at_s = due[rfq]
        if at_s > seconds:
            return
        due[rfq] += rng.expovariate(RFQS_PER_S if rfq else reads_per_s)
        yield at_s, rfq


async def measure(bench: Bench, seconds: float) -> dict[str, list[float]]:
    """Microseconds per answered RFQ: alone, and in the storm."""
    rng, queue, loop = random.Random(11), Queue(bench), asyncio.get_running_loop()
    alone: list[float] = []
    storm: list[float] = []
    for number in range(IDLE_RFQS):
        await asyncio.sleep(IDLE_EVERY_S)
        if number % 40 == 0:
            bench.tickers()
            await asyncio.sleep(FITTED_S)
        elif number % 4 == 0:
            bench.tickers(0)  # the index alone: the feed lives
        queue.ask(loop.time(), alone)
    begun_s, place, index = loop.time(), 0, INDEX
    listing = bench.listing
    for at_s, rfq in arrivals(rng, CALM_S + seconds, len(listing) * TICKS_PER_S / PER_READ):
        await asyncio.sleep(begun_s + at_s - loop.time())
        if rfq:
            queue.ask(begun_s + at_s, storm if at_s > CALM_S else [])
            continue
        index += rng.choice((-0.05, 0.05))
        listed = [listing[(place + step) % len(listing)] for step in range(PER_READ)]
        place += PER_READ
        queue.tick(begun_s + at_s, listed, index)
    if len(alone) + len(storm) < 0.9 * (IDLE_RFQS + seconds * RFQS_PER_S):
        raise AssertionError(f"expected nearly every RFQ answered: {bench.node.status()}")
    return {"alone": alone, "storm": storm}


def run(quick: bool) -> list[dict[str, Any]]:
    settings = ResponderSettings(edge_usd=0.0, mark_distance_points=1e9, skew_delta_usd_per_coin=0.0)

    async def work(bench: Bench) -> dict[str, list[float]]:
        return await measure(bench, 20.0 if quick else 60.0)

    taken = run_node(work, [], {"rysk": RfqResponder(settings)}, expiries=EXPIRIES, strikes=STRIKES)
    alone, storm = (statistics.quantiles(taken[name], n=100) for name in ("alone", "storm"))
    return [
        {
            "name": f"RFQ to signed quote, 50 a second and 1,000 tickers a second, {name}",
            "ours": storm[place - 1],
            "peer": alone[place - 1],
            "ratio": storm[place - 1] / alone[place - 1],
            "unit": "us CPU",
            "target": target,
        }
        for name, place, target in (("p50", 50, "report"), ("p99", 99, "<= 3"))
    ]
