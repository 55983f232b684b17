"""`atomizer config`: what is set, by whom, and whether it can be used."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from atomizer.config import flags
from atomizer.config.errors import ConfigError
from atomizer.runtime.settings import Settings, check, configured, read, resting


@click.group()
def command() -> None:
    """Show and check the configuration.

    Flags are over the environment, the environment over files, files over defaults; for limits the tightest
    counts.

    Example: atomizer config show --origin
    """


@command.command()
@flags.config_files
@click.option("--origin", is_flag=True, help="Show where each value is from.")
@flags.as_json
def show(config_files: tuple[Path, ...], origin: bool, as_json: bool) -> None:
    """Print every setting; secrets are hidden. What keeps it from running is said on stderr.

    Example: atomizer config show --config config.yaml --origin
    """
    loaded = read(config_files)
    _say_faults(loaded.settings)
    rows = loaded.rows()
    if as_json:
        shown = (
            {row.key: {"value": row.value, "origin": row.origin} for row in rows}
            if origin
            else {row.key: row.value for row in rows}
        )
        click.echo(msgspec.json.encode(shown).decode())
        return
    width = max(len(row.key) for row in rows)
    for row in rows:
        value = msgspec.json.encode(row.value).decode()
        click.echo(
            f"{row.key:<{width}}  {value:<28}  {row.origin}" if origin else f"{row.key:<{width}}  {value}"
        )


@command.command("check")
@flags.config_files
@click.option("--live", is_flag=True, help="Check as for a live run: the environment may not loosen limits.")
def check_command(config_files: tuple[Path, ...], live: bool) -> None:
    """Check the configuration; exit code 3 lists every fault.

    Example: atomizer config check --config config.yaml
    """
    loaded = configured(config_files, live=live)
    for line in (*loaded.overrides(), *loaded.notes, *resting(loaded)):
        click.echo(line, err=True)
    click.echo("the configuration is valid")


def _say_faults(settings: Settings) -> None:
    try:
        check(settings)
    except ConfigError as error:
        for fault in error.faults:
            click.echo(f"does not run as it stands: {fault}", err=True)
