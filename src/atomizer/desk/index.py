"""The desk's index: SQLite made from the journal, brought up to date when somebody asks.

It holds nothing that the journal does not: it may be deleted at any time and is built again, and another
journal in its place is noticed. One transaction takes all new records; who comes at the same time waits.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from atomizer.desk.ledger_rows import SCHEMA as ROWS_SCHEMA
from atomizer.desk.ledger_rows import Rows
from atomizer.desk.naming import names
from atomizer.engine.ledger import Ledger
from atomizer.storage import records
from atomizer.storage.following import Follower, ForkedError
from atomizer.storage.lines import Record
from atomizer.storage.records import LedgerSnapshot

NAME = "index.sqlite"
VERSION = 1
WAIT_S = 30.0
SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB)",
    "CREATE TABLE records (sequence INTEGER PRIMARY KEY, ts_ns INTEGER, body BLOB)",
    "CREATE TABLE names (kind TEXT, name TEXT, sequence INTEGER)",
    "CREATE INDEX names_by_name ON names (kind, name)",
    "CREATE INDEX names_by_sequence ON names (sequence)",
    *ROWS_SCHEMA,
)


class Index:
    """One data directory's index, up to date as of `opened`."""

    def __init__(self, connection: sqlite3.Connection, ledger: Ledger) -> None:
        self.sql = connection
        self.ledger = ledger

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds, as dictionaries."""
        return [dict(row) for row in self.sql.execute(query, values)]

    def named(self, wanted: set[tuple[str, str]]) -> Iterator[Record]:
        """Records that name any of these (kind, name), in order."""
        found: dict[int, None] = {}
        for kind, name in wanted:
            for row in self.sql.execute(
                "SELECT sequence FROM names WHERE kind = ? AND name = ?", (kind, name)
            ):
                found[row[0]] = None
        for sequence in sorted(found):
            row = self.sql.execute(
                "SELECT ts_ns, body FROM records WHERE sequence = ?", (sequence,)
            ).fetchone()
            yield Record(sequence, row[0], records.decode(row[1]))


@contextlib.contextmanager
def opened(data_dir: Path) -> Iterator[Index]:
    """The index, brought up to date with the journal.

    Raises:
        JournalError: the journal is missing, damaged or newer than this version.
    """
    if not data_dir.is_dir():
        Follower(data_dir).records().__next__()
    connection = sqlite3.connect(data_dir / NAME, timeout=WAIT_S, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        yield Index(connection, _updated(connection, data_dir))
    finally:
        connection.close()


def _updated(connection: sqlite3.Connection, data_dir: Path) -> Ledger:
    """Take what is new, in one transaction; begin anew where the index is of another version or journal."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        try:
            ledger = _followed(connection, data_dir, fresh=_version(connection) != VERSION)
        except ForkedError:
            ledger = _followed(connection, data_dir, fresh=True)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return ledger


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _followed(connection: sqlite3.Connection, data_dir: Path, *, fresh: bool) -> Ledger:
    if fresh:
        _made(connection)
    meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    follower = Follower(data_dir, meta.get("sequence", 0), meta.get("check", 0))
    ledger, rows = Ledger(), Rows(connection)
    if "ledger" in meta:
        ledger.restore(msgspec.json.decode(meta["ledger"]))
        rows.restore(msgspec.json.decode(meta["rows"]))
    begun = follower.sequence
    first = not begun
    for record in follower.records():
        _take(connection, ledger, rows, record, first=first)
        first = False
    if follower.sequence != begun:
        rows.finish(ledger)
        for name, value in (
            ("sequence", follower.sequence),
            ("check", follower.check),
            ("ledger", msgspec.json.encode(ledger.state())),
            ("rows", msgspec.json.encode(rows.state())),
        ):
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
    return ledger


def _take(connection: sqlite3.Connection, ledger: Ledger, rows: Rows, record: Record, *, first: bool) -> None:
    if isinstance(record.body, LedgerSnapshot):
        if first:  # older segments were moved away: what they held is in the snapshot
            ledger.restore(record.body.state)
        return
    ledger.apply(record.body, record.ts_ns)
    ledger.touched.clear()
    ledger.booked_now.clear()
    ledger.external.clear()
    rows.take(record, ledger)
    found = sorted(set(names(record.body)))
    if not found:
        return
    connection.execute(
        "INSERT INTO records VALUES (?, ?, ?)", (record.sequence, record.ts_ns, records.encode(record.body))
    )
    connection.executemany(
        "INSERT INTO names VALUES (?, ?, ?)", [(kind, name, record.sequence) for kind, name in found]
    )


def _made(connection: sqlite3.Connection) -> None:
    """Empty tables of this version."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in tables:
        connection.execute(f"DROP TABLE {name}")
    for statement in SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
