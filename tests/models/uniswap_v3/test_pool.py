"""Pool operations: identities, refusals that leave no trace, oracle, flash and protocol fees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.uniswap_v3 import Pool, errors
from atomizer.models.uniswap_v3.history import SnapshotError
from atomizer.models.uniswap_v3.sqrt_price import UINT128
from atomizer.models.uniswap_v3.tick_math import MAX_TICK, MIN_TICK, sqrt_ratio_at_tick

ONE = 2**96


def pool_with_liquidity(fee: int = 3000, spacing: int = 60) -> Pool:
    pool = Pool(fee, spacing)
    pool.initialize(ONE, now=1000)
    pool.mint("a", -6000, 6000, 10**18, now=1000)
    pool.mint("b", -600, 1200, 5 * 10**18, now=1000)
    return pool


def state_of(pool: Pool) -> dict[str, Any]:
    oracle = pool.oracle
    state = {key: value for key, value in vars(pool).items() if key not in {"history", "oracle"}}
    state = {key: dict(value) if isinstance(value, dict) else value for key, value in state.items()}
    return state | {
        "ring": (oracle.index, oracle.cardinality, oracle.cardinality_next, dict(oracle.observations))
    }


Act = Callable[[Pool], object]
REFUSALS: list[tuple[str, Act, type[errors.PoolError], str]] = [
    ("mint of nothing", lambda p: p.mint("a", -60, 60, 0), errors.ZeroLiquidityError, ""),
    ("mint too large", lambda p: p.mint("a", -60, 60, 2**127), errors.UintOverflowError, ""),
    ("mint below zero", lambda p: p.mint("a", -60, 60, -1), errors.UintOverflowError, ""),
    ("burn below zero", lambda p: p.burn("b", -600, 1200, -1), errors.UintOverflowError, ""),
    ("observation to come", lambda p: p.observe([-1], now=1000), errors.UintOverflowError, ""),
    ("mint over the cap", lambda p: p.mint("a", -60, 60, 2**126), errors.LiquidityCapError, "LO"),
    ("mint off spacing", lambda p: p.mint("a", -61, 60, 5), errors.TickSpacingError, ""),
    ("mint upside down", lambda p: p.mint("a", 60, 60, 5), errors.TickOrderError, "TLU"),
    ("mint too low", lambda p: p.mint("a", MIN_TICK - 8, 60, 5), errors.LowerTickError, "TLM"),
    ("mint too high", lambda p: p.mint("a", 60, MAX_TICK + 8, 5), errors.UpperTickError, "TUM"),
    (
        "burn too much",
        lambda p: p.burn("b", -600, 1200, 5 * 10**18 + 1),
        errors.LiquidityUnderflowError,
        "LS",
    ),
    ("burn of nobody's", lambda p: p.burn("z", -600, 1200, 6 * 10**18), errors.LiquidityUnderflowError, "LS"),
    ("poke of nothing", lambda p: p.burn("z", -600, 1200, 0), errors.NoPositionError, "NP"),
    ("swap of nothing", lambda p: p.swap(True, 0), errors.ZeroAmountError, "AS"),
    ("limit behind", lambda p: p.swap(True, 5, ONE), errors.PriceLimitError, "SPL"),
    ("limit out of bounds", lambda p: p.swap(True, 5, 4295128739), errors.PriceLimitError, "SPL"),
    ("amount too wide", lambda p: p.swap(True, 2**255), errors.UintOverflowError, ""),
    ("second price", lambda p: p.initialize(ONE), errors.AlreadyInitializedError, "AI"),
    ("protocol share", lambda p: p.set_fee_protocol(3, 0), errors.FeeProtocolError, ""),
    ("collect too wide", lambda p: p.collect("a", -6000, 6000, UINT128), errors.UintOverflowError, ""),
    ("old observation", lambda p: p.observe([1], now=1000), errors.ObservationTooOldError, "OLD"),
    ("ring too long", lambda p: p.increase_observation_cardinality_next(2**16), errors.UintOverflowError, ""),
    ("flash unpaid", lambda p: p.flash(10**6, 0, 2999, 0), errors.FlashNotPaidError, "F0"),
    ("flash too large", lambda p: p.flash(10**40, 0, 10**40, 0), errors.TransferFailedError, "TF"),
    ("flash growth", lambda p: p.flash(0, 0, 2**255, 0), errors.UintOverflowError, ""),
    ("seconds inside", lambda p: p.seconds_inside(-120, 60, now=1001), errors.TickSpacingError, ""),
]


@pytest.mark.parametrize(("name", "act", "kind", "code"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_refusal_is_typed_and_leaves_no_trace(
    name: str, act: Act, kind: type[errors.PoolError], code: str
) -> None:
    del name
    pool = pool_with_liquidity()
    before = state_of(pool)
    with pytest.raises(kind, match="; ") as caught:
        act(pool)
    assert caught.value.code == code
    assert state_of(pool) == before


@pytest.mark.parametrize(
    "act",
    [
        lambda p: p.swap(True, 5),
        lambda p: p.mint("a", -60, 60, 5),
        lambda p: p.burn("a", -60, 60, 0),
        lambda p: p.collect("a", -60, 60),
        lambda p: p.flash(0, 0, 0, 0),
        lambda p: p.set_fee_protocol(4, 4),
        lambda p: p.collect_protocol(),
        lambda p: p.increase_observation_cardinality_next(5),
    ],
)
def test_nothing_works_before_the_first_price(act: Act) -> None:
    with pytest.raises(errors.LockedError) as caught:
        act(Pool(3000, 60))
    assert caught.value.code == "LOK"


def test_oracle_before_the_first_price_says_so() -> None:
    with pytest.raises(errors.OracleUninitializedError):
        Pool(3000, 60).observe([0], now=5)


@pytest.mark.parametrize(("fee", "spacing"), [(-1, 10), (1_000_000, 10), (500, 0), (500, 16_384)])
def test_pool_shape_that_no_factory_makes_is_refused(fee: int, spacing: int) -> None:
    with pytest.raises(errors.PoolShapeError):
        Pool(fee, spacing)


def test_flash_without_liquidity_is_refused() -> None:
    pool = Pool(3000, 60)
    pool.initialize(ONE)
    with pytest.raises(errors.FlashNoLiquidityError):
        pool.flash(0, 0, 0, 0)


@given(st.booleans(), st.integers(1, 10**19))
@settings(max_examples=60, deadline=None)
def test_quote_equals_swap_and_changes_nothing(down: bool, amount: int) -> None:
    pool = pool_with_liquidity()
    before = state_of(pool)
    quoted = pool.quote(down, amount)
    assert state_of(pool) == before
    assert pool.swap(down, amount) == (quoted.amount0, quoted.amount1)


@given(st.booleans(), st.integers(10**3, 10**17))
@settings(max_examples=60, deadline=None)
def test_there_and_back_never_pays(down: bool, amount: int) -> None:
    pool = pool_with_liquidity()
    got = -pool.swap(down, amount)[1 if down else 0]
    if got:
        back = -pool.swap(not down, got)[0 if down else 1]
        assert back < amount


@given(st.booleans(), st.integers(10**6, 10**17))
@settings(max_examples=60, deadline=None)
def test_exact_output_of_what_exact_input_gave_costs_no_more(down: bool, amount: int) -> None:
    got = -pool_with_liquidity().swap(down, amount)[1 if down else 0]
    paid = pool_with_liquidity().swap(down, -got)[0 if down else 1]
    assert paid <= amount


@given(st.lists(st.tuples(st.booleans(), st.integers(-(10**19), 10**19)), max_size=12))
@settings(max_examples=40, deadline=None)
def test_everyone_withdraws_and_only_dust_stays(swaps: list[tuple[bool, int]]) -> None:
    pool = pool_with_liquidity()
    for down, amount in swaps:
        if amount:
            limit = sqrt_ratio_at_tick(-7000 if down else 7000)
            low, high = (limit, pool.sqrt_price) if down else (pool.sqrt_price, limit)
            if low < high:
                pool.swap(down, amount, limit)
    for owner, lower, upper in list(pool.positions):
        pool.burn(owner, lower, upper, pool.positions[owner, lower, upper].liquidity)
        pool.collect(owner, lower, upper)
    assert pool.liquidity == 0
    assert pool.ticks == {}
    assert not any(pool.bitmap.values())
    assert 0 <= pool.balance0 < 200
    assert 0 <= pool.balance1 < 200


def test_protocol_fees_wrap_at_128_bits() -> None:
    pool = pool_with_liquidity()
    pool.set_fee_protocol(4, 0)
    pool.protocol_fees0 = UINT128 - 1
    pool.swap(True, 10**15)
    assert 0 < pool.protocol_fees0 < 10**12


def test_protocol_collects_all_but_one_unit() -> None:
    pool = pool_with_liquidity()
    pool.set_fee_protocol(4, 4)
    pool.swap(True, 10**15)
    due = pool.protocol_fees0
    assert pool.collect_protocol() == (due - 1, 0)
    assert pool.protocol_fees0 == 1


def test_first_swap_of_a_second_writes_the_state_before_it() -> None:
    pool = pool_with_liquidity()
    pool.increase_observation_cardinality_next(3)
    pool.swap(True, 10**17, now=1010)
    written = pool.oracle.observations[pool.oracle.index]
    assert (written.timestamp, written.tick_cumulative) == (1010, 0)
    tick = pool.tick
    pool.swap(True, 10**17, now=1010)
    assert pool.oracle.observations[pool.oracle.index] == written
    later, at_swap = pool.observe([0, 10], now=1020)
    assert later.tick_cumulative - at_swap.tick_cumulative == 10 * pool.tick
    assert pool.tick < tick


def test_seconds_inside_counts_only_time_in_range() -> None:
    pool = pool_with_liquidity()
    inside = pool.seconds_inside(-600, 1200, now=1030)[2]
    pool.swap(False, 10**19, sqrt_ratio_at_tick(3000), now=1040)
    left = pool.seconds_inside(-600, 1200, now=2000)[2]
    assert (inside, left) == (30, 40)


def test_clock_wrap_keeps_the_oracle_s_order() -> None:
    pool = Pool(3000, 60)
    pool.initialize(ONE, now=2**32 - 10)
    pool.increase_observation_cardinality_next(5)
    pool.mint("a", -6000, 6000, 10**18, now=2**32 - 10)
    pool.swap(True, 10**17, now=2**32 - 1)
    tick = pool.tick
    pool.swap(True, 10**17, now=2**32 + 9)
    start, end = pool.observe([10, 0], now=2**32 + 9)
    assert end.tick_cumulative - start.tick_cumulative == 10 * tick < 0


def test_restore_returns_to_nested_snapshots() -> None:
    pool = pool_with_liquidity()
    first, start = pool.snapshot(), state_of(pool)
    pool.swap(True, 10**17, now=1005)
    second, middle = pool.snapshot(), state_of(pool)
    pool.mint("c", -1200, 0, 10**18, now=1006)
    pool.set_fee_protocol(4, 5)
    pool.swap(False, 10**18, now=1007)
    pool.restore(second)
    assert state_of(pool) == middle
    pool.burn("b", -600, 1200, 10**18, now=1008)
    pool.collect("b", -600, 1200)
    pool.restore(first)
    assert state_of(pool) == start
    with pytest.raises(SnapshotError, match="take a new one"):
        pool.restore(second)
    pool.release(first)
    with pytest.raises(SnapshotError):
        pool.release(first)


def test_restore_costs_what_changed_not_what_exists() -> None:
    pool = pool_with_liquidity()
    for place in range(400):
        pool.mint("m", -60 * (place + 101), 60 * (place + 101), 10**15)
    snapshot = pool.snapshot()
    pool.swap(True, 10**12)
    assert len(pool.history._undo) <= 4
    pool.restore(snapshot)
    pool.release(snapshot)
    pool.swap(True, 10**12)
    assert pool.history._undo == []


def test_every_contract_code_maps_to_its_type() -> None:
    for kind in errors.PoolError.__subclasses__():
        if kind.code:
            assert type(errors.error_from_revert(kind.code)) is kind
    assert type(errors.error_from_revert("execution reverted: STF")) is errors.TransferFromFailedError
    assert type(errors.error_from_revert("F1")) is errors.FlashNotPaidError
    assert type(errors.error_from_revert("something new")) is errors.PoolError
