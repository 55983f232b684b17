"""What a priced option is, and what one ticker says of vol: the mark held inside the live book."""

from __future__ import annotations

import math
from typing import NamedTuple

from atomizer.domain.events import Ticker
from atomizer.domain.refusals import Reason

YEAR_NS = 365 * 86_400 * 1_000_000_000


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
