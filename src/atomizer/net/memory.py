"""An in-process network behind the transport seam, for tests and for virtual time.

Messages travel whole, with a latency drawn per message from a seeded generator; each direction of each
connection keeps its order. Messages due at one instant arrive as one read (`last` marks the final one).
Closing and aborting follow sockets: what was sent before a close arrives, an abort drops what is in
flight, and the other side learns of either one latency later.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit

from atomizer.net.transport import (
    Application,
    Connection,
    Handler,
    HttpRequest,
    HttpResponse,
    TransportError,
)

FIRST_FREE_PORT = 40_000
DEFAULT_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


@dataclass(frozen=True, slots=True)
class Latency:
    """One way: `base_s` plus an exponential tail of mean `jitter_s`."""

    base_s: float = 0.000_5
    jitter_s: float = 0.0

    def draw(self, rng: random.Random) -> float:
        return self.base_s + (rng.expovariate(1.0 / self.jitter_s) if self.jitter_s > 0 else 0.0)


class _Kind(Enum):
    OPEN = auto()
    MESSAGE = auto()
    CLOSE = auto()


class _Pipe:
    """One direction: items in order, each with its due time, one timer for the first of them."""

    def __init__(self, delay: Callable[[], float], deliver: Callable[[_Kind, bytes, bool], None]) -> None:
        self._delay = delay
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._items: deque[tuple[float, _Kind, bytes]] = deque()
        self._last_due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, kind: _Kind, data: bytes = b"") -> None:
        due = max(self._loop.time() + self._delay(), self._last_due)
        self._last_due = due
        self._items.append((due, kind, data))
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._arrive)

    def drop_messages(self) -> None:
        """Forget what is under way: the cable is cut."""
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arrive(self) -> None:
        self._timer = None
        # What is due within the clock's grain belongs to this read, as asyncio itself counts it due.
        now = self._loop.time() + 1e-9
        items = self._items
        while items and items[0][0] <= now:
            _, kind, data = items.popleft()
            more = bool(items) and items[0][0] <= now and items[0][1] is _Kind.MESSAGE
            self._deliver(kind, data, not more)
        if items and self._timer is None:
            self._timer = self._loop.call_at(items[0][0], self._arrive)


class _End:
    """One end of a connection, as its owner sees it."""

    def __init__(self, peer: str, handler: Handler, delay: Callable[[], float]) -> None:
        self._peer = peer
        self.handler = handler
        self.other: _End
        self.open = True
        self.opened = asyncio.get_running_loop().create_future()
        self.inbound = _Pipe(delay, self._deliver)

    @property
    def peer(self) -> str:
        return self._peer

    def send(self, data: bytes) -> None:
        if self.open:
            self.other.inbound.put(_Kind.MESSAGE, data)

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.open:
            text = f"closed by {{}} (code {code}{': ' + reason if reason else ''})"
            self.other.inbound.put(_Kind.CLOSE, text.format("the other side").encode())
            self._end(text.format("us"))

    def abort(self) -> None:
        if self.open:
            self.other.inbound.drop_messages()
            self.other.inbound.put(_Kind.CLOSE, b"connection lost")
            self._end("aborted by us")

    def _end(self, reason: str) -> None:
        """Our own end is over at once; the handler hears of it after the current callback."""
        self.open = False
        self.inbound.drop_messages()
        self._never_opened(reason)
        asyncio.get_running_loop().call_soon(self.handler.closed, reason)

    def _never_opened(self, reason: str) -> None:
        """Tell who waits for the opening; nobody waits at a server's end, and that is no fault."""
        if not self.opened.done():
            self.opened.set_exception(TransportError(f"{self._peer}: {reason} while connecting"))
            self.opened.exception()

    def _deliver(self, kind: _Kind, data: bytes, last: bool) -> None:
        if not self.open:
            return
        if kind is _Kind.MESSAGE:
            self.handler.message(data, last)
        elif kind is _Kind.OPEN:
            self.handler.opened(self)
            if not self.opened.done():
                self.opened.set_result(None)
        else:
            self.open = False
            reason = data.decode()
            self._never_opened(reason)
            self.handler.closed(reason)


