"""Rival makers: what an option is worth to each, what it asks for, and how far it goes once outbid.

A rival that answers values the option at fair plus an error of its own (`rival_noise_vol_points`, normal)
and will not go beyond a markup on that value: log-normal about the width of `rival_vol_points` and
`rival_bps`, half of it one way or the other at one deviation. These are a maker's own costs: two crossings
of the hedge at some five basis points times a delta of a third are four basis points of the index, and
re-hedging a two-week option to its end costs about six more; half a vol point is a usual margin; a quarter
of one is about half a listed spread, by which two desks' surfaces differ.

It opens above its limit and, told that it was outbid, improves in steps until it is best or at its limit.
Whoever wins among several did so against the others' errors.
"""

from __future__ import annotations

import math

import numpy as np

from atomizer.sim.rysk.behaviour import Behaviour
from atomizer.sim.rysk.fair import FairValue
from atomizer.sim.rysk.settings import PRICE_UNIT

EARLIEST, LATEST = 0.05, 0.7
MARKUP_DEVIATION = 0.5
OPENING = 1.5
STEP = 0.25
PRICE_GRID_E18 = PRICE_UNIT // 10**4


class Rival:
    """One rival in one auction. Distances count from fair, away from the client; in USD per unit."""

    def __init__(
        self, random: np.random.Generator, behaviour: Behaviour, maker: int, window_s: float
    ) -> None:
        self.maker = maker
        self.answers = bool(random.random() < behaviour.rival_answers)
        self.delay_s = window_s * float(random.uniform(EARLIEST, LATEST))
        self.reaction_s = behaviour.rival_reaction_s * float(random.uniform(0.5, 1.5))
        self._markup = math.exp(MARKUP_DEVIATION * float(random.standard_normal()))
        self._error = float(random.standard_normal())
        self._behaviour = behaviour
        self.waiting = False

    def limit(self, fair: FairValue) -> float:
        """The least distance it goes to."""
        behaviour = self._behaviour
        error = self._error * behaviour.rival_noise_vol_points * fair.vega_point
        return self._markup * fair.width(behaviour.rival_vol_points, behaviour.rival_bps) + error

    def opening(self, fair: FairValue, *, is_taker_buy: bool) -> int:
        """Its first price, 1e18 USD per unit; zero or less: no quote."""
        margin = self._markup * fair.width(self._behaviour.rival_vol_points, self._behaviour.rival_bps)
        return _priced(fair, self.limit(fair) + (OPENING - 1.0) * margin, is_taker_buy=is_taker_buy)

    def improved(self, fair: FairValue, best_e18: int, *, is_taker_buy: bool) -> int | None:
        """A price a step better than the best, no further than its limit; None where that is not better."""
        sign = 1.0 if is_taker_buy else -1.0
        best = sign * (best_e18 / PRICE_UNIT - fair.usd)
        step = STEP * fair.width(self._behaviour.rival_vol_points, self._behaviour.rival_bps)
        distance = max(best - step, self.limit(fair))
        price = _priced(fair, distance, is_taker_buy=is_taker_buy)
        better = price < best_e18 if is_taker_buy else price > best_e18
        return price if better and price > 0 else None


def draw_rivals(random: np.random.Generator, behaviour: Behaviour, window_s: float) -> list[Rival]:
    """Those who answer one RFQ."""
    drawn = [Rival(random, behaviour, maker, window_s) for maker in range(behaviour.rivals)]
    return [rival for rival in drawn if rival.answers]


def _priced(fair: FairValue, distance: float, *, is_taker_buy: bool) -> int:
    """On a rival's grid of a hundredth of a cent."""
    price = fair.usd + distance if is_taker_buy else fair.usd - distance
    return round(price * PRICE_UNIT / PRICE_GRID_E18) * PRICE_GRID_E18
