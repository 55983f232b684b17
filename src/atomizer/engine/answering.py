"""How RFQs are answered: admitted by the gate, priced by a responder, checked again, given a nonce, emitted.

Part of the pass, in a module of its own. Every quote counts as exposure from the moment it is emitted, and so
does every improvement. When more requests wait than a pass or the message budget takes, the most valuable
(expected edge x size) go first; what is not reached in time is refused.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from atomizer.domain import events as ev
from atomizer.domain.commands import NonceBlock, Refused
from atomizer.domain.controls import ONE_SIDED, SIDES, scopes_of
from atomizer.domain.orders import Purpose
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.market import NEVER
from atomizer.engine.strategy import NoQuote, QuoteTarget, Responder

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
_QUOTE = Purpose.QUOTE
# Ids of answered RFQs remembered, and how many of the oldest go when there are more.
REMEMBERED, FORGOTTEN_AT_ONCE = 100_000, 50_000
# Requests followed for improvements at most.
FOLLOWED = 1_000


class Waiting(NamedTuple):
    """A request not answered yet, ordered by falling value, then by arrival."""

    rank: float
    number: int
    rfq: Rfq
    due_ns: int


class Followed:
    """An answered request that may be improved: until when, how often it was, and when it is next."""

    __slots__ = ("best_e18", "closes_ns", "done", "due_ns", "rfq")

    def __init__(self, rfq: Rfq, closes_ns: int) -> None:
        self.rfq = rfq
        self.closes_ns = closes_ns
        self.done = 0
        self.best_e18 = 0
        self.due_ns = NEVER


class Answering:
    """Answers the RFQs of a pass. `responders` by venue; `due_ns` is when it must run without an event."""

    def __init__(self, engine: Engine, responders: dict[str, Responder]) -> None:
        self._engine = engine
        self._responders = responders
        self.arrived: list[Rfq] = []
        self._waiting: list[Waiting] = []
        self._number = 0
        self._followed: dict[tuple[str, str], Followed] = {}
        self._answered: dict[str, int] = {quote.command.rfq_id: 0 for quote in engine.ledger.quotes.values()}
        # Of the block this run reserved, by account. A run starts with one of its own: what the run before
        # used of its last one may be lost.
        self._last_nonce: dict[tuple[str, str], int] = {}
        self.take = self.arrived.append
        # The earliest time at which something waiting may be late; a bound, for what was answered leaves it.
        self._late_ns = NEVER
        self.due_ns = NEVER

    def run(self) -> None:
        """Answer what came with this batch and what waits from before."""
        arrived = self.arrived
        if arrived:
            self._engine.counters.rfqs += len(arrived)
            alone = len(arrived) == 1 and not self._waiting
            for rfq in arrived:
                responder = self._admitted(rfq)
                if isinstance(responder, NoQuote):
                    self._refuse(rfq, responder)
                elif alone and self._token(rfq):
                    self._answer(rfq, responder)
                else:
                    self._line_up(rfq, responder)
            arrived.clear()
        if self._waiting or self._followed or self.due_ns < NEVER:
            self._serve()

    # --- more requests than can be answered at once ---

    def _line_up(self, rfq: Rfq, responder: Responder) -> None:
        engine = self._engine
        self._number += 1
        due_ns = engine.now_ns + responder.settings.answer_within_ms * MS
        if rfq.closes_ns:
            due_ns = min(due_ns, rfq.closes_ns)
        self._late_ns = min(self._late_ns, due_ns)
        value = responder.value(rfq, engine)
        heapq.heappush(self._waiting, Waiting(-value, self._number, rfq, due_ns))

    def _serve(self) -> None:
        """Answer by value as many as a pass may and the budget allows."""
        engine, taken = self._engine, 0
        now_ns = engine.now_ns
        while self._waiting:
            first = self._waiting[0].rfq
            responder = self._admitted(first)
            if isinstance(responder, NoQuote):
                heapq.heappop(self._waiting)
                self._refuse(first, responder)
                continue
            if taken >= responder.settings.parallel_quotes or not self._token(first):
                break
            heapq.heappop(self._waiting)
            self._answer(first, responder)
            taken += 1
        if self._late_ns <= now_ns:
            self._refuse_late(now_ns)
        elif not self._waiting:
            self._late_ns = NEVER
        self._improve_due(now_ns)
        self.due_ns = now_ns + 1 if self._waiting and taken else self._late_ns
        for followed in self._followed.values():
            self.due_ns = min(self.due_ns, followed.due_ns, followed.closes_ns)

    def _refuse_late(self, now_ns: int) -> None:
        """Refuse what has waited for too long."""
        late = sorted(item for item in self._waiting if item.due_ns <= now_ns)
        self._waiting = [item for item in self._waiting if item.due_ns > now_ns]
        heapq.heapify(self._waiting)
        self._late_ns = min((item.due_ns for item in self._waiting), default=NEVER)
        for item in late:
            text = f"{len(late) + len(self._waiting)} requests waited and this one was not reached in time"
            self._refuse(item.rfq, NoQuote(reason=Reason.OVER_BUDGET, text=text))

    def _token(self, rfq: Rfq) -> bool:
        """A message token of the venue; a venue without orders has the budget of its quotes."""
        flight = self._engine.flight
        return not flight.budgeted(rfq.venue) or flight.token(rfq.venue, _QUOTE)

    # --- one request ---

    def _refuse(self, rfq: Rfq, refusal: NoQuote) -> None:
        """Record why a request is not answered."""
        engine = self._engine
        engine.counters.refused(refusal.reason)
        engine.emit(
            Refused(
                reason=refusal.reason,
                text=refusal.text,
                subject=rfq.rfq_id,
                instrument=rfq.instrument,
                why=refusal.why,
            )
        )

    def _admitted(self, rfq: Rfq) -> Responder | NoQuote:
        """Who answers this, or why nobody does."""
        engine = self._engine
        responder = self._responders.get(rfq.venue)
        if responder is None:
            return NoQuote(reason=Reason.NOT_CLAIMED, text=f"nothing here answers RFQs of {rfq.venue}")
        if rfq.rfq_id in self._answered:
            return NoQuote(reason=Reason.DUPLICATE_RFQ, text="this RFQ was answered before")
        refusal = engine.gate.admit(rfq, engine.now_ns)
        if refusal is None and engine.controls.rules:
            refusal = self._wrong_side(rfq)
        return responder if refusal is None else refusal

    def _wrong_side(self, rfq: Rfq) -> NoQuote | None:
        """A trader allows one side only."""
        for rule in self._engine.controls.on(ONE_SIDED, scopes_of(rfq.underlying, rfq.venue, rfq.taker)):
            if SIDES[str(rule.args["side"])] is not rfq.side:
                return NoQuote(reason=Reason.ONE_SIDED, text=rule.in_words())
        return None

    def _answer(self, rfq: Rfq, responder: Responder) -> None:
        """Price, check and send one admitted request, or record why not."""
        engine = self._engine
        target = responder.answer(rfq, rfq.size, engine)
        refusal = target if isinstance(target, NoQuote) else self._send(rfq, target)
        if refusal is not None:
            self._refuse(rfq, refusal)
            return
        self._answered[rfq.rfq_id] = engine.now_ns
        engine.counters.quotes += 1
        if len(self._answered) > REMEMBERED:
            self._forget()
        if responder.settings.improvements:
            self._follow(rfq, responder)

    def _send(self, rfq: Rfq, target: QuoteTarget) -> NoQuote | None:
        """Through the gate, with a nonce of its own, into exposure."""
        engine = self._engine
        refusal = engine.gate.refuse_quote(rfq, target)
        if refusal is not None:
            return refusal
        nonce = self._reserve_nonce(rfq.venue, rfq.account)
        command = engine.gate.quote(rfq, target, nonce, engine.now_ns)
        engine.use_named(rfq.instrument)
        engine.emit(command)
        engine.quoted(command)
        return None

    def _forget(self) -> None:
        for key in list(self._answered)[:FORGOTTEN_AT_ONCE]:
            del self._answered[key]

    # --- improvements ---

    def _follow(self, rfq: Rfq, responder: Responder) -> None:
        closes_ns = rfq.closes_ns or self._engine.now_ns + responder.settings.window_ms * MS
        if len(self._followed) >= FOLLOWED:
            del self._followed[next(iter(self._followed))]
        self._followed[rfq.venue, rfq.rfq_id] = Followed(rfq, closes_ns)

    def outbid(self, event: ev.QuoteOutbid) -> None:
        """Another maker is better: answer once more, late in the window, if there is something to give."""
        followed = self._followed.get((event.venue, event.rfq_id))
        if followed is None:
            return
        settings = self._responders[event.venue].settings
        followed.best_e18 = event.best_e18
        left = settings.improvements - followed.done
        late_ns = (settings.improve_lead_ms + (left - 1) * settings.improve_spacing_ms) * MS
        followed.due_ns = max(self._engine.now_ns, followed.closes_ns - late_ns)

    def _improve_due(self, now_ns: int) -> None:
        for key, followed in list(self._followed.items()):
            if now_ns >= followed.closes_ns:
                del self._followed[key]
            elif followed.due_ns <= now_ns and self._token(followed.rfq):
                followed.due_ns = NEVER
                self._improve(key, followed)

    def _improve(self, key: tuple[str, str], followed: Followed) -> None:
        rfq, engine = followed.rfq, self._engine
        responder = self._responders[rfq.venue]
        refusal = engine.gate.admit(rfq, engine.now_ns) or self._wrong_side(rfq)
        if refusal is None:
            target = responder.improve(rfq, followed.best_e18, engine)
            refusal = target if isinstance(target, NoQuote) else self._send(rfq, target)
        followed.done += 1
        if refusal is None:
            engine.counters.improvements += 1
        if refusal is not None or followed.done >= responder.settings.improvements:
            self._followed.pop(key, None)
        if refusal is not None:
            self._refuse(rfq, refusal)

    # --- nonces ---

    def _reserve_nonce(self, venue: str, account: str) -> int:
        """The next nonce, from a block that is in the journal before it is used."""
        engine, scope = self._engine, (venue, account)
        nonce = engine.ledger.next_nonce.get(scope, 0)
        if nonce > self._last_nonce.get(scope, -1):
            block = engine.ledger.nonces.get(scope)
            nonce = max(nonce, (block.last if block else 0) + 1, engine.now_ns // MS)
            last = self._last_nonce[scope] = nonce + engine.settings.nonce_block - 1
            engine.emit(NonceBlock(venue, account, nonce, last))
        return nonce
