"""A tape through a fresh engine in a process of its own: `python -m tests.system.replay DIRECTORY SEED`.

Prints one line of JSON for each record that the pass admitted or put out, as the journal would hold it, and
last the ledger's state.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import msgspec

from atomizer.domain.commands import RunJob, RunStarted
from atomizer.engine.core import Engine
from atomizer.engine.ledger import Ledger
from atomizer.net.memory import MemoryNetwork
from atomizer.net.virtual import DEFAULT_START_NS, VirtualClock, VirtualLoop
from atomizer.runtime.compose import plan
from atomizer.runtime.settings import Settings
from atomizer.runtime.world import World, WorldPlan
from atomizer.storage.journal import read
from atomizer.storage.records import encode
from atomizer.storage.tape import read_tape


def world_of(seed: int, clock: VirtualClock) -> World:
    return World(WorldPlan(seed=seed, start_ns=DEFAULT_START_NS), clock)


def settings_of(world: World, directory: Path) -> Settings:
    return msgspec.structs.replace(world.settings(directory), tape=True)


def replayed(directory: Path, seed: int) -> tuple[list[Any], Ledger]:
    """Every record of the tape's session, made again, and the ledger at its end."""
    clock = VirtualClock(VirtualLoop())
    settings = settings_of(world_of(seed, clock), directory)
    rng = random.Random(0)
    made = plan(settings, MemoryNetwork(rng), clock, rng)
    ledger = Ledger()
    first = next(iter(read(directory)))
    assert isinstance(first.body, RunStarted)
    ledger.apply(first.body, first.ts_ns)
    engine = Engine(
        made.engine,
        made.strategies,
        made.responders,
        made.capabilities,
        run=first.body.run,
        now_ns=first.ts_ns,
        ledger=ledger,
    )
    records: list[Any] = []
    for taped in read_tape(directory / f"tape-{first.body.run:06d}.jsonl"):
        records += engine.admit(taped.now_ns, taped.events)
        records += engine.handle(taped.now_ns, taped.events)
    return records, ledger


def main() -> None:
    records, ledger = replayed(Path(sys.argv[1]), int(sys.argv[2]))
    for record in records:
        if not isinstance(record, RunJob):  # no part of the journal
            print(encode(record).decode())
    print(msgspec.json.encode(ledger.state(), order="sorted").decode())


if __name__ == "__main__":
    main()
