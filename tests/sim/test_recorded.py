"""Recorded liquidity in the queue: what it may do to us and what it may not, over random recordings."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.sim.matching import ANONYMOUS, MakerFill, MatchingBook, Mode, SelfTrade
from atomizer.sim.recorded import RecordedBook
from atomizer.sim.recording import Depth, Print, RecordingError

BUY, SELL = 1, -1
US = 7


@dataclass(frozen=True)
class Grid:
    name: str = "X"
    tick: Decimal = Decimal("0.5")
    lot: Decimal = Decimal("0.1")


@dataclass
class Venue:
    """A book with recorded liquidity and orders of ours; remembers every fill, and the queue before it."""

    matching: MatchingBook = field(default_factory=MatchingBook)
    fills: list[tuple[int, MakerFill]] = field(default_factory=list)
    number: int = 1000

    def __post_init__(self) -> None:
        self.recorded = RecordedBook(Grid(), self.matching, self.trade)

    def trade(self, side: int, ticks: int, lots: int, mode: Mode) -> int:
        self.number += 1
        queue = [order for order in self.matching.queue(-side) if side * (ticks - order[1]) >= 0]
        placed = self.matching.place(self.number, ANONYMOUS, side, ticks, lots, mode)
        took = [(fill.order_id, fill.ticks) for fill in placed.fills]
        assert took == [(number, at) for number, at, _ in queue[: len(took)]]
        self.fills += [(side, fill) for fill in placed.fills if fill.owner == US]
        return self.number

    def ours(self, number: int, side: int, ticks: int, lots: int, mode: Mode = Mode.POST_REJECT) -> None:
        self.matching.place(number, US, side, ticks, lots, mode, SelfTrade.CANCEL_TAKER)


def price(ticks: int) -> Decimal:
    return Decimal("0.5") * ticks


def amount(lots: int) -> Decimal:
    return Decimal("0.1") * lots


def depth(
    bids: dict[int, int] | None = None, asks: dict[int, int] | None = None, *, whole: bool = False
) -> Depth:
    sides = [tuple((price(t), amount(n)) for t, n in (side or {}).items()) for side in (bids, asks)]
    return Depth(0, "X", sides[0], sides[1], whole)


def hit(side: int, ticks: int, lots: int) -> Print:
    return Print(0, "X", side, price(ticks), amount(lots))


def sizes(venue: Venue, side: int) -> dict[int, int]:
    return dict(venue.matching.levels(side))  # type: ignore[arg-type]


def mine(venue: Venue, side: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for number, ticks, lots in venue.matching.queue(side):
        if number < 1000:
            found[ticks] = found.get(ticks, 0) + lots
    return found


def test_trades_take_the_queue_in_order_and_ours_only_beyond_our_place() -> None:
    venue = Venue()
    venue.recorded.apply(depth({100: 10, 99: 20}, {102: 10}, whole=True))
    venue.ours(1, BUY, 100, 5)
    venue.recorded.apply(depth({100: 14}))
    venue.recorded.apply(hit(SELL, 100, 8))
    assert venue.fills == []
    venue.recorded.apply(depth({100: 6}))
    assert sizes(venue, BUY)[100] == 6 + 5
    venue.recorded.apply(hit(SELL, 100, 4))
    assert [fill.lots for _, fill in venue.fills] == [2]
    venue.recorded.apply(hit(SELL, 100, 9))
    assert [fill.lots for _, fill in venue.fills] == [2, 3]


def test_depth_is_taken_away_from_behind_and_never_improves_on_us_first() -> None:
    venue = Venue()
    venue.recorded.apply(depth({100: 10}, whole=True))
    venue.ours(1, BUY, 100, 5)
    venue.recorded.apply(depth({100: 16}))
    venue.recorded.apply(depth({100: 11}))
    assert [lots for _, _, lots in venue.matching.queue(BUY)] == [10, 5, 1]
    venue.recorded.apply(depth({100: 7}))
    assert [lots for _, _, lots in venue.matching.queue(BUY)] == [7, 5]
    venue.recorded.apply(depth({100: 0}))
    assert [lots for _, _, lots in venue.matching.queue(BUY)] == [5]


def test_a_trade_through_fills_ours_at_our_price_first() -> None:
    venue = Venue()
    venue.recorded.apply(depth({98: 10, 97: 10}, {102: 10}, whole=True))
    venue.ours(1, BUY, 100, 3)
    venue.recorded.apply(hit(SELL, 98, 7))
    ((side, fill),) = venue.fills
    assert (side, fill.ticks, fill.lots) == (SELL, 100, 3)
    assert venue.recorded.resting(BUY, 98) == 6
    venue.recorded.apply(depth({98: 3}))
    assert sizes(venue, BUY) == {98: 3, 97: 10}


def test_depth_across_our_order_waits_and_never_fills_it() -> None:
    venue = Venue()
    venue.recorded.apply(depth({98: 10}, {102: 10}, whole=True))
    venue.ours(1, BUY, 100, 3)
    venue.recorded.apply(depth({97: 5}, {99: 4, 101: 2}))
    assert venue.fills == []
    assert venue.recorded.withheld() == [(SELL, 99)]
    assert sizes(venue, SELL) == {101: 2, 102: 10}
    assert not venue.recorded.settle()
    venue.matching.cancel(1)
    assert venue.recorded.settle()
    assert sizes(venue, SELL) == {99: 4, 101: 2, 102: 10}


def test_what_we_take_heals_with_the_next_depth_of_that_level() -> None:
    venue = Venue()
    venue.recorded.apply(depth({98: 10}, {102: 10, 103: 5}, whole=True))
    venue.ours(1, BUY, 103, 12, Mode.IMMEDIATE)
    assert sizes(venue, SELL) == {103: 3}
    venue.recorded.apply(depth(None, {102: 9}))
    assert sizes(venue, SELL) == {102: 9, 103: 3}


def test_values_off_the_grid_are_refused() -> None:
    venue = Venue()
    with pytest.raises(RecordingError, match=r"price in steps of 0\.5"):
        venue.recorded.apply(Depth(0, "X", ((Decimal("1.2"), Decimal(1)),), (), whole=True))
    with pytest.raises(RecordingError, match=r"amount in steps of 0\.1"):
        venue.recorded.apply(Print(0, "X", 1, Decimal(1), Decimal("0.05")))


LEVELS = st.dictionaries(st.integers(90, 110), st.integers(0, 12), max_size=4)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("depth"), LEVELS, LEVELS, st.booleans()),
        st.tuples(st.just("trade"), st.sampled_from([BUY, SELL]), st.integers(90, 110), st.integers(1, 15)),
        st.tuples(st.just("ours"), st.sampled_from([BUY, SELL]), st.integers(90, 110), st.integers(1, 6)),
        st.tuples(st.just("cancel"), st.integers(0, 50), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_priority_sizes_and_volume_hold_over_any_recording(events: list[tuple[Any, ...]]) -> None:
    """`Venue.trade` checks priority at every execution; here sizes after depth, and the bound on fills."""
    venue = Venue()
    placed: list[int] = []
    traded = {BUY: 0, SELL: 0}
    for what, one, two, three in events:
        filled_before = len(venue.fills)
        if what == "depth":
            bids = {ticks: lots for ticks, lots in one.items() if ticks <= 100}
            asks = {ticks: lots for ticks, lots in two.items() if ticks > 100}
            venue.recorded.apply(depth(bids, asks, whole=three))
            venue.recorded.settle()
            assert len(venue.fills) == filled_before
            touched = {BUY: bids, SELL: asks}
            for side in (BUY, SELL):
                held, levels, own = venue.recorded.withheld(), sizes(venue, side), mine(venue, side)
                for ticks in venue.recorded.recorded(side) if three else touched[side]:
                    if (side, ticks) not in held:
                        wanted = venue.recorded.recorded(side).get(ticks, 0)
                        assert levels.get(ticks, 0) == wanted + own.get(ticks, 0)
        elif what == "trade":
            venue.recorded.apply(hit(one, two, three))
            traded[one] += three
            now = venue.fills[filled_before:]
            assert sum(fill.lots for _, fill in now) <= three
            assert all(one * (two - fill.ticks) >= 0 for _, fill in now)
        elif what == "ours":
            number = len(placed) + 1
            placed.append(number)
            venue.ours(number, one, two, three)
        elif placed:
            venue.matching.cancel(placed[one % len(placed)])
        bid, ask = venue.matching.best(BUY), venue.matching.best(SELL)
        assert bid is None or ask is None or bid[0] < ask[0]
    for side in (BUY, SELL):
        assert sum(fill.lots for aggressor, fill in venue.fills if aggressor == side) <= traded[side]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 10),
    st.lists(st.one_of(st.integers(1, 9), st.tuples(st.integers(1, 15))), max_size=12),
)
def test_fills_are_the_traded_volume_beyond_our_place(ahead: int, size: int, events: list[Any]) -> None:
    """One level, one order of ours: the volume that arrives, less what was ahead, is what we get.

    A number is a trade; a tuple is depth, whose cancels come from behind and so take from ahead last.
    """
    venue = Venue()
    venue.recorded.apply(depth({100: ahead}, whole=True))
    venue.ours(1, BUY, 100, size)
    before, behind, ours, got = ahead, 0, size, 0
    for event in events:
        if isinstance(event, int):
            venue.recorded.apply(hit(SELL, 100, event))
            from_before = min(before, event)
            from_ours = min(ours, event - from_before)
            before, ours, got = before - from_before, ours - from_ours, got + from_ours
            behind = max(behind - (event - from_before - from_ours), 0)
        else:
            (wanted,) = event
            venue.recorded.apply(depth({100: wanted}))
            if wanted >= before + behind:
                behind = wanted - before if ours else behind
                before = before if ours else wanted - behind
            else:
                cut = before + behind - wanted
                from_behind = min(behind, cut)
                behind, before = behind - from_behind, before - (cut - from_behind)
        assert sum(fill.lots for _, fill in venue.fills) == got
