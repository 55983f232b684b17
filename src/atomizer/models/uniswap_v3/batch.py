"""Runs of swaps through the compiled kernel, against the same `Pool` that the readable form uses.

Made for replays and studies: hand over all swaps up to the next mint or burn at once. One swap a
call gains little over `Pool.swap`; thousands a call run some twenty times as fast. The kernel is loaded
by the first call that needs it, and compiles for some seconds the first time on a machine.
"""

from __future__ import annotations

import importlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atomizer.models.uniswap_v3.errors import (
    PoolError,
    PriceLimitError,
    UintOverflowError,
    ZeroAmountError,
)
from atomizer.models.uniswap_v3.oracle import Observation
from atomizer.models.uniswap_v3.pool import Pool
from atomizer.models.uniswap_v3.sqrt_price import UINT128
from atomizer.models.uniswap_v3.swapping import INT256_LIMIT, check_swap
from atomizer.models.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
)
from atomizer.models.uniswap_v3.ticks import UINT32, Tick

Words = npt.NDArray[np.uint64]
TICK_BIAS = 1 << 20


def _kernel() -> ModuleType:
    """The compiled code, loaded when first used: it takes seconds, and trading never needs it."""
    return importlib.import_module("atomizer.models.uniswap_v3.kernel")


def encode(values: Iterable[int], limbs: int) -> Words:
    """Unsigned integers as rows of 64-bit limbs, least significant first."""
    data = b"".join(value.to_bytes(8 * limbs, "little") for value in values)
    return np.frombuffer(data, dtype="<u8").reshape(-1, limbs).astype(np.uint64)


def decode(rows: Words) -> list[int]:
    """Rows of 64-bit limbs as integers."""
    data, size = np.ascontiguousarray(rows).astype("<u8").tobytes(), 8 * rows.shape[1]
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


class SwapBatch(NamedTuple):
    """Swaps as columns; keep downloaded events in this form, as converting costs as much as swapping."""

    kind: npt.NDArray[np.uint8]
    amount: Words
    limit: Words
    now: npt.NDArray[np.int64]

    @classmethod
    def of(cls, swaps: Sequence[tuple[bool, int, int | None, int]]) -> SwapBatch:
        """From (zero for one, signed amount, price limit or None, block time in seconds) rows.

        Raises:
            UintOverflowError: an amount is not a signed 256-bit number or a limit not unsigned 160-bit.
        """
        limits = []
        for down, amount, limit, _now in swaps:
            if not -INT256_LIMIT <= amount < INT256_LIMIT:
                raise UintOverflowError(f"amount {amount} is not a signed 256-bit number")
            if limit is not None and not 0 <= limit < 1 << 160:
                raise UintOverflowError(f"limit {limit} is not an unsigned 160-bit number")
            unlimited = MIN_SQRT_RATIO + 1 if down else MAX_SQRT_RATIO - 1
            limits.append(unlimited if limit is None else limit)
        return cls(
            np.array([(down, amount > 0) for down, amount, _limit, _now in swaps], np.uint8).reshape(-1, 2),
            encode((abs(amount) for _down, amount, _limit, _now in swaps), 4),
            encode(limits, 3),
            np.array([now % UINT32 for _down, _amount, _limit, now in swaps], np.int64),
        )


class BatchResult(NamedTuple):
    """What each swap did: status 0 or why it was refused, unsigned amounts, and the state after it."""

    kind: npt.NDArray[np.uint8]
    status: npt.NDArray[np.uint8]
    columns: Words
    tick: npt.NDArray[np.int64]

    def amounts(self) -> list[tuple[int, int]]:
        """(amount0, amount1) of every swap from the pool's side; (0, 0) for a refused one."""
        paid, got = decode(self.columns[:, :4]), decode(self.columns[:, 4:8])
        downs = self.kind[:, 0].tolist()
        return [(i, -o) if down else (-o, i) for down, i, o in zip(downs, paid, got, strict=True)]

    def sqrt_prices(self) -> list[int]:
        """The price after every swap; zero where it was refused."""
        return decode(self.columns[:, 8:11])

    def liquidities(self) -> list[int]:
        """The liquidity in range after every swap; zero where it was refused."""
        return decode(self.columns[:, 11:13])

    def error(self, index: int) -> PoolError | None:
        """Why a swap was refused, None if it went through."""
        kernel, code = _kernel(), int(self.status[index])
        if code == kernel.OK:
            return None
        which = f"swap {index} of the batch"
        if code == kernel.ZERO_AMOUNT:
            return ZeroAmountError(f"{which} is of nothing")
        if code == kernel.PRICE_LIMIT:
            return PriceLimitError(f"{which} has its limit on the wrong side of the price or out of bounds")
        return UintOverflowError(f"{which} has a step whose fee over its liquidity is too large")


@lru_cache(maxsize=16)
def _edge_prices(spacing: int) -> Words:
    """Prices of the first and last stop of every bitmap word, from word -half on."""
    span = 256 * spacing
    half = (MAX_TICK + spacing) // span + 2
    starts = np.arange(-half, half, dtype=np.int64) * span
    edges = np.stack([starts, starts + 255 * spacing], axis=1).reshape(-1)
    biased = np.clip(edges, MIN_TICK, MAX_TICK) + TICK_BIAS
    values = np.zeros((len(edges), 5, 4), np.uint64)
    values[:, 0, 0] = biased.astype(np.uint64)
    results, _status = evaluate("ratio", values, np.zeros((len(edges), 2), np.uint8))
    return np.ascontiguousarray(results[:, 0, :3])


