"""A dry run prices and journals; it sends nothing and holds no key."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from atomizer.config.secret import Secret
from atomizer.domain.commands import SendQuote
from atomizer.net.virtual import DEFAULT_START_NS, VirtualClock, run_virtual
from atomizer.runtime.node import NodePlan
from atomizer.runtime.world import World, WorldPlan
from atomizer.storage.journal import read
from atomizer.venues.ethereum import EthereumKey
from atomizer.venues.keys import Ed25519Key, HmacKey

KEYS = (EthereumKey, HmacKey, Ed25519Key, Secret)
PASSED_OVER = (type, str, bytes, int, float)


def reachable(root: object) -> Iterator[object]:
    """Everything an object leads to, without walking into modules and classes."""
    seen, todo = {id(root)}, [root]
    while todo:
        item = todo.pop()
        yield item
        if hasattr(item, "__globals__"):
            parts: list[Any] = [item.__closure__, item.__defaults__, item.__kwdefaults__]
        else:
            parts = gc.get_referents(item)
        for part in parts:
            if id(part) not in seen and not isinstance(part, PASSED_OVER) and not hasattr(part, "__spec__"):
                seen.add(id(part))
                todo.append(part)


def held_keys(mode: str) -> set[type]:
    """Kinds of key that a plan of this mode leads to."""

    async def main(clock: VirtualClock) -> set[type]:
        world = World(WorldPlan(seed=2, start_ns=DEFAULT_START_NS), clock)
        with tempfile.TemporaryDirectory(prefix="atomizer-test-") as name:
            node = world.node(world.settings(Path(name), mode=mode))
            plan: NodePlan = node.plan
            found = {type(item) for port in plan.ports for item in reachable(port) if isinstance(item, KEYS)}
            shown = msgspec.json.encode(plan.settings_shown).decode()
            assert world.rysk_settings.maker.private_key not in shown
            node.journal.close()
        return found

    return run_virtual(main, DEFAULT_START_NS)


def test_a_dry_run_holds_no_key_where_a_live_one_does() -> None:
    assert held_keys("dry-run") == set()
    assert {EthereumKey, HmacKey} <= held_keys("live")


@pytest.mark.system
def test_a_dry_run_prices_and_journals_and_sends_nothing() -> None:
    async def main(clock: VirtualClock) -> tuple[list[Any], World]:
        world = World(WorldPlan(seed=2, start_ns=DEFAULT_START_NS), clock)
        await world.open()
        with tempfile.TemporaryDirectory(prefix="atomizer-test-") as name:
            node = world.node(world.settings(Path(name), mode="dry-run"))
            running = asyncio.create_task(node.run())
            await asyncio.sleep(30.0)
            node.stop()
            await running
            records = [record.body for record in read(Path(name))]
        await world.close()
        return records, world

    records, world = run_virtual(main, DEFAULT_START_NS)
    assert [item for item in records if isinstance(item, SendQuote)], "it decides, as if it could send"
    requests = world.deribit.requests
    assert {name for name in requests if name.startswith("private/")} == set()
    assert "public/auth" not in requests
    assert not world.deribit.placements
    state = world.rysk.state()
    assert state["quotes"] == {"accepted": 0, "refused": {}}
    assert state["trades"] == []
    assert {account["nonces_seen"] for account in state["accounts"].values()} == {0}
