"""From one expiry's quotes to a slice: bands of implied vol, the fit, and how good it is.

Band: the implied vols of bid and ask of the out-of-the-money option at each strike. Weight: one over the
half-width of the band, floored at `HALF_WIDTH_FLOOR`; at the money, where a book has most vega, one more
point on the line between the two nearest mids with half their width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models.implied import OK, black76_implied_vol_into
from atomizer.models.svi import CHECK_POINTS, ButterflyError, RawSvi, SviBoundsError, repair_butterfly
from atomizer.models.svi_kernels import GRID_HALF_WIDTH, WING_BOUND, butterfly_minimum, fit_svi

FloatArray = NDArray[np.float64]

LEAST_QUOTES: Final = 6
HALF_WIDTH_FLOOR: Final = 0.001  # of vol, added in quadrature
AT_THE_MONEY_SHARE: Final = 0.5
FLATTENING_HALVINGS: Final = 30


class CalibrationError(ValueError):
    """A slice that cannot be fitted; the subclass says why."""


class TooFewQuotesError(CalibrationError):
    """Fewer two-sided quotes than a slice has parameters, plus one."""


class CrossedQuotesError(CalibrationError):
    """A bid above its ask."""


class BadQuotesError(CalibrationError):
    """Something that is not a number, not positive, expired, or of the wrong length."""


class FitFailedError(CalibrationError):
    """The search ended without a slice."""


@dataclass(frozen=True, slots=True)
class VolBands:
    """Two-sided quotes of one expiry as implied vols, strikes increasing; `years` to the expiry itself.

    Raises:
        BadQuotesError, CrossedQuotesError: on construction from arrays that are no such quotes.
    """

    forward: float
    years: float
    strikes: FloatArray
    bid_vols: FloatArray
    ask_vols: FloatArray

    def __post_init__(self) -> None:
        if not (0.0 < self.forward < math.inf and 0.0 < self.years < math.inf):
            raise BadQuotesError(
                f"expected a positive forward and time to expiry, found F={self.forward!r}, T={self.years!r}"
            )
        arrays = (self.strikes, self.bid_vols, self.ask_vols)
        if len({array.shape for array in arrays}) != 1 or self.strikes.ndim != 1:
            raise BadQuotesError(
                f"expected three flat arrays of one length, found shapes {[array.shape for array in arrays]}"
            )
        if not all(bool(np.all(np.isfinite(array) & (array > 0.0))) for array in arrays):
            raise BadQuotesError("expected positive strikes and vols, found a NaN, an infinity, 0 or less")
        if bool(np.any(np.diff(self.strikes) <= 0.0)):
            raise BadQuotesError("expected strictly increasing strikes; sort them, one quote per strike")
        crossed = np.flatnonzero(self.bid_vols > self.ask_vols)
        if crossed.size:
            i = int(crossed[0])
            raise CrossedQuotesError(
                f"expected bid <= ask, found bid vol {self.bid_vols[i]:.4f} over {self.ask_vols[i]:.4f} "
                f"at strike {self.strikes[i]:g} ({crossed.size} crossed); drop or refresh the quotes"
            )

    @property
    def size(self) -> int:
        """Number of strikes."""
        return int(self.strikes.size)

    @property
    def moneyness(self) -> FloatArray:
        """ln(K/F)."""
        return np.log(self.strikes / self.forward)

    def without(self, i: int) -> VolBands:
        """The same quotes but the i-th."""
        keep = np.arange(self.size) != i
        return VolBands(
            self.forward, self.years, self.strikes[keep], self.bid_vols[keep], self.ask_vols[keep]
        )


def bands_from_prices(
    *,
    forward: float,
    years: float,
    strikes: FloatArray,
    is_call: NDArray[np.bool_],
    bids: FloatArray,
    asks: FloatArray,
    df: float = 1.0,
) -> VolBands:
    """Bands from prices in the forward's currency; quotes without a vol on both sides are left out.

    A missing side is NaN or 0. Coin prices: multiply by the forward first.

    Raises:
        CrossedQuotesError, BadQuotesError: as for `VolBands`; a bid over its ask is an error, not left out.
    """
    crossed = np.flatnonzero(bids > asks)
    if crossed.size:
        i = int(crossed[0])
        raise CrossedQuotesError(
            f"expected bid <= ask, found {bids[i]:g} over {asks[i]:g} at strike {strikes[i]:g}; "
            "drop or refresh the quote"
        )
    count = strikes.size
    forwards, times, discounts = np.full(count, forward), np.full(count, years), np.full(count, df)
    vols, codes = np.empty((2, count)), np.empty((2, count), dtype=np.int64)
    flags = np.ascontiguousarray(is_call, dtype=np.bool_)
    grid = np.ascontiguousarray(strikes, dtype=np.float64)
    for row, prices in enumerate((bids, asks)):
        sides = np.ascontiguousarray(prices, dtype=np.float64)
        black76_implied_vol_into(sides, forwards, grid, times, discounts, flags, vols[row], codes[row])
    keep = (codes[0] == OK) & (codes[1] == OK)
    return VolBands(forward, years, grid[keep], vols[0][keep], vols[1][keep])


@dataclass(frozen=True, slots=True)
class SliceFit:
    """A fitted expiry: the slice, the quotes it came from, and how it sits among them."""

    raw: RawSvi
    bands: VolBands
    loss: float
    repaired: bool

    def vols(self, strikes: FloatArray) -> FloatArray:
        """Vols of the slice at strikes."""
        k = np.log(np.asarray(strikes, dtype=np.float64) / self.bands.forward)
        vols: FloatArray = np.sqrt(self.raw.variances(k) / self.bands.years)
        return vols

    @property
    def atm_vol(self) -> float:
        """Vol at the forward."""
        return math.sqrt(self.raw.variance(0.0) / self.bands.years)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Per quote: the slice lies between bid and ask."""
        vols = self.vols(self.bands.strikes)
        within: NDArray[np.bool_] = (vols >= self.bands.bid_vols) & (vols <= self.bands.ask_vols)
        return within

    @property
    def butterfly_minimum(self) -> float:
        """Least g on |k| <= 1.5, looked at closely where the quotes are."""
        return _least_g(self.raw.as_array(), _reach(self.bands))


