"""The same tape gives the same commands, and the journal alone gives the same ledger, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from atomizer.domain.commands import RunEnded, RunStarted, SendQuote
from atomizer.domain.events import Event
from atomizer.engine.core import Engine
from atomizer.engine.ledger import Ledger
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.demo import DemoPlan, run_in_virtual_time
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


def timed(directory: Path) -> list[tuple[int, bytes]]:
    """The session's records with their times, without the frame of the run."""
    records = (item for item in read(directory) if not isinstance(item.body, (RunStarted, RunEnded)))
    return [(item.ts_ns, encode(item.body)) for item in records]


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


def looks_every_time(self: Engine, batch: Sequence[Event], now_ns: int) -> None:
    """Hear a batch, then look at every timer in this pass and at every deadline after it."""
    hear(self, batch, now_ns)
    self.look_ns = self.ring_ns = now_ns


hear = Engine._hear


def test_a_pass_that_skips_its_timers_skips_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = DemoPlan(
        duration_s=DURATION_S, seed=SEED, underlyings=("ETH", "BTC"), directory=tmp_path / "skips"
    )
    run_in_virtual_time(plan)
    monkeypatch.setattr(Engine, "_hear", looks_every_time)
    looked = replace(plan, directory=tmp_path / "looks")
    run_in_virtual_time(looked)
    skipping, looking = (timed(item.directory) for item in (plan, looked))
    assert len(skipping) > 1000
    assert skipping == looking
