"""Ticks: what is stored at a range's end, and where a swap stops next."""

from __future__ import annotations

from typing import NamedTuple

from atomizer.models.uniswap_v3.sqrt_price import UINT160, UINT256

UINT32 = 1 << 32
INT56_OFFSET = 1 << 55


def wrap_int56(value: int) -> int:
    """Two's complement in 56 bits, as tick cumulatives wrap."""
    return (value + INT56_OFFSET) % (2 * INT56_OFFSET) - INT56_OFFSET


class Tick(NamedTuple):
    """One initialised tick. `outside` values are relative: only differences mean something.

    Growth is fee per unit of liquidity times 2^128, modulo 2^256.
    """

    liquidity_gross: int
    liquidity_net: int
    fee_growth_outside0: int
    fee_growth_outside1: int
    tick_cumulative_outside: int
    seconds_per_liquidity_outside: int
    seconds_outside: int

    def crossed(
        self, growth0: int, growth1: int, tick_cumulative: int, seconds_per_liquidity: int, now: int
    ) -> Tick:
        """The tick after the price passed it: every outside value becomes global minus outside."""
        return Tick(
            self.liquidity_gross,
            self.liquidity_net,
            (growth0 - self.fee_growth_outside0) % UINT256,
            (growth1 - self.fee_growth_outside1) % UINT256,
            wrap_int56(tick_cumulative - self.tick_cumulative_outside),
            (seconds_per_liquidity - self.seconds_per_liquidity_outside) % UINT160,
            (now - self.seconds_outside) % UINT32,
        )


EMPTY_TICK = Tick(0, 0, 0, 0, 0, 0, 0)


def fee_growth_inside(
    lower: Tick, upper: Tick, tick_lower: int, tick_upper: int, tick: int, growth0: int, growth1: int
) -> tuple[int, int]:
    """Fee growth between two ticks for both tokens, modulo 2^256 (often 'negative': take differences)."""
    below0, below1 = lower.fee_growth_outside0, lower.fee_growth_outside1
    if tick < tick_lower:
        below0, below1 = growth0 - below0, growth1 - below1
    above0, above1 = upper.fee_growth_outside0, upper.fee_growth_outside1
    if tick >= tick_upper:
        above0, above1 = growth0 - above0, growth1 - above1
    return (growth0 - below0 - above0) % UINT256, (growth1 - below1 - above1) % UINT256


def next_stop(bitmap: dict[int, int], tick: int, spacing: int, down: bool) -> tuple[int, bool]:
    """(tick, initialised): the next initialised tick in this word of 256, else the word's last tick.

    Downward the search starts at the tick itself, upward at the next one. The contract stops at
    word ends even when nothing is there, and every stop rounds, so the stops are part of the result.
    """
    if down:
        compressed = tick // spacing
        word = bitmap.get(compressed >> 8, 0) & ((2 << (compressed & 255)) - 1)
        if word:
            return ((compressed >> 8 << 8) + word.bit_length() - 1) * spacing, True
        return (compressed >> 8 << 8) * spacing, False
    compressed = tick // spacing + 1
    word = bitmap.get(compressed >> 8, 0) >> (compressed & 255)
    if word:
        return (compressed + (word & -word).bit_length() - 1) * spacing, True
    return (compressed | 255) * spacing, False
