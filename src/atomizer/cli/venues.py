"""Commands that talk to a venue without a node: test a connection, ask makers for a price."""

from __future__ import annotations

import asyncio
import sys
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click
import msgspec

from atomizer.config import flags
from atomizer.net.transport import TransportError


@click.command("test-connection")
@click.option("--exchange", required=True, help="Connection: deribit, deribit2 or rysk.")
@click.option(
    "--timeout", type=click.FloatRange(0.5, 120.0), default=10.0, show_default=True, help="Seconds."
)
@flags.config_files
@flags.as_json
def test_connection(exchange: str, timeout: float, config_files: tuple[Path, ...], as_json: bool) -> None:
    """Connect, log in where keys exist, measure the clock, subscribe; exit code 4 when any of it fails.

    It places no order and signs no quote.

    Example: atomizer test-connection --exchange deribit
    """
    from atomizer.config.errors import ConfigError
    from atomizer.runtime.probe import CONNECTIONS, connected
    from atomizer.runtime.settings import check_node, configured

    if exchange not in CONNECTIONS:
        raise ConfigError(
            [f"exchange: expected a venue that is built ({', '.join(CONNECTIONS)}), found {exchange!r}"]
        )
    settings = configured(config_files).settings
    if exchange == "rysk":
        check_node(settings)
    found = connected(settings, exchange, timeout)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        for line in _probe_lines(found):
            click.echo(line)
    if not found["ok"]:
        whys = "; ".join(f"{feed}: {why}" for feed, why in found["failures"].items()) or "no answer in time"
        raise TransportError(f"{exchange}: expected every feed up within {timeout:g} s, found {whys}")


def _probe_lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{feed}: {'up' if up else 'down'}" for feed, up in found["feeds"].items()]
    logged_in = {None: "not tried (no key)", True: "yes", False: "no"}[found["authenticated"]]
    offset = found["clock_offset_ms"]
    return [
        *lines,
        f"logged in: {logged_in}",
        f"clock offset: {'not measured' if offset is None else f'{offset:+.1f} ms'}",
        f"instruments {found['instruments']}, tickers {found['tickers']}",
    ]


