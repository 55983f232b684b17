"""Orders in flight: every state that waits has a deadline, and what is unknown is asked about.

Also what of earlier runs still rests, and the message budgets. The ledger says how an order stands; here
is what is done about it.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from atomizer.domain import events as ev
from atomizer.domain.capabilities import RateBudget
from atomizer.domain.commands import QueryOrder
from atomizer.domain.identity import label
from atomizer.domain.instruments import Instrument
from atomizer.domain.orders import OrderState, Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.engine.gate import Held
from atomizer.engine.ledger import DEADLINE_SLACK_NS, Order
from atomizer.engine.market import NEVER
from atomizer.engine.slots import MessageBudget

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_DONE, _LIVE, _UNKNOWN, _OWED = OrderState.DONE, OrderState.LIVE, OrderState.UNKNOWN, OrderState.OWED
_AWAITING = (OrderState.PENDING, OrderState.AMENDING, OrderState.CANCELLING)
_IOC, _CANCEL, _QUOTE = TimeInForce.IOC, Purpose.CANCEL, Purpose.QUOTE
MS = 1_000_000
OWED_PATIENCE_NS = 3_000_000_000
CANCEL_RETRY_NS = 1_000_000_000


class Flight:
    """`due_ns` is when an order must be looked at, `token_ns` when a message that found no token may go."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ledger, self._market, self._gate = engine.ledger, engine.market, engine.gate
        self._slots = engine.slots
        self._budgets = {venue: MessageBudget(item.rate) for venue, item in engine.capabilities.items()}
        self._in_mass = {venue: item.mass_quote for venue, item in engine.capabilities.items()}
        self._mass_budgets = {
            venue: MessageBudget(item.rate) for venue, item in self._in_mass.items() if item is not None
        }
        # Sides that still fit the mass quotes of this pass whose tokens are taken.
        self.mass_left: dict[str, int] = {}
        self._patience_ns = {venue: item.query_after_ms * MS for venue, item in engine.capabilities.items()}
        self._watched: list[tuple[int, int]] = []
        self.watch_of: dict[int, int] = {}  # when each order is looked at next
        self._cancel_after: dict[int, int] = {}
        self._queried: dict[int, int] = {}
        self.leftover: dict[int, str] = {}
        self.due_ns = self.token_ns = NEVER
        for order in self._ledger.orders.values():
            self.leftover[order.order_id] = order.instrument
            self.watch(max(engine.now_ns, order.deadline_ns + DEADLINE_SLACK_NS + MS), order.order_id)

    # --- what may go ---

    def budgeted(self, venue: str) -> bool:
        """Whether messages to this venue are counted."""
        return venue in self._budgets

    def token(self, venue: str, purpose: Purpose) -> bool:
        """Take a message token, or note when there will be one."""
        budget, now_ns = self._budgets[venue], self._engine.now_ns
        return budget.take(purpose, now_ns) or self.wait_for(budget, purpose, now_ns)

    def wait_for(self, budget: MessageBudget, purpose: Purpose, now_ns: int) -> bool:
        """There is no token now: note when there will be one."""
        self.token_ns = min(self.token_ns, budget.due_ns(purpose, now_ns))
        self._engine.due_at(self.token_ns)
        return False

    def own_budget(self, instrument: Instrument) -> MessageBudget | None:
        """The budget of an instrument's orders; None where its quotes share messages (see `order_token`)."""
        in_mass = self._in_mass.get(instrument.venue)
        covered = in_mass is not None and in_mass.covers(instrument)
        return None if covered else self._budgets.get(instrument.venue)

    def order_token(self, instrument: Instrument, purpose: Purpose, *, quoted: bool) -> bool:
        """A token for an order; many quotes share one where the venue takes them in one message."""
        in_mass, now_ns = self._in_mass[instrument.venue], self._engine.now_ns
        if in_mass is None or not quoted or not in_mass.covers(instrument):
            budget = self._budgets[instrument.venue]
            return budget.take(purpose, now_ns) or self.wait_for(budget, purpose, now_ns)
        left = self.mass_left.get(instrument.venue, 0)
        if not left:
            budget = self._mass_budgets[instrument.venue]
            if not budget.take(purpose, now_ns):
                return self.wait_for(budget, purpose, now_ns)
            left = in_mass.most
        self.mass_left[instrument.venue] = left - 1
        return True

    def budget_read(self, event: ev.BudgetRead) -> None:
        """The account's own rate counts from here on; the reserve stays what is declared, if it fits."""
        reserve = min(self._engine.capabilities[event.venue].rate.reserve, event.burst / 2.0)
        self._budgets[event.venue].change(RateBudget(event.per_s, event.burst, reserve))

    def cancel(self, order: Order, why: str) -> None:
        """Cancel an order if it may be asked now: its last refusal rests, the venue is there, a token too."""
        now_ns = self._engine.now_ns
        if self._cancel_after.get(order.order_id, 0) > now_ns:
            return
        instrument = self._ledger.instruments[order.instrument]
        if self._market.feed(f"{order.venue}/trading").up and self.order_token(
            instrument, _CANCEL, quoted=order.purpose is _QUOTE
        ):
            self._engine.emit(self._gate.cancel(order, why))
            self.watch(now_ns + self._patience_ns[order.venue], order.order_id)

    def cancel_refused(self, order_id: int) -> None:
        """The venue did not cancel: not again at once."""
        due = self._cancel_after[order_id] = self._engine.now_ns + CANCEL_RETRY_NS
        self.watch(due, order_id)

    # --- deadlines ---

    def watch(self, due_ns: int, order_id: int) -> None:
        """Look at this order then, or sooner: each look finds the next time by itself."""
        if self.watch_of.get(order_id, NEVER) <= due_ns:
            return
        self.watch_of[order_id] = due_ns
        heapq.heappush(self._watched, (due_ns, order_id))
        if due_ns < self.due_ns:
            self.due_ns = due_ns
            self._engine.due_at(due_ns)

    def watch_due(self) -> None:
        """Look at every order whose time has come."""
        watched, now_ns = self._watched, self._engine.now_ns
        while watched and watched[0][0] <= now_ns:
            due_ns, order_id = heapq.heappop(watched)
            if self.watch_of.get(order_id) != due_ns:
                continue  # it was looked at sooner
            del self.watch_of[order_id]
            order = self._ledger.orders.get(order_id)
            if order is not None:
                self._look(order, now_ns)
        self.due_ns = watched[0][0] if watched else NEVER

    def _look(self, order: Order, now_ns: int) -> None:
        """Every in-flight state has a deadline; unknown ones are asked about after the request's own."""
        patience = self._patience_ns[order.venue]
        due = order.asked_ns + patience
        immediate_open = order.state is _LIVE and order.time_in_force is _IOC
        if order.state in _AWAITING:
            if now_ns < due:
                self.watch(due, order.order_id)
                return
            self._engine.emit(ev.RequestTimedOut(order.order_id))
        if order.state is _UNKNOWN or (immediate_open and now_ns >= due):
            self._ask(order, patience, now_ns)
        elif immediate_open:
            self.watch(due, order.order_id)
        elif order.state is _OWED:
            self._engine.read_soon((order.venue, order.account))
            self.watch(now_ns + OWED_PATIENCE_NS, order.order_id)
        elif self._cancel_after.get(order.order_id, 0) > now_ns:
            self.watch(self._cancel_after[order.order_id], order.order_id)

    def _ask(self, order: Order, patience_ns: int, now_ns: int) -> None:
        """Ask the venue how an order stands: after its request's own deadline, once per patience."""
        due = max(
            order.deadline_ns + DEADLINE_SLACK_NS + MS,
            self._queried.get(order.order_id, -NEVER) + patience_ns,
        )
        if now_ns < due:
            self.watch(due, order.order_id)
            return
        self._queried[order.order_id] = now_ns
        self.watch(now_ns + patience_ns, order.order_id)
        if self._market.feed(f"{order.venue}/trading").up:
            self._engine.emit(
                QueryOrder(
                    order_id=order.order_id,
                    venue=order.venue,
                    account=order.account,
                    instrument=order.instrument,
                    venue_order_id=order.venue_order_id,
                )
            )

    # --- what the ledger learned ---

    def mirror(self) -> None:
        """Bring the orders that moved into their slots; wake the strategies whose orders ended."""
        touched, now_ns = self._ledger.touched, self._engine.now_ns
        for order in touched:
            state = order.state
            if state is _UNKNOWN:
                self.watch(max(now_ns, order.deadline_ns + DEADLINE_SLACK_NS + MS), order.order_id)
            elif state is _OWED:
                self.watch(now_ns + OWED_PATIENCE_NS, order.order_id)
            elif state is _DONE:
                self._forget(order.order_id)
            freed = self._slots.mirror(order, now_ns)
            if freed is not None:
                self._engine.wake(freed.strategy)
                self._engine.keeper.note_rest(freed, order)
        touched.clear()

    def _forget(self, order_id: int) -> None:
        self._queried.pop(order_id, None)
        self._cancel_after.pop(order_id, None)
        self.leftover.pop(order_id, None)

    # --- orders of earlier runs ---

    def revived(self, order_id: int, instrument: str) -> None:
        """An order that we took for lost rests: it belongs to no slot any more."""
        self.leftover[order_id] = instrument

    def cancel_leftover(self) -> None:
        """An order of an earlier run belongs to no slot: what of it still rests is cancelled by name."""
        for number in list(self.leftover):
            order = self._ledger.orders.get(number)
            if order is not None and order.state is _LIVE and order.time_in_force is not _IOC:
                self.cancel(order, "left by an earlier run")

    def unaccounted(self, instrument: str) -> Held | None:
        """Nothing is placed where an order of an earlier run may still work: its fills are not known."""
        for number, name in self.leftover.items():
            if name == instrument:
                return Held(Reason.NOT_RECONCILED, f"{label(number)} of an earlier run is not accounted for")
        return None
