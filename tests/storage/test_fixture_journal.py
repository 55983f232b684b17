"""A journal written by every released format must be read for ever."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

from atomizer.storage.journal import Journal, read, verify

FIXTURES = Path(__file__).parent / "fixtures"


def hand_written(version: int) -> ModuleType:
    spec = importlib.util.spec_from_file_location("made", FIXTURES / f"make_journal_v{version}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_version_1_reads_back_as_it_was_written_by_hand() -> None:
    made = hand_written(1)
    expected = [
        (made.START_NS + after_s * made.SECOND_NS, record)
        for after_s, records in made.BATCHES
        for record in records
    ]
    assert [(record.ts_ns, record.body) for record in read(FIXTURES / "journal-v1")] == expected


def test_version_1_is_whole_and_ended_cleanly() -> None:
    report = verify(FIXTURES / "journal-v1")
    assert report.clean_end
    assert report.notes == []
    assert report.records == report.last_sequence == 26


def test_version_1_can_be_continued(tmp_path: Path) -> None:
    made = hand_written(1)
    shutil.copytree(FIXTURES / "journal-v1", tmp_path, dirs_exist_ok=True)
    journal = Journal.open(tmp_path, reserve_bytes=4096, sync_interval_s=None)
    journal.append(made.START_NS + 4000 * made.SECOND_NS, [made.HEDGE], essential=True)
    journal.close()
    assert verify(tmp_path).records == 27
