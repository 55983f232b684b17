"""The node: decides, sends, writes the journal. Everything it is made of comes in as a parameter.

Start: fold the journal, take a run number, connect, read the accounts, agree, then quote. Stop: pull what
rests, wait until nothing of ours is working, say so in the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atomizer import __version__
from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import RunEnded, RunStarted
from atomizer.domain.events import Look, Operator
from atomizer.domain.ports import Port
from atomizer.engine.core import Engine
from atomizer.engine.ledger import Ledger
from atomizer.engine.settings import EngineSettings
from atomizer.engine.strategy import Responder, Strategy
from atomizer.net.transport import Clock
from atomizer.runtime import views
from atomizer.runtime.control import SOCKET_NAME, ControlServer
from atomizer.runtime.driver import Driver, Worker
from atomizer.runtime.operating import Operating
from atomizer.storage.journal import Journal, read
from atomizer.storage.records import LedgerSnapshot
from atomizer.storage.tape import TapeWriter

STOP_PATIENCE_S = 6.0
STOP_POLL_S = 0.05
LAST_LOOKS = 5  # at the accounts, when trades come in between


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What a node is made of. `settings_shown` is written into the journal: it must hold no secret."""

    network: str
    mode: str
    directory: Path
    engine: EngineSettings
    ports: Sequence[Port]
    strategies: Sequence[Strategy]
    responders: dict[str, Responder]
    capabilities: dict[str, Capabilities]
    settings_shown: dict[str, Any] = field(default_factory=dict)
    control: bool = True
    manual: bool = True
    tape: bool = False
    sync_interval_s: float | None = 0.05
    worker: Worker | None = None
    stopwatch: Callable[[], int] | None = None
    on_turn: Callable[[Sequence[Any]], None] | None = None
    journal_factory: Callable[..., Journal] = Journal.open


def fold(directory: Path, ledger: Ledger) -> Ledger:
    """Fold every record of a journal directory into the ledger."""
    for record in read(directory):
        if isinstance(record.body, LedgerSnapshot):
            ledger.restore(record.body.state)
        else:
            ledger.apply(record.body, record.ts_ns)
    ledger.touched.clear()
    ledger.revived.clear()
    ledger.booked_now.clear()
    ledger.external.clear()
    return ledger


