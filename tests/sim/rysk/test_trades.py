"""From the client's decision to money and messages, with everything that can go wrong on the way."""

from __future__ import annotations

from decimal import Decimal

import pytest

from atomizer.sim.rysk.behaviour import Behaviour, ConfirmationShape, Faults
from tests.independent.rysk_client import OptionId, rysk_equity, rysk_state, rysk_truth
from tests.independent.wire import JudgeError
from tests.sim.rysk.harness import E18, HTTP, WS, Scene, play

CONFIRMATION_FIELDS = {
    "maker",
    "assetAddress",
    "chainId",
    "expiry",
    "isPut",
    "isTakerBuy",
    "strike",
    "quantity",
    "taker",
    "nonce",
    "quoteNonce",
    "quoteValidUntil",
    "quoteSignature",
    "signature",
    "validUntil",
    "createdAt",
    "apr",
}


def quick(**faults: float) -> Behaviour:
    return Behaviour(
        acceptance="always", decision_delay_s=0.2, settlement_delay_s=0.2, faults=Faults(**faults)
    )


def test_bought_option_costs_its_premium_to_the_last_unit():
    """1.5 coins at 0.1234567 USD are 0.18518505 USD: 185185 units of a stable with six decimals."""

    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask(quantity=Decimal("1.5"))
        frame = scene.frame(rfq, "0.1234567")
        assert await scene.maker.send(frame) == "OK"
        push = (await scene.maker.next_push())["result"]
        assert set(push) == CONFIRMATION_FIELDS
        assert push["maker"] == scene.signer.address
        assert push["quoteNonce"] == frame["params"]["nonce"]
        assert push["quoteSignature"] == frame["params"]["signature"]
        assert push["nonce"] != push["quoteNonce"]
        truth = await rysk_truth(scene.network, WS, scene.signer.address)
        stable, asset = scene.settings.stable, scene.settings.asset.address
        assert truth["balances"] == {stable: 10**12 - 185185, asset: 0}
        terms = rfq["result"]
        option = OptionId(asset, terms["expiry"], int(terms["strike"]), False)
        assert truth["positions"] == {option: 15 * 10**17}
        trade = (await rysk_state(scene.network, HTTP))["trades"][0]
        assert (trade["outcome"], trade["premium"], trade["confirmation"]) == ("settled", "185185", "sent")

    play(scenario, behaviour=quick())


def test_written_put_brings_premium_and_locks_strike_cash():
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask(is_taker_buy=True, is_put=True, quantity=Decimal(2))
        assert await scene.quote(rfq, "50") == "OK"
        await scene.maker.next_push()
        truth = await rysk_truth(scene.network, WS, scene.signer.address)
        stable = scene.settings.stable
        assert truth["balances"][stable] == 10**12 + 100 * 10**6
        assert list(truth["positions"].values()) == [-2 * E18]
        account = scene.twin.state()["accounts"][scene.signer.address]
        cash = int(rfq["result"]["strike"]) * 2 // 100
        assert account["locked"][stable] == str(cash)
        drain = scene.signer.transfer(stable, 10**12, 1, is_deposit=False)
        with pytest.raises(JudgeError, match="insufficient balance"):
            await scene.maker.send(drain)

    play(scenario, behaviour=quick())


def test_buying_back_what_was_written_frees_its_collateral():
    async def scenario(scene: Scene) -> None:
        for buys, dollars in ((True, "50"), (False, "40")):
            rfq = await scene.ask(is_taker_buy=buys, is_put=True, quantity=Decimal(2))
            await scene.quote(rfq, dollars)
            await scene.maker.next_push()
        account = scene.twin.state()["accounts"][scene.signer.address]
        assert account["locked"][scene.settings.stable] == "0"
        assert account["positions"] == []
        assert account["deposits"][scene.settings.stable] == str(10**12 + 20 * 10**6)

    play(scenario, behaviour=quick())


def test_nobody_trades_when_told_never():
    async def scenario(scene: Scene) -> None:
        await scene.quote(await scene.ask(acceptance="never"), "3999")
        await scene.wait(30.0)
        assert scene.twin.trades == []
        assert scene.twin.state()["rfqs"] == {"rfqs": 1, "declined": 1}

    play(scenario, behaviour=quick())


