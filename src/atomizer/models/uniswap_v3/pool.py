"""The exact Uniswap V3 pool: the contract's operations in integers, without I/O.

Amounts are raw token units, prices sqrt(token1 / token0) * 2^96, growth fee per liquidity * 2^128
modulo 2^256. `now` is the block's timestamp in seconds; it only feeds the oracle. Transfers are
taken as done: what the contract would collect in a callback is added to the balances.
"""

from __future__ import annotations

from atomizer.models.uniswap_v3.errors import (
    AlreadyInitializedError,
    FeeProtocolError,
    FlashNoLiquidityError,
    FlashNotPaidError,
    LiquidityCapError,
    NoPositionError,
    TickSpacingError,
    TransferFailedError,
    UintOverflowError,
    ZeroLiquidityError,
)
from atomizer.models.uniswap_v3.liquidity import add_delta
from atomizer.models.uniswap_v3.sqrt_price import (
    Q128,
    UINT128,
    UINT256,
    mul_div,
    mul_div_rounding_up,
    signed_amount0_delta,
    signed_amount1_delta,
)
from atomizer.models.uniswap_v3.state import NO_POSITION, PoolState, Position, PositionKey, check_ticks
from atomizer.models.uniswap_v3.swap_step import PIPS
from atomizer.models.uniswap_v3.swapping import Walk, check_swap, walk
from atomizer.models.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MIN_SQRT_RATIO,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)
from atomizer.models.uniswap_v3.ticks import EMPTY_TICK, UINT32, Tick, fee_growth_inside

INT128_LIMIT = 1 << 127


def fees_earned(inside: int, inside_last: int, liquidity: int) -> int:
    """Fees of `liquidity` since its last growth reading, cut to 128 bits as the contract cuts them."""
    return ((inside - inside_last) % UINT256 * liquidity >> 128) % UINT128


def _require_uint128(*amounts: int) -> None:
    for amount in amounts:
        if not 0 <= amount < UINT128:
            raise UintOverflowError(f"amount {amount} is not an unsigned 128-bit number")


