"""Killed in every state a trade or a dead letter can be in, with a person at the desk: nothing is lost.

A failure names its seed; `python -m tests.system.operated SEED KILLS` repeats it and prints every life.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.system.operated import LETTERS, STATES, run_seed

KILLS_PER_SEED = 10
SHORT, LONG = range(1, 7), range(2_000, 2_100)


def survived(seed: int) -> Counter[str]:
    """Run a seed; fails with every fault its verdict holds."""
    report = run_seed(seed, KILLS_PER_SEED)
    assert report.kills == KILLS_PER_SEED
    assert not report.verdict.faults, "\n".join([f"seed {seed}", *report.lives, *report.verdict.faults])
    return report.verdict.counts


@pytest.mark.system
@pytest.mark.timeout(600)
def test_kills_in_the_midst_of_a_persons_work_lose_and_double_nothing() -> None:
    counts = sum((survived(seed) for seed in SHORT), Counter())
    assert counts["recorded"] > 50
    assert counts["asked"] > 30
    assert counts["letters"] > 10
    assert sum(counts[f"died: {name}"] > 0 for name in (*STATES, *LETTERS)) >= 5


@pytest.mark.prove
@pytest.mark.timeout(7_200)
def test_a_thousand_kills_in_every_state_of_trades_and_letters() -> None:
    counts = sum((survived(seed) for seed in LONG), Counter())
    assert len(LONG) * KILLS_PER_SEED >= 1_000
    never = [name for name in (*STATES, *LETTERS) if not counts[f"died: {name}"]]
    assert not never, f"no kill in: {never}"
