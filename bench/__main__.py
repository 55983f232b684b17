"""Finds the benches, runs those asked for, prints one table and keeps each result as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
TARGET = re.compile(r"([<>]=?) ([0-9.]+)(?: ([A-Za-z/]+))?")
HEADINGS = ("bench", "ours", "peer", "ratio", "target", "")


def names() -> list[str]:
    """Modules of this package that can be run, in a fixed order."""
    found = sorted(
        item.name for item in pkgutil.iter_modules([str(HERE)]) if not item.ispkg and item.name[0] != "_"
    )
    return [name for name in found if "def run(" in (HERE / f"{name}.py").read_text()]


def verdict(row: dict[str, Any]) -> str:
    """`ok` or `MISSED`, empty where nothing is judged.

    A target with a unit (`< 100 us`) is about our own figure, one without (`<= 0.25`) about the ratio.
    """
    stated = TARGET.match(row["target"])
    if stated is None:
        return ""
    sign, limit, unit = stated[1], float(stated[2]), stated[3]
    value = row["ours"] if unit or row["ratio"] is None else row["ratio"]
    kept = value <= limit if sign[0] == "<" else value >= limit
    return "ok" if kept else "MISSED"


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """One row of the table, as text."""

    def number(value: float | None, unit: str = "") -> str:
        return "" if value is None else f"{value:,.4g} {unit}".rstrip()

    ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}x"
    return (
        row["name"],
        number(row["ours"], row["unit"]),
        number(row["peer"], row["unit"]),
        ratio,
        row["target"],
        verdict(row),
    )


def show(rows: list[dict[str, Any]]) -> None:
    table = [HEADINGS, *map(cells, rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADINGS))]
    for line in table:
        first, *rest = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join([first, *rest]).rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"benches to run, all when none is named: {names()}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, wider noise")
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON list")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(names()))
    if unknown:
        parser.error(f"expected some of {names()}, found {unknown}")
    RESULTS.mkdir(exist_ok=True)
    rows: list[dict[str, Any]] = []
    for name in chosen.names or names():
        print(f"running {name}", file=sys.stderr, flush=True)
        found = importlib.import_module(f"bench.{name}").run(chosen.quick)
        (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1, default=float) + "\n")
        rows += found
    if chosen.json:
        print(json.dumps(rows, default=float))
    else:
        show(rows)
    return int(chosen.strict and any(verdict(row) == "MISSED" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
