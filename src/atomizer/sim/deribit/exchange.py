"""The venue's engine: orders, edits, cancels and fills of accounts against books kept by the flow.

Nothing here knows connections: what happened goes to a `Listener`, which turns it into messages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

from atomizer.net.transport import Clock
from atomizer.sim import pricing
from atomizer.sim.deribit.accounts import Account, Marks, margins, value
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.executions import Executions
from atomizer.sim.deribit.flow import Flow
from atomizer.sim.deribit.guards import Exposure, Guards
from atomizer.sim.deribit.listings import NS_PER_MS, Listing, list_instruments
from atomizer.sim.deribit.orders import OPEN, SPEED_BUMPED, Order, QuoteTag, Wish
from atomizer.sim.deribit.settings import DEPOSITS, DeribitTwinSettings
from atomizer.sim.deribit.speedbump import SpeedBump
from atomizer.sim.market import Market, MarketState
from atomizer.sim.matching import ANONYMOUS, Mode, Outcome, Placed, SelfTrade

FIRST_ORDER = 580_000_000
# The perpetual refuses limit prices further than this from its mark.
PRICE_BAND = 0.10
DEFAULT_DEPOSIT = Decimal(1000)


class Listener(Protocol):
    """Who tells the world."""

    def account_changed(
        self, account: Account, listing: Listing, orders: list[Order], trades: list[dict[str, Any]]
    ) -> None: ...

    def traded(self, listing: Listing, trade: dict[str, Any]) -> None: ...

    def book_changed(self, book: VenueBook) -> None: ...

    def mmp_triggered(self, account: Account, status: dict[str, Any]) -> None: ...


@dataclass(slots=True)
class Tally:
    """What one account is to be told after one matching."""

    orders: list[Order]
    trades: list[dict[str, Any]]


class Exchange:
    """All books and accounts of one simulated venue on one market."""

    def __init__(
        self, market: Market, settings: DeribitTwinSettings, clock: Clock, listener: Listener
    ) -> None:
        self.market = market
        self.settings = settings
        self._clock = clock
        self._listener = listener
        self.listings = list_instruments(market)
        self.books = {name: VenueBook(listing) for name, listing in self.listings.items()}
        self.perpetual = self.listings[f"{market.underlying}-PERPETUAL"]
        self._option_names = [option.name for option in market.options]
        self.options = [listing for listing in self.listings.values() if listing.option]
        deposit = settings.deposit or DEPOSITS.get(market.underlying, DEFAULT_DEPOSIT)
        names = dict.fromkeys(credential.account for credential in settings.credentials)
        self.accounts = {
            name: Account(name, number, market.underlying, deposit)
            for number, name in enumerate(names, start=1)
        }
        seed = market.seed ^ 0xD3B1 if settings.flow_seed is None else settings.flow_seed
        self.flow = Flow(market, seed, self._place_anonymous)
        self._orders: dict[int, Order] = {}
        self._next_order = FIRST_ORDER
        self._executions = Executions(market, clock, self.marks)
        self._marks: Marks | None = None
        self._marks_step = -1
        self.bump = SpeedBump(settings.speed_bump_ms)
        self.guards = Guards(lambda: self.now_ms, self._exposure, self.cancel, listener.mmp_triggered)

    # --- time and value ---

    @property
    def now_ms(self) -> int:
        return self._clock.now_ns() // NS_PER_MS

    @property
    def now_ns(self) -> int:
        return self._clock.now_ns()

    def state(self) -> MarketState:
        return self.market.state(self._clock.now_ns())

    def index(self) -> float:
        """The index in USD."""
        return round(self.state().index, 4)

    def perpetual_mark(self) -> float:
        """Mark of the perpetual in USD."""
        return round(self.state().perpetual, 4)

    def marks(self) -> Marks:
        """Marks of every instrument now: the generator's fair values."""
        state = self.state()
        if self._marks is None or state.step != self._marks_step:
            prices = self.market.prices(state)
            mark = dict(
                zip(self._option_names, (prices[pricing.USD] / state.index).round(6).tolist(), strict=True)
            )
            delta = dict(zip(self._option_names, prices[pricing.DELTA].tolist(), strict=True))
            mark[self.perpetual.name] = self.perpetual_mark()
            delta[self.perpetual.name] = 1.0
            self._marks = Marks(self.index(), mark, delta)
            self._marks_step = state.step
        return self._marks

    def listing(self, name: str) -> Listing:
        listing = self.listings.get(name)
        if listing is None:
            raise DeribitError("invalid_or_unsupported_instrument", f"unknown {name}", "instrument_name")
        return listing

    def live_book(self, listing: Listing) -> VenueBook:
        """The book with its makers in place."""
        book = self.books[listing.name]
        if not book.live:
            book.live = True
            self.flow.refresh(book, self.state())
        return book

    def release(self, book: VenueBook) -> None:
        """Let the makers go home: nobody looks or rests here."""
        book.live = False
        for ladder in book.ladders.values():
            for order_id in ladder.values():
                book.matching.cancel(order_id)
            ladder.clear()
        book.touch()

    # --- orders ---

    def place(
        self, account: Account, wish: Wish, valid_until_ms: int | None, via: int, tag: QuoteTag | None = None
    ) -> tuple[Order, list[dict[str, Any]]]:
        """Take an order. Returns it with the trades it made; those of one in the speed bump come later.

        The margin of quotes is held by their group, so `tag` spares the check.

        Raises:
            DeribitError: refused; nothing rests.
        """
        self.check_deadline(valid_until_ms)
        wish = self._reduced(account, wish)
        book = self.live_book(wish.listing)
        ticks = self._limit(book, wish)
        self.check_price(wish)
        self.guards.admit(account, wish, ticks, tag)
        self._next_order += 1
        order = Order(self._next_order, account, wish, ticks, self.now_ms, via, tag)
        if tag is None:
            self._check_margin(account, order)
        if self._would_wait(book, wish, ticks):
            self._register(order)
            return order, self._hold(order)
        placed = self._enter(book, order)
        if placed.outcome is Outcome.WOULD_CROSS:
            raise DeribitError("post_only_reject", "would take liquidity", "price")
        if placed.outcome is Outcome.SELF_TRADE and not placed.filled:
            raise DeribitError("order_overlap", "would meet an own order")
        self._register(order)
        return order, self._settle(book, order, placed)

    def edit(
        self, account: Account, order: Order, wish: Wish, valid_until_ms: int | None
    ) -> tuple[Order, list[dict[str, Any]]]:
        """Give an open order another price and total size.

        Raises:
            DeribitError: refused; the order stays, except that a rejected post-only edit cancels it.
        """
        self.check_deadline(valid_until_ms)
        if not order.is_open:
            raise DeribitError("not_open_order", f"order is {order.state}", "order_id")
        if order.is_bumped:
            raise DeribitError("other_reject", "cannot be edited in the speed bump", "order_id")
        assert wish.ticks is not None
        left = wish.lots - order.filled_lots
        if left <= 0:
            raise DeribitError("invalid_amount", "amount must exceed what is filled", "amount")
        self.check_price(wish)
        before = (order.wish, order.ticks, order.lots)
        order.wish, order.ticks, order.lots = wish, wish.ticks, wish.lots
        try:
            self._check_margin(account, None)
        except DeribitError:
            order.wish, order.ticks, order.lots = before
            raise
        book = self.books[order.listing.name]
        if self._would_wait(book, wish, wish.ticks):
            order.replaced = True
            return order, self._hold(order)
        placed = book.matching.amend(order.matching_id, wish.ticks, left, wish.mode, SelfTrade.CANCEL_TAKER)
        if placed.outcome is Outcome.WOULD_CROSS:
            self._end(order, "cancelled", "edit_post_only_reject")
            self._report(book, order)
            raise DeribitError("post_only_reject", "would take liquidity; the order is cancelled", "price")
        order.replaced = True
        return order, self._settle(book, order, placed)

    def requote(self, order: Order, wish: Wish, tag: QuoteTag, *, keep_place: bool) -> list[dict[str, Any]]:
        """Give a quote another price and open size, and its new names; its trades.

        Raises:
            DeribitError: 11054; the order has ended.
        """
        assert wish.ticks is not None
        book = self.books[order.listing.name]
        order.wish, order.ticks, order.quote = wish, wish.ticks, tag
        order.lots = order.filled_lots + wish.lots
        if self._would_wait(book, wish, wish.ticks):
            return self._hold(order)
        if keep_place:
            placed = book.matching.amend(order.matching_id, wish.ticks, wish.lots, wish.mode)
        else:
            book.matching.cancel(order.matching_id)
            placed = self._enter(book, order)
        if placed.outcome is Outcome.WOULD_CROSS:
            self._end(order, "cancelled", "edit_post_only_reject")
            self._report(book, order)
            raise DeribitError("post_only_reject", "would take liquidity", "price")
        return self._settle(book, order, placed)

    def cancel(self, order: Order, reason: str) -> None:
        """Cancel an open order; anything else is left alone.

        One in the speed bump stays there and rests nothing of itself afterwards, or goes at once: a setting.
        """
        if not order.is_open:
            return
        book = self.books[order.listing.name]
        if order.is_bumped and self.settings.bumped_cancel == "ioc":
            order.immediate, order.cancel_reason = True, reason
            return
        book.matching.cancel(order.matching_id)
        self._end(order, "cancelled", reason)
        self._report(book, order)
        self.bump.notice()

    def anonymous_tick(self, state: MarketState, elapsed_s: float) -> None:
        """Makers and takers of every live book act once."""
        for book in self.books.values():
            if not book.live:
                continue
            if not book.watchers and not book.own_orders:
                self.release(book)
                continue
            change_id = book.change_id
            self.flow.refresh(book, state)
            if self.settings.takers:
                self.flow.take(book, state, elapsed_s)
            if book.change_id != change_id:
                self._listener.book_changed(book)

    # --- inside ---

    def _register(self, order: Order) -> None:
        self._orders[order.matching_id] = order
        order.account.orders[order.order_id] = order

    def _enter(self, book: VenueBook, order: Order) -> Placed:
        return book.matching.place(
            order.matching_id,
            order.account.number,
            order.side,
            order.ticks,
            order.left_lots,
            order.mode,
            SelfTrade.CANCEL_TAKER,
        )

    def _would_wait(self, book: VenueBook, wish: Wish, ticks: int) -> bool:
        """Whether the speed bump holds it: it would match, and is no post-only order."""
        if not self.bump.delays(wish.listing.name) or wish.mode in (Mode.POST_MOVE, Mode.POST_REJECT):
            return False
        best = book.matching.best(-wish.side)
        return best is not None and wish.side * (ticks - best[0]) >= 0

    def _hold(self, order: Order) -> list[dict[str, Any]]:
        """Put an order into the speed bump; returns the list its trades will be added to."""
        trades: list[dict[str, Any]] = []
        book = self.books[order.listing.name]
        rested = book.matching.cancel(order.matching_id) > 0
        order.state = SPEED_BUMPED
        order.account.open_orders[order.order_id] = order
        self._count_own(book)
        self.bump.hold(lambda: self._release(order, trades))
        if rested:
            book.touch()
            self._listener.book_changed(book)
        return trades

    def _release(self, order: Order, trades: list[dict[str, Any]]) -> None:
        """An order leaves the speed bump: into the book as it came, if nobody ended it meanwhile."""
        if not order.is_bumped:
            return
        order.state = OPEN
        book = self.live_book(order.listing)
        placed = self._enter(book, order)
        if placed.outcome is Outcome.SELF_TRADE and not placed.filled:
            order.refusal = DeribitError("order_overlap", "would meet an own order")
        trades += self._settle(book, order, placed)
        self.bump.notice()

    def check_deadline(self, valid_until_ms: int | None) -> None:
        if valid_until_ms is not None and self.now_ms > valid_until_ms:
            raise DeribitError(
                "timed_out", f"arrived at {self.now_ms}, valid until {valid_until_ms}", "valid_until"
            )

    def check_price(self, wish: Wish) -> None:
        if wish.ticks is None or wish.listing.option is not None:
            return
        mark, price = self.marks().mark[wish.listing.name], wish.listing.price(wish.ticks)
        if wish.side > 0 and price > mark * (1.0 + PRICE_BAND):
            raise DeribitError("price_too_high", f"above the band around {mark}", "price")
        if wish.side < 0 and price < mark * (1.0 - PRICE_BAND):
            raise DeribitError("price_too_low", f"below the band around {mark}", "price")

    def _reduced(self, account: Account, wish: Wish) -> Wish:
        """A reduce-only order shrinks to the position it closes."""
        if not wish.reduce_only:
            return wish
        position = account.positions.get(wish.listing.name)
        size = position.size if position else Decimal(0)
        room = int(-wish.side * size / wish.listing.lot)
        if room < 1:
            raise DeribitError(
                "other_reject", "reduce_only order without a position to reduce", "reduce_only"
            )
        return wish if wish.lots <= room else replace(wish, lots=room)

    def _limit(self, book: VenueBook, wish: Wish) -> int:
        if wish.ticks is not None:
            return wish.ticks
        best = book.matching.best(-wish.side)
        if best is None:
            raise DeribitError("other_reject", "no liquidity on the other side", "type")
        if wish.order_type == "market_limit":
            return best[0]
        reach = int(best[0] * PRICE_BAND)
        return max(best[0] + wish.side * reach, 1)

    def _check_margin(self, account: Account, extra: Order | None) -> None:
        """Refuse what raises the initial margin beyond what the account has."""
        marks = self.marks()
        needed, _ = margins(account, marks, extra)
        if needed <= value(account, marks).margin_balance:
            return
        held, _ = margins(account, marks)
        if extra is not None and self._reduces(account, extra) and needed <= held:
            return
        raise DeribitError("not_enough_funds", f"needs {needed:.8f} {account.currency} of initial margin")

    @staticmethod
    def _reduces(account: Account, order: Order) -> bool:
        position = account.positions.get(order.listing.name)
        return bool(position and position.size * order.side < 0)

    def _exposure(self, listing: Listing, ticks: int) -> Exposure:
        """What one unit carries now: an inverse future's dollars are coins at the price."""
        if listing.option is None:
            return Exposure(1.0 / listing.price(ticks), 1.0 / listing.price(ticks), 0.0)
        marks = self.marks()
        vega = float(self.market.prices(self.state())[pricing.VEGA][listing.row])
        return Exposure(1.0, marks.delta[listing.name] - marks.mark[listing.name], vega)

    def _place_anonymous(self, book: VenueBook, side: int, ticks: int, lots: int, mode: Mode) -> int:
        """An order of the flow; returns its number. Takers wait in the speed bump as everybody does."""
        self._next_order += 1
        number = self._next_order
        if mode is Mode.IMMEDIATE and self.bump.delays(book.listing.name):
            self.bump.hold(lambda: self._match_anonymous(number, book, side, ticks, lots, mode))
        else:
            self._match_anonymous(number, book, side, ticks, lots, mode)
        return number

    def _match_anonymous(
        self, number: int, book: VenueBook, side: int, ticks: int, lots: int, mode: Mode
    ) -> None:
        placed = book.matching.place(number, ANONYMOUS, side, ticks, lots, mode)
        if placed.fills:
            self._book_fills(book, None, side, placed)

    def _settle(self, book: VenueBook, order: Order, placed: Placed) -> list[dict[str, Any]]:
        """Account for a placement of an account's order and tell everybody."""
        order.updated_ms = self.now_ms
        if placed.resting:
            order.ticks = placed.ticks
            order.account.open_orders[order.order_id] = order
        tallies = self._book_fills(book, order, order.side, placed, announce=False)
        if not placed.resting:
            if order.filled_lots == order.lots:
                self._end(order, "filled", "")
            else:
                reason = "self_match_prevention" if placed.outcome is Outcome.SELF_TRADE else ""
                self._end(order, "cancelled", reason or (order.cancel_reason if order.immediate else ""))
        self._count_own(book)
        own = tallies.setdefault(order.account, Tally([], []))
        if order not in own.orders:
            own.orders.append(order)
        trades = [trade for trade in own.trades if trade["order_id"] == order.order_id]
        for trade in trades:
            trade["state"] = order.state
        self._announce(book, tallies)
        self.guards.act()
        return trades

    def _book_fills(
        self, book: VenueBook, taker: Order | None, side: int, placed: Placed, *, announce: bool = True
    ) -> dict[Account, Tally]:
        """Book every execution of a placement on both sides."""
        tallies: dict[Account, Tally] = {}
        for fill in placed.fills:
            maker = self._orders.get(fill.order_id)
            public = self._executions.public(book, side, fill.ticks, fill.lots)
            for order, liquidity in ((taker, "T"), (maker, "M")):
                if order is None:
                    continue
                order.filled_lots += fill.lots
                order.paid += fill.ticks * fill.lots
                order.updated_ms = self.now_ms
                self.guards.traded(order, fill.ticks, fill.lots)
                if order is maker and fill.left == 0:
                    self._end(order, "filled", "")
                tally = tallies.setdefault(order.account, Tally([], []))
                if order not in tally.orders:
                    tally.orders.append(order)
                tally.trades.append(self._executions.own(order, public, fill.ticks, fill.lots, liquidity))
            self._listener.traded(book.listing, public)
        if announce:
            self._count_own(book)
            self._announce(book, tallies)
            self.guards.act()
        return tallies

    def _announce(self, book: VenueBook, tallies: dict[Account, Tally]) -> None:
        for account, tally in tallies.items():
            self._listener.account_changed(account, book.listing, tally.orders, tally.trades)
        book.touch()
        self._listener.book_changed(book)

    def _report(self, book: VenueBook, order: Order) -> None:
        self._count_own(book)
        self._announce(book, {order.account: Tally([order], [])})

    def _end(self, order: Order, state: str, reason: str) -> None:
        order.state = state
        order.cancel_reason = reason
        order.updated_ms = self.now_ms
        order.account.open_orders.pop(order.order_id, None)

    def _count_own(self, book: VenueBook) -> None:
        book.own_orders = sum(
            order.listing is book.listing
            for account in self.accounts.values()
            for order in account.open_orders.values()
        )
