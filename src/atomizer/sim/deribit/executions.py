"""Executions as the venue tells them: once in public, once to each owner, booked as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atomizer.net.transport import Clock
from atomizer.sim import pricing
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.listings import NS_PER_MS, Listing
from atomizer.sim.deribit.orders import Order
from atomizer.sim.deribit.underlyings import Underlying

FIRST_TRADE = 210_000_000


class Executions:
    """Numbers executions, writes them down and books them."""

    def __init__(self, clock: Clock, underlying: Callable[[Listing], Underlying]) -> None:
        self._clock = clock
        self._underlying = underlying
        self._next = FIRST_TRADE

    def public(self, book: VenueBook, side: int, ticks: int, lots: int) -> dict[str, Any]:
        """A new execution as everybody sees it; `side` is the aggressor's."""
        listing, marks = book.listing, self._underlying(book.listing).marks()
        self._next += 1
        book.trade_seq += 1
        amount = listing.amount(lots)
        book.volume += amount
        prefix = "" if listing.currency == "BTC" else f"{listing.currency}-"
        trade: dict[str, Any] = {
            "trade_id": f"{prefix}{self._next}",
            "trade_seq": book.trade_seq,
            "timestamp": self._clock.now_ns() // NS_PER_MS,
            "instrument_name": listing.name,
            "direction": "buy" if side > 0 else "sell",
            "price": listing.price(ticks),
            "amount": amount,
            "contracts": amount / float(listing.contract_size),
            "mark_price": marks.mark[listing.name],
            "index_price": marks.index,
            "tick_direction": book.direction_of(ticks),
        }
        if listing.option:
            trade["iv"] = round(100.0 * self._trade_vol(listing, ticks), 2)
        book.trades.append(trade)
        return trade

    def _trade_vol(self, listing: Listing, ticks: int) -> float:
        option, state = listing.option, self._underlying(listing).state()
        assert option is not None
        usd = listing.price(ticks) * state.index
        forward, tau = state.forward(option.expiry_ns), state.tau(option.expiry_ns)
        return pricing.implied_vol(usd, forward, option.strike, tau, is_call=option.is_call) or 0.0

    def own(
        self, order: Order, public: dict[str, Any], ticks: int, lots: int, liquidity: str
    ) -> dict[str, Any]:
        """Book one side of an execution and describe it to its owner."""
        listing, account = order.listing, order.account
        price, amount = listing.exact_price(ticks), listing.lot * lots
        fee = listing.fee(price, amount, maker=liquidity == "M")
        realised = account.fill(listing, order.side, amount, price, fee)
        trade = public | {
            "direction": "buy" if order.side > 0 else "sell",
            "order_id": order.order_id,
            "order_type": order.wish.order_type,
            "matching_id": None,
            "liquidity": liquidity,
            "fee": float(fee),
            "fee_currency": listing.settlement,
            "state": order.state,
            "label": order.label,
            "post_only": order.wish.post_only,
            "reduce_only": order.wish.reduce_only,
            "mmp": order.wish.mmp,
            "api": True,
            "risk_reducing": False,
            "self_trade": False,
            "profit_loss": float(realised),
        }
        if listing.option:
            forward = self._underlying(listing).state().forward(listing.option.expiry_ns)
            trade["underlying_price"] = round(forward, 4)
        if order.quote is not None:
            trade |= {"quote_id": order.quote.quote_id, "quote_set_id": order.quote.quote_set_id}
        account.trades.append(trade)
        return trade
