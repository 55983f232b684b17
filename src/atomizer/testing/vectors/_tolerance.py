"""How a computed number is compared with a golden one: not-a-number never agrees."""

from __future__ import annotations

from collections.abc import Iterable


def within(name: str, found: float, expected: float, tolerance: float) -> str:
    """Empty when |found - expected| <= tolerance, else what was wrong."""
    if abs(found - expected) <= tolerance:
        return ""
    return f"{name}: expected {expected!r} +- {tolerance:.3g}, found {found!r}"


def differences(rows: Iterable[tuple[str, float, float, float]]) -> str:
    """The disagreements among (name, found, expected, tolerance) rows, joined; empty when there are none."""
    return "; ".join(filter(None, (within(*row) for row in rows)))
