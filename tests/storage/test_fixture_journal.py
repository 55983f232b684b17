"""A journal written by every released format must be read for ever."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from atomizer.storage.journal import Journal, read, verify
from atomizer.storage.lines import FORMAT_VERSION

FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = tuple(range(1, FORMAT_VERSION + 1))


@pytest.fixture(scope="module")
def made() -> ModuleType:
    """The records that every fixture holds, as they were written by hand."""
    spec = importlib.util.spec_from_file_location("made", FIXTURES / "make_journal.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", VERSIONS)
def test_each_format_reads_back_as_it_was_written_by_hand(made: ModuleType, version: int) -> None:
    expected = [
        (made.START_NS + after_s * made.SECOND_NS, record)
        for after_s, records in made.BATCHES
        for record in records
    ]
    found = list(read(FIXTURES / f"journal-v{version}"))
    assert [(record.ts_ns, record.body) for record in found] == expected
    assert [record.sequence for record in found] == list(range(1, len(expected) + 1))


@pytest.mark.parametrize("version", VERSIONS)
def test_each_format_is_whole_and_ended_cleanly(version: int) -> None:
    report = verify(FIXTURES / f"journal-v{version}")
    assert report.clean_end
    assert report.notes == []
    assert report.records == report.last_sequence == 26


@pytest.mark.parametrize("version", VERSIONS)
def test_each_format_can_be_continued(made: ModuleType, version: int, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / f"journal-v{version}", tmp_path, dirs_exist_ok=True)
    journal = Journal.open(tmp_path, reserve_bytes=4096, sync_interval_s=None)
    journal.append(made.START_NS + 4000 * made.SECOND_NS, [made.HEDGE, made.HEDGE], essential=True)
    journal.close()
    assert verify(tmp_path).records == 28
