"""The demo: simulated venues, a node and a desk for a while, then a clean stop and the venues' own account.

In real time every part is a process of its own over real sockets; in virtual time the same parts share one
loop. Both leave a journal and the equity that the venues report.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from atomizer.net.sockets import SocketTransport
from atomizer.net.transport import HttpRequest, TransportError
from atomizer.net.virtual import DEFAULT_START_NS, VirtualClock, run_virtual
from atomizer.runtime.control import ControlError, Request, ask
from atomizer.runtime.settings import Risk
from atomizer.runtime.world import (
    HEDGE_THRESHOLD_USD,
    VenueReport,
    World,
    WorldPlan,
    asset_rows,
    reports_of,
    run_session,
)
from atomizer.sim.chain import Chain, load_chain
from atomizer.sim.market import BEHAVIOURS
from atomizer.sim.rysk.behaviour import Behaviour

READY_TIMEOUT_S = 60.0
READY_POLL_S = 0.2
STOP_TIMEOUT_S = 30.0
PROGRESS_EVERY_S = 5.0
MAX_DELTA_USD = 200_000.0


class DemoError(Exception):
    """A part of the demo did not start or did not answer; the text names it."""


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to run. `edge` multiplies the configured edge; `informed` of the takers know what comes.

    `hedging` changes the hedge section, `second` adds a second Deribit, a venue of its own.
    """

    duration_s: float
    seed: int
    directory: Path
    chain: Path | None = None
    underlyings: tuple[str, ...] = ("ETH",)
    staked: bool = False
    edge: float = 1.0
    hedge: bool = True
    informed: float = 0.0
    hedging: dict[str, Any] = field(default_factory=dict)
    second: bool = False

    def loaded_chain(self) -> Chain | None:
        return None if self.chain is None else load_chain(self.chain)


def most_coins(plan: DemoPlan, chain: Chain | None) -> float:
    """The delta limit in coins of the cheapest underlying; in USD it is the same for all."""
    indices = [chain.spot] if chain is not None else [BEHAVIOURS[name].index for name in plan.underlyings]
    return round(MAX_DELTA_USD / min(indices), 6)


# --- virtual time ---


def run_in_virtual_time(plan: DemoPlan) -> list[VenueReport]:
    """Run the whole demo in virtual time; the venues' equity at its end."""
    chain = plan.loaded_chain()

    async def main(clock: VirtualClock) -> list[VenueReport]:
        world = World(
            WorldPlan(
                seed=plan.seed,
                start_ns=DEFAULT_START_NS,
                chain=chain,
                underlyings=plan.underlyings,
                staked=plan.staked,
                rysk_changes={"behaviour": Behaviour(informed=plan.informed)},
                second=plan.second,
            ),
            clock,
        )
        settings = world.settings(plan.directory)
        settings = msgspec.structs.replace(
            settings,
            hedge=msgspec.structs.replace(settings.hedge, **plan.hedging),
            risk=Risk(max_delta=most_coins(plan, chain), max_delta_usd=MAX_DELTA_USD),
            responder=msgspec.structs.replace(settings.responder, edge_scale=plan.edge),
        )
        return await run_session(world, settings, plan.duration_s, hedge=plan.hedge)

    return run_virtual(main, DEFAULT_START_NS)


# --- real time ---


class Child:
    """One process of the demo; `ready` is its first line when it prints one."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process

    async def ready(self) -> dict[str, Any]:
        """The JSON line it prints when it can be reached.

        Raises:
            DemoError: it ended, or said nothing in time.
        """
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                line = await self.process.stdout.readline()
        except TimeoutError:
            raise DemoError(f"{self.name}: expected a ready line within {READY_TIMEOUT_S:.0f} s") from None
        if not line:
            raise DemoError(f"{self.name}: ended with code {await self.process.wait()} before it was ready")
        told: dict[str, Any] = msgspec.json.decode(line)
        return told

    async def end(self) -> int:
        """Ask it to stop, then wait; past the time it is killed."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.wait()

    async def wait(self) -> int:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()


async def spawn(
    name: str, arguments: list[str], logs: Path, environment: Mapping[str, str] | None = None
) -> Child:
    """Start `atomizer ARGUMENTS` as a process of its own; what it says on stderr goes to a file in `logs`."""
    with (logs / f"{name.replace(' ', '-')}.err").open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "atomizer",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            env={**os.environ, **(environment or {})},
        )
    return Child(name, process)


@contextlib.asynccontextmanager
async def children() -> AsyncIterator[list[Child]]:
    """Processes that are gone when this is left, whatever happened."""
    started: list[Child] = []
    try:
        yield started
    finally:
        for child in reversed(started):
            await child.end()