def evaluate(
    operation: str, values: Words, flags: npt.NDArray[np.uint8]
) -> tuple[Words, npt.NDArray[np.uint8]]:
    """One of `kernel.OPERATIONS` over many cases: (result words, status), as `kernel.evaluate` says."""
    kernel = _kernel()
    results = np.zeros((len(values), 4, 4), np.uint64)
    status = np.zeros(len(values), np.uint8)
    kernel.evaluate(kernel.OPERATIONS[operation], values, flags, results, status)
    return results, status


class CompiledPool:
    """The swap state of a pool as limb columns.

    It stands beside the pool until `store` writes it back; mint and burn on the pool, then make a
    new one.

    Raises:
        LockedError: the pool has no price.
    """

    def __init__(self, pool: Pool) -> None:
        pool.require_open()
        self.pool = pool
        index = sorted(pool.ticks)
        infos = [pool.ticks[i] for i in index]
        last = pool.oracle.observations[pool.oracle.index]
        values = [
            (pool.sqrt_price, pool.liquidity, pool.fee_growth_global0, pool.fee_growth_global1),
            (pool.protocol_fees0, pool.protocol_fees1, last.seconds_per_liquidity),
        ]
        self._state = encode([*(value for row in values for value in row), 0, 0, 0, 0], 5)
        self._numbers = np.array(
            [
                *(pool.tick, pool.tick_spacing, pool.fee, pool.fee_protocol0, pool.fee_protocol1),
                *(last.timestamp, last.tick_cumulative, bisect_right(index, pool.tick) - 1),
            ],
            np.int64,
        )
        self._index = np.array(index, np.int64)
        self._price = encode((sqrt_ratio_at_tick(i) for i in index), 3)
        self._net = encode((t.liquidity_net % UINT128 for t in infos), 2)
        growths = (t.fee_growth_outside0 + (t.fee_growth_outside1 << 256) for t in infos)
        self._growth = encode(growths, 8)
        times = [(t.tick_cumulative_outside, t.seconds_outside) for t in infos]
        self._time = np.array(times, np.int64).reshape(-1, 2)
        self._seconds = encode((t.seconds_per_liquidity_outside for t in infos), 3)
        self._changed = np.zeros(len(index), np.uint8)
        self._written: list[Observation] = []

    def swap(self, batch: SwapBatch) -> BatchResult:
        """Run the swaps in order. A refused one changes nothing and says why in the result."""
        count, ticks = len(batch.now), len(self._index)
        result = BatchResult(
            batch.kind, np.zeros(count, np.uint8), np.zeros((count, 13), np.uint64), np.zeros(count, np.int64)
        )
        written, written_seconds = np.empty((count, 2), np.int64), np.empty((count, 3), np.uint64)
        observations = _kernel().swap_batch(
            self._state,
            self._numbers,
            self._index,
            self._price,
            self._net,
            self._growth,
            self._time,
            self._seconds,
            self._changed,
            _edge_prices(self.pool.tick_spacing),
            batch.kind,
            batch.amount,
            batch.limit,
            batch.now,
            result.status,
            result.columns,
            result.tick,
            written,
            written_seconds,
            np.empty(ticks, np.int64),
            np.empty((ticks, 4), np.uint64),
        )
        seconds = decode(written_seconds[:observations])
        self._written += [
            Observation(time, cumulative, spl)
            for (time, cumulative), spl in zip(written[:observations].tolist(), seconds, strict=True)
        ]
        return result

    def store(self) -> None:
        """Write what changed back into the pool, undoable by its snapshots."""
        pool = self.pool
        pool.remember()
        values = decode(self._state)
        pool.sqrt_price, pool.liquidity, pool.fee_growth_global0, pool.fee_growth_global1 = values[:4]
        pool.protocol_fees0, pool.protocol_fees1 = values[4:6]
        pool.tick = int(self._numbers[0])
        pool.balance0 += values[7] - values[9]
        pool.balance1 += values[8] - values[10]
        self._state[7:] = 0
        for observation in self._written:
            pool.oracle.append(observation)
        self._written = []
        changed = np.flatnonzero(self._changed)
        growth0, growth1 = decode(self._growth[changed, :4]), decode(self._growth[changed, 4:])
        seconds = decode(self._seconds[changed])
        for row, place in enumerate(changed.tolist()):
            index = int(self._index[place])
            gross, net = pool.ticks[index][:2]
            cumulative, elapsed = self._time[place].tolist()
            tick = Tick(gross, net, growth0[row], growth1[row], cumulative, seconds[row], elapsed)
            pool.history.put(pool.ticks, index, tick)
        self._changed[:] = 0


def swap_batch(pool: Pool, batch: SwapBatch) -> BatchResult:
    """Run the swaps on the pool and leave it as if each had been a `Pool.swap`.

    Raises:
        LockedError: the pool has no price. Refused swaps do not raise; see `BatchResult.error`.
    """
    compiled = CompiledPool(pool)
    result = compiled.swap(batch)
    compiled.store()
    return result


def swap_one(
    pool: Pool, zero_for_one: bool, amount: int, sqrt_price_limit: int | None = None, *, now: int = 0
) -> tuple[int, int]:
    """`Pool.swap` through the kernel, raising as it does: for checking one form against the other."""
    if sqrt_price_limit is not None:
        check_swap(pool.sqrt_price, zero_for_one, amount, sqrt_price_limit)
    result = swap_batch(pool, SwapBatch.of([(zero_for_one, amount, sqrt_price_limit, now)]))
    error = result.error(0)
    if error is not None:
        raise error
    return result.amounts()[0]
