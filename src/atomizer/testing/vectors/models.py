"""Checks a file of model vectors: every section has a handler, an unknown section is a failed case."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from atomizer.testing.vectors.runner import CaseResult

HANDLER_MODULES = (
    "atomizer.testing.vectors._models_options",
    "atomizer.testing.vectors._models_quoting",
)
NOT_SECTIONS = frozenset({"meta"})

Handler = Callable[[Any, bool], Iterator[CaseResult]]


def handlers() -> dict[str, Handler]:
    """Section name -> checker, over all handler modules.

    Raises:
        ValueError: two modules claim one section.
    """
    merged: dict[str, Handler] = {}
    for name in HANDLER_MODULES:
        sections: dict[str, Handler] = importlib.import_module(name).SECTIONS
        claimed_twice = sorted(merged.keys() & sections.keys())
        if claimed_twice:
            raise ValueError(
                f"expected one checker per section, found two for {claimed_twice} (second: {name})"
            )
        merged.update(sections)
    return merged


def check(document: dict[str, Any], *, slow: bool) -> Iterator[CaseResult]:
    """Check every section of a parsed models file; a malformed section fails, it does not stop the rest."""
    known = handlers()
    for section, payload in document.items():
        if section in NOT_SECTIONS:
            continue
        handler = known.get(section)
        if handler is None:
            yield CaseResult(section, "-", "no checker knows this section; add a handler for it")
            continue
        try:
            yield from handler(payload, slow)
        except (KeyError, TypeError, IndexError, ValueError) as error:
            yield CaseResult(section, "-", f"section does not have the known shape: {error!r}")
