"""What hedging costs right now: half spread, fee, depth and funding of the market that hedges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from atomizer.domain.instruments import Instrument, Kind
from atomizer.engine.market import Book
from atomizer.engine.settings import HedgeMarket

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

FloatArray = NDArray[np.float64]
BPS = 1e-4
# Levels of the book that a hedge is walked through; what is larger pays the last one's price for the rest.
LEVELS = 20
AVERAGE_S = 1800.0
FUNDING_PERIODS_PER_YEAR = 3 * 365
S_PER_YEAR = 365.0 * 86_400.0


class LiveHedge(msgspec.Struct, frozen=True, gc=False):
    """Fractions of the hedge's price, at least those of the settings; `funding_rate` per year, paid by longs
    when above 0.

    `bids` and `asks`: a row of prices, best first, and one of coins.
    """

    half_spread: float
    fee: float
    funding_rate: float
    window_years: float
    bids: FloatArray
    asks: FloatArray


class Kept(msgspec.Struct, frozen=True):
    """A hedge's market as read, and what it was read from."""

    book: Book
    sequence: int
    funding: float | None
    live: LiveHedge


class HedgeCosts:
    """Reads the hedge's market once per book and keeps it while the book stays.

    `least_half_spread` and `least_fee` are the least that is charged, as fractions.
    """

    def __init__(self, least_half_spread: float = 0.0, least_fee: float = 0.0) -> None:
        self._least_half_spread = least_half_spread
        self._least_fee = least_fee
        self._kept: dict[str, Kept] = {}

    def state(self, engine: Engine, hedge: HedgeMarket) -> LiveHedge | None:
        """None without a usable book."""
        market, name = engine.market, hedge.instrument
        book = market.usable_book(name, engine.now_ns)
        if book is None:
            return None
        known = market.tickers.get(name)
        funding = known.ticker.funding if known is not None else None
        kept = self._kept.get(name)
        if (
            kept is not None
            and kept.sequence == book.sequence
            and kept.funding == funding
            and kept.book is book
        ):
            return kept.live
        found = self._read(book, market.instruments[name], funding or 0.0)
        self._kept[name] = Kept(book, book.sequence, funding, found)
        return found

    def _read(self, book: Book, instrument: Instrument, funding: float) -> LiveHedge:
        bid, ask, mid = book.best_bid, book.best_ask, book.mid
        assert bid is not None and ask is not None and mid is not None
        averaged = instrument.kind is Kind.FUTURE
        return LiveHedge(
            max(0.5 * (ask - bid) / mid, self._least_half_spread),
            max(instrument.taker_fee, self._least_fee),
            funding * FUNDING_PERIODS_PER_YEAR if instrument.kind is Kind.PERPETUAL else 0.0,
            AVERAGE_S / S_PER_YEAR if averaged else 0.0,
            _levels(book.best(LEVELS, bids=True), instrument),
            _levels(book.best(LEVELS, bids=False), instrument),
        )


def _levels(best: tuple[list[float], list[float]], instrument: Instrument) -> FloatArray:
    """Prices, and coins that rest there."""
    found = np.array(best)
    if instrument.size_in_quote:
        found[1] /= found[0]
    return found
