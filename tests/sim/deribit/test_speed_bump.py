"""The speed bump of the simulated venue: who waits, for how long, and who wins meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from atomizer.sim.deribit.speedbump import exempt
from tests.sim.deribit.client import PERP, RawClient, RefusedError, World, on_grid, run
from tests.sim.deribit.quoter import PORTFOLIO, entry, inside, option, quote, quoter

BUMP = replace(PORTFOLIO, speed_bump_ms=10)


async def posted(world: World, maker: RawClient, name: str, amount: float = 5) -> tuple[float, str]:
    """A bid of the maker that is the best: (price, order id)."""
    bid, ask, step = await inside(maker, name)
    price = round(bid + step if bid + step < ask else bid, 4)
    order = await maker.call("private/buy", instrument_name=name, amount=amount, price=price)
    return price, order["order"]["order_id"]


def take(client: RawClient, name: str, price: float, amount: float = 5, **more: Any) -> asyncio.Task[Any]:
    params = {"instrument_name": name, "amount": amount, "price": price, **more}
    return asyncio.create_task(client.call("private/sell", **params))


def since(world: World, start_ns: int) -> float:
    return (world.clock.now_ns() - start_ns) * 1e-6


def test_the_large_perpetuals_are_exempt() -> None:
    assert [exempt(name) for name in (PERP, "BTC-PERPETUAL", "SOL_USDC-PERPETUAL")] == [True] * 3
    others = ("ETH-30MAY25", "ETH-30MAY25-3000-C", "DOGE_USDC-PERPETUAL", "ETH_USDC")
    assert [exempt(name) for name in others] == [False] * 4


def test_a_crossing_order_waits_the_full_time_and_answers_then() -> None:
    async def scenario(world: World) -> None:
        maker, taker, name = await world.connect(1), await world.connect(2), option(world)
        price, _ = await posted(world, maker, name)
        await taker.call("private/subscribe", channels=["user.changes.any.any.raw"])
        start = world.clock.now_ns()
        waiting = take(taker, name, price)
        await asyncio.sleep(0.005)
        assert not waiting.done()
        (pending,) = await taker.call("private/get_open_orders")
        assert pending["order_state"] == "speed_bumped"
        assert taker.pushed.get("user.changes.any.any.raw") is None
        result = await waiting
        assert 10 <= since(world, start) < 12
        assert result["order"]["order_state"] == "filled"
        assert [trade["amount"] for trade in result["trades"]] == [5.0]

    run(scenario, BUMP)


def test_resting_orders_and_the_perpetual_do_not_wait() -> None:
    async def scenario(world: World) -> None:
        client, name = await world.connect(1), option(world)
        bid, ask, _step = await inside(client, name)
        start = world.clock.now_ns()
        await client.call("private/buy", instrument_name=name, amount=1, price=bid)
        posting = {"instrument_name": name, "amount": 1, "price": ask, "post_only": True}
        await client.call("private/buy", **posting, reject_post_only=False)
        await client.order_("buy", 100, on_grid(await world.fair() + 5))
        assert since(world, start) < 9

    run(scenario, BUMP)


def test_a_makers_cancel_wins_and_the_taker_gets_less_or_nothing() -> None:
    async def scenario(world: World) -> None:
        maker, taker, name = await world.connect(1), await world.connect(2), option(world)
        price, order_id = await posted(world, maker, name)
        waiting = take(taker, name, price, time_in_force="immediate_or_cancel")
        await asyncio.sleep(0.003)
        gone = await maker.call("private/cancel", order_id=order_id)
        assert gone["order_state"] == "cancelled"
        result = await waiting
        assert (result["order"]["order_state"], result["trades"]) == ("cancelled", [])

    run(scenario, BUMP)


def test_first_come_first_out() -> None:
    async def scenario(world: World) -> None:
        maker, taker, name = await world.connect(1), await world.connect(2), option(world)
        price, _ = await posted(world, maker, name, 6)
        tasks = [take(taker, name, price, 2, label=f"n{number}") for number in range(4)]
        results = [await task for task in tasks]
        filled = [result["order"]["order_state"] for result in results]
        assert filled == ["filled", "filled", "filled", "open"]

    run(scenario, BUMP)


def test_cancelling_in_the_bump_leaves_what_may_still_trade() -> None:
    async def scenario(world: World) -> None:
        maker, taker, name = await world.connect(1), await world.connect(2), option(world)
        price, _ = await posted(world, maker, name, 3)
        waiting = take(taker, name, price, 5, label="x")
        await asyncio.sleep(0.002)
        (pending,) = await taker.call("private/get_open_orders")
        with pytest.raises(RefusedError) as caught:
            await taker.call("private/cancel", order_id=pending["order_id"])
        assert caught.value.code == 11044
        with pytest.raises(RefusedError) as caught:
            await taker.call("private/edit", order_id=pending["order_id"], amount=4, price=price)
        assert caught.value.code == 11030
        result = await waiting
        assert result["order"]["order_state"] == "cancelled"
        assert result["order"]["cancel_reason"] == "user_request"
        assert result["order"]["filled_amount"] == 3.0
        assert await taker.call("private/get_open_orders") == []

    run(scenario, BUMP)


def test_the_older_page_lets_a_cancel_take_the_order_out_at_once() -> None:
    async def scenario(world: World) -> None:
        maker, taker, name = await world.connect(1), await world.connect(2), option(world)
        price, _ = await posted(world, maker, name)
        waiting = take(taker, name, price, label="x")
        await asyncio.sleep(0.002)
        assert await taker.call("private/cancel_by_label", label="x") == 1
        result = await waiting
        assert (result["order"]["order_state"], result["trades"]) == ("cancelled", [])
        await asyncio.sleep(0.05)
        assert len(await maker.call("private/get_open_orders")) == 1

    run(scenario, replace(BUMP, bumped_cancel="gone"))


def test_an_edit_that_would_cross_leaves_the_book_and_waits() -> None:
    async def scenario(world: World) -> None:
        maker, taker, name = await world.connect(1), await world.connect(2), option(world)
        price, _ = await posted(world, maker, name)
        _, ask, step = await inside(taker, name)
        high = round(ask + 2 * step, 4)
        resting = await taker.call("private/sell", instrument_name=name, amount=5, price=high)
        order_id = resting["order"]["order_id"]
        start = world.clock.now_ns()
        result = await taker.call("private/edit", order_id=order_id, amount=5, price=price)
        assert 10 <= since(world, start) < 12
        assert (result["order"]["order_state"], result["order"]["replaced"]) == ("filled", True)
        assert [trade["amount"] for trade in result["trades"]] == [5.0]

    run(scenario, BUMP)


def test_one_side_of_a_quote_waits_and_the_other_rests_at_once() -> None:
    async def scenario(world: World) -> None:
        maker, two, name = await world.connect(2), await quoter(world), option(world)
        price, _ = await posted(world, maker, name)
        _, _ask, step = await inside(two, name)
        await two.call("private/subscribe", channels=["user.orders.any.any.raw"])
        start = world.clock.now_ns()
        crossing = entry(name, (round(price - 2 * step, 4), 2), (price, 5))
        waiting = asyncio.create_task(quote(two, crossing))
        await asyncio.sleep(0.005)
        assert [one["direction"] for one in two.pushed["user.orders.any.any.raw"]] == ["buy"]
        answer = await waiting
        assert 10 <= since(world, start) < 12
        assert [(one["direction"], one["order_state"]) for one in answer["orders"]] == [
            ("buy", "open"),
            ("sell", "filled"),
        ]
        assert [trade["quote_id"] for trade in answer["trades"]] == ["1"]

    run(scenario, BUMP)


def test_a_freeze_does_not_stop_what_already_waits() -> None:
    async def scenario(world: World) -> None:
        maker, two, name = await world.connect(2), await quoter(world, quantity_limit=6), option(world)
        other = option(world, 4200.0)
        price, _ = await posted(world, maker, name)
        cheap, _ = await posted(world, maker, other)
        await quote(two, entry(other, None, (round(cheap + 0.01, 4), 2)))
        first = asyncio.create_task(quote(two, entry(name, None, (price, 5))))
        await asyncio.sleep(0.002)
        second = asyncio.create_task(quote(two, entry(other, None, (cheap, 5))))
        assert [one["order_state"] for one in (await first)["orders"]] == ["filled"]
        await second
        (status,) = await two.call("private/get_mmp_status")
        trades = (await two.call("private/get_user_trades_by_currency", currency="ETH"))["trades"]
        assert (status["mmp_group"], sum(trade["amount"] for trade in trades)) == ("makers", 10.0)

    run(scenario, BUMP)


def test_meeting_an_own_order_behind_the_bump_is_an_error_then() -> None:
    async def scenario(world: World) -> None:
        client, name = await world.connect(1), option(world)
        price, _ = await posted(world, client, name)
        with pytest.raises(RefusedError) as caught:
            await take(client, name, price)
        assert caught.value.code == 10003
        (left,) = await client.call("private/get_open_orders")
        assert left["direction"] == "buy"

    run(scenario, BUMP)


def test_a_lost_socket_turns_what_waits_into_immediate_orders() -> None:
    async def scenario(world: World) -> None:
        maker, taker, name = await world.connect(1), await world.connect(2), option(world)
        price, _ = await posted(world, maker, name, 3)
        await taker.call("private/enable_cancel_on_disconnect")
        waiting = take(taker, name, price, 5)
        await asyncio.sleep(0.002)
        assert taker.connection is not None
        taker.connection.abort()
        await asyncio.sleep(0.1)
        waiting.cancel()
        again = await world.connect(2)
        assert await again.call("private/get_open_orders") == []
        (position,) = await again.call("private/get_positions", currency="ETH")
        assert position["size"] == -3.0

    run(scenario, BUMP)
