from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain.commands import CancelOrder, RunEnded, RunStarted
from atomizer.storage import lines
from atomizer.storage.journal import (
    Journal,
    JournalDamagedError,
    JournalError,
    JournalLockedError,
    LedgerSnapshot,
    RecordError,
    read,
    verify,
)
from atomizer.storage.segments import segment_path

DAY_NS = 86_400 * 10**9
Opened = Callable[..., Journal]
Cancel = Callable[[int], CancelOrder]


def ids(directory: Path) -> list[int]:
    return [record.body.order_id for record in read(directory) if isinstance(record.body, CancelOrder)]


def sealed(unsealed: bytes, check: int) -> bytes:
    line = bytearray(unsealed)
    lines.seal(line, check)
    return bytes(line)


def first_segment(directory: Path) -> Path:
    return segment_path(directory, 1)


def write(opened: Opened, cancel: Cancel, count: int) -> None:
    journal = opened()
    for number in range(1, count + 1):
        journal.append(number, [cancel(number)], essential=False)


def test_records_come_back_in_order_with_number_and_time(
    opened: Opened, cancel: Cancel, tmp_path: Path
) -> None:
    journal = opened()
    journal.append(10, [cancel(1), cancel(2)], essential=False)
    journal.append(20, [cancel(3)], essential=True)
    found = [(record.sequence, record.ts_ns, record.body) for record in read(tmp_path)]
    assert found == [(1, 10, cancel(1)), (2, 10, cancel(2)), (3, 20, cancel(3))]


def test_an_empty_batch_writes_nothing(opened: Opened, tmp_path: Path) -> None:
    opened().append(1, [], essential=False)
    assert list(read(tmp_path)) == []


