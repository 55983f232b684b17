"""A whole system in virtual time: simulated venues and nodes on one loop, over memory transports.

What runs is what runs live: node, sessions, adapters, twins. Only clock and network differ, and both come
from a seed, so a run repeats to the byte.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from atomizer.config.schema import Seconds
from atomizer.config.secret import Secret
from atomizer.net.memory import Latency, MemoryNetwork, MemoryServer
from atomizer.net.transport import Application, Clock
from atomizer.runtime.compose import plan
from atomizer.runtime.hedging import Hedge
from atomizer.runtime.node import Node
from atomizer.runtime.settings import Assets, Deribit, RfqSection, Rysk, Settings
from atomizer.sim.chain import Chain
from atomizer.sim.deribit.settings import DeribitTwinSettings
from atomizer.sim.deribit.twin import DeribitTwin
from atomizer.sim.market import Market
from atomizer.sim.rysk.settings import RyskTwinSettings, default_settings
from atomizer.sim.rysk.twin import RyskTwin
from atomizer.sim.rysk.views import token_rows

DERIBIT_PORT, SECOND_PORT, RYSK_PORT = 9001, 9002, 9003
HOST = "127.0.0.1"
HEDGE_THRESHOLD_USD = 20.0


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """One world. `staked` lists a staked token per coin on Rysk too.

    `second`: another Deribit with liquidity of its own, the venue `deribit2`. `wrap` may put a fault injector
    around a venue's application, by venue name.
    """

    seed: int
    start_ns: int
    chain: Chain | None = None
    underlyings: tuple[str, ...] = ("ETH",)
    staked: bool = False
    latency: Latency = field(default_factory=lambda: Latency(0.001, 0.000_5))
    deribit: DeribitTwinSettings = field(default_factory=DeribitTwinSettings)
    rysk_changes: dict[str, Any] = field(default_factory=dict)
    second: bool = False
    wrap: Callable[[str, Application], Application] | None = None


class World:
    """The venues of one world. `open` starts them on the running loop."""

    def __init__(self, world: WorldPlan, clock: Clock) -> None:
        self.plan = world
        self.clock = clock
        self.markets = (
            (Market(world.seed, world.start_ns, chain=world.chain),)
            if world.chain is not None
            else tuple(Market(world.seed, world.start_ns, underlying=name) for name in world.underlyings)
        )
        self.network = MemoryNetwork(random.Random(world.seed), world.latency, world.latency)  # noqa: S311
        self.deribit = DeribitTwin(self.markets, world.deribit, clock)
        self.rysk_settings: RyskTwinSettings = default_settings(
            [market.underlying for market in self.markets],
            world.seed,
            staked=world.staked,
            **world.rysk_changes,
        )
        self.rysk = RyskTwin(self.markets, self.rysk_settings, clock)
        self.second: DeribitTwin | None = None
        if world.second:
            own = replace(world.deribit, flow_seed=world.seed + SECOND_PORT)
            self.second = DeribitTwin(self.markets, own, clock)
        self._servers: list[MemoryServer] = []

    def venues(self) -> dict[str, tuple[int, DeribitTwin | RyskTwin]]:
        """Port and twin of every venue by its name."""
        found: dict[str, tuple[int, DeribitTwin | RyskTwin]] = {"deribit": (DERIBIT_PORT, self.deribit)}
        if self.second is not None:
            found["deribit2"] = (SECOND_PORT, self.second)
        return {**found, "rysk": (RYSK_PORT, self.rysk)}

    async def open(self) -> None:
        wrap = self.plan.wrap or (lambda _venue, application: application)
        for _port, application in self.venues().values():
            application.start()
        for venue, (port, application) in self.venues().items():
            self._servers.append(await self.network.serve(HOST, port, wrap(venue, application)))

    async def close(self) -> None:
        for server in self._servers:
            await server.stop()
        for _port, twin in reversed(self.venues().values()):
            await twin.stop()

    @property
    def market(self) -> Market:
        """The first underlying's."""
        return self.markets[0]

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
            rfq=RfqSection(underlying=rysk.asset.underlying, valid=Seconds(10)),
            assets=Assets(table=asset_rows(token_rows(rysk))),
            hedge=Hedge(delta_threshold=0.0, delta_threshold_usd=HEDGE_THRESHOLD_USD),
        )
        if self.second is not None:
            second = self.second.settings.credentials[0]
            changes.setdefault(
                "deribit2",
                Deribit(
                    account="deribit2",
                    ws_url=f"ws://{HOST}:{SECOND_PORT}/ws/api/v2",
                    api_key=second.client_id,
                    api_secret=Secret(second.client_secret),
                    numeraire="coin",
                ),
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


def asset_rows(listed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A simulated Rysk's tokens as entries of the asset table."""
    rows: dict[str, Any] = {}
    for token in listed:
        row = {name: token[name] for name in ("symbol", "underlying", "decimals")}
        if Decimal(token["ratio"]) != 1:
            row |= {"kind": "staked", "ratio": token["ratio"], "ratio_source": "the simulation"}
        rows[token["address"]] = row
    return rows


@dataclass(frozen=True, slots=True)
class VenueReport:
    """A twin's own account of equity at the end of a session, in one of its currencies.

    `takers` is what a twin says of those who asked it, where it has any.
    """

    venue: str
    currency: str
    start: Decimal
    end: Decimal
    transfers: Decimal
    index: float
    takers: dict[str, Any] = field(default_factory=dict)


def reports_of(raw: dict[str, Any], takers: dict[str, Any] | None = None) -> list[VenueReport]:
    """From what a twin's `equity()` or `GET /sim/equity` gives: the first currency, others that moved."""
    rows = raw.get("currencies") or [raw]
    return [
        VenueReport(
            venue=raw["venue"],
            currency=row["currency"],
            start=Decimal(row["start"]),
            end=Decimal(row["equity"]),
            transfers=Decimal(row["transfers"]),
            index=float(row["index"]),
            takers=takers or {},
        )
        for place, row in enumerate(rows)
        if place == 0 or Decimal(row["start"]) != Decimal(row["equity"])
    ]


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
    reports = reports_of(world.deribit.equity())
    if world.second is not None:
        reports += [replace(report, venue="deribit2") for report in reports_of(world.second.equity())]
    reports += reports_of(world.rysk.equity(), world.rysk.takers())
    await world.close()
    return reports
