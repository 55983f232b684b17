"""Hedge policies side by side: the same seed and the same flow of requests in virtual time, one arm each.

Every arm is the whole demo with another hedge section. What it does may change what is quoted later (limits,
halts), so the arms win nearly, not exactly, the same trades.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from atomizer.runtime.demo import DemoPlan, run_in_virtual_time
from atomizer.runtime.world import VenueReport

RISK_AVERSION = 1e-2  # per USD, of the demo's book


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to hedge: changes of the hedge section, and whether a second hedge account is there."""

    name: str
    hedge: bool = True
    section: dict[str, Any] = field(default_factory=dict)
    second: bool = False


ARMS = (
    Arm("none", hedge=False),
    Arm("delta, fixed band"),
    Arm(
        "delta, Whalley-Wilmott",
        section={"band": "whalley_wilmott", "band_to": "edge", "risk_aversion": RISK_AVERSION},
    ),
    Arm("delta, post-only", section={"order_type": "post_only"}),
    Arm("resale", section={"policy": "resale"}),
    Arm("both", section={"policy": "both"}),
    Arm("cross-venue", section={"venue": "deribit2", "cross": True, "cheapest": True}, second=True),
)


def run_arms(plan: DemoPlan) -> Iterator[tuple[Arm, DemoPlan, list[VenueReport]]]:
    """Run every arm in its own directory under the plan's; (arm, its plan, the venues' equity)."""
    for number, arm in enumerate(ARMS):
        mine = replace(
            plan,
            directory=plan.directory / f"arm-{number}",
            hedge=arm.hedge,
            hedging=arm.section,
            second=arm.second,
        )
        yield arm, mine, run_in_virtual_time(mine)
