"""What subscribers are told: book chains, user channels, shapes, and what is left out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from atomizer.sim.deribit import DeribitTwinSettings
from tests.sim.deribit.client import PERP, RawClient, RefusedError, World, on_grid, run


class Replica:
    """A book rebuilt from the channel alone."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
        self.change_id = 0

    def apply(self, data: dict[str, Any]) -> None:
        if data["type"] == "snapshot":
            assert "prev_change_id" not in data
            self.sides = {"bids": {}, "asks": {}}
        else:
            assert data["prev_change_id"] == self.change_id
        self.change_id = data["change_id"]
        for name, levels in self.sides.items():
            for action, price, amount in data[name]:
                if action == "delete":
                    del levels[price]
                else:
                    assert (action == "change") == (price in levels)
                    levels[price] = amount


@pytest.mark.parametrize("interval", ["raw", "100ms", "agg2"])
def test_book_channel_chains_and_rebuilds_the_book(interval: str) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        channel = f"book.{PERP}.{interval}"
        await client.call("private/subscribe", channels=[channel])
        other = await world.connect(2)
        for _ in range(20):
            await other.order_("buy", 3000, None, type="market")
            await asyncio.sleep(0.2)
        await asyncio.sleep(2)
        messages = client.pushed[channel]
        assert messages[0]["type"] == "snapshot"
        assert len(messages) > 3
        replica = Replica()
        for message in messages:
            replica.apply(message)
        assert max(replica.sides["bids"]) < min(replica.sides["asks"])
        late = await world.connect(2)
        await late.call("private/subscribe", channels=[channel])
        await asyncio.sleep(0.005)
        copy = Replica()
        for message in late.pushed[channel]:
            copy.apply(message)
        replica = Replica()
        for message in client.pushed[channel]:
            replica.apply(message)
        assert copy.sides == replica.sides
        assert copy.change_id == replica.change_id

    run(scenario, DeribitTwinSettings())


def test_raw_channels_need_authentication_and_unknown_ones_are_left_out() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        with pytest.raises(RefusedError) as caught:
            await client.call("public/subscribe", channels=[f"book.{PERP}.raw"])
        assert caught.value.code == 13778
        wanted = [f"book.{PERP}.100ms", "book.NOTHING.100ms", "user.orders.any.any.raw", "x"]
        assert await client.call("public/subscribe", channels=wanted) == wanted[:1]
        with pytest.raises(RefusedError) as caught:
            await client.call("private/subscribe", channels=["user.orders.any.any.raw"])
        assert caught.value.code == 10000
        with pytest.raises(RefusedError) as caught:
            await client.call("public/subscribe", channels=["x"] * 501)
        assert caught.value.code == -32602

    run(scenario)


USER_CHANNELS = [
    "user.orders.any.any.raw",
    f"user.orders.{PERP}.100ms",
    "user.trades.future.ETH.raw",
    f"user.changes.{PERP}.raw",
    "user.portfolio.eth",
]


async def subscribed(world: World) -> RawClient:
    client = await world.connect(1)
    assert await client.call("private/subscribe", channels=USER_CHANNELS) == USER_CHANNELS
    return client


def test_user_channels_have_their_shapes() -> None:
    async def scenario(world: World) -> None:
        client = await subscribed(world)
        await client.order_("buy", 40, None, type="market", label="shape")
        await asyncio.sleep(0.3)
        raw, slow, trades, changes, portfolio = (client.pushed[name] for name in USER_CHANNELS)
        assert (raw[0]["label"], raw[0]["order_state"]) == ("shape", "filled")
        assert [order["label"] for order in slow[0]] == ["shape"]
        assert trades[0][0]["amount"] == 40.0
        assert changes[0]["instrument_name"] == PERP
        assert changes[0]["positions"][0]["size"] == 40.0
        assert (changes[0]["orders"][0]["label"], changes[0]["trades"][0]["label"]) == ("shape", "shape")
        assert portfolio[-1]["currency"] == "ETH"
        assert portfolio[-1]["equity"] < 500.0

    run(scenario)


