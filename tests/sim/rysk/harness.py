"""A twin, an in-process network and an independent maker in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from atomizer.net.memory import MemoryNetwork
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.sim.market import Market
from atomizer.sim.rysk.behaviour import Behaviour
from atomizer.sim.rysk.scripted import ScriptedRfq
from atomizer.sim.rysk.settings import RyskTwinSettings, default_settings
from atomizer.sim.rysk.twin import RyskTwin
from tests.independent.rysk_client import RyskJudge, RyskSigner, rysk_judge
from tests.independent.wire import Wire, dial, exact_json

HOST, PORT = "127.0.0.1", 9003
WS = f"ws://{HOST}:{PORT}/"
HTTP = f"http://{HOST}:{PORT}"
NS_PER_S = 1_000_000_000
E18 = 10**18
QUIET = Behaviour(decision_delay_s=0.2, settlement_delay_s=0.2)


class Scene:
    """Everything a test touches."""

    def __init__(self, clock: VirtualClock, settings: RyskTwinSettings, *, clients: bool) -> None:
        self.clock = clock
        self.settings = settings
        self.clients = clients
        coins = dict.fromkeys(asset.underlying for asset in settings.assets)
        self.markets = [Market(settings.seed, clock.now_ns(), underlying=coin) for coin in coins]
        self.market = self.markets[0]
        self.twin = RyskTwin(self.markets, settings, clock)
        self.network = MemoryNetwork(random.Random(settings.seed))
        self.signer = RyskSigner(settings.maker.private_key, settings.chain_id, settings.contract)
        self.maker: RyskJudge
        self.rfqs: Wire
        self.nonce = 1_757_000_000_000

    async def open(self) -> None:
        self.twin.start(clients=self.clients)
        await self.network.serve(HOST, PORT, self.twin)
        self.maker = await rysk_judge(self.network, WS, self.settings.maker.address)
        self.rfqs = await dial(self.network, f"{WS}rfqs/{self.settings.asset.address}")

    async def listen(self, asset: str) -> Wire:
        """Another token's RFQ socket."""
        return await dial(self.network, f"{WS}rfqs/{asset}")

    @staticmethod
    def decoded(frame: bytes) -> dict[str, Any]:
        return exact_json(frame)

    async def wait(self, seconds: float) -> None:
        """Let this much virtual time pass."""
        await asyncio.sleep(seconds)

    def now_s(self) -> int:
        return self.clock.now_ns() // NS_PER_S

    def option(self, *, is_put: bool = False) -> tuple[Decimal, int]:
        """Strike and expiry of the listed option nearest the money."""
        index = self.market.state(self.clock.now_ns()).index
        expiry_ns = self.market.expiries[0]
        nearest = min(
            (one for one in self.market.options if one.expiry_ns == expiry_ns and one.is_call is not is_put),
            key=lambda one: abs(one.strike - index),
        )
        return Decimal(nearest.strike), expiry_ns // NS_PER_S

    def order(self, **changes: Any) -> ScriptedRfq:
        strike, expiry_s = self.option(is_put=changes.get("is_put", False))
        fields: dict[str, Any] = {
            "strike": strike,
            "expiry_s": expiry_s,
            "is_put": False,
            "quantity": Decimal(1),
            "rivals": False,
        }
        return ScriptedRfq(**(fields | changes))

    async def ask(self, **changes: Any) -> dict[str, Any]:
        """Submit a scripted RFQ and receive its push."""
        self.twin.submit_rfq(self.order(**changes))
        return exact_json(await self.rfqs.receive())

    def fresh_nonce(self) -> int:
        self.nonce += 1
        return self.nonce

    def frame(
        self, rfq: dict[str, Any], dollars: str = "100", validity_s: int = 30, **changes: Any
    ) -> dict[str, Any]:
        """A correctly signed quote."""
        price = int(Decimal(dollars) * E18)
        nonce = changes.pop("nonce", None) or self.fresh_nonce()
        return self.signer.quote(rfq, price, nonce, self.now_s() + validity_s, **changes)

    async def quote(
        self, rfq: dict[str, Any], dollars: str = "100", validity_s: int = 30, **changes: Any
    ) -> Any:
        return await self.maker.send(self.frame(rfq, dollars, validity_s, **changes))


def play(
    scenario: Callable[[Scene], Awaitable[None]],
    *,
    behaviour: Behaviour = QUIET,
    clients: bool = False,
    underlying: str | tuple[str, ...] = "ETH",
    staked: bool = False,
    **changes: Any,
) -> None:
    """Run a scenario in virtual time against a twin without generated clients."""

    async def main(clock: VirtualClock) -> None:
        settings = default_settings(underlying, behaviour=behaviour, staked=staked, **changes)
        scene = Scene(clock, settings, clients=clients)
        await scene.open()
        await scenario(scene)
        await scene.twin.stop()

    run_virtual(main)
