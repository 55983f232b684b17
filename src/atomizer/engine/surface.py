"""One underlying's surface: our SVI slices, between and beyond them, and what is checked against them.

The smile is sticky in moneyness: between refits the vol of ln(K/F) stays and F is live. Between expiries
total variance is linear in time at fixed moneyness; beyond them the nearest smile keeps its shape in standard
deviations, beyond the strikes the slice's own wings go on: both up to configured limits and at a charge, else
there is no price.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import NamedTuple

from atomizer.domain.events import Ticker
from atomizer.domain.instruments import Instrument, Kind
from atomizer.domain.refusals import Reason
from atomizer.engine.pricing import YEAR_NS, NoPriceError, Priced, smile_vol
from atomizer.engine.settings import SurfaceSettings
from atomizer.engine.slices import Fit, Slice
from atomizer.models import surface_fit
from atomizer.models.black import black76_greeks
from atomizer.models.listed_bounds import cheapest_mix

NAN = math.nan


class Located(NamedTuple):
    """Where an option lies: one or two fitted slices, the far one's share, the forward of its expiry.

    `near_tau` and `far_tau` are years to the slices' expiries now (`tau` itself where a slice stands alone);
    `stretch` takes a moneyness to the one of as many standard deviations on the near slice (1 unless the
    expiry lies beyond the listed ones); `beyond` is the vol uncertainty of what is extrapolated, 0 inside.
    """

    near: Fit
    near_tau: float
    far: Fit
    far_tau: float
    share: float
    forward: float
    k: float
    tau: float
    stretch: float = 1.0
    beyond: float = 0.0

    def vol(self) -> float:
        variance = self.near.variance(self.k * self.stretch, self.near_tau)
        if self.share > 0.0:
            far = self.far.variance(self.k, self.far_tau)
            variance = (1.0 - self.share) * variance + self.share * far
        return math.sqrt(variance / self.tau)


class Surface:
    """All expiries of one underlying on one venue."""

    def __init__(self, venue: str, underlying: str, settings: SurfaceSettings) -> None:
        self.venue = venue
        self.underlying = underlying
        self.settings = settings
        self.slices: dict[int, Slice] = {}
        self.expiries: list[int] = []
        self.changed = False
        self.epoch = 0  # grows when everything learned was forgotten

    # --- what the venue tells ---

    def list_option(self, instrument: Instrument, now_ns: int) -> None:
        """Make room for an option's quotes; one that has expired, and is told to be closed, has none."""
        if instrument.expiry_ns is None or instrument.strike is None or instrument.expiry_ns <= now_ns:
            return
        found = self.slices.get(instrument.expiry_ns)
        if found is None:
            name = f"{self.venue}:{'-'.join(instrument.name.split('-')[:2])}"
            found = self.slices[instrument.expiry_ns] = Slice(instrument.expiry_ns, name, self.settings)
            insort(self.expiries, instrument.expiry_ns)
        found.add(float(instrument.strike))

    def learn(self, instrument: Instrument, ticker: Ticker) -> None:
        """Take an option's quotes, or the mark of a future that expires with a slice."""
        found = self.slices.get(instrument.expiry_ns or 0)
        if found is None:
            return
        if instrument.kind is Kind.FUTURE:
            found.future = NAN if ticker.mark is None else ticker.mark
        elif instrument.strike is not None:
            found.learn(float(instrument.strike), ticker, is_call=bool(instrument.is_call))
            self.changed = True

    def forget(self) -> None:
        """The feed is gone: nothing learned from it holds."""
        self.epoch += 1
        for found in self.slices.values():
            found.forget()

    def drop_expired(self, now_ns: int) -> None:
        while self.expiries and self.expiries[0] <= now_ns:
            del self.slices[self.expiries.pop(0)]

    def gates(self, now_ns: int) -> dict[str, str]:
        """Per expiry `ok`, or why nothing of it is quoted."""
        found: dict[str, str] = {}
        for expiry_ns in self.expiries:
            one = self.slices[expiry_ns]
            try:
                one.require_fit(now_ns)
                found[one.name] = "ok"
            except NoPriceError as error:
                found[one.name] = str(error)
        return found

    # --- where an option lies ---

    def locate(self, strike: float, expiry_ns: int, now_ns: int, index: float = NAN) -> Located:
        """Where an option that may be quoted lies.

        Raises:
            NoPriceError: expired, a slice it needs fails a gate, or it lies beyond the limits.
        """
        if expiry_ns <= now_ns:
            raise NoPriceError("the option has expired", Reason.EXPIRED)
        found = self._locate(strike, expiry_ns, now_ns, index)
        settings, near, far = self.settings, found.near, found.far
        excess_near, excess_far = _excess(near, found.k * found.stretch), _excess(far, found.k)
        if max(excess_near, excess_far if found.share > 0.0 else 0.0) > settings.beyond_k:
            raise NoPriceError(
                f"strike {strike:g} is more than {settings.beyond_k:g} in ln(K/F) beyond the live strikes of "
                f"{self.venue} {self.underlying}",
                Reason.BEYOND_SURFACE,
            )
        excess = (1.0 - found.share) * excess_near + found.share * excess_far
        error = 0.0
        if excess > 0.0:
            error = settings.strike_points * excess / (found.vol() * math.sqrt(found.tau))
        return found._replace(beyond=0.01 * (error + self._beyond_time(expiry_ns, now_ns)))

    def _beyond_time(self, expiry_ns: int, now_ns: int) -> float:
        """Vol points charged for an expiry before the first or after the last; refused past the limit."""
        first, last = self.expiries[0], self.expiries[-1]
        if first <= expiry_ns <= last:
            return 0.0
        edge = first if expiry_ns < first else last
        ratio = (expiry_ns - now_ns) / (edge - now_ns)
        ratio = max(ratio, 1.0 / ratio)
        if ratio > self.settings.beyond_ratio:
            raise NoPriceError(
                f"the expiry is {ratio:.2f} times as far as the nearest listed one of {self.venue} "
                f"{self.underlying}, {self.settings.beyond_ratio:g} allowed",
                Reason.BEYOND_SURFACE,
            )
        return self.settings.expiry_points * math.log(ratio)

    def _locate(self, strike: float, expiry_ns: int, now_ns: int, index: float) -> Located:
        """As `locate`, however far beyond."""
        tau = (expiry_ns - now_ns) / YEAR_NS
        near, far = self._around(expiry_ns, now_ns)
        fit = near.require_fit(now_ns)
        forward = near.forward_at(index)
        if near is far:
            stretch = 1.0
            if near.expiry_ns != expiry_ns:
                forward = self._carried(near, expiry_ns, now_ns, index)
                stretch = math.sqrt((near.expiry_ns - now_ns) / (expiry_ns - now_ns))
            k = math.log(strike / forward)
            return Located(fit, tau, fit, tau, 0.0, forward, k, tau, stretch)
        far_fit = far.require_fit(now_ns)
        near_tau, far_tau = ((one.expiry_ns - now_ns) / YEAR_NS for one in (near, far))
        share = (tau - near_tau) / (far_tau - near_tau)
        forward = math.exp((1.0 - share) * math.log(forward) + share * math.log(far.forward_at(index)))
        k = math.log(strike / forward)
        return Located(fit, near_tau, far_fit, far_tau, share, forward, k, tau)

    def _around(self, expiry_ns: int, now_ns: int) -> tuple[Slice, Slice]:
        """The slices before and after an expiry; one of them twice where it has no other side."""
        expiries = self.expiries
        if expiries and expiries[0] <= now_ns:
            expiries = [one for one in expiries if one > now_ns]
        if not expiries:
            raise NoPriceError(f"no option of {self.underlying} is listed on {self.venue}")
        at = bisect_left(expiries, expiry_ns)
        if at < len(expiries) and expiries[at] == expiry_ns:
            return self.slices[expiry_ns], self.slices[expiry_ns]
        low, high = expiries[max(at - 1, 0)], expiries[min(at, len(expiries) - 1)]
        return self.slices[low], self.slices[high]

    @staticmethod
    def _carried(edge: Slice, expiry_ns: int, now_ns: int, index: float) -> float:
        """Forward beyond the listed expiries: the carry of the nearest one goes on."""
        forward = edge.forward_at(index)
        if math.isnan(index):
            return forward
        carry = math.log(forward / index) / (edge.expiry_ns - now_ns)
        return index * math.exp(carry * (expiry_ns - now_ns))

    # --- prices ---

    def price(
        self, strike: float, expiry_ns: int, *, is_call: bool, now_ns: int, index: float = NAN
    ) -> Priced:
        """Value of an option that is held: the venue's smile where it reaches, else our fit.

        Raises:
            NoPriceError: expired, or neither has a vol there.
        """
        tau = (expiry_ns - now_ns) / YEAR_NS
        if tau <= 0.0:
            raise NoPriceError("the option has expired", Reason.EXPIRED)
        forward, vol = self.mark(strike, expiry_ns, now_ns, index)
        if not vol > 0.0:
            found = self._locate(strike, expiry_ns, now_ns, index)
            forward, vol = found.forward, found.vol()
        if abs(math.log(strike / forward)) > surface_fit.REACH:
            raise NoPriceError(f"strike {strike:g} is too far from the forward {forward:.2f}")
        greeks = black76_greeks(forward, strike, tau, vol, 0.0, is_call)
        return Priced(greeks[0], greeks[1], greeks[2], greeks[3], greeks[4], forward, vol, tau)

    def mark(self, strike: float, expiry_ns: int, now_ns: int, index: float = NAN) -> tuple[float, float]:
        """Forward and vol of the venue's own smile; NaN outside its live strikes and expiries."""
        try:
            near, far = self._around(expiry_ns, now_ns)
            near.require_quotes()
            far.require_quotes()
        except NoPriceError:
            return NAN, NAN
        if near is far:
            forward = near.forward_at(index)
            inside = near.expiry_ns == expiry_ns
            return forward, smile_vol(strike, forward, near.strikes, near.vols) if inside else NAN
        times = (one - now_ns for one in (near.expiry_ns, far.expiry_ns, expiry_ns))
        t0, t1, t = times
        share = (t - t0) / (t1 - t0)
        low, high = near.forward_at(index), far.forward_at(index)
        forward = math.exp((1.0 - share) * math.log(low) + share * math.log(high))
        near_vol = smile_vol(strike * low / forward, low, near.strikes, near.vols)
        far_vol = smile_vol(strike * high / forward, high, far.strikes, far.vols)
        variance = (1.0 - share) * near_vol**2 * t0 + share * far_vol**2 * t1
        return forward, math.sqrt(variance / t)

    def bounds(self, strike: float, expiry_ns: int, index: float, *, is_call: bool) -> tuple[float, float]:
        """Dearest bid that lies below the option and cheapest listed super-hedge, USD; 0 and infinity: none.

        Super-hedges: the strike itself, or two around it mixed to it, at the first expiry from this one on
        that offers any.
        """
        floor, cap = 0.0, math.inf
        at = bisect_left(self.expiries, expiry_ns)
        for later in self.expiries[at : at + 2]:
            found = self.slices[later]
            cap = cheapest_mix(strike, found.strikes, found.asks[int(is_call)])
            if cap < math.inf:
                break
        same = at < len(self.expiries) and self.expiries[at] == expiry_ns
        for earlier in self.expiries[max(at - 1, 0) : at + same]:
            found = self.slices[earlier]
            place = bisect_left(found.listed, strike)
            if place < len(found.listed) and found.listed[place] == strike:
                bid = found.bids.item(int(is_call), place)
                if bid > floor:
                    floor = bid
        return floor * index, cap * index


def _excess(fit: Fit, k: float) -> float:
    """Log-moneyness beyond the outermost quote, 0 inside."""
    if k < fit.low_k:
        return fit.low_k - k
    return k - fit.high_k if k > fit.high_k else 0.0
