"""Killed again and again in virtual time, on bad networks: nothing is lost, doubled or left behind.

A failure names its seed; `python -m tests.system.kills SEED KILLS` repeats it and prints every life.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.system.kills import run_seed

KILLS_PER_SEED = 12
SHORT, LONG = range(1, 18), range(1_000, 1_170)


def survived(seed: int) -> Counter[str]:
    """Run a seed; fails with every fault its verdict holds."""
    report = run_seed(seed, KILLS_PER_SEED)
    assert report.kills == KILLS_PER_SEED
    assert not report.verdict.faults, "\n".join([f"seed {seed}", *report.lives, *report.verdict.faults])
    return report.verdict.counts


@pytest.mark.system
@pytest.mark.timeout(600)
def test_two_hundred_kills_lose_and_double_nothing() -> None:
    counts = sum((survived(seed) for seed in SHORT), Counter())
    assert len(SHORT) * KILLS_PER_SEED >= 200
    # The verdict is about something: orders were filled, RFQs traded, confirmations lost.
    assert counts["fills"] > 500
    assert counts["trades"] > 200
    assert counts["unheard"] > 20


@pytest.mark.prove
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", LONG)
def test_two_thousand_kills_lose_and_double_nothing(seed: int) -> None:
    assert len(LONG) * KILLS_PER_SEED >= 2_000
    survived(seed)
