from __future__ import annotations

import json
import subprocess
import sys

from click.testing import CliRunner

from atomizer.cli.models import command


def test_as2008_prints_ours_beside_the_published_rows() -> None:
    result = CliRunner().invoke(command, ["as2008", "--paths", "1000"])
    assert result.exit_code == 0, result.output
    assert "65.0" in result.output
    assert result.output.count("inventory") == 3
    assert result.output.count("symmetric") == 3


def test_as2008_as_json_is_close_to_the_paper() -> None:
    result = CliRunner().invoke(command, ["as2008", "--paths", "2000", "--json"])
    rows = json.loads(result.output)
    assert len(rows) == 6
    assert all(row["difference_in_standard_errors"] < 4.0 for row in rows)
    assert all(
        abs(row["ours"]["average_spread"] - row["published"]["average_spread"]) < 0.015 for row in rows
    )


def test_too_few_paths_are_a_usage_error() -> None:
    assert CliRunner().invoke(command, ["as2008", "--paths", "1"]).exit_code == 2


def test_help_loads_no_numerics() -> None:
    probe = "import sys, atomizer.cli.models; sys.exit(bool({'numpy', 'numba'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