def test_reopening_continues_the_chain(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    opened().append(1, [cancel(1)], essential=False)
    journal = opened()
    assert journal.sequence == 1
    journal.append(2, [cancel(2)], essential=False)
    assert ids(tmp_path) == [1, 2]
    assert verify(tmp_path).notes == []


def test_a_journal_synced_by_its_thread_reads_the_same(
    opened: Opened, cancel: Cancel, tmp_path: Path
) -> None:
    journal = opened(sync_interval_s=0.001)
    journal.append(1, [cancel(1)], essential=False)
    opened(sync_interval_s=0.001)
    assert ids(tmp_path) == [1]


@pytest.mark.parametrize("cut", [1, 2, 20, 80])
def test_a_line_cut_by_a_crash_is_dropped_with_a_note(
    opened: Opened, cancel: Cancel, tmp_path: Path, cut: int
) -> None:
    write(opened, cancel, 3)
    path = first_segment(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert ids(tmp_path) == [1, 2]
    journal = opened()
    assert "line 4: dropped" in journal.notes[0]
    journal.append(9, [cancel(9)], essential=False)
    assert ids(tmp_path) == [1, 2, 9]
    assert verify(tmp_path).notes == []


def test_zeros_left_by_a_power_cut_are_dropped(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    write(opened, cancel, 2)
    with first_segment(tmp_path).open("ab") as file:
        file.write(bytes(100))
    journal = opened()
    journal.append(9, [cancel(9)], essential=False)
    assert ids(tmp_path) == [1, 2, 9]


def test_an_edited_line_is_damage_with_file_and_line(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    write(opened, cancel, 3)
    path = first_segment(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"order_id":2', b'"order_id":7'))
    with pytest.raises(
        JournalDamagedError, match=r"000001\.jsonl line 3: expected checksum .* found .*restore"
    ):
        list(read(tmp_path))
    with pytest.raises(JournalDamagedError, match="line 3"):
        opened()


def test_a_line_resealed_by_hand_breaks_the_next_one(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    write(opened, cancel, 3)
    path = first_segment(tmp_path)
    text = path.read_bytes().splitlines()
    before = lines.found_check(text[1])
    assert before is not None
    body = text[2].replace(b'"order_id":2', b'"order_id":7')[: -lines.CHECK_BYTES]
    text[2] = sealed(body + b"}", before).rstrip()
    path.write_bytes(b"\n".join(text) + b"\n")
    with pytest.raises(JournalDamagedError, match="line 4: expected checksum"):
        list(read(tmp_path))


def test_a_removed_line_is_a_gap(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    write(opened, cancel, 3)
    path = first_segment(tmp_path)
    text = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*text[:2], *text[3:]]))
    with pytest.raises(JournalDamagedError, match="expected record number 2, found 3"):
        list(read(tmp_path))


def test_a_batch_that_a_crash_cut_short_is_gone_as_a_whole(
    opened: Opened, cancel: Cancel, tmp_path: Path
) -> None:
    journal = opened()
    journal.append(1, [cancel(1), cancel(2)], essential=True)
    journal.append(2, [cancel(3), cancel(4), cancel(5)], essential=True)
    path = first_segment(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    assert ids(tmp_path) == [1, 2]
    again = opened()
    assert "cut short" in again.notes[0]
    again.append(3, [cancel(6)], essential=True)
    assert [(record.sequence, record.ts_ns) for record in read(tmp_path)] == [(1, 1), (2, 1), (3, 3)]


def test_a_line_without_records_is_damage(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    write(opened, cancel, 1)
    path = first_segment(tmp_path)
    check = lines.found_check(path.read_bytes().splitlines()[-1])
    assert check is not None
    with path.open("ab") as file:
        file.write(sealed(b'{"n":2,"t":2,"r":[]}', check))
    with pytest.raises(
        JournalDamagedError, match=r"line 3: expected a journal line, found .*without records"
    ):
        list(read(tmp_path))


def test_a_line_that_is_no_json_is_damage(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    write(opened, cancel, 2)
    with first_segment(tmp_path).open("ab") as file:
        file.write(b"hello\n")
    with pytest.raises(JournalDamagedError, match="line 4: expected a journal line, found b'hello'"):
        list(read(tmp_path))


@settings(max_examples=60)
@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal = Journal.open(directory, reserve_bytes=4096, sync_interval_s=None)
    for number in range(1, 4):
        journal.append(number, [RunEnded(number)], essential=True)
    journal.close()
    path = first_segment(directory)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 2))
    content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    path.write_bytes(content)
    with pytest.raises(JournalDamagedError):
        list(read(directory))


def test_a_full_segment_is_followed_by_one_that_starts_with_a_snapshot(
    opened: Opened, cancel: Cancel, tmp_path: Path
) -> None:
    seen: list[int] = []
    journal = opened(segment_bytes=600, snapshot=lambda: {"seen": list(seen)})
    for number in range(1, 31):
        seen.append(number)
        journal.append(number, [cancel(number)], essential=False)
    report = verify(tmp_path)
    assert len(report.segments) > 3
    assert ids(tmp_path) == seen
    tail = list(read(tmp_path, from_snapshot=True))
    snapshot = tail[0].body
    assert isinstance(snapshot, LedgerSnapshot)
    assert snapshot.state["seen"] + [record.body.order_id for record in tail[1:]] == seen


def test_a_new_day_begins_a_new_segment(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    journal = opened(snapshot=dict)
    journal.append(DAY_NS + 1, [cancel(1)], essential=False)
    journal.append(2 * DAY_NS - 1, [cancel(2)], essential=False)
    assert len(verify(tmp_path).segments) == 1
    journal.append(2 * DAY_NS, [cancel(3)], essential=False)
    assert len(verify(tmp_path).segments) == 2
    journal = opened(snapshot=dict)
    journal.append(2 * DAY_NS + 1, [cancel(4)], essential=False)
    assert len(verify(tmp_path).segments) == 2
    assert ids(tmp_path) == [1, 2, 3, 4]


def rolled(opened: Opened, cancel: Cancel) -> Journal:
    journal = opened(segment_bytes=300, snapshot=lambda: {"a": 1})
    for number in range(1, 10):
        journal.append(number, [cancel(number)], essential=False)
    return journal


def test_a_missing_segment_is_damage(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    rolled(opened, cancel)
    segment_path(tmp_path, 2).unlink()
    with pytest.raises(JournalDamagedError, match=r"journal-000002\.jsonl: expected this segment"):
        list(read(tmp_path))


def test_segments_swapped_are_damage(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    rolled(opened, cancel)
    two, three = segment_path(tmp_path, 2), segment_path(tmp_path, 3)
    two.write_bytes(three.read_bytes())
    with pytest.raises(JournalDamagedError, match="line 1: expected segment 2"):
        list(read(tmp_path))


def test_a_segment_cut_before_the_last_is_damage(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    rolled(opened, cancel)
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(JournalDamagedError, match="expected a whole line since a later segment exists"):
        list(read(tmp_path))


@pytest.mark.parametrize("kept_lines", [0, 1, 2])
def test_a_first_segment_cut_between_lines_is_damage(
    opened: Opened, cancel: Cancel, tmp_path: Path, kept_lines: int
) -> None:
    rolled(opened, cancel)
    path = segment_path(tmp_path, 1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:kept_lines]))
    with pytest.raises(JournalDamagedError, match="found"):
        list(read(tmp_path))


def test_archived_old_segments_are_not_missed(opened: Opened, cancel: Cancel, tmp_path: Path) -> None:
    rolled(opened, cancel)
    segment_path(tmp_path, 1).unlink()
    assert isinstance(next(iter(read(tmp_path))).body, LedgerSnapshot)


def test_an_oldest_segment_without_snapshot_cannot_begin(
    opened: Opened, cancel: Cancel, tmp_path: Path
) -> None:
    journal = opened(segment_bytes=300)
    for number in range(1, 10):
        journal.append(number, [cancel(number)], essential=False)
    segment_path(tmp_path, 1).unlink()
    with pytest.raises(JournalError, match="put the segments before it back"):
        list(read(tmp_path))


def test_a_segment_whose_making_a_crash_cut_short_is_made_again(
    opened: Opened, cancel: Cancel, tmp_path: Path
) -> None:
    write(opened, cancel, 3)
    segment_path(tmp_path, 2).write_bytes(b'{"journal":1,"seg')
    assert ids(tmp_path) == [1, 2, 3]
    journal = opened(segment_bytes=10, snapshot=dict)
    journal.append(4, [cancel(4)], essential=False)
    assert ids(tmp_path) == [1, 2, 3, 4]
    assert len(verify(tmp_path).segments) == 2


def test_a_second_opener_is_told_the_process_id(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from atomizer.storage.journal import Journal\n"
        "Journal.open(pathlib.Path(sys.argv[1]), reserve_bytes=4096)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(JournalLockedError, match=f"held by process {owner.pid};"):
            Journal.open(tmp_path, reserve_bytes=4096)
        owner.communicate("")
    Journal.open(tmp_path, reserve_bytes=4096).close()


def test_a_record_of_a_newer_version_names_that_version(opened: Opened, tmp_path: Path) -> None:
    journal = opened()
    run = RunStarted(run=1, network="sim", mode="sim", version="7.2.0")
    journal.append(1, [run], essential=True)
    path = first_segment(tmp_path)
    check = lines.found_check(path.read_bytes().splitlines()[-1])
    assert check is not None
    with path.open("ab") as file:
        file.write(sealed(b'{"n":2,"t":2,"r":[{"type":"teleport","to":"mars"}]}', check))
    with pytest.raises(RecordError, match=r"line 3: .*unknown record 'teleport'.*atomizer 7\.2\.0: use that"):
        list(read(tmp_path))


def test_a_newer_format_names_its_version(opened: Opened, tmp_path: Path) -> None:
    opened()
    header = lines.Header(journal=3, segment=1, first=1, previous="00000000", version="9.0.0")
    first_segment(tmp_path).write_bytes(lines.header_line(header)[0])
    with pytest.raises(JournalDamagedError, match=r"format 2 or older, found 3, written by atomizer 9\.0\.0"):
        list(read(tmp_path))


def test_a_record_that_cannot_be_written_leaves_the_journal_as_it_was(
    opened: Opened, cancel: Cancel, tmp_path: Path
) -> None:
    journal = opened()
    bad = LedgerSnapshot({"x": float("nan")})
    with pytest.raises(RecordError):
        journal.append(1, [cancel(1), bad], essential=True)
    journal.append(2, [cancel(2)], essential=True)
    assert ids(tmp_path) == [2]


def test_reading_a_directory_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="expected a data directory, found none"):
        list(read(tmp_path / "nowhere"))


def test_the_end_is_clean_when_the_run_said_so(opened: Opened, tmp_path: Path) -> None:
    journal = opened()
    journal.append(1, [RunStarted(run=1, network="sim", mode="sim", version="1")], essential=True)
    assert not verify(tmp_path).clean_end
    journal.append(2, [RunEnded(1)], essential=True)
    report = verify(tmp_path)
    assert report.clean_end
    assert report.by_type == {"run": 1, "run_ended": 1}
    assert msgspec.json.decode(msgspec.json.encode(report))["last_ns"] == 2
