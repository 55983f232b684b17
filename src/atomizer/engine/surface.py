"""One underlying's surface: our SVI slices, between and beyond them, and what is checked against them.

The smile is sticky in moneyness: between refits the vol of ln(K/F) stays and F is live. Between expiries
total variance is linear in time at fixed moneyness; beyond them the nearest smile keeps its shape in standard
deviations, beyond the strikes the slice's own wings go on: both up to configured limits and at a charge, else
there is no price.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort

import msgspec

from atomizer.domain.events import Ticker
from atomizer.domain.instruments import Instrument, Kind
from atomizer.domain.refusals import Reason
from atomizer.engine.pricing import YEAR_NS, NoPriceError, Priced
from atomizer.engine.settings import SurfaceSettings
from atomizer.engine.slices import Fit, Slice
from atomizer.models import surface_fit
from atomizer.models.black import black76_greeks
from atomizer.models.listed_kernels import STRIKES, VOLS, look_now, smile_vol, vol_between

NAN = math.nan
MOST_PLACES = 1_000  # expiries asked for and remembered


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an expiry lies among those that are listed.

    `near` and `far` are around it, one twice where it has no other side; `at` is the first at it or after,
    `before` and `after` come before and after that (one that is not there has no quotes).
    """

    near: Slice
    far: Slice
    before: Slice
    at: Slice
    after: Slice
    listed: bool


class Located(msgspec.Struct, frozen=True, gc=False):
    """Where an option lies: one or two fitted slices, the far one's share, the forward of its expiry.

    `near_tau` and `far_tau` are years to the slices' expiries now (`tau` itself where a slice stands alone),
    `near_forward` and `far_forward` their own forwards; `stretch` takes a moneyness to the one of as many
    standard deviations on the near slice (1 unless the expiry lies beyond the listed ones); `beyond` is the
    vol uncertainty of what is extrapolated, 0 inside.
    """

    place: Place
    near: Fit
    near_tau: float
    near_forward: float
    far: Fit
    far_tau: float
    far_forward: float
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
        # Places met so far, until the next listed expiry passes or another one is listed.
        self._places: dict[int, Place] = {}
        self._places_end_ns = 0
        self._none = Slice(0, "", settings)

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
            self._places.clear()
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
            self._places.clear()

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
        near, k = found.near, found.k
        if found.place.listed and near.low_k <= k <= near.high_k:
            return found  # nothing is extrapolated: what `_beyond` would find as well, asked first
        return msgspec.structs.replace(found, beyond=self._beyond(found, strike, expiry_ns, now_ns))

    def _beyond(self, found: Located, strike: float, expiry_ns: int, now_ns: int) -> float:
        """Vol uncertainty of what lies beyond the live strikes or expiries; refused past a limit."""
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
        return 0.01 * (error + self._beyond_time(expiry_ns, now_ns))

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
        place = self._around(expiry_ns, now_ns)
        near = place.near
        fit, forward = near.require_fit(now_ns), near.forward_at(index)
        if place.listed:
            k = math.log(strike / forward)
            return Located(place, fit, tau, forward, fit, tau, forward, 0.0, forward, k, tau)
        far = place.far
        if near is far:
            stretch = math.sqrt((near.expiry_ns - now_ns) / (expiry_ns - now_ns))
            carried = self._carried(near, expiry_ns, now_ns, index)
            k = math.log(strike / carried)
            return Located(place, fit, tau, forward, fit, tau, forward, 0.0, carried, k, tau, stretch)
        far_fit, far_forward = far.require_fit(now_ns), far.forward_at(index)
        near_tau, far_tau = (near.expiry_ns - now_ns) / YEAR_NS, (far.expiry_ns - now_ns) / YEAR_NS
        share = (tau - near_tau) / (far_tau - near_tau)
        mixed = math.exp((1.0 - share) * math.log(forward) + share * math.log(far_forward))
        k = math.log(strike / mixed)
        return Located(place, fit, near_tau, forward, far_fit, far_tau, far_forward, share, mixed, k, tau)

    def _around(self, expiry_ns: int, now_ns: int) -> Place:
        """Where an expiry lies among those that have not passed."""
        found = self._places.get(expiry_ns)
        return (
            found if found is not None and now_ns < self._places_end_ns else self._placed(expiry_ns, now_ns)
        )

    def _placed(self, expiry_ns: int, now_ns: int) -> Place:
        expiries, none = self.expiries[bisect_right(self.expiries, now_ns) :], self._none
        if not expiries:
            raise NoPriceError(f"no option of {self.underlying} is listed on {self.venue}")
        if self._places_end_ns != expiries[0] or len(self._places) >= MOST_PLACES:
            self._places.clear()
            self._places_end_ns = expiries[0]
        at = bisect_left(expiries, expiry_ns)
        before, here, after = (
            self.slices[expiries[number]] if 0 <= number < len(expiries) else none
            for number in (at - 1, at, at + 1)
        )
        listed = here.expiry_ns == expiry_ns
        near, far = (here if listed or before is none else before), (before if here is none else here)
        place = Place(near, far, before, here, after, listed)
        self._places[expiry_ns] = place
        return place

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
            place = self._around(expiry_ns, now_ns)
            near, far = place.near, place.far
            near.require_quotes()
            far.require_quotes()
        except NoPriceError:
            return NAN, NAN
        low = near.forward_at(index)
        if near is far:
            return low, smile_vol(
                strike, low, near.quotes[STRIKES], near.quotes[VOLS]
            ) if place.listed else NAN
        near_tau, far_tau, tau = (
            (one - now_ns) / YEAR_NS for one in (near.expiry_ns, far.expiry_ns, expiry_ns)
        )
        share, high = (tau - near_tau) / (far_tau - near_tau), far.forward_at(index)
        forward = math.exp((1.0 - share) * math.log(low) + share * math.log(high))
        return forward, vol_between(
            strike, forward, low, high, share, near_tau, far_tau, tau, near.quotes, far.quotes
        )


def look_at(found: Located, strike: float, index: float, is_call: bool) -> tuple[float, float, float]:
    """What listed options say of one that is located: see `models.listed_kernels.look`."""
    place = found.place
    return look_now(
        strike,
        index,
        found.forward,
        found.near_forward,
        found.far_forward,
        found.share,
        found.near_tau,
        found.far_tau,
        found.tau,
        place.listed,
        is_call,
        place.before.quotes,
        place.at.quotes,
        place.after.quotes,
    )


def _excess(fit: Fit, k: float) -> float:
    """Log-moneyness beyond the outermost quote, 0 inside."""
    if k < fit.low_k:
        return fit.low_k - k
    return k - fit.high_k if k > fit.high_k else 0.0
