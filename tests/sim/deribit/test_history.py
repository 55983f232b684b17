"""Reading back orders and trades of the simulated venue: pages, what is kept, cancels in detail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from atomizer.sim.deribit import DeribitTwinSettings
from tests.sim.deribit.client import PERP, RawClient, RefusedError, World, on_grid, run
from tests.sim.deribit.quoter import option

QUIET = DeribitTwinSettings(takers=False, limits=False)
BY_INSTRUMENT = "private/get_user_trades_by_instrument"
BY_CURRENCY = "private/get_user_trades_by_currency"


async def trade(client: RawClient, count: int) -> None:
    for number in range(count):
        await client.order_("sell" if number % 2 else "buy", 10 + 10 * number, None, type="market")
        await asyncio.sleep(1.0)


async def pages(client: RawClient, method: str, follow: str, count: int, **params: Any) -> list[Any]:
    """All pages, each starting at the last trade of the one before, which is not counted twice."""
    found: dict[str, Any] = {}
    start: dict[str, Any] = {}
    while True:
        page = await client.call(method, count=count, sorting="asc", **params, **start)
        found |= {one["trade_id"]: one for one in page["trades"]}
        if not page["has_more"]:
            return list(found.values())
        last = page["trades"][-1]
        start = {follow: last["trade_seq"] if follow == "start_seq" else last["trade_id"]}


def test_own_trades_come_page_by_page_in_both_directions() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await trade(client, 7)
        newest = await client.call(BY_INSTRUMENT, instrument_name=PERP)
        amounts = [one["amount"] for one in newest["trades"]]
        assert (amounts, newest["has_more"]) == ([70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0], False)
        oldest = await client.call(BY_INSTRUMENT, instrument_name=PERP, sorting="asc", count=3)
        assert ([one["amount"] for one in oldest["trades"]], oldest["has_more"]) == ([10.0, 20.0, 30.0], True)
        for follow in ("start_seq", "start_id"):
            found = await pages(client, BY_INSTRUMENT, follow, 3, instrument_name=PERP)
            assert [one["amount"] for one in found] == sorted(amounts)
        by_currency = await pages(client, BY_CURRENCY, "start_id", 2, currency="ETH", kind="future")
        assert [one["amount"] for one in by_currency] == sorted(amounts)
        middle = found[2:5]
        times = {"start_timestamp": middle[0]["timestamp"], "end_timestamp": middle[-1]["timestamp"]}
        within = await client.call(f"{BY_CURRENCY}_and_time", currency="ETH", sorting="asc", **times)
        assert within["trades"] == middle
        bounds = {"start_seq": middle[0]["trade_seq"], "end_seq": middle[-1]["trade_seq"]}
        assert (await client.call(BY_INSTRUMENT, instrument_name=PERP, sorting="asc", **bounds))[
            "trades"
        ] == middle
        order = middle[0]["order_id"]
        assert await client.call("private/get_user_trades_by_order", order_id=order) == [middle[0]]
        with pytest.raises(RefusedError):
            await client.call(BY_INSTRUMENT, instrument_name=PERP, count=1001)

    run(scenario, QUIET)


def test_a_days_trades_and_half_an_hour_of_orders_are_kept_the_rest_is_historical() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await client.call("public/set_heartbeat", interval=60)
        filled = (await client.order_("buy", 10, None, type="market", label="old"))["order"]["order_id"]
        resting = await client.order_("buy", 10, on_grid(await world.fair() - 100), label="old")
        await client.call("private/cancel", order_id=resting["order"]["order_id"])
        state = {"order_id": filled}
        history = {"currency": "ETH", "include_unfilled": True}
        by_label = {"currency": "ETH", "label": "old"}
        assert (await client.call("private/get_order_state", **state))["order_state"] == "filled"
        assert len(await client.call("private/get_order_history_by_currency", **history)) == 2
        assert len(await client.call("private/get_order_history_by_currency", currency="ETH")) == 1

        async def wait(seconds: int) -> None:
            for _ in range(seconds // 50):
                await asyncio.sleep(50)
                await client.call("public/test")
            await client.login()

        await wait(31 * 60)
        with pytest.raises(RefusedError) as caught:
            await client.call("private/get_order_state", **state)
        assert caught.value.code == 10004
        assert (await client.call("private/get_order_state", **state, historical=True))["label"] == "old"
        assert await client.call("private/get_order_history_by_currency", **history) == []
        old = await client.call("private/get_order_history_by_currency", **history, historical=True)
        assert [one["order_state"] for one in old] == ["cancelled", "filled"]
        assert await client.call("private/get_order_state_by_label", **by_label) == []
        assert len(await client.call("private/get_order_state_by_label", **by_label, historical=True)) == 2
        assert len((await client.call(BY_CURRENCY, currency="ETH"))["trades"]) == 1

    run(scenario, replace(QUIET, option_ticker_ms=10_000, heartbeat_grace_s=60))


def test_order_history_has_offset_and_count() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await trade(client, 5)
        name = "private/get_order_history_by_instrument"
        first = await client.call(name, instrument_name=PERP, count=2)
        second = await client.call(name, instrument_name=PERP, count=2, offset=2)
        assert [one["amount"] for one in first + second] == [50.0, 40.0, 30.0, 20.0]
        with pytest.raises(RefusedError):
            await client.call(name, instrument_name=PERP, count=0)

    run(scenario, QUIET)


def test_cancels_in_detail_and_by_type() -> None:
    async def scenario(world: World) -> None:
        client, name = await world.connect(1), option(world)
        low = on_grid(await world.fair() - 100)
        await client.order_("buy", 10, low)
        await client.order_("buy", 20, low)
        await client.call("private/buy", instrument_name=name, amount=1, price=0.001)
        assert await client.call("private/get_open_orders", type="stop_all") == []
        assert (
            await client.call("private/cancel_all_by_kind_or_type", currency="ETH", type="trigger_all") == 0
        )
        books = await client.call("private/cancel_all", detailed=True)
        assert {book["instrument_name"]: len(book["result"]) for book in books} == {PERP: 2, name: 1}
        assert {one["order_state"] for book in books for one in book["result"]} == {"cancelled"}
        assert await client.call("private/cancel_all", detailed=True) == []

    run(scenario, QUIET)


def test_close_position_by_market_and_by_limit() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await client.order_("buy", 50, None, type="market")
        far = on_grid(await world.fair() + 100)
        closing = await client.call("private/close_position", instrument_name=PERP, type="limit", price=far)
        assert (closing["order"]["order_state"], closing["order"]["reduce_only"]) == ("open", True)
        await client.call("private/cancel", order_id=closing["order"]["order_id"])
        done = await client.call("private/close_position", instrument_name=PERP, type="market")
        assert done["order"]["order_state"] == "filled"
        with pytest.raises(RefusedError) as caught:
            await client.call("private/close_position", instrument_name=PERP, type="market")
        assert caught.value.code == 10010

    run(scenario, QUIET)


def test_public_trades_by_instrument_currency_and_time() -> None:
    async def scenario(world: World) -> None:
        client, other = await world.connect(1), await world.connect()
        await trade(client, 4)
        every = await pages(
            other, "public/get_last_trades_by_instrument", "start_seq", 2, instrument_name=PERP
        )
        assert [one["amount"] for one in every] == [10.0, 20.0, 30.0, 40.0]
        assert all("order_id" not in one for one in every)
        times = {"start_timestamp": every[1]["timestamp"], "end_timestamp": every[2]["timestamp"]}
        for scope in ({"instrument_name": PERP}, {"currency": "ETH", "kind": "future"}):
            method = (
                f"public/get_last_trades_by_{'instrument' if 'kind' not in scope else 'currency'}_and_time"
            )
            page = await other.call(method, sorting="asc", **scope, **times)
            assert page["trades"] == every[1:3]

    run(scenario, QUIET)


@pytest.mark.parametrize("depth", [1, 5, 10, 20, 50])
def test_book_depths(depth: int) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        book = await client.call("public/get_order_book", instrument_name=PERP, depth=depth)
        assert len(book["bids"]) == len(book["asks"]) == min(depth, 12)
        assert book["bids"] == sorted(book["bids"], reverse=True)
        with pytest.raises(RefusedError):
            await client.call("public/get_order_book", instrument_name=PERP, depth=3)

    run(scenario, QUIET)


def test_realised_volatility_is_that_of_the_path() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        assert await client.call("public/get_historical_volatility", currency="ETH") == []
        with pytest.raises(RefusedError):
            await client.call("public/get_historical_volatility", currency="DOGE")
        for _ in range(2 * 72 + 12):
            await asyncio.sleep(50)
            await client.call("public/test")
        hours = await client.call("public/get_historical_volatility", currency="ETH")
        assert len(hours) >= 1
        assert all(at % 3_600_000 == 0 for at, _ in hours)
        assert all(20 < vol < 150 for _, vol in hours)

    run(scenario, replace(QUIET, option_ticker_ms=10_000))
