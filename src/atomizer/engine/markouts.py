"""What each quote and trade was worth one, five and thirty minutes later, as facts for the journal.

Valued at our own surface, on the marks' timer. What falls due while nothing runs is skipped: a late value
would be the value of another moment.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from atomizer.domain.bookings import RfqTrade
from atomizer.domain.commands import Markout, SendQuote
from atomizer.engine.ledger import Ledger
from atomizer.engine.pricing import NoPriceError

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

S = 1_000_000_000
AFTER_S = (60, 300, 1800)
QUOTE, TRADE = "quote", "trade"
# Later than this the value would be that of another moment.
LATE_NS = 30 * S


class Due(NamedTuple):
    """One value to take; ordered by time, then by what it is of."""

    due_ns: int
    venue: str
    account: str
    nonce: int
    kind: str
    after_s: int
    rfq_id: str
    instrument: str


class Markouts:
    """What is still to be valued. A restart takes up the quotes that its ledger knows."""

    def __init__(self, ledger: Ledger, now_ns: int) -> None:
        self._due: list[Due] = []
        for quote in ledger.quotes.values():
            self.quoted(quote.command, quote.sent_ns)
        self._due = [due for due in self._due if due.due_ns > now_ns]
        heapq.heapify(self._due)

    def quoted(self, command: SendQuote, now_ns: int) -> None:
        for after_s in AFTER_S:
            due = Due(
                now_ns + after_s * S,
                command.venue,
                command.account,
                command.nonce,
                QUOTE,
                after_s,
                command.rfq_id,
                command.instrument,
            )
            heapq.heappush(self._due, due)

    def traded(self, trade: RfqTrade, now_ns: int) -> None:
        for after_s in AFTER_S:
            due = Due(
                now_ns + after_s * S,
                trade.venue,
                trade.account,
                trade.nonce,
                TRADE,
                after_s,
                trade.rfq_id,
                trade.instrument,
            )
            heapq.heappush(self._due, due)

    def emit_due(self, engine: Engine) -> None:
        """Value what is due."""
        while self._due and self._due[0].due_ns <= engine.now_ns:
            due = heapq.heappop(self._due)
            if engine.now_ns - due.due_ns <= LATE_NS:
                engine.emit(_valued(due, engine))


def _valued(due: Due, engine: Engine) -> Markout:
    empty = Markout(
        venue=due.venue,
        account=due.account,
        nonce=due.nonce,
        rfq_id=due.rfq_id,
        instrument=due.instrument,
        kind=due.kind,
        after_s=due.after_s,
    )
    instrument = engine.ledger.instruments.get(due.instrument)
    if instrument is None:
        return msgspec.structs.replace(empty, missing="the instrument is not known")
    try:
        priced = engine.exposure.price_option(instrument, engine.now_ns)
    except NoPriceError as error:
        return msgspec.structs.replace(empty, missing=str(error))
    return msgspec.structs.replace(
        empty,
        fair=priced.price,
        delta=priced.delta,
        forward=priced.forward,
        vol=priced.vol,
        index=engine.exposure.index(instrument.underlying) or 0.0,
    )
