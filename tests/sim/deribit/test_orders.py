"""Orders on the simulated venue: what each flag does and what each mistake is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.sim.deribit.client import PERP, RawClient, RefusedError, World, on_grid, run


async def refused(client: RawClient, method: str, **params: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await client.call(method, **params)
    return caught.value


async def far_bid(world: World, away: float = 100.0) -> float:
    return on_grid(await world.fair() - away)


def test_limit_order_rests_is_edited_and_cancelled() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        price = await far_bid(world)
        placed = (await client.order_("buy", 1000, price, label="mm-17"))["order"]
        assert (placed["order_state"], placed["price"], placed["amount"]) == ("open", price, 1000.0)
        assert placed["label"] == "mm-17"
        edited = await client.call("private/edit", order_id=placed["order_id"], amount=700, price=price - 1)
        assert edited["order"]["replaced"] is True
        assert (edited["order"]["amount"], edited["order"]["price"]) == (700.0, price - 1)
        (found,) = await client.call("private/get_open_orders_by_label", currency="ETH", label="mm-17")
        assert found["order_id"] == placed["order_id"]
        cancelled = await client.call("private/cancel", order_id=placed["order_id"])
        assert (cancelled["order_state"], cancelled["cancel_reason"]) == ("cancelled", "user_request")
        assert (await refused(client, "private/cancel", order_id=placed["order_id"])).code == 11044
        assert (await refused(client, "private/edit", order_id=placed["order_id"], amount=5)).code == 11044
        assert (await refused(client, "private/get_order_state", order_id="ETH-1")).code == 10004
        assert await client.call("private/get_open_orders") == []

    run(scenario)


def test_immediate_order_takes_what_is_there_and_never_rests() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        result = await client.order_(
            "buy", 5000, on_grid(await world.fair() + 5), time_in_force="immediate_or_cancel"
        )
        assert result["order"]["order_state"] == "filled"
        assert sum(trade["amount"] for trade in result["trades"]) == 5000.0
        nothing = await client.order_("buy", 5000, await far_bid(world), time_in_force="immediate_or_cancel")
        assert (nothing["order"]["order_state"], nothing["trades"]) == ("cancelled", [])
        (position,) = await client.call("private/get_positions", currency="ETH")
        assert (position["size"], position["direction"]) == (5000.0, "buy")

    run(scenario)


def test_fill_or_kill_takes_all_or_nothing() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        touch = (await client.call("public/ticker", instrument_name=PERP))["best_ask_price"]
        result = await client.order_("buy", 900_000, touch, time_in_force="fill_or_kill")
        assert (result["order"]["order_state"], result["trades"]) == ("cancelled", [])
        result = await client.order_("buy", 1000, touch, time_in_force="fill_or_kill")
        assert result["order"]["order_state"] == "filled"

    run(scenario)


def test_market_order_fills_at_the_book() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        result = await client.order_("sell", 2000, None, type="market")
        assert result["order"]["price"] == "market_price"
        assert result["order"]["order_state"] == "filled"
        assert result["trades"][0]["liquidity"] == "T"

    run(scenario)


def test_post_only_is_moved_inside_or_rejected() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await client.call("public/subscribe", channels=[f"book.{PERP}.100ms"])
        ask = (await client.call("public/ticker", instrument_name=PERP))["best_ask_price"]
        moved = await client.order_("buy", 10, ask + 3, post_only=True, reject_post_only=False)
        assert moved["order"]["price"] == pytest.approx(ask - 0.05)
        error = await refused(
            client,
            "private/buy",
            instrument_name=PERP,
            amount=10,
            price=ask + 3,
            post_only=True,
            reject_post_only=True,
        )
        assert error.code == 11054

    run(scenario)


def test_post_only_edit_that_would_cross_cancels_the_order() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        placed = await client.order_("buy", 10, await far_bid(world), post_only=True, reject_post_only=True)
        order_id = placed["order"]["order_id"]
        crossing = on_grid(await world.fair() + 10)
        error = await refused(client, "private/edit", order_id=order_id, amount=10, price=crossing)
        assert error.code == 11054
        state = await client.call("private/get_order_state", order_id=order_id)
        assert (state["order_state"], state["cancel_reason"]) == ("cancelled", "edit_post_only_reject")

    run(scenario)


def test_reduce_only_shrinks_to_the_position_and_is_refused_without_one() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        params = {"instrument_name": PERP, "amount": 500, "type": "market", "reduce_only": True}
        assert (await refused(client, "private/sell", **params)).code == 11030
        await client.order_("buy", 300, None, type="market")
        assert (await refused(client, "private/buy", **params)).code == 11030
        result = await client.call("private/sell", **params)
        assert result["order"]["filled_amount"] == 300.0
        (flat,) = await client.call("private/get_positions", currency="ETH")
        assert (flat["size"], flat["direction"]) == (0.0, "zero")  # listed until its profit is settled

    run(scenario)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"amount": 10, "price": 4000.01}, 10043),
        ({"amount": 10, "price": -5}, 10023),
        ({"amount": 0.5, "price": 3900}, 10002),
        ({"amount": 1.5, "price": 3900}, 10021),
        ({"amount": 10, "price": 9000}, 10007),
        ({"amount": 10}, -32602),
        ({"price": 3900}, -32602),
        ({"amount": 10, "contracts": 11, "price": 3900}, -32602),
        ({"amount": "x", "price": 3900}, -32602),
        ({"amount": 10, "price": 3900, "time_in_force": "soon"}, -32602),
        ({"amount": 10, "price": 3900, "label": "x" * 65}, -32602),
        ({"amount": 10, "price": 3900, "instrument_name": "DOGE-PERPETUAL"}, 10020),
        ({"amount": 10, "price": 3900, "type": "stop_limit"}, 11030),
        ({"amount": 10, "price": 3900, "advanced": "usd"}, 11038),
        ({"amount": 100_000_000, "price": 3900}, 10009),
        ({"amount": 10, "price": 3900, "valid_until": 1}, 13888),
    ],
)
def test_wrong_order_is_refused_with_the_venues_code(params: dict[str, Any], code: int) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        error = await refused(client, "private/buy", **{"instrument_name": PERP, **params})
        assert error.code == code
        assert await client.call("private/get_open_orders") == []

    run(scenario)


def test_option_prices_obey_the_step_of_their_band() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        name = next(o.name for o in world.market.options if o.strike == 4000 and o.is_call)
        order = {"instrument_name": name, "amount": 1}
        assert (await refused(client, "private/buy", price=0.0101, **order)).code == 10043
        assert (await client.call("private/buy", price=0.0105, **order))["order"]["price"] == 0.0105
        assert (await client.call("private/buy", price=0.0049, **order))["order"]["price"] == 0.0049
        assert (await refused(client, "private/buy", price=0.00491, **order)).code == 10043

    run(scenario)


def test_meeting_an_own_order_ends_the_taker() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        ask = (await client.call("public/ticker", instrument_name=PERP))["best_ask_price"]
        bid = (await client.call("public/ticker", instrument_name=PERP))["best_bid_price"]
        inside = on_grid((ask + bid) / 2)
        await client.order_("sell", 50, inside)
        error = await refused(client, "private/buy", instrument_name=PERP, amount=50, price=inside)
        assert error.code == 10003

    run(scenario)


def test_two_accounts_trade_with_each_other_exactly_once() -> None:
    async def scenario(world: World) -> None:
        maker, taker = await world.connect(1), await world.connect(2)
        ticker = await maker.call("public/ticker", instrument_name=PERP)
        inside = on_grid((ticker["best_ask_price"] + ticker["best_bid_price"]) / 2)
        resting = await maker.order_("sell", 50, inside, label="m")
        taken = await taker.order_("buy", 50, inside, time_in_force="immediate_or_cancel")
        (mine,) = (await maker.call("private/get_user_trades_by_instrument", instrument_name=PERP))["trades"]
        (theirs,) = taken["trades"]
        assert mine["trade_id"] == theirs["trade_id"]
        assert (mine["direction"], theirs["direction"]) == ("sell", "buy")
        assert (mine["liquidity"], theirs["liquidity"]) == ("M", "T")
        assert mine["order_id"] == resting["order"]["order_id"]
        assert mine["fee"] == 0.0
        assert theirs["fee"] > 0.0

    run(scenario)


def test_generated_makers_hit_a_resting_order_that_the_market_runs_through() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        ticker = await client.call("public/ticker", instrument_name=PERP)
        for side, price in (("buy", ticker["best_bid_price"]), ("sell", ticker["best_ask_price"])):
            await client.order_(side, 100, price)
        await asyncio.sleep(60)
        trades = (await client.call("private/get_user_trades_by_currency", currency="ETH"))["trades"]
        assert trades
        assert {trade["liquidity"] for trade in trades} == {"M"}

    run(scenario)


def test_label_cancels_and_edits_need_to_be_unambiguous() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        price = await far_bid(world)
        for _ in range(2):
            await client.order_("buy", 10, price, label="twin")
        await client.order_("buy", 10, price, label="other")
        params = {"label": "twin", "instrument_name": PERP, "amount": 20, "price": price}
        assert (await refused(client, "private/edit_by_label", **params)).code == 13032
        assert await client.call("private/cancel_by_label", label="twin") == 2
        assert (await refused(client, "private/edit_by_label", **params)).code == 10004
        edited = await client.call("private/edit_by_label", **{**params, "label": "other"})
        assert edited["order"]["amount"] == 20.0
        states = await client.call("private/get_order_state_by_label", currency="ETH", label="twin")
        assert [state["order_state"] for state in states] == ["cancelled", "cancelled"]
        assert await client.call("private/cancel_all_by_instrument", instrument_name=PERP) == 1
        assert await client.call("private/cancel_all") == 0

    run(scenario)


def test_an_order_of_another_account_is_not_found() -> None:
    async def scenario(world: World) -> None:
        one, two = await world.connect(1), await world.connect(2)
        placed = await one.order_("buy", 10, await far_bid(world))
        assert (await refused(two, "private/cancel", order_id=placed["order"]["order_id"])).code == 10004

    run(scenario)


def test_edit_below_the_filled_size_and_of_mmp_is_refused_and_leaves_the_order() -> None:
    async def scenario(world: World) -> None:
        client, other = await world.connect(1), await world.connect(2)
        ticker = await client.call("public/ticker", instrument_name=PERP)
        inside = on_grid((ticker["best_ask_price"] + ticker["best_bid_price"]) / 2)
        order_id = (await client.order_("sell", 50, inside))["order"]["order_id"]
        await other.order_("buy", 20, inside, time_in_force="immediate_or_cancel")
        error = await refused(client, "private/edit", order_id=order_id, amount=20, price=inside)
        assert error.code == 10021
        error = await refused(client, "private/edit", order_id=order_id, amount=50, price=inside, mmp=True)
        assert (error.code, error.data["param"]) == (-32602, "mmp")
        state = await client.call("private/get_order_state", order_id=order_id)
        assert (state["order_state"], state["filled_amount"]) == ("open", 20.0)

    run(scenario)


def test_user_trades_come_in_pages() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        for _ in range(5):
            await client.order_("buy", 10, None, type="market")
        method = "private/get_user_trades_by_instrument"
        page = await client.call(method, instrument_name=PERP, count=3, sorting="asc")
        assert page["has_more"] is True
        start = page["trades"][-1]["trade_seq"] + 1
        rest = await client.call(method, instrument_name=PERP, count=3, sorting="asc", start_seq=start)
        assert rest["has_more"] is False
        ids = [trade["trade_id"] for trade in page["trades"] + rest["trades"]]
        assert len(set(ids)) == 5
        start_ms = rest["trades"][0]["timestamp"]
        timed = await client.call(
            "private/get_user_trades_by_currency_and_time",
            currency="ETH",
            start_timestamp=start_ms,
            end_timestamp=2**41,
            count=100,
            sorting="asc",
        )
        assert timed["trades"][-1]["trade_id"] == ids[-1]

    run(scenario)


def test_close_position_flattens() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        assert (
            await refused(client, "private/close_position", instrument_name=PERP, type="market")
        ).code == 10010
        await client.order_("sell", 100, None, type="market")
        await client.call("private/close_position", instrument_name=PERP, type="market")
        assert (await client.call("private/get_position", instrument_name=PERP))["direction"] == "zero"

    run(scenario)
