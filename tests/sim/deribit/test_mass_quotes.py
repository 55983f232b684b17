"""Mass quotes on the simulated venue, rule by rule, over real JSON-RPC."""

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


def states(answer: dict[str, Any]) -> list[tuple[str, str, float, float]]:
    return [(o["direction"], o["order_state"], o["price"], o["amount"]) for o in answer["orders"]]


def test_both_sides_rest_and_carry_their_names() -> None:
    async def scenario(world: World) -> None:
        client, name = await quoter(world), option(world)
        bid, ask, step = await inside(client, name)
        answer = await quote(client, entry(name, (bid - step, 5), (ask + step, 6), "wings"))
        assert answer["errors"] == answer["trades"] == answer["pending_requests"] == []
        assert states(answer) == [
            ("buy", "open", round(bid - step, 4), 5.0),
            ("sell", "open", round(ask + step, 4), 6.0),
        ]
        for order in await quotes_of(client):
            named = {key: order[key] for key in ("quote", "quote_id", "quote_set_id", "mmp_group", "mmp")}
            assert named == {
                "quote": True, "quote_id": "1", "quote_set_id": "wings", "mmp_group": GROUP, "mmp": True
            }  # fmt: skip
            assert (order["time_in_force"], order["label"]) == ("good_til_cancelled", "")
        short = await quote(client, entry(name, (bid - step, 4)), detailed=False)
        assert short == {"errors_count": 0, "pending_requests_count": 0}

    run(scenario, PORTFOLIO)


def test_one_quote_per_side_instrument_and_group_and_partial_sides_amend() -> None:
    async def scenario(world: World) -> None:
        client, name = await quoter(world), option(world)
        bid, ask, step = await inside(client, name)
        first = await quote(client, entry(name, (bid - step, 5), (ask + step, 5)))
        await quote(client, entry(name, (bid - 2 * step, None)))
        await quote(client, entry(name, None, (None, 3)))
        buy, sell = await quotes_of(client)
        assert (buy["price"], buy["amount"]) == (pytest.approx(bid - 2 * step), 5.0)
        assert (sell["price"], sell["amount"]) == (round(ask + step, 4), 3.0)
        assert {buy["order_id"], sell["order_id"]} == {one["order_id"] for one in first["orders"]}
        gone = await quote(client, entry(name, (None, 0)))
        assert states(gone)[0][:2] == ("buy", "cancelled")
        nothing = await quote(client, entry(name, (None, 3)))
        assert [(one["side"], one["error"]["code"]) for one in nothing["errors"]] == [("bid", 10004)]
        await client.call(
            "private/set_mmp_config", index_name=INDEX, mmp_group="two", interval=60, frozen_time=5,
            quantity_limit=20, max_quote_quantity=20,
        )  # fmt: skip
        await quote(client, entry(name, None, (ask + step, 2)), group="two")
        assert [one["mmp_group"] for one in await quotes_of(client)] == [GROUP, "two"]

    run(scenario, PORTFOLIO)


def queue(world: World, name: str, side: int) -> list[int]:
    return [number for number, _, _ in world.twin.exchange.books[name].matching.queue(side)]


def test_less_size_or_another_set_keeps_the_place_the_same_again_loses_it() -> None:
    async def scenario(world: World) -> None:
        one, two, name = await quoter(world, 1), await quoter(world, 2), option(world)
        bid, ask, step = await inside(one, name)
        price = round(bid + step if bid + step < ask else bid, 4)
        await quote(one, entry(name, (price, 5)))
        await quote(two, entry(name, (price, 5)))
        first = int((await quotes_of(one))[0]["order_id"].removeprefix("ETH-"))
        second = int((await quotes_of(two))[0]["order_id"].removeprefix("ETH-"))

        def mine_first() -> bool:
            numbers = queue(world, name, 1)
            return numbers.index(first) < numbers.index(second)

        await quote(one, entry(name, (price, 4)))
        assert mine_first()
        await quote(one, entry(name, (price, 4), None, "other"))
        assert mine_first()
        await quote(one, entry(name, (price, 4), None, "other"))
        assert not mine_first()
        await quote(two, entry(name, (price, 6)))
        assert mine_first()

    run(scenario, PORTFOLIO)


def test_sides_move_in_the_order_that_avoids_a_cross() -> None:
    async def scenario(world: World) -> None:
        client, name = await quoter(world), option(world)
        bid, ask, step = await inside(client, name)

        async def moved(steps: int) -> list[str]:
            shift = steps * step
            sides = entry(name, (bid - 4 * step + shift, 5), (ask + 2 * step + shift, 5))
            answer = await quote(client, sides)
            assert answer["errors"] == []
            return [order["direction"] for order in answer["orders"]]

        assert await moved(0) == ["buy", "sell"]
        assert await moved(1) == ["sell", "buy"]
        assert await moved(-1) == ["buy", "sell"]
        crossed = await quote(client, entry(name, (ask, 1), (ask, 1)))
        assert {one["side"] for one in crossed["errors"]} == {"bid", "ask"}
        assert len(await quotes_of(client)) == 2

    run(scenario, PORTFOLIO)


