"""How much of a hedge goes where: level by level, the cheapest first, over every instrument and venue.

Each book's levels get dearer with depth, so taking the cheapest level of all until the hedge is whole is the
cheapest split. Parts that are too small to be worth a message go to the largest one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from atomizer.domain.instruments import Side
from atomizer.strategies.hedging.costs import BPS, Candidate


class Part(NamedTuple):
    """What one instrument takes: coins of delta (above 0) and the worst price it may pay."""

    candidate: Candidate
    coins: float
    limit: float
    cost: float


def limit_price(candidate: Candidate, side: Side, cross_bps: float) -> float:
    """How far through the touch an order may reach."""
    touch = candidate.touch.ask if side is Side.BUY else candidate.touch.bid
    return touch * (1.0 + side * cross_bps * BPS)


def split(
    coins: float, candidates: Sequence[Candidate], side: Side, cross_bps: float, smallest: float
) -> list[Part]:
    """The parts of a hedge of `coins` (above 0); what no book holds goes to the cheapest instrument.

    `smallest` in coins: parts below it, or below an instrument's least size, are not split off.
    """
    limits = [limit_price(item, side, cross_bps) for item in candidates]
    steps = sorted(
        (step.cost, number, step.coins)
        for number, item in enumerate(candidates)
        for step in item.steps
        if (limits[number] - step.price) * side >= 0.0
    )
    order = sorted(range(len(candidates)), key=lambda number: (candidates[number].take_cost, number))
    taken, paid, left = [0.0] * len(candidates), [0.0] * len(candidates), coins
    for cost, number, there in steps:
        part = min(there, left)
        taken[number] += part
        paid[number] += part * cost
        left -= part
        if left <= 0.0:
            break
    if left > 0.0:
        taken[order[0]] += left
        paid[order[0]] += left * candidates[order[0]].take_cost
    _gather(taken, paid, candidates, order, smallest)
    return [
        Part(candidates[number], taken[number], limits[number], paid[number] / taken[number])
        for number in order
        if taken[number] > 0.0
    ]


def _gather(
    taken: list[float],
    paid: list[float],
    candidates: Sequence[Candidate],
    order: Sequence[int],
    smallest: float,
) -> None:
    """Move parts that are too small to the largest, and what is less than a lot of each as well."""
    largest = max(order, key=lambda number: taken[number])
    for number in order:
        if number == largest or not taken[number]:
            continue
        item = candidates[number]
        lot = float(item.instrument.lot) * abs(item.unit)
        whole = math.floor(taken[number] / lot + 1e-9) * lot
        if whole < max(smallest, item.instrument.min_lots * lot):
            whole = 0.0
        moved = taken[number] - whole
        share = moved / taken[number]
        paid[largest] += paid[number] * share
        paid[number] *= 1.0 - share
        taken[largest] += moved
        taken[number] = whole
