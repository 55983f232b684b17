"""Real sockets behind the transport seam: picows clients, aiohttp servers and requests.

The client path is the fast one: picows hands each frame over in the read's own callback and marks the
last of a read. Messages are never compressed. Pings are answered by the libraries; an idle connection is
pinged so that a dead link is noticed, and any pong (empty ones as well) counts as life.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Mapping

import aiohttp
import yarl
from aiohttp import web
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from atomizer.net.transport import (
    Application,
    Connection,
    Handler,
    HttpRequest,
    HttpResponse,
    TransportError,
)

CONNECT_TIMEOUT_S = 10.0
PING_IDLE_S = 10.0
PONG_WITHIN_S = 10.0
LARGEST_MESSAGE = 32 * 1024 * 1024
# A reader this far behind is lost: its connection is dropped rather than memory filled.
LARGEST_BACKLOG = 64 * 1024 * 1024


class _Client(WSListener):  # type: ignore[misc]
    """A picows listener that is also the `Connection` given to the handler."""

    def __init__(self, url: str, handler: Handler) -> None:
        super().__init__()
        self._url = url
        self._handler = handler
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._over = False
        self._why = ""

    @property
    def peer(self) -> str:
        return self._url

    def send(self, data: bytes) -> None:
        if not self._over and self._transport is not None:
            self._transport.send(WSMsgType.TEXT, data)

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._transport is not None and not self._over:
            self._why = self._why or f"closed by us (code {code}{': ' + reason if reason else ''})"
            self._over = True
            self._transport.send_close(WSCloseCode(code), reason.encode())
            self._transport.disconnect(graceful=True)

    def abort(self) -> None:
        if self._transport is not None and not self._over:
            self._why = self._why or "aborted by us"
            self._over = True
            self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        raw = transport.underlying_transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._handler.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.TEXT or kind is WSMsgType.BINARY or kind is WSMsgType.CONTINUATION:
            if self._over:
                return
            data = frame.get_payload_as_bytes()
            if frame.fin and not self._parts:
                self._handler.message(data, bool(frame.last_in_buffer))
                return
            self._parts.append(data)
            if frame.fin:
                data = b"".join(self._parts)
                self._parts.clear()
                self._handler.message(data, bool(frame.last_in_buffer))
        elif kind is WSMsgType.CLOSE:
            text = (frame.get_close_message() or b"").decode(errors="replace")
            code = frame.get_close_code()
            self._why = (
                self._why or f"closed by the other side (code {int(code)}{': ' + text if text else ''})"
            )
            transport.send_close(code)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  (picows' signature)
        self._over = True
        self._handler.closed(self._why or "connection lost")


class _Served:
    """The server's end of one socket: a queue of what to send and the task that writes it."""

    def __init__(self, stream: web.WebSocketResponse, peer: str, wire: asyncio.Transport | None) -> None:
        self._stream = stream
        self._peer = peer
        self._wire = wire
        self._outgoing: deque[bytes] = deque()
        self._backlog = 0
        self._wake = asyncio.Event()
        self._goodbye: tuple[int, str] | None = None
        self.over = False
        self.why = ""

    @property
    def peer(self) -> str:
        return self._peer

    def send(self, data: bytes) -> None:
        if self.over or self._goodbye is not None:
            return
        self._backlog += len(data)
        if self._backlog > LARGEST_BACKLOG:
            self.why = f"reader is more than {LARGEST_BACKLOG} bytes behind"
            self.abort()
            return
        self._outgoing.append(data)
        self._wake.set()

    def close(self, code: int = 1000, reason: str = "") -> None:
        if not self.over and self._goodbye is None:
            self._goodbye = (code, reason)
            self.why = self.why or f"closed by us (code {code}{': ' + reason if reason else ''})"
            self._wake.set()

    def abort(self) -> None:
        if not self.over:
            self.over = True
            self.why = self.why or "aborted by us"
            if self._wire is not None:
                self._wire.abort()
            self._wake.set()

    async def write(self) -> None:
        """Send what is queued until the connection is over."""
        with contextlib.suppress(ConnectionError):
            while not self.over:
                await self._wake.wait()
                self._wake.clear()
                while self._outgoing and not self.over:
                    data = self._outgoing.popleft()
                    self._backlog -= len(data)
                    await self._stream.send_frame(data, aiohttp.WSMsgType.TEXT)
                if self._goodbye is not None and not self.over:
                    code, reason = self._goodbye
                    await self._stream.close(code=code, message=reason.encode())
                    return