def test_requests_refused_as_a_whole() -> None:
    async def scenario(world: World) -> None:
        name = option(world)
        bare = await world.connect(1)
        params = {"quote_id": "1", "mmp_group": GROUP, "quotes": [entry(name, (0.01, 1))]}
        assert (await refused(bare, "private/mass_quote", **params)).code == 13042
        assert (await refused(bare, "private/cancel_quotes", cancel_type="all")).code == 13042
        await bare.call("private/enable_cancel_on_disconnect")
        assert (await refused(bare, "private/mass_quote", **params)).code == 13040
        client = await quoter(world)
        many = [entry(one.name, (0.01, 1)) for one in world.market.options] + [entry(PERP, (100.0, 1))] * 11
        assert (await refused(client, "private/mass_quote", **{**params, "quotes": many})).code == -32602
        twice = [entry(name, (0.01, 1)), entry(name, None, (0.5, 1))]
        assert (await refused(client, "private/mass_quote", **{**params, "quotes": twice})).code == -32602
        late = world.clock.now_ns() // 1_000_000 - 1
        assert (await refused(client, "private/mass_quote", **params, valid_until=late)).code == 13888
        empty = {**params, "quotes": [entry(name)]}
        assert (await refused(client, "private/mass_quote", **empty)).code == -32602
        unknown = {**params, "quotes": [entry("ETH-1JAN20-1-C", (0.01, 1))]}
        assert (await refused(client, "private/mass_quote", **unknown)).code == 10020
        assert await quotes_of(client) == []

    run(scenario, PORTFOLIO)


def test_options_need_portfolio_margin_perpetuals_do_not() -> None:
    async def scenario(world: World) -> None:
        client, name = await quoter(world, quantity_limit=20), option(world)
        params = {"quote_id": "1", "mmp_group": GROUP, "quotes": [entry(name, (0.01, 1))]}
        assert (await refused(client, "private/mass_quote", **params)).code == 13021
        price = on_grid(await world.fair() - 100)
        answer = await quote(client, entry(PERP, (price, 4000)))
        assert states(answer) == [("buy", "open", price, 4000.0)]

    run(scenario)


def test_a_quote_is_not_edited_as_an_order_and_stays() -> None:
    async def scenario(world: World) -> None:
        client, name = await quoter(world), option(world)
        bid, _, step = await inside(client, name)
        (order,) = (await quote(client, entry(name, (bid - step, 5))))["orders"]
        error = await refused(client, "private/edit", order_id=order["order_id"], amount=4)
        assert error.code == 10004
        assert (await quotes_of(client))[0]["amount"] == 5.0

    run(scenario, PORTFOLIO)


@pytest.mark.parametrize(
    ("reading", "bid_left", "ask_moved"),
    [
        ("stays_together", True, False),
        ("stays_alone", True, True),
        ("goes_together", False, False),
        ("goes_alone", False, True),
    ],
)
def test_readings_of_a_refused_side(reading: str, bid_left: bool, ask_moved: bool) -> None:
    async def scenario(world: World) -> None:
        client, name = await quoter(world), option(world)
        bid, ask, step = await inside(client, name)
        await quote(client, entry(name, (bid - step, 5), (ask + step, 5)))
        off_grid = entry(name, (bid - step + 0.0001, 5), (ask + 2 * step, 5))
        answer = await quote(client, off_grid)
        assert answer["errors"][0]["error"]["code"] == 10043
        expected = {"bid", "ask"} if reading.endswith("together") else {"bid"}
        assert {one["side"] for one in answer["errors"]} == expected
        left = {one["direction"]: one["price"] for one in await quotes_of(client)}
        assert ("buy" in left) is bid_left
        if reading == "goes_together":
            assert left == {}
        else:
            assert left["sell"] == pytest.approx(ask + (2 if ask_moved else 1) * step)

    run(scenario, replace(PORTFOLIO, quote_errors=reading))


def test_post_only_quote_that_would_take_is_refused_before_it_touches_anything() -> None:
    async def scenario(world: World) -> None:
        client, name = await quoter(world), option(world)
        bid, ask, step = await inside(client, name)
        await quote(client, entry(name, (bid - step, 5)))
        taking = {"price": ask, "amount": 5, "post_only": True, "reject_post_only": True}
        answer = await quote(client, entry(name, taking))
        assert [one["error"]["code"] for one in answer["errors"]] == [11054]
        assert [one["price"] for one in await quotes_of(client)] == [round(bid - step, 4)]
        moved = await quote(client, entry(name, {**taking, "reject_post_only": False}))
        assert moved["errors"] == []
        assert moved["orders"][0]["price"] < ask

    run(scenario, PORTFOLIO)


