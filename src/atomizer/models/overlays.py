"""Heuristic adjustments around the core quote formulas: each dimension-correct, switchable, off by default.

They change what goes *into* Avellaneda-Stoikov or GLFT (gamma, sigma) or shift and widen what comes out
(price units); the core formulas never know them. With `OverlaySettings()` everything passes through
unchanged. Ideas from the Thalex quoter page, whose formulas add numbers of different dimension: there
"VAMP" is signed flow times price, here it is a signed share of flow times a volatility.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from atomizer.models.inputs import finite, non_negative, positive
from atomizer.models.volume_candles import Signals

MAX_VOLUME_VOLATILITY = 0.2  # the documented "up to 20 %" when the weight is 1


class OverlaySettings(NamedTuple):
    """Weights; 0 switches an overlay off, so nothing is on by default. All are dimensionless.

    Attributes:
        pressure: price shift per unit of flow imbalance, in standard deviations over one candle.
        momentum: price shift per unit of momentum, same unit.
        reversal: share of the momentum shift taken away by a full reversal signal.
        exhaustion: share of pressure and momentum taken away by a full exhaustion signal.
        volume_volatility: sigma is raised by up to 20 % times this.
        dynamic_gamma: gamma times 1 + weight sigma / sigma_baseline.
        stress: gamma times 1 + weight (spread / usual spread - 1), at most max_stress.
        market_impact: half spread wider by weight sigma sqrt(size / volume rate).
        volume: half spread times 1 + weight (usual volume rate / volume rate - 1), at most max_volume_factor.
        inventory_cost: shift against the position by weight gamma sigma^2 q times the time held.
        max_shift_touches: bound of all shifts together, in half spreads of the touch.
    """

    pressure: float = 0.0
    momentum: float = 0.0
    reversal: float = 0.0
    exhaustion: float = 0.0
    volume_volatility: float = 0.0
    dynamic_gamma: float = 0.0
    stress: float = 0.0
    market_impact: float = 0.0
    volume: float = 0.0
    inventory_cost: float = 0.0
    max_shift_touches: float = 1.0
    max_stress: float = 5.0
    max_volume_factor: float = 3.0


class MarketState(NamedTuple):
    """What the overlays look at.

    Attributes:
        sigma, sigma_baseline: price units per sqrt(second).
        gamma: 1/currency.
        q: inventory, coins.
        seconds_held: since the position was flat or of the other sign.
        half_spread, usual_half_spread: of the others' touch, price units.
        volume_rate, usual_volume_rate: traded volume per second.
        order_size: our size, unit of the volume.
    """

    sigma: float
    sigma_baseline: float
    gamma: float
    q: float
    seconds_held: float
    half_spread: float
    usual_half_spread: float
    volume_rate: float
    usual_volume_rate: float
    order_size: float


class Adjusted(NamedTuple):
    """Inputs for the core formula and what to do with its output; the parts are for the explanation of a
    quote.

    shift: add to the reservation price. widen_factor, widen_add: half spread becomes half * factor + add.
    """

    gamma: float
    sigma: float
    shift: float
    widen_factor: float
    widen_add: float
    pressure_shift: float
    momentum_shift: float
    inventory_shift: float

    def quote(self, reservation: float, half_spread: float) -> tuple[float, float]:
        """(bid, ask) after shifting and widening, price units."""
        half = half_spread * self.widen_factor + self.widen_add
        centre = reservation + self.shift
        return centre - half, centre + half


def adjust(settings: OverlaySettings, state: MarketState, signals: Signals | None) -> Adjusted:
    """Apply the overlays that are switched on.

    Args:
        settings: weights, 0 is off.
        state: the market and our inventory.
        signals: of the volume candles; None (not warm) makes the overlays that need them neutral.

    Raises:
        ModelInputError: a weight below 0, a state outside its domain.
    """
    _checked(settings, state)
    sigma = state.sigma * volatility_factor(settings, signals)
    gamma = state.gamma * gamma_factor(settings, state) * stress_factor(settings, state)
    pressure, momentum = flow_shifts(settings, sigma, signals)
    held = -settings.inventory_cost * gamma * sigma**2 * state.q * state.seconds_held
    bound = settings.max_shift_touches * state.half_spread
    return Adjusted(
        gamma,
        sigma,
        min(max(pressure + momentum + held, -bound), bound),
        volume_factor(settings, state),
        impact(settings, sigma, state),
        pressure,
        momentum,
        held,
    )


def volatility_factor(settings: OverlaySettings, signals: Signals | None) -> float:
    """Volume-enhanced volatility: 1 + 0.2 weight times the candles' volatility signal."""
    return 1.0 + MAX_VOLUME_VOLATILITY * settings.volume_volatility * signals.volatility if signals else 1.0


def gamma_factor(settings: OverlaySettings, state: MarketState) -> float:
    """Dynamic gamma: 1 + weight sigma / sigma_baseline."""
    return 1.0 + settings.dynamic_gamma * state.sigma / state.sigma_baseline


def stress_factor(settings: OverlaySettings, state: MarketState) -> float:
    """Market stress: 1 + weight times the excess of the touch over its usual width, at most `max_stress`."""
    excess = max(state.half_spread / state.usual_half_spread - 1.0, 0.0)
    return min(1.0 + settings.stress * excess, settings.max_stress)


def flow_shifts(settings: OverlaySettings, sigma: float, signals: Signals | None) -> tuple[float, float]:
    """(pressure, momentum) shifts in price: signals times one candle's standard deviation."""
    if signals is None:
        return 0.0, 0.0
    scale = sigma * math.sqrt(signals.seconds)
    alive = 1.0 - min(settings.exhaustion, 1.0) * signals.exhaustion
    kept = 1.0 - min(settings.reversal, 1.0) * signals.reversal
    return (
        settings.pressure * signals.imbalance * scale * alive,
        settings.momentum * signals.momentum * scale * alive * kept,
    )


def impact(settings: OverlaySettings, sigma: float, state: MarketState) -> float:
    """Extra half spread, price: square-root law, sigma times the root of the time our size takes to trade."""
    return settings.market_impact * sigma * math.sqrt(state.order_size / state.volume_rate)


def volume_factor(settings: OverlaySettings, state: MarketState) -> float:
    """Factor on the half spread in a market thinner than usual, at most `max_volume_factor`."""
    thin = max(state.usual_volume_rate / state.volume_rate - 1.0, 0.0)
    return min(1.0 + settings.volume * thin, settings.max_volume_factor)


def _checked(settings: OverlaySettings, state: MarketState) -> None:
    non_negative(**settings._asdict())
    non_negative(
        sigma=state.sigma,
        gamma=state.gamma,
        seconds_held=state.seconds_held,
        half_spread=state.half_spread,
        order_size=state.order_size,
    )
    positive(
        sigma_baseline=state.sigma_baseline,
        usual_half_spread=state.usual_half_spread,
        volume_rate=state.volume_rate,
        usual_volume_rate=state.usual_volume_rate,
    )
    finite(q=state.q)
