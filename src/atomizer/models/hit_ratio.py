"""Logistic hit ratio of RFQ quotes: how likely a quote at distance d from fair is to trade.

    P(hit | d) = 1 / (1 + exp(alpha + beta d))

d is the margin we ask (price units or vol points, one choice per model), alpha and beta fitted by maximum
likelihood on our own answered RFQs. The best margin balances winning against earning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from atomizer.models.inputs import ModelInputError, finite, positive

_MAX_STEPS = 60
_PRECISION = 1e-12


@dataclass(frozen=True, slots=True)
class HitRatio:
    """Fitted or assumed model; standard errors are NaN when assumed. beta > 0: dearer quotes win less."""

    alpha: float
    beta: float
    alpha_error: float = math.nan
    beta_error: float = math.nan

    def probability(self, margin: float) -> float:
        """Chance that a quote at this margin trades; NaN for a margin that is NaN."""
        x = self.alpha + self.beta * margin
        return math.exp(-x) / (1.0 + math.exp(-x)) if x > 0.0 else 1.0 / (1.0 + math.exp(x))

    def best_margin(self, cost: float = 0.0) -> float:
        """The margin that maximises P(hit) (margin - cost).

        Solves beta (d - cost) (1 - P(d)) = 1 by bisection on a bracket that always holds the root.

        Raises:
            ModelInputError: beta not above 0 (margins would have no best value), cost not finite.
        """
        positive(beta=self.beta)
        finite(cost=cost)
        low = cost + 1.0 / self.beta
        high = low + max(1.0, 1.0 - math.log(self.beta) - self.alpha - self.beta * cost) / self.beta
        while self.beta * (high - cost) * (1.0 - self.probability(high)) < 1.0:
            high = cost + 2.0 * (high - cost)
        for _ in range(200):
            middle = 0.5 * (low + high)
            if middle in (low, high):
                break
            if self.beta * (middle - cost) * (1.0 - self.probability(middle)) < 1.0:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)


def fit_hit_ratio(margins: ArrayLike, won: ArrayLike) -> HitRatio:
    """Maximum likelihood of alpha and beta by Newton's method.

    Args:
        margins: margin of every answered RFQ.
        won: whether it traded (booleans or 0/1).

    Raises:
        ModelInputError: lengths disagree, a margin not finite, all quotes won or all lost, or wins and losses
            separated by a margin (the likelihood then has no maximum).
    """
    d = np.asarray(margins, dtype=np.float64)
    hit = np.asarray(won, dtype=np.float64)
    if d.ndim != 1 or d.shape != hit.shape or d.size < 3 or not np.isfinite(d).all():
        raise ModelInputError("margins", "at least 3 finite margins, one per outcome", d.shape)
    if not np.isin(hit, (0.0, 1.0)).all() or hit.min() == hit.max():
        raise ModelInputError("won", "outcomes 0 or 1 with at least one of each", hit.tolist()[:8])
    centre, scale = float(d.mean()), float(d.std())
    if scale == 0.0:
        raise ModelInputError("margins", "at least two different margins", centre)
    x = np.column_stack((np.ones_like(d), (d - centre) / scale))
    weights = np.zeros(2)
    for _ in range(_MAX_STEPS):
        lost = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -700.0, 700.0)))
        information = x.T @ (x * (lost * (1.0 - lost))[:, None])
        if np.linalg.cond(information) > 1e12 or np.abs(weights).max() > 50.0:
            raise ModelInputError("won", "wins and losses that overlap in margin", "separated outcomes")
        step = np.linalg.solve(information, x.T @ ((1.0 - hit) - lost))
        weights += step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < _PRECISION:
            break
    to_raw = np.array(((1.0, -centre / scale), (0.0, 1.0 / scale)))
    alpha, beta = to_raw @ weights
    errors = np.sqrt(np.diag(to_raw @ np.linalg.inv(information) @ to_raw.T))
    return HitRatio(float(alpha), float(beta), float(errors[0]), float(errors[1]))
