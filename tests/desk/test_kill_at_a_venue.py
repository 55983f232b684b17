"""The switch with a frozen node and orders resting at a simulated Deribit, over real sockets.

Judged by a raw client that shares nothing with the adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from atomizer.cli import main
from atomizer.cli.exits import Exit
from tests.independent.deribit_client import DeribitJudge
from tests.independent.wire import dial

pytestmark = pytest.mark.system

KEY, SECRET = "desk-key", "desk-secret"
_TWIN = f"""
import asyncio, time
from atomizer.net.sockets import SocketTransport
from atomizer.net.virtual import WallClock
from atomizer.sim.deribit.settings import Credential, DeribitTwinSettings
from atomizer.sim.deribit.twin import DeribitTwin
from atomizer.sim.market import Market

async def main():
    clock = WallClock()
    settings = DeribitTwinSettings(credentials=(Credential("main", "{KEY}", "{SECRET}"),), takers=False)
    twin = DeribitTwin([Market(1, clock.now_ns(), underlying="ETH")], settings, clock)
    twin.start()
    server = await SocketTransport().serve("127.0.0.1", 0, twin)
    print(server.port, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
_NODE = """
import pathlib, sys, time
from atomizer.storage.journal import Journal
journal = Journal.open(pathlib.Path(sys.argv[1]), reserve_bytes=4096)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts scripts; each is ready when it has printed a line."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen([sys.executable, "-c", *arguments], stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield run
    for process in running:
        process.kill()
        process.communicate()


@contextlib.asynccontextmanager
async def judge(port: str) -> AsyncIterator[DeribitJudge]:
    wire = await dial(None, f"ws://127.0.0.1:{port}/ws/api/v2")
    try:
        client = DeribitJudge(wire)
        await client.authenticate(KEY, SECRET)
        yield client
    finally:
        await wire.close()


async def place(port: str, labels: list[str]) -> None:
    async with judge(port) as client:
        book = await client.call("public/get_order_book", {"instrument_name": "ETH-PERPETUAL", "depth": 1})
        order = {
            "instrument_name": "ETH-PERPETUAL",
            "amount": 100,
            "type": "limit",
            "price": round(float(book["best_bid_price"]) * 0.98),
        }
        for label in labels:
            await client.call("private/buy", order | {"label": label})


async def resting(port: str) -> list[str]:
    async with judge(port) as client:
        return sorted(order["label"] for order in await client.open_orders())


def test_a_frozen_nodes_orders_are_cancelled_and_a_persons_are_not(
    story: Path, started: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, port = started(_TWIN)
    node, _ = started(_NODE, str(story))
    asyncio.run(place(port, ["atm-1", "atm-2", "atm-zz", "mine", ""]))
    os.kill(node.pid, signal.SIGSTOP)
    for name, value in {
        "DERIBIT_WS_URL": f"ws://127.0.0.1:{port}/ws/api/v2",
        "DERIBIT_API_KEY": KEY,
        "DERIBIT_API_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    assert main.run(["kill", "--data-dir", str(story)]) == Exit.OK
    assert time.monotonic() - began < 15
    out = capsys.readouterr().out
    assert f"node process {node.pid} ended" in out
    assert "deribit: 3 of our orders cancelled, none left open" in out
    assert "the last of 2 dies" in out
    assert asyncio.run(resting(port)) == ["", "mine"]


def test_a_venue_that_cannot_be_reached_ends_with_4(
    story: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DERIBIT_WS_URL", "ws://127.0.0.1:9/ws/api/v2")
    monkeypatch.setenv("DERIBIT_API_KEY", KEY)
    monkeypatch.setenv("DERIBIT_API_SECRET", SECRET)
    assert main.run(["kill", "--data-dir", str(story)]) == Exit.NETWORK
    captured = capsys.readouterr()
    assert "deribit: SweepError" in captured.err
    assert "the last of 2 dies" in captured.out
    assert SECRET not in captured.out + captured.err
