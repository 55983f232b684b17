"""Making a segment's file so that a crash or a full disk leaves a whole one or none."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def new_segment(path: Path, text: bytes | bytearray, *, durable: bool) -> int:
    """Descriptor of a new file that holds `text`, open for appending.

    Args:
        durable: file and directory entry are on the disk when this returns.

    Raises:
        OSError: no room or no permission; then no file is left behind.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        _write_whole(fd, text)
        if durable:
            os.fsync(fd)
            _sync_directory(path.parent)
    except OSError:
        os.close(fd)
        path.unlink()
        raise
    return fd


def _write_whole(fd: int, text: bytes | bytearray) -> None:
    if os.write(fd, text) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
