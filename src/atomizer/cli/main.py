"""The one program: a table of commands, loaded when called, and one place where errors become exit codes.

`atomizer --help` prints the table and imports nothing of the commands.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import click

from atomizer import __version__
from atomizer.cli.exits import Exit, code_of, single_errors


class Entry(NamedTuple):
    """Where a command lives (`module:attribute`) and its one line of help."""

    target: str
    help: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("atomizer.cli.demo:command", "Answer RFQs on simulated venues and hedge what is won."),
    "sim": Entry("atomizer.cli.sim:command", "Run one simulated venue on a local port."),
    "rfq-responder": Entry("atomizer.cli.responder:command", "Price, sign, send and hedge RFQ quotes."),
    "status": Entry("atomizer.desk.commands:status", "Show how the node stands, alive or dead."),
    "explain": Entry("atomizer.desk.commands:explain", "Tell why a quote, order or refusal came out so."),
    "inventory": Entry("atomizer.desk.looking:inventory", "Positions, greeks, value and P&L."),
    "markets": Entry("atomizer.desk.looking:markets", "Touch, marks, vols and how fresh the feeds are."),
    "send-quote": Entry("atomizer.cli.venues:send_quote", "Ask the market for a price as a taker."),
    "test-connection": Entry("atomizer.cli.venues:test_connection", "Connect, log in, measure the clock."),
    "ledger": Entry("atomizer.desk.ledger_commands:group", "The RFQ ledger and the hedge report."),
    "kill": Entry("atomizer.desk.commands:kill", "Stop trading, at one of four levels."),
    "pause": Entry("atomizer.desk.controls:pause", "Stop quoting an underlying, a venue or a taker."),
    "resume": Entry("atomizer.desk.controls:resume", "Let a node trade again after a kill or a pause."),
    "widen": Entry("atomizer.desk.controls:widen", "Multiply the edge of a running node."),
    "one-sided": Entry("atomizer.desk.controls:one_sided", "Quote one side only."),
    "vol": Entry("atomizer.desk.controls:vol", "Override a vol by hand."),
    "control": Entry("atomizer.desk.controls:control", "Say any word of the node's closed list."),
    "reconcile": Entry("atomizer.desk.controls:reconcile", "Read the accounts and show differences."),
    "manual-order": Entry("atomizer.desk.manual:order", "Place a single order by hand."),
    "manual-trade": Entry("atomizer.desk.manual:group", "Record a trade done elsewhere, or ask for one."),
    "dead-letters": Entry("atomizer.desk.letters:group", "List, retry or discard what could not be done."),
    "desk": Entry("atomizer.desk.commands:serve", "Serve status, explain and kill on a local port."),
    "config": Entry("atomizer.cli.config:command", "Show and check the configuration."),
    "journal": Entry("atomizer.cli.journal:command", "Show and verify the journal."),
    "models": Entry("atomizer.cli.models:command", "Show the models beside their published numbers."),
    "analyze": Entry("atomizer.cli.analyze:command", "Study markets and trades."),
}

EPILOG = """Exit codes: 0 ok, 1 failure, 2 usage, 3 invalid configuration, 4 venue or network,
5 refused by risk, 130 interrupted.

Example: atomizer demo --duration 60 --seed 1"""


class CommandMissingError(Exception):
    """A command of the table has no module: the installation is not whole."""


class LazyGroup(click.Group):
    """Knows names and help of its commands from the table; imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else load(cmd_name, entry)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"No such command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def load(name: str, entry: Entry) -> click.Command:
    """Import a command.

    Raises:
        CommandMissingError: its module does not exist. Errors inside an existing module pass through.
    """
    module_name, attribute = entry.target.split(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise CommandMissingError(
            f"{name}: expected the module {module_name}, found none; the installation"
            " is not whole: install again"
        ) from None
    command = getattr(module, attribute)
    if not isinstance(command, click.Command):
        raise CommandMissingError(
            f"{name}: expected a command at {entry.target}, found {type(command).__name__}"
        )
    return command


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="atomizer", message="%(prog)s %(version)s")
def program() -> None:
    """Derivatives market making, RFQ response and hedging on crypto venues."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Only a fault in the program itself raises."""
    try:
        result = program.main(
            args=None if arguments is None else list(arguments), prog_name="atomizer", standalone_mode=False
        )
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _interrupted()
    except BrokenPipeError:
        # The reader of our output has gone (`atomizer journal show | head`); nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILURE
    except BaseExceptionGroup as group:
        return _ended(group)
    except Exception as error:  # noqa: BLE001  (sorted into ours, told, and the program's own, raised)
        return _ended(error)
    return int(result) if isinstance(result, int) else Exit.OK


def _ended(error: BaseException) -> int:
    """Tell our own errors without a traceback; raise everything else again."""
    errors = list(single_errors(error))
    codes = [code_of(inner) for inner in errors]
    if any(isinstance(inner, KeyboardInterrupt) for inner in errors):
        return _interrupted()
    for inner, code in zip(errors, codes, strict=True):
        if code is None:
            raise error
        for line in str(inner).splitlines() or [type(inner).__name__]:
            click.echo(f"atomizer: {line}", err=True)
    return int(codes[0] or Exit.FAILURE)


def _interrupted() -> int:
    click.echo("atomizer: interrupted", err=True)
    return Exit.INTERRUPTED


def main() -> NoReturn:
    sys.exit(run())


if __name__ == "__main__":
    main()
