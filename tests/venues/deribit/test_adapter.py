"""The Deribit port against a scripted venue in virtual time: one test per behaviour."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from atomizer.cli.exits import Exit, code_of, single_errors
from atomizer.domain.bookings import CashMove, Fill
from atomizer.domain.commands import (
    AmendOrder,
    CancelOrder,
    PlaceOrder,
    QueryOrder,
    ReadAccount,
    Resubscribe,
)
from atomizer.domain.events import (
    AmendRefused,
    BalanceReport,
    BookChange,
    BookSnapshot,
    BudgetRead,
    CancelRefused,
    ClockOffset,
    FeedAlive,
    FeedDown,
    FeedUp,
    IndexPrice,
    InstrumentListed,
    OrderEnded,
    OrderNotFound,
    OrderOpen,
    PlaceRefused,
    PositionReport,
    ReadBegun,
    ReadEnded,
    RequestTimedOut,
    Ticker,
    UnknownEntry,
)
from atomizer.domain.identity import label
from atomizer.domain.instruments import Leg, Side
from atomizer.domain.orders import EndReason, Purpose, TimeInForce
from atomizer.venues.deribit.checks import StartRefusedError
from atomizer.venues.keys import Ed25519Key

from .scripted import (
    ACCOUNT,
    DATED,
    FUTURE,
    OPTION,
    PERPETUAL,
    SCOPE,
    SILENCE,
    SPOT,
    Refusal,
    Scene,
    Venue,
    play,
)

PERP = "deribit:ETH-PERPETUAL"


def place(scene: Scene, order_id: int = 77, **changes: Any) -> PlaceOrder:
    command = PlaceOrder(
        order_id=order_id,
        venue="deribit",
        account="main",
        instrument=PERP,
        side=Side.BUY,
        ticks=80_000,
        lots=10,
        time_in_force=TimeInForce.GTC,
        purpose=Purpose.HEDGE,
        deadline_ns=scene.clock.now_ns() + 1_000_000_000,
        slot=0,
    )
    return msgspec.structs.replace(command, **changes)


def amend(scene: Scene, order_id: int = 77, **changes: Any) -> AmendOrder:
    command = AmendOrder(
        order_id=order_id,
        venue="deribit",
        account="main",
        venue_order_id="ETH-1",
        instrument=PERP,
        ticks=80_010,
        lots=12,
        filled_lots=0,
        purpose=Purpose.QUOTE,
        deadline_ns=scene.clock.now_ns() + 1_000_000_000,
    )
    return msgspec.structs.replace(command, **changes)


def cancel(venue_order_id: str = "ETH-1", order_id: int = 77) -> CancelOrder:
    return CancelOrder(
        order_id=order_id, venue="deribit", account="main", instrument=PERP, venue_order_id=venue_order_id
    )


def query(venue_order_id: str = "", order_id: int = 77) -> QueryOrder:
    return QueryOrder(
        order_id=order_id, venue="deribit", account="main", instrument=PERP, venue_order_id=venue_order_id
    )


def order(**changes: Any) -> dict[str, Any]:
    return {
        "order_id": "ETH-1",
        "order_state": "open",
        "instrument_name": "ETH-PERPETUAL",
        "direction": "buy",
        "price": 4000.0,
        "amount": 10,
        "filled_amount": 0,
        "label": label(77),
        "time_in_force": "good_til_cancelled",
        "last_update_timestamp": 1757289600000,
    } | changes


def trade(**changes: Any) -> dict[str, Any]:
    return {
        "trade_id": "T1",
        "instrument_name": "ETH-PERPETUAL",
        "direction": "buy",
        "price": 4000.0,
        "amount": 4,
        "order_id": "ETH-1",
        "fee": 0.0000005,
        "fee_currency": "ETH",
        "liquidity": "T",
        "label": label(77),
        "timestamp": 1757289600000,
    } | changes


def refuse(code: int, text: str) -> Any:
    def answer(_: dict[str, Any]) -> Any:
        raise Refusal(code, text)

    return answer


# --- market data ---


def test_listing_comes_before_feed_up_and_what_is_followed_is_subscribed():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        kinds = [type(event) for event in scene.sink.events]
        assert kinds.index(InstrumentListed) < kinds.index(FeedUp)
        listed = {event.instrument.key for event in scene.sink.of(InstrumentListed)}
        assert listed == {PERP, "deribit:ETH-26SEP25-4000-C"}
        channels = [name for params in scene.venue.asked("public/subscribe") for name in params["channels"]]
        assert channels == [
            "book.ETH-PERPETUAL.100ms",
            "ticker.ETH-PERPETUAL.100ms",
            "deribit_price_index.eth_usd",
            "instrument.state.any.ETH",
            "ticker.ETH-26SEP25-4000-C.100ms",
        ]

    play(body)


def test_market_data_becomes_events():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        socket = scene.venue.market
        book = {"timestamp": 1, "instrument_name": "ETH-PERPETUAL"}
        socket.push(
            "book.ETH-PERPETUAL.100ms",
            book | {"type": "snapshot", "change_id": 5, "bids": [["new", 4000.0, 10]], "asks": []},
        )
        socket.push(
            "book.ETH-PERPETUAL.100ms",
            book | {"type": "change", "change_id": 9, "prev_change_id": 5, "bids": [], "asks": []},
        )
        socket.push("ticker.ETH-PERPETUAL.100ms", {"instrument_name": "ETH-PERPETUAL", "mark_price": 4000.5})
        socket.push("deribit_price_index.eth_usd", {"index_name": "eth_usd", "price": 4001.5, "timestamp": 2})
        await asyncio.sleep(0.05)
        assert [e.sequence for e in scene.sink.of(BookSnapshot)] == [5]
        assert [(e.previous, e.sequence) for e in scene.sink.of(BookChange)] == [(5, 9)]
        assert scene.sink.of(Ticker)[0].mark == 4000.5
        assert scene.sink.of(IndexPrice)[0].price == 4001.5
        assert next(b for b in scene.sink.batches if isinstance(b[0], BookSnapshot))[1:], (
            "one read, one batch"
        )

    play(body)


def test_books_are_the_same_whatever_the_order_of_fields():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        data = {
            "type": "snapshot",
            "instrument_name": "ETH-PERPETUAL",
            "change_id": 5,
            "bids": [],
            "asks": [],
        }
        scene.venue.market.send(
            {
                "method": "subscription",
                "params": {"data": data, "channel": "book.ETH-PERPETUAL.100ms"},
                "jsonrpc": "2.0",
            }
        )
        await scene.until(BookSnapshot)

    play(body)


def test_gap_is_answered_by_leaving_and_joining_the_channel():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        before = len(scene.venue.asked("public/subscribe"))
        scene.port.send([Resubscribe("deribit", PERP), Resubscribe("deribit", PERP)])
        await asyncio.sleep(0.2)
        assert scene.venue.asked("public/unsubscribe") == [{"channels": ["book.ETH-PERPETUAL.100ms"]}]
        assert scene.venue.asked("public/subscribe")[before:] == [{"channels": ["book.ETH-PERPETUAL.100ms"]}]

    play(body)


def test_quiet_sockets_are_pinged_and_the_answer_is_a_sign_of_life():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        start = len(scene.sink.events)
        await asyncio.sleep(10)
        alive = [e.feed for e in scene.sink.events[start:] if isinstance(e, FeedAlive)]
        assert alive.count("deribit/market") >= 20
        assert alive.count("deribit/trading") >= 3

    play(body, market_ping_s=0.25, trading_ping_s=2.0)


def test_test_request_is_answered():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        tests = len(scene.venue.asked("public/test"))
        for socket in (scene.venue.market, scene.venue.trading):
            socket.send({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}})
        await asyncio.sleep(0.05)
        assert len(scene.venue.asked("public/test")) == tests + 2

    play(body, market_ping_s=100.0, trading_ping_s=100.0, market_dead_s=0.0, trading_dead_s=0.0)


def test_clock_offset_is_measured_from_both_directions():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        assert abs(scene.sink.of(ClockOffset)[0].offset_ns - 300_000_000) < 2_000

    def ahead(venue: Venue) -> None:
        venue.offset_us = 300_000

    play(body, ahead)


def test_state_change_closes_the_instrument():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.venue.market.push(
            "instrument.state.any.ETH", {"instrument_name": "ETH-PERPETUAL", "state": "settlement"}
        )
        await asyncio.sleep(0.05)
        last = scene.sink.of(InstrumentListed)[-1].instrument
        assert last.key == PERP and not last.open and last.settling
        scene.venue.market.push(
            "instrument.state.any.ETH", {"instrument_name": "ETH-PERPETUAL", "state": "open"}
        )
        await asyncio.sleep(0.05)
        last = scene.sink.of(InstrumentListed)[-1].instrument
        assert last.open and not last.settling

    play(body)


def test_a_new_instrument_is_followed_from_its_first_state():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        before = len(scene.venue.asked("public/get_instruments"))
        scene.venue.answers["public/get_instruments"] = [PERPETUAL, OPTION, DATED]
        for name in ("ETH-26SEP25", "ETH-26SEP25-5000-C", "ETH-26SEP25-5000-P"):
            scene.venue.market.push("instrument.state.any.ETH", {"instrument_name": name, "state": "open"})
        await asyncio.sleep(1.1)
        assert len(scene.venue.asked("public/get_instruments")) == before + 1, "one read for a crowd"
        assert scene.sink.of(InstrumentListed)[-1].instrument.key == "deribit:ETH-26SEP25"
        assert scene.venue.asked("public/subscribe")[-1] == {
            "channels": ["book.ETH-26SEP25.100ms", "ticker.ETH-26SEP25.100ms"]
        }

    play(body, future_books=("ETH",))


def test_a_delivered_instrument_is_closed_and_left():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        for state in ("settlement", "delivered"):
            scene.venue.market.push(
                "instrument.state.any.ETH", {"instrument_name": "ETH-26SEP25", "state": state}
            )
            await asyncio.sleep(0.1)
        last = scene.sink.of(InstrumentListed)[-1].instrument
        assert last.key == "deribit:ETH-26SEP25" and not last.open and not last.settling
        assert scene.venue.asked("public/unsubscribe") == [
            {"channels": ["book.ETH-26SEP25.100ms", "ticker.ETH-26SEP25.100ms"]}
        ]

    play(
        body,
        lambda venue: venue.answers.update({"public/get_instruments": [PERPETUAL, OPTION, DATED]}),
        future_books=("ETH",),
    )


def test_books_of_dated_futures_and_spot_are_followed_where_configured():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        channels = [name for params in scene.venue.asked("public/subscribe") for name in params["channels"]]
        assert [name for name in channels if name.startswith("book.")] == [
            "book.ETH-PERPETUAL.100ms",
            "book.ETH_USDC.100ms",
            "book.ETH-26SEP25.100ms",
        ]
        spot = next(e.instrument for e in scene.sink.of(InstrumentListed) if e.instrument.kind == "spot")
        assert (spot.key, spot.settlement, spot.expiry_ns) == ("deribit:ETH_USDC", "USDC", None)

    def answers(venue: Venue) -> None:
        venue.answers["public/get_instruments"] = lambda p: (
            [PERPETUAL, OPTION, DATED] if p["currency"] == "ETH" else [SPOT]
        )

    play(
        body,
        answers,
        currencies=("ETH", "USDC"),
        books=("ETH-PERPETUAL", "ETH_USDC"),
        future_books=("ETH",),
    )


def test_combos_are_listed_with_the_legs_the_venue_names():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        combo = next(e.instrument for e in scene.sink.of(InstrumentListed) if e.instrument.legs)
        assert combo.key == "deribit:ETH-FS-26SEP25_PERP"
        assert combo.legs == (Leg("deribit:ETH-26SEP25", 1), Leg(PERP, -1))

    def answers(venue: Venue) -> None:
        spread = DATED | {"instrument_name": "ETH-FS-26SEP25_PERP", "kind": "future_combo"}
        venue.answers["public/get_instruments"] = [PERPETUAL, DATED, spread]
        venue.answers["public/get_combos"] = [
            {
                "id": "ETH-FS-26SEP25_PERP",
                "state": "active",
                "legs": [
                    {"instrument_name": "ETH-26SEP25", "amount": 1},
                    {"instrument_name": "ETH-PERPETUAL", "amount": -1},
                ],
            }
        ]

    play(body, answers, combos=True)


def test_many_channels_are_subscribed_in_portions_that_the_credits_allow():
    async def body(scene: Scene) -> None:
        start = scene.clock.now_ns()
        await scene.until(FeedUp)
        assert len(scene.sink.of(InstrumentListed)) == 5_001
        sizes = [len(params["channels"]) for params in scene.venue.asked("public/subscribe")]
        assert sum(sizes) == 5_000 + 4 and max(sizes) == 500
        assert scene.clock.now_ns() - start > 0.8e9, "eleven calls of 3,000 credits from a pool of 30,000"

    def answers(venue: Venue) -> None:
        many = [OPTION | {"instrument_name": f"ETH-26SEP25-{k}-C", "strike": k} for k in range(1000, 6000)]
        venue.answers["public/get_instruments"] = [PERPETUAL, *many]

    play(body, answers, key=None)


def test_missing_book_channel_is_not_called_up():
    async def body(scene: Scene) -> None:
        await scene.until(FeedDown)
        assert "left them out" in scene.sink.of(FeedDown)[0].why
        assert FeedUp("deribit/market") not in scene.sink.events

    def without_books(venue: Venue) -> None:
        venue.answers["public/subscribe"] = lambda p: [c for c in p["channels"] if "book" not in c]

    play(body, without_books)


def test_new_listings_are_followed_while_running():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        new = OPTION | {"instrument_name": "ETH-26SEP25-4100-C", "strike": 4100}
        scene.venue.answers["public/get_instruments"] = lambda _: [PERPETUAL, OPTION, new]
        await asyncio.sleep(61)
        assert {"channels": ["ticker.ETH-26SEP25-4100-C.100ms"]} in scene.venue.asked("public/subscribe")

    play(body, listing_every_s=60.0)


def test_reconnect_subscribes_again_on_both_sockets():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.server.cut()
        await scene.until_up(times=2)
        downs = [event.feed for event in scene.sink.of(FeedDown)]
        assert sorted(downs) == ["deribit/market", "deribit/trading"]
        subscribed = [c for p in scene.venue.asked("public/subscribe") for c in p["channels"]]
        assert subscribed.count("book.ETH-PERPETUAL.100ms") == 2
        assert len(scene.venue.asked("private/subscribe")) == 2
        assert len(scene.venue.asked("private/enable_cancel_on_disconnect")) == 2

    play(body)


def test_malformed_message_drops_the_connection_and_says_why():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.venue.market.push("ticker.ETH-PERPETUAL.100ms", {"mark_price": 1})
        await scene.until_up(times=1)
        await scene.until(FeedUp, 3)
        assert "another shape" in scene.sink.of(FeedDown)[0].why

    play(body)


NASTY = [
    b"",
    b"not json",
    b"[]",
    b"5",
    b'{"method":"\xff\xfe"}',
    b'{"id":1,"result":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b'{"method":"subscription","params":{"channel":"ticker.X.100ms","data":{"instrument_name":5}}}',
    b'{"method":"subscription","params":{"channel":"user.trades.any.any.raw","data":[{"price":"x"}]}}',
    b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.',
]


@pytest.mark.parametrize("data", NASTY, ids=range(len(NASTY)))
def test_no_message_ends_the_port(data: bytes):
    async def body(scene: Scene) -> None:
        await scene.until_up()
        for socket in (scene.venue.market, scene.venue.trading):
            assert socket.connection is not None
            socket.connection.send(data)
        await asyncio.sleep(5)
        scene.venue.market.push("deribit_price_index.eth_usd", {"index_name": "eth_usd", "price": 1.0})
        scene.venue.trading.push("user.trades.any.any.raw", [trade()])
        await scene.until(Fill)
        await scene.until(IndexPrice)

    play(body)


def test_a_second_account_is_a_venue_of_its_own_name():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        assert scene.port.venue == scene.port.capabilities.venue == "deribit2"
        assert {event.feed for event in scene.sink.of(FeedUp)} == {"deribit2/market", "deribit2/trading"}
        assert scene.sink.of(ClockOffset)[0].venue == "deribit2"
        perp = "deribit2:ETH-PERPETUAL"
        assert {event.instrument.venue for event in scene.sink.of(InstrumentListed)} == {"deribit2"}
        scene.venue.market.push(
            "book.ETH-PERPETUAL.100ms",
            {
                "type": "snapshot",
                "instrument_name": "ETH-PERPETUAL",
                "change_id": 5,
                "bids": [],
                "asks": [],
            },
        )
        scene.venue.market.push("ticker.ETH-PERPETUAL.100ms", {"instrument_name": "ETH-PERPETUAL"})
        scene.venue.market.push("deribit_price_index.eth_usd", {"index_name": "eth_usd", "price": 4001.5})
        scene.port.send([place(scene, venue="deribit2", instrument=perp), Resubscribe("deribit2", perp)])
        scene.port.send([msgspec.structs.replace(READ, venue="deribit2")])
        await scene.until(ReadEnded)
        told = [*scene.sink.of(BookSnapshot), *scene.sink.of(Ticker), *scene.sink.of(OrderOpen)]
        assert {event.instrument for event in told} == {perp}
        assert {event.instrument for event in scene.sink.of(PositionReport)} == {
            perp,
            "deribit2:BTC-PERPETUAL",
        }
        named = [*scene.sink.of(IndexPrice), *scene.sink.of(OrderOpen), *scene.sink.of(Fill)]
        named += [*scene.sink.of(BalanceReport), *scene.sink.of(ReadBegun), *scene.sink.of(ReadEnded)]
        assert {event.venue for event in named} == {"deribit2"}
        assert scene.venue.asked("public/unsubscribe") == [{"channels": ["book.ETH-PERPETUAL.100ms"]}]
        assert scene.venue.asked("private/buy")[0]["instrument_name"] == "ETH-PERPETUAL"

    def answers(venue: Venue) -> None:
        account(venue)
        venue.answers["private/buy"] = {"order": order(), "trades": []}

    play(body, answers, venue="deribit2")


# --- logging in ---


def test_the_token_is_renewed_at_four_fifths_of_its_life_by_its_refresh_token():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        first = scene.venue.asked("public/auth")[0]
        assert first["grant_type"] == "client_signature" and "client_secret" not in first
        assert "wallet:none" in first["scope"].split()
        await asyncio.sleep(100)
        again = scene.venue.asked("public/auth")[1:]
        assert again == [{"grant_type": "refresh_token", "refresh_token": "r1"}]
        await asyncio.sleep(80)
        assert scene.venue.asked("public/auth")[2:] == [
            {"grant_type": "refresh_token", "refresh_token": "r2"}
        ]

    def short(venue: Venue) -> None:
        tokens = (f"r{number}" for number in range(1, 100))
        venue.answers["public/auth"] = lambda _: {
            "access_token": "a",
            "refresh_token": next(tokens),
            "expires_in": 100,
            "scope": SCOPE,
        }

    play(body, short, grant="client_signature")


def test_a_refused_refresh_token_is_followed_by_a_login():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        await asyncio.sleep(100)
        asked = scene.venue.asked("public/auth")
        assert [params["grant_type"] for params in asked] == [
            "client_credentials",
            "refresh_token",
            "client_credentials",
        ]
        assert not scene.sink.of(FeedDown)

    def refusing(venue: Venue) -> None:
        def answer(params: dict[str, Any]) -> Any:
            if params["grant_type"] == "refresh_token":
                raise Refusal(13009, "unauthorized")
            return {"access_token": "a", "refresh_token": "r", "expires_in": 100, "scope": SCOPE}

        venue.answers["public/auth"] = answer

    play(body, refusing)


def test_ed25519_key_always_signs():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        assert scene.venue.asked("public/auth")[0]["grant_type"] == "client_signature"

    play(body, key=Ed25519Key.from_seed(bytes(32)))


def test_refused_login_keeps_trading_down_and_market_data_up():
    async def body(scene: Scene) -> None:
        await asyncio.sleep(5)
        assert [e.feed for e in scene.sink.of(FeedUp)] == ["deribit/market"]
        assert "13004" in next(e.why for e in scene.sink.of(FeedDown))
        assert "secret" not in str(scene.sink.events)

    play(body, lambda venue: venue.answers.update({"public/auth": refuse(13004, "invalid_credentials")}))


def test_without_a_key_only_market_data_is_served():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp)
        await asyncio.sleep(5)
        scene.port.send([place(scene)])
        await scene.until(PlaceRefused)
        assert not scene.venue.asked("public/auth")
        assert scene.sink.of(PlaceRefused)[0].code == "not_connected"

    play(body, key=None)


# --- orders ---


def test_place_answer_tells_fills_and_the_order():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        command = place(scene, post_only=True)
        scene.port.send([command])
        assert not scene.sink.of(OrderOpen), "nothing is told from inside send"
        await scene.until(OrderOpen)
        sent = scene.venue.asked("private/buy")[0]
        assert sent["label"] == label(77) and sent["price"] == 4000.0 and sent["amount"] == 10
        assert sent["valid_until"] == command.deadline_ns // 10**6
        fill, opened = scene.sink.of(Fill)[0], scene.sink.of(OrderOpen)[0]
        assert (fill.order_id, fill.size, fill.fee) == (77, Decimal(4), Decimal("0.0000005"))
        assert (opened.ticks, opened.lots, opened.filled_lots, opened.reply) == (80_000, 10, 4, True)

    def answers(venue: Venue) -> None:
        venue.answers["private/buy"] = {"order": order(filled_amount=4), "trades": [trade()]}

    play(body, answers)


def test_valid_until_is_on_the_venues_clock():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        command = place(scene)
        scene.port.send([command])
        await asyncio.sleep(0.05)
        sent = scene.venue.asked("private/buy")[0]
        assert abs(sent["valid_until"] - (command.deadline_ns // 10**6 + 300)) <= 1

    def ahead(venue: Venue) -> None:
        venue.offset_us = 300_000

    play(body, ahead)


def test_refused_place_carries_code_and_text():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([place(scene)])
        await scene.until(PlaceRefused)
        assert scene.sink.of(PlaceRefused)[0] == PlaceRefused(77, "11054", "post_only_reject")

    play(body, lambda venue: venue.answers.update({"private/buy": refuse(11054, "post_only_reject")}))


def test_internal_error_leaves_the_outcome_unknown():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([place(scene)])
        await scene.until(RequestTimedOut)
        assert not scene.sink.of(PlaceRefused)

    play(body, lambda venue: venue.answers.update({"private/buy": refuse(11094, "internal_server_error")}))


def test_time_out_at_the_deadline_then_the_late_answer():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([place(scene)])
        await scene.until(RequestTimedOut)
        assert not scene.sink.of(OrderOpen)
        await scene.until(OrderOpen)
        assert scene.sink.of(OrderOpen)[0].reply

    def slow(venue: Venue) -> None:
        venue.answers["private/buy"] = {"order": order(), "trades": []}
        venue.delay_s["private/buy"] = 2.0

    play(body, slow)


def test_cut_leaves_every_request_in_flight_unknown_before_the_feed_is_down():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([place(scene, 77), place(scene, 78)])
        await asyncio.sleep(0.02)
        scene.server.cut()
        await asyncio.sleep(0.05)
        told = [e for e in scene.sink.events if isinstance(e, RequestTimedOut) or e == trading_down]
        assert told == [RequestTimedOut(77), RequestTimedOut(78), trading_down]

    trading_down = FeedDown("deribit/trading", "connection lost")
    play(body)


def test_orders_while_down_are_refused_as_never_sent():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        await scene.server.stop()
        await asyncio.sleep(0.1)
        scene.port.send([place(scene), amend(scene), cancel(), query()])
        assert not scene.sink.of(PlaceRefused), "nothing is told from inside send"
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert scene.sink.of(PlaceRefused)[0].code == "not_connected"
        assert scene.sink.of(AmendRefused)[0].code == "not_connected"
        assert not scene.sink.of(CancelRefused)[0].gone
        assert scene.sink.of(RequestTimedOut) == [RequestTimedOut(77)]

    play(body)


def test_order_in_an_instrument_not_listed_is_refused():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([place(scene, instrument="deribit:NO-SUCH")])
        await scene.until(PlaceRefused)
        assert scene.sink.of(PlaceRefused)[0].code == "not_listed"

    play(body)


def test_backstop_refuses_and_the_order_is_never_sent_later():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([place(scene, number) for number in range(100, 110)])
        await asyncio.sleep(5)
        assert [e.code for e in scene.sink.of(PlaceRefused)] == ["rate_backstop"] * 7
        assert len(scene.venue.asked("private/buy")) == 3

    play(body, rate_per_s=1.0, rate_burst=3.0)


def test_edits_of_a_turn_are_sent_until_the_backstop_and_the_rest_is_refused():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        unlisted = amend(scene, 90, instrument="deribit:NO-SUCH")
        scene.port.send([amend(scene, 80), unlisted, *[amend(scene, number) for number in range(81, 85)]])
        await asyncio.sleep(5)
        refused = [(event.order_id, event.code) for event in scene.sink.of(AmendRefused)]
        ours = [found for found in refused if found[1] in ("not_listed", "rate_backstop")]
        assert sorted(ours) == [(83, "rate_backstop"), (84, "rate_backstop"), (90, "not_listed")]
        assert len(scene.venue.asked("private/edit")) == 3

    play(body, rate_per_s=1.0, rate_burst=3.0)


def test_amend_keeps_post_only_and_refusal_leaves_the_order():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([place(scene, post_only=True)])
        await scene.until(OrderOpen)
        scene.port.send([amend(scene)])
        await scene.until(AmendRefused)
        sent = scene.venue.asked("private/edit")[0]
        assert sent["post_only"] is True and sent["reject_post_only"] is True and sent["amount"] == 12
        assert scene.sink.of(AmendRefused)[0].code == "10009"
        assert not scene.venue.asked("private/get_order_state")

    def answers(venue: Venue) -> None:
        venue.answers["private/buy"] = {"order": order(post_only=True), "trades": []}
        venue.answers["private/edit"] = refuse(10009, "not_enough_funds")

    play(body, answers)


def test_amend_of_a_finished_order_asks_how_it_ended():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([amend(scene)])
        await scene.until(OrderEnded)
        kinds = [type(e) for e in scene.sink.events if isinstance(e, (AmendRefused, Fill, OrderEnded))]
        assert kinds == [AmendRefused, Fill, OrderEnded]
        assert scene.sink.of(OrderEnded)[0].reason is EndReason.FILLED

    def answers(venue: Venue) -> None:
        venue.answers["private/edit"] = refuse(11044, "not_open_order")
        venue.answers["private/get_order_state"] = order(order_state="filled", filled_amount=10)
        venue.answers["private/get_user_trades_by_order"] = [trade(amount=10)]

    play(body, answers)


def test_cancel_is_ours_in_the_push_and_in_the_reply():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        gone = order(order_state="cancelled", cancel_reason="user_request")
        scene.venue.answers["private/cancel"] = gone
        scene.venue.delay_s["private/cancel"] = 0.1
        scene.port.send([cancel()])
        await asyncio.sleep(0.05)
        scene.venue.trading.push("user.orders.any.any.raw", gone)
        await scene.until(OrderEnded, 2)
        assert {e.reason for e in scene.sink.of(OrderEnded)} == {EndReason.CANCELLED_BY_US}

    play(body)


def test_cancel_by_somebody_else_is_told_apart():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.venue.trading.push(
            "user.orders.any.any.raw", order(order_state="cancelled", cancel_reason="user_request")
        )
        await scene.until(OrderEnded)
        assert scene.sink.of(OrderEnded)[0].reason is EndReason.CANCELLED_BY_VENUE

    play(body)


def test_cancel_without_venue_id_goes_by_label():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([cancel("")])
        await scene.until(OrderEnded)
        assert scene.venue.asked("private/cancel_by_label") == [{"label": label(77), "currency": "ETH"}]
        scene.venue.answers["private/cancel_by_label"] = 0
        scene.port.send([cancel("")])
        await scene.until(CancelRefused)
        assert scene.sink.of(CancelRefused)[0].gone

    def answers(venue: Venue) -> None:
        venue.answers["private/cancel_by_label"] = 1
        venue.answers["private/get_order_state_by_label"] = [order(order_state="cancelled")]

    play(body, answers)


def test_refused_cancel_says_whether_the_order_is_gone():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([cancel()])
        await scene.until(CancelRefused)
        scene.venue.answers["private/cancel"] = refuse(10041, "settlement_in_progress")
        scene.port.send([cancel()])
        await scene.until(CancelRefused, 2)
        assert [e.gone for e in scene.sink.of(CancelRefused)] == [True, False]

    play(body, lambda venue: venue.answers.update({"private/cancel": refuse(10004, "order_not_found")}))


def test_query_finds_by_label_or_says_not_found():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([query()])
        await scene.until(OrderNotFound)
        scene.venue.answers["private/get_order_state_by_label"] = [
            order(order_state="cancelled", last_update_timestamp=1),
            order(last_update_timestamp=2),
        ]
        scene.port.send([query()])
        await scene.until(OrderOpen)
        assert not scene.sink.of(OrderOpen)[0].reply

    play(body, lambda venue: venue.answers.update({"private/get_order_state_by_label": []}))


def test_query_without_answer_is_a_time_out():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([query("ETH-1")])
        await scene.until(RequestTimedOut)
        scene.venue.answers["private/get_order_state"] = refuse(10028, "too_many_requests")
        scene.port.send([query("ETH-1")])
        await scene.until(RequestTimedOut, 2)
        scene.venue.answers["private/get_order_state"] = refuse(10004, "order_not_found")
        scene.port.send([query("ETH-1")])
        await scene.until(OrderNotFound)

    play(body, read_timeout_s=1.0)


# --- pushes ---


def test_pushes_of_trades_changes_and_portfolio():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        socket = scene.venue.trading
        socket.push("user.trades.any.any.raw", [trade()])
        socket.push(
            "user.changes.any.any.raw",
            {
                "instrument_name": "ETH-PERPETUAL",
                "trades": [trade()],
                "orders": [order()],
                "positions": [{"instrument_name": "ETH-PERPETUAL", "size": -3.0, "direction": "sell"}],
            },
        )
        socket.push(
            "user.portfolio.ETH", {"currency": "ETH", "balance": 1, "equity": 1.5, "initial_margin": 0.5}
        )
        socket.push("user.orders.any.any.100ms", [order(order_state="filled", filled_amount=10)])
        await scene.until(OrderEnded)
        first, second = scene.sink.of(Fill)
        assert first == second, "one trade told twice must be the same booking"
        assert scene.sink.of(PositionReport)[0].size == -3
        assert scene.sink.of(BalanceReport)[0].excess == 1

    play(body)


def test_trade_without_label_belongs_to_the_order_its_venue_id_was_seen_with():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        bare = trade()
        del bare["label"]
        scene.venue.trading.push("user.orders.any.any.raw", order())
        scene.venue.trading.push("user.trades.any.any.raw", [bare])
        await scene.until(Fill)
        assert scene.sink.of(Fill)[0].order_id == 77

    play(body)


def test_what_happens_in_an_unlisted_instrument_waits_for_its_terms():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.venue.trading.push(
            "user.trades.any.any.raw", [trade(instrument_name="BTC-PERPETUAL", label="web")]
        )
        await scene.until(Fill)
        kinds = [type(e) for e in scene.sink.events if isinstance(e, (InstrumentListed, Fill))]
        assert kinds[-2:] == [InstrumentListed, Fill]
        assert scene.sink.of(Fill)[0].order_id == 0

    play(body, lambda venue: venue.answers.update({"public/get_instrument": FUTURE}))


# --- reading the account ---

READ = ReadAccount(venue="deribit", account="main", asked_ns=1757289600 * 10**9, since_ns=1757289000 * 10**9)


def account(venue: Venue) -> None:
    pages = [
        {"trades": [trade(trade_id="T1"), trade(trade_id="T2", timestamp=1757289601000)], "has_more": True},
        {"trades": [trade(trade_id="T2", timestamp=1757289601000)], "has_more": False},
    ]
    venue.answers |= {
        "private/get_open_orders": [order(), order(label="web", order_id="ETH-2")],
        "private/get_user_trades_by_currency_and_time": lambda p: pages[p["start_timestamp"] > 1757289000000],
        "private/get_positions": [
            {"instrument_name": "ETH-PERPETUAL", "size": 10.0, "direction": "sell"},
            {"instrument_name": "BTC-PERPETUAL", "size": 20.0, "direction": "buy"},
        ],
        "private/get_account_summaries": {
            "summaries": [
                {
                    "currency": "ETH",
                    "balance": 10.0,
                    "equity": 10.5,
                    "margin_balance": 10.5,
                    "initial_margin": 1.0,
                    "margin_model": "segregated_sm",
                },
                {"currency": "SOL", "balance": 0.0, "equity": 0.0},
            ]
        },
        "public/get_instrument": FUTURE,
    }


def test_account_is_read_in_a_bracket():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([READ])
        await scene.until(ReadEnded)
        events = scene.sink.events
        inside = events[events.index(scene.sink.of(ReadBegun)[0]) :]
        kinds = [type(e) for e in inside if not isinstance(e, FeedAlive)]
        assert kinds == [
            ReadBegun,
            OrderOpen,
            OrderOpen,
            Fill,
            Fill,
            PositionReport,
            InstrumentListed,
            PositionReport,
            BalanceReport,
            ReadEnded,
        ]
        assert [e.order_id for e in scene.sink.of(OrderOpen)] == [77, 0]
        assert [e.trade_id for e in scene.sink.of(Fill)] == ["T1", "T2"]
        assert [e.size for e in scene.sink.of(PositionReport)] == [-10, 20]
        assert scene.sink.of(ReadEnded)[0].error == ""

    play(body, account)


def log_row(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "deposit",
        "currency": "ETH",
        "timestamp": 1757289500000,
        "side": "-",
        "change": 1.5,
        "instrument_name": None,
    } | fields


def test_the_log_is_read_page_by_page_told_once_and_in_the_order_of_its_ids():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        command = msgspec.structs.replace(READ, log_since_ns=1757280000 * 10**9)
        scene.port.send([command])
        await scene.until(ReadEnded)
        moves = scene.sink.of(CashMove)
        assert [move.reference for move in moves] == ["1", "2", "3"]
        first, second = scene.venue.asked("private/get_transaction_log")
        assert first == {
            "currency": "ETH",
            "start_timestamp": 1757280000000,
            "end_timestamp": 1757289660000,
            "count": 250,
        }
        assert second == first | {"continuation": 77}
        scene.port.send([command])
        await scene.until(ReadEnded, 2)
        assert len(scene.sink.of(CashMove)) == 3, "what was told is not told again"

    def answers(venue: Venue) -> None:
        account(venue)
        venue.answers["private/get_transaction_log"] = lambda params: (
            {"logs": [log_row(1)], "continuation": None}
            if "continuation" in params
            else {"logs": [log_row(3), log_row(2)], "continuation": 77}
        )

    play(body, answers)


def test_a_trades_row_must_be_of_a_trade_that_was_read_and_is_never_booked():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([READ])
        await scene.until(ReadEnded)
        assert len(scene.sink.of(Fill)) == 2 and not scene.sink.of(CashMove)
        (entry,) = scene.sink.of(UnknownEntry)
        assert (entry.reference, entry.kind) == ("2", "trade") and "T9" in entry.text

    def answers(venue: Venue) -> None:
        account(venue)
        rows = [
            log_row(1, type="trade", trade_id="T1", instrument_name="ETH-PERPETUAL"),
            log_row(2, type="trade", trade_id="T9", instrument_name="ETH-PERPETUAL"),
            log_row(3, type="trade", trade_id="T8", timestamp=1757288000000),
            log_row(4, type="trade", trade_id="T7", timestamp=1757289599000),
        ]
        venue.answers["private/get_transaction_log"] = {"logs": rows, "continuation": None}

    play(body, answers)


def test_a_row_of_an_instrument_nobody_lists_any_more_is_told_as_unknown():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([READ])
        await scene.until(ReadEnded)
        (entry,) = scene.sink.of(UnknownEntry)
        assert entry.instrument == "deribit:ETH-5SEP25" and not scene.sink.of(ReadEnded)[0].error

    def answers(venue: Venue) -> None:
        account(venue)

        def terms(params: dict[str, Any]) -> Any:
            if params["instrument_name"] == "ETH-5SEP25":
                raise Refusal(10020, "invalid_or_unsupported_instrument")
            return FUTURE

        venue.answers["public/get_instrument"] = terms
        venue.answers["private/get_transaction_log"] = {
            "logs": [log_row(1, type="delivery", instrument_name="ETH-5SEP25")],
            "continuation": None,
        }

    play(body, answers)


def test_reads_of_the_log_keep_to_its_credits():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        start = scene.clock.now_ns()
        for number in range(12):
            scene.port.send([READ])
            await scene.until(ReadEnded, number + 1)
        assert scene.clock.now_ns() - start > 5e9, "12 reads of 10,000 credits from 64,000 at 10,000 a second"

    play(body, account)


def test_balances_come_in_one_answer_with_the_margin_model_on_record():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([READ])
        await scene.until(ReadEnded)
        (report,) = scene.sink.of(BalanceReport)
        assert (report.currency, report.cash, report.excess) == ("ETH", 10, Decimal("9.5"))
        assert report.margin_model == "segregated_sm"

    play(body, account)


# --- what is checked before the first order ---


def refused_at_start(prepare: Any, **changes: Any) -> str:
    """How the port's run ends when the account is not as it must be."""

    async def body(scene: Scene) -> None:
        await asyncio.sleep(30)

    with pytest.raises(BaseExceptionGroup) as caught:
        play(body, prepare, **changes)
    refusals = [error for error in single_errors(caught.value) if isinstance(error, StartRefusedError)]
    assert refusals and all(code_of(error) is Exit.CONFIG for error in refusals)
    return str(refusals[0])


