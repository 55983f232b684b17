"""Faults at start-up: a message that helps, the documented exit code, and never a traceback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from atomizer.cli.exits import Exit
from atomizer.storage.lock import DirectoryLock

FIXTURE = Path(__file__).parents[1] / "storage" / "fixtures" / "journal-v1"
ADDRESS = "0x" + "ab" * 20
SIM = {
    "ATOMIZER_NETWORK": "sim",
    "DERIBIT_WS_URL": "ws://127.0.0.1:9/ws/api/v2",
    "RYSK_WS_URL": "ws://127.0.0.1:9/",
    "RFQ_ASSET_ADDRESSES": ADDRESS,
    "ATOMIZER_RYSK__CHAIN_ID": "31337",
    "ATOMIZER_RYSK__VERIFYING_CONTRACT": ADDRESS,
    "ATOMIZER_RYSK__STABLE": ADDRESS,
}
LIVE = {
    **SIM,
    "ATOMIZER_MODE": "live",
    "ATOMIZER_DERIBIT__NUMERAIRE": "coin",
    "ATOMIZER_RYSK__NUMERAIRE": "usd",
    "DERIBIT_API_KEY": "me",
    "DERIBIT_API_SECRET": "hush-hush",
    "RYSK_PRIVATE_KEY": "0x" + "11" * 32,
    "RYSK_MAKER_ADDRESS": ADDRESS,
}


def without(settings: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in settings.items() if key != name}


class Ended:
    """How the program ended."""

    def __init__(self, directory: Path, *arguments: str, **environment: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "atomizer", *arguments],
            cwd=directory,
            env={"PATH": os.environ["PATH"], "HOME": str(directory), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        self.code, self.said = done.returncode, done.stderr + done.stdout
        assert "Traceback" not in self.said, self.said
        assert "hush-hush" not in self.said


@pytest.mark.system
@pytest.mark.parametrize(
    ("environment", "arguments", "code", "texts"),
    [
        (
            {**SIM, "ATOMIZER_RISK__MAX_DLETA": "5"},
            (),
            Exit.CONFIG,
            ["did you mean ATOMIZER_RISK__MAX_DELTA?"],
        ),
        (without(LIVE, "DERIBIT_API_SECRET"), ("--live",), Exit.CONFIG, ["set DERIBIT_API_SECRET"]),
        (without(LIVE, "RYSK_PRIVATE_KEY"), ("--live",), Exit.CONFIG, ["set RYSK_PRIVATE_KEY"]),
        ({**SIM, "RFQ_ASSET_ADDRESSES": "0x12"}, (), Exit.CONFIG, ["40 hexadecimal digits", "'0x12'"]),
        ({**LIVE, "RYSK_MAKER_ADDRESS": "me"}, ("--live",), Exit.CONFIG, ["rysk.maker_address", "40"]),
        (without(LIVE, "ATOMIZER_DERIBIT__NUMERAIRE"), ("--live",), Exit.CONFIG, ["expected usd or coin"]),
        (without(LIVE, "ATOMIZER_RYSK__NUMERAIRE"), ("--live",), Exit.CONFIG, ["rysk.numeraire"]),
        ({"ATOMIZER_NETWORK": "test"}, ("--dummy-price", "5"), Exit.CONFIG, ["responder.dummy_price"]),
        (LIVE, ("--live", "--dry-run"), Exit.USAGE, ["exclude each other"]),
        (SIM, ("--exchange", "derive"), Exit.CONFIG, ["'derive'", "built are deribit"]),
        ({**SIM, "RYSK_WS_URL": "wss://example.org/"}, (), Exit.CONFIG, ["loopback", "example.org"]),
        (SIM, ("--live",), Exit.USAGE, ["mode: live"]),
    ],
    ids=[
        "unknown-key",
        "no-api-secret",
        "no-signing-key",
        "bad-token-address",
        "bad-maker-address",
        "no-numeraire",
        "no-rysk-numeraire",
        "dummy-price-off-the-simulator",
        "live-and-dry",
        "venue-not-built",
        "sim-elsewhere",
        "live-without-the-mode",
    ],
)
def test_a_responder_that_cannot_start_says_why(
    tmp_path: Path, environment: dict[str, str], arguments: tuple[str, ...], code: Exit, texts: list[str]
) -> None:
    ended = Ended(tmp_path, "rfq-responder", *arguments, **environment)
    assert ended.code == code, ended.said
    for text in texts:
        assert text in ended.said


@pytest.mark.system
@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("nosuch", "--port", "0"), Exit.CONFIG, "expected one of deribit, rysk"),
        (("deribit", "--port", "0", "--fault", "loss=7"), Exit.CONFIG, "probability from 0 to 1"),
        (("rysk", "--port", "0", "--fault", "rysk.gremlins=1"), Exit.CONFIG, "gremlins"),
        (("deribit", "--port", "0", "--chain", "missing.csv"), Exit.CONFIG, "missing.csv"),
        (("deribit", "--port", "0", "--chain", "bad.csv"), Exit.CONFIG, "bad.csv"),
        (("deribit", "--port", "70000"), Exit.USAGE, "70000"),
    ],
)
def test_a_simulated_venue_that_cannot_start_says_why(
    tmp_path: Path, arguments: tuple[str, ...], code: Exit, text: str
) -> None:
    (tmp_path / "bad.csv").write_text("this,is\nno,chain\n")
    ended = Ended(tmp_path, "sim", *arguments)
    assert ended.code == code, ended.said
    assert text in ended.said


@pytest.mark.system
def test_a_port_in_use_ends_a_simulated_venue(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        ended = Ended(tmp_path, "sim", "rysk", "--port", str(holder.getsockname()[1]))
    assert ended.code == Exit.NETWORK
    assert "in use" in ended.said


def journal(directory: Path) -> Path:
    shutil.copytree(FIXTURE, directory)
    return directory / "journal-000001.jsonl"


@pytest.mark.system
def test_an_edited_journal_is_refused_with_file_and_line(tmp_path: Path) -> None:
    segment = journal(tmp_path / "data")
    segment.write_bytes(segment.read_bytes().replace(b'"lots":4300', b'"lots":4301'))
    ended = Ended(tmp_path, "rfq-responder", "--data-dir", "data", **SIM)
    assert ended.code == Exit.FAILURE
    assert "journal-000001.jsonl line " in ended.said


@pytest.mark.system
def test_a_torn_journal_is_mended_with_a_note(tmp_path: Path) -> None:
    segment = journal(tmp_path / "data")
    segment.write_bytes(segment.read_bytes()[:-20])
    cut = "of a line that a crash cut short"
    found = Ended(tmp_path, "journal", "verify", "--data-dir", "data")
    assert found.code == Exit.OK, found.said
    assert cut in found.said
    assert cut in said_by_a_node(tmp_path, "data")
    mended = Ended(tmp_path, "journal", "verify", "--data-dir", "data")
    assert mended.code == Exit.OK, mended.said
    assert cut not in mended.said


def said_by_a_node(directory: Path, data: str) -> str:
    """What a dry run without any venue says between its start and an interrupt."""
    node = subprocess.Popen(
        [sys.executable, "-m", "atomizer", "rfq-responder", "--data-dir", data],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), **SIM},
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert node.stderr is not None
    said = ""
    for line in node.stderr:
        said += line
        if "journal_mended" in line:
            node.send_signal(signal.SIGINT)
            break
    rest = node.communicate(timeout=60)[1]
    assert node.returncode == Exit.INTERRUPTED, said + rest
    assert "Traceback" not in said + rest
    return said


@pytest.mark.system
def test_a_directory_held_by_another_node_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    lock = DirectoryLock(tmp_path / "data")
    try:
        ended = Ended(tmp_path, "rfq-responder", "--data-dir", "data", **SIM)
    finally:
        lock.release()
    assert ended.code == Exit.FAILURE
    assert f"held by process {os.getpid()}" in ended.said


@pytest.mark.system
def test_explain_of_an_unknown_id_says_so(tmp_path: Path) -> None:
    journal(tmp_path / "data")
    ended = Ended(tmp_path, "explain", "no-such-rfq", "--data-dir", "data")
    assert ended.code == Exit.FAILURE
    assert "no-such-rfq" in ended.said
