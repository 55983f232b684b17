"""`atomizer analyze`: output, exit codes, usage errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from atomizer.analysis.chains import ChainError
from atomizer.cli.analyze import command
from atomizer.models.black import black76_price


@pytest.fixture
def chain_file(tmp_path):
    rows = ["underlying,expiry,strike,type,bid,ask,asof_utc,spot\n"]
    tail = "2025-09-08 08:00:00,3000\n"
    for strike in np.arange(2500.0, 3600.0, 100.0):
        for flag in "CP":
            coin = black76_price(3000.0, float(strike), 10 / 365, 0.6, 1.0, flag == "C") / 3000.0
            rows.append(f"ETH,2025-09-18,{strike},{flag},{coin * 0.99:.8f},{coin * 1.01:.8f},{tail}")
    path = tmp_path / "eth.csv"
    path.write_text("".join(rows), encoding="utf-8")
    return str(path)


def run(*arguments):
    return CliRunner().invoke(command, arguments)


def test_surface_prints_the_fit_and_draws_it(chain_file, tmp_path):
    plot = tmp_path / "fit.svg"
    result = run("surface", "--chain", chain_file, "--plot", str(plot))
    assert result.exit_code == 0, result.output
    assert "inside bid-ask" in result.output
    assert plot.read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_surface_as_json(chain_file):
    summary = json.loads(run("surface", "--chain", chain_file, "--json").output)
    assert summary["atm_vol"] == pytest.approx(0.6, abs=0.005)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_export_surface(chain_file, form):
    result = run("--export-surface", "--chain", chain_file, "--format", form, "--underlying", "eth")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("underlying," if form == "csv" else "[")


def test_export_of_nothing_is_an_error(chain_file):
    result = run("--export-surface", "--chain", chain_file, "--expiry", "20991231")
    assert isinstance(result.exception, ChainError)


@pytest.mark.parametrize(
    "arguments", [(), ("--export-surface",), ("--export-surface", "surface", "--chain", "nowhere.csv")]
)
def test_usage_errors(arguments):
    assert run(*arguments).exit_code == 2
