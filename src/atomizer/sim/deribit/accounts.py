"""Accounts and what they are worth: wallets per currency, positions, a log of every movement of cash.

Premiums and fees move the balance at once. What futures make, funding included, belongs to the session and
moves the balance at the daily settlement. Equity is balance + session profit of futures + value of options.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from atomizer.sim.deribit.listings import ZERO, Listing
from atomizer.sim.deribit.orders import Order
from atomizer.sim.deribit.positions import Position, coin
from atomizer.sim.deribit.transactions import TransactionLog


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
    """One account and everything it owns. Number 0 is the house: everybody who is anonymous."""

    name: str
    number: int
    wallets: dict[str, Wallet]
    margin_model: str = "segregated_sm"
    positions: dict[str, Position] = field(default_factory=dict)
    open_orders: dict[str, Order] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)
    combo_trades: list[dict[str, Any]] = field(default_factory=list)
    settlements: list[dict[str, Any]] = field(default_factory=list)
    log: TransactionLog = field(default_factory=TransactionLog)
    cod_default: bool = False
    # Margin of MMP groups by (currency, index).
    reserved: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    @property
    def is_house(self) -> bool:
        return self.number == 0

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

    def pay(self, currency: str, change: Decimal) -> Decimal:
        """Move a balance; the balance after it."""
        wallet = self.wallets[currency]
        wallet.balance += change
        return wallet.balance


class Greeks(NamedTuple):
    """Of one option, per coin: gamma per USD, vega USD per vol point, theta USD per day."""

    gamma: float
    vega: float
    theta: float


@dataclass(frozen=True, slots=True)
class Marks:
    """What positions are valued with at one moment.

    `delta` is already decayed in the half hour before an expiry; `decays` holds what share is left of it.
    `funding` is the perpetual's funding index.
    """

    index: float
    mark: dict[str, float]
    delta: dict[str, float]
    greeks: dict[str, Greeks] = field(default_factory=dict)
    decays: dict[str, float] = field(default_factory=dict)
    funding: Decimal = ZERO

    def exact(self, name: str) -> Decimal:
        return Decimal(repr(self.mark[name]))


@dataclass(frozen=True, slots=True)
class Valuation:
    """An account in one currency at one moment, without margins. `pl` is against entry prices."""

    balance: Decimal
    options_value: Decimal
    options_pl: Decimal
    options_session_upl: Decimal
    options_session_rpl: Decimal
    futures_pl: Decimal
    futures_session_upl: Decimal
    futures_session_rpl: Decimal
    futures_delta: float
    options_delta: float
    gamma: float
    vega: float
    theta: float

    @property
    def cash(self) -> Decimal:
        """Balance and what futures made in this session."""
        return self.balance + self.futures_session_upl + self.futures_session_rpl

    @property
    def equity(self) -> Decimal:
        return coin(self.cash + self.options_value)


def value(account: Account, currency: str, marks: Marks) -> Valuation:
    """What an account is worth in one currency."""
    options = [ZERO, ZERO, ZERO, ZERO]
    futures = [ZERO, ZERO, ZERO]
    futures_delta = options_delta = gamma = vega = theta = 0.0
    for position in account.positions.values():
        listing = position.listing
        if listing.settlement != currency:
            continue
        if not position.size:
            (options if position.is_option else futures)[-1] += position.session
            continue
        mark, size = marks.exact(listing.name), float(position.size)
        if position.is_option:
            options[0] += coin(position.size * mark)
            options[1] += coin(position.unrealised(mark))
            options[2] += position.session_unrealised(mark)
            options[3] += position.session
            greeks = marks.greeks.get(listing.name, Greeks(0.0, 0.0, 0.0))
            options_delta += size * net_delta(listing, marks)
            gamma, vega = gamma + size * greeks.gamma, vega + size * greeks.vega
            theta += size * greeks.theta
        else:
            futures[0] += coin(position.unrealised(mark))
            futures[1] += position.session_unrealised(mark)
            futures[2] += position.session + position.due(marks.funding)
            futures_delta += size / marks.mark[listing.name] * marks.delta.get(listing.name, 1.0)
    return Valuation(
        balance=account.wallets[currency].balance,
        options_value=options[0],
        options_pl=options[1],
        options_session_upl=options[2],
        options_session_rpl=options[3],
        futures_pl=futures[0],
        futures_session_upl=futures[1],
        futures_session_rpl=futures[2],
        futures_delta=futures_delta,
        options_delta=options_delta,
        gamma=gamma,
        vega=vega,
        theta=theta,
    )


def net_delta(listing: Listing, marks: Marks) -> float:
    """Net transaction delta of an option: decayed delta less decayed mark."""
    return marks.delta[listing.name] - marks.mark[listing.name] * marks.decays.get(listing.name, 1.0)
