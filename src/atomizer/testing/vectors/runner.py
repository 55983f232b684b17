"""Chooses the checker for a vector file and counts what it says."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One checked case: its kind (or section), its id, and what was wrong (empty when right)."""

    kind: str
    case: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem


class Checker(Protocol):
    """What a checker module provides: `check(document, slow=...)`, one result per case."""

    def check(self, document: dict[str, Any], *, slow: bool) -> Iterator[CaseResult]: ...


class UnknownSchemaError(ValueError):
    """The file is not of a schema that any checker reads."""


def checker_for(document: Any) -> Checker:
    """The checker module for a parsed vector file, chosen by the file's top-level keys."""
    keys = set(document) if isinstance(document, dict) else set()
    if {"venue", "vectors"} <= keys:
        name = "signing"
    elif "sequences" in keys or {"format", "math"} <= keys:
        name = "uniswap_v3"
    elif "meta" in keys:
        name = "models"
    else:
        raise UnknownSchemaError(
            f"expected a signing, models or uniswap_v3 vector file, found top-level keys {sorted(keys)[:8]}"
        )
    module: Checker = importlib.import_module(f"atomizer.testing.vectors.{name}")
    return module


def check_file(path: Path, *, slow: bool = False) -> Iterator[CaseResult]:
    """Check every case of one file.

    Raises:
        OSError, json.JSONDecodeError, UnknownSchemaError: the file cannot be read as vectors.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    yield from checker_for(document).check(document, slow=slow)
