"""The options of one coin as columns: what they are, and what they are worth in one step.

Options are only ever added: a column keeps its place for the life of the venue. In the half hour before
an expiry its forward is the expected average, its vol shrinks with what is still open, and its delta decays
linearly, as the venue shows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from atomizer.sim import pricing
from atomizer.sim.deribit.fixing import Fixing
from atomizer.sim.market import YEAR_NS, ListedOption, Market, MarketState

# Variance of the average of a random walk is a third of that of its end.
AVERAGE_DEVIATION = 1.0 / math.sqrt(3.0)


class OptionColumns:
    """Columns of all options ever listed on one market."""

    def __init__(self, market: Market, fixings: Mapping[int, Fixing]) -> None:
        self._market = market
        self._fixings = fixings
        self.options: list[ListedOption] = []
        self.strikes = np.zeros(0)
        self.calls = np.zeros(0, np.bool_)
        self.half_spreads = np.zeros(0)
        self._expiry_ns = np.zeros(0, np.int64)
        self._prices = np.zeros((pricing.ROWS, 0))
        self._step = -1

    def add(self, options: Sequence[ListedOption], state: MarketState) -> int:
        """Append options, with the spreads that makers usually show them at; returns their first column."""
        first = len(self.options)
        self.options += options
        self.strikes = np.array([option.strike for option in self.options])
        self.calls = np.array([option.is_call for option in self.options])
        self._expiry_ns = np.array([option.expiry_ns for option in self.options], dtype=np.int64)
        fresh = np.array([self._market.half_spread(option, state) for option in options])
        self.half_spreads = np.concatenate([self.half_spreads, fresh])
        self._prices = np.zeros((pricing.ROWS, len(self.options)))
        self._step = -1
        return first

    def taus(self, state: MarketState) -> NDArray[np.float64]:
        """Years to expiry."""
        left: NDArray[np.float64] = np.maximum(self._expiry_ns - state.ts_ns, 0) / YEAR_NS
        return left

    def prices(self, state: MarketState) -> NDArray[np.float64]:
        """Rows `pricing.USD`, `VOL` and so on; the array is reused by the next step."""
        if state.step != self._step:
            market, behaviour = self._market, self._market.behaviour
            pricing.price_chain(
                state.index,
                behaviour.carry,
                self.strikes,
                self.taus(state),
                self.calls,
                behaviour.vol,
                state.level,
                behaviour.skew + state.skew,
                behaviour.curvature,
                market.knots,
                market.variances,
                self._prices,
            )
            for fixing in self._fixings.values():
                if fixing.taken:
                    self._fix(fixing, state)
            self._step = state.step
        return self._prices

    def _fix(self, fixing: Fixing, state: MarketState) -> None:
        """Re-price the options of an expiry whose average is partly known."""
        prices, open_share = self._prices, 1.0 - fixing.share
        tau = state.tau(fixing.expiry_ns)
        for column in np.flatnonzero(self._expiry_ns == fixing.expiry_ns).tolist():
            forward = prices[pricing.FORWARD, column]
            expected = fixing.blend(forward)
            vol = prices[pricing.VOL, column] * AVERAGE_DEVIATION * open_share * forward / expected
            prices[pricing.FORWARD, column] = expected
            prices[pricing.VOL, column] = max(vol, 1e-4)
            prices[pricing.USD, column] = pricing.black(
                expected, self.strikes[column], vol, tau, self.calls[column]
            )
            prices[pricing.DELTA, column] *= open_share
