"""Position tokens: shared pool position, own rounding, slippage and deadlines."""

from __future__ import annotations

import pytest

from atomizer.models.uniswap_v3 import Pool, PositionManager, errors

FULL = 10**18


def manager_with_two_tokens_in_one_range() -> PositionManager:
    pool = Pool(500, 10)
    pool.initialize(2**96 + 12345, now=10)
    manager = PositionManager(pool)
    manager.mint(-100, 100, FULL + 1, FULL, now=10)
    manager.mint(-100, 100, FULL // 3, FULL, now=10)
    return manager


def test_two_tokens_in_one_range_share_one_pool_position() -> None:
    manager = manager_with_two_tokens_in_one_range()
    (position,) = manager.pool.positions.values()
    assert position.liquidity == manager.tokens[1].liquidity + manager.tokens[2].liquidity


def test_credited_fees_never_exceed_by_more_than_units_what_the_pool_pays() -> None:
    manager = manager_with_two_tokens_in_one_range()
    for amount in range(10**9, 10**9 + 40):
        manager.pool.swap(bool(amount % 2), amount)
    got = [manager.collect(token) for token in (1, 2)]
    assert all(0 <= c.credited0 - c.amount0 <= 2 and 0 <= c.credited1 - c.amount1 <= 2 for c in got)
    assert sum(c.amount0 for c in got) > 0


def test_decrease_credits_and_collect_pays() -> None:
    manager = manager_with_two_tokens_in_one_range()
    held = manager.tokens[1].liquidity
    balance = manager.pool.balance0
    amount0, amount1 = manager.decrease(1, held)
    assert manager.pool.balance0 == balance
    paid = manager.collect(1)
    assert (paid.amount0, paid.amount1) == (amount0, amount1)
    assert manager.pool.balance0 == balance - amount0
    manager.burn(1)
    with pytest.raises(errors.InvalidTokenIdError):
        manager.collect(1)


def test_amounts_never_exceed_the_desired_ones() -> None:
    manager = manager_with_two_tokens_in_one_range()
    for lower, upper in ((-100, 100), (10, 400), (-400, -20)):
        _token, _liquidity, amount0, amount1 = manager.mint(lower, upper, 777_777, 333_333)
        assert amount0 <= 777_777
        assert amount1 <= 333_333


def test_slippage_and_deadline_leave_no_trace() -> None:
    manager = manager_with_two_tokens_in_one_range()
    pool, tokens = manager.pool, dict(manager.tokens)
    before = dict(pool.positions), dict(pool.ticks), pool.balance0, pool.balance1, pool.liquidity
    with pytest.raises(errors.SlippageError):
        manager.mint(-100, 100, FULL, FULL, min0=2 * FULL, now=11)
    with pytest.raises(errors.SlippageError):
        manager.increase(1, FULL, FULL, min1=2 * FULL, now=11)
    with pytest.raises(errors.SlippageError):
        manager.decrease(1, 1000, min0=FULL, now=11)
    with pytest.raises(errors.DeadlineError):
        manager.mint(-100, 100, FULL, FULL, deadline=10, now=11)
    assert (pool.positions, pool.ticks, pool.balance0, pool.balance1, pool.liquidity) == before
    assert manager.tokens == tokens


def test_refusals_name_what_to_do() -> None:
    manager = manager_with_two_tokens_in_one_range()
    with pytest.raises(errors.NotClearedError, match="collect everything"):
        manager.burn(1)
    with pytest.raises(errors.PositionTooSmallError):
        manager.decrease(1, manager.tokens[1].liquidity + 1)
    with pytest.raises(errors.ZeroLiquidityError):
        manager.decrease(1, 0)
    with pytest.raises(errors.NothingAskedError):
        manager.collect(1, 0, 0)
    with pytest.raises(errors.UintOverflowError):
        manager.collect(1, 2**128, 0)
    with pytest.raises(errors.UintOverflowError):
        manager.mint(-100, 100, 2**256, 0)
    with pytest.raises(errors.InvalidTokenIdError):
        manager.increase(99, 1, 1)
    with pytest.raises(errors.TickRangeError):
        manager.mint(-900_000, 0, FULL, FULL)


def test_restoring_the_pool_restores_its_tokens() -> None:
    manager = manager_with_two_tokens_in_one_range()
    tokens, snapshot = dict(manager.tokens), manager.pool.snapshot()
    manager.mint(-50, 50, FULL, FULL)
    manager.decrease(1, 1000)
    manager.pool.restore(snapshot)
    assert manager.tokens == tokens
    assert manager.mint(-50, 50, FULL, FULL)[0] == 3
