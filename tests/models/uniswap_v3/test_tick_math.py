"""Tick and price functions: bounds, known values, inverse of each other, monotone over all ticks."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models.uniswap_v3.errors import PoolShapeError, PriceRangeError, TickRangeError
from atomizer.models.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    RATIO_FACTORS,
    max_liquidity_per_tick,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)

ticks = st.integers(MIN_TICK, MAX_TICK)
prices = st.integers(MIN_SQRT_RATIO, MAX_SQRT_RATIO - 1)


def test_bounds_have_the_contract_s_prices() -> None:
    assert sqrt_ratio_at_tick(MIN_TICK) == MIN_SQRT_RATIO
    assert sqrt_ratio_at_tick(MAX_TICK) == MAX_SQRT_RATIO
    assert sqrt_ratio_at_tick(0) == 2**96


def test_factors_are_rounded_powers_of_the_tick_base() -> None:
    with localcontext() as context:
        context.prec = 120
        for k, factor in enumerate(RATIO_FACTORS):
            exact = Decimal(2) ** 128 / Decimal("1.0001") ** (Decimal(2) ** (k - 1))
            assert abs(factor - exact) <= Decimal("0.5")


@pytest.mark.parametrize("tick", [MIN_TICK - 1, MAX_TICK + 1, 10**9])
def test_tick_out_of_range_names_the_bounds(tick: int) -> None:
    with pytest.raises(TickRangeError, match="-887272 to 887272") as caught:
        sqrt_ratio_at_tick(tick)
    assert caught.value.code == "T"


@pytest.mark.parametrize("price", [0, MIN_SQRT_RATIO - 1, MAX_SQRT_RATIO, 2**160])
def test_price_out_of_range_is_refused(price: int) -> None:
    with pytest.raises(PriceRangeError) as caught:
        tick_at_sqrt_ratio(price)
    assert caught.value.code == "R"


@given(ticks)
def test_ratio_is_near_the_mathematical_one(tick: int) -> None:
    exact = (1.0001 ** (tick / 2)) * 2.0**96
    assert sqrt_ratio_at_tick(tick) == pytest.approx(exact, rel=1e-9)


@given(ticks.filter(lambda tick: tick < MAX_TICK))
def test_tick_of_a_ratio_is_the_tick_and_one_below_it_the_tick_before(tick: int) -> None:
    ratio = sqrt_ratio_at_tick(tick)
    assert tick_at_sqrt_ratio(ratio) == tick
    if tick > MIN_TICK:
        assert tick_at_sqrt_ratio(ratio - 1) == tick - 1


@given(prices)
def test_tick_is_the_greatest_with_a_ratio_at_most_the_price(price: int) -> None:
    tick = tick_at_sqrt_ratio(price)
    assert sqrt_ratio_at_tick(tick) <= price < sqrt_ratio_at_tick(tick + 1)


@pytest.mark.parametrize(
    ("spacing", "most"),
    [
        (1, 191757530477355301479181766273477),
        (10, 1917569901783203986719870431555990),
        (60, 11505743598341114571880798222544994),
        (200, 38350317471085141830651933667504588),
    ],
)
def test_liquidity_cap_of_the_fee_tiers(spacing: int, most: int) -> None:
    assert max_liquidity_per_tick(spacing) == most


@pytest.mark.parametrize("spacing", [0, -10, 16_384])
def test_spacing_that_no_factory_accepts_is_refused(spacing: int) -> None:
    with pytest.raises(PoolShapeError, match="1 to 16383"):
        max_liquidity_per_tick(spacing)


@pytest.mark.prove
def test_ratio_and_tick_are_monotone_and_inverse_over_all_ticks() -> None:
    ratio_of = sqrt_ratio_at_tick.__wrapped__
    last = 0
    for tick in range(MIN_TICK, MAX_TICK + 1):
        ratio = ratio_of(tick)
        assert ratio > last
        if tick < MAX_TICK:
            assert tick_at_sqrt_ratio(ratio) == tick
        if tick > MIN_TICK:
            assert tick_at_sqrt_ratio(ratio - 1) == tick - 1
        last = ratio
