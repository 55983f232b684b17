"""What we know of the market, and whether it may be trusted.

A book keeps the venue's own prices as dictionary keys, and those nearest the touch in order. Liveness
belongs to the feed: its age counts from the last proof that it is alive and gap-free. A gap makes a book
stale until a new snapshot; it is never papered over.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from atomizer.domain.events import BookChange, BookSnapshot, FeedAlive, FeedDown, FeedUp, IndexPrice, Ticker
from atomizer.domain.instruments import Instrument

NEVER = 1 << 62
FRONT = 32  # levels of a side kept in order
Change = tuple[str, float, float]


@dataclass(slots=True)
class Feed:
    """One stream: `alive_ns` is the last proof of life, `max_age_ns` how long that counts.

    `since_ns` is when it came up: what was learned before that is old.
    """

    name: str
    max_age_ns: int
    up: bool = False
    alive_ns: int = -NEVER
    since_ns: int = NEVER
    why: str = "not connected yet"

    def fresh(self, now_ns: int) -> bool:
        return self.up and now_ns - self.alive_ns <= self.max_age_ns


class Touch(NamedTuple):
    """Best prices, and what rests there in the instrument's size unit (0: not known)."""

    bid: float
    ask: float
    bid_size: float
    ask_size: float


NO_FEED = Feed("", 0)


class Book:
    """One order book and the feed that brings it. `best_bid`/`best_ask` are None on an empty side, `mid` then
    too. `sound`: without a gap, with two sides that do not cross."""

    __slots__ = (
        "_ask_front",
        "_bid_front",
        "asks",
        "best_ask",
        "best_bid",
        "bids",
        "feed",
        "mid",
        "sequence",
        "sound",
        "stale",
        "ts_ns",
    )

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self._bid_front: list[float] = []
        self._ask_front: list[float] = []
        self.best_bid: float | None = None
        self.best_ask: float | None = None
        self.mid: float | None = None
        self.sequence = 0
        self.stale = True
        self.sound = False
        self.ts_ns = 0

    def snapshot(self, event: BookSnapshot) -> None:
        self.bids = {price: size for price, size in event.bids if size > 0.0}
        self.asks = {price: size for price, size in event.asks if size > 0.0}
        self._bid_front, self._ask_front = [], []
        self.sequence, self.stale = event.sequence, False
        # A change of nothing finds the touch.
        self.change(BookChange(event.instrument, [], [], event.sequence, event.sequence, event.ts_ns))

    def change(self, event: BookChange) -> bool:
        """Apply a change; False when it does not follow on what we have: the book is stale then."""
        if event.previous != self.sequence:
            self.lose()
            return False
        bid = self.best_bid = _apply(self.bids, self._bid_front, event.bids, 1.0)
        ask = self.best_ask = _apply(self.asks, self._ask_front, event.asks, -1.0)
        if bid is None or ask is None:
            self.mid, self.sound = None, False
        else:
            self.mid, self.sound = 0.5 * (bid + ask), bid < ask
        self.sequence, self.ts_ns = event.sequence, event.ts_ns
        return True

    def lose(self) -> None:
        """Something was missed: nothing here counts until a snapshot."""
        self.stale, self.sound = True, False

    def best(self, count: int, *, bids: bool) -> tuple[list[float], list[float]]:
        """Prices and sizes of the first levels of a side, best first; fewer where it has no more."""
        side, front, sign = (self.bids, self._bid_front, 1.0) if bids else (self.asks, self._ask_front, -1.0)
        if len(front) < count and len(front) < len(side):
            front[:] = sorted(price * sign for price in side)[-max(count, FRONT) :]
        prices = [key * sign for key in front[: -count - 1 : -1]]
        return prices, [side[price] for price in prices]


def _apply(
    side: dict[float, float], front: list[float], changes: Sequence[Change], sign: float
) -> float | None:
    """Apply absolute sizes to one side; its best price, None when it is empty.

    `front` holds the levels nearest the touch, the best one last, as price times `sign` (asks -1): a touch
    that goes leaves its successor at hand, and the whole side is sorted only when the front is used up.
    """
    edge, count = front[0] if front else -math.inf, len(side)
    for action, price, size in changes:
        if size > 0.0 and action != "delete":
            side[price] = size
            if len(side) > count:  # a level that was not there; most were, and cost one look-up
                count += 1
                if price * sign >= edge:
                    insort(front, price * sign)
        elif side.pop(price, None) is not None:
            count -= 1
            if price * sign >= edge:
                del front[bisect_left(front, price * sign)]
    if not front:
        front.extend(sorted(price * sign for price in side)[-FRONT:])
    elif len(front) > 4 * FRONT:
        del front[:-FRONT]
    return front[-1] * sign if front else None


class Quote(msgspec.Struct):
    """The last ticker of an instrument and when it came (batch time)."""

    ticker: Ticker
    seen_ns: int


