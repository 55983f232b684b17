"""Command line options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DATA_DIR = Path("data") / "sim"


def data_dir(command: Command) -> Command:
    """`--data-dir`: where journal, tape and socket of one network lie."""
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_DATA_DIR,
        show_default=True,
        envvar="ATOMIZER_DATA_DIR",
        help="Directory of the node: journal, tape, control socket.",
    )(command)


def config_files(command: Command) -> Command:
    """`--config`, repeatable; later files win."""
    return click.option(
        "--config",
        "config_files",
        type=click.Path(dir_okay=False, path_type=Path),
        multiple=True,
        help="Configuration file (YAML, or INI for a process role); repeatable, later ones win.",
    )(command)


def as_json(command: Command) -> Command:
    """`--json`: data for programs on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def logging(command: Command) -> Command:
    """`--debug`, `--verbose`, `--log-level`: how much is said; see `telemetry.logs.level_of`."""
    for option in (
        click.option("--debug", is_flag=True, help="Same as --log-level debug."),
        click.option("--verbose", is_flag=True, help="Same as --log-level info."),
        click.option(
            "--log-level",
            type=click.Choice(["trace", "debug", "info", "warning", "error"]),
            help="How much is logged. [default: warning on a terminal, info otherwise]",
        ),
    ):
        command = option(command)
    return command
