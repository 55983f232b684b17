"""The venue's engine: orders, edits, cancels and fills of accounts against books kept by the flow.

Nothing here knows connections: what happened goes to a `Listener`, which turns it into messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from atomizer.net.transport import Clock
from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.admission import Admission
from atomizer.sim.deribit.booking import Booking
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.entrance import Entrance
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.executions import Executions
from atomizer.sim.deribit.fees import Fees
from atomizer.sim.deribit.floor import Floor
from atomizer.sim.deribit.guards import Guards
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.orders import Order, QuoteTag, Wish
from atomizer.sim.deribit.playback import Playback
from atomizer.sim.deribit.quoting import MassQuotes
from atomizer.sim.deribit.settings import DeribitTwinSettings
from atomizer.sim.deribit.settlement import Settlement
from atomizer.sim.deribit.states import OPEN, States
from atomizer.sim.deribit.underlyings import Underlying
from atomizer.sim.market import Market
from atomizer.sim.matching import ANONYMOUS, Mode, Outcome, Placed, SelfTrade

FIRST_ORDER = 580_000_000


class Listener(Protocol):
    """Who tells the world."""

    def account_changed(
        self, account: Account, listing: Listing, orders: list[Order], trades: list[dict[str, Any]]
    ) -> None: ...

    def traded(self, listing: Listing, trade: dict[str, Any]) -> None: ...

    def book_changed(self, book: VenueBook) -> None: ...

    def combo_traded(self, account: Account, listing: Listing, trade: dict[str, Any]) -> None: ...

    def state_changed(self, listing: Listing, state: str) -> None: ...

    def lock_changed(self, index_name: str, *, locked: bool) -> None: ...

    def money_moved(self, account: Account) -> None: ...

    def mmp_triggered(self, account: Account, status: dict[str, Any]) -> None: ...


@dataclass(slots=True)
class Tally:
    """What one account is to be told after one matching."""

    orders: list[Order]
    trades: list[dict[str, Any]]


class Exchange(Floor):
    """All books and accounts of one simulated venue; a market per coin, moving together."""

    def __init__(
        self, markets: Sequence[Market], settings: DeribitTwinSettings, clock: Clock, listener: Listener
    ) -> None:
        super().__init__(markets, settings, clock, self._place_anonymous)
        self._listener = listener
        self.locked: dict[str, None] = {}
        self.fees = Fees(settings.fees)
        self.booking = Booking(lambda: self.now_ms, self.marks, self.fees)
        for account in self.accounts.values():
            self.booking.open(account)
        self._orders: dict[int, Order] = {}
        self._next_order = FIRST_ORDER
        self._executions = Executions(clock, self.books, self.underlying, self.booking)
        self.states = States(
            self.books,
            self.orders_on,
            self.withdraw,
            self.release,
            self._listener.state_changed,
            lambda: self.now_ms,
        )
        self.settlement = Settlement(self, settings.settlement_pause_s, settings.archive_s)
        self.admission = Admission(self)
        self.entrance = Entrance(self, settings)
        self.guards = Guards(lambda: self.now_ms, self.underlyings, self.cancel, listener.mmp_triggered)
        self.playback = Playback(settings.recording, self) if settings.recording else None
        self.quotes = MassQuotes(self, settings.quote_errors)

    def advance(self) -> None:
        """What time alone brings: funding, then settlement and delivery where they are due."""
        for underlying in self.underlyings.values():
            underlying.funding.advance(self.now_ns)
        self.settlement.advance()

    def money_moved(self) -> None:
        """Every account was settled."""
        for account in self.accounts.values():
            self._listener.money_moved(account)

    # --- instruments ---

    def list_new(self, listings: Sequence[Listing]) -> None:
        """Open books for new instruments and announce them."""
        self.know(listings, OPEN)
        for listing in listings:
            self._listener.state_changed(listing, OPEN)

    def set_state(self, listing: Listing, state: str) -> None:
        """An operator's hand: lock, halt, deactivate or open an instrument."""
        self.states.set(listing, state)

    def lock(self, underlying: Underlying, *, locked: bool) -> None:
        """Lock or unlock a coin's index with every book on it."""
        if locked:
            self.locked[underlying.index_name] = None
        else:
            self.locked.pop(underlying.index_name, None)
        before, after = (OPEN, "locked") if locked else ("locked", OPEN)
        for listing in underlying.listings.values():
            if self.books[listing.name].state == before:
                self.states.set(listing, after)
        self._listener.lock_changed(underlying.index_name, locked=locked)

    def orders_on(self, listing: Listing) -> list[Order]:
        """Open orders of accounts on an instrument."""
        return [
            order
            for account in self.accounts.values()
            for order in account.open_orders.values()
            if order.listing is listing
        ]

    def withdraw(self, order: Order, reason: str) -> None:
        """End an open order whatever holds it: the venue's own doing."""
        book = self.books[order.listing.name]
        book.matching.cancel(order.matching_id)
        self.end(order, "cancelled", reason)
        self.report(book, order)

    def owner(self, matching_id: int) -> Account | None:
        """Whose order of a book this is, None for the anonymous."""
        order = self._orders.get(matching_id)
        return order.account if order else None

    # --- orders ---

    def place(
        self, account: Account, wish: Wish, valid_until_ms: int | None, via: int, tag: QuoteTag | None = None
    ) -> tuple[Order, list[dict[str, Any]]]:
        """Take an order. Returns it with the trades it made; those of one in the speed bump come later.

        The margin of quotes is held by their group, so `tag` spares the check.

        Raises:
            DeribitError: refused; nothing rests.
        """
        self.states.require_open(wish.listing)
        self.admission.check_deadline(valid_until_ms)
        wish = self.admission.reduced(account, wish)
        book = self.live_book(wish.listing)
        ticks = self.admission.limit(book, wish)
        self.admission.check_price(wish)
        self.guards.admit(account, wish, ticks, tag)
        self._next_order += 1
        order = Order(self._next_order, account, wish, ticks, self.now_ms, via, tag)
        if tag is None:
            self.admission.check_margin(account, wish.listing, order)
        if self.entrance.waits(book, wish, ticks):
            self._register(order)
            return order, self.entrance.hold(book, order)
        placed = self.entrance.enter(book, order)
        if placed.outcome is Outcome.WOULD_CROSS:
            raise DeribitError("post_only_reject", "would take liquidity", "price")
        if placed.outcome is Outcome.SELF_TRADE and not placed.filled:
            raise DeribitError("order_overlap", "would meet an own order")
        self._register(order)
        return order, self.settle(book, order, placed)

    def edit(
        self, account: Account, order: Order, wish: Wish, valid_until_ms: int | None
    ) -> tuple[Order, list[dict[str, Any]]]:
        """Give an open order another price and total size.

        Raises:
            DeribitError: refused; the order stays, except that a rejected post-only edit cancels it.
        """
        self.states.require_open(wish.listing)
        self.admission.check_deadline(valid_until_ms)
        if not order.is_open:
            raise DeribitError("not_open_order", f"order is {order.state}", "order_id")
        if order.is_bumped:
            raise DeribitError("other_reject", "cannot be edited in the speed bump", "order_id")
        assert wish.ticks is not None
        left = wish.lots - order.filled_lots
        if left <= 0:
            raise DeribitError("invalid_amount", "amount must exceed what is filled", "amount")
        self.admission.check_price(wish)
        before = (order.wish, order.ticks, order.lots)
        order.wish, order.ticks, order.lots = wish, wish.ticks, wish.lots
        try:
            self.admission.check_margin(account, wish.listing, None)
        except DeribitError:
            order.wish, order.ticks, order.lots = before
            raise
        book = self.books[order.listing.name]
        if self.entrance.waits(book, wish, wish.ticks):
            order.replaced = True
            return order, self.entrance.hold(book, order)
        placed = book.matching.amend(order.matching_id, wish.ticks, left, wish.mode, SelfTrade.CANCEL_TAKER)
        if placed.outcome is Outcome.WOULD_CROSS:
            self.end(order, "cancelled", "edit_post_only_reject")
            self.report(book, order)
            raise DeribitError("post_only_reject", "would take liquidity; the order is cancelled", "price")
        order.replaced = True
        return order, self.settle(book, order, placed)

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
        self.end(order, "cancelled", reason)
        self.report(book, order)
        self.entrance.bump.notice()

    def anonymous_tick(self, elapsed_s: float) -> None:
        """Makers and takers of every live book act once; recorded books move on."""
        if self.playback is not None:
            self.playback.advance(self.now_ns)
        for book in self.books.values():
            if not book.live or book.state != OPEN or book.recorded is not None:
                continue
            if not book.watchers and not book.own_orders:
                self.release(book)
                continue
            change_id = book.change_id
            underlying = self.underlying(book.listing)
            state = underlying.state()
            underlying.flow.refresh(book, state)
            if self.settings.takers:
                underlying.flow.take(book, state, elapsed_s)
            if book.change_id != change_id:
                self._listener.book_changed(book)

    def play(self, book: VenueBook, side: int, ticks: int, lots: int, mode: Mode) -> int:
        """A recorded order or trade, whose wait is over since it was recorded; returns its number."""
        self._next_order += 1
        self._match_anonymous(self._next_order, book, side, ticks, lots, mode)
        return self._next_order

    # --- inside ---

    def _register(self, order: Order) -> None:
        self._orders[order.matching_id] = order
        order.account.orders[order.order_id] = order

    def _place_anonymous(self, book: VenueBook, side: int, ticks: int, lots: int, mode: Mode) -> int:
        """An order of the flow; returns its number. Takers wait in the speed bump as everybody does."""
        self._next_order += 1
        number = self._next_order
        bump = self.entrance.bump
        if mode is Mode.IMMEDIATE and bump.delays(book.listing.name):
            bump.hold(lambda: self._match_anonymous(number, book, side, ticks, lots, mode))
        else:
            self._match_anonymous(number, book, side, ticks, lots, mode)
        return number

    def _match_anonymous(
        self, number: int, book: VenueBook, side: int, ticks: int, lots: int, mode: Mode
    ) -> None:
        placed = book.matching.place(number, ANONYMOUS, side, ticks, lots, mode)
        if placed.fills:
            self._book_fills(book, None, side, placed)

    def settle(self, book: VenueBook, order: Order, placed: Placed) -> list[dict[str, Any]]:
        """Account for a placement of an account's order and tell everybody."""
        order.updated_ms = self.now_ms
        if placed.resting:
            order.ticks = placed.ticks
            order.shown_lots = book.matching.shown(order.matching_id)
            order.account.open_orders[order.order_id] = order
        tallies = self._book_fills(book, order, order.side, placed, announce=False)
        if not placed.resting:
            if order.filled_lots == order.lots:
                self.end(order, "filled", "")
            else:
                reason = "self_match_prevention" if placed.outcome is Outcome.SELF_TRADE else ""
                self.end(order, "cancelled", reason or (order.cancel_reason if order.immediate else ""))
        self.count_own(book)
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
            for order, way, liquidity in ((taker, side, "T"), (maker, -side, "M")):
                if order is None:
                    if taker is not None or maker is not None:
                        self._executions.house(self.house, book.listing, way, public)
                    continue
                order.filled_lots += fill.lots
                order.paid += fill.ticks * fill.lots
                order.updated_ms = self.now_ms
                self.guards.traded(order, fill.ticks, fill.lots)
                if order is maker:
                    order.shown_lots = book.matching.shown(order.matching_id)
                if order is maker and fill.left == 0:
                    self.end(order, "filled", "")
                tally = tallies.setdefault(order.account, Tally([], []))
                if order not in tally.orders:
                    tally.orders.append(order)
                own = self._executions.own(order, public, liquidity)
                tally.trades += own
                if book.listing.is_combo:
                    combo = self._executions.combo(order, public, own)
                    self._listener.combo_traded(order.account, book.listing, combo)
            self._tell_trade(book.listing, public)
        if announce:
            self.count_own(book)
            self._announce(book, tallies)
            self.guards.act()
        return tallies

    def _tell_trade(self, listing: Listing, public: dict[str, Any]) -> None:
        self._listener.traded(listing, public)
        for leg in public.get("legs", ()):
            self._listener.traded(self.listings[leg["instrument_name"]], leg)

    def _announce(self, book: VenueBook, tallies: dict[Account, Tally]) -> None:
        for account, tally in tallies.items():
            self._listener.account_changed(account, book.listing, tally.orders, tally.trades)
        self.changed(book)

    def changed(self, book: VenueBook) -> None:
        """Tell of a book that is not what it was."""
        book.touch()
        self._listener.book_changed(book)

    def report(self, book: VenueBook, order: Order) -> None:
        self.count_own(book)
        self._announce(book, {order.account: Tally([order], [])})

    def end(self, order: Order, state: str, reason: str) -> None:
        order.state = state
        order.cancel_reason = reason
        order.updated_ms = self.now_ms
        order.account.open_orders.pop(order.order_id, None)

    def count_own(self, book: VenueBook) -> None:
        book.own_orders = sum(
            order.listing is book.listing
            for account in self.accounts.values()
            for order in account.open_orders.values()
        )
