"""Disk full, as a limit on file size imposes it, and crashes at any byte of the way there and back."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atomizer.domain.commands import CancelOrder
from atomizer.storage.journal import (
    Journal,
    JournalDeadError,
    JournalError,
    JournalFullError,
    JournalState,
    read,
    verify,
)
from atomizer.storage.segments import RESERVE_NAME, segment_path

Opened = Callable[..., Journal]
Cancel = Callable[[int], CancelOrder]
RESERVE = 4096


@pytest.fixture
def limit() -> Iterator[Callable[[int], None]]:
    """Sets this process's limit on file size; lifted at the end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def set_to(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield set_to
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def ids(directory: Path) -> list[int]:
    return [record.body.order_id for record in read(directory)]


def filled(journal: Journal, cancel: Cancel) -> int:
    """Append until the disk is full; the number of records that were taken."""
    number = 0
    with pytest.raises(JournalFullError, match=r"expected to append, found: .*hedges and cancels still go"):
        while True:
            journal.append(number + 1, [cancel(number + 1)], essential=False)
            number += 1
    return number


def test_only_essential_records_go_to_the_reserve(
    opened: Opened, cancel: Cancel, limit: Callable[[int], None], tmp_path: Path
) -> None:
    journal = opened(reserve_bytes=RESERVE)
    limit(RESERVE)
    taken = filled(journal, cancel)
    assert journal.state is JournalState.RESERVE
    journal.append(1, [cancel(900)], essential=True)
    with pytest.raises(JournalFullError):
        journal.append(1, [cancel(901)], essential=False)
    journal.append(1, [cancel(902), cancel(903)], essential=True)
    assert ids(tmp_path) == [*range(1, taken + 1), 900, 902, 903]
    assert verify(tmp_path).in_reserve == 3


def test_an_essential_batch_that_finds_the_disk_full_is_not_lost(
    opened: Opened, cancel: Cancel, limit: Callable[[int], None], tmp_path: Path
) -> None:
    journal = opened(reserve_bytes=RESERVE)
    limit(RESERVE)
    number = 0
    while journal.state is JournalState.OK:
        number += 1
        journal.append(number, [cancel(number)], essential=True)
    assert ids(tmp_path) == list(range(1, number + 1))
    assert verify(tmp_path).in_reserve == 1


def test_dead_when_the_reserve_is_used_up(
    opened: Opened, cancel: Cancel, limit: Callable[[int], None], tmp_path: Path
) -> None:
    journal = opened(reserve_bytes=RESERVE)
    limit(RESERVE)
    number = 0
    with pytest.raises(JournalDeadError, match="send nothing but cancels"):
        while True:
            journal.append(number + 1, [cancel(number + 1)], essential=True)
            number += 1
    assert journal.state is JournalState.DEAD
    with pytest.raises(JournalDeadError):
        journal.append(1, [cancel(5000)], essential=True)
    assert journal.probe() is JournalState.DEAD
    assert ids(tmp_path) == list(range(1, number + 1))
    limit(resource.RLIM_INFINITY)
    assert journal.probe() is JournalState.OK
    journal.append(1, [cancel(6000)], essential=False)
    assert ids(tmp_path) == [*range(1, number + 1), 6000]


def test_probe_moves_the_reserve_when_space_returns(
    opened: Opened, cancel: Cancel, limit: Callable[[int], None], tmp_path: Path
) -> None:
    journal = opened(reserve_bytes=RESERVE)
    limit(RESERVE)
    taken = filled(journal, cancel)
    journal.append(1, [cancel(900)], essential=True)
    assert journal.probe() is JournalState.RESERVE
    limit(resource.RLIM_INFINITY)
    assert journal.probe() is JournalState.OK
    assert journal.cause == ""
    journal.append(2, [cancel(901)], essential=False)
    assert ids(tmp_path) == [*range(1, taken + 1), 900, 901]
    assert verify(tmp_path).in_reserve == 0
    assert (tmp_path / RESERVE_NAME).read_bytes() == bytes(RESERVE)


def test_the_next_open_moves_the_reserve(
    opened: Opened, cancel: Cancel, limit: Callable[[int], None], tmp_path: Path
) -> None:
    journal = opened(reserve_bytes=RESERVE)
    limit(RESERVE)
    taken = filled(journal, cancel)
    journal.append(1, [cancel(900)], essential=True)
    journal = opened(reserve_bytes=RESERVE)
    assert journal.state is JournalState.RESERVE
    journal.append(1, [cancel(901)], essential=True)
    limit(resource.RLIM_INFINITY)
    journal = opened(reserve_bytes=RESERVE)
    assert journal.state is JournalState.OK
    assert ids(tmp_path) == [*range(1, taken + 1), 900, 901]
    assert verify(tmp_path).in_reserve == 0


