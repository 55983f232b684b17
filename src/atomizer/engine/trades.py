"""What became of every RFQ and every manual trade, derived from the records that the ledger folds.

Nothing is stored by hand: a trade's state follows from RFQs, quotes, refusals, orders and bookings, by one
table. A booking always finds its trade, and only a reversal takes an execution back. The running node and
the desk, which reads the journal, use this one fold.

RFQs and quotes wait until somebody looks, another record comes or the node has time (`catch_up`): what they
change here nobody needs before the quote is on the wire. They read nothing but themselves, so folding them
later gives what folding them at once gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from atomizer.domain.bookings import Fill, Reversal, RfqTrade, booking_key
from atomizer.domain.commands import (
    DeadLetter,
    HedgeState,
    Marks,
    PlaceOrder,
    Refused,
    RunStarted,
    SendQuote,
)
from atomizer.domain.events import (
    Operator,
    OrderEnded,
    OrderNotFound,
    PlaceRefused,
    QuoteRefused,
    ReadEnded,
)
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.domain.trades import (
    EXECUTED_STATES,
    MANUAL,
    OPEN_STATES,
    Happening,
    Trade,
    TradeState,
    transition,
)
from atomizer.engine.manual_requests import ManualRequests

if TYPE_CHECKING:
    from atomizer.engine.ledger import Ledger

S = 1_000_000_000
SETTLEMENT_MARGIN_NS = 60 * S
ENDED_KEPT = 1_000  # RFQs that came to nothing and are remembered; the journal has all of them
DEFAULT_BAND = 0.05
UNANSWERED_NS = 120 * S  # longer than any venue waits for an answer
# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_PENDING, _QUOTED = TradeState.PENDING, TradeState.QUOTED
_EXECUTED, _FAILED = TradeState.EXECUTED, TradeState.FAILED
# A manual request outlives these: what is missing may come before its own time is over.
PASSING = frozenset(
    (
        Reason.MARKET_DATA_STALE,
        Reason.MARKET_DATA_MISSING,
        Reason.NOT_RECONCILED,
        Reason.MESSAGE_BUDGET,
        Reason.BACK_OFF,
    )
)


class Trades:
    """The fold. `trades` holds all that is open or executed, and the last that came to nothing; `waiting`
    are records that are not folded yet, each with its time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._trades: dict[str, Trade] = {}
        self.waiting: list[tuple[Rfq | SendQuote, int]] = []
        self.band, self.band_usd = DEFAULT_BAND, 0.0
        self.changed = True
        self.now_ns = 0
        self._ended: dict[str, None] = {}
        self._of_nonce: dict[tuple[str, str, int], str] = {}
        self._manual = ManualRequests(self, ledger)
        self._of_booking: dict[str, str] = {}
        self._unhedged: dict[str, dict[str, None]] = {}
        self._signed: dict[tuple[str, str], dict[str, None]] = {}
        self._requests: dict[str, None] = {}
        self._unanswered: dict[str, None] = {}  # RFQs, oldest first
        self._questions: dict[str, None] = {}
        self._apply: dict[type, Callable[[Any], None]] = {
            Rfq: self._rfq,
            SendQuote: self._quoted,
            Refused: self._refused,
            QuoteRefused: self._quote_refused,
            RfqTrade: self._rfq_trade,
            Fill: self._fill,
            Reversal: self._reversal,
            PlaceOrder: self._manual.placed,
            OrderEnded: self._manual.order_done,
            PlaceRefused: self._manual.order_done,
            OrderNotFound: self._manual.order_done,
            Operator: self._manual.operator,
            ReadEnded: self._read_ended,
            Marks: self._marks,
            RunStarted: self._run_started,
            DeadLetter: self._manual.letter,
            HedgeState: self._hedge_state,
        }
        self.kinds = frozenset(self._apply) - {Rfq, SendQuote}  # the ledger leaves those in `waiting`

    @property
    def trades(self) -> dict[str, Trade]:
        if self.waiting:
            self.catch_up()
        return self._trades

    def apply(self, record: object, now_ns: int) -> None:
        """Fold one record, after the ledger has folded it."""
        handler = self._apply.get(type(record))
        if handler is not None:
            if self.waiting:
                self.catch_up()
            self.now_ns = now_ns
            handler(record)

    def catch_up(self) -> None:
        """Fold what waits, in its order and at its times."""
        waiting, self.waiting = self.waiting, []
        for record, self.now_ns in waiting:
            self._apply[type(record)](record)

    # --- transitions ---

    def happens(self, trade: Trade, what: Happening, why: str = "") -> None:
        """Move a trade by the table."""
        state = transition(trade.state, what, executed=bool(trade.bookings))
        if state is not trade.state:
            trade.state, trade.changed_ns = state, self.now_ns
            trade.why = why
        self.index(trade)

    def index(self, trade: Trade) -> None:
        """Keep the derived look-ups, and forget the oldest RFQs that came to nothing."""
        name, state = trade.trade_id, trade.state
        if trade.bookings and (state is _EXECUTED or state is _FAILED):
            self._unhedged.setdefault(trade.underlying, {})[name] = None
        elif trade.underlying in self._unhedged:
            self._unhedged[trade.underlying].pop(name, None)
        if state is not _PENDING:
            self._unanswered.pop(name, None)
        scope = (trade.venue, trade.account)
        signed = self._signed.get(scope)
        if signed is None:
            signed = self._signed[scope] = {}
        if state is _QUOTED and trade.dies_ns:
            signed[name] = None
        else:
            signed.pop(name, None)
        if trade.request is not None and trade.request.wanted:
            self._requests[name] = None
        else:
            self._requests.pop(name, None)
        asks = trade.unmatched or (state is _FAILED and trade.source == MANUAL)
        if asks is not (name in self._questions):
            self.changed = True
            if asks:
                self._questions[name] = None
            else:
                del self._questions[name]
        if state in OPEN_STATES or trade.bookings or trade.source == MANUAL:
            self._ended.pop(name, None)
            return
        self._ended[name] = None
        while len(self._ended) > ENDED_KEPT:
            self._drop(next(iter(self._ended)))

    def _drop(self, trade_id: str) -> None:
        self._ended.pop(trade_id, None)
        trade = self._trades.pop(trade_id)
        self._questions.pop(trade_id, None)
        for nonce in trade.nonces:
            self._of_nonce.pop((trade.venue, trade.account, nonce), None)
        for order_id in trade.orders:
            self._manual.of_order.pop(order_id, None)
        for key in trade.bookings:
            self._of_booking.pop(key, None)
        self._unhedged.get(trade.underlying, {}).pop(trade_id, None)

    # --- RFQs ---

    def _new(
        self,
        trade_id: str,
        source: str,
        told: Rfq | SendQuote | RfqTrade | Fill,
        underlying: str,
        size: Decimal,
    ) -> Trade:
        """A trade first heard of in this record."""
        trade = self._trades[trade_id] = Trade(
            trade_id=trade_id,
            source=source,
            venue=told.venue,
            account=told.account,
            instrument=told.instrument,
            underlying=underlying,
            side=told.side,
            size=size,
            asked_ns=self.now_ns,
            changed_ns=self.now_ns,
        )
        return trade

    def _rfq(self, rfq: Rfq) -> None:
        if rfq.rfq_id not in self._trades:
            self._new(rfq.rfq_id, f"{rfq.venue}_rfq", rfq, rfq.underlying, rfq.size)
            self._unanswered[rfq.rfq_id] = None

    def _quoted(self, quote: SendQuote) -> None:
        trade = self._trades.get(quote.rfq_id)
        if trade is None:
            size = Decimal(quote.terms.quantity_e18).scaleb(-18)
            trade = self._new(quote.rfq_id, f"{quote.venue}_rfq", quote, quote.underlying, size)
        trade.nonces.append(quote.nonce)
        trade.dies_ns = max(trade.dies_ns, quote.valid_until_s * S + SETTLEMENT_MARGIN_NS)
        if not trade.bookings:
            trade.price = Decimal(quote.price_e18).scaleb(-18)
        self._of_nonce[quote.venue, quote.account, quote.nonce] = trade.trade_id
        self.happens(trade, Happening.OFFERED)

    def _refused(self, refused: Refused) -> None:
        trade = self._trades.get(str(refused.why.get("trade_id", "")) or refused.subject)
        if trade is None or (trade.request is not None and refused.reason in PASSING):
            return
        if trade.request is not None:
            trade.request.wanted = False
        self.happens(trade, Happening.DECLINED, f"{refused.reason}: {refused.text}")

    def _quote_refused(self, refused: QuoteRefused) -> None:
        trade = self._trades.get(refused.rfq_id)
        if trade is not None:
            self.happens(trade, Happening.REFUSED, f"{refused.code} {refused.text}".strip())

    def _rfq_trade(self, booking: RfqTrade) -> None:
        trade_id = self._of_nonce.get((booking.venue, booking.account, booking.nonce))
        quote = self._ledger.quotes.get((booking.venue, booking.account, booking.nonce))
        unmatched = trade_id is None and quote is None
        if trade_id is None:
            told = booking.rfq_id or (quote.command.rfq_id if quote is not None else "")
            trade_id = told or f"{booking.venue}/{booking.account}/{booking.nonce}"
        trade = self._trades.get(trade_id)
        if trade is None:
            trade = self._found(trade_id, booking, f"{booking.venue}_rfq")
        trade.unmatched = trade.unmatched or unmatched
        self._booked(trade, booking)

    def _found(self, trade_id: str, booking: RfqTrade | Fill, source: str) -> Trade:
        """A trade first heard of by its booking."""
        instrument = self._ledger.instruments.get(booking.instrument)
        underlying = instrument.underlying if instrument is not None else ""
        return self._new(trade_id, source, booking, underlying, booking.size)

    # --- bookings ---

    def _booked(self, trade: Trade, booking: RfqTrade | Fill) -> None:
        """Count a booking that the ledger holds; one it knew or has undone changes nothing."""
        accounts, key = self._ledger.accounts, booking_key(booking)
        known = accounts.booked.get(key)
        if key in accounts.reversed or not isinstance(known, (RfqTrade, Fill)) or key in trade.bookings:
            return
        trade.bookings.append(key)
        self._of_booking[key] = trade.trade_id
        trade.executed += known.size
        if known.price is not None:
            trade.price = known.price
        self.happens(trade, Happening.BOOKED)

    def _fill(self, fill: Fill) -> None:
        if fill.recorded:
            trade = self._trades.get(fill.trade_id)
            if trade is None:
                trade = self._found(fill.trade_id, fill, MANUAL)
            self._booked(trade, fill)
            return
        trade_id = self._manual.of_order.get(fill.order_id)
        if trade_id is not None:
            self._booked(self._trades[trade_id], fill)
            self._manual.order_done(fill)

    def _reversal(self, reversal: Reversal) -> None:
        trade = self._trades.get(self._of_booking.get(reversal.key, ""))
        if trade is None or reversal.key not in self._ledger.accounts.reversed:
            return
        undone = self._ledger.accounts.booked[reversal.key]
        assert isinstance(undone, (RfqTrade, Fill))
        trade.bookings.remove(reversal.key)
        del self._of_booking[reversal.key]
        trade.executed -= undone.size
        if not trade.bookings:
            self.happens(trade, Happening.REVERSED, reversal.why)

    # --- manual requests ---

    def requests(self) -> Iterator[Trade]:
        """Manual requests that are still wanted, oldest first."""
        trades = self.trades
        return (trades[trade_id] for trade_id in self._requests)

    def failed_or_unmatched(self) -> Iterator[Trade]:
        """Trades that a dead letter may be about, oldest first."""
        trades = self.trades
        return (trades[trade_id] for trade_id in self._questions)

    # --- time, hedges, runs ---

    def _read_ended(self, event: ReadEnded) -> None:
        """A signature is dead when a read that was asked for after its last second shows nothing of it."""
        if event.error:
            return
        trades, signed = self._trades, self._signed.get((event.venue, event.account), ())
        for trade in [trades[name] for name in signed if trades[name].dies_ns < event.asked_ns]:
            self.happens(trade, Happening.DIED, "no signature is alive")

    def _marks(self, marks: Marks) -> None:
        self._manual.lapse()
        while self._unanswered:
            trade = self._trades[next(iter(self._unanswered))]
            if trade.asked_ns > self.now_ns - UNANSWERED_NS:
                break
            self.happens(trade, Happening.DIED, "not answered in time")
        for underlying in self._unhedged:
            track, hedge = marks.naked.get(underlying), self._ledger.hedges.get(underlying)
            if track is None or (hedge is not None and hedge.state == "failed"):
                continue
            if abs(track[0]) <= self.band_of(underlying, marks.index.get(underlying)):
                self._flat(underlying)

    def band_of(self, underlying: str, index: float | None) -> float:
        """Coins of net delta that count as hedged: the hedger's own band once it told of one."""
        hedge = self._ledger.hedges.get(underlying)
        if hedge is not None:
            return hedge.band
        return max(self.band, self.band_usd / index) if index else self.band

    def _hedge_state(self, hedge: HedgeState) -> None:
        """The hedger's own word about an underlying. One that a person released still failed."""
        if hedge.state == "flat":
            self._flat(hedge.underlying)
            return
        what = Happening.HEDGE_FAILED if hedge.state == "failed" else Happening.HEDGE_RETRIED
        for trade_id in list(self._unhedged.get(hedge.underlying, ())):
            self.happens(self._trades[trade_id], what, hedge.text)

    def _flat(self, underlying: str) -> None:
        """The underlying's net delta is inside the band with everything booked so far."""
        for trade_id in list(self._unhedged.get(underlying, ())):
            self.happens(self._trades[trade_id], Happening.FLAT)

    def _run_started(self, record: RunStarted) -> None:
        """A new process: its band, no requests, and RFQs that nobody will answer now."""
        hedge = record.settings.get("hedge")
        if isinstance(hedge, dict) and "delta_threshold" in hedge:
            self.band = float(hedge["delta_threshold"])
            self.band_usd = float(hedge.get("delta_threshold_usd", 0.0))
        self._manual.restarted()
        for trade in list(self._trades.values()):
            if trade.state is TradeState.PENDING:
                self.happens(trade, Happening.DIED, "not answered by the run before")

    # --- upkeep ---

    def forget(self, before_ns: int) -> None:
        """Drop trades that are over since before then; one that is not hedged is never dropped."""
        for trade in list(self.trades.values()):
            over = trade.state in (TradeState.HEDGED, TradeState.CANCELLED, TradeState.FAILED)
            waits = trade.bookings and trade.state is not TradeState.HEDGED
            if over and not waits and trade.changed_ns < before_ns:
                self._drop(trade.trade_id)

    def state(self) -> dict[str, Any]:
        """Plain values for a journal segment's first record."""
        return {
            "trades": msgspec.to_builtins(list(self.trades.values())),
            "band": self.band,
            "band_usd": self.band_usd,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a snapshot; one written before there were trades has none."""
        self.band = state.get("band", DEFAULT_BAND)
        self.band_usd = state.get("band_usd", 0.0)
        for known in (self._ended, self._of_nonce, self._of_booking, self._unhedged, self._manual.of_order):
            known.clear()
        self.waiting.clear()
        self._signed.clear()
        self._requests.clear()
        self._questions.clear()
        self._unanswered.clear()
        self._trades = {item.trade_id: item for item in msgspec.convert(state.get("trades", []), list[Trade])}
        for trade in list(self._trades.values()):
            for nonce in trade.nonces:
                self._of_nonce[trade.venue, trade.account, nonce] = trade.trade_id
            if trade.state is TradeState.PENDING and trade.request is None:
                self._unanswered[trade.trade_id] = None
            self._manual.of_order.update(dict.fromkeys(trade.orders, trade.trade_id))
            self._of_booking.update(dict.fromkeys(trade.bookings, trade.trade_id))
            self.index(trade)
        self.changed = True

    def counts(self) -> dict[str, int]:
        """How many trades stand in each state, for people."""
        found = dict.fromkeys((str(state) for state in TradeState), 0)
        for trade in self.trades.values():
            found[str(trade.state)] += 1
        return found

    def executed(self) -> Iterator[Trade]:
        """Trades with a booking that stands."""
        return (trade for trade in self.trades.values() if trade.state in EXECUTED_STATES and trade.bookings)
