"""Undo log shared by everything that belongs to one pool: snapshots cost nothing, restores O(changed).

While no snapshot is open nothing is recorded. Inside one, each change first records how to take it
back; restoring runs those records backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Snapshot(NamedTuple):
    """A point to return to. Valid until it, or an older one, is released or an older one restored."""

    serial: int
    length: int


class SnapshotError(RuntimeError):
    """A snapshot that is no longer open was used."""


class History:
    __slots__ = ("_open", "_serial", "_undo")

    def __init__(self) -> None:
        self._undo: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._open: list[Snapshot] = []
        self._serial = 0

    @property
    def recording(self) -> bool:
        return bool(self._open)

    def record(self, undo: Callable[..., object], *arguments: Any) -> None:
        """Remember how to take the coming change back, if a snapshot is open."""
        if self._open:
            self._undo.append((undo, arguments))

    def put(self, table: dict[K, V], key: K, value: V) -> None:
        """table[key] = value, undoable."""
        if self._open:
            if key in table:
                self._undo.append((table.__setitem__, (key, table[key])))
            else:
                self._undo.append((table.pop, (key,)))
        table[key] = value

    def drop(self, table: dict[K, V], key: K) -> None:
        """del table[key], undoable."""
        if self._open:
            self._undo.append((table.__setitem__, (key, table[key])))
        del table[key]

    def snapshot(self) -> Snapshot:
        self._serial += 1
        snapshot = Snapshot(self._serial, len(self._undo))
        self._open.append(snapshot)
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Take back every change since the snapshot, which stays open; younger ones are closed.

        Raises:
            SnapshotError: the snapshot was released or an older one restored.
        """
        place = self._find(snapshot)
        while len(self._undo) > snapshot.length:
            undo, arguments = self._undo.pop()
            undo(*arguments)
        del self._open[place + 1 :]

    def release(self, snapshot: Snapshot) -> None:
        """Keep the present state and close the snapshot and all younger ones.

        Raises:
            SnapshotError: the snapshot was released before or an older one restored.
        """
        del self._open[self._find(snapshot) :]
        if not self._open:
            self._undo.clear()

    def _find(self, snapshot: Snapshot) -> int:
        try:
            return self._open.index(snapshot)
        except ValueError:
            raise SnapshotError(
                f"expected an open snapshot, found number {snapshot.serial}, which was released or undone; "
                "take a new one"
            ) from None