def test_account_hears_of_its_own_orders_only() -> None:
    async def scenario(world: World) -> None:
        client = await subscribed(world)
        other = await world.connect(2)
        await other.order_("buy", 40, None, type="market")
        await asyncio.sleep(0.3)
        assert "user.orders.any.any.raw" not in client.pushed
        assert "user.trades.future.ETH.raw" not in client.pushed

    run(scenario)


def test_trade_pushes_may_come_after_filled() -> None:
    async def scenario(world: World) -> None:
        client = await subscribed(world)
        await client.order_("buy", 40, None, type="market")
        await asyncio.sleep(0.02)
        assert client.pushed["user.orders.any.any.raw"][0]["order_state"] == "filled"
        assert "user.trades.future.ETH.raw" not in client.pushed
        (change,) = client.pushed[f"user.changes.{PERP}.raw"]
        assert change["trades"] == []
        await asyncio.sleep(0.02)
        assert len(client.pushed["user.trades.future.ETH.raw"]) == 1

    run(scenario, DeribitTwinSettings(takers=False, trade_push_delay_ms=30))


def test_market_channels_speak() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        option = world.market.options[14].name
        names = [
            f"ticker.{PERP}.100ms",
            f"ticker.{option}.100ms",
            f"quote.{PERP}",
            f"trades.{PERP}.100ms",
            "trades.future.ETH.100ms",
            "deribit_price_index.eth_usd",
            "markprice.options.eth_usd",
            f"perpetual.{PERP}.100ms",
            f"book.{PERP}.none.10.100ms",
            f"book.{PERP}.1.10.100ms",
            "instrument.state.any.any",
            "platform_state",
        ]
        assert await client.call("public/subscribe", channels=names) == names
        other = await world.connect(2)
        await other.order_("sell", 40, None, type="market")
        await asyncio.sleep(2.5)
        spoken = {name: messages[-1] for name, messages in client.pushed.items()}
        assert set(names) - set(spoken) == {"instrument.state.any.any", "platform_state"}
        ticker = spoken[f"ticker.{option}.100ms"]
        assert ticker["bid_iv"] < ticker["mark_iv"] < ticker["ask_iv"]
        assert ticker["best_bid_price"] <= ticker["mark_price"] <= ticker["best_ask_price"]
        assert {"delta", "gamma", "vega", "theta", "rho"} == set(ticker["greeks"])
        assert spoken[f"trades.{PERP}.100ms"][0]["direction"] == "sell"
        assert spoken["markprice.options.eth_usd"][0]["iv"] < 2.0
        assert len(spoken[f"book.{PERP}.none.10.100ms"]["bids"]) == 10
        assert all(price == int(price) for price, _ in spoken[f"book.{PERP}.1.10.100ms"]["asks"])
        state = world.market.state(world.clock.now_ns())
        assert spoken["deribit_price_index.eth_usd"]["price"] == pytest.approx(state.index, rel=1e-3)

    run(scenario)


def test_unsubscribing_ends_the_stream() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        channel = f"ticker.{PERP}.100ms"
        await client.call("public/subscribe", channels=[channel])
        await asyncio.sleep(0.5)
        assert await client.call("public/unsubscribe", channels=[channel, "x"]) == [channel]
        count = len(client.pushed[channel])
        await asyncio.sleep(1)
        assert len(client.pushed[channel]) == count
        assert await client.call("public/unsubscribe_all") == "ok"

    run(scenario)


