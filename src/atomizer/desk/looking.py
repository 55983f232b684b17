"""Reading commands: what is held, and what the node sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from atomizer.config import flags
from atomizer.desk.tables import FORMATS, say, tree, written
from atomizer.storage.words import time_text

POSITION_COLUMNS = (
    "venue",
    "account",
    "instrument",
    "size",
    "entry",
    "mark",
    "value_usd",
    "unrealised_usd",
    "delta",
    "delta_kind",
    "gamma_1pct",
    "vega_usd",
    "theta_usd_day",
)
MARKET_COLUMNS = ("instrument", "bid", "ask", "mark", "forward", "bid_vol", "mark_vol", "ask_vol", "open")


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--summary", is_flag=True, help="Sums by underlying only.")
@flags.data_dir
@flags.as_json
def inventory(form: str, summary: bool, data_dir: Path, as_json: bool) -> None:
    """Positions by venue and account: greeks, value, unrealised P&L; net delta and which delta is meant.

    Needs no running node: then values are those of the last marks in the journal.

    Example: atomizer inventory --format csv > positions.csv
    """
    from atomizer.desk.inventory import read

    found = read(data_dir)
    if as_json or form == "json":
        kept = {name: found[name] for name in ("valued_by", "as_of_ns", "underlyings")} if summary else found
        click.echo(msgspec.json.encode(kept).decode())
        return
    if form == "csv" or not summary:
        say(written(found["positions"], POSITION_COLUMNS, form))
    if form == "csv":
        return
    for line in _sums(found):
        click.echo(line)


def _sums(found: dict[str, Any]) -> list[str]:
    lines = [f"valued by {found['valued_by']}, {time_text(found['as_of_ns'])}"]
    for name, row in found["underlyings"].items():
        delta = "unknown" if row["net_delta"] is None else f"{row['net_delta']:+.6f}"
        lines.append(f"{name}: net delta {delta} coins ({row['delta_kind']})")
        lines.append(
            f"    gamma {row['gamma_1pct']:+.4f} coins per 1 %, vega {row['vega_usd']:+.2f} USD per point,"
            f" theta {row['theta_usd_day']:+.2f} USD a day"
        )
        lines.append(f"    value {row['value_usd']:+.2f} USD, unrealised {row['unrealised_usd']:+.2f} USD")
        if row["not_valued"]:
            lines.append(f"    not valued: {', '.join(row['not_valued'])}")
    return lines


@click.command()
@click.option("--scope", default="", help="An underlying, or venue/NAME.")
@click.option("--kind", type=click.Choice(["option", "perpetual", "future", "spot"]), help="Only these.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@flags.data_dir
@flags.config_files
@flags.as_json
def markets(
    scope: str, kind: str | None, form: str, data_dir: Path, config_files: tuple[Path, ...], as_json: bool
) -> None:
    """Instruments with touch, mark and vols, and how fresh the feeds are, as the node sees them.

    Without a running node it reads the venue's public market itself, for a few seconds.

    Example: atomizer markets --scope ETH --kind option
    """
    from atomizer.desk.market_view import read

    found = read(data_dir, config_files, scope)
    rows = [row for row in found["instruments"] if kind in (None, row["kind"])]
    if as_json or form == "json":
        click.echo(msgspec.json.encode({**found, "instruments": rows}).decode())
        return
    say(written(rows, MARKET_COLUMNS, form))
    if form == "csv":
        return
    for line in tree({name: found[name] for name in ("seen_by", "index", "feeds", "clock_offset_ms")}):
        click.echo(line)