def targets(bands: VolBands) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(k, middle, half-width) in total variance, with the point at the money added where quotes span it."""
    k = bands.moneyness
    low, high = bands.bid_vols**2 * bands.years, bands.ask_vols**2 * bands.years
    middle = 0.5 * (low + high)
    floor = 2.0 * np.sqrt(middle * bands.years) * HALF_WIDTH_FLOOR
    half = np.hypot(0.5 * (high - low), floor)
    if k[0] < 0.0 < k[-1]:
        at = int(np.searchsorted(k, 0.0))
        share = -k[at - 1] / (k[at] - k[at - 1])
        vol = (1.0 - share) * math.sqrt(middle[at - 1]) + share * math.sqrt(middle[at])
        width = (1.0 - share) * half[at - 1] + share * half[at]
        k = np.insert(k, at, 0.0)
        middle = np.insert(middle, at, vol * vol)
        half = np.insert(half, at, AT_THE_MONEY_SHARE * width)
    return k, middle, half


def fit_slice(bands: VolBands, previous: RawSvi | None = None) -> SliceFit:
    """Fit one expiry; `previous` (the last slice of the same expiry) makes it one short descent.

    Raises:
        TooFewQuotesError: under `LEAST_QUOTES` two-sided quotes.
        FitFailedError: no slice. One with arbitrage is mended, at the cost of the fit (`repaired`).
    """
    if bands.size < LEAST_QUOTES:
        raise TooFewQuotesError(
            f"too few quotes: expected at least {LEAST_QUOTES} two-sided out-of-the-money quotes, "
            f"found {bands.size}; use the venue's mark vol for this expiry"
        )
    k, middle, half = targets(bands)
    start = np.full(5, np.nan) if previous is None else previous.as_array()
    out = np.empty(5)
    loss, _ = fit_svi(k, middle, half, start, out)
    if not math.isfinite(loss):
        raise FitFailedError(
            f"expected a slice through {bands.size} quotes at T={bands.years:.6f}, found none; "
            "check forward and quotes"
        )
    reach = _reach(bands)
    if _is_sound(out, reach):
        return SliceFit(RawSvi.from_array(out), bands, loss, repaired=False)
    try:
        mended = repair_butterfly(RawSvi.from_array(out), bands.years)
    except (SviBoundsError, ButterflyError):
        mended = None
    if mended is None or not _is_sound(mended.as_array(), reach):
        mended = _flattened(out, float(np.median(middle)), reach)
    return SliceFit(mended, bands, loss, repaired=True)


def _reach(bands: VolBands) -> float:
    return min(1.5 * float(np.max(np.abs(bands.moneyness))), GRID_HALF_WIDTH)


def _least_g(raw: FloatArray, reach: float) -> float:
    wide = butterfly_minimum(raw, -GRID_HALF_WIDTH, GRID_HALF_WIDTH, CHECK_POINTS)[0]
    return min(wide, butterfly_minimum(raw, -reach, reach, CHECK_POINTS)[0])


def _is_sound(raw: FloatArray, reach: float) -> bool:
    a, b, rho, _, sigma = raw
    lowest = a + b * sigma * math.sqrt(1.0 - rho * rho)
    return bool(lowest >= 0.0 and b * (1.0 + abs(rho)) <= WING_BOUND and _least_g(raw, reach) >= 0.0)


def _flattened(raw: FloatArray, level: float, reach: float) -> RawSvi:
    """The slice mixed with the flat one at `level`, by the least share that leaves no arbitrage.

    A flat slice has none, and mixtures of a slice with it are slices: the last resort for quotes that hold
    arbitrage themselves.
    """
    flat = np.array([level, 0.0, raw[2], raw[3], raw[4]])
    good, bad = 0.0, 1.0
    for _ in range(FLATTENING_HALVINGS):
        share = 0.5 * (good + bad)
        mixed = flat + share * np.array([raw[0] - level, raw[1], 0.0, 0.0, 0.0])
        if _is_sound(mixed, reach):
            good = share
        else:
            bad = share
    return RawSvi.from_array(flat + good * np.array([raw[0] - level, raw[1], 0.0, 0.0, 0.0]))


def leave_one_out(bands: VolBands) -> NDArray[np.bool_]:
    """Per quote: the slice fitted without it lies between its bid and ask.

    Raises:
        CalibrationError: as for `fit_slice`, with one quote fewer.
    """
    hits = np.zeros(bands.size, dtype=np.bool_)
    for i in range(bands.size):
        vol = fit_slice(bands.without(i)).vols(bands.strikes[i : i + 1])[0]
        hits[i] = bands.bid_vols[i] <= vol <= bands.ask_vols[i]
    return hits
