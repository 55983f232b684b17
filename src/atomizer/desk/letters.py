"""Dead letters: what could not be done and waits for a person."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from atomizer.config import flags
from atomizer.desk.saying import say
from atomizer.runtime.words import Request
from atomizer.storage.words import time_text

OPEN = ("open", "retrying")


@click.group("dead-letters")
def group() -> None:
    """List, retry or discard what could not be done.

    Example: atomizer dead-letters list
    """


@group.command("list")
@click.option("--all", "everything", is_flag=True, help="Discarded and resolved ones as well.")
@flags.data_dir
@flags.as_json
def show(everything: bool, data_dir: Path, as_json: bool) -> None:
    """List them, from the journal: it needs no running node.

    Example: atomizer dead-letters list --all --json
    """
    from atomizer.desk.fold import folded

    letters = [
        item for item in folded(data_dir).dead_letters.values() if everything or str(item.state) in OPEN
    ]
    if as_json:
        click.echo(msgspec.json.encode(letters).decode())
        return
    if not letters:
        click.echo("no dead letters")
    for item in letters:
        by = f" by {item.by}" if item.by else ""
        click.echo(f"{item.letter_id} {item.state}{by} {item.kind} {item.subject} (attempt {item.attempts})")
        click.echo(f"    since {time_text(item.since_ns)}: {item.text}")


@group.command()
@click.argument("letter_id", metavar="ID")
@flags.data_dir
@flags.as_json
def retry(letter_id: str, data_dir: Path, as_json: bool) -> None:
    """Try again what the letter is about: the hedge, the request, the reading of the account.

    Example: atomizer dead-letters retry dl-3
    """
    say(data_dir, Request(word="retry", scope=letter_id), as_json=as_json)


@group.command()
@click.argument("letter_id", metavar="ID")
@flags.data_dir
@flags.as_json
def discard(letter_id: str, data_dir: Path, as_json: bool) -> None:
    """End a letter's retries and its alert. No position and no exposure changes.

    Example: atomizer dead-letters discard dl-3
    """
    say(data_dir, Request(word="discard", scope=letter_id), as_json=as_json)
