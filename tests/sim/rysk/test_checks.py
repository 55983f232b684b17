"""Each demand the server makes of a quote, by a maker that shares no code with the twin."""

from __future__ import annotations

from decimal import Decimal

import pytest

from atomizer.sim.rysk.behaviour import Behaviour
from atomizer.sim.rysk.settings import FOREIGN
from tests.independent.rysk_client import RyskSigner
from tests.independent.wire import JudgeError
from tests.sim.rysk.harness import E18, Scene, play

OTHER_KEY = "0x" + "17" * 32
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ORDER = 2 * HALF_ORDER + 1


def test_good_quote_is_best():
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask()
        assert await scene.quote(rfq, "100") == "OK"
        assert scene.twin.state()["quotes"] == {"accepted": 1, "refused": {}}

    play(scenario)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"assetAddress": FOREIGN}, "assetAddress: expected"),
        ({"chainId": 1}, "chainId: expected 31337, found 1"),
        ({"expiry": 1_757_000_000}, "expiry: expected"),
        ({"isPut": True}, "isPut: expected False, found True"),
        ({"isTakerBuy": True}, "isTakerBuy: expected False, found True"),
        ({"quantity": 2 * E18}, "quantity: expected"),
        ({"strike": 1}, "strike: expected"),
        ({"usd": FOREIGN}, "usd: expected"),
        ({"collateralAsset": FOREIGN}, "collateralAsset: expected"),
        ({"validUntil": 1_757_289_600}, "quote expired"),
        ({"validUntil": 1_757_289_600 + 700}, "validUntil: expected at most"),
        ({"price": 0}, "invalid price"),
        ({"price": 2_000_000 * E18}, "insufficient deposited balance"),
        ({"nonce": 2**64 - 1, "maker": FOREIGN}, "invalid signature: expected signer"),
    ],
)
def test_quote_that_does_not_fit_is_refused(changes, text):
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask()
        with pytest.raises(JudgeError, match=text):
            await scene.quote(rfq, **changes)
        assert scene.twin.state()["quotes"]["accepted"] == 0
        assert sum(scene.twin.state()["quotes"]["refused"].values()) == 1

    play(scenario)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nonce", str(2**64)),
        ("nonce", "-1"),
        ("nonce", 1.5),
        ("price", "1e18"),
        ("price", str(2**256)),
        ("price", "9" * 5000),
        ("isPut", "false"),
        ("maker", "0x12"),
        ("maker", "0x" + "zz" * 20),
        ("chainId", True),
        ("validUntil", None),
        ("signature", 7),
    ],
)
def test_wrong_shape_is_refused(name, value):
    async def scenario(scene: Scene) -> None:
        frame = scene.frame(await scene.ask())
        frame["params"][name] = value
        with pytest.raises(JudgeError, match=f"-32000.*invalid params: {name}"):
            await scene.maker.send(frame)

    play(scenario)


def test_numbers_as_numbers_extra_keys_and_upper_case_addresses_are_taken():
    async def scenario(scene: Scene) -> None:
        frame = scene.frame(await scene.ask())
        params = frame["params"]
        params["maker"] = "0x" + params["maker"][2:].upper()
        params["price"] = int(params["price"])
        params["validUntil"] = str(params["validUntil"])
        params |= {"premiumAsset": params["usd"], "isEIP1271": False, "note": None}
        assert await scene.maker.send(frame) == "OK"

    play(scenario)


@pytest.mark.parametrize(
    "sort", ["key", "contract", "chain", "price after signing", "garbage", "short", "v", "s"]
)
def test_bad_signature_is_refused(sort):
    async def scenario(scene: Scene) -> None:
        rfq, settings = await scene.ask(), scene.settings
        frame = scene.frame(rfq)
        signature = frame["params"]["signature"]
        signers = {
            "key": RyskSigner(OTHER_KEY, settings.chain_id, settings.contract),
            "contract": RyskSigner(settings.maker.private_key, settings.chain_id, FOREIGN),
            "chain": RyskSigner(settings.maker.private_key, 1, settings.contract),
        }
        if sort in signers:
            other = signers[sort].quote(rfq, 100 * E18, 5, scene.now_s() + 30, maker=settings.maker.address)
            frame = other
        elif sort == "price after signing":
            frame["params"]["price"] = str(99 * E18)
        elif sort == "garbage":
            frame["params"]["signature"] = "0x" + "00" * 64 + "1b"
        elif sort == "short":
            frame["params"]["signature"] = signature[:-2]
        elif sort == "v":
            frame["params"]["signature"] = signature[:-2] + "00"
        else:
            mirrored = ORDER - int(signature[66:130], 16)
            v = {"1b": "1c", "1c": "1b"}[signature[130:]]
            frame["params"]["signature"] = signature[:66] + f"{mirrored:064x}" + v
        with pytest.raises(JudgeError, match="invalid signature"):
            await scene.maker.send(frame)

    play(scenario)


