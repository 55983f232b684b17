"""Candles that close on traded volume instead of time, and the signals read from them.

Busy markets make candles quickly and quiet ones slowly, so each candle carries the same information. All
signals are dimensionless; `overlays` turns them into prices with a volatility. Nothing here looks ahead: a
signal uses closed candles only.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import NamedTuple

from atomizer.models.inputs import ModelInputError, finite, positive


class Candle(NamedTuple):
    """One closed candle: prices, volumes by aggressor, and the seconds it took."""

    open: float
    high: float
    low: float
    close: float
    buy_volume: float
    sell_volume: float
    seconds: float

    @property
    def imbalance(self) -> float:
        """(buy - sell) / (buy + sell) in [-1, 1]."""
        return (self.buy_volume - self.sell_volume) / (self.buy_volume + self.sell_volume)


class Signals(NamedTuple):
    """Dimensionless signals of the closed candles.

    Attributes:
        momentum: net move over path length, in [-1, 1].
        imbalance: aggressor flow of the last candle, in [-1, 1].
        reversal: share of the last candle's range given back against the momentum, in [0, 1].
        volatility: how far the last candle's range exceeds the average one, in [0, 1].
        exhaustion: one-sided flow that no longer moves the price, in [0, 1].
        seconds: mean length of a candle.
    """

    momentum: float
    imbalance: float
    reversal: float
    volatility: float
    exhaustion: float
    seconds: float


class VolumeCandles:
    """Builds candles of `threshold` volume and keeps the last `history`.

    Raises:
        ModelInputError: threshold not above 0, history below 2.
    """

    def __init__(self, threshold: float, history: int = 20) -> None:
        positive(threshold=threshold)
        if history < 2:
            raise ModelInputError("history", "at least 2 candles", history)
        self.threshold = threshold
        self.candles: deque[Candle] = deque(maxlen=history)
        self._prices: tuple[float, float, float] | None = None  # open, high, low of the candle in progress
        self._buy = 0.0
        self._sell = 0.0
        self._started = 0.0
        self._last = -math.inf

    def add(self, price: float, volume: float, *, buyer_aggressor: bool, seconds: float) -> int:
        """Take one trade; returns the candles it closed. A large trade is split over candles.

        Args:
            price: trade price.
            volume: trade size, above 0.
            buyer_aggressor: who crossed the spread.
            seconds: time of the trade on any one clock, not falling.

        Raises:
            ModelInputError: a number outside its domain, time running backwards.
        """
        positive(price=price, volume=volume)
        finite(seconds=seconds)
        if seconds < self._last:
            raise ModelInputError("seconds", f"at least the last trade's {self._last!r}", seconds)
        self._last = seconds
        closed, left = 0, volume
        while left > 0.0:
            if self._prices is None:
                self._prices = (price, price, price)
                self._started = seconds
            first, high, low = self._prices
            self._prices = (first, max(high, price), min(low, price))
            room = self.threshold - self._buy - self._sell
            part = min(left, room)
            if buyer_aggressor:
                self._buy += part
            else:
                self._sell += part
            left = left - part if part < left else 0.0
            if part >= room:
                self._close(price, seconds)
                closed += 1
        return closed

    def _close(self, price: float, seconds: float) -> None:
        if self._prices is None:
            return
        first, high, low = self._prices
        self.candles.append(Candle(first, high, low, price, self._buy, self._sell, seconds - self._started))
        self._prices = None
        self._buy = self._sell = 0.0

    def signals(self) -> Signals | None:
        """Signals of the closed candles; None before two of them."""
        if len(self.candles) < 2:
            return None
        candles = self.candles
        last = candles[-1]
        moves = [candles[0].close - candles[0].open]
        moves += [b.close - a.close for a, b in pairwise(candles)]
        path = math.fsum(abs(move) for move in moves)
        momentum = math.fsum(moves) / path if path > 0.0 else 0.0
        spans = [candle.high - candle.low for candle in candles]
        mean_span, mean_move = math.fsum(spans) / len(spans), path / len(moves)
        given_back = last.high - last.close if momentum > 0.0 else last.close - last.low
        reversal = given_back / spans[-1] if spans[-1] > 0.0 and momentum != 0.0 else 0.0
        excess = spans[-1] / mean_span - 1.0 if mean_span > 0.0 else 0.0
        progress = min(abs(moves[-1]) / mean_move, 1.0) if mean_move > 0.0 else 0.0
        return Signals(
            momentum,
            last.imbalance,
            reversal,
            min(max(excess, 0.0), 1.0),
            abs(last.imbalance) * (1.0 - progress),
            math.fsum(candle.seconds for candle in candles) / len(candles),
        )
