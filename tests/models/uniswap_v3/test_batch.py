"""The compiled swaps against the readable ones: random pools, absurd values, every field."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from atomizer.models.uniswap_v3 import Pool, PoolError
from atomizer.models.uniswap_v3.batch import (
    TICK_BIAS,
    CompiledPool,
    SwapBatch,
    decode,
    encode,
    evaluate,
    swap_batch,
    swap_one,
)
from atomizer.models.uniswap_v3.errors import LockedError, PriceLimitError, UintOverflowError, ZeroAmountError
from atomizer.models.uniswap_v3.sqrt_price import UINT128
from atomizer.models.uniswap_v3.swap_step import compute_swap_step
from atomizer.models.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
)

# Compiles for seconds the first time on a machine, so not part of the unit tests.
pytestmark = pytest.mark.system

Swap = tuple[bool, int, int | None, int]


def state_of(pool: Pool) -> dict[str, Any]:
    oracle = pool.oracle
    state = {key: value for key, value in vars(pool).items() if key not in {"history", "oracle"}}
    ring = oracle.index, oracle.cardinality, oracle.cardinality_next, oracle.observations
    return state | {"ring": ring}


def random_pool(rng: random.Random) -> Pool:
    spacing = rng.choice([1, 10, 60, 200, 13, 16_383])
    pool = Pool(rng.choice([0, 1, 100, 500, 3000, 10_000, 499_999, 600_000, 999_999]), spacing)
    centre = rng.choice([0, -200_000, 100_000, rng.randint(-880_000, 880_000)])
    pool.initialize(sqrt_ratio_at_tick(centre) + rng.randint(0, 9), now=rng.choice([1, 2**32 - 5]))
    pool.set_fee_protocol(rng.choice([0, 4, 6, 10]), rng.choice([0, 4, 5]))
    pool.increase_observation_cardinality_next(rng.randint(1, 9))
    most = MAX_TICK // spacing
    bits = rng.choice([20, 60, 70, 90, 106])
    for _ in range(rng.randint(0, 12)):
        low = min(max(centre // spacing + rng.randint(-60, 60), -most), most - 1)
        high = min(low + rng.randint(1, 300), most)
        liquidity = min(rng.getrandbits(rng.randint(1, bits)) + 1, pool.max_liquidity_per_tick // 30 + 1)
        pool.mint("a", low * spacing, high * spacing, liquidity, now=5)
    if rng.random() < 0.3:
        pool.mint("a", -most * spacing, most * spacing, 1 + rng.getrandbits(bits - 1))
    for name in ("protocol_fees0", "protocol_fees1"):
        setattr(pool, name, rng.choice([0, UINT128 - 3]))
    for name in ("fee_growth_global0", "fee_growth_global1"):
        setattr(pool, name, rng.choice([0, 2**256 - 77]))
    return pool


def random_swaps(rng: random.Random, pool: Pool, count: int) -> list[Swap]:
    swaps: list[Swap] = []
    now = 100
    for _ in range(count):
        now += rng.choice([0, 0, 1, 12, 2**31])
        down = rng.random() < 0.5
        amount = rng.getrandbits(rng.randint(0, rng.choice([20, 60, 80, 128, 130, 250, 255])))
        if rng.random() < 0.4:
            amount = -amount
        limit = None
        if rng.random() < 0.6:
            tick = pool.tick + rng.randint(-40_000, 40_000)
            limit = sqrt_ratio_at_tick(min(max(tick, MIN_TICK), MAX_TICK)) + rng.randint(-1, 1)
        elif rng.random() < 0.05:
            limit = rng.choice([0, MIN_SQRT_RATIO, MAX_SQRT_RATIO, 2**160 - 1])
        swaps.append((down, amount, limit, now))
    return swaps


def duel(seed: int, swaps_each: int) -> int:
    """Run one random pool in both forms; the number of refused swaps."""
    rng = random.Random(seed)
    pure, compiled = random_pool(rng), random_pool(random.Random(seed))
    assert state_of(pure) == state_of(compiled)
    swaps = random_swaps(rng, pure, swaps_each)
    result = swap_batch(compiled, SwapBatch.of(swaps))
    found, refused = result.amounts(), 0
    for index, (down, amount, limit, now) in enumerate(swaps):
        try:
            expected = pure.swap(down, amount, limit, now=now)
        except PoolError as error:
            refused += 1
            assert type(result.error(index)) is type(error), (seed, index)
            assert found[index] == (0, 0)
            continue
        assert result.error(index) is None, (seed, index)
        assert found[index] == expected, (seed, index)
    if not refused:
        assert result.sqrt_prices()[-1] == pure.sqrt_price
        assert result.liquidities()[-1] == pure.liquidity
    assert state_of(pure) == state_of(compiled), seed
    return refused


def test_random_pools_with_absurd_values_are_equal_in_every_field() -> None:
    assert sum(duel(seed, 40) for seed in range(60)) > 30


@pytest.mark.prove
def test_hundreds_of_thousands_of_random_swaps_are_equal() -> None:
    for seed in range(10_000, 13_000):
        duel(seed, 100)


def step_cases(rng: random.Random, count: int) -> list[tuple[int, int, int, int, int]]:
    cases = []
    for _ in range(count):
        tick = rng.randint(MIN_TICK, MAX_TICK - 1)
        price = sqrt_ratio_at_tick(tick) + rng.getrandbits(20)
        near = rng.choice([1, 10, 1000, 100_000])
        target = sqrt_ratio_at_tick(min(max(tick + rng.randint(-near, near), MIN_TICK), MAX_TICK))
        liquidity = rng.getrandbits(rng.randint(0, 128))
        fee = rng.choice([0, 1, 100, 500, 3000, 10_000, 500_000, 999_999])
        remaining = rng.getrandbits(rng.randint(0, 255))
        if rng.random() < 0.4:
            # amounts that reach the target exactly, or miss it by a unit or two
            _after, paid, got, charged = compute_swap_step(price, target, liquidity, 2**254, fee)
            exact = paid + charged if rng.random() < 0.5 else -got
            remaining = exact + rng.randint(-2, 2)
        elif rng.random() < 0.5:
            remaining = -remaining
        if -(2**255) <= remaining < 2**255:
            cases.append((price, target, liquidity, remaining, fee))
    return cases


def check_steps(seed: int, count: int) -> None:
    cases = step_cases(random.Random(seed), count)
    words = encode((abs(value) for case in cases for value in case), 4).reshape(-1, 5, 4)
    flags = np.array([(0, case[3] >= 0) for case in cases], np.uint8)
    expected = [value for case in cases for value in compute_swap_step(*case)]
    for operation in ("step", "step in contract order"):
        results, status = evaluate(operation, words, flags)
        assert not status.any()
        found = decode(results.reshape(-1, 4))
        assert found == expected


def test_random_steps_equal_in_the_narrow_and_the_plain_order() -> None:
    check_steps(1, 5000)


@pytest.mark.prove
def test_a_million_random_steps_are_equal() -> None:
    for seed in range(50):
        check_steps(100 + seed, 20_000)


@pytest.mark.prove
def test_compiled_tick_functions_equal_the_readable_ones_on_all_ticks() -> None:
    ticks = np.arange(MIN_TICK, MAX_TICK + 1)
    for part in np.array_split(ticks, 20):
        words = np.zeros((len(part), 5, 4), np.uint64)
        words[:, 0, 0] = part + TICK_BIAS
        flags = np.zeros((len(part), 2), np.uint8)
        results, _status = evaluate("ratio", words, flags)
        ratio = sqrt_ratio_at_tick.__wrapped__
        assert decode(results[:, 0]) == [ratio(tick) for tick in part.tolist()]
        words[:, 0] = results[:, 0]
        inside = part < MAX_TICK
        back, _status = evaluate("tick", words[inside], flags[inside])
        assert (back[:, 0, 0].astype(np.int64) - TICK_BIAS == part[inside]).all()


def test_single_swaps_raise_as_the_readable_pool_does() -> None:
    pool = Pool(500, 10)
    with pytest.raises(LockedError):
        swap_one(pool, True, 5)
    pool.initialize(2**96)
    pool.mint("a", -1000, 1000, 10**18)
    with pytest.raises(ZeroAmountError):
        swap_one(pool, True, 0)
    with pytest.raises(PriceLimitError):
        swap_one(pool, True, 5, 2**96 + 1)
    with pytest.raises(UintOverflowError):
        swap_one(pool, True, 2**255)


def test_batch_refuses_a_limit_that_is_no_price() -> None:
    with pytest.raises(UintOverflowError):
        SwapBatch.of([(True, 1, 2**160, 0)])
    with pytest.raises(UintOverflowError):
        SwapBatch.of([(True, 1, -1, 0)])


def test_several_batches_on_one_compiled_pool_add_up() -> None:
    rng = random.Random(5)
    pure, compiled = random_pool(rng), random_pool(random.Random(5))
    swaps = [(bool(i % 2), 10**12 + i, None, i) for i in range(60)]
    resident = CompiledPool(compiled)
    for part in (swaps[:10], swaps[10:11], swaps[11:]):
        resident.swap(SwapBatch.of(part))
    resident.store()
    resident.store()
    for down, amount, limit, now in swaps:
        pure.swap(down, amount, limit, now=now)
    assert state_of(pure) == state_of(compiled)


def test_restoring_a_snapshot_takes_a_batch_back() -> None:
    pool = random_pool(random.Random(8))
    before = {key: dict(value) if isinstance(value, dict) else value for key, value in state_of(pool).items()}
    ring = dict(pool.oracle.observations)
    snapshot = pool.snapshot()
    swap_batch(pool, SwapBatch.of([(bool(i % 3), 10**15, None, 7 * i) for i in range(50)]))
    pool.restore(snapshot)
    assert pool.oracle.observations == ring
    before["ring"] = state_of(pool)["ring"]
    assert state_of(pool) == before


def test_empty_batch_changes_nothing() -> None:
    pool = random_pool(random.Random(9))
    before = state_of(pool)
    assert swap_batch(pool, SwapBatch.of([])).amounts() == []
    assert state_of(pool) == before
