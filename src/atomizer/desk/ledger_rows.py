"""The rows of the RFQ ledger and the hedge report, kept up to date record by record.

Money is USD, sizes are in the instrument's size unit, times ns. A fill's cost is what it was against the mid
at decision, plus its fee, at the index of the last marks: the rule of `analysis.attribution`, whose totals
these rows add up to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from atomizer.domain.bookings import Fill, RfqTrade, booking_key
from atomizer.domain.commands import Markout, Marks, PlaceOrder, Refused, SendQuote
from atomizer.domain.events import QuoteBest, QuoteOutbid, QuoteRefused
from atomizer.domain.instruments import Instrument, Kind
from atomizer.domain.orders import Purpose
from atomizer.domain.rfq import Rfq
from atomizer.engine.groups import Groups
from atomizer.engine.ledger import Ledger
from atomizer.storage.lines import Record

E18 = 1e18
CHARGED = ("cost_hedge", "cost_rebalancing")
SCHEMA = (
    """CREATE TABLE rfqs (
        rfq_id TEXT PRIMARY KEY, ts_ns INTEGER, venue TEXT, account TEXT, instrument TEXT, underlying TEXT,
        side TEXT, size REAL, strike REAL, is_call INTEGER, expiry_ns INTEGER, taker TEXT,
        state TEXT DEFAULT 'pending', quotes INTEGER DEFAULT 0, quoted_ns INTEGER, price REAL, fair REAL,
        edge REAL, forward REAL, vol REAL, idx REAL, unit_delta REAL, best INTEGER DEFAULT 0, best_seen REAL,
        refused TEXT, refused_text TEXT, venue_refused TEXT,
        won_ns INTEGER, won_size TEXT, premium TEXT, charged REAL)""",
    "CREATE INDEX rfqs_by_time ON rfqs (ts_ns)",
    """CREATE TABLE won (key TEXT PRIMARY KEY, rfq_id TEXT, ts_ns INTEGER, side INTEGER, size TEXT,
        price TEXT, premium TEXT, currency TEXT, stands INTEGER, charged REAL, edge REAL)""",
    """CREATE TABLE markouts (rfq_id TEXT, nonce INTEGER, kind TEXT, after_s INTEGER, fair REAL,
        forward REAL, missing TEXT)""",
    "CREATE INDEX markouts_by_rfq ON markouts (rfq_id)",
    """CREATE TABLE hedges (order_id INTEGER PRIMARY KEY, ts_ns INTEGER, instrument TEXT, underlying TEXT,
        side TEXT, lots INTEGER, purpose TEXT, grouped TEXT, arrival REAL, net_delta REAL,
        filled REAL DEFAULT 0, average REAL, slippage REAL DEFAULT 0, fees REAL DEFAULT 0, ended TEXT)""",
    "CREATE TABLE fills (key TEXT PRIMARY KEY)",
    """CREATE TABLE shares (grouped TEXT, underlying TEXT, order_id INTEGER, slippage REAL, fees REAL)""",
    """CREATE TABLE naked (underlying TEXT PRIMARY KEY, begun_ns INTEGER, seen_ns INTEGER, coins REAL,
        coin_s REAL, usd_s REAL, first REAL, last REAL)""",
)


class Shares(Groups):
    """Hedge groups that say which part of each fill went where."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[tuple[str, float]] = []

    def _part(self, key: str, fill: Fill, instrument: Instrument, share: float) -> None:
        self.parts.append((key, share))
        super()._part(key, fill, instrument, share)


