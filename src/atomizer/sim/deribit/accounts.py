"""Money of one account: exact in coin, eight decimals, halves to even.

Premiums, fees and realised P&L move the balance at once, so `session_rpl` is always zero and
balance + unrealised P&L of futures + value of options is the equity. There is no funding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from atomizer.sim.deribit.listings import QUANTUM, Listing
from atomizer.sim.deribit.orders import Order

ZERO = Decimal(0)
# Standard margin, orders of magnitude of the venue's public page.
PERPETUAL_MARGIN = 0.02
PERPETUAL_MAINTENANCE = 0.01
SHORT_OPTION_MAX, SHORT_OPTION_MIN, SHORT_OPTION_MAINTENANCE = 0.15, 0.1, 0.075


def coin(amount: Decimal) -> Decimal:
    """Round to the venue's quantum."""
    return amount.quantize(QUANTUM, rounding=ROUND_HALF_EVEN)


@dataclass(slots=True)
class Position:
    """Signed size and what it cost: coins of the futures leg (size / price), or premium (size x price)."""

    listing: Listing
    size: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO

    @property
    def average(self) -> Decimal:
        """Average entry price, 0 when flat."""
        if not self.size or not self.cost:
            return ZERO
        return self.cost / self.size if self.listing.option else self.size / self.cost

    def trade(self, signed: Decimal, price: Decimal) -> Decimal:
        """Move the position; returns realised P&L in coin, rounded to the quantum."""
        value = signed * price if self.listing.option else signed / price
        if not self.size or (self.size > 0) == (signed > 0):
            self.size += signed
            self.cost += value
            return ZERO
        closed = min(abs(signed), abs(self.size))
        released = self.cost * closed / abs(self.size)
        back = value * closed / abs(signed)
        # `back` has the sign of the trade: what the closed part brings, against what it cost.
        gain = -back - released if self.listing.option else released + back
        self.size += signed
        self.cost = self.cost - released + (value - back)
        realised = coin(gain)
        self.realised += realised
        return realised

    def unrealised(self, mark: Decimal) -> Decimal:
        """P&L against the mark in coin, not rounded."""
        if not self.size:
            return ZERO
        if self.listing.option:
            return self.size * mark - self.cost
        return self.cost - self.size / mark


@dataclass(slots=True)
class Wallet:
    """What an account has in one currency."""

    currency: str
    deposit: Decimal
    balance: Decimal = ZERO
    fees: Decimal = ZERO

    def __post_init__(self) -> None:
        self.balance = self.deposit


@dataclass(slots=True, eq=False)
class Account:
    """One account and everything it owns."""

    name: str
    number: int
    wallets: dict[str, Wallet]
    positions: dict[str, Position] = field(default_factory=dict)
    open_orders: dict[str, Order] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)
    cod_default: bool = False
    margin_model: str = "segregated_sm"
    # Margin of MMP groups by (currency, index).
    reserved: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    def position(self, listing: Listing) -> Position:
        position = self.positions.get(listing.name)
        if position is None:
            position = self.positions[listing.name] = Position(listing)
        return position

    def held_for_groups(self, currency: str) -> Decimal:
        """What MMP groups reserve in a currency."""
        return sum((amount for (name, _), amount in self.reserved.items() if name == currency), ZERO)

    def held(self, currency: str) -> list[Position]:
        """Positions that settle in a currency and are not flat."""
        return [
            position
            for position in self.positions.values()
            if position.size and position.listing.settlement == currency
        ]

    def fill(self, listing: Listing, side: int, amount: Decimal, price: Decimal, fee: Decimal) -> Decimal:
        """Book a fill; returns the realised P&L in coin."""
        wallet = self.wallets[listing.settlement]
        realised = self.position(listing).trade(side * amount, price)
        wallet.fees += fee
        wallet.balance -= fee
        if listing.option:
            wallet.balance -= coin(side * amount * price)
        else:
            wallet.balance += realised
        return realised


@dataclass(frozen=True, slots=True)
class Marks:
    """What positions are valued with at one moment."""

    index: float
    mark: dict[str, float]
    delta: dict[str, float]

    def exact(self, name: str) -> Decimal:
        return Decimal(repr(self.mark[name]))


@dataclass(frozen=True, slots=True)
class Valuation:
    """An account at one moment; coin."""

    equity: Decimal
    options_value: Decimal
    futures_pl: Decimal
    options_pl: Decimal
    initial_margin: float
    maintenance_margin: float
    futures_delta: float
    options_delta: float

    @property
    def margin_balance(self) -> float:
        return float(self.equity - self.options_value)

    @property
    def available(self) -> float:
        return self.margin_balance - self.initial_margin


def value(account: Account, currency: str, marks: Marks) -> Valuation:
    """Equity, margins and deltas of an account in one currency."""
    options_value = futures_pl = options_pl = ZERO
    futures_delta = options_delta = 0.0
    for position in account.held(currency):
        name = position.listing.name
        mark = marks.exact(name)
        if position.listing.option:
            options_value += position.size * mark
            options_pl += position.unrealised(mark)
            options_delta += float(position.size) * (marks.delta[name] - marks.mark[name])
        else:
            futures_pl += position.unrealised(mark)
            futures_delta += float(position.size) / marks.mark[name]
    initial, maintenance = margins(account, currency, marks)
    return Valuation(
        equity=coin(account.wallets[currency].balance + options_value + futures_pl),
        options_value=coin(options_value),
        futures_pl=coin(futures_pl),
        options_pl=coin(options_pl),
        initial_margin=initial,
        maintenance_margin=maintenance,
        futures_delta=futures_delta,
        options_delta=options_delta,
    )


def margins(account: Account, currency: str, marks: Marks, extra: Order | None = None) -> tuple[float, float]:
    """(initial, maintenance) margin in coin, with all open orders and `extra` assumed filled."""
    working: dict[str, list[float]] = {}
    listings = {position.listing.name: position.listing for position in account.held(currency)}
    premium = 0.0
    for order in (*account.open_orders.values(), *([extra] if extra else [])):
        if order.listing.settlement != currency or order.quote is not None:
            continue  # quotes are covered by what their group reserves
        amount = float(order.listing.lot * order.left_lots)
        listings[order.listing.name] = order.listing
        sides = working.setdefault(order.listing.name, [0.0, 0.0])
        sides[0 if order.side > 0 else 1] += amount
        if order.listing.option and order.side > 0:
            premium += amount * order.listing.price(order.ticks)
    initial, maintenance = premium + float(account.held_for_groups(currency)), 0.0
    for name, listing in listings.items():
        position = account.positions.get(name)
        size = float(position.size) if position else 0.0
        buys, sells = working.get(name, (0.0, 0.0))
        per_unit = unit_margin(listing, marks)
        if listing.option:
            initial += max(-(size - sells), 0.0) * per_unit[0]
            maintenance += max(-size, 0.0) * per_unit[1]
        else:
            initial += max(abs(size + buys), abs(size - sells)) * per_unit[0]
            maintenance += abs(size) * per_unit[1]
    return initial, maintenance


def unit_margin(listing: Listing, marks: Marks) -> tuple[float, float]:
    """(initial, maintenance) per unit of size: any futures side, or a short option."""
    mark = marks.mark[listing.name]
    option = listing.option
    if option is None:
        return PERPETUAL_MARGIN / mark, PERPETUAL_MAINTENANCE / mark
    out = option.strike - marks.index if option.is_call else marks.index - option.strike
    initial = max(SHORT_OPTION_MAX - max(out, 0.0) / marks.index, SHORT_OPTION_MIN)
    return initial + mark, SHORT_OPTION_MAINTENANCE + mark
