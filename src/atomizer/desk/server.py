"""The desk as a process: status, explain, manual trades and the kill switch over HTTP, on loopback only.

It reads the journal and speaks to the node's socket; it writes nothing the node reads, so it can be slow
or die without harm. Every request carries the token of a file that only the owner of the data directory
can read.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from atomizer.desk.errors import NotInJournalError
from atomizer.desk.explain import explain
from atomizer.desk.kill import FLATTEN, kill
from atomizer.desk.status import status
from atomizer.net.transport import Transport
from atomizer.runtime.control import ControlError, RefusedError, ask
from atomizer.runtime.words import Request, WordError, checked
from atomizer.storage.errors import JournalError

HOST = "127.0.0.1"
PROBLEM = "application/problem+json"
TOKEN_NAME = "desk.token"  # noqa: S105  (a file's name)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class KillOrder(msgspec.Struct, frozen=True):
    """Body of POST /kill. `confirm` is needed for level 4."""

    level: int = 2
    confirm: bool = False


class DeskServer:
    """Serves one data directory. `venues` and `transport` are for the kill switch's own sessions."""

    def __init__(
        self,
        data_dir: Path,
        *,
        venues: Callable[[], Mapping[str, Any]],
        transport: Callable[[], Transport],
    ) -> None:
        self._data_dir = data_dir
        self._venues = venues
        self._transport = transport
        self._token = token(data_dir)
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> int:
        """Listen on the loopback address; returns the port (a free one for 0)."""
        application = web.Application(middlewares=[self._authorised])
        application.add_routes(
            [
                web.get("/status", self._status),
                web.get("/explain/{subject}", self._explain),
                web.post("/kill", self._kill),
                web.post("/trades/{word:record|execute}", self._trade),
                web.get("/trades", self._trades),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _authorised(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return _problem(
                401, f"expected the token of {self._data_dir / TOKEN_NAME} as Bearer, found another"
            )
        try:
            return await handler(request)
        except JournalError as error:
            return _problem(500, str(error))

    async def _status(self, _request: web.Request) -> web.Response:
        return _json(await asyncio.to_thread(status, self._data_dir))

    async def _explain(self, request: web.Request) -> web.Response:
        try:
            found = await asyncio.to_thread(explain, self._data_dir, request.match_info["subject"])
        except NotInJournalError as error:
            return _problem(404, str(error))
        return _json(found)

    async def _kill(self, request: web.Request) -> web.Response:
        try:
            order = msgspec.json.decode(await request.read() or b"{}", type=KillOrder)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return _problem(400, f'expected {{"level": 1 to 4}}, found: {error}')
        if not 1 <= order.level <= FLATTEN:
            return _problem(400, f"expected a level from 1 to 4, found {order.level}")
        if order.level == FLATTEN and not order.confirm:
            return _problem(400, 'expected "confirm": true for level 4 (flatten), found none')
        report = await asyncio.to_thread(
            kill, self._data_dir, order.level, venues=self._venues, transport=self._transport
        )
        return _json(report)

    async def _trades(self, _request: web.Request) -> web.Response:
        return await self._said(Request(word="trades"))

    async def _trade(self, request: web.Request) -> web.Response:
        """Pass a manual trade on; the key makes a repetition harmless, so it is not optional."""
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return _problem(400, "expected an Idempotency-Key header, found none; repeat with the same one")
        try:
            args = msgspec.json.decode(await request.read(), type=dict[str, str | float])
            lasting = float(args.pop("for_s", 0.0))
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            return _problem(400, f'expected {{"instrument", "side", "price", "amount"}}, found: {error}')
        word = Request(word=request.match_info["word"], request_id=key, args=args, for_s=lasting, via="http")
        try:
            checked(word)
        except WordError as error:
            return _problem(400, str(error))
        return await self._said(word)

    async def _said(self, word: Request) -> web.Response:
        """What the node answers to a word."""
        try:
            return _json(await asyncio.to_thread(ask, self._data_dir, word))
        except RefusedError as error:
            return _json({"status": 409, "detail": str(error), **error.answer}, 409, PROBLEM)
        except ControlError as error:
            return _problem(503, str(error))


def token(data_dir: Path) -> str:
    """The token of this data directory, made at first use and readable by its owner only."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / TOKEN_NAME
    with contextlib.suppress(FileExistsError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    return path.read_text().strip()


def _json(value: Any, status_code: int = 200, content_type: str = "application/json") -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status_code, content_type=content_type)


def _problem(status_code: int, detail: str) -> web.Response:
    return _json({"status": status_code, "detail": detail}, status_code, PROBLEM)
