"""A combo traded by a node on the simulated Deribit: ordered as one, held and paid as its legs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from atomizer.domain import events as ev
from atomizer.domain.instruments import Side
from atomizer.domain.orders import OrderState, Purpose, TimeInForce
from atomizer.engine.core import Engine
from atomizer.engine.market import NEVER
from atomizer.engine.strategy import Level, Target
from atomizer.net.memory import Latency, MemoryNetwork
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.node import Node, NodePlan
from atomizer.sim.deribit import DeribitTwin, DeribitTwinSettings
from atomizer.sim.market import Market
from atomizer.venues.deribit.adapter import DeribitPort
from tests.independent.deribit_client import deribit_judge
from tests.system.two_accounts import EXPIRY_NS, URL, S, engine_settings, port_settings

LOWER, UPPER = "ETH-26SEP25-4000-C", "ETH-26SEP25-4200-C"


class Spread:
    """Buys three of one combo, once."""

    name, number = "spread", 5

    def __init__(self, key: str) -> None:
        self._key = key

    def claims(self) -> tuple[str, ...]:
        return ()

    def wants(self, event: ev.Event) -> bool:
        return isinstance(event, (ev.BookSnapshot, ev.BookChange))

    def next_deadline(self) -> int:
        return NEVER

    def decide(self, engine: Engine) -> Mapping[Level, Target]:
        book = engine.market.usable_book(self._key, engine.now_ns)
        bought = engine.ledger.accounts.size("deribit", "main", f"deribit:{LOWER}")
        if book is None or book.best_ask is None or bought:
            return {}
        target = Target(
            price=book.best_ask,
            size=3.0,
            life_ns=S,
            time_in_force=TimeInForce.IOC,
            purpose=Purpose.HEDGE,
            retry_ns=S,
        )
        return {Level(self._key, Side.BUY): target}


@pytest.mark.system
def test_a_combo_is_ordered_as_one_and_held_as_its_legs_with_the_venues_cash(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        settings = DeribitTwinSettings()
        network = MemoryNetwork(random.Random(4), Latency(0.001), Latency(0.001))
        twin = DeribitTwin([Market(4, EXPIRY_NS - 86_400 * S)], settings, clock)
        twin.start()
        server = await network.serve("127.0.0.1", 9001, twin)
        credential = settings.credentials[0]
        judge = await deribit_judge(network, URL, credential.client_id, credential.client_secret)
        legs = [(LOWER, "buy"), (UPPER, "sell")]
        combo = await judge.call(
            "private/create_combo",
            {
                "trades": [
                    {"instrument_name": name, "amount": 1, "direction": direction} for name, direction in legs
                ]
            },
        )
        made = port_settings("deribit", settings, ("ETH-PERPETUAL", combo["id"]), combos=True)
        port = DeribitPort(made, network, clock, random.Random(1))
        engine = engine_settings()
        plan = NodePlan(
            network="sim",
            mode="live",
            directory=tmp_path,
            engine=msgspec.structs.replace(engine, accounts=engine.accounts[:1]),
            ports=[port],
            strategies=[Spread(f"deribit:{combo['id']}")],
            responders={},
            capabilities={"deribit": port.capabilities},
            control=False,
            manual=False,
            sync_interval_s=None,
        )
        node = Node(plan, clock)
        running = asyncio.create_task(node.run())
        await asyncio.wait({running}, timeout=40)
        node.stop()
        await running
        (order,) = node.ledger.finished.values()
        assert order.instrument == f"deribit:{combo['id']}"
        assert (order.state, order.booked) == (OrderState.DONE, 3)
        held = {key.instrument: size for key, size in node.ledger.position_sizes().items()}
        assert held == {f"deribit:{LOWER}": 3, f"deribit:{UPPER}": -3}
        assert await judge.positions() == {LOWER: 3, UPPER: -3}
        summary = await judge.account_summary("ETH")
        assert node.ledger.accounts.balance("deribit", "main", "ETH") == Decimal(summary["balance"])
        assert not node.ledger.differences
        await judge.close()
        await server.stop()
        await twin.stop()

    run_virtual(main, EXPIRY_NS)
