"""Keeps an underlying's net delta inside its band: the one hedger of that underlying.

Exposure is positions, hedges on their way and resales planned. Every hedge is a target in a slot, whose
occupied state is the proof that two hedges cannot overlap; a statement covers only what nothing on its way
covers, and is made anew from exposure whenever an order ended with its fills booked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from atomizer.domain.bookings import CashMove, Fill, PositionMove, Reversal, RfqTrade
from atomizer.domain.commands import Why
from atomizer.domain.events import Event, FeedDown, FeedUp, Operator, OrderEnded, OrderNotFound, PlaceRefused
from atomizer.domain.instruments import Kind
from atomizer.domain.orders import Purpose
from atomizer.engine.market import NEVER
from atomizer.engine.pricing import NoPriceError
from atomizer.engine.settings import HedgeMarket
from atomizer.engine.strategy import Level, Target
from atomizer.strategies.hedging.bands import band
from atomizer.strategies.hedging.gamma import GammaHedge
from atomizer.strategies.hedging.linear import LinearHedge
from atomizer.strategies.hedging.resale import Resales
from atomizer.strategies.hedging.runoff import RunOff
from atomizer.strategies.hedging.settings import HedgerSettings
from atomizer.strategies.hedging.tries import Tries
from atomizer.strategies.hedging.watch import HedgeWatch

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
WAKING = (
    Fill,
    RfqTrade,
    CashMove,
    PositionMove,
    Reversal,
    OrderEnded,
    OrderNotFound,
    PlaceRefused,
    FeedUp,
    FeedDown,
    Operator,
)


class Hedger:
    """A `Strategy` over one hedge market."""

    def __init__(self, settings: HedgerSettings, market: HedgeMarket, number: int) -> None:
        self.settings = settings
        self.market = market
        self.number = number
        self.name = f"hedger/{market.underlying}"
        self._tries = Tries(settings, number)
        self._linear = LinearHedge(market, settings, number, self._tries)
        self._resales = Resales(market, settings, number, self._tries)
        self._gamma = GammaHedge(market, settings, self._tries)
        self._run_off = RunOff(market.underlying)
        self._watch = HedgeWatch(market, settings)
        self._next_ns = 0
        self._open_ns: int | None = None

    def claims(self) -> tuple[str, ...]:
        """Where orders may rest: its instruments if it ever waits, listed options if it resells."""
        settings, market = self.settings, self.market
        found: list[str] = []
        if settings.order_type == "post_only" or settings.max_spread_bps:
            found += [item.instrument for item in market.instruments]
            found += [
                f"{venue}:{market.underlying}-*" for venue, _account in market.accounts if market.futures
            ]
        if settings.policy != "delta":
            found.append(f"{market.venue}:{market.underlying}-*")
        return tuple(dict.fromkeys(found))

    def wants(self, event: Event) -> bool:
        return isinstance(event, WAKING)

    def next_deadline(self) -> int:
        return self._next_ns if self.settings.enabled else NEVER

    def decide(self, engine: Engine) -> Mapping[Level, Target] | None:
        """Everything that should be under way towards the band.

        No opinion while an account was never read or a position never priced: the delta is not known.
        """
        settings, underlying = self.settings, self.market.underlying
        self._next_ns = engine.now_ns + settings.check_ms * MS
        if not settings.enabled:
            return {}
        self._tries.rearm(engine.letters.rearmed_ns.get(underlying, 0))
        self._tries.learn(engine)
        if not engine.opened:
            self._watch.blind(engine)
            return None
        if underlying in engine.exposure.unknown:
            return None
        try:
            targets = self._resales.targets(engine)
            targets.update(self._gamma.targets(engine))
            net = engine.net_delta(underlying)
            if settings.run_off:
                net += self._run_off.correction(engine)
        except NoPriceError:
            return None
        cost = self._linear.cost_rate(engine) if settings.band != "fixed" else 0.0
        zone = band(engine, underlying, settings, cost)
        open_delta = net + self._resales.planned
        want = zone.trade(open_delta * settings.ratio, to_edge=settings.band_to == "edge")
        uncovered = engine.ledger.groups.uncovered(underlying)
        group = uncovered[0] if uncovered else f"hedge/{underlying}"
        calm = not want and not self._resales.planned and not self._working(engine)
        self._watch.note(engine, net, open_delta, zone.half_width, group, calm=calm)
        if not want:
            self._open_ns = None
            self._linear.rest()
        elif self._gathered(engine.now_ns):
            why: Why = {"net_delta": net, "band": zone.half_width, "planned": self._resales.planned}
            targets.update(self._linear.targets(engine, want, zone.half_width, group, why))
        return targets

    def _working(self, engine: Engine) -> bool:
        """Whether a delta hedge of this underlying may still fill."""
        for order in engine.ledger.orders.values():
            if order.purpose is Purpose.HEDGE and order.owed:
                instrument = engine.ledger.instruments[order.instrument]
                if instrument.underlying == self.market.underlying and instrument.kind is not Kind.OPTION:
                    return True
        return False

    def _gathered(self, now_ns: int) -> bool:
        """Whether what came together has waited long enough to be hedged in one."""
        if self._open_ns is None:
            self._open_ns = now_ns
        due_ns = self._open_ns + self.settings.delay_ms * MS
        if now_ns >= due_ns:
            return True
        self._next_ns = min(self._next_ns, due_ns)
        return False