def node_environment(
    plan: DemoPlan, deribit: Mapping[str, Any], rysk: Mapping[str, Any], most: float
) -> dict[str, str]:
    """The settings of the demo's node as environment variables; `most`: the delta limit in coins."""
    stable = rysk["tokens"]["stable"]
    return {
        "ATOMIZER_NETWORK": "sim",
        "ATOMIZER_MODE": "live",
        "ATOMIZER_LOG_DIR": str(plan.directory / "logs"),
        "ATOMIZER_DERIBIT__WS_URL": deribit["ws"],
        "ATOMIZER_DERIBIT__NUMERAIRE": "coin",
        "DERIBIT_API_KEY": deribit["credentials"]["client_id"],
        "DERIBIT_API_SECRET": deribit["credentials"]["client_secret"],
        "RYSK_WS_URL": rysk["ws"],
        "RYSK_MAKER_ADDRESS": rysk["credentials"]["maker_address"],
        "RYSK_PRIVATE_KEY": rysk["credentials"]["private_key"],
        "ATOMIZER_RYSK__NUMERAIRE": "usd",
        "ATOMIZER_RYSK__CHAIN_ID": str(rysk["chain_id"]),
        "ATOMIZER_RYSK__VERIFYING_CONTRACT": rysk["contract"],
        "ATOMIZER_RYSK__STABLE": stable["address"],
        "ATOMIZER_RYSK__STABLE_DECIMALS": str(stable["decimals"]),
        "ASSET_MAPPING_FILE": str(_asset_file(plan, rysk["tokens"]["assets"])),
        "QUOTE_VALID_DURATION": "10",
        "ATOMIZER_RISK__MAX_DELTA": str(most),
        "ATOMIZER_RISK__MAX_DELTA_USD": str(MAX_DELTA_USD),
        "ATOMIZER_HEDGE__DELTA_THRESHOLD": "0",
        "ATOMIZER_HEDGE__DELTA_THRESHOLD_USD": str(HEDGE_THRESHOLD_USD),
    }


def _asset_file(plan: DemoPlan, tokens: Sequence[Mapping[str, Any]]) -> Path:
    """The asset table of the simulated tokens, beside the logs."""
    path = _log_directory(plan) / "asset_mapping.json"
    path.write_bytes(msgspec.json.encode(asset_rows(tokens)))
    return path


def _sim_arguments(plan: DemoPlan, venue: str, start_ns: int) -> list[str]:
    """How one simulated venue is started; all share seed, start and coins."""
    arguments = ["sim", venue, "--port", "0", "--seed", str(plan.seed), "--start", str(start_ns)]
    if plan.chain is not None:
        arguments += ["--chain", str(plan.chain)]
    else:
        arguments += ["--underlying", ",".join(plan.underlyings)]
    if venue == "rysk" and plan.staked:
        arguments.append("--staked")
    if venue == "rysk" and plan.informed:
        arguments += ["--fault", f"rysk.informed={plan.informed}"]
    return arguments


async def run_in_real_time(plan: DemoPlan, progress: Callable[[dict[str, Any]], None]) -> list[VenueReport]:
    """Run the demo as processes over loopback sockets; the venues' equity at its end.

    Raises:
        DemoError: a part did not start or ended too soon.
    """
    chain, start_ns = plan.loaded_chain(), time.time_ns()
    async with children() as started:
        logs = _log_directory(plan)
        venues = [
            await spawn(f"sim {name}", _sim_arguments(plan, name, start_ns), logs)
            for name in ("deribit", "rysk")
        ]
        started += venues
        deribit, rysk = [await venue.ready() for venue in venues]
        environment = node_environment(plan, deribit, rysk, most_coins(plan, chain))
        desk = await spawn("desk", ["desk", "--data-dir", str(plan.directory)], logs, environment)
        started.append(desk)
        node = await spawn("node", _node_arguments(plan), logs, environment)
        started.append(node)
        await _listening(plan, node)
        await _watch(plan, node, progress)
        await node.end()
        transport = SocketTransport()
        try:
            takers = await _told(transport, rysk, "/sim/takers")
            return [
                *reports_of(await _told(transport, deribit, "/sim/equity")),
                *reports_of(await _told(transport, rysk, "/sim/equity"), takers),
            ]
        finally:
            await transport.aclose()


def _log_directory(plan: DemoPlan) -> Path:
    logs = plan.directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs


def _node_arguments(plan: DemoPlan) -> list[str]:
    hedging = "--enable-hedging" if plan.hedge else "--no-hedging"
    return [
        "rfq-responder",
        "--live",
        hedging,
        "--edge",
        str(plan.edge),
        "--data-dir",
        str(plan.directory),
        "--log-level",
        "info",
    ]


async def _status(plan: DemoPlan) -> dict[str, Any] | None:
    """What the node says of itself; None while it does not answer."""
    try:
        answer = await asyncio.to_thread(ask, plan.directory, Request(word="status"))
    except ControlError:
        return None
    status: dict[str, Any] = answer["status"]
    return status


async def _listening(plan: DemoPlan, node: Child) -> None:
    """Wait until the node answers: the demo's time starts here."""
    for _ in range(round(READY_TIMEOUT_S / READY_POLL_S)):
        if node.process.returncode is not None:
            raise DemoError(f"node: ended with code {node.process.returncode} at its start; see the logs")
        if await _status(plan) is not None:
            return
        await asyncio.sleep(READY_POLL_S)
    raise DemoError(f"node: expected it to answer within {READY_TIMEOUT_S:.0f} s")


async def _watch(plan: DemoPlan, node: Child, progress: Callable[[dict[str, Any]], None]) -> None:
    """Report every few seconds until the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + plan.duration_s
    while (left := end - loop.time()) > 0:
        await asyncio.sleep(min(left, PROGRESS_EVERY_S))
        if node.process.returncode is not None:
            raise DemoError(f"node: ended with code {node.process.returncode} before its time; see the logs")
        status = await _status(plan)
        if status is not None:
            progress({"elapsed_s": round(plan.duration_s - (end - loop.time())), **status})


async def _told(transport: SocketTransport, venue: Mapping[str, Any], page: str) -> dict[str, Any]:
    """What a simulated venue tells judges on one of its pages."""
    try:
        answer = await transport.request(venue["http"], HttpRequest("GET", page), 5.0)
    except TransportError as error:
        raise DemoError(f"{venue['venue']}: {page} could not be read: {error}") from error
    told: dict[str, Any] = msgspec.json.decode(answer.body)
    return told