class Pool(PoolState):
    """One pool. Every operation either completes or raises a `PoolError` and changes nothing."""

    def initialize(self, sqrt_price: int, *, now: int = 0) -> None:
        """Set the first price. Raises AlreadyInitializedError, PriceRangeError."""
        if self.sqrt_price:
            raise AlreadyInitializedError(f"the pool's price is {self.sqrt_price}")
        tick = tick_at_sqrt_ratio(sqrt_price)
        self.remember()
        self.oracle.initialize(now)
        self.sqrt_price, self.tick = sqrt_price, tick

    def swap(
        self, zero_for_one: bool, amount: int, sqrt_price_limit: int | None = None, *, now: int = 0
    ) -> tuple[int, int]:
        """Swap and return (amount0, amount1) from the pool's side: positive came in.

        `amount` > 0 is exact input, fee included; < 0 exact output. Without a limit the price may go
        to the end of the range; the swap then stops there with part of the amount undone.

        Raises:
            ZeroAmountError, LockedError, PriceLimitError, UintOverflowError
        """
        end = self.quote(zero_for_one, amount, sqrt_price_limit)
        self.remember()
        self._cross(end, zero_for_one, now)
        if end.tick != self.tick:
            self.oracle.write(now, self.tick, self.liquidity)
        self.sqrt_price, self.tick, self.liquidity = end.sqrt_price, end.tick, end.liquidity
        if zero_for_one:
            self.fee_growth_global0 = end.fee_growth
            self.protocol_fees0 = (self.protocol_fees0 + end.protocol_fee) % UINT128
        else:
            self.fee_growth_global1 = end.fee_growth
            self.protocol_fees1 = (self.protocol_fees1 + end.protocol_fee) % UINT128
        self.balance0 += end.amount0
        self.balance1 += end.amount1
        return end.amount0, end.amount1

    def quote(self, zero_for_one: bool, amount: int, sqrt_price_limit: int | None = None) -> Walk:
        """What `swap` would do, without doing it. Raises as `swap` does."""
        limit = sqrt_price_limit
        if limit is None:
            limit = MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1
        check_swap(self.sqrt_price, zero_for_one, amount, limit)
        return walk(
            self.sqrt_price,
            self.tick,
            self.liquidity,
            self.fee_growth_global0 if zero_for_one else self.fee_growth_global1,
            zero_for_one,
            amount,
            limit,
            fee_pips=self.fee,
            fee_protocol=self.fee_protocol0 if zero_for_one else self.fee_protocol1,
            spacing=self.tick_spacing,
            bitmap=self.bitmap,
            ticks=self.ticks,
        )

    def _cross(self, end: Walk, zero_for_one: bool, now: int) -> None:
        if not end.crossings:
            return
        tick_cumulative, seconds = self.oracle.observe(now, 0, self.tick, self.liquidity)
        other = self.fee_growth_global1 if zero_for_one else self.fee_growth_global0
        for tick, growth in end.crossings:
            growth0, growth1 = (growth, other) if zero_for_one else (other, growth)
            crossed = self.ticks[tick].crossed(growth0, growth1, tick_cumulative, seconds, now)
            self.history.put(self.ticks, tick, crossed)

    def mint(
        self, owner: str, tick_lower: int, tick_upper: int, liquidity: int, *, now: int = 0
    ) -> tuple[int, int]:
        """Add liquidity; returns (amount0, amount1) owed to the pool, rounded up.

        Raises:
            LockedError, ZeroLiquidityError, TickOrderError, LowerTickError, UpperTickError,
            TickSpacingError, LiquidityCapError, LiquidityOverflowError, UintOverflowError
        """
        self.require_open()
        _require_uint128(liquidity)
        if liquidity == 0:
            raise ZeroLiquidityError("a mint of no liquidity")
        amount0, amount1 = self._change_liquidity((owner, tick_lower, tick_upper), liquidity, now)
        self.balance0 += amount0
        self.balance1 += amount1
        return amount0, amount1

    def burn(
        self, owner: str, tick_lower: int, tick_upper: int, liquidity: int, *, now: int = 0
    ) -> tuple[int, int]:
        """Remove liquidity and credit it; returns (amount0, amount1) credited, without fees.

        A burn of zero pokes: it only brings the fees owed up to date.

        Raises:
            LockedError, NoPositionError, LiquidityUnderflowError, TickOrderError, LowerTickError,
            UpperTickError, UintOverflowError
        """
        self.require_open()
        _require_uint128(liquidity)
        key = (owner, tick_lower, tick_upper)
        amount0, amount1 = self._change_liquidity(key, -liquidity, now)
        if amount0 or amount1:
            position = self.positions[key]
            owed0, owed1 = (position.owed0 - amount0) % UINT128, (position.owed1 - amount1) % UINT128
            self.history.put(self.positions, key, position._replace(owed0=owed0, owed1=owed1))
        return -amount0, -amount1

    def collect(
        self, owner: str, tick_lower: int, tick_upper: int, most0: int = UINT128 - 1, most1: int = UINT128 - 1
    ) -> tuple[int, int]:
        """Pay out what the position is owed, up to the given amounts. Poke first to include new fees.

        Raises:
            LockedError, UintOverflowError
        """
        self.require_open()
        _require_uint128(most0, most1)
        key = (owner, tick_lower, tick_upper)
        position = self.positions.get(key, NO_POSITION)
        amount0, amount1 = min(most0, position.owed0), min(most1, position.owed1)
        if amount0 or amount1:
            self.remember()
            left = position._replace(owed0=position.owed0 - amount0, owed1=position.owed1 - amount1)
            self.history.put(self.positions, key, left)
            self.balance0 -= amount0
            self.balance1 -= amount1
        return amount0, amount1

    def flash(self, amount0: int, amount1: int, paid0: int, paid1: int) -> tuple[int, int]:
        """Lend and take back with `paid` on top of the loan, which becomes fee growth like a swap's fee.

        Returns the fees (owed0, owed1) that had to be paid at least.

        Raises:
            LockedError, FlashNoLiquidityError, TransferFailedError, FlashNotPaidError, UintOverflowError
        """
        self.require_open()
        if not self.liquidity:
            raise FlashNoLiquidityError("a flash loan while no liquidity is in range")
        if not (0 <= amount0 <= self.balance0 and 0 <= amount1 <= self.balance1):
            raise TransferFailedError(
                f"a loan of ({amount0}, {amount1}) from {self.balance0}, {self.balance1}"
            )
        owed0 = mul_div_rounding_up(amount0, self.fee, PIPS)
        owed1 = mul_div_rounding_up(amount1, self.fee, PIPS)
        if paid0 < owed0 or paid1 < owed1:
            raise FlashNotPaidError(f"paid ({paid0}, {paid1}) for a fee of ({owed0}, {owed1})")
        share0 = paid0 // self.fee_protocol0 if self.fee_protocol0 else 0
        share1 = paid1 // self.fee_protocol1 if self.fee_protocol1 else 0
        growth0 = mul_div(paid0 - share0, Q128, self.liquidity)
        growth1 = mul_div(paid1 - share1, Q128, self.liquidity)
        self.remember()
        self.protocol_fees0 = (self.protocol_fees0 + share0) % UINT128
        self.protocol_fees1 = (self.protocol_fees1 + share1) % UINT128
        self.fee_growth_global0 = (self.fee_growth_global0 + growth0) % UINT256
        self.fee_growth_global1 = (self.fee_growth_global1 + growth1) % UINT256
        self.balance0 += paid0
        self.balance1 += paid1
        return owed0, owed1

    def set_fee_protocol(self, fee_protocol0: int, fee_protocol1: int) -> None:
        """Give the protocol one n-th of the fees of each token, 0 for none. Raises FeeProtocolError."""
        self.require_open()
        for n in (fee_protocol0, fee_protocol1):
            if n and not 4 <= n <= 10:
                raise FeeProtocolError(f"protocol fee 1/{n}")
        self.remember()
        self.fee_protocol0, self.fee_protocol1 = fee_protocol0, fee_protocol1

    def collect_protocol(self, most0: int = UINT128 - 1, most1: int = UINT128 - 1) -> tuple[int, int]:
        """Pay out protocol fees; the contract keeps one unit back when all of it is asked for."""
        self.require_open()
        _require_uint128(most0, most1)
        amount0 = min(most0, self.protocol_fees0)
        amount1 = min(most1, self.protocol_fees1)
        amount0 -= 0 < amount0 == self.protocol_fees0
        amount1 -= 0 < amount1 == self.protocol_fees1
        self.remember()
        self.protocol_fees0 -= amount0
        self.protocol_fees1 -= amount1
        self.balance0 -= amount0
        self.balance1 -= amount1
        return amount0, amount1

    def increase_observation_cardinality_next(self, cardinality_next: int) -> None:
        """Let the oracle's ring grow. Raises LockedError, UintOverflowError."""
        self.require_open()
        self.oracle.grow(cardinality_next)

    def _change_liquidity(self, key: PositionKey, delta: int, now: int) -> tuple[int, int]:
        """Signed amounts (positive: owed to the pool) of a liquidity change, with all its bookkeeping."""
        _owner, tick_lower, tick_upper = key
        if not -INT128_LIMIT < delta < INT128_LIMIT:
            raise UintOverflowError(f"liquidity change {delta} is not a signed 128-bit number")
        check_ticks(tick_lower, tick_upper)
        lower, upper = self._changed_ticks(tick_lower, tick_upper, delta, now)
        inside = fee_growth_inside(
            lower,
            upper,
            tick_lower,
            tick_upper,
            self.tick,
            self.fee_growth_global0,
            self.fee_growth_global1,
        )
        position = _earned(self.positions.get(key, NO_POSITION), delta, inside)
        in_range = tick_lower <= self.tick < tick_upper
        liquidity = add_delta(self.liquidity, delta) if in_range else self.liquidity
        amounts = self._amounts(tick_lower, tick_upper, delta)
        self.remember()
        self.history.put(self.positions, key, position)
        if delta:
            self._store_tick(tick_lower, lower)
            self._store_tick(tick_upper, upper)
            if in_range:
                self.oracle.write(now, self.tick, self.liquidity)
                self.liquidity = liquidity
        return amounts

    def _changed_ticks(self, tick_lower: int, tick_upper: int, delta: int, now: int) -> tuple[Tick, Tick]:
        lower, upper = self.ticks.get(tick_lower, EMPTY_TICK), self.ticks.get(tick_upper, EMPTY_TICK)
        if not delta:
            return lower, upper
        sums = self.oracle.observe(now, 0, self.tick, self.liquidity)
        changed = []
        for index, info, net in ((tick_lower, lower, delta), (tick_upper, upper, -delta)):
            gross = add_delta(info.liquidity_gross, delta)
            if gross > self.max_liquidity_per_tick:
                raise LiquidityCapError(f"tick {index} may carry {self.max_liquidity_per_tick}, not {gross}")
            outside = info[2:]
            if not info.liquidity_gross:
                fresh = index <= self.tick
                outside = (
                    (self.fee_growth_global0, self.fee_growth_global1, *sums, now % UINT32)
                    if fresh
                    else (0,) * 5
                )
            changed.append(Tick(gross, info.liquidity_net + net, *outside))
        for index in (tick_lower, tick_upper):
            if index % self.tick_spacing:
                raise TickSpacingError(f"tick {index} with spacing {self.tick_spacing}")
        return changed[0], changed[1]

    def _store_tick(self, index: int, tick: Tick) -> None:
        was_initialised = index in self.ticks
        if bool(tick.liquidity_gross) != was_initialised:
            compressed = index // self.tick_spacing
            word = self.bitmap.get(compressed >> 8, 0) ^ (1 << (compressed & 255))
            self.history.put(self.bitmap, compressed >> 8, word)
        if tick.liquidity_gross:
            self.history.put(self.ticks, index, tick)
        elif was_initialised:
            self.history.drop(self.ticks, index)

    def _amounts(self, tick_lower: int, tick_upper: int, delta: int) -> tuple[int, int]:
        if not delta:
            return 0, 0
        low, high = sqrt_ratio_at_tick(tick_lower), sqrt_ratio_at_tick(tick_upper)
        if self.tick < tick_lower:
            return signed_amount0_delta(low, high, delta), 0
        if self.tick >= tick_upper:
            return 0, signed_amount1_delta(low, high, delta)
        price = self.sqrt_price
        return signed_amount0_delta(price, high, delta), signed_amount1_delta(low, price, delta)


def _earned(position: Position, delta: int, inside: tuple[int, int]) -> Position:
    """The position with its fees credited for the time before the change, then its liquidity changed."""
    if not delta and not position.liquidity:
        raise NoPositionError("a poke of a position without liquidity")
    earned0 = fees_earned(inside[0], position.fee_growth_inside0_last, position.liquidity)
    earned1 = fees_earned(inside[1], position.fee_growth_inside1_last, position.liquidity)
    return Position(
        add_delta(position.liquidity, delta),
        *inside,
        (position.owed0 + earned0) % UINT128,
        (position.owed1 + earned1) % UINT128,
    )
