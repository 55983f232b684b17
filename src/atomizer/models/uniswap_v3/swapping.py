"""The walk of a swap through the ticks, as a function of the pool's state and nothing else.

It changes nothing: the pool commits its result, a quote throws it away.
"""

from __future__ import annotations

from typing import NamedTuple

from atomizer.models.uniswap_v3.errors import (
    LockedError,
    PriceLimitError,
    UintOverflowError,
    ZeroAmountError,
)
from atomizer.models.uniswap_v3.liquidity import add_delta
from atomizer.models.uniswap_v3.sqrt_price import UINT128, UINT256
from atomizer.models.uniswap_v3.swap_step import compute_swap_step
from atomizer.models.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)
from atomizer.models.uniswap_v3.ticks import Tick, next_stop

INT256_LIMIT = 1 << 255


class Walk(NamedTuple):
    """Where a swap ends. `crossings` are (tick, growth of the input token when it was passed)."""

    sqrt_price: int
    tick: int
    liquidity: int
    amount0: int
    amount1: int
    fee_growth: int
    protocol_fee: int
    crossings: list[tuple[int, int]]


def check_swap(sqrt_price: int, zero_for_one: bool, amount: int, limit: int) -> None:
    """Raises ZeroAmountError, LockedError, PriceLimitError or UintOverflowError, in the contract's order."""
    if not -INT256_LIMIT <= amount < INT256_LIMIT:
        raise UintOverflowError(f"amount {amount} is not a signed 256-bit number")
    if not amount:
        raise ZeroAmountError("a swap of nothing")
    if not sqrt_price:
        raise LockedError("the pool has no price yet")
    low, high = (MIN_SQRT_RATIO, sqrt_price) if zero_for_one else (sqrt_price, MAX_SQRT_RATIO)
    if not low < limit < high:
        raise PriceLimitError(f"limit {limit} with price {sqrt_price}, zero for one {zero_for_one}")


def walk(
    sqrt_price: int,
    tick: int,
    liquidity: int,
    fee_growth: int,
    zero_for_one: bool,
    amount: int,
    limit: int,
    *,
    fee_pips: int,
    fee_protocol: int,
    spacing: int,
    bitmap: dict[int, int],
    ticks: dict[int, Tick],
) -> Walk:
    """Swap `amount` (positive: input, fee included; negative: output) until done or at the limit.

    `fee_growth` is the input token's global growth; amounts come out from the pool's side.

    Raises:
        UintOverflowError: a step's fee per liquidity does not fit 256 bits.
    """
    exact_in = amount > 0
    remaining, calculated, protocol_fee = amount, 0, 0
    crossings: list[tuple[int, int]] = []
    while remaining and sqrt_price != limit:
        stop, initialised = next_stop(bitmap, tick, spacing, zero_for_one)
        stop = max(stop, MIN_TICK) if zero_for_one else min(stop, MAX_TICK)
        stop_price = sqrt_ratio_at_tick(stop)
        target = limit if (stop_price < limit if zero_for_one else stop_price > limit) else stop_price
        start_price = sqrt_price
        sqrt_price, amount_in, amount_out, fee = compute_swap_step(
            sqrt_price, target, liquidity, remaining, fee_pips
        )
        if exact_in:
            remaining -= amount_in + fee
            calculated -= amount_out
        else:
            remaining += amount_out
            calculated += amount_in + fee
        if fee_protocol:
            protocol_share = fee // fee_protocol
            fee -= protocol_share
            protocol_fee += protocol_share
        if liquidity:
            growth = (fee << 128) // liquidity
            if growth >= UINT256:
                raise UintOverflowError(f"fee {fee} over liquidity {liquidity} is too large")
            fee_growth = (fee_growth + growth) % UINT256
        if sqrt_price == stop_price:
            if initialised:
                net = ticks[stop].liquidity_net
                liquidity = add_delta(liquidity, -net if zero_for_one else net)
                crossings.append((stop, fee_growth))
            tick = stop - 1 if zero_for_one else stop
        elif sqrt_price != start_price:
            tick = tick_at_sqrt_ratio(sqrt_price)
    specified = amount - remaining
    amount0, amount1 = (specified, calculated) if zero_for_one == exact_in else (calculated, specified)
    return Walk(sqrt_price, tick, liquidity, amount0, amount1, fee_growth, protocol_fee % UINT128, crossings)
