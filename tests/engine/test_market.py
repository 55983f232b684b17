"""Books, gaps and staleness."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain.commands import Resubscribe
from atomizer.domain.events import (
    BookChange,
    BookSnapshot,
    FeedAlive,
    FeedDown,
    FeedUp,
    IndexPrice,
    Ticker,
)
from atomizer.engine.market import Market
from atomizer.engine.settings import Freshness

from .bench_desk import PERP, Desk
from .rfq_desk import RfqDesk

MS = 1_000_000
SNAPSHOT = BookSnapshot(PERP.key, [(99.0, 1.0), (98.0, 2.0)], [(101.0, 1.0), (102.0, 2.0)], 1)


def market() -> Market:
    made = Market({"market": 500 * MS})
    made.feed_up(FeedUp("deribit/market"), 0)
    made.book_snapshot(SNAPSHOT, 0)
    return made


def change(bids: list[tuple[str, float, float]], sequence: int = 2, previous: int = 1) -> BookChange:
    return BookChange(PERP.key, bids, [], sequence, previous)


def test_a_gap_makes_a_book_stale_until_its_next_snapshot() -> None:
    made = market()
    made.book_change(change([("new", 99.5, 1.0)], 5, 4), 1)
    assert made.usable_book(PERP.key, 1) is None
    made.book_change(change([("new", 99.5, 1.0)], 6, 5), 2)
    assert made.usable_book(PERP.key, 2) is None, "a chain that goes on mends nothing"
    assert made.gaps == [PERP.key], "asked for once"
    made.book_snapshot(SNAPSHOT, 3)
    assert made.usable_book(PERP.key, 3) is not None


def test_a_gap_asks_for_a_new_snapshot_once() -> None:
    desk = Desk()
    out = desk.feed(change([("new", 3999.0, 1.0)], 9, 8)) + desk.feed(change([("new", 3998.0, 1.0)], 10, 9))
    assert [item for item in out if isinstance(item, Resubscribe)] == [Resubscribe("deribit", PERP.key)]
    assert desk.engine.market.gap_count == 1


def test_one_sided_crossed_and_unknown_books_are_not_usable() -> None:
    made = market()
    for bids, asks in (([], [(101.0, 1.0)]), ([(99.0, 1.0)], []), ([(101.0, 1.0)], [(101.0, 1.0)])):
        made.book_snapshot(BookSnapshot(PERP.key, bids, asks, 2), 1)
        assert made.usable_book(PERP.key, 1) is None
    assert made.usable_book("deribit:NOVA", 1) is None


def test_silence_makes_a_feed_stale_and_any_message_of_the_venue_makes_it_fresh() -> None:
    made = market()
    feed = made.feed("deribit/market")
    assert feed.fresh(500 * MS)
    assert not feed.fresh(501 * MS)
    for number, tell in enumerate(
        (
            lambda now: made.feed_alive(FeedAlive("deribit/market"), now),
            lambda now: made.ticker(Ticker(instrument=PERP.key, mark=1.0), now),
            lambda now: made.index_price(IndexPrice("deribit", "eth_usd", 1.0), now),
            lambda now: made.book_change(change([], 2, 1), now),
        ),
        start=1,
    ):
        now = number * 10_000 * MS
        assert not feed.fresh(now)
        tell(now)
        assert feed.fresh(now + 500 * MS)


def test_going_stale_is_a_timer() -> None:
    made = market()
    assert made.next_staleness(0) == 500 * MS + 1
    assert made.next_staleness(501 * MS) == 1001 * MS + 1, "heard now it would be silent again then"
    desk = RfqDesk(fresh=Freshness(market_ms=500, fills_ms=600_000, account_ms=600_000))
    assert desk.engine.next_deadline() <= desk.now_ns + 500 * MS + 1


def test_a_feed_that_was_silent_and_is_heard_again_is_a_timer_again() -> None:
    desk = RfqDesk(fresh=Freshness(market_ms=500, fills_ms=600_000, account_ms=600_000))
    desk.tick(after_ms=700)
    assert not desk.engine.market.feed("deribit/market").fresh(desk.now_ns)
    desk.feed(change([], desk.engine.market.books[PERP.key].sequence + 1))
    assert desk.engine.market.feed("deribit/market").fresh(desk.now_ns)
    assert min(desk.engine.ring_ns, desk.engine.next_deadline()) <= desk.now_ns + 500 * MS + 1


def test_a_lost_feed_takes_its_books_and_no_others() -> None:
    made = market()
    other = BookSnapshot("mars:X", [(1.0, 1.0)], [(2.0, 1.0)], 1)
    made.feed_up(FeedUp("mars/market"), 0)
    made.book_snapshot(other, 0)
    made.feed_down(FeedDown("deribit/market", "cut"))
    assert made.usable_book(PERP.key, 0) is None
    assert made.usable_book("mars:X", 0) is not None
    made.feed_up(FeedUp("deribit/market"), 1)
    assert made.usable_book(PERP.key, 1) is None, "connected, but no snapshot yet"


def test_a_feed_knows_since_when_it_is_up() -> None:
    made = market()
    made.feed_up(FeedUp("deribit/market"), 7)
    assert made.feed("deribit/market").since_ns == 0, "it was up already"
    made.feed_down(FeedDown("deribit/market", "cut"))
    made.feed_up(FeedUp("deribit/market"), 9)
    assert made.feed("deribit/market").since_ns == 9


levels = st.tuples(
    st.sampled_from(["new", "change", "delete"]),
    st.integers(90, 100).map(float),
    st.integers(0, 3).map(float),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(levels, max_size=4), max_size=8))
def test_the_cached_touch_is_the_touch_of_the_levels(batches: list[list[tuple[str, float, float]]]) -> None:
    made = market()
    book = made.books[PERP.key]
    for number, batch in enumerate(batches, start=2):
        made.book_change(change(batch, number, number - 1), number)
        assert book.best_bid == max(book.bids, default=None)
        assert all(size > 0.0 for size in book.bids.values())


@pytest.mark.parametrize("asked_every", [1, 7, 50])
@pytest.mark.parametrize("seed", range(5))
def test_the_touch_and_the_first_levels_are_right_while_a_deep_book_is_eaten_and_filled(
    seed: int, asked_every: int
) -> None:
    """Long enough that the ordered levels are used up, filled again and cut back many times."""
    rng = random.Random(seed)
    made = market()
    made.book_snapshot(BookSnapshot(PERP.key, [(100.0, 1.0)], [(101.0, 1.0)], 1), 1)
    book = made.books[PERP.key]
    for number in range(2, 600):
        eating = number // 100 % 2
        bids, asks = (
            [
                ("delete" if rng.random() < 0.45 + 0.3 * eating else "new", start + sign * offset, 1.0)
                for offset in rng.sample(range(400), 12)
            ]
            + [("delete", best, 0.0)] * eating
            for start, sign, best in ((100.0, -1, book.best_bid or 0.0), (101.0, 1, book.best_ask or 0.0))
        )
        made.book_change(BookChange(PERP.key, bids, asks, number, number - 1), number)
        assert book.best_bid == max(book.bids, default=None)
        assert book.best_ask == min(book.asks, default=None)
        if book.best_bid is not None and book.best_ask is not None:
            assert book.mid == (book.best_bid + book.best_ask) / 2
        if number % asked_every == 0:
            count = rng.choice([1, 5, 20, 60])
            for bids_wanted, side in ((True, book.bids), (False, book.asks)):
                ordered = sorted(side.items(), reverse=bids_wanted)[:count]
                assert list(zip(*book.best(count, bids=bids_wanted), strict=True)) == ordered
