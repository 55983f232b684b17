"""The listed instruments: one inverse perpetual and the market's options, with the venue's grids."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from atomizer.sim.calendar import DAY_NS, date_code
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.market import ListedOption, Market

NS_PER_MS = 1_000_000
PERPETUAL_TICK = {"ETH": Decimal("0.05"), "BTC": Decimal("0.5")}
PERPETUAL_LOT = {"ETH": Decimal(1), "BTC": Decimal(10)}
OPTION_LOT = {"ETH": Decimal(1), "BTC": Decimal("0.1")}
OPTION_TICK, OPTION_BAND, OPTION_STEP = Decimal("0.0001"), Decimal("0.005"), Decimal("0.0005")
PERPETUAL_TAKER, OPTION_FEE = Decimal("0.0005"), Decimal("0.0003")
OPTION_FEE_CAP = Decimal("0.125")
QUANTUM = Decimal("1e-8")
PERPETUAL_EXPIRY_MS = 32_503_708_800_000


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """One instrument. Sizes are counted in lots of `lot`, prices in ticks of `tick`.

    At and above `band_ticks` prices are multiples of `step_ticks`. `scopes` are the channel middles that
    cover it: `ETH-PERPETUAL`, `future.ETH`, `any.any` and so on. `row` is its column in the market's chain.
    """

    name: str
    number: int
    currency: str
    kind: str
    tick: Decimal
    lot: Decimal
    contract_size: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    digits: int
    created_ms: int
    band_ticks: int = 0
    step_ticks: int = 1
    option: ListedOption | None = None
    row: int = -1

    @property
    def coin(self) -> str:
        """The coin it is on."""
        return self.currency

    @property
    def settlement(self) -> str:
        """The currency its money moves in."""
        return self.currency

    @property
    def index(self) -> str:
        return f"{self.currency.lower()}_usd"

    @property
    def expiry_ms(self) -> int:
        return self.option.expiry_ns // NS_PER_MS if self.option else PERPETUAL_EXPIRY_MS

    def scopes(self) -> tuple[str, ...]:
        """Channel middles that include this instrument."""
        return (
            self.name,
            *(f"{kind}.{currency}" for kind in (self.kind, "any") for currency in (self.currency, "any")),
        )

    def price(self, ticks: int) -> float:
        """The price as it goes on the wire."""
        return round(ticks * float(self.tick), self.digits)

    def exact_price(self, ticks: int) -> Decimal:
        return self.tick * ticks

    def amount(self, lots: int) -> float:
        return float(self.lot * lots)

    def ticks(self, price: Decimal) -> int:
        """Ticks of a wire price.

        Raises:
            DeribitError: not positive, or off the grid (10043).
        """
        if price <= 0:
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

    def fee(self, price: Decimal, amount: Decimal, *, maker: bool) -> Decimal:
        """Fee of a fill in coin, eight decimals; options are capped at 12.5 % of the premium."""
        rate = self.maker_fee if maker else self.taker_fee
        if self.option is None:
            return (rate * amount / price).quantize(QUANTUM)
        return (amount * min(rate, OPTION_FEE_CAP * price)).quantize(QUANTUM)

    def render(self) -> dict[str, Any]:
        """The instrument object of public/get_instruments."""
        common: dict[str, Any] = {
            "instrument_name": self.name,
            "instrument_id": self.number,
            "kind": self.kind,
            "base_currency": self.currency,
            "counter_currency": "USD",
            "settlement_currency": self.currency,
            "instrument_type": "reversed",
            "contract_size": float(self.contract_size),
            "min_trade_amount": float(self.lot),
            "tick_size": float(self.tick),
            "tick_size_steps": [],
            "creation_timestamp": self.created_ms,
            "expiration_timestamp": self.expiry_ms,
            "is_active": True,
            "state": "open",
            "price_index": self.index,
            "maker_commission": float(self.maker_fee),
            "taker_commission": float(self.taker_fee),
            "rfq": False,
        }
        if self.option is None:
            return common | {
                "quote_currency": "USD",
                "settlement_period": "perpetual",
                "max_leverage": 50,
                "max_liquidation_commission": 0.0075,
                "future_type": "reversed",
                "block_trade_commission": 0.00025,
                "block_trade_tick_size": 0.01,
                "block_trade_min_trade_amount": 100_000,
            }
        return common | {
            "quote_currency": self.currency,
            "settlement_period": "week",
            "strike": self.option.strike,
            "option_type": "call" if self.option.is_call else "put",
            "tick_size_steps": [{"above_price": float(OPTION_BAND), "tick_size": float(OPTION_STEP)}],
            "block_trade_commission": 0.0003,
            "block_trade_tick_size": 0.0001,
            "block_trade_min_trade_amount": 250,
        }


def list_instruments(market: Market, first_number: int = 0) -> dict[str, Listing]:
    """The perpetual and every option of the market's chain, by name; numbered from `first_number` + 1."""
    coin = market.underlying
    created_ms = (market.start_ns - 7 * DAY_NS) // NS_PER_MS
    # A recorded chain may be of any coin; one without a known grid trades on the one of ETH.
    tick = PERPETUAL_TICK.get(coin, PERPETUAL_TICK["ETH"])
    perpetual = Listing(
        name=f"{coin}-PERPETUAL",
        number=first_number + 1,
        currency=coin,
        kind="future",
        tick=tick,
        lot=PERPETUAL_LOT.get(coin, Decimal(1)),
        contract_size=PERPETUAL_LOT.get(coin, Decimal(1)),
        maker_fee=Decimal(0),
        taker_fee=PERPETUAL_TAKER,
        digits=2,
        created_ms=created_ms,
    )
    listed = {perpetual.name: perpetual}
    for row, option in enumerate(market.options):
        listed[option.name] = Listing(
            name=option.name,
            number=first_number + 1000 + row,
            currency=coin,
            kind="option",
            tick=OPTION_TICK,
            lot=OPTION_LOT.get(coin, Decimal(1)),
            contract_size=Decimal(1),
            maker_fee=OPTION_FEE,
            taker_fee=OPTION_FEE,
            digits=4,
            created_ms=created_ms,
            band_ticks=int(OPTION_BAND / OPTION_TICK),
            step_ticks=int(OPTION_STEP / OPTION_TICK),
            option=option,
            row=row,
        )
    return listed


def underlying_index(option: ListedOption) -> str:
    """What the venue names as the forward of an option without a listed future."""
    return f"SYN.{option.underlying}-{date_code(option.expiry_ns)}"
