"""Virtual time: an asyncio event loop whose clock jumps to the next deadline, and the clocks.

Nothing waits: when no callback is ready, time becomes the due time of the earliest timer. Time is an
integer count of nanoseconds, so `VirtualClock` is exact however long a run lasts. Callbacks due at one
instant run in the order they were scheduled, which makes a run repeatable to the byte. There are no
sockets, threads or subprocesses in this loop: asking for one is an error, not a wait.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack, cast

NS_PER_S = 1_000_000_000
# 2025-09-08 00:00:00 UTC, the first instant of the recorded chains.
DEFAULT_START_NS = 1_757_289_600 * NS_PER_S

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualTimeError(RuntimeError):
    """Something that cannot happen in virtual time was asked for. The text says what and what to do."""


class VirtualDeadlockError(VirtualTimeError):
    """Every task waits and no timer is set: nothing can ever happen again."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop over virtual time, starting at 0 s. `steps` counts the callbacks run."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_ns = 0
        self.steps = 0
        self._sequence = 0
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._cancelled_timers = 0

    def time(self) -> float:
        return self.elapsed_ns / NS_PER_S

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self._schedule(round(when * NS_PER_S), callback, args, context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self._schedule(self.elapsed_ns + round(delay * NS_PER_S), callback, args, context)

    def _schedule(
        self, when_ns: int, callback: Callable[..., object], args: Any, context: Context | None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when_ns / NS_PER_S, callback, args, self, context)
        handle._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001  (what BaseEventLoop.call_at does)
        self._sequence += 1
        heapq.heappush(self._timers, (when_ns, self._sequence, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:  # noqa: ARG002  (the base's signature)
        self._cancelled_timers += 1
        if self._cancelled_timers > 1000 and self._cancelled_timers * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0

    def _run_once(self) -> None:
        """One turn: jump if nothing is ready, collect what is due now, run what was ready."""
        ready = cast("deque[asyncio.Handle]", self._ready)  # type: ignore[attr-defined]
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
            self._cancelled_timers = max(0, self._cancelled_timers - 1)
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not timers:
                raise VirtualDeadlockError(_deadlock_text(self))
            self.elapsed_ns = max(self.elapsed_ns, timers[0][0])
        now = self.elapsed_ns
        while timers and timers[0][0] <= now:
            ready.append(heapq.heappop(timers)[2])
        count = len(ready)
        self.steps += count
        for _ in range(count):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001  (what BaseEventLoop does)

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no file events."""

    def _write_to_self(self) -> None:
        """Nothing to wake: the loop never sleeps."""

    def run_in_executor(  # threads would end determinism
        self,
        executor: Executor | None,  # noqa: ARG002  (the base's signature)
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,  # noqa: ARG002
    ) -> asyncio.Future[T]:
        raise VirtualTimeError(
            f"expected work that runs in the loop, found {getattr(func, '__qualname__', func)} sent to a "
            "thread; virtual time has no threads, run it inline (real sockets need a real loop)"
        )

    def close(self) -> None:
        self._timers.clear()
        super().close()


def _deadlock_text(loop: VirtualLoop) -> str:
    waiting = sorted(
        str(getattr(task.get_coro(), "__qualname__", "a task"))
        for task in asyncio.all_tasks(loop)
        if not task.done()
    )
    return (
        f"expected a timer or a ready callback at {loop.elapsed_ns / NS_PER_S:.6f} s, found none; "
        f"waiting for ever: {', '.join(waiting) or 'no task'}; give every wait a deadline"
    )


class VirtualClock:
    """UTC nanoseconds of a virtual loop: the start plus the loop's elapsed time, exactly."""

    __slots__ = ("_loop", "start_ns")

    def __init__(self, loop: VirtualLoop, start_ns: int = DEFAULT_START_NS) -> None:
        self._loop = loop
        self.start_ns = start_ns

    def now_ns(self) -> int:
        return self.start_ns + self._loop.elapsed_ns


class WallClock:
    """The machine's UTC clock."""

    __slots__ = ()

    def now_ns(self) -> int:
        return time.time_ns()


def run_virtual(
    main: Callable[[VirtualClock], Coroutine[Any, Any, T]], start_ns: int = DEFAULT_START_NS
) -> T:
    """Run `main(clock)` to its end in virtual time; tasks it leaves behind are cancelled.

    Raises:
        VirtualDeadlockError: everything waits and nothing is scheduled.
    """
    loop = VirtualLoop()
    clock = VirtualClock(loop, start_ns)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main(clock))
