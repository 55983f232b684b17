"""The simulated world of Avellaneda and Stoikov (2008), and their published table beside ours.

Each step of dt: quotes from the state at t; each side fills one unit independently with probability
lambda(delta) dt (not 1 - exp(-lambda dt), which gives 57 instead of 65); then the mid moves +-sigma sqrt(dt).
P&L = cash + q s at the end. The symmetric benchmark quotes the inventory strategy's time-average spread
around the mid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel
from atomizer.models.avellaneda import as_quote_kernel, total_spread
from atomizer.models.glft import GlftParameters, table
from atomizer.models.inputs import ModelInputError, positive

Vector = NDArray[np.float64]
Strategy = Literal["inventory", "symmetric", "glft"]


@dataclass(frozen=True, slots=True)
class World:
    """The paper's parameters: horizon, volatility, step, intensity A, decay k, starting mid."""

    horizon: float = 1.0
    sigma: float = 2.0
    dt: float = 0.005
    intensity: float = 140.0
    decay: float = 1.5
    start: float = 100.0

    @property
    def steps(self) -> int:
        return round(self.horizon / self.dt)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Statistics over the paths; `standard_errors` of (profit mean, profit sd, q mean, q sd)."""

    gamma: float
    strategy: Strategy
    paths: int
    average_spread: float
    profit_mean: float
    profit_sd: float
    final_q_mean: float
    final_q_sd: float
    certainty_equivalent: float
    standard_errors: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A row of the journal version: spread, mean and sd of profit, mean and sd of final inventory."""

    gamma: float
    strategy: Strategy
    average_spread: float
    profit_mean: float
    profit_sd: float
    final_q_mean: float
    final_q_sd: float


# Avellaneda, Stoikov: High-frequency trading in a limit order book, Quantitative Finance 8 (2008), tables 1-3
PUBLISHED: tuple[PublishedRow, ...] = (
    PublishedRow(0.1, "inventory", 1.49, 65.0, 6.6, 0.08, 2.9),
    PublishedRow(0.1, "symmetric", 1.49, 68.4, 12.7, 0.26, 8.4),
    PublishedRow(0.01, "inventory", 1.35, 68.6, 8.7, 0.12, 5.1),
    PublishedRow(0.01, "symmetric", 1.35, 68.8, 12.8, 0.09, 8.7),
    PublishedRow(1.0, "inventory", 3.02, 31.4, 5.0, 0.02, 1.7),
    PublishedRow(1.0, "symmetric", 3.02, 44.0, 11.0, 0.00, 5.1),
)

_REACH = 128  # inventories tabulated each way; the widest strategy has a standard deviation below 9


@kernel(
    "void(float64[:,::1], float64[:,::1], float64, float64, float64, float64, uint64,"
    " float64[::1], float64[::1])"
)
def simulate_kernel(
    delta_bid: Vector,
    delta_ask: Vector,
    intensity: float,
    decay: float,
    move: float,
    dt: float,
    seed: int,
    profit: Vector,
    inventory: Vector,
) -> None:
    """Run every path; distances are tabulated by (step, inventory + reach), NaN is no quote.

    The mid starts at 0 (prices enter only as distances), `move` is sigma sqrt(dt). Random numbers are
    splitmix64, so a seed fixes the result on every machine.
    """
    steps, width = delta_bid.shape
    reach = (width - 1) // 2
    state = np.uint64(seed)
    fill_bid = np.empty(delta_bid.shape)
    fill_ask = np.empty(delta_ask.shape)
    for t in range(steps):
        for i in range(width):
            fill_bid[t, i] = intensity * math.exp(-decay * delta_bid[t, i]) * dt
            fill_ask[t, i] = intensity * math.exp(-decay * delta_ask[t, i]) * dt
    draws = np.empty(3)
    for path in range(profit.shape[0]):
        mid, cash, q = 0.0, 0.0, 0
        for t in range(steps):
            for d in range(3):
                state += np.uint64(0x9E3779B97F4A7C15)
                z = state
                z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                z = z ^ (z >> np.uint64(31))
                draws[d] = (z >> np.uint64(11)) * (1.0 / 9007199254740992.0)
            i = q + reach
            if draws[0] < fill_bid[t, i] and q < reach:
                cash -= mid - delta_bid[t, i]
                q += 1
            if draws[1] < fill_ask[t, i] and q > -reach:
                cash += mid + delta_ask[t, i]
                q -= 1
            mid += move if draws[2] < 0.5 else -move
        profit[path] = cash + q * mid
        inventory[path] = q


