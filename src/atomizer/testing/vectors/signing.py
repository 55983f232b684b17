"""Signature vectors: every intermediate that a file states is compared, not the signature alone.

A registry per venue maps a case's `kind` (or `scheme`, or the file's kind) to the function that
recomputes its expected values; a venue or kind without one is a failure.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from atomizer.testing.vectors.runner import CaseResult

__all__ = ["Recompute", "check"]

# From a case (with its whole file under "file") to what we compute for each of its expected values.
Recompute = Callable[[dict[str, Any]], dict[str, Any]]

_HEX = re.compile(r"(?:0[xX])?(?:[0-9a-fA-F]{2}){20,}")
VENUES = ("binance", "deribit", "derive", "grvt", "rysk", "thalex")


def check(document: dict[str, Any], *, slow: bool) -> Iterator[CaseResult]:
    """One result per case of a signing file."""
    del slow
    venue = document["venue"]
    if venue not in VENUES:
        yield CaseResult("venue", str(venue), f"expected one of {', '.join(VENUES)}, found {venue!r}")
        return
    kinds: dict[str, Recompute] = importlib.import_module(f"atomizer.testing.vectors.signers.{venue}").KINDS
    for case in document["vectors"]:
        kind = str(case.get("kind") or case.get("scheme") or document.get("kind"))
        name = str(case.get("id") or case.get("name"))
        recompute = kinds.get(kind)
        if recompute is None:
            yield CaseResult(kind, name, f"unknown kind; {venue} knows {', '.join(sorted(kinds))}")
            continue
        yield CaseResult(kind, name, _problem(recompute, case | {"file": document}))


def _problem(recompute: Recompute, case: dict[str, Any]) -> str:
    try:
        found = recompute(case)
    except (ValueError, TypeError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    wrong = [
        f"{name}: expected {expected!r}, found {found.get(name, 'nothing')!r}"
        for name, expected in case["expected"].items()
        if name not in found or _plain(found[name]) != _plain(expected)
    ]
    return "; ".join(wrong)


def _plain(value: Any) -> Any:
    """Hex of at least an address compares without 0x and without regard to case; all else exactly."""
    if isinstance(value, str) and _HEX.fullmatch(value):
        return value.lower().removeprefix("0x")
    return value
