"""What each trade was charged, what its hedge cost, and what is still to be paid for it: from the journal.

A price contains the costs of carrying the option and its hedge to the end, and an edge. After five minutes
most of those costs are still to come, so a session's P&L flatters it by what is *due*: the exit of the hedge,
delivery and fixing in full, re-hedging and carry for the time that is left. `net` is the P&L less that.

The hedge of a trade is the first order against its delta after it. What it paid (fill against the mid at
decision, and fees) is set against half the round trip that the quote charged for the same delta.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from atomizer.domain.bookings import Fill, RfqTrade
from atomizer.domain.commands import InstrumentUsed, PlaceOrder, SendQuote, number_in
from atomizer.domain.instruments import Instrument
from atomizer.domain.orders import Purpose

HEDGE_COSTS = ("cost_hedge", "cost_rebalancing", "cost_carry", "cost_fixing", "cost_delivery")
OVER_TIME = ("cost_rebalancing", "cost_carry")
HEDGED_WITHIN_NS = 10_000_000_000
DAY_NS = 86_400_000_000_000


@dataclass(slots=True)
class Charged:
    """One trade of ours. USD for the whole size; `delta` in coins, `rate` one way as a fraction of value."""

    rfq_id: str
    underlying: str
    ts_ns: int
    delta: float
    value: float
    charged: float
    hedging: float
    entry: float
    over_time: float
    left_ns: float
    realised: float | None = None

    def due(self, now_ns: int) -> float:
        """Costs of hedging that were charged and are still to come."""
        passed = min((now_ns - self.ts_ns) / self.left_ns, 1.0)
        return self.hedging - self.entry - self.over_time * passed


@dataclass(slots=True)
class Paid:
    """One hedge order: when, against which delta, and what it paid per USD traded."""

    underlying: str
    ts_ns: int
    side: int
    traded: float = 0.0
    cost: float = 0.0


@dataclass(slots=True)
class Economics:
    """Feed records in journal order, then `finish`."""

    trades: list[Charged] = field(default_factory=list)
    hedges: dict[int, Paid] = field(default_factory=dict)
    _quotes: dict[tuple[str, str, int], SendQuote] = field(default_factory=dict)
    _instruments: dict[str, Instrument] = field(default_factory=dict)
    _mids: dict[int, float] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def feed(self, record: Any, ts_ns: int) -> None:
        """Take one journal record."""
        if isinstance(record, InstrumentUsed):
            self._instruments[record.instrument.key] = record.instrument
        elif isinstance(record, SendQuote):
            self._quotes[record.venue, record.account, record.nonce] = record
        elif isinstance(record, RfqTrade):
            self._trade(record, ts_ns)
        elif isinstance(record, PlaceOrder) and record.purpose is Purpose.HEDGE:
            instrument = self._instruments[record.instrument]
            self.hedges[record.order_id] = Paid(instrument.underlying, ts_ns, int(record.side))
            self._mids[record.order_id] = number_in(record.why, "mid", 0.0)
        elif isinstance(record, Fill):
            self._fill(record)

    def _trade(self, trade: RfqTrade, ts_ns: int) -> None:
        quote = self._quotes.get((trade.venue, trade.account, trade.nonce))
        key = f"{trade.venue}/{trade.account}/{trade.nonce}"
        if quote is None or key in self._seen:
            return
        self._seen.add(key)
        size, why = float(trade.size), quote.why
        price = float(trade.price) if trade.price is not None else quote.price_e18 * 1e-18
        ratio = number_in(why, "ratio", 1.0)  # fair value and costs are per coin, a price is per token
        costs = {name: number_in(why, name, 0.0) * ratio * size for name in HEDGE_COSTS}
        self.trades.append(
            Charged(
                rfq_id=quote.rfq_id,
                underlying=quote.underlying,
                ts_ns=ts_ns,
                delta=quote.delta * size,
                value=abs(quote.delta) * size * number_in(why, "index"),
                charged=int(trade.side) * size * (ratio * number_in(why, "fair") - price),
                hedging=sum(costs.values()),
                entry=0.5 * costs["cost_hedge"],
                over_time=sum(costs[name] for name in OVER_TIME),
                left_ns=max(number_in(why, "tau_days") * DAY_NS, 1.0),
            )
        )

    def _fill(self, fill: Fill) -> None:
        hedge = self.hedges.get(fill.order_id)
        instrument = self._instruments.get(fill.instrument)
        key = f"{fill.venue}/{fill.account}/{fill.instrument}/{fill.trade_id}/{fill.leg}"
        if hedge is None or instrument is None or key in self._seen:
            return
        self._seen.add(key)
        price, size = float(fill.price), float(fill.size) * float(instrument.contract_size)
        mid = self._mids[fill.order_id] or price
        traded = size if instrument.size_in_quote else size * price
        fee = float(fill.fee) * (price if fill.fee_currency == instrument.underlying else 1.0)
        hedge.traded += traded
        hedge.cost += traded * int(fill.side) * (price - mid) / mid + fee

    def finish(self) -> None:
        """Match hedges to trades."""
        for trade in self.trades:
            trade.realised = self._realised(trade)

    def _realised(self, trade: Charged) -> float | None:
        """What the hedge of this trade's delta paid; None where another trade took its place."""
        for hedge in self.hedges.values():
            late_ns = hedge.ts_ns - trade.ts_ns
            if hedge.underlying != trade.underlying or late_ns < 0 or not hedge.traded:
                continue
            if late_ns > HEDGED_WITHIN_NS:
                return None
            if hedge.side * trade.delta < 0.0:
                return hedge.cost / hedge.traded * trade.value
        return None

    def report(self, total: float, paid: float, now_ns: int) -> dict[str, float]:
        """USD over the session until `now_ns`. `total`: its P&L; `paid`: by its hedges, fees included."""
        hedged = [trade for trade in self.trades if trade.realised is not None]
        charged, hedging = _sum(self.trades, "charged"), _sum(self.trades, "hedging")
        due = sum(trade.due(now_ns) for trade in self.trades)
        return {
            "charged": charged,
            "edge": charged - hedging,
            "due": due,
            "net": total - due,
            "net_of_hedge": total + paid - hedging,
            "hedged_trades": len(hedged),
            "hedge_charged": _sum(hedged, "entry"),
            "hedge_realised": sum(trade.realised or 0.0 for trade in hedged),
        }


def _sum(trades: Sequence[Charged], name: str) -> float:
    return float(sum(getattr(trade, name) for trade in trades))
