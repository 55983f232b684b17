"""Positions and cash as a fold over bookings.

Everything here is exact: Decimal sums, realised P&L rounded to the settlement currency's quantum the way
venues do. Average prices are a display and are derived.
"""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import msgspec

from atomizer.domain.bookings import (
    Booking,
    CashKind,
    CashMove,
    Fill,
    PositionMove,
    Reversal,
    RfqTrade,
    booking_key,
)
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
# Cash of these kinds pays what a futures position earned.
PAYS_FUTURES = (CashKind.SETTLEMENT, CashKind.DELIVERY)
AFTER_TRADES = 10**18  # above the numbers of trades, in the order of a position's entries
Entry = Fill | PositionMove | CashMove


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
    zero for options and spot, whose premium and price move cash at once. `realised`: cash that a futures
    position has moved so far, and `unpaid` the part of it that a venue with a daily settlement has not put
    into the balance yet; `newest`: place in the venue's order of the last entry of a futures position.
    """

    size: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    unpaid: Decimal = ZERO
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
            purse = Purse(booking.venue, booking.account, booking.currency)
            self._pay(purse, self._enter(booking) if self._of_future(booking) else sign * booking.amount)
        elif isinstance(booking, PositionMove):
            if self._of_future(booking):
                self._pay(self._settle_purse(booking), self._enter(booking))
            else:
                self._move(Holding(booking.venue, booking.account, booking.instrument), sign * booking.size)
        elif isinstance(booking, Reversal):
            self._reverse(booking.key)

    def _reverse(self, key: str) -> None:
        """Undo a booking as if it had never been made."""
        undone = self.booked.get(key)
        if undone is None or key in self.reversed:
            return
        self.reversed.add(key)
        if isinstance(undone, (Fill, PositionMove, CashMove)) and self._of_future(undone):
            # What an entry realised depends on those before it, so a bust in their midst changes later ones.
            holding = Holding(undone.venue, undone.account, undone.instrument)
            before = self.positions[holding].realised
            made = self.positions[holding] = self._again(holding, self.instruments[undone.instrument])
            self._pay(self._settle_purse(undone), made.realised - before)
            if isinstance(undone, Fill):
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
        signed = sign * fill.side * fill.size
        if not instrument.margined:
            self._move(Holding(fill.venue, fill.account, fill.instrument), signed)
            value = quantise(instrument.settlement, signed * fill.price * instrument.contract_size)
            self._pay(self._settle_purse(fill), -value)
            if instrument.kind is Kind.SPOT:
                self._pay(Purse(fill.venue, fill.account, instrument.underlying), signed)
        else:
            self._pay(self._settle_purse(fill), self._enter(fill))
        self._charge(fill, sign)

    def _settle_purse(self, booking: Fill | PositionMove | CashMove) -> Purse:
        return Purse(booking.venue, booking.account, self.instruments[booking.instrument].settlement)

    def _of_future(self, booking: Fill | PositionMove | CashMove) -> bool:
        """Whether a booking enters a futures position, where its place among the others matters."""
        instrument = self.instruments.get(booking.instrument)
        if instrument is None or not instrument.margined:
            return False
        return not isinstance(booking, CashMove) or booking.kind in PAYS_FUTURES

    def _charge(self, fill: Fill, sign: Decimal) -> None:
        if fill.fee:
            instrument = self.instruments[fill.instrument]
            fee_purse = Purse(fill.venue, fill.account, fill.fee_currency or instrument.settlement)
            self._pay(fee_purse, -sign * fill.fee)
            self.fees[fee_purse] = self.fees.get(fee_purse, ZERO) + sign * fill.fee

    def _enter(self, entry: Entry) -> Decimal:
        """Book an entry of a futures position; returns what it changes of the cash the position moved.

        How much of a sequence of trades is realised depends on their order, so one heard of late is put where
        the venue had it.
        """
        holding = Holding(entry.venue, entry.account, entry.instrument)
        instrument = self.instruments[entry.instrument]
        position = self._move(holding, ZERO)
        before, place = position.realised, venue_order(entry)
        if place < position.newest:
            self.positions[holding] = position = self._again(holding, instrument)
        else:
            _entered(position, instrument, entry)
            position.newest = max(position.newest, place)
        return position.realised - before

    def _again(self, holding: Holding, instrument: Instrument) -> Position:
        """A futures position from all its bookings in the venue's order."""
        entries: list[Entry] = []
        for key, booking in self.booked.items():
            if key in self.reversed or not isinstance(booking, (Fill, PositionMove, CashMove)):
                continue
            here = (booking.venue, booking.account, booking.instrument) == holding
            if here and self._of_future(booking):
                entries.append(booking)
        made = Position()
        for entry in sorted(entries, key=venue_order):
            _entered(made, instrument, entry)
            made.newest = venue_order(entry)
        return made

    def unpaid(self, venue: str, account: str, currency: str) -> Decimal:
        """Futures P&L in our cash that the venue puts into its balance at the next settlement."""
        return sum(
            (
                position.unpaid
                for holding, position in self.positions.items()
                if position.unpaid
                and (holding.venue, holding.account) == (venue, account)
                and self.instruments[holding.instrument].settlement == currency
            ),
            ZERO,
        )

    def unrealised(self, holding: Holding, mark: Decimal) -> Decimal:
        """P&L of an open futures position at `mark`, in its settlement currency."""
        position, instrument = self.positions[holding], self.instruments[holding.instrument]
        if not position.size:
            return ZERO
        if instrument.inverse:
            return position.cost - position.size / mark
        return position.size * mark * instrument.contract_size - position.cost