def test_ticker_of_a_kept_option_shows_the_clients_own_order() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        option = next(o.name for o in world.market.options if o.strike == 4000 and o.is_call)
        before = await client.call("public/ticker", instrument_name=option)
        better = round(before["best_bid_price"] + 0.0005, 4)
        assert better < before["best_ask_price"]
        placed = await client.call("private/buy", instrument_name=option, amount=3, price=better)
        after = await client.call("public/ticker", instrument_name=option)
        assert (after["best_bid_price"], after["best_bid_amount"]) == (better, 3.0)
        assert after["bid_iv"] > before["bid_iv"]
        book = await client.call("public/get_order_book", instrument_name=option, depth=5)
        assert book["bids"][0] == [better, 3.0]
        await client.call("private/cancel", order_id=placed["order"]["order_id"])
        await asyncio.sleep(0.3)
        assert not world.twin.exchange.books[option].live

    run(scenario)


def test_reads_of_market_data() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        everything = await client.call("public/get_instruments")
        assert len(everything) == 95  # perpetual, spot, three futures, ninety options
        options = await client.call("public/get_instruments", currency="ETH", kind="option")
        assert len(options) == 90
        (pair,) = await client.call("public/get_instruments", currency="USDC")
        assert (pair["instrument_name"], pair["kind"]) == ("ETH_USDC", "spot")
        assert options[0]["tick_size_steps"] == [{"above_price": 0.005, "tick_size": 0.0005}]
        assert (await client.call("public/get_currencies"))[0]["currency"] == "ETH"
        assert (await client.call("public/status"))["locked"] is False
        index = await client.call("public/get_index_price", index_name="eth_usd")
        assert index["index_price"] == pytest.approx(4000, rel=0.01)
        with pytest.raises(RefusedError) as caught:
            await client.call("public/get_index_price", index_name="doge_usd")
        assert caught.value.code == 13020
        summary = await client.call("public/get_book_summary_by_currency", currency="ETH", kind="option")
        assert len(summary) == 90
        status, body = await world.get(f"/api/v2/public/get_order_book?instrument_name={PERP}&depth=5")
        assert status == 200
        assert len(body["result"]["bids"]) == 5
        with pytest.raises(RefusedError) as caught:
            await client.call("public/get_order_book", instrument_name=PERP, depth=7)
        assert caught.value.code == -32602
        instrument = await client.call("public/get_instrument", instrument_name=options[0]["instrument_name"])
        assert instrument == options[0]

    run(scenario)


def test_resting_price_on_the_book_of_the_perpetual_is_part_of_the_public_depth() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        ticker = await client.call("public/ticker", instrument_name=PERP)
        inside = on_grid((ticker["best_bid_price"] + ticker["best_ask_price"]) / 2)
        await client.order_("buy", 77, inside)
        book = await client.call("public/get_order_book", instrument_name=PERP, depth=1)
        assert book["bids"] == [[inside, 77.0]]

    run(scenario)


def test_incremental_ticker_begins_whole_and_then_tells_changes_alone() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        channel = f"incremental_ticker.{PERP}"
        assert await client.call("public/subscribe", channels=[channel]) == [channel]
        await asyncio.sleep(2)
        first, *changes = client.pushed[channel]
        assert (first["type"], first["instrument_name"]) == ("snapshot", PERP)
        assert {one["type"] for one in changes} == {"change"}
        assert all(len(one) < len(first) for one in changes)
        state = dict(first)
        for change in changes:
            assert all(
                state[key] != value for key, value in change.items() if key not in ("type", "instrument_name")
            )
            state |= change
        late = await world.connect()
        await late.call("public/subscribe", channels=[channel])
        await asyncio.sleep(0.01)
        assert {**late.pushed[channel][0], "type": "change"} == state

    run(scenario)


def test_volatility_index_is_thirty_day_implied_vol() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        await client.call("public/subscribe", channels=["deribit_volatility_index.eth_usd"])
        await asyncio.sleep(3)
        messages = client.pushed["deribit_volatility_index.eth_usd"]
        assert len(messages) >= 3
        assert all(30 < one["volatility"] < 120 for one in messages)

    run(scenario)
