"""The compiled swap: numba over 64-bit limbs, bit for bit equal to `walk` and `Pool.swap`.

One file on purpose: numba's disk cache notices edits only in the file of the cached function.
Importing it compiles for some seconds once per machine, so nothing that trades imports it.

A number is a tuple of uint64 limbs, least significant first; each quantity has its own width
(price 3, liquidity and amounts 2, fee growth 4). A step first tries prices and amounts below 2^128
with one division per amount; what does not fit runs the contract's own order in 256 and 512 bits.

Division estimates a quotient digit in float64, always slightly low, subtracts exactly and corrects
upward, so it needs round to nearest and must never see fastmath. LLVM's own wide division is
avoided: its symbol does not link.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # ships no types
from numba import int64, njit, types, uint8, uint64
from numba.core import cgutils
from numba.extending import intrinsic

from atomizer.models.uniswap_v3.tick_math import (
    LOG_OF_ONE,
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    RATIO_FACTORS,
    TICKS_PER_LOG,
)

F = TypeVar("F", bound=Callable[..., Any])

OK, ZERO_AMOUNT, PRICE_LIMIT, OVERFLOW = 0, 1, 2, 3
RATIO, TICK, AMOUNT0, AMOUNT1, NEXT_IN, NEXT_OUT, STEP, STEP_PLAIN, MUL_DIV = range(9)
OPERATIONS = {
    "ratio": RATIO,
    "tick": TICK,
    "amount0": AMOUNT0,
    "amount1": AMOUNT1,
    "next price from input": NEXT_IN,
    "next price from output": NEXT_OUT,
    "step": STEP,
    "step in contract order": STEP_PLAIN,
    "mul_div": MUL_DIV,
}

_I64, _I128 = ir.IntType(64), ir.IntType(128)
_LOW = 1.0 - 2.0**-48
_TIE = 1e-12
_U0, _U1 = np.uint64(0), np.uint64(1)
_PIPS = (np.uint64(1_000_000),)
_ONE = (_U1,)
_Z2 = (_U0, _U0)
_Z4 = (_U0, _U0, _U0, _U0)
_ROUND96 = (np.uint64(2**64 - 1), np.uint64(2**32 - 1))
_MAX256 = (np.uint64(2**64 - 1),) * 4


def _limbs(value: int, count: int) -> tuple[np.uint64, ...]:
    return tuple(np.uint64(value >> 64 * i & (2**64 - 1)) for i in range(count))


_MIN_TICK, _MAX_TICK = np.int64(MIN_TICK), np.int64(MAX_TICK)
_MIN_PRICE = _limbs(MIN_SQRT_RATIO, 3)
_MAX_PRICE = _limbs(MAX_SQRT_RATIO, 3)
_FACTORS = np.array([_limbs(factor, 2) for factor in RATIO_FACTORS], dtype=np.uint64)


_helper: Callable[[F], F] = njit(error_model="numpy")


def _entry(signature: Any) -> Callable[[F], F]:
    decorate: Callable[[F], F] = njit(signature, cache=True, nogil=True, error_model="numpy")
    return decorate


# Wide integers inside LLVM: join limbs into one integer, one instruction, split again.


def _wide(limbs: int) -> Any:
    return types.UniTuple(types.uint64, limbs)


def _join(builder: Any, value: Any, limbs: int, width: int) -> Any:
    kind = ir.IntType(64 * width)
    joined = None
    for i in range(min(limbs, width)):
        limb = builder.extract_value(value, i)
        limb = builder.zext(limb, kind) if width > 1 else limb
        limb = builder.shl(limb, kind(64 * i)) if i else limb
        joined = limb if joined is None else builder.or_(joined, limb)
    return joined


def _split(context: Any, builder: Any, joined: Any, limbs: int) -> Any:
    kind = joined.type
    out = cgutils.get_null_value(context.get_value_type(_wide(limbs)))
    for i in range(limbs):
        limb = builder.lshr(joined, kind(64 * i)) if i else joined
        limb = builder.trunc(limb, _I64) if kind.width > 64 else limb
        out = builder.insert_value(out, limb, i)
    return out


def _binary(name: str) -> Any:
    """add or sub, wrapping at the wider operand's width."""

    def operation(_typingctx: Any, a: Any, b: Any) -> Any:
        limbs = max(a.count, b.count)

        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            left = _join(builder, args[0], a.count, limbs)
            right = _join(builder, args[1], b.count, limbs)
            return _split(context, builder, getattr(builder, name)(left, right), limbs)

        return _wide(limbs)(a, b), codegen

    return intrinsic(operation)


