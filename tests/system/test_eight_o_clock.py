"""A node through the daily settlement, in virtual time: what Deribit paid is what the ledger booked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from atomizer.engine.ledger import Ledger
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.node import Node
from atomizer.runtime.world import World, WorldPlan, run_session
from atomizer.sim.deribit.accounts import Account
from tests.sim.deribit.client import RawClient

SECOND_NS = 1_000_000_000
# Friday 28 November 2025, 08:00 UTC, and a market that lists it as its first expiry.
EIGHT_NS = 1_764_316_800_000_000_000
EARLIER_NS = 1_763_640_000_000_000_000
URL = "ws://127.0.0.1:9001/ws/api/v2"
Act = Callable[[World, RawClient], Coroutine[Any, Any, None]]


def through_eight(directory: Path, market_ns: int, duration_s: float, act: Act | None = None) -> Account:
    """Run a node from 75 s before the hour; the venue's account, after everything about it was compared."""
    found: list[tuple[Ledger, Account]] = []

    async def main(clock: VirtualClock) -> None:
        world = World(WorldPlan(seed=5, start_ns=market_ns), clock)
        nodes: list[Node] = []
        build = world.node

        def remembered(*args: Any, **more: Any) -> Node:
            nodes.append(build(*args, **more))
            return nodes[0]

        world.node = remembered  # type: ignore[method-assign]
        running = asyncio.create_task(run_session(world, world.settings(directory), duration_s))
        if act is not None:
            await asyncio.sleep(15.0)  # the node knows its account by now: what others do in it is news
            client = RawClient()
            await world.network.connect(URL, client)
            await client.login(1)
            await act(world, client)
        await running
        found.append((nodes[0].engine.ledger, world.deribit.exchange.accounts["main"]))

    run_virtual(main, EIGHT_NS - 75 * SECOND_NS)
    ledger, account = found[0]
    futures = [position for position in account.positions.values() if not position.is_option]
    session = sum(position.session - position.funding for position in futures)
    assert ledger.accounts.balance("deribit", "deribit", "ETH") == account.wallets["ETH"].balance + session
    sizes = {key.instrument: size for key, size in ledger.position_sizes().items() if key.venue == "deribit"}
    held = {f"deribit:{name}": position.size for name, position in account.positions.items()}
    assert {name: size for name, size in sizes.items() if size} == {n: s for n, s in held.items() if s}
    assert not [difference for difference in ledger.differences.values() if difference.open]
    return account


def rows(account: Account) -> list[tuple[str, str]]:
    """What moved cash apart from trades."""
    kept = [row for row in account.log.rows if row["type"] in ("settlement", "delivery")]
    return [(row["type"], row["instrument_name"]) for row in kept]


@pytest.mark.system
def test_a_node_trades_through_the_settlement_and_agrees_to_the_last_digit(tmp_path: Path) -> None:
    account = through_eight(tmp_path, EIGHT_NS - 75 * SECOND_NS, 200.0)
    assert rows(account) == [("settlement", "ETH-PERPETUAL")]
    assert any(trade["timestamp"] > EIGHT_NS // 10**6 for trade in account.trades)


@pytest.mark.system
def test_options_that_expire_become_futures_and_cash_in_the_ledger_as_at_the_venue(tmp_path: Path) -> None:
    async def others(world: World, client: RawClient) -> None:
        index = world.markets[0].state(world.clock.now_ns()).index
        strikes = sorted({o.strike for o in world.markets[0].options if o.expiry_ns == EIGHT_NS})
        low = max(k for k in strikes if k < index - 40)
        high = min(k for k in strikes if k > index + 40)
        for side, name, amount in (
            ("buy", f"ETH-28NOV25-{low:g}-C", 5),
            ("sell", f"ETH-28NOV25-{high:g}-P", 3),
            ("buy", f"ETH-28NOV25-{high:g}-C", 2),
            ("sell", "ETH-28NOV25", 12_000),
        ):
            await client.call(f"private/{side}", instrument_name=name, amount=amount, type="market")

    account = through_eight(tmp_path, EARLIER_NS, 300.0, others)
    delivered = [name for kind, name in rows(account) if kind == "delivery"]
    assert len(delivered) == 4
    assert delivered[-1] == "ETH-28NOV25"
    assert not account.positions["ETH-28NOV25"].size
