"""The Rysk port against a scripted venue in virtual time: one test per behaviour."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from atomizer.domain.bookings import RfqTrade
from atomizer.domain.commands import ReadAccount
from atomizer.domain.events import (
    BalanceReport,
    Event,
    FeedAlive,
    FeedDown,
    FeedUp,
    InstrumentListed,
    PositionReport,
    QuoteBest,
    QuoteRefused,
    ReadBegun,
    ReadEnded,
)
from atomizer.domain.rfq import Rfq
from atomizer.net.memory import Latency, MemoryNetwork, MemoryServer
from atomizer.net.transport import Connection, Handler, HttpRequest, HttpResponse
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.venues.fields import SigningError
from atomizer.venues.rysk.adapter import RyskPort, RyskSettings

from .samples import ASSET, DOMAINS, KEY, MAKER, STABLE, confirmation, position, rfq, send_quote

OTHER = "0x" + "c" * 40
READ = ReadAccount(venue="rysk", account="maker", asked_ns=5, since_ns=0)


class Venue:
    """Answers queries with `balances` and `positions` (None: silence), every quote with `to_quote`."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.heard: list[dict[str, Any]] = []
        self.balances: Any = {STABLE: "500250000"}
        self.positions: Any = []
        self.to_quote: Any = "OK"

    def accept(self, target: str, headers: Mapping[str, str]) -> Handler | None:
        return Socket(self, target)

    def http(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(404, b"")

    def socket(self, part: str) -> "Socket":
        return next(s for s in reversed(self.sockets) if s.open and part in s.target)

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["method"] == method]


class Socket:
    def __init__(self, venue: Venue, target: str) -> None:
        self.venue, self.target, self.open = venue, target, True
        self.connection: Connection | None = None

    def opened(self, connection: Connection) -> None:
        self.connection = connection
        self.venue.sockets.append(self)

    def closed(self, reason: str) -> None:
        self.open = False

    def send(self, message: Any) -> None:
        assert self.connection is not None
        self.connection.send(json.dumps(message).encode())

    def message(self, data: bytes, last: bool) -> None:
        request = json.loads(data)
        self.venue.heard.append(request)
        results = {
            "balances": self.venue.balances,
            "positions": self.venue.positions,
            "quote": self.venue.to_quote,
        }
        result = results[request["method"]]
        if result is not None:
            self.send({"jsonrpc": "2.0", "id": request["id"], "result": result})


class Scene:
    def __init__(self, port: RyskPort, venue: Venue, server: MemoryServer) -> None:
        self.port, self.venue, self.server = port, venue, server
        self.events: list[Event] = []

    def put(self, event: Event) -> None:
        self.events.append(event)

    def flush(self) -> None:
        """Batches do not matter here."""

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    async def until(self, kind: type, count: int = 1) -> None:
        async with asyncio.timeout(300):
            while len(self.of(kind)) < count:  # noqa: ASYNC110  (virtual time: costs nothing)
                await asyncio.sleep(0.01)


def play(body: Callable[[Scene], Awaitable[None]], key: Any = KEY, **changes: Any) -> None:
    async def main(clock: VirtualClock) -> None:
        network = MemoryNetwork(random.Random(1), Latency(0.005), Latency(0.005))
        venue = Venue()
        server = await network.serve("127.0.0.1", 8000, venue)
        settings = {
            "ws_url": "ws://127.0.0.1:8000/",
            "account": "maker",
            "maker": MAKER.wire,
            "assets": {ASSET: "ETH", OTHER: "BTC"},
            "stables": {STABLE: 6},
        }
        port = RyskPort(RyskSettings(**(settings | changes)), DOMAINS, key, network, clock, random.Random(2))
        scene = Scene(port, venue, server)
        running = asyncio.create_task(port.run(scene))
        try:
            async with asyncio.timeout(3600):
                await body(scene)
        finally:
            running.cancel()
            done, _ = await asyncio.wait({running})
            failed = [task.exception() for task in done if not task.cancelled()]
            assert not failed, failed

    run_virtual(main)


def test_one_socket_per_asset_and_one_for_the_maker():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        targets = sorted(socket.target for socket in scene.venue.sockets)
        assert targets == ["/maker", f"/rfqs/{ASSET}", f"/rfqs/{OTHER}"]
        feeds = {event.feed for event in scene.of(FeedUp)}
        assert feeds == {"rysk/maker", f"rysk/rfqs-{ASSET}", f"rysk/rfqs-{OTHER}"}

    play(body)


def test_rfq_is_preceded_by_its_listing_the_first_time():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        for number in ("a", "b"):
            scene.venue.socket(ASSET).send(rfq(number))
        await scene.until(Rfq, 2)
        kinds = [type(e) for e in scene.events if isinstance(e, (InstrumentListed, Rfq))]
        assert kinds == [InstrumentListed, Rfq, Rfq]

    play(body)


def test_malformed_rfq_is_counted_and_the_next_one_is_heard():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        socket = scene.venue.socket(ASSET)
        socket.send({"id": "x", "result": {"asset": ASSET}})
        socket.send(rfq(strike="many"))
        assert socket.connection is not None
        socket.connection.send(b"not json")
        socket.send(rfq("good"))
        await scene.until(Rfq)
        assert scene.port.malformed == 3 and scene.of(Rfq)[0].rfq_id == "good"
        assert not scene.of(FeedDown)

    play(body)


NASTY = [
    b"",
    b"[]",
    b'{"id":"\xff"}',
    b'{"id":"a","result":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b'{"id":"a","result":{"quoteNonce":"many"}}',
    b'{"id":"a","result":{"quoteNonce":"1","strike":"x"}}',
    b'{"id":"a","result":{"newBest":"much","rfqId":"a"}}',
    b'{"id":"a","error":5}',
]


