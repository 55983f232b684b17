"""Environments of the venues' own clients: each in a virtual environment of its own lock.

Their pins contradict each other and ours, so they are never imported here: a script runs in the
environment's interpreter as a subprocess and talks JSON. `environment(name)` builds
`.venv-<name>` from `requirements/<name>.txt` when first asked, and again when the lock changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "clients"
BUILD_TIMEOUT_S = 600
STAMP = ".lock-sha256"


class JudgeError(RuntimeError):
    """An environment could not be built, or a script in it failed."""


def environment(name: str) -> Path:
    """The interpreter of the environment `name`, built or rebuilt if its lock asks for it.

    Raises:
        JudgeError: there is no such lock, or the packages could not be installed.
    """
    lock = ROOT / "requirements" / f"{name}.txt"
    if not lock.is_file():
        raise JudgeError(f"expected a lock at requirements/{name}.txt, found none; add it with make lock")
    folder = ROOT / f".venv-{name}"
    python = folder / "bin" / "python"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    with _one_builder(name):
        stamp = folder / STAMP
        if not stamp.is_file() or stamp.read_text() != wanted:
            venv.create(folder, clear=True, symlinks=True)
            _install(python, lock)
            stamp.write_text(wanted)
    return python


def ask(name: str, script: str, request: Any, timeout_s: float = 240) -> Any:
    """Run `clients/<script>` in an environment: `request` as JSON on its stdin, its JSON answer back.

    Raises:
        JudgeError: the script failed; the text ends with what it wrote to stderr.
    """
    return run_client(environment(name), CLIENTS / script, request, timeout_s)


def run_client(python: Path, script: Path, request: Any, timeout_s: float) -> Any:
    """One script, one request, one answer."""
    done = subprocess.run(
        [python, "-I", script],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"},
    )
    if done.returncode:
        raise JudgeError(f"{script.name}: exit {done.returncode}: {done.stderr[-3000:]}")
    return json.loads(done.stdout)


def _install(python: Path, lock: Path) -> None:
    command = [
        sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python,
        "--require-hashes", "-r", lock,
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False, cwd=ROOT
    )
    if done.returncode:
        raise JudgeError(f"could not install {lock.name}: {done.stderr[-2000:]}")


@contextmanager
def _one_builder(name: str) -> Iterator[None]:
    """Keep two test processes from building one environment at once."""
    folder = ROOT / ".cache"
    folder.mkdir(exist_ok=True)
    with (folder / f"judge-{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
