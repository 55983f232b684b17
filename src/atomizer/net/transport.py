"""The seam between protocols and sockets: whole messages, callbacks, one clock.

Sessions and simulated venues know only this module. `net.sockets` puts real sockets behind it,
`net.memory` an in-process network; both call handlers from the event loop, never from another thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class TransportError(Exception):
    """A connection could not be made or is gone. The text names the address and the reason."""


class Connection(Protocol):
    """One open message stream."""

    @property
    def peer(self) -> str: ...

    def send(self, data: bytes) -> None:
        """Hand one text message to the other side; silently dropped once closed (the handler is told)."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close; the handler's `closed` follows. Safe to call twice."""
        ...

    def abort(self) -> None:
        """Drop the connection without a goodbye, as a cut cable would."""
        ...


class Handler(Protocol):
    """What the owner of one connection implements. Callbacks are synchronous and must not raise."""

    def opened(self, connection: Connection) -> None: ...

    def message(self, data: bytes, last: bool) -> None:
        """One whole message; `last`: no further one is waiting from the same read."""
        ...

    def closed(self, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request; `target` is path plus query as sent (signatures cover it)."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One HTTP response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Application(Protocol):
    """A server's side: sockets by path, plain requests."""

    def accept(self, target: str, headers: Mapping[str, str]) -> Handler | None:
        """The handler of a new socket at this path, or None to refuse it with 404."""
        ...

    def http(self, request: HttpRequest) -> HttpResponse: ...


class Server(Protocol):
    """A running server."""

    @property
    def port(self) -> int: ...

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        ...


class Transport(Protocol):
    """A network. Addresses are `ws://host:port/path` and `http://host:port`."""

    def connect(
        self, url: str, handler: Handler, headers: Mapping[str, str] | None = None
    ) -> Awaitable[Connection]:
        """Open a message stream; `handler.opened` is called before this returns.

        Raises:
            TransportError: refused, unreachable or not a socket endpoint.
        """
        ...

    def request(self, base: str, request: HttpRequest, timeout_s: float) -> Awaitable[HttpResponse]:
        """One HTTP exchange.

        Raises:
            TransportError: no answer within the time.
        """
        ...

    def serve(self, host: str, port: int, application: Application) -> Awaitable[Server]:
        """Listen; port 0 takes a free one."""
        ...


class Clock(Protocol):
    """Integer nanoseconds UTC. Timers use the event loop's own time, which a virtual loop jumps."""

    def now_ns(self) -> int: ...