@click.command("send-quote")
@click.option("--instrument", help="ETH-20250530-3000-C or ETH-30MAY25-3000-C.")
@click.option("--side", type=click.Choice(["buy", "sell"]), required=True, help="The taker's.")
@click.option("--size", required=True, help="Units of the underlying.")
@click.option("--from-inventory", is_flag=True, help="Ask about every option that is held.")
@click.option("--measure-response-time", is_flag=True, help="Print how long the answer took.")
@click.option("--summary", is_flag=True, help="Counts and times instead of quotes.")
@click.option("--live", is_flag=True, help="Needed on network live: makers answer a real request.")
@click.option("--timeout", type=click.FloatRange(0.5, 60.0), default=10.0, show_default=True, help="Seconds.")
@flags.data_dir
@flags.config_files
@flags.as_json
def send_quote(
    instrument: str | None,
    side: str,
    size: str,
    from_inventory: bool,
    measure_response_time: bool,
    summary: bool,
    live: bool,
    timeout: float,
    data_dir: Path,
    config_files: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Ask the market for a price as a taker, and measure how long it takes. Nothing is accepted.

    Example: atomizer send-quote --instrument ETH-20250530-3000-C --side buy --size 1 --measure-response-time
    """
    from atomizer.runtime.settings import configured

    if bool(instrument) is from_inventory:
        raise click.UsageError("Give --instrument or --from-inventory, one of them.")
    try:
        amount = Decimal(size)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise click.UsageError(f"--size: expected a number above zero, found {size!r}.")
    settings = configured(config_files).settings
    if settings.network == "live" and not live:
        raise click.UsageError("On network live a request goes to real makers: pass --live.")
    names = [instrument] if instrument else _held(data_dir)
    if not names:
        raise click.UsageError("No option is held: nothing to ask about.")
    results = asyncio.run(_asked(settings, names, side, amount, timeout))
    if as_json:
        click.echo(msgspec.json.encode(_summary(results) if summary else results).decode())
    elif summary:
        for name, value in _summary(results).items():
            click.echo(f"{name}: {value}")
    else:
        for row in results:
            click.echo(_quote_line(row, timed=measure_response_time))
    sys.stdout.flush()
    failed = [row for row in results if row["failed"]]
    if failed and len(failed) == len(results):
        raise TransportError(str(failed[0]["failed"]))


def _held(data_dir: Path) -> list[str]:
    """Names of the options held, once each."""
    from atomizer.desk.fold import folded
    from atomizer.domain.instruments import Kind

    ledger = folded(data_dir)
    options = {
        ledger.instruments[holding.instrument].name
        for holding in ledger.position_sizes()
        if ledger.instruments[holding.instrument].kind is Kind.OPTION
    }
    return sorted(options)


async def _asked(
    settings: Any, names: list[str], side: str, amount: Decimal, timeout_s: float
) -> list[dict[str, Any]]:
    """Ask about every option at once; a row for each, with what came of it."""
    from atomizer.net.sockets import SocketTransport

    transport = SocketTransport()
    try:
        return list(
            await asyncio.gather(
                *(_one(transport, settings, name, side, amount, timeout_s) for name in names)
            )
        )
    finally:
        await transport.aclose()


async def _one(
    transport: Any, settings: Any, name: str, side: str, amount: Decimal, timeout_s: float
) -> dict[str, Any]:
    from atomizer.domain.names import InstrumentNameError
    from atomizer.runtime.by_hand import contract_of
    from atomizer.runtime.compose import ZERO_ADDRESS
    from atomizer.runtime.settings import rysk_url
    from atomizer.runtime.tokens import answered_assets
    from atomizer.venues.rysk.names import terms_of
    from atomizer.venues.rysk.taker import Ask, ask

    row: dict[str, Any] = {"market": "rysk", "instrument": name, "side": side, "size": str(amount)}
    row.update(dict.fromkeys(("price", "premium", "maker", "valid_until_s", "refused", "failed"), None))
    try:
        contract = contract_of(name)
        listed = contract.relisted(quote="USD", inverse=False)
        asset = next(one for one in answered_assets(settings) if one.underlying == contract.underlying)
        asked = Ask(
            asset=asset.address,
            chain_id=settings.rysk.chain_id,
            terms=terms_of(listed),
            quantity=amount,
            is_taker_buy=side == "buy",
            taker=settings.rysk.maker_address or ZERO_ADDRESS,
        )
        begun = time.perf_counter()
        answer = await ask(transport, rysk_url(settings), asked, timeout_s)
    except StopIteration:
        return {**row, "failed": f"{name}: no token of {contract.underlying} is configured"}
    except (TransportError, InstrumentNameError) as error:
        return {**row, "failed": str(error)}
    row["response_ms"] = (time.perf_counter() - begun) * 1e3
    if answer.price is None:
        return {**row, "refused": answer.refused}
    return {
        **row,
        "price": str(answer.price),
        "premium": str(answer.price * amount),
        "maker": answer.maker,
        "valid_until_s": answer.valid_until_s,
    }


def _summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    times = sorted(row["response_ms"] for row in results if row.get("response_ms") is not None)
    return {
        "asked": len(results),
        "quoted": sum(1 for row in results if row["price"] is not None),
        "refused": sum(1 for row in results if row["refused"]),
        "failed": sum(1 for row in results if row["failed"]),
        "response_ms": {
            "fastest": times[0] if times else None,
            "median": times[len(times) // 2] if times else None,
            "slowest": times[-1] if times else None,
        },
    }


def _quote_line(row: dict[str, Any], *, timed: bool) -> str:
    what = f"{row['market']} {row['side']} {row['size']} {row['instrument']}"
    took = f" in {row['response_ms']:.0f} ms" if timed and row.get("response_ms") is not None else ""
    if row["failed"]:
        return f"{what}: failed: {row['failed']}"
    if row["refused"]:
        return f"{what}: no quote ({row['refused']}){took}"
    return f"{what}: {row['price']} USD by {row['maker']}{took}"
