"""A node through the daily settlement, in virtual time: what Deribit paid is what the ledger booked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.node import Node
from atomizer.runtime.world import World, WorldPlan, run_session

EIGHT_NS = 1_764_316_800_000_000_000
SECOND_NS = 1_000_000_000


@pytest.mark.system
def test_a_node_trades_through_the_settlement_and_agrees_to_the_last_digit(tmp_path: Path) -> None:
    start_ns = EIGHT_NS - 75 * SECOND_NS
    nodes: list[Node] = []

    async def main(clock: VirtualClock) -> None:
        world = World(WorldPlan(seed=5, start_ns=start_ns), clock)
        settings = world.settings(tmp_path)
        build = world.node

        def remembered(*args: Any, **more: Any) -> Node:
            nodes.append(build(*args, **more))
            return nodes[0]

        world.node = remembered  # type: ignore[method-assign]
        await run_session(world, settings, 200.0)
        account = world.deribit.exchange.accounts["main"]
        rows = [row for row in account.log.rows if row["type"] == "settlement"]
        assert [row["instrument_name"] for row in rows] == ["ETH-PERPETUAL"]
        assert any(trade["timestamp"] > EIGHT_NS // 10**6 for trade in account.trades)
        futures = [position for position in account.positions.values() if not position.is_option]
        session = sum(position.session - position.funding for position in futures)
        ledger = nodes[0].engine.ledger
        assert (
            ledger.accounts.balance("deribit", "deribit", "ETH") == account.wallets["ETH"].balance + session
        )
        assert not [difference for difference in ledger.differences.values() if difference.open]

    run_virtual(main, start_ns)
