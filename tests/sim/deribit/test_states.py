"""States of instruments: what each allows, how they are announced, and how an 08:00 passes through them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from atomizer.sim.deribit import DeribitTwin, DeribitTwinSettings
from atomizer.sim.market import Market
from tests.sim.deribit.client import PERP, START, RawClient, RefusedError, Standing, World, run
from tests.sim.deribit.eight import EXPIRY_NS, SECOND_NS, market, until

CODES = {"locked": 10019, "settlement": 10041, "delivered": 10012, "inactive": 10012, "halted": 10012}
QUIET = DeribitTwinSettings(takers=False, idle_close_s=86_400.0)
SETTLING = replace(QUIET, settlement_pause_s=4.0, archive_s=8.0)


async def refused(client: RawClient, method: str, **params: Any) -> int:
    with pytest.raises(RefusedError) as caught:
        await client.call(method, **params)
    return caught.value.code


@pytest.mark.parametrize("state", list(CODES))
def test_each_state_takes_what_it_should(state: str) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        exchange = world.twin.exchange
        await client.call("public/subscribe", channels=["instrument.state.future.ETH"])
        order = (await client.order_("buy", 10, 3500))["order"]
        exchange.set_state(exchange.listings[PERP], state)
        assert (
            await refused(client, "private/buy", instrument_name=PERP, amount=10, price=3500) == CODES[state]
        )
        if state in ("delivered", "inactive"):
            ended = await client.call("private/get_order_state", order_id=order["order_id"])
            assert (ended["order_state"], ended["cancel_reason"]) == ("cancelled", "settlement")
        else:
            change = {"order_id": order["order_id"], "amount": 20, "price": 3490}
            assert await refused(client, "private/edit", **change) == CODES[state]
            if state == "locked":
                assert await client.call("private/cancel_all") == 1
            else:
                assert await refused(client, "private/cancel", order_id=order["order_id"]) == CODES[state]
                assert await client.call("private/cancel_all") == 0
        shown = await client.call("public/get_instrument", instrument_name=PERP)
        assert shown["state"] == state
        assert (await client.call("public/ticker", instrument_name=PERP))["state"] == state
        (told,) = client.pushed["instrument.state.future.ETH"]
        assert (told["instrument_name"], told["state"]) == (PERP, state)

    run(scenario)


def test_a_locked_index_locks_its_books_and_the_platform_says_so() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await client.call("public/subscribe", channels=["platform_state"])
        exchange = world.twin.exchange
        exchange.lock(exchange.underlyings["BTC"], locked=True)
        status = await client.call("public/status")
        assert status == {"locked": "partial", "locked_indices": ["btc_usd"]}
        code = await refused(client, "private/buy", instrument_name="BTC-PERPETUAL", amount=10, price=90_000)
        assert code == 10019
        await client.order_("buy", 10, 3900)
        exchange.lock(exchange.underlyings["BTC"], locked=False)
        await client.call("private/buy", instrument_name="BTC-PERPETUAL", amount=10, price=100_000)
        assert (await client.call("public/status"))["locked"] is False
        told = client.pushed["platform_state"]
        assert told == [{"price_index": "btc_usd", "locked": yes} for yes in (True, False)]

    run(scenario, markets=[Market(7, START), Market(7, START, underlying="BTC")])


def test_nothing_settles_while_one_book_is_halted() -> None:
    async def scenario(world: World) -> None:
        exchange = world.twin.exchange
        exchange.set_state(exchange.listings[PERP], "halted")
        await until(world, EXPIRY_NS + 20 * SECOND_NS)
        assert not exchange.settlement.delivery_prices
        exchange.set_state(exchange.listings[PERP], "open")
        await asyncio.sleep(2.0)
        assert exchange.settlement.delivery_prices

    run(scenario, SETTLING, markets=[market()], start_ns=EXPIRY_NS - 60 * SECOND_NS)


def test_eight_o_clock_goes_through_settlement_to_delivered_archive_and_new_listings() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        channels = [f"instrument.state.{kind}.ETH" for kind in ("future", "option")]
        await client.call("public/subscribe", channels=[*channels, "estimated_expiration_price.eth_usd"])
        day = await client.order_("buy", 10, 4000, time_in_force="good_til_day")
        kept = await client.order_("buy", 10, 4000)
        doomed = await client.call(
            "private/buy", instrument_name="ETH-28NOV25", amount=10, type="limit", price=4100
        )
        await until(world, EXPIRY_NS + 2 * SECOND_NS)
        ended = await client.call("private/get_order_state", order_id=day["order"]["order_id"])
        assert (ended["order_state"], ended["cancel_reason"]) == ("cancelled", "settlement")
        assert await refused(client, "private/cancel", order_id=kept["order"]["order_id"]) == 10041
        assert await refused(client, "private/buy", instrument_name=PERP, amount=10, price=4000) == 10041
        await until(world, EXPIRY_NS + 6 * SECOND_NS)
        assert (
            await refused(client, "private/buy", instrument_name="ETH-28NOV25", amount=10, price=4100)
            == 10012
        )
        gone = await client.call("private/get_order_state", order_id=doomed["order"]["order_id"])
        assert gone["order_state"] == "cancelled"
        assert (await client.call("public/ticker", instrument_name="ETH-28NOV25"))["delivery_price"] > 4000
        still = await client.call("private/cancel", order_id=kept["order"]["order_id"])
        assert still["order_state"] == "cancelled"
        await until(world, EXPIRY_NS + 12 * SECOND_NS)
        names = {
            one["instrument_name"] for one in await client.call("public/get_instruments", currency="ETH")
        }
        assert {"ETH-5DEC25", "ETH-12DEC25", "ETH-19DEC25"} < names
        assert not any("28NOV25" in name for name in names)
        old = await client.call("public/get_instruments", currency="ETH", expired=True)
        assert len(old) == 31
        assert {one["state"] for one in old} == {"archivized"}
        states = [
            told["state"] for told in client.pushed[channels[0]] if told["instrument_name"] == "ETH-28NOV25"
        ]
        assert states == ["settlement", "delivered", "archivized"]
        perpetual = [t["state"] for t in client.pushed[channels[0]] if t["instrument_name"] == PERP]
        assert perpetual == ["settlement", "open"]
        fresh = [told for told in client.pushed[channels[1]] if "12DEC25" in told["instrument_name"]]
        assert len(fresh) == 30
        assert {told["state"] for told in fresh} == {"open"}
        option = fresh[0]["instrument_name"]
        ticker = await client.call("public/ticker", instrument_name=option)
        assert ticker["underlying_index"] == "ETH-12DEC25"
        assert ticker["mark_price"] > 0
        before = [t for t in client.pushed["estimated_expiration_price.eth_usd"] if t["seconds"] <= 60]
        assert before[-1]["is_estimated"] is False or before[-1]["left_ticks"] >= 0

    run(scenario, SETTLING, markets=[market()], start_ns=EXPIRY_NS - 90 * SECOND_NS)


def test_deltas_decay_over_the_last_half_hour_and_the_average_is_told() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await client.call("public/subscribe", channels=["estimated_expiration_price.eth_usd"])
        strike = min(o.strike for o in world.market.options if o.expiry_ns == EXPIRY_NS)
        name = f"ETH-28NOV25-{strike:g}-C"
        await client.call("private/buy", instrument_name="ETH-28NOV25", amount=4000, type="market")
        await client.call("private/buy", instrument_name=name, amount=1, type="market")
        for left_s, share in ((1800, 1.0), (900, 0.5), (180, 0.1)):
            await until(world, EXPIRY_NS - left_s * SECOND_NS)
            await client.login()
            ticker = await client.call("public/ticker", instrument_name=name)
            assert ticker["greeks"]["delta"] == pytest.approx(share, abs=0.002)
            position = await client.call("private/get_position", instrument_name="ETH-28NOV25")
            assert position["delta"] == pytest.approx(share * position["size_currency"], rel=0.002)
            summary = await client.call("private/get_account_summary", currency="ETH")
            assert summary["options_delta"] == pytest.approx(share * (1 - ticker["mark_price"]), abs=0.002)
        told = client.pushed["estimated_expiration_price.eth_usd"][-1]
        assert told["is_estimated"]
        assert told["left_ticks"] + told["number_of_ticks"] == told["total_ticks"] == 1800
        assert told["left_ticks"] == pytest.approx(180, abs=2)
        assert ticker["estimated_delivery_price"] == pytest.approx(told["price"], abs=0.5)

    run(scenario, SETTLING, markets=[market()], start_ns=EXPIRY_NS - 1810 * SECOND_NS)


def test_the_operator_moves_states_and_locks_by_page() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        page = "/sim/instrument?name=ETH-PERPETUAL"
        assert await world.get(f"{page}&state=locked") == (200, {"instrument_name": PERP, "state": "locked"})
        assert await refused(client, "private/buy", instrument_name=PERP, amount=10, price=3500) == 10019
        assert (await world.get(f"{page}&state=open"))[1]["state"] == "open"
        assert (await world.get("/sim/lock?index=eth_usd&locked=true"))[1]["locked"] is True
        assert (await client.call("public/status"))["locked"] is True
        assert (await world.get("/sim/lock?index=eth_usd&locked=false"))[1]["locked"] is False
        for wrong in (f"{page}&state=asleep", "/sim/instrument?name=DOGE", "/sim/lock?index=doge_usd"):
            assert (await world.get(wrong))[0] == 400

    run(scenario)


def test_a_venue_that_slept_through_several_settlements_catches_up() -> None:
    clock = Standing(EXPIRY_NS - 3600 * SECOND_NS)
    exchange = DeribitTwin([market()], QUIET, clock).exchange
    exchange.advance()
    clock.at_ns += 9 * 86_400 * SECOND_NS
    exchange.advance()
    assert [day for day, _ in exchange.settlement.delivery_prices["eth_usd"]] == ["2025-11-28", "2025-12-05"]
    open_futures = [
        name
        for name, listing in exchange.listings.items()
        if listing.kind == "future" and exchange.books[name].state == "open"
    ]
    assert open_futures == [PERP, "ETH-19DEC25", "ETH-12DEC25", "ETH-26DEC25"]
    assert exchange.settlement.next_ns == EXPIRY_NS + 9 * 86_400 * SECOND_NS
