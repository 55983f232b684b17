"""Every batch handed to the engine, market data and background results included.

For replay, bug reports and backtests; nothing is rebuilt from it. A tape is lossless or loud: what it
cannot hold exactly, and a disk that takes no more, is an error. The reader gives back the same batches
with the same borders.

JSON lines: a header, then `[now_ns,[event,...]]` per batch. A last line without its newline is what a
crash leaves and is not part of the tape.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from atomizer import __version__
from atomizer.domain.events import Event, JobDone
from atomizer.storage.errors import TapeError
from atomizer.storage.records import all_finite

FORMAT_VERSION = 1


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """One call of the engine: its time and its events in order."""

    now_ns: int
    events: list[Event]


class _Header(msgspec.Struct, frozen=True):
    tape: int
    version: str


_ENCODER = msgspec.json.Encoder()
_BATCHES = msgspec.json.Decoder(Batch)
_PLAIN = (str, int, float, bool, type(None))


class TapeWriter:
    """Appends batches to a new file; `append` returns when the kernel has them.

    Raises:
        TapeError: the file exists already: two runs on one tape cannot be told apart.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise TapeError(
                f"{path}: expected to make a new tape, found: {error.strerror}; name another"
            ) from error
        self._write(_ENCODER.encode(_Header(FORMAT_VERSION, __version__)) + b"\n")

    def append(self, now_ns: int, events: Sequence[Event]) -> None:
        """Write one batch.

        Raises:
            TapeError: an event would not come back as it is (a number that is not finite, a job's result
                that is not made of plain values), or the disk does not take the line.
        """
        line = _ENCODER.encode((now_ns, events))
        if b"null" in line:
            self._check_finite(events)
        for event in events:
            if type(event) is JobDone and not _plain(event.result):
                raise TapeError(
                    f"{self._path}: expected the result of job {event.job} {event.job_id} to be made of"
                    f" dicts, lists, numbers and text, found {type(event.result).__name__}; convert it in"
                    " the job"
                )
        self._write(line + b"\n")

    def _check_finite(self, events: Sequence[Event]) -> None:
        for event in events:
            if not all_finite(msgspec.to_builtins(event)):
                raise TapeError(
                    f"{self._path}: expected finite numbers, found NaN or infinity in {event!r:.300}; the"
                    " codec that made this event must refuse it"
                )

    def _write(self, data: bytes) -> None:
        try:
            done = os.write(self._fd, data)
        except OSError as error:
            raise TapeError(
                f"{self._path}: expected to append, found: {error.strerror}; stop taping or free disk space"
            ) from error
        if done < len(data):
            raise TapeError(
                f"{self._path}: expected room for {len(data)} bytes, found {done}; stop taping or free"
                " disk space"
            )

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_tape(path: Path) -> Iterator[Batch]:
    """Every batch in order.

    Raises:
        TapeError: no tape, a newer format, or a line that is no batch; names the line.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise TapeError(f"{path}: expected a tape, found: {error.strerror}; check the name") from error
    with file:
        _check_header(path, file.readline())
        for number, line in enumerate(file, 2):
            if not line.endswith(b"\n"):
                return
            try:
                yield _BATCHES.decode(line)
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                raise TapeError(
                    f"{path} line {number}: expected a batch of events, found {line[:120]!r} ({error}); the"
                    " tape is damaged or of a newer version"
                ) from None


def _check_header(path: Path, line: bytes) -> None:
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.ValidationError, msgspec.DecodeError):
        raise TapeError(
            f"{path} line 1: expected a tape's header, found {line[:120]!r}; check the name"
        ) from None
    if header.tape > FORMAT_VERSION:
        raise TapeError(
            f"{path}: expected tape format {FORMAT_VERSION} or older, found {header.tape}, written by"
            f" atomizer {header.version}; use that version"
        )


def _plain(value: object) -> bool:
    """Whether JSON gives back the same value of the same type."""
    if isinstance(value, dict):
        return type(value) is dict and all(type(key) is str and _plain(item) for key, item in value.items())
    if isinstance(value, list):
        return type(value) is list and all(_plain(item) for item in value)
    return type(value) in _PLAIN
