"""Ticks and square-root prices: price(tick) = 1.0001^tick, stored as sqrt(price) * 2^96.

Follows the rules of the contract library TickMath, whose rounding is part of the protocol:
a ratio is a product of rounded factors, each product cut to 128 fractional bits.
"""

from __future__ import annotations

from functools import lru_cache
from math import floor, isqrt, log

from atomizer.models.uniswap_v3.errors import PoolShapeError, PriceRangeError, TickRangeError

MIN_TICK = -887272
MAX_TICK = 887272
MIN_SQRT_RATIO = 4295128739
MAX_SQRT_RATIO = 1461446703485210103287273052203988822378723970342
MAX_TICK_SPACING = 16383

_UINT256_MAX = (1 << 256) - 1
_UINT128_MAX = (1 << 128) - 1
_WORK_BITS = 640


def _ratio_factors() -> tuple[int, ...]:
    """2^128 / 1.0001^(2^k / 2) for k = 0..19, rounded half up, from fixed point of 640 bits."""
    power = isqrt((10_000 << (2 * _WORK_BITS)) // 10_001)
    factors = []
    for _ in range(20):
        factors.append(((power >> (_WORK_BITS - 129)) + 1) >> 1)
        power = power * power >> _WORK_BITS
    return tuple(factors)


RATIO_FACTORS = _ratio_factors()
TICKS_PER_LOG = 2.0 / log(1.0001)
LOG_OF_ONE = 96.0 * log(2.0)


@lru_cache(maxsize=1 << 16)
def sqrt_ratio_at_tick(tick: int) -> int:
    """sqrt(1.0001^tick) * 2^96, rounded as the contract rounds it.

    Raises:
        TickRangeError: the tick is outside -887272..887272.
    """
    magnitude = abs(tick)
    if magnitude > MAX_TICK:
        raise TickRangeError(f"tick {tick} has no price")
    ratio = 1 << 128
    for bit, factor in enumerate(RATIO_FACTORS):
        if magnitude >> bit & 1:
            ratio = ratio * factor >> 128
    if tick > 0:
        ratio = _UINT256_MAX // ratio
    return -(-ratio >> 32)


def tick_at_sqrt_ratio(sqrt_price: int) -> int:
    """The greatest tick whose ratio is at most `sqrt_price`.

    A double logarithm is right to better than 1e-9 ticks, so only a price within 1e-6 of a tick
    is settled by comparing exact ratios.

    Raises:
        PriceRangeError: the price is below the lowest or not below the highest ratio.
    """
    if not MIN_SQRT_RATIO <= sqrt_price < MAX_SQRT_RATIO:
        raise PriceRangeError(f"sqrt price {sqrt_price} has no tick")
    position = (log(sqrt_price) - LOG_OF_ONE) * TICKS_PER_LOG
    tick = floor(position)
    if 1e-6 < position - tick < 1 - 1e-6:
        return tick
    nearest = round(position)
    return nearest if sqrt_ratio_at_tick(nearest) <= sqrt_price else nearest - 1


def max_liquidity_per_tick(tick_spacing: int) -> int:
    """The gross liquidity one tick may carry, so that the sum over all ticks fits 128 bits.

    Raises:
        PoolShapeError: the spacing is not 1..16383.
    """
    if not 1 <= tick_spacing <= MAX_TICK_SPACING:
        raise PoolShapeError(f"tick spacing {tick_spacing} cannot be used")
    usable_each_side = MAX_TICK // tick_spacing
    return _UINT128_MAX // (2 * usable_each_side + 1)
