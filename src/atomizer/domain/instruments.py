"""What can be traded: instruments and the grids their prices and sizes live on.

Targets, orders and commands count in ticks and lots, integers on the instrument's finest grid. Where the
step grows with the price, the grid stays the finest one and the larger step is a rounding rule.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum
from functools import cached_property
from math import ceil, floor

import msgspec

# A float quotient this close to an integer (relative, above 1) is that integer: 0.3 / 0.1 is three ticks.
GRID_EPSILON = 1e-9


class Kind(StrEnum):
    """What the contract is."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    FUTURE = "future"
    OPTION = "option"
    COMBO = "combo"


class Side(IntEnum):
    """Our side of an order, quote or fill; the value is the sign of the position it adds."""

    BUY = 1
    SELL = -1

    __hash__ = int.__hash__  # the enumeration's own is a Python call, and sides are parts of keys

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_BUY = Side.BUY


class OffGridError(ValueError):
    """A price or size that the instrument's grid does not contain."""


class GridStep(msgspec.Struct, frozen=True, gc=False):
    """At and above `from_ticks` prices move in steps of `step_ticks` (both in finest ticks)."""

    from_ticks: int
    step_ticks: int


def safe_ticks(price: float, tick_size: float, side: Side) -> int:
    """Whole ticks nearest `price` on the safe side: a buy rounds down, a sell up.

    Raises:
        OffGridError: the price is not a finite number.
    """
    raw = price / tick_size
    slack = GRID_EPSILON * raw if raw > 1.0 else GRID_EPSILON * max(1.0, -raw)
    try:
        return floor(raw + slack) if side is _BUY else ceil(raw - slack)
    except (ValueError, OverflowError):
        raise OffGridError(f"expected a finite price, found {price}; do not quote without one") from None


class PriceGrid(msgspec.Struct, frozen=True, dict=True):
    """Finest tick (in the instrument's price unit) and the coarser steps above thresholds, ascending."""

    tick: Decimal
    steps: tuple[GridStep, ...] = ()

    @cached_property
    def tick_size(self) -> float:
        """The finest tick as a number for models and comparisons."""
        return float(self.tick)

    def step_at(self, ticks: int) -> int:
        """The step, in finest ticks, in force at this price."""
        step = 1
        for rule in self.steps:
            if ticks >= rule.from_ticks:
                step = rule.step_ticks
        return step

    def on_grid(self, ticks: int) -> bool:
        return not self.steps or ticks % self.step_at(ticks) == 0

    def round_ticks(self, price: float, side: Side) -> int:
        """Ticks of the grid price nearest `price` on the safe side: a buy rounds down, a sell up.

        Raises:
            OffGridError: the price is not a finite number.
        """
        ticks = safe_ticks(price, self.tick_size, side)
        if not self.steps:
            return ticks
        step = self.step_at(ticks)
        below = ticks - ticks % step
        if below == ticks:
            return ticks
        if side is _BUY:
            return below
        above = below + step
        return above if self.on_grid(above) else above + (-above) % self.step_at(above)

    def price(self, ticks: int) -> Decimal:
        return self.tick * ticks

    def ticks(self, price: Decimal) -> int:
        """Exact ticks of a price.

        Raises:
            OffGridError: the price is not a whole number of finest ticks.
        """
        count = price / self.tick
        whole = int(count)
        if whole != count:
            raise OffGridError(
                f"expected a multiple of {self.tick}, found {price}; round where targets enter"
            )
        return whole


class Leg(msgspec.Struct, frozen=True, gc=False):
    """One leg of a combo: its instrument's key, and how much of it one unit of the combo bought buys
    (negative: sells)."""

    instrument: str
    ratio: int


class Instrument(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One tradable contract on one venue.

    `key` is `venue:name` and names the instrument everywhere inside. Sizes are in units of the underlying,
    except where `size_in_quote` (inverse futures: USD). `contract_size` converts one unit of size. A combo is
    traded as one and held as its `legs`. `settling`: closed because the venue settles or delivers right now.
    Fee rates are the venue's listed ones, as fractions (per notional; per coin for inverse options).
    `per_token`: coins of underlying in one unit of size, where an option is on a token that is not worth one;
    strike and size then count tokens.
    """

    key: str
    venue: str
    name: str
    kind: Kind
    underlying: str
    quote: str
    settlement: str
    grid: PriceGrid
    lot: Decimal
    min_lots: int = 1
    inverse: bool = False
    size_in_quote: bool = False
    contract_size: Decimal = Decimal(1)
    strike: Decimal | None = None
    is_call: bool | None = None
    expiry_ns: int | None = None
    index: str = ""
    maker_fee: float = 0.0
    taker_fee: float = 0.0
    open: bool = True
    per_token: Decimal = Decimal(1)
    settling: bool = False
    legs: tuple[Leg, ...] = ()

    @cached_property
    def lot_size(self) -> float:
        """The lot as a number for models and comparisons."""
        return float(self.lot)

    @property
    def margined(self) -> bool:
        """Whether profit is realised when the position closes; else premium or price moves cash at once."""
        return self.kind in (Kind.PERPETUAL, Kind.FUTURE)

    def lots(self, size: Decimal) -> int:
        """Exact lots of a size.

        Raises:
            OffGridError: the size is not a whole number of lots.
        """
        count = size / self.lot
        whole = int(count)
        if whole != count:
            raise OffGridError(f"{self.key}: expected a multiple of {self.lot}, found size {size}")
        return whole

    def size(self, lots: int) -> Decimal:
        return self.lot * lots


def instrument_key(venue: str, name: str) -> str:
    """The one internal name of an instrument."""
    return f"{venue}:{name}"
