"""Bringing slots to their targets: what differs becomes a command through the gate, or is held and said.

One pass serves cancels first, then hedges, reductions and quotes. What does not depend on a side or a size is
judged once a pass for each instrument (`Gate.standing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from atomizer.domain.commands import Refused
from atomizer.domain.identity import order_id
from atomizer.domain.instruments import Instrument, Kind, Side
from atomizer.domain.orders import OrderState, Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.engine.flight import Flight
from atomizer.engine.gate import Held, Standing
from atomizer.engine.kernels import ACT_BITS, ACT_CANCEL, ACT_MASK, SLOT_MASK
from atomizer.engine.ledger import Order
from atomizer.engine.market import NEVER
from atomizer.engine.slots import Slot
from atomizer.engine.strategy import Level, Strategy, Target

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_IOC, _CANCELLING = TimeInForce.IOC, OrderState.CANCELLING
_HEDGE, _REDUCE, _QUOTE = Purpose.HEDGE, Purpose.REDUCE, Purpose.QUOTE
S = 1_000_000_000
FLATTEN_STRATEGY, MANUAL_STRATEGY = 2047, 2046


class Keeper:
    """`wake_ns` is when the slots must be looked at again though nothing happened."""

    def __init__(self, engine: Engine, flight: Flight, claims: dict[str, int]) -> None:
        self._engine = engine
        self._flight = flight
        self._ledger, self._market = engine.ledger, engine.market
        self._gate, self._exposure = engine.gate, engine.exposure
        self._slots, self._halts, self._counters = engine.slots, engine.halts, engine.counters
        self._claims = claims
        self._account_of = {item.venue: item.account for item in engine.settings.accounts}
        self._sequence: dict[int, int] = {}
        # By the instrument alone for what quotes, else with what else an order's standing depends on.
        self._standings: dict[str | tuple[str, bool, bool], Standing] = {}
        self._judged: dict[str | tuple[str, bool, bool], Standing] = {}  # what may still stand for quotes
        # Accounts that were not read in this run: nothing is placed there.
        self.unread = {(item.venue, item.account): True for item in engine.settings.accounts}
        self.wake_ns = engine.now_ns

    # --- targets in ---

    def state(self, strategy: int, targets: Mapping[Level, Target]) -> None:
        """Take a strategy's complete statement."""
        stopped = self._halts.kill_level >= 1 or self._halts.journal != "ok"
        if stopped and strategy != MANUAL_STRATEGY:  # what a person asks for is refused aloud, by the gate
            targets = {key: item for key, item in targets.items() if item.purpose is not _QUOTE}
        self._slots.state_targets(strategy, targets, self._market.instruments, self._engine.now_ns)

    def pull(self, *, everything: bool) -> None:
        """Quotes are wanted nowhere; with `everything` no order is."""
        if everything:
            self._slots.clear_all()
            return
        for slot in self._slots.slots:
            if slot.target is not None and slot.target.purpose is _QUOTE:
                self._slots.clear(slot)

    def flatten(self) -> None:
        """Reduce every future and perpetual to zero inside the collar; option books are not dumped."""
        targets: dict[Level, Target] = {}
        for _holding, instrument, size in self._ledger.held():
            book = self._market.usable_book(instrument.key, self._engine.now_ns)
            if instrument.kind not in (Kind.PERPETUAL, Kind.FUTURE) or book is None or book.mid is None:
                continue
            side = Side.SELL if size > 0 else Side.BUY
            price = book.mid * (1.0 + side * self._engine.settings.limits.collar / 2.0)
            targets[Level(instrument.key, side)] = Target(
                price=price,
                size=abs(float(size)),
                life_ns=S,
                time_in_force=_IOC,
                purpose=_HEDGE,
                reduce_only=True,
                retry_ns=S,
                why={"because": "flatten"},
            )
        self.state(FLATTEN_STRATEGY, targets)

    # --- commands out ---

    def examine(self) -> bool:
        """Bring every slot that differs to its target; whether there was any."""
        engine = self._engine
        codes, self.wake_ns = self._slots.plan(engine.now_ns)
        if self.wake_ns < engine.ring_ns:
            engine.ring_ns = self.wake_ns
        if not codes:
            return False
        slots = self._slots.slots
        self._standings.clear()
        if self._flight.mass_left:
            self._flight.mass_left.clear()  # what this pass quotes goes out in messages of its own
        for code in codes:
            slot, action = slots[code >> ACT_BITS & SLOT_MASK], code & ACT_MASK
            target, order = slot.target, slot.order
            if action == ACT_CANCEL:
                if order is not None:
                    self._flight.cancel(order, "target gone" if target is None else "cannot be amended now")
            elif target is not None:
                if order is None:
                    self._place(slot, target)
                else:
                    self._amend(slot, target, order)
        return True

    def _hedges(self, slot: Slot, target: Target, lots: int) -> bool:
        """Whether this goes though quoting is stopped: a hedge, or what reduces."""
        return target.purpose is _HEDGE or (
            target.purpose is _REDUCE
            and self._gate.reduces(slot.instrument, slot.side, lots, self._engine.now_ns)
        )

    def _standing(self, slot: Slot, target: Target, lots: int) -> Standing:
        """How the instrument stands for such an order, judged once a pass."""
        instrument, immediate = slot.instrument, slot.immediate
        hedge = target.purpose is not _QUOTE and self._hedges(slot, target, lots)
        key = (instrument.key, hedge, immediate) if hedge or immediate else instrument.key
        found = self._standings.get(key)
        if found is None:
            held = self._unaccounted(instrument) if self.unread or self._flight.leftover else None
            now_ns, found = self._engine.now_ns, self._judged.get(key)
            if found is None or held is not None or not self._gate.still(found, instrument, now_ns):
                found = self._gate.standing(instrument, now_ns, held, hedge=hedge, immediate=immediate)
                if found.held is None and key is instrument.key:
                    self._judged[key] = found
            self._standings[key] = found
        if not slot.enrolled:
            self._enrol(slot)
        return found

    def _enrol(self, slot: Slot) -> None:
        """Find out what holds for a slot as long as it exists.

        Who may rest there: whoever named the instrument, else whoever claimed all of its underlying, else a
        person, whose order rests wherever no strategy does.
        """
        instrument = slot.instrument
        owner = self._claims.get(instrument.key)
        if owner is None:
            owner = self._claims.get(f"{instrument.venue}:{instrument.underlying}-*", MANUAL_STRATEGY)
        slot.claimed = owner == slot.strategy
        slot.budget = self._flight.own_budget(instrument)
        slot.enrolled = True

    def _unaccounted(self, instrument: Instrument) -> Held | None:
        """Nothing is placed before the account was read in this run: positions and fills are not known."""
        if (instrument.venue, self._account_of.get(instrument.venue, "")) in self.unread:
            return Held(Reason.NOT_RECONCILED, f"{instrument.venue} has not been read yet")
        return self._flight.unaccounted(instrument.key)

    def _amend(self, slot: Slot, target: Target, order: Order) -> None:
        """Bring a resting order to what `target` wants, or hold it."""
        number, slots = slot.number, self._slots
        ticks: int = slots.want_px[number]
        lots: int = slots.want_qty[number]
        standing = self._standings.get(slot.instrument.key)
        if standing is None or target.purpose is not _QUOTE:
            standing = self._standing(slot, target, lots)
        now_ns = self._engine.now_ns
        command = self._gate.amend(standing, slot.instrument, order, ticks, lots, target, now_ns)
        if isinstance(command, Held):
            self._hold(slot, command)
            return
        budget = slot.budget
        has_token = budget is not None and budget.take(target.purpose, now_ns)
        if not has_token and not self._token(slot, target, now_ns):
            return
        slot.refused = ""
        self._ledger.amended(order, command)  # what `emit` does, without looking for what to do
        self._engine.out.append(command)
        slots.state[number] = order.state  # all that an amend changes until its answer
        self._exposure.orders_stale = True
        flight, ask_ns = self._flight, now_ns + standing.ask_ns
        if flight.watch_of.get(order.order_id, NEVER) > ask_ns:
            flight.watch(ask_ns, order.order_id)

    def _place(self, slot: Slot, target: Target) -> None:
        """Place what `target` wants, or hold it."""
        instrument, number, now_ns = slot.instrument, slot.number, self._engine.now_ns
        ticks: int = self._slots.want_px[number]
        lots: int = self._slots.want_qty[number]
        standing = self._standing(slot, target, lots)
        if slot.claimed or slot.immediate:
            held = self._gate.approve_order(standing, instrument, slot.side, ticks, lots, now_ns)
        else:
            held = Held(Reason.NOT_CLAIMED, f"{instrument.key} is not claimed by this strategy")
        if held is None:
            if slot.immediate and self._clears_own(slot, ticks):
                return
            if not self._token(slot, target, now_ns):
                return
        else:
            self._hold(slot, held)
            return
        slot.refused = ""
        sequence = self._sequence[slot.strategy] = self._sequence.get(slot.strategy, 0) + 1
        new = order_id(self._engine.run, slot.strategy, sequence)
        self._engine.use_named(instrument.key)
        self._engine.emit(
            self._gate.place(new, instrument, slot.side, ticks, lots, target, number, standing, now_ns)
        )
        slot.order = self._ledger.orders[new]
        self._exposure.orders_stale = True
        self._flight.watch(now_ns + standing.ask_ns, new)

    def _token(self, slot: Slot, target: Target, now_ns: int) -> bool:
        """Take a message token, or hold the slot until there is one."""
        budget, purpose = slot.budget, target.purpose
        if budget is not None:
            if budget.take(purpose, now_ns):
                return True
            self._flight.wait_for(budget, purpose, now_ns)
        elif self._flight.order_token(slot.instrument, purpose, quoted=purpose is _QUOTE):
            return True
        self._hold(slot, Held(Reason.MESSAGE_BUDGET, f"{slot.instrument.venue}: no message token"))
        return False

    def _clears_own(self, slot: Slot, ticks: int) -> bool:
        """An immediate order that would meet our own resting one cancels that first."""
        waiting = False
        for other in self._slots.of_instrument[slot.instrument.key]:
            resting = other.order
            if resting is None or resting.side is slot.side or resting.time_in_force is _IOC:
                continue
            if (ticks - resting.ticks) * slot.side >= 0:
                waiting = True
                if resting.state is not _CANCELLING:
                    self._flight.cancel(resting, "a hedge would meet it")
        return waiting

    # --- what is held ---

    def _hold(self, slot: Slot, held: Held) -> None:
        """Record a refusal when it changes, not each time it is met."""
        trade_id = "" if slot.target is None else str(slot.target.why.get("trade_id", ""))
        mark = f"{held.reason} {trade_id}" if trade_id else held.reason
        if slot.refused == mark:
            return
        slot.refused = mark
        level = slot.level
        self._counters.refused(held.reason)
        self._engine.emit(
            Refused(
                reason=held.reason,
                text=held.text,
                subject=f"slot/{slot.strategy}/{level.instrument}/{level.side.name}/{level.level}",
                instrument=level.instrument,
                why={"trade_id": trade_id} if trade_id else {},
            )
        )
        if trade_id:
            self._engine.wake(slot.strategy)  # a request that was refused is over

    def note_rest(self, slot: Slot, order: Order) -> None:
        """Say why a slot rests that someone else emptied or refused."""
        if slot.back_off_ns:
            why = f"{order.end or 'refused'} {order.end_text}".strip()
            text = f"{order.instrument}: rests {slot.back_off_ns / S:g} s after {why}"
            self._hold(slot, Held(Reason.BACK_OFF, text))


def claimed(strategies: list[Strategy]) -> dict[str, int]:
    """Who may have orders resting on which instrument, by the strategies' numbers.

    Raises:
        ValueError: two strategies want the same.
    """
    claims: dict[str, int] = {}
    for strategy in strategies:
        for instrument in strategy.claims():
            if instrument in claims:
                raise ValueError(
                    f"{instrument} is claimed by two strategies (one is {strategy.name}); "
                    "one strategy may rest on an instrument at a time"
                )
            claims[instrument] = strategy.number
    return claims