def test_nonce_is_used_once_whatever_the_rfq():
    async def scenario(scene: Scene) -> None:
        first, second = await scene.ask(), await scene.ask()
        assert await scene.quote(first, nonce=77) == "OK"
        for rfq in (first, second):
            with pytest.raises(JudgeError, match="nonce already used: 77"):
                await scene.quote(rfq, "101", nonce=77)
        assert scene.twin.state()["quotes"]["refused"] == {"nonce": 2}

    play(scenario)


def test_a_forged_signature_burns_no_nonce():
    async def scenario(scene: Scene) -> None:
        rfq, settings = await scene.ask(), scene.settings
        forger = RyskSigner(OTHER_KEY, settings.chain_id, settings.contract)
        frame = forger.quote(rfq, 100 * E18, 77, scene.now_s() + 30, maker=settings.maker.address)
        with pytest.raises(JudgeError, match="expected signer"):
            await scene.maker.send(frame)
        assert await scene.quote(rfq, nonce=77) == "OK"

    play(scenario)


def test_late_quote_is_refused():
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask()
        await scene.wait(1.99)
        assert await scene.quote(rfq) == "OK"
        await scene.wait(0.02)
        with pytest.raises(JudgeError, match="rfq closed"):
            await scene.quote(rfq, "101")

    play(scenario)


def test_unknown_rfq_is_refused():
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask()
        with pytest.raises(JudgeError, match="unknown rfq"):
            await scene.quote(rfq | {"id": "other"})

    play(scenario)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"{", "expected JSON"),
        (b"\xff\xfe", "expected JSON"),
        (b"[]", "expected an object"),
        (b'{"id":"1","method":"quote"}', "object of params"),
        (b'{"id":1,"method":"quote","params":{}}', "expected a string id"),
        (b'{"id":"1","method":"cancel","params":{}}', "method not found: cancel"),
        (b'{"id":"1","method":"balances","params":{"account":"me"}}', "account: expected an address"),
    ],
)
def test_frame_that_is_no_request_is_answered_by_an_error(data, text):
    async def scenario(scene: Scene) -> None:
        scene.maker.wire._connection.send(data)
        answer = await scene.maker.next_push()
        assert answer["error"]["code"] == -32000
        assert text in answer["error"]["message"]

    play(scenario)


def test_deposit_is_checked_per_quote_not_over_all():
    """As the protocol page says of the server: our own sum is our own duty."""

    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask()
        assert await scene.quote(rfq, "600") == "OK"
        assert await scene.quote(rfq, "601") == "OK"
        with pytest.raises(JudgeError, match=r"expected at least 1000000001 of 0x51.*57a, found 1000000000"):
            await scene.quote(rfq, "1000.000001")

    play(scenario, deposit_usd=Decimal(1000))


def test_written_call_needs_coins_and_written_put_needs_cash():
    async def scenario(scene: Scene) -> None:
        call = await scene.ask(is_taker_buy=True, quantity=Decimal(3))
        with pytest.raises(JudgeError, match=r"expected at least 3000000000000000000 of 0x51.*e1, found 2"):
            await scene.quote(call)
        put = await scene.ask(is_taker_buy=True, is_put=True, quantity=Decimal(3))
        cash = int(put["result"]["strike"]) * 3 // 100
        with pytest.raises(JudgeError, match=rf"expected at least {cash} of 0x51.*57a, found 5000000000"):
            await scene.quote(put)
        assert await scene.quote(await scene.ask(is_taker_buy=True, quantity=Decimal(2))) == "OK"
        assert await scene.quote(await scene.ask(is_taker_buy=True, is_put=True)) == "OK"

    play(scenario, deposit_usd=Decimal(5000), deposit_coins=Decimal(2))


def test_outbid_maker_is_told_and_may_improve():
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask(rivals=True)
        assert await scene.quote(rfq, "1") == "OK"
        notice = (await scene.maker.next_push())["result"]
        assert notice["rfqId"] == rfq["id"]
        assert notice["assetAddress"] == rfq["result"]["asset"]
        assert notice["chainId"] == 31337
        assert notice["yours"] == str(E18)
        assert int(notice["newBest"]) > E18
        worse = await scene.quote(rfq, "2")
        assert worse["newBest"] == notice["newBest"]
        assert worse["yours"] == str(2 * E18)
        better = Decimal(notice["newBest"]) / E18 + 1000
        assert await scene.quote(rfq, str(better)) == "OK"

    play(scenario, behaviour=Behaviour(rivals=3, rival_answers=1.0))


def test_taker_who_buys_prefers_the_lower_price():
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask(is_taker_buy=True, is_put=True)
        assert await scene.quote(rfq, "100") == "OK"
        assert (await scene.quote(rfq, "101"))["newBest"] == str(100 * E18)
        assert (await scene.quote(rfq, "100"))["newBest"] == str(100 * E18)
        assert await scene.quote(rfq, "99") == "OK"

    play(scenario)
