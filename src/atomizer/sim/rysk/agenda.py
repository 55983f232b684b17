"""What happens next in a twin: one task, a heap of due times on the event loop's own clock.

One task instead of loose timers: an error in any of them ends the twin and is raised by `stop`. Times are
integer nanoseconds of loop time, so a virtual loop is never asked to wait for less than it can count.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

NS_PER_S = 1_000_000_000


class Agenda:
    """Actions in order of time, then of entry."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Run `action` this many seconds of loop time from now; at once if not positive."""
        due_ns = _loop_ns() + max(0, round(delay_s * NS_PER_S))
        self._sequence += 1
        heapq.heappush(self._entries, (due_ns, self._sequence, action))
        if self._entries[0][1] == self._sequence:
            self._changed.set()

    def start(self, on_end: Callable[[], None]) -> None:
        """Begin; `on_end` is called when the agenda is over, by `stop` or by an error."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="rysk twin agenda")
        self._task.add_done_callback(lambda _: on_end())

    async def stop(self) -> None:
        """Drop what is left and raise what went wrong, if anything did."""
        task, self._task = self._task, None
        self._entries.clear()
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            wait_ns = self._entries[0][0] - _loop_ns() if self._entries else None
            if wait_ns is not None and wait_ns <= 0:
                heapq.heappop(self._entries)[2]()
                continue
            try:
                async with asyncio.timeout(None if wait_ns is None else wait_ns / NS_PER_S):
                    await self._changed.wait()
            except TimeoutError:
                continue


def _loop_ns() -> int:
    return round(asyncio.get_running_loop().time() * NS_PER_S)
