"""What an order must satisfy before it may enter a book: time, price, position, margin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.margins import requirement, spending
from atomizer.sim.deribit.orders import Order, Wish

if TYPE_CHECKING:
    from atomizer.sim.deribit.exchange import Exchange

# Futures and spot refuse limit prices further than this from their mark.
PRICE_BAND = 0.10
# How far a market order on a combo reaches, in ticks.
COMBO_REACH = 50


class Admission:
    """The venue's checks of orders and edits; each raises the refusal the client sees."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def check_deadline(self, valid_until_ms: int | None) -> None:
        if valid_until_ms is not None and self._exchange.now_ms > valid_until_ms:
            raise DeribitError(
                "timed_out",
                f"arrived at {self._exchange.now_ms}, valid until {valid_until_ms}",
                "valid_until",
            )

    def check_price(self, wish: Wish) -> None:
        """Futures and spot stay near their marks; a combo leaves every leg a price."""
        listing = wish.listing
        if wish.ticks is None or listing.option is not None:
            return
        price = listing.price(wish.ticks)
        if listing.is_combo:
            if wish.ticks < listing.lowest_ticks:
                raise DeribitError("price_too_low", "below one tick for each leg", "price")
            return
        mark = self._exchange.underlying(listing).marks().mark[listing.name]
        if wish.side > 0 and price > mark * (1.0 + PRICE_BAND):
            raise DeribitError("price_too_high", f"above the band around {mark}", "price")
        if wish.side < 0 and price < mark * (1.0 - PRICE_BAND):
            raise DeribitError("price_too_low", f"below the band around {mark}", "price")

    def reduced(self, account: Account, wish: Wish) -> Wish:
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

    def limit(self, book: VenueBook, wish: Wish) -> int:
        if wish.ticks is not None:
            return wish.ticks
        best = book.matching.best(-wish.side)
        if best is None:
            raise DeribitError("other_reject", "no liquidity on the other side", "type")
        if wish.order_type == "market_limit":
            return best[0]
        reach = max(int(abs(best[0]) * PRICE_BAND), COMBO_REACH if wish.listing.is_combo else 0)
        return max(best[0] + wish.side * reach, wish.listing.lowest_ticks)

    def check_margin(self, account: Account, listing: Listing, extra: Order | None) -> None:
        """Refuse what raises the initial margin, or what spot orders spend, beyond what the account has."""
        if listing.kind == "spot":
            self._check_spot(account, listing, extra)
            return
        exchange, currency = self._exchange, listing.settlement
        marks, underlying = exchange.marks(currency), exchange.underlying(listing)
        now = exchange.funds(account, currency)
        needed = requirement(account, currency, marks, underlying, extra).initial
        if needed + now.spot_reserve <= now.balance:
            return
        if extra is not None and self._reduces(account, extra) and needed <= now.margin.initial:
            return
        raise DeribitError("not_enough_funds", f"needs {needed:.8f} {currency} of initial margin")

    def _check_spot(self, account: Account, listing: Listing, extra: Order | None) -> None:
        """What open spot orders hold must be free in both currencies."""
        for currency in (listing.coin, listing.quote):
            more = spending(extra, currency) if extra is not None else 0.0
            if (more or extra is None) and self._exchange.funds(account, currency).available < more:
                raise DeribitError("not_enough_funds", f"needs {more:.8f} {currency}")

    @staticmethod
    def _reduces(account: Account, order: Order) -> bool:
        position = account.positions.get(order.listing.name)
        return bool(position and position.size * order.side < 0)
