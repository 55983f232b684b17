from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.black import black76_price
from atomizer.models.inputs import ModelInputError
from atomizer.models.listed_bounds import ListedPrice, interpolated_ask, price_bounds
from atomizer.models.listed_kernels import cheapest_mix

MONTH = 30.0 / 365.0
NONE = math.nan


def market(is_call: bool, spread: float = 2.0) -> list[ListedPrice]:
    """A flat-vol chain, two expiries, quoted around its value."""
    quotes = []
    for years in (MONTH, 2.0 * MONTH):
        for strike in (2600.0, 2800.0, 3000.0, 3200.0, 3400.0):
            value = black76_price(3000.0, strike, years, 0.6, 1.0, is_call)
            quotes.append(ListedPrice(strike, years, max(value - spread, 0.0), value + spread))
    return quotes


@given(st.floats(2650.0, 3350.0), st.booleans())
def test_value_of_a_consistent_market_lies_within_its_bounds(strike: float, is_call: bool) -> None:
    bounds = price_bounds(strike, MONTH, market(is_call), is_call=is_call, forward=3000.0)
    value = black76_price(3000.0, strike, MONTH, 0.6, 1.0, is_call)
    assert bounds.floor <= value <= bounds.cap


def test_cap_is_the_listed_neighbours_mixed() -> None:
    listed = [ListedPrice(2900.0, MONTH, 240.0, 250.0), ListedPrice(3100.0, MONTH, 140.0, 150.0)]
    assert price_bounds(3000.0, MONTH, listed, is_call=True, forward=3000.0).cap == 200.0
    assert price_bounds(2950.0, MONTH, listed, is_call=True, forward=3000.0).cap == 225.0


def test_longer_option_of_the_strike_caps_and_shorter_one_floors() -> None:
    listed = [ListedPrice(3000.0, 2 * MONTH, 100.0, 120.0), ListedPrice(3000.0, 0.5 * MONTH, 90.0, 95.0)]
    assert price_bounds(3000.0, MONTH, listed, is_call=True, forward=3000.0) == (90.0, 120.0)


def test_payoff_bounds_without_any_listing() -> None:
    assert price_bounds(3200.0, MONTH, [], is_call=True, forward=3000.0, discount=0.9) == (0.0, 2700.0)
    assert price_bounds(3200.0, MONTH, [], is_call=False, forward=3000.0, discount=0.9) == pytest.approx(
        (180.0, 2880.0)
    )


def test_missing_sides_bound_nothing() -> None:
    listed = [ListedPrice(2900.0, MONTH, NONE, NONE), ListedPrice(3100.0, MONTH, 140.0, 150.0)]
    assert math.isnan(interpolated_ask(3000.0, listed))
    assert price_bounds(3000.0, MONTH, listed, is_call=True, forward=3000.0).cap == 3000.0


def test_crossed_listing_is_refused() -> None:
    with pytest.raises(ModelInputError, match="listed"):
        price_bounds(3000.0, MONTH, [ListedPrice(3000.0, MONTH, 5.0, 4.0)], is_call=True, forward=3000.0)


def test_strike_that_is_no_number_is_refused() -> None:
    with pytest.raises(ModelInputError, match="strike"):
        price_bounds(math.nan, MONTH, [], is_call=True, forward=3000.0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.001, 0.5) | st.just(math.nan), min_size=9, max_size=9), st.floats(2900.0, 5100.0))
def test_the_compiled_mix_is_the_cheaper_of_the_strike_itself_and_the_typed_mix(
    asks: list[float], strike: float
) -> None:
    strikes = [3000.0 + 250.0 * number for number in range(9)]
    listed = [ListedPrice(one, 0.1, math.nan, ask) for one, ask in zip(strikes, asks, strict=True)]
    for asked in (strike, strikes[4]):
        own = [ask for one, ask in zip(strikes, asks, strict=True) if one == asked and not math.isnan(ask)]
        mixed = interpolated_ask(asked, listed)
        expected = min([*own, math.inf if math.isnan(mixed) else mixed])
        assert cheapest_mix(asked, np.array(strikes), np.array(asks)) == pytest.approx(expected)
