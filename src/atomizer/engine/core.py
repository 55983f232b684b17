"""The core: one batch in, commands out. No awaits, clocks, randomness, sockets or threads.

A pass applies every event of the batch, lets each strategy whose inputs changed decide once, answers the
RFQs of the batch, then brings every slot that differs to its target through the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from atomizer.domain import events as ev
from atomizer.domain.bookings import CashMove, Fill, PositionMove, Reversal, RfqTrade
from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import (
    Command,
    Difference,
    InstrumentUsed,
    Marks,
    ReadAccount,
    Refused,
    Resubscribe,
    RiskState,
    RunJob,
    SendQuote,
)
from atomizer.domain.controls import WORDS as CONTROL_WORDS
from atomizer.domain.controls import Control, ControlError, Controls
from atomizer.domain.controls import check as check_control
from atomizer.domain.instruments import Instrument, Kind
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.answering import Answering
from atomizer.engine.breaches import BreachWatch
from atomizer.engine.dead_letters import DeadLetters
from atomizer.engine.expiry import due_value, has_expired, new_fixings
from atomizer.engine.exposure import Exposure
from atomizer.engine.fitting import Fitting
from atomizer.engine.flight import Flight
from atomizer.engine.gate import Gate
from atomizer.engine.halts import Halts
from atomizer.engine.keeping import Keeper, claimed
from atomizer.engine.ledger import Ledger
from atomizer.engine.market import NEVER, Market
from atomizer.engine.markouts import Markouts
from atomizer.engine.pricing import NoPriceError
from atomizer.engine.reconcile import Reconciler, Verdict
from atomizer.engine.settings import EngineSettings
from atomizer.engine.slots import SlotTable
from atomizer.engine.strategy import Responder, Strategy
from atomizer.engine.surface import Surface

S = 1_000_000_000
MS = 1_000_000
REVALUE_NS = 200 * MS
READ_TIMEOUT_NS = 10 * S
READ_AGAIN_NS = 1 * S
READ_EVERY_ORDERS_NS = 30 * S
READ_EVERY_RFQ_NS = 5 * S
# Finished orders and dead quotes are kept longer than any venue resends.
REMEMBERED_NS = 48 * 3600 * S
FORGET_EVERY_NS = 3600 * S
DURABLE = frozenset(ev.DURABLE_EVENTS)

FOLDED = (
    ev.OrderEnded,
    ev.PlaceRefused,
    ev.RequestTimedOut,
    ev.OrderNotFound,
    ev.QuoteRefused,
    Fill,
    CashMove,
    PositionMove,
    Reversal,
)

# An event the core itself concluded: folded and journalled like one that came from a venue.
Conclusion = ev.OrderEnded | ev.RequestTimedOut | CashMove | PositionMove | RfqTrade | Reversal
Output = Command | Conclusion


class Counters:
    """Plain integers for people; nothing decides on them."""

    __slots__ = ("batches", "events", "improvements", "quotes", "refusals", "rfqs", "trades")

    def __init__(self) -> None:
        self.batches = self.events = self.rfqs = self.quotes = self.trades = self.improvements = 0
        self.refusals: dict[str, int] = {}

    def refused(self, reason: Reason) -> None:
        self.refusals[reason] = self.refusals.get(reason, 0) + 1


class Seat:
    """A strategy at the table: whether an input of it changed, and when it wants to be asked without one."""

    __slots__ = ("dirty", "due_ns", "number", "strategy")

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.number = strategy.number
        self.dirty = True
        self.due_ns = NEVER


class Engine:
    """See the module. `run` is this process's run number, reserved in the journal before.

    No timer of a pass is due before `look_ns`, and without an event none is needed before `ring_ns`: bounds,
    lowered by whoever sets a timer during a pass (`due_at`) and found anew when they are reached. Most
    passes lie before both.
    """

    __slots__ = (
        "_account_of",
        "_answering",
        "_forgot_ns",
        "_handlers",
        "_jobs",
        "_margins_ns",
        "_marked_ns",
        "_marks_ns",
        "_naked_ns",
        "_plain",
        "_reads",
        "_reads_ns",
        "_resting",
        "_revalued_ns",
        "_seats",
        "_stale_exposure",
        "_strategies",
        "behind",
        "breaches",
        "capabilities",
        "controls",
        "controls_epoch",
        "counters",
        "exposure",
        "fitting",
        "flight",
        "gate",
        "halts",
        "hedge_markets",
        "keeper",
        "ledger",
        "letters",
        "look_ns",
        "market",
        "markouts",
        "naked",
        "now_ns",
        "out",
        "reconciler",
        "ring_ns",
        "run",
        "settings",
        "slots",
        "surfaces",
    )

    def __init__(
        self,
        settings: EngineSettings,
        strategies: Sequence[Strategy],
        responders: dict[str, Responder],
        capabilities: dict[str, Capabilities],
        *,
        run: int,
        now_ns: int,
        ledger: Ledger | None = None,
    ) -> None:
        self.settings = settings
        self.ledger = ledger or Ledger()
        ages = {"market": settings.freshness.market_ms * MS, "trading": settings.freshness.fills_ms * MS}
        self.market = Market({**ages, "maker": settings.freshness.fills_ms * MS})
        self.surfaces = {
            hedge.underlying: Surface(hedge.venue, hedge.underlying, settings.surface)
            for hedge in settings.hedge_markets
        }
        self.exposure = Exposure(
            self.ledger, self.market, self.surfaces, settings.accounts, settings.hedge_markets
        )
        self.halts = Halts(kill_level=self.ledger.risk.kill_level)
        self.halts.paused = dict.fromkeys(self.ledger.risk.paused, Reason.PAUSED)
        self.halts.paused_until = dict(self.ledger.risk.paused_until)
        self.controls = Controls(self.ledger.risk.controls)
        self.controls_epoch = 0  # grows when they change
        self.hedge_markets = {item.underlying: item for item in settings.hedge_markets}
        self.capabilities = capabilities
        self.gate = Gate(settings, self.ledger, self.market, self.exposure, capabilities, self.halts)
        self.breaches = BreachWatch(settings.limits, self.exposure, settings.check_every_ms * MS)
        self.slots = SlotTable()
        self.reconciler = Reconciler(self.ledger, capabilities)
        self.counters = Counters()
        self.letters = DeadLetters()
        self.run = run
        self.now_ns = self.look_ns = self.ring_ns = now_ns
        self._strategies = sorted(strategies, key=lambda item: item.number)
        self._seats = [Seat(strategy) for strategy in self._strategies]
        self._resting = False
        self.behind = False  # something waits for `settle`
        self.flight = Flight(self)
        self.keeper = Keeper(self, self.flight, claimed(self._strategies))
        self._account_of = {item.venue: item.account for item in settings.accounts}
        self._margins_ns = {venue: item.settlement_margin_ms * MS for venue, item in capabilities.items()}
        self._jobs = 0
        self._reads: dict[tuple[str, str], int] = {}
        self._reads_ns = NEVER
        self.out: list[Output] = []
        self._revalued_ns = -NEVER
        self._stale_exposure = True
        self._marked_ns = 0
        self._forgot_ns = now_ns
        self._marks_ns = settings.marks_every_ms * MS
        self.naked: dict[str, list[float]] = {}
        self._naked_ns = now_ns
        self.fitting = Fitting(self.surfaces, settings.surface)
        self._answering = Answering(self, responders)
        self.markouts = Markouts(self.ledger, now_ns)
        # Most events are these, and what they set of timers they say: a pass of them alone skips the rest.
        self._plain: dict[type, Callable[[Any, int], None]] = {
            ev.BookSnapshot: self.market.book_snapshot,
            ev.BookChange: self.market.book_change,
            ev.Ticker: self._ticker,
            ev.IndexPrice: self.market.index_price,
            ev.FeedAlive: self.market.feed_alive,
            ev.OrderOpen: self._order_open,
            Rfq: self._rfq,
        }
        self._handlers = self._table()
        self._begin(now_ns)

    # --- start ---

    def _begin(self, now_ns: int) -> None:
        unclean = self.ledger.run is not None and not self.ledger.run.clean
        for item in self.settings.accounts:
            scope = (item.venue, item.account)
            self.halts.unreconciled[scope] = f"{item.venue} has not been read yet"
            capability = self.capabilities[item.venue]
            if unclean and capability.rfq and not capability.quote_query:
                wait = self.settings.longest_validity_s * S + capability.settlement_margin_ms * MS
                self.halts.quote_not_before_ns[scope] = now_ns + wait

    def _table(self) -> dict[type, Callable[[Any], None]]:
        ledger = self.ledger

        def fold(event: Any) -> None:
            ledger.apply(event, self.now_ns)

        return {
            ev.InstrumentListed: lambda e: self._listed(e.instrument),
            ev.FeedUp: self._feed_up,
            ev.FeedDown: self._feed_down,
            ev.ClockOffset: self._clock,
            ev.AmendRefused: self._amend_refused,
            ev.CancelRefused: self._cancel_refused,
            ev.QuoteOutbid: self._outbid,
            RfqTrade: self._rfq_trade,
            ev.ReadBegun: self._read_begun,
            ev.ReadEnded: self._read_ended,
            ev.PositionReport: self._position_report,
            ev.BalanceReport: self._balance_report,
            ev.UnknownEntry: self._unknown_entry,
            ev.BudgetRead: self.flight.budget_read,
            ev.Operator: self._operator,
            ev.JobDone: lambda e: self.fitting.done(e, self.now_ns),
            ev.StorageState: self._storage,
            ev.Look: self._look,
            **dict.fromkeys(FOLDED, fold),
        }

    # --- the pass ---

    def admit(self, now_ns: int, batch: Sequence[ev.Event]) -> list[Any]:
        """The records of a batch that belong in the journal, in order, before it is handled.

        Instruments that a booking needs and the fold does not know yet come first.
        """
        records: list[Any] = []
        for event in batch:
            if type(event) not in DURABLE:
                continue
            name = getattr(event, "instrument", "")
            if name and name not in self.ledger.instruments:
                listed = self.market.instruments.get(name) or _listed_in(batch, name)
                if listed is not None:
                    used = InstrumentUsed(listed)
                    self.ledger.apply(used, now_ns)
                    records.append(used)
            records.append(event)
        return records

    def handle(self, now_ns: int, batch: Sequence[ev.Event]) -> list[Output]:
        """One pass. Returns commands for ports, and facts and conclusions for the journal only."""
        if now_ns > self.now_ns:
            self.now_ns = now_ns
        now_ns, ledger = self.now_ns, self.ledger
        self.out = []
        self._hear(batch, now_ns)
        self.flight.token_ns = NEVER
        looking = self.look_ns <= now_ns
        if looking:
            self._look_first(now_ns)
        elif ledger.touched or ledger.booked_now:
            self._after_orders()
        if self.flight.leftover:
            self.flight.cancel_leftover()
        if self._stale_exposure:
            self._revalue()
        answering = self._answering
        if answering.arrived or answering.due_ns < NEVER:
            answering.run()
            self.due_at(answering.due_ns)
        self._decide()
        if self.keeper.examine() and ledger.touched:
            self._after_orders()
        if ledger.trades.changed:
            self.letters.look(self)
        if self.market.gaps:
            self._repair_books()
        if looking:
            self._look_last(now_ns)
        return self.out

    def _look_first(self, now_ns: int) -> None:
        """What of a pass waits for its time, before the strategies are asked."""
        ledger = self.ledger
        if self.flight.due_ns <= now_ns:
            self.flight.watch_due()
        if self._reads_ns <= now_ns:
            self._watch_reads()
        if ledger.touched or ledger.booked_now:
            self._after_orders()
        if self.controls.due_ns <= now_ns or self.halts.paused_until:
            self._lapse()
        if self.fitting.next_ns <= now_ns:
            self.fitting.ask(now_ns, self.run_job)
        if now_ns - self._revalued_ns >= REVALUE_NS:
            self._stale_exposure = True

    def _look_last(self, now_ns: int) -> None:
        """What of a pass waits for its time, after everything else; then both bounds are found anew."""
        if self.letters.due_ns <= now_ns:
            self.letters.look(self)
        if now_ns - self._marked_ns >= self._marks_ns:
            self._mark()
        self.look_ns = min(self.timers().values())
        self.next_deadline()

    def timers(self) -> dict[str, int]:
        """When each thing of a pass that waits for its time is due."""
        return {
            "flight": self.flight.due_ns,
            "reads": self._reads_ns,
            "controls": self.controls.due_ns,
            "pauses": min(self.halts.paused_until.values(), default=NEVER),
            "fits": self.fitting.next_ns,
            "exposure": self._revalued_ns + REVALUE_NS,
            "letters": self.letters.due_ns,
            "marks": self._marked_ns + self._marks_ns,
        }

    def due_at(self, at_ns: int) -> None:
        """A timer was set during a pass: neither bound may lie after it."""
        if at_ns < self.look_ns:
            self.look_ns = at_ns
        if at_ns < self.ring_ns:
            self.ring_ns = at_ns

    def _hear(self, batch: Sequence[ev.Event], now_ns: int) -> None:
        """Apply every event, and note whose inputs it changes."""
        if self.behind:
            self.settle()
        counters = self.counters
        counters.batches += 1
        counters.events += len(batch)
        plain, seats = self._plain, self._seats
        for event in batch:
            hear = plain.get(type(event))
            if hear is not None:
                hear(event, now_ns)
            else:
                handler = self._handlers.get(type(event))
                if handler is not None:
                    handler(event)
                    self.look_ns = now_ns  # it may have set any timer
            for seat in seats:
                if not seat.dirty and seat.strategy.wants(event):
                    seat.dirty = True

    def next_deadline(self) -> int:
        """When `handle` must be called again without an event; `ring_ns` is this from here on."""
        flight, market, now_ns = self.flight, self.market, self.now_ns
        due = market.stale_ns if now_ns < market.stale_ns else market.next_staleness(now_ns)
        if self.keeper.wake_ns < due:  # comparisons one by one cost half of a call to `min`
            due = self.keeper.wake_ns
        if flight.due_ns < due:
            due = flight.due_ns
        if flight.token_ns < due:
            due = flight.token_ns
        if self._reads_ns < due:
            due = self._reads_ns
        if self._answering.due_ns < due:
            due = self._answering.due_ns
        if self._marked_ns + self._marks_ns < due:
            due = self._marked_ns + self._marks_ns
        if not self._resting:
            for seat in self._seats:
                if seat.due_ns < due:
                    due = seat.due_ns
        self.ring_ns = due if due > now_ns else now_ns + 1
        return self.ring_ns

    def quoted(self, command: SendQuote) -> None:
        """A quote was emitted: from now on it counts as exposure, and it will be judged by what follows."""
        self.behind = True
        self.exposure.add_quote(self.ledger.quotes[command.venue, command.account, command.nonce])
        self.markouts.quoted(command, self.now_ns)

    def settle(self) -> None:
        """Fold and count what nothing needed before the commands of a pass were sent.

        Who looks earlier finds it done all the same, and so does the next pass: this only says when there
        is time.
        """
        self.behind = False
        self.ledger.trades.catch_up()
        self.exposure.count_quotes()
        self.markouts.catch_up()

    def emit(self, record: Output) -> None:
        """Fold a command, fact or conclusion of ours and put it out."""
        self.ledger.apply(record, self.now_ns)
        self.out.append(record)

    @property
    def opened(self) -> bool:
        """Every account has been read at least once, in this run or before."""
        opened = self.ledger.opened_ns
        return all((item.venue, item.account) in opened for item in self.settings.accounts)

    @property
    def idle(self) -> bool:
        """Nothing of ours is working anywhere."""
        return not self.ledger.orders

    # --- events ---

    def _listed(self, instrument: Instrument) -> None:
        known = self.market.instruments.get(instrument.key)
        if known is not None and instrument.open and not known.open:
            self.slots.wake(instrument.key)  # what it refused while it was closed it takes now
            self._all_dirty()
        self.market.listed(instrument)
        self.slots.listed(instrument)
        surface = self.surfaces.get(instrument.underlying)
        if surface is not None and instrument.kind is Kind.OPTION and instrument.venue == surface.venue:
            surface.list_option(instrument, self.now_ns)

    def _ticker(self, event: ev.Ticker, now_ns: int) -> None:
        self.market.ticker(event, now_ns)
        instrument = self.market.instruments.get(event.instrument)
        if instrument is not None and instrument.expiry_ns is not None:
            surface = self.surfaces.get(instrument.underlying)
            if surface is not None and surface.venue == instrument.venue:
                surface.learn(instrument, event)
                self.fitting.heard(instrument.underlying)
                if self.fitting.next_ns < self.look_ns:
                    self.look_ns = self.fitting.next_ns

    def account_feed(self, venue: str) -> str:
        """The feed that tells of our fills on this venue."""
        return f"{venue}/trading" if self.capabilities[venue].orders else f"{venue}/maker"

    def _feed_up(self, event: ev.FeedUp) -> None:
        self.market.feed_up(event, self.now_ns)
        venue = event.feed.partition("/")[0]
        account = self._account_of.get(venue)
        if account is not None and event.feed == self.account_feed(venue):
            self._read(venue, account)

    def _feed_down(self, event: ev.FeedDown) -> None:
        self.market.feed_down(event)
        venue, _, stream = event.feed.partition("/")
        if stream == "market":
            for surface in self.surfaces.values():
                if surface.venue == venue:
                    surface.forget()
        account = self._account_of.get(venue)
        if account is not None and event.feed == self.account_feed(venue):
            self.halts.unreconciled[venue, account] = f"{venue}: connection lost ({event.why})"
            self._reads.pop((venue, account), None)

    def _clock(self, event: ev.ClockOffset) -> None:
        self.market.clock_offset_ns[event.venue] = event.offset_ns

    def _order_open(self, event: ev.OrderOpen, now_ns: int) -> None:
        self.ledger.apply(event, now_ns)
        self.reconciler.order(event)
        for number in self.ledger.revived:
            self.flight.revived(number, event.instrument)
        self.ledger.revived.clear()

    def _amend_refused(self, event: ev.AmendRefused) -> None:
        self.ledger.apply(event, self.now_ns)
        order = self.ledger.orders.get(event.order_id)
        slot = self.slots.holder(order) if order is not None else None
        if order is not None and slot is not None:
            self.slots.rest(slot, self.now_ns)
            self.keeper.note_rest(slot, order)

    def _cancel_refused(self, event: ev.CancelRefused) -> None:
        self.ledger.apply(event, self.now_ns)
        self.flight.cancel_refused(event.order_id)

    def _rfq(self, rfq: Rfq, now_ns: int) -> None:
        self.behind = True
        self.ledger.apply(rfq, now_ns)
        self._answering.take(rfq)

    def _outbid(self, event: ev.QuoteOutbid) -> None:
        self.ledger.apply(event, self.now_ns)
        self._answering.outbid(event)

    def _rfq_trade(self, trade: RfqTrade) -> None:
        self.ledger.apply(trade, self.now_ns)
        self.counters.trades += 1
        self.markouts.traded(trade, self.now_ns)

    def _read_begun(self, event: ev.ReadBegun) -> None:
        self.reconciler.begin(event)

    def _position_report(self, event: ev.PositionReport) -> None:
        self.ledger.apply(event, self.now_ns)
        self.reconciler.position(event)

    def _balance_report(self, event: ev.BalanceReport) -> None:
        self.ledger.apply(event, self.now_ns)
        self.reconciler.balance(event)

    def _unknown_entry(self, event: ev.UnknownEntry) -> None:
        """Shown once, as a difference that a person must explain."""
        what = f"log {event.reference}"
        if (event.venue, event.account, what) not in self.ledger.differences:
            theirs = f"{event.kind} {event.instrument} {event.amount} {event.currency}: {event.text}"
            self.emit(
                Difference(
                    venue=event.venue,
                    account=event.account,
                    what=what,
                    ours="not understood",
                    theirs=theirs,
                )
            )

    def _operator(self, event: ev.Operator) -> None:
        self.ledger.apply(event, self.now_ns)
        if event.word in ("retry", "discard", "reconcile", "record", "execute", "withdraw", "reverse"):
            self._asked(event)
            self._all_dirty()
            return
        halts = self.halts
        if event.word == "kill":
            halts.kill_level = max(halts.kill_level, event.level)
            self.keeper.pull(everything=event.level >= 3)
        elif event.word in ("resume", "accept"):
            if not event.scope:
                halts.kill_level = 0
            halts.paused.pop(event.scope, None)
            halts.paused_until.pop(event.scope, None)
            halts.naked.pop(event.scope, None)
        elif event.word == "pause":
            halts.paused[event.scope] = Reason.PAUSED
            halts.paused_until.pop(event.scope, None)
            if event.until_ns:
                halts.paused_until[event.scope] = event.until_ns
        elif event.word in CONTROL_WORDS:
            self._control(event)
        elif event.word == "stop":
            halts.stopping = True
            self.keeper.pull(everything=True)
        self._note_risk()
        self._all_dirty()

    def _control(self, event: ev.Operator) -> None:
        """A trader's word takes effect, unless it cannot be meant."""
        try:
            check_control(event.word, event.scope, event.args, event.until_ns)
        except ControlError as error:
            self.counters.refused(Reason.UNKNOWN_WORD)
            subject = event.request_id or event.word
            self.emit(Refused(reason=Reason.UNKNOWN_WORD, text=str(error), subject=subject))
            return
        rule = Control(
            word=event.word,
            scope=event.scope,
            args=event.args,
            until_ns=event.until_ns,
            by=event.by,
            set_ns=self.now_ns,
        )
        self.controls = self.controls.changed(rule)
        self.controls_epoch += 1

    def _note_risk(self) -> None:
        halts = self.halts
        self.emit(
            RiskState(
                kill_level=halts.kill_level,
                paused=sorted(scope for scope, why in halts.paused.items() if why is Reason.PAUSED),
                controls=list(self.controls.rules),
                paused_until=dict(sorted(halts.paused_until.items())),
            )
        )

    def _lapse(self) -> None:
        """End what a person said for a time only."""
        paused_until = self.halts.paused_until
        over = [scope for scope, until in paused_until.items() if until <= self.now_ns]
        controls = self.controls.at(self.now_ns)
        if not over and controls is self.controls:
            return
        for scope in over:
            del paused_until[scope]
            self.halts.paused.pop(scope, None)
        self.controls = controls
        self.controls_epoch += 1
        self._note_risk()

    def _asked(self, event: ev.Operator) -> None:
        """Words about trades, letters and accounts; the ledger has folded what they change there."""
        if event.word == "retry":
            self.letters.retry(self, event)
        elif event.word == "discard":
            self.letters.discard(self, event)
        elif event.word == "reconcile":
            self.read_all()
        elif event.word == "execute":
            name = str(event.args["instrument"])
            if name in self.market.instruments and name not in self.market.books:
                self.emit(Resubscribe(name.partition(":")[0], name))

    def read_all(self) -> None:
        """Read every account that is connected, now."""
        for item in self.settings.accounts:
            self._read_at((item.venue, item.account), self.now_ns)

    def _look(self, event: ev.Look) -> None:
        self._marked_ns = 0
        if event.accounts:
            self.read_all()

    def _storage(self, event: ev.StorageState) -> None:
        self.halts.journal = event.state
        if event.state != "ok":
            self.keeper.pull(everything=event.state == "dead")

    def wake(self, strategy: int) -> None:
        """Ask this strategy in this pass: something that is no event of its own changed for it."""
        for seat in self._seats:
            if seat.number == strategy:
                seat.dirty = True

    def _all_dirty(self) -> None:
        for seat in self._seats:
            seat.dirty = True

    # --- reading accounts ---

    def _read(self, venue: str, account: str) -> None:
        since = self.ledger.unread_since(venue, account, self.now_ns)
        log_since = self.ledger.log_unread_since(venue, account, self.now_ns)
        self.emit(
            ReadAccount(
                venue=venue,
                account=account,
                asked_ns=self.now_ns,
                since_ns=since,
                log_since_ns=log_since,
            )
        )
        self._read_at((venue, account), self.now_ns + READ_TIMEOUT_NS)

    def _read_at(self, scope: tuple[str, str], due_ns: int) -> None:
        self._reads[scope] = due_ns
        self._reads_ns = min(self._reads_ns, due_ns)
        self.due_at(due_ns)

    def read_soon(self, scope: tuple[str, str]) -> None:
        """Something of this account is missing: do not wait for its next read."""
        self._read_at(scope, min(self.now_ns, self._reads.get(scope, NEVER)))

    def _watch_reads(self) -> None:
        """Read what is due. Without a connection nothing is: its return asks for a read of its own."""
        for scope in [scope for scope, due in self._reads.items() if due <= self.now_ns]:
            if self.market.feed(self.account_feed(scope[0])).up:
                self._read(*scope)
            else:
                del self._reads[scope]
        self._reads_ns = min(self._reads.values(), default=NEVER)

    def _read_ended(self, event: ev.ReadEnded) -> None:
        scope = (event.venue, event.account)
        adopt = scope not in self.ledger.opened_ns and self.settings.allow_first_adoption
        self.ledger.apply(event, self.now_ns)
        for taken_back in self.reconciler.part_of_opening(event) if adopt else ():
            self.emit(taken_back)
        verdict = self.reconciler.end(event, self.now_ns, adopt=adopt)
        if verdict is None:
            return
        for record in verdict.records:
            self.use_named(getattr(record, "instrument", ""))
            self.emit(record)
        if not event.error:
            self.keeper.unread.pop(scope, None)
        if verdict.agrees:
            self.exposure.agreed_ns[scope] = event.asked_ns
        self._judge(scope, verdict)

    def _judge(self, scope: tuple[str, str], verdict: Verdict) -> None:
        every = READ_EVERY_ORDERS_NS if self.capabilities[scope[0]].orders else READ_EVERY_RFQ_NS
        settled = scope not in self.halts.unreconciled
        if verdict.agrees:
            self.halts.unreconciled.pop(scope, None)
            self._all_dirty()
        elif not (verdict.again and settled):
            self.halts.unreconciled[scope] = verdict.text
        wait = READ_AGAIN_NS if verdict.again or not verdict.agrees else every
        self._read_at(scope, self.now_ns + wait)

    def _after_orders(self) -> None:
        """What orders and bookings changed reaches slots, strategies and exposure."""
        ledger = self.ledger
        if ledger.touched:
            self.exposure.orders_stale = True
            self.flight.mirror()
        if ledger.booked_now:
            self.exposure.orders_stale = True
            ledger.booked_now.clear()
            self._stale_exposure = True
            self._all_dirty()
        if ledger.external:
            for fill in ledger.external:
                self.halts.paused[ledger.instruments[fill.instrument].underlying] = Reason.EXTERNAL_ACTIVITY
            ledger.external.clear()

    # --- exposure ---

    def _revalue(self) -> None:
        self._accrue_naked()
        self._fix()
        self.exposure.rebuild(self.now_ns, self._margins_ns)
        self._revalued_ns, self._stale_exposure = self.now_ns, False
        for underlying, sums in self.exposure.sums.items():
            track = self.naked.setdefault(underlying, [0.0, 0.0, 0.0])
            track[0] = sums["delta"].base
            track[2] = max(track[2], abs(track[0]))

    def _fix(self) -> None:
        """Write down at which index what we hold expired, once per expiry."""
        index = {underlying: self.exposure.index(underlying) for underlying in self.surfaces}
        for fixing in list(new_fixings(self._held(), self.ledger.fixings, index, self.now_ns)):
            self.emit(fixing)

    def _held(self) -> list[Instrument]:
        return [instrument for _holding, instrument, _size in self.ledger.held()]

    def _accrue_naked(self) -> None:
        seconds = (self.now_ns - self._naked_ns) / S
        for track in self.naked.values():
            track[1] += abs(track[0]) * seconds
        self._naked_ns = self.now_ns

    def net_delta(self, underlying: str) -> float:
        """Net delta of what is booked, in coins."""
        return self.exposure.net(underlying, "delta")

    def _mark(self) -> None:
        self._marked_ns = self.now_ns
        for surface in self.surfaces.values():
            surface.drop_expired(self.now_ns)
        if self.now_ns - self._forgot_ns > FORGET_EVERY_NS:
            self._forgot_ns = self.now_ns
            self.ledger.forget(self.now_ns - REMEMBERED_NS)
        for breach in self.breaches.due(self.now_ns):
            self.emit(breach)
        self._accrue_naked()
        self.markouts.emit_due(self)
        held: dict[str, tuple[float, float, float]] = {}
        for _holding, instrument, _size in self.ledger.held():
            try:
                held[instrument.key] = self.valuation(instrument)
            except NoPriceError:
                continue
        index = {
            name: price for name in sorted(self.surfaces) if (price := self.exposure.index(name)) is not None
        }
        if index:
            tracks = {name: (row[0], row[1], row[2]) for name, row in sorted(self.naked.items())}
            self.emit(Marks(index=index, instruments=held, naked=tracks))

    def valuation(self, instrument: Instrument) -> tuple[float, float, float]:
        """(forward, vol, value in the instrument's price unit) at which a position counts now.

        Raises:
            NoPriceError: a price that this needs is missing.
        """
        if instrument.kind is not Kind.OPTION:
            mark = self.exposure.future_mark(instrument)
            return mark, 0.0, mark
        index = self.exposure.index(instrument.underlying)
        if has_expired(instrument, self.now_ns) and not instrument.inverse and index is not None:
            fixing = self.ledger.fixings.get((instrument.underlying, instrument.expiry_ns or 0), index)
            return index, 0.0, due_value(instrument, fixing, index)
        priced = self.exposure.price_option(instrument, self.now_ns)
        value = priced.price / priced.forward if instrument.inverse else priced.price
        return priced.forward, priced.vol, value

    # --- strategies ---

    def _decide(self) -> None:
        """Ask every strategy whose inputs changed; from kill level 3 and while stopping none is asked."""
        halts = self.halts
        self._resting = halts.kill_level >= 3 or halts.stopping
        if self._resting:
            if halts.kill_level == 4 and not halts.stopping:
                self.keeper.flatten()
            return
        for seat in self._seats:
            if seat.dirty or seat.due_ns <= self.now_ns:
                seat.dirty = False
                targets = seat.strategy.decide(self)
                due_ns = seat.due_ns = seat.strategy.next_deadline()
                if due_ns < self.ring_ns:
                    self.ring_ns = due_ns
                if targets is not None:
                    self.keeper.state(seat.number, targets)

    def use_named(self, name: str) -> None:
        """Write an instrument's terms into the journal before the first record that needs them."""
        if name and name not in self.ledger.instruments:
            listed = self.market.instruments.get(name)
            if listed is not None:
                self.emit(InstrumentUsed(listed))

    def _repair_books(self) -> None:
        for instrument in self.market.gaps:
            self.emit(Resubscribe(instrument.partition(":")[0], instrument))
        self.market.gaps.clear()

    def run_job(self, job: str, inputs: Any) -> int:
        """Ask for background work; it comes back as `JobDone` with this id."""
        self._jobs += 1
        self.emit(RunJob(job=job, job_id=self._jobs, as_of_ns=self.now_ns, inputs=inputs))
        return self._jobs


def _listed_in(batch: Sequence[ev.Event], name: str) -> Instrument | None:
    for event in batch:
        if isinstance(event, ev.InstrumentListed) and event.instrument.key == name:
            return event.instrument
    return None
