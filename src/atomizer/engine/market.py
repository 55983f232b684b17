"""What we know of the market, and whether it may be trusted.

A book keeps the venue's own prices as dictionary keys with a cached touch. Liveness belongs to the feed:
its age counts from the last proof that it is alive and gap-free. A gap makes a book stale until a new
snapshot; it is never papered over.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from atomizer.domain.events import BookChange, BookSnapshot, FeedAlive, FeedDown, FeedUp, IndexPrice, Ticker
from atomizer.domain.instruments import Instrument

NEVER = 1 << 62


class Book:
    """One order book. `best_bid`/`best_ask` are None on an empty side."""

    __slots__ = ("asks", "best_ask", "best_bid", "bids", "sequence", "stale", "ts_ns")

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.best_bid: float | None = None
        self.best_ask: float | None = None
        self.sequence = 0
        self.stale = True
        self.ts_ns = 0

    def snapshot(self, event: BookSnapshot) -> None:
        self.bids = {price: size for price, size in event.bids if size > 0.0}
        self.asks = {price: size for price, size in event.asks if size > 0.0}
        self.best_bid = max(self.bids, default=None)
        self.best_ask = min(self.asks, default=None)
        self.sequence, self.ts_ns, self.stale = event.sequence, event.ts_ns, False

    def change(self, event: BookChange) -> bool:
        """Apply a change; False when it does not follow on what we have (the book is stale then)."""
        if self.stale or event.previous != self.sequence:
            self.stale = True
            return False
        if event.bids:
            self.best_bid = _apply(self.bids, event.bids, self.best_bid, 1.0)
        if event.asks:
            self.best_ask = _apply(self.asks, event.asks, self.best_ask, -1.0)
        self.sequence, self.ts_ns = event.sequence, event.ts_ns
        return True

    @property
    def mid(self) -> float | None:
        if self.best_bid is None or self.best_ask is None:
            return None
        return 0.5 * (self.best_bid + self.best_ask)


def _apply(
    side: dict[float, float], changes: list[tuple[str, float, float]], best: float | None, sign: float
) -> float | None:
    """Apply absolute sizes; rescan for the touch only when the touch itself went."""
    lost = False
    for action, price, size in changes:
        if action == "delete" or size <= 0.0:
            side.pop(price, None)
            lost = lost or price == best
        else:
            side[price] = size
            if best is None or (price - best) * sign > 0.0:
                best = price
    if lost and best not in side:
        return (max(side) if sign > 0.0 else min(side)) if side else None
    return best


class Feed(msgspec.Struct):
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
        self._stale_ns = -NEVER
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

    def book_snapshot(self, event: BookSnapshot, now_ns: int) -> None:
        self._market_feed(event.instrument).alive_ns = now_ns
        book = self.books.get(event.instrument)
        if book is None:
            book = self.books[event.instrument] = Book()
        book.snapshot(event)

    def book_change(self, event: BookChange, now_ns: int) -> None:
        self._market_feed(event.instrument).alive_ns = now_ns
        book = self.books.get(event.instrument)
        if book is None:
            book = self.books[event.instrument] = Book()
        was_stale = book.stale
        if not book.change(event) and not was_stale:
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
        self._stale_ns = -NEVER

    def feed_alive(self, event: FeedAlive, now_ns: int) -> None:
        self.feed(event.feed).alive_ns = now_ns

    def feed_down(self, event: FeedDown) -> None:
        feed = self.feed(event.feed)
        feed.up, feed.why = False, event.why
        venue, _, stream = event.feed.partition("/")
        if stream == "market":
            for key, book in self.books.items():
                if key.startswith(venue + ":"):
                    book.stale = True

    def next_staleness(self, now_ns: int) -> int:
        """No later than when the next live feed will have been silent for too long.

        Proof of life only moves that time on, so what was found once holds until it is reached.
        """
        if now_ns < self._stale_ns:
            return self._stale_ns
        due = NEVER
        for feed in self.feeds.values():
            if feed.up:
                at = feed.alive_ns + feed.max_age_ns + 1
                if now_ns < at < due:
                    due = at
        self._stale_ns = due
        return due

    def usable_book(self, instrument: str, now_ns: int) -> Book | None:
        """The book if its feed is fresh and it has no gap and two sides."""
        book = self.books.get(instrument)
        if book is None or book.stale or book.best_bid is None or book.best_ask is None:
            return None
        if book.best_bid >= book.best_ask:
            return None
        return book if self._market_feed(instrument).fresh(now_ns) else None

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
