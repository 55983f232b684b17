"""`atomizer journal`: what a node wrote, read back and checked."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from atomizer.config import flags
from atomizer.storage import records
from atomizer.storage.journal import read, verify
from atomizer.storage.words import one_line, time_text


@click.group()
def command() -> None:
    """Show and verify the journal.

    Example: atomizer journal show --type fill --last 20
    """


@command.command()
@flags.data_dir
@click.option("--type", "tags", multiple=True, help="Only records of this type (fill, place, refused, ...).")
@click.option("--last", type=click.IntRange(min=1), help="Only the last N of them.")
@flags.as_json
def show(data_dir: Path, tags: tuple[str, ...], last: int | None, as_json: bool) -> None:
    """Print the records in order.

    Example: atomizer journal show --type refused --json
    """
    unknown = sorted(set(tags) - records.TAGS)
    if unknown:
        raise click.UsageError(f"No record type {unknown[0]!r}. They are: {', '.join(sorted(records.TAGS))}")
    lines: list[str] = []
    for record in read(data_dir):
        tag = records.tag_of(type(record.body))
        if tags and tag not in tags:
            continue
        if as_json:
            line = msgspec.json.encode(record).decode()
        else:
            line = f"{record.sequence:>8} {time_text(record.ts_ns)} {one_line(record.body)}"
        if last is None:
            click.echo(line)
        else:
            lines = [*lines[-last + 1 :], line] if last > 1 else [line]
    for line in lines:
        click.echo(line)


@command.command("verify")
@flags.data_dir
@flags.as_json
def verify_command(data_dir: Path, as_json: bool) -> None:
    """Check every line against its checksum and its neighbours; exit code 1 when damaged.

    Example: atomizer journal verify --data-dir data/sim
    """
    report = verify(data_dir)
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
        return
    click.echo(f"{report.records} records in {len(report.segments)} segments, undamaged")
    if report.records:
        click.echo(f"from {time_text(report.first_ns)} to {time_text(report.last_ns)}")
        click.echo("the last run ended cleanly" if report.clean_end else "the last run did not end cleanly")
    if report.in_reserve:
        click.echo(f"{report.in_reserve} of them still in the reserve: the disk was full")
    for note in report.notes:
        click.echo(note)
