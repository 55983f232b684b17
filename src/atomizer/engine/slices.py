"""One expiry of a surface: the live quotes of its options, our fit through them, and what the fit must pass.

Gates, in the order they are asked: live strikes, forward, fit, residual, butterfly, calendar, forward against
parity and future, age. A slice that fails one prices nothing and says which.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import NamedTuple

import numpy as np

from atomizer.domain.events import Ticker
from atomizer.domain.refusals import Reason
from atomizer.engine.pricing import NoPriceError, live_vol
from atomizer.engine.settings import SurfaceSettings
from atomizer.models import surface_fit
from atomizer.models.listed_kernels import ASK_VOLS, ASKS, BID_VOLS, BIDS, ROWS, STRIKES, VOLS

NAN = math.nan
NS_PER_S = 1_000_000_000
# Strikes around the forward whose calls and puts must agree with it.
PARITY_STRIKES = 3


class Fit(NamedTuple):
    """A fitted slice: raw SVI parameters, years to expiry when its quotes were read, and its quality.

    `atm_vol`: its vol at the forward.
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    years: float
    as_of_ns: int
    low_k: float
    high_k: float
    fault: str
    atm_vol: float

    def variance(self, k: float, tau: float) -> float:
        """Total variance over `tau` at log-moneyness k: the vol of a moneyness stays while time passes."""
        y = k - self.m
        whole = self.a + self.b * (self.rho * y + math.sqrt(y * y + self.sigma * self.sigma))
        return whole / self.years * tau


