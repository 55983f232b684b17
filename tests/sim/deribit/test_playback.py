"""A recording played on the simulated venue, seen and traded with over real JSON-RPC."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from atomizer.sim.deribit import DeribitTwin, DeribitTwinSettings
from atomizer.sim.market import Market
from atomizer.sim.recording import Depth, Print, Recording, RecordingError, load_recording
from tests.sim.deribit.client import PERP, START, World, run

SECOND = 1_000_000_000
TAPE = Path(__file__).parent / "tape.jsonl"


def levels(*pairs: tuple[str, int]) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(price), Decimal(amount)) for price, amount in pairs)


def depth(
    second: float, bids: tuple[tuple[str, int], ...], asks: tuple[tuple[str, int], ...], *, whole: bool
) -> Depth:
    return Depth(int(second * SECOND), PERP, levels(*bids), levels(*asks), whole)


def hit(second: float, side: int, price: str, amount: int) -> Print:
    return Print(int(second * SECOND), PERP, side, Decimal(price), Decimal(amount))


OPENING = depth(0, (("3000.00", 100), ("2999.50", 300)), (("3000.50", 80), ("3001.00", 200)), whole=True)


def playing(*events: Depth | Print) -> DeribitTwinSettings:
    return DeribitTwinSettings(takers=False, recording=Recording((OPENING, *events)))


def market() -> Market:
    return Market(7, START, spot=3000.25)


def test_the_book_is_what_was_recorded_and_ours_and_marks_follow_it() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await client.order_("buy", 50, 3000.00)
        book = await client.call("public/get_order_book", instrument_name=PERP, depth=5)
        assert book["bids"] == [[3000.0, 150.0], [2999.5, 300.0]]
        assert book["asks"] == [[3000.5, 80.0], [3001.0, 200.0]]
        assert book["mark_price"] == 3000.25
        await asyncio.sleep(2)
        book = await client.call("public/get_order_book", instrument_name=PERP, depth=5)
        assert book["bids"] == [[3000.0, 70.0], [2999.5, 300.0]]
        assert book["asks"] == [[3001.5, 10.0]]
        assert book["mark_price"] == 3000.75

    later = depth(1, (("3000.00", 20),), (("3000.50", 0), ("3001.00", 0), ("3001.50", 10)), whole=False)
    run(scenario, playing(later), market())


def test_recorded_trades_reach_us_behind_what_was_there() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await client.call("private/subscribe", channels=["user.trades.any.any.raw", f"trades.{PERP}.raw"])
        order = (await client.order_("buy", 50, 3000.00))["order"]
        await asyncio.sleep(1.5)
        assert client.pushed.get("user.trades.any.any.raw") is None
        assert [trade["amount"] for trade in client.pushed[f"trades.{PERP}.raw"][0]] == [60.0]
        await asyncio.sleep(2)
        (fill,) = client.pushed["user.trades.any.any.raw"][0]
        assert (fill["order_id"], fill["amount"], fill["price"]) == (order["order_id"], 30.0, 3000.0)
        assert fill["liquidity"] == "M"

    run(scenario, playing(hit(1, -1, "3000.00", 60), hit(2, -1, "3000.00", 70)), market())


def test_a_trade_through_us_and_what_we_take() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        inside = await client.order_("sell", 40, 3000.25)
        await asyncio.sleep(1.5)
        (fill,) = (await client.call("private/get_user_trades_by_currency", currency="ETH"))["trades"]
        assert (fill["order_id"], fill["price"]) == (inside["order"]["order_id"], 3000.25)
        eaten = await client.order_("buy", 100, 3001.00, time_in_force="immediate_or_cancel")
        assert [(trade["price"], trade["amount"]) for trade in eaten["trades"]] == [
            (3000.5, 20.0),
            (3001.0, 80.0),
        ]
        await asyncio.sleep(1.5)
        book = await client.call("public/get_order_book", instrument_name=PERP, depth=5)
        assert book["asks"] == [[3000.5, 80.0], [3001.0, 120.0]]

    again = depth(3, (), (("3000.50", 80),), whole=False)
    run(scenario, playing(hit(1, 1, "3000.50", 100), again), market())


def test_other_books_stay_generated_and_the_recorded_one_outlives_its_end() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        name = world.market.options[0].name
        book = await client.call("public/get_order_book", instrument_name=name, depth=5)
        assert book["asks"]
        await asyncio.sleep(30)
        book = await client.call("public/get_order_book", instrument_name=PERP, depth=5)
        assert book["bids"] == [[3000.0, 100.0], [2999.5, 300.0]]

    run(scenario, playing(), market())


def test_two_runs_of_one_recording_are_one_run() -> None:
    seen: list[list[object]] = []

    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await client.call("private/subscribe", channels=[f"book.{PERP}.raw", f"trades.{PERP}.raw"])
        await client.order_("buy", 500, 2999.50)
        await asyncio.sleep(8)
        seen.append(list(client.order))

    for _ in range(2):
        run(scenario, DeribitTwinSettings(recording=load_recording(TAPE)), market())
    assert seen[0] == seen[1]
    assert len(seen[0]) > 10


def test_unlisted_instruments_and_values_off_the_grid_are_refused_at_the_start() -> None:
    for event, text in (
        (Print(0, "ETH-1JAN20", 1, Decimal(1), Decimal(1)), "found ETH-1JAN20"),
        (hit(0, 1, "3000.01", 1), r"steps of 0\.05"),
        (Print(0, PERP, 1, Decimal(3000), Decimal("0.5")), "amount in steps of 1"),
    ):
        settings = replace(playing(), recording=Recording((event,)))
        with pytest.raises(RecordingError, match=text):
            DeribitTwin([market()], settings, world_clock())


class _Clock:
    def now_ns(self) -> int:
        return START


def world_clock() -> _Clock:
    return _Clock()
