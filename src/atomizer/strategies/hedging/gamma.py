"""Gamma through listed options: a share of what lies beyond a threshold, where it pays.

Option books are not dumped: one immediate order at a time, in the listed option whose gamma costs least, no
larger than what rests at its touch, and only while the variance it saves over the horizon is worth more than
half the spread and the fees. The delta it brings is the delta hedge's next statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from atomizer.domain.instruments import Instrument, Kind, Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.engine.market import Touch
from atomizer.engine.pricing import NoPriceError, Priced
from atomizer.engine.settings import HedgeMarket
from atomizer.engine.strategy import Level, Target
from atomizer.models.hedge_targets import gamma_hedge_saving
from atomizer.strategies.hedging.costs import liquidity, reachable
from atomizer.strategies.hedging.settings import HedgerSettings
from atomizer.strategies.hedging.tries import Tries

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
LOOK_EVERY_NS = 1_000 * MS  # the whole chain is priced for a choice
TAKE = 0  # level of an immediate order's slot
TAKE_LIFE_NS = 1_000 * MS
HOURS_PER_YEAR = 8_760.0
CENT = 0.01  # gamma counts per 1 % move


class Choice(NamedTuple):
    """One listed option that could take gamma now; `gamma` per unit as change of coin delta per 1 % move,
    `cost` in USD per unit: half the spread and the fee."""

    instrument: Instrument
    priced: Priced
    touch: Touch
    gamma: float
    cost: float


class GammaHedge:
    """States at most one order; remembers nothing that a restart would miss but when it last chose."""

    def __init__(self, market: HedgeMarket, settings: HedgerSettings, tries: Tries) -> None:
        self._market = market
        self._settings = settings
        self._tries = tries
        self._next_ns = 0

    def targets(self, engine: Engine) -> dict[Level, Target]:
        """One immediate order towards the threshold; nothing while an option hedge is on its way."""
        settings, underlying = self._settings, self._market.underlying
        gamma = engine.exposure.net(underlying, "gamma")
        if not settings.gamma or abs(gamma) <= settings.gamma_threshold or self._under_way(engine):
            return {}
        index = engine.exposure.index(underlying)
        if index is None or engine.now_ns < self._next_ns:
            return {}
        self._next_ns = engine.now_ns + LOOK_EVERY_NS
        side = Side.SELL if gamma > 0.0 else Side.BUY
        choices = list(self._choices(engine, index))
        if not choices:
            return {}
        best = min(choices, key=lambda item: (item.cost / item.gamma, item.instrument.key))
        want = abs(gamma) * settings.gamma_ratio / best.gamma
        there = best.touch.ask_size if side is Side.BUY else best.touch.bid_size
        lots = int(min(want, there) / float(best.instrument.lot))
        if lots < best.instrument.min_lots:
            return {}
        size = float(best.instrument.size(lots))
        if self._saving(gamma, side * size * best.gamma, best.priced, index) <= size * best.cost:
            return {}
        return self._state(best, side, size, gamma)

    def _under_way(self, engine: Engine) -> bool:
        instruments = engine.ledger.instruments
        return any(
            order.purpose is Purpose.HEDGE
            and order.owed
            and instruments[order.instrument].kind is Kind.OPTION
            and instruments[order.instrument].underlying == self._market.underlying
            for order in engine.ledger.orders.values()
        )

    def _choices(self, engine: Engine, index: float) -> Iterator[Choice]:
        """Listed options with a live touch, liquid enough, that do not keep refusing."""
        market = self._market
        if not reachable(engine, market.venue, market.account):
            return
        for instrument in engine.market.instruments.values():
            if instrument.kind is not Kind.OPTION or instrument.venue != market.venue or not instrument.open:
                continue
            if instrument.underlying != market.underlying or (instrument.expiry_ns or 0) <= engine.now_ns:
                continue
            touch = engine.market.touch(instrument.key, engine.now_ns)
            if touch is None or self._tries.passed_over(instrument.key, engine.now_ns):
                continue
            if liquidity(engine, instrument, touch, index) < self._settings.min_liquidity_score:
                continue
            try:
                unit = engine.exposure.unit(instrument, engine.now_ns)
                priced = engine.exposure.price_option(instrument, engine.now_ns)
            except NoPriceError:
                continue
            if unit.gamma <= 0.0:
                continue
            coin = index if instrument.inverse else 1.0
            cost = (0.5 * (touch.ask - touch.bid) + instrument.taker_fee) * coin
            yield Choice(instrument, priced, touch, unit.gamma, cost)

    def _saving(self, before: float, change: float, priced: Priced, index: float) -> float:
        """USD that the variance taken away is worth over the horizon."""
        per_usd = 1.0 / (CENT * index)
        hours = self._settings.holding_h
        return gamma_hedge_saving(
            before * per_usd,
            (before + change) * per_usd,
            sigma=priced.vol,
            forward=priced.forward,
            rehedge_years=self._settings.gamma_rehedge_h / HOURS_PER_YEAR,
            horizon_years=hours / HOURS_PER_YEAR,
            risk_aversion=self._settings.risk_aversion,
        )

    def _state(self, best: Choice, side: Side, size: float, gamma: float) -> dict[Level, Target]:
        touch = best.touch
        return {
            Level(best.instrument.key, side, TAKE): Target(
                price=touch.ask if side is Side.BUY else touch.bid,
                size=size,
                life_ns=TAKE_LIFE_NS,
                time_in_force=TimeInForce.IOC,
                purpose=Purpose.HEDGE,
                group=f"hedge/{self._market.underlying}",
                retry_ns=self._settings.retry_ms * MS,
                why={
                    "because": "gamma",
                    "net_gamma": gamma,
                    "unit_gamma": best.gamma,
                    "mid": 0.5 * (touch.bid + touch.ask),
                    "forward": best.priced.forward,
                    "vol": best.priced.vol,
                },
            )
        }
