"""An option from its trade through fixing, dispute and delivery: balances, positions, equity all the way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from atomizer.sim.rysk.behaviour import Behaviour, Faults
from atomizer.sim.rysk.delivery import DeliveryStage
from tests.independent.rysk_client import rysk_equity
from tests.independent.wire import JudgeError, fetch
from tests.sim.rysk.harness import E18, HTTP, QUIET, Scene, play

MINUTE, HOUR = 60.0, 3600.0
USD, COIN = 10**6, 10**18


async def traded(scene: Scene, **changes: Any) -> int:
    """Trade one option that expires in ten minutes; its expiry second."""
    expiry_s = scene.now_s() + 600
    fields = {"expiry_s": expiry_s, "acceptance": "always", "quantity": Decimal(2), **changes}
    rfq = await scene.ask(**fields)
    await scene.quote(rfq, "100")
    await scene.wait(5.0)
    assert scene.twin.trades[-1].outcome == "settled"
    return expiry_s


def held(scene: Scene) -> tuple[Decimal, Decimal, int]:
    """(stable, coins, positions) of the maker inside the contract."""
    account = scene.twin.accounting.account(scene.settings.maker.address)
    stable = Decimal(account.deposits[scene.settings.stable]) / USD
    return stable, Decimal(account.deposits[scene.settings.asset.address]) / COIN, len(account.positions)


async def equity(scene: Scene) -> float:
    return float((await rysk_equity(scene.network, HTTP))["equity"])


@pytest.mark.parametrize(
    ("strike", "is_put", "is_taker_buy", "stable", "coins"),
    [
        (Decimal(3000), False, False, -6000, 2),  # a call bought: strike cash against coins
        (Decimal(5000), True, False, 10_000, -2),  # a put bought: coins against strike cash
        (Decimal(3000), False, True, 6000, -2),  # a call written gives up its collateral
        (Decimal(5000), True, True, -10_000, 2),  # a put written pays with its collateral
    ],
)
def test_in_the_money_coins_change_hands_against_strike_cash(
    strike: Decimal, is_put: bool, is_taker_buy: bool, stable: int, coins: int
) -> None:
    async def scenario(scene: Scene) -> None:
        expiry_s = await traded(scene, strike=strike, is_put=is_put, is_taker_buy=is_taker_buy)
        before = held(scene)
        assert before[2] == 1
        await scene.wait(expiry_s - scene.now_s() - 1.0)
        just_before = await equity(scene)
        await scene.wait(2.0)
        assert await equity(scene) == pytest.approx(just_before, rel=2e-4)  # fixed: the claim counts
        await scene.wait(4.0 * MINUTE)
        assert scene.twin.deliveries[0].stage == DeliveryStage.DISPUTABLE
        assert held(scene) == before
        await scene.wait(2.0 * MINUTE)
        assert scene.twin.deliveries[0].stage == DeliveryStage.WAITING
        while scene.twin.deliveries[0].stage == DeliveryStage.WAITING:
            still = await equity(scene)
            await scene.wait(30.0)
        assert await equity(scene) == pytest.approx(still, rel=1e-3)
        assert expiry_s + 5 * MINUTE < scene.now_s() < expiry_s + 2 * HOUR
        assert held(scene) == (before[0] + stable, before[1] + coins, 0)
        assert await scene.maker.positions() == {}

    play(scenario, deposit_coins=Decimal(10), behaviour=QUIET)


@pytest.mark.parametrize(("strike", "is_put"), [(Decimal(5000), False), (Decimal(3000), True)])
def test_out_of_the_money_the_token_is_worthless_and_gone_after_the_dispute(
    strike: Decimal, is_put: bool
) -> None:
    async def scenario(scene: Scene) -> None:
        expiry_s = await traded(scene, strike=strike, is_put=is_put)
        before = held(scene)
        await scene.wait(expiry_s - scene.now_s() + 4.0 * MINUTE)
        assert held(scene) == before
        await scene.wait(2.0 * MINUTE)
        assert held(scene) == (before[0], before[1], 0)
        assert scene.twin.deliveries[0].stage == DeliveryStage.WORTHLESS

    play(scenario)


def test_collateral_behind_a_worthless_option_is_free_again() -> None:
    async def scenario(scene: Scene) -> None:
        maker, coin = scene.settings.maker.address, scene.settings.asset.address
        expiry_s = await traded(scene, strike=Decimal(5000), is_taker_buy=True)
        assert scene.twin.accounting.locked(maker, coin) == 2 * COIN
        await scene.wait(expiry_s - scene.now_s() + 6.0 * MINUTE)
        assert scene.twin.accounting.locked(maker, coin) == 0
        assert scene.twin.accounting.available(maker, coin) == 10 * COIN

    play(scenario, deposit_coins=Decimal(10))


def test_a_shortfall_moves_nothing_until_the_coins_are_there() -> None:
    async def scenario(scene: Scene) -> None:
        maker, coin = scene.settings.maker.address, scene.settings.asset.address
        await traded(scene, strike=Decimal(5000), is_put=True)
        before = held(scene)
        await scene.wait(4.0 * HOUR)
        delivery = scene.twin.deliveries[0]
        assert delivery.attempts > 5
        assert "insufficient" in delivery.reason
        assert held(scene) == before
        scene.twin.accounting.deposit(maker, coin, 2 * COIN)
        await scene.wait(11.0 * MINUTE)
        assert delivery.stage == DeliveryStage.DELIVERED
        assert held(scene) == (before[0] + 10_000, 0, 0)

    play(scenario)


def test_a_failed_transaction_moves_nothing_and_is_tried_again() -> None:
    async def scenario(scene: Scene) -> None:
        await traded(scene, strike=Decimal(3000))
        before = held(scene)
        await scene.wait(3.0 * HOUR)
        assert held(scene) == before
        assert scene.twin.deliveries[0].reason == "transaction failed"
        scene.twin.configure({"faults": {"delivery_failed": 0.0}})
        await scene.wait(11.0 * MINUTE)
        assert scene.twin.deliveries[0].stage == DeliveryStage.DELIVERED

    play(scenario, behaviour=Behaviour(faults=Faults(delivery_failed=1.0), settlement_delay_s=0.2))


def test_a_delayed_delivery_takes_hours() -> None:
    async def scenario(scene: Scene) -> None:
        expiry_s = await traded(scene, strike=Decimal(3000))
        await scene.wait(expiry_s - scene.now_s() + 3.0 * HOUR)
        assert scene.twin.deliveries[0].stage == DeliveryStage.WAITING
        await scene.wait(2.0 * HOUR)
        assert scene.twin.deliveries[0].stage == DeliveryStage.DELIVERED

    play(scenario, behaviour=Behaviour(faults=Faults(delivery_delayed=1.0), settlement_delay_s=0.2))


def test_the_fixing_is_one_print_and_final_after_the_dispute() -> None:
    async def scenario(scene: Scene) -> None:
        expiry_s = await traded(scene, strike=Decimal(3000))
        asset = scene.settings.asset.address
        page = f"/api/expiry-prices/{asset}/{expiry_s}"
        with pytest.raises(JudgeError, match="404"):
            await fetch(scene.network, HTTP, page)
        await scene.wait(expiry_s - scene.now_s() + 1.0)
        told = await fetch(scene.network, HTTP, page)
        assert told["final"] is False
        index = scene.market.state(expiry_s * 10**9).index
        assert told["price"] == str(round(index * 10**8))
        await scene.wait(5.0 * MINUTE)
        assert (await fetch(scene.network, HTTP, page))["final"] is True

    play(scenario)


def test_a_trade_that_settles_after_the_expiry_fails() -> None:
    async def scenario(scene: Scene) -> None:
        rfq = await scene.ask(expiry_s=scene.now_s() + 4, acceptance="always")
        await scene.quote(rfq, "100")
        await scene.wait(20.0)
        assert scene.twin.trades[0].reason == "transaction failed: the option has expired"
        assert held(scene)[2] == 0

    play(scenario, behaviour=Behaviour(decision_delay_s=0.1, settlement_delay_s=8.0))


def test_staked_tokens_are_delivered_as_tokens() -> None:
    """1.2 coins a token: in the money at a strike above the coin's price."""

    async def scenario(scene: Scene) -> None:
        staked = scene.settings.assets[1]
        wire = await scene.listen(staked.address)
        expiry_s = scene.now_s() + 600
        order = scene.order(
            asset=staked.address,
            strike=Decimal(4500),
            expiry_s=expiry_s,
            quantity=Decimal(2),
            acceptance="always",
        )
        scene.twin.submit_rfq(order)
        rfq = scene.decoded(await wire.receive())
        assert rfq["result"]["collateralAsset"] == staked.address
        assert rfq["result"]["assetName"] == "WSTETH"
        await scene.quote(rfq, "350")
        await scene.wait(expiry_s - scene.now_s() + 2.5 * HOUR)
        account = scene.twin.accounting.account(scene.settings.maker.address)
        assert account.deposits[staked.address] == 2 * E18
        spent = 10**12 - account.deposits[scene.settings.stable]
        assert spent == (2 * 350 + 2 * 4500) * USD

    play(scenario, staked=True)
