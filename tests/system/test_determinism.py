"""The same tape gives the same commands, and the journal alone gives the same ledger, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from atomizer.domain.commands import RunEnded, RunStarted, SendQuote
from atomizer.engine.ledger import Ledger
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.node import fold
from atomizer.runtime.world import run_session
from atomizer.storage.journal import read
from atomizer.storage.records import encode
from tests.system.replay import settings_of, world_of

pytestmark = pytest.mark.system
SEED, DURATION_S = 11, 60.0
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a session with journal and tape."""
    directory = tmp_path_factory.mktemp("session")

    async def main(clock: VirtualClock) -> None:
        world = world_of(SEED, clock)
        await run_session(world, settings_of(world, directory), DURATION_S)

    run_virtual(main)
    return directory


def replay_in_process(directory: Path, hash_seed: int) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.system.replay", str(directory), str(SEED)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def journalled(directory: Path) -> list[str]:
    """The session's records as text, without the frame of the run."""
    bodies = [record.body for record in read(directory)]
    assert sum(isinstance(body, SendQuote) for body in bodies) > 10
    return [encode(body).decode() for body in bodies if not isinstance(body, (RunStarted, RunEnded))]


@pytest.mark.parametrize("hash_seed", [1, 4242])
def test_a_tape_gives_the_sessions_commands_byte_for_byte(session: Path, hash_seed: int) -> None:
    *records, _ = replay_in_process(session, hash_seed)
    assert records == journalled(session)


def test_the_journal_folded_without_strategies_is_the_ledger_of_the_session(session: Path) -> None:
    *_, state = replay_in_process(session, 7)
    folded = fold(session, Ledger()).state()
    replayed = msgspec.json.decode(state)
    assert replayed.pop("clean_end") is False  # the tape ends before the run's last word
    assert folded.pop("clean_end") is True
    assert msgspec.json.decode(msgspec.json.encode(folded)) == replayed
