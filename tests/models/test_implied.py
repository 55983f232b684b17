"""Implied vol: round trips over the whole plane, typed rejections, status codes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vollib.black.implied_volatility import implied_volatility as vollib_iv

from atomizer.models.black import black76_greeks, black76_price
from atomizer.models.implied import (
    ABOVE_MAXIMUM,
    AT_INTRINSIC,
    BAD_INPUT,
    BELOW_INTRINSIC,
    EXPIRED,
    OK,
    AboveMaximumError,
    AtIntrinsicError,
    BadInputError,
    BelowIntrinsicError,
    ExpiredError,
    black76_implied_vol,
    black76_implied_vol_into,
    implied_vol,
    price_bounds,
)


@settings(max_examples=300)
@given(
    st.floats(math.log(1e-3), math.log(9.0)),
    st.floats(-15.0, 15.0),
    st.floats(1e-4, 5.0),
    st.floats(-0.05, 0.1),
    st.booleans(),
)
def test_price_and_vol_are_inverse_to_the_accuracy_of_the_price(log_s, distance, T, rate, is_call):
    s = math.exp(log_s)
    F, df = 100.0, math.exp(-rate * T)
    K = F * math.exp(max(min(distance * s, 9.0), -9.0))
    sigma = s / math.sqrt(T)
    price = black76_price(F, K, T, sigma, df, is_call)
    vol, code = black76_implied_vol(price, F, K, T, df, is_call)
    low, high = price_bounds(F, K, df, is_call)
    # Within a hair of a bound, dividing the discount out may move the price across it, either way.
    on_bound = abs(price - low) < 1e-13 * max(F, K) or abs(high - price) < 1e-13 * high
    if not low < price < high:
        assert code != OK or on_bound
        return
    if code != OK:
        assert on_bound
        return
    vega = black76_greeks(F, K, T, sigma, rate, is_call)[3]
    noise = 4.0 * np.finfo(float).eps * (price + df * abs(F - K) + df * min(F, K))
    if vega * sigma * 1e-3 > noise:
        assert abs(vol - sigma) <= noise / vega + 4e-14 * sigma


def test_agrees_with_lets_be_rational():
    for K in (1500.0, 2500.0, 2999.0, 3000.0, 3500.0, 9000.0):
        for sigma in (0.2, 0.7, 2.0):
            price = black76_price(3000.0, K, 0.1, sigma, 1.0, True)
            if price - max(3000.0 - K, 0.0) > 1e-6:
                assert implied_vol(price, 3000.0, K, 0.1) == pytest.approx(
                    vollib_iv(price, 3000.0, K, 0.0, 0.1, "c"), rel=1e-9
                )


@pytest.mark.parametrize(
    ("price", "F", "K", "T", "df", "is_call", "code", "error"),
    [
        (9.99, 100.0, 90.0, 1.0, 1.0, True, BELOW_INTRINSIC, BelowIntrinsicError),
        (-1.0, 100.0, 100.0, 1.0, 1.0, True, BELOW_INTRINSIC, BelowIntrinsicError),
        (10.0, 100.0, 90.0, 1.0, 1.0, True, AT_INTRINSIC, AtIntrinsicError),
        (0.0, 100.0, 110.0, 1.0, 1.0, True, AT_INTRINSIC, AtIntrinsicError),
        (100.0, 100.0, 100.0, 1.0, 1.0, True, ABOVE_MAXIMUM, AboveMaximumError),
        (121.0, 100.0, 120.0, 1.0, 1.0, False, ABOVE_MAXIMUM, AboveMaximumError),
        (1.0, 100.0, 100.0, 0.0, 1.0, True, EXPIRED, ExpiredError),
        (1.0, 100.0, 100.0, -1.0, 1.0, True, EXPIRED, ExpiredError),
        (1.0, 0.0, 100.0, 1.0, 1.0, True, BAD_INPUT, BadInputError),
        (1.0, 100.0, -5.0, 1.0, 1.0, True, BAD_INPUT, BadInputError),
        (1.0, 100.0, 100.0, 1.0, 0.0, True, BAD_INPUT, BadInputError),
        (math.nan, 100.0, 100.0, 1.0, 1.0, True, BAD_INPUT, BadInputError),
        (1.0, math.nan, 100.0, 1.0, 1.0, True, BAD_INPUT, BadInputError),
        (1.0, 100.0, 100.0, math.nan, 1.0, True, BAD_INPUT, BadInputError),
        (math.inf, 100.0, 100.0, 1.0, 1.0, True, BAD_INPUT, BadInputError),
    ],
)
def test_a_price_without_a_vol_is_refused_with_its_reason(price, F, K, T, df, is_call, code, error):
    vol, found = black76_implied_vol(price, F, K, T, df, is_call)
    assert math.isnan(vol)
    assert found == code
    with pytest.raises(error, match=r"expected .*found"):
        implied_vol(price, F, K, T, df, is_call)


def test_array_form_writes_nan_and_a_code_and_does_not_raise():
    price = np.array([5.0, 0.0, math.nan])
    F, K, T, df = np.full(3, 100.0), np.full(3, 110.0), np.full(3, 0.5), np.ones(3)
    out, status = np.empty(3), np.empty(3, dtype=np.int64)
    black76_implied_vol_into(price, F, K, T, df, np.array([True, True, True]), out, status)
    assert status.tolist() == [OK, AT_INTRINSIC, BAD_INPUT]
    assert out[0] == implied_vol(5.0, 100.0, 110.0, 0.5)
    assert np.isnan(out[1:]).all()
