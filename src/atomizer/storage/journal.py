"""The one thing that survives: an append-only file of records, written before anything is sent.

`append` returns when the kernel has the bytes, so a killed process loses nothing it acknowledged; a thread
bounds what a power cut can take. The journal decides nothing and knows no ledger: it writes what it is
given, in order, and says plainly when it cannot.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from atomizer.storage import lines, records
from atomizer.storage.errors import (
    JournalDamagedError,
    JournalDeadError,
    JournalError,
    JournalFullError,
    JournalLockedError,
    RecordError,
)
from atomizer.storage.files import new_segment
from atomizer.storage.lines import Record
from atomizer.storage.lock import DirectoryLock
from atomizer.storage.reader import Report, read, verify
from atomizer.storage.records import LedgerSnapshot
from atomizer.storage.reserve import Reserve
from atomizer.storage.segments import RESERVE_NAME, Walk, segment_numbers, segment_path

__all__ = [
    "Journal",
    "JournalDamagedError",
    "JournalDeadError",
    "JournalError",
    "JournalFullError",
    "JournalLockedError",
    "JournalState",
    "LedgerSnapshot",
    "Record",
    "RecordError",
    "Report",
    "read",
    "verify",
]

SEGMENT_BYTES = 64 << 20
RESERVE_BYTES = 4 << 20
SYNC_INTERVAL_S = 0.05
_PROBE_BYTES = 1 << 16
_DAY_NS = 86_400 * 10**9


class JournalState(StrEnum):
    """`RESERVE`: the disk is full, essential records go to the reserve. `DEAD`: nothing is taken."""

    OK = "ok"
    RESERVE = "reserve"
    DEAD = "dead"


_OK = JournalState.OK  # looked up once: on Python 3.11 the way through the enumeration costs a call


class Journal:
    """The open journal of one data directory; one owner, one writing thread.

    `notes` says what opening had to repair.
    """

    def __init__(
        self,
        directory: Path,
        lock: DirectoryLock,
        *,
        segment_bytes: int,
        reserve_bytes: int,
        snapshot: Callable[[], dict[str, Any]] | None,
        sync_interval_s: float | None,
    ) -> None:
        self._directory = directory
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._snapshot = snapshot
        self._durable = sync_interval_s is not None
        self.state = JournalState.OK
        self._cause = ""
        self._day_ends_ns = 0
        self._files = threading.Lock()  # held while a file is swapped or synced
        self._dirty = False
        self._line = bytearray()  # the one being written; its memory is used again
        self._sync_error: OSError | None = None
        self._stop = threading.Event()
        walk = Walk()
        self._reserve = Reserve(directory, reserve_bytes, sync=self._durable)
        self._number, self._fd = self._opened_segment(walk)
        self._offset = os.fstat(self._fd).st_size
        for _ in walk.reserve(directory / RESERVE_NAME):
            pass
        self._reserve.keep(walk.good_bytes)
        self._sequence, self._check, self.notes = walk.sequence, walk.check, walk.notes
        if self._reserve.used:
            self._drain(walk.copied_bytes)
        self._syncer = self._started_syncer(sync_interval_s)

    def _started_syncer(self, interval_s: float | None) -> threading.Thread | None:
        if interval_s is None:
            return None
        syncer = threading.Thread(
            target=self._sync_forever, args=(interval_s,), name="journal-sync", daemon=True
        )
        syncer.start()
        return syncer

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
        snapshot: Callable[[], dict[str, Any]] | None = None,
        sync_interval_s: float | None = SYNC_INTERVAL_S,
    ) -> Journal:
        """Lock the directory (made if missing), check the newest segment, and be ready to append.

        Args:
            segment_bytes: a segment that reaches this size is the last of its kind; also each UTC day.
            reserve_bytes: what is kept for hedges and cancels when the disk is full.
            snapshot: the ledger as plain values; called at a roll, after the batch just appended, so the
                ledger must hold that batch already.
            sync_interval_s: None syncs nothing, for virtual time and tests.

        Raises:
            JournalLockedError: another process has it; the text names its process id.
            JournalDamagedError: the newest segment is not what was written.
            JournalError: no room for segment or reserve.
        """
        directory.mkdir(parents=True, exist_ok=True)
        lock = DirectoryLock(directory)
        try:
            return cls(
                directory,
                lock,
                segment_bytes=segment_bytes,
                reserve_bytes=reserve_bytes,
                snapshot=snapshot,
                sync_interval_s=sync_interval_s,
            )
        except OSError as error:
            lock.release()
            raise JournalError(
                f"{directory}: expected to make and read files here, found: {error}; check its"
                " permissions and free space"
            ) from error
        except BaseException:
            lock.release()
            raise

    @property
    def cause(self) -> str:
        """Why the state is not ok; empty when it is."""
        return self._cause

    @property
    def sequence(self) -> int:
        """Number of the last record written."""
        return self._sequence

    def append(self, now_ns: int, batch: Sequence[msgspec.Struct], essential: bool) -> None:
        """Write all records or none, in one write.

        Args:
            essential: hedges, cancels and every event about orders and money; also written when the disk
                is full.

        Raises:
            JournalFullError: the disk is full and the batch is not essential.
            JournalDeadError: the reserve is used up or fails too.
            RecordError: a record cannot be written exactly.
        """
        if not batch:
            return
        data, sequence = self._line, self._sequence
        records.encode_batch(sequence + 1, now_ns, batch, data)
        check = lines.seal(data, self._check)
        if self._sync_error is not None:
            self._fall_to_reserve(self._sync_error)
            self._sync_error = None
        written = self._write(data) if self.state is _OK else 0
        if not written:
            self._write_reserve(data, essential=essential)
        self._sequence, self._check, self._dirty = sequence + len(batch), check, True
        if written:
            offset = self._offset = self._offset + written
            if offset >= self._segment_bytes or now_ns >= self._day_ends_ns:
                self._roll_if_due(now_ns)

    def probe(self) -> JournalState:
        """Try to return to ok: move the reserve's lines to the segment. Call every second or so."""
        if self.state is not JournalState.OK:
            self._drain(0)
        return self.state

    def close(self) -> None:
        """Sync and release the directory. A clean stop is said by a RunEnded record, not by this."""
        self._stop.set()
        if self._syncer is not None:
            self._syncer.join()
            self._sync_once()
        os.close(self._fd)
        self._reserve.close()
        self._lock.release()

    # --- writing ---

    def _write(self, data: bytes | bytearray) -> int:
        """Append to the segment; the length, or 0 when it does not take all, with nothing of it left."""
        try:
            done = os.write(self._fd, data)
        except OSError as error:
            self._fall_to_reserve(error)
            return 0
        if done == len(data):
            return done
        self._fall_to_reserve(f"only {done} of {len(data)} bytes were taken")
        try:
            os.ftruncate(self._fd, self._offset)
        except OSError as error:
            self._die(f"a partial line could not be removed: {error}")
        return 0

    def _write_reserve(self, data: bytes | bytearray, *, essential: bool) -> None:
        if self.state is JournalState.DEAD:
            raise JournalDeadError(self._advice("send nothing but cancels, stop the node, free disk space"))
        if not essential:
            raise JournalFullError(self._advice("free disk space; hedges and cancels still go"))
        if not self._reserve.write(data):
            self._die(f"{self._cause}; the reserve is used up or fails too")
            raise JournalDeadError(self._advice("send nothing but cancels, stop the node, free disk space"))

    def _advice(self, what_to_do: str) -> str:
        path = segment_path(self._directory, self._number)
        return f"{path}: expected to append, found: {self._cause}; {what_to_do}"

    def _fall_to_reserve(self, cause: OSError | str) -> None:
        if self.state is JournalState.OK:
            self.state = JournalState.RESERVE
        self._cause = str(cause.strerror) if isinstance(cause, OSError) else cause

    def _die(self, cause: str) -> None:
        self.state = JournalState.DEAD
        self._cause = cause

    # --- segments ---

    def _opened_segment(self, walk: Walk) -> tuple[int, int]:
        """Number and descriptor of the segment to append to, cut after its last whole line."""
        numbers = segment_numbers(self._directory)
        while numbers:
            path = segment_path(self._directory, numbers[-1])
            for _, raw in walk.segment(path, last=True):
                self._day_ends_ns = _day_end(raw.t)
            if walk.good_bytes:
                fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
                os.ftruncate(fd, walk.good_bytes)
                return numbers[-1], fd
            path.unlink()  # a crash came between making the file and its first line
            numbers.pop()
        text, walk.check = lines.header_line(lines.header(1, 0, 0))
        return 1, new_segment(segment_path(self._directory, 1), text, durable=self._durable)

    def _roll_if_due(self, now_ns: int) -> None:
        """A full segment is the last of its kind, and so is one of a day that ended."""
        ended, self._day_ends_ns = self._day_ends_ns, _day_end(now_ns)
        if self._offset >= self._segment_bytes or 0 < ended <= now_ns:
            self._roll(now_ns)

    def _roll(self, now_ns: int) -> None:
        """Begin a new segment with the ledger as it is now; on a full disk stay with the old one."""
        text, check = lines.header_line(lines.header(self._number + 1, self._sequence, self._check))
        sequence = self._sequence
        if self._snapshot is not None:
            sequence += 1
            first = bytearray()
            records.encode_batch(sequence, now_ns, [LedgerSnapshot(self._snapshot())], first)
            check = lines.seal(first, check)
            text += first
        try:
            with self._files:
                if self._durable:
                    os.fdatasync(self._fd)  # the old segment must not end before the new one begins
                path = segment_path(self._directory, self._number + 1)
                fd = new_segment(path, text, durable=self._durable)
                os.close(self._fd)
                self._fd = fd
        except OSError as error:
            self._fall_to_reserve(error)
            return
        self._number += 1
        self._offset, self._sequence, self._check = len(text), sequence, check

    # --- the reserve, and durability ---

    def _drain(self, start: int) -> None:
        """Append the reserve's lines from byte `start` to the segment and empty the reserve.

        The write asks for some more room than it needs, so that a disk with a few free bytes does not
        swing between ok and full.
        """
        pending = self._reserve.content()[start:]
        wanted = pending + bytes(_PROBE_BYTES)
        try:
            os.ftruncate(self._fd, self._offset)
            if not self._write(wanted):
                return
            os.ftruncate(self._fd, self._offset + len(pending))
            if self._durable:
                os.fdatasync(self._fd)
            self._reserve.clear()
        except OSError as error:
            self._die(f"the reserve could not be moved to the segment: {error}")
            return
        self._offset += len(pending)
        self.state, self._cause = JournalState.OK, ""

    def _sync_forever(self, interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            self._sync_once()

    def _sync_once(self) -> None:
        if not self._dirty:
            return
        self._dirty = False
        try:
            with self._files:
                os.fdatasync(self._fd)
                if self._reserve.used:
                    self._reserve.sync()
        except OSError as error:
            self._sync_error = error


def _day_end(now_ns: int) -> int:
    return (now_ns // _DAY_NS + 1) * _DAY_NS
