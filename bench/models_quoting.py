"""Benchmarks of the quoting half of the models: GLFT quotes and portfolio margin.

The peer of the GLFT solve is scipy's tridiagonal eigenvector (lowest pair only); elsewhere no package does
the job and the peer is a plain way of getting there (pricing option by option, the step before). Times are
CPU time of this process, so that a busy machine does not count waiting; median of the repeats.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal

from atomizer.models import glft
from atomizer.models.as_simulation import run as simulate
from atomizer.models.black import black76_price
from atomizer.models.margin_pm2 import Pm2Account, Pm2Model
from atomizer.models.scenario import option_chain

PARAMETERS = glft.GlftParameters(0.1, 2.0, 140.0, 140.0, 1.5, 20, xi=0.1)
OPTIONS = 200


def _median_us(work: Callable[[], object], repeats: int, loops: int) -> float:
    work()
    samples = []
    for _ in range(repeats):
        started = time.process_time()
        for _ in range(loops):
            work()
        samples.append((time.process_time() - started) / loops * 1e6)
    return statistics.median(samples)


def _scipy_eigenvector() -> tuple[float, float]:
    p = PARAMETERS
    n = np.arange(-p.lots, p.lots + 1.0)
    _, vectors = eigh_tridiagonal(
        p.alpha * n * n, np.full(2 * p.lots, -p.eta), select="i", select_range=(0, 0)
    )
    f = np.abs(vectors[:, 0])
    i = p.lots + 3
    return p.base + np.log(f[i] / f[i + 1]) / p.decay, p.base + np.log(f[i] / f[i - 1]) / p.decay


def _portfolio() -> tuple[Callable[[], Pm2Model], np.ndarray[Any, np.dtype[np.float64]], Pm2Account]:
    draw = np.random.default_rng(7)
    years = draw.choice([7.0, 30.0, 90.0, 180.0], OPTIONS) / 365.0
    strike = np.round(3000.0 * np.exp(draw.normal(0.0, 0.25, OPTIONS)), -1)
    chain = option_chain(
        3000.0 * np.exp(0.05 * years), strike, years, 0.6, draw.random(OPTIONS) < 0.5, np.exp(-0.05 * years)
    )
    account = Pm2Account(cash=1e6, perp_position=-20.0, perp_price=3001.0)
    return lambda: Pm2Model(chain, 3000.0, rates=0.05), draw.normal(0.0, 10.0, OPTIONS), account


def _margin_by_loops(model: Pm2Model, amounts: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """The scenario part of the same margin, option by option: what a straight port of the contract does."""
    worst, chain = 0.0, model.chain
    for scenario in model.parameters.scenarios:
        total = 0.0
        for i in range(OPTIONS):
            vol = chain.vol[i] * (1.5 if scenario.direction == "Up" else 1.0)
            forward = chain.forward[i] * scenario.spot
            total += amounts[i] * black76_price(
                forward, chain.strike[i], chain.years[i], vol, chain.discount[i], chain.is_call[i]
            )
        worst = min(worst, total * scenario.damping)
    return worst


def _row(name: str, ours: float, peer: float | None, target: str, unit: str = "us") -> dict[str, Any]:
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "ratio": ours / peer if peer else None,
        "unit": unit,
        "target": target,
    }


def run(quick: bool) -> list[dict[str, Any]]:
    """Rows of name, ours, peer, ratio (ours over peer), unit, target."""
    repeats, loops = (3, 50) if quick else (9, 500)
    build, amounts, account = _portfolio()
    model = build()
    book = model.book(amounts, account)
    price = float(model.chain.values()[5])
    cold = _median_us(lambda: glft.solve(PARAMETERS), repeats, loops)
    dense = _median_us(_scipy_eigenvector, repeats, loops)
    cached = _median_us(lambda: glft.distances(PARAMETERS, 3.0), repeats, 20 * loops)
    full = _median_us(lambda: build().book(amounts, account).margin(), repeats, max(loops // 10, 5))
    loop = _median_us(lambda: _margin_by_loops(model, amounts), 3, 2)
    held = _median_us(lambda: model.book(amounts, account).margin(), repeats, loops)
    candidate = _median_us(lambda: book.with_candidate(5, 3.0, price), repeats, 4 * loops)
    hedge = _median_us(lambda: book.with_perp(-3.0, 3000.0), repeats, loops)
    paths = 2_000 if quick else 20_000
    started = time.process_time()
    simulate(0.1, "inventory", paths=paths, seed=1)
    seconds = time.process_time() - started
    return [
        _row("GLFT quotes, Q=20, cold", cold, dense, "< 100 us"),
        _row("GLFT quotes, Q=20, cached", cached, cold, "< 2 us"),
        _row("PM2 margin, 200 options x 33 scenarios, full", full, loop, "< 1000 us"),
        _row("PM2 margin, marks unchanged, new positions", held, full, "report"),
        _row("PM2 margin, candidate order", candidate, full, "< 50 us"),
        _row("PM2 margin, candidate perpetual", hedge, full, "< 50 us"),
        _row(
            "A-S simulation, steps of 200 per path", paths * 200 / seconds / 1e6, None, "report", "M steps/s"
        ),
    ]


if __name__ == "__main__":
    for row in run(quick=False):
        print(row)
