"""Positions and cash as a fold over bookings.

Everything here is exact: Decimal sums, realised P&L rounded to the settlement currency's quantum the way
venues do. Average prices are a display and are derived.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import msgspec

from atomizer.domain.bookings import Booking, CashMove, Fill, PositionMove, Reversal, RfqTrade, booking_key
from atomizer.domain.instruments import Instrument, Kind

ZERO = Decimal(0)
CURRENCY_QUANTUM: dict[str, Decimal] = {
    "BTC": Decimal("1e-8"),
    "ETH": Decimal("1e-8"),
    "USDC": Decimal("1e-6"),
    "USDT": Decimal("1e-6"),
    "USD": Decimal("1e-6"),
}
DEFAULT_QUANTUM = Decimal("1e-8")


class Holding(NamedTuple):
    """Which position: venue, account, instrument key."""

    venue: str
    account: str
    instrument: str


class Purse(NamedTuple):
    """Which cash: venue, account, currency."""

    venue: str
    account: str
    currency: str


class Position(msgspec.Struct):
    """Signed size in the instrument's size unit and its entry cost.

    Cost is signed like the size: sum of size/price (coins) for inverse futures, of size*price otherwise;
    zero for options and spot, whose premium and price move cash at once.
    """

    size: Decimal = ZERO
    cost: Decimal = ZERO

    def average(self, *, inverse: bool) -> Decimal | None:
        """Average entry price, or None when flat or when price moved cash at once."""
        if not self.size or not self.cost:
            return None
        return self.size / self.cost if inverse else self.cost / self.size


class BookedAlarm(msgspec.Struct, frozen=True):
    """A booking key came back with other contents."""

    key: str
    first: str
    second: str


def quantise(currency: str, amount: Decimal) -> Decimal:
    """Round to the currency's quantum, halves to even."""
    return amount.quantize(CURRENCY_QUANTUM.get(currency, DEFAULT_QUANTUM), rounding=ROUND_HALF_EVEN)


