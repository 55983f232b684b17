"""A session: one websocket kept alive, with requests, answers and deadlines over it.

The session knows no protocol. Its owner (a venue adapter) decodes messages, says which answer belongs to
which request, and does the handshake of every new connection: authenticate, subscribe. Sending is
synchronous and never queues: what cannot leave now is refused with `NotSentError`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from atomizer.net.pacing import RateBackstop, Retry, RetrySettings
from atomizer.net.requests import Answer, Key, RequestTable
from atomizer.net.transport import Connection, Transport, TransportError

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)
# How a request leaves, where it waits for its answer, and until when, in the loop's time.
Requests = tuple[Callable[[bytes], None], dict[Key, tuple[C, float]], float]

log = logging.getLogger(__name__)

REAUTHENTICATE_AT = 0.8


class SessionError(Exception):
    """Ends the connection at hand; the session connects again."""


class HandshakeError(SessionError):
    """The venue did not accept what a new connection must do first."""


class SessionDownError(SessionError):
    """The connection ended while an answer was awaited, or there is none."""


class AnswerTimeoutError(SessionError):
    """No answer to an awaited request in time."""


class NotSentError(Exception):
    """A message was not sent; `code` is `not_connected` or `rate_backstop`. It was not queued either."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class SessionState(Enum):
    """Where the session stands."""

    CONNECTING = "connecting"
    HANDSHAKE = "handshake"
    UP = "up"
    RESTING = "resting"


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """One session's address and patience, in seconds.

    After `heartbeat_s` without a message the owner is asked for a sign of life, after `dead_after_s` the
    connection is dropped (0: neither). `rate_per_s` and `rate_burst` are the hard backstop on what is
    sent with a cost (0: none); the real budget is the engine's.
    """

    name: str
    url: str
    heartbeat_s: float = 5.0
    dead_after_s: float = 15.0
    connect_timeout_s: float = 10.0
    handshake_timeout_s: float = 15.0
    rate_per_s: float = 0.0
    rate_burst: float = 0.0
    retry: RetrySettings = field(default_factory=RetrySettings)


class SessionOwner(Protocol[C_contra]):
    """What a protocol implements over a session. All but `handshake` are synchronous."""

    async def handshake(self) -> None:
        """Authenticate and subscribe a new connection.

        Raises:
            SessionError: refused; the session drops the connection and tries again later.
        """
        ...

    def up(self) -> None:
        """The handshake is done: orders may go."""
        ...

    def down(self, why: str) -> None:
        """The connection ended, or could not be made. Called once per attempt, after the time-outs."""
        ...

    def message(self, data: bytes, last: bool) -> None:
        """One whole message; `last` closes the read."""
        ...

    def heartbeat(self) -> None:
        """Nothing was heard for a while: send something that is answered."""
        ...

    def timed_out(self, context: C_contra) -> None:
        """The deadline of a request passed, or its connection ended: its outcome is unknown."""
        ...


class _Link:
    """The handler of one connection; deaf once the session has let go of it."""

    __slots__ = ("_session", "connection", "done", "heard_s", "loop", "on_message", "up_since")

    def __init__(self, session: Session[Any], on_message: Callable[[bytes, bool], None]) -> None:
        self._session = session
        self.loop = asyncio.get_running_loop()
        self.on_message: Callable[[bytes, bool], None] = on_message
        self.connection: Connection | None = None
        self.done: asyncio.Future[str] = self.loop.create_future()
        self.heard_s = self.loop.time()
        self.up_since: float | None = None

    def opened(self, connection: Connection) -> None:
        self.connection = connection

    def message(self, data: bytes, last: bool) -> None:
        self.heard_s = self.loop.time()
        on_message = self.on_message
        try:
            on_message(data, last)
        except Exception as error:  # noqa: BLE001  (a bug of the owner: it ends the session, see `failed`)
            self._session.failed(self, error)

    def timed_out(self, context: Any) -> None:
        try:
            self._session.owner.timed_out(context)
        except Exception as error:  # noqa: BLE001  (as above)
            self._session.failed(self, error)

    def finish(self, outcome: str | Exception) -> None:
        if not self.done.done():
            if isinstance(outcome, Exception):
                self.done.set_exception(outcome)
            else:
                self.done.set_result(outcome)

    def closed(self, reason: str) -> None:
        self._session.ended(self, reason)


def _deaf(_data: bytes, _last: bool) -> None:
    """What a connection that was let go of says is not heard."""


