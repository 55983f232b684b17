"""Positions and cash as a fold over bookings.

Everything here is exact: Decimal sums, realised P&L rounded to the settlement currency's quantum the way
venues do. Average prices are a display and are derived.
"""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
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
    zero for options and spot, whose premium and price move cash at once. `realised`: P&L of futures so far;
    `newest`: place in the venue's order of the last futures trade.
    """

    size: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    newest: tuple[int, int] = (0, 0)

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


def premium(currency: str, amount: Decimal) -> Decimal:
    """What contracts move for a premium: whole units of the token, the rest cut off."""
    return amount.quantize(CURRENCY_QUANTUM.get(currency, DEFAULT_QUANTUM), rounding=ROUND_DOWN)


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
            self._pay(purse, -sign * booking.side * premium(booking.premium_currency, booking.size * price))
        elif isinstance(booking, CashMove):
            self._pay(Purse(booking.venue, booking.account, booking.currency), sign * booking.amount)
        elif isinstance(booking, PositionMove):
            self._move(Holding(booking.venue, booking.account, booking.instrument), sign * booking.size)
        elif isinstance(booking, Reversal):
            self._reverse(booking.key)

    def _reverse(self, key: str) -> None:
        """Undo a booking as if it had never been made."""
        undone = self.booked.get(key)
        if undone is None or key in self.reversed:
            return
        self.reversed.add(key)
        if isinstance(undone, Fill) and self.instruments[undone.instrument].margined:
            # What a fill realised depends on those before it, so a bust in their midst changes later ones.
            instrument = self.instruments[undone.instrument]
            holding = Holding(undone.venue, undone.account, undone.instrument)
            before = self.positions[holding].realised
            made = self.positions[holding] = self._again(holding, instrument)
            settle = Purse(undone.venue, undone.account, instrument.settlement)
            self._pay(settle, made.realised - before)
            self._charge(undone, Decimal(-1))
        else:
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
        if not instrument.margined:
            self._move(Holding(fill.venue, fill.account, fill.instrument), signed)
            value = quantise(instrument.settlement, signed * fill.price * instrument.contract_size)
            self._pay(settle, -value)
            if instrument.kind is Kind.SPOT:
                self._pay(Purse(fill.venue, fill.account, instrument.underlying), signed)
        else:
            self._pay(settle, self._future(fill, instrument, signed))
        self._charge(fill, sign)

    def _charge(self, fill: Fill, sign: Decimal) -> None:
        if fill.fee:
            instrument = self.instruments[fill.instrument]
            fee_purse = Purse(fill.venue, fill.account, fill.fee_currency or instrument.settlement)
            self._pay(fee_purse, -sign * fill.fee)
            self.fees[fee_purse] = self.fees.get(fee_purse, ZERO) + sign * fill.fee

    def _future(self, fill: Fill, instrument: Instrument, signed: Decimal) -> Decimal:
        """Book a futures trade; returns what it changes of the realised P&L.

        How much of a sequence of trades is realised depends on their order, so a trade heard of late is put
        where the venue had it.
        """
        holding = Holding(fill.venue, fill.account, fill.instrument)
        position = self._move(holding, ZERO)
        before, place = position.realised, venue_order(fill)
        if place < position.newest:
            self.positions[holding] = position = self._again(holding, instrument)
        else:
            _margined(position, instrument, signed, fill.price)
            position.newest = max(position.newest, place)
        return position.realised - before

    def _again(self, holding: Holding, instrument: Instrument) -> Position:
        """A futures position from all its bookings, trades in the venue's order."""
        made = Position()
        fills: list[Fill] = []
        for key, booking in self.booked.items():
            if key in self.reversed or isinstance(booking, (CashMove, Reversal, RfqTrade)):
                continue
            if (booking.venue, booking.account, booking.instrument) != holding:
                continue
            if isinstance(booking, Fill):
                fills.append(booking)
            else:
                made.size += booking.size
        for fill in sorted(fills, key=venue_order):
            _margined(made, instrument, fill.side * fill.size, fill.price)
            made.newest = venue_order(fill)
        return made

    def unrealised(self, holding: Holding, mark: Decimal) -> Decimal:
        """P&L of an open futures position at `mark`, in its settlement currency."""
        position, instrument = self.positions[holding], self.instruments[holding.instrument]
        if not position.size:
            return ZERO
        if instrument.inverse:
            return position.cost - position.size / mark
        return position.size * mark * instrument.contract_size - position.cost


def venue_order(fill: Fill) -> tuple[int, int]:
    """Place of a trade in its venue's sequence: time, then the number at the end of its id."""
    digits = re.search(r"\d+$", fill.trade_id)
    return fill.ts_ns, int(digits[0]) if digits else 0


def _margined(position: Position, instrument: Instrument, signed: Decimal, price: Decimal) -> None:
    """Move a futures position by a trade, with the P&L of what it closes in settlement currency."""
    unit = instrument.contract_size if not instrument.size_in_quote else Decimal(1)
    opening, closing = signed, ZERO
    if position.size and (position.size > 0) != (signed > 0):
        closing = -min(abs(signed), abs(position.size)) * (1 if position.size > 0 else -1)
        opening = signed - closing
    realised = ZERO
    if closing:
        released = position.cost * (-closing / position.size)
        value = -closing / price if instrument.inverse else -closing * price * unit
        realised = released - value if instrument.inverse else value - released
        position.cost -= released
        position.size += closing
    if opening:
        position.cost += opening / price if instrument.inverse else opening * price * unit
        position.size += opening
    if not position.size:
        position.cost = ZERO
    position.realised += quantise(instrument.settlement, realised)
