"""Compiles every kernel once, at set-up.

Kernels carry explicit signatures, so importing their module compiles them or loads them from numba's
cache; a call with other types then fails loudly instead of compiling while trading.
"""

from __future__ import annotations

import importlib
import sys
import time

# What trading and simulation need.
TRADING: tuple[str, ...] = (
    "atomizer.models.black",
    "atomizer.models.keccak",
    "atomizer.models.rfq",
    "atomizer.models.rfq_quote",
    "atomizer.models.listed_kernels",
    "atomizer.models.surface_fit",
    "atomizer.engine.kernels",
    "atomizer.sim.pricing",
    "atomizer.sim.paths",
    "atomizer.sim.matching",
    "atomizer.sim.deribit.flow",
)
# What studies need besides. The pool's compiled form takes longer than all of these and compiles when called.
STUDIES: tuple[str, ...] = (
    "atomizer.models.implied",
    "atomizer.models.inverse",
    "atomizer.models.averaged",
    "atomizer.models.ssvi_kernels",
    "atomizer.models.sabr",
    "atomizer.models.avellaneda",
    "atomizer.models.glft",
    "atomizer.models.as_simulation",
    "atomizer.models.scenario",
    "atomizer.models.margin_pm2",
)


def warm(modules: tuple[str, ...] = TRADING) -> dict[str, float]:
    """Import the kernel modules; returns seconds spent in each."""
    spent: dict[str, float] = {}
    for name in modules:
        started = time.perf_counter()
        importlib.import_module(name)
        spent[name] = time.perf_counter() - started
    return spent


if __name__ == "__main__":
    chosen = TRADING + STUDIES if "--all" in sys.argv[1:] else TRADING
    sys.stderr.write(f"kernels ready in {sum(warm(chosen).values()):.1f} s\n")
