"""Single-sided liquidity ranges from inventory: Simple, Avellaneda-Stoikov and GLFT models.

Everything is in log price with relative volatility. `skew` is the value share of token0 less its target, in
[-1, 1]: positive means too much token0. The ask range lies above the price and holds token0, the bid range
below it and holds token1. Each model is continuous in the skew, also at 0, and symmetric there. By default
the excess token gets the *wide* range and the deficit token the narrow one, as documented for the asymmetric
provider; `Shape.NARROW_EXCESS` sheds the excess faster instead.
"""

from __future__ import annotations

import enum
import math
from typing import NamedTuple

from atomizer.models.avellaneda import as_quote_kernel
from atomizer.models.glft import GlftParameters, distances
from atomizer.models.inputs import ModelInputError, non_negative, positive, within

TICK_BASE = 1.0001


class Shape(enum.Enum):
    """Which token gets the wide range."""

    WIDE_EXCESS = "wide_excess"
    NARROW_EXCESS = "narrow_excess"


class PriceRange(NamedTuple):
    """Prices in token1 per token0, low < high."""

    low: float
    high: float


class RangePlan(NamedTuple):
    """Ranges to mint (None: none on that side) and the reservation price they are centred on."""

    bid: PriceRange | None
    ask: PriceRange | None
    reservation: float


class Widths(NamedTuple):
    """Width of a range at zero skew (log price) and how strongly skew changes it.

    The excess token's width is base exp(tilt |skew|), the other's base exp(-tilt |skew|), or the reverse.
    """

    base: float
    tilt: float = 0.0
    shape: Shape = Shape.WIDE_EXCESS


def inventory_skew(amount0: float, amount1: float, price: float, target: float = 0.5) -> float:
    """Value share of token0 less the target share.

    Raises:
        ModelInputError: an amount below 0, nothing held, price not above 0, target outside [0, 1].
    """
    non_negative(amount0=amount0, amount1=amount1)
    positive(price=price)
    within(0.0, 1.0, target=target)
    total = amount0 * price + amount1
    if total <= 0.0:
        raise ModelInputError("amount0", "some value in either token", (amount0, amount1))
    return amount0 * price / total - target


def width_from_volatility(sigma: float, rebalance_time: float, multiple: float = 1.0) -> float:
    """Width in log price from the time scale of re-quoting: multiple sigma sqrt(tau).

    Raises:
        ModelInputError: a number below 0.
    """
    non_negative(sigma=sigma, rebalance_time=rebalance_time, multiple=multiple)
    return multiple * sigma * math.sqrt(rebalance_time)


def simple_ranges(price: float, skew: float, widths: Widths, *, edge: float = 0.0) -> RangePlan:
    """Ranges at a fixed distance from the price; skew changes their widths only.

    Args:
        price: of the pool.
        skew: see the module.
        widths: of the ranges.
        edge: distance of each range from the price, log price.

    Raises:
        ModelInputError: a number outside its domain.
    """
    non_negative(edge=edge)
    return _plan(price, skew, widths, price, edge, edge)


def avellaneda_ranges(
    price: float, skew: float, widths: Widths, *, gamma: float, sigma: float, horizon: float, decay: float
) -> RangePlan:
    """Ranges around r = s exp(-skew gamma sigma^2 tau) at the Avellaneda-Stoikov half spread.

    Args:
        price: of the pool.
        skew: see the module.
        widths: of the ranges.
        gamma: risk aversion per relative P&L, dimensionless.
        sigma: relative per sqrt(time).
        horizon: tau.
        decay: k of the flow, per log price; use the flow after fees.

    Raises:
        ModelInputError: a number outside its domain.
    """
    non_negative(gamma=gamma, sigma=sigma, horizon=horizon)
    positive(price=price, decay=decay)
    within(-1.0, 1.0, skew=skew)
    _, _, shift, half = as_quote_kernel(0.0, skew, gamma, sigma, horizon, decay)
    return _plan(price, skew, widths, price * math.exp(shift), half, half)


def glft_ranges(price: float, skew: float, widths: Widths, parameters: GlftParameters) -> RangePlan:
    """Ranges at the GLFT distances; no range on a side that would pass the inventory bound.

    Args:
        price: of the pool.
        skew: see the module.
        widths: of the ranges.
        parameters: in log price and shares of the total value: `lot` is the share one range fill moves,
            `fee` the cost of execution (negative with fee income).

    Raises:
        ModelInputError: a number outside its domain.
    """
    positive(price=price)
    within(-1.0, 1.0, skew=skew)
    bid, ask = distances(parameters, skew)
    centre = price
    if not (math.isnan(bid) or math.isnan(ask)):
        centre = price * math.exp(0.5 * (ask - bid))
    plan = _plan(price, skew, widths, price, bid, ask)
    return plan._replace(reservation=centre)


def _plan(
    price: float, skew: float, widths: Widths, reservation: float, bid_edge: float, ask_edge: float
) -> RangePlan:
    """Ranges at the edges from the reservation price, kept on their own side of the pool price."""
    positive(price=price, base=widths.base)
    non_negative(tilt=widths.tilt)
    within(-1.0, 1.0, skew=skew)
    lean = widths.tilt * skew if widths.shape is Shape.WIDE_EXCESS else -widths.tilt * skew
    bid = ask = None
    if not math.isnan(bid_edge):
        top = min(reservation * math.exp(-bid_edge), price)
        bid = PriceRange(top * math.exp(-widths.base * math.exp(-lean)), top)
    if not math.isnan(ask_edge):
        bottom = max(reservation * math.exp(ask_edge), price)
        ask = PriceRange(bottom, bottom * math.exp(widths.base * math.exp(lean)))
    return RangePlan(bid, ask, reservation)


def tick_range(span: PriceRange, spacing: int) -> tuple[int, int]:
    """(lower, upper) tick of a range on the pool's spacing, at least one spacing wide.

    Prices are raw pool prices (token1 per token0 in base units). Both ticks round to the nearest multiple,
    so the range keeps its place; a range thinner than the spacing grows upwards.

    Raises:
        ModelInputError: a range without width, spacing below 1.
    """
    positive(low=span.low, high=span.high)
    if not span.low < span.high:
        raise ModelInputError("span", "low below high", span)
    if spacing < 1:
        raise ModelInputError("spacing", "at least 1", spacing)
    lower, upper = (round(math.log(price) / math.log(TICK_BASE) / spacing) * spacing for price in span)
    return lower, max(upper, lower + spacing)
