"""The driver: journal before send, what goes out on a full disk, faults that end the run, background work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from atomizer.domain import events as ev
from atomizer.domain.commands import PlaceOrder, RunJob, SendQuote
from atomizer.domain.instruments import Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.domain.ports import Sink
from atomizer.engine.core import Engine
from atomizer.engine.strategy import Level, Target
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.driver import Driver, InlineWorker
from atomizer.storage.journal import Journal, JournalDeadError, JournalFullError, read
from atomizer.storage.tape import TapeWriter, read_tape
from tests.engine.bench_desk import DERIBIT, PERP, T0, Desk, S, Wishes, bid
from tests.engine.rfq_desk import NEAR_S, RfqDesk, option


class CountingPort:
    """Remembers what it was sent, and how much the journal held then."""

    venue = "deribit"
    capabilities = DERIBIT

    def __init__(self, journal: Any) -> None:
        self.sent: list[Any] = []
        self.journal = journal
        self.journalled: list[int] = []

    async def run(self, sink: Sink) -> None:
        raise AssertionError("these tests feed the driver by hand")

    def send(self, commands: Sequence[Any]) -> None:
        self.sent += commands
        self.journalled.append(self.journal.sequence)


class FullJournal:
    """A journal whose disk is full, or worse."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.sequence = 0
        self.records: list[Any] = []

    def append(self, _now_ns: int, batch: Sequence[Any], essential: bool) -> None:
        if self.state == "dead":
            raise JournalDeadError("dead")
        if not essential:
            raise JournalFullError("full")
        self.records += batch
        self.sequence += len(batch)

    def probe(self) -> str:
        return self.state


def opening() -> list[ev.Event]:
    desk = Desk(ready=False)
    batches: list[ev.Event] = []
    desk.feed = lambda *batch, **_: batches.extend(batch) or []  # type: ignore[method-assign]
    desk.open()
    return batches


def engine(*strategies: Any) -> Engine:
    return Desk(*strategies, ready=False).engine


def hedge() -> dict[Level, Target]:
    return {
        Level(PERP.key, Side.SELL): Target(
            price=3995.0,
            size=50.0,
            life_ns=S,
            time_in_force=TimeInForce.IOC,
            purpose=Purpose.HEDGE,
            retry_ns=S,
        )
    }


def feed(driver: Driver, *batch: ev.Event) -> None:
    for event in batch:
        driver.put(event)
    driver.flush()


def test_a_command_is_in_the_journal_before_it_is_sent(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        wishes = Wishes()
        journal = Journal.open(tmp_path, sync_interval_s=None)
        port = CountingPort(journal)
        driver = Driver(engine(wishes), [port], journal, clock)
        feed(driver, *opening())
        wishes.targets = bid()
        before = journal.sequence
        feed(driver, ev.Tick())
        (order,) = [item for item in port.sent if isinstance(item, PlaceOrder)]
        assert port.journalled[-1] > before
        driver.stop()
        journal.close()
        assert order in [record.body for record in read(tmp_path)]

    run_virtual(main, T0)


@pytest.mark.parametrize("state", ["reserve", "dead"])
def test_a_full_disk_lets_hedges_out_while_the_reserve_lasts_and_quotes_never(state: str) -> None:
    async def main(clock: VirtualClock) -> None:
        maker, hedger = Wishes(1), Wishes(2, claims=())
        journal: Any = FullJournal(state)
        port = CountingPort(journal)
        driver = Driver(engine(maker, hedger), [port], journal, clock)
        feed(driver, *opening())
        maker.targets, hedger.targets = bid(), hedge()
        feed(driver, ev.Tick())
        await asyncio.sleep(0.01)
        purposes = [item.purpose for item in port.sent if isinstance(item, PlaceOrder)]
        assert purposes == ([Purpose.HEDGE] if state == "reserve" else [])
        assert driver.engine.halts.journal == state
        driver.stop()

    run_virtual(main, T0)


def test_what_no_send_needs_is_done_after_it(tmp_path: Path) -> None:
    """A quote is signed and sent before the trades' fold and the sums of live signatures have it."""

    async def main(clock: VirtualClock) -> None:
        desk, seen = RfqDesk(), list[tuple[bool, int]]()

        class QuotePort(CountingPort):
            venue = "rysk"

            def send(self, commands: Sequence[Any]) -> None:
                super().send(commands)
                seen.append((desk.engine.behind, len(desk.engine.ledger.trades.waiting)))

        journal = Journal.open(tmp_path, sync_interval_s=None)
        port = QuotePort(journal)
        driver = Driver(desk.engine, [port], journal, clock)
        rfq = desk.rfq()
        feed(driver, ev.InstrumentListed(option("rysk", 4000.0, NEAR_S, is_call=True)), rfq)
        (quote,) = port.sent
        assert (type(quote), quote.rfq_id) == (SendQuote, rfq.rfq_id)
        assert seen == [(True, 2)]
        assert not desk.engine.behind and not desk.engine.ledger.trades.waiting
        driver.stop()
        journal.close()

    run_virtual(main)


def test_a_fault_in_a_timers_turn_ends_the_run_instead_of_vanishing(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        wishes = Wishes()
        journal = Journal.open(tmp_path, sync_interval_s=None)
        driver = Driver(engine(wishes), [], journal, clock)
        driver.failed = asyncio.get_running_loop().create_future()
        wishes.next_deadline = lambda: T0 + S  # type: ignore[method-assign]
        driver.start()

        def broken(_engine: Engine) -> None:
            raise RuntimeError("a fault of this strategy")

        wishes.decide = broken  # type: ignore[method-assign,assignment]
        feed(driver, ev.FeedAlive("deribit/market"))
        with pytest.raises(RuntimeError, match="a fault of this strategy"):
            await asyncio.wait_for(driver.failed, 5.0)
        journal.close()

    run_virtual(main, T0)


def test_background_work_is_a_command_and_comes_back_as_an_event(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        seen: list[ev.JobDone] = []
        wishes = Wishes()
        made = engine(wishes)
        wishes.wants = lambda event: isinstance(event, ev.JobDone) and not seen.append(event)  # type: ignore[method-assign]
        journal = Journal.open(tmp_path, sync_interval_s=None)
        worker = InlineWorker({"square": lambda value: value * value, "break": lambda _: 1 // 0}, 0.25)
        driver = Driver(made, [], journal, clock, worker=worker)
        driver.start()
        asked_ns = clock.now_ns()
        for job, inputs in (("square", 7), ("break", 0)):
            made.run_job(job, inputs)
        driver._send([item for item in made.out if isinstance(item, RunJob)], (), {RunJob})
        await asyncio.sleep(0.2)
        assert not seen
        await asyncio.sleep(0.1)
        square, broken = seen
        assert (square.result, square.as_of_ns, square.job_id) == (49, asked_ns, 1)
        assert broken.error.startswith("ZeroDivisionError")
        driver.stop()
        journal.close()

    run_virtual(main, T0)


def test_the_tape_gives_back_the_batches_with_their_borders(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        journal = Journal.open(tmp_path / "journal", sync_interval_s=None)
        driver = Driver(engine(), [], journal, clock, tape=TapeWriter(tmp_path / "tape"))
        batches: list[list[ev.Event]] = [opening(), [ev.Tick()], [ev.FeedAlive("deribit/market"), ev.Tick()]]
        for batch in batches:
            feed(driver, *batch)
        driver.stop()
        journal.close()
        assert [batch.events for batch in read_tape(tmp_path / "tape")] == batches

    run_virtual(main, T0)
