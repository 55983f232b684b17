"""The demo adds up: hedged, reconciled, explained, the same twice."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from atomizer.analysis.session import of_journal
from atomizer.analysis.summary import summary
from atomizer.analysis.sweep import HEAD, line
from atomizer.domain.bookings import RfqTrade
from atomizer.domain.events import Operator
from atomizer.net.virtual import DEFAULT_START_NS
from atomizer.runtime.demo import DemoPlan, run_in_virtual_time
from atomizer.storage.journal import read
from tests.system.demo_runs import demo, faults, sweep_arms, unexplained

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CHAINS = [
    SHARED / "data/okx_option_chains/ETH_2025-09-08_exp_2025-09-12_okx_chain.csv",
    SHARED / "data/okx_option_chains/BTC_2025-09-08_exp_2025-09-26_okx_chain.csv",
]
HEDGED_SHARE = 0.4
EDGES = [0.0, 0.5, 1.0, 2.0, 4.0]


@pytest.mark.system
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_minute_of_the_demo_is_hedged_explained_and_reconciled(seed: int) -> None:
    result = demo(seed, 60.0)
    assert faults(result) == []
    assert result["rfqs_received"] > 10
    assert result["quotes_sent"] + sum(result["quotes_refused"].values()) == result["rfqs_received"]


@pytest.mark.system
def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (json.dumps(demo(5, 30.0)) for _ in range(2))
    assert first == second


@pytest.mark.system
@pytest.mark.needs_shared
@pytest.mark.parametrize("chain", CHAINS, ids=lambda path: path.name[:3])
def test_the_demo_runs_on_recorded_chains(chain: Path) -> None:
    if not chain.exists():
        pytest.skip("the reference data is not beside this checkout")
    result = demo(4, 60.0, chain=chain)
    assert faults(result) == []
    assert result["trades_won"] > 0


@pytest.mark.system
def test_a_quote_that_is_executed_while_the_node_stops_is_no_difference(tmp_path: Path) -> None:
    whole = DemoPlan(duration_s=60.0, seed=1, directory=tmp_path / "whole")
    run_in_virtual_time(whole)
    told = [item.ts_ns for item in read(whole.directory) if isinstance(item.body, RfqTrade)]
    late = 0
    for number, before_ms in enumerate((10, 20, 30, 40, 50)):
        # The same session, stopped while the venue executes one of our quotes.
        after_s = (told[-1] - DEFAULT_START_NS) / 1e9 - before_ms / 1e3
        stopped = replace(whole, duration_s=after_s, directory=tmp_path / f"stopped-{number}")
        reports = run_in_virtual_time(stopped)
        records = [item.body for item in read(stopped.directory)]
        stop = next(at for at, body in enumerate(records) if isinstance(body, Operator))
        late += any(isinstance(body, RfqTrade) for body in records[stop:])
        result = summary(of_journal(stopped.directory), reports)
        assert [row["differences"] for row in result["reconciliation"]] == [[], []]
        assert result["dead_letters"] == 0
    assert late > 0


@pytest.mark.system
def test_two_underlyings_are_answered_and_hedged_by_one_node() -> None:
    result = demo(3, 60.0, underlyings=("ETH", "BTC"))
    assert faults(result) == []
    traded = {position["instrument"].partition("-")[0] for position in result["positions"]}
    assert traded == {"rysk:ETH", "rysk:BTC", "deribit:ETH", "deribit:BTC"}
    for track in result["naked_delta"]["by_underlying"].values():
        assert abs(track["now"]) * 4000 < 5_000


@pytest.mark.system
def test_a_wider_edge_wins_less_on_the_same_flow() -> None:
    none, usual, wide = sweep_arms([0.0, 1.0, 4.0], seeds=range(1, 3), duration_s=60.0)
    assert none.won > wide.won
    assert none.win_rate >= usual.win_rate >= wide.win_rate
    assert none.differences == usual.differences == wide.differences == 0


@pytest.mark.prove
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("informed", [0.0, 0.3])
def test_the_price_wins_its_share_and_earns_what_it_charges(informed: float) -> None:
    """Twenty fresh seeds, the same for every edge. Money is net of what is still due, see docs/demo.md."""
    arms = sweep_arms(EDGES, seeds=range(1001, 1021), duration_s=300.0, informed=informed)
    print("\n".join([HEAD, *(line(arm) for arm in arms)]))
    rates = [arm.win_rate for arm in arms]
    assert rates == sorted(rates, reverse=True)
    none, usual = arms[0], arms[EDGES.index(1.0)]
    assert 0.05 <= usual.win_rate <= 0.60
    assert usual.net.mean > -2.0 * usual.net.error
    if informed:
        assert none.net.mean < -2.0 * none.net.error
    for arm in arms:
        assert arm.differences == 0
        assert abs(arm.surprise.mean) <= 2.0 * arm.surprise.error, arm
    assert abs(usual.hedge_bias.mean) <= max(2.0 * usual.hedge_bias.error, 0.01 * usual.hedge_charged.mean)


@pytest.mark.prove
@pytest.mark.timeout(1_800)
def test_hedging_removes_most_of_the_risk_over_twenty_seeds() -> None:
    hedged = [demo(seed, 300.0) for seed in range(1, 21)]
    bare = [demo(seed, 300.0, hedge=False) for seed in range(1, 21)]
    assert {seed: faults(result) for seed, result in enumerate(hedged, 1) if faults(result)} == {}
    with_hedge = statistics.stdev(unexplained(result) for result in hedged)
    without = statistics.stdev(unexplained(result) for result in bare)
    print(f"sd of (total - edge): hedged {with_hedge:.2f}, unhedged {without:.2f} USD")
    assert with_hedge <= HEDGED_SHARE * without
