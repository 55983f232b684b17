"""Room for what must be written when the disk is full.

A file of zero bytes made while there was space. Lines overwrite it in place, which needs no new block and
passes a limit on file size. When the disk has space again its lines move to the segment and it is zeroed.
"""

from __future__ import annotations

import os
from pathlib import Path

from atomizer.storage.errors import JournalError
from atomizer.storage.segments import RESERVE_NAME, used_bytes

_CHUNK = 1 << 16


class Reserve:
    """The open reserve file; `used` bytes of it are lines."""

    def __init__(self, directory: Path, size: int, *, sync: bool) -> None:
        self._path = directory / RESERVE_NAME
        self._sync = sync
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = size
        try:
            self._allocate(size)
        except OSError as error:
            os.close(self._fd)
            raise JournalError(
                f"{self._path}: expected room for a reserve of {size} bytes, found {error.strerror}; free"
                " disk space or raise the limit on file size before starting"
            ) from error
        self.used = used_bytes(self._path.read_bytes())

    def _allocate(self, size: int) -> None:
        have = os.fstat(self._fd).st_size
        if have >= size:
            self._size = have
            return
        while have < size:
            have += os.pwrite(self._fd, bytes(min(_CHUNK, size - have)), have)
        self._flush()

    def _flush(self) -> None:
        if self._sync:
            os.fsync(self._fd)

    def keep(self, size: int) -> None:
        """Forget what stands after the first `size` bytes (a line that a crash cut short)."""
        if self.used > size:
            os.pwrite(self._fd, bytes(self.used - size), size)
            self.used = size

    def write(self, data: bytes | bytearray) -> bool:
        """Append lines; False when they do not fit or the file fails, with nothing of them left."""
        if self.used + len(data) > self._size:
            return False
        try:
            done = os.pwrite(self._fd, data, self.used)
            if done < len(data):
                os.pwrite(self._fd, bytes(done), self.used)
                return False
        except OSError:
            return False
        self.used += len(data)
        return True

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def content(self) -> bytes:
        return os.pread(self._fd, self.used, 0)

    def clear(self) -> None:
        """Zero it: its lines are safe in a segment."""
        os.pwrite(self._fd, bytes(self.used), 0)
        self._flush()
        self.used = 0

    def close(self) -> None:
        os.close(self._fd)
