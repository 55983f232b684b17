"""Liquidity from token amounts and back: the rules of the position manager (LiquidityAmounts)."""

from __future__ import annotations

from atomizer.models.uniswap_v3.errors import (
    LiquidityOverflowError,
    LiquidityUnderflowError,
    UintOverflowError,
)
from atomizer.models.uniswap_v3.sqrt_price import Q96, UINT128, amount0_delta, amount1_delta, mul_div


def add_delta(liquidity: int, delta: int) -> int:
    """liquidity + delta as an unsigned 128-bit number.

    Raises:
        LiquidityUnderflowError, LiquidityOverflowError
    """
    result = liquidity + delta
    if result < 0:
        raise LiquidityUnderflowError(f"cannot take {-delta} from liquidity {liquidity}")
    if result >= UINT128:
        raise LiquidityOverflowError(f"cannot add {delta} to liquidity {liquidity}")
    return result


def _uint128(liquidity: int) -> int:
    if liquidity >= UINT128:
        raise UintOverflowError(f"liquidity {liquidity} does not fit 128 bits")
    return liquidity


def liquidity_for_amount0(sqrt_a: int, sqrt_b: int, amount0: int) -> int:
    """The liquidity that `amount0` of token0 gives between two prices.

    Raises:
        UintOverflowError: the prices are equal or the liquidity does not fit 128 bits.
    """
    if sqrt_a > sqrt_b:
        sqrt_a, sqrt_b = sqrt_b, sqrt_a
    return _uint128(mul_div(amount0, mul_div(sqrt_a, sqrt_b, Q96), sqrt_b - sqrt_a))


def liquidity_for_amount1(sqrt_a: int, sqrt_b: int, amount1: int) -> int:
    """The liquidity that `amount1` of token1 gives between two prices.

    Raises:
        UintOverflowError: the prices are equal or the liquidity does not fit 128 bits.
    """
    return _uint128(mul_div(amount1, Q96, abs(sqrt_b - sqrt_a)))


def liquidity_for_amounts(sqrt_price: int, sqrt_a: int, sqrt_b: int, amount0: int, amount1: int) -> int:
    """The most liquidity that both amounts can fund at the current price.

    Raises:
        UintOverflowError
    """
    if sqrt_a > sqrt_b:
        sqrt_a, sqrt_b = sqrt_b, sqrt_a
    if sqrt_price <= sqrt_a:
        return liquidity_for_amount0(sqrt_a, sqrt_b, amount0)
    if sqrt_price >= sqrt_b:
        return liquidity_for_amount1(sqrt_a, sqrt_b, amount1)
    return min(
        liquidity_for_amount0(sqrt_price, sqrt_b, amount0), liquidity_for_amount1(sqrt_a, sqrt_price, amount1)
    )


def amounts_for_liquidity(sqrt_price: int, sqrt_a: int, sqrt_b: int, liquidity: int) -> tuple[int, int]:
    """(token0, token1) that burning `liquidity` would pay at the current price, rounded down."""
    if sqrt_a > sqrt_b:
        sqrt_a, sqrt_b = sqrt_b, sqrt_a
    inside = min(max(sqrt_price, sqrt_a), sqrt_b)
    return amount0_delta(inside, sqrt_b, liquidity, False), amount1_delta(sqrt_a, inside, liquidity, False)
