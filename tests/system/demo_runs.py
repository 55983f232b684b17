"""Demo sessions in virtual time, summarised: what the demo's tests share."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from atomizer.analysis.sweep import Arm, run_one, sweep
from atomizer.runtime.demo import DemoPlan

NAKED_SHARE = 0.02


def demo(seed: int, duration_s: float, **changes: Any) -> dict[str, Any]:
    """The demo's JSON object for one seed; `changes` are further fields of the plan."""
    return run_one(DemoPlan(duration_s=duration_s, seed=seed, directory=Path(), **changes))


def sweep_arms(
    edges: Sequence[float], *, seeds: range, duration_s: float, informed: float = 0.0
) -> list[Arm]:
    """The demo at several edges over the same seeds, in two processes."""
    plan = DemoPlan(duration_s=duration_s, seed=seeds[0], directory=Path(), informed=informed)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        return list(sweep(plan, edges, len(seeds), executor))


def unexplained(result: dict[str, Any]) -> float:
    """Total less edge: what hedging is meant to keep small."""
    return float(result["pnl"]["total"] - result["pnl"]["edge"])


def faults(result: dict[str, Any]) -> list[str]:
    """What must hold in every hedged session, as sentences about what does not."""
    found = []
    pnl, naked = result["pnl"], result["naked_delta"]
    if abs(pnl["residual"]) > pnl["residual_bound"]:
        found.append(f"residual {pnl['residual']:.2f} beyond {pnl['residual_bound']:.2f}")
    if naked["time_weighted"] > NAKED_SHARE * result["gross_delta_traded"]:
        found.append(f"naked {naked['time_weighted']:.4f} of {result['gross_delta_traded']:.4f} traded")
    if any(row["differences"] for row in result["reconciliation"]):
        found.append(f"differences {result['reconciliation']}")
    if len(result["reconciliation"]) != 2:
        found.append("not every venue was read at the end")
    if result["dead_letters"]:
        found.append(f"{result['dead_letters']} dead letters")
    if result["hedges_filled"] != result["hedges_sent"]:
        found.append(f"{result['hedges_filled']} of {result['hedges_sent']} hedges filled")
    return found
