"""What a pool consists of, how it is read, and how it is marked and restored."""

from __future__ import annotations

from typing import NamedTuple

from atomizer.models.uniswap_v3.errors import (
    LockedError,
    LowerTickError,
    PoolShapeError,
    TickOrderError,
    TickSpacingError,
    UpperTickError,
)
from atomizer.models.uniswap_v3.history import History, Snapshot
from atomizer.models.uniswap_v3.oracle import Cumulatives, Oracle
from atomizer.models.uniswap_v3.sqrt_price import UINT160
from atomizer.models.uniswap_v3.swap_step import PIPS
from atomizer.models.uniswap_v3.tick_math import MAX_TICK, MIN_TICK, max_liquidity_per_tick
from atomizer.models.uniswap_v3.ticks import EMPTY_TICK, UINT32, Tick, fee_growth_inside, wrap_int56


class Position(NamedTuple):
    """Liquidity of one owner in one range; `owed` is principal and fees ready to collect."""

    liquidity: int
    fee_growth_inside0_last: int
    fee_growth_inside1_last: int
    owed0: int
    owed1: int


NO_POSITION = Position(0, 0, 0, 0, 0)
PositionKey = tuple[str, int, int]


def check_ticks(tick_lower: int, tick_upper: int) -> None:
    """Raises TickOrderError, LowerTickError or UpperTickError, in the contract's order."""
    if tick_lower >= tick_upper:
        raise TickOrderError(f"range from {tick_lower} to {tick_upper}")
    if tick_lower < MIN_TICK:
        raise LowerTickError(f"lower tick {tick_lower}")
    if tick_upper > MAX_TICK:
        raise UpperTickError(f"upper tick {tick_upper}")


class PoolState:
    """The state of one pool.

    Raises:
        PoolShapeError: fee or tick spacing that no factory accepts.
    """

    def __init__(self, fee: int, tick_spacing: int) -> None:
        if not 0 <= fee < PIPS:
            raise PoolShapeError(f"fee {fee} ppm cannot be used")
        self.max_liquidity_per_tick = max_liquidity_per_tick(tick_spacing)
        self.fee = fee
        self.tick_spacing = tick_spacing
        self.sqrt_price = 0
        self.tick = 0
        self.liquidity = 0
        self.fee_protocol0 = 0
        self.fee_protocol1 = 0
        self.fee_growth_global0 = 0
        self.fee_growth_global1 = 0
        self.protocol_fees0 = 0
        self.protocol_fees1 = 0
        self.balance0 = 0
        self.balance1 = 0
        self.ticks: dict[int, Tick] = {}
        self.bitmap: dict[int, int] = {}
        self.positions: dict[PositionKey, Position] = {}
        self.history = History()
        self.oracle = Oracle(self.history)

    def observe(self, seconds_agos: list[int], *, now: int) -> list[Cumulatives]:
        """Oracle sums as of each number of seconds ago.

        Raises:
            ObservationTooOldError, OracleUninitializedError
        """
        return [self.oracle.observe(now, ago, self.tick, self.liquidity) for ago in seconds_agos]

    def seconds_inside(self, tick_lower: int, tick_upper: int, *, now: int) -> tuple[int, int, int]:
        """(tick cumulative, seconds per liquidity, seconds) inside a range; differences of two reads count.

        Raises:
            TickOrderError, LowerTickError, UpperTickError, TickSpacingError, OracleUninitializedError
        """
        check_ticks(tick_lower, tick_upper)
        for tick in (tick_lower, tick_upper):
            if tick not in self.ticks:
                raise TickSpacingError(f"tick {tick} is not initialised")
        lower, upper = self.ticks[tick_lower][4:], self.ticks[tick_upper][4:]
        if self.tick < tick_lower:
            cumulative, seconds_per_liquidity, seconds = (a - b for a, b in zip(lower, upper, strict=True))
        elif self.tick < tick_upper:
            sums = self.oracle.observe(now, 0, self.tick, self.liquidity)
            cumulative, seconds_per_liquidity, seconds = (
                total - a - b for total, a, b in zip((*sums, now), lower, upper, strict=True)
            )
        else:
            cumulative, seconds_per_liquidity, seconds = (b - a for a, b in zip(lower, upper, strict=True))
        return wrap_int56(cumulative), seconds_per_liquidity % UINT160, seconds % UINT32

    def fee_growth_inside(self, tick_lower: int, tick_upper: int) -> tuple[int, int]:
        """Fee growth inside a range for both tokens, modulo 2^256."""
        return fee_growth_inside(
            self.ticks.get(tick_lower, EMPTY_TICK),
            self.ticks.get(tick_upper, EMPTY_TICK),
            tick_lower,
            tick_upper,
            self.tick,
            self.fee_growth_global0,
            self.fee_growth_global1,
        )

    def snapshot(self) -> Snapshot:
        """Mark this state; costs nothing. Operations are recorded until it is released."""
        return self.history.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a marked state in time proportional to what changed. Raises SnapshotError."""
        self.history.restore(snapshot)

    def release(self, snapshot: Snapshot) -> None:
        """Forget a mark and keep the present state. Raises SnapshotError."""
        self.history.release(snapshot)

    def require_open(self) -> None:
        """Raises LockedError before the pool has a price."""
        if not self.sqrt_price:
            raise LockedError("the pool has no price yet")

    def remember(self) -> None:
        """Record the single values before they change, if a snapshot is open."""
        if self.history.recording:
            self.history.record(
                self._put_back,
                self.sqrt_price,
                self.tick,
                self.liquidity,
                self.fee_protocol0,
                self.fee_protocol1,
                self.fee_growth_global0,
                self.fee_growth_global1,
                self.protocol_fees0,
                self.protocol_fees1,
                self.balance0,
                self.balance1,
            )

    def _put_back(self, *values: int) -> None:
        (
            self.sqrt_price,
            self.tick,
            self.liquidity,
            self.fee_protocol0,
            self.fee_protocol1,
            self.fee_growth_global0,
            self.fee_growth_global1,
            self.protocol_fees0,
            self.protocol_fees1,
            self.balance0,
            self.balance1,
        ) = values
