"""The risk gate: the only maker of commands that reach a venue's order entry.

Every check returns a reason from the closed list and words, or nothing. Reducing risk skips position,
notional and greek limits; it never skips the collar, the account checks or the message budget.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import AmendOrder, CancelOrder, PlaceOrder, SendQuote
from atomizer.domain.instruments import Instrument, Side
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.exposure import Exposure, UnitGreeks
from atomizer.engine.halts import Halts
from atomizer.engine.ledger import Ledger, Order
from atomizer.engine.market import NEVER, NO_FEED, Feed, Market
from atomizer.engine.quote_gate import LIMITS, QuoteGate
from atomizer.engine.settings import EngineSettings
from atomizer.engine.strategy import QuoteTarget, Target

# Looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_BUY = Side.BUY
MS = 1_000_000
S = 1_000_000_000


class Held(msgspec.Struct, frozen=True, gc=False):
    """Why a target does not become a command now."""

    reason: Reason
    text: str


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What holds for every order on one instrument, whatever its side and size.

    `held`: why none may be sent; then nothing else is known. A buy may cost up to `highest`, a sell may go
    down to `lowest`: the collar around `mark`, in the instrument's price unit, as is `tick`. From `low` to
    `high`, in ticks, any order is on the grid and inside the collar (none: 1 to 0). The venue refuses a
    request that is `deadline_ns` old; after `ask_ns` we ask. Judged by these terms (`instrument`) while
    `trading` is up, and until `until_ns` at most, when its series is pulled.
    """

    held: Held | None
    mark: float = 0.0
    highest: float = 0.0
    lowest: float = 0.0
    tick: float = 0.0
    low: int = 1
    high: int = 0
    account: str = ""
    deadline_ns: int = 0
    ask_ns: int = 0
    instrument: Instrument | None = None
    trading: Feed = NO_FEED
    until_ns: int = 0


