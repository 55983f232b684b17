"""Connections of the simulated venue: authentication, heartbeat, limits, cancel-on-disconnect."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from atomizer.sim.deribit import Credential, DeribitTwinSettings
from atomizer.sim.deribit.settings import DEFAULT_CREDENTIALS
from tests.sim.deribit.client import PERP, RawClient, RefusedError, World, on_grid, run

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
WITH_KEY = (*DEFAULT_CREDENTIALS, Credential("main", "key-client", public_key=PEM))


def quiet(**more: Any) -> DeribitTwinSettings:
    return DeribitTwinSettings(takers=False, **more)


async def refused(client: RawClient, method: str, **params: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await client.call(method, **params)
    return caught.value


def hmac_params(world: World, nonce: str = "n1", shift_ms: int = 0, data: str = "") -> dict[str, Any]:
    timestamp = world.clock.now_ns() // 1_000_000 + shift_ms
    text = f"{timestamp}\n{nonce}\n{data}".encode()
    return {
        "grant_type": "client_signature",
        "client_id": "sim-client-1",
        "timestamp": timestamp,
        "nonce": nonce,
        "data": data,
        "signature": hmac.new(b"sim-secret-1", text, hashlib.sha256).hexdigest(),
    }


def test_signature_by_hmac_is_accepted_once() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        params = hmac_params(world, data="x")
        result = await client.call("public/auth", **params, state="mine")
        assert (result["token_type"], result["state"]) == ("bearer", "mine")
        assert (await refused(client, "public/auth", **params)).code == 13004

    run(scenario)


@pytest.mark.parametrize("shift_ms", [-61_000, 61_000])
def test_signature_a_minute_off_is_refused(shift_ms: int) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        error = await refused(client, "public/auth", **hmac_params(world, shift_ms=shift_ms))
        assert error.code == 13004

    run(scenario)


@pytest.mark.parametrize("standard", [False, True])
def test_signature_by_ed25519_in_both_base64_alphabets(standard: bool) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        timestamp = world.clock.now_ns() // 1_000_000
        signature = KEY.sign(f"{timestamp}\nabc\n".encode())
        text = base64.b64encode(signature) if standard else base64.urlsafe_b64encode(signature).rstrip(b"=")
        params = {
            "grant_type": "client_signature",
            "client_id": "key-client",
            "timestamp": timestamp,
            "nonce": "abc",
            "signature": text.decode(),
        }
        wrong = {**params, "nonce": "abd"}
        assert (await refused(client, "public/auth", **wrong)).code == 13004
        assert "access_token" in await client.call("public/auth", **params)
        by_secret = {"grant_type": "client_credentials", "client_id": "key-client", "client_secret": ""}
        assert (await refused(client, "public/auth", **by_secret)).code == 13004

    run(scenario, quiet(credentials=WITH_KEY))


@pytest.mark.parametrize(
    "params",
    [
        {"grant_type": "client_credentials", "client_id": "sim-client-1", "client_secret": "wrong"},
        {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "sim-secret-1"},
        {"grant_type": "refresh_token", "refresh_token": "nothing"},
    ],
)
def test_wrong_credentials_are_refused(params: dict[str, str]) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        assert (await refused(client, "public/auth", **params)).code == 13004

    run(scenario)


def test_private_calls_need_authentication() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        assert (await refused(client, "private/get_positions")).code == 10000
        error = await refused(client, "private/get_positions", access_token="nonsense")
        assert error.code == 13009

    run(scenario)


def test_connection_token_works_on_its_socket_only_and_session_token_anywhere() -> None:
    async def scenario(world: World) -> None:
        one, two = await world.connect(), await world.connect()
        bound = (await one.login())["access_token"]
        assert (await refused(two, "private/get_positions", access_token=bound)).code == 13009
        named = await one.login(scope="session:mm1")
        assert named["sid"] == "mm1"
        assert await two.call("private/get_positions", access_token=named["access_token"]) == []
        status, _ = await world.get(
            "/api/v2/private/get_positions", {"Authorization": f"Bearer {named['access_token']}"}
        )
        assert status == 200

    run(scenario)


def test_refresh_replaces_the_token_of_a_connection() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        first = await client.login()
        renewed = await client.call(
            "public/auth", grant_type="refresh_token", refresh_token=first["refresh_token"]
        )
        old = await refused(client, "private/get_positions", access_token=first["access_token"])
        assert old.code == 13009
        assert await client.call("private/get_positions", access_token=renewed["access_token"]) == []
        again = await refused(
            client, "public/auth", grant_type="refresh_token", refresh_token=first["refresh_token"]
        )
        assert again.code == 13004

    run(scenario)


def test_token_expires() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        assert (await client.login(scope="expires:30"))["expires_in"] == 30
        await asyncio.sleep(31)
        assert (await refused(client, "private/get_positions")).code == 10000

    run(scenario)


def test_scope_limits_what_a_token_may_do() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        await client.login(scope="trade:read")
        assert await client.call("private/get_open_orders") == []
        error = await refused(client, "private/buy", instrument_name=PERP, amount=10, price=3900)
        assert error.code == 13403

    run(scenario)


def test_http_signature_basic_and_missing_header() -> None:
    async def scenario(world: World) -> None:
        target = "/api/v2/private/get_account_summary?currency=ETH"
        timestamp = world.clock.now_ns() // 1_000_000
        text = f"{timestamp}\nn\nGET\n{target}\n\n".encode()
        signature = hmac.new(b"sim-secret-1", text, hashlib.sha256).hexdigest()
        header = {"authorization": f"deri-hmac-sha256 id=sim-client-1,ts={timestamp},sig={signature},nonce=n"}
        status, body = await world.get(target, header)
        assert (status, body["result"]["currency"], body["testnet"]) == (200, "ETH", True)
        status, body = await world.get(target, header)
        assert (status, body["error"]["code"]) == (400, 13004)
        basic = base64.b64encode(b"sim-client-1:sim-secret-1").decode()
        assert (await world.get(target, {"Authorization": f"Basic {basic}"}))[0] == 200
        status, body = await world.get(target)
        assert (status, body["error"]["code"]) == (400, 10000)

    run(scenario)


def test_unanswered_test_request_cuts_the_socket_and_cancels_its_orders() -> None:
    async def scenario(world: World) -> None:
        client, other = await world.connect(1), await world.connect(1)
        await client.call("private/enable_cancel_on_disconnect")
        price = on_grid(await world.fair() - 100)
        await client.order_("buy", 10, price, label="dies")
        await other.order_("buy", 10, price, label="lives")
        await client.call("public/set_heartbeat", interval=10)
        await asyncio.sleep(15)
        assert client.heartbeats == ["heartbeat", "test_request"]
        await client.call("public/test")
        await asyncio.sleep(12)
        assert client.closed_because is None
        await asyncio.sleep(20)
        assert client.closed_because is not None
        (left,) = await other.call("private/get_open_orders")
        assert left["label"] == "lives"
        (dead,) = await other.call("private/get_order_state_by_label", currency="ETH", label="dies")
        assert dead["cancel_reason"] == "cancel_on_disconnect"

    run(scenario)


def test_logout_closes_without_reply_and_without_cancelling() -> None:
    async def scenario(world: World) -> None:
        client, other = await world.connect(1), await world.connect(1)
        await client.call("private/enable_cancel_on_disconnect", scope="connection")
        assert (await client.call("private/get_cancel_on_disconnect"))["enabled"] is True
        await client.order_("buy", 10, on_grid(await world.fair() - 100))
        assert client.connection is not None
        client.connection.send(b'{"id":99,"method":"private/logout","params":{}}')
        await asyncio.sleep(1)
        assert client.closed_because is not None
        assert len(await other.call("private/get_open_orders")) == 1

    run(scenario)


def test_account_wide_cancel_on_disconnect_holds_for_later_sockets() -> None:
    async def scenario(world: World) -> None:
        first = await world.connect(1)
        await first.call("private/enable_cancel_on_disconnect", scope="account")
        second = await world.connect(1)
        await second.order_("buy", 10, on_grid(await world.fair() - 100))
        assert second.connection is not None
        second.connection.abort()
        await asyncio.sleep(1)
        assert await first.call("private/get_open_orders") == []

    run(scenario)


def test_silent_socket_is_closed_after_ten_minutes() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        await asyncio.sleep(599)
        assert client.closed_because is None
        await asyncio.sleep(2)
        assert client.closed_because is not None

    run(scenario)


def test_too_many_orders_are_told_so_and_the_socket_is_closed() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        price = on_grid(await world.fair() - 100)
        replies = await asyncio.gather(
            *(client.order_("buy", 10, price) for _ in range(25)), return_exceptions=True
        )
        codes = [reply.code for reply in replies if isinstance(reply, RefusedError)]
        assert codes == [10028]
        await asyncio.sleep(1)
        assert client.closed_because is not None

    run(scenario, quiet(tier=4))


def test_limit_refills_with_time() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        price = on_grid(await world.fair() - 100)
        for _ in range(40):
            await client.order_("buy", 10, price)
            await asyncio.sleep(0.2)
        assert client.closed_because is None

    run(scenario, quiet(tier=4))


def test_malformed_requests_are_answered() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        got: list[bytes] = []
        client.message = lambda data, last: got.append(data)  # type: ignore[method-assign]
        assert client.connection is not None
        for frame in (b"{", b"[1]", b'{"id":"a","method":5}', b'{"id":null,"method":"public/nothing"}'):
            client.connection.send(frame)
        await asyncio.sleep(1)
        assert [b"-32700" in got[0], b"-32700" in got[1], b"-32600" in got[2], b"-32601" in got[3]] == [
            True
        ] * 4
        assert b'"id":"a"' in got[2]

    run(scenario)


def test_reply_carries_timing_and_test_may_fail_on_request() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        reply = await client.raw("public/hello", client_name="t", client_version="1")
        assert {"usIn", "usOut", "usDiff", "testnet", "jsonrpc"} <= set(reply)
        assert (await refused(client, "public/test", expected_result="exception")).code == 10001
        assert (await refused(client, "public/set_heartbeat", interval=9)).code == -32602

    run(scenario)


def test_sockets_exist_at_their_path_only() -> None:
    async def scenario(world: World) -> None:
        assert world.twin.accept("/ws/api/v1", {}) is None
        status, _ = await world.get("/elsewhere")
        assert status == 404

    run(scenario)
