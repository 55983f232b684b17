"""`atomizer rfq-responder`: price, sign, send and hedge RFQ quotes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from atomizer.config import flags


@click.command("rfq-responder")
@click.option(
    "--exchange", "--primary-exchange", help="Venue that prices, and hedges too. [default: deribit]"
)
@click.option("--hedge-exchange", help="Venue that hedges, with --enable-cross-hedge; e.g. deribit2.")
@click.option("--enable-cross-hedge", is_flag=True, help="Hedge on another venue than the one that prices.")
@click.option(
    "--hedge-policy", type=click.Choice(["delta", "resale", "both"]), help="How to hedge. [default: delta]"
)
@click.option("--dummy-price", type=float, help="Placeholder fair value in USD; simulated network only.")
@click.option("--enable-hedging/--no-hedging", default=None, help="Hedge the delta of what is won.")
@click.option("--dry-run", is_flag=True, help="Price and decide, sign and send nothing (the default).")
@click.option(
    "--live", is_flag=True, help="Sign and send; needs mode live in the configuration off the simulator."
)
@click.option("--yes", is_flag=True, help="Do not ask for the account's name.")
@click.option("--edge", type=float, help="Multiple of the configured edge.")
@click.option(
    "--performance-mode",
    is_flag=True,
    help="For storms: collect garbage between requests only, reuse prices for 50 ms, answer 32 per pass.",
)
@click.option("--cache-ttl", help="How long an option's price inputs are reused, e.g. 50ms. [default: 0]")
@click.option(
    "--parallel-quotes",
    type=click.IntRange(min=1),
    help="Requests answered per pass before market data is applied again. [default: 8]",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ATOMIZER_DATA_DIR",
    help="Journal, tape and socket. [default: data/NETWORK]",
)
@flags.config_files
@flags.logging
def command(
    exchange: str | None,
    hedge_exchange: str | None,
    enable_cross_hedge: bool,
    hedge_policy: str | None,
    dummy_price: float | None,
    enable_hedging: bool | None,
    dry_run: bool,
    live: bool,
    yes: bool,
    edge: float | None,
    performance_mode: bool,
    cache_ttl: str | None,
    parallel_quotes: int | None,
    data_dir: Path | None,
    config_files: tuple[Path, ...],
    debug: bool,
    verbose: bool,
    log_level: str | None,
) -> int:
    """Answer RFQs and hedge what is won. Without --live nothing is signed or sent.

    Example: atomizer rfq-responder --exchange deribit --enable-hedging --dry-run
    """
    from atomizer.runtime.serve import serve
    from atomizer.runtime.settings import configured
    from atomizer.telemetry.logs import level_of

    if dry_run and live:
        raise click.UsageError("--dry-run and --live exclude each other.")
    given: dict[str, Any] = {
        "exchange.name": exchange,
        "responder.dummy_price": dummy_price,
        "responder.edge_scale": edge,
        **_speed(performance_mode, cache_ttl, parallel_quotes),
        "hedge.enable_delta": enable_hedging,
        "hedge.venue": hedge_exchange or (None if enable_cross_hedge else exchange),
        "hedge.cross": enable_cross_hedge or None,
        "hedge.policy": hedge_policy,
        "data_dir": None if data_dir is None else str(data_dir),
    }
    loaded = configured(config_files, given, live=live)
    settings = loaded.settings
    if live and settings.mode != "live":
        raise click.UsageError("--live needs `mode: live` in the configuration (ATOMIZER_MODE=live).")
    if settings.mode == "live" and not live:
        given["mode"] = "dry-run"
        loaded = configured(config_files, given)
    if live and settings.network != "sim" and not yes:
        _confirm(settings.rysk.account)
    level = level_of(log_level=log_level, debug=debug, verbose=verbose, terminal=sys.stderr.isatty())
    return serve(loaded, level)


def _speed(performance: bool, cache_ttl: str | None, parallel_quotes: int | None) -> dict[str, Any]:
    """What the three speed flags set; the single ones are over the mode."""
    from atomizer.config.schema import Seconds
    from atomizer.strategies.responder_settings import PERFORMANCE

    found: dict[str, Any] = dict(PERFORMANCE) if performance else {}
    if cache_ttl is not None:
        try:
            found["responder.cache_ttl_ms"] = round(Seconds.parse(cache_ttl) * 1000)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--cache-ttl") from None
    if parallel_quotes is not None:
        found["responder.parallel_quotes"] = parallel_quotes
    return found


def _confirm(account: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("A live run without a terminal needs --yes.")
    typed = click.prompt(f"This run signs and sends. Type the account's name ({account}) to go on")
    if typed != account:
        raise click.Abort
