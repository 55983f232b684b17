"""`atomizer demo`: the main job on simulated venues, ending with a summary that adds up."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

DEMO_ROOT = Path("data") / "demo"


@click.command()
@click.option("--duration", type=click.FloatRange(1.0), default=60.0, show_default=True, help="Seconds.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Fixes the market.")
@click.option(
    "--chain",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Recorded option chain (CSV) that seeds the market.",
)
@click.option("--underlying", default="ETH", show_default=True, help="Coins, e.g. ETH,BTC, without --chain.")
@click.option("--staked", is_flag=True, help="A staked token per coin as well, worth 1.2 coins.")
@click.option("--virtual", is_flag=True, help="Virtual time: as fast as the machine, repeatable to the byte.")
@click.option("--edge", type=click.FloatRange(0.0), default=1.0, help="Multiple of the configured edge.")
@click.option(
    "--informed", type=click.FloatRange(0.0, 1.0), default=0.0, help="Share of takers who know what comes."
)
@click.option("--edges", default="", help="Several, e.g. 0,0.5,1,2,4: a table over --seeds. With --virtual.")
@click.option("--seeds", type=click.IntRange(1), default=20, show_default=True, help="With --edges.")
@click.option("--processes", type=click.IntRange(1), help="With --edges. [default: one per processor]")
@click.option("--no-hedge", is_flag=True, help="Win trades and leave their delta open.")
@click.option("--compare-hedges", is_flag=True, help="Every hedge policy on the same flow, one table.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on stdout.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where journal and logs go; must be new. [default: data/demo/run-N]",
)
def command(
    duration: float,
    seed: int,
    chain: Path | None,
    underlying: str,
    staked: bool,
    virtual: bool,
    edge: float,
    informed: float,
    edges: str,
    seeds: int,
    processes: int | None,
    no_hedge: bool,
    compare_hedges: bool,
    as_json: bool,
    data_dir: Path | None,
) -> int:
    """Answer option RFQs on a simulated Rysk and hedge what is won on a simulated Deribit.

    \b
    Example: atomizer demo --duration 300 --seed 7 --virtual --json
             atomizer demo --virtual --underlying ETH,BTC --staked
             atomizer demo --virtual --duration 300 --edges 0,0.5,1,2,4 --seeds 20 --informed 0.3
    """
    from atomizer.runtime.demo import DemoPlan
    from atomizer.runtime.twins import split_underlyings

    virtual = virtual or compare_hedges
    temporary = virtual and data_dir is None
    directory = Path(tempfile.mkdtemp(prefix="atomizer-")) if temporary else data_dir or _next_directory()
    try:
        plan = DemoPlan(
            duration_s=duration,
            seed=seed,
            directory=directory,
            chain=chain,
            underlyings=split_underlyings(underlying),
            staked=staked,
            edge=edge,
            informed=informed,
            hedge=not no_hedge,
        )
        if compare_hedges:
            from atomizer.cli.compare import run

            return run(plan, as_json=as_json)
        if edges:
            return _sweep(plan, edges, seeds, processes, virtual=virtual, as_json=as_json)
        return _run(plan, virtual=virtual, as_json=as_json)
    finally:
        if temporary:
            shutil.rmtree(directory, ignore_errors=True)


def _next_directory() -> Path:
    taken = [int(path.name[4:]) for path in DEMO_ROOT.glob("run-*") if path.name[4:].isdigit()]
    return DEMO_ROOT / f"run-{max(taken, default=0) + 1}"


def _run(plan: Any, *, virtual: bool, as_json: bool) -> int:
    from atomizer.analysis.session import of_journal
    from atomizer.analysis.summary import summary
    from atomizer.runtime.demo import run_in_real_time, run_in_virtual_time

    if virtual:
        reports = run_in_virtual_time(plan)
    else:
        _say(f"demo: seed {plan.seed}, {plan.duration_s:g} s; starting simulated venues, node and desk")
        reports = asyncio.run(run_in_real_time(plan, _progress))
    session = of_journal(plan.directory)
    result = summary(session, reports)
    if as_json:
        click.echo(json.dumps(result))
    else:
        for line in readable(result, plan, virtual=virtual):
            click.echo(line)
    return 0


def _sweep(plan: Any, edges: str, seeds: int, processes: int | None, *, virtual: bool, as_json: bool) -> int:
    """The same demo at several edges over many seeds, a line per edge as it is done."""
    from concurrent.futures import ProcessPoolExecutor

    from atomizer.analysis.sweep import HEAD, line, sweep

    if not virtual:
        raise click.UsageError("--edges runs many seeds and needs --virtual")
    try:
        wanted = [float(part) for part in edges.split(",")]
    except ValueError:
        raise click.UsageError(f"--edges: expected numbers joined by commas, found {edges!r}") from None
    arms = []
    with ProcessPoolExecutor(processes) as executor:
        if not as_json:
            click.echo(HEAD)
        for arm in sweep(plan, wanted, seeds, executor):
            arms.append(arm.row())
            if not as_json:
                click.echo(line(arm))
    if as_json:
        click.echo(json.dumps({"duration_s": plan.duration_s, "seed": plan.seed, "arms": arms}))
    return 0


def _say(text: str) -> None:
    click.echo(text, err=True)
    sys.stderr.flush()


def _progress(status: dict[str, Any]) -> None:
    net = ", ".join(f"{value:+.4f} {name}" for name, value in status.get("net_delta", {}).items())
    _say(
        f"{status['elapsed_s']:>4} s  RFQs {status.get('rfqs', 0)}  quotes {status.get('quotes', 0)}  "
        f"won {status.get('trades', 0)}  live signatures {status.get('live_quotes', 0)}  "
        f"net {status.get('delta', 'delta')} {net or 'none'}"
    )


def readable(result: dict[str, Any], plan: Any, *, virtual: bool) -> list[str]:
    """The same for a person."""
    pnl, naked = result["pnl"], result["naked_delta"]
    refused = ", ".join(f"{name} {count}" for name, count in result["quotes_refused"].items()) or "none"
    net = (
        f"net delta       now {naked['now']:+.4f}, time-weighted {naked['time_weighted']:.4f}, max "
        f"{naked['max']:.4f} coins of {result['gross_delta_traded']:.2f} traded; {result['delta']}"
    )
    lines = [
        "",
        f"RFQs received   {result['rfqs_received']}",
        f"quotes sent     {result['quotes_sent']}   refused: {refused}",
        f"trades won      {result['trades_won']}",
        f"hedges          {result['hedges_sent']} sent, {result['hedges_filled']} filled",
        net,
        "",
        f"P&L             {pnl['total']:+12.2f} USD  (from the venues' equity; a coin account counts coins)",
    ]
    lines += [
        f"  {name:<12}  {pnl[name]:+12.2f}"
        for name in ("edge", "hedge", "fees", "delta", "gamma", "vega", "theta", "fx", "residual")
    ]
    lines.append(f"                residual is allowed {pnl['residual_bound']:.2f}")
    for name, row in result["equity"].items():
        lines.append(f"{name:<15} {row['start']:.6f} -> {row['end']:.6f} {row['currency']}")
    latency = result["latency_us"]
    if latency and not virtual:
        quote, hedge = latency["rfq_to_quote"], latency["fill_to_hedge"]
        lines.append(
            f"latency         RFQ to quote p50 {quote['p50']:.0f} us, p99 {quote['p99']:.0f} us; "
            f"trade to hedge p50 {hedge['p50']:.0f} us"
        )
    differences = sum(len(row["differences"]) for row in result["reconciliation"])
    lines.append(f"reconciliation  {differences} differences, {result['dead_letters']} open questions")
    if not virtual:
        lines.append(
            f"journal         {plan.directory}   (atomizer explain RFQ-ID --data-dir {plan.directory})"
        )
    return lines
