"""`python -m atomizer.testing.vectors FILE...`: a line per kind, exit 1 on any failure."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from atomizer.testing.vectors.runner import UnknownSchemaError, check_file

SHOWN_PROBLEMS = 20


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m atomizer.testing.vectors",
        description="Check golden-number files against the package.",
        epilog="exit codes: 0 all cases agree, 1 a case fails or its kind is unknown, 2 unreadable file",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--slow", action="store_true", help="run the simulation sections as well")
    arguments = parser.parse_args(argv)
    failed = 0
    for path in arguments.files:
        counts: dict[str, list[int]] = {}
        shown = 0
        try:
            for result in check_file(path, slow=arguments.slow):
                counts.setdefault(result.kind, [0, 0])[not result.ok] += 1
                if not result.ok and shown < SHOWN_PROBLEMS:
                    shown += 1
                    print(f"  {result.kind} {result.case}: {result.problem}", file=sys.stderr)
        except (OSError, json.JSONDecodeError, UnknownSchemaError) as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 2
        print(path.name)
        for kind, (right, wrong) in counts.items():
            failed += wrong
            print(f"{kind}: {right} ok, {wrong} failed")
        if not counts:
            print(f"{path.name}: no case found", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
