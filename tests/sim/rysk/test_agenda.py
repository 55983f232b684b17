"""Order and endings of the twin's one task."""

from __future__ import annotations

import asyncio

import pytest

from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.sim.rysk.agenda import Agenda


def test_actions_run_in_order_of_time_then_of_entry():
    ran: list[tuple[str, float]] = []

    async def main(clock: VirtualClock) -> None:
        agenda, loop = Agenda(), asyncio.get_running_loop()

        def note(name: str) -> None:
            ran.append((name, loop.time()))

        agenda.start(lambda: None)
        agenda.after(2.0, lambda: note("c"))
        await asyncio.sleep(0.5)
        agenda.after(0.5, lambda: note("a"))
        agenda.after(0.5, lambda: note("b"))
        agenda.after(-1.0, lambda: note("now"))
        agenda.after(1.0 / 3.0, lambda: agenda.after(0.0, lambda: note("nested")))
        await asyncio.sleep(5.0)
        await agenda.stop()

    run_virtual(main)
    assert [name for name, _ in ran] == ["now", "nested", "a", "b", "c"]
    assert [at for _, at in ran] == pytest.approx([0.5, 0.5 + 1 / 3, 1.0, 1.0, 2.0])


def test_stop_drops_the_rest_and_tells():
    ran, ended = [], []

    async def main(clock: VirtualClock) -> None:
        agenda = Agenda()
        agenda.start(lambda: ended.append(True))
        agenda.after(1.0, lambda: ran.append(1))
        await agenda.stop()
        await asyncio.sleep(2.0)

    run_virtual(main)
    assert (ran, ended) == ([], [True])


def test_an_error_ends_the_agenda_and_is_raised_by_stop():
    async def main(clock: VirtualClock) -> None:
        agenda, ended = Agenda(), asyncio.Event()
        agenda.start(ended.set)
        agenda.after(1.0, lambda: {}["missing"])
        async with asyncio.timeout(2.0):
            await ended.wait()
        with pytest.raises(KeyError, match="missing"):
            await agenda.stop()

    run_virtual(main)


def test_stop_without_start_is_quiet():
    async def main(clock: VirtualClock) -> None:
        await Agenda().stop()

    run_virtual(main)
