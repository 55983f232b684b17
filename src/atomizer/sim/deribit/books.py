"""The public side of one instrument: its book, its trades, and what each book channel has shown."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

from atomizer.sim.deribit.listings import Listing
from atomizer.sim.matching import MatchingBook
from atomizer.sim.recorded import RecordedBook

KEPT_TRADES = 1000
FIRST_CHANGE = 1_000_000
BUY, SELL = 1, -1


class VenueBook:
    """One instrument's queue and statistics.

    `live`: somebody looks or rests here, so generated liquidity is kept up. `ladders` are the generated
    orders by side and price; `recorded` is the liquidity of a book that follows a recording instead.
    """

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.matching = MatchingBook(listing.band_ticks, listing.step_ticks)
        self.live = False
        self.watchers = 0
        self.own_orders = 0
        self.recorded: RecordedBook | None = None
        self.ladders: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self.change_id = FIRST_CHANGE * listing.number
        self.trades: deque[dict[str, Any]] = deque(maxlen=KEPT_TRADES)
        self.trade_seq = 0
        self.last_ticks = 0
        self.tick_direction = 1
        self.volume = 0.0
        self.state = "open"
        self.state_ms = 0
        self.settlement_price: Decimal | None = None
        self.delivery_price: Decimal | None = None

    def touch(self) -> None:
        """Something in the book changed."""
        self.change_id += 3

    def levels(self, side: int, depth: int | None = None) -> list[list[float]]:
        """[price, amount] as on the wire, best first."""
        listing = self.listing
        found = self.matching.levels(side)[:depth]
        return [[listing.price(ticks), listing.amount(lots)] for ticks, lots in found]

    def direction_of(self, ticks: int) -> int:
        """Tick direction of a trade at this price: 0 plus, 1 zero-plus, 2 minus, 3 zero-minus."""
        if ticks > self.last_ticks:
            self.tick_direction = 0
        elif ticks < self.last_ticks:
            self.tick_direction = 2
        elif self.tick_direction in (0, 2):
            self.tick_direction += 1
        self.last_ticks = ticks
        return self.tick_direction


class BookFeed:
    """What `book.{instrument}.{interval}` has told its subscribers so far."""

    def __init__(self, book: VenueBook) -> None:
        self._book = book
        self._shown: dict[int, dict[int, int]] = {}
        self._change_id = 0
        self._timestamp = 0
        self.active = False

    def start(self, now_ms: int) -> None:
        """Begin with the book as it is."""
        matching = self._book.matching
        self._shown = {side: dict(matching.levels(side)) for side in (BUY, SELL)}  # type: ignore[arg-type]
        self._change_id = self._book.change_id
        self._timestamp = now_ms
        self.active = True

    def snapshot(self) -> dict[str, Any]:
        """The state every current subscriber has; later changes chain to it."""
        listing = self._book.listing
        sides = [
            [["new", listing.price(ticks), listing.amount(lots)] for ticks, lots in self._shown[side].items()]
            for side in (BUY, SELL)
        ]
        return {
            "type": "snapshot",
            "timestamp": self._timestamp,
            "instrument_name": listing.name,
            "change_id": self._change_id,
            "bids": sides[0],
            "asks": sides[1],
        }

    def changes(self, now_ms: int) -> dict[str, Any] | None:
        """What changed since the last message, None when nothing did."""
        book = self._book
        if book.change_id == self._change_id:
            return None
        bids, asks = self._side(BUY), self._side(SELL)
        if not bids and not asks:
            return None
        message = {
            "type": "change",
            "timestamp": now_ms,
            "instrument_name": book.listing.name,
            "prev_change_id": self._change_id,
            "change_id": book.change_id,
            "bids": bids,
            "asks": asks,
        }
        self._change_id = book.change_id
        self._timestamp = now_ms
        return message

    def _side(self, side: int) -> list[list[Any]]:
        listing, shown = self._book.listing, self._shown[side]
        now: dict[int, int] = dict(self._book.matching.levels(side))  # type: ignore[arg-type]
        if now == shown:
            return []
        entries: list[list[Any]] = []
        for ticks, lots in now.items():
            before = shown.get(ticks)
            if before is None:
                entries.append(["new", listing.price(ticks), listing.amount(lots)])
            elif before != lots:
                entries.append(["change", listing.price(ticks), listing.amount(lots)])
        entries += [["delete", listing.price(ticks), 0.0] for ticks in shown if ticks not in now]
        self._shown[side] = now
        return entries


def grouped(book: VenueBook, group: int, depth: int, now_ms: int) -> dict[str, Any]:
    """The message of `book.{instrument}.{group}.{depth}.{interval}`; group 0 is ungrouped.

    A group counts in USD on futures and spot and in the coarse step on options; bids round down, asks up.
    """
    listing = book.listing
    in_usd = listing.kind in ("future", "future_combo", "spot")
    width = max(round(group / float(listing.tick)), 1) if in_usd else group * listing.step_ticks
    sides = []
    for side in (BUY, SELL):
        levels: dict[int, int] = {}
        for ticks, lots in book.matching.levels(side):
            at = ticks
            if group:
                at = ticks - ticks % width if side == BUY else ticks + (-ticks) % width
            levels[at] = levels.get(at, 0) + lots
        sides.append([[listing.price(t), listing.amount(lots)] for t, lots in list(levels.items())[:depth]])
    return {
        "timestamp": now_ms,
        "instrument_name": listing.name,
        "change_id": book.change_id,
        "bids": sides[0],
        "asks": sides[1],
    }
