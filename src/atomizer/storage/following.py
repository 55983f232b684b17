"""Reading on in a journal from where one stopped: for indexes that are made from it. Never writes.

Only the segment that holds the place and those after it are read. The checksum of the last line seen proves
that it is still the same journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atomizer.storage import lines
from atomizer.storage.errors import JournalDamagedError, JournalError
from atomizer.storage.lines import RawLine, Record
from atomizer.storage.reader import decoded
from atomizer.storage.segments import RESERVE_NAME, Walk, segment_numbers, segment_path


class ForkedError(JournalError):
    """What was read before is not in this journal: another one lies in its place."""


class Follower:
    """`sequence` and `check` name the last record seen, 0 when none was."""

    def __init__(self, directory: Path, sequence: int = 0, check: int = 0) -> None:
        self._directory = directory
        self.sequence = sequence
        self.check = check

    def records(self) -> Iterator[Record]:
        """Every record after the last one seen, in order.

        Raises:
            ForkedError: the last record seen is not in the journal.
            JournalError: there is no directory, or no segment that holds the place.
            JournalDamagedError, RecordError: as `storage.journal.read`.
        """
        if not self._directory.is_dir():
            raise JournalError(f"{self._directory}: expected a data directory, found none; check --data-dir")
        begun, wanted = self.sequence, self.check
        walk = Walk()
        met = begun == 0
        for where, raw in self._lines(walk):
            if raw.n == begun:
                met = walk.check == wanted
            if raw.n <= begun:
                continue
            if not met:
                break
            record = decoded(raw, where, walk.version)
            self.sequence, self.check = raw.n, walk.check
            yield record
        if not met:
            raise ForkedError(
                f"{self._directory}: expected the journal read before up to record {begun}, found another"
            )

    def _lines(self, walk: Walk) -> Iterator[tuple[str, RawLine]]:
        numbers = segment_numbers(self._directory)
        for number in numbers[self._start(numbers) :]:
            path = segment_path(self._directory, number)
            for at, raw in walk.segment(path, last=number == numbers[-1]):
                yield f"{path} line {at}", raw
        reserve = self._directory / RESERVE_NAME
        for at, raw in walk.reserve(reserve):
            yield f"{reserve} line {at}", raw

    def _start(self, numbers: list[int]) -> int:
        """Index of the newest segment that begins at or before the last record seen."""
        for index in range(len(numbers) - 1, -1, -1):
            path = segment_path(self._directory, numbers[index])
            with path.open("rb") as file:
                text = file.readline()
            try:
                first = lines.parse_header(text[:-1]).first if text.endswith(b"\n") else None
            except ValueError as error:
                raise JournalDamagedError(f"{path} line 1: expected a segment header ({error})") from None
            if first is not None and first <= max(self.sequence, 1):
                return index
        return 0
