"""What a node does with a word: look, tell the core, and answer with what came of it.

A trade that was executed elsewhere is booked whatever else is said about it. A trade that is asked for is
validated first, and the answer tells whether an order went out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from atomizer.domain.bookings import Fill, Reversal
from atomizer.domain.events import Event, InstrumentListed, Operator
from atomizer.domain.instruments import Side
from atomizer.domain.names import InstrumentNameError
from atomizer.domain.trades import MANUAL, Trade, TradeState
from atomizer.engine.core import Engine
from atomizer.engine.dead_letters import OPEN_STATES, retry_helps
from atomizer.engine.pricing import NoPriceError
from atomizer.runtime import views
from atomizer.runtime.by_hand import (
    NotTradableError,
    contract_of,
    flags,
    listed_as,
    recorded_instrument,
    wish,
)
from atomizer.runtime.words import READING, Request, event_of

QUEUE = 8
LIFE_S = 60.0
Answer = dict[str, Any]


class Turns(Protocol):
    """The driver, as far as this needs it."""

    engine: Engine

    def put(self, event: Event) -> None: ...

    def flush(self) -> None: ...


class Operating:
    """Answers requests of one node. `stop` ends its run; `manual` allows requested trades."""

    def __init__(
        self,
        turns: Turns,
        now_ns: Callable[[], int],
        status: Callable[[], Answer],
        stop: Callable[[], None],
        *,
        manual: bool,
    ) -> None:
        self._turns = turns
        self._now_ns = now_ns
        self._status = status
        self._stop = stop
        self._manual = manual

    @property
    def _engine(self) -> Engine:
        return self._turns.engine

    def answer(self, request: Request, by: str) -> Answer:
        """Do what a checked request says."""
        if request.word in READING:
            return self._read(request)
        if request.word == "record":
            return self._record(request, by)
        if request.word == "execute":
            return self._execute(request, by)
        if request.word == "reverse":
            return self._reverse(request, by)
        refusal = self._refusal(request)
        if refusal:
            return _no(refusal)
        self._tell([event_of(request, by, self._now_ns())])
        if request.word == "stop":
            self._stop()
        return {"done": self._done(request), "by": by}

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self._turns.put(event)
        self._turns.flush()

    def _read(self, request: Request) -> Answer:
        if request.word == "status":
            return {"status": self._status()}
        if request.word == "trades":
            return {"trades": views.trades(self._engine)}
        if request.word == "inventory":
            return {"inventory": views.inventory(self._engine)}
        return {"markets": views.markets(self._engine, request.scope)}

    # --- words that change something ---

    def _refusal(self, request: Request) -> str:
        """Why a word about one thing cannot be done, or nothing."""
        ledger = self._engine.ledger
        if request.word in ("retry", "discard"):
            letter = ledger.dead_letters.get(request.scope)
            if letter is None:
                return f"expected a dead letter, found no {request.scope!r}; atomizer dead-letters list"
            if letter.state not in OPEN_STATES:
                return f"{letter.letter_id} is {letter.state}: nothing is left to {request.word}"
            if request.word == "retry" and not retry_helps(letter):
                return f"{letter.letter_id}: two reports contradict each other; settle it, then discard"
        elif request.word == "withdraw":
            trade = ledger.trades.trades.get(request.scope)
            if trade is None or trade.request is None or not trade.request.wanted:
                return f"expected a manual request that is still wanted, found no {request.scope!r}"
        return ""

    def _done(self, request: Request) -> str:
        """What is so now, in words."""
        halts, what = self._engine.halts, request.scope or "everything"
        until = f" for {request.for_s:g} s" if request.for_s else ""
        if request.word == "kill":
            return f"kill level {halts.kill_level}: {len(self._engine.ledger.orders)} orders still working"
        if request.word in ("resume", "accept"):
            paused = ", ".join(halts.paused) or "nothing"
            return f"{what} resumed; kill level {halts.kill_level}, paused: {paused}"
        if request.word == "pause":
            return f"{what} paused{until}"
        if request.word in ("retry", "discard"):
            letter = self._engine.ledger.dead_letters[request.scope]
            about = f"{letter.letter_id} {letter.kind} {letter.subject}"
            return f"{about}: {letter.state}, attempt {letter.attempts}"
        if request.word == "withdraw":
            trade = self._engine.ledger.trades.trades[request.scope]
            return f"{trade.trade_id}: {trade.state}, {trade.why}"
        if request.word == "reconcile":
            return f"reading {len(self._engine.settings.accounts)} accounts"
        if request.word == "stop":
            return "stopping"
        values = ", ".join(f"{name} {value}" for name, value in request.args.items())
        return f"{request.word} {what}: {values}{until}"

    # --- manual trades ---

    def _known(self, request: Request) -> Trade | None:
        return self._engine.ledger.trades.trades.get(request.request_id)

    def _record(self, request: Request, by: str) -> Answer:
        """Book it. What looks odd is told and kept; only an unknown name or a taken id ends it here."""
        args = request.args
        if not request.request_id:
            return _no("record: expected a request id, found none; it is what makes a repetition harmless")
        try:
            instrument = recorded_instrument(str(args["instrument"]), contract_of(str(args["instrument"])))
        except InstrumentNameError as error:
            return _no(str(error))
        fill = Fill(
            venue=MANUAL,
            account=MANUAL,
            instrument=instrument.key,
            trade_id=request.request_id,
            side=Side[str(args["side"]).upper()],
            price=Decimal(str(args["price"])),
            size=Decimal(str(args["amount"])),
            fee=Decimal(str(args.get("fee", "0"))),
            fee_currency=instrument.settlement,
            ts_ns=self._now_ns(),
            recorded=True,
        )
        known = self._known(request)
        if known is not None:
            return self._again(known, fill, request)
        odd = self._odd(instrument.key, fill)
        word = event_of(request, by, self._now_ns())
        said = msgspec.structs.replace(word, args={**word.args, "flags": "; ".join(odd)}) if odd else word
        self._tell([InstrumentListed(instrument), fill, said])
        trade = self._known(request)
        if trade is None or not trade.bookings:
            return _no(f"{request.request_id}: expected it to be booked, found it is not; see the log")
        return {"done": f"booked as {trade.trade_id}", "trade": views.trade(trade), "flags": list(odd)}

    def _again(self, known: Trade, fill: Fill, request: Request) -> Answer:
        same = (known.instrument, known.side, known.price, known.executed) == (
            fill.instrument,
            fill.side,
            fill.price,
            fill.size,
        )
        if same:
            return {"done": f"{known.trade_id} was booked before", "trade": views.trade(known), "flags": []}
        return _no(
            f"{request.request_id}: this request id names another trade ({known.side.name.lower()}"
            f" {known.size} {known.instrument}); give the new one an id of its own"
        )

    def _reverse(self, request: Request, by: str) -> Answer:
        """Undo what was recorded and never done; what a venue told of is not a person's to undo."""
        trade = self._engine.ledger.trades.trades.get(request.scope)
        if trade is None or trade.venue != MANUAL:
            return _no(f"expected a recorded trade, found no {request.scope!r}; atomizer manual-trade list")
        if not trade.bookings:
            return {"done": f"{trade.trade_id} was reversed before", "trade": views.trade(trade)}
        now_ns = self._now_ns()
        undone = [
            Reversal(venue=MANUAL, account=MANUAL, key=key, why=str(request.args["reason"]), ts_ns=now_ns)
            for key in trade.bookings
        ]
        self._tell([*undone, event_of(request, by, now_ns)])
        return {"done": f"{trade.trade_id}: {trade.state}", "trade": views.trade(trade)}

    def _odd(self, key: str, fill: Fill) -> list[str]:
        engine = self._engine
        instrument = recorded_instrument(key.partition(":")[2], contract_of(key.partition(":")[2]))
        try:
            value: float | None = engine.valuation(instrument)[2]
        except NoPriceError:
            value = None
        position = float(engine.ledger.accounts.size(MANUAL, MANUAL, key))
        limit = engine.settings.limits.position_size
        unit = 1.0
        if instrument.size_in_quote:
            unit = engine.exposure.index(instrument.underlying) or 1.0
        found = list(
            flags(fill.side, fill.price, fill.size / Decimal(str(unit)), value, position / unit, limit)
        )
        if instrument.underlying not in engine.surfaces:
            found.append(
                f"{instrument.underlying} has no hedge market here: it is booked and cannot be hedged"
            )
        if not self._manual:
            found.append(
                "manual trades are switched off (arbitrage.sources.manual.enabled); booked all the same"
            )
        return found

    def _execute(self, request: Request, by: str) -> Answer:
        """Validate, queue, and say at once what the gate made of it."""
        if not self._manual:
            return _no("manual trades are switched off: set arbitrage.sources.manual.enabled", "disabled")
        if not request.request_id:
            return _no("execute: expected a request id, found none; it is what makes a repetition harmless")
        known = self._known(request)
        if known is not None:
            return {"done": f"{known.trade_id} was asked for before", "trade": views.trade(known)}
        waiting = sum(1 for _ in self._engine.ledger.trades.requests())
        if waiting >= QUEUE:
            return _no(f"the queue is full: {waiting} manual requests wait, {QUEUE} are allowed", "full")
        try:
            word, note = self._wanted(request, by)
        except (InstrumentNameError, NotTradableError) as error:
            return _no(str(error))
        self._tell([word])
        trade = self._known(request)
        if trade is None:
            return _no(f"{request.request_id}: expected it to be taken, found it is not; see the log")
        if trade.state in (TradeState.CANCELLED, TradeState.FAILED):
            return {**_no(f"{trade.trade_id}: {trade.why}", "risk"), "trade": views.trade(trade)}
        done = f"{trade.trade_id}: {trade.state}"
        return {"done": f"{done} ({note})" if note else done, "trade": views.trade(trade)}

    def _wanted(self, request: Request, by: str) -> tuple[Operator, str]:
        engine, args = self._engine, request.args
        instrument, exact = listed_as(str(args["instrument"]), engine.market.instruments, engine.capabilities)
        meant = wish(
            instrument,
            exact=exact,
            price=Decimal(str(args["price"])),
            amount=Decimal(str(args["amount"])),
            index=engine.exposure.index(instrument.underlying),
        )
        timed = request if request.for_s else msgspec.structs.replace(request, for_s=LIFE_S)
        accounts = {item.venue: item.account for item in engine.settings.accounts}
        word = event_of(timed, by, self._now_ns())
        return msgspec.structs.replace(
            word,
            args={
                **word.args,
                "instrument": instrument.key,
                "account": accounts.get(instrument.venue, ""),
                "underlying": instrument.underlying,
                "price": f"{meant.price:f}",
                "amount": f"{meant.size:f}",
                "asked": str(args["instrument"]),
            },
        ), meant.note


def _no(text: str, reason: str = "invalid") -> Answer:
    return {"ok": False, "error": text, "reason": reason}
