"""Amounts and prices for a constant liquidity L between two square-root prices.

With p = sqrt(price) * 2^96:  amount0 = L * 2^96 * (1/a - 1/b),  amount1 = L * (b - a) / 2^96.
What the pool is owed rounds up, what it pays out rounds down. The contract divides twice for
amount0; nested floors (and nested ceilings) equal one by the product, so one division is exact.
"""

from __future__ import annotations

from atomizer.models.uniswap_v3.errors import UintOverflowError, ZeroLiquidityError

Q96 = 1 << 96
Q128 = 1 << 128
UINT256 = 1 << 256
UINT160 = 1 << 160
UINT128 = 1 << 128


def mul_div(a: int, b: int, divisor: int) -> int:
    """floor(a * b / divisor), 256 bits.

    Raises:
        UintOverflowError: the divisor is zero or the result needs more than 256 bits.
    """
    if not divisor or (result := a * b // divisor) >= UINT256:
        raise UintOverflowError(f"{a} * {b} / {divisor} does not fit 256 bits")
    return result


def mul_div_rounding_up(a: int, b: int, divisor: int) -> int:
    """ceil(a * b / divisor), 256 bits.

    Raises:
        UintOverflowError: the divisor is zero or the result needs more than 256 bits.
    """
    if not divisor or (result := -(-a * b // divisor)) >= UINT256:
        raise UintOverflowError(f"{a} * {b} / {divisor} rounded up does not fit 256 bits")
    return result


def amount0_delta(sqrt_a: int, sqrt_b: int, liquidity: int, round_up: bool) -> int:
    """Token0 between two prices, raw units."""
    if sqrt_a > sqrt_b:
        sqrt_a, sqrt_b = sqrt_b, sqrt_a
    numerator = (liquidity << 96) * (sqrt_b - sqrt_a)
    return -(-numerator // (sqrt_a * sqrt_b)) if round_up else numerator // (sqrt_a * sqrt_b)


def amount1_delta(sqrt_a: int, sqrt_b: int, liquidity: int, round_up: bool) -> int:
    """Token1 between two prices, raw units."""
    product = liquidity * abs(sqrt_b - sqrt_a)
    return -(-product >> 96) if round_up else product >> 96


def signed_amount0_delta(sqrt_a: int, sqrt_b: int, liquidity: int) -> int:
    """Token0 for a liquidity change: owed by the owner (rounded up) if positive, paid out if negative."""
    if liquidity < 0:
        return -amount0_delta(sqrt_a, sqrt_b, -liquidity, False)
    return amount0_delta(sqrt_a, sqrt_b, liquidity, True)


def signed_amount1_delta(sqrt_a: int, sqrt_b: int, liquidity: int) -> int:
    """Token1 for a liquidity change: owed by the owner (rounded up) if positive, paid out if negative."""
    if liquidity < 0:
        return -amount1_delta(sqrt_a, sqrt_b, -liquidity, False)
    return amount1_delta(sqrt_a, sqrt_b, liquidity, True)


def _after_token0_in(sqrt_price: int, liquidity: int, amount: int) -> int:
    if not amount:
        return sqrt_price
    numerator = liquidity << 96
    product = amount * sqrt_price
    if product < UINT256 and numerator + product < UINT256:
        return -(-numerator * sqrt_price // (numerator + product))
    divisor = numerator // sqrt_price + amount
    if divisor >= UINT256:
        raise UintOverflowError(f"token0 input {amount} is too large")
    return -(-numerator // divisor)


def _after_token1_in(sqrt_price: int, liquidity: int, amount: int) -> int:
    result = sqrt_price + (amount << 96) // liquidity
    if result >= UINT160:
        raise UintOverflowError(f"token1 input {amount} moves the price beyond 160 bits")
    return result


def _after_token0_out(sqrt_price: int, liquidity: int, amount: int) -> int:
    if not amount:
        return sqrt_price
    numerator = liquidity << 96
    divisor = numerator - amount * sqrt_price
    if divisor <= 0 or (result := -(-numerator * sqrt_price // divisor)) >= UINT160:
        raise UintOverflowError(f"token0 output {amount} is more than the liquidity holds")
    return result


def _after_token1_out(sqrt_price: int, liquidity: int, amount: int) -> int:
    result = sqrt_price + (-amount << 96) // liquidity
    if result <= 0:
        raise UintOverflowError(f"token1 output {amount} is more than the liquidity holds")
    return result


def _require_usable(sqrt_price: int, liquidity: int, amount: int) -> None:
    if sqrt_price <= 0 or liquidity <= 0:
        raise ZeroLiquidityError(f"price {sqrt_price} and liquidity {liquidity} cannot be traded against")
    if not 0 <= amount < UINT256:
        raise UintOverflowError(f"amount {amount} is not an unsigned 256-bit number")


def next_sqrt_price_from_input(sqrt_price: int, liquidity: int, amount: int, zero_for_one: bool) -> int:
    """The price after `amount` (fee already taken) of the input token came in, rounded against the trader.

    Raises:
        ZeroLiquidityError, UintOverflowError
    """
    _require_usable(sqrt_price, liquidity, amount)
    move = _after_token0_in if zero_for_one else _after_token1_in
    return move(sqrt_price, liquidity, amount)


def next_sqrt_price_from_output(sqrt_price: int, liquidity: int, amount: int, zero_for_one: bool) -> int:
    """The price after `amount` of the output token went out, rounded against the trader.

    Raises:
        ZeroLiquidityError, UintOverflowError
    """
    _require_usable(sqrt_price, liquidity, amount)
    move = _after_token1_out if zero_for_one else _after_token0_out
    return move(sqrt_price, liquidity, amount)
