"""The same seam over real sockets on the loopback."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import pytest
import uvloop
from picows import WSMsgType

from atomizer.net.sockets import SocketTransport
from atomizer.net.transport import Connection, Handler, HttpRequest, HttpResponse, TransportError

pytestmark = pytest.mark.system

LOOPS: list[Any] = [asyncio.new_event_loop, uvloop.new_event_loop]


class Recorder:
    def __init__(self) -> None:
        self.messages: list[tuple[bytes, bool]] = []
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.connection: Connection | None = None
        self.arrived = asyncio.Event()

    def opened(self, connection: Connection) -> None:
        self.connection = connection

    def message(self, data: bytes, last: bool) -> None:
        self.messages.append((data, last))
        self.arrived.set()

    def closed(self, reason: str) -> None:
        self.ended.set_result(reason)

    async def until(self, count: int) -> None:
        while len(self.messages) < count:
            self.arrived.clear()
            await self.arrived.wait()


class Echo(Recorder):
    def message(self, data: bytes, last: bool) -> None:
        super().message(data, last)
        assert self.connection is not None
        if data == b"burst":
            for number in range(50):
                self.connection.send(b"%d" % number)
        else:
            self.connection.send(data)


class Site:
    def __init__(self) -> None:
        self.handlers: list[Echo] = []
        self.targets: list[str] = []
        self.headers: list[Mapping[str, str]] = []

    def accept(self, target: str, headers: Mapping[str, str]) -> Handler | None:
        self.targets.append(target)
        self.headers.append(headers)
        if target == "/missing":
            return None
        self.handlers.append(Echo())
        return self.handlers[-1]

    def http(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(
            201, b"|".join((request.method.encode(), request.target.encode(), request.body)), {"X-A": "b"}
        )


Body = Callable[[SocketTransport, Site, int], Coroutine[Any, Any, None]]


def drive(body: Body, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        transport, site = SocketTransport(), Site()
        server = await transport.serve("127.0.0.1", 0, site)
        try:
            async with asyncio.timeout(20):
                await body(transport, site, server.port)
        finally:
            await server.stop()
            await transport.aclose()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_messages_go_both_ways_and_a_burst_is_marked_as_reads(loop_factory: Any):
    async def body(transport: SocketTransport, site: Site, port: int) -> None:
        ours = Recorder()
        connection = await transport.connect(f"ws://127.0.0.1:{port}/ws?a=1", ours, {"X-Key": "k"})
        assert ours.connection is connection
        assert site.targets == ["/ws?a=1"] and site.headers[0]["x-key"] == "k"
        connection.send("ü{}".encode())
        connection.send(b"burst")
        await ours.until(51)
        assert [data for data, _ in ours.messages] == ["ü{}".encode()] + [b"%d" % n for n in range(50)]
        assert ours.messages[-1][1]
        assert sum(last for _, last in ours.messages) < 51, (
            "a burst should arrive in fewer reads than messages"
        )

    drive(body, loop_factory)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_nagle_is_off(loop_factory: Any):
    async def body(transport: SocketTransport, site: Site, port: int) -> None:
        connection: Any = await transport.connect(f"ws://127.0.0.1:{port}/", Recorder())
        raw = connection._transport.underlying_transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    drive(body, loop_factory)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_our_close_reaches_both_handlers_once(loop_factory: Any):
    async def body(transport: SocketTransport, site: Site, port: int) -> None:
        ours = Recorder()
        connection = await transport.connect(f"ws://127.0.0.1:{port}/", ours)
        connection.send(b"last words")
        connection.close(1000, "done")
        connection.close()
        assert "by us" in await ours.ended
        assert "1000" in await site.handlers[0].ended
        assert site.handlers[0].messages == [(b"last words", True)]

    drive(body, loop_factory)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_server_close_and_abort_are_told_apart(loop_factory: Any):
    async def body(transport: SocketTransport, site: Site, port: int) -> None:
        first, second = Recorder(), Recorder()
        await transport.connect(f"ws://127.0.0.1:{port}/", first)
        await transport.connect(f"ws://127.0.0.1:{port}/", second)
        for handler in site.handlers:
            assert handler.connection is not None
        site.handlers[0].connection.close(1001, "maintenance")
        site.handlers[1].connection.abort()
        assert "maintenance" in await first.ended
        assert await second.ended == "connection lost"
        await asyncio.gather(*(handler.ended for handler in site.handlers))

    drive(body, loop_factory)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_refused_paths_and_ports_are_transport_errors(loop_factory: Any):
    async def body(transport: SocketTransport, site: Site, port: int) -> None:
        with pytest.raises(TransportError, match="missing"):
            await transport.connect(f"ws://127.0.0.1:{port}/missing", Recorder())
        with socket.socket() as idle:
            idle.bind(("127.0.0.1", 0))
            closed_port = idle.getsockname()[1]
            with pytest.raises(TransportError, match=str(closed_port)):
                await transport.connect(f"ws://127.0.0.1:{closed_port}/", Recorder())
        with pytest.raises(TransportError, match="cannot listen"):
            await transport.serve("127.0.0.1", port, site)

    drive(body, loop_factory)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_plain_http_shares_the_port_and_keeps_the_target_as_sent(loop_factory: Any):
    async def body(transport: SocketTransport, site: Site, port: int) -> None:
        answer = await transport.request(
            f"http://127.0.0.1:{port}", HttpRequest("POST", "/a%20b?c=%2f", {}, b"{}"), 5.0
        )
        assert (answer.status, answer.body) == (201, b"POST|/a%20b?c=%2f|{}")
        assert answer.headers["X-A"] == "b"

    drive(body, loop_factory)


def test_pings_of_the_server_are_answered_and_empty_pongs_accepted():
    async def body(transport: SocketTransport, site: Site, port: int) -> None:
        ours = Recorder()
        connection: Any = await transport.connect(f"ws://127.0.0.1:{port}/", ours)
        connection._transport.send(WSMsgType.PONG, b"")
        connection._transport.send(WSMsgType.PING, b"are you there")
        connection.send(b"after")
        await ours.until(1)
        assert ours.messages == [(b"after", True)]

        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(f"ws://127.0.0.1:{port}/", autoping=False) as raw,
        ):
            await raw.pong(b"")
            await raw.send_str("still open")
            assert (await raw.receive(5.0)).data == "still open"

    drive(body, asyncio.new_event_loop)
