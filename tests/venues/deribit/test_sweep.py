"""The kill switch's sweep cancels ours, leaves others alone and says what it found."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from atomizer.net.memory import Latency, MemoryNetwork
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.venues.deribit.settings import DeribitSettings
from atomizer.venues.deribit.sweep import SweepError, Swept, cancel_ours

from .scripted import SETTINGS, SILENCE, Refusal, Venue


def order(number: str, label: str, state: str = "open") -> dict[str, Any]:
    return {
        "order_id": number,
        "order_state": state,
        "instrument_name": "ETH-PERPETUAL",
        "direction": "buy",
        "price": 4000.0,
        "amount": 1,
        "label": label,
    }


def sweep(prepare: Callable[[Venue], None], **changes: Any) -> tuple[list[Swept], Venue]:
    async def main(clock: VirtualClock) -> tuple[list[Swept], Venue]:
        network = MemoryNetwork(random.Random(1), Latency(0.005), Latency(0.005))
        venue = Venue(clock)
        prepare(venue)
        await network.serve("127.0.0.1", 8000, venue)
        found = await cancel_ours(
            network, DeribitSettings(**(SETTINGS | changes)), "atm-", clock=clock, rng=random.Random(3)
        )
        await asyncio.sleep(1)
        return found, venue

    return run_virtual(main)


def resting(venue: Venue) -> None:
    open_orders = {name: order(name, label) for name, label in (("1", "atm-a"), ("2", "atm-b"), ("3", "web"))}

    def cancel(params: dict[str, Any]) -> Any:
        if params["order_id"] == "2":
            raise Refusal(10041, "settlement_in_progress")
        return open_orders.pop(params["order_id"]) | {"order_state": "cancelled"}

    venue.answers["private/get_open_orders"] = lambda _: list(open_orders.values())
    venue.answers["private/cancel"] = cancel


def test_ours_are_cancelled_one_by_one_and_what_still_rests_is_said():
    found, venue = sweep(resting)
    assert [(item.venue_order_id, item.open) for item in found] == [("1", False), ("2", True)]
    assert found[0].outcome == "cancelled" and "10041" in found[1].outcome
    assert [params["order_id"] for params in venue.asked("private/cancel")] == ["1", "2"]
    assert not any(method.startswith("private/cancel_all") for method, _ in venue.requests)
    assert not venue.sockets[-1].open


def test_quotes_are_known_by_their_set_id():
    quote = order("7", "") | {"quote_set_id": "atm-a.atm-b", "mmp_group": "options"}
    foreign = order("8", "") | {"quote_set_id": "desk-1"}

    def quoted(venue: Venue) -> None:
        left = [quote, foreign]
        venue.answers["private/get_open_orders"] = lambda _: list(left)

        def cancel(params: dict[str, Any]) -> Any:
            left.remove(quote)
            return quote | {"order_state": "cancelled"}

        venue.answers["private/cancel"] = cancel

    found, venue = sweep(quoted)
    assert [(item.venue_order_id, item.label, item.open) for item in found] == [("7", "atm-a.atm-b", False)]
    assert [params["order_id"] for params in venue.asked("private/cancel")] == ["7"]


def test_nothing_of_ours_is_an_empty_report():
    found, _ = sweep(lambda venue: venue.answers.update({"private/get_open_orders": [order("3", "web")]}))
    assert found == []


def test_no_answer_is_an_error_that_says_orders_may_rest():
    with pytest.raises(SweepError, match="may rest"):
        sweep(lambda venue: venue.answers.update({"private/get_open_orders": SILENCE}))


def test_wrong_address_is_an_error_with_the_reason():
    with pytest.raises(SweepError, match="refused"):
        sweep(resting, ws_url="ws://127.0.0.1:9/")