class MemoryServer:
    """A registered application; `cut` drops its connections as a network failure would."""

    def __init__(self, network: MemoryNetwork, host: str, port: int, application: Application) -> None:
        self._network = network
        self._host = host
        self._port = port
        self.application = application
        self.ends: list[_End] = []

    @property
    def port(self) -> int:
        return self._port

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        self._network.forget(self._host, self._port)
        for end in self.ends:
            end.close(1001, "server stops")
        self.ends.clear()

    def cut(self) -> None:
        """Drop every connection without a goodbye; the server goes on listening."""
        for end in self.ends:
            end.abort()
        self.ends.clear()

    def adopt(self, end: _End) -> None:
        self.ends = [known for known in self.ends if known.open]
        self.ends.append(end)


class MemoryNetwork:
    """A `Transport` inside one event loop; `rng` decides every latency."""

    def __init__(
        self,
        rng: random.Random,
        to_server: Latency | None = None,
        to_client: Latency | None = None,
    ) -> None:
        self._rng = rng
        self._to_server = to_server or Latency()
        self._to_client = to_client or Latency()
        self._servers: dict[tuple[str, int], MemoryServer] = {}
        self._next_port = FIRST_FREE_PORT
        self._next_client = 1

    async def serve(self, host: str, port: int, application: Application) -> MemoryServer:
        """Register `application`; port 0 takes a free one.

        Raises:
            TransportError: the address is taken.
        """
        name = _host_name(host)
        if port == 0:
            while (name, self._next_port) in self._servers:
                self._next_port += 1
            port = self._next_port
            self._next_port += 1
        if (name, port) in self._servers:
            raise TransportError(f"{host}:{port}: address already in use; choose another port")
        server = MemoryServer(self, name, port, application)
        self._servers[name, port] = server
        return server

    def forget(self, host: str, port: int) -> None:
        self._servers.pop((host, port), None)

    async def connect(
        self, url: str, handler: Handler, headers: Mapping[str, str] | None = None
    ) -> Connection:
        """Open a message stream; takes one round trip.

        Raises:
            TransportError: nobody listens, or the server refuses the path.
        """
        host, port, target = _address(url)
        await asyncio.sleep(self._to_server.draw(self._rng))
        server = self._servers.get((host, port))
        if server is None:
            await asyncio.sleep(self._to_client.draw(self._rng))
            raise TransportError(f"{url}: connection refused; nobody listens at {host}:{port}")
        theirs = server.application.accept(target, dict(headers or {}))
        if theirs is None:
            await asyncio.sleep(self._to_client.draw(self._rng))
            raise TransportError(f"{url}: expected a socket endpoint, found status 404; check the path")
        return await self._pair(url, handler, server, theirs)

    async def _pair(self, url: str, handler: Handler, server: MemoryServer, theirs: Handler) -> Connection:
        client_end = _End(url, handler, lambda: self._to_client.draw(self._rng))
        server_end = _End(
            f"memory:client-{self._next_client}", theirs, lambda: self._to_server.draw(self._rng)
        )
        self._next_client += 1
        client_end.other, server_end.other = server_end, client_end
        server.adopt(server_end)
        client_end.inbound.put(_Kind.OPEN)
        server_end.opened.set_result(None)
        theirs.opened(server_end)
        try:
            await client_end.opened
        except asyncio.CancelledError:
            client_end.abort()
            raise
        return client_end

    async def request(self, base: str, request: HttpRequest, timeout_s: float) -> HttpResponse:
        """One HTTP exchange; the server acts on the request even when the answer comes too late.

        Raises:
            TransportError: nobody listens, or no answer within the time.
        """
        host, port, _ = _address(base)
        out, back = self._to_server.draw(self._rng), self._to_client.draw(self._rng)
        await asyncio.sleep(min(out, timeout_s))
        server = self._servers.get((host, port))
        if server is None:
            raise TransportError(f"{base}: connection refused; nobody listens at {host}:{port}")
        if out > timeout_s:
            raise TransportError(f"{base}: no answer to {request.method} within {timeout_s} s")
        response = server.application.http(request)
        await asyncio.sleep(min(back, timeout_s - out))
        if out + back > timeout_s:
            raise TransportError(f"{base}: no answer to {request.method} within {timeout_s} s")
        return response


def _host_name(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def _address(url: str) -> tuple[str, int, str]:
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise TransportError(f"{url}: expected ws://host:port/path or http://host:port")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _host_name(parts.hostname), parts.port or DEFAULT_PORTS[parts.scheme], target
