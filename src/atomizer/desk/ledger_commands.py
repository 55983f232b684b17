"""`atomizer ledger`: the RFQ ledger and the hedge report, from the journal."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from atomizer.config import flags
from atomizer.desk import reports
from atomizer.desk.index import opened
from atomizer.desk.tables import FORMATS, say, tree, written
from atomizer.domain.trades import TradeState
from atomizer.storage.words import time_text

RFQ_COLUMNS = (
    "time",
    "rfq_id",
    "state",
    "instrument",
    "side",
    "size",
    "price",
    "fair",
    "edge_bps",
    "best",
    "best_seen",
    "won_size",
    "refused",
    "venue_refused",
)
HEDGE_COLUMNS = (
    "time",
    "order_id",
    "instrument",
    "side",
    "lots",
    "filled",
    "arrival",
    "average",
    "slippage_bps",
    "slippage",
    "fees",
    "grouped",
    "ended",
)
_form = click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
_last = click.option("--last", type=click.IntRange(min=1), help="Only the last N.")
_summary = click.option("--summary", is_flag=True, help="Totals instead of rows.")


@click.group("ledger")
def group() -> None:
    """What was asked, quoted, won and refused, and what hedging it cost.

    Example: atomizer ledger rfqs --summary
    """


@group.command()
@click.option("--state", type=click.Choice([str(state) for state in TradeState]), help="Only these.")
@_last
@_form
@_summary
@flags.data_dir
@flags.as_json
def rfqs(
    state: str | None, last: int | None, form: str, summary: bool, data_dir: Path, as_json: bool
) -> None:
    """Every RFQ seen: quoted, best seen, won, refused and why, and what it was worth later.

    The summary holds the hit ratio by edge and markouts by taker, size and moneyness.

    Example: atomizer ledger rfqs --last 20 --state executed
    """
    with opened(data_dir) as index:
        if summary:
            _totals(reports.rfq_summary(index), as_json)
            return
        rows = reports.rfqs(index, last, state)
    for row in rows:
        row["time"] = time_text(row["ts_ns"])
    say(written(rows, RFQ_COLUMNS, "json" if as_json else form))


@group.command()
@_last
@_form
@_summary
@flags.data_dir
@flags.as_json
def hedges(last: int | None, form: str, summary: bool, data_dir: Path, as_json: bool) -> None:
    """Every hedge: slippage against the mid at decision, fees, and what it was for.

    The summary sets the cost charged in quotes against the cost paid, and holds naked seconds x USD.

    Example: atomizer ledger hedges --summary --json
    """
    with opened(data_dir) as index:
        if summary:
            _totals(reports.hedge_summary(index), as_json)
            return
        rows = reports.hedges(index, last)
    for row in rows:
        row["time"] = time_text(row["ts_ns"])
    say(written(rows, HEDGE_COLUMNS, "json" if as_json else form))


def _totals(found: dict[str, object], as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for line in tree(found):
        click.echo(line)
