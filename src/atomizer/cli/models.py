"""`atomizer models`: what the quoting models say, beside what their papers published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from atomizer.models.as_simulation import Outcome, PublishedRow

PAPER_PATHS = 1000


@click.group(name="models")
def command() -> None:
    """Quoting models beside their published numbers.

    Example: atomizer models as2008
    """


@command.command(
    help="The table of Avellaneda and Stoikov (2008), simulated here, beside the published rows.\n\n"
    "Example: atomizer models as2008 --paths 20000 --json",
    epilog="exit codes: 0 done, 2 usage",
)
@click.option(
    "--paths", type=click.IntRange(100, 2_000_000), default=10_000, show_default=True, help="Paths per row."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=2008, show_default=True, help="Random seed."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def as2008(paths: int, seed: int, as_json: bool) -> None:
    """Print the paper's table."""
    from atomizer.models.as_simulation import PUBLISHED, run

    rows = [(run(row.gamma, row.strategy, paths=paths, seed=seed), row) for row in PUBLISHED]
    if as_json:
        click.echo(json.dumps([_as_dict(ours, paper) for ours, paper in rows], indent=2))
        return
    click.echo(
        f"Avellaneda, Stoikov (2008), tables 1-3: {paths} paths here, {PAPER_PATHS} published, seed {seed}"
    )
    click.echo(f"{'':24}{'spread':>14}{'profit mean':>18}{'profit sd':>18}{'q sd':>14}")
    click.echo(
        f"{'gamma':>6}  {'strategy':<16}"
        f"{'ours':>7}{'paper':>7}" + 2 * f"{'ours':>10}{'paper':>8}" + f"{'ours':>7}{'paper':>7}"
    )
    for ours, paper in rows:
        click.echo(_line(ours, paper))
    worst = max(_distance(ours, paper) for ours, paper in rows)
    click.echo(f"largest difference of a profit mean: {worst:.1f} standard errors of both samples together")


def _line(ours: Outcome, paper: PublishedRow) -> str:
    return (
        f"{ours.gamma:>6g}  {ours.strategy:<16}"
        f"{ours.average_spread:>7.2f}{paper.average_spread:>7.2f}"
        f"{ours.profit_mean:>10.2f}{paper.profit_mean:>8.1f}"
        f"{ours.profit_sd:>10.2f}{paper.profit_sd:>8.1f}"
        f"{ours.final_q_sd:>7.2f}{paper.final_q_sd:>7.1f}"
    )


def _distance(ours: Outcome, paper: PublishedRow) -> float:
    """Difference of the profit means in standard errors of both samples."""
    theirs = ours.profit_sd / PAPER_PATHS**0.5
    return float(
        abs(ours.profit_mean - paper.profit_mean) / (ours.standard_errors[0] ** 2 + theirs**2) ** 0.5
    )


def _as_dict(ours: Outcome, paper: PublishedRow) -> dict[str, object]:
    return {
        "gamma": ours.gamma,
        "strategy": ours.strategy,
        "ours": {
            "paths": ours.paths,
            "average_spread": ours.average_spread,
            "profit_mean": ours.profit_mean,
            "profit_sd": ours.profit_sd,
            "final_q_mean": ours.final_q_mean,
            "final_q_sd": ours.final_q_sd,
            "standard_error_profit_mean": ours.standard_errors[0],
        },
        "published": {
            "average_spread": paper.average_spread,
            "profit_mean": paper.profit_mean,
            "profit_sd": paper.profit_sd,
            "final_q_mean": paper.final_q_mean,
            "final_q_sd": paper.final_q_sd,
        },
        "difference_in_standard_errors": _distance(ours, paper),
    }