@pytest.mark.parametrize("data", NASTY, ids=range(len(NASTY)))
def test_no_message_ends_the_port_nor_its_sockets(data: bytes):
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        for part in (ASSET, "maker"):
            connection = scene.venue.socket(part).connection
            assert connection is not None
            connection.send(data)
        scene.venue.socket(ASSET).send(rfq("good"))
        scene.venue.socket("maker").send({"id": "trade", "result": confirmation(7)})
        await scene.until(Rfq)
        await scene.until(RfqTrade)
        assert not scene.of(FeedDown)

    play(body)


def test_quote_is_signed_sent_and_answered():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        scene.port.send([send_quote()])
        await scene.until(QuoteBest)
        sent = scene.venue.asked("quote")[0]
        assert sent["id"] == "5f1c" and sent["params"]["nonce"] == "1757289600123"
        assert len(sent["params"]["signature"]) == 132

    play(body)


def test_confirmation_is_booked_at_the_price_we_quoted_and_only_for_us():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        scene.port.send([send_quote()])
        await scene.until(QuoteBest)
        maker = scene.venue.socket("maker")
        maker.send({"id": "trade", "result": confirmation(maker="0x" + "1" * 40)})
        maker.send({"id": "trade", "result": confirmation(maker=MAKER.checksum)})
        maker.send({"method": "rfq_confirmation", "params": confirmation(7)})
        await scene.until(RfqTrade, 2)
        await asyncio.sleep(1)
        assert [(t.nonce, t.price) for t in scene.of(RfqTrade)] == [(1757289600123, Decimal(125)), (7, None)]

    play(body)


@pytest.mark.parametrize(
    ("key", "terms", "code"),
    [(None, {}, "no_key"), (KEY, {"chain_id": 1}, "not_signed"), (KEY, {"strike_e8": 2**256}, "not_signed")],
)
def test_what_cannot_be_signed_is_a_refusal_told_later(key: Any, terms: dict[str, Any], code: str):
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        scene.port.send([send_quote(**terms)])
        assert not scene.of(QuoteRefused), "nothing is told from inside send"
        await scene.until(QuoteRefused)
        assert (scene.of(QuoteRefused)[0].code, scene.of(QuoteRefused)[0].rfq_id) == (code, "5f1c")
        assert not scene.venue.asked("quote")

    play(body, key)


def test_nothing_is_signed_while_the_maker_socket_is_down():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        await scene.server.stop()
        await asyncio.sleep(0.1)
        scene.port.send([send_quote(), READ])
        await scene.until(ReadEnded)
        assert scene.of(QuoteRefused)[0].code == "not_connected"
        assert "not connected" in scene.of(ReadEnded)[0].error

    play(body)


def test_backstop_refuses_and_nothing_is_sent_later():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        scene.port.send([send_quote(number) for number in range(1, 6)])
        await asyncio.sleep(5)
        assert [e.code for e in scene.of(QuoteRefused)] == ["rate_backstop"] * 3
        assert len(scene.venue.asked("quote")) == 2

    play(body, rate_per_s=1.0, rate_burst=2.0)


def test_account_is_read_in_a_bracket():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        scene.venue.positions = [position()]
        scene.port.send([READ])
        await scene.until(ReadEnded)
        start = scene.events.index(scene.of(ReadBegun)[0])
        bracket = [type(e) for e in scene.events[start:] if not isinstance(e, FeedAlive)]
        assert bracket == [ReadBegun, BalanceReport, InstrumentListed, PositionReport, ReadEnded]
        assert scene.of(BalanceReport)[0].cash == Decimal("500.25")
        assert scene.of(PositionReport)[0].size == Decimal("1.5")
        assert scene.of(ReadEnded)[0] == ReadEnded("rysk", "maker", 5)

    play(body)


@pytest.mark.parametrize("balances", ["surprise", {"0x" + "9" * 40: "1"}])
def test_answer_that_cannot_be_understood_ends_the_bracket_with_an_error(balances: Any):
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        scene.venue.balances = balances
        scene.port.send([READ])
        await scene.until(ReadEnded)
        assert "expected" in scene.of(ReadEnded)[0].error
        assert not scene.of(BalanceReport, FeedDown)

    play(body)


def test_silence_ends_the_bracket_and_the_connection():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        scene.venue.positions = None
        scene.port.send([READ])
        await scene.until(ReadEnded)
        assert "no answer" in scene.of(ReadEnded)[0].error
        assert [e.feed for e in scene.of(FeedDown)] == ["rysk/maker"]
        await scene.until(FeedUp, 4)

    play(body)


def test_holdings_are_polled_and_what_is_gone_is_reported_as_zero_once():
    async def body(scene: Scene) -> None:
        scene.venue.positions = [position()]
        await asyncio.sleep(12)
        assert [e.size for e in scene.of(PositionReport)] == [Decimal("1.5")] * 2
        scene.venue.positions = []
        await asyncio.sleep(10)
        assert [e.size for e in scene.of(PositionReport)][2:] == [0]
        assert len(scene.of(BalanceReport)) == 4
        assert len([e for e in scene.of(FeedAlive) if e.feed == "rysk/maker"]) >= 4

    play(body)


def test_each_socket_reconnects_by_itself():
    async def body(scene: Scene) -> None:
        await scene.until(FeedUp, 3)
        scene.server.cut()
        await scene.until(FeedUp, 6)
        scene.venue.socket(ASSET).send(rfq("after"))
        await scene.until(Rfq)
        assert len(scene.of(FeedDown)) == 3

    play(body)


def test_key_of_another_address_is_refused_at_once():
    with pytest.raises(SigningError, match="expected the private key of the maker"):
        play(lambda scene: asyncio.sleep(1), maker="0x" + "1" * 40)
