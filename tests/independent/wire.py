"""Raw JSON sockets for judges: over the transport seam in virtual time, over aiohttp on real sockets.

Judges import nothing of the venue adapters or of the simulated venues: a misunderstanding shared by both
sides must not be shared by the judge as well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

import aiohttp

from atomizer.net.transport import Connection, HttpRequest, Transport

DEADLINE_S = 10.0


class JudgeError(Exception):
    """The venue did not answer, or answered with an error; the text holds the question and the answer."""


class Wire(Protocol):
    """An open socket."""

    async def send(self, message: dict[str, Any]) -> None: ...

    async def receive(self) -> bytes: ...

    async def close(self) -> None: ...


class _Seam:
    """A connection of the transport seam, read through a queue."""

    def __init__(self) -> None:
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._connection: Connection | None = None

    def opened(self, connection: Connection) -> None:
        self._connection = connection

    def message(self, data: bytes, last: bool) -> None:
        self._frames.put_nowait(bytes(data))

    def closed(self, reason: str) -> None:
        self._frames.put_nowait(None)

    async def send(self, message: dict[str, Any]) -> None:
        assert self._connection is not None
        self._connection.send(json.dumps(message).encode())

    async def receive(self) -> bytes:
        frame = await self._frames.get()
        if frame is None:
            raise JudgeError("expected a frame, found the socket closed")
        return frame

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class _Aiohttp:
    """A real socket."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self._socket = socket

    async def send(self, message: dict[str, Any]) -> None:
        await self._socket.send_str(json.dumps(message))

    async def receive(self) -> bytes:
        frame = await self._socket.receive()
        if frame.type is aiohttp.WSMsgType.TEXT:
            return frame.data.encode()
        if frame.type is aiohttp.WSMsgType.BINARY:
            return frame.data
        raise JudgeError(f"expected a frame, found {frame.type.name}")

    async def close(self) -> None:
        await self._socket.close()
        await self._session.close()


async def dial(transport: Transport | None, url: str) -> Wire:
    """An open socket to `url`; without a transport a real one."""
    if transport is not None:
        seam = _Seam()
        await transport.connect(url, seam)
        return seam
    session = aiohttp.ClientSession()
    try:
        socket = await session.ws_connect(url, timeout=aiohttp.ClientWSTimeout(ws_close=2.0))
    except (aiohttp.ClientError, OSError) as exc:
        await session.close()
        raise JudgeError(f"{url}: {exc}") from exc
    return _Aiohttp(session, socket)


async def fetch(transport: Transport | None, base: str, target: str, body: Any = None) -> Any:
    """The JSON at `base + target`: GET, or POST where there is a body."""
    method = "GET" if body is None else "POST"
    sent = b"" if body is None else json.dumps(body).encode()
    if transport is not None:
        response = await transport.request(base, HttpRequest(method, target, {}, sent), DEADLINE_S)
        status, data = response.status, response.body
    else:
        timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, base + target, data=sent) as answer,
        ):
            status, data = answer.status, await answer.read()
    if status != 200:
        raise JudgeError(f"{method} {target}: expected status 200, found {status}: {data.decode()[:300]}")
    return exact_json(data)


def exact_json(data: bytes) -> Any:
    """JSON whose numbers stay exact: fractions become Decimal."""
    return json.loads(data, parse_float=Decimal)


async def ask(
    wire: Wire,
    request: dict[str, Any],
    aside: Callable[[dict[str, Any]], None] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Any:
    """Send a JSON-RPC request and wait for the reply with its id; other frames go `aside`.

    Raises:
        JudgeError: an error object, a closed socket, or no answer in time.
    """
    await wire.send(request)
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                frame = exact_json(await wire.receive())
                if frame.get("id") == request["id"] and "method" not in frame:
                    break
                if aside is not None:
                    aside(frame)
    except TimeoutError as exc:
        raise JudgeError(f"{request['method']}: no answer within {deadline_s} s") from exc
    if "error" in frame:
        raise JudgeError(f"{request['method']}: {frame['error']}")
    return frame["result"]
