"""The node's ear: a unix socket in the data directory, open to its owner only.

One JSON line in, one JSON line out. A word reaches the core as an `Operator` event; the answer says that
the node's loop has taken it, which a frozen node cannot say. The client is synchronous: whoever holds the
kill switch waits for nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from atomizer.domain.events import Operator

SOCKET_NAME = "node.sock"
WORDS = ("kill", "resume", "pause", "accept", "stop")
STATUS = "status"
_LEVELS = range(1, 5)
_LONGEST_LINE = 1 << 16
_LONGEST_PATH = 107  # bytes that a unix socket's address holds


class ControlError(Exception):
    """The node cannot be reached, or did not understand."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One word to the node. `level` is for kill (1 to 4), `scope` for pause, resume and accept."""

    word: str
    level: int = 0
    scope: str = ""
    request_id: str = ""


class ControlServer:
    """Serves the socket on the node's loop. `operator` and `status` are called from it."""

    def __init__(
        self, path: Path, operator: Callable[[Operator], None], status: Callable[[], dict[str, Any]]
    ) -> None:
        self._path = path
        self._operator = operator
        self._status = status
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. A socket left by a dead node is replaced: the directory's lock says it is dead.

        Raises:
            ControlError: the path is too long for a socket.
        """
        _check_length(self._path)
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)  # the socket must never be open to others, not even for a moment
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_LONGEST_LINE)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                try:
                    line = await reader.readline()
                except ValueError:
                    writer.write(_failed(f"expected a line of at most {_LONGEST_LINE} bytes, found more"))
                    break
                if not line.endswith(b"\n"):
                    break
                writer.write(self._answer(line))
                await writer.drain()
        writer.close()

    def _answer(self, line: bytes) -> bytes:
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return _failed(f"expected a request, found {line[:120]!r} ({error})")
        if request.word == STATUS:
            return _answered({"ok": True, "request_id": request.request_id, "status": self._status()})
        if request.word not in WORDS:
            return _failed(f"expected one of {', '.join((STATUS, *WORDS))}, found {request.word!r}")
        if request.word == "kill" and request.level not in _LEVELS:
            return _failed(f"expected a kill level from 1 to 4, found {request.level}")
        self._operator(Operator(request.word, request.level, request.scope, request.request_id))
        return _answered({"ok": True, "request_id": request.request_id})


def _answered(answer: dict[str, Any]) -> bytes:
    return msgspec.json.encode(answer) + b"\n"


def _failed(text: str) -> bytes:
    return _answered({"ok": False, "error": text})


def _check_length(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > _LONGEST_PATH:
        raise ControlError(
            f"{path}: expected a path of at most {_LONGEST_PATH} bytes for the control socket, found"
            f" {length}; choose a shorter --data-dir"
        )


def ask(data_dir: Path, request: Request, *, timeout_s: float = 2.0) -> dict[str, Any]:
    """Say one word to the node and wait for its answer.

    Raises:
        ControlError: no node listens, it does not answer in time, or it refuses the word.
    """
    path = data_dir / SOCKET_NAME
    _check_length(path)
    try:
        answer: dict[str, Any] = msgspec.json.decode(_exchanged(path, request, timeout_s))
    except TimeoutError:
        raise ControlError(
            f"{path}: expected an answer within {timeout_s} s, found none; atomizer kill"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise ControlError(f"{path}: expected a node to listen, found: {error}; is it running?") from error
    if not answer.get("ok"):
        raise ControlError(
            f"{path}: the node refused {request.word}: {answer.get('error', 'no reason given')}"
        )
    return answer


def _exchanged(path: Path, request: Request, timeout_s: float) -> bytes:
    ends = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(msgspec.json.encode(request) + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            part = connection.recv(_LONGEST_LINE)
            if not part:
                raise ConnectionResetError("closed without an answer")
            answer += part
        return answer
