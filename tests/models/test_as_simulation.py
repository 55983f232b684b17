from __future__ import annotations

import pytest

from atomizer.models import as_simulation
from atomizer.models.inputs import ModelInputError

PATHS = 4000


@pytest.mark.parametrize("row", as_simulation.PUBLISHED, ids=lambda row: f"{row.strategy}-{row.gamma}")
def test_published_rows_are_reached_within_four_standard_errors(row: as_simulation.PublishedRow) -> None:
    ours = as_simulation.run(row.gamma, row.strategy, paths=PATHS)
    paper_error = ours.profit_sd / 1000**0.5
    slack = 4.0 * (ours.standard_errors[0] ** 2 + paper_error**2) ** 0.5
    assert ours.profit_mean == pytest.approx(row.profit_mean, abs=slack)
    assert ours.average_spread == pytest.approx(row.average_spread, abs=0.015)


def test_glft_is_worth_more_than_avellaneda_where_risk_aversion_is_high() -> None:
    glft = as_simulation.run(1.0, "glft", paths=PATHS)
    rival = as_simulation.run(1.0, "inventory", paths=PATHS)
    assert glft.certainty_equivalent > rival.certainty_equivalent + 10.0


def test_total_spread_on_each_side_loses_a_third_of_the_profit() -> None:
    doubled = as_simulation.run(0.1, "inventory", paths=PATHS, width_factor=2.0)
    assert doubled.profit_mean == pytest.approx(44.94, abs=4 * doubled.standard_errors[0])


def test_seed_fixes_the_outcome() -> None:
    first = as_simulation.run(0.1, "inventory", paths=50, seed=3)
    assert first == as_simulation.run(0.1, "inventory", paths=50, seed=3)
    assert first != as_simulation.run(0.1, "inventory", paths=50, seed=4)


def test_unknown_strategy_is_refused() -> None:
    with pytest.raises(ModelInputError, match="strategy"):
        as_simulation.run(0.1, "martingale", paths=10)  # type: ignore[arg-type]
