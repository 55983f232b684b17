"""The pool's ring of price observations.

The first change at a new timestamp writes one observation with the tick and liquidity from before
the change. Times are seconds modulo 2^32, tick cumulatives wrap at 56 bits and seconds per
liquidity at 160, as in the contract.
"""

from __future__ import annotations

from typing import NamedTuple

from atomizer.models.uniswap_v3.errors import (
    ObservationTooOldError,
    OracleUninitializedError,
    UintOverflowError,
)
from atomizer.models.uniswap_v3.history import History
from atomizer.models.uniswap_v3.sqrt_price import UINT160
from atomizer.models.uniswap_v3.ticks import UINT32, wrap_int56

MAX_CARDINALITY = 65_535


class Observation(NamedTuple):
    """Sums since the pool began: tick times seconds, and seconds over liquidity times 2^128."""

    timestamp: int
    tick_cumulative: int
    seconds_per_liquidity: int


class Cumulatives(NamedTuple):
    tick_cumulative: int
    seconds_per_liquidity: int


def _transform(last: Observation, timestamp: int, tick: int, liquidity: int) -> Observation:
    elapsed = (timestamp - last.timestamp) % UINT32
    return Observation(
        timestamp,
        wrap_int56(last.tick_cumulative + tick * elapsed),
        (last.seconds_per_liquidity + (elapsed << 128) // (liquidity or 1)) % UINT160,
    )


def _not_after(now: int, a: int, b: int) -> bool:
    """a <= b for two past times, either of which may lie before the last wrap of the clock."""
    return (a if a > now else a + UINT32) <= (b if b > now else b + UINT32)


class Oracle:
    """Observations by ring index; `cardinality_next` is how far the ring will grow at its next wrap."""

    __slots__ = ("cardinality", "cardinality_next", "history", "index", "observations")

    def __init__(self, history: History) -> None:
        self.history = history
        self.observations: dict[int, Observation] = {}
        self.index = 0
        self.cardinality = 0
        self.cardinality_next = 0

    def _place(self, index: int, cardinality: int, cardinality_next: int) -> None:
        self.history.record(self._put_back, self.index, self.cardinality, self.cardinality_next)
        self._put_back(index, cardinality, cardinality_next)

    def _put_back(self, index: int, cardinality: int, cardinality_next: int) -> None:
        self.index, self.cardinality, self.cardinality_next = index, cardinality, cardinality_next

    def initialize(self, now: int) -> None:
        self.history.put(self.observations, 0, Observation(now % UINT32, 0, 0))
        self._place(0, 1, 1)

    def grow(self, cardinality_next: int) -> None:
        """Ask for a longer ring; a smaller number changes nothing.

        Raises:
            OracleUninitializedError, UintOverflowError
        """
        if not self.cardinality:
            raise OracleUninitializedError("the oracle has no observation")
        if not 0 <= cardinality_next <= MAX_CARDINALITY:
            raise UintOverflowError(f"cardinality {cardinality_next} is not an unsigned 16-bit number")
        if cardinality_next > self.cardinality_next:
            self._place(self.index, self.cardinality, cardinality_next)

    def write(self, now: int, tick: int, liquidity: int) -> None:
        """Record the time since the last observation, spent at `tick` with `liquidity`."""
        last = self.observations[self.index]
        timestamp = now % UINT32
        if timestamp != last.timestamp:
            self.append(_transform(last, timestamp, tick, liquidity))

    def append(self, observation: Observation) -> None:
        """Store the next observation, growing the ring at its end when growth was asked for."""
        cardinality = self.cardinality
        if self.cardinality_next > cardinality and self.index == cardinality - 1:
            cardinality = self.cardinality_next
        index = (self.index + 1) % cardinality
        self.history.put(self.observations, index, observation)
        self._place(index, cardinality, self.cardinality_next)

    def observe(self, now: int, seconds_ago: int, tick: int, liquidity: int) -> Cumulatives:
        """The sums as of `seconds_ago` before `now`, interpolated between observations.

        Raises:
            OracleUninitializedError, ObservationTooOldError, UintOverflowError
        """
        if not self.cardinality:
            raise OracleUninitializedError("the oracle has no observation")
        if not 0 <= seconds_ago < UINT32:
            raise UintOverflowError(f"{seconds_ago} seconds ago is not an unsigned 32-bit number")
        now %= UINT32
        last = self.observations[self.index]
        target = (now - seconds_ago) % UINT32
        if seconds_ago == 0 or _not_after(now, last.timestamp, target):
            at = last if last.timestamp == target else _transform(last, target, tick, liquidity)
            return Cumulatives(at.tick_cumulative, at.seconds_per_liquidity)
        before, after = self._around(now, target)
        return _interpolate(before, after, target)

    def _around(self, now: int, target: int) -> tuple[Observation, Observation]:
        oldest = (self.index + 1) % self.cardinality
        if oldest not in self.observations:
            oldest = 0
        if not _not_after(now, self.observations[oldest].timestamp, target):
            raise ObservationTooOldError(f"the oldest observation is later than the time asked for, {target}")
        left, right = oldest, oldest + (self.index - oldest) % self.cardinality
        while right - left > 1:
            middle = (left + right) // 2
            if _not_after(now, self.observations[middle % self.cardinality].timestamp, target):
                left = middle
            else:
                right = middle
        return self.observations[left % self.cardinality], self.observations[right % self.cardinality]


def _interpolate(before: Observation, after: Observation, target: int) -> Cumulatives:
    if target == before.timestamp:
        return Cumulatives(before.tick_cumulative, before.seconds_per_liquidity)
    if target == after.timestamp:
        return Cumulatives(after.tick_cumulative, after.seconds_per_liquidity)
    span = (after.timestamp - before.timestamp) % UINT32
    into = (target - before.timestamp) % UINT32
    ticks = wrap_int56(after.tick_cumulative - before.tick_cumulative)
    mean_tick = ticks // span if ticks >= 0 else -(-ticks // span)
    seconds = (after.seconds_per_liquidity - before.seconds_per_liquidity) % UINT160
    return Cumulatives(
        wrap_int56(before.tick_cumulative + mean_tick * into),
        (before.seconds_per_liquidity + seconds * into // span) % UINT160,
    )
