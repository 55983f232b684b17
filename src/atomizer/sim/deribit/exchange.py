"""The venue's engine: orders, edits, cancels and fills of accounts against books kept by the flow.

Nothing here knows connections: what happened goes to a `Listener`, which turns it into messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

from atomizer.net.transport import Clock
from atomizer.sim.deribit.accounts import Account, Marks, Wallet, margins, value
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.executions import Executions
from atomizer.sim.deribit.listings import NS_PER_MS, Listing
from atomizer.sim.deribit.orders import Order, Wish
from atomizer.sim.deribit.settings import DeribitTwinSettings
from atomizer.sim.deribit.underlyings import Underlying
from atomizer.sim.market import Market
from atomizer.sim.matching import ANONYMOUS, Mode, Outcome, Placed, SelfTrade

FIRST_ORDER = 580_000_000
USDC = "USDC"
DOLLARS = Marks(1.0, {}, {})
# The perpetual refuses limit prices further than this from its mark.
PRICE_BAND = 0.10


class Listener(Protocol):
    """Who tells the world."""

    def account_changed(
        self, account: Account, listing: Listing, orders: list[Order], trades: list[dict[str, Any]]
    ) -> None: ...

    def traded(self, listing: Listing, trade: dict[str, Any]) -> None: ...

    def book_changed(self, book: VenueBook) -> None: ...


@dataclass(slots=True)
class Tally:
    """What one account is to be told after one matching."""

    orders: list[Order]
    trades: list[dict[str, Any]]


class Exchange:
    """All books and accounts of one simulated venue; a market per coin, moving together."""

    def __init__(
        self, markets: Sequence[Market], settings: DeribitTwinSettings, clock: Clock, listener: Listener
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._listener = listener
        self.underlyings = {
            market.underlying: Underlying(market, clock, position, settings.flow_seed, self._place_anonymous)
            for position, market in enumerate(markets)
        }
        self.first = next(iter(self.underlyings.values()))
        self.listings = {
            name: listing for one in self.underlyings.values() for name, listing in one.listings.items()
        }
        self.books = {name: VenueBook(listing) for name, listing in self.listings.items()}
        names = dict.fromkeys(credential.account for credential in settings.credentials)
        self.accounts = {
            name: Account(name, number, self._wallets()) for number, name in enumerate(names, start=1)
        }
        self._orders: dict[int, Order] = {}
        self._next_order = FIRST_ORDER
        self._executions = Executions(clock, self.underlying)

    def _wallets(self) -> dict[str, Wallet]:
        currencies = (*self.underlyings, USDC)
        return {currency: Wallet(currency, self.settings.opening(currency)) for currency in currencies}

    # --- time and value ---

    @property
    def now_ms(self) -> int:
        return self._clock.now_ns() // NS_PER_MS

    @property
    def now_ns(self) -> int:
        return self._clock.now_ns()

    @property
    def start_ns(self) -> int:
        return self.first.market.start_ns

    @property
    def step_ns(self) -> int:
        return self.first.market.step_ns

    def underlying(self, listing: Listing) -> Underlying:
        """The coin that an instrument is on."""
        return self.underlyings[listing.coin]

    def marks(self, currency: str) -> Marks:
        """What positions that settle in `currency` are valued with."""
        found = self.underlyings.get(currency)
        return found.marks() if found else DOLLARS

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
            underlying = self.underlying(listing)
            underlying.flow.refresh(book, underlying.state())
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
        self, account: Account, wish: Wish, valid_until_ms: int | None, via: int
    ) -> tuple[Order, list[dict[str, Any]]]:
        """Take an order. Returns it with the trades it made at once.

        Raises:
            DeribitError: refused; nothing rests.
        """
        self._check_deadline(valid_until_ms)
        wish = self._reduced(account, wish)
        book = self.live_book(wish.listing)
        ticks = self._limit(book, wish)
        self._next_order += 1
        order = Order(self._next_order, account, wish, ticks, self.now_ms, via)
        self._check_price(wish)
        self._check_margin(account, wish.listing, order)
        placed = book.matching.place(
            order.matching_id, account.number, wish.side, ticks, wish.lots, wish.mode, SelfTrade.CANCEL_TAKER
        )
        if placed.outcome is Outcome.WOULD_CROSS:
            raise DeribitError("post_only_reject", "would take liquidity", "price")
        if placed.outcome is Outcome.SELF_TRADE and not placed.filled:
            raise DeribitError("order_overlap", "would meet an own order")
        self._orders[order.matching_id] = order
        account.orders[order.order_id] = order
        trades = self._settle(book, order, placed)
        return order, trades

    def edit(
        self, account: Account, order: Order, wish: Wish, valid_until_ms: int | None
    ) -> tuple[Order, list[dict[str, Any]]]:
        """Give an open order another price and total size.

        Raises:
            DeribitError: refused; the order stays, except that a rejected post-only edit cancels it.
        """
        self._check_deadline(valid_until_ms)
        if not order.is_open:
            raise DeribitError("not_open_order", f"order is {order.state}", "order_id")
        assert wish.ticks is not None
        left = wish.lots - order.filled_lots
        if left <= 0:
            raise DeribitError("invalid_amount", "amount must exceed what is filled", "amount")
        self._check_price(wish)
        before = (order.wish, order.ticks, order.lots)
        order.wish, order.ticks, order.lots = wish, wish.ticks, wish.lots
        try:
            self._check_margin(account, wish.listing, None)
        except DeribitError:
            order.wish, order.ticks, order.lots = before
            raise
        book = self.books[order.listing.name]
        placed = book.matching.amend(order.matching_id, wish.ticks, left, wish.mode, SelfTrade.CANCEL_TAKER)
        if placed.outcome is Outcome.WOULD_CROSS:
            self._end(order, "cancelled", "edit_post_only_reject")
            self._report(book, order)
            raise DeribitError("post_only_reject", "would take liquidity; the order is cancelled", "price")
        order.replaced = True
        return order, self._settle(book, order, placed)

    def cancel(self, order: Order, reason: str) -> None:
        """Cancel an open order; anything else is left alone."""
        if not order.is_open:
            return
        book = self.books[order.listing.name]
        book.matching.cancel(order.matching_id)
        self._end(order, "cancelled", reason)
        self._report(book, order)

    def anonymous_tick(self, elapsed_s: float) -> None:
        """Makers and takers of every live book act once."""
        for book in self.books.values():
            if not book.live:
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

    # --- inside ---

    def _check_deadline(self, valid_until_ms: int | None) -> None:
        if valid_until_ms is not None and self.now_ms > valid_until_ms:
            raise DeribitError(
                "timed_out", f"arrived at {self.now_ms}, valid until {valid_until_ms}", "valid_until"
            )

    def _check_price(self, wish: Wish) -> None:
        if wish.ticks is None or wish.listing.option is not None:
            return
        mark, price = (
            self.marks(wish.listing.settlement).mark[wish.listing.name],
            wish.listing.price(wish.ticks),
        )
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
        reach = int(best[0] * PRICE_BAND)
        return max(best[0] + wish.side * reach, 1)

    def _check_margin(self, account: Account, listing: Listing, extra: Order | None) -> None:
        """Refuse what raises the initial margin beyond what the account has."""
        currency = listing.settlement
        marks = self.marks(currency)
        needed, _ = margins(account, currency, marks, extra)
        if needed <= value(account, currency, marks).margin_balance:
            return
        held, _ = margins(account, currency, marks)
        if extra is not None and self._reduces(account, extra) and needed <= held:
            return
        raise DeribitError("not_enough_funds", f"needs {needed:.8f} {currency} of initial margin")

    @staticmethod
    def _reduces(account: Account, order: Order) -> bool:
        position = account.positions.get(order.listing.name)
        return bool(position and position.size * order.side < 0)

    def _place_anonymous(self, book: VenueBook, side: int, ticks: int, lots: int, mode: Mode) -> int:
        """An order of the flow; returns its number."""
        self._next_order += 1
        number = self._next_order
        placed = book.matching.place(number, ANONYMOUS, side, ticks, lots, mode)
        if placed.fills:
            self._book_fills(book, None, side, placed)
        return number

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
                self._end(order, "cancelled", reason)
        self._count_own(book)
        own = tallies.setdefault(order.account, Tally([], []))
        if order not in own.orders:
            own.orders.append(order)
        trades = [trade for trade in own.trades if trade["order_id"] == order.order_id]
        for trade in trades:
            trade["state"] = order.state
        self._announce(book, tallies)
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