def venue_order(entry: Entry) -> tuple[int, int]:
    """Place of an entry in its venue's sequence: time, then the number at the end of its id; what is not a
    trade comes after the trades of its moment, and cash after the position it pays for."""
    text = entry.trade_id if isinstance(entry, Fill) else entry.reference
    digits = re.search(r"\d+$", text)
    number = int(digits[0]) if digits else 0
    if isinstance(entry, Fill):
        return entry.ts_ns, number
    return entry.ts_ns, AFTER_TRADES + 2 * number + isinstance(entry, CashMove)


def _entered(position: Position, instrument: Instrument, entry: Entry) -> None:
    """Move a futures position by one entry."""
    if isinstance(entry, Fill):
        _margined(position, instrument, entry.side * entry.size, entry.price)
    elif isinstance(entry, CashMove):
        position.realised += entry.amount - position.unpaid
        position.unpaid = ZERO
        if entry.price is not None:
            position.cost = _cost(instrument, position.size, entry.price)
    elif entry.price is not None:
        _margined(position, instrument, entry.size, entry.price)
    else:
        _resized(position, entry.size)


def _resized(position: Position, change: Decimal) -> None:
    """A change at an unknown price realises nothing: what is left keeps its average."""
    size = position.size + change
    if not size or (position.size > 0) != (size > 0):
        position.cost = ZERO
    elif abs(size) < abs(position.size):
        position.cost *= size / position.size
    position.size = size


def _cost(instrument: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """What a size costs at a price: coins of an inverse contract, else the quote currency."""
    if instrument.inverse:
        return size / price
    return size * price * (Decimal(1) if instrument.size_in_quote else instrument.contract_size)


def _margined(position: Position, instrument: Instrument, signed: Decimal, price: Decimal) -> None:
    """Move a futures position by a trade, with the P&L of what it closes in settlement currency."""
    opening, closing = signed, ZERO
    if position.size and (position.size > 0) != (signed > 0):
        closing = -min(abs(signed), abs(position.size)) * (1 if position.size > 0 else -1)
        opening = signed - closing
    realised = ZERO
    if closing:
        released = position.cost * (-closing / position.size)
        value = _cost(instrument, -closing, price)
        realised = released - value if instrument.inverse else value - released
        position.cost -= released
        position.size += closing
    if opening:
        position.cost += _cost(instrument, opening, price)
        position.size += opening
    if not position.size:
        position.cost = ZERO
    realised = quantise(instrument.settlement, realised)
    position.realised += realised
    position.unpaid += realised
