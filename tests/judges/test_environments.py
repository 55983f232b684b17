"""The judges' environments are built once per lock, and a failing script is a failing test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.judges.environments import STAMP, JudgeError, environment, run_client


def test_environment_without_a_lock_is_an_error() -> None:
    with pytest.raises(JudgeError, match=r"expected a lock at requirements/nowhere\.txt"):
        environment("nowhere")


def test_script_answers_in_json(tmp_path: Path) -> None:
    script = tmp_path / "echo.py"
    script.write_text("import json, sys\njson.dump(json.load(sys.stdin)[::-1], sys.stdout)\n")
    assert run_client(Path(sys.executable), script, [1, 2], 60) == [2, 1]


def test_script_that_fails_tells_why(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit('no such order')\n")
    with pytest.raises(JudgeError, match=r"broken\.py: exit 1: no such order"):
        run_client(Path(sys.executable), script, [], 60)


@pytest.mark.system
def test_environment_is_built_once_and_again_when_its_lock_changes() -> None:
    python = environment("thalex")
    stamp = python.parents[1] / STAMP
    built = stamp.stat().st_mtime_ns
    assert environment("thalex") == python
    assert stamp.stat().st_mtime_ns == built
    stamp.write_text("another lock")
    environment("thalex")
    assert stamp.stat().st_mtime_ns > built
    assert len(stamp.read_text()) == 64
