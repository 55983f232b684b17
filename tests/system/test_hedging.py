"""Hedging over simulated venues in virtual time: policies side by side, an outage, two venues."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from atomizer.analysis.session import of_journal
from atomizer.analysis.summary import summary
from atomizer.cli.demo import command
from atomizer.domain.commands import HedgeState, PlaceOrder
from atomizer.domain.orders import Purpose
from atomizer.net.virtual import DEFAULT_START_NS, VirtualClock, run_virtual
from atomizer.runtime.demo import DemoPlan, run_in_virtual_time
from atomizer.runtime.world import HOST, SECOND_PORT, World, WorldPlan

S = 1_000_000_000


@dataclass
class Seen:
    """What a session journalled that concerns hedging, with the naked texts of the halts."""

    hedges: list[tuple[float, PlaceOrder]] = field(default_factory=list)
    states: list[tuple[float, HedgeState]] = field(default_factory=list)
    naked: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    quotes_late: int = 0


@pytest.mark.system
def test_a_hedge_venue_goes_away_in_mid_session_and_comes_back() -> None:
    """Twenty seconds without the hedge venue: fallback, stop, alert, resume, zero differences."""
    seen = Seen()
    with tempfile.TemporaryDirectory(prefix="atomizer-test-") as name:
        directory = Path(name)

        async def main(clock: VirtualClock) -> None:
            world = World(WorldPlan(seed=3, start_ns=DEFAULT_START_NS, second=True), clock)
            settings = world.settings(directory)
            hedge = msgspec.structs.replace(settings.hedge, venue="deribit2", cross=True)
            settings = msgspec.structs.replace(settings, hedge=hedge)

            def told(records: Any) -> None:
                at = (clock.now_ns() - DEFAULT_START_NS) / S
                for record in records:
                    if isinstance(record, PlaceOrder) and record.purpose is Purpose.HEDGE:
                        seen.hedges.append((at, record))
                    elif isinstance(record, HedgeState):
                        seen.states.append((at, record))

            await world.open()
            node = world.node(settings, on_turn=told)
            running = asyncio.create_task(node.run())
            await asyncio.sleep(30.0)
            await world._servers[1].stop()
            await asyncio.sleep(20.0)
            seen.naked = dict(node.engine.halts.naked)
            quotes = node.engine.counters.quotes
            assert world.second is not None
            world._servers[1] = await world.network.serve(HOST, SECOND_PORT, world.second)
            await asyncio.sleep(40.0)
            seen.after = dict(node.engine.halts.naked)
            seen.quotes_late = node.engine.counters.quotes - quotes
            node.stop()
            await running
            await world.close()

        run_virtual(main, DEFAULT_START_NS)
        session = of_journal(directory)
    before = [order.venue for at, order in seen.hedges if at < 30.0]
    during = [order.venue for at, order in seen.hedges if 30.5 < at < 50.0]
    later = [order.venue for at, order in seen.hedges if at > 60.0]
    assert set(before) == {"deribit2"}
    assert set(during) <= {"deribit"}
    assert set(later) == {"deribit2"}
    assert "deribit2 is away" in seen.naked["ETH"]
    assert "USD naked" in seen.naked["ETH"]
    assert any(state.state == "failed" for at, state in seen.states if 30.0 < at < 50.0)
    assert not seen.after
    assert seen.quotes_late > 0
    assert sum(len(row["differences"]) for row in session.reconciliation()) == 0
    assert session.hedges_filled == session.hedges_sent


@pytest.mark.system
def test_every_policy_on_the_same_flow_in_one_table() -> None:
    done = CliRunner().invoke(command, ["--compare-hedges", "--duration", "45", "--seed", "2", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)
    assert list(rows) == [
        "none",
        "delta, fixed band",
        "delta, Whalley-Wilmott",
        "delta, post-only",
        "resale",
        "both",
        "cross-venue",
    ]
    assert {row["differences"] for row in rows.values()} == {0}
    assert {row["delta"] for row in rows.values()} == {"delta (premium-adjusted, coin)"}
    assert rows["none"]["hedges_sent"] == 0
    assert rows["none"]["cost_paid_usd"] == 0.0
    fixed, posted = rows["delta, fixed band"], rows["delta, post-only"]
    for name, row in rows.items():
        assert row["trades_won"] > 0, name
        assert abs(row["pnl"]["residual"]) <= row["pnl"]["residual_bound"], name
    assert fixed["time_weighted_delta"] < 0.05 * rows["none"]["time_weighted_delta"]
    assert rows["cross-venue"]["time_weighted_delta"] < 0.05 * rows["none"]["time_weighted_delta"]
    assert rows["delta, Whalley-Wilmott"]["turnover_usd"] <= fixed["turnover_usd"]
    assert posted["cost_paid_usd"] < fixed["cost_paid_usd"]
    assert posted["naked_usd_seconds"] > fixed["naked_usd_seconds"]
    assert rows["resale"]["options_resold"] + rows["both"]["options_resold"] > 0.0


@pytest.mark.system
@pytest.mark.parametrize(
    ("hedging", "underlyings", "used"),
    [
        ({"instruments": ("ETH_USDC",), "max_spread_bps": 50.0}, ("ETH",), "deribit:ETH_USDC"),
        ({"policy": "both"}, ("ETH", "BTC"), "deribit:BTC-PERPETUAL"),
    ],
    ids=["spot", "two-coins"],
)
def test_other_instruments_and_several_coins_add_up(
    hedging: dict[str, Any], underlyings: tuple[str, ...], used: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="atomizer-test-") as name:
        plan = DemoPlan(
            duration_s=45.0, seed=2, directory=Path(name), hedging=hedging, underlyings=underlyings
        )
        reports = run_in_virtual_time(plan)
        session = of_journal(plan.directory)
        result = summary(session, reports)
    assert abs(result["pnl"]["residual"]) <= result["pnl"]["residual_bound"]
    assert all(not row["differences"] for row in result["reconciliation"])
    assert result["naked_delta"]["time_weighted"] <= 0.02 * result["gross_delta_traded"]
    assert used in {row["instrument"] for row in result["positions"]}