def test_quote_that_dies_before_the_decision_is_not_executed():
    async def scenario(scene: Scene) -> None:
        await scene.quote(await scene.ask(), validity_s=1)
        await scene.wait(30.0)
        assert scene.twin.trades == []
        assert scene.twin.state()["rfqs"]["expired"] == 1

    play(scenario, behaviour=quick())


def test_unanswered_rfq_ends():
    async def scenario(scene: Scene) -> None:
        await scene.ask()
        await scene.wait(5.0)
        assert scene.twin.state()["rfqs"] == {"rfqs": 1, "unanswered": 1}

    play(scenario, behaviour=quick())


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (ConfirmationShape.RESULT, ["trade", "trade"]),
        (ConfirmationShape.METHOD, ["rfq_confirmation", "rfq_confirmation"]),
        (ConfirmationShape.ALTERNATE, ["trade", "rfq_confirmation"]),
    ],
)
def test_confirmation_envelopes(shape, expected):
    async def scenario(scene: Scene) -> None:
        scene.twin.configure({"confirmation_shape": shape.value})
        seen = []
        for _ in range(2):
            await scene.quote(await scene.ask())
            push = await scene.maker.next_push()
            assert ("result" in push) is (push.get("id") == "trade")
            seen.append(push.get("id") or push["method"])
        assert seen == expected

    play(scenario, behaviour=quick())


def test_lost_confirmation_shows_only_in_the_position():
    async def scenario(scene: Scene) -> None:
        await scene.quote(await scene.ask())
        await scene.wait(30.0)
        truth = await rysk_truth(scene.network, WS, scene.signer.address)
        assert list(truth["positions"].values()) == [E18]
        assert await scene.maker.positions() == truth["positions"]
        assert scene.maker.pushed == []
        assert scene.twin.trades[0].confirmation == "lost"

    play(scenario, behaviour=quick(confirmation_lost=1.0))


def test_duplicate_confirmation_books_once():
    async def scenario(scene: Scene) -> None:
        await scene.quote(await scene.ask())
        first, second = await scene.maker.next_push(), await scene.maker.next_push()
        fields = first.get("result") or first["params"]
        assert (second.get("result") or second["params"]) == fields
        assert list((await scene.maker.positions()).values()) == [E18]

    play(scenario, behaviour=quick(confirmation_duplicate=1.0))


def test_both_live_quotes_of_one_rfq_are_executed():
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask()
        await scene.quote(rfq, "100", nonce=1)
        await scene.quote(rfq, "110", nonce=2)
        await scene.quote(rfq, "111", nonce=3, validity_s=1)
        await scene.wait(5.0)
        assert [(trade.quote_nonce, trade.outcome) for trade in scene.twin.trades] == [
            ("2", "settled"),
            ("1", "settled"),
        ]
        truth = await rysk_truth(scene.network, WS, scene.signer.address)
        assert list(truth["positions"].values()) == [2 * E18]
        assert truth["balances"][scene.settings.stable] == 10**12 - 210 * 10**6

    play(scenario, behaviour=quick(execute_all=1.0))


def test_second_live_quote_fails_when_the_deposit_is_used_up():
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask()
        await scene.quote(rfq, "100")
        await scene.quote(rfq, "110")
        await scene.wait(5.0)
        assert sorted(trade.outcome for trade in scene.twin.trades) == ["failed", "settled"]
        balances = await scene.maker.balances()
        assert balances[scene.settings.stable] in (40 * 10**6, 50 * 10**6)
        errors = [push["error"] for push in scene.maker.pushed if "error" in push]
        assert "insufficient deposited balance" in errors[0]["message"]

    play(scenario, behaviour=quick(execute_all=1.0), deposit_usd=Decimal(150))


def test_quote_is_executed_in_its_last_second():
    async def scenario(scene: Scene) -> None:
        await scene.quote(await scene.ask(), validity_s=30)
        await scene.wait(29.0)
        assert scene.twin.trades == []
        await scene.wait(2.0)
        trade = scene.twin.trades[0]
        assert trade.outcome == "settled"
        assert 0 < scene.clock.start_ns + 30 * 10**9 - trade.accepted_ns <= 10**9

    play(scenario, behaviour=quick(last_second=1.0))


