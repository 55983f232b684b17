"""Gueant-Lehalle-Fernandez-Tapia: stationary quotes with inventory bounds.

The default is the ground eigenvector of the (2Q+1) tridiagonal problem, exact up to rounding; the Gaussian
closed form is the fast path where it is good (`closed_form_is_good`). Extensions combine freely: drift,
adverse selection per fill, maker fee, running penalty, different intensities on bid and ask.
Sources: Gueant, Lehalle, Fernandez-Tapia (2013); Gueant (2017), eq. 4.6-4.7. Distances: delta_bid = s - bid,
delta_ask = ask - s, price units. Terminal conditions and a finite horizon: `glft_horizon`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import kernel
from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

Vector = NDArray[np.float64]
Method = Literal["eigenvector", "closed", "auto"]

CLOSED_FORM_RATIO = 0.01  # alpha/eta below which the Gaussian approximation is used by "auto"
_BOUND_SDS = 3.0  # and only this many inventory standard deviations inside the bound
_MAX_DECAYS = 300.0  # exp(-300) of the flow left: nothing trades, and doubles still hold the ratios
_CACHED_TABLES = 512


class GlftParameters(NamedTuple):
    """One parameter set; units as in `avellaneda`.

    Attributes:
        gamma: risk aversion, 1/currency.
        sigma: price units per sqrt(time).
        intensity_bid, intensity_ask: fills per time at distance 0 (A).
        decay: k, 1/price.
        lots: bound Q in lots.
        lot: size of one lot (Delta).
        xi: gamma for CARA (the paper), 0 for expected P&L minus a running penalty.
        drift: of the mid, price per time.
        impact: move against us per fill, price units.
        fee: maker fee per unit traded, price units, rebates negative.
        running_penalty: phi of phi q^2 per time, replaces gamma sigma^2 / 2 (set xi = 0 with it).
    """

    gamma: float
    sigma: float
    intensity_bid: float
    intensity_ask: float
    decay: float
    lots: int
    lot: float = 1.0
    xi: float = 0.0
    drift: float = 0.0
    impact: float = 0.0
    fee: float = 0.0
    running_penalty: float | None = None

    @property
    def risk_rate(self) -> float:
        """Cost per time of one unit squared: gamma sigma^2 / 2, or the running penalty."""
        return 0.5 * self.gamma * self.sigma**2 if self.running_penalty is None else self.running_penalty

    @property
    def base(self) -> float:
        """c1: distance of a maker without inventory risk, fee and half the impact included."""
        ratio = self.xi * self.lot / self.decay
        risk_free = math.log1p(ratio) / (self.xi * self.lot) if self.xi > 0.0 else 1.0 / self.decay
        return risk_free + 0.5 * self.impact + self.fee

    @property
    def flow(self) -> float:
        """A C_xi, geometric mean of the sides, thinned by the fee; impact not included."""
        ratio = self.xi * self.lot / self.decay
        log_c = -(1.0 + 1.0 / ratio) * math.log1p(ratio) if ratio > 0.0 else -1.0
        return math.sqrt(self.intensity_bid * self.intensity_ask) * math.exp(log_c - self.decay * self.fee)

    @property
    def eta(self) -> float:
        """Off-diagonal of the problem."""
        return self.flow * math.exp(-0.5 * self.decay * self.impact)

    @property
    def alpha(self) -> float:
        """Diagonal of the problem per lot squared."""
        return self.decay * self.risk_rate * self.lot

    @property
    def side_shift(self) -> float:
        """What unequal intensities add to the bid distance and take from the ask distance."""
        return math.log(self.intensity_bid / self.intensity_ask) / (2.0 * self.decay)


def validated(p: GlftParameters) -> GlftParameters:
    """The parameters, if every one is in its domain.

    Raises:
        ModelInputError: one is not.
    """
    positive(intensity_bid=p.intensity_bid, intensity_ask=p.intensity_ask, decay=p.decay, lot=p.lot)
    non_negative(gamma=p.gamma, sigma=p.sigma, xi=p.xi)
    finite(drift=p.drift, impact=p.impact, fee=p.fee)
    if p.running_penalty is not None:
        non_negative(running_penalty=p.running_penalty)
    if p.lots < 1:
        raise ModelInputError("lots", "a bound of at least 1 lot", p.lots)
    if not (abs(p.decay * p.fee) < _MAX_DECAYS and 0.0 <= p.decay * p.impact < _MAX_DECAYS):
        raise ModelInputError(
            "fee",
            f"a fee, and an impact of at least 0, under {_MAX_DECAYS:g} decay lengths",
            (p.fee, p.impact),
        )
    return p


@kernel(
    "void(float64, float64, float64, float64, float64, float64, float64[::1], float64[::1], float64[::1],"
    " float64[::1])"
)
def stationary_kernel(
    alpha: float,
    tilt: float,
    eta: float,
    base: float,
    decay: float,
    side_shift: float,
    left: Vector,
    right: Vector,
    delta_bid: Vector,
    delta_ask: Vector,
) -> None:
    """Quotes from the ground state of diag(alpha n^2 - tilt n) with off-diagonal -eta, n = -Q..Q.

    The smallest eigenvalue by bisection on the sign of the pivots; then ratios of neighbouring components
    from both ends towards the middle, where each recurrence is stable, so that even tails keep full relative
    accuracy. `left` and `right` are work arrays; every array has 2Q+1 elements.
    """
    size = delta_bid.shape[0]
    bound = (size - 1) // 2
    top = math.inf
    for i in range(size):
        n = i - bound
        top = min(top, alpha * n * n - tilt * n)
    low, high = top - 2.0 * eta, top
    for _ in range(90):
        guess = 0.5 * (low + high)
        if guess in (low, high):
            break
        pivot = alpha * bound * bound + tilt * bound - guess
        for i in range(1, size):
            if pivot <= 0.0:
                break
            n = i - bound
            pivot = alpha * n * n - tilt * n - guess - eta * eta / pivot
        if pivot > 0.0:
            low = guess
        else:
            high = guess
    left[0] = alpha * bound * bound + tilt * bound - low
    right[size - 1] = alpha * bound * bound - tilt * bound - low
    for i in range(1, size):
        n = i - bound
        left[i] = alpha * n * n - tilt * n - low - eta * eta / left[i - 1]
        j = size - 1 - i
        m = j - bound
        right[j] = alpha * m * m - tilt * m - low - eta * eta / right[j + 1]
    twist, smallest = 0, math.inf
    for i in range(size):
        n = i - bound
        mismatch = abs(left[i] + right[i] - (alpha * n * n - tilt * n - low))
        if mismatch < smallest:
            twist, smallest = i, mismatch
    for i in range(size - 1):
        ratio = eta / left[i] if i < twist else right[i + 1] / eta
        step = math.log(ratio) / decay
        delta_bid[i] = base + step + side_shift
        delta_ask[i + 1] = base - step - side_shift
    delta_bid[size - 1] = math.nan
    delta_ask[0] = math.nan


@kernel("UniTuple(float64, 2)(float64[::1], float64[::1], float64, float64)")
def lookup_kernel(delta_bid: Vector, delta_ask: Vector, lot: float, q: float) -> tuple[float, float]:
    """(bid, ask) distances at inventory q, linear between whole lots; NaN on a side that would pass the
    bound.

    Outside the bounds the reducing side keeps the quote of the bound itself.
    """
    bound = (delta_bid.shape[0] - 1) // 2
    n = q / lot
    bid, ask = math.nan, math.nan
    if n <= bound - 1 + 1e-9:
        x = min(max(n, -bound), bound - 1.0)
        i = min(math.floor(x), bound - 2) if bound > 1 else -1
        w = x - i
        j = i + bound
        bid = delta_bid[j] + w * (delta_bid[j + 1] - delta_bid[j]) if w > 0.0 else delta_bid[j]
    if n >= -bound + 1 - 1e-9:
        x = min(max(n, -bound + 1.0), float(bound))
        i = max(math.ceil(x), -bound + 2) if bound > 1 else 1
        w = i - x
        j = i + bound
        ask = delta_ask[j] + w * (delta_ask[j - 1] - delta_ask[j]) if w > 0.0 else delta_ask[j]
    return bid, ask


class GlftTable:
    """Stationary distances for every whole inventory -Q..Q; index n + Q. NaN: no quote at the bound."""

    __slots__ = ("delta_ask", "delta_bid", "parameters")

    def __init__(self, parameters: GlftParameters, delta_bid: Vector, delta_ask: Vector) -> None:
        self.parameters = parameters
        self.delta_bid = delta_bid
        self.delta_ask = delta_ask

    def at(self, q: float) -> tuple[float, float]:
        """(bid, ask) distances at inventory q, see `lookup_kernel`. NaN for a q that is NaN."""
        return lookup_kernel(self.delta_bid, self.delta_ask, self.parameters.lot, q)


def solve(parameters: GlftParameters) -> GlftTable:
    """Solve the eigenproblem (tens of microseconds at Q = 20); `table` caches it.

    Raises:
        ModelInputError: a parameter outside its domain.
    """
    p = validated(parameters)
    work = np.empty((4, 2 * p.lots + 1))
    tilt = p.decay * p.drift
    stationary_kernel(p.alpha, tilt, p.eta, p.base, p.decay, p.side_shift, work[0], work[1], work[2], work[3])
    if not math.isfinite(work[2, p.lots]):
        raise ModelInputError("parameters", "values whose eigenvector is finite", p)
    return GlftTable(p, work[2], work[3])


@lru_cache(maxsize=_CACHED_TABLES)
def table(parameters: GlftParameters) -> GlftTable:
    """`solve`, cached by parameter set: quantise fitted parameters before asking.

    Raises:
        ModelInputError: as `solve`.
    """
    return solve(parameters)


def closed_form(parameters: GlftParameters) -> tuple[float, float, float]:
    """(half spread, skew per unit of inventory, shift) of the Gaussian approximation.

    delta_bid = half + skew q + shift, delta_ask = half - skew q - shift; shift holds drift and unequal
    intensities.

    Raises:
        ModelInputError: a parameter outside its domain, or a drift without any risk to hold it back.
    """
    p = validated(parameters)
    if p.drift != 0.0 and p.risk_rate == 0.0:
        raise ModelInputError("drift", "0 when the risk rate is 0", p.drift)
    skew = math.sqrt(p.risk_rate / (p.flow * p.lot * p.decay)) * math.exp(0.25 * p.decay * p.impact)
    pull = p.drift / (2.0 * p.risk_rate) * skew if p.drift != 0.0 else 0.0
    return p.base + 0.5 * p.lot * skew, skew, p.side_shift - pull


def closed_form_is_good(parameters: GlftParameters, q: float) -> bool:
    """Whether the closed form is within a few per cent: alpha/eta small and q far from the bound."""
    p = parameters
    ratio = p.alpha / p.eta
    if not ratio < CLOSED_FORM_RATIO:
        return False
    spread_lots = (4.0 * ratio) ** -0.25 if ratio > 0.0 else math.inf
    return abs(q) / p.lot + _BOUND_SDS * spread_lots <= p.lots


def distances(parameters: GlftParameters, q: float, method: Method = "eigenvector") -> tuple[float, float]:
    """(bid, ask) distances at inventory q; NaN on a side that would pass the bound.

    Args:
        parameters: one parameter set.
        q: inventory, signed, in the unit of `lot`.
        method: `eigenvector` (exact, cached), `closed`, or `auto` (closed where it is good).

    Raises:
        ModelInputError: a parameter outside its domain, q not finite, an unknown method.
    """
    if method not in ("eigenvector", "closed", "auto"):
        raise ModelInputError("method", "'eigenvector', 'closed' or 'auto'", method)
    if not math.isfinite(q):
        raise ModelInputError("q", "a finite number", q)
    if method == "eigenvector" or (method == "auto" and not closed_form_is_good(validated(parameters), q)):
        return table(parameters).at(q)
    half, skew, shift = closed_form(parameters)
    bound = parameters.lots * parameters.lot + 1e-9 * parameters.lot
    bid = half + skew * q + shift if q + parameters.lot <= bound else math.nan
    ask = half - skew * q - shift if q - parameters.lot >= -bound else math.nan
    return bid, ask


def inventory_law(parameters: GlftParameters) -> Vector:
    """Stationary probabilities of n = -Q..Q lots under these quotes: proportional to f0_n^2 (equal sides,
    no drift bias in the fills).

    Raises:
        ModelInputError: a parameter outside its domain.
    """
    quotes = table(parameters)
    p = quotes.parameters
    log_ratio = (quotes.delta_bid[:-1] - p.base - p.side_shift) * p.decay
    log_f = np.concatenate(([0.0], -np.cumsum(log_ratio)))
    weights = np.exp(2.0 * (log_f - log_f.max()))
    law: Vector = weights / weights.sum()
    return law


def gamma_for_inventory(parameters: GlftParameters, sd_lots: float) -> float:
    """The risk aversion whose stationary inventory has about this standard deviation, from sd ~ (4
    alpha/eta)^(-1/4).

    With xi > 0 the CARA form xi = gamma is assumed.

    Raises:
        ModelInputError: a parameter outside its domain, sd_lots or sigma not above 0.
    """
    positive(sd_lots=sd_lots, sigma=parameters.sigma)
    target: float = 0.25 / sd_lots**4
    gamma = 1e-12
    for _ in range(200):
        trial = parameters._replace(
            gamma=gamma, xi=gamma if parameters.xi > 0.0 else 0.0, running_penalty=None
        )
        better = target * validated(trial).eta / (0.5 * trial.decay * trial.sigma**2 * trial.lot)
        if abs(better - gamma) <= 1e-13 * better:
            return better
        gamma = better
    return gamma
