"""A raw client of the simulated venue over the in-process network, in virtual time."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from atomizer.net.memory import MemoryNetwork, MemoryServer
from atomizer.net.transport import Connection, HttpRequest
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.sim.deribit import DeribitTwin, DeribitTwinSettings
from atomizer.sim.deribit.underlyings import Underlying
from atomizer.sim.market import Market

START = 1_763_640_000_000_000_000
URL = "ws://127.0.0.1:8001/ws/api/v2"
HTTP = "http://127.0.0.1:8001"
PERP = "ETH-PERPETUAL"


class Standing:
    """A clock that stands still."""

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns

    def now_ns(self) -> int:
        return self.at_ns


def listed(market: Market) -> Underlying:
    """What a venue lists on a market at its start, without a venue."""
    return Underlying(market, Standing(START), 0, None, lambda *_: 0)


class RefusedError(Exception):
    """An error reply."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.code: int = error["code"]
        self.data: dict[str, str] = error.get("data", {})


class RawClient:
    """One socket; replies by id, notifications by channel."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.pushed: dict[str, list[Any]] = {}
        self.order: list[tuple[str, Any]] = []
        self.heartbeats: list[str] = []
        self.closed_because: str | None = None
        self.next_id = 1

    def opened(self, connection: Connection) -> None:
        self.connection = connection

    def message(self, data: bytes, last: bool) -> None:
        body = json.loads(data)
        if "id" in body:
            self.waiting.pop(body["id"]).set_result(body)
        elif body["method"] == "heartbeat":
            self.heartbeats.append(body["params"]["type"])
        else:
            params = body["params"]
            self.pushed.setdefault(params["channel"], []).append(params["data"])
            self.order.append((params["channel"], params["data"]))

    def closed(self, reason: str) -> None:
        self.closed_because = reason
        for future in self.waiting.values():
            future.cancel()

    async def raw(self, method: str, **params: Any) -> dict[str, Any]:
        assert self.connection is not None
        number, self.next_id = self.next_id, self.next_id + 1
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.waiting[number] = future
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.connection.send(json.dumps(request).encode())
        return await asyncio.wait_for(future, 5.0)

    async def call(self, method: str, **params: Any) -> Any:
        reply = await self.raw(method, **params)
        if "error" in reply:
            raise RefusedError(reply["error"])
        return reply["result"]

    async def login(self, number: int = 1, **more: Any) -> dict[str, Any]:
        result: dict[str, Any] = await self.call(
            "public/auth",
            grant_type="client_credentials",
            client_id=f"sim-client-{number}",
            client_secret=f"sim-secret-{number}",
            **more,
        )
        return result

    async def order_(self, side: str, amount: float, price: float | None, **more: Any) -> dict[str, Any]:
        params: dict[str, Any] = {"instrument_name": PERP, "amount": amount, **more}
        if price is not None:
            params["price"] = price
        result: dict[str, Any] = await self.call(f"private/{side}", **params)
        return result


class World:
    """A running venue in virtual time."""

    def __init__(self, clock: VirtualClock, settings: DeribitTwinSettings, markets: Sequence[Market]) -> None:
        self.clock = clock
        self.market = markets[0]
        self.twin = DeribitTwin(markets, settings, clock)
        self.network = MemoryNetwork(random.Random(1))
        self.server: MemoryServer | None = None

    async def connect(self, account: int = 0) -> RawClient:
        client = RawClient()
        await self.network.connect(URL, client)
        if account:
            await client.login(account)
        return client

    async def get(self, target: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        response = await self.network.request(HTTP, HttpRequest("GET", target, headers or {}), 5.0)
        return response.status, json.loads(response.body)

    async def fair(self) -> float:
        return self.market.state(self.clock.now_ns()).perpetual


def run(
    scenario: Callable[[World], Awaitable[None]],
    settings: DeribitTwinSettings | None = None,
    market: Market | None = None,
    markets: Sequence[Market] = (),
    start_ns: int = START,
) -> None:
    """Run a scenario against a fresh venue."""

    async def main(clock: VirtualClock) -> None:
        chosen = markets or [market or Market(7, START)]
        world = World(clock, settings or DeribitTwinSettings(takers=False), chosen)
        world.server = await world.network.serve("127.0.0.1", 8001, world.twin)
        world.twin.start()
        await scenario(world)
        await world.twin.stop()
        await world.server.stop()

    run_virtual(main, start_ns)


def on_grid(price: float, tick: float = 0.05) -> float:
    return round(round(price / tick) * tick, 2)
