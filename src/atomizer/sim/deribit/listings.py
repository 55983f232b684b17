"""Instruments with the venue's grids: inverse perpetual, dated futures, options, spot, combos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from atomizer.sim.calendar import WEEK_NS, date_code, utc
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.market import ListedOption, Market

NS_PER_MS = 1_000_000
PERPETUAL_TICK = {"ETH": Decimal("0.05"), "BTC": Decimal("0.5")}
PERPETUAL_LOT = {"ETH": Decimal(1), "BTC": Decimal(10)}
SPOT_TICK = {"ETH": Decimal("0.1"), "BTC": Decimal(1)}
SPOT_LOT = Decimal("0.0001")
OPTION_LOT = {"ETH": Decimal(1), "BTC": Decimal("0.1")}
OPTION_TICK, OPTION_BAND, OPTION_STEP = Decimal("0.0001"), Decimal("0.005"), Decimal("0.0005")
FUTURE_TAKER, OPTION_FEE = Decimal("0.0005"), Decimal("0.0003")
OPTION_FEE_CAP = Decimal("0.125")
# Delivery: options by coin, monthly futures by their value; weekly futures are delivered for nothing.
OPTION_DELIVERY, FUTURE_DELIVERY = Decimal("0.00015"), Decimal("0.00025")
QUANTUM = Decimal("1e-8")
PERPETUAL_EXPIRY_MS = 32_503_708_800_000
ZERO = Decimal(0)
LARGEST_TICKS = 2**40
FUTURES_FROM, OPTIONS_FROM, COMBOS_FROM = 10_000, 20_000, 50_000
TRADED_STATES = ("open", "locked", "settlement")
FUTURE_TERMS = {
    "max_leverage": 50,
    "max_liquidation_commission": 0.0075,
    "future_type": "reversed",
    "block_trade_commission": 0.00025,
    "block_trade_tick_size": 0.01,
    "block_trade_min_trade_amount": 100_000,
}
OPTION_TERMS = {
    "tick_size_steps": [{"above_price": float(OPTION_BAND), "tick_size": float(OPTION_STEP)}],
    "block_trade_commission": 0.0003,
    "block_trade_tick_size": 0.0001,
    "block_trade_min_trade_amount": 250,
}


class Leg(NamedTuple):
    """One instrument of a combo: `ratio` lots of it per lot of the combo, negative where it is sold."""

    listing: Listing
    ratio: int


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """One instrument. Sizes are counted in lots of `lot`, prices in ticks of `tick`.

    At and above `band_ticks` prices are multiples of `step_ticks`. `currency` is what its identifiers and
    channels carry. `quote` is what its price is in. `row` is an option's column, `legs` what a combo trades.
    """

    name: str
    number: int
    coin: str
    currency: str
    kind: str
    quote: str
    tick: Decimal
    lot: Decimal
    contract_size: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    digits: int
    created_ms: int
    period: str = ""
    delivery_fee: Decimal = ZERO
    expiry_ns: int = 0
    band_ticks: int = 0
    step_ticks: int = 1
    option: ListedOption | None = None
    row: int = -1
    legs: tuple[Leg, ...] = ()

    @property
    def settlement(self) -> str:
        """The currency its profits and fees move in."""
        return self.quote if self.kind == "spot" else self.coin

    @property
    def index(self) -> str:
        return f"{self.coin.lower()}_{'usdc' if self.kind == 'spot' else 'usd'}"

    @property
    def is_combo(self) -> bool:
        return bool(self.legs)

    @property
    def lowest_ticks(self) -> int:
        """The lowest price: a tick, one for each leg where all are bought, anything for a spread."""
        if not self.legs:
            return 1
        return len(self.legs) if all(leg.ratio > 0 for leg in self.legs) else -LARGEST_TICKS

    @property
    def is_perpetual(self) -> bool:
        return self.kind == "future" and not self.expiry_ns

    @property
    def prefix(self) -> str:
        """What its order and trade identifiers begin with."""
        if self.kind == "spot":
            return f"{self.name}-"
        return "" if self.coin == "BTC" else f"{self.coin}-"

    @property
    def currencies(self) -> tuple[str, ...]:
        """Currencies under which it is listed: a spot pair under both."""
        return (self.coin, self.quote) if self.kind == "spot" else (self.coin,)

    @property
    def expiry_ms(self) -> int:
        return self.expiry_ns // NS_PER_MS if self.expiry_ns else PERPETUAL_EXPIRY_MS

    @property
    def parts(self) -> tuple[Leg, ...]:
        """What a trade in it changes: its legs, or itself."""
        return self.legs or (Leg(self, 1),)

    def scopes(self) -> tuple[str, ...]:
        """Channel middles that include this instrument."""
        return (
            self.name,
            *(f"{kind}.{currency}" for kind in (self.kind, "any") for currency in (*self.currencies, "any")),
        )

    def price(self, ticks: int) -> float:
        """The price as it goes on the wire."""
        return round(ticks * float(self.tick), self.digits)

    def amount(self, lots: int) -> float:
        return float(self.lot * lots)

    def ticks(self, price: Decimal) -> int:
        """Ticks of a wire price.

        Raises:
            DeribitError: not positive (a combo may be), or off the grid (10043).
        """
        if price <= 0 and not self.is_combo:
            raise DeribitError("invalid_price", "price must be positive", "price")
        ticks, rest = divmod(price, self.tick)
        count = int(ticks)
        if rest or (count >= self.band_ticks and count % self.step_ticks):
            raise DeribitError("price_wrong_tick", f"{price} is not on the grid of {self.name}", "price")
        return count

    def lots(self, amount: Decimal) -> int:
        """Lots of a wire amount.

        Raises:
            DeribitError: below the minimum (10002) or between steps (10021).
        """
        if amount < self.lot:
            raise DeribitError("qty_too_low", f"minimum is {self.lot}", "amount")
        lots, rest = divmod(amount, self.lot)
        if rest:
            raise DeribitError("invalid_amount", f"must be a multiple of {self.lot}", "amount")
        return int(lots)

    def fee(self, price: Decimal, amount: Decimal, rate: Decimal) -> Decimal:
        """Fee of a fill at a rate, eight decimals; options are capped at 12.5 % of the premium."""
        if self.option is not None:
            return (amount * min(rate, OPTION_FEE_CAP * price)).quantize(QUANTUM)
        if self.kind == "spot":
            return (rate * amount * price).quantize(QUANTUM)
        return (rate * amount / price).quantize(QUANTUM)

    def render(self, state: str) -> dict[str, Any]:
        """The instrument object of public/get_instruments."""
        body: dict[str, Any] = {
            "instrument_name": self.name,
            "instrument_id": self.number,
            "kind": self.kind,
            "base_currency": self.coin,
            "quote_currency": self.quote,
            "counter_currency": "USDC" if self.kind == "spot" else "USD",
            "instrument_type": "linear" if self.kind == "spot" else "reversed",
            "contract_size": float(self.contract_size),
            "min_trade_amount": float(self.lot),
            "tick_size": float(self.tick),
            "tick_size_steps": [],
            "creation_timestamp": self.created_ms,
            "expiration_timestamp": self.expiry_ms,
            "is_active": state in TRADED_STATES,
            "state": state,
            "price_index": self.index,
            "maker_commission": float(self.maker_fee),
            "taker_commission": float(self.taker_fee),
            "rfq": False,
        }
        if self.kind == "spot":
            return body
        body |= {"settlement_currency": self.coin, "settlement_period": self.period}
        if self.kind == "future":
            return body | FUTURE_TERMS
        if self.option is not None:
            body |= OPTION_TERMS | {
                "strike": self.option.strike,
                "option_type": "call" if self.option.is_call else "put",
            }
        return body


def list_market(market: Market, first_number: int, created_ms: int) -> dict[str, Listing]:
    """What a coin always has: the inverse perpetual and the spot pair."""
    coin = market.underlying
    # A recorded chain may be of any coin; one without a known grid trades on the one of ETH.
    lot = PERPETUAL_LOT.get(coin, Decimal(1))
    perpetual = Listing(
        name=f"{coin}-PERPETUAL",
        number=first_number + 1,
        coin=coin,
        currency=coin,
        kind="future",
        quote="USD",
        tick=PERPETUAL_TICK.get(coin, PERPETUAL_TICK["ETH"]),
        lot=lot,
        contract_size=lot,
        maker_fee=Decimal(0),
        taker_fee=FUTURE_TAKER,
        digits=2,
        created_ms=created_ms,
        period="perpetual",
    )
    spot = Listing(
        name=f"{coin}_USDC",
        number=first_number + 2,
        coin=coin,
        currency=coin,
        kind="spot",
        quote="USDC",
        tick=SPOT_TICK.get(coin, SPOT_TICK["ETH"]),
        lot=SPOT_LOT,
        contract_size=SPOT_LOT,
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
        digits=2,
        created_ms=created_ms,
    )
    return {perpetual.name: perpetual, spot.name: spot}


def list_expiry(
    market: Market, options: Sequence[ListedOption], first_row: int, first_number: int, created_ms: int
) -> dict[str, Listing]:
    """The future of one expiry and its `options`, which begin at column `first_row`."""
    coin, expiry_ns = market.underlying, options[0].expiry_ns
    period = period_of(expiry_ns)
    lot = PERPETUAL_LOT.get(coin, Decimal(1))
    future = Listing(
        name=future_name(coin, expiry_ns),
        # Futures and options are numbered apart, both by column, so that no two ever share a number.
        number=first_number + FUTURES_FROM + first_row,
        coin=coin,
        currency=coin,
        kind="future",
        quote="USD",
        tick=PERPETUAL_TICK.get(coin, PERPETUAL_TICK["ETH"]),
        lot=lot,
        contract_size=lot,
        maker_fee=Decimal(0),
        taker_fee=FUTURE_TAKER,
        digits=2,
        created_ms=created_ms,
        period=period,
        delivery_fee=FUTURE_DELIVERY if period == "month" else Decimal(0),
        expiry_ns=expiry_ns,
    )
    listed = {future.name: future}
    for row, option in enumerate(options, start=first_row):
        listed[option.name] = Listing(
            name=option.name,
            number=first_number + OPTIONS_FROM + row,
            coin=coin,
            currency=coin,
            kind="option",
            quote=coin,
            tick=OPTION_TICK,
            lot=OPTION_LOT.get(coin, Decimal(1)),
            contract_size=Decimal(1),
            maker_fee=OPTION_FEE,
            taker_fee=OPTION_FEE,
            digits=4,
            created_ms=created_ms,
            period=period,
            delivery_fee=OPTION_DELIVERY,
            expiry_ns=expiry_ns,
            band_ticks=int(OPTION_BAND / OPTION_TICK),
            step_ticks=int(OPTION_STEP / OPTION_TICK),
            option=option,
            row=row,
        )
    return listed


def future_name(coin: str, expiry_ns: int) -> str:
    """`ETH-30MAY25`."""
    return f"{coin}-{date_code(expiry_ns)}"


def period_of(expiry_ns: int) -> str:
    """Expiries on the last Friday of a month are monthly, the others weekly."""
    return "month" if utc(expiry_ns).month != utc(expiry_ns + WEEK_NS).month else "week"
