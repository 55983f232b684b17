"""The kill switch: a word to the node, then, if it does not answer, an end to the node and its orders.

Levels: 1 pull quotes; 2 no new risk, the hedger lives; 3 cancel everything, the hedger stops; 4 flatten
what can be flattened. Level 3 never trusts the node to have done it. Level 4 needs the node for the
flattening, so an answering node is left alive to do that. Whatever fails, the next step is still taken.

A node that is ended may be started again at once by whatever supervises it. So the data directory is held
from then until all is done, and the level is written into its journal: the next node begins with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from atomizer.config.errors import ConfigError
from atomizer.desk.signatures import LiveSignatures, live_signatures
from atomizer.desk.sweepers import Sweep, sweep_all
from atomizer.domain.commands import RiskState
from atomizer.domain.events import Operator
from atomizer.net.transport import Transport
from atomizer.runtime.control import ControlError, Request, ask
from atomizer.storage.errors import JournalError
from atomizer.storage.journal import Journal
from atomizer.storage.lock import holder
from atomizer.storage.segments import segment_numbers

if TYPE_CHECKING:
    from atomizer.engine.ledger import Ledger

ACKNOWLEDGE_S = 2.0
CANCEL_EVERYTHING = 3
FLATTEN = 4
_DIES_WITHIN_S = 2.0
_POLL_S = 0.01


class KillReport(msgspec.Struct, kw_only=True):
    """What was done, in order, and what could not be: `problems` need a person."""

    level: int
    acknowledged: bool = False
    killed_pid: int | None = None
    swept: list[Sweep] = []
    positions: dict[str, str] = {}
    live: LiveSignatures | None = None
    problems: list[str] = []

    @property
    def sweep_failed(self) -> bool:
        return any(sweep.error for sweep in self.swept)


def kill(
    data_dir: Path,
    level: int,
    *,
    venues: Callable[[], Mapping[str, Any]],
    transport: Callable[[], Transport],
    prepare: Callable[[], None] = lambda: None,
    acknowledge_s: float = ACKNOWLEDGE_S,
) -> KillReport:
    """Do it.

    Args:
        venues: settings by venue to sweep; called only when a sweep is due, so that a broken
            configuration never stands between the switch and the node.
        transport: a network for the desk's own sessions.
        prepare: loads what the later steps need, while the node is given its time to answer.
    """
    report = KillReport(level=level)
    preparing = threading.Thread(target=prepare, name="prepare", daemon=True)
    preparing.start()
    _say(report, data_dir, acknowledge_s)
    final = not report.acknowledged or level == CANCEL_EVERYTHING
    held: Journal | None = None
    if final:
        _end_node(report, data_dir)
        held = _held(report, data_dir)
    preparing.join()
    if final:
        _sweep(report, venues, transport)
    ledger = _folded(report, data_dir)
    if ledger is not None:
        _look(report, ledger)
    if held is not None:
        _remember(report, held, ledger)
    return report


def _say(report: KillReport, data_dir: Path, acknowledge_s: float) -> None:
    request_id = f"desk-{os.getpid()}-{time.time_ns()}"
    try:
        ask(
            data_dir,
            Request(word="kill", level=report.level, request_id=request_id),
            timeout_s=acknowledge_s,
        )
    except ControlError as error:
        report.problems.append(f"no acknowledgement: {error}")
    else:
        report.acknowledged = True


def _end_node(report: KillReport, data_dir: Path) -> None:
    """SIGKILL whoever holds the data directory now; a number in an old file is never signalled."""
    pid = holder(data_dir)
    if pid is None or pid == os.getpid():
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    except PermissionError as error:
        report.problems.append(
            f"process {pid}: expected to be allowed to end it, found: {error}; end it as its owner"
        )
        return
    report.killed_pid = pid
    ends = time.monotonic() + _DIES_WITHIN_S
    while holder(data_dir) == pid:
        if time.monotonic() > ends:
            report.problems.append(
                f"process {pid}: expected it to end within {_DIES_WITHIN_S} s, found it alive"
            )
            return
        time.sleep(_POLL_S)


def _sweep(
    report: KillReport, venues: Callable[[], Mapping[str, Any]], transport: Callable[[], Transport]
) -> None:
    try:
        found = venues()
    except ConfigError as error:
        report.problems.append(
            f"no sweep: the configuration is not valid: {error}; cancel at the venues by hand"
        )
        return
    if not found:
        report.problems.append("no sweep: no venue has credentials here; cancel at the venues by hand")
        return
    report.swept = asyncio.run(sweep_all(transport(), found))
    report.problems += [f"{sweep.venue}: {sweep.error}" for sweep in report.swept if sweep.error]


def _held(report: KillReport, data_dir: Path) -> Journal | None:
    """The journal, opened in the dead node's place, where there is one."""
    if not data_dir.is_dir() or not segment_numbers(data_dir):
        return None
    try:
        return Journal.open(data_dir)
    except JournalError as error:
        report.problems.append(f"the level is not recorded: {error}")
        return None


def _folded(report: KillReport, data_dir: Path) -> Ledger | None:
    from atomizer.desk.fold import folded  # brings the kernels: only after everything is cancelled

    try:
        return folded(data_dir)
    except JournalError as error:
        report.problems.append(f"live signatures unknown: {error}")
        return None


def _look(report: KillReport, ledger: Ledger) -> None:
    report.positions = {
        "/".join(holding): str(size) for holding, size in sorted(ledger.position_sizes().items()) if size
    }
    report.live = live_signatures(ledger.quotes.values(), time.time_ns())


def _remember(report: KillReport, journal: Journal, ledger: Ledger | None) -> None:
    """Write the level over what the journal knows; the next node starts with it until a person resumes."""
    before = RiskState() if ledger is None else ledger.risk
    risk = msgspec.structs.replace(before, kill_level=max(report.level, before.kill_level))
    try:
        journal.append(time.time_ns(), [Operator("kill", report.level, "", "desk"), risk], essential=True)
    except JournalError as error:
        report.problems.append(f"the level is not recorded: {error}")
    finally:
        journal.close()
