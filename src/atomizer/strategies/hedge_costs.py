"""What hedging costs right now: half spread, fee, depth and funding of the market that hedges."""

from __future__ import annotations

import math
from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, NamedTuple

from atomizer.domain.instruments import Instrument, Kind
from atomizer.engine.market import Book
from atomizer.engine.settings import HedgeMarket

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

BPS = 1e-4
# Levels of the book that a hedge is walked through; what is larger pays the last one's price for the rest.
LEVELS = 20
AVERAGE_S = 1800.0
FUNDING_PERIODS_PER_YEAR = 3 * 365
S_PER_YEAR = 365.0 * 86_400.0


class LiveHedge(NamedTuple):
    """Fractions of the hedge's price; `funding_rate` per year, paid by longs when above 0.

    `bids` and `asks`: price and coins of the first levels, best first.
    """

    half_spread: float
    fee: float
    funding_rate: float
    window_years: float
    mid: float
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class HedgeCosts:
    """Reads the hedge's market once per book and keeps it while the book stays."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Book, int, float, LiveHedge]] = {}

    def state(self, engine: Engine, hedge: HedgeMarket) -> LiveHedge | None:
        """None without a usable book."""
        market = engine.market
        book = market.usable_book(hedge.instrument, engine.now_ns)
        if book is None:
            return None
        known = market.tickers.get(hedge.instrument)
        funding = known.ticker.funding or 0.0 if known is not None else 0.0
        kept = self._kept.get(hedge.instrument)
        if kept is not None and kept[0] is book and kept[1] == book.sequence and kept[2] == funding:
            return kept[3]
        found = _read(book, market.instruments[hedge.instrument], funding)
        self._kept[hedge.instrument] = (book, book.sequence, funding, found)
        return found


def _read(book: Book, instrument: Instrument, funding: float) -> LiveHedge:
    bid, ask, mid = book.best_bid, book.best_ask, book.mid
    assert bid is not None and ask is not None and mid is not None
    averaged = instrument.kind is Kind.FUTURE
    return LiveHedge(
        half_spread=0.5 * (ask - bid) / mid,
        fee=instrument.taker_fee,
        funding_rate=funding * FUNDING_PERIODS_PER_YEAR if instrument.kind is Kind.PERPETUAL else 0.0,
        window_years=AVERAGE_S / S_PER_YEAR if averaged else 0.0,
        mid=mid,
        bids=_coins(nlargest(LEVELS, book.bids.items()), instrument),
        asks=_coins(nsmallest(LEVELS, book.asks.items()), instrument),
    )


def _coins(levels: list[tuple[float, float]], instrument: Instrument) -> list[tuple[float, float]]:
    if not instrument.size_in_quote:
        return levels
    return [(price, size / price) for price, size in levels]


def slippage(levels: list[tuple[float, float]], coins: float) -> float:
    """Average distance from the touch that a market order of this size pays, as a fraction of the touch."""
    touch, left, paid = levels[0][0], coins, 0.0
    price = touch
    for price, size in levels:
        taken = min(left, size)
        paid += taken * abs(price - touch)
        left -= taken
        if left <= 0.0:
            break
    paid += max(left, 0.0) * abs(price - touch)
    return paid / (coins * touch) if coins > 0.0 and math.isfinite(paid) else 0.0
