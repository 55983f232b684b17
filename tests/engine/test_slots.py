"""Slots, budgets, back-off, and the one place where floats become ticks."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain.capabilities import RateBudget
from atomizer.domain.commands import PlaceOrder
from atomizer.domain.instruments import GridStep, OffGridError, PriceGrid, Side, safe_ticks
from atomizer.domain.orders import Purpose
from atomizer.engine.kernels import FAR_TICKS, round_ticks
from atomizer.engine.slots import BACK_OFF_FIRST_NS, BACK_OFF_LAST_NS, MessageBudget, SlotTable
from atomizer.engine.strategy import Level, Target

from .bench_desk import DERIBIT, PERP, Desk, S, Wishes, bid, cancelled, placed

OPTION_GRID = PriceGrid(tick=Decimal("0.0001"), steps=(GridStep(50, 5),))
GRIDS = [
    PriceGrid(tick=Decimal("0.05")),
    OPTION_GRID,
    PriceGrid(tick=Decimal("0.01"), steps=(GridStep(100, 10), GridStep(1000, 25), GridStep(10_000, 500))),
]
sides = st.sampled_from([Side.BUY, Side.SELL])


@pytest.mark.parametrize("grid", GRIDS, ids=["plain", "option", "three-steps"])
@settings(max_examples=150, deadline=None)
@given(price=st.floats(0.0001, 5000.0), side=sides)
def test_a_price_rounds_to_the_grid_on_the_safe_side_and_stays_there(
    grid: PriceGrid, price: float, side: Side
) -> None:
    ticks = grid.round_ticks(price, side)
    assert grid.on_grid(ticks)
    exact, there = Fraction(price), Fraction(grid.price(ticks))
    slack = Fraction(grid.tick) * Fraction(2, 10**9) * max(1, ticks)
    assert side * (exact - there) >= -slack
    assert abs(exact - there) < Fraction(grid.tick) * grid.step_at(max(ticks, 1)) + slack
    assert grid.round_ticks(float(grid.price(ticks)), side) == ticks
    assert grid.ticks(grid.price(ticks)) == ticks


@pytest.mark.parametrize("grid", GRIDS, ids=["plain", "option", "three-steps"])
@settings(max_examples=60, deadline=None)
@given(ticks=st.integers(1, 200_000), side=sides)
def test_every_price_of_the_grid_survives_the_way_there_and_back(
    grid: PriceGrid, ticks: int, side: Side
) -> None:
    ticks -= ticks % grid.step_at(ticks)
    if grid.on_grid(ticks):
        assert grid.round_ticks(float(grid.price(ticks)), side) == ticks


def test_a_sell_just_under_a_threshold_rounds_up_onto_the_coarser_grid() -> None:
    assert OPTION_GRID.round_ticks(0.00495, Side.SELL) == 50
    assert OPTION_GRID.round_ticks(0.00505, Side.SELL) == 55
    assert OPTION_GRID.round_ticks(0.00549, Side.BUY) == 50


@pytest.mark.parametrize("price", [float("nan"), float("inf")])
def test_a_price_that_is_no_number_is_refused(price: float) -> None:
    with pytest.raises(OffGridError, match="finite"):
        OPTION_GRID.round_ticks(price, Side.BUY)


@settings(max_examples=500, deadline=None)
@given(
    price=st.one_of(st.floats(-1e6, 1e6), st.floats(allow_nan=False, allow_infinity=False)),
    ticks=st.integers(-(10**9), 10**9),
    on_grid=st.booleans(),
    tick=st.sampled_from([0.0001, 0.0005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5]),
    side=sides,
)
def test_the_kernel_rounds_as_the_domain_does(
    price: float, ticks: int, on_grid: bool, tick: float, side: Side
) -> None:
    price = ticks * tick if on_grid else price
    if abs(price / tick) < FAR_TICKS:
        expected = safe_ticks(price, tick, side)
    else:
        expected = FAR_TICKS if price > 0.0 else -FAR_TICKS
    assert round_ticks(price, side * tick) == expected
    assert round_ticks.py_func(price, side * tick) == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -float("inf")])
def test_a_target_whose_price_is_no_number_changes_nothing_of_its_slot(price: float) -> None:
    table, level = SlotTable(), Level(PERP.key, Side.BUY)
    table.state_targets(1, {level: Target(price=100.0, size=5.0, life_ns=S)}, {PERP.key: PERP}, 0)
    with pytest.raises(OffGridError, match="finite"):
        table.state_targets(1, {level: Target(price=price, size=7.0, life_ns=2 * S)}, {PERP.key: PERP}, 0)
    codes, wake_ns = table.plan(1)
    assert (len(codes), wake_ns) == (1, S)
    assert (table.want_px[0], table.want_qty[0]) == (2000, 5)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, 1e300), (Side.SELL, -1e300)])
def test_a_price_beyond_any_grid_stays_on_its_side_and_the_collar_refuses_what_would_trade(
    side: Side, price: float
) -> None:
    desk = Desk(wishes := Wishes())
    wishes.targets = {Level(PERP.key, side): Target(price=price, size=100.0, life_ns=S)}
    assert not placed(desk.tick())
    assert desk.engine.slots.want_px[0] == side * FAR_TICKS
    assert desk.engine.counters.refusals == {"price_collar": 1}


def test_a_slot_goes_by_the_terms_that_are_listed_now() -> None:
    table, level = SlotTable(), Level(PERP.key, Side.SELL)
    table.state_targets(1, {level: Target(price=100.03, size=5.0, life_ns=S)}, {PERP.key: PERP}, 0)
    coarse = PriceGrid(tick=Decimal("0.01"), steps=(GridStep(0, 25),))
    for grid, ticks in (
        (PERP.grid, 2001),
        (PriceGrid(tick=Decimal("0.01")), 10_003),
        (coarse, 10_025),
        (PERP.grid, 2001),
    ):
        table.listed(msgspec.structs.replace(PERP, grid=grid))
        table.plan(1)
        assert table.want_px[0] == ticks


def test_exact_prices_and_sizes_off_the_grid_are_refused() -> None:
    with pytest.raises(OffGridError):
        PERP.grid.ticks(Decimal("0.07"))
    with pytest.raises(OffGridError):
        PERP.lots(Decimal("1.5"))


def test_sizes_round_down_to_lots_and_below_the_minimum_nothing_is_wanted() -> None:
    instrument = msgspec.structs.replace(PERP, lot=Decimal("0.1"), min_lots=3)
    table, level = SlotTable(), Level(PERP.key, Side.BUY)
    for size, lots in ((0.3, 3), (0.39, 3), (0.7, 7), (0.29, 0)):
        target = {level: Target(price=100.0, size=size, life_ns=S)}
        table.state_targets(1, target, {PERP.key: instrument}, 0)
        assert table.want_qty[0] == lots


# --- back-off ---


def test_back_off_doubles_to_a_minute_and_starts_again_after_an_order_was_taken() -> None:
    table = SlotTable()
    slot = table.slot(1, Level(PERP.key, Side.BUY), PERP)
    waits = []
    for _ in range(9):
        table.rest(slot, 0)
        waits.append(slot.back_off_ns // S)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert (BACK_OFF_FIRST_NS, BACK_OFF_LAST_NS) == (S, 60 * S)


def test_an_order_that_was_taken_resets_the_back_off() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    (slot,) = desk.engine.slots.slots
    slot.back_off_ns = 8 * S
    desk.ack(order)
    assert slot.back_off_ns == 0


# --- many slots ---


def test_the_table_grows_and_keeps_what_it_held() -> None:
    table, target = SlotTable(), Target(price=100.0, size=5.0, life_ns=S)
    levels = {Level(PERP.key, Side.BUY, level): target for level in range(200)}
    table.state_targets(1, levels, {PERP.key: PERP}, 0)
    assert len(table.slots) == 200
    assert set(table.want_qty[:200]) == {5}
    actions, wake = table.plan(1)
    assert len(actions) == 200
    assert wake == S


def test_levels_a_statement_leaves_out_are_wanted_empty() -> None:
    table, target = SlotTable(), Target(price=100.0, size=5.0, life_ns=S)
    levels = [Level(PERP.key, Side.BUY, level) for level in range(3)]
    table.state_targets(1, dict.fromkeys(levels, target), {PERP.key: PERP}, 0)
    table.state_targets(2, {levels[0]: target}, {PERP.key: PERP}, 0)
    table.state_targets(1, {levels[1]: target}, {PERP.key: PERP}, 0)
    wanted = {(slot.strategy, slot.level.level): table.want_qty[slot.number] for slot in table.slots}
    assert wanted == {(1, 0): 0, (1, 1): 5, (1, 2): 0, (2, 0): 5}


# --- budget ---


def test_the_last_tokens_are_for_cancels_and_hedges() -> None:
    budget = MessageBudget(RateBudget(per_s=1.0, burst=5.0, reserve=2.0))
    quotes = [budget.take(Purpose.QUOTE, S) for _ in range(5)]
    assert quotes == [True, True, True, False, False]
    assert not budget.take(Purpose.REDUCE, S)
    assert budget.take(Purpose.HEDGE, S)
    assert budget.take(Purpose.CANCEL, S)
    assert not budget.take(Purpose.CANCEL, S)


def test_tokens_come_back_with_time_and_never_above_the_burst() -> None:
    budget = MessageBudget(RateBudget(per_s=2.0, burst=3.0, reserve=0.0))
    assert [budget.take(Purpose.QUOTE, S) for _ in range(4)] == [True, True, True, False]
    due = budget.due_ns(Purpose.QUOTE, S)
    assert due == S + S // 2
    assert not budget.take(Purpose.QUOTE, due - 1_000_000)
    assert budget.take(Purpose.QUOTE, due)
    later = 1000 * S
    assert [budget.take(Purpose.QUOTE, later) for _ in range(4)] == [True, True, True, False]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Purpose)), st.integers(0, 400)), max_size=60))
def test_no_more_than_burst_and_rate_in_any_time(asked: list[tuple[Purpose, int]]) -> None:
    budget = MessageBudget(RateBudget(per_s=5.0, burst=4.0, reserve=1.0))
    now, taken = S, 0
    for purpose, wait_ms in asked:
        now += wait_ms * 1_000_000
        taken += budget.take(purpose, now)
    assert taken <= 4.0 + 5.0 * (now - S) / 1e9 + 1e-6


def test_cancels_go_before_hedges_before_quotes_and_the_rest_waits_for_its_token() -> None:
    tight = msgspec.structs.replace(DERIBIT, rate=RateBudget(per_s=1.0, burst=3.0, reserve=1.0))
    quoting, hedging = Wishes(1), Wishes(2, claims=())
    desk = Desk(quoting, hedging, capabilities={"deribit": tight})
    quoting.targets = bid(3980.0)
    (order,) = placed(desk.tick())
    desk.ack(order)
    quoting.targets = {
        Level(PERP.key, Side.BUY, level): Target(price=3970.0 - level, size=10.0, life_ns=3600 * S)
        for level in (1, 2)
    }
    hedging.targets = {
        Level(PERP.key, Side.SELL): Target(price=3995.0, size=10.0, life_ns=S, purpose=Purpose.HEDGE)
    }
    hedging._claims = ()
    out = desk.tick(after_ms=0.001)
    sent = [item for item in out if isinstance(item, PlaceOrder)]
    assert [item.order_id for item in cancelled(out)] == [order.order_id]
    assert not [item for item in sent if item.purpose is Purpose.QUOTE]
    assert desk.engine.next_deadline() <= desk.now_ns + 3 * S
    later = [item for _ in range(40) for item in placed(desk.tick(after_ms=100.0))]
    assert len(later) == 2
