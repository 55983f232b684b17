"""Prices from the hedge venue's live option vols: one smile per expiry, Black-76 on its forward.

A strike's vol is the venue's mark vol held inside the vols of the live book; a strike with no live side is
unknown. Between strikes the vol is a cubic in log-moneyness, between expiries total variance is linear in
time. Nothing is extrapolated: outside the listed strikes and expiries there is no price.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import Any, NamedTuple

import numpy as np

from atomizer.domain.events import Ticker
from atomizer.domain.instruments import Instrument
from atomizer.models._jit import kernel
from atomizer.models.black import black76_greeks

YEAR_NS = 365 * 86_400 * 1_000_000_000


@kernel("float64(float64, float64, float64[::1], float64[::1])")
def smile_vol(strike: float, forward: float, strikes: Any, vols: Any) -> float:
    """Vol at a strike: cubic Hermite in ln(K/F) through the known strikes; NaN outside them.

    Slopes at the knots are those of the parabola through neighbours, one-sided at the ends. Unknown vols
    (NaN) are passed over.
    """
    count = strikes.shape[0]
    left, right = -1, -1
    for i in range(count):
        if math.isnan(vols[i]):
            continue
        if strikes[i] <= strike:
            left = i
        if strikes[i] >= strike:
            right = i
            break
    if left < 0 or right < 0:
        return math.nan
    if left == right:
        return float(vols[left])
    before, after = left - 1, right + 1
    while before >= 0 and math.isnan(vols[before]):
        before -= 1
    while after < count and math.isnan(vols[after]):
        after += 1
    x0, x1, x = (
        math.log(strikes[left] / forward),
        math.log(strikes[right] / forward),
        math.log(strike / forward),
    )
    width = x1 - x0
    chord = (vols[right] - vols[left]) / width
    slope0 = slope1 = chord
    if before >= 0:
        gap = x0 - math.log(strikes[before] / forward)
        slope0 = ((vols[left] - vols[before]) / gap * width + chord * gap) / (width + gap)
    if after < count:
        gap = math.log(strikes[after] / forward) - x1
        slope1 = ((vols[after] - vols[right]) / gap * width + chord * gap) / (width + gap)
    t = (x - x0) / width
    s = 1.0 - t
    return float(
        vols[left] * s * s * (1.0 + 2.0 * t)
        + vols[right] * t * t * (1.0 + 2.0 * s)
        + slope0 * width * t * s * s
        - slope1 * width * s * t * t
    )


class Priced(NamedTuple):
    """One option priced, per unit of underlying, undiscounted, in USD.

    delta per unit of forward, gamma per USD, vega per 1.00 of vol, theta per year; `tau` in years.
    """

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    forward: float
    vol: float
    tau: float


class NoPriceError(LookupError):
    """There is no price for this; the text says what is missing."""


class Slice:
    """One expiry's smile. `vols[i]` belongs to `strikes[i]`; NaN where no live vol is known."""

    __slots__ = ("expiry_ns", "forward", "listed", "live", "strikes", "vols")

    def __init__(self, expiry_ns: int) -> None:
        self.expiry_ns = expiry_ns
        self.forward = math.nan
        self.listed: list[float] = []
        self.live = 0
        self.strikes = np.empty(0)
        self.vols = np.empty(0)

    def add(self, strike: float) -> None:
        at = bisect_left(self.listed, strike)
        if at < len(self.listed) and self.listed[at] == strike:
            return
        insort(self.listed, strike)
        self.strikes = np.array(self.listed)
        self.vols = np.insert(self.vols, at, math.nan)

    def known(self) -> float:
        """Share of listed strikes with a live vol."""
        return self.live / len(self.listed) if self.listed else 0.0

    def learn(self, at: int, vol: float) -> None:
        """Take the vol (NaN: none) of the strike at this place."""
        self.live += math.isnan(self.vols.item(at)) - math.isnan(vol)
        self.vols[at] = vol

    def forget(self) -> None:
        self.vols = np.full(len(self.listed), math.nan)
        self.live = 0
        self.forward = math.nan


