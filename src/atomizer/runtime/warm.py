"""Compiles every kernel once, at set-up.

Kernels carry explicit signatures, so importing their module compiles them or loads them from numba's
cache; a call with other types then fails loudly instead of compiling while trading.
"""

from __future__ import annotations

import importlib
import sys
import time

KERNEL_MODULES: tuple[str, ...] = (
    "atomizer.models.black",
    "atomizer.models.keccak",
    "atomizer.models.rfq",
    "atomizer.engine.kernels",
    "atomizer.engine.pricing",
    "atomizer.sim.pricing",
    "atomizer.sim.paths",
    "atomizer.sim.deribit.flow",
    "atomizer.sim.matching",
)


def warm(modules: tuple[str, ...] = KERNEL_MODULES) -> dict[str, float]:
    """Import the kernel modules; returns seconds spent in each."""
    spent: dict[str, float] = {}
    for name in modules:
        started = time.perf_counter()
        importlib.import_module(name)
        spent[name] = time.perf_counter() - started
    return spent


if __name__ == "__main__":
    total = sum(warm().values())
    sys.stderr.write(f"kernels ready in {total:.1f} s\n")