class Slice:
    """One expiry. `quotes` has a column for each of `listed` and the rows of `models.listed_kernels`; it is
    contiguous, as kernels take it to be."""

    __slots__ = (
        "_least_live",
        "_max_age_ns",
        "basis",
        "expiry_ns",
        "fit",
        "forward",
        "future",
        "listed",
        "live",
        "name",
        "quotes",
        "settings",
    )

    def __init__(self, expiry_ns: int, name: str, settings: SurfaceSettings) -> None:
        self.expiry_ns = expiry_ns
        self.name = name
        self.settings = settings
        self.forward = self.basis = self.future = NAN
        self.listed: list[float] = []
        self.live = 0
        self.fit: Fit | None = None
        self.quotes = np.empty((ROWS, 0))
        self._max_age_ns = settings.max_age_s * NS_PER_S
        self._least_live = self._needed()

    def _needed(self) -> int:
        """The smallest number of live strikes that is enough; more than there are where none is."""
        count, share = len(self.listed), self.settings.fresh_share
        return next((live for live in range(count + 1) if _part(live, count) >= share), count + 1)

    def add(self, strike: float) -> None:
        at = bisect_left(self.listed, strike)
        if at < len(self.listed) and self.listed[at] == strike:
            return
        insort(self.listed, strike)
        self.quotes = np.ascontiguousarray(np.insert(self.quotes, at, NAN, axis=1))
        self.quotes[STRIKES, at] = strike
        self._least_live = self._needed()

    def known(self) -> float:
        """Share of listed strikes with a live vol."""
        return _part(self.live, len(self.listed))

    def learn(self, strike: float, ticker: Ticker, *, is_call: bool) -> None:
        """Take the touch of an option, and its vols and its expiry's forward where it is the one to teach."""
        at = bisect_left(self.listed, strike)
        if at == len(self.listed) or self.listed[at] != strike:
            return  # a last ticker of an option that is no longer listed
        if ticker.forward:
            self.forward = ticker.forward
            self.basis = ticker.forward / ticker.index if ticker.index else NAN
        quotes = self.quotes
        quotes[BIDS + is_call, at] = NAN if ticker.bid is None else ticker.bid
        quotes[ASKS + is_call, at] = NAN if ticker.ask is None else ticker.ask
        if math.isnan(self.forward) or is_call is not (strike >= self.forward):
            return
        vol = live_vol(ticker)
        self.live += math.isnan(quotes.item(VOLS, at)) - math.isnan(vol)
        quotes[VOLS, at] = vol
        told = not math.isnan(vol)
        quotes[BID_VOLS, at] = ticker.bid_vol if told and ticker.bid_vol is not None else NAN
        quotes[ASK_VOLS, at] = ticker.ask_vol if told and ticker.ask_vol is not None else NAN

    def forget(self) -> None:
        """Nothing that came over a feed that is gone holds, our fit included."""
        self.quotes[STRIKES + 1 :] = NAN
        self.live = 0
        self.fit = None
        self.forward = self.basis = self.future = NAN

    def forward_at(self, index: float) -> float:
        """The forward at an index: its basis holds between tickers. NaN where nothing is known."""
        moved = self.basis * index
        return self.forward if math.isnan(moved) else moved

    # --- gates ---

    def require_quotes(self) -> None:
        """Raises NoPriceError without a forward or with too few live strikes."""
        if math.isnan(self.forward):
            raise NoPriceError(f"no forward yet for {self.name}", Reason.SURFACE_GATE)
        least = self.settings.fresh_share
        if self.known() < least:
            raise NoPriceError(
                f"gate strikes of {self.name}: expected live vols at {least:.0%} of the strikes, "
                f"found {self.known():.0%}",
                Reason.SURFACE_GATE,
            )

    def require_fit(self, now_ns: int) -> Fit:
        """The fit, if every gate is passed.

        Raises:
            NoPriceError: none yet, too old, or a gate is not passed; the text names it.
        """
        fit = self.fit
        if (
            fit is not None
            and not fit.fault
            and self.live >= self._least_live
            and now_ns - fit.as_of_ns <= self._max_age_ns
            and self.forward > 0.0
        ):
            return fit
        # Not every gate is passed: ask one by one, in their order.
        self.require_quotes()
        if fit is None:
            raise NoPriceError(f"{self.name} has not been fitted yet")
        age_s = (now_ns - fit.as_of_ns) / NS_PER_S
        if age_s > self.settings.max_age_s:
            raise NoPriceError(
                f"gate age of {self.name}: the fit is {age_s:.1f} s old, {self.settings.max_age_s:g} allowed",
                Reason.STALE_FIT,
            )
        if fit.fault:
            raise NoPriceError(f"{fit.fault} of {self.name}", Reason.SURFACE_GATE)
        return fit

    def take(self, row: list[float], years: float, as_of_ns: int) -> None:
        """A fit came back: `row` in the order of `surface_fit.COLUMNS`."""
        a, b, rho, m, sigma = row[:5]
        low_k, high_k = row[surface_fit.LOW_K], row[surface_fit.HIGH_K]
        fault = self._fault(row) or self._forward_fault()
        fit = Fit(a, b, rho, m, sigma, years, as_of_ns, low_k, high_k, fault, NAN)
        at_the_money = fit.variance(0.0, 1.0)
        self.fit = fit._replace(atm_vol=math.sqrt(at_the_money) if at_the_money > 0.0 else NAN)

    def _fault(self, row: list[float]) -> str:
        """Which gate the fit itself fails, in words; empty: none."""
        settings = self.settings
        if row[surface_fit.STATUS] == surface_fit.TOO_FEW:
            return (
                f"gate strikes ({row[surface_fit.QUOTES]:.0f} two-sided quotes, "
                f"{surface_fit.LEAST_QUOTES} needed)"
            )
        if row[surface_fit.STATUS] != surface_fit.FITTED:
            return "gate fit (no slice goes through the quotes)"
        if row[surface_fit.INSIDE] < settings.inside_share:
            return (
                f"gate residual ({row[surface_fit.INSIDE]:.0%} of the quotes hold the fit between bid and "
                f"ask, {settings.inside_share:.0%} needed)"
            )
        if row[surface_fit.LEAST_G] < 0.0:
            return f"gate butterfly (least g {row[surface_fit.LEAST_G]:.3g})"
        if row[surface_fit.RAISED] > settings.most_raised:
            return (
                f"gate calendar (total variance falls against the expiry before by "
                f"{row[surface_fit.RAISED]:.2g} half-widths at the money, {settings.most_raised:g} allowed)"
            )
        return ""

    def _forward_fault(self) -> str:
        """Whether calls, puts and a listed future of the expiry contradict the forward."""
        allowed = self.settings.forward_bps * 1e-4
        if not math.isnan(self.future) and abs(self.future / self.forward - 1.0) > allowed:
            return f"gate forward ({self.forward:.2f}, the future of the expiry is at {self.future:.2f})"
        at = bisect_left(self.listed, self.forward)
        for i in range(max(0, at - PARITY_STRIKES), min(len(self.listed), at + PARITY_STRIKES)):
            parity = 1.0 - self.listed[i] / self.forward  # call less put, in coin
            put_bid, call_bid, put_ask, call_ask = self.quotes[BIDS:, i].tolist()
            low, high = call_bid - put_ask - allowed, call_ask - put_bid + allowed
            if low > parity or high < parity:
                return (
                    f"gate forward ({self.forward:.2f} contradicts parity at strike {self.listed[i]:g}: call "
                    f"less put is within [{low:.5f}, {high:.5f}], expected {parity:.5f})"
                )
        return ""


def _part(count: int, whole: int) -> float:
    return count / whole if whole else 0.0
