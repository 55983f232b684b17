from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models import glft, ladder
from atomizer.models.inputs import ModelInputError

QUOTES = glft.solve(glft.GlftParameters(0.1, 2.0, 14.0, 14.0, 1.5, 8, xi=0.1))


@given(st.floats(0.0, 1e4), st.integers(1, 20), st.sampled_from(["flat", "linear", "geometric"]))
def test_sizes_sum_to_the_total(total: float, levels: int, schedule: ladder.Schedule) -> None:
    sizes = ladder.size_schedule(total, levels, schedule)
    assert len(sizes) == levels
    assert math.fsum(sizes) == pytest.approx(total)
    assert sorted(sizes) == pytest.approx(list(sizes))


def test_ratio_below_one_puts_size_at_the_best_price() -> None:
    sizes = ladder.size_schedule(7.0, 3, "geometric", ratio=0.5)
    assert sizes == pytest.approx((4.0, 2.0, 1.0))


def test_gaps_grow_away_from_the_best_price() -> None:
    bids = ladder.spaced_ladder(100.0, 1.0, (1.0, 1.0, 1.0), side="bid", growth=2.0)
    assert [level.price for level in bids] == [100.0, 99.0, 97.0]
    asks = ladder.spaced_ladder(100.0, 1.0, (1.0, 1.0), side="ask")
    assert [level.price for level in asks] == [100.0, 101.0]


@given(st.floats(-7.0, 7.0), st.integers(1, 12))
def test_glft_ladder_steps_away_and_ends_at_the_bound(q: float, levels: int) -> None:
    bids, asks = ladder.glft_ladder(QUOTES, 100.0, q, levels)
    assert [b.price for b in bids] == sorted((b.price for b in bids), reverse=True)
    assert [a.price for a in asks] == sorted(a.price for a in asks)
    assert len(bids) == min(levels, math.floor(8.0 - q + 1e-9))
    assert len(asks) == min(levels, math.floor(8.0 + q + 1e-9))


def test_second_level_is_the_quote_after_the_first_fill() -> None:
    bids, _ = ladder.glft_ladder(QUOTES, 100.0, 0.0, 2)
    assert bids[1].price == pytest.approx(100.0 - QUOTES.at(1.0)[0])


@pytest.mark.parametrize(
    "bad",
    [
        lambda: ladder.size_schedule(math.nan, 2),
        lambda: ladder.size_schedule(1.0, 0),
        lambda: ladder.size_schedule(1.0, 2, "random"),  # type: ignore[arg-type]
        lambda: ladder.spaced_ladder(1.0, 0.0, (1.0,), side="bid"),
        lambda: ladder.spaced_ladder(1.0, 1.0, (1.0,), side="mid"),  # type: ignore[arg-type]
        lambda: ladder.spaced_ladder(1.0, 1.0, (1.0,), side="bid", growth=0.5),
        lambda: ladder.glft_ladder(QUOTES, 1.0, 0.0, 0),
    ],
)
def test_bad_ladders_are_refused(bad: object) -> None:
    with pytest.raises(ModelInputError):
        bad()  # type: ignore[operator]
