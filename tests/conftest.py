"""Rules for the whole suite: a skip is a fault, except where the reference material is absent."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A change is judged by the same examples each time; new ones are found on people's machines. Kernels compile
# at their first call, so no example has a deadline; the suite's own time-out stands.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("person", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "person")

_unexcused: list[str] = []
_without_shared = 0


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    global _without_shared
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    if "needs_shared" in report.keywords:
        _without_shared += 1
    else:
        _unexcused.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _unexcused and os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"skipped without the reference material: {_without_shared}")
    for name in _unexcused:
        terminalreporter.write_line(f"skipped without excuse, which fails CI: {name}")
