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
    """The next value to take of one quote or trade; ordered by time, then by what it is of."""

    due_ns: int
    venue: str
    account: str
    nonce: int
    kind: str
    after_s: int
    rfq_id: str
    instrument: str
    since_ns: int


class Markouts:
    """What is still to be valued. A restart takes up the quotes that its ledger knows; a new quote waits for
    `catch_up` until it was sent."""

    def __init__(self, ledger: Ledger, now_ns: int) -> None:
        self._due: list[Due] = []
        self._waiting = [(quote.command, quote.sent_ns) for quote in ledger.quotes.values()]
        self.catch_up()
        for due in [due for due in self._due if due.due_ns <= now_ns]:
            self._due.remove(due)
            self._follow(due, now_ns)
        heapq.heapify(self._due)

    def quoted(self, command: SendQuote, now_ns: int) -> None:
        self._waiting.append((command, now_ns))

    def catch_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for command, now_ns in waiting:
            self._push(now_ns, QUOTE, command)

    def traded(self, trade: RfqTrade, now_ns: int) -> None:
        self._push(now_ns, TRADE, trade)

    def _push(self, now_ns: int, kind: str, of: SendQuote | RfqTrade) -> None:
        first = AFTER_S[0]
        due_ns = now_ns + first * S
        due = Due(due_ns, of.venue, of.account, of.nonce, kind, first, of.rfq_id, of.instrument, now_ns)
        heapq.heappush(self._due, due)

    def _follow(self, due: Due, now_ns: int) -> None:
        """The next value of the same, the first that is not over yet."""
        for after_s in AFTER_S:
            if after_s > due.after_s and due.since_ns + after_s * S > now_ns:
                due_ns = due.since_ns + after_s * S
                heapq.heappush(self._due, due._replace(due_ns=due_ns, after_s=after_s))
                return

    def emit_due(self, engine: Engine) -> None:
        """Value what is due."""
        self.catch_up()
        while self._due and self._due[0].due_ns <= engine.now_ns:
            due = heapq.heappop(self._due)
            if engine.now_ns - due.due_ns <= LATE_NS:
                engine.emit(_valued(due, engine))
            self._follow(due, engine.now_ns)


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
