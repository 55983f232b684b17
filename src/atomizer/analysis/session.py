"""What a session did, counted from its journal; with the venues' equity beside it, what it earned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from atomizer.analysis.attribution import PARTS, Attribution
from atomizer.analysis.economics import Economics
from atomizer.domain.bookings import RfqTrade
from atomizer.domain.commands import Marks, PlaceOrder, Refused, RunEnded, SendQuote
from atomizer.domain.events import PositionReport, ReadBegun, ReadEnded
from atomizer.domain.instruments import Kind
from atomizer.domain.orders import Purpose
from atomizer.domain.rfq import Rfq
from atomizer.engine.ledger import Ledger
from atomizer.engine.settings import delta_words
from atomizer.storage.journal import read
from atomizer.storage.records import LedgerSnapshot

RESIDUAL_SHARE = 0.05
RESIDUAL_FLOOR_USD = 1.0


@dataclass(slots=True)
class VenueEquity:
    """Equity of one venue at both ends, in its own currency; `rate` turns it into USD at the end."""

    currency: str
    start: Decimal
    end: Decimal
    transfers: Decimal
    rate: float

    def earned_usd(self) -> float:
        return float(self.end - self.start - self.transfers) * self.rate


@dataclass(slots=True)
class Session:
    """The counts of one journal."""

    rfqs_received: int = 0
    quotes_sent: int = 0
    quotes_refused: dict[str, int] = field(default_factory=dict)
    trades_won: int = 0
    hedges_sent: int = 0
    first_marks_ns: int = 0
    last_marks: Marks | None = None
    last_marks_ns: int = 0
    first_naked: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    attribution: Attribution = field(default_factory=Attribution)
    economics: Economics = field(default_factory=Economics)
    reads: dict[tuple[str, str], dict[str, Decimal]] = field(default_factory=dict)
    _open_read: dict[tuple[str, str], dict[str, Decimal]] = field(default_factory=dict)
    _rfq_ids: set[str] = field(default_factory=set)
    _hedges: list[int] = field(default_factory=list)

    def feed(self, record: Any, ts_ns: int) -> None:
        """Take one journal record."""
        if isinstance(record, LedgerSnapshot):
            return
        self.ledger.apply(record, ts_ns)
        self.attribution.feed(record, ts_ns)
        self.economics.feed(record, ts_ns)
        if isinstance(record, Rfq):
            self.rfqs_received += 1
            self._rfq_ids.add(record.rfq_id)
        elif isinstance(record, SendQuote):
            self.quotes_sent += 1
        elif isinstance(record, Refused):
            if record.subject in self._rfq_ids:
                self.quotes_refused[record.reason] = self.quotes_refused.get(record.reason, 0) + 1
        elif isinstance(record, PlaceOrder):
            if record.purpose is Purpose.HEDGE:
                self.hedges_sent += 1
                self._hedges.append(record.order_id)
        elif isinstance(record, Marks):
            self._marks(record, ts_ns)
        elif isinstance(record, RunEnded):
            self.stats = record.stats
        else:
            self._read(record)

    def _read(self, record: Any) -> None:
        """Keep the positions of the last complete read of each account."""
        if isinstance(record, ReadBegun):
            self._open_read[record.venue, record.account] = {}
        elif isinstance(record, PositionReport):
            found = self._open_read.get((record.venue, record.account))
            if found is not None:
                found[record.instrument] = record.size
        elif isinstance(record, ReadEnded):
            found = self._open_read.pop((record.venue, record.account), None)
            if found is not None and not record.error:
                self.reads[record.venue, record.account] = found

    def _marks(self, marks: Marks, ts_ns: int) -> None:
        if not self.first_marks_ns:
            self.first_marks_ns = ts_ns
            self.first_naked = marks.naked
        self.last_marks, self.last_marks_ns = marks, ts_ns

    @property
    def hedges_filled(self) -> int:
        found = (self.ledger.find(number) for number in self._hedges)
        return sum(1 for order in found if order is not None and order.booked > 0)

    def finish(self) -> None:
        """Count what the fold knows at the end."""
        self.economics.finish()
        self.trades_won = sum(
            isinstance(booking, RfqTrade) and key not in self.ledger.accounts.reversed
            for key, booking in self.ledger.accounts.booked.items()
        )

    def naked(self) -> dict[str, Any]:
        """Net delta in coins: now, time-weighted, largest; over all underlyings and of each."""
        if self.last_marks is None:
            return {"now": 0.0, "time_weighted": 0.0, "max": 0.0, "by_underlying": {}}
        seconds = max((self.last_marks_ns - self.first_marks_ns) / 1e9, 1e-9)
        each = {
            name: {
                "now": row[0],
                "time_weighted": (row[1] - self.first_naked.get(name, (0.0, 0.0, 0.0))[1]) / seconds,
                "max": row[2],
            }
            for name, row in self.last_marks.naked.items()
        }
        return {
            "now": sum(row["now"] for row in each.values()),
            "time_weighted": sum(row["time_weighted"] for row in each.values()),
            "max": max((row["max"] for row in each.values()), default=0.0),
            "by_underlying": each,
        }

    @property
    def delta_name(self) -> str:
        """Which delta the session's accounts hedge, in words."""
        run = self.ledger.run
        settings = run.settings if run is not None else {}
        hedge, prices_at = settings.get("hedge", {}), settings.get("exchange", {}).get("name", "deribit")
        venues = [prices_at, *([hedge["venue"]] if hedge.get("cross") else [])]
        return delta_words(settings.get(venue, {}).get("numeraire") or "coin" for venue in venues)

    def gross_delta(self) -> float:
        """Sum of |delta| of the options traded, in coins, as priced."""
        total = 0.0
        for booking in self.ledger.accounts.booked.values():
            if isinstance(booking, RfqTrade):
                quote = self.ledger.quotes.get((booking.venue, booking.account, booking.nonce))
                if quote is not None:
                    total += abs(quote.command.delta) * float(booking.size)
        return total

    def positions(self) -> list[dict[str, str]]:
        return [
            {"venue": key.venue, "account": key.account, "instrument": key.instrument, "size": str(size)}
            for key, size in self.ledger.position_sizes().items()
        ]

    def pnl(self, equity: dict[str, VenueEquity]) -> dict[str, Any]:
        """Total from the venues' equity, parts from the journal, the rest as residual. USD."""
        total = sum(item.earned_usd() for item in equity.values())
        parts = self.attribution.parts
        row: dict[str, Any] = {"total": total}
        row.update({name: getattr(parts, name) for name in PARTS})
        row["residual"] = total - parts.total()
        row["residual_bound"] = max(RESIDUAL_SHARE * parts.gross(), RESIDUAL_FLOOR_USD)
        row["currency"] = "USD"
        return row

    def charged(self, pnl: dict[str, Any]) -> dict[str, float]:
        """What was charged, paid and is still due, see `economics`; USD."""
        return self.economics.report(pnl["total"], -(pnl["hedge"] + pnl["fees"]), self.last_marks_ns)

    def reconciliation(self) -> list[dict[str, Any]]:
        """Per venue what its last complete read and the fold disagree about."""
        rows = []
        for (venue, account), told in sorted(self.reads.items()):
            ours = {
                key.instrument: size
                for key, size in self.ledger.position_sizes().items()
                if (key.venue, key.account) == (venue, account) and self._is_position(key.instrument)
            }
            differences = [
                {"instrument": name, "ours": str(ours.get(name, 0)), "theirs": str(told.get(name, 0))}
                for name in sorted(set(ours) | set(told))
                if ours.get(name, Decimal(0)) != told.get(name, Decimal(0))
            ]
            rows.append({"venue": venue, "differences": differences})
        return rows

    def _is_position(self, instrument: str) -> bool:
        """Coins bought on the spot market are a balance, which no venue lists among its positions."""
        known = self.ledger.instruments.get(instrument)
        return known is None or known.kind is not Kind.SPOT

    def dead_letters(self) -> int:
        """What needs a person: open letters; what came too late for one is counted all the same."""
        untold = len(self.ledger.differences) + len(self.ledger.accounts.alarms)
        return max(len(self.ledger.open_letters()), untold)


def of_records(records: Iterable[tuple[Any, int]]) -> Session:
    """The session that these records are."""
    session = Session()
    for record, ts_ns in records:
        session.feed(record, ts_ns)
    session.finish()
    return session


def of_journal(directory: Path) -> Session:
    """The session in a journal directory."""
    return of_records((record.body, record.ts_ns) for record in read(directory))
