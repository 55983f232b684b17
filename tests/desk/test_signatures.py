from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from atomizer.desk.fold import folded
from atomizer.desk.signatures import live_signatures

S = 10**9


def test_live_are_those_not_executed_and_not_past_their_margin(story: Path) -> None:
    live = live_signatures(folded(story).quotes.values(), time.time_ns())
    assert [item.nonce for item in live.signatures] == [101, 102]


def test_the_last_one_dies_a_margin_after_its_validity(
    last_valid_s: Callable[[], int], tmp_path: Path
) -> None:
    ends = last_valid_s() + 60
    quotes = folded(tmp_path).quotes
    assert live_signatures(quotes.values(), (ends - 1) * S).last_dies_s == ends
    assert live_signatures(quotes.values(), ends * S).signatures == []
    assert live_signatures(quotes.values(), ends * S).last_dies_s == 0


def test_the_worst_case_counts_each_direction_by_itself(story: Path) -> None:
    live = live_signatures(folded(story).quotes.values(), time.time_ns())
    worst = live.worst_case["ETH"]
    assert (worst.bought, worst.sold) == (Decimal(2), Decimal(2))
    assert worst.delta_up == pytest.approx(0.8)
    assert worst.delta_down == pytest.approx(-0.8)
    assert worst.vega_up == pytest.approx(4.0)
    assert live.premium_to_pay == {"0xb2": Decimal(150)}
    assert [item.premium for item in live.signatures] == [Decimal(150), Decimal(-150)]
