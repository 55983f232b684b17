"""A whole system in virtual time: simulated venues and nodes on one loop, over memory transports.

What runs is what runs live: node, sessions, adapters, twins. Only clock and network differ, and both come
from a seed, so a run repeats to the byte.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from atomizer.config.schema import Seconds
from atomizer.config.secret import Secret
from atomizer.net.memory import Latency, MemoryNetwork, MemoryServer
from atomizer.net.transport import Application, Clock
from atomizer.runtime.compose import plan
from atomizer.runtime.node import Node
from atomizer.runtime.settings import Deribit, Hedge, RfqSection, Rysk, Settings
from atomizer.sim.chain import Chain
from atomizer.sim.deribit.settings import DeribitTwinSettings
from atomizer.sim.deribit.twin import DeribitTwin
from atomizer.sim.market import Market
from atomizer.sim.rysk.settings import RyskTwinSettings, default_settings
from atomizer.sim.rysk.twin import RyskTwin

DERIBIT_PORT, RYSK_PORT = 9001, 9003
HOST = "127.0.0.1"
HEDGE_THRESHOLD_USD = 20.0


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """One world. `wrap` may put a fault injector around a venue's application, by venue name."""

    seed: int
    start_ns: int
    chain: Chain | None = None
    underlying: str = "ETH"
    latency: Latency = field(default_factory=lambda: Latency(0.001, 0.000_5))
    deribit: DeribitTwinSettings = field(default_factory=DeribitTwinSettings)
    rysk_changes: dict[str, Any] = field(default_factory=dict)
    wrap: Callable[[str, Application], Application] | None = None


class World:
    """The venues of one world. `open` starts them on the running loop."""

    def __init__(self, world: WorldPlan, clock: Clock) -> None:
        self.plan = world
        self.clock = clock
        self.market = Market(world.seed, world.start_ns, chain=world.chain, underlying=world.underlying)
        self.network = MemoryNetwork(random.Random(world.seed), world.latency, world.latency)  # noqa: S311
        self.deribit = DeribitTwin([self.market], world.deribit, clock)
        self.rysk_settings: RyskTwinSettings = default_settings(
            world.underlying, world.seed, **world.rysk_changes
        )
        self.rysk = RyskTwin(self.market, self.rysk_settings, clock)
        self._servers: list[MemoryServer] = []

    async def open(self) -> None:
        self.deribit.start()
        self.rysk.start()
        wrap = self.plan.wrap or (lambda _venue, application: application)
        for venue, port, application in (
            ("deribit", DERIBIT_PORT, self.deribit),
            ("rysk", RYSK_PORT, self.rysk),
        ):
            self._servers.append(await self.network.serve(HOST, port, wrap(venue, application)))

    async def close(self) -> None:
        for server in self._servers:
            await server.stop()
        await self.rysk.stop()
        await self.deribit.stop()

    def hedge_threshold(self) -> float:
        """Coins worth about twenty dollars: two contracts of the coarsest perpetual."""
        return round(HEDGE_THRESHOLD_USD / self.market.state(self.clock.now_ns()).index, 6)

    def settings(self, directory: Path, **changes: Any) -> Settings:
        """Settings of a node that trades on this world's venues."""
        credential = self.deribit.settings.credentials[0]
        rysk = self.rysk_settings
        made = Settings(
            network="sim",
            mode="live",
            data_dir=directory,
            deribit=Deribit(
                ws_url=f"ws://{HOST}:{DERIBIT_PORT}/ws/api/v2",
                api_key=credential.client_id,
                api_secret=Secret(credential.client_secret),
                numeraire="coin",
            ),
            rysk=Rysk(
                ws_url=f"ws://{HOST}:{RYSK_PORT}/",
                maker_address=rysk.maker.address,
                private_key=Secret(rysk.maker.private_key),
                chain_id=rysk.chain_id,
                verifying_contract=rysk.contract,
                stable=rysk.stable,
                stable_decimals=rysk.stable_decimals,
                numeraire="usd",
            ),
            rfq=RfqSection(
                asset_addresses=(rysk.asset.address,), underlying=rysk.asset.underlying, valid=Seconds(10)
            ),
            hedge=Hedge(delta_threshold=self.hedge_threshold()),
        )
        return msgspec.structs.replace(made, **changes)

    def node(self, settings: Settings, *, hedge: bool = True, **options: Any) -> Node:
        """A node on this world; call within the running loop."""
        made = plan(
            settings,
            self.network,
            self.clock,
            random.Random(self.plan.seed + 1),  # noqa: S311  (jitter of a simulation)
            hedge=hedge,
            control=False,
            sync_interval_s=None,
            **options,
        )
        return Node(made, self.clock)


@dataclass(frozen=True, slots=True)
class VenueReport:
    """A twin's own account of equity at the end of a session."""

    venue: str
    currency: str
    start: Decimal
    end: Decimal
    transfers: Decimal
    index: float


def report_of(raw: dict[str, Any]) -> VenueReport:
    """From what a twin's `equity()` or `GET /sim/equity` gives."""
    return VenueReport(
        venue=raw["venue"],
        currency=raw["currency"],
        start=Decimal(raw["start"]),
        end=Decimal(raw["equity"]),
        transfers=Decimal(raw["transfers"]),
        index=float(raw["index"]),
    )


async def run_session(
    world: World,
    settings: Settings,
    duration_s: float,
    *,
    hedge: bool = True,
    on_turn: Callable[[Sequence[Any]], None] | None = None,
) -> list[VenueReport]:
    """Open the venues, run one node for `duration_s`, stop it cleanly, and read the venues' equity."""
    await world.open()
    node = world.node(settings, hedge=hedge, on_turn=on_turn)
    running = asyncio.create_task(node.run())
    await asyncio.wait({running}, timeout=duration_s)
    node.stop()
    await running
    reports = [report_of(world.deribit.equity()), report_of(world.rysk.equity())]
    await world.close()
    return reports
