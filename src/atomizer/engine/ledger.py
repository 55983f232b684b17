"""The fold: orders, quotes, bookings and risk state from commands and events, without any strategy.

The running engine and a restart use this one class: `apply` takes every journal record in order. A record
that changes nothing is harmless, so a venue's snapshot can be fed as the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from atomizer.domain.bookings import (
    Booking,
    CashMove,
    Fill,
    PositionMove,
    Reversal,
    RfqTrade,
    booking_key,
)
from atomizer.domain.commands import (
    AmendOrder,
    CancelOrder,
    DeadLetter,
    Difference,
    Fixing,
    HedgeState,
    InstrumentUsed,
    LetterState,
    Marks,
    NonceBlock,
    PlaceOrder,
    RiskState,
    RunEnded,
    RunStarted,
    SendQuote,
)
from atomizer.domain.events import (
    AmendRefused,
    BalanceReport,
    CancelRefused,
    OrderEnded,
    OrderNotFound,
    OrderOpen,
    PlaceRefused,
    PositionReport,
    ReadEnded,
    RequestTimedOut,
)
from atomizer.domain.instruments import Instrument, Side
from atomizer.domain.orders import Answer, EndReason, OrderState, Purpose, TimeInForce
from atomizer.domain.rfq import Rfq
from atomizer.engine.accounts import Accounts, Holding, Position, Purse
from atomizer.engine.groups import Groups
from atomizer.engine.kernels import ANSWERS, PLAIN_TRANSITIONS, TRANSITIONS
from atomizer.engine.trades import Trades

# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_DONE = OrderState.DONE
_OWED = OrderState.OWED
_AMENDING = OrderState.AMENDING
_UNKNOWN = OrderState.UNKNOWN
_ACK = Answer.ACK
_FILLED = EndReason.FILLED
_BOOKED = Answer.FILL
_HEDGE = Purpose.HEDGE
_STATES = tuple(OrderState)
# The state after an amend was sent, by the state before: no comparison matters there.
_AMENDED = tuple(
    _STATES[PLAIN_TRANSITIONS[state * ANSWERS + Answer.SENT_AMEND]] for state in range(len(OrderState))
)
OPENING = "opening"  # how the references of an account's opening moves begin; its cash comes last
CLOCK_SLACK_NS = 1_000_000_000
# How far the venue's clock may be from where we think it is: its request deadlines are judged by it.
DEADLINE_SLACK_NS = 500_000_000
# Ends that we concluded from what a venue did not mention.
CONCLUDED_ENDS = (EndReason.NOT_FOUND, EndReason.DISCONNECT)
READ_OVERLAP_NS = 60_000_000_000
# Entries of an account's history may be written long after the moment they are of.
LOG_OVERLAP_NS = 900_000_000_000


@dataclass(slots=True, kw_only=True)
class Order:
    """One order of ours. `ticks`/`lots`: last asked and not refused; `pend_*`: an amend in flight."""

    order_id: int
    venue: str
    account: str
    instrument: str
    side: Side
    ticks: int
    lots: int
    time_in_force: TimeInForce
    purpose: Purpose
    slot: int
    deadline_ns: int
    asked_ns: int
    group: str = ""
    reduce_only: bool = False
    state: OrderState = OrderState.PENDING
    booked: int = 0
    venue_filled: int = 0
    final_filled: int = -1
    pend_ticks: int = 0
    pend_lots: int = 0
    venue_order_id: str = ""
    end: EndReason | None = None
    end_text: str = ""

    @property
    def owed(self) -> int:
        """Lots that may still be filled or booked: the order's exposure, 0 when done."""
        if self.state is _DONE:
            return 0
        if self.state is _OWED:
            return max(0, self.final_filled - self.booked)
        return max(0, max(self.lots, self.pend_lots) - self.booked)


