"""Where a session's P&L came from, read from its journal alone.

Edge is fair value at decision less the price paid; hedge cost is the fill against the mid at decision; what
positions then earn is split by start-of-interval greeks between the marks that the node wrote. A coin
account earns coins: they count at the rate of the moment, and their drift afterwards is `fx`. The total is
measured elsewhere, from the venues' equity; the residual is the only plug.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from atomizer.domain.bookings import CashMove, Fill, PositionMove, RfqTrade
from atomizer.domain.commands import InstrumentUsed, Marks, PlaceOrder, RunStarted, SendQuote, number_in
from atomizer.domain.instruments import Instrument, Kind
from atomizer.models.black import black76_greeks

YEAR_NS = 365 * 86_400 * 1_000_000_000
PARTS = ("edge", "hedge", "fees", "delta", "gamma", "vega", "theta", "fx")


class Inputs(NamedTuple):
    """What a position was last valued at: forward (a future's mark), vol, time; `value` once expired, USD."""

    forward: float
    vol: float
    ts_ns: int
    value: float = 0.0


@dataclass(slots=True)
class Lot:
    """Signed size and the inputs it counts from."""

    size: float
    inputs: Inputs


@dataclass(slots=True)
class Parts:
    """USD."""

    edge: float = 0.0
    hedge: float = 0.0
    fees: float = 0.0
    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0
    fx: float = 0.0

    def total(self) -> float:
        return float(sum(getattr(self, name) for name in PARTS))

    def gross(self) -> float:
        return float(sum(abs(getattr(self, name)) for name in PARTS))


@dataclass(slots=True)
class Attribution:
    """Feed records in journal order with their times; `parts` is current after each `Marks`."""

    parts: Parts = field(default_factory=Parts)
    index: dict[str, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    _instruments: dict[str, Instrument] = field(default_factory=dict)
    _quotes: dict[tuple[str, str, int], tuple[SendQuote, int]] = field(default_factory=dict)
    _orders: dict[int, tuple[PlaceOrder, int]] = field(default_factory=dict)
    _held: dict[str, list[Lot]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _coins: dict[str, float] = field(default_factory=dict)
    _spot: dict[str, float] = field(default_factory=dict)
    _in_usd: set[str] = field(default_factory=set)

    def feed(self, record: Any, ts_ns: int) -> None:
        """Take one journal record."""
        if isinstance(record, InstrumentUsed):
            self._instruments[record.instrument.key] = record.instrument
        elif isinstance(record, SendQuote):
            self._quotes[record.venue, record.account, record.nonce] = (record, ts_ns)
        elif isinstance(record, PlaceOrder):
            self._orders[record.order_id] = (record, ts_ns)
        elif isinstance(record, RfqTrade):
            self._rfq_trade(record)
        elif isinstance(record, Fill):
            self._fill(record, ts_ns)
        elif isinstance(record, (PositionMove, CashMove)):
            self._move(record)
        elif isinstance(record, RunStarted):
            sections = record.settings.items()
            self._in_usd = {name for name, section in sections if _numeraire(section) == "usd"}
        elif isinstance(record, Marks):
            self._mark(record, ts_ns)

    # --- trades ---

    def _new(self, key: str) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _rfq_trade(self, trade: RfqTrade) -> None:
        quoted = self._quotes.get((trade.venue, trade.account, trade.nonce))
        if quoted is None or not self._new(f"{trade.venue}/{trade.account}/{trade.nonce}"):
            return
        quote, sent_ns = quoted
        size = int(trade.side) * float(trade.size)
        price = float(trade.price) if trade.price is not None else quote.price_e18 * 1e-18
        why = quote.why
        self.parts.edge += size * (number_in(why, "ratio", 1.0) * number_in(why, "fair") - price)
        inputs = Inputs(number_in(why, "forward"), number_in(why, "vol"), sent_ns)
        self._held.setdefault(trade.instrument, []).append(Lot(size, inputs))

    def _fill(self, fill: Fill, ts_ns: int) -> None:
        key = f"{fill.venue}/{fill.account}/{fill.instrument}/{fill.trade_id}/{fill.order_id}/{fill.leg}"
        instrument = self._instruments.get(fill.instrument)
        if instrument is None or not self._new(key):
            return
        known = self._orders.get(fill.order_id)
        mid = number_in(known[0].why, "mid", float(fill.price)) if known else float(fill.price)
        size = int(fill.side) * float(fill.size)
        rate = self._rate(instrument)
        if instrument.inverse and instrument.kind is not Kind.OPTION:
            gained = size * (1.0 / float(fill.price) - 1.0 / mid)
        else:
            gained = size * (mid - float(fill.price)) * float(instrument.contract_size)
        self.parts.hedge += self._earn(fill.venue, instrument, gained, rate)
        if fill.fee:
            self.parts.fees += self._earn(fill.venue, instrument, -float(fill.fee), rate)
        at = Inputs(mid, 0.0, ts_ns)
        if instrument.kind is Kind.OPTION and known is not None:
            at = Inputs(number_in(known[0].why, "forward", mid), number_in(known[0].why, "vol", 0.0), ts_ns)
        self._held.setdefault(fill.instrument, []).append(Lot(size, at))

    def _move(self, move: PositionMove | CashMove) -> None:
        """An option that is gone earns nothing more; coins in an account that counts in USD drift."""
        if isinstance(move, PositionMove):
            if self._held.get(move.instrument) and self._new(f"{move.instrument}/{move.reference}"):
                self._held[move.instrument] = []
        elif move.venue in self._in_usd and self._new(f"{move.venue}/{move.kind}/{move.reference}"):
            self._spot[move.currency] = self._spot.get(move.currency, 0.0) + float(move.amount)

    def _rate(self, instrument: Instrument) -> float:
        return self.rates.get(instrument.underlying, 0.0) if self._in_coin(instrument) else 1.0

    @staticmethod
    def _in_coin(instrument: Instrument) -> bool:
        return instrument.settlement == instrument.underlying

    def _earn(self, venue: str, instrument: Instrument, amount: float, rate: float) -> float:
        """Book an amount of settlement currency; coins are kept for their later drift."""
        if self._in_coin(instrument):
            purse = f"{venue}/{instrument.underlying}"
            self._coins[purse] = self._coins.get(purse, 0.0) + amount
        return amount * rate

    # --- marks ---

    def _mark(self, marks: Marks, ts_ns: int) -> None:
        before = dict(self.rates)
        self.rates.update(marks.index)
        self.index.update(marks.index)
        for purse, coins in self._coins.items():
            underlying = purse.rpartition("/")[2]
            if underlying in before:
                self.parts.fx += coins * (self.rates[underlying] - before[underlying])
        for currency, coins in self._spot.items():
            if currency in before:
                self.parts.delta += coins * (self.rates[currency] - before[currency])
        for key, lots in self._held.items():
            valued = marks.instruments.get(key)
            if valued is None:
                continue
            now = Inputs(valued[0], valued[1], ts_ns, valued[2])
            instrument = self._instruments[key]
            for lot in lots:
                self._carry(instrument, lot, now)
            whole = sum(lot.size for lot in lots)
            self._held[key] = [Lot(whole, now)] if whole else []

    def _carry(self, instrument: Instrument, lot: Lot, now: Inputs) -> None:
        """Split one lot's change of value between two valuations."""
        rate = self._rate(instrument)
        venue = instrument.venue
        if instrument.kind is not Kind.OPTION:
            if instrument.inverse:
                gained = lot.size * (1.0 / lot.inputs.forward - 1.0 / now.forward)
            else:
                gained = lot.size * (now.forward - lot.inputs.forward) * float(instrument.contract_size)
            self.parts.delta += self._earn(venue, instrument, gained, rate)
            return
        expired = (instrument.expiry_ns or 0) <= now.ts_ns
        split = (
            self._expired(instrument, lot.inputs, now)
            if expired
            else self._greeks(instrument, lot.inputs, now)
        )
        for name, amount in split.items():
            value = self._earn(venue, instrument, lot.size * amount, rate)
            setattr(self.parts, name, getattr(self.parts, name) + value)

    @staticmethod
    def _expired(instrument: Instrument, start: Inputs, now: Inputs) -> dict[str, float]:
        """Per unit, USD, of an option that became an exchange: what its fixing made of it, then its coins."""
        if start.ts_ns >= (instrument.expiry_ns or 0):
            return {"delta": now.value - start.value}
        ratio, strike = float(instrument.per_token), float(instrument.strike or Decimal(0))
        tau = ((instrument.expiry_ns or 0) - start.ts_ns) / YEAR_NS
        price, delta, *_ = black76_greeks(
            start.forward, strike / ratio, tau, start.vol, 0.0, bool(instrument.is_call)
        )
        moved = ratio * delta * (now.forward - start.forward)
        return {"delta": moved, "theta": now.value - ratio * price - moved}

    @staticmethod
    def _greeks(instrument: Instrument, start: Inputs, now: Inputs) -> dict[str, float]:
        """Per unit: USD, or coins for a coin-settled option."""
        ratio = float(instrument.per_token)
        strike = float(instrument.strike or Decimal(0)) / ratio
        tau = ((instrument.expiry_ns or 0) - start.ts_ns) / YEAR_NS
        price, delta, gamma, vega, theta, *_ = black76_greeks(
            start.forward, strike, tau, start.vol, 0.0, bool(instrument.is_call)
        )
        move, dvol, dt = now.forward - start.forward, now.vol - start.vol, (now.ts_ns - start.ts_ns) / YEAR_NS
        if instrument.inverse:
            coin = price / start.forward
            gamma = gamma / start.forward - 2.0 * (delta - coin) / start.forward**2
            delta = (delta - coin) / start.forward
            vega, theta = vega / start.forward, theta / start.forward
        return {
            "delta": ratio * delta * move,
            "gamma": ratio * 0.5 * gamma * move * move,
            "vega": ratio * vega * dvol,
            "theta": ratio * theta * dt,
        }


def _numeraire(section: Any) -> str:
    return str(section.get("numeraire", "")) if isinstance(section, dict) else ""