class Gate(QuoteGate):
    """The checks of orders, and every command; those of RFQs are in `quote_gate`."""

    def __init__(
        self,
        settings: EngineSettings,
        ledger: Ledger,
        market: Market,
        exposure: Exposure,
        capabilities: Mapping[str, Capabilities],
        halts: Halts,
    ) -> None:
        super().__init__(settings, ledger, market, exposure, halts)
        self._trading_of = {venue: f"{venue}/trading" for venue in capabilities}
        self._collar = settings.limits.collar
        self._patience_ns = {
            venue: (item.request_deadline_ms * MS, item.query_after_ms * MS)
            for venue, item in capabilities.items()
        }

    # --- orders ---

    def standing(
        self, instrument: Instrument, now_ns: int, held: Held | None, *, hedge: bool, immediate: bool
    ) -> Standing:
        """Judge an instrument; `held` is what stands against it already.

        Without a usable book of our own a hedge may still go as an immediate order, inside the collar around
        the venue's own fresh mark.
        """
        if held is None:
            held = self._order_halted(instrument, now_ns, hedge=hedge)
        if held is not None:
            return Standing(held)
        market, key = self._market, instrument.key
        if market.usable_book(key, now_ns) or market.touch(key, now_ns):
            mark = self._exposure.future_mark(instrument)
        else:
            fresh = market.fresh_mark(key, now_ns)
            if fresh is None or not (hedge and immediate):
                return Standing(Held(Reason.MARKET_DATA_STALE, f"{key} has no usable book"))
            mark = fresh
        grid, venue, expiry_ns = instrument.grid, instrument.venue, instrument.expiry_ns
        deadline_ns, ask_ns = self._patience_ns[venue]
        tick, collar = grid.tick_size, self._collar
        highest, lowest = mark * (1.0 + collar), mark * (1.0 - collar)
        low, high = (1, 0) if grid.steps else (int(lowest / tick) + 2, int(highest / tick) - 1)
        return Standing(
            None,
            mark,
            highest,
            lowest,
            tick,
            low,
            high,
            self._accounts[venue],
            deadline_ns,
            ask_ns,
            instrument,
            market.feed(self._trading_of[venue]),
            NEVER if expiry_ns is None else expiry_ns - self._settings.pulled_before_expiry_s * S,
        )

    def still(self, standing: Standing, instrument: Instrument, now_ns: int) -> bool:
        """Whether what was judged for quotes in an earlier pass holds in this one.

        It does under the same terms, with nothing stopped anywhere, the venue and its book there, and the
        mark where it was; of what `standing` asks nothing else can change.
        """
        return (
            standing.instrument is instrument
            and standing.trading.up
            and now_ns < standing.until_ns
            and self._halts.quiet()
            and self._market.usable_book(instrument.key, now_ns) is not None
            and self._exposure.future_mark(instrument) == standing.mark
        )

    def approve_order(
        self,
        standing: Standing,
        instrument: Instrument,
        side: Side,
        ticks: int,
        lots: int,
        now_ns: int,
        replaced: Order | None = None,
    ) -> Held | None:
        """None when an order (or an amend of `replaced`) may be sent."""
        if standing.held is not None:
            return standing.held
        grid = instrument.grid
        if lots < instrument.min_lots or (grid.steps and not grid.on_grid(ticks)):
            return Held(Reason.OFF_GRID, f"{instrument.key}: {lots} lots at {ticks} ticks is off the grid")
        price = standing.tick * ticks
        if not (price <= standing.highest if side is _BUY else price >= standing.lowest):
            return Held(
                Reason.PRICE_COLLAR,
                f"{instrument.key}: {price:g} is beyond {self._settings.limits.collar:.1%} of the mark "
                f"{standing.mark:g}",
            )
        if replaced is not None and lots <= replaced.lots - replaced.booked:
            return None
        more = lots - (replaced.owed if replaced is not None else 0)
        if more <= 0:
            return None
        try:
            unit = self._exposure.unit(instrument, now_ns)
        except LookupError as error:
            return Held(Reason.MARKET_DATA_MISSING, str(error))
        return self._order_limits(instrument, side, float(instrument.size(more)), unit)

    def _order_halted(self, instrument: Instrument, now_ns: int, *, hedge: bool) -> Held | None:
        halts = self._halts
        quiet = halts.quiet()
        if not quiet and (halts.kill_level >= 3 or halts.stopping or halts.journal == "dead"):
            return Held(Reason.KILLED, f"kill level {halts.kill_level}, journal {halts.journal}")
        account = self._accounts.get(instrument.venue)
        if account is None:
            return Held(Reason.WRONG_ACCOUNT, f"no account of {instrument.venue} is configured")
        if not instrument.open:
            return Held(Reason.INSTRUMENT_CLOSED, f"{instrument.key} is not open")
        trading = self._market.feeds.get(self._trading_of[instrument.venue], NO_FEED)
        if not trading.up:
            return Held(
                Reason.MARKET_DATA_STALE, f"{instrument.venue}: {trading.why or 'no order connection'}"
            )
        if hedge:
            return None
        expiry_ns = instrument.expiry_ns
        settling = self._settling(expiry_ns, now_ns) if expiry_ns is not None else ""
        if settling:
            return Held(Reason.SETTLING, f"{instrument.key}: {settling}")
        if quiet:
            return None
        refusal = self._halted(instrument.venue, account, instrument.underlying, now_ns)
        return Held(refusal.reason, refusal.text) if refusal is not None else None

    def _order_limits(self, instrument: Instrument, side: Side, size: float, unit: UnitGreeks) -> Held | None:
        """A reducing order skips delta and notional; of gamma and vega it may push none beyond its limit."""
        reducing = self.reducing(instrument.underlying, unit.delta * side * size)
        limits = self._settings.limits
        index = self._exposure.index(instrument.underlying)
        most_delta = limits.delta_coins(index) if index else limits.delta
        for greek, limit, per_unit in (
            ("delta", most_delta, unit.delta),
            ("gamma", limits.gamma, unit.gamma),
            ("vega", limits.vega, unit.vega),
            ("notional", limits.notional, abs(unit.notional) * side),
        ):
            sums = self._exposure.of(instrument.underlying, greek)
            change = per_unit * side * size
            if reducing and (greek in ("delta", "notional") or change * sums.base <= 0.0):
                continue
            worst = sums.worst(change)
            if not worst <= limit:  # nor NaN
                return Held(
                    LIMITS[greek], f"{greek} would reach {worst:.4g} at worst, the limit is {limit:g}"
                )
        return None

    def reduces(self, instrument: Instrument, side: Side, lots: int, now_ns: int) -> bool:
        """An order that says it reduces is believed when its delta does."""
        try:
            unit = self._exposure.unit(instrument, now_ns)
        except LookupError:
            return False
        return self.reducing(instrument.underlying, unit.delta * side * float(instrument.size(lots)))

    def reducing(self, underlying: str, change: float) -> bool:
        """Whether a delta change brings |delta| down with every order in flight assumed filled.

        Positions and working orders count, signed quotes (which may never trade) do not help: the change
        must point against the delta at both ends of what is in flight, and must not exceed it.
        """
        sums = self._exposure.of(underlying, "delta")
        high, low = sums.base + sums.orders_up, sums.base + sums.orders_down
        tolerance = 1e-9 * max(1.0, abs(sums.base))
        if change < 0.0:
            return low > 0.0 and low + change >= -tolerance
        return high < 0.0 and high + change <= tolerance

    # --- commands ---

    @staticmethod
    def quote(rfq: Rfq, target: QuoteTarget, nonce: int, now_ns: int) -> SendQuote:
        return SendQuote(
            nonce=nonce,
            venue=rfq.venue,
            account=rfq.account,
            instrument=rfq.instrument,
            rfq_id=rfq.rfq_id,
            taker=rfq.taker,
            underlying=rfq.underlying,
            side=rfq.side,
            terms=rfq.terms,
            price_e18=target.price_e18,
            valid_until_s=now_ns // 1_000_000_000 + target.valid_for_s,
            delta=target.delta,
            gamma=target.gamma,
            vega=target.vega,
            why=target.why,
        )

    @staticmethod
    def place(
        order_id: int,
        instrument: Instrument,
        side: Side,
        ticks: int,
        lots: int,
        target: Target,
        slot: int,
        standing: Standing,
        now_ns: int,
    ) -> PlaceOrder:
        return PlaceOrder(
            order_id=order_id,
            venue=instrument.venue,
            account=standing.account,
            instrument=instrument.key,
            side=side,
            ticks=ticks,
            lots=lots,
            time_in_force=target.time_in_force,
            purpose=target.purpose,
            deadline_ns=now_ns + standing.deadline_ns,
            slot=slot,
            post_only=target.post_only,
            reduce_only=target.reduce_only,
            group=target.group,
            why=target.why,
        )

    def amend(
        self,
        standing: Standing,
        instrument: Instrument,
        order: Order,
        ticks: int,
        left: int,
        target: Target,
        now_ns: int,
    ) -> AmendOrder | Held:
        """The amend of a resting order to this price with `left` lots to fill, or why it may not be sent."""
        # Most amends move a price well inside the collar and grow nothing: `approve_order` has no objection.
        open_lots = order.lots - order.booked
        if not (standing.low <= ticks <= standing.high and instrument.min_lots <= left <= open_lots):
            held = self.approve_order(standing, instrument, order.side, ticks, left, now_ns, order)
            if held is not None:
                return held
        return AmendOrder(
            order_id=order.order_id,
            venue=order.venue,
            account=order.account,
            venue_order_id=order.venue_order_id,
            instrument=order.instrument,
            ticks=ticks,
            lots=order.booked + left,
            filled_lots=order.booked,
            purpose=target.purpose,
            deadline_ns=now_ns + standing.deadline_ns,
            why=target.why,
        )

    @staticmethod
    def cancel(order: Order, why: str) -> CancelOrder:
        return CancelOrder(
            order_id=order.order_id,
            venue=order.venue,
            account=order.account,
            instrument=order.instrument,
            venue_order_id=order.venue_order_id,
            why={"because": why},
        )
