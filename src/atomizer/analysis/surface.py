"""Fits a captured chain and says how good the fit is: forward, bands, slice, in and out of sample."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from atomizer.analysis.chains import ChainError, OptionChain
from atomizer.models.calibration import (
    SliceFit,
    VolBands,
    bands_from_prices,
    fit_slice,
    leave_one_out,
)

EXPORT_COLUMNS: Final = (
    "underlying",
    "as_of",
    "expiry",
    "years",
    "forward",
    "strike",
    "log_moneyness",
    "bid_vol",
    "ask_vol",
    "fit_vol",
    "inside",
)


class MissingExtraError(RuntimeError):
    """An optional package is not installed."""


def parity_forward(chain: OptionChain) -> float:
    """The forward from put-call parity in coin, c - p = 1 - K/F, over strikes with four sides quoted.

    Mean of K/(1 - (c - p)) weighted by one over the square of the summed spreads, held inside the bounds that
    bids and asks imply.

    Raises:
        ChainError: no strike with both options two-sided, or bounds that exclude each other.
    """
    call_bid, call_ask = chain.column("call_bid"), chain.column("call_ask")
    put_bid, put_ask = chain.column("put_bid"), chain.column("put_ask")
    strikes = chain.column("strike")
    full = np.isfinite(call_bid) & np.isfinite(call_ask) & np.isfinite(put_bid) & np.isfinite(put_ask)
    if not full.any():
        raise ChainError(
            f"{chain.underlying} {chain.expiry:%Y-%m-%d}: expected a strike with call and put two-sided "
            "for the forward, found none"
        )
    parity = 0.5 * (call_bid + call_ask - put_bid - put_ask)[full]
    spread = (call_ask - call_bid + put_ask - put_bid)[full]
    weight = 1.0 / np.maximum(spread, 1e-6) ** 2
    forward = float(np.sum(weight * strikes[full] / (1.0 - parity)) / np.sum(weight))
    low = float(np.max(strikes[full] / (1.0 - (call_bid - put_ask)[full])))
    high = float(np.min(strikes[full] / (1.0 - (call_ask - put_bid)[full])))
    if low > high:
        raise ChainError(
            f"{chain.underlying} {chain.expiry:%Y-%m-%d}: expected parity bounds around a forward, found "
            f"{low:.2f} > {high:.2f}; a quote is stale or crossed"
        )
    return min(max(forward, low), high)


def chain_bands(chain: OptionChain, forward: float) -> VolBands:
    """Implied-vol bands of the out-of-the-money options with both sides quoted.

    Raises:
        CalibrationError: crossed quotes.
    """
    strikes = chain.column("strike")
    is_call: NDArray[np.bool_] = strikes >= forward
    bids = np.where(is_call, chain.column("call_bid"), chain.column("put_bid")) * forward
    asks = np.where(is_call, chain.column("call_ask"), chain.column("put_ask")) * forward
    return bands_from_prices(
        forward=forward, years=chain.years, strikes=strikes, is_call=is_call, bids=bids, asks=asks
    )


@dataclass(frozen=True, slots=True)
class ChainFit:
    """A chain with its fitted slice."""

    chain: OptionChain
    fit: SliceFit

    @property
    def atm_quote_vol(self) -> float:
        """Vol at the forward on the straight line between the two nearest mids: no model in it."""
        bands = self.fit.bands
        mids = 0.5 * (bands.bid_vols + bands.ask_vols)
        return float(np.interp(0.0, bands.moneyness, mids))

    def held_out(self) -> NDArray[np.bool_]:
        """Per quote: the slice fitted without it lies between its bid and ask."""
        return leave_one_out(self.fit.bands)

    def summary(self) -> dict[str, Any]:
        """The fit in numbers, for people and for JSON."""
        fit = self.fit
        return {
            "underlying": self.chain.underlying,
            "as_of": self.chain.as_of.isoformat(),
            "expiry": self.chain.expiry.isoformat(),
            "years": fit.bands.years,
            "forward": fit.bands.forward,
            "quotes": fit.bands.size,
            "atm_vol": fit.atm_vol,
            "atm_quote_vol": self.atm_quote_vol,
            "inside": float(np.mean(fit.inside)),
            "held_out_inside": float(np.mean(self.held_out())),
            "butterfly_minimum": fit.butterfly_minimum,
            "repaired": fit.repaired,
            "svi": {name: getattr(fit.raw, name) for name in ("a", "b", "rho", "m", "sigma")},
        }

    def records(self) -> list[dict[str, Any]]:
        """One row per quoted strike, columns as in `EXPORT_COLUMNS`."""
        bands = self.fit.bands
        vols, inside, k = self.fit.vols(bands.strikes), self.fit.inside, bands.moneyness
        return [
            {
                "underlying": self.chain.underlying,
                "as_of": self.chain.as_of.isoformat(),
                "expiry": self.chain.expiry.isoformat(),
                "years": bands.years,
                "forward": bands.forward,
                "strike": float(bands.strikes[i]),
                "log_moneyness": float(k[i]),
                "bid_vol": float(bands.bid_vols[i]),
                "ask_vol": float(bands.ask_vols[i]),
                "fit_vol": float(vols[i]),
                "inside": bool(inside[i]),
            }
            for i in range(bands.size)
        ]


def fit_chain(chain: OptionChain) -> ChainFit:
    """Forward from parity, bands, slice.

    Raises:
        ChainError: no forward.
        CalibrationError: no slice (too few quotes, crossed quotes).
    """
    return ChainFit(chain, fit_slice(chain_bands(chain, parity_forward(chain))))


def export_csv(fits: list[ChainFit]) -> str:
    """All fits' rows as CSV with a header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, EXPORT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for one in fits:
        writer.writerows(one.records())
    return out.getvalue()


def export_json(fits: list[ChainFit]) -> str:
    """All fits as a JSON list: the summary of each and its points."""
    return json.dumps([{**one.summary(), "points": one.records()} for one in fits], indent=2) + "\n"


def plot_fit(one: ChainFit, path: Path) -> None:
    """Draw the fit against bid and ask; the file's suffix chooses the format (png, svg, pdf).

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "expected matplotlib for the plot, found none; install the extra atomizer[analysis]"
        ) from error
    bands = one.fit.bands
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.subplots()
    mids = 0.5 * (bands.bid_vols + bands.ask_vols)
    axes.errorbar(
        bands.strikes,
        100.0 * mids,
        yerr=100.0 * np.vstack((mids - bands.bid_vols, bands.ask_vols - mids)),
        fmt="none",
        ecolor="tab:gray",
        capsize=3,
        label="bid to ask",
    )
    outside = ~one.fit.inside
    axes.plot(bands.strikes[outside], 100.0 * mids[outside], "x", color="tab:red", label="fit outside")
    strikes = np.linspace(bands.strikes[0], bands.strikes[-1], 400)
    axes.plot(strikes, 100.0 * one.fit.vols(strikes), color="tab:blue", label="SVI fit")
    axes.axvline(bands.forward, color="black", linewidth=0.7, linestyle=":", label="forward")
    axes.set_xlabel("strike")
    axes.set_ylabel("implied vol, %")
    axes.set_title(
        f"{one.chain.underlying} {one.chain.expiry:%d %b %Y}, {365.0 * bands.years:.2f} days: "
        f"{int(one.fit.inside.sum())} of {bands.size} quotes inside"
    )
    axes.legend()
    figure.savefig(path)
