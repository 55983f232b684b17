"""What could not be done and needs a person: found, written down once, retried or discarded.

A letter is written when its condition appears and closes by itself when that is gone. Retrying re-arms what
failed; discarding ends retries and alert. Neither touches a booking, a position or the exposure, and the
hedger goes on restating from the exposure whatever a letter says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from atomizer.domain.commands import DeadLetter, LetterKind, LetterState
from atomizer.domain.events import Operator
from atomizer.domain.trades import MANUAL, TradeState

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

LOOK_EVERY_NS = 200_000_000
OPEN_STATES = (LetterState.OPEN, LetterState.RETRYING)


class DeadLetters:
    """Compares what is wrong now with the letters in the ledger, and says what changed."""

    def __init__(self) -> None:
        self.due_ns = 0  # the next look when nothing changed
        # When a person last asked for a hedge to be tried again, by underlying; the hedger looks here.
        self.rearmed_ns: dict[str, int] = {}

    def look(self, engine: Engine) -> None:
        """Open, reopen and resolve letters."""
        self.due_ns, engine.ledger.trades.changed = engine.now_ns + LOOK_EVERY_NS, False
        wrong = {(kind, subject): text for kind, subject, text in _conditions(engine)}
        for letter in list(engine.ledger.dead_letters.values()):
            if letter.state is not LetterState.RESOLVED:
                self._follow(engine, letter, wrong.pop((letter.kind, letter.subject), None))
        for (kind, subject), text in wrong.items():
            engine.emit(
                DeadLetter(
                    letter_id=_next_id(engine),
                    kind=kind,
                    subject=subject,
                    text=text,
                    since_ns=engine.now_ns,
                )
            )

    @staticmethod
    def _follow(engine: Engine, letter: DeadLetter, text: str | None) -> None:
        if text is None:
            if _over(engine, letter):
                engine.emit(msgspec.structs.replace(letter, state=LetterState.RESOLVED))
        elif letter.state is LetterState.RETRYING:
            engine.emit(msgspec.structs.replace(letter, state=LetterState.OPEN, text=text))

    def retry(self, engine: Engine, word: Operator) -> None:
        """Try again what the letter is about; one that is closed, or that no retry helps, stays as it is."""
        letter = engine.ledger.dead_letters.get(word.scope)
        if letter is None or letter.state not in OPEN_STATES or not retry_helps(letter):
            return
        if letter.kind is LetterKind.HEDGE:
            self.rearmed_ns[letter.subject] = engine.now_ns
        elif letter.kind is not LetterKind.MANUAL:  # the fold itself re-arms a manual request
            engine.read_all()
        engine.emit(
            msgspec.structs.replace(
                letter, state=LetterState.RETRYING, attempts=letter.attempts + 1, by=word.by
            )
        )
        # What was re-armed has until the next look.
        self.due_ns, engine.ledger.trades.changed = engine.now_ns + LOOK_EVERY_NS, False

    @staticmethod
    def discard(engine: Engine, word: Operator) -> None:
        """End retries and alert, for a hedge its stop of quoting as well; nothing else changes."""
        letter = engine.ledger.dead_letters.get(word.scope)
        if letter is not None and letter.state in OPEN_STATES:
            if letter.kind is LetterKind.HEDGE:
                engine.halts.naked.pop(letter.subject, None)
            engine.emit(msgspec.structs.replace(letter, state=LetterState.DISCARDED, by=word.by))


def retry_helps(letter: DeadLetter) -> bool:
    """Two reports that contradict each other stay what they are; the rest may come right."""
    return letter.kind is not LetterKind.CONTRADICTION


def _next_id(engine: Engine) -> str:
    return f"dl-{len(engine.ledger.dead_letters) + engine.ledger.letters_dropped + 1}"


def _conditions(engine: Engine) -> Iterator[tuple[LetterKind, str, str]]:
    ledger = engine.ledger
    for underlying, hedge in ledger.hedges.items():
        if hedge.state == "failed":
            yield LetterKind.HEDGE, underlying, hedge.text
    for trade in ledger.trades.failed_or_unmatched():
        if trade.unmatched and trade.bookings:
            yield (
                LetterKind.UNMATCHED,
                trade.trade_id,
                f"{trade.executed} {trade.instrument} at {trade.price} is booked; no quote of ours is known",
            )
        elif trade.source == MANUAL and trade.state is TradeState.FAILED and not trade.bookings:
            yield LetterKind.MANUAL, trade.trade_id, trade.why
    for alarm in ledger.accounts.alarms:
        yield LetterKind.CONTRADICTION, alarm.key, f"first {alarm.first}, then {alarm.second}"
    for key, difference in ledger.differences.items():
        yield LetterKind.DIFFERENCE, "/".join(key), f"ledger {difference.ours}, venue {difference.theirs}"


def _over(engine: Engine, letter: DeadLetter) -> bool:
    """Whether a condition that is not seen now is really gone, rather than not looked at yet."""
    if letter.kind is LetterKind.MANUAL:
        trade = engine.ledger.trades.trades.get(letter.subject)
        return trade is None or trade.state not in (TradeState.PENDING, TradeState.QUOTED)
    return letter.kind is not LetterKind.CONTRADICTION
