"""One seed of the kill test: a world with faults, a node killed again and again, then a verdict.

`python -m tests.system.kills SEED [KILLS]` repeats a failing seed and prints every life.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from atomizer.config.schema import Seconds
from atomizer.domain.events import Event, IndexPrice
from atomizer.domain.instruments import Side
from atomizer.engine.core import Engine
from atomizer.engine.ledger import Ledger
from atomizer.engine.strategy import Level, Target
from atomizer.net.transport import Application
from atomizer.net.virtual import DEFAULT_START_NS, VirtualClock, run_virtual
from atomizer.runtime.compose import plan
from atomizer.runtime.node import Node, fold
from atomizer.runtime.settings import Risk, Settings
from atomizer.runtime.world import DERIBIT_PORT, HOST, RYSK_PORT, World, WorldPlan
from atomizer.sim.deribit.settings import DeribitTwinSettings
from atomizer.sim.faults import FaultSpec, FaultyApplication, parse_faults
from atomizer.sim.rysk.behaviour import Acceptance, Behaviour, Faults
from tests.system.mortal import POINTS, Doom, Killed, Life, MortalTransport, journal_of
from tests.system.verdict import Venues, Verdict, judge

S = 1_000_000_000
PERPETUAL = "deribit:ETH-PERPETUAL"
VALID_S = 2
MARGIN_MS = 2_500
CALM_S = 15.0
FINAL_S = 12.0


POLICIES = ("delta", "both", "resale")


@dataclass
class Report:
    """What one seed did."""

    seed: int
    lives: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def kills(self) -> int:
        return len(self.lives)


class RestingMaker:
    """Keeps one post-only order on each side of the perpetual, moved with the index."""

    name = "resting-maker"
    number = 5

    def __init__(self) -> None:
        self._next_ns = 0

    def claims(self) -> tuple[str, ...]:
        return (PERPETUAL,)

    def wants(self, event: Event) -> bool:
        return isinstance(event, IndexPrice)

    def next_deadline(self) -> int:
        return self._next_ns

    def decide(self, engine: Engine) -> Mapping[Level, Target] | None:
        if engine.now_ns < self._next_ns:
            return None
        self._next_ns = engine.now_ns + S // 2
        book = engine.market.usable_book(PERPETUAL, engine.now_ns)
        if book is None or book.best_bid is None or book.best_ask is None:
            return {}
        return {
            Level(PERPETUAL, side): Target(price=price, size=700.0, life_ns=3 * S, post_only=True)
            for side, price in ((Side.BUY, book.best_bid), (Side.SELL, book.best_ask))
        }


def venue_faults(rng: random.Random) -> dict[str, FaultSpec]:
    """Loss, delay, duplication and late requests. A socket does not double what we send, so only what
    venues push comes twice."""

    def spec() -> FaultSpec:
        return parse_faults(
            f"up.loss={rng.choice((0, 0.01, 0.04))},down.loss={rng.choice((0, 0.003, 0.01))},"
            f"delay=1..{rng.choice((5, 40, 120))}ms,down.dup={rng.choice((0, 0.02, 0.1))},"
            f"late={rng.choice((0, 0.03, 0.1))}:{rng.choice((300, 900, 1800))}ms,"
            f"cut={rng.choice((0, 0, 1))}/15s"
        )

    return {"deribit": spec(), "rysk": spec()}


def behaviour(rng: random.Random) -> Behaviour:
    """Busy clients who take what they are offered, and a venue that loses and repeats its confirmations."""
    return Behaviour(
        acceptance=Acceptance.ALWAYS,
        rfq_interval_s=0.35,
        rivals=1,
        decision_delay_s=0.3,
        settlement_delay_s=0.4,
        faults=Faults(
            foreign_domain=0.03,
            foreign_usd=0.03,
            foreign_chain=0.03,
            foreign_collateral=0.03,
            strike_off=0.03,
            huge_quantity=0.03,
            expired=0.03,
            malformed=0.03,
            late=0.03,
            duplicate=0.05,
            same_terms=0.02,
            confirmation_lost=rng.choice((0.0, 0.15, 0.4)),
            confirmation_duplicate=rng.choice((0.0, 0.2)),
            confirmation_foreign=0.1,
            execute_all=0.3,
            last_second=0.1,
            transaction_failed=0.05,
        ),
    )


class KillSession:
    """Venues, and one node after another on one directory."""

    def __init__(self, seed: int, kills: int, directory: Path, clock: VirtualClock) -> None:
        self.report = Report(seed)
        self._rng = random.Random(f"kills {seed}")
        self._kills = kills
        self._directory = directory
        self._clock = clock
        self._faulty: list[FaultyApplication] = []
        self._specs = venue_faults(self._rng)
        self._resting = self._rng.random() < 0.7
        late_trades = self._rng.choice((0, 30, 400))
        self.world = World(
            WorldPlan(
                seed=seed,
                start_ns=DEFAULT_START_NS,
                deribit=DeribitTwinSettings(trade_push_delay_ms=late_trades),
                rysk_changes={"window_s": 0.6, "behaviour": behaviour(self._rng)},
                wrap=self._wrap,
            ),
            clock,
        )
        self._life: Life | None = None
        self._broken: list[str] = []

    def _wrap(self, venue: str, application: Application) -> Application:
        faulty = FaultyApplication(application, self._specs[venue], self.report.seed)
        self._faulty.append(faulty)
        return faulty

    def settings(self) -> Settings:
        made = self.world.settings(self._directory)
        wide = Risk(
            max_delta=200.0,
            max_gamma=2_000.0,
            max_vega=200_000.0,
            max_notional=50_000_000.0,
            max_position_size=2_000.0,
        )
        return msgspec.structs.replace(
            made,
            rfq=msgspec.structs.replace(made.rfq, valid=Seconds(VALID_S)),
            hedge=msgspec.structs.replace(made.hedge, policy=POLICIES[self.report.seed % len(POLICIES)]),
            risk=wide,
        )

    def node(self, life: Life, number: int) -> Node:
        """A node on this world's directory whose disk and network end with `life`."""
        made = plan(
            self.settings(),
            MortalTransport(self.world.network, life),
            self._clock,
            random.Random(f"jitter {self.report.seed} {number}"),
            control=False,
            sync_interval_s=None,
            journal_factory=journal_of(life),
        )
        rysk = msgspec.structs.replace(made.capabilities["rysk"], settlement_margin_ms=MARGIN_MS)
        strategies = [*made.strategies, *([RestingMaker()] if self._resting else [])]
        return Node(
            dataclasses.replace(
                made, capabilities={**made.capabilities, "rysk": rysk}, strategies=strategies
            ),
            self._clock,
        )

    def doom(self) -> Doom:
        rng = self._rng
        seconds = rng.choice((rng.uniform(0.01, 2.0), rng.uniform(2.0, 14.0)))
        half_open = rng.random() < 0.15
        if rng.random() < 0.25:
            return Doom(seconds, half_open=half_open)
        return Doom(rng.uniform(6.0, 14.0), rng.choice(POINTS), rng.choice((1, 1, 2, 3, 8)), half_open)

    # --- lives ---

    async def run(self) -> Report:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._loop_error)
        await self.world.open()
        for number in range(self._kills):
            await self._live_and_die(number)
            await asyncio.sleep(self._rng.choice((0.0, 0.0, 0.5, 3.0)))
        await self._last_life()
        await self.world.close()
        return self.report

    async def _live_and_die(self, number: int) -> None:
        life = self._life = Life(self.doom(), self._rng)
        running = None
        try:
            node = self.node(life, number)
        except Killed:
            pass
        else:
            running = asyncio.create_task(node.run())
            await asyncio.wait(
                {running, life.ended}, timeout=life.doom.seconds, return_when=asyncio.FIRST_COMPLETED
            )
        if not life.dead and running is not None and running.done():
            raise AssertionError(f"{self.where(number)}: the node ended by itself") from running.exception()
        life.die("time")
        at = self._clock.now_ns() - DEFAULT_START_NS
        self.report.lives.append(f"{number}: {life.met or 'time'} at {at / S:.6f} s {life.doom}")
        if running is not None:
            running.cancel()
            await asyncio.wait({running})
            if not running.cancelled():
                running.exception()
            node.journal.close()
        self._check()

    async def _last_life(self) -> None:
        """No faults, no kills, after a while no clients; then a clean stop and the verdict."""
        for faulty in self._faulty:
            faulty._spec = FaultSpec()
        self.world.rysk.configure({"faults": no_faults(), "acceptance": "always"})
        life = self._life = Life(Doom(1e9), self._rng)
        node = self.node(life, self._kills)
        running = asyncio.create_task(node.run())
        await asyncio.wait({running}, timeout=FINAL_S)
        self.world.rysk.configure({"acceptance": "never"})
        await asyncio.wait({running}, timeout=CALM_S)
        if running.done():
            raise AssertionError(f"{self.where(self._kills)}: the node ended by itself") from (
                running.exception()
            )
        self.report.verdict.status = node.status()
        node.stop()
        await running
        self._check()
        venues = Venues(
            self.world.deribit.ready(HOST, DERIBIT_PORT),
            self.world.rysk.ready(HOST, RYSK_PORT),
            self.world.network,
        )
        await judge(self.report.verdict, venues, self._directory)
        folded = fold(self._directory, Ledger())
        self.report.verdict.same("trades", folded.trades.state(), node.ledger.trades.state())
        self.report.verdict.same("dead letters", folded.dead_letters, node.ledger.dead_letters)

    def where(self, number: int) -> str:
        return f"seed {self.report.seed}, kill {number}"

    # --- errors ---

    def _loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What a callback raised. A dead process's callbacks may raise what they like."""
        error = context.get("exception")
        of_the_dead = error is None or isinstance(error, Killed)  # without an error: a task nobody finished
        if of_the_dead or (self._life is not None and self._life.dead):
            return
        self._broken.append(f"{context.get('message')}: {error!r}")

    def _check(self) -> None:
        if self._broken:
            raise AssertionError(f"{self.where(self.report.kills)}: {self._broken}")


def no_faults() -> dict[str, float]:
    return dict.fromkeys(Faults.__struct_fields__, 0.0)


def run_seed(seed: int, kills: int) -> Report:
    """Run one seed in virtual time, on a directory of its own."""

    async def main(clock: VirtualClock) -> Report:
        return await KillSession(seed, kills, Path(directory), clock).run()

    with tempfile.TemporaryDirectory(prefix="atomizer-kills-") as directory:
        return run_virtual(main)


def main() -> None:
    report = run_seed(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12)
    for line in report.lives:
        print(line)
    print(report.verdict.counts)
    print(report.verdict.status)
    for line in report.verdict.faults:
        print("FAULT", line)


if __name__ == "__main__":
    main()
