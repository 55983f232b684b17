"""Captured chains: loading, forward, the quality of the fit on real quotes, export and plot."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from atomizer.analysis.chains import ChainError, load_chain
from atomizer.analysis.surface import (
    EXPORT_COLUMNS,
    MissingExtraError,
    export_csv,
    export_json,
    fit_chain,
    parity_forward,
    plot_fit,
)
from atomizer.models.black import black76_price
from atomizer.models.calibration import CrossedQuotesError, TooFewQuotesError
from atomizer.models.svi import RawSvi

CHAINS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "okx_option_chains"
HEADER = "underlying,expiry,strike,type,bid,ask,asof_utc,spot\n"
AS_OF = "2025-09-08 08:00:00+00:00"
SMILE = RawSvi(0.002, 0.03, -0.2, 0.0, 0.1)
FORWARD, YEARS = 3010.0, 10 / 365


def synthetic(path, *, spread=2e-4, strikes=range(2400, 3700, 50)):
    """A chain around a known smile and forward, coin prices."""
    lines = [HEADER]
    for strike in strikes:
        vol = np.sqrt(SMILE.variance(float(np.log(strike / FORWARD))) / YEARS)
        for flag in "CP":
            coin = black76_price(FORWARD, float(strike), YEARS, float(vol), 1.0, flag == "C") / FORWARD
            bid = "" if coin < spread else f"{coin - spread / 2:.10f}"
            lines.append(f"ETH,2025-09-18,{strike},{flag},{bid},{coin + spread / 2:.10f},{AS_OF},3000\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def chain_file(tmp_path):
    return synthetic(tmp_path / "eth.csv")


def real(name):
    path = CHAINS / name
    if not path.exists():
        pytest.skip(f"reference chain {name} is not beside the checkout")
    return load_chain(path)


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "forward", "atm", "quotes", "inside", "held_out"),
    [
        ("ETH_2025-09-08_exp_2025-09-12_okx_chain.csv", 4361.0, 0.620, 21, 0.90, 0.65),
        ("BTC_2025-09-08_exp_2025-09-26_okx_chain.csv", 111028.0, 0.361, 27, 0.75, 0.45),
        ("BTC_2025-09-08_okx_chain.csv", 111293.0, 0.288, 15, 0.90, 0.60),
    ],
)
def test_real_chain_is_fitted_inside_its_quotes(name, forward, atm, quotes, inside, held_out):
    one = fit_chain(real(name))
    assert one.fit.bands.forward == pytest.approx(forward, rel=2e-4)
    assert one.fit.bands.size == quotes
    assert one.fit.atm_vol == pytest.approx(atm, abs=0.005)
    assert one.atm_quote_vol == pytest.approx(atm, abs=0.005)
    assert one.fit.inside.mean() > inside
    assert one.held_out().mean() > held_out
    assert one.fit.butterfly_minimum >= 0.0
    assert one.fit.raw.within_lee


@pytest.mark.needs_shared
def test_real_chain_with_three_quotes_is_refused():
    with pytest.raises(TooFewQuotesError, match=r"too few quotes.*found 3"):
        fit_chain(real("BTC_2025-09-06_okx_chain.csv"))


def test_synthetic_chain_gives_forward_and_smile_back(chain_file):
    chain = load_chain(chain_file)
    assert chain.years == pytest.approx(YEARS, rel=1e-12)
    assert parity_forward(chain) == pytest.approx(FORWARD, rel=1e-6)
    one = fit_chain(chain)
    assert one.fit.inside.all()
    assert one.fit.atm_vol == pytest.approx(np.sqrt(SMILE.variance(0.0) / YEARS), abs=0.002)


def test_export_as_csv_and_json_agree(chain_file):
    one = fit_chain(load_chain(chain_file))
    rows = list(csv.DictReader(io.StringIO(export_csv([one]))))
    parsed = json.loads(export_json([one]))
    assert tuple(rows[0]) == EXPORT_COLUMNS
    assert len(rows) == len(parsed[0]["points"]) == one.fit.bands.size
    assert float(rows[3]["fit_vol"]) == parsed[0]["points"][3]["fit_vol"]
    assert parsed[0]["inside"] == 1.0


def test_plot_is_drawn(chain_file, tmp_path):
    target = tmp_path / "fit.png"
    plot_fit(fit_chain(load_chain(chain_file)), target)
    assert target.read_bytes().startswith(b"\x89PNG")


def test_plot_without_matplotlib_names_the_extra(chain_file, tmp_path, monkeypatch):
    one = fit_chain(load_chain(chain_file))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"atomizer\[analysis\]"):
        plot_fit(one, tmp_path / "fit.png")


def test_crossed_quote_is_refused(tmp_path):
    path = synthetic(tmp_path / "crossed.csv")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if ",3200,C," in line)
    fields = lines[at].split(",")
    fields[4], fields[5] = "0.9", "0.001"
    lines[at] = ",".join(fields)
    path.write_text("".join(lines), encoding="utf-8")
    with pytest.raises((CrossedQuotesError, ChainError), match="expected"):
        fit_chain(load_chain(path))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("strike,bid\n1,2\n", "missing"),
        (HEADER, "at least one option"),
        (HEADER + f"ETH,2025-09-18,3000,X,0.1,0.2,{AS_OF},3000\n", "type C or P"),
        (HEADER + f"ETH,2025-09-18,3000,C,much,0.2,{AS_OF},3000\n", "expected a number"),
        (HEADER + f"ETH,2025-09-18,3000,C,-0.1,0.2,{AS_OF},3000\n", "price >= 0"),
        (HEADER + f"ETH,someday,3000,C,0.1,0.2,{AS_OF},3000\n", "ISO date"),
        (HEADER + f"ETH,2025-09-08,3000,C,0.1,0.2,{AS_OF},3000\n", "expiry after the capture"),
        (
            HEADER
            + f"ETH,2025-09-18,3000,C,0.1,0.2,{AS_OF},3000\n"
            + f"ETH,2025-09-19,3000,C,0.1,0.2,{AS_OF},3000\n",
            "one expiry",
        ),
    ],
)
def test_files_that_are_no_chain_are_refused(tmp_path, text, complaint):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ChainError, match=complaint):
        load_chain(path)


def test_a_chain_without_a_pair_has_no_forward(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text(HEADER + f"ETH,2025-09-18,3000,C,0.1,0.2,{AS_OF},3000\n", encoding="utf-8")
    with pytest.raises(ChainError, match="two-sided"):
        parity_forward(load_chain(path))


def test_bounds_that_exclude_each_other_are_refused(tmp_path):
    path = tmp_path / "stale.csv"
    rows = [
        f"ETH,2025-09-18,{k},{t},{p:.4f},{p + 0.001:.4f},{AS_OF},3000\n"
        for k, t, p in ((2900, "C", 0.06), (2900, "P", 0.02), (3100, "C", 0.09), (3100, "P", 0.01))
    ]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    with pytest.raises(ChainError, match="parity bounds"):
        parity_forward(load_chain(path))