def test_a_key_that_can_withdraw_is_refused_at_start():
    scope = "connection account:read_write trade:read_write wallet:read_write"
    text = refused_at_start(lambda venue: venue.answers.update({"public/auth": auth_answer(scope)}))
    assert "cannot withdraw" in text and "wallet:read_write" in text


def test_a_key_that_cannot_trade_is_refused_at_start():
    scope = "connection account:read_write trade:none wallet:none"
    text = refused_at_start(lambda venue: venue.answers.update({"public/auth": auth_answer(scope)}))
    assert "the scope trade" in text


def auth_answer(scope: str) -> dict[str, Any]:
    return {"access_token": "a", "refresh_token": "r", "expires_in": 900, "scope": scope}


def test_account_margin_model_and_network_must_be_the_configured_ones():
    text = refused_at_start(
        lambda venue: setattr(venue, "testnet", True),
        account_name="desk",
        margin_model="segregated_pm",
        testnet=False,
    )
    assert "expected the account desk, found main or main_1" in text
    assert "expected the margin model segregated_pm, found segregated_sm" in text
    assert "expected the live network, the venue says test" in text


def test_an_account_as_configured_trades_at_its_own_rate():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        assert scene.sink.of(BudgetRead) == [BudgetRead("deribit", 24.0, 80.0)]

    def answers(venue: Venue) -> None:
        limits = {"matching_engine": {"trading": {"total": {"rate": 30, "burst": 100}}}}
        venue.answers["private/get_account_summary"] = ACCOUNT | {"limits": limits}
        venue.testnet = True

    play(body, answers, account_name="main_1", margin_model="segregated_sm", testnet=True)


