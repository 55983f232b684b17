"""What listed options say of another one: the venue's own vol, and bounds that hold whatever a model says.

The quotes of one expiry are one array with a column per strike, in increasing order, and the rows below; NaN
where nothing live is known. Vols are those of the out-of-the-money option, prices in coin. The venue's smile
values what is held, and checks our fit; nothing is quoted off it. Between strikes its vol is a cubic in
log-moneyness, between expiries total variance is linear in time; outside there is none. The bounds are those
of `listed_bounds`.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from atomizer.models._jit import direct, kernel

FloatArray = NDArray[np.float64]
# Rows of an expiry's quotes. Prices have one for puts, then one for calls.
STRIKES: Final = 0
VOLS: Final = 1
BID_VOLS: Final = 2
ASK_VOLS: Final = 3
BIDS: Final = 4
ASKS: Final = 6
ROWS: Final = 8


@kernel("f8(f8,f8,f8[::1],f8[::1])")
def smile_vol(strike: float, forward: float, strikes: FloatArray, vols: FloatArray) -> float:
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


@kernel("f8(f8,f8,f8,f8,f8,f8,f8,f8,f8[:,::1],f8[:,::1])")
def vol_between(
    strike: float,
    forward: float,
    near_forward: float,
    far_forward: float,
    share: float,
    near_tau: float,
    far_tau: float,
    tau: float,
    near: FloatArray,
    far: FloatArray,
) -> float:
    """Vol between two expiries, at one moneyness of both; NaN where one of them has none."""
    near_vol = smile_vol(strike * near_forward / forward, near_forward, near[STRIKES], near[VOLS])
    far_vol = smile_vol(strike * far_forward / forward, far_forward, far[STRIKES], far[VOLS])
    variance = (1.0 - share) * near_vol**2 * near_tau + share * far_vol**2 * far_tau
    return math.sqrt(variance / tau)


@kernel("f8(f8,f8[::1],f8[::1])")
def cheapest_mix(strike: float, strikes: NDArray[np.float64], asks: NDArray[np.float64]) -> float:
    """Cheapest listed ask at the strike, or mix of two around it; infinity without one. For the quoting path.

    `strikes` increasing, asks NaN where there is none.
    """
    best = math.inf
    for i in range(strikes.size):
        if strikes[i] > strike:
            break
        if math.isnan(asks[i]):
            continue
        if strikes[i] == strike:
            best = min(best, asks[i])
            continue
        for j in range(strikes.size - 1, i, -1):
            if strikes[j] <= strike:
                break
            if not math.isnan(asks[j]):
                share = (strike - strikes[i]) / (strikes[j] - strikes[i])
                best = min(best, asks[i] + share * (asks[j] - asks[i]))
    return best


@kernel("f8(f8,f8[::1],f8[::1])")
def bid_at(strike: float, strikes: FloatArray, bids: FloatArray) -> float:
    """The listed bid of this very strike; 0 without one."""
    for i in range(strikes.size):
        if strikes[i] == strike and bids[i] > 0.0:
            return float(bids[i])
    return 0.0


@kernel("UniTuple(f8,3)(f8,f8,f8,f8,f8,f8,f8,f8,f8,b1,b1,f8[:,::1],f8[:,::1],f8[:,::1])")
def look(
    strike: float,
    index: float,
    forward: float,
    near_forward: float,
    far_forward: float,
    share: float,
    near_tau: float,
    far_tau: float,
    tau: float,
    listed: bool,
    is_call: bool,
    before: FloatArray,
    at: FloatArray,
    after: FloatArray,
) -> tuple[float, float, float]:
    """The venue's vol (NaN: none), dearest bid below the option (0: none), cheapest super-hedge (infinity).

    Bounds in USD. Super-hedges: the strike itself, or two around it mixed to it, at the first expiry that
    offers any.

    Quotes of the last expiry before the option's, the first at it or after, and the one after that; one that
    is not there has no columns. `listed`: the option's own expiry is; `share` above 0: it lies between two.
    """
    vol, call = math.nan, 1 if is_call else 0
    if listed:
        vol = smile_vol(strike, forward, at[STRIKES], at[VOLS])
    elif share > 0.0:
        vol = vol_between(
            strike, forward, near_forward, far_forward, share, near_tau, far_tau, tau, before, at
        )
    floor = bid_at(strike, before[STRIKES], before[BIDS + call])
    if listed:
        floor = max(floor, bid_at(strike, at[STRIKES], at[BIDS + call]))
    cap = cheapest_mix(strike, at[STRIKES], at[ASKS + call])
    if cap == math.inf:
        cap = cheapest_mix(strike, after[STRIKES], after[ASKS + call])
    return vol, floor * index, cap * index


look_now = direct(look)  # what a caller in Python takes
