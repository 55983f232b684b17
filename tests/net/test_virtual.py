"""Virtual time: jumps, exactness, order, repeatability, dead ends."""

import asyncio
import random
import time

import pytest

from atomizer.net.virtual import (
    VirtualClock,
    VirtualDeadlockError,
    VirtualLoop,
    VirtualTimeError,
    WallClock,
    run_virtual,
)


def test_a_day_passes_without_waiting():
    async def main(clock: VirtualClock) -> int:
        await asyncio.sleep(86_400)
        return clock.now_ns() - clock.start_ns

    before = time.perf_counter()
    assert run_virtual(main) == 86_400 * 1_000_000_000
    assert time.perf_counter() - before < 1.0


def test_clock_does_not_drift_over_many_small_steps():
    async def main(clock: VirtualClock) -> int:
        for _ in range(10_000):
            await asyncio.sleep(0.1)
        return clock.now_ns()

    start_ns = 1_700_000_000_000_000_123
    assert run_virtual(main, start_ns) == start_ns + 1_000 * 1_000_000_000


def test_callbacks_due_at_one_instant_run_in_the_order_scheduled():
    seen: list[int] = []

    async def main(_: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        for number in range(100):
            loop.call_at(1.0, seen.append, number)
        await asyncio.sleep(2)

    run_virtual(main)
    assert seen == list(range(100))


def test_cancelled_timer_neither_runs_nor_moves_time():
    async def main(clock: VirtualClock) -> int:
        loop = asyncio.get_running_loop()
        handles = [loop.call_later(5.0, pytest.fail, "cancelled timer ran") for _ in range(5_000)]
        for handle in handles:
            handle.cancel()
        await asyncio.sleep(1.0)
        return clock.now_ns() - clock.start_ns

    assert run_virtual(main) == 1_000_000_000


def test_timeout_fires_at_its_deadline():
    async def main(clock: VirtualClock) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.sleep(10)
        return clock.now_ns() - clock.start_ns

    assert run_virtual(main) == 2_500_000_000


def test_waiting_for_ever_is_an_error_that_names_who_waits():
    async def main(_: VirtualClock) -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlockError, match=r"main.*deadline"):
        run_virtual(main)


def test_a_thread_is_refused():
    async def main(_: VirtualClock) -> None:
        await asyncio.to_thread(time.sleep, 0)

    with pytest.raises(VirtualTimeError, match="no threads"):
        run_virtual(main)


def test_same_seed_gives_the_same_history():
    async def main(clock: VirtualClock) -> list[tuple[int, int]]:
        rng = random.Random(5)
        history: list[tuple[int, int]] = []

        async def walker(number: int) -> None:
            for _ in range(20):
                await asyncio.sleep(rng.random())
                history.append((number, clock.now_ns()))

        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(walker(number))
        return history

    assert run_virtual(main) == run_virtual(main)


def test_tasks_left_behind_are_cancelled():
    ended: list[str] = []

    async def left() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            ended.append("cancelled")

    async def main(_: VirtualClock) -> None:
        task = asyncio.create_task(left())
        await asyncio.sleep(1)
        assert not task.done()

    run_virtual(main)
    assert ended == ["cancelled"]


def test_steps_count_callbacks():
    async def main(_: VirtualClock) -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        before = loop.steps
        for _ in range(10):
            await asyncio.sleep(1)
        return loop.steps - before

    assert run_virtual(main) >= 10


def test_wall_clock_is_utc_nanoseconds():
    assert abs(WallClock().now_ns() - time.time_ns()) < 1_000_000_000
