"""A process that can be killed inside one event loop: from that instant nothing of it writes or sends.

The node knows nothing of this. Its journal and its network are given to it, and these fall silent when the
life they belong to ends; no clean-up of the node reaches the disk or a venue, as after `kill -9`.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from atomizer.domain.bookings import Fill, RfqTrade
from atomizer.domain.commands import AmendOrder, CancelOrder, PlaceOrder, SendQuote
from atomizer.domain.events import OrderEnded, OrderOpen, ReadEnded
from atomizer.net.transport import Connection, Handler, HttpRequest, HttpResponse, Transport
from atomizer.storage.journal import Journal

RECORDS: dict[type, str] = {
    PlaceOrder: "place",
    AmendOrder: "amend",
    CancelOrder: "cancel",
    SendQuote: "quote",
    RfqTrade: "confirmation",
    Fill: "fill",
    OrderOpen: "answer",
    OrderEnded: "answer",
    ReadEnded: "read",
}
FRAMES: tuple[tuple[bytes, str], ...] = (
    (b'"private/buy"', "place"),
    (b'"private/sell"', "place"),
    (b'"private/edit', "amend"),
    (b'"private/cancel', "cancel"),
    (b'"method":"quote"', "quote"),
)
HEARD: tuple[tuple[bytes, str], ...] = (
    (b'"quoteNonce"', "confirmation"),
    (b'"user.trades.', "fill"),
    (b'"trades":[{', "fill"),
)
POINTS = (
    "before place is written",
    "after place is written",
    "before place is sent",
    "after place is sent",
    "before amend is sent",
    "after amend is sent",
    "after cancel is written",
    "after cancel is sent",
    "before quote is written",
    "after quote is written",
    "before quote is sent",
    "after quote is sent",
    "confirmation is heard",
    "before confirmation is written",
    "after confirmation is written",
    "fill is heard",
    "before fill is written",
    "after fill is written",
    "before answer is written",
    "after answer is written",
    "before read is written",
    "after read is written",
    "a torn write",
    "a torn place",
    "a torn confirmation",
    "a torn fill",
)


class Killed(BaseException):
    """The process ends here. Nothing in the program catches it."""


@dataclass(frozen=True)
class Doom:
    """When a life ends: at the `count`-th time the point is met, at the latest after `seconds`.

    `half_open`: its sockets are not closed by anybody, as when a machine loses power.
    """

    seconds: float
    point: str = ""
    count: int = 1
    half_open: bool = False


class Life:
    """One process. `ended` is done when it is dead."""

    def __init__(self, doom: Doom, rng: random.Random) -> None:
        self.doom = doom
        self.rng = rng
        self.dead = False
        self.met = ""
        self.connections: list[tuple[str, Connection]] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = doom.count

    def is_due(self, point: str) -> bool:
        """Whether this meeting of the point is the fatal one."""
        if point != self.doom.point:
            return False
        self._left -= 1
        return self._left == 0

    def reach(self, point: str) -> None:
        """Die here, if this is the point."""
        if self.dead:
            raise Killed(self.met)
        if self.is_due(point):
            self.die(point)
            raise Killed(point)

    def die(self, met: str) -> None:
        """No more of it from now on. Its sockets end as a dead process's do, unless nobody closes them."""
        if self.dead:
            return
        self.dead, self.met = True, met
        self.ended.set_result(None)
        if not self.doom.half_open:
            self.cut("")

    def cut(self, part: str) -> None:
        """End the sockets whose address holds `part`, without a goodbye."""
        for url, connection in self.connections:
            if part in url:
                connection.abort()


class MortalJournal(Journal):
    """A journal that dies with its owner, between writes or in the middle of one."""

    life: Life
    closed = False
    torn = False

    def append(self, now_ns: int, batch: Sequence[msgspec.Struct], essential: bool) -> None:
        life = self.life
        kinds = dict.fromkeys(RECORDS.get(type(record), "") for record in batch)
        for kind in kinds:
            life.reach(f"before {kind} is written")
        self.torn = life.is_due("a torn write") or any(life.is_due(f"a torn {kind}") for kind in kinds)
        super().append(now_ns, batch, essential=essential)
        for kind in kinds:
            life.reach(f"after {kind} is written")

    def _write(self, data: bytes) -> bool:
        if not self.torn:
            return super()._write(data)
        os.write(self._fd, data[: self.life.rng.randrange(1, len(data))])
        self.life.die("torn write")
        raise Killed("torn write")

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            super().close()


def journal_of(life: Life) -> Callable[..., Journal]:
    """A journal factory for a node that lives this life."""

    def opened(directory: Path, **options: Any) -> Journal:
        journal = MortalJournal.open(directory, **options)
        assert isinstance(journal, MortalJournal)
        journal.life = life
        return journal

    return opened


def _named(data: bytes, table: tuple[tuple[bytes, str], ...]) -> str:
    return next((name for mark, name in table if mark in data), "")


class MortalConnection:
    """One end of a socket; deaf and dumb after death."""

    def __init__(self, inner: Connection, life: Life) -> None:
        self._inner = inner
        self._life = life

    @property
    def peer(self) -> str:
        return self._inner.peer

    def send(self, data: bytes) -> None:
        life, kind = self._life, _named(data, FRAMES)
        life.reach(f"before {kind} is sent")
        self._inner.send(data)
        life.reach(f"after {kind} is sent")

    def close(self, code: int = 1000, reason: str = "") -> None:
        if not self._life.dead:
            self._inner.close(code, reason)

    def abort(self) -> None:
        if not self._life.dead:
            self._inner.abort()


class MortalHandler:
    """What the node's side of a socket hears while it lives."""

    def __init__(self, inner: Handler, life: Life, url: str) -> None:
        self._inner = inner
        self._life = life
        self._url = url
        self.connection: MortalConnection | None = None

    def opened(self, connection: Connection) -> None:
        self._life.connections.append((self._url, connection))
        self.connection = MortalConnection(connection, self._life)
        if self._life.dead:
            connection.abort()
        else:
            self._inner.opened(self.connection)

    def message(self, data: bytes, last: bool) -> None:
        if self._life.dead:
            return
        self._life.reach(f"{_named(data, HEARD)} is heard")
        self._inner.message(data, last)

    def closed(self, reason: str) -> None:
        if not self._life.dead:
            self._inner.closed(reason)


class MortalTransport:
    """A network as one life sees it."""

    def __init__(self, inner: Transport, life: Life) -> None:
        self._inner = inner
        self._life = life

    async def connect(
        self, url: str, handler: Handler, headers: Mapping[str, str] | None = None
    ) -> Connection:
        mortal = MortalHandler(handler, self._life, url)
        await self._inner.connect(url, mortal, headers)
        assert mortal.connection is not None
        return mortal.connection

    def request(self, base: str, request: HttpRequest, timeout_s: float) -> Awaitable[HttpResponse]:
        return self._inner.request(base, request, timeout_s)

    def serve(self, host: str, port: int, application: Any) -> Awaitable[Any]:
        return self._inner.serve(host, port, application)