class LiveQuote(msgspec.Struct):
    """A signed quote and whether it was executed."""

    command: SendQuote
    sent_ns: int
    size: Decimal
    traded: bool = False


def _plain(value: Any) -> Any:
    """As JSON would carry it, with Decimals as text so that nothing is rounded."""
    return msgspec.to_builtins(value)


class Ledger:
    """State as of the last record applied. `touched` collects orders for the engine to examine: all that
    moved, but for an amend that was sent, which moves nothing but the state and is told by who sent it."""

    __slots__ = (
        "_apply",
        "_told",
        "accounts",
        "booked_now",
        "clean_end",
        "dead_letters",
        "differences",
        "external",
        "finished",
        "fixings",
        "foreign_orders",
        "groups",
        "hedges",
        "instruments",
        "letters_dropped",
        "marks",
        "next_nonce",
        "nonces",
        "now_ns",
        "open_quotes",
        "opened_ns",
        "orders",
        "quotes",
        "read_asked_ns",
        "read_ns",
        "reported_balances",
        "reported_positions",
        "revived",
        "risk",
        "run",
        "touched",
        "trades",
    )

    def __init__(self) -> None:
        self.instruments: dict[str, Instrument] = {}
        self.accounts = Accounts(self.instruments)
        self.orders: dict[int, Order] = {}
        self.finished: dict[int, Order] = {}
        self.quotes: dict[tuple[str, str, int], LiveQuote] = {}
        # Those not traded and not yet found dead by who counts them: a derived index, no part of the state.
        self.open_quotes: dict[tuple[str, str, int], LiveQuote] = {}
        self.nonces: dict[tuple[str, str], NonceBlock] = {}
        self.next_nonce: dict[tuple[str, str], int] = {}
        self.run: RunStarted | None = None
        self.clean_end = True
        self.risk = RiskState()
        self.hedges: dict[str, HedgeState] = {}
        self.fixings: dict[tuple[str, int], float] = {}
        self.groups = Groups()
        self.marks: Marks | None = None
        self.opened_ns: dict[tuple[str, str], int] = {}
        self.read_asked_ns: dict[tuple[str, str], int] = {}
        self.reported_positions: dict[Holding, tuple[Decimal, int]] = {}
        self.reported_balances: dict[Purse, tuple[BalanceReport, int]] = {}
        self.read_ns: dict[tuple[str, str], int] = {}
        self.differences: dict[tuple[str, str, str], Difference] = {}
        self.trades = Trades(self)
        self._told = self.trades.kinds
        self.dead_letters: dict[str, DeadLetter] = {}
        self.letters_dropped = 0
        self.foreign_orders: dict[str, OrderOpen] = {}
        self.external: list[Fill] = []
        self.touched: list[Order] = []
        self.revived: list[int] = []
        self.booked_now: list[Booking] = []
        self.now_ns = 0
        self._apply: dict[type, Callable[[Any], None]] = {
            PlaceOrder: self._placed,
            AmendOrder: self._amended,
            CancelOrder: self._cancelled,
            SendQuote: self._quoted,
            Rfq: self._rfq,
            OrderOpen: self._open,
            OrderEnded: self._ended,
            PlaceRefused: self._place_refused,
            AmendRefused: self._amend_refused,
            CancelRefused: self._cancel_refused,
            RequestTimedOut: self._timed_out,
            OrderNotFound: self._not_found,
            Fill: self._fill,
            RfqTrade: self._rfq_trade,
            CashMove: self._move,
            PositionMove: self._move,
            Reversal: self._move,
            PositionReport: self._position_report,
            BalanceReport: self._balance_report,
            ReadEnded: self._read_ended,
            RunStarted: self._run_started,
            RunEnded: self._run_ended,
            InstrumentUsed: self._instrument_used,
            NonceBlock: self._nonce_block,
            RiskState: self._risk_state,
            HedgeState: self._hedge_state,
            Fixing: self._fixing,
            Marks: self._marks,
            Difference: self._difference,
            DeadLetter: self._dead_letter,
        }

    def apply(self, record: object, now_ns: int) -> None:
        """Fold one record; kinds that carry no state are ignored."""
        self.now_ns = now_ns
        kind = type(record)
        handler = self._apply.get(kind)
        if handler is not None:
            handler(record)
        if kind in self._told:
            self.trades.apply(record, now_ns)

    # --- orders ---

    def _step(self, order: Order, answer: Answer) -> None:
        row = order.state * ANSWERS + answer
        plain = PLAIN_TRANSITIONS[row]
        if plain == 255:
            booked, total = order.booked, max(order.lots, order.pend_lots)  # the most that may be working
            case = (booked > 0) << 2 | (booked >= total) << 1 | (booked >= order.final_filled)
            plain = TRANSITIONS[row << 3 | case]
        state = _STATES[plain]
        if state is _DONE and order.state is not _DONE:
            self.finished[order.order_id] = self.orders.pop(order.order_id)
            if order.end is None:
                order.end = _FILLED
        order.state = state
        self.touched.append(order)

    def find(self, order_id: int) -> Order | None:
        return self.orders.get(order_id) or self.finished.get(order_id)

    def _placed(self, command: PlaceOrder) -> None:
        order = self.orders[command.order_id] = Order(
            order_id=command.order_id,
            venue=command.venue,
            account=command.account,
            instrument=command.instrument,
            side=command.side,
            ticks=command.ticks,
            lots=command.lots,
            time_in_force=command.time_in_force,
            purpose=command.purpose,
            slot=command.slot,
            deadline_ns=command.deadline_ns,
            asked_ns=self.now_ns,
            group=command.group,
            reduce_only=command.reduce_only,
        )
        self.touched.append(order)

    def _amended(self, command: AmendOrder) -> None:
        order = self.orders.get(command.order_id)
        if order is not None:
            self.amended(order, command)

    def amended(self, order: Order, command: AmendOrder) -> None:
        """An amend of this order was sent: its fold, for the pass that has the order at hand."""
        order.pend_ticks, order.pend_lots = command.ticks, command.lots
        order.deadline_ns, order.asked_ns = command.deadline_ns, self.now_ns
        order.state = _AMENDED[order.state]

    def _cancelled(self, command: CancelOrder) -> None:
        order = self.orders.get(command.order_id)
        if order is not None:
            order.asked_ns = self.now_ns
            self._step(order, Answer.SENT_CANCEL)

    def _revive(self, event: OrderOpen) -> None:
        """An order that we concluded to be over rests after all: it counts again, outside its slot.

        Only an end of our own conclusion can be wrong; what the venue ended stays ended, whatever old push
        comes after it.
        """
        order = self.finished.get(event.order_id)
        if order is None or order.end not in CONCLUDED_ENDS or event.lots <= event.filled_lots:
            return
        del self.finished[event.order_id]
        order.end, order.final_filled, order.state = None, -1, OrderState.UNKNOWN
        self.orders[event.order_id] = order
        self.revived.append(event.order_id)

    def _open(self, event: OrderOpen) -> None:
        self._revive(event)
        order = self.find(event.order_id) if event.order_id else None
        if order is None:
            self.foreign_orders[event.venue_order_id] = event
            return
        if event.venue_order_id:
            order.venue_order_id = event.venue_order_id
        order.venue_filled = max(order.venue_filled, event.filled_lots)
        if order.state is _AMENDING:
            answered = event.reply or (event.ticks, event.lots) == (order.pend_ticks, order.pend_lots)
            if not answered:
                return  # an older push; the amend's own answer is still to come
        if order.pend_lots and order.state is not _DONE:
            self._settle_amend(order, event)
        self._step(order, _ACK)

    @staticmethod
    def _settle_amend(order: Order, event: OrderOpen) -> None:
        """An amend was answered, or after a time-out the venue shows which side of it won."""
        took = event.reply or event.lots == order.pend_lots
        if took and order.state is not _UNKNOWN:
            order.ticks, order.lots = order.pend_ticks, order.pend_lots
        elif order.state is _UNKNOWN:
            order.ticks, order.lots = event.ticks, event.lots
        order.pend_ticks = order.pend_lots = 0

    def _ended(self, event: OrderEnded) -> None:
        self.foreign_orders.pop(event.venue_order_id, None)
        order = self.orders.get(event.order_id)
        if order is None:
            return
        order.end, order.end_text = event.reason, event.text
        order.final_filled = max(order.final_filled, event.filled_lots, order.booked)
        if event.venue_order_id:
            order.venue_order_id = event.venue_order_id
        self._step(order, Answer.ENDED)

    def _place_refused(self, event: PlaceRefused) -> None:
        order = self.orders.get(event.order_id)
        if order is not None:
            if not order.booked:
                order.end, order.end_text = EndReason.REJECTED, f"{event.code} {event.text}"
            self._step(order, Answer.PLACE_REFUSED)

    def _amend_refused(self, event: AmendRefused) -> None:
        order = self.orders.get(event.order_id)
        if order is not None:
            order.pend_ticks = order.pend_lots = 0
            order.end_text = f"{event.code} {event.text}"
            self._step(order, Answer.AMEND_REFUSED)

    def _cancel_refused(self, event: CancelRefused) -> None:
        order = self.orders.get(event.order_id)
        if order is not None:
            self._step(order, Answer.TIMED_OUT if event.gone else Answer.CANCEL_REFUSED)

    def _timed_out(self, event: RequestTimedOut) -> None:
        order = self.orders.get(event.order_id)
        if order is not None:
            self._step(order, Answer.TIMED_OUT)

    def _not_found(self, event: OrderNotFound) -> None:
        """Final only after the request's own deadline, when no copy of it can still arrive."""
        order = self.orders.get(event.order_id)
        if order is not None and self.now_ns > order.deadline_ns + DEADLINE_SLACK_NS:
            if order.state is _UNKNOWN:
                order.end = EndReason.NOT_FOUND
                if order.venue_filled > order.booked:
                    order.final_filled = order.venue_filled
                    self._step(order, Answer.ENDED)
                    return
            self._step(order, Answer.NOT_FOUND)

    # --- bookings ---

    def _book(self, booking: Booking) -> bool:
        fresh = self.accounts.book(booking)
        if fresh:
            self.booked_now.append(booking)
        return fresh

    def _move(self, booking: CashMove | PositionMove | Reversal) -> None:
        if isinstance(booking, PositionMove) and booking.instrument not in self.instruments:
            self.differences[booking.venue, booking.account, booking.instrument] = Difference(
                venue=booking.venue,
                account=booking.account,
                what=booking.instrument,
                ours="unknown instrument",
                theirs=f"{booking.why} {booking.reference}",
            )
            return
        if not self._book(booking):
            return
        if isinstance(booking, CashMove) and booking.reference.startswith(OPENING):
            self.opened_ns.setdefault((booking.venue, booking.account), booking.ts_ns)
        if not isinstance(booking, Reversal):
            return
        undone = self.accounts.booked.get(booking.key)
        self._leave_group(undone)
        if isinstance(undone, RfqTrade):
            quote = self.quotes.get((undone.venue, undone.account, undone.nonce))
            if quote is not None:
                quote.traded = False

    def _leave_group(self, undone: Booking | None) -> None:
        """What a bust undoes belongs to no group any more; a hedge's fill goes back the way it came."""
        if isinstance(undone, RfqTrade):
            self.groups.drop(booking_key(undone))
        elif isinstance(undone, Fill):
            back = msgspec.structs.replace(undone, side=undone.side.opposite, fee=-undone.fee)
            self._join_group(back, self.find(undone.order_id))

    def _join_group(self, fill: Fill, order: Order | None) -> None:
        if order is not None and order.purpose is _HEDGE:
            self.groups.hedge(fill, self.instruments[fill.instrument], order.group)

    def _fill(self, fill: Fill) -> None:
        if fill.instrument not in self.instruments:
            self.differences[fill.venue, fill.account, fill.instrument] = Difference(
                venue=fill.venue,
                account=fill.account,
                what=fill.instrument,
                ours="unknown instrument",
                theirs=f"fill {fill.trade_id}",
            )
            return
        if not self._book(fill):
            return
        order = self.find(fill.order_id) if fill.order_id else None
        if order is None:
            if not fill.recorded and (fill.venue, fill.account) in self.opened_ns:
                self.external.append(fill)
            return
        order.booked += self._lots_done(order, fill)
        self._join_group(fill, order)
        if order.order_id in self.orders:
            self._step(order, _BOOKED)

    def _lots_done(self, order: Order, fill: Fill) -> int:
        """Lots of the order that a fill completes: of a combo's order only the first leg's trades count."""
        ordered = self.instruments[order.instrument]
        if fill.instrument == order.instrument or not ordered.legs:
            return self.instruments[fill.instrument].lots(fill.size)
        first = ordered.legs[0]
        return ordered.lots(fill.size / abs(first.ratio)) if fill.instrument == first.instrument else 0

    def _rfq_trade(self, trade: RfqTrade) -> None:
        quote = self.quotes.get((trade.venue, trade.account, trade.nonce))
        if trade.price is None and quote is not None:
            trade = msgspec.structs.replace(trade, price=Decimal(quote.command.price_e18).scaleb(-18))
        if quote is not None:
            quote.traded = True
            self.open_quotes.pop((trade.venue, trade.account, trade.nonce), None)
        key = booking_key(trade)
        known = self.accounts.booked.get(key)
        undone = key in self.accounts.reversed
        if isinstance(known, RfqTrade) and known.inferred and (undone or not trade.inferred):
            self.accounts.confirm(trade)
            if undone:
                self.booked_now.append(trade)
            return
        if self._book(trade) and quote is not None and trade.instrument in self.instruments:
            self.groups.rfq_trade(trade, self.instruments[trade.instrument], quote.command.delta)

    # --- quotes, nonces, risk ---

    def _quoted(self, command: SendQuote) -> None:
        venue, account, nonce = command.venue, command.account, command.nonce
        if nonce >= self.next_nonce.get((venue, account), 0):
            self.next_nonce[venue, account] = nonce + 1
        size = Decimal(command.terms.quantity_e18).scaleb(-18)
        key, now_ns = (venue, account, nonce), self.now_ns
        self.quotes[key] = self.open_quotes[key] = LiveQuote(command, now_ns, size)
        self.trades.waiting.append((command, now_ns))

    def _rfq(self, rfq: Rfq) -> None:
        self.trades.waiting.append((rfq, self.now_ns))

    def _nonce_block(self, block: NonceBlock) -> None:
        self.nonces[block.venue, block.account] = block
        key = (block.venue, block.account)
        self.next_nonce[key] = max(self.next_nonce.get(key, 0), block.first)

    def _risk_state(self, state: RiskState) -> None:
        self.risk = state

    def _hedge_state(self, state: HedgeState) -> None:
        self.hedges[state.underlying] = state
        if state.state == "flat":
            self.groups.flat(state.underlying)

    def _fixing(self, fixing: Fixing) -> None:
        self.fixings.setdefault((fixing.underlying, fixing.expiry_ns), fixing.price)

    def _marks(self, marks: Marks) -> None:
        self.marks = marks

    def _difference(self, difference: Difference) -> None:
        key = (difference.venue, difference.account, difference.what)
        if difference.open:
            self.differences[key] = difference
        else:
            self.differences.pop(key, None)

    def _dead_letter(self, letter: DeadLetter) -> None:
        self.dead_letters[letter.letter_id] = letter

    def open_letters(self) -> list[DeadLetter]:
        """What still waits for a person, oldest first."""
        waiting = (LetterState.OPEN, LetterState.RETRYING)
        return [letter for letter in self.dead_letters.values() if letter.state in waiting]

    # --- checks and the run ---

    def _position_report(self, report: PositionReport) -> None:
        self.reported_positions[Holding(report.venue, report.account, report.instrument)] = (
            report.size,
            self.now_ns,
        )

    def _balance_report(self, report: BalanceReport) -> None:
        self.reported_balances[Purse(report.venue, report.account, report.currency)] = (report, self.now_ns)
        self.read_ns[report.venue, report.account] = self.now_ns

    def _read_ended(self, event: ReadEnded) -> None:
        """A whole read tells of every trade before it; a later fill heard of proves nothing about others."""
        if not event.error:
            scope = (event.venue, event.account)
            self.read_ns[scope] = self.now_ns
            self.read_asked_ns[scope] = max(self.read_asked_ns.get(scope, 0), event.asked_ns)

    def unread_since(self, venue: str, account: str, now_ns: int) -> int:
        """From when on trades of this account may not have been heard of.

        A complete read covers everything before it was asked for, with an overlap for clocks and late
        records; what was traded before the first read is part of the opening positions, and the first read
        tells what the overlap of the next one will tell again.
        """
        scope = (venue, account)
        opened = self.opened_ns.get(scope)
        if opened is None:
            return now_ns - CLOCK_SLACK_NS
        return max(opened - CLOCK_SLACK_NS, self.read_asked_ns[scope] - READ_OVERLAP_NS)

    def log_unread_since(self, venue: str, account: str, now_ns: int) -> int:
        """From when on entries of the account's history may be missing; the opening holds those before."""
        scope = (venue, account)
        opened = self.opened_ns.get(scope)
        return now_ns if opened is None else max(opened, self.read_asked_ns[scope] - LOG_OVERLAP_NS)

    def _run_started(self, record: RunStarted) -> None:
        self.run = record
        self.clean_end = False

    def _run_ended(self, _record: RunEnded) -> None:
        self.clean_end = True

    def _instrument_used(self, record: InstrumentUsed) -> None:
        self.instruments[record.instrument.key] = record.instrument

    # --- upkeep ---

    def forget(self, before_ns: int) -> None:
        """Drop finished orders and dead quotes older than this; booking keys stay with their segment."""
        for order_id in [key for key, order in self.finished.items() if order.asked_ns < before_ns]:
            del self.finished[order_id]
        for key in [key for key, quote in self.quotes.items() if quote.sent_ns < before_ns]:
            del self.quotes[key]
            self.open_quotes.pop(key, None)
        self.trades.forget(before_ns)
        for letter in list(self.dead_letters.values()):
            if letter.state is LetterState.RESOLVED and letter.since_ns < before_ns:
                del self.dead_letters[letter.letter_id]
                self.letters_dropped += 1
        self.groups.forget(before_ns)

    def state(self) -> dict[str, Any]:
        """Everything the fold holds, as plain values: what a new journal segment starts with."""
        accounts = self.accounts
        return {
            "instruments": _plain(list(self.instruments.values())),
            "positions": [[*key, _plain(item)] for key, item in sorted(accounts.positions.items())],
            "cash": [[*key, str(amount)] for key, amount in sorted(accounts.cash.items())],
            "fees": [[*key, str(amount)] for key, amount in sorted(accounts.fees.items())],
            "booked": _plain(list(accounts.booked.values())),
            "reversed": sorted(accounts.reversed),
            "orders": _plain(list(self.orders.values())),
            "finished": _plain(list(self.finished.values())),
            "quotes": _plain(list(self.quotes.values())),
            "nonces": _plain(list(self.nonces.values())),
            "next_nonce": [[*key, nonce] for key, nonce in sorted(self.next_nonce.items())],
            "run": _plain(self.run),
            "clean_end": self.clean_end,
            "risk": _plain(self.risk),
            "hedges": _plain(list(self.hedges.values())),
            "fixings": [[*key, price] for key, price in self.fixings.items()],
            "groups": self.groups.state(),
            "opened_ns": [[*key, at] for key, at in sorted(self.opened_ns.items())],
            "read_asked_ns": [[*key, at] for key, at in sorted(self.read_asked_ns.items())],
            "differences": _plain(list(self.differences.values())),
            "trades": self.trades.state(),
            "dead_letters": _plain(list(self.dead_letters.values())),
            "letters_dropped": self.letters_dropped,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a snapshot made by `state`; what was folded before is replaced."""
        accounts = self.accounts
        self.instruments.clear()
        for item in msgspec.convert(state["instruments"], list[Instrument]):
            self.instruments[item.key] = item
        accounts.positions = {
            Holding(*row[:3]): msgspec.convert(row[3], Position) for row in state["positions"]
        }
        accounts.cash = {Purse(*row[:3]): Decimal(row[3]) for row in state["cash"]}
        accounts.fees = {Purse(*row[:3]): Decimal(row[3]) for row in state["fees"]}
        accounts.booked = {
            booking_key(item): item for item in msgspec.convert(state["booked"], list[Booking])
        }
        accounts.reversed = set(state["reversed"])
        self.orders = {item.order_id: item for item in msgspec.convert(state["orders"], list[Order])}
        self.finished = {item.order_id: item for item in msgspec.convert(state["finished"], list[Order])}
        self.quotes = {
            (item.command.venue, item.command.account, item.command.nonce): item
            for item in msgspec.convert(state["quotes"], list[LiveQuote])
        }
        self.open_quotes = {key: quote for key, quote in self.quotes.items() if not quote.traded}
        self.nonces = {
            (item.venue, item.account): item for item in msgspec.convert(state["nonces"], list[NonceBlock])
        }
        self.next_nonce = {(row[0], row[1]): row[2] for row in state["next_nonce"]}
        self.run = msgspec.convert(state["run"], RunStarted | None)
        self.clean_end = state["clean_end"]
        self.risk = msgspec.convert(state["risk"], RiskState)
        self.hedges = {
            item.underlying: item for item in msgspec.convert(state.get("hedges", []), list[HedgeState])
        }
        self.fixings = {(row[0], row[1]): row[2] for row in state.get("fixings", [])}
        self.groups.restore(state.get("groups", {}))
        self.opened_ns = {(row[0], row[1]): row[2] for row in state["opened_ns"]}
        self.read_asked_ns = {(row[0], row[1]): row[2] for row in state["read_asked_ns"]}
        self.differences = {
            (item.venue, item.account, item.what): item
            for item in msgspec.convert(state["differences"], list[Difference])
        }
        # Snapshots of the first version know neither.
        self.trades.restore(state.get("trades", {}))
        self.letters_dropped = state.get("letters_dropped", 0)
        self.dead_letters = {
            item.letter_id: item for item in msgspec.convert(state.get("dead_letters", []), list[DeadLetter])
        }

    def position_sizes(self) -> dict[Holding, Decimal]:
        """Non-zero positions in a fixed order."""
        return {
            key: self.accounts.positions[key].size
            for key in sorted(self.accounts.positions)
            if self.accounts.positions[key].size
        }

    def held(self) -> Iterator[tuple[Holding, Instrument, Decimal]]:
        """Non-zero positions whose contract terms are known, in a fixed order."""
        for holding, size in self.position_sizes().items():
            instrument = self.instruments.get(holding.instrument)
            if instrument is not None:
                yield holding, instrument, size

    def position(self, holding: Holding) -> Position:
        return self.accounts.positions.get(holding) or Position()
