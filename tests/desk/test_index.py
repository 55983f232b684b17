"""The index equals the journal: built at once or bit by bit, deleted, moved, or of another journal."""

from __future__ import annotations

import itertools
import math
import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atomizer.analysis.session import of_journal
from atomizer.desk import reports
from atomizer.desk.fold import folded
from atomizer.desk.index import NAME, VERSION, opened
from atomizer.domain.bookings import RfqTrade
from atomizer.domain.trades import TradeState
from atomizer.runtime.demo import DemoPlan, run_in_virtual_time
from atomizer.storage.following import Follower
from atomizer.storage.journal import Journal, JournalError, read
from atomizer.storage.records import LedgerSnapshot

TABLES = ("records", "names", "rfqs", "won", "markouts", "hedges", "shares", "naked", "fills")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute and a half of trading in virtual time."""
    directory = tmp_path_factory.mktemp("played")
    run_in_virtual_time(DemoPlan(duration_s=90.0, seed=11, directory=directory))
    return directory


def content(data_dir: Path) -> dict[str, list[Any]]:
    with opened(data_dir) as index:
        return {name: sorted(map(repr, index.rows(f"SELECT * FROM {name}"))) for name in TABLES}


def copied(played: Path, to: Path) -> Path:
    shutil.copytree(played, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns(NAME + "*"))
    return to


def test_bit_by_bit_is_the_same_as_at_once(played: Path, tmp_path: Path) -> None:
    whole = content(copied(played, tmp_path / "whole"))
    records = list(read(played))
    grown = tmp_path / "grown"
    grown.mkdir()
    journal = Journal.open(grown, sync_interval_s=None)
    steps = [0, 1, 7, len(records) // 3, len(records) // 2, len(records)]
    for begin, end in itertools.pairwise(steps):
        for record in records[begin:end]:
            journal.append(record.ts_ns, [record.body], essential=True)
        content(grown)
    journal.close()
    assert content(grown) == whole
    assert whole["won"]
    assert whole["hedges"]


def test_deleted_it_is_built_again(played: Path, tmp_path: Path) -> None:
    data_dir = copied(played, tmp_path)
    before = content(data_dir)
    (data_dir / NAME).unlink()
    assert content(data_dir) == before


def test_another_journal_in_its_place_is_noticed(played: Path, tmp_path: Path, story: Path) -> None:
    data_dir = copied(played, tmp_path / "data")
    content(data_dir)
    for path in data_dir.glob("journal-*"):
        path.unlink()
    for path in story.glob("journal-*"):
        shutil.copy(path, data_dir / path.name)
    assert content(data_dir) == content(story)


def test_an_index_of_another_version_is_built_again(played: Path, tmp_path: Path) -> None:
    data_dir = copied(played, tmp_path)
    before = content(data_dir)
    with sqlite3.connect(data_dir / NAME) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.execute("DELETE FROM rfqs")
    connection.close()
    assert content(data_dir) == before


def test_a_failure_in_the_middle_leaves_what_was(played: Path, tmp_path: Path) -> None:
    data_dir = copied(played, tmp_path)
    lines = (data_dir / "journal-000001.jsonl").read_bytes().splitlines(keepends=True)
    damaged = lines[len(lines) // 2].replace(b'"t":1', b'"t":2', 1)
    (data_dir / "journal-000001.jsonl").write_bytes(
        b"".join([*lines[: len(lines) // 2], damaged, *lines[len(lines) // 2 + 1 :]])
    )
    with pytest.raises(JournalError), opened(data_dir):
        pass
    (data_dir / "journal-000001.jsonl").write_bytes(b"".join(lines))
    assert content(data_dir) == content(copied(played, tmp_path / "again"))


def test_without_a_directory_there_is_an_error_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="expected a data directory"), opened(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()


def test_older_segments_that_were_moved_away_are_in_the_snapshot(played: Path, tmp_path: Path) -> None:
    records = list(read(played))
    first = tmp_path / "all"
    first.mkdir()
    ledger = folded(played)
    journal = Journal.open(first, snapshot=ledger.state, sync_interval_s=None)
    for record in records:
        journal.append(record.ts_ns, [record.body], essential=True)
    day_ns = 86_400 * 10**9
    journal.append(records[-1].ts_ns + day_ns, [records[-1].body], essential=True)
    journal.close()
    assert len(list(first.glob("journal-00*"))) == 2
    (first / "journal-000001.jsonl").unlink()
    assert any(isinstance(record.body, LedgerSnapshot) for record in read(first))
    with opened(first) as index:
        assert index.ledger.position_sizes() == ledger.position_sizes()


def test_a_follower_reads_each_record_once(played: Path) -> None:
    whole = [record.sequence for record in read(played)]
    follower = Follower(played)
    some = [record.sequence for record in itertools.islice(follower.records(), 10)]
    rest = [record.sequence for record in Follower(played, follower.sequence, follower.check).records()]
    assert some + rest == whole


# --- the sums ---


def test_the_ledgers_sums_equal_the_journals_fold(played: Path) -> None:
    session = of_journal(played)
    fold = folded(played)
    with opened(played) as index:
        totals = reports.trade_totals(index)
        hedged = reports.hedge_summary(index)
        summary = reports.rfq_summary(index)
        rows = reports.rfqs(index, None, None)
        letters = index.ledger.dead_letters
    assert totals["won"] == session.trades_won > 0
    trades = [
        booking
        for key, booking in fold.accounts.booked.items()
        if isinstance(booking, RfqTrade) and key not in fold.accounts.reversed
    ]
    premium = sum(
        (-booking.side * booking.size * (booking.price or Decimal(0)) for booking in trades), Decimal(0)
    )
    assert Decimal(totals["premium"]["USD"]) == premium
    parts = session.attribution.parts
    assert math.isclose(totals["edge_usd"], parts.edge, rel_tol=1e-12)
    assert math.isclose(hedged["slippage_usd"], -parts.hedge, rel_tol=1e-9)
    assert math.isclose(hedged["fees_usd"], -parts.fees, rel_tol=1e-9)
    paid = math.fsum(row["paid_usd"] for row in hedged["per_trade"])
    rest = hedged["cost_paid_for_no_single_trade_usd"]
    assert math.isclose(paid + rest, -parts.hedge - parts.fees, rel_tol=1e-9)
    charged = math.fsum(row["charged_usd"] for row in hedged["per_trade"])
    assert math.isclose(charged, totals["hedge_cost_charged_usd"], rel_tol=1e-12)
    assert (hedged["sent"], hedged["filled"]) == (session.hedges_sent, session.hedges_filled)
    assert (summary["seen"], sum(row["quotes"] for row in rows)) == (
        session.rfqs_received,
        session.quotes_sent,
    )
    assert summary["refused"] == dict(sorted(session.quotes_refused.items()))
    assert sum(group["quoted"] for group in summary["by_edge"].values()) == summary["quoted"]
    assert sum(group["won"] for group in summary["by_taker"].values()) == totals["won"]
    assert letters == fold.dead_letters


def test_naked_time_is_that_of_the_session(played: Path) -> None:
    session = of_journal(played)
    with opened(played) as index:
        naked = reports.hedge_summary(index)["naked"]
    coin_s = sum(row["coin_seconds"] for row in naked.values())
    seconds = (session.last_marks_ns - session.first_marks_ns) / 1e9
    assert math.isclose(coin_s / seconds, session.naked()["time_weighted"], rel_tol=1e-9)


def test_every_trade_is_where_the_fold_has_it(played: Path) -> None:
    states = {trade.trade_id: str(trade.state) for trade in folded(played).trades.trades.values()}
    with opened(played) as index:
        found = {row["rfq_id"]: row["state"] for row in reports.rfqs(index, None, None)}
    assert {name: found[name] for name in states} == states
    assert str(TradeState.HEDGED) in found.values()
