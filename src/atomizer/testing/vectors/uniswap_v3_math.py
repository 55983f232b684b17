"""The library functions of the Uniswap V3 vectors: a case in, the fields of its result out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atomizer.models.uniswap_v3.address import POOL_INIT_CODE_HASH
from atomizer.models.uniswap_v3.errors import PoolError
from atomizer.models.uniswap_v3.liquidity import (
    amounts_for_liquidity,
    liquidity_for_amount0,
    liquidity_for_amount1,
    liquidity_for_amounts,
)
from atomizer.models.uniswap_v3.sqrt_price import (
    amount0_delta,
    amount1_delta,
    mul_div,
    mul_div_rounding_up,
    next_sqrt_price_from_input,
    next_sqrt_price_from_output,
)
from atomizer.models.uniswap_v3.swap_step import compute_swap_step
from atomizer.models.uniswap_v3.tick_math import (
    max_liquidity_per_tick,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)

Case = dict[str, Any]
INIT_CODE_HASH_TEXT = POOL_INIT_CODE_HASH.hex()
INPUTS = {
    *("tick", "sqrtPriceX96", "sqrtA", "sqrtB", "liquidity", "roundUp", "amount", "zeroForOne", "revert"),
    *("sqrtTargetX96", "amountRemaining", "feePips", "amount0", "amount1", "a", "b", "d", "tickSpacing"),
}
STEP_FIELDS = ("sqrtNextX96", "amountIn", "amountOut", "feeAmount")


def _ints(case: Case, *names: str) -> list[int]:
    return [int(case[name]) for name in names]


def _or_revert(function: Callable[..., int], *arguments: int) -> Any:
    try:
        return str(function(*arguments))
    except PoolError:
        return {"revert": True}


def _ratio(case: Case) -> Case:
    return {"sqrtPriceX96": str(sqrt_ratio_at_tick(int(case["tick"])))}


def _tick(case: Case) -> Case:
    return {"tick": str(tick_at_sqrt_ratio(int(case["sqrtPriceX96"])))}


def _amount_delta(case: Case) -> Case:
    a, b, liquidity = _ints(case, "sqrtA", "sqrtB", "liquidity")
    up = case["roundUp"]
    amounts = amount0_delta(a, b, liquidity, up), amount1_delta(a, b, liquidity, up)
    return {"amount0": str(amounts[0]), "amount1": str(amounts[1])}


def _next_from_input(case: Case) -> Case:
    price, liquidity, amount = _ints(case, "sqrtPriceX96", "liquidity", "amount")
    after = next_sqrt_price_from_input(price, liquidity, amount, case["zeroForOne"])
    return {"sqrtPriceNextX96": str(after)}


def _next_from_output(case: Case) -> Case:
    price, liquidity, amount = _ints(case, "sqrtPriceX96", "liquidity", "amount")
    after = next_sqrt_price_from_output(price, liquidity, amount, case["zeroForOne"])
    return {"sqrtPriceNextX96": str(after)}


def _step_inputs(case: Case) -> list[int]:
    return _ints(case, "sqrtPriceX96", "sqrtTargetX96", "liquidity", "amountRemaining", "feePips")


def _step(case: Case) -> Case:
    found = compute_swap_step(*_step_inputs(case))
    return {name: str(value) for name, value in zip(STEP_FIELDS, found, strict=True)}


def _liquidity_amounts(case: Case) -> Case:
    price, a, b, amount0, amount1, liquidity = _ints(
        case, "sqrtPriceX96", "sqrtA", "sqrtB", "amount0", "amount1", "liquidity"
    )
    return {
        "liquidityForAmount0": _or_revert(liquidity_for_amount0, a, b, amount0),
        "liquidityForAmount1": _or_revert(liquidity_for_amount1, a, b, amount1),
        "liquidityForAmounts": _or_revert(liquidity_for_amounts, price, a, b, amount0, amount1),
        "amountsForLiquidity": [str(amount) for amount in amounts_for_liquidity(price, a, b, liquidity)],
    }


def _full_math(case: Case) -> Case:
    values = _ints(case, "a", "b", "d")
    return {
        "mulDiv": _or_revert(mul_div, *values),
        "mulDivRoundingUp": _or_revert(mul_div_rounding_up, *values),
    }


def _max_liquidity(case: Case) -> Case:
    return {"maxLiquidityPerTick": str(max_liquidity_per_tick(int(case["tickSpacing"])))}


PURE: dict[str, Callable[[Case], Case]] = {
    "getSqrtRatioAtTick": _ratio,
    "getTickAtSqrtRatio": _tick,
    "getAmountDelta": _amount_delta,
    "getNextSqrtPriceFromInput": _next_from_input,
    "getNextSqrtPriceFromOutput": _next_from_output,
    "computeSwapStep": _step,
    "liquidityAmounts": _liquidity_amounts,
    "fullMath": _full_math,
    "maxLiquidityPerTick": _max_liquidity,
}
