"""Draws the plots of the option pages: `python docs/models/plot_options.py [DIRECTORY]`.

The same numbers give the same file, so a changed picture in a commit is a changed model.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from atomizer.models.attribution import attribute_option
from atomizer.models.averaged import CONTINUOUS, averaged_greeks
from atomizer.models.black import black76_greeks
from atomizer.models.inverse import inverse_greeks
from atomizer.models.svi import RawSvi, repair_butterfly

FORWARD = 3000.0
VOGT = RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)


def options(path: Path) -> None:
    """Delta in USD and in coin, and gamma through the averaging window against a print."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    strikes = np.linspace(2000.0, 4500.0, 201)
    for years, color in ((7 / 365, "tab:blue"), (90 / 365, "tab:orange")):
        black = [black76_greeks(FORWARD, float(K), years, 0.6, 0.0, True)[1] for K in strikes]
        coin = [inverse_greeks(FORWARD, float(K), years, 0.6, True)[3] for K in strikes]
        days = round(365 * years)
        left.plot(strikes, black, color=color, label=f"Black delta, {days} d")
        left.plot(strikes, coin, color=color, linestyle="--", label=f"premium adjusted, {days} d")
    left.set_xlabel("strike of a call, forward 3000, vol 60 %")
    left.set_ylabel("delta, coins")
    left.legend(fontsize=8)
    minutes = np.linspace(0.5, 60.0, 200)
    averaged = [
        averaged_greeks(FORWARD, FORWARD, FORWARD, 0.6, 60.0 * m, 1800.0, CONTINUOUS, True)[2]
        for m in minutes
    ]
    printed = [black76_greeks(FORWARD, FORWARD, m / 525_600, 0.6, 0.0, True)[2] for m in minutes]
    right.plot(minutes, averaged, label="average of 30 minutes")
    right.plot(minutes, printed, linestyle="--", label="one print")
    right.set_xlim(60.0, 0.0)
    right.set_ylim(0.0, 0.08)
    right.set_xlabel("minutes to expiry, at the money")
    right.set_ylabel("gamma, coins per USD")
    right.legend(fontsize=8)
    _save(figure, path)


def surfaces(path: Path) -> None:
    """Vogt's slice with butterfly arbitrage, and its repair."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    k = np.linspace(-1.5, 1.5, 301)
    mended = repair_butterfly(VOGT, 1.0)
    for raw, label, style in ((VOGT, "as fitted", "--"), (mended, "repaired", "-")):
        left.plot(k, np.sqrt(raw.variances(k)), style, label=label)
        right.plot(k, [raw.point(float(x))[3] for x in k], style, label=label)
    left.set_xlabel("log-moneyness k")
    left.set_ylabel("vol, T = 1")
    left.legend(fontsize=8)
    right.axhline(0.0, color="black", linewidth=0.7)
    right.set_xlabel("log-moneyness k")
    right.set_ylabel("g(k): below 0 is arbitrage")
    right.legend(fontsize=8)
    _save(figure, path)


def attribution(path: Path) -> None:
    """What the greeks explain of an option's P&L as the forward moves."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    moves = np.linspace(-0.04, 0.04, 101)
    pnl = [
        attribute_option(
            start_forward=FORWARD,
            end_forward=FORWARD * (1.0 + float(move)),
            strike=3100.0,
            is_call=True,
            years=14 / 365,
            elapsed=1 / 365,
            start_sigma=0.6,
            end_sigma=0.6 - 0.5 * float(move),
            quantity=10.0,
        )
        for move in moves
    ]
    left.plot(100 * moves, [one.total for one in pnl], color="black", label="total")
    for name in ("delta", "gamma", "vega", "theta"):
        left.plot(100 * moves, [getattr(one, name) for one in pnl], label=name)
    left.set_xlabel("move of the forward in a day, %")
    left.set_ylabel("P&L of 10 calls, USD")
    left.legend(fontsize=8)
    right.plot(
        100 * moves, [one.residual_first for one in pnl], "--", label="after delta, gamma, vega, theta"
    )
    right.plot(100 * moves, [one.residual for one in pnl], label="after all terms")
    right.set_xlabel("move of the forward in a day, %")
    right.set_ylabel("unexplained, USD")
    right.legend(fontsize=8)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with mpl.rc_context({"svg.hashsalt": "atomizer", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


PLOTS = {"options.svg": options, "surfaces.svg": surfaces, "attribution.svg": attribution}


def main(directory: Path) -> None:
    """Draw all plots into a directory."""
    for name, draw in PLOTS.items():
        draw(directory / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
