"""Saying a word to the node from the command line: one request, one printed answer, one exit code."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import click
import msgspec

from atomizer.runtime.control import RefusedError, ask
from atomizer.runtime.words import Request


def say(data_dir: Path, request: Request, *, as_json: bool, timeout_s: float = 5.0) -> dict[str, Any]:
    """Say it and print what was done; with `--json` a refusal is printed as data as well.

    Raises:
        ControlError: no answer.
        RefusedError: the node did not do it.
    """
    try:
        answer = ask(data_dir, request, timeout_s=timeout_s)
    except RefusedError as error:
        if as_json:
            click.echo(msgspec.json.encode(error.answer).decode())
        raise
    if as_json:
        click.echo(msgspec.json.encode(answer).decode())
    else:
        click.echo(str(answer.get("done", "done")))
        for flag in answer.get("flags", []):
            click.echo(f"note: {flag}")
    return answer


def new_id(prefix: str) -> str:
    """A request id of our own where the user gave none."""
    return f"{prefix}-{secrets.token_hex(4)}"


def spell(text: str) -> float:
    """Seconds from `90`, `30s`, `10m`, `2h` or `1d`.

    Raises:
        click.BadParameter: another form.
    """
    from atomizer.config.schema import Seconds

    try:
        return float(Seconds.parse(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