class Market:
    """Books, tickers, indices, feeds. `moved` collects instruments changed since the engine last asked."""

    def __init__(self, ages_ns: dict[str, int]) -> None:
        self._ages_ns = ages_ns
        self.instruments: dict[str, Instrument] = {}
        self.books: dict[str, Book] = {}
        self.tickers: dict[str, Quote] = {}
        self.indices: dict[str, tuple[float, int]] = {}
        self.feeds: dict[str, Feed] = {}
        self._feed_of: dict[str, Feed] = {}
        self.stale_ns = -NEVER
        self.clock_offset_ns: dict[str, int] = {}
        self.gaps: list[str] = []
        self.gap_count = 0

    def feed(self, name: str) -> Feed:
        found = self.feeds.get(name)
        if found is None:
            age = self._ages_ns.get(name) or self._ages_ns.get(name.rpartition("/")[2], 10_000_000_000)
            found = self.feeds[name] = Feed(name, age)
        return found

    def _market_feed(self, instrument: str) -> Feed:
        """The feed that brings the books and tickers of an instrument."""
        found = self._feed_of.get(instrument)
        if found is None:
            found = self._feed_of[instrument] = self.feed(instrument.partition(":")[0] + "/market")
        return found

    def listed(self, instrument: Instrument) -> None:
        self.instruments[instrument.key] = instrument

    def _new_book(self, instrument: str) -> Book:
        book = self.books[instrument] = Book(self._market_feed(instrument))
        return book

    def book_snapshot(self, event: BookSnapshot, now_ns: int) -> None:
        book = self.books.get(event.instrument) or self._new_book(event.instrument)
        book.feed.alive_ns = now_ns
        book.snapshot(event)

    def book_change(self, event: BookChange, now_ns: int) -> None:
        book = self.books.get(event.instrument) or self._new_book(event.instrument)
        book.feed.alive_ns = now_ns
        if book.stale:
            return  # a chain that goes on mends nothing
        if not book.change(event):
            self.gap_count += 1
            self.gaps.append(event.instrument)

    def ticker(self, event: Ticker, now_ns: int) -> None:
        self._market_feed(event.instrument).alive_ns = now_ns
        known = self.tickers.get(event.instrument)
        if known is None:
            self.tickers[event.instrument] = Quote(event, now_ns)
        else:
            known.ticker, known.seen_ns = event, now_ns

    def index_price(self, event: IndexPrice, now_ns: int) -> None:
        self.feed(event.venue + "/market").alive_ns = now_ns
        self.indices[event.index] = (event.price, now_ns)

    def feed_up(self, event: FeedUp, now_ns: int) -> None:
        feed = self.feed(event.feed)
        if not feed.up:
            feed.since_ns = now_ns
        feed.up, feed.alive_ns, feed.why = True, now_ns, ""
        self.stale_ns = -NEVER

    def feed_alive(self, event: FeedAlive, now_ns: int) -> None:
        self.feed(event.feed).alive_ns = now_ns

    def feed_down(self, event: FeedDown) -> None:
        feed = self.feed(event.feed)
        feed.up, feed.why = False, event.why
        venue, _, stream = event.feed.partition("/")
        if stream == "market":
            for key, book in self.books.items():
                if key.startswith(venue + ":"):
                    book.lose()

    def next_staleness(self, now_ns: int) -> int:
        """When the next live feed will have been silent for too long.

        Proof of life only moves that time on: what was found once, `stale_ns`, holds until it is reached. One
        that is silent already may be heard at once, and no sooner than its age after that be silent again.
        """
        due = NEVER
        for feed in self.feeds.values():
            if feed.up:
                at = feed.alive_ns + feed.max_age_ns + 1
                due = min(due, at if at > now_ns else now_ns + feed.max_age_ns + 1)
        self.stale_ns = due
        return due

    def usable_book(self, instrument: str, now_ns: int) -> Book | None:
        """The book if its feed is fresh and it has no gap and two sides."""
        book = self.books.get(instrument)
        if book is None or not book.sound:
            return None
        feed = book.feed
        return book if feed.up and now_ns - feed.alive_ns <= feed.max_age_ns else None

    def touch(self, instrument: str, now_ns: int) -> Touch | None:
        """Best prices from a usable book, or from a fresh ticker where no book is followed."""
        book = self.usable_book(instrument, now_ns)
        if book is not None and book.best_bid is not None and book.best_ask is not None:
            return Touch(book.best_bid, book.best_ask, book.bids[book.best_bid], book.asks[book.best_ask])
        known = self.fresh_ticker(instrument, now_ns) if instrument not in self.books else None
        if known is None or known.bid is None or known.ask is None or known.bid >= known.ask:
            return None
        return Touch(known.bid, known.ask, known.bid_size or 0.0, known.ask_size or 0.0)

    def fresh_ticker(self, instrument: str, now_ns: int) -> Ticker | None:
        """The ticker if its feed is fresh and told it since it is up."""
        known, feed = self.tickers.get(instrument), self._market_feed(instrument)
        if known is None or known.seen_ns < feed.since_ns or not feed.fresh(now_ns):
            return None
        return known.ticker

    def fresh_mark(self, instrument: str, now_ns: int) -> float | None:
        """The venue's mark if it is not older itself than its feed may be silent."""
        known = self.fresh_ticker(instrument, now_ns)
        if known is None or not known.mark:
            return None
        aged = now_ns - self.tickers[instrument].seen_ns > self._market_feed(instrument).max_age_ns
        return None if aged else known.mark
