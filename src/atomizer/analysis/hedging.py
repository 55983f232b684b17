"""What hedging cost and what it left, read from a session's journal.

Paid is what fills gave away against the mid at decision, plus fees; charged is what the quotes of the trades
won asked for hedge and re-hedging. Residual risk is the spread of what the book earns between marks, edge and
costs aside.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atomizer.analysis.session import Session
from atomizer.domain.bookings import Fill, RfqTrade
from atomizer.domain.commands import Marks, number_in
from atomizer.domain.instruments import Instrument, Kind
from atomizer.domain.orders import Purpose
from atomizer.storage.journal import read

MOVES = ("delta", "gamma", "vega", "theta", "fx")
CHARGED = ("cost_hedge", "cost_rebalancing")
MINUTE_S = 60.0


@dataclass(slots=True)
class HedgeReport:
    """Sums over one journal, USD unless said otherwise."""

    session: Session = field(default_factory=Session)
    turnover: float = 0.0
    options_resold: float = 0.0
    _fills: dict[str, None] = field(default_factory=dict)
    _samples: list[tuple[int, float]] = field(default_factory=list)

    def feed(self, record: Any, ts_ns: int) -> None:
        """Take one journal record."""
        self.session.feed(record, ts_ns)
        if isinstance(record, Fill):
            self._fill(record)
        elif isinstance(record, Marks):
            parts = self.session.attribution.parts
            self._samples.append((ts_ns, sum(getattr(parts, name) for name in MOVES)))

    def _fill(self, fill: Fill) -> None:
        order = self.session.ledger.find(fill.order_id)
        instrument = self.session.ledger.instruments.get(fill.instrument)
        key = f"{fill.venue}/{fill.instrument}/{fill.trade_id}/{fill.order_id}"
        if order is None or instrument is None or order.purpose is not Purpose.HEDGE or key in self._fills:
            return
        self._fills[key] = None
        self.turnover += self._usd(fill, instrument)
        if instrument.kind is Kind.OPTION:
            self.options_resold += float(fill.size)

    def _usd(self, fill: Fill, instrument: Instrument) -> float:
        if instrument.size_in_quote:
            return float(fill.size)
        price = float(fill.price) * float(fill.size) * float(instrument.contract_size)
        coin = instrument.settlement == instrument.underlying
        return price * (self.session.attribution.index.get(instrument.underlying, 0.0) if coin else 1.0)

    # --- what came of it ---

    def charged(self) -> float:
        """What the quotes behind the trades won charged for hedging."""
        ledger, total = self.session.ledger, 0.0
        for booking in ledger.accounts.booked.values():
            if isinstance(booking, RfqTrade):
                quote = ledger.quotes.get((booking.venue, booking.account, booking.nonce))
                if quote is not None:
                    terms = [number_in(quote.command.why, name, 0.0) for name in CHARGED]
                    total += float(booking.size) * sum(terms)
        return total

    def paid(self) -> float:
        """What hedging gave away against mid, and its fees."""
        parts = self.session.attribution.parts
        return -(parts.hedge + parts.fees)

    def residual_sd(self) -> float:
        """Standard deviation of what the book earned from mark to mark, per square root of a minute."""
        samples = self._samples
        if len(samples) < 3:
            return 0.0
        steps = [after[1] - before[1] for before, after in itertools.pairwise(samples)]
        seconds = (samples[-1][0] - samples[0][0]) / 1e9 / len(steps)
        return statistics.stdev(steps) * math.sqrt(MINUTE_S / seconds) if seconds > 0.0 else 0.0

    def naked_usd_seconds(self) -> float:
        """Time integral of |net delta| in USD, at the closing index."""
        marks = self.session.last_marks
        if marks is None:
            return 0.0
        total = 0.0
        for name, row in marks.naked.items():
            first = self.session.first_naked.get(name, (0.0, 0.0, 0.0))
            total += (row[1] - first[1]) * marks.index.get(name, 0.0)
        return total

    def row(self) -> dict[str, Any]:
        """The figures of one arm."""
        naked = self.session.naked()
        return {
            "trades_won": self.session.trades_won,
            "hedges_sent": self.session.hedges_sent,
            "hedges_filled": self.session.hedges_filled,
            "turnover_usd": self.turnover,
            "options_resold": self.options_resold,
            "cost_charged_usd": self.charged(),
            "cost_paid_usd": self.paid(),
            "residual_sd_usd_per_sqrt_minute": self.residual_sd(),
            "time_weighted_delta": naked["time_weighted"],
            "naked_usd_seconds": self.naked_usd_seconds(),
        }


def of_journal(directory: Path) -> HedgeReport:
    """The report of a journal directory."""
    report = HedgeReport()
    for record in read(directory):
        report.feed(record.body, record.ts_ns)
    report.session.finish()
    return report