class Node:
    """One run. `run` serves until `stop`; a run can be started once."""

    def __init__(self, plan: NodePlan, clock: Clock) -> None:
        self.plan = plan
        self._clock = clock
        self.ledger = Ledger()
        self.journal = plan.journal_factory(
            plan.directory, snapshot=self.ledger.state, sync_interval_s=plan.sync_interval_s
        )
        try:
            self.driver = self._build()
        except BaseException:
            self.journal.close()
            raise
        self._stopping = asyncio.Event()
        self.operating = Operating(
            self.driver, clock.now_ns, self.status, self._stopping.set, manual=plan.manual
        )

    def _build(self) -> Driver:
        plan, now_ns = self.plan, self._clock.now_ns()
        fold(plan.directory, self.ledger)
        number = self.ledger.run.run + 1 if self.ledger.run else 1
        started = RunStarted(
            run=number,
            network=plan.network,
            mode=plan.mode,
            version=__version__,
            clean=self.ledger.clean_end,
            settings=plan.settings_shown,
        )
        self.ledger.apply(started, now_ns)
        self.journal.append(now_ns, [started], essential=True)
        engine = Engine(
            plan.engine,
            plan.strategies,
            plan.responders,
            plan.capabilities,
            run=number,
            now_ns=now_ns,
            ledger=self.ledger,
        )
        tape = TapeWriter(plan.directory / f"tape-{number:06d}.jsonl") if plan.tape else None
        return Driver(
            engine,
            plan.ports,
            self.journal,
            self._clock,
            tape=tape,
            worker=plan.worker,
            stopwatch=plan.stopwatch,
            on_turn=plan.on_turn,
        )

    @property
    def engine(self) -> Engine:
        return self.driver.engine

    # --- life ---

    async def run(self) -> None:
        """Serve until `stop` was called and nothing of ours is working, then close the journal."""
        control = ControlServer(self.plan.directory / SOCKET_NAME, self.operating.answer)
        if self.plan.control:
            await control.start()
        try:
            async with asyncio.TaskGroup() as group:
                serving = [group.create_task(port.run(self.driver)) for port in self.plan.ports]
                self.driver.failed = asyncio.get_running_loop().create_future()
                self.driver.start()
                await self._stopped_or_failed()
                await self._wind_down()
                self.driver.stop()
                for task in serving:
                    task.cancel()
            self._close_run()
        finally:
            self.driver.stop()
            await control.stop()
            self.journal.close()

    async def _stopped_or_failed(self) -> None:
        """Until somebody stops the node; a fault in a turn is raised here."""
        stopped = asyncio.ensure_future(self._stopping.wait())
        failed = self.driver.failed
        assert failed is not None
        waiting: set[asyncio.Future[Any]] = {stopped, failed}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if failed.done():
            failed.result()

    def stop(self) -> None:
        """Pull what rests and end."""
        if not self._stopping.is_set():
            self.operate(Operator("stop"))
            self._stopping.set()

    def operate(self, word: Operator) -> None:
        """A person's word enters as an event; `stop` also ends the run."""
        self.driver.put(word)
        self.driver.flush()
        if word.word == "stop":
            self._stopping.set()

    async def _wind_down(self) -> None:
        """Until nothing of ours is working; then a last look at every account and at every price.

        A signature may be executed while the accounts are looked at: then what the venue showed and what was
        booked are of different moments, and the look is repeated.
        """
        await self._until(lambda: self.engine.idle)
        for _ in range(LAST_LOOKS):
            if await self._looked():
                break
        self._look(Look())

    async def _looked(self) -> bool:
        """Look at every account; whether another look would show nothing else."""
        scopes = [(item.venue, item.account) for item in self.plan.engine.accounts]
        read_ns, booked = self.ledger.read_ns, self.ledger.accounts.booked
        asked_ns, known = self._clock.now_ns(), len(booked)
        self._look(Look(accounts=True))
        await self._until(lambda: all(read_ns.get(scope, 0) > asked_ns for scope in scopes))
        if any(read_ns.get(scope, 0) <= asked_ns for scope in scopes):
            return True  # a venue does not answer: the next start-up asks again
        agreed_ns = self.engine.exposure.agreed_ns
        return len(booked) == known and all(agreed_ns.get(scope, 0) >= asked_ns for scope in scopes)

    def _look(self, event: Look) -> None:
        self.driver.put(event)
        self.driver.flush()

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait with patience; what is missing after that is the next start-up's to find."""
        for _ in range(round(STOP_PATIENCE_S / STOP_POLL_S)):
            if done():
                return
            await asyncio.sleep(STOP_POLL_S)

    def _close_run(self) -> None:
        """A run is clean only when nothing of ours is working anywhere."""
        if self.engine.idle:
            ended = RunEnded(self.engine.run, self.stats())
            self.journal.append(self._clock.now_ns(), [ended], essential=True)

    # --- for people ---

    def stats(self) -> dict[str, Any]:
        counters = self.engine.counters
        return {
            "latency_us": self.driver.latencies.summary(),
            "batches": counters.batches,
            "events": counters.events,
            "rfqs": counters.rfqs,
            "quotes": counters.quotes,
            "trades": counters.trades,
            "refusals": dict(sorted(counters.refusals.items())),
            "gaps": self.engine.market.gap_count,
        }

    def status(self) -> dict[str, Any]:
        """How the node stands, for the desk."""
        return {
            "network": self.plan.network,
            "mode": self.plan.mode,
            **views.status(self.engine),
            "delta": self.plan.engine.delta_name,
            **self.stats(),
        }
