"""The switch against real node processes: answering, frozen, deaf, dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from atomizer.cli import main
from atomizer.cli.exits import Exit
from atomizer.config.errors import ConfigError
from atomizer.desk import sweepers
from atomizer.desk.fold import folded
from atomizer.desk.kill import KillReport, kill
from atomizer.net.sockets import SocketTransport
from atomizer.net.transport import TransportError
from atomizer.storage.journal import Journal, JournalLockedError, read, verify
from atomizer.storage.lock import holder

pytestmark = pytest.mark.system

_NODE = """
import asyncio, pathlib, sys
from atomizer.runtime.control import ControlServer
from atomizer.runtime.words import event_of
from atomizer.storage.journal import Journal

directory = pathlib.Path(sys.argv[1])

async def main():
    journal = Journal.open(directory, reserve_bytes=4096)
    def heard(request, by):
        journal.append(1, [event_of(request, by, 1)], essential=True)
        return {"done": f"{request.word} heard"}
    await ControlServer(directory / "node.sock", heard).start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
_DEAF = """
import pathlib, sys, time
from atomizer.storage.journal import Journal
journal = Journal.open(pathlib.Path(sys.argv[1]), reserve_bytes=4096)
print("ready", flush=True)
time.sleep(60)
"""


class SweptOrder(NamedTuple):
    """What a venue's sweep answers for each order."""

    label: str
    instrument: str
    outcome: str
    open: bool


Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(story: Path) -> Iterator[Start]:
    """Starts a node in the story's directory."""
    running: list[subprocess.Popen[str]] = []

    def run(code: str) -> subprocess.Popen[str]:
        node = subprocess.Popen([sys.executable, "-c", code, str(story)], stdout=subprocess.PIPE, text=True)
        running.append(node)
        assert node.stdout is not None
        assert node.stdout.readline() == "ready\n"
        return node

    yield run
    for node in running:
        node.kill()
        node.communicate()


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str]]:
    """A venue `pond` whose sweep records (settings, prefix); "broken" fails, "stuck" leaves one open."""
    calls: list[tuple[Any, str]] = []

    async def cancel_ours(
        _transport: object, settings: Any, prefix: str, *, timeout_s: float
    ) -> list[SweptOrder]:
        assert timeout_s < 10
        calls.append((settings, prefix))
        if settings == "broken":
            raise TransportError("127.0.0.1:9: connection refused")
        stuck = SweptOrder("atm-2", "FROG-PERP", "order is being matched", open=True)
        return [SweptOrder("atm-1", "FROG-PERP", "cancelled", open=False), *([stuck] * (settings == "stuck"))]

    monkeypatch.setattr(sys.modules[__name__], "cancel_ours", cancel_ours, raising=False)
    monkeypatch.setitem(sys.modules, "pond_sweep", sys.modules[__name__])
    monkeypatch.setitem(sweepers.SWEEPERS, "pond", "pond_sweep:cancel_ours")
    return calls


def pull(story: Path, level: int, venues: dict[str, Any] | None = None) -> KillReport:
    given = {"pond": "fine"} if venues is None else venues
    return kill(story, level, venues=lambda: given, transport=SocketTransport, acknowledge_s=0.5)


@pytest.mark.parametrize("level", [1, 2])
def test_an_answering_node_is_left_alive(
    start: Start, story: Path, swept: list[tuple[Any, str]], level: int
) -> None:
    node = start(_NODE)
    report = pull(story, level)
    assert report.acknowledged
    assert report.killed_pid is None
    assert swept == []
    assert report.problems == []
    assert node.poll() is None


