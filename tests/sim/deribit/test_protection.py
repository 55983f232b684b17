"""Market maker protection on the simulated venue: what triggers it, what it stops, how it ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.sim.deribit.client import PERP, RawClient, RefusedError, World, on_grid, run
from tests.sim.deribit.quoter import GROUP, INDEX, PORTFOLIO, entry, inside, option, quote, quoter, quotes_of


async def refused(client: RawClient, method: str, **params: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await client.call(method, **params)
    return caught.value


async def best_bid(world: World, maker: RawClient, name: str) -> float:
    """A price at which a seller meets the maker first."""
    bid, ask, step = await inside(maker, name)
    return round(bid + step if bid + step < ask else bid, 4)


async def sell_into(world: World, taker: RawClient, name: str, price: float, amount: float) -> None:
    await taker.call(
        "private/sell", instrument_name=name, amount=amount, price=price, time_in_force="immediate_or_cancel"
    )


def test_configurations_are_set_read_and_removed() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        given = {"index_name": INDEX, "interval": 60, "frozen_time": 0, "quantity_limit": 0.5,
                 "delta_limit": 0.3, "vega_limit": 0.1, "max_quote_quantity": 0.4}  # fmt: skip
        (made,) = await client.call("private/set_mmp_config", mmp_group="bot", **given)
        assert made == {**given, "mmp_group": "bot"}
        await client.call("private/set_mmp_config", **given)
        assert len(await client.call("private/get_mmp_config", index_name=INDEX)) == 2
        assert await client.call("private/get_mmp_config", index_name=INDEX, mmp_group="bot") == [made]
        gone = await client.call(
            "private/set_mmp_config", index_name=INDEX, mmp_group="bot", interval=0, frozen_time=0
        )
        assert gone == []
        assert len(await client.call("private/get_mmp_config", index_name=INDEX)) == 1
        assert (await refused(client, "private/reset_mmp", index_name=INDEX, mmp_group="bot")).code == 13020

    run(scenario)


def test_contradictory_configurations_are_refused() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        good = {"index_name": INDEX, "mmp_group": "g", "interval": 10, "frozen_time": 1,
                "quantity_limit": 10, "max_quote_quantity": 5}  # fmt: skip
        for wrong, param in (
            ({"delta_limit": 10}, "delta_limit"),
            ({"max_quote_quantity": None}, "max_quote_quantity"),
            ({"quantity_limit": None}, "quantity_limit"),
            ({"quantity_limit": 1.00001}, "quantity_limit"),
            ({"interval": 3601}, "interval"),
            ({"index_name": "doge_usd"}, "index_name"),
            ({"mmp_group": "x" * 65}, "mmp_group"),
            ({"block_rfq": True}, "block_rfq"),
        ):
            error = await refused(client, "private/set_mmp_config", **{**good, **wrong})
            assert (error.code, error.data["param"]) == (-32602, param)
        for number in range(16):
            await client.call("private/set_mmp_config", **{**good, "mmp_group": f"g{number}"})
        assert (await refused(client, "private/set_mmp_config", **good)).code == -32602

    run(scenario)


def test_groups_hold_margin_from_the_moment_they_are_set() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)

        async def margin() -> float:
            summary = await client.call("private/get_account_summary", currency="ETH")
            needed: float = summary["initial_margin"]
            return needed

        async def group(name: str, most: float, interval: int = 10) -> None:
            await client.call(
                "private/set_mmp_config", index_name=INDEX, mmp_group=name, interval=interval,
                frozen_time=1, quantity_limit=10, max_quote_quantity=most,
            )  # fmt: skip

        await group("a", 100)
        assert await margin() == pytest.approx(3.0)
        await group("b", 200)
        assert await margin() == pytest.approx(9.0)
        await group("a", 100, interval=0)
        assert await margin() == pytest.approx(6.0)
        with pytest.raises(RefusedError) as caught:
            await group("c", 20_000)
        assert caught.value.code == 10009
        assert await margin() == pytest.approx(6.0)

    run(scenario)


def test_quantity_counts_both_directions_from_the_first_trade_and_cancels_the_group() -> None:
    async def scenario(world: World) -> None:
        maker = await quoter(world, quantity_limit=10, frozen_time=5)
        taker, name, other = await world.connect(2), option(world), option(world, 4200.0)
        channel = f"user.mmp_trigger.{INDEX}"
        await maker.call("private/subscribe", channels=[channel, "user.orders.any.any.raw"])
        price = await best_bid(world, maker, name)
        await maker.order_("buy", 10, on_grid(await world.fair() - 100), label="plain")
        await quote(maker, entry(name, (price, 6)), entry(other, (0.001, 6)))
        await sell_into(world, taker, name, price, 6)
        assert len(await quotes_of(maker)) == 1
        await quote(maker, entry(name, (price, 6)))
        await sell_into(world, taker, name, price, 4)
        now_ms = world.clock.now_ns() // 1_000_000
        assert await quotes_of(maker) == []
        assert len(await maker.call("private/get_open_orders")) == 1
        (told,) = maker.pushed[channel]
        assert (told["index_name"], told["mmp_group"]) == (INDEX, GROUP)
        assert 0 <= now_ms + 5000 - told["frozen_until"] < 100
        ended = [one for one in maker.pushed["user.orders.any.any.raw"] if one.get("mmp_cancelled")]
        assert {one["cancel_reason"] for one in ended} == {"mmp_trigger"}
        assert len(ended) == 2
        params = {"quote_id": "1", "mmp_group": GROUP, "quotes": [entry(name, (0.001, 1))]}
        assert (await refused(maker, "private/mass_quote", **params)).code == 13030
        (status,) = await maker.call("private/get_mmp_status")
        assert status == told
        await asyncio.sleep(5.1)
        assert await maker.call("private/get_mmp_status") == []
        assert (await quote(maker, entry(name, (0.001, 1))))["errors"] == []

    run(scenario, PORTFOLIO)


def test_a_trade_after_the_interval_starts_a_new_one() -> None:
    async def scenario(world: World) -> None:
        maker = await quoter(world, quantity_limit=10, interval=2)
        taker, name = await world.connect(2), option(world)
        for _ in range(3):
            price = await best_bid(world, maker, name)
            await quote(maker, entry(name, (price, 6)))
            await sell_into(world, taker, name, price, 6)
            await asyncio.sleep(2.1)
        assert await maker.call("private/get_mmp_status") == []
        trades = (await maker.call("private/get_user_trades_by_currency", currency="ETH"))["trades"]
        assert sum(trade["amount"] for trade in trades) == 18.0

    run(scenario, PORTFOLIO)


@pytest.mark.parametrize(
    ("limits", "acts"),
    [
        ({"delta_limit": 1.9}, True),
        ({"delta_limit": 4.5}, False),
        ({"vega_limit": 1.0}, True),
        ({"vega_limit": 500.0}, False),
    ],
)
def test_net_transaction_delta_and_vega_act_as_well(limits: dict[str, float], acts: bool) -> None:
    """Five calls near the money carry a delta of about 2.5 less their price, and some ten USD of vega."""

    async def scenario(world: World) -> None:
        maker = await quoter(world, quantity_limit=50, frozen_time=0, **limits)
        taker, name = await world.connect(2), option(world)
        price = await best_bid(world, maker, name)
        await quote(maker, entry(name, (price, 10)))
        await sell_into(world, taker, name, price, 5)
        status = await maker.call("private/get_mmp_status")
        assert bool(status) is acts
        if acts:
            assert status[0]["frozen_until"] == 0
            await asyncio.sleep(60)
            params = {"quote_id": "1", "mmp_group": GROUP, "quotes": [entry(name, (0.001, 1))]}
            assert (await refused(maker, "private/mass_quote", **params)).code == 13030
            assert await maker.call("private/reset_mmp", index_name=INDEX, mmp_group=GROUP) == "ok"
            assert (await quote(maker, entry(name, (0.001, 1))))["errors"] == []

    run(scenario, PORTFOLIO)


def test_one_sweep_may_take_more_than_the_limit() -> None:
    async def scenario(world: World) -> None:
        maker = await quoter(world, quantity_limit=20, delta_limit=1)
        taker, name = await world.connect(2), option(world)
        price = await best_bid(world, maker, name)
        await quote(maker, entry(name, (price, 15)))
        await sell_into(world, taker, name, price, 15)
        (position,) = await maker.call("private/get_positions", currency="ETH")
        assert (position["size"], position["delta"] > 5) == (15.0, True)
        assert len(await maker.call("private/get_mmp_status")) == 1

    run(scenario, PORTFOLIO)


def test_sizes_beyond_the_group_are_refused_and_a_lower_limit_curtails() -> None:
    async def scenario(world: World) -> None:
        client = await quoter(world, quantity_limit=10, max_quote_quantity=8)
        name = option(world)
        for amount in (10, 9):
            answer = await quote(client, entry(name, (0.001, amount)))
            assert [one["error"]["code"] for one in answer["errors"]] == [10022]
        assert (await quote(client, entry(name, (0.001, 8))))["errors"] == []
        await client.call("private/subscribe", channels=["user.orders.any.any.raw"])
        await client.call(
            "private/set_mmp_config", index_name=INDEX, mmp_group=GROUP, interval=10, frozen_time=1,
            quantity_limit=5, max_quote_quantity=8,
        )  # fmt: skip
        assert await quotes_of(client) == []
        (ended,) = client.pushed["user.orders.any.any.raw"]
        assert ended["cancel_reason"] == "mmp_config_curtailment"

    run(scenario, PORTFOLIO)


def test_plain_protected_orders_have_the_index_guard_and_share_its_largest_size() -> None:
    async def scenario(world: World) -> None:
        maker, taker = await world.connect(1), await world.connect(2)
        await maker.call(
            "private/set_mmp_config", index_name=INDEX, interval=60, frozen_time=3, quantity_limit=1.0,
            max_quote_quantity=3.0,
        )  # fmt: skip
        ticker = await maker.call("public/ticker", instrument_name=PERP)
        price = on_grid((ticker["best_ask_price"] + ticker["best_bid_price"]) / 2)
        coins = 1.2 * price // 1
        await maker.order_("buy", coins, price, mmp=True)
        await maker.order_("buy", coins, price - 50, mmp=True)
        order = {"instrument_name": PERP, "amount": coins, "price": price - 60, "mmp": True}
        assert (await refused(maker, "private/buy", **order)).code == 10022
        await maker.order_("buy", 10, price - 60)
        await taker.order_("sell", coins, price, time_in_force="immediate_or_cancel")
        (left,) = await maker.call("private/get_open_orders")
        assert left["mmp"] is False
        assert (await refused(maker, "private/buy", **order)).code == 13030
        await maker.order_("buy", 10, price - 70)
        await asyncio.sleep(3.1)
        await maker.order_("buy", 10, price - 60, mmp=True)

    run(scenario)


def test_protection_is_per_account() -> None:
    async def scenario(world: World) -> None:
        await quoter(world, 1)
        two = await world.connect(2)
        await two.call("private/enable_cancel_on_disconnect")
        params = {"quote_id": "1", "mmp_group": GROUP, "quotes": [entry(option(world), (0.001, 1))]}
        assert (await refused(two, "private/mass_quote", **params)).code == 13040

    run(scenario, replace(PORTFOLIO, limits=False))
