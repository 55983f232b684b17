"""The in-process network behaves as sockets do."""

import asyncio
import random
from collections.abc import Mapping

import pytest

from atomizer.net.memory import Latency, MemoryNetwork
from atomizer.net.transport import Connection, Handler, HttpRequest, HttpResponse, TransportError
from atomizer.net.virtual import VirtualClock, run_virtual


class Recorder:
    """A handler that writes down what happened and when."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock
        self.messages: list[tuple[bytes, bool]] = []
        self.times: list[int] = []
        self.ended: list[str] = []
        self.connection: Connection | None = None

    def opened(self, connection: Connection) -> None:
        self.connection = connection

    def message(self, data: bytes, last: bool) -> None:
        self.messages.append((data, last))
        if self.clock is not None:
            self.times.append(self.clock.now_ns() - self.clock.start_ns)

    def closed(self, reason: str) -> None:
        self.ended.append(reason)


class Site:
    """A server application; greets each new socket with `greeting`."""

    def __init__(self, greeting: tuple[bytes, ...] = ()) -> None:
        self.greeting = greeting
        self.handlers: list[Recorder] = []
        self.targets: list[str] = []
        self.requests: list[HttpRequest] = []

    def accept(self, target: str, headers: Mapping[str, str]) -> Handler | None:
        self.targets.append(target)
        if target.startswith("/missing"):
            return None
        handler = Greeter(self.greeting)
        self.handlers.append(handler)
        return handler

    def http(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return HttpResponse(200, request.method.encode() + b" " + request.target.encode())


class Greeter(Recorder):
    def __init__(self, greeting: tuple[bytes, ...]) -> None:
        super().__init__()
        self.greeting = greeting

    def opened(self, connection: Connection) -> None:
        super().opened(connection)
        for data in self.greeting:
            connection.send(data)


def network(seed: int = 1, jitter_s: float = 0.0) -> MemoryNetwork:
    latency = Latency(0.010, jitter_s)
    return MemoryNetwork(random.Random(seed), latency, latency)


def test_connecting_takes_a_round_trip_and_a_message_one_way():
    async def main(clock: VirtualClock) -> None:
        net, site, ours = network(), Site(), Recorder()
        server = await net.serve("127.0.0.1", 8000, site)
        connection = await net.connect("ws://localhost:8000/ws/api?x=1", ours)
        assert clock.now_ns() - clock.start_ns == 20_000_000
        assert site.targets == ["/ws/api?x=1"]
        site.handlers[0].clock = clock
        connection.send(b"hello")
        await asyncio.sleep(1)
        assert site.handlers[0].messages == [(b"hello", True)]
        assert site.handlers[0].times == [30_000_000]
        await server.stop()

    run_virtual(main)


def test_order_is_kept_under_jitter_and_every_read_is_closed():
    async def main(_: VirtualClock) -> None:
        net, site, ours = network(7, jitter_s=0.05), Site(), Recorder()
        await net.serve("127.0.0.1", 8000, site)
        connection = await net.connect("ws://127.0.0.1:8000/", ours)
        sent = [str(number).encode() for number in range(500)]
        for data in sent:
            connection.send(data)
        await asyncio.sleep(60)
        got = site.handlers[0].messages
        assert [data for data, _ in got] == sent
        assert got[-1][1]
        assert any(not last for _, last in got), "jitter should have joined some messages into one read"

    run_virtual(main)


def test_greeting_arrives_after_opened_as_one_read():
    async def main(_: VirtualClock) -> None:
        net, ours = network(), Recorder()
        await net.serve("127.0.0.1", 8000, Site((b"a", b"b")))
        await net.connect("ws://127.0.0.1:8000/", ours)
        await asyncio.sleep(1)
        assert ours.messages == [(b"a", False), (b"b", True)]

    run_virtual(main)


def test_messages_sent_before_a_close_arrive_then_the_close():
    async def main(_: VirtualClock) -> None:
        net, site, ours = network(), Site(), Recorder()
        await net.serve("127.0.0.1", 8000, site)
        connection = await net.connect("ws://127.0.0.1:8000/", ours)
        connection.send(b"last words")
        connection.close(1000, "done")
        connection.close()
        connection.send(b"too late")
        await asyncio.sleep(1)
        theirs = site.handlers[0]
        assert theirs.messages == [(b"last words", True)]
        assert len(theirs.ended) == 1 and "the other side" in theirs.ended[0] and "done" in theirs.ended[0]
        assert len(ours.ended) == 1 and "by us" in ours.ended[0]

    run_virtual(main)


def test_an_abort_drops_what_is_in_flight_both_ways():
    async def main(_: VirtualClock) -> None:
        net, site, ours = network(), Site(), Recorder()
        server = await net.serve("127.0.0.1", 8000, site)
        connection = await net.connect("ws://127.0.0.1:8000/", ours)
        theirs = site.handlers[0]
        assert theirs.connection is not None
        connection.send(b"lost")
        theirs.connection.send(b"lost too")
        server.cut()
        await asyncio.sleep(1)
        assert theirs.messages == [] and ours.messages == []
        assert ours.ended == ["connection lost"] and len(theirs.ended) == 1

    run_virtual(main)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9/", "ws://127.0.0.1:8000/missing", "tcp://x"])
def test_connecting_to_nothing_is_a_transport_error_with_the_address(url: str):
    async def main(_: VirtualClock) -> None:
        net = network()
        await net.serve("127.0.0.1", 8000, Site())
        with pytest.raises(TransportError, match=url.split("/")[2].split(":")[0]):
            await net.connect(url, Recorder())

    run_virtual(main)


def test_http_carries_the_target_as_sent_and_times_out():
    async def main(_: VirtualClock) -> None:
        net, site = network(), Site()
        await net.serve("127.0.0.1", 8000, site)
        answer = await net.request("http://127.0.0.1:8000", HttpRequest("GET", "/a?b=%20c"), 1.0)
        assert answer.body == b"GET /a?b=%20c"
        with pytest.raises(TransportError, match="no answer"):
            await net.request("http://127.0.0.1:8000", HttpRequest("POST", "/order"), 0.015)
        assert site.requests[-1].target == "/order", "a late answer does not undo the request"

    run_virtual(main)


def test_an_address_is_taken_once_and_free_after_stop():
    async def main(_: VirtualClock) -> None:
        net = network()
        server = await net.serve("localhost", 8000, Site())
        with pytest.raises(TransportError, match="in use"):
            await net.serve("127.0.0.1", 8000, Site())
        await server.stop()
        await net.serve("127.0.0.1", 8000, Site())
        free = {(await net.serve("127.0.0.1", 0, Site())).port for _ in range(3)}
        assert len(free) == 3

    run_virtual(main)