class Surface:
    """All expiries of one underlying on one venue."""

    def __init__(self, venue: str, underlying: str, fresh_share: float) -> None:
        self.venue = venue
        self.underlying = underlying
        self.fresh_share = fresh_share
        self.slices: dict[int, Slice] = {}
        self.expiries: list[int] = []

    def list_option(self, instrument: Instrument) -> None:
        if instrument.expiry_ns is None or instrument.strike is None:
            return
        found = self.slices.get(instrument.expiry_ns)
        if found is None:
            found = self.slices[instrument.expiry_ns] = Slice(instrument.expiry_ns)
            insort(self.expiries, instrument.expiry_ns)
        found.add(float(instrument.strike))

    def learn(self, instrument: Instrument, ticker: Ticker) -> None:
        """Take the vol of an out-of-the-money option and the forward of its expiry."""
        found = self.slices.get(instrument.expiry_ns or 0)
        if found is None or instrument.strike is None:
            return
        if ticker.forward:
            found.forward = ticker.forward
        strike = float(instrument.strike)
        if math.isnan(found.forward) or instrument.is_call is not (strike >= found.forward):
            return
        found.learn(bisect_left(found.listed, strike), live_vol(ticker))

    def forget(self) -> None:
        """The feed is gone: nothing learned from it holds."""
        for found in self.slices.values():
            found.forget()

    def drop_expired(self, now_ns: int) -> None:
        while self.expiries and self.expiries[0] <= now_ns:
            del self.slices[self.expiries.pop(0)]

    def price(self, strike: float, expiry_ns: int, *, is_call: bool, now_ns: int) -> Priced:
        """Price an option.

        Raises:
            NoPriceError: expired, outside the listed strikes or expiries, or too few live vols.
        """
        tau = (expiry_ns - now_ns) / YEAR_NS
        if tau <= 0.0:
            raise NoPriceError("the option has expired")
        forward, vol = self.forward_and_vol(strike, expiry_ns, now_ns)
        greeks = black76_greeks(forward, strike, tau, vol, 0.0, is_call)
        return Priced(greeks[0], greeks[1], greeks[2], greeks[3], greeks[4], forward, vol, tau)

    def forward_and_vol(self, strike: float, expiry_ns: int, now_ns: int) -> tuple[float, float]:
        """Forward (USD) and vol at a strike and expiry, interpolated in time between listed expiries."""
        at = bisect_left(self.expiries, expiry_ns)
        if at < len(self.expiries) and self.expiries[at] == expiry_ns:
            near = self._usable(self.expiries[at])
            return near.forward, self._vol(near, strike, near.forward)
        if at == 0 or at == len(self.expiries):
            raise NoPriceError(
                f"expiry outside the listed ones of {self.venue} {self.underlying}; nothing is extrapolated"
            )
        near, far = self._usable(self.expiries[at - 1]), self._usable(self.expiries[at])
        t0, t1, t = (e - now_ns for e in (near.expiry_ns, far.expiry_ns, expiry_ns))
        weight = (t - t0) / (t1 - t0)
        forward = math.exp((1 - weight) * math.log(near.forward) + weight * math.log(far.forward))
        near_vol = self._vol(near, strike * near.forward / forward, near.forward)
        far_vol = self._vol(far, strike * far.forward / forward, far.forward)
        variance = (1 - weight) * near_vol**2 * t0 + weight * far_vol**2 * t1
        return forward, math.sqrt(variance / t)

    def _usable(self, expiry_ns: int) -> Slice:
        found = self.slices[expiry_ns]
        if math.isnan(found.forward):
            raise NoPriceError(f"no forward yet for one expiry of {self.venue} {self.underlying}")
        if found.known() < self.fresh_share:
            raise NoPriceError(
                f"expected live vols at {self.fresh_share:.0%} of the strikes of {self.venue} "
                f"{self.underlying}, found {found.known():.0%}"
            )
        return found

    def _vol(self, found: Slice, strike: float, forward: float) -> float:
        vol = smile_vol(strike, forward, found.strikes, found.vols)
        if math.isnan(vol):
            raise NoPriceError(
                f"strike {strike:g} is outside the live strikes of {self.venue} {self.underlying}"
            )
        return vol


def live_vol(ticker: Ticker) -> float:
    """The venue's mark vol held inside the live book's vols; NaN without a live side or a mark."""
    if ticker.mark_vol is None or not ticker.open:
        return math.nan
    if ticker.bid_vol is None and ticker.ask_vol is None:
        return math.nan
    vol = ticker.mark_vol
    if ticker.ask_vol is not None:
        vol = min(vol, ticker.ask_vol)
    if ticker.bid_vol is not None:
        vol = max(vol, ticker.bid_vol)
    return vol if vol > 0.0 else math.nan
