"""Checks of the surface sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from atomizer.testing.vectors.runner import CaseResult

SURFACE_SECTIONS: dict[str, Callable[[Any, bool], Iterator[CaseResult]]] = {}
