"""Between ports and the core: batches in, journal, commands out. One driver for live and virtual time.

Clock, event loop, transports and journal are parameters; nothing here knows which kind it holds. A batch is
what one read brought. What the core concluded and commanded is in the journal before any of it is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Protocol

from atomizer.domain.bookings import RfqTrade
from atomizer.domain.commands import (
    AmendOrder,
    CancelOrder,
    Marks,
    PlaceOrder,
    QueryOrder,
    ReadAccount,
    Refused,
    Resubscribe,
    RunJob,
    SendQuote,
)
from atomizer.domain.events import Event, JobDone, PlaceRefused, StorageState, Tick
from atomizer.domain.orders import Purpose
from atomizer.domain.ports import Port
from atomizer.domain.rfq import Rfq
from atomizer.engine.core import DURABLE, Engine
from atomizer.engine.fitting import JOBS
from atomizer.net.transport import Clock
from atomizer.runtime.latency import Latencies
from atomizer.storage.journal import Journal, JournalDeadError, JournalFullError, JournalState
from atomizer.storage.tape import TapeWriter

SENT = frozenset((PlaceOrder, AmendOrder, CancelOrder, QueryOrder, SendQuote, ReadAccount, Resubscribe))
nothing_durable, nothing_sent, only_sent = DURABLE.isdisjoint, SENT.isdisjoint, SENT.issuperset
venue_of = attrgetter("venue")
TICK: tuple[Event, ...] = (Tick(),)
PROBE_EVERY_S = 1.0
# How long a surface fit is taken to last where time is virtual: what it takes on a busy small machine.
FIT_DELAY_S = 0.002


class Worker(Protocol):
    """Runs background work; the answer comes back through `deliver`."""

    def start(self, job: RunJob, deliver: Callable[[JobDone], None]) -> None: ...


class InlineWorker:
    """Runs a job at once and delivers it after a modelled delay: for virtual time."""

    def __init__(self, functions: dict[str, Callable[[Any], Any]], delay_s: float) -> None:
        self._functions = functions
        self._delay_s = delay_s

    def start(self, job: RunJob, deliver: Callable[[JobDone], None]) -> None:
        done = _run_job(self._functions, job)
        asyncio.get_running_loop().call_later(self._delay_s, deliver, done)


class ThreadWorker:
    """Runs jobs in the loop's thread pool; they must be kernels that release the interpreter lock."""

    def __init__(self, functions: dict[str, Callable[[Any], Any]]) -> None:
        self._functions = functions

    def start(self, job: RunJob, deliver: Callable[[JobDone], None]) -> None:
        future = asyncio.get_running_loop().run_in_executor(None, _run_job, self._functions, job)
        future.add_done_callback(lambda finished: deliver(finished.result()))


def _run_job(functions: dict[str, Callable[[Any], Any]], job: RunJob) -> JobDone:
    """A job that fails is an event like one that succeeds; the strategy that asked decides."""
    try:
        result = functions[job.job](job.inputs)
    except Exception as error:  # noqa: BLE001  (the border of foreign work: the error travels as an event)
        return JobDone(job.job, job.job_id, job.as_of_ns, None, f"{type(error).__name__}: {error}")
    return JobDone(job.job, job.job_id, job.as_of_ns, result)


