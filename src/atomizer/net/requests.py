"""Which answer belongs to which request, and which requests have waited too long.

A request leaves the table by its answer, by its deadline or by the end of the connection. An answer after
the deadline is still recognised (`late`) for as long as the connection that carried it lives.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

C = TypeVar("C")
Key = int | str

log = logging.getLogger(__name__)

# Requests remembered after their deadline; beyond it the oldest is forgotten, with a warning.
LATE_REMEMBERED = 10_000


class Answer(NamedTuple, Generic[C]):
    """What the request was sent with; `late`: its time-out has been reported already."""

    context: C
    late: bool


class RequestTable(Generic[C]):
    """Requests in flight on one connection; deadlines in the event loop's seconds."""

    __slots__ = ("_armed_for", "_late", "_loop", "_on_timeout", "_timer", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_timeout: Callable[[C], None]) -> None:
        self._loop = loop
        self._on_timeout = on_timeout
        self._waiting: dict[Key, tuple[C, float]] = {}
        self._late: dict[Key, C] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = math.inf

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, deadline_s: float) -> dict[Key, tuple[C, float]]:
        """Where to put (context, `deadline_s`) of requests that are answered until then, by key."""
        if deadline_s < self._armed_for:
            self._arm(deadline_s)
        return self._waiting

    def answer(self, key: Key) -> Answer[C] | None:
        """Take the request that this answer belongs to; None: nobody asked."""
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            return Answer(waiting[0], late=False)
        context = self._late.pop(key, None)
        return None if context is None else Answer(context, late=True)

    def drain(self) -> list[C]:
        """Everything still unanswered, in the order sent; the connection is gone."""
        unanswered = [context for context, _ in self._waiting.values()]
        self._waiting.clear()
        self._late.clear()
        self._disarm()
        return unanswered

    def _arm(self, deadline_s: float) -> None:
        self._disarm()
        self._armed_for = deadline_s
        self._timer = self._loop.call_at(deadline_s, self._expire)

    def _disarm(self) -> None:
        self._armed_for = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        """Report what is past its deadline, earliest first, and wait for the next one."""
        self._timer, self._armed_for = None, math.inf
        now = self._loop.time() + 1e-9
        due = [(deadline_s, key) for key, (_, deadline_s) in self._waiting.items() if deadline_s <= now]
        due.sort(key=lambda entry: entry[0])
        expired = [self._remember(key, self._waiting.pop(key)[0]) for _, key in due]
        if self._waiting:
            self._arm(min(deadline_s for _, deadline_s in self._waiting.values()))
        for context in expired:
            self._on_timeout(context)

    def _remember(self, key: Key, context: C) -> C:
        if len(self._late) >= LATE_REMEMBERED:
            forgotten = next(iter(self._late))
            del self._late[forgotten]
            log.warning("late request %s forgotten after %d others", forgotten, LATE_REMEMBERED)
        self._late[key] = context
        return context