def _comparison(predicate: str) -> Any:
    def operation(_typingctx: Any, a: Any, b: Any) -> Any:
        limbs = max(a.count, b.count)

        def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            left = _join(builder, args[0], a.count, limbs)
            right = _join(builder, args[1], b.count, limbs)
            return builder.icmp_unsigned(predicate, left, right)

        return types.boolean(a, b), codegen

    return intrinsic(operation)


def _resize(limbs: int) -> Any:
    """Cut or extend to a number of limbs."""

    def operation(_typingctx: Any, a: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return _split(context, builder, _join(builder, args[0], a.count, limbs), limbs)

        return _wide(limbs)(a), codegen

    return intrinsic(operation)


def _left(bits: int) -> Any:
    """a << bits in as many limbs as the second argument has."""

    def operation(_typingctx: Any, a: Any, like: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            joined = _join(builder, args[0], a.count, like.count)
            return _split(context, builder, builder.shl(joined, joined.type(bits)), like.count)

        return _wide(like.count)(a, like), codegen

    return intrinsic(operation)


def _right(bits: int) -> Any:
    def operation(_typingctx: Any, a: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            joined = _join(builder, args[0], a.count, a.count)
            return _split(context, builder, builder.lshr(joined, joined.type(bits)), a.count)

        return _wide(a.count)(a), codegen

    return intrinsic(operation)


def _mul(_typingctx: Any, a: Any, b: Any) -> Any:
    """The full product, by 64x64 -> 128 bit multiplications."""

    def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        left = [builder.zext(builder.extract_value(args[0], i), _I128) for i in range(a.count)]
        right = [builder.zext(builder.extract_value(args[1], j), _I128) for j in range(b.count)]
        out = [_I64(0)] * (a.count + b.count)
        for i, x in enumerate(left):
            carry = _I128(0)
            for j, y in enumerate(right):
                total = builder.add(builder.mul(x, y), builder.zext(out[i + j], _I128))
                total = builder.add(total, carry)
                out[i + j] = builder.trunc(total, _I64)
                carry = builder.lshr(total, _I128(64))
            out[i + b.count] = builder.trunc(carry, _I64)
        result = cgutils.get_null_value(context.get_value_type(_wide(a.count + b.count)))
        for k, limb in enumerate(out):
            result = builder.insert_value(result, limb, k)
        return result

    return _wide(a.count + b.count)(a, b), codegen


def _f64(_typingctx: Any, a: Any) -> Any:
    """The nearest double, to within a few units in the last place."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        double = ir.DoubleType()
        total = builder.uitofp(builder.extract_value(args[0], a.count - 1), double)
        for i in reversed(range(a.count - 1)):
            limb = builder.uitofp(builder.extract_value(args[0], i), double)
            total = builder.fadd(builder.fmul(total, double(2.0**64)), limb)
        return total

    return types.float64(a), codegen


mul, f64 = intrinsic(_mul), intrinsic(_f64)
add, sub = _binary("add"), _binary("sub")
lt, eq = _comparison("<"), _comparison("==")
to1, to2, to3, to4, to5, to6, to8 = (_resize(n) for n in (1, 2, 3, 4, 5, 6, 8))
left44, left46, left92, left96, left128, left220 = (_left(bits) for bits in (44, 46, 92, 96, 128, 220))
fit = _left(0)
right32, right44, right96, right128, right256 = (_right(bits) for bits in (32, 44, 96, 128, 256))


@_helper
def _u64(x: float) -> Any:
    return np.uint64(np.int64(x))


@_helper
def _low_inverse(d: Any) -> Any:
    return _LOW / f64(d)


@_helper
def _quotient(n: Any, d: Any, inverse: float) -> Any:
    """(fits, n // d in 2 limbs, n % d) for quotients below 2^127; three digits of 46 bits."""
    estimate = f64(n) * inverse
    q = _Z2
    if not estimate < 2.0**127:
        return False, q, n
    if estimate >= 2.0**46:
        if estimate >= 2.0**92:
            digit = (_u64(estimate * 2.0**-92),)
            n = sub(n, left92(mul(d, digit), n))
            q = left92(digit, q)
            estimate = f64(n) * inverse
        digit = (_u64(estimate * 2.0**-46),)
        n = sub(n, left46(mul(d, digit), n))
        q = add(q, left46(digit, q))
        estimate = f64(n) * inverse
    digit = (_u64(estimate),)
    n = sub(n, fit(mul(d, digit), n))
    q = add(q, digit)
    while not lt(n, d):
        n = sub(n, d)
        q = add(q, _ONE)
    return True, q, n


@_helper
def _divide(n: Any, d: Any) -> Any:
    """(n // d, n % d) for n of 512 and d of 256 bits with a quotient below 2^256: six digits of 44 bits."""
    q = _Z4
    scaled = left220(d, n)
    for _ in range(6):
        digit = (_u64(f64(n) / f64(scaled) * _LOW),)
        n = sub(n, to8(mul(scaled, digit)))
        while not lt(n, scaled):
            n = sub(n, scaled)
            digit = add(digit, _ONE)
        q = add(left44(q, q), digit)
        scaled = right44(scaled)
    return q, to4(n)


@_helper
def _is_zero(a: Any) -> Any:
    return eq(a, (_U0,))


@_helper
def _mul_div(a: Any, b: Any, d: Any, up: bool) -> Any:
    """(fits, a * b / d) in 256 bits, rounded up or down: the contract's mulDiv."""
    product = to8(mul(a, b))
    if not lt(to4(right256(product)), d):
        return False, _Z4
    q, r = _divide(product, d)
    if up and not _is_zero(r):
        if eq(q, _MAX256):
            return False, _Z4
        q = add(q, _ONE)
    return True, q


@_helper
def _ratio_at(tick: Any, factors: Any) -> Any:
    """getSqrtRatioAtTick for a tick within bounds."""
    magnitude = abs(tick)
    ratio = (_U0, _U0, _U1)
    for bit in range(20):
        if magnitude >> bit & 1:
            ratio = to3(right128(mul(ratio, (factors[bit, 0], factors[bit, 1]))))
    wide = to4(ratio)
    if tick > 0:
        wide, _r = _divide(to8(_MAX256), wide)
    up = (wide[0] & np.uint64(0xFFFFFFFF)) != _U0
    price = to3(right32(wide))
    return add(price, _ONE) if up else price


@_helper
def _tick_at(price: Any, factors: Any) -> Any:
    """getTickAtSqrtRatio for a price within bounds: a logarithm, settled exactly near a tick."""
    position = (math.log(f64(price)) - LOG_OF_ONE) * TICKS_PER_LOG
    tick = np.int64(math.floor(position))
    if 1e-6 < position - tick < 1.0 - 1e-6:
        return tick
    nearest = np.int64(math.floor(position + 0.5))
    return nearest - 1 if lt(price, _ratio_at(nearest, factors)) else nearest


@_helper
def _amount0(a: Any, b: Any, liquidity: Any, up: bool) -> Any:
    """Token0 between two prices, 256 bits, dividing twice as the contract does."""
    low, high = (b, a) if lt(b, a) else (a, b)
    numerator = left96(liquidity, _Z4)
    _fits, q = _mul_div(numerator, sub(high, low), to4(high), up)
    _fits, q = _mul_div(q, _ONE, to4(low), up)
    return q


@_helper
def _amount1(a: Any, b: Any, liquidity: Any, up: bool) -> Any:
    product = mul(liquidity, sub(a, b) if lt(b, a) else sub(b, a))
    if up:
        product = add(product, _ROUND96)
    return to4(right96(product))


@_helper
def _next_from_input(price: Any, liquidity: Any, amount: Any, down: bool) -> Any:
    """(fits, next price) for 256-bit amounts in the contract's order."""
    if down:
        if _is_zero(amount):
            return True, price
        numerator = left96(liquidity, _Z4)
        product = mul(amount, price)
        if _is_zero(to8(right256(product))):
            divisor = add(numerator, to4(product))
            if not lt(divisor, numerator):
                fits, q = _mul_div(numerator, price, divisor, True)
                return fits, to3(q)
        q, _r = _divide(to8(numerator), to4(price))
        divisor = add(q, amount)
        if lt(divisor, q):
            return False, price
        q, r = _divide(to8(numerator), divisor)
        return True, to3(q if _is_zero(r) else add(q, _ONE))
    fits, q = _mul_div(left96(_ONE, _Z2), amount, to4(liquidity), False)
    total = add(to5(q), price)
    return fits and _fits_price(total), to3(total)


@_helper
def _next_from_output(price: Any, liquidity: Any, amount: Any, down: bool) -> Any:
    """(fits, next price) for 256-bit amounts in the contract's order."""
    if down:
        fits, q = _mul_div(left96(_ONE, _Z2), amount, to4(liquidity), True)
        return fits and lt(q, price), to3(sub(price, to3(q)))
    if _is_zero(amount):
        return True, price
    numerator = left96(liquidity, _Z4)
    product = mul(amount, price)
    if not lt(product, numerator):
        return False, price
    fits, q = _mul_div(numerator, price, sub(numerator, to4(product)), True)
    return fits and _fits_price(to5(q)), to3(q)


@_helper
def _fits_price(value: Any) -> Any:
    return value[3] == _U0 and value[4] == _U0 and value[2] < np.uint64(2**32)


@_helper
def _step_plain(price: Any, target: Any, liquidity: Any, remaining: Any, exact_in: bool, fee: Any) -> Any:
    """computeSwapStep in the contract's order: (fits, price, in, out, fee), 256-bit amounts."""
    down = not lt(price, target)
    pips = to4(_PIPS)
    kept = sub(pips, fee)
    if exact_in:
        _fits, usable = _mul_div(remaining, kept, pips, False)
        amount_in = (
            _amount0(price, target, liquidity, True) if down else _amount1(price, target, liquidity, True)
        )
        after = target
        if lt(usable, amount_in):
            fits, after = _next_from_input(price, liquidity, usable, down)
            if not fits:
                return False, price, _Z4, _Z4, _Z4
            amount_in = (
                _amount0(price, after, liquidity, True) if down else _amount1(price, after, liquidity, True)
            )
        amount_out = (
            _amount1(price, after, liquidity, False) if down else _amount0(price, after, liquidity, False)
        )
        if not eq(after, target):
            return True, after, amount_in, amount_out, sub(remaining, amount_in)
    else:
        amount_out = (
            _amount1(price, target, liquidity, False) if down else _amount0(price, target, liquidity, False)
        )
        after = target
        if lt(remaining, amount_out):
            fits, after = _next_from_output(price, liquidity, remaining, down)
            if not fits:
                return False, price, _Z4, _Z4, _Z4
            amount_out = remaining
        amount_in = (
            _amount0(price, after, liquidity, True) if down else _amount1(price, after, liquidity, True)
        )
    fits, charged = _mul_div(amount_in, fee, kept, True)
    return fits, after, amount_in, amount_out, charged


@_helper
def _amount0_narrow(gap: Any, a: Any, b: Any, numerator: Any, up: bool) -> Any:
    """(fits, token0) for a price change `gap` between a and b: one division by the product."""
    divisor = mul(a, b)
    fits, q, r = _quotient(mul(numerator, gap), divisor, _low_inverse(divisor))
    if up and fits and not _is_zero(r):
        q = add(q, _ONE)
    return fits, q


@_helper
def _step(
    price: Any, target: Any, liquidity: Any, rest: Any, exact_in: bool, down: bool, fee: Any, inverse: float
) -> Any:
    """computeSwapStep for prices and amounts of 2 limbs: (fits, price, in, out, fee); may decline.

    With N = L * 2^96 and x the amount: token0 in moves the price by floor(x p^2 / (N + x p)) and costs
    x less the part of the remainder that makes whole units, so the price division yields the amount too.
    """
    kept = sub(_PIPS, fee)
    numerator = left96(liquidity, _Z4)
    gap = sub(price, target) if down else sub(target, price)
    x = rest
    if exact_in:
        fits, x, _r = _quotient(to3(mul(rest, kept)), _PIPS, _LOW / 1e6)
        if not fits:
            return False, price, _Z2, _Z2, _Z2
    reached = True
    amount_in = _Z2
    amount_out = _Z2
    after = target
    if exact_in == down:
        # The specified token is token0: whether the target is reached needs the prices' product.
        specified = to3(x) if exact_in else add(to3(x), _ONE)
        left = f64(numerator) * f64(gap)
        right = f64(specified) * f64(price) * f64(target)
        if left > right * (1.0 + _TIE):
            reached = False
        elif left >= right * (1.0 - _TIE):
            exact_left = mul(numerator, gap)
            exact_right = mul(specified, mul(price, target))
            reached = not lt(exact_right, exact_left) if exact_in else lt(exact_left, exact_right)
    else:
        product = mul(liquidity, gap)
        between = right96(add(product, _ROUND96) if exact_in else product)
        reached = not lt(x, between)
    if not reached:
        if exact_in == down:
            shift = mul(x, price)
            divisor = add(to5(numerator), shift) if exact_in else sub(to5(numerator), shift)
            if divisor[4] != _U0:
                return False, price, _Z2, _Z2, _Z2
            divisor = to4(divisor)
            fits, gap2, r = _quotient(mul(shift, price), divisor, _low_inverse(divisor))
        else:
            fits, gap2, r4 = _quotient(left96(x, _Z4), liquidity, inverse)
            r = to6(r4)
        if not fits:
            return False, price, _Z2, _Z2, _Z2
        if not exact_in and not _is_zero(r):
            gap2 = add(gap2, _ONE)
        gap = gap2
        after = sub(price, gap) if down else add(price, gap)
        if exact_in:
            if down:
                scale = mul(price, after)
                whole = _Z2
                if not lt(r, scale):
                    fits, whole, _r5 = _quotient(to4(r), scale, _low_inverse(scale))
                    if not fits:
                        return False, price, _Z2, _Z2, _Z2
                amount_in = sub(x, whole)
            else:
                amount_in = sub(x, to2(right96(r)))
        else:
            amount_out = x
    product = mul(liquidity, gap)
    if down:
        if not exact_in or reached:
            fits, amount_in = _amount0_narrow(gap, price, after, numerator, True)
            if not fits:
                return False, price, _Z2, _Z2, _Z2
        if exact_in or reached:
            wide = right96(product)
            if wide[2] != _U0:
                return False, price, _Z2, _Z2, _Z2
            amount_out = to2(wide)
    else:
        if not exact_in or reached:
            wide = right96(add(product, _ROUND96))
            if wide[2] != _U0:
                return False, price, _Z2, _Z2, _Z2
            amount_in = to2(wide)
        if exact_in or reached:
            fits, amount_out = _amount0_narrow(gap, price, after, numerator, False)
            if not fits:
                return False, price, _Z2, _Z2, _Z2
    if exact_in and not reached:
        return True, after, amount_in, amount_out, sub(rest, amount_in)
    fits, charged, r3 = _quotient(to3(mul(amount_in, fee)), kept, _low_inverse(kept))
    if fits and not _is_zero(r3):
        charged = add(charged, _ONE)
    return fits, after, amount_in, amount_out, charged


@_helper
def _growth(fee: Any, liquidity: Any, inverse: float) -> Any:
    """(fits, fee * 2^128 / L): narrow where the quotient is short, else the contract's mulDiv."""
    if fee[2] | fee[3] == _U0:
        fits, q, _r = _quotient(left128(fee, _Z4), liquidity, inverse)
        if fits:
            return True, to4(q)
    return _mul_div(fee, (_U0, _U0, _U1), to4(liquidity), False)


@_helper
def _wrap56(value: int) -> Any:
    return ((value + (1 << 55)) & ((1 << 56) - 1)) - (1 << 55)


@_helper
def _seconds_per_liquidity(last: Any, elapsed: Any, liquidity: Any) -> Any:
    divisor = (_U1, _U0) if _is_zero(liquidity) else liquidity
    _fits, q = _growth(to4((elapsed,)), divisor, _low_inverse(divisor))
    total = add(last, to3(q))
    return (total[0], total[1], total[2] & np.uint64(0xFFFFFFFF))


@_helper
def _read2(a: Any, i: int) -> Any:
    return (a[i, 0], a[i, 1])


@_helper
def _read3(a: Any, i: int) -> Any:
    return (a[i, 0], a[i, 1], a[i, 2])


@_helper
def _read4(a: Any, i: int) -> Any:
    return (a[i, 0], a[i, 1], a[i, 2], a[i, 3])


@_helper
def _read5(a: Any, i: int) -> Any:
    return (a[i, 0], a[i, 1], a[i, 2], a[i, 3], a[i, 4])


@_helper
def _write(a: Any, i: int, value: Any) -> None:
    for k in range(len(value)):
        a[i, k] = value[k]


@_entry(
    [
        (
            # state, rows of 5 limbs: price, liquidity, two growths, two protocol fees, seconds per
            # liquidity at the last observation, then what tokens 0 and 1 took in and paid out
            uint64[:, ::1],
            # numbers: tick, spacing, fee, two protocol shares, time and cumulative of the last
            # observation, place of the last initialised tick at or below the current one
            int64[::1],
            int64[::1],  # tick_index
            uint64[:, ::1],  # tick_price
            uint64[:, ::1],  # tick_net
            uint64[:, ::1],  # tick_growth: token0 in columns 0-3, token1 in 4-7
            int64[:, ::1],  # tick_time: cumulative, seconds
            uint64[:, ::1],  # tick_seconds: seconds per liquidity
            uint8[::1],  # tick_changed
            uint64[:, ::1],  # edge_price: a word's first and last stop, words from -len/4
            uint8[:, ::1],  # kind: zero for one, exact in
            uint64[:, ::1],  # amount
            uint64[:, ::1],  # limit
            int64[::1],  # now
            uint8[::1],  # status
            uint64[:, ::1],  # result: in 0-3, out 4-7, price 8-10, liquidity 11-12
            int64[::1],  # tick_after
            int64[:, ::1],  # written: time, cumulative
            uint64[:, ::1],  # written_seconds
            int64[::1],  # passed (scratch): index of a crossed tick
            uint64[:, ::1],  # passed_growth (scratch)
        )
    ]
)
def swap_batch(
    state: Any,
    numbers: Any,
    tick_index: Any,
    tick_price: Any,
    tick_net: Any,
    tick_growth: Any,
    tick_time: Any,
    tick_seconds: Any,
    tick_changed: Any,
    edge_price: Any,
    kind: Any,
    amount: Any,
    limit: Any,
    now: Any,
    status: Any,
    result: Any,
    tick_after: Any,
    written: Any,
    written_seconds: Any,
    passed: Any,
    passed_growth: Any,
) -> int:
    """Run swaps in order on one pool; a refused one leaves no trace. Returns the observations written."""
    price, liquidity = _read3(state, 0), _read2(state, 1)
    last_seconds = _read3(state, 6)
    tick, spacing = numbers[0], numbers[1]
    fee = (np.uint64(numbers[2]),)
    last_time, last_cumulative = numbers[5], numbers[6]
    ticks = len(tick_index)
    narrow_fee = numbers[2] <= 500_000
    word_span = spacing * 256
    low_edge = np.int64(1) << 62
    observations = 0
    at = numbers[7]
    inverse = _low_inverse(liquidity)
    for n in range(len(status)):
        down, exact_in = kind[n, 0] != 0, kind[n, 1] != 0
        remaining, bound = _read4(amount, n), _read3(limit, n)
        tick_after[n] = tick
        low, high = (_MIN_PRICE, price) if down else (price, _MAX_PRICE)
        status[n] = OK
        if _is_zero(remaining):
            status[n] = ZERO_AMOUNT
        elif not (lt(low, bound) and lt(bound, high)):
            status[n] = PRICE_LIMIT
        if status[n] != OK:
            continue
        start_price, start_liquidity, start_tick, start_at = price, liquidity, tick, at
        side = 0 if down else 1
        growth = _read4(state, 2 + side)
        protocol = (np.uint64(numbers[3 + side]),)
        protocol_fee = _Z2
        total_in, total_out = _Z4, _Z4
        crossed = 0
        while not _is_zero(remaining) and not eq(price, bound):
            probe = tick if down else tick + spacing
            if probe < low_edge or probe >= low_edge + word_span:
                low_edge = probe // word_span * word_span
            if down:
                stop, candidate = low_edge, at
                known = candidate >= 0 and tick_index[candidate] >= stop
            else:
                stop, candidate = low_edge + 255 * spacing, at + 1
                known = candidate < ticks and tick_index[candidate] <= stop
            if known:
                stop = tick_index[candidate]
                stop_price = _read3(tick_price, candidate)
            else:
                stop = min(max(stop, _MIN_TICK), _MAX_TICK)
                stop_price = _read3(edge_price, 2 * (low_edge // word_span + len(edge_price) // 4) + side)
            target = stop_price
            if lt(stop_price, bound) if down else lt(bound, stop_price):
                target = bound
            before = price
            fits = False
            if narrow_fee and remaining[2] | remaining[3] | before[2] | target[2] == _U0:
                fits, price2, in2, out2, fee2 = _step(
                    to2(before), to2(target), liquidity, to2(remaining), exact_in, down, fee, inverse
                )
                price = to3(price2)
                amount_in, amount_out, charged = to4(in2), to4(out2), to4(fee2)
            if not fits:
                fits, price, amount_in, amount_out, charged = _step_plain(
                    before, target, liquidity, remaining, exact_in, fee
                )
            paid = add(amount_in, charged)
            remaining = sub(remaining, paid) if exact_in else sub(remaining, amount_out)
            total_in, total_out = add(total_in, paid), add(total_out, amount_out)
            if protocol[0] != _U0:
                narrow, share2, _r2 = _quotient(to4(charged), protocol, _low_inverse(protocol))
                share = to4(share2)
                if not narrow:
                    share, _r = _divide(to8(charged), to4(protocol))
                charged = sub(charged, share)
                protocol_fee = add(protocol_fee, to2(share))
            if fits and not _is_zero(liquidity) and not _is_zero(charged):
                fits, earned = _growth(charged, liquidity, inverse)
                growth = add(growth, earned)
            if not fits:
                status[n] = OVERFLOW
                break
            if eq(price, stop_price):
                if known:
                    net = _read2(tick_net, candidate)
                    liquidity = sub(liquidity, net) if down else add(liquidity, net)
                    inverse = _low_inverse(liquidity)
                    passed[crossed] = candidate
                    _write(passed_growth, crossed, growth)
                    crossed += 1
                    at = candidate - 1 if down else candidate
                tick = stop - 1 if down else stop
            elif not eq(price, before):
                tick = _tick_at(price, _FACTORS)
        if status[n] != OK:
            price, liquidity, tick, at = start_price, start_liquidity, start_tick, start_at
            inverse = _low_inverse(liquidity)
            continue
        if tick != start_tick or crossed > 0:
            time = now[n]
            elapsed = (time - last_time) & 0xFFFFFFFF
            seconds, cumulative = last_seconds, last_cumulative
            if elapsed:
                seconds = _seconds_per_liquidity(last_seconds, np.uint64(elapsed), start_liquidity)
                cumulative = _wrap56(last_cumulative + start_tick * elapsed)
            for i in range(crossed):
                k = passed[i]
                tick_changed[k] = 1
                other = _read4(state, 3 - side)
                mine = _read4(passed_growth, i)
                for token in range(2):
                    whole = mine if token == side else other
                    outside = (
                        tick_growth[k, 4 * token],
                        tick_growth[k, 4 * token + 1],
                        tick_growth[k, 4 * token + 2],
                        tick_growth[k, 4 * token + 3],
                    )
                    turned = sub(whole, outside)
                    for j in range(4):
                        tick_growth[k, 4 * token + j] = turned[j]
                tick_time[k, 0] = _wrap56(cumulative - tick_time[k, 0])
                tick_time[k, 1] = (time - tick_time[k, 1]) & 0xFFFFFFFF
                turned3 = sub(seconds, _read3(tick_seconds, k))
                tick_seconds[k, 0], tick_seconds[k, 1] = turned3[0], turned3[1]
                tick_seconds[k, 2] = turned3[2] & np.uint64(0xFFFFFFFF)
            if elapsed and tick != start_tick:
                last_time, last_cumulative, last_seconds = time, cumulative, seconds
                written[observations, 0], written[observations, 1] = time, cumulative
                _write(written_seconds, observations, seconds)
                observations += 1
        _write(state, 2 + side, growth)
        if protocol[0] != _U0:
            _write(state, 4 + side, add(_read2(state, 4 + side), protocol_fee))
        _write(state, 7 + side, add(_read5(state, 7 + side), total_in))
        _write(state, 10 - side, add(_read5(state, 10 - side), total_out))
        for j in range(4):
            result[n, j], result[n, 4 + j] = total_in[j], total_out[j]
        result[n, 8], result[n, 9], result[n, 10] = price[0], price[1], price[2]
        result[n, 11], result[n, 12] = liquidity[0], liquidity[1]
        tick_after[n] = tick
    _write(state, 0, price)
    _write(state, 1, liquidity)
    _write(state, 6, last_seconds)
    numbers[0], numbers[5], numbers[6], numbers[7] = tick, last_time, last_cumulative, at
    return observations


@_entry([(int64, uint64[:, :, ::1], uint8[:, ::1], uint64[:, :, ::1], uint8[::1])])
def evaluate(operation: int, values: Any, flags: Any, results: Any, status: Any) -> None:
    """One library function over many cases, 256-bit words in and out; how the arithmetic is checked.

    `flags` are (round up or zero for one, exact in). Ticks travel as value + 2^20.
    """
    bias = np.int64(1 << 20)
    for n in range(len(status)):
        a, b, c = _read4(values[n], 0), _read4(values[n], 1), _read4(values[n], 2)
        d, e = _read4(values[n], 3), _read4(values[n], 4)
        up, exact_in = flags[n, 0] != 0, flags[n, 1] != 0
        fits, q = True, _Z4
        if operation == RATIO:
            q = to4(_ratio_at(np.int64(a[0]) - bias, _FACTORS))
        elif operation == TICK:
            q = to4((np.uint64(_tick_at(to3(a), _FACTORS) + bias),))
        elif operation == AMOUNT0:
            q = _amount0(to3(a), to3(b), to2(c), up)
        elif operation == AMOUNT1:
            q = _amount1(to3(a), to3(b), to2(c), up)
        elif operation == NEXT_IN:
            fits, q3 = _next_from_input(to3(a), to2(b), c, up)
            q = to4(q3)
        elif operation == NEXT_OUT:
            fits, q3 = _next_from_output(to3(a), to2(b), c, up)
            q = to4(q3)
        elif operation == MUL_DIV:
            fits, q = _mul_div(a, b, c, up)
        else:
            fits = False
            liquidity = to2(c)
            if operation == STEP and a[2] | b[2] | d[2] | d[3] == _U0 and e[0] <= np.uint64(500_000):
                down = not lt(a, b)
                fits, q2, in2, out2, fee2 = _step(
                    to2(a), to2(b), liquidity, to2(d), exact_in, down, to1(e), _low_inverse(liquidity)
                )
                q, amount_in, amount_out, charged = to4(q2), to4(in2), to4(out2), to4(fee2)
            if not fits:
                fits, q3, amount_in, amount_out, charged = _step_plain(
                    to3(a), to3(b), liquidity, d, exact_in, e
                )
                q = to4(q3)
            _write(results[n], 1, amount_in)
            _write(results[n], 2, amount_out)
            _write(results[n], 3, charged)
        status[n] = OK if fits else OVERFLOW
        _write(results[n], 0, q)
