"""Account events: the only things that move positions and cash.

Every booking is idempotent by its key and reversible by `Reversal`. Amounts are Decimal in the unit the
booking names. The same key with other contents is an alarm, not a duplicate.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from atomizer.domain.instruments import Side


class Fill(msgspec.Struct, frozen=True, kw_only=True, tag="fill", omit_defaults=True):
    """A trade of ours: `size` > 0 in the instrument's size unit at `price` in its price unit.

    `order_id` is ours (0: an order nobody here knows), `fee` > 0 is paid, < 0 a rebate. `recorded`: done
    elsewhere and written down by a person, so that no order is missing.
    """

    venue: str
    account: str
    instrument: str
    trade_id: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal = Decimal(0)
    fee_currency: str = ""
    order_id: int = 0
    venue_order_id: str = ""
    leg: int = 0
    maker: bool = False
    ts_ns: int = 0
    recorded: bool = False


class RfqTrade(msgspec.Struct, frozen=True, kw_only=True, tag="rfq_trade", omit_defaults=True):
    """A quote of ours was executed; identified by (account, quote nonce).

    The premium `price` is per unit of underlying in `premium_currency` (None: the ledger takes it from the
    quote with this nonce); our side is `side`. `inferred` marks a booking made from a position that
    no confirmation explains.
    """

    venue: str
    account: str
    instrument: str
    nonce: int
    side: Side
    price: Decimal | None
    size: Decimal
    premium_currency: str
    rfq_id: str = ""
    taker: str = ""
    inferred: bool = False
    ts_ns: int = 0


class CashKind(StrEnum):
    """What moved cash without a trade."""

    FUNDING = "funding"
    SETTLEMENT = "settlement"
    DELIVERY = "delivery"
    FEE = "fee"
    INTEREST = "interest"
    LIQUIDATION = "liquidation"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    CONVERSION = "conversion"
    GAS = "gas"


class CashMove(msgspec.Struct, frozen=True, kw_only=True, tag="cash", omit_defaults=True):
    """Cash in or out (`amount` signed, in `currency`), optionally because of an instrument.

    A settlement or delivery of a future pays everything its trades earned since the last one, what the ledger
    booked with those trades included; `price`, where given, is the position's entry from then on.
    """

    venue: str
    account: str
    kind: CashKind
    reference: str
    currency: str
    amount: Decimal
    instrument: str = ""
    price: Decimal | None = None
    ts_ns: int = 0


class PositionMove(msgspec.Struct, frozen=True, kw_only=True, tag="position_move", omit_defaults=True):
    """A position changed without a trade: expiry, exercise, assignment, delivery (`size` signed).

    `price`: what a future came in or went out at (the strike of an exercised option, the delivery price).
    """

    venue: str
    account: str
    instrument: str
    reference: str
    size: Decimal
    why: str
    price: Decimal | None = None
    ts_ns: int = 0


class Reversal(msgspec.Struct, frozen=True, kw_only=True, tag="reversal", omit_defaults=True):
    """Undoes the booking with this key: a bust, a reorganisation, a correction."""

    venue: str
    account: str
    key: str
    why: str
    ts_ns: int = 0


Booking = Fill | RfqTrade | CashMove | PositionMove | Reversal


def booking_key(booking: Booking) -> str:
    """The idempotency key: two bookings with one key are the same event."""
    scope = f"{booking.venue}/{booking.account}"
    if isinstance(booking, Fill):
        owner = str(booking.order_id) if booking.order_id else booking.venue_order_id
        return f"{scope}/fill/{booking.instrument}/{booking.trade_id}/{owner}/{booking.leg}"
    if isinstance(booking, RfqTrade):
        return f"{scope}/rfq/{booking.nonce}"
    if isinstance(booking, CashMove):
        return f"{scope}/cash/{booking.kind}/{booking.reference}"
    if isinstance(booking, PositionMove):
        return f"{scope}/position/{booking.instrument}/{booking.reference}"
    return f"{scope}/reversal/{booking.key}"
