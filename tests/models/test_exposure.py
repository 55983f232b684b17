from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models import exposure
from atomizer.models.inputs import ModelInputError

signed = st.floats(-1e6, 1e6)


@given(signed, st.floats(-1.0, 1.0))
def test_pair_is_the_two_instrument_portfolio(e: float, rho: float) -> None:
    pair = exposure.pair_risk(e, 5e5, rho)
    whole = exposure.portfolio_risk([e, 5e5], [[1.0, rho], [rho, 1.0]])
    assert pair == pytest.approx(whole.total, rel=1e-6, abs=1e-3)


def test_perfect_hedge_has_no_risk_and_its_unsigned_form_would_double_it() -> None:
    perp = exposure.exposure(10.0, 3000.0, 0.6)
    future = exposure.exposure(-10.0, 3000.0, 0.6)
    assert exposure.pair_risk(perp, future, 1.0) == 0.0
    assert exposure.pair_risk(perp, abs(future), 1.0) == pytest.approx(2.0 * perp)


@given(st.lists(signed, min_size=3, max_size=3))
def test_contributions_sum_to_the_total(exposures: list[float]) -> None:
    correlation = [[1.0, 0.8, 0.2], [0.8, 1.0, 0.1], [0.2, 0.1, 1.0]]
    risk = exposure.portfolio_risk(exposures, correlation)
    assert float(risk.contributions.sum()) == pytest.approx(risk.total, rel=1e-9, abs=1e-6)
    bound = float(np.abs(exposures).sum())
    assert risk.total <= bound * (1.0 + 1e-12) + 1e-9


@pytest.mark.parametrize(
    "matrix",
    [
        [[1.0, 0.5], [0.4, 1.0]],
        [[2.0, 0.5], [0.5, 1.0]],
        [[1.0, math.nan], [math.nan, 1.0]],
        [[1.0, 1.5], [1.5, 1.0]],
        [[1.0]],
    ],
)
def test_matrix_that_is_no_correlation_is_refused(matrix: list[list[float]]) -> None:
    with pytest.raises(ModelInputError):
        exposure.portfolio_risk([1.0, 2.0], matrix)
