"""Uniswap V3 vectors: the contracts' answers against both forms of the pool.

Every case of a known kind is run through the readable form, and through the compiled form where
that form has the operation; a kind or operation that is not known fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from atomizer.models.uniswap_v3.address import pool_address
from atomizer.models.uniswap_v3.errors import PoolError
from atomizer.testing.vectors import uniswap_v3_math as pure_math
from atomizer.testing.vectors.runner import CaseResult
from atomizer.testing.vectors.uniswap_v3_compiled import COMPILED
from atomizer.testing.vectors.uniswap_v3_sequences import FORMS, MALFORMED, Replay


def check(document: dict[str, Any], *, slow: bool) -> Iterator[CaseResult]:
    """One result per case and form. Nothing here is slow enough to be left out by default."""
    del slow
    for key in document:
        if key not in {"format", "about", "initCodeHash", "math", "poolAddress", "sequences"}:
            yield CaseResult(key, "-", "this section is not known; add a checker for it")
    for kind, cases in document.get("math", {}).items():
        yield from _check_math(kind, cases)
    code_hash = bytes.fromhex(document.get("initCodeHash", pure_math.INIT_CODE_HASH_TEXT).removeprefix("0x"))
    for number, case in enumerate(document.get("poolAddress", [])):
        yield CaseResult("poolAddress", str(number), _address_problem(case, code_hash))
    for sequence in document.get("sequences", []):
        for form in FORMS:
            yield from _check_sequence(sequence, form)


def _check_math(kind: str, cases: list[dict[str, Any]]) -> Iterator[CaseResult]:
    forms = {"pure": pure_math.PURE.get(kind), "compiled": COMPILED.get(kind)}
    if forms["pure"] is None:
        yield CaseResult(kind, "-", "this kind of case is not known; add a checker for it")
    for form, function in forms.items():
        if function is not None:
            for number, case in enumerate(cases):
                yield CaseResult(f"{kind} ({form})", str(number), _problem(function, case))


def _problem(function: Callable[[dict[str, Any]], dict[str, Any]], case: dict[str, Any]) -> str:
    """What differs between a case and our answer; a refusal is compared by its code where there is one."""
    try:
        found = function(case)
    except PoolError as error:
        expected = case.get("revert")
        return "" if expected is True or (expected and expected == error.code) else f"raised {error}"
    except MALFORMED as error:
        return f"the case cannot be read: {error!r}"
    if "revert" in case:
        return f"expected revert {case['revert']!r}, found {found}"
    wrong = {key: (case.get(key), value) for key, value in found.items() if case.get(key) != value}
    unread = set(case) - set(found) - pure_math.INPUTS
    if unread:
        return f"fields {sorted(unread)} are not known"
    return f"(expected, found) differ: {wrong}" if wrong else ""


def _address_problem(case: dict[str, Any], code_hash: bytes) -> str:
    try:
        found = pool_address(case["factory"], case["token0"], case["token1"], int(case["fee"]), code_hash)
    except MALFORMED as error:
        return f"cannot be computed: {error!r}"
    return "" if found == case["pool"] else f"expected {case['pool']}, found {found}"


def _check_sequence(sequence: dict[str, Any], form: str) -> Iterator[CaseResult]:
    name = sequence.get("name", "unnamed")
    try:
        replay = Replay(sequence, form)
    except MALFORMED as error:
        yield CaseResult(f"sequence ({form})", name, f"the sequence cannot be read: {error!r}")
        return
    for number, step in enumerate(replay.steps):
        problem = replay.step(step)
        yield CaseResult(f"sequence {step.get('op')} ({form})", f"{name} #{number}", problem)
        if problem and "revert" not in step:
            yield CaseResult(
                f"sequence rest ({form})", f"{name} #{number + 1}..", "not run after the failed step"
            )
            return
