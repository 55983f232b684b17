"""A node with two Deribit accounts on one simulated venue in virtual time: what tests of settlement share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from atomizer.domain import events as ev
from atomizer.domain.instruments import Kind, Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.engine.core import Engine
from atomizer.engine.settings import AccountSettings, EngineSettings, Freshness, HedgeMarket, Limits
from atomizer.engine.strategy import Level, Target
from atomizer.net.memory import Latency, MemoryNetwork
from atomizer.net.pacing import RetrySettings
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.node import Node, NodePlan
from atomizer.sim.deribit import DeribitTwin, DeribitTwinSettings
from atomizer.sim.faults import FaultyApplication, parse_faults
from atomizer.sim.market import Market
from atomizer.venues.deribit.adapter import DeribitPort
from atomizer.venues.deribit.settings import DeribitSettings
from atomizer.venues.keys import HmacKey

S = 1_000_000_000
EXPIRY_NS = 1_757_664_000 * S  # Friday 12 September 2025, 08:00 UTC
MARKET_BEGAN_NS = EXPIRY_NS - 4 * 86_400 * S
URL = "ws://127.0.0.1:9001/ws/api/v2"
VENUES = ("deribit", "deribit2")


class Holder:
    """Brings positions to wanted sizes, which may change with time, by immediate orders at the touch."""

    name = "holder"

    def __init__(self, number: int, venue: str, wanted: Callable[[int], Mapping[str, float]]) -> None:
        self.number = number
        self._venue = venue
        self._wanted = wanted

    def claims(self) -> tuple[str, ...]:
        return ()

    def wants(self, event: ev.Event) -> bool:
        return isinstance(event, (ev.BookSnapshot, ev.BookChange))

    def next_deadline(self) -> int:
        return 1 << 62

    def decide(self, engine: Engine) -> Mapping[Level, Target]:
        targets: dict[Level, Target] = {}
        for name, size in self._wanted(engine.now_ns).items():
            key = f"{self._venue}:{name}"
            instrument = engine.market.instruments.get(key)
            book = engine.market.usable_book(key, engine.now_ns)
            if instrument is None or not instrument.open or book is None:
                continue
            missing = size - float(engine.ledger.accounts.size(self._venue, "main", key))
            if abs(missing) < float(instrument.lot):
                continue
            side = Side.BUY if missing > 0 else Side.SELL
            price = book.best_ask if side is Side.BUY else book.best_bid
            assert price is not None
            targets[Level(key, side)] = Target(
                price=price * (1.0 + 0.002 * side),
                size=abs(missing),
                life_ns=S,
                time_in_force=TimeInForce.IOC,
                purpose=Purpose.HEDGE,
                retry_ns=S,
            )
        return targets


@dataclass
class Session:
    """What is left of one run."""

    node: Node
    twin: DeribitTwin
    differences: list[str] = field(default_factory=list)
    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)


def port_settings(
    venue: str, twin: DeribitTwinSettings, books: tuple[str, ...], **more: Any
) -> DeribitSettings:
    credential = twin.credentials[VENUES.index(venue)]
    return DeribitSettings(
        ws_url=URL,
        account="main",
        client_id=credential.client_id,
        key=HmacKey(credential.client_secret),
        venue=venue,
        currencies=("ETH", "USDC"),
        books=books,
        future_books=("ETH",),
        account_name=credential.account,
        margin_model=twin.margin_model,
        testnet=True,
        retry=RetrySettings(first_s=0.2, most_s=1.0, breaker_failures=1000),
        **more,
    )


def engine_settings() -> EngineSettings:
    return EngineSettings(
        limits=Limits(delta=1e6, gamma=1e9, vega=1e9, notional=1e12, position_size=1e6, collar=0.9),
        freshness=Freshness(market_ms=60_000, fills_ms=60_000, account_ms=600_000),
        accounts=tuple(AccountSettings(venue=name, account="main", numeraire="coin") for name in VENUES),
        hedge_markets=(
            HedgeMarket(
                underlying="ETH",
                venue="deribit",
                account="main",
                instrument="deribit:ETH-PERPETUAL",
                index="eth_usd",
            ),
        ),
    )


def run_accounts(
    directory: Path,
    seed: int,
    wanted: Mapping[str, Callable[[int], Mapping[str, float]]],
    books: tuple[str, ...],
    *,
    faults: str = "",
    speed_bump_ms: float = 0.0,
    before_s: int = 240,
    after_s: int = 180,
    judge: Callable[[MemoryNetwork, DeribitTwinSettings, str], Any],
) -> Session:
    """A node from before to after 08:00, stopped cleanly, and both accounts as the venue shows them."""

    async def main(clock: VirtualClock) -> Session:
        settings = DeribitTwinSettings(deposits=(("USDC", Decimal(100_000)),), speed_bump_ms=speed_bump_ms)
        market = Market(seed, MARKET_BEGAN_NS)
        network = MemoryNetwork(random.Random(seed), Latency(0.001, 0.0005), Latency(0.001, 0.0005))
        twin = DeribitTwin([market], settings, clock)
        twin.start()
        application = FaultyApplication(twin, parse_faults(faults), seed) if faults else twin
        server = await network.serve("127.0.0.1", 9001, application)
        ports = [
            DeribitPort(port_settings(name, settings, books), network, clock, random.Random(seed))
            for name in VENUES
        ]
        plan = NodePlan(
            network="sim",
            mode="live",
            directory=directory,
            engine=engine_settings(),
            ports=ports,
            strategies=[Holder(number, name, wanted[name]) for number, name in enumerate(VENUES, 1)],
            responders={},
            capabilities={port.venue: port.capabilities for port in ports},
            control=False,
            manual=False,
            sync_interval_s=None,
        )
        node = Node(plan, clock)
        running = asyncio.create_task(node.run())
        await asyncio.wait({running}, timeout=before_s + after_s)
        node.stop()
        await running
        session = Session(node, twin)
        await server.stop()
        calm = await network.serve("127.0.0.1", 9001, twin)
        ledger = node.ledger
        session.differences = [
            f"{d.venue} {d.what}: {d.ours} / {d.theirs}" for d in ledger.differences.values()
        ]
        for name in VENUES:
            positions = {
                key.instrument.partition(":")[2]: size
                for key, size in ledger.position_sizes().items()
                if key.venue == name and ledger.instruments[key.instrument].kind is not Kind.SPOT
            }
            accounts = ledger.accounts
            cash = {
                currency: accounts.balance(name, "main", currency) - accounts.unpaid(name, "main", currency)
                for currency in ("ETH", "USDC")
            }
            session.ours[name] = {"positions": positions, "balance": cash}
            session.theirs[name] = await judge(network, settings, name)
        await calm.stop()
        await twin.stop()
        return session

    return run_virtual(main, EXPIRY_NS - before_s * S)
