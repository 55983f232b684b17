"""Signature vectors: every intermediate that a file states is compared, not the signature alone.

A registry per venue maps a case's `kind` to the function that recomputes its expected values; a
venue or kind without one is a failure.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from atomizer.testing.vectors.runner import CaseResult

__all__ = ["Recompute", "check"]

# From a case's inputs (and its expected values, for what only they state) to what we compute.
Recompute = Callable[[dict[str, Any]], dict[str, Any]]

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
        kind, name = str(case.get("kind")), str(case.get("id"))
        recompute = kinds.get(kind)
        if recompute is None:
            yield CaseResult(kind, name, f"unknown kind; {venue} knows {', '.join(sorted(kinds))}")
            continue
        yield CaseResult(kind, name, _problem(recompute, case))


def _problem(recompute: Recompute, case: dict[str, Any]) -> str:
    try:
        found = recompute(case)
    except (ValueError, TypeError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    wrong = [
        f"{name}: expected {expected!r}, found {found.get(name, 'nothing')!r}"
        for name, expected in case["expected"].items()
        if name not in found or found[name] != expected
    ]
    return "; ".join(wrong)