class Accounts:
    """The fold. `instruments` must hold every instrument a booking names."""

    def __init__(self, instruments: dict[str, Instrument]) -> None:
        self.instruments = instruments
        self.positions: dict[Holding, Position] = {}
        self.cash: dict[Purse, Decimal] = {}
        self.fees: dict[Purse, Decimal] = {}
        self.booked: dict[str, Booking] = {}
        self.reversed: set[str] = set()
        self.alarms: list[BookedAlarm] = []
        self.duplicates = 0

    def size(self, venue: str, account: str, instrument: str) -> Decimal:
        position = self.positions.get(Holding(venue, account, instrument))
        return position.size if position else ZERO

    def balance(self, venue: str, account: str, currency: str) -> Decimal:
        return self.cash.get(Purse(venue, account, currency), ZERO)

    def book(self, booking: Booking) -> bool:
        """Apply one booking; False when it is a duplicate (or an alarm, which is kept)."""
        key = booking_key(booking)
        known = self.booked.get(key)
        again = isinstance(booking, Reversal) and booking.key not in self.reversed
        if known is not None and not again:
            if self._same(known, booking):
                self.duplicates += 1
            elif not any(alarm.key == key for alarm in self.alarms):
                self.alarms.append(BookedAlarm(key, repr(known), repr(booking)))
            return False
        self.booked[key] = booking
        self._apply(booking, Decimal(1))
        return True

    def confirm(self, trade: RfqTrade) -> None:
        """The confirmation of an inferred trade: keep it, or book it again if the inference was undone."""
        key = booking_key(trade)
        known = self.booked[key]
        if key in self.reversed:
            self.reversed.discard(key)
            self._apply(trade, Decimal(1))
        elif isinstance(known, RfqTrade):
            trade = msgspec.structs.replace(known, inferred=False)
        self.booked[key] = trade

    @staticmethod
    def _same(known: Booking, again: Booking) -> bool:
        """Whether two reports of one key agree in everything that moves money."""
        if isinstance(known, RfqTrade) and isinstance(again, RfqTrade):
            price_agrees = known.price is None or again.price is None or known.price == again.price
            return price_agrees and (known.instrument, known.side, known.size) == (
                again.instrument,
                again.side,
                again.size,
            )
        if isinstance(known, Fill) and isinstance(again, Fill):
            return (known.side, known.price, known.size, known.fee, known.fee_currency) == (
                again.side,
                again.price,
                again.size,
                again.fee,
                again.fee_currency,
            )
        return known == again

    def _apply(self, booking: Booking, sign: Decimal) -> None:
        if isinstance(booking, Fill):
            self._trade(booking, sign)
        elif isinstance(booking, RfqTrade):
            price = booking.price if booking.price is not None else ZERO
            self._move(
                Holding(booking.venue, booking.account, booking.instrument),
                sign * booking.side * booking.size,
            )
            purse = Purse(booking.venue, booking.account, booking.premium_currency)
            self._pay(purse, -sign * booking.side * booking.size * price)
        elif isinstance(booking, CashMove):
            self._pay(Purse(booking.venue, booking.account, booking.currency), sign * booking.amount)
        elif isinstance(booking, PositionMove):
            self._move(Holding(booking.venue, booking.account, booking.instrument), sign * booking.size)
        elif isinstance(booking, Reversal):
            undone = self.booked.get(booking.key)
            if undone is not None and booking.key not in self.reversed:
                self.reversed.add(booking.key)
                self._apply(undone, Decimal(-1))

    def _pay(self, purse: Purse, amount: Decimal) -> None:
        self.cash[purse] = self.cash.get(purse, ZERO) + amount

    def _move(self, holding: Holding, size: Decimal) -> Position:
        position = self.positions.get(holding)
        if position is None:
            position = self.positions[holding] = Position()
        position.size += size
        return position

    def _trade(self, fill: Fill, sign: Decimal) -> None:
        instrument = self.instruments[fill.instrument]
        settle = Purse(fill.venue, fill.account, instrument.settlement)
        signed = sign * fill.side * fill.size
        if instrument.kind in (Kind.OPTION, Kind.SPOT):
            self._move(Holding(fill.venue, fill.account, fill.instrument), signed)
            value = quantise(instrument.settlement, signed * fill.price * instrument.contract_size)
            self._pay(settle, -value)
            if instrument.kind is Kind.SPOT:
                self._pay(Purse(fill.venue, fill.account, instrument.underlying), signed)
        else:
            self._pay(settle, self._margined(fill, instrument, signed))
        if fill.fee:
            fee_purse = Purse(fill.venue, fill.account, fill.fee_currency or instrument.settlement)
            self._pay(fee_purse, -sign * fill.fee)
            self.fees[fee_purse] = self.fees.get(fee_purse, ZERO) + sign * fill.fee

    def _margined(self, fill: Fill, instrument: Instrument, signed: Decimal) -> Decimal:
        """Book a futures trade; returns the realised P&L of what it closes, in settlement currency."""
        position = self._move(Holding(fill.venue, fill.account, fill.instrument), ZERO)
        unit = instrument.contract_size if not instrument.size_in_quote else Decimal(1)
        opening, closing = signed, ZERO
        if position.size and (position.size > 0) != (signed > 0):
            closing = -min(abs(signed), abs(position.size)) * (1 if position.size > 0 else -1)
            opening = signed - closing
        realised = ZERO
        if closing:
            released = position.cost * (-closing / position.size)
            value = -closing / fill.price if instrument.inverse else -closing * fill.price * unit
            realised = released - value if instrument.inverse else value - released
            position.cost -= released
            position.size += closing
        if opening:
            position.cost += opening / fill.price if instrument.inverse else opening * fill.price * unit
            position.size += opening
        if not position.size:
            position.cost = ZERO
        return quantise(instrument.settlement, realised)

    def unrealised(self, holding: Holding, mark: Decimal) -> Decimal:
        """P&L of an open futures position at `mark`, in its settlement currency."""
        position, instrument = self.positions[holding], self.instruments[holding.instrument]
        if not position.size:
            return ZERO
        if instrument.inverse:
            return position.cost - position.size / mark
        return position.size * mark * instrument.contract_size - position.cost
