"""The golden file of the contracts, and that the checker can fail."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from atomizer.testing.vectors.uniswap_v3 import check

FILE = Path(__file__).resolve().parents[3].parent / "shared" / "vectors" / "uniswap_v3.json"
RATIO_CASE = {"tick": "0", "sqrtPriceX96": "79228162514264337593543950336"}

# The compiled form is checked too, and compiles for seconds the first time.
pytestmark = pytest.mark.system


def problems(document: dict[str, Any]) -> list[str]:
    return [result.problem for result in check(document, slow=False) if not result.ok]


@pytest.mark.needs_shared
def test_every_case_and_sequence_agrees_in_both_forms() -> None:
    if not FILE.exists():
        pytest.skip("the golden file is not beside this checkout")
    results = list(check(json.loads(FILE.read_text(encoding="utf-8")), slow=False))
    assert [result for result in results if not result.ok] == []
    kinds = {result.kind for result in results}
    assert "sequence swap (pure)" in kinds
    assert "sequence swap (compiled)" in kinds
    assert "computeSwapStep (compiled)" in kinds
    assert len(results) > 2500


def test_right_case_passes_and_wrong_one_fails_in_both_forms() -> None:
    assert problems({"math": {"getSqrtRatioAtTick": [RATIO_CASE]}}) == []
    wrong = RATIO_CASE | {"sqrtPriceX96": "79228162514264337593543950337"}
    assert len(problems({"math": {"getSqrtRatioAtTick": [wrong]}})) == 2


def test_unknown_kind_section_field_and_operation_fail() -> None:
    assert problems({"math": {"getSomething": [{"a": "1"}]}})
    assert problems({"math": {}, "another": []})
    assert problems({"math": {"getSqrtRatioAtTick": [RATIO_CASE | {"colour": "1"}]}})
    steps = [{"op": "initialize", "sqrtPriceX96": str(2**96)}, {"op": "teleport"}]
    sequence = {"name": "x", "level": "pool", "fee": "500", "tickSpacing": "10", "steps": steps}
    assert problems({"sequences": [sequence]})


def test_missing_revert_and_wrong_revert_fail() -> None:
    assert problems({"math": {"getSqrtRatioAtTick": [{"tick": "5", "revert": "T"}]}})
    assert problems({"math": {"getSqrtRatioAtTick": [{"tick": "887273", "revert": "R"}]}})
    assert problems({"math": {"getSqrtRatioAtTick": [{"tick": "887273", "sqrtPriceX96": "1"}]}})
    assert problems({"math": {"getSqrtRatioAtTick": [{"tick": "887273", "revert": "T"}]}}) == []


def test_wrong_state_after_a_step_fails_and_stops_the_sequence() -> None:
    price = str(2**96)
    step = {"op": "initialize", "sqrtPriceX96": price, "state": {"sqrtPriceX96": price, "tick": "0"}}
    end = {"op": "end", "balance0": "0", "balance1": "0"}
    sequence = {"name": "x", "level": "pool", "fee": "500", "tickSpacing": "10", "steps": [step, end]}
    assert problems({"sequences": [sequence]}) == []
    broken = copy.deepcopy(sequence)
    broken["steps"][0]["state"]["tick"] = "1"  # type: ignore[index]
    assert len(problems({"sequences": [broken]})) == 4


def test_malformed_cases_and_sequences_fail_without_ending_the_run() -> None:
    assert problems({"math": {"getSqrtRatioAtTick": [{"tock": "5"}, {"tick": "five"}]}})
    assert problems({"sequences": [{"name": "x", "fee": "500"}]})
    steps = [{"op": "initialize"}, {"op": "mint"}]
    assert problems({"sequences": [{"name": "x", "fee": "500", "tickSpacing": "10", "steps": steps}]})


def test_wrong_pool_address_fails() -> None:
    case = {
        "factory": "0x1F98431c8aD98523631AE4a59f267346ea31F984",
        "token0": "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
        "token1": "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
        "fee": "500",
        "pool": "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640",
    }
    assert problems({"math": {}, "poolAddress": [case]}) == []
    assert problems({"math": {}, "poolAddress": [case | {"fee": "3000"}]})