class Session(Generic[C]):
    """Keeps one connection: connect, handshake, heartbeat, requests, reconnect."""

    def __init__(
        self, settings: SessionSettings, transport: Transport, owner: SessionOwner[C], rng: random.Random
    ) -> None:
        self.settings = settings
        self.state = SessionState.RESTING
        self.retry = Retry(settings.retry, rng)
        self._transport = transport
        self.owner = owner
        self._link: _Link | None = None
        self._group: asyncio.TaskGroup | None = None
        self._requests: RequestTable[C] | None = None
        # While the session is up: how a request leaves, where it waits for its answer, the loop's time.
        self._ready: tuple[Callable[[bytes], None], RequestTable[C], Callable[[], float]] | None = None
        self._asked: dict[Key, asyncio.Future[Any]] = {}
        self._backstop = RateBackstop(settings.rate_per_s, settings.rate_burst)

    @property
    def is_up(self) -> bool:
        return self.state is SessionState.UP

    # --- sending: synchronous, no queue ---

    def send(self, data: bytes, cost: float = 0.0) -> None:
        """Send a message that expects no matched answer.

        Raises:
            NotSentError: no connection, or the backstop refuses the cost.
        """
        link = self._link
        if link is None or link.connection is None:
            raise self._not_connected("an open connection, found the session")
        if self._backstop.limited:
            self._spend(cost)
        link.connection.send(data)

    def _spend(self, cost: float) -> None:
        if not self._backstop.take(asyncio.get_running_loop().time(), cost):
            raise NotSentError(
                "rate_backstop",
                f"{self.settings.name}: more than {self.settings.rate_per_s}/s (burst "
                f"{self.settings.rate_burst}); not sent and not queued; keep the message budget below it",
            )

    def requests(self, within_s: float) -> Requests[C]:
        """How requests leave whose answers are expected within this time: what one turn sends shares it.

        A request is given to `send`, at a cost of 1; then (context, `deadline_s`) is put into `waiting` by
        its key.

        Raises:
            NotSentError: before the handshake is done, or without a connection; `send` does at the backstop.
        """
        ready = self._ready
        if ready is None:
            raise self._not_connected("the session up, found it")
        send, table, time = ready
        deadline_s = time() + within_s
        return send, table.expect(deadline_s), deadline_s

    def send_request(self, data: bytes, key: Key, within_s: float, context: C) -> None:
        """Send one request whose answer is expected within this time. Raises as `requests`."""
        send, waiting, deadline_s = self.requests(within_s)
        send(data)
        waiting[key] = (context, deadline_s)

    def _send_at_cost(self, data: bytes) -> None:
        self.send(data, 1.0)

    def _not_connected(self, expected: str) -> NotSentError:
        return NotSentError(
            "not_connected",
            f"{self.settings.name}: expected {expected} {self.state.value}; send again when it is up",
        )

    async def ask(self, data: bytes, key: Key, timeout_s: float) -> Any:
        """Send and await what the owner passes to `answer` for this key; allowed in the handshake.

        Raises:
            SessionDownError, AnswerTimeoutError
        """
        try:
            self.send(data)
        except NotSentError as error:
            raise SessionDownError(str(error)) from error
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[key] = future
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError as error:
            raise AnswerTimeoutError(
                f"{self.settings.name}: no answer to request {key} within {timeout_s} s"
            ) from error
        finally:
            if self._asked.get(key) is future:
                del self._asked[key]

    def answer(self, key: Key, reply: object) -> Answer[C] | None:
        """Match a decoded reply. An awaited one goes to who awaits it; None: nothing more to do."""
        future = self._asked.pop(key, None)
        if future is not None:
            if not future.done():
                future.set_result(reply)
            return None
        return None if self._requests is None else self._requests.answer(key)

    # --- the life of a connection ---

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` for as long as this connection lives; a `SessionError` from it ends the connection."""
        if self._group is None or self._link is None:
            work.close()
            raise SessionDownError(f"{self.settings.name}: no connection to work on")
        self._group.create_task(work)

    def keep_authenticated(self, expires_in_s: float, again: Callable[[], Awaitable[float]]) -> None:
        """Call `again` at 80 % of the token's life, for as long as this connection lives; it returns the
        life of the new token in seconds."""
        self.spawn(self._reauthenticate(expires_in_s, again))

    def drop(self, why: str) -> None:
        """Let go of the connection at hand; the session connects again."""
        link = self._link
        if link is not None:
            if link.connection is not None:
                link.connection.abort()
            self.ended(link, why)

    def ended(self, link: _Link, why: str) -> None:
        """A connection is over (its link or `drop` says so): outcomes unknown first, then down."""
        if self._link is not link:
            return
        self._link = self._ready = None
        self.state = SessionState.RESTING
        link.on_message = _deaf
        for future in self._asked.values():
            if not future.done():
                future.set_exception(SessionDownError(f"{self.settings.name}: {why}"))
        self._asked.clear()
        try:
            if self._requests is not None:
                for context in self._requests.drain():
                    self.owner.timed_out(context)
            self.owner.down(why)
        except Exception as error:  # noqa: BLE001  (a bug of the owner comes out of `run`)
            link.finish(error)
        link.finish(why)

    def failed(self, link: _Link, error: Exception) -> None:
        """The owner raised from a callback: a bug. It comes out of `run`, whatever transport called."""
        link.finish(error)
        if self._link is link:
            self.drop(f"{type(error).__name__} while handling a message")

    async def run(self) -> NoReturn:
        """Serve until cancelled.

        Raises:
            Exception: what the owner raised from a callback or in connection work: a bug, never the venue.
        """
        try:
            while True:
                up_for_s = await self._attempt()
                rest_s = self.retry.ended(up_for_s)
                if self.retry.circuit_open:
                    log.warning(
                        "%s: %d failures in a row, next trial in %.1f s",
                        self.settings.name,
                        self.retry.failures,
                        rest_s,
                    )
                await asyncio.sleep(rest_s)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        link = self._link
        if link is not None:
            if link.connection is not None:
                link.connection.close(1000, "session ends")
            self.ended(link, "session ends")

    async def _attempt(self) -> float:
        """One connection from start to end; how many seconds it was up."""
        link = _Link(self, self.owner.message)
        self._link = link
        self._requests = RequestTable(link.loop, link.timed_out)
        self.state = SessionState.CONNECTING
        try:
            async with asyncio.timeout(self.settings.connect_timeout_s):
                link.connection = await self._transport.connect(self.settings.url, link)
        except (TransportError, TimeoutError) as error:
            self.ended(link, f"cannot connect: {type(error).__name__} {error}")
            link.done.result()
            return 0.0
        # In a task of its own: a cancellation from outside must not meet the group's own one.
        serving = asyncio.create_task(self._serve(link))
        try:
            await asyncio.wait({serving})
        finally:
            serving.cancel()
            await asyncio.wait({serving})
        serving.result()
        return 0.0 if link.up_since is None else link.loop.time() - link.up_since

    async def _serve(self, link: _Link) -> None:
        """Everything that runs on one open connection; returns when it is over."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._watch(link))
                group.create_task(self._live(link))
        except* SessionError as errors:
            self._drop_for(link, errors)
        finally:
            self._group = None

    def _drop_for(self, link: _Link, errors: BaseExceptionGroup[SessionError]) -> None:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if self._link is link:
            self.drop(str(first))

    async def _watch(self, link: _Link) -> None:
        raise SessionDownError(await asyncio.shield(link.done))

    async def _live(self, link: _Link) -> None:
        self.state = SessionState.HANDSHAKE
        try:
            async with asyncio.timeout(self.settings.handshake_timeout_s):
                await self.owner.handshake()
        except TimeoutError as error:
            raise HandshakeError(
                f"{self.settings.name}: handshake not done within {self.settings.handshake_timeout_s} s"
            ) from error
        if self._link is not link:
            return
        self.state = SessionState.UP
        if link.connection is not None and self._requests is not None:
            send = self._send_at_cost if self._backstop.limited else link.connection.send
            self._ready = (send, self._requests, link.loop.time)
        link.up_since = link.loop.time()
        self.owner.up()
        if self.settings.heartbeat_s > 0.0:
            await self._beat(link)

    async def _beat(self, link: _Link) -> None:
        every, dead_after = self.settings.heartbeat_s, self.settings.dead_after_s
        while True:
            quiet = link.loop.time() - link.heard_s
            if 0.0 < dead_after <= quiet:
                raise SessionDownError(f"{self.settings.name}: nothing heard for {quiet:.1f} s")
            # A quiet time within the clock's grain of the limit counts as reached.
            if self._link is not link:
                return
            if quiet >= every - 1e-6:
                self.owner.heartbeat()
                await asyncio.sleep(every)
            else:
                await asyncio.sleep(every - quiet)

    async def _reauthenticate(self, expires_in_s: float, again: Callable[[], Awaitable[float]]) -> None:
        while True:
            await asyncio.sleep(expires_in_s * REAUTHENTICATE_AT)
            expires_in_s = await again()
