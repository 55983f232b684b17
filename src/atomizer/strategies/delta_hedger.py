"""Keeps an underlying's net delta inside a band with one hedge instrument.

The hedge is a target like any other: one immediate order per side, whose occupied slot is the proof that two
hedges cannot overlap. When it is done with its fills booked the hedger restates from exposure. The side is
opposite to the exposure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from atomizer.domain.bookings import CashMove, Fill, PositionMove, Reversal, RfqTrade
from atomizer.domain.events import Event, FeedUp, OrderEnded, OrderNotFound, PlaceRefused
from atomizer.domain.instruments import Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.engine.market import NEVER
from atomizer.engine.settings import HedgeMarket
from atomizer.engine.strategy import Level, Target

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
WAKING = (Fill, RfqTrade, CashMove, PositionMove, Reversal, OrderEnded, OrderNotFound, PlaceRefused, FeedUp)


class HedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`threshold` and `naked_stop` in coins; of `threshold` and `threshold_usd` the wider counts.

    `cross_bps`: how far through the touch an order may reach.

    `ratio` 1.0 hedges everything. Past `alarm_ms` with more than `naked_stop` unhedged, quoting on the
    underlying stops until the delta is back in the band.
    """

    enabled: bool = True
    ratio: float = 1.0
    threshold: float = 0.05
    threshold_usd: float = 0.0
    cross_bps: float = 10.0
    check_ms: int = 250
    retry_ms: int = 100
    alarm_ms: int = 5_000
    naked_stop: float = 1.0


class DeltaHedger:
    """A `Strategy` over one hedge market."""

    def __init__(self, settings: HedgerSettings, market: HedgeMarket, number: int) -> None:
        self.settings = settings
        self.market = market
        self.number = number
        self.name = f"delta-hedger/{market.underlying}"
        self._next_ns = 0
        self._naked_since_ns: int | None = None

    def claims(self) -> tuple[str, ...]:
        return ()

    def wants(self, event: Event) -> bool:
        return isinstance(event, WAKING)

    def next_deadline(self) -> int:
        return self._next_ns if self.settings.enabled else NEVER

    def decide(self, engine: Engine) -> Mapping[Level, Target] | None:
        """One immediate order towards a flat book, or nothing inside the band.

        No opinion while an account was never read or a position never priced: the delta is not known.
        """
        self._next_ns = engine.now_ns + self.settings.check_ms * MS
        if not self.settings.enabled:
            return {}
        if not engine.opened or self.market.underlying in engine.exposure.unknown:
            return None
        delta = engine.net_delta(self.market.underlying)
        threshold = self._threshold(engine)
        self._alarm(engine, delta, threshold)
        excess = delta * self.settings.ratio
        if abs(excess) <= threshold:
            return {}
        return self._order(engine, delta, excess)

    def _order(self, engine: Engine, delta: float, excess: float) -> Mapping[Level, Target] | None:
        instrument = engine.market.instruments.get(self.market.instrument)
        book = engine.market.usable_book(self.market.instrument, engine.now_ns)
        if instrument is None or book is None or book.best_bid is None or book.best_ask is None:
            return None
        mid = 0.5 * (book.best_bid + book.best_ask)
        side = Side.SELL if excess > 0.0 else Side.BUY
        touch = book.best_ask if side is Side.BUY else book.best_bid
        price = touch * (1.0 + side * self.settings.cross_bps * 1e-4)
        mark = engine.exposure.future_mark(instrument)
        size = abs(excess) * (mark if instrument.size_in_quote else 1.0)
        return {
            Level(instrument.key, side): Target(
                price=price,
                size=size,
                life_ns=1_000 * MS,
                time_in_force=TimeInForce.IOC,
                purpose=Purpose.HEDGE,
                group=f"hedge/{self.market.underlying}",
                retry_ns=self.settings.retry_ms * MS,
                why={"mid": mid, "net_delta": delta, "hedge": -excess, "mark": mark},
            )
        }

    def _threshold(self, engine: Engine) -> float:
        """Coins; without an index the configured ones alone."""
        index = engine.exposure.index(self.market.underlying)
        in_usd = self.settings.threshold_usd / index if index else 0.0
        return max(self.settings.threshold, in_usd)

    def _alarm(self, engine: Engine, delta: float, threshold: float) -> None:
        """A hedge that does not come stops quoting on the underlying and says what is naked."""
        underlying, naked = self.market.underlying, engine.halts.naked
        if abs(delta) <= max(self.settings.naked_stop, threshold):
            self._naked_since_ns = None
            naked.pop(underlying, None)
            return
        if self._naked_since_ns is None:
            self._naked_since_ns = engine.now_ns
        elif engine.now_ns - self._naked_since_ns > self.settings.alarm_ms * MS:
            index = engine.exposure.index(underlying) or 0.0
            naked[underlying] = f"{delta:.4f} {underlying} unhedged, {abs(delta) * index:.0f} USD naked"
