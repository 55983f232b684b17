"""Mass quotes and protection against a scripted venue: what goes out, and what an answer means."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from atomizer.cli.exits import single_errors
from atomizer.domain.bookings import Fill
from atomizer.domain.commands import AmendOrder, CancelOrder, PlaceOrder, QueryOrder
from atomizer.domain.events import OrderEnded, OrderNotFound, OrderOpen, PlaceRefused, RequestTimedOut
from atomizer.domain.identity import label
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason, Purpose, TimeInForce
from atomizer.venues.deribit.checks import StartRefusedError
from atomizer.venues.deribit.settings import MmpGroup

from .scripted import ACCOUNT, OPTION, PERPETUAL, SILENCE, Refusal, Scene, Venue, play

NAME = OPTION["instrument_name"]
OTHER = OPTION | {"instrument_name": "ETH-26SEP25-4100-C", "strike": 4100}
GROUP = MmpGroup("options", "eth_usd", 5, 3, Decimal(20), Decimal(10), Decimal(15))
CONFIG = {
    "index_name": "eth_usd",
    "mmp_group": "options",
    "interval": 5,
    "frozen_time": 3,
    "quantity_limit": 20,
    "delta_limit": 10,
    "max_quote_quantity": 15,
}


def protected(venue: Venue) -> None:
    venue.answers |= {
        "public/get_instruments": [PERPETUAL, OPTION, OTHER],
        "private/get_account_summary": ACCOUNT | {"mmp_enabled": True},
        "private/get_mmp_config": [CONFIG],
        "private/cancel_quotes": 0,
        "private/get_open_orders_by_instrument": [],
        "private/mass_quote": {"orders": [], "trades": [], "errors": []},
    }


def place(scene: Scene, order_id: int, side: Side, name: str = NAME, **changes: Any) -> PlaceOrder:
    command = PlaceOrder(
        order_id=order_id,
        venue="deribit",
        account="main",
        instrument=f"deribit:{name}",
        side=side,
        ticks=400 if side is Side.BUY else 450,
        lots=5,
        time_in_force=TimeInForce.GTC,
        purpose=Purpose.QUOTE,
        deadline_ns=scene.clock.now_ns() + 1_000_000_000,
        slot=0,
        post_only=True,
    )
    return msgspec.structs.replace(command, **changes)


def both(scene: Scene) -> list[PlaceOrder]:
    return [place(scene, 77, Side.BUY), place(scene, 78, Side.SELL)]


def order(order_id: int, direction: str, **changes: Any) -> dict[str, Any]:
    return {
        "order_id": f"ETH-{order_id}",
        "order_state": "open",
        "instrument_name": NAME,
        "direction": direction,
        "price": 0.04,
        "amount": 5,
        "filled_amount": 0,
        "label": "",
        "quote_set_id": f"{label(77)}.{label(78)}",
        "mmp_group": "options",
        "last_update_timestamp": 1757289600000,
    } | changes


def test_a_turns_quotes_are_one_message_in_the_venues_words():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        commands = [*both(scene), place(scene, 79, Side.BUY, OTHER["instrument_name"], post_only=False)]
        scene.port.send(commands)
        await scene.until(OrderOpen, 2)
        (sent,) = scene.venue.asked("private/mass_quote")
        assert sent.pop("quote_id").startswith("q")
        assert sent == {
            "mmp_group": "options",
            "quotes": [
                {
                    "instrument_name": NAME,
                    "quote_set_id": f"{label(77)}.{label(78)}",
                    "bid": {"amount": 5, "price": 0.04, "post_only": True, "reject_post_only": True},
                    "ask": {"amount": 5, "price": 0.045, "post_only": True, "reject_post_only": True},
                },
                {
                    "instrument_name": OTHER["instrument_name"],
                    "quote_set_id": f"{label(79)}.{label(0)}",
                    "bid": {"amount": 5, "price": 0.04, "post_only": False, "reject_post_only": False},
                },
            ],
            "valid_until": commands[0].deadline_ns // 10**6,
            "detailed": True,
            "wait_for_response": True,
        }
        assert [(e.order_id, e.side) for e in scene.sink.of(OrderOpen)] == [(77, Side.BUY), (78, Side.SELL)]
        assert not scene.venue.asked("private/buy")

    def answers(venue: Venue) -> None:
        protected(venue)
        venue.answers["private/mass_quote"] = {
            "orders": [order(1, "buy"), order(2, "sell")],
            "trades": [],
            "errors": [],
            "pending_requests": [],
        }

    play(body, answers, mmp_groups=(GROUP,))


def test_an_amend_says_what_is_left_and_a_cancel_an_amount_of_nothing():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send(both(scene))
        await asyncio.sleep(0.1)
        amend = AmendOrder(
            order_id=77,
            venue="deribit",
            account="main",
            venue_order_id="ETH-1",
            instrument=f"deribit:{NAME}",
            ticks=410,
            lots=7,
            filled_lots=3,
            purpose=Purpose.QUOTE,
            deadline_ns=scene.clock.now_ns() + 10**9,
        )
        cancel = CancelOrder(order_id=78, venue="deribit", account="main", instrument=f"deribit:{NAME}")
        scene.port.send([amend, cancel])
        await asyncio.sleep(0.1)
        (quote,) = scene.venue.asked("private/mass_quote")[1]["quotes"]
        assert quote["bid"] == {"amount": 4, "price": 0.041, "post_only": True, "reject_post_only": True}
        assert quote["ask"] == {"amount": 0}
        scene.venue.trading.push(
            "user.orders.any.any.raw", order(2, "sell", order_state="cancelled", cancel_reason="user_request")
        )
        await scene.until(OrderEnded)
        assert scene.sink.of(OrderEnded)[0].reason is EndReason.CANCELLED_BY_US
        assert not scene.venue.asked("private/edit") and not scene.venue.asked("private/cancel")

    play(body, protected, mmp_groups=(GROUP,))


def test_hedges_and_other_instruments_do_not_ride_in_mass_quotes():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send(
            [
                place(scene, 77, Side.BUY, purpose=Purpose.HEDGE),
                place(scene, 78, Side.BUY, "ETH-PERPETUAL", ticks=80_000),
            ]
        )
        await asyncio.sleep(0.1)
        assert len(scene.venue.asked("private/buy")) == 2
        assert not scene.venue.asked("private/mass_quote")

    play(body, protected, mmp_groups=(GROUP,))


def test_an_error_on_one_side_makes_both_unknown_and_cancels_the_instrument_alone():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([*both(scene), place(scene, 79, Side.BUY, OTHER["instrument_name"])])
        await scene.until(OrderNotFound, 2)
        assert scene.sink.of(RequestTimedOut) == [RequestTimedOut(77), RequestTimedOut(78)]
        assert scene.venue.asked("private/cancel_quotes") == [
            {"cancel_type": "instrument", "instrument_name": NAME}
        ]
        assert scene.sink.of(OrderNotFound) == [OrderNotFound(77), OrderNotFound(78)]
        assert not scene.sink.of(PlaceRefused), "nothing is concluded from an error"

    def answers(venue: Venue) -> None:
        protected(venue)
        error = {"code": 10022, "message": "invalid_quantity"}
        venue.answers["private/mass_quote"] = {
            "orders": [],
            "trades": [],
            "errors": [{"instrument_name": NAME, "side": "bid", "error": error}],
        }

    play(body, answers, mmp_groups=(GROUP,))


@pytest.mark.parametrize("whole", [SILENCE, Refusal(10040, "retry")], ids=["silence", "refusal"])
def test_a_message_without_a_good_answer_makes_everything_in_it_unknown(whole: Any):
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([*both(scene), place(scene, 79, Side.BUY, OTHER["instrument_name"])])
        await scene.until(RequestTimedOut, 3)
        await asyncio.sleep(0.1)
        assert [params["instrument_name"] for params in scene.venue.asked("private/cancel_quotes")] == [
            NAME,
            OTHER["instrument_name"],
        ]

    def answers(venue: Venue) -> None:
        protected(venue)

        def refuse(_: dict[str, Any]) -> Any:
            raise whole

        venue.answers["private/mass_quote"] = whole if whole is SILENCE else refuse

    play(body, answers, mmp_groups=(GROUP,))


def test_a_frozen_group_takes_nothing_and_nothing_is_asked():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send(both(scene))
        await scene.until(PlaceRefused, 2)
        assert {event.code for event in scene.sink.of(PlaceRefused)} == {"13030"}
        assert not scene.venue.asked("private/cancel_quotes")

    def answers(venue: Venue) -> None:
        protected(venue)

        def frozen(_: dict[str, Any]) -> Any:
            raise Refusal(13030, "mmp_trigger")

        venue.answers["private/mass_quote"] = frozen

    play(body, answers, mmp_groups=(GROUP,))


def test_a_quotes_trades_and_ends_belong_to_the_side_its_set_id_names():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send(both(scene))
        await asyncio.sleep(0.1)
        trade = {
            "trade_id": "T1",
            "instrument_name": NAME,
            "direction": "sell",
            "price": 0.045,
            "amount": 2,
            "order_id": "ETH-2",
            "quote_set_id": f"{label(77)}.{label(78)}",
            "timestamp": 1,
        }
        scene.venue.trading.push("user.trades.any.any.raw", [trade])
        ended = {"order_state": "cancelled", "cancel_reason": "mmp_trigger"}
        scene.venue.trading.push("user.orders.any.any.raw", order(1, "buy", **ended))
        scene.venue.trading.push(
            "user.mmp_trigger.eth_usd", {"index_name": "eth_usd", "mmp_group": "options", "frozen_until": 0}
        )
        await scene.until(OrderNotFound)
        assert scene.sink.of(Fill)[0].order_id == 78
        (end,) = scene.sink.of(OrderEnded)
        assert (end.order_id, end.reason) == (77, EndReason.MMP)
        assert scene.sink.of(OrderNotFound) == [OrderNotFound(78)], "what the venue left out is asked about"

    play(body, protected, mmp_groups=(GROUP,))


def test_a_quote_is_asked_about_among_the_open_orders_of_its_instrument():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send(both(scene))
        await asyncio.sleep(0.1)
        scene.port.send(
            [QueryOrder(order_id=78, venue="deribit", account="main", instrument=f"deribit:{NAME}")]
        )
        await scene.until(OrderOpen)
        assert scene.sink.of(OrderOpen)[0].order_id == 78
        assert scene.venue.asked("private/get_open_orders_by_instrument") == [{"instrument_name": NAME}]

    def answers(venue: Venue) -> None:
        protected(venue)
        venue.answers["private/get_open_orders_by_instrument"] = [order(1, "buy"), order(2, "sell")]

    play(body, answers, mmp_groups=(GROUP,))


def test_protection_is_set_where_the_venue_holds_another():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        assert scene.venue.asked("private/set_mmp_config") == [CONFIG]
        channels = [name for params in scene.venue.asked("private/subscribe") for name in params["channels"]]
        assert "user.mmp_trigger.eth_usd" in channels

    def answers(venue: Venue) -> None:
        protected(venue)
        venue.answers["private/get_mmp_config"] = [CONFIG | {"quantity_limit": 200}]
        venue.answers["private/set_mmp_config"] = lambda params: [params]

    play(body, answers, mmp_groups=(GROUP,))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"private/get_account_summary": ACCOUNT}, "protection on, found it off"),
        (
            {"private/get_mmp_config": [], "private/set_mmp_config": [CONFIG | {"interval": 60}]},
            "the protection of options on eth_usd as configured",
        ),
    ],
    ids=["off", "not taken"],
)
def test_without_its_protection_nothing_is_started(changes: dict[str, Any], words: str):
    async def body(scene: Scene) -> None:
        await asyncio.sleep(30)

    def answers(venue: Venue) -> None:
        protected(venue)
        venue.answers |= changes

    with pytest.raises(BaseExceptionGroup) as caught:
        play(body, answers, mmp_groups=(GROUP,))
    (refused,) = [error for error in single_errors(caught.value) if isinstance(error, StartRefusedError)]
    assert words in str(refused)
