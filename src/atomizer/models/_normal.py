"""The normal tail and the log-moneyness that every option kernel needs.

Kernels in other files inline these, and numba's disk cache does not notice an edit here: after changing this
file delete the `__pycache__` folder of `models`. It holds mathematics only, so there is no reason to edit it.
"""

from __future__ import annotations

import math
from typing import Final

from atomizer.models._jit import kernel

INV_SQRT_2PI: Final = 0.3989422804014327


@kernel("f8(f8)")
def mills(x: float) -> float:
    """N(-x)/n(x) for x >= 0, relative error under 4e-16.

    (1 + 0.8 x) M(x) as a degree-24 polynomial in t = (x - 5)/(x + 5), interpolated at Chebyshev points in
    60-digit arithmetic. The normal tail is n(x) mills(x): it keeps relative accuracy as far as n(x) does.
    """
    up = x + 5.0
    down = 1.0 + 0.8 * x
    both = 1.0 / (up * down)
    t = (x - 5.0) * down * both
    u = t * t
    v = u * u
    p2 = -1.0057285999128056e-09
    p2 = p2 * v - 5.93580458337138e-08
    p2 = p2 * v - 4.801774433165931e-07
    p2 = p2 * v + 0.00033534121103388976
    p2 = p2 * v - 0.025913669020207836
    p2 = p2 * v + 0.12041355223024497
    p2 = p2 * u
    p1 = -7.340467225430572e-10
    p1 = p1 * v - 5.905880798978153e-08
    p1 = p1 * v - 2.499769104807556e-06
    p1 = p1 * v - 0.00010701749182719568
    p1 = p1 * v + 0.011886009319738098
    p1 = p1 * v - 0.02049141930109816
    p1 = p1 * (u * t)
    p0 = 6.279086115204214e-11
    p0 = p0 * v + 8.970772333467292e-09
    p0 = p0 * v + 2.961616546857861e-07
    p0 = p0 * v - 1.6513364542094644e-05
    p0 = p0 * v - 0.003250965831746899
    p0 = p0 * v - 0.02895096479761086
    p0 = p0 * v + 0.9640405235765789
    p3 = 8.433396705874078e-09
    p3 = p3 * v + 3.738313890394837e-07
    p3 = p3 * v + 1.7530948536205398e-05
    p3 = p3 * v + 8.29409368252149e-05
    p3 = p3 * v + 0.037466047675782356
    p3 = p3 * v - 0.25550898344853284
    p3 = p3 * t
    return (p0 + (p3 + (p2 + p1))) * up * both


@kernel("f8(f8,f8)")
def log_moneyness(F: float, K: float) -> float:
    """ln(F/K) without losing digits near the money."""
    ratio = (F - K) / K
    if -0.5 < ratio < 0.5:
        return math.log1p(ratio)
    return math.log(F / K)