def test_the_word_is_in_the_journal_of_an_answering_node(start: Start, story: Path) -> None:
    start(_NODE)
    pull(story, 2)
    last = subprocess.run(
        [
            sys.executable,
            "-m",
            "atomizer.cli.main",
            "journal",
            "show",
            "--data-dir",
            str(story),
            "--last",
            "1",
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    assert "operator       word=kill level=2" in last


@pytest.mark.parametrize("code", [_NODE, _DEAF])
def test_a_frozen_or_deaf_node_is_ended_and_swept(
    start: Start, story: Path, swept: list[tuple[Any, str]], code: str
) -> None:
    node = start(code)
    if code is _NODE:
        os.kill(node.pid, signal.SIGSTOP)
    started = time.monotonic()
    report = pull(story, 2)
    assert time.monotonic() - started < 5
    assert report.killed_pid == node.pid
    assert node.wait(5) == -signal.SIGKILL
    assert swept == [("fine", "atm-")]
    assert report.swept[0].cancelled == ["atm-1"]
    assert report.live is not None
    assert [item.nonce for item in report.live.signatures] == [101, 102]
    assert "no acknowledgement" in report.problems[0]


def test_a_frozen_node_is_ended_before_anything_slow_is_loaded(
    start: Start, story: Path, swept: list[tuple[Any, str]]
) -> None:
    node = start(_NODE)
    os.kill(node.pid, signal.SIGSTOP)
    seen: list[int] = []
    report = kill(
        story,
        2,
        venues=lambda: {"pond": seen[0]},
        transport=SocketTransport,
        prepare=lambda: seen.append(node.wait(10)),
        acknowledge_s=0.1,
    )
    assert report.killed_pid == node.pid
    assert swept == [(-signal.SIGKILL, "atm-")]


def test_level_3_ends_even_a_node_that_answers(
    start: Start, story: Path, swept: list[tuple[Any, str]]
) -> None:
    node = start(_NODE)
    report = pull(story, 3)
    assert report.acknowledged
    assert report.killed_pid == node.pid
    assert len(swept) == 1


def test_the_next_node_begins_with_the_level_of_a_kill(
    start: Start, story: Path, swept: list[tuple[Any, str]]
) -> None:
    node = start(_NODE)
    os.kill(node.pid, signal.SIGSTOP)
    pull(story, 2)
    assert folded(story).risk.kill_level == 2
    pull(story, 1)
    assert folded(story).risk.kill_level == 2
    pull(story, 3)
    assert folded(story).risk.kill_level == 3
    assert verify(story).notes == []


def test_no_node_can_start_while_the_switch_works(story: Path, swept: list[tuple[Any, str]]) -> None:
    refused: list[str] = []

    def venues() -> dict[str, Any]:
        with pytest.raises(JournalLockedError) as caught:
            Journal.open(story, reserve_bytes=4096)
        refused.append(str(caught.value))
        return {"pond": "fine"}

    kill(story, 2, venues=venues, transport=SocketTransport, acknowledge_s=0.1)
    assert f"held by process {os.getpid()}" in refused[0]
    Journal.open(story, reserve_bytes=4096).close()


def test_a_wrong_data_directory_is_left_as_it_was(tmp_path: Path, swept: list[tuple[Any, str]]) -> None:
    report = pull(tmp_path / "nowhere", 2)
    assert not (tmp_path / "nowhere").exists()
    assert report.live is None
    assert len(swept) == 1


def test_resume_reaches_the_node(start: Start, story: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["resume", "--data-dir", str(story)]) == Exit.NETWORK
    start(_NODE)
    assert main.run(["resume", "--scope", "ETH", "--data-dir", str(story)]) == Exit.OK
    last = list(read(story))[-1].body
    assert (last.word, last.scope) == ("resume", "ETH")


def test_level_4_leaves_an_answering_node_to_flatten(
    start: Start, story: Path, swept: list[tuple[Any, str]]
) -> None:
    node = start(_NODE)
    report = pull(story, 4)
    assert report.acknowledged
    assert node.poll() is None
    assert swept == []
    assert report.positions["deribit/main/deribit:ETH-PERPETUAL"] == "-3440"


def test_a_dead_node_is_swept_and_nobody_else_is_signalled(story: Path, swept: list[tuple[Any, str]]) -> None:
    (story / "node.lock").write_text(f"{os.getppid()}\n")
    assert holder(story) is None
    report = pull(story, 2)
    assert report.killed_pid is None
    assert len(swept) == 1


def test_one_venue_failing_stops_neither_the_others_nor_the_report(
    story: Path, swept: list[tuple[Any, str]]
) -> None:
    report = pull(story, 2, {"pond": "broken", "unknown": "x"})
    assert [bool(sweep.error) for sweep in report.swept] == [True, True]
    assert any("pond: TransportError: 127.0.0.1:9: connection refused" in text for text in report.problems)
    assert any("unknown: SweepError: expected one of deribit, pond" in text for text in report.problems)
    assert report.live is not None


def test_an_order_that_still_rests_is_a_problem(story: Path, swept: list[tuple[Any, str]]) -> None:
    report = pull(story, 2, {"pond": "stuck"})
    assert report.sweep_failed
    assert any(
        "pond: expected none of our orders open, found atm-2 FROG-PERP (order is being matched)" in text
        for text in report.problems
    )


def test_a_broken_configuration_still_ends_the_node(start: Start, story: Path) -> None:
    node = start(_DEAF)

    def broken() -> dict[str, Any]:
        raise ConfigError(["risk.max_dleta: unknown"])

    report = kill(story, 2, venues=broken, transport=SocketTransport, acknowledge_s=0.1)
    assert report.killed_pid == node.pid
    assert any("the configuration is not valid: risk.max_dleta" in text for text in report.problems)
    assert report.live is not None


def test_a_damaged_journal_still_sweeps(story: Path, swept: list[tuple[Any, str]]) -> None:
    path = story / "journal-000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"rfq-3", b"rfq-5"))
    report = pull(story, 2)
    assert len(swept) == 1
    assert report.live is None
    assert any("live signatures unknown" in text for text in report.problems)


def test_the_command_prints_signatures_and_ends_with_0_when_all_is_done(
    start: Start, story: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(_NODE)
    assert main.run(["kill", "--data-dir", str(story)]) == Exit.OK
    out = capsys.readouterr().out
    assert "kill level 2: acknowledged by the node" in out
    assert "live signature rysk nonce 101: buy 2 rysk:ETH-CALL at 75, dies " in out
    assert "worst case ETH: bought 2, sold 2, delta -0.8000 to +0.8000" in out
    assert "the last of 2 dies " in out


def test_the_command_fails_when_something_is_left_to_do(
    story: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DERIBIT_API_KEY", "DERIBIT_API_SECRET", "DERIBIT_PRIVATE_KEY_ED25519"):
        monkeypatch.delenv(name, raising=False)
    assert main.run(["kill", "--data-dir", str(story)]) == Exit.FAILURE
    captured = capsys.readouterr()
    assert "the last of 2 dies " in captured.out
    assert "no venue has credentials here; cancel at the venues by hand" in captured.err


def test_level_4_needs_a_typed_confirmation(story: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["kill", "--level", "4", "--data-dir", str(story)]) == Exit.USAGE
    assert "pass --yes" in capsys.readouterr().err
