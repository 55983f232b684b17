"""The market as the running node sees it, else as the venue shows it to anybody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atomizer.net.transport import TransportError
from atomizer.runtime.control import ControlError, ask
from atomizer.runtime.words import Request

LISTEN_S = 8.0


def read(data_dir: Path, config_files: Sequence[Path], scope: str) -> dict[str, Any]:
    """Instruments, indices and feeds, with who saw them.

    Raises:
        TransportError: no node answers and the venue cannot be reached.
    """
    try:
        found: dict[str, Any] = ask(data_dir, Request(word="markets", scope=scope))["markets"]
    except ControlError:
        return {**_venue(config_files, scope), "seen_by": "the venue's public market (no node answers)"}
    return {**found, "seen_by": "the running node"}


def _venue(config_files: Sequence[Path], scope: str) -> dict[str, Any]:
    from atomizer.runtime.probe import markets
    from atomizer.runtime.settings import configured

    found = markets(configured(config_files).settings, LISTEN_S)
    if not found["index"] and not found["instruments"]:
        whys = "; ".join(f"{name}: {row['why']}" for name, row in found["feeds"].items()) or "no answer"
        raise TransportError(f"expected a running node or a venue that answers, found neither ({whys})")
    if scope:
        wanted = scope.removeprefix("venue/").upper()
        found["instruments"] = [
            row
            for row in found["instruments"]
            if wanted in (row["underlying"], row["instrument"].partition(":")[0].upper())
        ]
    return found
