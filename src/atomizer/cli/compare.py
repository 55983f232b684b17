"""`atomizer demo --compare-hedges`: hedge policies on the same flow, one table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from atomizer.runtime.demo import DemoPlan

HEAD = (
    f"{'policy':<24}{'won':>5}{'hedges':>8}{'turnover':>11}{'charged':>9}{'paid':>8}"
    f"{'sd/√min':>9}{'|delta|':>9}{'naked USD s':>13}"
)


def run(plan: DemoPlan, *, as_json: bool) -> int:
    """Run every arm; a line each as it is done, or one JSON object."""
    from atomizer.analysis import hedging
    from atomizer.analysis.summary import summary
    from atomizer.runtime.compare import run_arms

    rows: dict[str, dict[str, Any]] = {}
    if not as_json:
        click.echo(
            f"hedge policies, seed {plan.seed}, {plan.duration_s:g} s of virtual time; USD; coins of delta"
        )
        click.echo(HEAD)
    for arm, mine, reports in run_arms(plan):
        report = hedging.of_journal(mine.directory)
        whole = summary(report.session, reports)
        row = rows[arm.name] = {**report.row(), "pnl": whole["pnl"], "delta": report.session.delta_name}
        row["differences"] = sum(len(item["differences"]) for item in whole["reconciliation"])
        if not as_json:
            click.echo(line(arm.name, row))
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for text in NOTES:
            click.echo(text)
    return 0


NOTES = (
    "charged: what the quotes won asked for hedge and re-hedging; paid: fills against mid, and fees",
    "sd: of what the book earns per square root of a minute; naked: |net delta| in USD, summed over seconds",
)


def line(name: str, row: dict[str, Any]) -> str:
    """One arm for a person."""
    return (
        f"{name:<24}{row['trades_won']:>5}{row['hedges_sent']:>8}{row['turnover_usd']:>11.0f}"
        f"{row['cost_charged_usd']:>9.2f}{row['cost_paid_usd']:>8.2f}"
        f"{row['residual_sd_usd_per_sqrt_minute']:>9.2f}{row['time_weighted_delta']:>9.4f}"
        f"{row['naked_usd_seconds']:>13.0f}"
    )
