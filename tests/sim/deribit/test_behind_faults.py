"""The venue behind a bad network: what a client may rely on all the same."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from atomizer.net.memory import MemoryNetwork
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.sim.deribit import DeribitTwin, DeribitTwinSettings
from atomizer.sim.faults import FaultyApplication, parse_faults
from atomizer.sim.market import Market
from tests.sim.deribit.client import PERP, START, RawClient

URL = "ws://127.0.0.1:8001/ws/api/v2"


class Patient(RawClient):
    """A client that does not mind an answer arriving twice."""

    def message(self, data: bytes, last: bool) -> None:
        try:
            super().message(data, last)
        except KeyError:
            return


def behind(spec: str, body: Any) -> None:
    async def main(clock: VirtualClock) -> None:
        twin = DeribitTwin([Market(7, START)], DeribitTwinSettings(takers=False), clock)
        network = MemoryNetwork(random.Random(1))
        server = await network.serve("127.0.0.1", 8001, FaultyApplication(twin, parse_faults(spec), 3))
        twin.start()
        await body(network, twin)
        await twin.stop()
        await server.stop()

    run_virtual(main, START)


def test_a_cut_cancels_the_orders_of_the_connection() -> None:
    async def body(network: MemoryNetwork, twin: DeribitTwin) -> None:
        client = RawClient()
        await network.connect(URL, client)
        await client.login(1)
        await client.call("private/enable_cancel_on_disconnect")
        await client.order_("buy", 10, 3900)
        await asyncio.sleep(300)
        assert client.closed_because is not None
        (order,) = twin.exchange.accounts["main"].orders.values()
        assert (order.state, order.cancel_reason) == ("cancelled", "cancel_on_disconnect")

    behind("cut=1/60s", body)


def test_a_late_order_is_refused_by_its_own_deadline() -> None:
    async def body(network: MemoryNetwork, twin: DeribitTwin) -> None:
        client = RawClient()
        await network.connect(URL, client)
        await client.login(1)
        deadline = twin.exchange.now_ms + 500
        reply = await client.raw(
            "private/buy", instrument_name=PERP, amount=10, price=3900, valid_until=deadline
        )
        assert reply["error"]["code"] == 13888
        assert twin.report()["accounts"]["main"]["orders"] == []

    behind("late=1:600ms", body)


def test_a_doubled_order_is_two_orders_and_the_judge_sees_it() -> None:
    async def body(network: MemoryNetwork, twin: DeribitTwin) -> None:
        client = Patient()
        await network.connect(URL, client)
        await client.login(1)
        await client.order_("buy", 10, 3900, label="doubled")
        await asyncio.sleep(1)
        assert twin.report()["placements"] == {"doubled": 2}
        assert len(twin.exchange.accounts["main"].open_orders) == 2

    behind("up.dup=1", body)
