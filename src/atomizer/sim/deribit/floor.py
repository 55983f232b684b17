"""The venue's floor: its coins, what is listed, who has an account, and what everything is worth."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from atomizer.net.transport import Clock
from atomizer.sim.deribit.accounts import Account, Marks, Wallet, value
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.listings import NS_PER_MS, Listing
from atomizer.sim.deribit.margins import Funds, funds
from atomizer.sim.deribit.reports import portfolio
from atomizer.sim.deribit.settings import DeribitTwinSettings
from atomizer.sim.deribit.states import ARCHIVIZED, OPEN
from atomizer.sim.deribit.underlyings import Trade, Underlying
from atomizer.sim.market import Market
from atomizer.sim.matching import ANONYMOUS

USDC = "USDC"
DOLLARS = Marks(1.0, {}, {})


class Floor:
    """Instruments, books and accounts of one venue; `listings` knows everything ever listed."""

    def __init__(
        self, markets: Sequence[Market], settings: DeribitTwinSettings, clock: Clock, trade: Trade
    ) -> None:
        self.settings = settings
        self._clock = clock
        self.underlyings = {
            market.underlying: Underlying(market, clock, position, settings.flow_seed, trade)
            for position, market in enumerate(markets)
        }
        self.first = next(iter(self.underlyings.values()))
        self.listings: dict[str, Listing] = {}
        self.books: dict[str, VenueBook] = {}
        for one in self.underlyings.values():
            self.know(list(one.expired.values()), ARCHIVIZED)
            self.know(list(one.listings.values()), OPEN)
        names = dict.fromkeys(credential.account for credential in settings.credentials)
        self.accounts = {
            name: Account(name, number, self._wallets(), margin_model=settings.margin_model)
            for number, name in enumerate(names, start=1)
        }
        self.house = Account("house", ANONYMOUS, {one: Wallet(one, Decimal(0)) for one in self._wallets()})

    def know(self, listings: Sequence[Listing], state: str) -> None:
        """Open the books of instruments."""
        for listing in listings:
            self.listings[listing.name] = listing
            book = self.books[listing.name] = VenueBook(listing)
            book.state = state

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

    @property
    def everybody(self) -> list[Account]:
        """Every account, the anonymous one last."""
        return [*self.accounts.values(), self.house]

    def underlying(self, listing: Listing) -> Underlying:
        """The coin that an instrument is on."""
        return self.underlyings[listing.coin]

    def marks(self, currency: str) -> Marks:
        """What positions that settle in `currency` are valued with."""
        found = self.underlyings.get(currency)
        return found.marks() if found else DOLLARS

    def funds(self, account: Account, currency: str) -> Funds:
        """What an account may use in a currency now."""
        marks = self.marks(currency)
        now = value(account, currency, marks)
        return funds(account, currency, now, marks, self.underlyings.get(currency))

    def portfolio(self, account: Account, currency: str) -> dict[str, Any]:
        """An account in a currency as the venue describes it."""
        return portfolio(account, currency, self.marks(currency), self.underlyings.get(currency))

    def by_index(self, name: str) -> Underlying | None:
        """The coin of an index, in dollars or USDC; None where there is none such."""
        for underlying in self.underlyings.values():
            if name in (underlying.index_name, underlying.spot.index):
                return underlying
        return None

    def listing(self, name: str) -> Listing:
        listing = self.listings.get(name)
        if listing is None:
            raise DeribitError("invalid_or_unsupported_instrument", f"unknown {name}", "instrument_name")
        return listing

    def current(self, name: str) -> Listing:
        """An instrument that still has a mark.

        Raises:
            DeribitError: unknown, or archived.
        """
        listing = self.listing(name)
        if self.books[name].state == ARCHIVIZED:
            raise DeribitError("invalid_or_unsupported_instrument", f"{name} has expired", "instrument_name")
        return listing

    def delta(self, listing: Listing) -> float:
        """Black-Scholes delta of an instrument now."""
        return self.underlying(listing).marks().delta[listing.name]

    def live_book(self, listing: Listing) -> VenueBook:
        """The book with its makers in place."""
        book = self.books[listing.name]
        if not book.live and book.state == OPEN:
            book.live = True
            underlying = self.underlying(listing)
            if book.recorded is None:
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
