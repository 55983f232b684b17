"""Real processes, real sockets: killed, frozen, short of disk; judged by raw sockets and by ccxt."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import pytest

from atomizer.domain.commands import PlaceOrder, Refused
from atomizer.domain.orders import Purpose
from atomizer.domain.refusals import Reason
from atomizer.engine.ledger import Ledger
from atomizer.runtime.node import fold
from atomizer.storage.journal import Journal, read, verify
from atomizer.storage.segments import RESERVE_NAME
from tests.independent.deribit_client import deribit_judge
from tests.judges.environments import ask as ask_client
from tests.system.stage import Stage, stage, wait_until

BUSY = "rysk.acceptance=always,rysk.rfq_interval_s=0.4,rysk.decision_delay_s=0.3,rysk.confirmation_lost=0.1"
ROUGH = "delay=1..20ms,down.dup=0.02,late=0.02:600ms,deribit.trade_push_delay_ms=30"
STOP_S = 40.0


def stopped(node: subprocess.Popen[str]) -> None:
    """A clean stop: what SIGTERM is for."""
    node.send_signal(signal.SIGTERM)
    assert node.wait(STOP_S) == 128 + signal.SIGTERM


def settle(running: Stage) -> None:
    """Until every account agrees and nothing of ours works."""

    def agreed() -> bool:
        status = running.status()
        return status is not None and not status["unreconciled"] and not status["working_orders"]

    wait_until("both accounts agree with the ledger", agreed, 60.0)


def quiet(running: Stage) -> None:
    """Clients take nothing any more, and what they took is settled."""
    asyncio.run(_configure(running, {"acceptance": "never", "faults": {"confirmation_lost": 0.0}}))
    time.sleep(3.0)


async def _configure(running: Stage, changes: dict[str, object]) -> None:
    from tests.independent.wire import fetch

    await fetch(None, running.venues.rysk["http"], "/sim/settings", changes)


def assert_agrees(running: Stage) -> None:
    """Raw sockets at both venues, and ccxt at Deribit, see what the journal folds to."""
    verdict = asyncio.run(running.judged())
    assert not verdict.faults, "\n".join(verdict.faults)
    deribit = running.venues.deribit
    seen = ask_client(
        "ccxt", "ccxt_account.py", {"http": deribit["http"], "currency": "ETH", **deribit["credentials"]}
    )
    ledger = fold(running.directory, Ledger())
    ours = {
        key.instrument.partition(":")[2]: float(size)
        for key, size in ledger.position_sizes().items()
        if key.venue == "deribit"
    }
    assert {name: float(size) for name, size in seen["positions"].items()} == ours
    assert seen["open_orders"] == []
    funding = sum((Decimal(str(one)) for one in seen["funding"]), Decimal(0))
    cash = Decimal(str(seen["balance"])) + Decimal(str(seen["session"])) - funding
    assert cash == ledger.accounts.balance("deribit", "deribit", "ETH")


def killed_twice(directory: Path, seed: int) -> None:
    with stage(directory, seed, deribit=ROUGH, rysk=BUSY) as running:
        for first in (True, False):
            node = running.node()
            if first:  # an unclean start does not quote before the last signature is dead
                wait_until("trades are won", lambda: running.count("trades") >= 2, 60.0)
            else:
                wait_until("Deribit is read", lambda: bool(running.count("events")), 20.0)
            node.kill()
            node.wait()
        node = running.node()
        quiet(running)
        settle(running)
        stopped(node)
        assert_agrees(running)


@pytest.mark.system
def test_two_kills_of_a_real_process_lose_nothing(tmp_path: Path) -> None:
    killed_twice(tmp_path, 3)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 110))
def test_twenty_kills_of_real_processes_lose_nothing(tmp_path: Path, seed: int) -> None:
    killed_twice(tmp_path, seed)


@pytest.mark.prove
def test_a_node_frozen_for_a_minute_finds_its_way_back(tmp_path: Path) -> None:
    with stage(tmp_path, 5, rysk=BUSY) as running:
        node = running.node()
        wait_until("a trade is won", lambda: running.count("trades") >= 1, 60.0)
        node.send_signal(signal.SIGSTOP)
        time.sleep(60.0)
        node.send_signal(signal.SIGCONT)
        quiet(running)
        settle(running)
        stopped(node)
        assert_agrees(running)


async def _rest_an_order(running: Stage, label: str) -> None:
    deribit = running.venues.deribit
    keys = deribit["credentials"]
    judge = await deribit_judge(None, deribit["ws"], keys["client_id"], keys["client_secret"])
    order = {"instrument_name": "ETH-PERPETUAL", "amount": 100, "price": 2000, "label": label}
    await judge.call("private/buy", {**order, "post_only": True})
    await judge.close()


@pytest.mark.system
def test_without_the_desk_trading_goes_on_and_the_switch_ends_a_frozen_node(tmp_path: Path) -> None:
    with stage(tmp_path, 6, rysk=BUSY) as running:
        node = running.node()
        desk = running.spawn("desk", ["desk", "--data-dir", str(running.directory)])
        wait_until("a trade is won", lambda: running.count("trades") >= 1, 60.0)
        desk.kill()
        desk.wait()
        before = running.count("trades")
        wait_until("trades go on without a desk", lambda: running.count("trades") > before, 60.0)
        wait_until("a signature is alive", lambda: running.count("live_quotes") > 0, 60.0)
        node.send_signal(signal.SIGSTOP)
        asyncio.run(_rest_an_order(running, "atm-zzz"))
        begun = time.monotonic()
        report = running.command("kill")
        took_s = time.monotonic() - begun
        assert node.wait(5.0) == -signal.SIGKILL
        assert took_s < 20.0
        assert not report["acknowledged"]
        assert report["live"]["signatures"], report["live"]
        assert report["live"]["last_dies_s"] > time.time()
        assert not report["problems"] or all("acknowledgement" in text for text in report["problems"])
        assert asyncio.run(_open_orders(running)) == []


async def _open_orders(running: Stage) -> list[object]:
    deribit = running.venues.deribit
    keys = deribit["credentials"]
    judge = await deribit_judge(None, deribit["ws"], keys["client_id"], keys["client_secret"])
    found: list[object] = list(await judge.open_orders())
    await judge.close()
    return found


@pytest.mark.system
def test_on_a_full_disk_hedges_go_quoting_stops_and_nothing_is_lost(tmp_path: Path) -> None:
    with stage(tmp_path, 8, rysk=BUSY) as running:
        most_bytes = filled_journal(running.directory)
        node = running.node(most_bytes)
        wait_until("quoting begins", lambda: running.count("quotes") >= 1, 60.0)

        def on_reserve() -> bool:
            status = running.status()
            return status is not None and status["journal"] == "reserve"

        wait_until("the disk is full", on_reserve, 90.0)
        wait_until("a hedge is written to the reserve", lambda: hedged_on_reserve(running.directory), 90.0)
        quotes = running.count("quotes")
        quiet(running)
        assert running.count("quotes") == quotes
        settle(running)
        stopped(node)
        report = verify(running.directory)
        assert report.in_reserve > 0
        refused = [record.body for record in read(running.directory) if isinstance(record.body, Refused)]
        assert refused
        assert_agrees(running)


def filled_journal(directory: Path) -> int:
    """A journal that is nearly as large as a file may become; the limit to start the node with."""
    journal = Journal.open(directory, sync_interval_s=None)
    reserve = (directory / RESERVE_NAME).stat().st_size
    segment = directory / "journal-000001.jsonl"
    filler = Refused(reason=Reason.PAUSED, text="x" * 900, subject="before")
    while segment.stat().st_size < reserve:
        journal.append(time.time_ns(), [filler] * 16, essential=False)
    journal.close()
    return segment.stat().st_size + 60_000


def hedged_on_reserve(directory: Path) -> bool:
    """Whether a hedge was commanded since the segment is full."""
    written = (directory / RESERVE_NAME).read_bytes().split(b"\0", 1)[0]
    records = [record for line in written.splitlines() for record in json.loads(line)["r"]]
    orders = [record for record in records if record["type"] == PlaceOrder.__struct_config__.tag]
    return any(order["purpose"] == int(Purpose.HEDGE) for order in orders)
