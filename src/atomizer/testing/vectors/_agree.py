"""Comparisons of the quoting sections: golden values that may be absent, and relative tolerances."""

from __future__ import annotations

import math
from collections.abc import Iterable

from atomizer.testing.vectors._tolerance import within


def differs(name: str, found: float, expected: float | None, tolerance: float) -> str:
    """Empty when |found - expected| <= tolerance; an expected None asks for NaN (no quote, no value)."""
    if expected is None:
        return "" if math.isnan(found) else f"{name}: expected no value, found {found!r}"
    return within(name, found, expected, tolerance)


def relative(name: str, found: float, expected: float | None, tolerance: float) -> str:
    """`differs` with a tolerance relative to the expected value."""
    return differs(name, found, expected, tolerance * abs(expected) if expected is not None else 0.0)


def first_problem(problems: Iterable[str]) -> str:
    """The first non-empty text, or empty."""
    return next((problem for problem in problems if problem), "")