@pytest.mark.parametrize("copied", [0, 1, 60, 100, 150, 250])
def test_a_crash_while_the_reserve_is_moved_loses_and_doubles_nothing(
    opened: Opened, cancel: Cancel, limit: Callable[[int], None], tmp_path: Path, copied: int
) -> None:
    journal = opened(reserve_bytes=RESERVE)
    limit(RESERVE)
    taken = filled(journal, cancel)
    for number in (900, 901, 902):
        journal.append(1, [cancel(number)], essential=True)
    limit(resource.RLIM_INFINITY)
    with segment_path(tmp_path, 1).open("ab") as file:
        file.write((tmp_path / RESERVE_NAME).read_bytes()[:copied])
    expected = [*range(1, taken + 1), 900, 901, 902]
    assert ids(tmp_path) == expected
    journal = opened(reserve_bytes=RESERVE)
    journal.append(1, [cancel(903)], essential=False)
    assert ids(tmp_path) == [*expected, 903]


def test_a_reserve_line_cut_by_a_crash_is_dropped(
    opened: Opened, cancel: Cancel, limit: Callable[[int], None], tmp_path: Path
) -> None:
    journal = opened(reserve_bytes=RESERVE)
    limit(RESERVE)
    taken = filled(journal, cancel)
    journal.append(1, [cancel(900)], essential=True)
    journal.append(1, [cancel(901)], essential=True)
    path = tmp_path / RESERVE_NAME
    content = path.read_bytes()
    end = content.find(b"\0")
    path.write_bytes(content[: end - 9] + bytes(RESERVE - end + 9))
    journal = opened(reserve_bytes=RESERVE)
    assert any("journal-reserve" in note for note in journal.notes)
    journal.append(1, [cancel(902)], essential=True)
    limit(resource.RLIM_INFINITY)
    assert ids(tmp_path) == [*range(1, taken + 1), 900, 902]


def test_a_roll_on_a_full_disk_stays_with_the_old_segment(
    opened: Opened, cancel: Cancel, limit: Callable[[int], None], tmp_path: Path
) -> None:
    journal = opened(reserve_bytes=RESERVE, segment_bytes=200, snapshot=lambda: {"large": "x" * 2 * RESERVE})
    limit(RESERVE)
    for number in (1, 2):
        journal.append(number, [cancel(number)], essential=True)
    assert journal.state is JournalState.RESERVE
    limit(resource.RLIM_INFINITY)
    assert journal.probe() is JournalState.OK
    journal.append(3, [cancel(3)], essential=True)
    assert verify(tmp_path).by_type == {"cancel": 3, "snapshot": 1}


def test_no_room_for_the_reserve_refuses_to_start(tmp_path: Path, limit: Callable[[int], None]) -> None:
    limit(1000)
    with pytest.raises(JournalError, match="expected room for a reserve of 4096 bytes"):
        Journal.open(tmp_path, reserve_bytes=RESERVE, sync_interval_s=None)
    limit(resource.RLIM_INFINITY)
    Journal.open(tmp_path, reserve_bytes=RESERVE, sync_interval_s=None).close()


_WRITER = """
import os, pathlib, sys
from atomizer.domain.commands import CancelOrder
from atomizer.storage.journal import Journal
journal = Journal.open(pathlib.Path(sys.argv[1]), reserve_bytes=4096, segment_bytes=20000, snapshot=dict)
number = journal.sequence
while True:
    number += 1
    record = CancelOrder(order_id=number, venue="v", account="a", instrument="i")
    journal.append(number, [record], essential=True)
    os.write(1, b"%d\\n" % number)
"""


@pytest.mark.system
@pytest.mark.parametrize("lines_before_kill", [1, 500, 3000])
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, lines_before_kill: int) -> None:
    acknowledged = 0
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(lines_before_kill):
            acknowledged = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split()
        acknowledged = int(rest[-1]) if rest else acknowledged
    found = [record.body.order_id for record in read(tmp_path) if isinstance(record.body, CancelOrder)]
    assert acknowledged <= len(found) <= acknowledged + 1
    assert found == sorted(set(found))
    Journal.open(tmp_path, reserve_bytes=4096).close()


_LIMITED = """
import pathlib, resource, sys
from atomizer.domain.commands import CancelOrder
from atomizer.storage.journal import Journal, JournalFullError
limit = 1 << 20
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
journal = Journal.open(pathlib.Path(sys.argv[1]), reserve_bytes=limit)
number, refused = 0, 0
while refused < 100:
    number += 1
    record = CancelOrder(order_id=number, venue="v", account="a", instrument="i", why={"x": "y" * 2000})
    hedge = number % 3 == 0
    try:
        journal.append(number, [record], essential=hedge)
    except JournalFullError:
        refused += 1
        continue
    print(number)
print(journal.state)
"""


@pytest.mark.system
def test_a_process_under_a_file_size_limit_goes_on_with_hedges(tmp_path: Path) -> None:
    out = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)], stdout=subprocess.PIPE, check=True, text=True
    ).stdout.split()
    assert out[-1] == "reserve"
    assert ids(tmp_path) == [int(word) for word in out[:-1]]
    assert verify(tmp_path).in_reserve >= 40
