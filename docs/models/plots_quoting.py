"""Draws the plots of the quoting, hedging, risk and AMM pages: `python docs/models/plots_quoting.py`.

Output is small, deterministic SVG beside this file in `plots/`.
"""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from atomizer.models import amm, avellaneda, glft, glft_horizon, hedge_bands, microstructure
from atomizer.models.black import black76_greeks
from atomizer.models.scenario import ScenarioMatrix, grid, option_chain

OUT = Path(__file__).parent / "plots"
plt.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "atomizer",
        "figure.figsize": (6.0, 3.2),
        "axes.grid": True,
        "grid.alpha": 0.3,
        "path.simplify": True,
        "path.simplify_threshold": 0.5,
    }
)


def save(name: str, title: str, x: str, y: str) -> None:
    """Label the current axes, write them, close."""
    axes = plt.gca()
    axes.set(title=title, xlabel=x, ylabel=y)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
    OUT.mkdir(exist_ok=True)
    plt.tight_layout()
    plt.savefig(OUT / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close()


def quoting() -> None:
    """Distances against inventory: A-S, GLFT exact and closed, GLFT near the end."""
    p = glft.GlftParameters(0.1, 2.0, 140.0, 140.0, 1.5, 10, xi=0.1)
    n = np.arange(-10, 11)
    exact, closed = glft.solve(p), glft.closed_form(p)
    near_end = glft_horizon.solve_horizon(p, 0.02, terminal_linear=0.3)
    plt.plot(n, exact.delta_bid, "o-", ms=3, label="GLFT bid, eigenvector")
    plt.plot(n, closed[0] + closed[1] * n, "--", label="GLFT bid, closed form")
    plt.plot(n, near_end.delta_bid, ":", label="GLFT bid, 0.02 before the end, cost 0.3")
    bids = [-avellaneda.quote(0.0, float(q), 0.1, 2.0, 0.5, 1.5).bid for q in n]
    plt.plot(n, bids, "-.", label="Avellaneda-Stoikov bid, half the session left")
    save("quoting", "Bid distance against inventory", "inventory, lots", "distance, price units")


def book_signals() -> None:
    """Weighted mid against imbalance."""
    share = np.linspace(0.02, 0.98, 49)
    weighted = [microstructure.weighted_mid([(100.0, s)], [(101.0, 1.0 - s)]) for s in share]
    deep = [
        microstructure.vamp([(100.0, s), (99.0, 5.0)], [(101.0, 1.0 - s), (102.0, 5.0)], 2.0) for s in share
    ]
    plt.plot(share, weighted, label="weighted mid")
    plt.plot(share, deep, "--", label="VAMP, 2 units")
    save("microstructure", "Touch 100/101", "bid size / (bid size + ask size)", "price")


def bands() -> None:
    """No-trade bands around the delta of a call."""
    spot = np.linspace(70.0, 130.0, 61)
    greeks = np.array([black76_greeks(s, 100.0, 30.0 / 365.0, 0.6, 0.0, True) for s in spot])
    width = [
        hedge_bands.whalley_wilmott(s, g, 30.0 / 365.0, 0.0, 0.0005, 1.0)
        for s, g in zip(spot, greeks[:, 2], strict=True)
    ]
    plt.plot(spot, greeks[:, 1], label="delta")
    plt.fill_between(spot, greeks[:, 1] - width, greeks[:, 1] + width, alpha=0.3, label="no trade")
    save("hedging", "Whalley-Wilmott band, 5 bp, risk aversion 1", "forward", "coins")


def scenarios() -> None:
    """Scenario P&L of a short strangle at three vol moves."""
    chain = option_chain(3000.0, [2700.0, 3300.0], 30.0 / 365.0, 0.6, [False, True])
    moves = np.linspace(-0.3, 0.3, 41)
    for vol, style in ((-0.1, ":"), (0.0, "-"), (0.15, "--")):
        pnl = ScenarioMatrix(chain, grid(moves, [vol])).book_pnl([-1.0, -1.0])
        plt.plot(100.0 * moves, pnl, style, label=f"vol {100 * vol:+.0f} points")
    save("risk", "Short strangle 2700/3300, 30 days", "spot move, %", "P&L, USD")


def liquidity() -> None:
    """Value of a position against holding, and its break-even."""
    price = np.linspace(50.0, 180.0, 66)
    start = amm.range_state(100.0, 80.0, 125.0, 100.0)
    plt.plot(price, [amm.range_state(p, 80.0, 125.0, 100.0).value for p in price], label="position")
    plt.plot(price, [start.y + start.x * p for p in price], "--", label="tokens held")
    wide = amm.liquidity_for_value(start.value, 100.0, 0.0, math.inf)
    plt.plot(price, [amm.range_state(p, 0.0, math.inf, wide).value for p in price], ":", label="full range")
    save("amm", "Range 80-125 minted at 100", "price", "value, token1")


if __name__ == "__main__":
    quoting()
    book_signals()
    bands()
    scenarios()
    liquidity()
