"""Two numbers that rank options: the yield of writing one, and how liquid it is."""

from __future__ import annotations

import math
from typing import Final

SECONDS_PER_YEAR: Final = 31_536_000.0

# Half-way points: the value of each metric that earns half of its weight. Fixed, so that scores of
# different chains and days compare.
HALF_SPREAD: Final = 0.05
HALF_DEPTH_USD: Final = 50_000.0
HALF_VOLUME_USD: Final = 100_000.0
HALF_TRADES: Final = 10.0
HALF_OPEN_INTEREST_USD: Final = 1_000_000.0


def option_apr(
    *, premium: float, index: float, strike: float, seconds_to_expiry: float, is_call: bool
) -> float:
    """Premium over collateral, annualised: premium / collateral x 365 d / time to expiry (0.25 is 25 %).

    The collateral of a written call is the coin (worth the index), of a written put the strike in cash.
    Premium, index and strike in one currency per unit.

    Raises:
        ValueError: no time left, or an amount out of range.
    """
    collateral = index if is_call else strike
    if not (0.0 < collateral < math.inf and 0.0 <= premium < math.inf and 0.0 < seconds_to_expiry < math.inf):
        raise ValueError(
            "expected premium >= 0 and collateral and time to expiry > 0, found "
            f"premium={premium!r}, collateral={collateral!r}, seconds={seconds_to_expiry!r}"
        )
    return premium / collateral * SECONDS_PER_YEAR / seconds_to_expiry


def liquidity_score(
    *,
    relative_spread: float | None,
    depth_usd: float = 0.0,
    volume_usd: float = 0.0,
    trades: float = 0.0,
    open_interest_usd: float = 0.0,
) -> float:
    """0 (dead) to 1 (liquid): falls with the spread, rises with depth, volume, trades and open interest.

    Each metric x earns x/(x + half-way point) of its weight, the spread half-way/(half-way + spread).
    Weights: 0.35 spread, 0.2 depth, 0.2 volume, 0.1 trades, 0.15 open interest (volume and trades of 24 h).
    The half-way points are constants, so scores of different sets compare. `relative_spread` is
    (ask - bid)/mid, None where a side is missing (it then earns nothing).

    Raises:
        ValueError: a negative metric or one that is not a number.
    """
    spread = 0.0 if relative_spread is None else relative_spread
    metrics = (spread, depth_usd, volume_usd, trades, open_interest_usd)
    if not all(0.0 <= metric < math.inf for metric in metrics):
        raise ValueError(
            f"expected metrics >= 0, found (spread, depth, volume, trades, open interest) = {metrics!r}"
        )
    tight = 0.0 if relative_spread is None else HALF_SPREAD / (HALF_SPREAD + relative_spread)
    return (
        0.35 * tight
        + 0.2 * depth_usd / (depth_usd + HALF_DEPTH_USD)
        + 0.2 * volume_usd / (volume_usd + HALF_VOLUME_USD)
        + 0.1 * trades / (trades + HALF_TRADES)
        + 0.15 * open_interest_usd / (open_interest_usd + HALF_OPEN_INTEREST_USD)
    )