class Rows:
    """Writes rows; holds the few things that a row needs of records before it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._rates: dict[str, float] = {}
        self._take: dict[type, Callable[[Any, Record, Ledger], None]] = {
            Rfq: self._rfq,
            SendQuote: self._quote,
            QuoteBest: self._best,
            QuoteOutbid: self._outbid,
            QuoteRefused: self._venue_refused,
            Refused: self._refused,
            RfqTrade: self._traded,
            PlaceOrder: self._placed,
            Fill: self._filled,
            Marks: self._marks,
            Markout: self._markout,
        }

    def state(self) -> dict[str, Any]:
        return {"rates": self._rates}

    def restore(self, state: dict[str, Any]) -> None:
        self._rates = dict(state["rates"])

    def take(self, record: Record, ledger: Ledger) -> None:
        """Take one record that the ledger has folded."""
        if not isinstance(ledger.groups, Shares):
            shares = Shares()
            shares.restore(ledger.groups.state())
            ledger.groups = shares
        handler = self._take.get(type(record.body))
        if handler is not None:
            handler(record.body, record, ledger)
        ledger.groups.parts.clear()

    def finish(self, ledger: Ledger) -> None:
        """Bring what follows from the fold up to date: states of trades, ends of orders, what stands."""
        states = [(str(trade.state), trade.trade_id) for trade in ledger.trades.trades.values()]
        self._sql.executemany("UPDATE rfqs SET state = ? WHERE rfq_id = ?", states)
        undone = ledger.accounts.reversed
        keys = [row[0] for row in self._sql.execute("SELECT key FROM won")]
        self._sql.executemany(
            "UPDATE won SET stands = ? WHERE key = ?", [(key not in undone, key) for key in keys]
        )
        open_orders = self._sql.execute("SELECT order_id FROM hedges WHERE ended IS NULL").fetchall()
        for (number,) in open_orders:
            order = ledger.find(number)
            if order is not None and order.end is not None:
                self._sql.execute("UPDATE hedges SET ended = ? WHERE order_id = ?", (str(order.end), number))

    # --- RFQs ---

    def _rfq(self, rfq: Rfq, record: Record, _ledger: Ledger) -> None:
        self._sql.execute(
            "INSERT OR IGNORE INTO rfqs (rfq_id, ts_ns, venue, account, instrument, underlying, side, size,"
            " strike, is_call, expiry_ns, taker) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                rfq.rfq_id,
                record.ts_ns,
                rfq.venue,
                rfq.account,
                rfq.instrument,
                rfq.underlying,
                rfq.side.name.lower(),
                float(rfq.size),
                float(rfq.strike),
                rfq.is_call,
                rfq.expiry_ns,
                rfq.taker,
            ),
        )

    def _quote(self, quote: SendQuote, record: Record, _ledger: Ledger) -> None:
        why = quote.why
        self._sql.execute(
            "UPDATE rfqs SET quotes = quotes + 1, quoted_ns = coalesce(quoted_ns, ?), price = ?, fair = ?,"
            " edge = ?, forward = ?, vol = ?, idx = ?, unit_delta = ?, charged = ? WHERE rfq_id = ?",
            (
                record.ts_ns,
                quote.price_e18 / E18,
                _number(why.get("fair")),
                _number(why.get("edge")),
                _number(why.get("forward")),
                _number(why.get("vol")),
                _number(why.get("index", why.get("spot"))),
                quote.delta,
                _charged(quote),
                quote.rfq_id,
            ),
        )

    def _best(self, event: QuoteBest, _record: Record, _ledger: Ledger) -> None:
        self._sql.execute("UPDATE rfqs SET best = 1, best_seen = price WHERE rfq_id = ?", (event.rfq_id,))

    def _outbid(self, event: QuoteOutbid, _record: Record, _ledger: Ledger) -> None:
        self._sql.execute(
            "UPDATE rfqs SET best = 0, best_seen = ? WHERE rfq_id = ?", (event.best_e18 / E18, event.rfq_id)
        )

    def _venue_refused(self, event: QuoteRefused, _record: Record, _ledger: Ledger) -> None:
        text = f"{event.code} {event.text}".strip()
        self._sql.execute("UPDATE rfqs SET venue_refused = ? WHERE rfq_id = ?", (text, event.rfq_id))

    def _refused(self, refused: Refused, _record: Record, _ledger: Ledger) -> None:
        """A refusal counts for an RFQ that was not quoted; of an improvement the first answer stands."""
        self._sql.execute(
            "UPDATE rfqs SET refused = ?, refused_text = ? WHERE rfq_id = ? AND quotes = 0",
            (str(refused.reason), refused.text, refused.subject),
        )

    def _traded(self, told: RfqTrade, record: Record, ledger: Ledger) -> None:
        key = booking_key(told)
        booked = ledger.accounts.booked.get(key)
        if not isinstance(booked, RfqTrade):
            return
        quote = ledger.quotes.get((told.venue, told.account, told.nonce))
        price = booked.price if booked.price is not None else Decimal(0)
        premium = -int(booked.side) * booked.size * price
        rfq_id = booked.rfq_id or (quote.command.rfq_id if quote is not None else "")
        charged = edge = None
        if quote is not None:
            charged = _charged(quote.command) * float(booked.size)
            fair = _number(quote.command.why.get("fair"))
            edge = None if fair is None else int(booked.side) * float(booked.size) * (fair - float(price))
        self._sql.execute(
            "INSERT OR REPLACE INTO won VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
            (
                key,
                rfq_id,
                record.ts_ns,
                int(booked.side),
                str(booked.size),
                str(price),
                str(premium),
                booked.premium_currency,
                charged,
                edge,
            ),
        )
        self._sql.execute(
            "UPDATE rfqs SET won_ns = ?, won_size = ?, premium = ? WHERE rfq_id = ?",
            (record.ts_ns, str(booked.size), str(premium), rfq_id),
        )

    def _markout(self, markout: Markout, _record: Record, _ledger: Ledger) -> None:
        self._sql.execute(
            "INSERT INTO markouts VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                markout.rfq_id,
                markout.nonce,
                markout.kind,
                markout.after_s,
                markout.fair,
                markout.forward,
                markout.missing,
            ),
        )

    # --- hedges ---

    def _placed(self, order: PlaceOrder, record: Record, ledger: Ledger) -> None:
        instrument = ledger.instruments.get(order.instrument)
        self._sql.execute(
            "INSERT OR IGNORE INTO hedges (order_id, ts_ns, instrument, underlying, side, lots, purpose,"
            " grouped, arrival, net_delta) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                order.order_id,
                record.ts_ns,
                order.instrument,
                "" if instrument is None else instrument.underlying,
                order.side.name.lower(),
                order.lots,
                Purpose(order.purpose).name.lower(),
                order.group,
                _number(order.why.get("mid")),
                _number(order.why.get("net_delta")),
            ),
        )

    def _filled(self, fill: Fill, _record: Record, ledger: Ledger) -> None:
        """Add a fill that the ledger booked, once."""
        key, instrument = booking_key(fill), ledger.instruments.get(fill.instrument)
        booked = ledger.accounts.booked.get(key)
        if instrument is None or booked != fill or not self._first(key):
            return
        row = self._sql.execute(
            "SELECT arrival, filled, average FROM hedges WHERE order_id = ?", (fill.order_id,)
        ).fetchone()
        arrival = float(fill.price) if row is None or row[0] is None else float(row[0])
        rate = self._rate(instrument)
        slippage = -_against(fill, instrument, arrival) * rate
        fees = float(fill.fee) * rate
        size = float(fill.size)
        if row is not None:
            filled = row[1] + size
            average = ((row[2] or 0.0) * row[1] + float(fill.price) * size) / filled
            self._sql.execute(
                "UPDATE hedges SET filled = ?, average = ?, slippage = slippage + ?, fees = fees + ?"
                " WHERE order_id = ?",
                (filled, average, slippage, fees, fill.order_id),
            )
        assert isinstance(ledger.groups, Shares)
        for group, share in ledger.groups.parts or [("", 1.0)]:
            self._sql.execute(
                "INSERT INTO shares VALUES (?, ?, ?, ?, ?)",
                (group, instrument.underlying, fill.order_id, slippage * share, fees * share),
            )

    def _first(self, key: str) -> bool:
        """Whether a fill is met for the first time: a venue may tell of it again."""
        return self._sql.execute("INSERT OR IGNORE INTO fills VALUES (?)", (key,)).rowcount == 1

    def _rate(self, instrument: Instrument) -> float:
        in_coin = instrument.settlement == instrument.underlying
        return self._rates.get(instrument.underlying, 0.0) if in_coin else 1.0

    def _marks(self, marks: Marks, record: Record, _ledger: Ledger) -> None:
        self._rates.update(marks.index)
        for underlying, (now, integral, _most) in marks.naked.items():
            index = self._rates.get(underlying, 0.0)
            row = self._sql.execute(
                "SELECT seen_ns, coins, coin_s, usd_s, last FROM naked WHERE underlying = ?", (underlying,)
            ).fetchone()
            if row is None:
                self._sql.execute(
                    "INSERT INTO naked VALUES (?, ?, ?, ?, 0, 0, ?, ?)",
                    (underlying, record.ts_ns, record.ts_ns, now, integral, integral),
                )
                continue
            grown = integral - row["last"] if integral >= row["last"] else integral  # a new run counts anew
            self._sql.execute(
                "UPDATE naked SET seen_ns = ?, coins = ?, coin_s = coin_s + ?, usd_s = usd_s + ?, last = ?"
                " WHERE underlying = ?",
                (record.ts_ns, now, grown, grown * index, integral, underlying),
            )


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _charged(quote: SendQuote) -> float:
    """What the quote charges for hedging, USD per unit."""
    return sum(_number(quote.why.get(name)) or 0.0 for name in CHARGED)


def _against(fill: Fill, instrument: Instrument, mid: float) -> float:
    """What a fill gained against the mid, in settlement currency."""
    size = int(fill.side) * float(fill.size)
    if instrument.inverse and instrument.kind is not Kind.OPTION:
        return size * (1.0 / float(fill.price) - 1.0 / mid)
    return size * (mid - float(fill.price)) * float(instrument.contract_size)