def _avellaneda_table(world: World, gamma: float) -> tuple[Vector, Vector]:
    bid, ask = np.empty((2, world.steps, 2 * _REACH + 1))
    for step in range(world.steps):
        tau = world.horizon - step * world.dt
        for i in range(2 * _REACH + 1):
            b, a, _, _ = as_quote_kernel(0.0, float(i - _REACH), gamma, world.sigma, tau, world.decay)
            bid[step, i], ask[step, i] = -b, a
    return bid, ask


def _average_spread(world: World, gamma: float) -> float:
    taus = (world.horizon - step * world.dt for step in range(world.steps))
    return sum(total_spread(gamma, world.sigma, tau, world.decay) for tau in taus) / world.steps


def _glft_table(world: World, gamma: float, lots: int) -> tuple[Vector, Vector]:
    quotes = table(
        GlftParameters(gamma, world.sigma, world.intensity, world.intensity, world.decay, lots, xi=gamma)
    )
    bid, ask = np.full((2, world.steps, 2 * _REACH + 1), math.nan)
    inside = slice(_REACH - lots, _REACH + lots + 1)
    bid[:, inside], ask[:, inside] = quotes.delta_bid, quotes.delta_ask
    return bid, ask


def run(
    gamma: float,
    strategy: Strategy,
    *,
    paths: int = 1000,
    seed: int = 2008,
    world: World | None = None,
    width_factor: float = 1.0,
    glft_lots: int = 40,
) -> Outcome:
    """Simulate one strategy.

    Args:
        gamma: risk aversion.
        strategy: `inventory` (Avellaneda-Stoikov), `symmetric` (its average spread on the mid), `glft`
            (stationary).
        paths: number of simulated sessions.
        seed: start of the random sequence.
        world: parameters; the paper's by default.
        width_factor: multiplies both half spreads around the reservation price (2 shows what the total
            spread on each side costs).
        glft_lots: inventory bound of the GLFT strategy, below 128.

    Raises:
        ModelInputError: a parameter outside its domain, fewer than 2 paths, an unknown strategy.
    """
    positive(gamma=gamma, width_factor=width_factor)
    if paths < 2:
        raise ModelInputError("paths", "at least 2", paths)
    if not 1 <= glft_lots < _REACH:
        raise ModelInputError("glft_lots", f"a bound in 1..{_REACH - 1}", glft_lots)
    place = world or World()
    spread = _average_spread(place, gamma)
    if strategy == "inventory":
        bid, ask = _avellaneda_table(place, gamma)
    elif strategy == "symmetric":
        bid, ask = np.full((2, place.steps, 2 * _REACH + 1), 0.5 * spread)
    elif strategy == "glft":
        bid, ask = _glft_table(place, gamma, glft_lots)
        spread = float(bid[0, _REACH] + ask[0, _REACH])
    else:
        raise ModelInputError("strategy", "'inventory', 'symmetric' or 'glft'", strategy)
    extra = 0.5 * (width_factor - 1.0) * (bid + ask)
    profit, inventory = np.empty((2, paths))
    move = place.sigma * math.sqrt(place.dt)
    simulate_kernel(
        np.ascontiguousarray(bid + extra),
        np.ascontiguousarray(ask + extra),
        place.intensity,
        place.decay,
        move,
        place.dt,
        seed,
        profit,
        inventory,
    )
    return _outcome(gamma, strategy, spread * width_factor, profit, inventory)


def _outcome(gamma: float, strategy: Strategy, spread: float, profit: Vector, inventory: Vector) -> Outcome:
    n = profit.size
    sd, q_sd = float(profit.std(ddof=1)), float(inventory.std(ddof=1))
    worst = float(profit.min())
    equivalent = worst - math.log(float(np.exp(-gamma * (profit - worst)).mean())) / gamma
    errors = (sd / math.sqrt(n), _sd_error(profit, sd), q_sd / math.sqrt(n), _sd_error(inventory, q_sd))
    return Outcome(
        gamma,
        strategy,
        n,
        spread,
        float(profit.mean()),
        sd,
        float(inventory.mean()),
        q_sd,
        equivalent,
        errors,
    )


def _sd_error(values: Vector, sd: float) -> float:
    """Standard error of a standard deviation, fourth moment included."""
    fourth = float(((values - values.mean()) ** 4).mean())
    return math.sqrt(max(fourth - sd**4, 0.0) / values.size) / (2.0 * sd) if sd > 0.0 else 0.0
