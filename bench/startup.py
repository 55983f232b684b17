"""How long the program takes to answer: `--help`, and a configuration check. Fresh processes, wall time."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("atomizer")


def run(quick: bool) -> list[dict[str, Any]]:
    times = 5 if quick else 15
    with tempfile.TemporaryDirectory(prefix="atomizer-bench-") as directory:
        bare = wall([sys.executable, "-c", "pass"], directory, times)
        helping = wall([str(PROGRAM), "--help"], directory, times)
        checking = wall([str(PROGRAM), "config", "check"], directory, times)
    return [
        _row("atomizer --help", helping, "<= 0.2 s"),
        _row("atomizer config check", checking, "report"),
        _row("a bare interpreter", bare, "report"),
    ]


def wall(command: list[str], directory: str, times: int) -> float:
    """Median seconds of a command, the first (cold) run left out."""
    taken = []
    for _ in range(times + 1):
        started = time.perf_counter()
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


def _row(name: str, seconds: float, target: str) -> dict[str, Any]:
    return {"name": name, "ours": seconds, "peer": None, "ratio": None, "unit": "s", "target": target}
