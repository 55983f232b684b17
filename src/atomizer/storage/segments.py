"""The files of a journal and the walk over them that believes nothing.

`journal-000001.jsonl`, `-000002`, ... hold the lines in order; `journal-reserve.jsonl` continues the last
of them while the disk is full (lines, then zero bytes). A line cut short at the very end is what a crash
in the middle of a write leaves and is dropped with a note; any other surprise is damage.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from atomizer.storage import lines
from atomizer.storage.errors import JournalDamagedError
from atomizer.storage.lines import Header, RawLine

RESERVE_NAME = "journal-reserve.jsonl"
_SEGMENT = re.compile(r"journal-(\d{6})\.jsonl")
_EXCERPT = 120
_REMEDY = (
    "restore the file from a copy; without one, start on a new --data-dir and let the node reconcile with"
    " the venues"
)


def segment_path(directory: Path, number: int) -> Path:
    return directory / f"journal-{number:06d}.jsonl"


def segment_numbers(directory: Path) -> list[int]:
    """Numbers of the segments present, ascending.

    Raises:
        JournalDamagedError: one in the middle is missing.
    """
    found = sorted(int(match[1]) for path in directory.iterdir() if (match := _SEGMENT.fullmatch(path.name)))
    for before, after in itertools.pairwise(found):
        if after != before + 1:
            missing = segment_path(directory, before + 1)
            raise JournalDamagedError(
                f"{missing}: expected this segment between {before} and {after}, found no such file;"
                f" {_REMEDY}"
            )
    return found


class Walk:
    """Reads lines in order, holding the number and checksum that the next one must continue."""

    def __init__(self) -> None:
        self.sequence = 0
        self.check = 0
        self._begun = False
        self.good_bytes = 0  # of the file last read
        self.copied_bytes = 0  # of the reserve: lines a segment holds already
        self.version = "unknown"  # of the program that began the segment last read
        self.notes: list[str] = []

    def segment(self, path: Path, *, last: bool) -> Iterator[tuple[int, RawLine]]:
        """(line number in the file, record) of one segment."""
        self.good_bytes = 0
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                if not text.endswith(b"\n"):
                    self._torn(path, number, text, last=last)
                    return
                if number == 1:
                    self._header(path, text[:-1])
                else:
                    for raw in self.line(f"{path} line {number}", text[:-1]):
                        yield number, raw
                self.good_bytes += len(text)
        if not self.good_bytes and not last:
            raise JournalDamagedError(
                f"{path}: expected a segment since a later one exists, found an empty file; {_REMEDY}"
            )

    def reserve(self, path: Path) -> Iterator[tuple[int, RawLine]]:
        """The records of the reserve's lines that no segment holds yet."""
        self.good_bytes = 0
        content = path.read_bytes() if path.exists() else b""
        for number, text in enumerate(content[: used_bytes(content)].splitlines(keepends=True), 1):
            if not text.endswith(b"\n"):
                self._torn(path, number, text, last=True)
                return
            if self._copied(text[:-1]):
                self.good_bytes += len(text)
                self.copied_bytes = self.good_bytes
                continue
            records = self.line(f"{path} line {number}", text[:-1])
            self.good_bytes += len(text)
            for raw in records:
                yield number, raw

    def _copied(self, text: bytes) -> bool:
        try:
            return lines.parse(text)[0].n <= self.sequence
        except (msgspec.ValidationError, msgspec.DecodeError):
            return False

    def line(self, where: str, text: bytes) -> list[RawLine]:
        """Check one line against those before it and step over it; its records."""
        try:
            found = lines.parse(text)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise JournalDamagedError(
                f"{where}: expected a journal line, found {text[:_EXCERPT]!r} ({error}); {_REMEDY}"
            ) from None
        if found[0].n != self.sequence + 1:
            raise JournalDamagedError(
                f"{where}: expected record number {self.sequence + 1}, found {found[0].n} (records are"
                f" missing or out of order); {_REMEDY}"
            )
        self._step(where, text)
        self.sequence = found[-1].n
        return found

    def _step(self, where: str, text: bytes) -> None:
        stated, computed = lines.found_check(text), lines.computed_check(text, self.check)
        if stated != computed:
            found = "none" if stated is None else f"{stated:08x}"
            raise JournalDamagedError(
                f"{where}: expected checksum {computed:08x}, found {found} (this line or one before it was"
                f" changed after it was written); {_REMEDY}"
            )
        self.check = computed

    def _header(self, path: Path, text: bytes) -> None:
        header = self._parsed_header(path, text)
        if not self._begun:  # older segments may have been archived
            self._begun = True
            self.sequence, self.check = header.first - 1, int(header.previous, 16)
        found = (header.segment, header.first, int(header.previous, 16))
        expected = (int(path.stem.split("-")[1]), self.sequence + 1, self.check)
        if found != expected:
            raise JournalDamagedError(
                f"{path} line 1: expected segment {expected[0]} to go on with record {expected[1]} after"
                f" checksum {expected[2]:08x}, found segment {found[0]}, record {found[1]}, checksum"
                f" {found[2]:08x}; {_REMEDY}"
            )
        self._step(f"{path} line 1", text)
        self.version = header.version

    def _parsed_header(self, path: Path, text: bytes) -> Header:
        try:
            header = lines.parse_header(text)
            int(header.previous, 16)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            raise JournalDamagedError(
                f"{path} line 1: expected a segment header, found {text[:_EXCERPT]!r} ({error}); {_REMEDY}"
            ) from None
        if header.journal > lines.FORMAT_VERSION:
            raise JournalDamagedError(
                f"{path} line 1: expected journal format {lines.FORMAT_VERSION} or older, found"
                f" {header.journal}, written by atomizer {header.version}; use that version or a newer one"
            )
        return header

    def _torn(self, path: Path, number: int, text: bytes, *, last: bool) -> None:
        if not last:
            raise JournalDamagedError(
                f"{path} line {number}: expected a whole line since a later segment exists, found it cut"
                f" after {len(text)} bytes; {_REMEDY}"
            )
        self.notes.append(
            f"{path.name} line {number}: dropped {len(text)} bytes of a line that a crash cut short"
        )


def used_bytes(content: bytes) -> int:
    """How much of a reserve's content is lines: up to the first zero byte."""
    end = content.find(b"\0")
    return len(content) if end < 0 else end


def starts_with_snapshot(path: Path) -> bool:
    """Whether a fold can begin at this segment."""
    with path.open("rb") as file:
        file.readline()
        text = file.readline()
    if not text.endswith(b"\n"):
        return False
    return any(mark in text[:100] for mark in (b'"r":[{"type":"snapshot"', b'"r":{"type":"snapshot"'))
