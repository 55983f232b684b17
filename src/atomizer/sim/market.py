"""One market for many twins: index, forwards, smile and jumps as a pure function of its arguments.

(seed, start time, step, chain or underlying) fix every step's values bit for bit, so simulated venues in
different processes agree without talking. Order flow is not here: it is each venue's own.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from atomizer.sim import pricing
from atomizer.sim.calendar import (
    DAY_NS,
    SECOND_NS,
    WEEK_NS,
    first_expiry_ns,
    nearest_expiry_ns,
    option_name,
)
from atomizer.sim.chain import Chain
from atomizer.sim.paths import Behaviour, Paths, Step
from atomizer.sim.spikes import Spikes

MAX_SEED = 2**63
YEAR_NS = 365 * DAY_NS


BEHAVIOURS = {"ETH": Behaviour(index=4000.0, vol=0.60), "BTC": Behaviour(index=110_000.0, vol=0.45)}


class UnknownUnderlyingError(ValueError):
    """No market is generated for this coin. The text lists those that are."""


class OptionTerms(Protocol):
    """What pricing needs to know of an option."""

    @property
    def strike(self) -> float: ...
    @property
    def expiry_ns(self) -> int: ...
    @property
    def is_call(self) -> bool: ...


class ListedOption(NamedTuple):
    """One option of the listed chain; `name` is `ETH-30MAY25-3000-C`."""

    name: str
    underlying: str
    strike: float
    expiry_ns: int
    is_call: bool


class MarketState:
    """The market during one step. Immutable; prices anything on its underlying."""

    __slots__ = ("_market", "basis", "index", "jumped", "level", "skew", "step", "ts_ns")

    def __init__(self, market: Market, step: int, values: Step, shock: float) -> None:
        carry = values.carry
        self._market = market
        self.step = step
        self.ts_ns = market.start_ns + step * market.step_ns
        self.index = math.exp(carry.log_index)
        self.level = carry.level + shock
        self.skew = carry.skew
        self.basis = carry.basis
        self.jumped = values.jumped

    @property
    def perpetual(self) -> float:
        """Fair price of the perpetual in USD: the index and a basis of about a hundredth of a percent."""
        return self.index * (1.0 + self.basis)

    def tau(self, expiry_ns: int) -> float:
        """Years to expiry, zero once it has passed."""
        return max(expiry_ns - self.ts_ns, 0) / YEAR_NS

    def forward(self, expiry_ns: int) -> float:
        """Fair forward in USD."""
        return self.index * math.exp(self._market.behaviour.carry * self.tau(expiry_ns))

    def vol(self, strike: float, expiry_ns: int) -> float:
        """Implied vol, a fraction."""
        return self._vol(strike, self.forward(expiry_ns), self.tau(expiry_ns))

    def fair_usd(self, option: OptionTerms) -> float:
        """Fair price in USD per coin of underlying."""
        tau, forward = self.tau(option.expiry_ns), self.forward(option.expiry_ns)
        vol = self._vol(option.strike, forward, tau)
        return float(pricing.black(forward, option.strike, vol, tau, option.is_call))

    def fair(self, option: OptionTerms) -> float:
        """Fair price in coin per coin of underlying."""
        return self.fair_usd(option) / self.index

    def _vol(self, strike: float, forward: float, tau: float) -> float:
        market, behaviour = self._market, self._market.behaviour
        return float(
            pricing.smile_vol(
                math.log(strike / forward),
                tau,
                behaviour.vol,
                self.level,
                behaviour.skew + self.skew,
                behaviour.curvature,
                market.knots,
                market.variances,
            )
        )


class Market:
    """The generated market on one underlying.

    Args:
        seed: fixes every path; 0 <= seed < 2**63.
        start_ns: time of step 0; earlier times show step 0.
        step_ms: length of a step.
        chain: a recorded chain that gives underlying, spot, strikes and smile.
        underlying: the coin, where no chain is given.
        spot: the index at the start; None takes the coin's usual one, or the chain's.

    Raises:
        UnknownUnderlyingError: no generated market for this coin.
        ValueError: seed or step out of range.
    """

    def __init__(
        self,
        seed: int,
        start_ns: int,
        step_ms: int = 100,
        chain: Chain | None = None,
        underlying: str = "ETH",
        spot: float | None = None,
    ) -> None:
        if not 0 <= seed < MAX_SEED:
            raise ValueError(f"expected a seed from 0 to 2**63 - 1, found {seed}")
        if step_ms < 1:
            raise ValueError(f"expected a step of at least 1 ms, found {step_ms}")
        self.seed = seed
        self.start_ns = start_ns
        self.step_ns = step_ms * 1_000_000
        self.chain = chain
        self.underlying = chain.underlying if chain else underlying
        self.behaviour = _behaviour(self.underlying, chain)
        if spot is not None:
            self.behaviour = replace(self.behaviour, index=spot)
        self.options = _recorded_options(chain, start_ns) if chain else self._generated_options()
        self.expiries = tuple(sorted({option.expiry_ns for option in self.options}))
        self.knots = np.array(chain.knots if chain else (), dtype=np.float64)
        self.variances = np.array([vol * vol for vol in chain.vols] if chain else (), dtype=np.float64)
        self._strikes = np.array([option.strike for option in self.options])
        self._expiry_ns = np.array([option.expiry_ns for option in self.options], dtype=np.int64)
        self._calls = np.array([option.is_call for option in self.options])
        self._paths = Paths(seed, self.underlying, self.behaviour, self.step_ns / SECOND_NS)
        self._spikes = Spikes(seed, self.underlying, self.behaviour, self.step_ns / SECOND_NS)
        self._state = self._make(0)
        self._priced_step = -1
        self._prices = np.zeros((pricing.ROWS, len(self.options)))

    def state(self, now_ns: int) -> MarketState:
        """The market of the last whole step at `now_ns`."""
        step = max(now_ns - self.start_ns, 0) // self.step_ns
        if step != self._state.step:
            self._state = self._make(step)
        return self._state

    def prices(self, state: MarketState) -> NDArray[np.float64]:
        """All listed options at once: rows `pricing.USD`, `VOL`, `DELTA` and so on, a column per option.

        The array is reused by the next call with another step.
        """
        if state.step != self._priced_step:
            taus = np.maximum(self._expiry_ns - state.ts_ns, 0) / YEAR_NS
            behaviour = self.behaviour
            pricing.price_chain(
                state.index,
                behaviour.carry,
                self._strikes,
                taus,
                self._calls,
                behaviour.vol,
                state.level,
                behaviour.skew + state.skew,
                behaviour.curvature,
                self.knots,
                self.variances,
                self._prices,
            )
            self._priced_step = state.step
        return self._prices

    def half_spread(self, option: ListedOption, state: MarketState) -> float:
        """Half the usual bid-ask spread of an option, in vol: recorded, else growing with distance."""
        k = math.log(option.strike / state.forward(option.expiry_ns))
        if self.chain is not None:
            return self.chain.half_spread(k)
        deviations = abs(k) / (self.behaviour.vol * math.sqrt(max(state.tau(option.expiry_ns), 1e-6)))
        return 0.005 + 0.0025 * min(deviations, 4.0)

    def _make(self, step: int) -> MarketState:
        return MarketState(self, step, self._paths.at(step), self._spikes.at(step))

    def _generated_options(self) -> tuple[ListedOption, ...]:
        """Three Fridays."""
        first = first_expiry_ns(self.start_ns)
        return tuple(
            option
            for expiry_ns in (first, first + WEEK_NS, first + 3 * WEEK_NS)
            for option in self.chain_of(expiry_ns, self.start_ns, self.behaviour.index)
        )

    def chain_of(self, expiry_ns: int, listed_ns: int, index: float) -> tuple[ListedOption, ...]:
        """What is listed for an expiry at a moment with this index: fifteen strikes, calls and puts."""
        tau = (expiry_ns - listed_ns) / YEAR_NS
        step = _round_step(index * self.behaviour.vol * math.sqrt(tau) * 5.0 / 14.0)
        middle = round(index / step)
        return tuple(
            _listed(self.underlying, expiry_ns, (middle + offset) * step, is_call=is_call)
            for offset in range(-7, 8)
            for is_call in (True, False)
            if (middle + offset) * step > 0
        )


def _behaviour(underlying: str, chain: Chain | None) -> Behaviour:
    if chain is not None:
        return Behaviour(index=chain.spot, vol=chain.atm_vol)
    try:
        return BEHAVIOURS[underlying]
    except KeyError:
        raise UnknownUnderlyingError(
            f"expected one of {', '.join(BEHAVIOURS)} as underlying, found {underlying!r}; "
            "other coins need a recorded chain"
        ) from None


def _recorded_options(chain: Chain, start_ns: int) -> tuple[ListedOption, ...]:
    expiry_ns = nearest_expiry_ns(start_ns, chain.tenor_ns)
    return tuple(
        _listed(chain.underlying, expiry_ns, strike, is_call=is_call) for strike, is_call in chain.listed
    )


def _listed(underlying: str, expiry_ns: int, strike: float, *, is_call: bool) -> ListedOption:
    name = option_name(underlying, expiry_ns, strike, is_call=is_call)
    return ListedOption(name, underlying, float(strike), expiry_ns, is_call)


def _round_step(step: float) -> float:
    """The nearest of 1, 2, 5 times a power of ten, as exchanges space strikes."""
    power = 10.0 ** math.floor(math.log10(step))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda one: abs(math.log(one / step)))
