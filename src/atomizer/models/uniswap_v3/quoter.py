"""What the chain's QuoterV2 answers, without calling it."""

from __future__ import annotations

from typing import NamedTuple

from atomizer.models.uniswap_v3.pool import Pool


class Quote(NamedTuple):
    """`amount` is the other token's amount (unsigned); `ticks_crossed` counts initialised ticks passed."""

    amount: int
    sqrt_price_after: int
    ticks_crossed: int


def quote(pool: Pool, zero_for_one: bool, amount: int, sqrt_price_limit: int | None = None) -> Quote:
    """Quote a swap (amount > 0: exact input, < 0: exact output) against the pool as it is.

    Raises:
        ZeroAmountError, LockedError, PriceLimitError, UintOverflowError
    """
    end = pool.quote(zero_for_one, amount, sqrt_price_limit)
    other = end.amount1 if zero_for_one == (amount > 0) else end.amount0
    return Quote(abs(other), end.sqrt_price, count_crossed(pool, pool.tick, end.tick))


def _truncated(tick: int, spacing: int) -> int:
    """Division towards zero: the quoter's counter, unlike the pool, does not floor negative ticks."""
    return tick // spacing if tick >= 0 else -(-tick // spacing)


def count_crossed(pool: Pool, before: int, after: int) -> int:
    """Initialised ticks between two ticks by the quoter's own rule, which rounds unlike the pool."""
    spacing = pool.tick_spacing
    first, last = _truncated(before, spacing), _truncated(after, spacing)
    low, high = min(first, last), max(first, last)
    count = 0
    for word in range(low >> 8, (high >> 8) + 1):
        bits = pool.bitmap.get(word, 0)
        if word == low >> 8:
            bits = bits >> (low & 255) << (low & 255)
        if word == high >> 8:
            bits &= (2 << (high & 255)) - 1
        count += bits.bit_count()
    count -= before > after and after in pool.ticks
    count -= before < after and before in pool.ticks
    return count
