"""Amounts and prices: rounding in the pool's favour, the contract's reverts, liquidity both ways."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.uniswap_v3 import pool_address
from atomizer.models.uniswap_v3.errors import (
    LiquidityOverflowError,
    LiquidityUnderflowError,
    UintOverflowError,
    ZeroLiquidityError,
)
from atomizer.models.uniswap_v3.liquidity import add_delta, amounts_for_liquidity, liquidity_for_amounts
from atomizer.models.uniswap_v3.sqrt_price import (
    amount0_delta,
    amount1_delta,
    mul_div,
    mul_div_rounding_up,
    next_sqrt_price_from_input,
    next_sqrt_price_from_output,
)
from atomizer.models.uniswap_v3.swap_step import compute_swap_step
from atomizer.models.uniswap_v3.tick_math import MAX_SQRT_RATIO, MIN_SQRT_RATIO

prices = st.integers(MIN_SQRT_RATIO, MAX_SQRT_RATIO - 1)
liquidities = st.integers(1, 2**128 - 1)
amounts = st.integers(0, 2**255 - 1)
UINT256 = st.integers(0, 2**256 - 1)


@given(prices, prices, liquidities)
def test_amounts_are_the_fractions_rounded(a: int, b: int, liquidity: int) -> None:
    low, high = sorted((a, b))
    exact0 = Fraction(liquidity << 96) * (Fraction(1, low) - Fraction(1, high))
    exact1 = Fraction(liquidity * (high - low), 1 << 96)
    assert amount0_delta(a, b, liquidity, True) == ceil(exact0)
    assert amount0_delta(a, b, liquidity, False) == floor(exact0)
    assert amount1_delta(a, b, liquidity, True) == ceil(exact1)
    assert amount1_delta(a, b, liquidity, False) == floor(exact1)


@given(UINT256, UINT256, UINT256)
def test_mul_div_fits_or_refuses(a: int, b: int, d: int) -> None:
    if d and a * b // d < 2**256:
        assert mul_div(a, b, d) == a * b // d
    else:
        with pytest.raises(UintOverflowError):
            mul_div(a, b, d)
    if d and -(-a * b // d) < 2**256:
        assert mul_div_rounding_up(a, b, d) == -(-a * b // d)
    else:
        with pytest.raises(UintOverflowError):
            mul_div_rounding_up(a, b, d)


@given(prices, liquidities, st.integers(0, 2**200), st.booleans())
def test_price_moves_with_the_direction(price: int, liquidity: int, amount: int, down: bool) -> None:
    for move in (next_sqrt_price_from_input, next_sqrt_price_from_output):
        try:
            after = move(price, liquidity, amount, down)
        except UintOverflowError:
            continue
        assert after <= price if down else after >= price


@given(prices, prices, st.integers(0, 2**128 - 1), amounts, st.booleans(), st.integers(0, 999_999))
@settings(max_examples=200)
def test_step_stays_within_target_and_amount(
    price: int, target: int, liquidity: int, amount: int, exact_in: bool, fee: int
) -> None:
    remaining = amount if exact_in else -amount
    after, amount_in, amount_out, charged = compute_swap_step(price, target, liquidity, remaining, fee)
    assert min(price, target) <= after <= max(price, target)
    if exact_in:
        assert amount_in + charged <= amount
        assert after == target or amount_in + charged == amount
    elif amount:
        assert amount_out <= amount
        assert after == target or amount_out == amount


def test_nothing_trades_against_no_liquidity() -> None:
    for move in (next_sqrt_price_from_input, next_sqrt_price_from_output):
        with pytest.raises(ZeroLiquidityError):
            move(2**96, 0, 5, True)
        with pytest.raises(ZeroLiquidityError):
            move(0, 5, 5, True)
        with pytest.raises(UintOverflowError):
            move(2**96, 5, 2**256, True)


def test_liquidity_stays_an_unsigned_128_bit_number() -> None:
    assert add_delta(5, -5) == 0
    with pytest.raises(LiquidityUnderflowError):
        add_delta(5, -6)
    with pytest.raises(LiquidityOverflowError):
        add_delta(2**128 - 1, 1)


@given(prices, prices, prices, st.integers(0, 2**100), st.integers(0, 2**100))
def test_liquidity_never_needs_more_than_the_amounts(
    price: int, a: int, b: int, amount0: int, amount1: int
) -> None:
    try:
        liquidity = liquidity_for_amounts(price, a, b, amount0, amount1)
    except UintOverflowError:
        return
    used0, used1 = amounts_for_liquidity(price, a, b, liquidity)
    assert used0 <= amount0
    assert used1 <= amount1


USDC, WETH = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
FACTORY = "0x1F98431c8aD98523631AE4a59f267346ea31F984"


def test_pool_address_of_the_main_pool_in_any_token_order() -> None:
    expected = "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"
    assert pool_address(FACTORY, USDC, WETH, 500) == expected
    assert pool_address(FACTORY.lower(), WETH.lower(), USDC, 500) == expected


@pytest.mark.parametrize("token", ["0x12", WETH[:-1] + "g", USDC])
def test_bad_token_address_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"expected|different"):
        pool_address(FACTORY, USDC, token, 500)
