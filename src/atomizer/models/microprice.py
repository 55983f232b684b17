"""Stoikov's (2018) microprice: the mid plus the expected future move given imbalance and spread.

    G1 = (I - Q)^-1 R K      B = (I - Q)^-1 T      g* = sum over i of B^i G1      microprice = mid + g*(state)

A state is (imbalance bucket, spread). Q: transitions without a mid move; R K: expected first mid move; T:
transitions with one. The data must be symmetrised (mirrored imbalance, flipped moves) or the sum diverges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, finite, positive, within

Vector = NDArray[np.float64]
_CONVERGED = 1e-15
_MAX_TERMS = 20_000
_ANTISYMMETRY = 1e-8


@dataclass(frozen=True, slots=True)
class Adjustment:
    """First-move adjustment G1 and its infinite sum g*, price units per state."""

    first: Vector
    total: Vector


def adjustments(still: ArrayLike, first_move: ArrayLike, moving: ArrayLike) -> Adjustment:
    """Solve for G1 and g*.

    Args:
        still: Q, (n, n) transition probabilities without a mid move.
        first_move: R K, expected first mid move per state, price units.
        moving: T, (n, n) transition probabilities with a mid move.

    Raises:
        ModelInputError: shapes disagree, rows that are not probabilities, or data that is not symmetrised
            (the sum would not converge).
    """
    q, move, t = (np.asarray(x, dtype=np.float64) for x in (still, first_move, moving))
    n = move.size
    if move.shape != (n,) or q.shape != (n, n) or t.shape != (n, n):
        raise ModelInputError("still", f"shape ({n}, {n}) like `moving`", (q.shape, t.shape))
    if not (np.isfinite(q).all() and np.isfinite(t).all() and np.isfinite(move).all()):
        raise ModelInputError("still", "finite transition matrices", "NaN or infinity")
    rows = (q + t).sum(axis=1)
    if (q < 0.0).any() or (t < 0.0).any() or (rows > 1.0 + 1e-9).any() or (q.sum(axis=1) >= 1.0).any():
        raise ModelInputError("still", "probabilities summing to at most 1, below 1 without moves", rows)
    chain = np.asarray(np.linalg.solve(np.eye(n) - q, np.column_stack((move, t))), dtype=np.float64)
    first: Vector = chain[:, 0]
    step: Vector = chain[:, 1:]
    total, term = first.copy(), first.copy()
    scale = float(np.abs(first).max())
    for _ in range(_MAX_TERMS):
        term = step @ term
        total += term
        if float(np.abs(term).max()) <= _CONVERGED * max(scale, float(np.abs(total).max())):
            return Adjustment(first, total)
    raise ModelInputError("first_move", "symmetrised data (antisymmetric moves), else the sum diverges", move)


@dataclass(frozen=True, slots=True)
class MicropriceModel:
    """Fitted model over imbalance buckets and spreads of 1..`spreads` ticks."""

    buckets: int
    spreads: int
    tick: float
    adjustment: Adjustment

    def microprice(self, bid: float, bid_size: float, ask: float, ask_size: float) -> float:
        """The fair price at a touch; a spread wider than fitted uses the widest state.

        Raises:
            ModelInputError: a crossed touch, a size not above 0.
        """
        finite(bid=bid, ask=ask)
        positive(bid_size=bid_size, ask_size=ask_size)
        if bid >= ask:
            raise ModelInputError("bid", f"below the ask {ask!r}", bid)
        spread = min(max(round((ask - bid) / self.tick), 1), self.spreads)
        bucket = _bucket(bid_size / (bid_size + ask_size), self.buckets)
        return 0.5 * (bid + ask) + float(self.adjustment.total[(spread - 1) * self.buckets + bucket])


def _bucket(share: float, buckets: int) -> int:
    return min(int(share * buckets), buckets - 1)


def fit_microprice(
    touches: ArrayLike, *, tick: float, buckets: int = 10, spreads: int = 2
) -> MicropriceModel:
    """Estimate the transition matrices from a sequence of touches, symmetrised.

    Args:
        touches: rows (bid, bid size, ask, ask size) in time order.
        tick: price grid; mid moves are counted in half ticks.
        buckets: number of imbalance buckets.
        spreads: widest spread kept, ticks; wider rows are left out.

    Raises:
        ModelInputError: no transition between kept rows, a number outside its domain, a crossed row.
    """
    positive(tick=tick)
    within(2, 100, buckets=buckets)
    within(1, 20, spreads=spreads)
    data = np.asarray(touches, dtype=np.float64)
    if data.ndim != 2 or data.shape[1] != 4 or data.shape[0] < 2 or not np.isfinite(data).all():
        raise ModelInputError("touches", "at least 2 finite rows of 4", data.shape)
    bid, bid_size, ask, ask_size = data.T
    if (bid >= ask).any() or (bid_size <= 0.0).any() or (ask_size <= 0.0).any():
        raise ModelInputError("touches", "bid below ask and sizes above 0", "a row that is not")
    width = np.rint((ask - bid) / tick).astype(np.int64)
    bucket = np.minimum((bid_size / (bid_size + ask_size) * buckets).astype(np.int64), buckets - 1)
    state = (width - 1) * buckets + bucket
    mirror = (width - 1) * buckets + (buckets - 1 - bucket)
    kept = (width[:-1] <= spreads) & (width[1:] <= spreads)
    if not kept.any():
        raise ModelInputError("touches", f"transitions with spreads up to {spreads} ticks", "none")
    move = np.diff(0.5 * (bid + ask))
    n = buckets * spreads
    still, moving, first = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n)
    for source, target, sign in ((state, state, 1.0), (mirror, mirror, -1.0)):
        i, j, m = source[:-1][kept], target[1:][kept], sign * move[kept]
        moved = np.abs(m) > 0.25 * tick
        np.add.at(still, (i[~moved], j[~moved]), 1.0)
        np.add.at(moving, (i[moved], j[moved]), 1.0)
        np.add.at(first, i[moved], m[moved])
    visits = still.sum(axis=1) + moving.sum(axis=1)
    seen = visits > 0.0
    scale = np.where(seen, 1.0 / np.maximum(visits, 1.0), 0.0)
    absorbing = seen & (moving.sum(axis=1) == 0.0) & (still.sum(axis=1) > 0.0)
    still *= scale[:, None] * np.where(absorbing, 1.0 - 1e-9, 1.0)[:, None]
    return MicropriceModel(buckets, spreads, tick, adjustments(still, first * scale, moving * scale[:, None]))