def test_failed_transaction_moves_nothing_and_says_so():
    async def scenario(scene: Scene) -> None:
        await scene.quote(await scene.ask(), nonce=9)
        push = await scene.maker.next_push()
        assert push["error"]["code"] == -32000
        assert push["error"]["message"] == "transaction failed"
        assert push["error"]["data"]["quoteNonce"] == "9"
        truth = await rysk_truth(scene.network, WS, scene.signer.address)
        assert truth["positions"] == {}
        assert truth["balances"][scene.settings.stable] == 10**12

    play(scenario, behaviour=quick(transaction_failed=1.0))


def test_other_makers_confirmation_reaches_everybody_when_switched_on():
    async def scenario(scene: Scene) -> None:
        await scene.ask(rivals=True)
        push = await scene.maker.next_push()
        fields = push.get("result") or push["params"]
        assert fields["maker"] != scene.signer.address
        assert await scene.maker.positions() == {}

    behaviour = Behaviour(
        acceptance="always", rival_answers=1.0, faults=Faults(confirmation_foreign=1.0), decision_delay_s=0.1
    )
    play(scenario, behaviour=behaviour)


def test_confirmation_nobody_listens_to_is_not_replayed():
    async def scenario(scene: Scene) -> None:
        await scene.quote(await scene.ask())
        await scene.maker.close()
        await scene.wait(10.0)
        assert scene.twin.trades[0].confirmation == "unheard"
        truth = await rysk_truth(scene.network, WS, scene.signer.address)
        assert list(truth["positions"].values()) == [E18]

    play(scenario, behaviour=quick())


def test_deposit_and_withdrawal_are_transfers_not_profit():
    async def scenario(scene: Scene) -> None:
        stable, maker = scene.settings.stable, scene.maker
        assert await maker.send(scene.signer.transfer(stable, 5_000_000, 1, is_deposit=True)) == "OK"
        assert await maker.send(scene.signer.transfer(stable, 2_000_000, 2, is_deposit=False)) == "OK"
        assert (await maker.balances())[stable] == 10**12 + 3_000_000
        equity = await rysk_equity(scene.network, HTTP)
        assert equity["start"] == "1000000.000000"
        assert equity["equity"] == "1000003.000000"
        assert equity["transfers"] == "3.000000"
        assert (equity["venue"], equity["currency"]) == ("rysk", "USD")

    play(scenario)


def test_transfer_is_verified():
    async def scenario(scene: Scene) -> None:
        signer, stable = scene.signer, scene.settings.stable
        frame = signer.transfer(stable, 5_000_000, 1, is_deposit=True)
        await scene.maker.send(frame)
        with pytest.raises(JudgeError, match="nonce already used"):
            await scene.maker.send(frame)
        forged = signer.transfer(stable, 5, 2, is_deposit=True)
        forged["params"]["amount"] = "6"
        with pytest.raises(JudgeError, match="invalid signature"):
            await scene.maker.send(forged)
        turned = signer.transfer(stable, 5, 3, is_deposit=True) | {"method": "withdraw"}
        with pytest.raises(JudgeError, match="isDeposit contradicts"):
            await scene.maker.send(turned)
        with pytest.raises(JudgeError, match="insufficient balance"):
            await scene.maker.send(signer.transfer(stable, 2 * 10**12, 4, is_deposit=True))
        with pytest.raises(JudgeError, match="cannot be deposited here"):
            await scene.maker.send(signer.transfer(signer.address, 5, 5, is_deposit=True))
        with pytest.raises(JudgeError, match="more than zero"):
            await scene.maker.send(signer.transfer(stable, 0, 6, is_deposit=True))

    play(scenario)


def test_equity_marks_options_at_the_generators_fair_value():
    async def scenario(scene: Scene) -> None:
        strike, expiry_s = scene.option()
        await scene.quote(await scene.ask(quantity=Decimal(2)), "100")
        await scene.maker.next_push()
        state = scene.market.state(scene.clock.now_ns())
        option = next(
            one
            for one in scene.market.options
            if one.strike == float(strike) and one.expiry_ns == expiry_s * 10**9 and one.is_call
        )
        expected = 1_000_000 - 200 + 2 * state.fair_usd(option)
        assert float(scene.twin.equity()["equity"]) == pytest.approx(expected, abs=2e-6)
        assert scene.twin.equity()["index"] == state.index

    play(scenario, behaviour=quick())
