"""The inventory agrees with the engine's own numbers and names its delta."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from atomizer.desk.fold import folded
from atomizer.desk.inventory import ADJUSTED, BLACK, inventory, last_marks, of_node, read
from atomizer.desk.looking import inventory as command
from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill
from atomizer.domain.instruments import Instrument, Side
from atomizer.runtime import views
from atomizer.runtime.demo import DemoPlan, run_in_virtual_time
from tests.engine.rfq_desk import NEAR_S, RfqDesk, option


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("held")
    run_in_virtual_time(DemoPlan(duration_s=60.0, seed=4, directory=directory))
    return directory


def staked() -> Instrument:
    """A call on a token that is worth 1.2 coins."""
    plain = option("manual", 4800.0, NEAR_S, is_call=True)
    return msgspec.structs.replace(plain, key="manual:STAKED", per_token=Decimal("1.2"))


def test_greeks_and_net_delta_are_the_engines_own() -> None:
    desk = RfqDesk()
    desk.win(desk.quote(strike=4300.0))
    desk.win(desk.quote(strike=3800.0, is_call=False, taker_buys=True, size="3"))
    desk.feed(
        ev.InstrumentListed(staked()),
        Fill(
            venue="manual",
            account="manual",
            instrument=staked().key,
            trade_id="hand-1",
            side=Side.BUY,
            price=Decimal(90),
            size=Decimal(2),
            recorded=True,
            ts_ns=desk.now_ns,
        ),
    )
    desk.refresh(0.3)
    engine = desk.engine
    found = inventory(engine.ledger, of_node(views.inventory(engine)))
    for row in found["positions"]:
        unit = engine.exposure.unit(engine.ledger.instruments[row["instrument"]], engine.now_ns)
        size = float(row["size"])
        assert row["delta"] == pytest.approx(unit.delta * size, rel=1e-12)
        assert row["gamma_1pct"] == pytest.approx(unit.gamma * size, rel=1e-12)
        assert row["vega_usd"] == pytest.approx(unit.vega * size, rel=1e-12)
    sums = found["underlyings"]["ETH"]
    assert sums["net_delta"] == pytest.approx(sum(row["delta"] for row in found["positions"]), rel=1e-12)


def test_without_a_node_the_last_marks_count(played: Path) -> None:
    found, ledger = read(played), folded(played)
    assert {row["instrument"] for row in found["positions"]} == {
        holding.instrument for holding in ledger.position_sizes()
    }
    assert found["underlyings"]["ETH"]["delta_kind"] == BLACK
    assert found["valued_by"] == "the last marks in the journal"
    assert ledger.marks is not None
    assert found["underlyings"]["ETH"]["net_delta"] == ledger.marks.naked["ETH"][0]


def test_an_option_that_settles_in_coins_has_the_premium_adjusted_delta(played: Path) -> None:
    ledger = folded(played)
    prices = last_marks(ledger)
    holding, size = next(
        (key, size)
        for key, size in ledger.position_sizes().items()
        if ledger.instruments[key.instrument].strike is not None
    )
    plain = inventory(ledger, prices)
    row = next(row for row in plain["positions"] if row["instrument"] == holding.instrument)
    old = ledger.instruments[holding.instrument]
    valued = prices.instruments[old.key]
    ledger.instruments[old.key] = msgspec.structs.replace(old, inverse=True, settlement="ETH")
    ledger.run = msgspec.structs.replace(
        ledger.run, settings={"rysk": {"account": holding.account, "numeraire": "coin"}}
    )
    adjusted = next(
        row for row in inventory(ledger, prices)["positions"] if row["instrument"] == holding.instrument
    )
    assert (row["delta_kind"], adjusted["delta_kind"]) == (BLACK, ADJUSTED)
    premium = valued.mark / valued.forward
    ratio = valued.forward / prices.rates["ETH"]
    expected = row["delta"] / ratio - float(size) * premium
    assert adjusted["delta"] == pytest.approx(expected, rel=1e-9)


def test_unrealised_is_value_less_entry(played: Path) -> None:
    for row in read(played)["positions"]:
        if row["entry"] is not None and row["value_usd"]:
            size = float(Decimal(row["size"]))
            assert row["unrealised_usd"] == pytest.approx(row["value_usd"] - size * row["entry"], rel=1e-9)


def test_the_forms_say_the_same(played: Path) -> None:
    runner = CliRunner()
    lines = runner.invoke(command, ["--data-dir", str(played), "--format", "csv"]).output
    rows = list(csv.DictReader(io.StringIO(lines)))
    assert {row["instrument"] for row in rows} == {row["instrument"] for row in read(played)["positions"]}
    summary = runner.invoke(command, ["--data-dir", str(played), "--summary"]).output
    assert "net delta" in summary
    assert "(Black)" in summary
    assert "rysk:" not in summary


def test_a_directory_without_marks_says_so(tmp_path: Path, story: Path) -> None:
    found = read(story)
    assert found["valued_by"].startswith("nothing")
    assert all(row["mark"] is None for row in found["positions"])
