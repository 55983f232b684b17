"""Reading a journal back: for the fold at start, for `explain`, for reports. Never writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from atomizer.domain.commands import RunStarted
from atomizer.storage import records
from atomizer.storage.errors import JournalError, RecordError
from atomizer.storage.lines import RawLine, Record
from atomizer.storage.segments import (
    RESERVE_NAME,
    Walk,
    segment_numbers,
    segment_path,
    starts_with_snapshot,
)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify` found in a whole and undamaged journal. Times in ns, 0 when it is empty."""

    segments: list[str]
    records: int
    in_reserve: int
    first_sequence: int
    last_sequence: int
    first_ns: int
    last_ns: int
    clean_end: bool
    by_type: dict[str, int]
    notes: list[str]


def read(directory: Path, *, from_snapshot: bool = False) -> Iterator[Record]:
    """Every record in order, across segments and reserve.

    Args:
        from_snapshot: begin at the newest segment that starts with a ledger snapshot.

    Raises:
        JournalError: there is no such directory, or its oldest segment cannot begin a fold.
        JournalDamagedError: names file and line, what was expected and what was found.
        RecordError: a record of a newer version.
    """
    for record, _ in _records(directory, Walk(), from_snapshot=from_snapshot):
        yield record


def verify(directory: Path) -> Report:
    """Read everything and count it.

    Raises:
        As `read`.
    """
    walk = Walk()
    by_type: dict[str, int] = {}
    first: Record | None = None
    last: Record | None = None
    in_reserve = 0
    for record, reserved in _records(directory, walk, from_snapshot=False):
        tag = records.tag_of(type(record.body))
        by_type[tag] = by_type.get(tag, 0) + 1
        in_reserve += reserved
        first, last = first or record, record
    return Report(
        segments=[segment_path(directory, number).name for number in segment_numbers(directory)],
        records=sum(by_type.values()),
        in_reserve=in_reserve,
        first_sequence=first.sequence if first else 0,
        last_sequence=last.sequence if last else 0,
        first_ns=first.ts_ns if first else 0,
        last_ns=last.ts_ns if last else 0,
        clean_end=last is not None and records.tag_of(type(last.body)) == "run_ended",
        by_type=dict(sorted(by_type.items())),
        notes=walk.notes,
    )


def _records(directory: Path, walk: Walk, *, from_snapshot: bool) -> Iterator[tuple[Record, bool]]:
    if not directory.is_dir():
        raise JournalError(f"{directory}: expected a data directory, found none; check --data-dir")
    numbers = segment_numbers(directory)
    writer = ""  # the version that the last RunStarted names
    for number in numbers[_start(directory, numbers, from_snapshot=from_snapshot) :]:
        path = segment_path(directory, number)
        for at, raw in walk.segment(path, last=number == numbers[-1]):
            record = decoded(raw, f"{path} line {at}", writer or walk.version)
            if type(record.body) is RunStarted:
                writer = record.body.version
            yield record, False
    reserve = directory / RESERVE_NAME
    for at, raw in walk.reserve(reserve):
        yield decoded(raw, f"{reserve} line {at}", writer or walk.version), True


def _start(directory: Path, numbers: list[int], *, from_snapshot: bool) -> int:
    """Index of the segment to begin with."""
    if not numbers:
        return 0
    if from_snapshot:
        for index in range(len(numbers) - 1, 0, -1):
            if starts_with_snapshot(segment_path(directory, numbers[index])):
                return index
    oldest = segment_path(directory, numbers[0])
    if numbers[0] != 1 and not starts_with_snapshot(oldest):
        raise JournalError(
            f"{oldest}: expected the oldest segment to be number 1 or to start with a snapshot, found"
            " neither; put the segments before it back"
        )
    return 0


def decoded(raw: RawLine, where: str, version: str) -> Record:
    """The record of a line.

    Raises:
        RecordError: this version does not know it.
    """
    try:
        return Record(raw.n, raw.t, records.decode(raw.r))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        tag = records.unknown_tag(raw.r)
        what = f"an unknown record {tag!r}" if tag else f"a record it cannot read ({error})"
        raise RecordError(
            f"{where}: expected records this version knows, found {what}; the line was written by atomizer"
            f" {version}: use that version or a newer one"
        ) from None
