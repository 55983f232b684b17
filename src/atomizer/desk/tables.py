"""Rows for people and programs: a table, CSV or JSON of the same dictionaries."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import click
import msgspec

FORMATS = ("table", "csv", "json")


def written(rows: Sequence[dict[str, Any]], columns: Sequence[str], form: str) -> str:
    """The rows in one of `FORMATS`; JSON holds every field, the others these columns."""
    if form == "json":
        return msgspec.json.encode(rows).decode()
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_plain(row.get(name)) for name in columns] for row in rows)
        return out.getvalue().rstrip("\n")
    cells = [list(columns), *([_shown(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(line.rstrip() for line in lines)


def tree(value: Any, indent: str = "") -> list[str]:
    """Nested values as indented lines."""
    lines: list[str] = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{indent}{key}:", *tree(item, indent + "  ")]
        elif isinstance(item, list) and item:
            lines.append(f"{indent}{key}:")
            lines += [f"{indent}  {' '.join(f'{k}={_shown(v)}' for k, v in one.items())}" for one in item]
        else:
            lines.append(f"{indent}{key}: {_shown(item)}")
    return lines


def say(text: str) -> None:
    if text:
        click.echo(text)


def _plain(value: Any) -> Any:
    return "" if value is None else value


def _shown(value: Any) -> str:
    if value is None or value in ({}, []):
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
