"""Simulated venues, a node and a desk as real processes over loopback sockets, for tests that kill them."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atomizer.runtime.control import ControlError, Request, ask
from atomizer.runtime.demo import DemoPlan, node_environment
from atomizer.sim.market import BEHAVIOURS
from tests.system.verdict import Venues, Verdict, judge

READY_S, POLL_S = 60.0, 0.1
UNDERLYING = "ETH"


class Stage:
    """Two venues that run, and what is started on them. Left by `stage`, nothing of it lives."""

    def __init__(self, directory: Path, seed: int, faults: dict[str, str]) -> None:
        self.directory = directory
        self._plan = DemoPlan(duration_s=0.0, seed=seed, directory=directory)
        self._logs = directory.parent / "said"
        self._logs.mkdir(exist_ok=True)
        self._processes: list[subprocess.Popen[str]] = []
        common = ["--port", "0", "--seed", str(seed), "--start", str(time.time_ns())]
        venues = [
            self.spawn(f"sim-{name}", ["sim", name, *common, "--fault", faults.get(name, "")])
            for name in ("deribit", "rysk")
        ]
        ready = [json.loads(self._first_line(process)) for process in venues]
        self.venues = Venues(*ready)
        index = BEHAVIOURS[UNDERLYING].index
        self.environment = node_environment(self._plan, *ready, index)

    def spawn(
        self, name: str, arguments: list[str], before: Callable[[], None] | None = None
    ) -> subprocess.Popen[str]:
        with (self._logs / f"{name}.err").open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "atomizer", *arguments],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={**os.environ, **getattr(self, "environment", {})},
                preexec_fn=before,
            )
        self._processes.append(process)
        return process

    @staticmethod
    def _first_line(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline()

    # --- the node ---

    def node(self, most_bytes: int = 0) -> subprocess.Popen[str]:
        """A node that answers. `most_bytes`: no file of it may grow beyond."""

        def limited() -> None:
            if most_bytes:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        arguments = ["rfq-responder", "--live", "--enable-hedging", "--data-dir", str(self.directory)]
        process = self.spawn("node", arguments, limited)
        wait_until("the node answers", lambda: self.alive(process) and self.status() is not None, READY_S)
        return process

    def alive(self, process: subprocess.Popen[str]) -> bool:
        """True; fails with what the process said when it ended."""
        said = (self._logs / "node.err").read_text()[-2000:]
        assert process.poll() is None, f"ended with code {process.returncode}: {said}"
        return True

    def status(self) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = ask(self.directory, Request(word="status"))["status"]
        except ControlError:
            return None
        return answer

    def count(self, what: str) -> int:
        status = self.status()
        return 0 if status is None else int(status.get(what, 0))

    def command(self, *arguments: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """Run `atomizer ARGUMENTS --json` as the desk's user would; what it prints."""
        ran = subprocess.run(
            [sys.executable, "-m", "atomizer", *arguments, "--data-dir", str(self.directory), "--json"],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **self.environment},
            check=False,
        )
        assert ran.stdout.strip(), ran.stderr
        answer: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
        return answer

    async def judged(self) -> Verdict:
        verdict = Verdict()
        await judge(verdict, self.venues, self.directory)
        return verdict

    def end(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextmanager
def stage(directory: Path, seed: int, **faults: str) -> Iterator[Stage]:
    """Venues that run until this is left; then nothing does."""
    made = Stage(directory / "data", seed, faults)
    try:
        yield made
    finally:
        made.end()


def wait_until(what: str, done: Callable[[], bool], patience_s: float) -> None:
    """Poll until `done`; fails by name when it takes too long."""
    ends = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < ends, f"expected within {patience_s:.0f} s: {what}"
        time.sleep(POLL_S)
