"""One step of a swap: constant liquidity, up to one target price."""

from __future__ import annotations

from atomizer.models.uniswap_v3.sqrt_price import (
    amount0_delta,
    amount1_delta,
    next_sqrt_price_from_input,
    next_sqrt_price_from_output,
)

PIPS = 1_000_000


def compute_swap_step(
    sqrt_price: int, sqrt_target: int, liquidity: int, remaining: int, fee_pips: int
) -> tuple[int, int, int, int]:
    """(price after, amount in without fee, amount out, fee), raw units.

    `remaining` >= 0 is input still to spend, fee included; < 0 is output still wanted. A step that
    stops short of its target spends all that remains, so the dust of its rounding becomes fee.
    """
    zero_for_one = sqrt_price >= sqrt_target
    if zero_for_one:
        amount_in_between, amount_out_between = amount0_delta, amount1_delta
    else:
        amount_in_between, amount_out_between = amount1_delta, amount0_delta

    if remaining >= 0:
        usable = remaining * (PIPS - fee_pips) // PIPS
        amount_in = amount_in_between(sqrt_price, sqrt_target, liquidity, True)
        if usable < amount_in:
            after = next_sqrt_price_from_input(sqrt_price, liquidity, usable, zero_for_one)
            amount_in = amount_in_between(sqrt_price, after, liquidity, True)
            amount_out = amount_out_between(sqrt_price, after, liquidity, False)
            return after, amount_in, amount_out, remaining - amount_in
        after = sqrt_target
        amount_out = amount_out_between(sqrt_price, sqrt_target, liquidity, False)
    else:
        wanted = -remaining
        amount_out = amount_out_between(sqrt_price, sqrt_target, liquidity, False)
        if wanted >= amount_out:
            after = sqrt_target
        else:
            after = next_sqrt_price_from_output(sqrt_price, liquidity, wanted, zero_for_one)
            amount_out = wanted
        amount_in = amount_in_between(sqrt_price, after, liquidity, True)
    return after, amount_in, amount_out, -(-amount_in * fee_pips // (PIPS - fee_pips))
