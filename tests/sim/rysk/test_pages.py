"""Plain requests, settings, the taker's socket, and how a twin begins and ends."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from atomizer.net.transport import HttpRequest, TransportError
from atomizer.sim.rysk.behaviour import Acceptance, Behaviour, Faults, SettingsError, merged, parse_spec
from atomizer.sim.rysk.settings import asset_for, default_settings, maker_of, simulated_maker
from tests.independent.rysk_client import RyskSigner, rysk_truth
from tests.independent.wire import JudgeError, ask, dial, exact_json, fetch
from tests.sim.rysk.harness import HTTP, WS, Scene, play


def test_ready_line_names_everything_a_maker_needs():
    async def scenario(scene: Scene) -> None:
        line = scene.twin.ready("127.0.0.1", 9003)
        assert json.loads(json.dumps(line)) == line
        assert (line["venue"], line["ws"], line["http"]) == ("rysk", WS, HTTP)
        assert line["chain_id"] == 31337
        key = line["credentials"]["private_key"]
        signer = RyskSigner(key, line["chain_id"], line["contract"])
        assert signer.address == line["credentials"]["maker_address"]
        assert line["tokens"]["asset"]["underlying"] == "ETH"
        assert line["tokens"]["stable"]["decimals"] == 6

    play(scenario)


def test_public_pages():
    async def scenario(scene: Scene) -> None:
        assert await fetch(scene.network, HTTP, "/ping") == "pong"
        (asset,) = (await fetch(scene.network, HTTP, "/api/assets"))["31337"]
        assert asset["symbol"] == "WETH"
        assert asset["minTradeSize"] == "100000000000000000"
        assert asset["maxTradeSize"] == "20000000000000000000"
        index = scene.market.state(scene.clock.now_ns()).index
        assert int(asset["price"]) / 10**18 == pytest.approx(index, rel=1e-3)
        await scene.quote(await scene.ask(acceptance=Acceptance.ALWAYS))
        await scene.maker.next_push()
        (row,) = await fetch(scene.network, HTTP, f"/api/maker/positions?address={scene.signer.address}")
        assert row["strike"] == "4000000000000000000000"
        assert (row["balance"], row["premium"]) == ("1000000000000000000", "100000000000000000000")

    play(scenario)


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/api/maker/positions", b"", 400),
        ("GET", "/api/maker/positions?address=me", b"", 400),
        ("GET", "/nothing", b"", 404),
        ("GET", "/sim/rfq", b"", 404),
        ("POST", "/sim/rfq", b"{", 400),
        ("POST", "/sim/rfq", b"{}", 400),
        ("POST", "/sim/rfq", b'{"strike":"-1","expiry_s":1,"is_put":false,"quantity":"1"}', 400),
        ("POST", "/sim/rfq", b'{"strike":"1","expiry_s":1,"is_put":false,"quantity":"1e-19"}', 400),
        ("POST", "/sim/rfq", b'{"strike":"1","expiry_s":1,"is_put":false,"quantity":"NaN"}', 400),
        ("POST", "/sim/rfq", b'{"strike":"1","expiry_s":1,"is_put":false,"quantity":"1","taker":"me"}', 400),
        ("POST", "/sim/settings", b"[]", 400),
        ("POST", "/sim/settings", b'{"acceptance":"sometimes"}', 400),
        ("POST", "/sim/settings", b'{"rfq_interval_s":0}', 400),
        ("POST", "/sim/settings", b'{"faults":{"confirmation_lost":2}}', 400),
        ("POST", "/sim/settings", b'{"faults":{"unheard_of":1}}', 400),
        ("POST", "/sim/settings", b'{"faults":[]}', 400),
        ("POST", "/ping", b"", 404),
    ],
)
def test_bad_requests_are_answered_with_a_reason(method, target, body, status):
    async def scenario(scene: Scene) -> None:
        response = scene.twin.http(HttpRequest(method, target, {}, body))
        assert response.status == status
        assert json.loads(response.body)["error"]
        assert scene.twin.behaviour == Behaviour(decision_delay_s=0.2, settlement_delay_s=0.2)

    play(scenario)


def test_rfq_by_post():
    async def scenario(scene: Scene) -> None:
        strike, expiry_s = scene.option()
        body = {
            "strike": str(strike),
            "expiry_s": expiry_s,
            "is_put": True,
            "quantity": "0.5",
            "faults": ["strike_off"],
            "taker": "0x" + "AB" * 20,
        }
        answer = await fetch(scene.network, HTTP, "/sim/rfq", body)
        rfq = exact_json(await scene.rfqs.receive())
        assert rfq["id"] == answer["id"]
        assert rfq["result"]["strike"] == str(int(strike) * 10**9)
        assert rfq["result"]["taker"] == "0x" + "ab" * 20

    play(scenario)


def test_settings_by_post_change_what_follows():
    async def scenario(scene: Scene) -> None:
        shown = await fetch(scene.network, HTTP, "/sim/settings", {"acceptance": "never"})
        assert shown["acceptance"] == "never"
        await fetch(scene.network, HTTP, "/sim/settings", {"faults": {"late": 0.5}})
        kept = await fetch(scene.network, HTTP, "/sim/settings", {"faults": {"expired": 0.25}})
        assert (kept["acceptance"], kept["faults"]["late"], kept["faults"]["expired"]) == (
            "never",
            Decimal("0.5"),
            Decimal("0.25"),
        )
        await scene.quote(await scene.ask())
        await scene.wait(10.0)
        assert scene.twin.state()["rfqs"]["declined"] == 1

    play(scenario)


def test_balances_in_both_shapes():
    async def scenario(scene: Scene) -> None:
        as_map = await scene.maker.balances()
        scene.twin.configure({"balances_shape": "list"})
        rows = await scene.maker.call("balances", "balances", {"account": scene.signer.address})
        assert {row["asset"]: int(row["balance"]) for row in rows} == as_map
        assert {row["decimals"] for row in rows} == {6, 18}

    play(scenario)


def test_unknown_account_is_empty_and_stays_unknown():
    async def scenario(scene: Scene) -> None:
        truth = await rysk_truth(scene.network, WS, "0x" + "99" * 20)
        assert set(truth["balances"].values()) == {0}
        assert truth["positions"] == {}
        assert list(scene.twin.state()["accounts"]) == [scene.signer.address]

    play(scenario)


@pytest.mark.parametrize("path", ["", "rfqs/0x1234", "rfqs", "makers", "sim/state"])
def test_no_socket_elsewhere(path):
    async def scenario(scene: Scene) -> None:
        with pytest.raises(TransportError, match="404"):
            await dial(scene.network, WS + path)

    play(scenario)


def test_asset_path_may_be_in_any_case():
    async def scenario(scene: Scene) -> None:
        address = scene.settings.asset.address
        wire = await dial(scene.network, f"{WS}rfqs/0x{address[2:].upper()}")
        await wire.send({"noise": 1})
        await scene.ask()
        assert exact_json(await wire.receive())["result"]["asset"] == address

    play(scenario)


def taker_request(scene: Scene, **changes: Any) -> dict[str, Any]:
    strike, expiry_s = scene.option()
    params = {
        "asset": scene.settings.asset.address,
        "assetName": "WETH",
        "chainId": 31337,
        "expiry": expiry_s,
        "isPut": False,
        "quantity": "1000000000000000000",
        "strike": str(int(strike * 10**8)),
        "taker": "0x" + "77" * 20,
    }
    return {"jsonrpc": "2.0", "id": "t1", "method": "request", "params": params | changes}


def test_taker_asks_receives_the_best_and_accepts():
    async def scenario(scene: Scene) -> None:
        taker = await dial(scene.network, WS + "taker")
        await taker.send(taker_request(scene))
        rfq = exact_json(await scene.rfqs.receive())
        await scene.quote(rfq, "3000")
        answer = exact_json(await taker.receive())
        assert answer["id"] == "t1"
        best = answer["result"]
        assert (best["price"], best["maker"]) == (str(3000 * 10**18), scene.signer.address)
        assert best["apy"] > 0
        accept = {"jsonrpc": "2.0", "id": "t2", "method": "accept", "params": {"rfqId": best["rfqId"]}}
        assert await ask(taker, accept) == "OK"
        await scene.maker.next_push()
        assert scene.twin.trades[0].outcome == "settled"
        with pytest.raises(JudgeError, match="nothing to accept"):
            await ask(taker, accept)

    play(scenario)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"chainId": 1}, "not served"),
        ({"asset": "0x" + "11" * 20}, "not served"),
        ({"quantity": "0"}, "more than zero"),
        ({"expiry": 5}, "has passed"),
        ({"isPut": 1}, "isPut"),
        ({"taker": "x"}, "taker"),
    ],
)
def test_taker_is_refused(changes, text):
    async def scenario(scene: Scene) -> None:
        taker = await dial(scene.network, WS + "taker")
        with pytest.raises(JudgeError, match=text):
            await ask(taker, taker_request(scene, **changes))
        for method in ("accept", "inventory"):
            with pytest.raises(JudgeError):
                await ask(taker, {"id": "x", "method": method, "params": {"rfqId": "?"}})

    play(scenario)


def test_taker_without_quotes_is_told_so():
    async def scenario(scene: Scene) -> None:
        scene.twin.configure({"rivals": 0})
        taker = await dial(scene.network, WS + "taker")
        with pytest.raises(JudgeError, match="no quotes"):
            await ask(taker, taker_request(scene))

    play(scenario)


def test_stop_ends_the_flow():
    async def scenario(scene: Scene) -> None:
        await scene.wait(10.0)
        await scene.twin.stop()
        pushed = scene.twin.state()["rfqs"]["rfqs"]
        await scene.wait(60.0)
        assert scene.twin.state()["rfqs"]["rfqs"] == pushed
        with pytest.raises(JudgeError, match="closed"):
            await scene.maker.balances()

    play(scenario, clients=True, behaviour=Behaviour())


def test_a_twin_that_breaks_inside_closes_its_sockets_and_stop_tells_why():
    async def scenario(scene: Scene) -> None:
        scene.market.options = None
        with pytest.raises(JudgeError, match="closed"):
            while True:
                await scene.maker.next_push()
        with pytest.raises(TypeError, match="NoneType"):
            await scene.twin.stop()

    play(scenario, clients=True, behaviour=Behaviour())


def test_credentials_are_not_shown():
    settings = default_settings("ETH", 3)
    assert settings.maker.private_key not in repr(settings)
    assert settings.maker.private_key[2:] not in repr(simulated_maker(3))
    with pytest.raises(SettingsError) as caught:
        maker_of("0xsecret")
    assert "secret" not in str(caught.value)


def test_makers_differ_by_seed_and_assets_are_known_by_name():
    assert simulated_maker(1).address != simulated_maker(2).address
    with pytest.raises(SettingsError, match="expected one of ETH, BTC, found 'DOGE'"):
        asset_for("DOGE")


def test_fault_spec():
    changes = parse_spec("confirmation_lost=0.2, acceptance=always,rivals=0,")
    behaviour = merged(Behaviour(), changes)
    assert behaviour.acceptance is Acceptance.ALWAYS
    assert behaviour.rivals == 0
    assert behaviour.faults == Faults(confirmation_lost=0.2)
    assert merged(Behaviour(), parse_spec("")) == Behaviour()


@pytest.mark.parametrize("spec", ["late", "unheard=1", "faults=1", "late=often", "late=1.5", "rivals=0.5"])
def test_bad_fault_spec(spec):
    with pytest.raises(SettingsError):
        merged(Behaviour(), parse_spec(spec))