class Driver:
    """Owns the engine's turn. It is the `Sink` of every port."""

    def __init__(
        self,
        engine: Engine,
        ports: Sequence[Port],
        journal: Journal,
        clock: Clock,
        *,
        tape: TapeWriter | None = None,
        worker: Worker | None = None,
        stopwatch: Callable[[], int] | None = None,
        on_turn: Callable[[Sequence[Any]], None] | None = None,
    ) -> None:
        self.engine = engine
        self._ports = {port.venue: port for port in ports}
        self._journal = journal
        self._clock = clock
        self._tape = tape
        self._worker = worker or InlineWorker(JOBS, FIT_DELAY_S)
        self._stopwatch = stopwatch or clock.now_ns
        self._on_turn = on_turn
        self._batch: list[Event] = []
        self._received = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._storage = JournalState.OK
        self._handling = False
        self.failed: asyncio.Future[None] | None = None
        self.latencies = Latencies()

    # --- the sink ---

    def put(self, event: Event) -> None:
        batch = self._batch
        if not batch:
            stopwatch = self._stopwatch
            self._received = stopwatch()
        batch.append(event)

    def flush(self) -> None:
        """The read is closed: hand its events to the core."""
        if self._batch and not self._handling:
            batch, self._batch = self._batch, []
            self._turn(batch)

    # --- a turn ---

    def _turn(self, batch: Sequence[Event]) -> None:
        """One turn; a fault in it ends the run, whoever called (a timer's callback tells nobody else)."""
        engine, now_ns = self.engine, self._clock.now_ns()
        if now_ns < engine.now_ns:  # the machine's clock was set back
            now_ns = engine.now_ns
        self._handling = True
        try:
            if self._tape is not None:
                self._tape.append(now_ns, batch)
            records: list[Any] = [] if nothing_durable(map(type, batch)) else engine.admit(now_ns, batch)
            try:
                out: Sequence[Any] = engine.handle(now_ns, batch)
            except BaseException:
                self._journal.append(now_ns, records, essential=True)
                raise
            if records or out:
                kinds = set(map(type, out))
                try:
                    written = _written(records, out, kinds) if records or RunJob in kinds else out
                    if written:
                        self._journal.append(now_ns, written, False)  # by place: by name it costs twice
                except (JournalFullError, JournalDeadError):
                    out = self._commit_essential(now_ns, records, out)
                if self._journal.state is not self._storage:
                    self._note_storage()
                if out:
                    self._send(out, records, kinds)
                if self._on_turn is not None:
                    self._on_turn([*records, *out])
            if self._timer is None or engine.ring_ns < self._timer_ns:
                self._arm()
        except Exception as error:
            self.stop()
            if self.failed is not None and not self.failed.done():
                self.failed.set_exception(error)
                return
            raise
        self._handling = False
        if self._batch:
            asyncio.get_running_loop().call_soon(self.flush)

    def _commit_essential(self, now_ns: int, records: list[Any], out: Sequence[Any]) -> Sequence[Any]:
        """The journal did not take a turn: write what of it must be, and return what may be sent."""
        kept = [record for record in out if _essential(record)]
        try:
            self._journal.append(now_ns, [*records, *kept], essential=True)
        except JournalDeadError:
            kept = [command for command in kept if isinstance(command, CancelOrder)]
        known = set(map(id, kept))
        self._drop([command for command in out if id(command) not in known])
        return kept

    def _drop(self, commands: Sequence[Any]) -> None:
        """Commands that could not be written are not sent; the core hears of each order among them."""
        for command in commands:
            if isinstance(command, PlaceOrder):
                self.put(PlaceRefused(command.order_id, "journal_full", "not sent: the journal is full"))

    def _note_storage(self) -> None:
        self._storage = self._journal.state
        self.put(StorageState(str(self._storage)))
        asyncio.get_running_loop().call_later(PROBE_EVERY_S, self._probe)

    def _probe(self) -> None:
        """While the disk is full, look whether it still is."""
        if self._storage is not JournalState.OK:
            state = self._journal.probe()
            if state is not self._storage:
                self._storage = state
                self.put(StorageState(str(state)))
                self.flush()
            asyncio.get_running_loop().call_later(PROBE_EVERY_S, self._probe)

    def _send(self, outputs: Sequence[Any], records: Sequence[Any], kinds: set[type]) -> None:
        """To each port its commands, in their order; then background work is started."""
        if only_sent(kinds) and len(venues := set(map(venue_of, outputs))) == 1:
            port = self._ports.get(venues.pop())  # most turns command one venue and conclude nothing
            if port is not None:
                port.send(outputs)
        elif not nothing_sent(kinds):
            self._send_apart(outputs)
        if RunJob in kinds:
            for job in outputs:
                if type(job) is RunJob:
                    self._worker.start(job, self._job_done)
        if records or PlaceOrder in kinds:
            self._measure(outputs, records)
        if self.engine.behind:
            self.engine.settle()

    def _send_apart(self, outputs: Sequence[Any]) -> None:
        """To each port what of a turn is a command for it."""
        by_venue: dict[str, list[Any]] = {}
        for command in outputs:
            if type(command) in SENT:
                by_venue.setdefault(command.venue, []).append(command)
        for venue, commands in by_venue.items():
            port = self._ports.get(venue)
            if port is not None:
                port.send(commands)

    def _job_done(self, event: JobDone) -> None:
        self.put(event)
        self.flush()

    def _measure(self, outputs: Sequence[Any], records: Sequence[Any]) -> None:
        kinds = set(map(type, records))
        if RfqTrade in kinds:
            self.latencies.trade(self._received)
        for command in outputs:
            kind = type(command)
            if kind is SendQuote and Rfq in kinds:
                self.latencies.quoted(self._stopwatch() - self._received)
            elif kind is PlaceOrder and command.purpose is Purpose.HEDGE:
                self.latencies.hedged(self._stopwatch())

    # --- time ---

    def _arm(self) -> None:
        """Wake the core at its next deadline, unless an earlier alarm is set already."""
        due = self.engine.next_deadline()
        if self._timer is not None:
            if self._timer_ns <= due:
                return
            self._timer.cancel()
        delay = max(0, due - self._clock.now_ns()) / 1e9
        self._timer_ns = due
        self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self.engine.next_deadline() > self._clock.now_ns():
            self._arm()
            return
        self._received = self._stopwatch()
        batch, self._batch = (self._batch or list(TICK)), []
        self._turn(batch)

    def start(self) -> None:
        """First turn: timers are set from here on."""
        self._turn(TICK)

    def stop(self) -> None:
        """No further timer. Events put after this are not handled."""
        if self._timer is not None:
            self._timer.cancel()
        self._handling = True


def _written(records: Sequence[Any], out: Sequence[Any], kinds: set[type]) -> Sequence[Any]:
    """What of a turn goes to the journal: not the requests for background work, which the tape explains."""
    kept = [item for item in out if type(item) is not RunJob] if RunJob in kinds else out
    return [*records, *kept]


def _essential(record: Any) -> bool:
    """What must be written and sent even on a full disk: everything but quotes and commentary."""
    if isinstance(record, (PlaceOrder, AmendOrder)):
        return record.purpose <= Purpose.REDUCE
    return not isinstance(record, (SendQuote, Marks, Refused, Resubscribe, RunJob))
