"""What an order must satisfy before it may enter a book: time, price, position, margin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from atomizer.sim.deribit.accounts import Account, margins, value
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.orders import Order, Wish

if TYPE_CHECKING:
    from atomizer.sim.deribit.exchange import Exchange

# The perpetual refuses limit prices further than this from its mark.
PRICE_BAND = 0.10


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
        if wish.ticks is None or wish.listing.option is not None:
            return
        mark, price = (
            self._exchange.marks(wish.listing.settlement).mark[wish.listing.name],
            wish.listing.price(wish.ticks),
        )
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
        reach = int(best[0] * PRICE_BAND)
        return max(best[0] + wish.side * reach, 1)

    def check_margin(self, account: Account, listing: Listing, extra: Order | None) -> None:
        """Refuse what raises the initial margin beyond what the account has."""
        currency = listing.settlement
        marks = self._exchange.marks(currency)
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
