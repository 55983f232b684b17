"""Rows of Deribit's transaction log to bookings. Pure; one row, one meaning, idempotent by the row's id.

Trades are booked from the trades themselves: their rows are checks. A settlement pays what the session
earned, trades included, so the ledger is told the whole of it and takes off what it booked with the trades.
An expiring option becomes a position in the future of its expiry or nothing; the future comes in with a row
of its own, or with the option's row where that says what it was delivered into. The future's delivery follows
and pays. A row of a type that is not listed here moves nothing and is told as unknown: new types can come any
time. Source: `private/get_transaction_log`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from atomizer.domain.bookings import CashKind, CashMove, PositionMove
from atomizer.domain.events import UnknownEntry
from atomizer.domain.instruments import Instrument, Side, instrument_key
from atomizer.venues.deribit import wire

NS_PER_MS = 1_000_000
ZERO = Decimal(0)
TRADES = frozenset({"trade"})
# Rows that say nothing of their own: what options made up to a settlement, without cash.
SUMMARIES = frozenset({"options_settlement_summary"})
# Rows that move cash alone.
CASH = {
    "deposit": CashKind.DEPOSIT,
    "withdrawal": CashKind.WITHDRAWAL,
    "transfer": CashKind.TRANSFER,
    "swap": CashKind.CONVERSION,
    "liquidation": CashKind.LIQUIDATION,
    "negative_balance_fee": CashKind.FEE,
    "interest": CashKind.INTEREST,
    "usdc_reward": CashKind.INTEREST,
}
# Rows that move a position without a trade, and why.
MOVES = {
    "delivery": "delivery",
    "expiry": "expiry",
    "exercise": "exercise",
    "assignment": "assignment",
    "future_creation": "delivered by an option",
}
Entry = CashMove | PositionMove | UnknownEntry


def kind_of(row: wire.LogData) -> str:
    return row.type.lower().replace(" ", "_")


def is_trade(row: wire.LogData) -> bool:
    return kind_of(row) in TRADES


def delivered_into(row: wire.LogData) -> str:
    """The future that an option's row says it became; empty where it says none."""
    name = row.info.get("delivered_into") if isinstance(row.info, Mapping) else None
    return name if isinstance(name, str) else ""


def entries(
    row: wire.LogData, listed: Instrument | None, future: Instrument | None, venue: str, account: str
) -> list[Entry]:
    """What a row other than a trade's books. `listed` and `future`: the instrument it names and the one it
    was delivered into, where their terms are known."""
    kind, scribe = kind_of(row), Scribe(row, venue, account)
    for name, known in ((row.instrument_name, listed), (delivered_into(row), future)):
        if name and known is None:
            return [scribe.unknown(f"the terms of {name} are not to be had")]
    if kind in CASH:
        return [scribe.cash(CASH[kind], row.change)]
    if kind == "settlement" and listed is not None:
        return _settled(row, scribe)
    if kind in MOVES and listed is not None:
        return _moved(row, listed, future, scribe)
    if kind in SUMMARIES and not row.change:
        return []
    return [scribe.unknown("a type of entry that is not known here")]


class Scribe:
    """Writes entries of one row."""

    def __init__(self, row: wire.LogData, venue: str, account: str) -> None:
        self._row = row
        self._venue, self._account = venue, account
        self._instrument = instrument_key(venue, row.instrument_name) if row.instrument_name else ""

    def cash(self, kind: CashKind, amount: Decimal, price: Decimal | None = None) -> CashMove:
        return CashMove(
            venue=self._venue,
            account=self._account,
            kind=kind,
            reference=str(self._row.id),
            currency=self._row.currency.upper(),
            amount=amount,
            instrument=self._instrument,
            price=price,
            ts_ns=self._row.timestamp * NS_PER_MS,
        )

    def position(
        self, instrument: Instrument, size: Decimal, why: str, price: Decimal | None
    ) -> PositionMove:
        return PositionMove(
            venue=self._venue,
            account=self._account,
            instrument=instrument.key,
            reference=str(self._row.id),
            size=size,
            why=why,
            price=price,
            ts_ns=self._row.timestamp * NS_PER_MS,
        )

    def unknown(self, text: str) -> UnknownEntry:
        return UnknownEntry(
            venue=self._venue,
            account=self._account,
            reference=str(self._row.id),
            kind=self._row.type,
            text=text,
            currency=self._row.currency.upper(),
            amount=self._row.change,
            instrument=self._instrument,
            ts_ns=self._row.timestamp * NS_PER_MS,
        )


def _settled(row: wire.LogData, scribe: Scribe) -> list[Entry]:
    """Funding of the session and the rest of what it earned; the position counts from this price on."""
    funding = row.total_interest_pl or ZERO
    booked: list[Entry] = [scribe.cash(CashKind.FUNDING, funding)] if funding else []
    return [*booked, scribe.cash(CashKind.SETTLEMENT, row.change - funding, row.price)]


def _moved(row: wire.LogData, listed: Instrument, future: Instrument | None, scribe: Scribe) -> list[Entry]:
    """A position goes or comes; its fee, and what it pays, where it pays."""
    side = _side(row.side)
    if side is None or row.amount is None:
        return [scribe.unknown(f"expected a side and an amount, found {row.side!r} and {row.amount}")]
    fee, kind = row.commission or ZERO, kind_of(row)
    gone = side * abs(row.amount)
    price = row.price if listed.margined else None
    booked: list[Entry] = [scribe.position(listed, gone, MOVES[kind], price)]
    if future is not None and listed.strike is not None:
        size = -gone if listed.is_call else gone
        size *= listed.strike if future.size_in_quote else Decimal(1)
        booked.append(scribe.position(future, size, MOVES["future_creation"], listed.strike))
    if fee:
        booked.append(scribe.cash(CashKind.FEE, -fee))
    paid = row.change + fee
    # A future's delivery ends its session whatever it pays: what its trades earned is in it.
    if paid or (listed.margined and kind == "delivery"):
        booked.append(scribe.cash(CashKind.DELIVERY, paid))
    return booked


def _side(text: str | None) -> Side | None:
    """The trade that a row stands for: `close sell`, `open buy`, ..."""
    word = (text or "").lower().rpartition(" ")[2]
    return Side.BUY if word == "buy" else Side.SELL if word == "sell" else None
