"""The node's ear: a unix socket in the data directory, open to its owner only.

One JSON line in, one JSON line out. Whoever connects is asked of the kernel, not of himself: another user is
turned away, and the name goes into the journal with what was said. A word of the closed list reaches the
core as an event; the answer says what was done, which a frozen node cannot say. The client is synchronous:
whoever holds the kill switch waits for nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from atomizer.runtime.words import Request, WordError, checked

__all__ = [
    "SOCKET_NAME",
    "STATUS",
    "ControlError",
    "ControlServer",
    "RefusedError",
    "Request",
    "RiskRefusedError",
    "ask",
]

SOCKET_NAME = "node.sock"
STATUS = "status"
_LONGEST_LINE = 1 << 16
_LONGEST_ANSWER = 1 << 26
_LONGEST_PATH = 107  # bytes that a unix socket's address holds
_PEER = struct.Struct("3i")  # pid, uid, gid


class ControlError(Exception):
    """The node cannot be reached, or did not understand."""


class RefusedError(ControlError):
    """The node understood and did not do it: `answer` says why."""

    def __init__(self, text: str, answer: dict[str, Any]) -> None:
        super().__init__(text)
        self.answer = answer


class RiskRefusedError(RefusedError):
    """The risk gate or the venue refused what a person asked for."""


class ControlServer:
    """Serves the socket on the node's loop. `answer` is called there with a checked request and author.

    Only `owner` (a user id; the process's own by default) and root are heard.
    """

    def __init__(
        self, path: Path, answer: Callable[[Request, str], dict[str, Any]], owner: int | None = None
    ) -> None:
        self._path = path
        self._owner = os.getuid() if owner is None else owner
        self._answer_to = answer
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
            uid = peer_uid(writer.get_extra_info("socket"))
            if uid not in (self._owner, 0):
                writer.write(_failed(f"expected the node's own user, found user id {uid}"))
                await writer.drain()
                writer.close()
                return
            by = user_name(uid)
            while True:
                try:
                    line = await reader.readline()
                except ValueError:
                    writer.write(_failed(f"expected a line of at most {_LONGEST_LINE} bytes, found more"))
                    break
                if not line.endswith(b"\n"):
                    break
                writer.write(self._answer(line, by))
                await writer.drain()
        writer.close()

    def _answer(self, line: bytes, by: str) -> bytes:
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return _failed(f"expected a request, found {line[:120]!r} ({error})")
        try:
            request = checked(request)
        except WordError as error:
            return _failed(str(error), request.request_id)
        answer = self._answer_to(request, f"{by} via {request.via}" if request.via else by)
        return _answered({"ok": True, "request_id": request.request_id, **answer})


def peer_uid(connection: Any) -> int:
    """The user id of the process at the other end, as the kernel knows it."""
    with socket.socket(fileno=os.dup(connection.fileno())) as own:
        raw = own.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(raw)[1])


def user_name(uid: int) -> str:
    """The user's name, or `uid/N` where the system knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid/{uid}"


def _answered(answer: dict[str, Any]) -> bytes:
    return msgspec.json.encode(answer) + b"\n"


def _failed(text: str, request_id: str = "") -> bytes:
    return _answered({"ok": False, "request_id": request_id, "error": text})


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
        ControlError: no node listens, or it does not answer in time.
        RefusedError: it answers that it did not do it.
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
        text = f"{path}: the node refused {request.word}: {answer.get('error', 'no reason given')}"
        kind = RiskRefusedError if answer.get("reason") == "risk" else RefusedError
        raise kind(text, answer)
    return answer


def _exchanged(path: Path, request: Request, timeout_s: float) -> bytes:
    ends = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(msgspec.json.encode(request) + b"\n")
        parts: list[bytes] = []
        size = 0
        while not parts or not parts[-1].endswith(b"\n"):
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            part = connection.recv(_LONGEST_LINE)
            if not part:
                raise ConnectionResetError("closed without an answer")
            parts.append(part)
            size += len(part)
            if size > _LONGEST_ANSWER:
                raise ConnectionResetError(f"an answer of more than {_LONGEST_ANSWER} bytes")
        return b"".join(parts)
