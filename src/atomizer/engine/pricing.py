"""What a priced option is, and the venue's own smile: mark vols held inside the live book.

The mark smile values what is held, and checks our fit. Nothing is quoted off it.
Between strikes the vol is a cubic in log-moneyness; outside them there is none.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from atomizer.domain.events import Ticker
from atomizer.domain.refusals import Reason
from atomizer.models._jit import kernel

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
    """There is no price for this; the text says what is missing, `reason` is how a refusal names it."""

    def __init__(self, text: str, reason: Reason = Reason.NO_SURFACE) -> None:
        super().__init__(text)
        self.reason = reason


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
