"""One owner per data directory, by a lock the kernel drops when the owner dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from atomizer.storage.errors import JournalLockedError

LOCK_NAME = "node.lock"
# `holder` takes a shared lock for some microseconds; an owner that meets one tries again.
_TRIES, _PAUSE_S = 3, 0.02


class DirectoryLock:
    """Held from construction to `release`; the file holds the owner's process id.

    Raises:
        JournalLockedError: another process (or another journal of this one) holds it.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / LOCK_NAME
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._taken():
            pid = os.read(self._fd, 32).decode().strip() or "unknown"
            os.close(self._fd)
            raise JournalLockedError(
                f"{directory}: expected a free data directory, found it held by process {pid}; stop that"
                " process (atomizer kill) or choose another --data-dir"
            )
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def _taken(self) -> bool:
        for attempt in range(_TRIES):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE_S if attempt < _TRIES - 1 else 0)
            else:
                return True
        return False

    def release(self) -> None:
        os.close(self._fd)


def holder(directory: Path) -> int | None:
    """The process that holds the directory now, or None. A dead owner's number is never returned."""
    try:
        fd = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(fd, 32).decode().strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(fd)
