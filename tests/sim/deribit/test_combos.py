"""Combos: one book, one combo trade, a trade per leg, and money only in the legs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.sim.deribit.client import PERP, RawClient, RefusedError, World, run

FUTURE = "ETH-28NOV25"


async def create(client: RawClient, *trades: tuple[str, str, float]) -> dict[str, Any]:
    wanted = [{"instrument_name": name, "direction": side, "amount": amount} for name, side, amount in trades]
    made: dict[str, Any] = await client.call("private/create_combo", trades=wanted)
    return made


@pytest.mark.parametrize(
    ("trades", "name", "legs"),
    [
        (((PERP, "buy", 10), (FUTURE, "sell", 10)), "ETH-FS-28NOV25_PERP", {PERP: -1, FUTURE: 1}),
        (
            ((FUTURE + "-4000-C", "sell", 2), (FUTURE + "-4200-C", "buy", 2)),
            "ETH-CS-28NOV25-4000_4200",
            {FUTURE + "-4000-C": 1, FUTURE + "-4200-C": -1},
        ),
        (
            ((FUTURE + "-4000-P", "buy", 1), (FUTURE + "-3800-P", "sell", 1)),
            "ETH-PS-28NOV25-3800_4000",
            {FUTURE + "-4000-P": 1, FUTURE + "-3800-P": -1},
        ),
        (
            ((FUTURE + "-4000-P", "buy", 1), (FUTURE + "-4000-C", "buy", 1)),
            "ETH-STRD-28NOV25-4000",
            {FUTURE + "-4000-C": 1, FUTURE + "-4000-P": 1},
        ),
        (
            ((FUTURE + "-3800-P", "sell", 1), (FUTURE + "-4200-C", "buy", 1)),
            "ETH-RR-28NOV25-3800_4200",
            {FUTURE + "-3800-P": -1, FUTURE + "-4200-C": 1},
        ),
    ],
)
def test_structures_have_one_name_whichever_way_round_they_are_asked_for(
    trades: tuple[tuple[str, str, float], ...], name: str, legs: dict[str, int]
) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        made = await create(client, *trades)
        assert made["id"] == name
        assert {leg["instrument_name"]: leg["amount"] for leg in made["legs"]} == legs
        turned = [(one, "sell" if side == "buy" else "buy", size) for one, side, size in trades]
        assert (await create(client, *turned))["instrument_id"] == made["instrument_id"]
        assert await client.call("public/get_combo_ids", currency="ETH", state="active") == [name]
        assert await client.call("public/get_combos", currency="ETH") == [made]
        assert await client.call("public/get_combo_details", combo_id=name) == made
        kind = "future_combo" if "FS" in name else "option_combo"
        (listed,) = await client.call("public/get_instruments", currency="ETH", kind=kind)
        assert listed["instrument_name"] == name

    run(scenario)


def test_what_is_no_structure_is_refused() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        for trades in (
            ((PERP, "buy", 10), (FUTURE, "buy", 10)),
            ((PERP, "buy", 10), (FUTURE + "-4000-C", "sell", 1)),
            ((FUTURE + "-4000-C", "buy", 1), ("ETH-5DEC25-4000-C", "sell", 1)),
            ((FUTURE + "-4000-C", "buy", 1), (FUTURE + "-4200-C", "sell", 2)),
            ((FUTURE + "-4000-C", "buy", 1),),
        ):
            with pytest.raises(RefusedError) as caught:
                await create(client, *trades)
            assert caught.value.code == -32602

    run(scenario)


def test_a_trade_in_a_combo_moves_its_legs_and_nothing_else() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        low, high = FUTURE + "-4000-C", FUTURE + "-4200-C"
        combo = (await create(client, (low, "buy", 1), (high, "sell", 1)))["id"]
        await client.call(
            "private/subscribe",
            channels=[
                f"user.trades.{low}.raw",
                "user.combo_trades.any.any.raw",
                "user.trades.option.ETH.raw",
            ],
        )
        await client.call("public/subscribe", channels=[f"trades.{combo}.100ms", f"trades.{high}.100ms"])
        reply = await client.call("private/buy", instrument_name=combo, amount=5, type="market")
        order, trades = reply["order"], reply["trades"]
        assert order["order_state"] == "filled"
        assert {(t["instrument_name"], t["direction"], t["amount"]) for t in trades} == {
            (low, "buy", 5.0),
            (high, "sell", 5.0),
        }
        (one,) = {t["combo_trade_id"] for t in trades}
        assert {t["combo_id"] for t in trades} == {combo}
        assert len({t["trade_id"] for t in trades}) == 2
        price = {t["instrument_name"]: Decimal(str(t["price"])) for t in trades}
        assert price[low] - price[high] == Decimal(str(order["average_price"]))
        # The side that costs less in fees trades free.
        assert sorted(t["fee"] for t in trades) == [0.0, 0.0015]
        held = {p["instrument_name"]: p["size"] for p in await client.call("private/get_positions")}
        assert held == {low: 5.0, high: -5.0}
        summary = await client.call("private/get_account_summary", currency="ETH")
        assert Decimal(str(summary["balance"])) == 500 - 5 * (price[low] - price[high]) - Decimal("0.0015")
        assert [t["instrument_name"] for t in client.pushed[f"user.trades.{low}.raw"][0]] == [low]
        (told,) = client.pushed["user.combo_trades.any.any.raw"][0]
        assert (told["instrument_name"], told["combo_trade_id"], len(told["legs"])) == (combo, one, 2)
        assert len(client.pushed["user.trades.option.ETH.raw"]) == 2
        log = await client.call(
            "private/get_transaction_log",
            currency="ETH",
            start_timestamp=0,
            end_timestamp=2**45,
            query="trade",
        )
        assert [row["combo_id"] for row in log["logs"]] == [combo, combo]
        own = await client.call("private/get_user_trades_by_instrument", instrument_name=combo)
        assert [leg["trade_id"] for leg in own["trades"][0]["legs"]] == [t["trade_id"] for t in trades]
        legs = await client.call("private/get_user_trades_by_order", order_id=order["order_id"])
        assert {t["instrument_name"] for t in legs} == {low, high}
        seen = await client.call("public/get_last_trades_by_instrument", instrument_name=combo)
        assert [leg["instrument_name"] for leg in seen["trades"][0]["legs"]] == [low, high]

    run(scenario)


def test_a_future_spread_may_cost_less_than_nothing_and_two_accounts_meet_in_it() -> None:
    async def scenario(world: World) -> None:
        first, second = await world.connect(1), await world.connect(2)
        spread = (await create(first, (PERP, "sell", 10), (FUTURE, "buy", 10)))["id"]
        book = await first.call("public/get_order_book", instrument_name=spread)
        inside = round(book["best_ask_price"] - 0.05, 2)
        made = await first.call(
            "private/sell", instrument_name=spread, amount=1000, type="limit", price=inside
        )
        assert made["order"]["order_state"] == "open"
        taken = await second.call(
            "private/buy", instrument_name=spread, amount=1000, type="limit", price=inside
        )
        assert taken["order"]["order_state"] == "filled"
        price = {t["instrument_name"]: Decimal(str(t["price"])) for t in taken["trades"]}
        assert price[FUTURE] - price[PERP] == Decimal(str(inside))
        # The taker pays half for the cheaper leg, the maker of a spread nothing.
        full = sorted((Decimal("0.5") / price[name]).quantize(Decimal("1e-8")) for name in (PERP, FUTURE))
        paid = sorted(Decimal(str(t["fee"])) for t in taken["trades"])
        assert paid == [(full[0] / 2).quantize(Decimal("1e-8")), full[1]]
        sizes = [
            {p["instrument_name"]: p["size"] for p in await client.call("private/get_positions")}
            for client in (first, second)
        ]
        assert sizes == [{PERP: 1000.0, FUTURE: -1000.0}, {PERP: -1000.0, FUTURE: 1000.0}]
        shared = await first.call(
            "private/get_leg_prices",
            price=inside,
            legs=[
                {"instrument_name": FUTURE, "direction": "buy", "amount": 10},
                {"instrument_name": PERP, "direction": "sell", "amount": 10},
            ],
        )
        legs = {leg["instrument_name"]: Decimal(str(leg["price"])) for leg in shared["legs"]}
        assert legs[FUTURE] - legs[PERP] == Decimal(str(inside))

    run(scenario)
