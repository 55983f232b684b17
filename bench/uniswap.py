"""Exact swaps: compiled beside readable, both beside degenbot and demeter, on one pool in one run.

degenbot runs the same swaps and must give the same amounts. demeter has no swaps: it apportions a
minute's volume by liquidity share, so its row counts bars of the same positions and is no like for
like. Both live in their own locked environment; a row says so when they cannot be installed.
"""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path
from typing import Any

from atomizer.models.uniswap_v3 import Pool
from atomizer.models.uniswap_v3.batch import CompiledPool, SwapBatch
from tests.judges.environments import JudgeError, environment, run_client

CLIENT = Path(__file__).parent / "clients" / "time_swaps.py"
PRICE = 3543193128966755358714237
Swap = tuple[bool, int]


def run(quick: bool) -> list[dict[str, Any]]:
    """Rows of name, ours, peer, ratio (ours over peer), unit and target."""
    swaps = _swaps(20_000 if quick else 200_000)
    rounds = 3 if quick else 5
    batch = SwapBatch.of([(down, amount, None, index // 4) for index, (down, amount) in enumerate(swaps)])
    amounts, pure_rates, compiled_rates = [], [], []
    for _ in range(rounds):
        rate, amounts = _pure(swaps[:20_000])
        pure_rates.append(rate)
        rate, found = _compiled(batch)
        compiled_rates.append(rate)
        if found[: len(amounts)] != amounts:
            raise AssertionError("the two forms of the pool disagree; run the tests of models.uniswap_v3")
    pure, compiled = statistics.median(pure_rates), statistics.median(compiled_rates)
    rows = [
        _row("compiled batch of swaps beside the readable pool", compiled, pure, ">= 12; aim 3 M/s"),
        _row("readable pool", pure, None, ">= 150000 swaps/s"),
    ]
    return rows + _peers(swaps[: 2_000 if quick else 10_000], amounts, pure, compiled)


def _peers(
    swaps: list[Swap], amounts: list[tuple[int, int]], pure: float, compiled: float
) -> list[dict[str, Any]]:
    try:
        answer = run_client(environment("swaps"), CLIENT, _request(swaps), timeout_s=600)
    except JudgeError as error:
        first_line = str(error).splitlines()[0]
        return [_row(f"degenbot and demeter did not install: {first_line}", compiled, None, "report")]
    theirs = [(int(a), int(b)) for a, b in answer.get("amounts", [])]
    verdict = "same amounts" if theirs == amounts[: len(swaps)] else "amounts differ"
    verdict = answer.get("degenbot_rate_error", verdict)
    bars = answer.get("demeter_rate_error", "bars of the same positions")
    degenbot, demeter = answer.get("degenbot"), answer.get("demeter")
    return [
        _row(f"readable pool beside degenbot ({verdict})", pure, degenbot, "report"),
        _row(f"compiled batch beside degenbot ({verdict})", compiled, degenbot, "report"),
        _row(f"compiled batch beside demeter's {bars}", compiled, demeter, "report"),
    ]


def _row(name: str, ours: float, peer: float | None, target: str) -> dict[str, Any]:
    ratio = ours / peer if peer else None
    return {"name": name, "ours": ours, "peer": peer, "ratio": ratio, "unit": "1/s", "target": target}


def _pool() -> Pool:
    """A USDC/WETH-like pool: one full range and twenty ranges around the price."""
    rng = random.Random(1)
    pool = Pool(500, 10)
    pool.initialize(PRICE)
    pool.mint("a", -887270, 887270, 10**18)
    for _ in range(20):
        lower = -200_320 + rng.randrange(-150, 50) * 10
        pool.mint("b", lower, lower + rng.randrange(20, 200) * 10, rng.randrange(10**18, 5 * 10**19))
    return pool


def _swaps(count: int) -> list[Swap]:
    rng = random.Random(2)
    swaps = []
    for _ in range(count):
        down = rng.random() < 0.5
        swaps.append((down, rng.randrange(10**15, 10**18) if down else rng.randrange(10**6, 2 * 10**9)))
    return swaps


def _pure(swaps: list[Swap]) -> tuple[float, list[tuple[int, int]]]:
    pool, amounts = _pool(), []
    started = time.thread_time()
    for index, (down, amount) in enumerate(swaps):
        amounts.append(pool.swap(down, amount, now=index // 4))
    return len(swaps) / (time.thread_time() - started), amounts


def _compiled(batch: SwapBatch) -> tuple[float, list[tuple[int, int]]]:
    compiled = CompiledPool(_pool())
    started = time.thread_time()
    result = compiled.swap(batch)
    spent = time.thread_time() - started
    return len(batch.now) / spent, result.amounts()


def _request(swaps: list[Swap]) -> dict[str, Any]:
    pool = _pool()
    return {
        "spacing": pool.tick_spacing,
        "fee": pool.fee,
        "price": str(pool.sqrt_price),
        "liquidity": str(pool.liquidity),
        "tick": pool.tick,
        "ticks": [
            (tick, str(info.liquidity_net), str(info.liquidity_gross)) for tick, info in pool.ticks.items()
        ],
        "positions": [
            (lower, upper, str(p.liquidity)) for (_owner, lower, upper), p in pool.positions.items()
        ],
        "swaps": swaps,
    }
