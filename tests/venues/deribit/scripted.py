"""A hand-driven Deribit: answers what a script says, keeps what it was sent. Not a market, not the twin."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from atomizer.domain.events import Event, FeedUp
from atomizer.net.memory import Latency, MemoryNetwork, MemoryServer
from atomizer.net.pacing import RetrySettings
from atomizer.net.transport import Clock, Connection, Handler, HttpRequest, HttpResponse
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.venues.deribit.adapter import DeribitPort
from atomizer.venues.deribit.settings import DeribitSettings
from atomizer.venues.keys import HmacKey

PERPETUAL = {
    "instrument_name": "ETH-PERPETUAL",
    "kind": "future",
    "base_currency": "ETH",
    "quote_currency": "USD",
    "settlement_currency": "ETH",
    "settlement_period": "perpetual",
    "instrument_type": "reversed",
    "contract_size": 1,
    "min_trade_amount": 1,
    "tick_size": 0.05,
    "tick_size_steps": [],
    "price_index": "eth_usd",
    "state": "open",
}
OPTION = {
    "instrument_name": "ETH-26SEP25-4000-C",
    "kind": "option",
    "base_currency": "ETH",
    "quote_currency": "ETH",
    "settlement_currency": "ETH",
    "settlement_period": "month",
    "instrument_type": "reversed",
    "contract_size": 1,
    "min_trade_amount": 1,
    "tick_size": 0.0001,
    "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}],
    "strike": 4000,
    "option_type": "call",
    "expiration_timestamp": 1758873600000,
    "price_index": "eth_usd",
    "state": "open",
}
FUTURE = PERPETUAL | {"instrument_name": "BTC-PERPETUAL", "base_currency": "BTC", "price_index": "btc_usd"}
DATED = PERPETUAL | {
    "instrument_name": "ETH-26SEP25",
    "settlement_period": "month",
    "expiration_timestamp": 1758873600000,
}
SPOT = {
    "instrument_name": "ETH_USDC",
    "kind": "spot",
    "base_currency": "ETH",
    "quote_currency": "USDC",
    "contract_size": 0.0001,
    "min_trade_amount": 0.0001,
    "tick_size": 0.01,
    "tick_size_steps": [],
    "expiration_timestamp": 32503708800000,
    "price_index": "eth_usdc",
    "state": "open",
}
SCOPE = "connection account:read_write trade:read_write wallet:none custody:none"
ACCOUNT = {"currency": "ETH", "username": "main", "system_name": "main_1", "margin_model": "segregated_sm"}

Reply = Any
Answer = Callable[[dict[str, Any]], Reply]


class Refusal(Exception):  # noqa: N818  (an answer of the script, not an error of ours)
    """Raised by an answer: the error object of the reply."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


SILENCE = object()