def test_not_waiting_leaves_the_quotes_pending_in_the_reply() -> None:
    async def scenario(world: World) -> None:
        client, name = await quoter(world), option(world)
        bid, ask, step = await inside(client, name)
        await client.call("private/subscribe", channels=["user.orders.any.any.raw"])
        sides = entry(name, (bid - step, 5), (ask + step, 5))
        answer = await quote(client, sides, wait_for_response=False)
        assert [one["side"] for one in answer["pending_requests"]] == ["bid", "ask"]
        assert answer["orders"] == []
        count = await quote(client, sides, wait_for_response=False, detailed=False)
        assert count == {"errors_count": 0, "pending_requests_count": 2}
        await asyncio.sleep(0.1)
        assert len(await quotes_of(client)) == 2
        assert {one["direction"] for one in client.pushed["user.orders.any.any.raw"]} == {"buy", "sell"}

    run(scenario, PORTFOLIO)


def test_cancels_by_every_type_and_the_freeze_after_them() -> None:
    async def scenario(world: World) -> None:
        client = await quoter(world)
        near, far = option(world, 4000.0), option(world, 4800.0)
        price = on_grid(await world.fair() - 100)

        async def fill() -> None:
            answer = await quote(
                client,
                entry(near, (0.001, 1), None, "a"),
                entry(far, (0.0005, 1), None, "b"),
                entry(PERP, (price, 4000), None, "c"),
            )
            assert answer["errors"] == []

        async def gone(**params: Any) -> int:
            await fill()
            count: int = await client.call("private/cancel_quotes", **params)
            return count

        plain = await client.order_("buy", 10, price, label="plain")
        assert await gone(cancel_type="quote_set_id", quote_set_id="a") == 1
        assert await gone(cancel_type="instrument", instrument_name=far) == 1
        assert await gone(cancel_type="instrument_kind", kind="option") == 2
        assert await gone(cancel_type="instrument_kind", kind="future") == 1
        assert await gone(cancel_type="currency", currency="ETH") == 3
        assert await gone(cancel_type="currency_pair", currency_pair=INDEX) == 3
        assert await gone(cancel_type="delta", min_delta=0.3, max_delta=0.7) == 1
        assert (await refused(client, "private/cancel_quotes", cancel_type="some")).code == -32602
        await fill()
        books = await client.call(
            "private/cancel_quotes", cancel_type="all", detailed=True, freeze_quotes=True
        )
        assert {book["instrument_name"] for book in books} == {near, far, PERP}
        assert {order["order_state"] for book in books for order in book["result"]} == {"cancelled"}
        params = {"quote_id": "1", "mmp_group": GROUP, "quotes": [entry(near, (0.001, 1))]}
        assert (await refused(client, "private/mass_quote", **params)).code == 13043
        await asyncio.sleep(1.01)
        await fill()
        assert (await client.call("private/get_order_state", order_id=plain["order"]["order_id"]))[
            "order_state"
        ] == "open"

    run(scenario, replace(PORTFOLIO, limits=False))


def test_quotes_end_with_their_socket_and_plain_orders_of_another_do_not() -> None:
    async def scenario(world: World) -> None:
        client, other = await quoter(world), await world.connect(1)
        await quote(client, entry(option(world), (0.001, 1)))
        await other.order_("buy", 10, on_grid(await world.fair() - 100))
        assert client.connection is not None
        client.connection.abort()
        await asyncio.sleep(0.5)
        (left,) = await other.call("private/get_open_orders")
        assert "quote" not in left

    run(scenario, PORTFOLIO)


def test_fills_of_quotes_carry_their_names() -> None:
    async def scenario(world: World) -> None:
        maker, taker, name = await quoter(world), await world.connect(2), option(world)
        bid, ask, step = await inside(maker, name)
        price = round(bid + step if bid + step < ask else bid, 4)
        await quote(maker, entry(name, (price, 5), None, "wing"), quote_id="q7")
        await taker.call(
            "private/sell", instrument_name=name, amount=300, price=price, time_in_force="immediate_or_cancel"
        )
        (trade,) = (await maker.call("private/get_user_trades_by_currency", currency="ETH"))["trades"]
        assert (trade["quote_id"], trade["quote_set_id"], trade["mmp"]) == ("q7", "wing", True)
        assert trade["liquidity"] == "M"

    run(scenario, PORTFOLIO)


def test_mass_quotes_have_limits_of_their_own() -> None:
    async def scenario(world: World) -> None:
        client, name = await quoter(world), option(world)
        for _ in range(10):
            await quote(client, entry(name, (0.001, 1)))
        params = {"quote_id": "1", "mmp_group": GROUP, "quotes": [entry(name, (0.001, 1))]}
        assert (await refused(client, "private/mass_quote", **params)).code == 10028

    run(scenario, PORTFOLIO)
