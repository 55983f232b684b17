"""How far the delta may be from its target before it is hedged.

The book stands for one option: its gamma (change of coin delta per 1 % move) becomes coins per USD, and the
risk aversion is that of the whole book, per USD. Zakamouline's rule needs a volatility and a time as well:
those of the options held, weighted with their gammas; its target is the delta at the modified volatility.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from atomizer.domain.instruments import Kind
from atomizer.engine.pricing import NoPriceError, Priced
from atomizer.models.black import black76_greeks
from atomizer.models.hedge_bands import whalley_wilmott, zakamouline
from atomizer.strategies.hedging.settings import HedgerSettings

if TYPE_CHECKING:
    from atomizer.engine.core import Engine


EDGE_SLACK = 0.1  # of the half width


class Band(NamedTuple):
    """`half_width` and `shift` of the target, coins."""

    half_width: float
    shift: float = 0.0

    def trade(self, delta: float, *, to_edge: bool) -> float:
        """Signed coins to trade against a delta: 0 inside the band, and for less than a tenth of it beyond
        its edge, which would be traded again and again."""
        away = delta - self.shift
        if abs(away) <= self.half_width:
            return 0.0
        if not to_edge:
            return -away
        beyond = away - math.copysign(self.half_width, away)
        return -beyond if abs(beyond) > EDGE_SLACK * self.half_width else 0.0


def band(engine: Engine, underlying: str, settings: HedgerSettings, cost_rate: float) -> Band:
    """The band of the book as it stands; `cost_rate` is the one-way cost of the cheapest hedge."""
    index = engine.exposure.index(underlying)
    if index is None:
        return Band(settings.threshold)
    least = max(settings.threshold, settings.threshold_usd / index)
    if settings.band == "fixed":
        return Band(least)
    gamma = engine.exposure.net(underlying, "gamma") * 100.0 / index
    cost = max(cost_rate, 0.0)
    if settings.band == "whalley_wilmott":
        width = whalley_wilmott(index, gamma, 0.0, 0.0, cost, settings.risk_aversion)
        return Band(max(width, least))
    return _zakamouline(engine, underlying, settings, index, gamma, cost, least)


def _zakamouline(
    engine: Engine,
    underlying: str,
    settings: HedgerSettings,
    index: float,
    gamma: float,
    cost: float,
    least: float,
) -> Band:
    held = _options(engine, underlying)
    weight = sum(abs(size) * priced.gamma for size, priced, _strike, _call in held)
    if weight <= 0.0 or gamma == 0.0:
        return Band(least)
    sigma = sum(abs(size) * priced.gamma * priced.vol for size, priced, _strike, _call in held) / weight
    years = sum(abs(size) * priced.gamma * priced.tau for size, priced, _strike, _call in held) / weight
    found = zakamouline(
        index, gamma, sigma, years, 0.0, cost, settings.risk_aversion, "long" if gamma > 0.0 else "short"
    )
    width = max(found.half_width, least)
    if math.isnan(found.modified_sigma):
        return Band(width)
    ratio, shift = found.modified_sigma / sigma, 0.0
    for size, priced, strike, is_call in held:
        at = black76_greeks(priced.forward, strike, priced.tau, priced.vol * ratio, 0.0, is_call)[1]
        shift += size * (priced.delta - at)
    return Band(width, shift)


def _options(engine: Engine, underlying: str) -> list[tuple[float, Priced, float, bool]]:
    """(size, price, strike, call) of every option held that has a price now."""
    found = []
    for _holding, instrument, size in engine.ledger.held():
        if instrument.kind is not Kind.OPTION or instrument.underlying != underlying:
            continue
        try:
            priced = engine.exposure.price_option(instrument, engine.now_ns)
        except NoPriceError:
            continue
        found.append((float(size), priced, float(instrument.strike or 0), bool(instrument.is_call)))
    return found