def test_an_account_that_changed_under_a_running_node_keeps_the_socket_down():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.venue.answers["private/get_account_summary"] = ACCOUNT | {"margin_model": "cross_pm"}
        scene.server.cut()
        await asyncio.sleep(10)
        assert "cross_pm" in scene.sink.of(FeedDown)[-1].why
        assert [e.feed for e in scene.sink.of(FeedUp)].count("deribit/trading") == 1

    play(body, margin_model="segregated_sm")


def test_failed_part_ends_the_bracket_with_its_error():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.venue.answers["private/get_positions"] = SILENCE
        scene.port.send([READ])
        await scene.until(ReadEnded)
        assert "no answer" in scene.sink.of(ReadEnded)[0].error
        scene.venue.answers["private/get_positions"] = refuse(10028, "too_many_requests")
        scene.port.send([READ])
        await scene.until(ReadEnded, 2)
        assert "10028" in scene.sink.of(ReadEnded)[1].error

    play(body, account, read_timeout_s=1.0)


def test_read_while_down_is_a_bracket_with_an_error():
    async def body(scene: Scene) -> None:
        scene.port.send([READ])
        await scene.until(ReadEnded)
        assert "deribit/trading is" in scene.sink.of(ReadEnded)[0].error

    play(body, account)


def test_old_since_reads_the_history_as_well():
    async def body(scene: Scene) -> None:
        await scene.until_up()
        scene.port.send([msgspec.structs.replace(READ, since_ns=1757189600 * 10**9)])
        await scene.until(ReadEnded)
        asked = scene.venue.asked("private/get_user_trades_by_currency_and_time")
        assert [params["historical"] for params in asked][:1] == [True]
        assert False in [params["historical"] for params in asked]

    play(body, account)
