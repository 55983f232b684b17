"""The demo adds up: hedged, reconciled, explained, the same twice."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from tests.system.demo_runs import demo, faults, unexplained

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CHAINS = [
    SHARED / "data/okx_option_chains/ETH_2025-09-08_exp_2025-09-12_okx_chain.csv",
    SHARED / "data/okx_option_chains/BTC_2025-09-08_exp_2025-09-26_okx_chain.csv",
]
HEDGED_SHARE = 0.4


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


@pytest.mark.prove
def test_hedging_removes_most_of_the_risk_over_twenty_seeds() -> None:
    hedged = [demo(seed, 300.0) for seed in range(1, 21)]
    bare = [demo(seed, 300.0, hedge=False) for seed in range(1, 21)]
    assert {seed: faults(result) for seed, result in enumerate(hedged, 1) if faults(result)} == {}
    with_hedge = statistics.stdev(unexplained(result) for result in hedged)
    without = statistics.stdev(unexplained(result) for result in bare)
    print(f"sd of (total - edge): hedged {with_hedge:.2f}, unhedged {without:.2f} USD")
    assert with_hedge <= HEDGED_SHARE * without
