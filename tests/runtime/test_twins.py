"""Simulated venues by name, their options, and the process that `atomizer sim` is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from atomizer.config.errors import ConfigError
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.twins import (
    TwinOptions,
    VenueNotBuiltError,
    build_twin,
    built_venues,
    read_options,
    split_faults,
)
from atomizer.sim.faults import FaultSpec

PROGRAM = str(Path(sys.executable).parent / "atomizer")
START = 1_763_640_000_000_000_000
TAPE = Path(__file__).resolve().parents[1] / "sim" / "deribit" / "tape.jsonl"
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "okx_option_chains"


def options(**changes: Any) -> tuple[TwinOptions, FaultSpec]:
    given: dict[str, Any] = {
        "seed": 1,
        "start_ns": None,
        "now_ns": START + 5,
        "chain": None,
        "underlying": "ETH",
        "fault": "",
        "key": "",
        "secret": "",
    }
    return read_options("deribit", **{**given, **changes})


def test_deribit_is_built_and_unknown_venues_list_those_that_are() -> None:
    assert "deribit" in built_venues()
    with pytest.raises(VenueNotBuiltError, match=r"'nowhere' is not built; expected one of .*deribit"):
        build_twin("nowhere", options()[0], VirtualClockless())


class VirtualClockless:
    """A clock for building what never runs."""

    def now_ns(self) -> int:
        return START


def test_market_without_a_start_began_at_midnight() -> None:
    assert options()[0].start_ns == 1_763_596_800_000_000_000
    assert options(start_ns=7)[0].start_ns == 7


def test_credentials_are_taken_and_hidden() -> None:
    chosen, _ = options(key="me", secret="hush")
    assert "hush" not in repr(chosen)

    async def main(clock: VirtualClock) -> dict[str, Any]:
        return build_twin("deribit", chosen, clock).ready("127.0.0.1", 5)

    ready = run_virtual(main)
    assert ready["credentials"] == {"client_id": "me", "client_secret": "hush"}
    assert ready["ws"] == "ws://127.0.0.1:5/ws/api/v2"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seed": -1}, "seed: expected"),
        ({"fault": "loss=7"}, "probability"),
        ({"fault": "deribit.tier"}, "name=value"),
        ({"key": "a"}, "--key and --secret together"),
        ({"chain": Path("missing.csv")}, r"missing\.csv"),
        ({"recording": Path("missing.jsonl")}, r"missing\.jsonl"),
    ],
)
def test_unusable_options_are_configuration_errors(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        options(**changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"fault": "deribit.tier=9"}, "tier from 1 to 4"),
        ({"fault": "deribit.gremlins=1"}, "trade_push_delay_ms"),
        ({"fault": "deribit.speed_bump_ms=11"}, "speed_bump_ms from 0 to 10"),
        ({"fault": "deribit.quote_errors=maybe"}, "stays_together or"),
        ({"underlying": "DOGE"}, "ETH, BTC"),
    ],
)
def test_options_the_venue_cannot_take_are_configuration_errors(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        build_twin("deribit", options(**changes)[0], VirtualClockless())


def test_faults_of_network_and_venue_are_told_apart() -> None:
    network, own = split_faults("deribit", "loss=0.5, deribit.trade_push_delay_ms=30,up.dup=0.1")
    assert (network.up.loss, network.up.dup, network.down.dup) == (0.5, 0.1, 0.0)
    assert own == {"trade_push_delay_ms": "30"}


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [PROGRAM, "sim", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.loads(response.read())


@pytest.mark.system
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_process_announces_itself_serves_and_ends_on_a_signal(number: int, code: int) -> None:
    with running("deribit", "--port", "0", "--seed", "5") as (process, ready):
        assert set(ready) == {"venue", "ws", "http", "credentials"}
        instruments = read(f"{ready['http']}/api/v2/public/get_instruments?currency=ETH&kind=option")
        assert len(instruments["result"]) == 90
        assert read(f"{ready['http']}/sim/equity")["currency"] == "ETH"
        os.kill(process.pid, number)
        assert process.wait(10) == code


@pytest.mark.system
def test_a_recording_is_served_and_its_perpetual_begins_where_it_was_recorded() -> None:
    with running("deribit", "--port", "0", "--recording", str(TAPE)) as (_, ready):
        book = read(f"{ready['http']}/api/v2/public/get_order_book?instrument_name=ETH-PERPETUAL")["result"]
    assert abs(book["mark_price"] - 3000) < 15
    assert abs(book["index_price"] / 3000 - 1) < 0.2
    assert {amount % 1 for _, amount in book["bids"] + book["asks"]} == {0.0}


def test_recordings_are_for_deribit_and_for_what_it_lists(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--recording is for the simulated deribit, found rysk"):
        read_options("rysk", seed=1, start_ns=None, now_ns=START, chain=None, underlying="ETH",
                     recording=TAPE, fault="", key="", secret="")  # fmt: skip
    strange = tmp_path / "strange.jsonl"
    strange.write_text('{"t": 1, "i": "ETH-1JAN20", "side": "buy", "price": 1, "amount": 1}')
    with pytest.raises(ConfigError, match="found ETH-1JAN20"):
        build_twin("deribit", options(recording=strange)[0], VirtualClockless())


@pytest.mark.system
def test_two_processes_with_one_seed_and_start_show_one_market() -> None:
    start = str(time.time_ns() - 3_600_000_000_000)
    same = ("deribit", "--port", "0", "--seed", "5", "--start", start)
    with running(*same) as (_, one), running(*same) as (_, two):
        for _ in range(50):
            seen = [
                read(f"{r['http']}/api/v2/public/ticker?instrument_name=ETH-PERPETUAL") for r in (one, two)
            ]
            first, second = (one_["result"] for one_ in seen)
            if first["timestamp"] // 100 == second["timestamp"] // 100:
                break
        assert first["index_price"] == second["index_price"]
        assert first["mark_price"] == second["mark_price"]


@pytest.mark.system
@pytest.mark.needs_shared
def test_process_runs_on_a_recorded_chain() -> None:
    chain = SHARED / "BTC_2025-09-08_exp_2025-09-26_okx_chain.csv"
    if not chain.exists():
        pytest.skip("needs ../shared: recorded BTC chain")
    with running("deribit", "--port", "0", "--chain", str(chain)) as (_, ready):
        listed = read(f"{ready['http']}/api/v2/public/get_instruments")["result"]
        assert {one["base_currency"] for one in listed} == {"BTC"}
        assert len(listed) == 103


@pytest.mark.system
def test_taken_port_and_unbuilt_venue_end_with_their_codes() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        for arguments, code, text in (
            (("deribit", "--port", port), 4, "in use"),
            (("mars", "--port", "0"), 3, "deribit"),
            (("deribit", "--port", "0", "--fault", "x=1"), 3, "expected one of"),
        ):
            done = subprocess.run(
                [PROGRAM, "sim", *arguments],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == code, done.stderr
            assert text in done.stderr
            assert "Traceback" not in done.stderr
