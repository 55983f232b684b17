"""Replays a vector sequence on a pool: every amount, state, position and tick compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atomizer.models.uniswap_v3.batch import swap_one
from atomizer.models.uniswap_v3.errors import PoolError
from atomizer.models.uniswap_v3.pool import Pool
from atomizer.models.uniswap_v3.position_manager import PositionManager
from atomizer.models.uniswap_v3.quoter import quote
from atomizer.models.uniswap_v3.state import NO_POSITION

MALFORMED = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError)
Step = dict[str, Any]
Swap = Callable[[Pool, bool, int, int | None, int], tuple[int, int]]


def _swap_pure(pool: Pool, zero_for_one: bool, amount: int, limit: int | None, now: int) -> tuple[int, int]:
    return pool.swap(zero_for_one, amount, limit, now=now)


def _swap_compiled(
    pool: Pool, zero_for_one: bool, amount: int, limit: int | None, now: int
) -> tuple[int, int]:
    return swap_one(pool, zero_for_one, amount, limit, now=now)


FORMS: dict[str, Swap] = {"pure": _swap_pure, "compiled": _swap_compiled}


class Replay:
    """One sequence on one form of the pool; `step` returns what was wrong, empty when nothing was."""

    def __init__(self, sequence: dict[str, Any], form: str) -> None:
        self.pool = Pool(int(sequence["fee"]), int(sequence["tickSpacing"]))
        self.manager = PositionManager(self.pool)
        self.swap = FORMS[form]
        self.final = sequence.get("finalBeforeClose")
        self.steps: list[Step] = sequence["steps"]
        self.closing = _first_of_closing(self.steps) if self.final else -1
        self.count = 0

    def step(self, step: Step) -> str:
        problem = ""
        if self.count == self.closing:
            problem = self._final_problem()
        self.count += 1
        operation = getattr(self, f"_op_{step.get('op')}", None)
        if operation is None:
            return f"operation {step.get('op')!r} is not known"
        try:
            found: dict[str, Any] = operation(step)
        except PoolError as error:
            expected = step.get("revert")
            right = expected is True or (expected and expected == error.code)
            return problem if right else f"{problem} raised {error}"
        except MALFORMED as error:
            return f"{problem} the step cannot be read: {error!r}"
        if "revert" in step:
            return f"expected revert {step['revert']!r}, found {found}"
        if "state" in step:
            found["state"] = {key: self._state(key) for key in step["state"]}
        return problem + _difference(step, found)

    def _state(self, key: str) -> str | None:
        pool = self.pool
        values = {
            "sqrtPriceX96": pool.sqrt_price,
            "tick": pool.tick,
            "liquidity": pool.liquidity,
            "feeGrowthGlobal0X128": pool.fee_growth_global0,
            "feeGrowthGlobal1X128": pool.fee_growth_global1,
            "protocolFees0": pool.protocol_fees0,
            "protocolFees1": pool.protocol_fees1,
            "balance0": pool.balance0,
            "balance1": pool.balance1,
        }
        return str(values[key]) if key in values else None

    def _op_initialize(self, step: Step) -> dict[str, Any]:
        self.pool.initialize(int(step["sqrtPriceX96"]), now=_now(step))
        return {}

    def _op_increaseObservationCardinalityNext(self, step: Step) -> dict[str, Any]:
        self.pool.increase_observation_cardinality_next(int(step["value"]))
        return {}

    def _op_setFeeProtocol(self, step: Step) -> dict[str, Any]:
        self.pool.set_fee_protocol(int(step["feeProtocol0"]), int(step["feeProtocol1"]))
        return {}

    def _op_mint(self, step: Step) -> dict[str, Any]:
        amounts = self.pool.mint(*_range(step), int(step["liquidity"]), now=_now(step))
        return _amounts(amounts) | {"position": self._position(step)}

    def _op_burn(self, step: Step) -> dict[str, Any]:
        amounts = self.pool.burn(*_range(step), int(step["liquidity"]), now=_now(step))
        return _amounts(amounts) | {"position": self._position(step)}

    def _op_collect(self, step: Step) -> dict[str, Any]:
        return _amounts(self.pool.collect(*_range(step))) | {"position": self._position(step)}

    def _op_swap(self, step: Step) -> dict[str, Any]:
        down = step["zeroForOne"]
        limit = int(step["sqrtPriceLimitX96"]) or None
        if "amountSpecified" in step:
            return _amounts(self.swap(self.pool, down, int(step["amountSpecified"]), limit, _now(step)))
        amount = int(step["amount"]) if step["exactIn"] else -int(step["amount"])
        quoted = quote(self.pool, down, amount, limit)
        return _amounts(self.swap(self.pool, down, amount, limit, _now(step))) | {
            "quote": str(quoted.amount),
            "quoteSqrtPriceAfterX96": str(quoted.sqrt_price_after),
            "quoteTicksCrossed": str(quoted.ticks_crossed),
        }

    def _op_observe(self, step: Step) -> dict[str, Any]:
        sums = self.pool.observe([int(ago) for ago in step["secondsAgos"]], now=_now(step))
        return {
            "tickCumulatives": [str(s.tick_cumulative) for s in sums],
            "secondsPerLiquidityCumulativeX128s": [str(s.seconds_per_liquidity) for s in sums],
        }

    def _op_npmMint(self, step: Step) -> dict[str, Any]:
        desired = int(step["amount0Desired"]), int(step["amount1Desired"])
        token, liquidity, *amounts = self.manager.mint(
            int(step["tickLower"]), int(step["tickUpper"]), *desired, now=_now(step)
        )
        made = {"tokenId": str(token), "liquidity": str(liquidity), "position": self._token(token)}
        return _amounts(amounts) | made

    def _op_npmIncrease(self, step: Step) -> dict[str, Any]:
        token = int(step["tokenId"])
        desired = int(step["amount0Desired"]), int(step["amount1Desired"])
        liquidity, *amounts = self.manager.increase(token, *desired, now=_now(step))
        return _amounts(amounts) | {"liquidity": str(liquidity), "position": self._token(token)}

    def _op_npmDecrease(self, step: Step) -> dict[str, Any]:
        token = int(step["tokenId"])
        amounts = self.manager.decrease(token, int(step["liquidity"]), now=_now(step))
        return _amounts(amounts) | {"position": self._token(token)}

    def _op_npmCollect(self, step: Step) -> dict[str, Any]:
        token = int(step["tokenId"])
        got = self.manager.collect(token, now=_now(step))
        credited = {"eventAmount0": str(got.credited0), "eventAmount1": str(got.credited1)}
        return _amounts(got[:2]) | credited | {"position": self._token(token)}

    def _op_npmBurn(self, step: Step) -> dict[str, Any]:
        self.manager.burn(int(step["tokenId"]))
        return {}

    def _op_end(self, step: Step) -> dict[str, Any]:
        del step
        return {"balance0": str(self.pool.balance0), "balance1": str(self.pool.balance1)}

    def _position(self, step: Step) -> dict[str, str]:
        liquidity, inside0, inside1, owed0, owed1 = self.pool.positions.get(_range(step), NO_POSITION)
        return _position_fields(liquidity, inside0, inside1, owed0, owed1)

    def _token(self, token_id: int) -> dict[str, str]:
        lower, upper, *rest = self.manager.tokens[token_id]
        return {"tickLower": str(lower), "tickUpper": str(upper)} | _position_fields(*rest)

    def _final_problem(self) -> str:
        """Ticks and positions before everything is withdrawn; other tables are unknown and fail."""
        pool, tables = self.pool, dict(self.final or {})
        ticks = {
            str(index): {
                "tick": str(index),
                "liquidityGross": str(tick.liquidity_gross),
                "liquidityNet": str(tick.liquidity_net),
                "feeGrowthOutside0X128": str(tick.fee_growth_outside0),
                "feeGrowthOutside1X128": str(tick.fee_growth_outside1),
            }
            for index, tick in pool.ticks.items()
        }
        expected_ticks = {row["tick"]: row for row in tables.pop("ticks", [])}
        problem = "" if expected_ticks == ticks else f"ticks: expected {expected_ticks}, found {ticks}"
        for row in tables.pop("positions", []):
            found = _position_fields(*pool.positions.get(_range(row), NO_POSITION))
            problem += _difference(row, found)
        for key in tables:
            expected = tables[key]
            if isinstance(expected, dict):
                problem += _difference({key: expected}, {key: {k: self._state(k) for k in expected}})
            elif self._state(key) != expected:
                problem += f" {key}: expected {expected}, found {self._state(key)}"
        return problem


_INPUTS = {
    *("op", "time", "owner", "tickLower", "tickUpper", "zeroForOne", "amountSpecified", "exactIn", "amount"),
    *("sqrtPriceLimitX96", "value", "feeProtocol0", "feeProtocol1", "secondsAgos", "amount0Desired"),
    *("amount1Desired", "tokenId", "liquidity", "sqrtPriceX96"),
}

_OPTIONAL = {
    *("position", "quote", "quoteSqrtPriceAfterX96", "quoteTicksCrossed", "eventAmount0", "eventAmount1"),
}


def _difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    wrong = {
        key: (expected.get(key), value)
        for key, value in found.items()
        if expected.get(key) != value and not (key in _OPTIONAL and key not in expected)
    }
    unread = set(expected) - set(found) - _INPUTS
    problem = f" (expected, found) differ: {wrong}" if wrong else ""
    return problem + (f" fields {sorted(unread)} are not known" if unread else "")


def _first_of_closing(steps: list[Step]) -> int:
    """Index of the trailing burn-and-collect pairs that empty the pool, which the final tables precede."""
    first: int = len(steps) - (steps[-1]["op"] == "end")
    while first >= 2 and steps[first - 1]["op"] == "collect" and int(steps[first - 2].get("liquidity", 0)):
        if steps[first - 2]["op"] != "burn":
            break
        first -= 2
    return first


def _now(step: Step) -> int:
    return int(step.get("time", 0))


def _range(step: Step) -> tuple[str, int, int]:
    return step["owner"], int(step["tickLower"]), int(step["tickUpper"])


def _amounts(amounts: Any) -> dict[str, Any]:
    return {"amount0": str(amounts[0]), "amount1": str(amounts[1])}


def _position_fields(liquidity: int, inside0: int, inside1: int, owed0: int, owed1: int) -> dict[str, str]:
    return {
        "liquidity": str(liquidity),
        "feeGrowthInside0LastX128": str(inside0),
        "feeGrowthInside1LastX128": str(inside1),
        "tokensOwed0": str(owed0),
        "tokensOwed1": str(owed1),
    }
