"""How orders get into their books: at once, or after the speed bump."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.orders import OPEN, SPEED_BUMPED, Order, QuoteTag, Wish
from atomizer.sim.deribit.settings import DeribitTwinSettings
from atomizer.sim.deribit.speedbump import SpeedBump
from atomizer.sim.matching import Mode, Outcome, Placed, SelfTrade

if TYPE_CHECKING:
    from atomizer.sim.deribit.exchange import Exchange


class Entrance:
    """The way from an accepted order to its place in the queue."""

    def __init__(self, exchange: Exchange, settings: DeribitTwinSettings) -> None:
        self._exchange = exchange
        self.bump = SpeedBump(settings.speed_bump_ms)

    def enter(self, book: VenueBook, order: Order) -> Placed:
        """Match an order that is not in the book."""
        return book.matching.place(
            order.matching_id,
            order.account.number,
            order.side,
            order.ticks,
            order.left_lots,
            order.mode,
            SelfTrade.CANCEL_TAKER,
            order.wish.show,
        )

    def waits(self, book: VenueBook, wish: Wish, ticks: int) -> bool:
        """Whether the speed bump holds it: it would match, and is no post-only order."""
        if not self.bump.delays(wish.listing.name) or wish.mode in (Mode.POST_MOVE, Mode.POST_REJECT):
            return False
        best = book.matching.best(-wish.side)
        return best is not None and wish.side * (ticks - best[0]) >= 0

    def hold(self, book: VenueBook, order: Order) -> list[dict[str, Any]]:
        """Put an order into the speed bump; returns the list its trades will be added to."""
        exchange = self._exchange
        trades: list[dict[str, Any]] = []
        rested = book.matching.cancel(order.matching_id) > 0
        order.state = SPEED_BUMPED
        order.account.open_orders[order.order_id] = order
        exchange.count_own(book)
        self.bump.hold(lambda: self._release(order, trades))
        if rested:
            exchange.changed(book)
        return trades

    def requote(self, order: Order, wish: Wish, tag: QuoteTag, *, keep_place: bool) -> list[dict[str, Any]]:
        """Give a resting quote another price and open size, and new names; its trades.

        Raises:
            DeribitError: 11054; the order has ended.
        """
        assert wish.ticks is not None
        exchange = self._exchange
        book = exchange.books[order.listing.name]
        order.wish, order.ticks, order.quote = wish, wish.ticks, tag
        order.lots = order.filled_lots + wish.lots
        if self.waits(book, wish, wish.ticks):
            return self.hold(book, order)
        if keep_place:
            placed = book.matching.amend(order.matching_id, wish.ticks, wish.lots, wish.mode)
        else:
            book.matching.cancel(order.matching_id)
            placed = self.enter(book, order)
        if placed.outcome is Outcome.WOULD_CROSS:
            exchange.end(order, "cancelled", "edit_post_only_reject")
            exchange.report(book, order)
            raise DeribitError("post_only_reject", "would take liquidity", "price")
        return exchange.settle(book, order, placed)

    def _release(self, order: Order, trades: list[dict[str, Any]]) -> None:
        """Into the book as it came, if nobody ended it meanwhile."""
        if not order.is_bumped:
            return
        if self._exchange.books[order.listing.name].state != OPEN:
            self._exchange.withdraw(order, "settlement")
            self.bump.notice()
            return
        order.state = OPEN
        book = self._exchange.live_book(order.listing)
        placed = self.enter(book, order)
        if placed.outcome is Outcome.SELF_TRADE and not placed.filled:
            order.refusal = DeribitError("order_overlap", "would meet an own order")
        trades += self._exchange.settle(book, order, placed)
        self.bump.notice()
