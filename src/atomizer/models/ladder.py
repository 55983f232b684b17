"""Ladders: several orders a side with a schedule of prices and sizes.

Prices are floats in price units on no grid; the engine rounds them where a target enters its slot. Sizes
are in the instrument's unit and always sum to the total asked for.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from atomizer.models.glft import GlftTable
from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

Schedule = Literal["flat", "linear", "geometric"]


class Level(NamedTuple):
    """One order of a ladder; level 0 is the best price."""

    price: float
    size: float


def size_schedule(
    total: float, levels: int, schedule: Schedule = "flat", ratio: float = 1.5
) -> tuple[float, ...]:
    """Sizes from the best level outwards, summing to `total`.

    Args:
        total: size over all levels.
        levels: number of orders.
        schedule: `flat`; `linear` (1, 2, 3, ... shares); `geometric` (each `ratio` times the one before).
        ratio: of the geometric schedule; below 1 puts most size at the best price.

    Raises:
        ModelInputError: a number outside its domain, fewer than 1 level, an unknown schedule.
    """
    non_negative(total=total)
    positive(ratio=ratio)
    if levels < 1:
        raise ModelInputError("levels", "at least 1", levels)
    if schedule == "flat":
        shares = [1.0] * levels
    elif schedule == "linear":
        shares = [i + 1.0 for i in range(levels)]
    elif schedule == "geometric":
        shares = [ratio**i for i in range(levels)]
    else:
        raise ModelInputError("schedule", "'flat', 'linear' or 'geometric'", schedule)
    whole = math.fsum(shares)
    return tuple(total * share / whole for share in shares)


def spaced_ladder(
    best: float,
    step: float,
    sizes: tuple[float, ...],
    *,
    side: Literal["bid", "ask"],
    growth: float = 1.0,
) -> tuple[Level, ...]:
    """Levels away from the best price by `step`, the next gap `growth` times the one before.

    Args:
        best: price of level 0.
        step: first gap, price units.
        sizes: from `size_schedule`.
        side: bids go down, asks go up.
        growth: of the gaps; at least 1.

    Raises:
        ModelInputError: a number outside its domain, an unknown side.
    """
    finite(best=best)
    positive(step=step)
    if not 1.0 <= growth < math.inf:
        raise ModelInputError("growth", "a finite number of at least 1", growth)
    if side not in ("bid", "ask"):
        raise ModelInputError("side", "'bid' or 'ask'", side)
    sign = -1.0 if side == "bid" else 1.0
    levels, away, gap = [], 0.0, step
    for size in sizes:
        levels.append(Level(best + sign * away, size))
        away += gap
        gap *= growth
    return tuple(levels)


def glft_ladder(
    quotes: GlftTable, reference: float, q: float, levels: int
) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """(bids, asks): one lot per level, each priced as if the levels before it had been filled.

    Level j of the bid side is the optimal bid at inventory q + j lots, so a sweep leaves no lot mispriced.
    A side ends where the inventory bound does.

    Raises:
        ModelInputError: reference or q not finite, fewer than 1 level.
    """
    finite(reference=reference, q=q)
    if levels < 1:
        raise ModelInputError("levels", "at least 1", levels)
    lot = quotes.parameters.lot
    bids: list[Level] = []
    asks: list[Level] = []
    for j in range(levels):
        bid = reference - quotes.at(q + j * lot)[0]
        ask = reference + quotes.at(q - j * lot)[1]
        if not math.isnan(bid):
            bids.append(Level(min(bid, bids[-1].price) if bids else bid, lot))
        if not math.isnan(ask):
            asks.append(Level(max(ask, asks[-1].price) if asks else ask, lot))
    return tuple(bids), tuple(asks)
