"""Typed rejection of inputs that no quoting or risk formula can mean.

A formula fed with NaN, a negative volatility or a crossed book must refuse, not answer: every public
function of the quoting half of `atomizer.models` checks its scalars here and raises `ModelInputError`.
Kernels called per tick do not check; the functions around them do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable


class ModelInputError(ValueError):
    """An input is outside the domain of the formula: the text names it, its value and the domain."""

    def __init__(self, name: str, expected: str, found: object) -> None:
        super().__init__(f"{name}: expected {expected}, found {found!r}")
        self.name = name


def finite(**values: float) -> None:
    """Every keyword is a finite number.

    Raises:
        ModelInputError: one is NaN or infinite.
    """
    for name, value in values.items():
        if not math.isfinite(value):
            raise ModelInputError(name, "a finite number", value)


def positive(**values: float) -> None:
    """Every keyword is finite and above zero.

    Raises:
        ModelInputError: one is not.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ModelInputError(name, "a finite number above 0", value)


def non_negative(**values: float) -> None:
    """Every keyword is finite and not below zero.

    Raises:
        ModelInputError: one is not.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0.0):
            raise ModelInputError(name, "a finite number of at least 0", value)


def within(low: float, high: float, **values: float) -> None:
    """Every keyword lies in the closed interval [low, high].

    Raises:
        ModelInputError: one does not.
    """
    for name, value in values.items():
        if not low <= value <= high:
            raise ModelInputError(name, f"a number in [{low:g}, {high:g}]", value)


def all_finite(name: str, values: Iterable[float]) -> None:
    """No element is NaN or infinite.

    Raises:
        ModelInputError: one is; its index is in the name.
    """
    for index, value in enumerate(values):
        if not math.isfinite(value):
            raise ModelInputError(f"{name}[{index}]", "a finite number", value)
