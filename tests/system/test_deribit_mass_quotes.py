"""Many options quoted in mass on the simulated Deribit: by the real port, under protection."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atomizer.domain import events as ev
from atomizer.domain.instruments import Kind, Side
from atomizer.domain.orders import EndReason, OrderState
from atomizer.engine.core import Engine
from atomizer.engine.market import NEVER
from atomizer.engine.strategy import Level, Target
from atomizer.net.memory import Latency, MemoryNetwork
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.node import Node, NodePlan
from atomizer.sim.deribit import DeribitTwin, DeribitTwinSettings
from atomizer.sim.market import Market
from atomizer.venues.deribit.adapter import DeribitPort
from atomizer.venues.deribit.settings import MmpGroup
from tests.independent.deribit_client import deribit_judge
from tests.system.two_accounts import EXPIRY_NS, URL, engine_settings, port_settings

NAMES = tuple(f"ETH-26SEP25-{strike}-{side}" for strike in range(3400, 4601, 200) for side in ("C", "P"))
LARGE = NAMES[0]


class ManyOptions:
    """Quotes both sides of every option at the touch of its ticker; one of them in a size of its own."""

    name, number = "many-options", 5

    def __init__(self, large: float) -> None:
        self._large = large

    def claims(self) -> tuple[str, ...]:
        return tuple(f"deribit:{name}" for name in NAMES)

    def wants(self, event: ev.Event) -> bool:
        return isinstance(event, ev.Ticker) and event.instrument.startswith("deribit:ETH-26SEP25-")

    def next_deadline(self) -> int:
        return NEVER

    def decide(self, engine: Engine) -> Mapping[Level, Target]:
        targets = {}
        for name in NAMES:
            known = engine.market.tickers.get(f"deribit:{name}")
            if known is None or known.ticker.bid is None or known.ticker.ask is None:
                continue
            size = self._large if name == LARGE else 2.0
            for side, price in ((Side.BUY, known.ticker.bid), (Side.SELL, known.ticker.ask)):
                targets[Level(f"deribit:{name}", side)] = Target(
                    price=price, size=size, life_ns=10**10, post_only=True
                )
        return targets


@dataclass
class Quoted:
    """One session: what was sent, how orders ended, and the venue's open orders while it quoted."""

    methods: Counter[str] = field(default_factory=Counter)
    ends: Counter[EndReason] = field(default_factory=Counter)
    working: dict[tuple[str, str], tuple[Decimal, Decimal]] = field(default_factory=dict)
    resting: dict[tuple[str, str], tuple[Decimal, Decimal]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    left: int = -1
    differences: int = -1
    trades: int = 0


def quote(directory: Path, *, large: float, quantity: str, seconds: float, quote_errors: str) -> Quoted:
    group = MmpGroup(
        name="options",
        index="eth_usd",
        interval_s=5,
        frozen_s=3,
        quantity=Decimal(quantity),
        delta=Decimal(quantity) - 1,
        max_quote_quantity=Decimal(50),
    )

    async def main(clock: VirtualClock) -> Quoted:
        settings = DeribitTwinSettings(margin_model="segregated_pm", quote_errors=quote_errors)
        network = MemoryNetwork(random.Random(4), Latency(0.001), Latency(0.001))
        twin = DeribitTwin([Market(4, EXPIRY_NS - 86_400 * 10**9)], settings, clock)
        twin.start()
        server = await network.serve("127.0.0.1", 9001, twin)
        made = port_settings("deribit", settings, ("ETH-PERPETUAL", *NAMES), mmp_groups=(group,))
        port, seen = DeribitPort(made, network, clock, random.Random(1)), Quoted()
        send = port._trading.session.send_request

        def counted(data: bytes, *rest: Any, **more: Any) -> None:
            seen.methods[data.split(b'"method":"', 1)[1].split(b'"', 1)[0].decode()] += 1
            send(data, *rest, **more)

        port._trading.session.send_request = counted  # type: ignore[method-assign]
        engine = engine_settings()
        plan = NodePlan(
            network="sim",
            mode="live",
            directory=directory,
            engine=type(engine)(
                limits=engine.limits,
                freshness=engine.freshness,
                accounts=engine.accounts[:1],
                hedge_markets=engine.hedge_markets,
            ),
            ports=[port],
            strategies=[ManyOptions(large)],
            responders={},
            capabilities={"deribit": port.capabilities},
            control=False,
            manual=False,
            sync_interval_s=None,
            on_turn=lambda records: seen.ends.update(
                record.reason for record in records if isinstance(record, ev.OrderEnded)
            ),
        )
        node = Node(plan, clock)
        running = asyncio.create_task(node.run())
        await asyncio.wait({running}, timeout=seconds)
        credential = settings.credentials[0]
        judge = await deribit_judge(network, URL, credential.client_id, credential.client_secret)
        _look(seen, node, await judge.open_orders())
        node.stop()
        await running
        seen.left = len(await judge.open_orders())
        seen.trades = len(await judge.user_trades("ETH"))
        seen.differences = len(node.ledger.differences)
        await judge.close()
        await server.stop()
        await twin.stop()
        return seen

    return run_virtual(main, EXPIRY_NS)


def _look(seen: Quoted, node: Node, orders: list[dict[str, Any]]) -> None:
    for order in orders:
        seen.groups.add(order.get("mmp_group", ""))
        left = Decimal(order["amount"]) - Decimal(order["filled_amount"])
        seen.resting[order["instrument_name"], order["direction"]] = (Decimal(order["price"]), left)
    for working in node.ledger.orders.values():
        if working.state is OrderState.LIVE:
            listed = node.ledger.instruments[working.instrument]
            assert listed.kind is Kind.OPTION
            key = (listed.name, "buy" if working.side is Side.BUY else "sell")
            seen.working[key] = (listed.grid.price(working.ticks), listed.size(working.lots - working.booked))


@pytest.mark.system
def test_a_turn_of_many_quotes_is_one_message_and_both_sides_rest_as_asked(tmp_path: Path) -> None:
    seen = quote(tmp_path, large=2.0, quantity="1000", seconds=20, quote_errors="stays_together")
    assert seen.groups == {"options"}
    assert len(seen.resting) >= len(NAMES), "most options have both their sides on the book"
    agree = {key for key, value in seen.working.items() if seen.resting.get(key) == value}
    assert len(agree) >= 0.9 * len(seen.working) > 0
    assert seen.methods["private/mass_quote"] > 5
    assert not seen.methods["private/buy"] and not seen.methods["private/edit"]
    assert (seen.left, seen.differences) == (0, 0)


@pytest.mark.system
@pytest.mark.parametrize("quote_errors", ["stays_together", "stays_alone", "goes_together", "goes_alone"])
def test_a_refused_side_makes_its_instrument_unknown_whatever_the_venue_does(
    tmp_path: Path, quote_errors: str
) -> None:
    seen = quote(tmp_path, large=60.0, quantity="1000", seconds=15, quote_errors=quote_errors)
    assert not [key for key in seen.resting if key[0] == LARGE], "nothing of it is left on the book"
    assert [key for key in seen.resting if key[0] != LARGE], "and the others are quoted all the same"
    assert (seen.left, seen.differences) == (0, 0)


@pytest.mark.system
def test_protection_that_fires_ends_its_quotes_and_they_come_back_after_their_rest(tmp_path: Path) -> None:
    seen = quote(tmp_path, large=2.0, quantity="3", seconds=60, quote_errors="stays_together")
    assert seen.trades > 0 and seen.ends[EndReason.MMP] > 0
    assert (seen.left, seen.differences) == (0, 0)
