"""How RFQs are answered: admitted by the gate, priced by a responder, checked again, given a nonce, emitted.

Part of the pass, in a module of its own. Every quote counts as exposure from the moment it is emitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atomizer.domain.commands import NonceBlock, Refused
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.ledger import LiveQuote
from atomizer.engine.strategy import NoQuote, Responder

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
# Ids of answered RFQs remembered, and how many of the oldest go when there are more.
REMEMBERED, FORGOTTEN_AT_ONCE = 100_000, 50_000


class Answering:
    """Answers the RFQs of a pass. `responders` by venue."""

    def __init__(self, engine: Engine, responders: dict[str, Responder]) -> None:
        self._engine = engine
        self._responders = responders
        self._waiting: list[Rfq] = []
        self._answered: dict[str, int] = {quote.command.rfq_id: 0 for quote in engine.ledger.quotes.values()}
        self._own_blocks: dict[tuple[str, str], bool] = {}
        self.take = self._waiting.append

    def answer_all(self) -> None:
        """Answer what came with this batch."""
        if not self._waiting:
            return
        engine = self._engine
        rfqs, self._waiting[:] = list(self._waiting), []
        for rfq in rfqs:
            engine.counters.rfqs += 1
            refusal = self._answer(rfq)
            if refusal is not None:
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

    def _answer(self, rfq: Rfq) -> NoQuote | None:
        engine = self._engine
        responder = self._responders.get(rfq.venue)
        if responder is None:
            return NoQuote(reason=Reason.NOT_CLAIMED, text=f"nothing here answers RFQs of {rfq.venue}")
        if rfq.rfq_id in self._answered:
            return NoQuote(reason=Reason.DUPLICATE_RFQ, text="this RFQ was answered before")
        refusal = engine.gate.admit(rfq, engine.now_ns)
        if refusal is not None:
            return refusal
        target = responder.answer(rfq, rfq.size, engine)
        if isinstance(target, NoQuote):
            return target
        refusal = engine.gate.refuse_quote(rfq, target)
        if refusal is not None:
            return refusal
        nonce = self._reserve_nonce(rfq.venue, rfq.account)
        command = engine.gate.quote(rfq, target, nonce, engine.now_ns)
        engine.use_named(rfq.instrument)
        engine.emit(command)
        self._remember(rfq.rfq_id)
        engine.counters.quotes += 1
        engine.exposure.add_quote(
            (rfq.venue, rfq.account, nonce), LiveQuote(command, engine.now_ns, rfq.size)
        )
        return None

    def _remember(self, rfq_id: str) -> None:
        self._answered[rfq_id] = self._engine.now_ns
        if len(self._answered) > REMEMBERED:
            for key in list(self._answered)[:FORGOTTEN_AT_ONCE]:
                del self._answered[key]

    def _reserve_nonce(self, venue: str, account: str) -> int:
        """The next nonce, from a block that is in the journal before it is used."""
        engine, scope = self._engine, (venue, account)
        block = engine.ledger.nonces.get(scope)
        nonce = engine.ledger.next_nonce.get(scope, 0)
        if self._fresh_block(scope) or block is None or block.last < nonce:
            last = max(block.last if block else 0, nonce - 1)
            first = max(last + 1, engine.now_ns // MS)
            engine.emit(NonceBlock(venue, account, first, first + engine.settings.nonce_block - 1))
            nonce = first
        return nonce

    def _fresh_block(self, scope: tuple[str, str]) -> bool:
        """A run starts with a block of its own: what the run before used of its last one may be lost."""
        fresh = scope not in self._own_blocks
        self._own_blocks[scope] = True
        return fresh
