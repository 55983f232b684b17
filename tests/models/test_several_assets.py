"""Multi-asset quotes and the vega book: the quadratic approximations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models import glft
from atomizer.models.inputs import ModelInputError
from atomizer.models.multi_asset import multi_asset_quoter
from atomizer.models.vega_book import vega_book_quoter

COVARIANCE = ((1.44, 0.648), (0.648, 0.36))


def pair(gamma: float = 0.02, covariance: object = COVARIANCE, **kw: bool) -> object:
    return multi_asset_quoter(gamma, covariance, [9.0, 12.0], [0.3, 0.6], [1.0, 1.0], **kw)  # type: ignore[arg-type]


@given(st.floats(-5.0, 5.0), st.booleans())
def test_one_asset_is_the_closed_form_of_glft(q: float, cara: bool) -> None:
    quoter = multi_asset_quoter(0.05, [[1.3**2]], [9.0], [0.7], [2.0], cara=cara)
    bid, ask = quoter.distances([q])
    p = glft.GlftParameters(0.05, 1.3, 9.0, 9.0, 0.7, 20, lot=2.0, xi=0.05 if cara else 0.0)
    half, skew, _ = glft.closed_form(p)
    assert bid[0] == pytest.approx(half + skew * q, rel=1e-10)
    assert ask[0] == pytest.approx(half - skew * q, rel=1e-10)


def test_uncorrelated_assets_do_not_see_each_other() -> None:
    quoter = multi_asset_quoter(0.02, np.diag([1.44, 0.36]), [9.0, 12.0], [0.3, 0.6], [1.0, 1.0])
    np.testing.assert_allclose(quoter.distances([0.0, 5.0])[0][0], quoter.distances([0.0, 0.0])[0][0])


@given(st.floats(0.0, 10.0))
def test_long_position_lowers_the_quotes_of_a_positively_correlated_asset(q: float) -> None:
    quoter = multi_asset_quoter(0.02, COVARIANCE, [9.0, 12.0], [0.3, 0.6], [1.0, 1.0])
    assert quoter.distances([q, 0.0])[0][1] >= quoter.distances([0.0, 0.0])[0][1]
    assert quoter.distances([q, 0.0])[1][1] <= quoter.distances([0.0, 0.0])[1][1]


def test_factor_model_is_a_covariance() -> None:
    loadings = np.array([[1.2], [0.6]])
    sigma = loadings @ np.array([[0.8]]) @ loadings.T + np.diag([0.1, 0.05])
    quoter = multi_asset_quoter(0.02, sigma, [9.0, 12.0], [0.3, 0.6], [1.0, 1.0])
    np.testing.assert_allclose(quoter.matrix, quoter.matrix.T, atol=1e-15)


@pytest.mark.parametrize(
    ("covariance", "name"),
    [
        (((1.0, 2.0), (2.0, 1.0)), "covariance"),
        (((1.0, 0.5), (0.4, 1.0)), "covariance"),
        (((math.nan, 0.0), (0.0, 1.0)), "covariance"),
        (((1.0,),), "covariance"),
    ],
)
def test_matrix_that_is_no_covariance_is_refused(covariance: object, name: str) -> None:
    with pytest.raises(ModelInputError, match=name):
        pair(covariance=covariance)


def test_inventory_of_another_shape_is_refused() -> None:
    quoter = multi_asset_quoter(0.02, COVARIANCE, [9.0, 12.0], [0.3, 0.6], [1.0, 1.0])
    with pytest.raises(ModelInputError, match="inventory"):
        quoter.distances([1.0])


def test_one_option_of_unit_vega_is_the_running_penalty_glft_at_half_the_vol_of_var() -> None:
    quoter = vega_book_quoter(0.05, 1.4, [1.0], [9.0], [0.7], [1.0])
    p = glft.GlftParameters(0.05, 0.7, 9.0, 9.0, 0.7, 20)
    half, skew, _ = glft.closed_form(p)
    bid, ask = quoter.distances(3.0)
    assert (bid[0], ask[0]) == pytest.approx((half + 3.0 * skew, half - 3.0 * skew), rel=1e-12)


@given(st.floats(-300.0, 300.0), st.floats(0.0, 100.0))
def test_quotes_of_a_long_vega_option_never_rise_with_book_vega(v: float, more: float) -> None:
    quoter = vega_book_quoter(0.001, 0.6, [20.0, 35.0], [60.0, 40.0], [0.8, 0.5], [1.0, 1.0])
    before, after = quoter.distances(v), quoter.distances(v + more)
    assert np.all(after[0] >= before[0])
    assert np.all(after[1] <= before[1])


def test_symmetric_at_zero_vega_and_flat_without_vol_of_var() -> None:
    quoter = vega_book_quoter(0.001, 0.6, [20.0, 35.0], [60.0, 40.0], [0.8, 0.5], [1.0, 1.0])
    np.testing.assert_allclose(*quoter.distances(0.0))
    calm = vega_book_quoter(0.001, 0.0, [20.0, 35.0], [60.0, 40.0], [0.8, 0.5], [1.0, 1.0])
    np.testing.assert_array_equal(calm.distances(0.0)[0], calm.distances(250.0)[0])


def test_short_vega_option_is_quoted_the_other_way_round() -> None:
    quoter = vega_book_quoter(0.001, 0.6, [20.0, -12.0], [60.0, 80.0], [0.8, 1.1], [1.0, 1.0])
    assert quoter.distances(100.0)[0][1] < quoter.distances(0.0)[0][1]


def test_side_that_would_pass_the_vega_limit_is_withdrawn() -> None:
    quoter = vega_book_quoter(0.001, 0.6, [20.0], [60.0], [0.8], [1.0], vega_limit=100.0)
    bid, ask = quoter.distances(90.0)
    assert math.isnan(bid[0])
    assert math.isfinite(ask[0])
    over = quoter.distances(150.0)
    assert math.isnan(over[0][0])
    assert math.isfinite(over[1][0])


def test_book_without_vega_is_refused() -> None:
    with pytest.raises(ModelInputError, match="vegas"):
        vega_book_quoter(0.001, 0.6, [0.0], [60.0], [0.8], [1.0])
