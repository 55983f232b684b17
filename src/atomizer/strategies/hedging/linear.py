"""Delta through linear instruments: what to take where, what to rest, when to stop waiting.

A statement covers what is not on its way already: every hedge that may still fill counts as filled, so two
hedges never cover the same coin, whichever venue answers or does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from atomizer.domain.commands import Why
from atomizer.domain.instruments import Kind, Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.engine.ledger import Order
from atomizer.engine.pricing import NoPriceError
from atomizer.engine.settings import HedgeMarket
from atomizer.engine.strategy import Level, Target
from atomizer.strategies.hedging.costs import BPS, Candidate, candidate, listed, others_touch, reachable
from atomizer.strategies.hedging.settings import HedgerSettings
from atomizer.strategies.hedging.split import Part, split
from atomizer.strategies.hedging.tries import Tries

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
TAKE, REST = 0, 1  # levels of the hedger's slots: immediate orders, resting ones
TAKE_LIFE_NS, REST_LIFE_NS = 1_000 * MS, 2_000 * MS


class LinearHedge:
    """States hedges of an amount; remembers since when it waits for a better price."""

    def __init__(self, market: HedgeMarket, settings: HedgerSettings, number: int, tries: Tries) -> None:
        self._market = market
        self._settings = settings
        self._number = number
        self._tries = tries
        self._waiting_ns: int | None = None
        self._resting_on = ""

    def candidates(self, engine: Engine, side: Side) -> list[Candidate]:
        """What could take a hedge now; instruments that keep refusing only when no other is left."""
        found = []
        for item in listed(engine, self._market):
            instrument = engine.market.instruments.get(item.instrument)
            if instrument is None or not instrument.open or not reachable(engine, item.venue, item.account):
                continue
            made = candidate(engine, instrument, side, self._settings.holding_h)
            if made is not None:
                found.append(made)
        now_ns, home = engine.now_ns, self._market.hedge_venue
        willing = [
            item for item in found if not self._tries.passed_over(item.instrument.key, now_ns)
        ] or found
        return [item for item in willing if item.instrument.venue == home] or willing

    def cost_rate(self, engine: Engine) -> float:
        """One-way cost of the cheapest instrument, a fraction of value; 0 when there is none."""
        costs = [item.take_cost for side in (Side.BUY, Side.SELL) for item in self.candidates(engine, side)]
        return max(min(costs, default=0.0), 0.0)

    def rest(self) -> None:
        """Nothing is to be hedged: nothing waits."""
        self._waiting_ns, self._resting_on = None, ""

    def targets(
        self, engine: Engine, want: float, least: float, group: str, why: Why
    ) -> Mapping[Level, Target]:
        """Statement for `want` signed coins in all, those under way included; less than `least` is let be."""
        side = Side.BUY if want > 0.0 else Side.SELL
        candidates = self.candidates(engine, side)
        takers = self._takers(engine, candidates)
        rested = None if takers or not candidates else self._rested(candidates)
        try:
            left = want - self._under_way(engine, rested, side)
        except NoPriceError:
            return {}
        if left * want <= 0.0 or (rested is None and abs(left) < min(least, abs(want))):
            return {}
        if rested is not None:
            return self._rest(engine, rested, side, abs(left), group, why)
        if not takers:
            return {}
        index = engine.exposure.index(self._market.underlying) or takers[0].mid
        parts = split(abs(left), takers, side, self._settings.cross_bps, self._settings.slice_usd / index)
        return {
            Level(part.candidate.instrument.key, side, TAKE): self._take(engine, part, side, group, why)
            for part in parts
        }

    def _takers(self, engine: Engine, candidates: list[Candidate]) -> list[Candidate]:
        """Those whose spread may be crossed now. Where only a mark is known nothing can rest."""
        settings = self._settings
        widest = settings.max_spread_bps or float("inf")
        booked = [item for item in candidates if item.steps]
        if not booked:
            return candidates
        narrow = [item for item in booked if item.spread_bps <= widest]
        if settings.order_type == "ioc" and narrow:
            self.rest()
            return narrow
        if self._waiting_ns is None:
            self._waiting_ns = engine.now_ns
        overdue = engine.now_ns - self._waiting_ns >= settings.post_deadline_ms * MS
        return (narrow or booked) if overdue else []

    def _rested(self, candidates: list[Candidate]) -> Candidate:
        """Where to rest: on while that instrument can be used, else the cheapest to rest on."""
        booked = [item for item in candidates if item.steps]
        for item in booked:
            if item.instrument.key == self._resting_on:
                return item
        chosen = min(booked, key=lambda item: item.post_cost)
        self._resting_on = chosen.instrument.key
        return chosen

    def _under_way(self, engine: Engine, rested: Candidate | None, side: Side) -> float:
        """Coins that hedges on their way may still bring, all but the resting one that is restated."""
        total = 0.0
        for order in engine.ledger.orders.values():
            if order.purpose is not Purpose.HEDGE or not order.owed:
                continue
            instrument = engine.ledger.instruments[order.instrument]
            if instrument.underlying != self._market.underlying or instrument.kind is Kind.OPTION:
                continue
            if rested is not None and self._is_rested(engine, order, rested.instrument.key, side):
                continue
            unit = engine.exposure.unit(instrument, engine.now_ns).delta
            total += order.side * float(instrument.size(order.owed)) * unit
        return total

    def _is_rested(self, engine: Engine, order: Order, instrument: str, side: Side) -> bool:
        slot = engine.slots.of_strategy.get(self._number, {}).get(Level(instrument, side, REST))
        return slot is not None and slot.order is order

    def _take(self, engine: Engine, part: Part, side: Side, group: str, why: Why) -> Target:
        item = part.candidate
        return Target(
            price=part.limit,
            size=part.coins / abs(item.unit),
            life_ns=TAKE_LIFE_NS,
            time_in_force=TimeInForce.IOC,
            purpose=Purpose.HEDGE,
            group=group,
            retry_ns=self._settings.retry_ms * MS,
            why={**why, **_terms(engine, item), "hedge": side * part.coins, "cost_bps": part.cost / BPS},
        )

    def _rest(
        self, engine: Engine, item: Candidate, side: Side, coins: float, group: str, why: Why
    ) -> Mapping[Level, Target]:
        """One resting order at the touch of others, not nearer to the mid than the target spread says."""
        level = Level(item.instrument.key, side, REST)
        slot = engine.slots.of_strategy.get(self._number, {}).get(level)
        order = slot.order if slot is not None else None
        grid = item.instrument.grid
        own = None
        if order is not None and order.owed:
            own = (float(grid.price(order.ticks)), float(item.instrument.size(order.owed)))
        touch = others_touch(engine.market.books[item.instrument.key], own, side) or item.mid
        away = item.mid * (1.0 - side * 0.5 * self._settings.target_spread_bps * BPS)
        price = min(touch, away) if side is Side.BUY else max(touch, away)
        return {
            level: Target(
                price=price,
                size=coins / abs(item.unit),
                life_ns=REST_LIFE_NS,
                purpose=Purpose.HEDGE,
                post_only=True,
                group=group,
                why={
                    **why,
                    **_terms(engine, item),
                    "hedge": side * coins,
                    "cost_bps": item.post_cost / BPS,
                },
            )
        }


def _terms(engine: Engine, item: Candidate) -> Why:
    """What the journal keeps of the market a hedge met."""
    mark = engine.exposure.future_mark(item.instrument) if item.instrument.kind is not Kind.SPOT else item.mid
    return {"mid": item.mid, "mark": mark, "spread_bps": item.spread_bps}
