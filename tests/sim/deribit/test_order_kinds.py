"""Market-limit orders and icebergs on the simulated venue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.deribit.client import PERP, RefusedError, World, on_grid, run


def test_market_limit_takes_the_best_price_and_rests_there() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        book = await client.call("public/get_order_book", instrument_name=PERP, depth=5)
        (price, there), (_, _) = book["asks"][:2]
        result = await client.order_("buy", there + 1000, None, type="market_limit")
        order = result["order"]
        assert (order["order_state"], order["price"], order["filled_amount"]) == ("open", price, there)
        assert (order["order_type"], order["original_order_type"]) == ("limit", "market_limit")
        assert {trade["price"] for trade in result["trades"]} == {price}

    run(scenario)


async def inside(client: Any) -> float:
    ticker = await client.call("public/ticker", instrument_name=PERP)
    return on_grid((ticker["best_ask_price"] + ticker["best_bid_price"]) / 2)


def test_an_iceberg_shows_a_part_and_queues_anew_with_the_next() -> None:
    async def scenario(world: World) -> None:
        maker, other = await world.connect(1), await world.connect(2)
        price = await inside(maker)
        placed = (await maker.order_("sell", 500, price, display_amount=200))["order"]
        assert (placed["amount"], placed["max_show"], placed["display_amount"]) == (500.0, 200.0, 200.0)
        assert placed["refresh_amount"] == 200.0
        await other.order_("sell", 100, price, label="plain")
        book = await other.call("public/get_order_book", instrument_name=PERP, depth=1)
        assert book["asks"] == [[price, 300.0]]
        await other.call("private/cancel_by_label", label="plain")
        await other.order_("buy", 250, price, time_in_force="immediate_or_cancel")
        state = await maker.call("private/get_order_state", order_id=placed["order_id"])
        assert (state["filled_amount"], state["display_amount"]) == (250.0, 150.0)
        book = await other.call("public/get_order_book", instrument_name=PERP, depth=1)
        assert book["asks"] == [[price, 150.0]]
        done = await other.order_("buy", 250, price, time_in_force="fill_or_kill")
        assert done["order"]["order_state"] == "filled"
        assert await maker.call("private/get_open_orders") == []

    run(scenario)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 500, "display_amount": 99},
        {"amount": 100_000, "max_show": 500},
        {"amount": 500, "display_amount": 200, "time_in_force": "immediate_or_cancel"},
    ],
)
def test_parts_too_small_are_refused(wrong: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        with pytest.raises(RefusedError) as caught:
            await client.call(
                "private/buy", instrument_name=PERP, price=on_grid(await world.fair() - 100), **wrong
            )
        assert caught.value.code == 10036

    run(scenario)


def test_showing_all_of_it_is_a_plain_order() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        price = on_grid(await world.fair() - 100)
        order = (await client.order_("buy", 500, price, max_show=500))["order"]
        assert order["max_show"] == 500.0
        assert "display_amount" not in order

    run(scenario)