class Venue:
    """The server. `answers` maps a method to its result, a function of its params, or SILENCE."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sockets: list[Socket] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.offset_us = 0
        self.testnet: bool | None = None
        self.delay_s: dict[str, float] = {}
        self.answers: dict[str, Any] = {
            "public/set_heartbeat": "ok",
            "public/test": {"version": "1"},
            "public/get_time": 0,
            "public/auth": {"access_token": "a", "refresh_token": "r", "expires_in": 900, "scope": SCOPE},
            "public/get_instruments": lambda p: [PERPETUAL, OPTION] if p["currency"] == "ETH" else [],
            "public/subscribe": lambda p: p["channels"],
            "public/unsubscribe": lambda p: p["channels"],
            "private/subscribe": lambda p: p["channels"],
            "private/enable_cancel_on_disconnect": "ok",
            "private/get_account_summary": ACCOUNT,
            "private/get_transaction_log": {"logs": [], "continuation": None},
        }

    def accept(self, target: str, headers: Mapping[str, str]) -> Handler | None:
        return Socket(self)

    def http(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(404, b"")

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [params for name, params in self.requests if name == method]

    def socket(self, method: str) -> "Socket":
        """The newest open socket on which this method was called."""
        return next(s for s in reversed(self.sockets) if s.open and method in s.methods)

    @property
    def market(self) -> "Socket":
        return self.socket("public/subscribe")

    @property
    def trading(self) -> "Socket":
        return self.socket("private/subscribe")


class Socket:
    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.connection: Connection | None = None
        self.open = True
        self.methods: set[str] = set()

    def opened(self, connection: Connection) -> None:
        self.connection = connection
        self.venue.sockets.append(self)

    def closed(self, reason: str) -> None:
        self.open = False

    def send(self, message: Any) -> None:
        assert self.connection is not None
        self.connection.send(json.dumps(message, separators=(",", ":")).encode())

    def push(self, channel: str, data: Any) -> None:
        self.send({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}})

    def message(self, data: bytes, last: bool) -> None:
        request = json.loads(data)
        method, params = request["method"], request["params"]
        self.methods.add(method)
        self.venue.requests.append((method, params))
        answer = self.venue.answers.get(method, SILENCE)
        now_us = self.venue.clock.now_ns() // 1000 + self.venue.offset_us
        reply = {"jsonrpc": "2.0", "id": request["id"], "usIn": now_us, "usOut": now_us, "usDiff": 0}
        if self.venue.testnet is not None:
            reply["testnet"] = self.venue.testnet
        try:
            result = answer(params) if callable(answer) else answer
            if result is SILENCE:
                return
            reply["result"] = result
        except Refusal as refusal:
            reply["error"] = {"code": refusal.code, "message": str(refusal)}
        delay = self.venue.delay_s.get(method, 0.0)
        asyncio.get_running_loop().call_later(delay, self._reply, reply)

    def _reply(self, reply: Any) -> None:
        if self.open:
            self.send(reply)


class Sink:
    """Keeps events as batches."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches: list[list[Event]] = []
        self._open: list[Event] = []

    def put(self, event: Event) -> None:
        self.events.append(event)
        self._open.append(event)

    def flush(self) -> None:
        if self._open:
            self.batches.append(self._open)
            self._open = []

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]


class Scene:
    """A running port against a scripted venue."""

    def __init__(
        self, port: DeribitPort, venue: Venue, sink: Sink, server: MemoryServer, clock: VirtualClock
    ):
        self.port, self.venue, self.sink, self.server, self.clock = port, venue, sink, server, clock

    async def until(self, kind: type, count: int = 1) -> None:
        async with asyncio.timeout(120):
            while len(self.sink.of(kind)) < count:  # noqa: ASYNC110  (virtual time: costs nothing)
                await asyncio.sleep(0.01)

    async def until_up(self, times: int = 1) -> None:
        await self.until(FeedUp, 2 * times)


SETTINGS: dict[str, Any] = {
    "ws_url": "ws://127.0.0.1:8000/ws/api/v2",
    "account": "main",
    "client_id": "id",
    "key": HmacKey("secret"),
    "retry": RetrySettings(first_s=0.2, most_s=1.0, breaker_failures=1000),
}


def play(
    body: Callable[[Scene], Awaitable[None]], prepare: Callable[[Venue], None] | None = None, **changes: Any
):
    """Run `body` against a running port in virtual time."""

    async def main(clock: VirtualClock) -> None:
        network = MemoryNetwork(random.Random(1), Latency(0.005), Latency(0.005))
        venue, sink = Venue(clock), Sink()
        if prepare is not None:
            prepare(venue)
        server = await network.serve("127.0.0.1", 8000, venue)
        port = DeribitPort(DeribitSettings(**(SETTINGS | changes)), network, clock, random.Random(2))
        running = asyncio.create_task(port.run(sink))
        scene = Scene(port, venue, sink, server, clock)
        try:
            async with asyncio.timeout(3600):
                await body(scene)
        finally:
            running.cancel()
            done, _ = await asyncio.wait({running})
            failed = [task.exception() for task in done if not task.cancelled()]
            for error in failed:
                if error is not None:
                    raise error

    run_virtual(main)
