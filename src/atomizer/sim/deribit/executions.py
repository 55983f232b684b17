"""Executions as the venue tells them: once in public, once to each owner, booked as they are written.

A trade in a combo is told on the combo's book and, leg by leg, on those of its legs; only legs are booked.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from atomizer.net.transport import Clock
from atomizer.sim import pricing
from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.booking import Booking, Fill
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.combos import leg_prices
from atomizer.sim.deribit.listings import NS_PER_MS, QUANTUM, ZERO, Listing
from atomizer.sim.deribit.orders import Order
from atomizer.sim.deribit.underlyings import Underlying

FIRST_TRADE = 210_000_000


class Executions:
    """Numbers executions, writes them down and books them. `books` are all books by name."""

    def __init__(
        self,
        clock: Clock,
        books: dict[str, VenueBook],
        underlying: Callable[[Listing], Underlying],
        booking: Booking,
    ) -> None:
        self._clock = clock
        self._books = books
        self._underlying = underlying
        self._booking = booking
        self._next = FIRST_TRADE

    def public(self, book: VenueBook, side: int, ticks: int, lots: int) -> dict[str, Any]:
        """A new execution as everybody sees it; `side` is the aggressor's. A combo's has `legs`."""
        listing = book.listing
        trade = self._tell(book, side, listing.price(ticks), lots, book.direction_of(ticks))
        if listing.is_combo:
            link = {"combo_id": listing.name, "combo_trade_id": self._next}
            trade |= link
            trade["legs"] = [
                self._tell_leg(leg.listing, side * leg.ratio, price, lots * abs(leg.ratio), listing) | link
                for leg, price in leg_prices(listing, ticks, self._underlying(listing).marks())
            ]
        return trade

    def _tell_leg(
        self, listing: Listing, side: int, price: Decimal, combo_lots: int, combo: Listing
    ) -> dict[str, Any]:
        book = self._books[listing.name]
        lots = int(combo.lot * combo_lots / listing.lot)
        direction = book.direction_of(int(price / listing.tick))
        return self._tell(book, side, float(price), lots, direction)

    def _tell(
        self, book: VenueBook, side: int, price: float, lots: int, tick_direction: int
    ) -> dict[str, Any]:
        listing, marks = book.listing, self._underlying(book.listing).marks()
        self._next += 1
        book.trade_seq += 1
        amount = listing.amount(lots)
        book.volume += amount
        trade: dict[str, Any] = {
            "trade_id": f"{listing.prefix}{self._next}",
            "trade_seq": book.trade_seq,
            "timestamp": self._clock.now_ns() // NS_PER_MS,
            "instrument_name": listing.name,
            "direction": "buy" if side > 0 else "sell",
            "price": price,
            "amount": amount,
            "contracts": amount / float(listing.contract_size),
            "mark_price": marks.mark[listing.name],
            "index_price": marks.index,
            "tick_direction": tick_direction,
        }
        if listing.option:
            trade["iv"] = round(100.0 * self._trade_vol(listing, price), 2)
        book.trades.append(trade)
        return trade

    def _trade_vol(self, listing: Listing, price: float) -> float:
        option, state = listing.option, self._underlying(listing).state()
        assert option is not None
        forward, tau = state.forward(option.expiry_ns), state.tau(option.expiry_ns)
        usd = price * state.index
        return pricing.implied_vol(usd, forward, option.strike, tau, is_call=option.is_call) or 0.0

    def own(self, order: Order, public: dict[str, Any], liquidity: str) -> list[dict[str, Any]]:
        """Book one side of an execution and describe it to its owner: one trade, or one per leg."""
        described = []
        for trade, fill in self._parts(order.account, order.listing, order.side, public, liquidity):
            booked = fill._replace(reference=_reference(trade, order, liquidity))
            realised = self._booking.fill(order.account, booked)
            described.append(self._describe(order, trade, fill, realised, liquidity))
        order.account.trades += described
        return described

    def combo(self, order: Order, public: dict[str, Any], legs: list[dict[str, Any]]) -> dict[str, Any]:
        """The trade in a combo as its owner is told of it, with the trades of its legs."""
        direction = "buy" if order.side > 0 else "sell"
        trade = public | {
            "direction": direction,
            "order_id": order.order_id,
            "order_type": order.wish.order_type,
            "state": order.state,
            "label": order.label,
            "fee": sum(leg["fee"] for leg in legs),
            "fee_currency": order.listing.settlement,
            "legs": legs,
        }
        order.account.combo_trades.append(trade)
        return trade

    def house(self, house: Account, listing: Listing, side: int, public: dict[str, Any]) -> None:
        """Book the anonymous side."""
        for _, fill in self._parts(house, listing, side, public, ""):
            self._booking.fill(house, fill)

    def _parts(
        self, account: Account, listing: Listing, side: int, public: dict[str, Any], liquidity: str
    ) -> list[tuple[dict[str, Any], Fill]]:
        """What a trade changes, with fees."""
        parts = []
        for leg, trade in zip(listing.parts, public.get("legs", [public]), strict=True):
            price, amount = Decimal(repr(trade["price"])), Decimal(repr(trade["amount"]))
            fee = self._booking.fee(account, leg.listing, price, amount, maker=liquidity == "M")
            own_side = side if leg.ratio > 0 else -side
            parts.append((trade, Fill(leg.listing, own_side, amount, price, fee, {})))
        if listing.is_combo:
            fees = combo_fees(listing, [fill for _, fill in parts], taker=liquidity == "T")
            parts = [(trade, fill._replace(fee=fee)) for (trade, fill), fee in zip(parts, fees, strict=True)]
        return parts

    def _describe(
        self, order: Order, public: dict[str, Any], fill: Fill, realised: Decimal, liquidity: str
    ) -> dict[str, Any]:
        listing = fill.listing
        trade = public | {
            "direction": "buy" if fill.side > 0 else "sell",
            "order_id": order.order_id,
            "order_type": order.wish.order_type,
            "matching_id": None,
            "liquidity": liquidity,
            "fee": float(fill.fee),
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
        return trade


def combo_fees(combo: Listing, fills: list[Fill], *, taker: bool) -> list[Decimal]:
    """Fees of a combo's legs: of options bought and sold together the cheaper side is free; of futures the
    taker's cheaper leg costs half. Source: the venue's release note of 18 August 2022."""
    fees = [fill.fee for fill in fills]
    if combo.kind == "future_combo":
        if taker:
            cheaper = fees.index(min(fees))
            fees[cheaper] = (fees[cheaper] / 2).quantize(QUANTUM)
        return fees
    sides = {way: sum((fill.fee for fill in fills if fill.side == way), ZERO) for way in (1, -1)}
    if all(any(fill.side == way for fill in fills) for way in sides):
        free = 1 if sides[1] <= sides[-1] else -1
        fees = [ZERO if fill.side == free else fill.fee for fill in fills]
    return fees


def _reference(trade: dict[str, Any], order: Order, liquidity: str) -> dict[str, Any]:
    """What the transaction log says of a trade."""
    role = "maker" if liquidity == "M" else "taker"
    row = {
        "trade_id": trade["trade_id"],
        "order_id": order.order_id,
        "user_role": role,
        "fee_role": role,
        "mark_price": trade["mark_price"],
        "index_price": trade["index_price"],
    }
    if "combo_id" in trade:
        row |= {"combo_id": trade["combo_id"], "combo_trade_id": trade["combo_trade_id"]}
    return row