class _SocketServer:
    """An aiohttp server for one application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._open: set[_Served] = set()

    @property
    def port(self) -> int:
        return self._port

    async def start(self, host: str, port: int) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise TransportError(
                f"{host}:{port}: cannot listen ({error.strerror or error}); choose another port"
            ) from error
        self._port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        for served in list(self._open):
            served.close(1001, "server stops")
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request)
        body = await request.read()
        answer = self._application.http(HttpRequest(request.method, request.raw_path, request.headers, body))
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        handler = self._application.accept(request.raw_path, request.headers)
        if handler is None:
            return web.Response(status=404, text="no socket at this path")
        stream = web.WebSocketResponse(
            compress=False,
            autoping=True,
            heartbeat=2 * PING_IDLE_S,
            max_msg_size=LARGEST_MESSAGE,
            decode_text=False,
            timeout=1.0,
        )
        await stream.prepare(request)
        wire = request.transport
        served = _Served(stream, str(request.remote), wire)
        self._open.add(served)
        writer = asyncio.create_task(served.write())
        try:
            handler.opened(served)
            await self._read(stream, served, handler)
        finally:
            served.over = True
            self._open.discard(served)
            writer.cancel()
            handler.closed(served.why or f"closed by the other side (code {stream.close_code})")
        return stream

    async def _read(self, stream: web.WebSocketResponse, served: _Served, handler: Handler) -> None:
        while not served.over:
            message = await stream.receive()
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                # aiohttp does not tell where a read ends: every message closes its own.
                handler.message(bytes(message.data), True)
            else:
                return


class SocketTransport:
    """A `Transport` over TCP. `aclose` ends its HTTP client."""

    def __init__(self) -> None:
        self._http: aiohttp.ClientSession | None = None

    async def connect(
        self, url: str, handler: Handler, headers: Mapping[str, str] | None = None
    ) -> Connection:
        """Open a message stream (see `Transport.connect`)."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, client = await ws_connect(
                    lambda: _Client(url, handler),
                    url,
                    extra_headers=headers,
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=PING_IDLE_S,
                    auto_ping_reply_timeout=PONG_WITHIN_S,
                    max_frame_size=LARGEST_MESSAGE,
                )
        except (OSError, WSError, TimeoutError, ValueError) as error:
            raise TransportError(f"{url}: cannot connect ({type(error).__name__}: {error})") from error
        connected: Connection = client
        return connected

    async def request(self, base: str, request: HttpRequest, timeout_s: float) -> HttpResponse:
        """One HTTP exchange (see `Transport.request`)."""
        if self._http is None:
            self._http = aiohttp.ClientSession(auto_decompress=True)
        try:
            async with self._http.request(
                request.method,
                yarl.URL(base.rstrip("/") + request.target, encoded=True),
                headers=request.headers,
                data=request.body or None,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as answer:
                return HttpResponse(answer.status, await answer.read(), dict(answer.headers))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransportError(
                f"{base}: no answer to {request.method} within {timeout_s} s ({type(error).__name__})"
            ) from error

    async def serve(self, host: str, port: int, application: Application) -> _SocketServer:
        """Listen; one port for sockets and plain requests (see `Transport.serve`)."""
        server = _SocketServer(application)
        await server.start(host, port)
        return server

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None
