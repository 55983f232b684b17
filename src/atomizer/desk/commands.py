"""The desk's commands: status, explain, kill, and the desk as a process."""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from atomizer.config import flags
from atomizer.desk.errors import KillError, SweepError
from atomizer.desk.kill import FLATTEN, KillReport
from atomizer.desk.kill import kill as do_kill
from atomizer.desk.signatures import LiveSignatures
from atomizer.desk.status import status as read_status
from atomizer.desk.sweepers import SWEEPERS
from atomizer.net.transport import Transport
from atomizer.storage.words import second_text

if TYPE_CHECKING:
    from atomizer.desk.server import DeskServer

_CONFIRMATION = "flatten"


@click.command()
@flags.data_dir
@flags.as_json
def status(data_dir: Path, as_json: bool) -> None:
    """Show how the node stands: in its own words, or from the journal when it does not answer.

    Example: atomizer status --json
    """
    found = read_status(data_dir)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for line in _tree(found):
        click.echo(line)


def _tree(value: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield f"{indent}{key}:"
            yield from _tree(item, indent + "  ")
        elif isinstance(item, list) and item:
            yield f"{indent}{key}:"
            for entry in item:
                yield f"{indent}  - {entry}"
        else:
            yield f"{indent}{key}: {item}"


@click.command()
@click.argument("subject", metavar="ID")
@flags.data_dir
@flags.as_json
def explain(subject: str, data_dir: Path, as_json: bool) -> None:
    """Tell everything about an RFQ id, quote nonce, order id or label, trade id or refused subject.

    Example: atomizer explain rfq-17 --data-dir data/sim
    """
    from atomizer.desk import explain as explaining  # brings kernels, which the kill switch must not wait for

    found = explaining.explain(data_dir, subject)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for line in explaining.text(found):
        click.echo(line)


@click.command()
@click.option(
    "--level",
    type=click.IntRange(1, FLATTEN),
    default=2,
    show_default=True,
    help="1 pull quotes, 2 no new risk, 3 cancel everything and end the node, 4 flatten.",
)
@click.option("--yes", is_flag=True, help="Do not ask for the typed confirmation of level 4.")
@flags.data_dir
@flags.config_files
@flags.as_json
def kill(level: int, yes: bool, data_dir: Path, config_files: tuple[Path, ...], as_json: bool) -> None:
    """Stop trading. A node that does not answer within 2 s is ended and its orders are cancelled from here.

    Live signatures cannot be killed: they are listed with what they could cost and when the last one dies.

    Example: atomizer kill --level 3
    """
    if level == FLATTEN and not yes:
        _confirm()
    report = do_kill(
        data_dir,
        level,
        venues=lambda: _venues(config_files),
        transport=_sockets,
        prepare=_prepare,
    )
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        for line in _report(report):
            click.echo(line)
    _check(report)


# What the steps after the first word need. It takes seconds to load, so nothing here imports it at the top.
_HEAVY = ("atomizer.desk.fold", "atomizer.net.sockets", "atomizer.runtime.settings")


def _prepare() -> None:
    for name in (*_HEAVY, *(target.partition(":")[0] for target in SWEEPERS.values())):
        importlib.import_module(name)


def _venues(config_files: tuple[Path, ...]) -> Mapping[str, Any]:
    from atomizer.runtime.settings import configured, order_venues

    return order_venues(configured(config_files).settings)


def _sockets() -> Transport:
    from atomizer.net.sockets import SocketTransport

    return SocketTransport()


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("Level 4 needs a typed confirmation; without a terminal pass --yes.")
    typed = click.prompt(f"Level 4 closes futures and perpetuals at market. Type {_CONFIRMATION!r} to go on")
    if typed != _CONFIRMATION:
        raise click.Abort


def _check(report: KillReport) -> None:
    """Anything left for a person to do is a failure of the command."""
    problems = "\n".join(report.problems)
    if report.sweep_failed:
        raise SweepError(problems)
    if report.live is None or not (report.acknowledged or report.swept):
        raise KillError(problems)


def _report(report: KillReport) -> Iterator[str]:
    heard = "acknowledged by the node" if report.acknowledged else "not acknowledged"
    yield f"kill level {report.level}: {heard}"
    if report.killed_pid is not None:
        yield f"node process {report.killed_pid} ended"
    for sweep in report.swept:
        if not sweep.error:
            yield f"{sweep.venue}: {len(sweep.cancelled)} of our orders cancelled, none left open"
    for holding, size in report.positions.items():
        yield f"position {holding}: {size}"
    if report.live is not None:
        yield from _live(report.live)


def _live(live: LiveSignatures) -> Iterator[str]:
    if not live.signatures:
        yield "no live signatures"
        return
    for item in live.signatures:
        yield (
            f"live signature {item.venue} nonce {item.nonce}: {item.side} {_short(item.size)}"
            f" {item.instrument} at {_short(item.price)}, dies {second_text(item.dies_s)}"
        )
    for underlying, worst in live.worst_case.items():
        yield (
            f"worst case {underlying}: bought {_short(worst.bought)}, sold {_short(worst.sold)}, delta"
            f" {worst.delta_down:+.4f} to {worst.delta_up:+.4f}"
        )
    for token, premium in live.premium_to_pay.items():
        yield f"premium to pay at worst: {_short(premium)} of {token}"
    yield f"the last of {len(live.signatures)} dies {second_text(live.last_dies_s)}"


def _short(value: Decimal) -> str:
    """All digits that say something: no zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@click.command("desk")
@flags.data_dir
@flags.config_files
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Loopback port; 0 takes a free one. [default: arbitrage.sources.manual.api_port]",
)
def serve(data_dir: Path, config_files: tuple[Path, ...], port: int | None) -> None:
    """Serve status, explain, manual trades and the kill switch on the loopback address.

    GET /status, /explain/ID, /trades; POST /kill, /trades/record, /trades/execute.

    When ready it prints one JSON line with the address and the file that holds the token.

    Example: atomizer desk --port 8642
    """
    from atomizer.desk.server import TOKEN_NAME, DeskServer  # the switch must not wait for a web server

    server = DeskServer(
        data_dir,
        venues=lambda: _venues(config_files),
        transport=_sockets,
    )
    asyncio.run(_serve(server, data_dir / TOKEN_NAME, _port(config_files) if port is None else port))


def _port(config_files: tuple[Path, ...]) -> int:
    """The configured port. A configuration that cannot be used is no reason not to have a kill switch."""
    from atomizer.config.errors import ConfigError
    from atomizer.runtime.settings import read as read_settings

    try:
        return read_settings(config_files).settings.arbitrage.sources.manual.api_port
    except ConfigError:
        return 0


async def _serve(server: DeskServer, token_file: Path, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    taken = await server.start(port)
    ready = {"desk": f"http://127.0.0.1:{taken}", "token_file": str(token_file)}
    click.echo(msgspec.json.encode(ready).decode())
    sys.stdout.flush()
    await stop.wait()
    await server.stop()
