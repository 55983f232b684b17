"""The library functions of the Uniswap V3 vectors, answered by the compiled arithmetic.

The kernel takes values within bounds only (a swap checks them before), so the bounds of a case are
checked here, as `SwapBatch` and `check_swap` do for swaps. liquidityAmounts and maxLiquidityPerTick
exist in the readable form alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from atomizer.models.uniswap_v3.batch import TICK_BIAS, decode, encode, evaluate
from atomizer.models.uniswap_v3.errors import (
    PriceRangeError,
    TickRangeError,
    UintOverflowError,
    ZeroLiquidityError,
)
from atomizer.models.uniswap_v3.tick_math import MAX_SQRT_RATIO, MAX_TICK, MIN_SQRT_RATIO
from atomizer.testing.vectors.uniswap_v3_math import STEP_FIELDS, Case


def evaluate_one(operation: str, values: list[int], flag: bool = False, exact_in: bool = False) -> list[int]:
    """The kernel's four result words for one case. Raises UintOverflowError where the contract reverts."""
    words = encode([*values, *[0] * (5 - len(values))], 4).reshape(1, 5, 4)
    results, status = evaluate(operation, words, np.array([[flag, exact_in]], np.uint8))
    if status[0]:
        raise UintOverflowError(f"operation {operation} of {values} does not fit")
    return decode(results[0])


def _ints(case: Case, *names: str) -> list[int]:
    return [int(case[name]) for name in names]


def _ratio(case: Case) -> Case:
    tick = int(case["tick"])
    if abs(tick) > MAX_TICK:
        raise TickRangeError(f"tick {tick} has no price")
    return {"sqrtPriceX96": str(evaluate_one("ratio", [tick + TICK_BIAS])[0])}


def _tick(case: Case) -> Case:
    price = int(case["sqrtPriceX96"])
    if not MIN_SQRT_RATIO <= price < MAX_SQRT_RATIO:
        raise PriceRangeError(f"sqrt price {price} has no tick")
    return {"tick": str(evaluate_one("tick", [price])[0] - TICK_BIAS)}


def _amount_delta(case: Case) -> Case:
    values = _ints(case, "sqrtA", "sqrtB", "liquidity")
    amounts = [evaluate_one(operation, values, case["roundUp"])[0] for operation in ("amount0", "amount1")]
    return {"amount0": str(amounts[0]), "amount1": str(amounts[1])}


def _next_price(operation: str, case: Case) -> Case:
    values = _ints(case, "sqrtPriceX96", "liquidity", "amount")
    if not values[0] or not values[1]:
        raise ZeroLiquidityError("no price or no liquidity")
    return {"sqrtPriceNextX96": str(evaluate_one(operation, values, case["zeroForOne"])[0])}


def _step(case: Case) -> Case:
    price, target, liquidity, remaining, fee = _ints(
        case, "sqrtPriceX96", "sqrtTargetX96", "liquidity", "amountRemaining", "feePips"
    )
    values = [price, target, liquidity, abs(remaining), fee]
    narrow = evaluate_one("step", values, exact_in=remaining >= 0)
    plain = evaluate_one("step in contract order", values, exact_in=remaining >= 0)
    if narrow != plain:
        raise ValueError(f"the narrow step gives {narrow}, the plain one {plain}")
    return {name: str(value) for name, value in zip(STEP_FIELDS, narrow, strict=True)}


def _full_math(case: Case) -> Case:
    found: Case = {}
    for field, up in (("mulDiv", False), ("mulDivRoundingUp", True)):
        try:
            found[field] = str(evaluate_one("mul_div", _ints(case, "a", "b", "d"), up)[0])
        except UintOverflowError:
            found[field] = {"revert": True}
    return found


COMPILED: dict[str, Callable[[Case], Case]] = {
    "getSqrtRatioAtTick": _ratio,
    "getTickAtSqrtRatio": _tick,
    "getAmountDelta": _amount_delta,
    "getNextSqrtPriceFromInput": lambda case: _next_price("next price from input", case),
    "getNextSqrtPriceFromOutput": lambda case: _next_price("next price from output", case),
    "computeSwapStep": _step,
    "fullMath": _full_math,
}
