"""The core: one batch in, commands out. No awaits, clocks, randomness, sockets or threads.

A pass applies every event of the batch, lets each strategy whose inputs changed decide once, answers the
RFQs of the batch, then brings every slot that differs to its target through the gate.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

from atomizer.domain import events as ev
from atomizer.domain.bookings import CashMove, Fill, PositionMove, Reversal, RfqTrade
from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import (
    CancelOrder,
    Command,
    InstrumentUsed,
    Marks,
    PlaceOrder,
    QueryOrder,
    ReadAccount,
    Refused,
    Resubscribe,
    RiskState,
    RunJob,
)
from atomizer.domain.identity import label, order_id
from atomizer.domain.instruments import Instrument, Kind, Side
from atomizer.domain.orders import OrderState, Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.answering import Answering
from atomizer.engine.exposure import Exposure
from atomizer.engine.fitting import Fitting
from atomizer.engine.gate import Gate, Halts, Held
from atomizer.engine.kernels import ACT_AMEND, ACT_CANCEL
from atomizer.engine.ledger import DEADLINE_SLACK_NS, Ledger, Order
from atomizer.engine.market import NEVER, Market
from atomizer.engine.pricing import NoPriceError
from atomizer.engine.reconcile import Reconciler, Verdict
from atomizer.engine.settings import EngineSettings
from atomizer.engine.slots import MessageBudget, SlotKey, SlotTable
from atomizer.engine.surface import Surface
from atomizer.engine.strategy import Level, Responder, Strategy, Target

# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_DONE = OrderState.DONE
_LIVE = OrderState.LIVE
_UNKNOWN = OrderState.UNKNOWN
_OWED = OrderState.OWED
_IOC = TimeInForce.IOC
_CANCEL = Purpose.CANCEL
S = 1_000_000_000
MS = 1_000_000
REVALUE_NS = 200 * MS
READ_TIMEOUT_NS = 10 * S
READ_AGAIN_NS = 1 * S
READ_EVERY_ORDERS_NS = 30 * S
READ_EVERY_RFQ_NS = 5 * S
OWED_PATIENCE_NS = 3 * S
CANCEL_RETRY_NS = 1 * S
FLATTEN_STRATEGY = 2047
# Finished orders and dead quotes are kept longer than any venue resends.
REMEMBERED_NS = 48 * 3600 * S
FORGET_EVERY_NS = 3600 * S
DURABLE = frozenset(ev.DURABLE_EVENTS)

FOLDED = (
    ev.OrderEnded,
    ev.PlaceRefused,
    ev.RequestTimedOut,
    ev.OrderNotFound,
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

    __slots__ = ("batches", "events", "quotes", "refusals", "rfqs", "trades")

    def __init__(self) -> None:
        self.batches = self.events = self.rfqs = self.quotes = self.trades = 0
        self.refusals: dict[str, int] = {}

    def refused(self, reason: Reason) -> None:
        self.refusals[reason] = self.refusals.get(reason, 0) + 1


class Engine:
    """See the module. `run` is this process's run number, reserved in the journal before."""

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
        self.capabilities = capabilities
        self.gate = Gate(settings, self.ledger, self.market, self.exposure, capabilities, self.halts)
        self.slots = SlotTable()
        self.reconciler = Reconciler(self.ledger, capabilities)
        self.counters = Counters()
        self.run = run
        self.now_ns = now_ns
        self._strategies = sorted(strategies, key=lambda item: item.number)
        self._dirty: dict[int, bool] = {strategy.number: True for strategy in self._strategies}
        self._claims = self._claimed()
        self._account_of = {item.venue: item.account for item in settings.accounts}
        self._budgets = {venue: MessageBudget(item.rate) for venue, item in capabilities.items()}
        self._margins_ns = {venue: item.settlement_margin_ms * MS for venue, item in capabilities.items()}
        self._sequence: dict[int, int] = {}
        self._jobs = 0
        self._watch: list[tuple[int, int]] = []
        self._cancel_after: dict[int, int] = {}
        self._queried: dict[int, int] = {}
        self._leftover: dict[int, str] = {}
        self._unread: dict[tuple[str, str], bool] = {}
        self._reads: dict[tuple[str, str], tuple[int, int]] = {}
        self._out: list[Output] = []
        self._wake_ns = now_ns
        self._revalued_ns = -NEVER
        self._stale_exposure = True
        self._marked_ns = 0
        self._forgot_ns = now_ns
        self._marks_ns = settings.marks_every_ms * MS
        self.naked: dict[str, list[float]] = {}
        self._naked_ns = now_ns
        self.fitting = Fitting(self.surfaces, settings.surface)
        self._answering = Answering(self, responders)
        self._handlers = self._table()
        self._begin(now_ns)

    # --- start ---

    def _claimed(self) -> dict[str, int]:
        claims: dict[str, int] = {}
        for strategy in self._strategies:
            for instrument in strategy.claims():
                if instrument in claims:
                    raise ValueError(
                        f"{instrument} is claimed by two strategies (one is {strategy.name}); "
                        "one strategy may rest on an instrument at a time"
                    )
                claims[instrument] = strategy.number
        return claims

    def _begin(self, now_ns: int) -> None:
        unclean = self.ledger.run is not None and not self.ledger.run.clean
        for item in self.settings.accounts:
            scope = (item.venue, item.account)
            self.halts.unreconciled[scope] = f"{item.venue} has not been read yet"
            self._unread[scope] = True
            capability = self.capabilities[item.venue]
            if unclean and capability.rfq and not capability.quote_query:
                wait = self.settings.longest_validity_s * S + capability.settlement_margin_ms * MS
                self.halts.quote_not_before_ns[scope] = now_ns + wait
        for order in self.ledger.orders.values():
            self._leftover[order.order_id] = order.instrument
            heapq.heappush(
                self._watch, (max(now_ns, order.deadline_ns + DEADLINE_SLACK_NS + MS), order.order_id)
            )

    def _table(self) -> dict[type, Callable[[Any], None]]:
        market, ledger = self.market, self.ledger

        def fold(event: Any) -> None:
            ledger.apply(event, self.now_ns)

        return {
            ev.InstrumentListed: lambda e: self._listed(e.instrument),
            ev.BookSnapshot: lambda e: market.book_snapshot(e, self.now_ns),
            ev.BookChange: lambda e: market.book_change(e, self.now_ns),
            ev.Ticker: self._ticker,
            ev.IndexPrice: lambda e: market.index_price(e, self.now_ns),
            ev.FeedUp: self._feed_up,
            ev.FeedAlive: lambda e: market.feed_alive(e, self.now_ns),
            ev.FeedDown: self._feed_down,
            ev.ClockOffset: self._clock,
            ev.OrderOpen: self._order_open,
            ev.AmendRefused: self._amend_refused,
            ev.CancelRefused: self._cancel_refused,
            Rfq: self._answering.take,
            RfqTrade: self._rfq_trade,
            ev.ReadBegun: self._read_begun,
            ev.ReadEnded: self._read_ended,
            ev.PositionReport: self._position_report,
            ev.BalanceReport: self._balance_report,
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
        self.now_ns = max(now_ns, self.now_ns)
        self._out = []
        self.counters.batches += 1
        self.counters.events += len(batch)
        handlers = self._handlers
        for event in batch:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)
            for strategy in self._strategies:
                if strategy.wants(event):
                    self._dirty[strategy.number] = True
        if self._watch and self._watch[0][0] <= self.now_ns:
            self._watch_orders()
        self._watch_reads()
        self._after_orders()
        self._cancel_leftover()
        if self.now_ns >= self.fitting.next_ns:
            self.fitting.ask(self.now_ns, self.run_job)
        self._revalue()
        self._answering.answer_all()
        self._decide()
        self._examine()
        self._repair_books()
        self._mark()
        return self._out

    def next_deadline(self) -> int:
        """When `handle` must be called again without an event."""
        due = min(self._wake_ns, self.market.next_staleness(self.now_ns), self._marked_ns + self._marks_ns)
        if self._watch:
            due = min(due, self._watch[0][0])
        for when, _asked in self._reads.values():
            due = min(due, when)
        if not self._strategies_rest:
            for strategy in self._strategies:
                due = min(due, strategy.next_deadline())
        return max(due, self.now_ns + 1)

    @property
    def _strategies_rest(self) -> bool:
        """From kill level 3 and while stopping no strategy is asked."""
        return self.halts.kill_level >= 3 or self.halts.stopping

    def emit(self, record: Output) -> None:
        """Fold a command, fact or conclusion of ours and put it out."""
        self.ledger.apply(record, self.now_ns)
        self._out.append(record)

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
        self.market.listed(instrument)
        surface = self.surfaces.get(instrument.underlying)
        if surface is not None and instrument.kind is Kind.OPTION and instrument.venue == surface.venue:
            surface.list_option(instrument)

    def _ticker(self, event: ev.Ticker) -> None:
        self.market.ticker(event, self.now_ns)
        instrument = self.market.instruments.get(event.instrument)
        if instrument is not None and instrument.expiry_ns is not None:
            surface = self.surfaces.get(instrument.underlying)
            if surface is not None and surface.venue == instrument.venue:
                surface.learn(instrument, event)

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

    def _order_open(self, event: ev.OrderOpen) -> None:
        self.ledger.apply(event, self.now_ns)
        self.reconciler.order(event)
        for number in self.ledger.revived:
            self._leftover[number] = event.instrument
        self.ledger.revived.clear()

    def _amend_refused(self, event: ev.AmendRefused) -> None:
        self.ledger.apply(event, self.now_ns)
        order = self.ledger.orders.get(event.order_id)
        if order is not None and order.slot < len(self.slots.keys):
            self.slots.rest(order.slot, self.now_ns)
            self._note_rest(order)

    def _cancel_refused(self, event: ev.CancelRefused) -> None:
        self.ledger.apply(event, self.now_ns)
        self._cancel_after[event.order_id] = self.now_ns + CANCEL_RETRY_NS
        heapq.heappush(self._watch, (self.now_ns + CANCEL_RETRY_NS, event.order_id))

    def _rfq_trade(self, trade: RfqTrade) -> None:
        self.ledger.apply(trade, self.now_ns)
        self.counters.trades += 1

    def _read_begun(self, event: ev.ReadBegun) -> None:
        self.reconciler.begin(event)

    def _position_report(self, event: ev.PositionReport) -> None:
        self.ledger.apply(event, self.now_ns)
        self.reconciler.position(event)

    def _balance_report(self, event: ev.BalanceReport) -> None:
        self.ledger.apply(event, self.now_ns)
        self.reconciler.balance(event)

    def _operator(self, event: ev.Operator) -> None:
        halts = self.halts
        if event.word == "kill":
            halts.kill_level = max(halts.kill_level, event.level)
            self._pull(everything=event.level >= 3)
        elif event.word in ("resume", "accept"):
            if not event.scope:
                halts.kill_level = 0
            halts.paused.pop(event.scope, None)
            halts.naked.pop(event.scope, None)
        elif event.word == "pause":
            halts.paused[event.scope] = Reason.PAUSED
        elif event.word == "stop":
            halts.stopping = True
            self._pull(everything=True)
        self.emit(
            RiskState(
                kill_level=halts.kill_level,
                paused=sorted(scope for scope, why in halts.paused.items() if why is Reason.PAUSED),
            )
        )
        self._all_dirty()

    def _look(self, event: ev.Look) -> None:
        self._marked_ns = 0
        if event.accounts:
            for item in self.settings.accounts:
                self._reads[item.venue, item.account] = (self.now_ns, self.now_ns)

    def _storage(self, event: ev.StorageState) -> None:
        self.halts.journal = event.state
        if event.state != "ok":
            self._pull(everything=event.state == "dead")

    def _all_dirty(self) -> None:
        for number in self._dirty:
            self._dirty[number] = True

    def _pull(self, *, everything: bool) -> None:
        """Quotes are wanted nowhere; with `everything` no order is."""
        if everything:
            self.slots.clear_all()
            return
        for number, target in enumerate(self.slots.targets):
            if target is not None and target.purpose is Purpose.QUOTE:
                self.slots.clear(number)

    # --- reading accounts ---

    def _read(self, venue: str, account: str) -> None:
        since = self.ledger.unread_since(venue, account, self.now_ns)
        self.emit(ReadAccount(venue=venue, account=account, asked_ns=self.now_ns, since_ns=since))
        self._reads[venue, account] = (self.now_ns + READ_TIMEOUT_NS, self.now_ns)

    def _watch_reads(self) -> None:
        """Read what is due. Without a connection nothing is: its return asks for a read of its own."""
        late = [scope for scope, (due, _asked) in self._reads.items() if due <= self.now_ns]
        for scope in late:
            if self.market.feed(self.account_feed(scope[0])).up:
                self._read(*scope)
            else:
                del self._reads[scope]

    def _read_ended(self, event: ev.ReadEnded) -> None:
        scope = (event.venue, event.account)
        adopt = scope not in self.ledger.opened_ns and self.settings.allow_first_adoption
        self.ledger.apply(event, self.now_ns)
        verdict = self.reconciler.end(event, self.now_ns, adopt=adopt)
        if verdict is None:
            return
        for record in verdict.records:
            self.use_named(getattr(record, "instrument", ""))
            self.emit(record)
        if not event.error:
            self._unread.pop(scope, None)
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
        self._reads[scope] = (self.now_ns + wait, self.now_ns)

    # --- orders in flight ---

    def _watch_orders(self) -> None:
        """Every in-flight state has a deadline; unknown ones are asked about after the request's own."""
        while self._watch and self._watch[0][0] <= self.now_ns:
            _, number = heapq.heappop(self._watch)
            order = self.ledger.orders.get(number)
            if order is not None:
                self._watch_order(order)

    def _watch_order(self, order: Order) -> None:
        patience = self.capabilities[order.venue].query_after_ms * MS
        due = order.asked_ns + patience
        immediate_open = order.state is _LIVE and order.time_in_force is _IOC
        if order.state in (OrderState.PENDING, OrderState.AMENDING, OrderState.CANCELLING):
            if self.now_ns < due:
                heapq.heappush(self._watch, (due, order.order_id))
                return
            self.emit(ev.RequestTimedOut(order.order_id))
        if order.state is _UNKNOWN or (immediate_open and self.now_ns >= due):
            self._ask(order, patience)
        elif immediate_open:
            heapq.heappush(self._watch, (due, order.order_id))
        elif order.state is _OWED:
            self._reads.setdefault((order.venue, order.account), (self.now_ns, self.now_ns))
            when, asked = self._reads[order.venue, order.account]
            self._reads[order.venue, order.account] = (min(when, self.now_ns), asked)
            heapq.heappush(self._watch, (self.now_ns + OWED_PATIENCE_NS, order.order_id))

    def _ask(self, order: Order, patience_ns: int) -> None:
        """Ask the venue how an order stands: after its request's own deadline, once per patience."""
        due = max(
            order.deadline_ns + DEADLINE_SLACK_NS + MS,
            self._queried.get(order.order_id, -NEVER) + patience_ns,
        )
        if self.now_ns < due:
            heapq.heappush(self._watch, (due, order.order_id))
            return
        self._queried[order.order_id] = self.now_ns
        heapq.heappush(self._watch, (self.now_ns + patience_ns, order.order_id))
        if self.market.feed(f"{order.venue}/trading").up:
            self.emit(
                QueryOrder(
                    order_id=order.order_id,
                    venue=order.venue,
                    account=order.account,
                    instrument=order.instrument,
                    venue_order_id=order.venue_order_id,
                )
            )

    def _after_orders(self) -> None:
        """Mirror touched orders into their slots; wake the strategies whose orders ended."""
        touched = self.ledger.touched
        if not touched and not self.ledger.booked_now:
            return
        self.exposure.orders_changed()
        for number in dict.fromkeys(touched):
            order = self.ledger.find(number)
            if order is None:
                continue
            if order.state is _LIVE:
                self.slots.settle(order)
            elif order.state is _UNKNOWN:
                heapq.heappush(
                    self._watch, (max(self.now_ns, order.deadline_ns + DEADLINE_SLACK_NS + MS), number)
                )
            elif order.state is _OWED:
                heapq.heappush(self._watch, (self.now_ns + OWED_PATIENCE_NS, number))
            if order.state is _DONE:
                self._queried.pop(number, None)
                self._cancel_after.pop(number, None)
                self._leftover.pop(number, None)
            if self.slots.refresh(order, self.now_ns):
                self._dirty[self.slots.keys[order.slot].strategy] = True
                self._note_rest(order)
        touched.clear()
        if self.ledger.booked_now:
            self.ledger.booked_now.clear()
            self._stale_exposure = True
            self._all_dirty()
        if self.ledger.external:
            for fill in self.ledger.external:
                self.halts.paused[self.ledger.instruments[fill.instrument].underlying] = (
                    Reason.EXTERNAL_ACTIVITY
                )
            self.ledger.external.clear()

    # --- orders of earlier runs ---

    def _cancel_leftover(self) -> None:
        """An order of an earlier run belongs to no slot: what of it still rests is cancelled by name."""
        for number in list(self._leftover):
            order = self.ledger.orders.get(number)
            if order is None or order.state is not _LIVE:
                continue
            if order.time_in_force is _IOC or self._cancel_after.get(number, 0) > self.now_ns:
                continue
            if self.market.feed(f"{order.venue}/trading").up and self._token(order.venue, _CANCEL):
                self._emit_cancel(order, "left by an earlier run")

    def _accounted(self, scope: tuple[str, str], instrument: str) -> Held | None:
        """Nothing is placed before the account was read in this run, nor on an instrument where an order of
        an earlier run may still work: neither its slot nor its fills are known."""
        if scope in self._unread:
            return Held(Reason.NOT_RECONCILED, f"{scope[0]} has not been read yet")
        for number, name in self._leftover.items():
            if name == instrument:
                return Held(Reason.NOT_RECONCILED, f"{label(number)} of an earlier run is not accounted for")
        return None

    # --- exposure ---

    def _revalue(self) -> None:
        if not self._stale_exposure and self.now_ns - self._revalued_ns < REVALUE_NS:
            return
        self._accrue_naked()
        self.exposure.rebuild(self.now_ns, self._margins_ns)
        self._revalued_ns, self._stale_exposure = self.now_ns, False
        for underlying, sums in self.exposure.sums.items():
            track = self.naked.setdefault(underlying, [0.0, 0.0, 0.0])
            track[0] = sums["delta"].base
            track[2] = max(track[2], abs(track[0]))

    def _accrue_naked(self) -> None:
        seconds = (self.now_ns - self._naked_ns) / S
        for track in self.naked.values():
            track[1] += abs(track[0]) * seconds
        self._naked_ns = self.now_ns

    def net_delta(self, underlying: str) -> float:
        """Net delta of what is booked, in coins."""
        return self.exposure.net(underlying, "delta")

    def _mark(self) -> None:
        if self.now_ns - self._marked_ns < self._marks_ns:
            return
        self._marked_ns = self.now_ns
        for surface in self.surfaces.values():
            surface.drop_expired(self.now_ns)
        if self.now_ns - self._forgot_ns > FORGET_EVERY_NS:
            self._forgot_ns = self.now_ns
            self.ledger.forget(self.now_ns - REMEMBERED_NS)
        self._accrue_naked()
        held: dict[str, tuple[float, float, float]] = {}
        for holding in self.ledger.position_sizes():
            instrument = self.ledger.instruments[holding.instrument]
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
        priced = self.exposure.price_option(instrument, self.now_ns)
        value = priced.price / priced.forward if instrument.inverse else priced.price
        return priced.forward, priced.vol, value

    # --- strategies and slots ---

    def _decide(self) -> None:
        if self._strategies_rest:
            if self.halts.kill_level == 4 and not self.halts.stopping:
                self._state(FLATTEN_STRATEGY, self._flatten())
            return
        for strategy in self._strategies:
            due = self._dirty[strategy.number] or strategy.next_deadline() <= self.now_ns
            if not due:
                continue
            self._dirty[strategy.number] = False
            targets = strategy.decide(self)
            if targets is not None:
                self._state(strategy.number, dict(targets))

    def _state(self, number: int, targets: dict[Level, Target]) -> None:
        if self.halts.kill_level >= 1 or self.halts.journal != "ok":
            targets = {key: item for key, item in targets.items() if item.purpose is not Purpose.QUOTE}
        self.slots.state_targets(number, targets, self.market.instruments, self.now_ns)

    def _flatten(self) -> dict[Level, Target]:
        """Reduce every future and perpetual to zero inside the collar; option books are not dumped."""
        targets: dict[Level, Target] = {}
        for holding, size in self.ledger.position_sizes().items():
            instrument = self.ledger.instruments[holding.instrument]
            book = self.market.usable_book(instrument.key, self.now_ns)
            if instrument.kind not in (Kind.PERPETUAL, Kind.FUTURE) or book is None or book.mid is None:
                continue
            side = Side.SELL if size > 0 else Side.BUY
            price = book.mid * (1.0 + side * self.settings.limits.collar / 2.0)
            targets[Level(instrument.key, side)] = Target(
                price=price,
                size=abs(float(size)),
                life_ns=S,
                time_in_force=_IOC,
                purpose=Purpose.HEDGE,
                reduce_only=True,
                retry_ns=S,
                why={"because": "flatten"},
            )
        return targets

    def _examine(self) -> None:
        """Bring every slot that differs to its target: cancels, hedges, reductions, then quotes."""
        actions, self._wake_ns = self.slots.plan(self.now_ns)
        if not actions:
            return
        if len(actions) > 1:
            actions.sort(key=self._rank)  # stable: slots of one purpose stay in their order
        for number, action in actions:
            if action == ACT_CANCEL:
                self._cancel(number)
            else:
                self._send(number, action)
        self._after_orders()

    def _rank(self, planned: tuple[int, int]) -> Purpose:
        number, action = planned
        target = self.slots.targets[number]
        return _CANCEL if action == ACT_CANCEL or target is None else target.purpose

    def _token(self, venue: str, purpose: Purpose) -> bool:
        budget = self._budgets[venue]
        if budget.take(purpose, self.now_ns):
            return True
        self._wake_ns = min(self._wake_ns, budget.due_ns(purpose, self.now_ns))
        return False

    def _cancel(self, number: int) -> None:
        order = self.ledger.orders.get(self.slots.order_of[number])
        if order is None or self._cancel_after.get(order.order_id, 0) > self.now_ns:
            return
        if not self.market.feed(f"{order.venue}/trading").up:
            return
        if self._token(order.venue, _CANCEL):
            target = self.slots.targets[number]
            self._emit_cancel(order, "target gone" if target is None else "cannot be amended now")

    def _emit_cancel(self, order: Order, why: str) -> None:
        command: CancelOrder = self.gate.cancel(order, why)
        self.emit(command)
        heapq.heappush(
            self._watch, (self.now_ns + self.capabilities[order.venue].query_after_ms * MS, order.order_id)
        )

    def _send(self, number: int, action: int) -> None:
        key, target = self.slots.keys[number], self.slots.targets[number]
        if target is None:
            return
        instrument = self.market.instruments[key.level.instrument]
        ticks, lots = int(self.slots.want_px[number]), int(self.slots.want_qty[number])
        order = self.ledger.orders.get(self.slots.order_of[number]) if action == ACT_AMEND else None
        immediate = target.time_in_force is _IOC
        held = self._accounted((instrument.venue, self._account_of.get(instrument.venue, "")), instrument.key)
        if held is None and not immediate:
            held = self._claim(key, instrument)
        if held is None:
            held = self.gate.approve_order(
                instrument, key.level.side, ticks, lots, target, self.now_ns, order
            )
        if held is None and immediate and self._clears_own(key, instrument, ticks):
            return
        if held is not None:
            self._hold(number, key, held)
            return
        if not self._token(instrument.venue, target.purpose):
            self._hold(number, key, Held(Reason.MESSAGE_BUDGET, f"{instrument.venue}: no message token"))
            return
        self.slots.refused[number] = ""
        if order is not None:
            self.emit(self.gate.amend(order, ticks, lots, target, self.now_ns))
            watched = order.order_id
        else:
            watched = self._place(number, key, instrument, ticks, lots, target)
        self.exposure.orders_changed()
        patience = self.capabilities[instrument.venue].query_after_ms * MS
        heapq.heappush(self._watch, (self.now_ns + patience, watched))

    def _place(
        self, number: int, key: SlotKey, instrument: Instrument, ticks: int, lots: int, target: Target
    ) -> int:
        sequence = self._sequence.get(key.strategy, 0) + 1
        self._sequence[key.strategy] = sequence
        new = order_id(self.run, key.strategy, sequence)
        self.use_named(instrument.key)
        command: PlaceOrder = self.gate.place(
            new,
            self._account_of[instrument.venue],
            instrument,
            key.level.side,
            ticks,
            lots,
            target,
            number,
            self.now_ns,
        )
        self.slots.occupy(number, new)
        self.emit(command)
        return new

    def _claim(self, key: SlotKey, instrument: Instrument) -> Held | None:
        owner = self._claims.get(instrument.key)
        if owner != key.strategy:
            return Held(Reason.NOT_CLAIMED, f"{instrument.key} is not claimed by this strategy")
        return None

    def _clears_own(self, key: SlotKey, instrument: Instrument, ticks: int) -> bool:
        """An immediate order that would meet our own resting one cancels that first."""
        side, waiting = key.level.side, False
        for other in self.slots.of_instrument(instrument.key):
            resting = self.ledger.orders.get(self.slots.order_of[other])
            if resting is None or resting.side is side or resting.time_in_force is _IOC:
                continue
            if (ticks - resting.ticks) * side >= 0:
                waiting = True
                if resting.state is not OrderState.CANCELLING and self._token(instrument.venue, _CANCEL):
                    self._emit_cancel(resting, "a hedge would meet it")
        return waiting

    def _hold(self, number: int, key: SlotKey, held: Held) -> None:
        """Record a refusal when it changes, not each time it is met."""
        if self.slots.refused[number] == held.reason:
            return
        self.slots.refused[number] = held.reason
        self.counters.refused(held.reason)
        self.emit(
            Refused(
                reason=held.reason,
                text=held.text,
                subject=f"slot/{key.strategy}/{key.level.instrument}/{key.level.side.name}/{key.level.level}",
                instrument=key.level.instrument,
            )
        )

    def _note_rest(self, order: Order) -> None:
        """Say why a slot rests that someone else emptied or refused."""
        wait_ns = self.slots.back_off_ns[order.slot]
        if wait_ns:
            why = f"{order.end or 'refused'} {order.end_text}".strip()
            text = f"{order.instrument}: rests {wait_ns / S:g} s after {why}"
            self._hold(order.slot, self.slots.keys[order.slot], Held(Reason.BACK_OFF, text))

    def use_named(self, name: str) -> None:
        """Write an instrument's terms into the journal before the first record that needs them."""
        if name and name not in self.ledger.instruments:
            listed = self.market.instruments.get(name)
            if listed is not None:
                self.emit(InstrumentUsed(listed))

    def _repair_books(self) -> None:
        if not self.market.gaps:
            return
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
