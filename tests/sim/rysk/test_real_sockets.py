"""The same twin behind real sockets, met by a client that knows only aiohttp."""

from __future__ import annotations

import asyncio

import pytest

from atomizer.net.sockets import SocketTransport
from atomizer.net.virtual import WallClock
from atomizer.sim.market import Market
from atomizer.sim.rysk.behaviour import Acceptance, Behaviour
from atomizer.sim.rysk.settings import default_settings
from atomizer.sim.rysk.twin import RyskTwin
from tests.independent.rysk_client import RyskSigner, rysk_judge, rysk_state, rysk_truth
from tests.independent.wire import dial, exact_json, fetch


@pytest.mark.system
def test_trade_over_real_sockets():
    asyncio.run(trade())


async def trade() -> None:
    clock = WallClock()
    behaviour = Behaviour(
        acceptance=Acceptance.ALWAYS, rivals=0, decision_delay_s=0.01, settlement_delay_s=0.01
    )
    settings = default_settings("ETH", behaviour=behaviour, window_s=0.1)
    twin = RyskTwin([Market(1, clock.now_ns())], settings, clock)
    twin.start(clients=False)
    transport = SocketTransport()
    server = await transport.serve("127.0.0.1", 0, twin)
    line = twin.ready("127.0.0.1", server.port)
    signer = RyskSigner(line["credentials"]["private_key"], line["chain_id"], line["contract"])
    judge = await rysk_judge(None, line["ws"], signer.address)
    rfqs = await dial(None, f"{line['ws']}rfqs/{line['tokens']['asset']['address']}")
    option = twin._valuer.markets["ETH"].options[0]
    body = {
        "strike": str(option.strike),
        "expiry_s": option.expiry_ns // 10**9,
        "is_put": False,
        "quantity": "1",
    }
    await fetch(None, line["http"], "/sim/rfq", body)
    rfq = exact_json(await rfqs.receive())
    frame = signer.quote(rfq, 10**18, 1, clock.now_ns() // 10**9 + 30)
    assert await judge.send(frame) == "OK"
    push = await judge.next_push()
    assert push["result"]["quoteNonce"] == "1"
    assert list((await judge.positions()).values()) == [10**18]
    truth = await rysk_truth(None, line["ws"], signer.address)
    assert truth["balances"][settings.stable] == 10**12 - 10**6
    assert (await rysk_state(None, line["http"]))["trades"][0]["outcome"] == "settled"
    await judge.close()
    await rfqs.close()
    await twin.stop()
    await server.stop()
    await transport.aclose()
