"""Margins: segregated standard and segregated portfolio margin, in coin, requirements positive.

Formulas are those of `atomizer.models.margin_deribit`; what is ours is how open orders count. Standard: every
order that raises a side is assumed filled, and bought options are paid from the balance. Portfolio: the worst
of the positions alone, with all buys filled, and with all sells filled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from atomizer.models.margin_deribit import PortfolioModel, standard_short_option
from atomizer.sim.deribit.accounts import Account, Marks, Valuation
from atomizer.sim.deribit.listings import Listing, future_name
from atomizer.sim.deribit.orders import Order
from atomizer.sim.deribit.settings import PORTFOLIO_MODELS

if TYPE_CHECKING:
    from atomizer.sim.deribit.underlyings import Underlying

# Futures under standard margin: shares of the position's coins, and what each coin adds to them.
FUTURE_MARGIN, FUTURE_MAINTENANCE = 0.02, 0.01
FUTURE_SLOPE = {"BTC": 0.005 / 100, "ETH": 0.01 / 5000}


class Margin(NamedTuple):
    """Requirements of one account in one currency; coin."""

    initial: float
    maintenance: float


class Funds(NamedTuple):
    """What an account may use: the balance that margins count against, the margins, and spot reserves."""

    balance: float
    margin: Margin
    spot_reserve: float

    @property
    def available(self) -> float:
        return self.balance - self.margin.initial - self.spot_reserve


class Exposure(NamedTuple):
    """One instrument of an account: its position and what open orders would add, in its own unit."""

    listing: Listing
    size: float
    buys: float
    sells: float


def funds(
    account: Account, currency: str, now: Valuation, marks: Marks, underlying: Underlying | None
) -> Funds:
    """What an account may use in a currency; `underlying` is the coin's, None for a currency without one."""
    balance = now.equity if account.margin_model in PORTFOLIO_MODELS else now.cash
    margin = requirement(account, currency, marks, underlying)
    return Funds(float(balance), margin, spot_reserve(account, currency))


def requirement(
    account: Account,
    currency: str,
    marks: Marks,
    underlying: Underlying | None,
    extra: Order | None = None,
) -> Margin:
    """Margin of an account with its open orders and `extra`."""
    orders = [*account.open_orders.values(), *([extra] if extra else [])]
    orders = [order for order in orders if order.quote is None]  # quotes are covered by their group's reserve
    exposures = exposures_of(account, currency, orders)
    reserved = float(account.held_for_groups(currency))
    if underlying is None or not exposures:
        return Margin(reserved, 0.0)
    if account.margin_model in PORTFOLIO_MODELS:
        margin = portfolio(exposures, marks, underlying)
        return Margin(margin.initial + reserved, margin.maintenance)
    premium = sum(_premium(order) for order in orders if order.listing.settlement == currency)
    margin = standard(exposures, marks)
    return Margin(margin.initial + premium + reserved, margin.maintenance)


def _premium(order: Order) -> float:
    """What an order on options or their combos pays when it fills; nothing where it would be paid."""
    listing = order.listing
    if listing.option is None and listing.kind != "option_combo":
        return 0.0
    return max(order.side * listing.price(order.ticks), 0.0) * float(listing.lot * order.left_lots)


def order_margin(account: Account, listing: Listing, marks: Marks) -> float:
    """Standard margin that open orders on an instrument add to its position's."""
    orders = [order for order in account.open_orders.values() if order.quote is None]
    exposures = exposures_of(account, listing.settlement, orders)
    mine = [one for one in exposures if one.listing is listing]
    idle = [one._replace(buys=0.0, sells=0.0) for one in mine]
    return standard(mine, marks).initial - standard(idle, marks).initial


def exposures_of(account: Account, currency: str, orders: Iterable[Order]) -> list[Exposure]:
    """Positions of a currency with their open orders; orders on combos count on their legs."""
    listings = {position.listing.name: position.listing for position in account.held(currency)}
    working: dict[str, list[float]] = {}
    for order in orders:
        if order.listing.settlement != currency or order.listing.kind == "spot":
            continue
        for leg in order.listing.parts:
            listings[leg.listing.name] = leg.listing
            amount = float(order.listing.lot * order.left_lots) * leg.ratio * order.side
            sides = working.setdefault(leg.listing.name, [0.0, 0.0])
            sides[0 if amount > 0 else 1] += abs(amount)
    found = []
    for name, listing in listings.items():
        position = account.positions.get(name)
        buys, sells = working.get(name, (0.0, 0.0))
        found.append(Exposure(listing, float(position.size) if position else 0.0, buys, sells))
    return found


def standard(exposures: Iterable[Exposure], marks: Marks) -> Margin:
    """Each instrument by itself, at its worse side."""
    initial = maintenance = 0.0
    for listing, size, buys, sells in exposures:
        worst = max(alone(listing, end, marks).initial for end in (size + buys, size - sells))
        initial += worst
        maintenance += alone(listing, size, marks).maintenance
    return Margin(initial, maintenance)


def alone(listing: Listing, size: float, marks: Marks) -> Margin:
    """Standard margin of one position: a future's share grows with its coins; a long option needs none."""
    mark, option = marks.mark[listing.name], listing.option
    if option is None:
        coins = abs(size) / mark
        more = FUTURE_SLOPE.get(listing.coin, 0.0) * coins
        return Margin((FUTURE_MARGIN + more) * coins, (FUTURE_MAINTENANCE + more) * coins)
    underlying = marks.mark.get(future_name(listing.coin, listing.expiry_ns), marks.index)
    short = max(-size, 0.0)
    return Margin(
        *standard_short_option(underlying, option.strike, max(mark, 0.0), short, is_call=option.is_call)
    )


def portfolio(exposures: list[Exposure], marks: Marks, underlying: Underlying) -> Margin:
    """The worst scenario of everything together."""
    options = [one for one in exposures if one.listing.option]
    futures = [one for one in exposures if not one.listing.option]
    model = PortfolioModel(underlying.risk_columns([one.listing for one in options]), marks.index)
    worst = Margin(0.0, 0.0)
    for buys, sells in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)):

        def filled(one: Exposure, buys: float = buys, sells: float = sells) -> float:
            return one.size + buys * one.buys - sells * one.sells

        margin = model.margin([filled(one) for one in options], [filled(one) for one in futures])
        held = worst.maintenance if buys or sells else margin.maintenance
        worst = Margin(max(worst.initial, margin.initial), held)
    return worst


def spot_reserve(account: Account, currency: str) -> float:
    """What open spot orders hold of a currency."""
    return sum(spending(order, currency) for order in account.open_orders.values())


def spending(order: Order, currency: str) -> float:
    """What a spot order would take from a currency: coins sold, or the quote currency of coins bought."""
    listing = order.listing
    if listing.kind != "spot":
        return 0.0
    amount = float(listing.lot * order.left_lots)
    if order.side < 0:
        return amount if currency == listing.coin else 0.0
    return amount * listing.price(order.ticks) if currency == listing.quote else 0.0
