"""Positions, portfolios and equity as the venue describes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from atomizer.sim.calendar import SECOND_NS
from atomizer.sim.deribit.accounts import Account, Greeks, Marks, Wallet, value
from atomizer.sim.deribit.fixing import TICKS
from atomizer.sim.deribit.margins import Margin, alone, funds, order_margin, requirement
from atomizer.sim.deribit.orders import Order
from atomizer.sim.deribit.positions import Position, coin
from atomizer.sim.deribit.settings import PORTFOLIO_MODELS

if TYPE_CHECKING:
    from atomizer.sim.deribit.underlyings import Underlying


def number(amount: Decimal | float) -> float:
    """A coin amount with eight decimals as a JSON number."""
    return round(float(amount), 8)


def position_report(position: Position, marks: Marks) -> dict[str, Any]:
    """One position object; `size` carries the sign. An archived instrument has no mark any more."""
    listing, size = position.listing, float(position.size)
    mark = marks.mark.get(listing.name, 0.0)
    floating = coin(position.unrealised(Decimal(repr(mark))))
    margin = alone(listing, size, marks) if size else Margin(0.0, 0.0)
    body: dict[str, Any] = {
        "instrument_name": listing.name,
        "kind": listing.kind,
        "direction": "buy" if size > 0 else "sell" if size < 0 else "zero",
        "size": size,
        "average_price": float(position.average),
        "mark_price": mark,
        "index_price": marks.index,
        "settlement_price": float(position.settled_at),
        "initial_margin": number(margin.initial),
        "maintenance_margin": number(margin.maintenance),
        "open_orders_margin": 0.0,
        "floating_profit_loss": number(floating),
        "realized_profit_loss": number(position.realised),
        "total_profit_loss": number(floating + position.realised),
    }
    delta = marks.delta.get(listing.name, 0.0)
    if listing.option:
        greeks = marks.greeks.get(listing.name, Greeks(0.0, 0.0, 0.0))
        return body | {
            "delta": number(size * delta),
            "gamma": number(size * greeks.gamma),
            "vega": number(size * greeks.vega),
            "theta": number(size * greeks.theta),
            "average_price_usd": float(position.average) * marks.index,
            "floating_profit_loss_usd": float(floating) * marks.index,
        }
    coins = size / mark if size else 0.0
    body |= {
        "size_currency": number(coins),
        "delta": number(coins * delta),
        "leverage": 50,
        "estimated_liquidation_price": None,
    }
    if listing.is_perpetual:
        body["realized_funding"] = number(position.funding + position.due(marks.funding))
        body["interest_value"] = float(marks.funding - position.funded_at)
    return body


def positions(
    account: Account, marks_of: Callable[[str], Marks], currency: str, kind: str
) -> list[dict[str, Any]]:
    """Positions of a currency and kind; flat ones too while the session's profit waits for its settlement."""
    return [
        position_report(position, marks_of(position.listing.settlement))
        | {"open_orders_margin": _order_margin(account, position, marks_of)}
        for position in account.positions.values()
        if (position.size or (position.listing.kind == "future" and position.session))
        and kind in (position.listing.kind, "any")
        and currency in (*position.listing.currencies, "any")
    ]


def _order_margin(account: Account, position: Position, marks_of: Callable[[str], Marks]) -> float:
    listing = position.listing
    return number(order_margin(account, listing, marks_of(listing.settlement)))


def portfolio(account: Account, currency: str, marks: Marks, underlying: Underlying | None) -> dict[str, Any]:
    """The account summary and portfolio object of one currency."""
    now = value(account, currency, marks)
    free = funds(account, currency, now, marks, underlying)
    delta = now.futures_delta + now.options_delta
    index = f"{currency.lower()}_usd"
    later = staying(account, currency, marks, underlying)
    maps = (
        {
            "delta_total_map": {index: number(delta)},
            "options_gamma_map": {index: number(now.gamma)},
            "options_vega_map": {index: number(now.vega)},
            "options_theta_map": {index: number(now.theta)},
        }
        if underlying is not None
        else {"delta_total_map": {}, "options_gamma_map": {}, "options_vega_map": {}, "options_theta_map": {}}
    )
    return {
        "currency": currency,
        "balance": float(now.balance),
        "equity": float(now.equity),
        "margin_balance": number(free.balance),
        "available_funds": number(free.available),
        "available_withdrawal_funds": number(max(min(free.available, float(now.balance)), 0.0)),
        "initial_margin": number(free.margin.initial),
        "maintenance_margin": number(free.margin.maintenance),
        "projected_initial_margin": number(later.margin.initial),
        "projected_maintenance_margin": number(later.margin.maintenance),
        "session_upl": number(now.futures_session_upl + now.options_session_upl),
        "session_rpl": number(now.futures_session_rpl + now.options_session_rpl),
        "total_pl": number(now.futures_pl + now.options_pl),
        "delta_total": number(delta),
        "projected_delta_total": number(later.delta),
        **maps,
        "options_delta": number(now.options_delta),
        "options_gamma": number(now.gamma),
        "options_vega": number(now.vega),
        "options_theta": number(now.theta),
        "options_value": float(now.options_value),
        "options_pl": number(now.options_pl),
        "options_session_upl": number(now.options_session_upl),
        "options_session_rpl": number(now.options_session_rpl),
        "futures_pl": number(now.futures_pl),
        "futures_session_upl": number(now.futures_session_upl),
        "futures_session_rpl": number(now.futures_session_rpl),
        "fee_balance": 0.0,
        "spot_reserve": number(free.spot_reserve),
        "additional_reserve": 0.0,
        "locked_balance": 0.0,
        "portfolio_margining_enabled": account.margin_model in PORTFOLIO_MODELS,
        "cross_collateral_enabled": account.margin_model.startswith("cross"),
        "margin_model": account.margin_model,
    }


class Later(NamedTuple):
    """An account without what expires next."""

    margin: Margin
    delta: float


def staying(account: Account, currency: str, marks: Marks, underlying: Underlying | None) -> Later:
    """Margin and delta of the positions that outlive the nearest expiry."""
    if underlying is None:
        return Later(Margin(0.0, 0.0), 0.0)
    gone = underlying.next_expiry_ns
    held = {n: p for n, p in account.positions.items() if not 0 < p.listing.expiry_ns <= gone}
    orders = {n: o for n, o in account.open_orders.items() if not 0 < o.listing.expiry_ns <= gone}
    left = replace(account, positions=held, open_orders=orders)
    now = value(left, currency, marks)
    return Later(requirement(left, currency, marks, underlying), now.futures_delta + now.options_delta)


def cancelled(orders: list[Order]) -> list[dict[str, Any]]:
    """The detailed answer of a cancel of many: the orders of each book."""
    books: dict[str, list[Order]] = {}
    for order in orders:
        books.setdefault(order.listing.name, []).append(order)
    return [
        {
            "instrument_name": name,
            "currency": found[0].listing.currency,
            "type": "limit",
            "result": [order.render() for order in found],
        }
        for name, found in books.items()
    ]


def empty_portfolio(currency: str) -> dict[str, Any]:
    """The summary of a currency in which the account holds nothing."""
    wallet = {currency: Wallet(currency, Decimal(0))}
    return portfolio(Account("", -1, wallet), currency, Marks(1.0, {}, {}), None)


def estimated_expiration(underlying: Underlying, now_ns: int) -> dict[str, Any]:
    """What the next expiry of a coin would be delivered at; readings are counted in the last half hour."""
    expiry_ns = underlying.next_expiry_ns
    fixing = underlying.fixings[expiry_ns]
    body: dict[str, Any] = {
        "price": underlying.estimated_delivery(expiry_ns),
        "seconds": (expiry_ns - now_ns) // SECOND_NS,
        "is_estimated": fixing.taken > 0,
    }
    if fixing.taken:
        left = TICKS - fixing.taken
        body |= {"left_ticks": left, "total_ticks": TICKS, "number_of_ticks": fixing.taken}
    return body


def equity_report(account: Account, marks_of: Callable[[str], Marks]) -> dict[str, Any]:
    """What judges and the demo read: exact amounts as text, indices as numbers.

    The first currency stands at the top, every one under `currencies`; `usd` is all of it at the indices.
    """
    each = [_equity_in(account, currency, marks_of(currency)) for currency in account.wallets]
    usd = sum(float(one["equity"]) * one["index"] for one in each)
    return {"venue": "deribit", "account": account.name, **each[0], "currencies": each, "usd": usd}


def _equity_in(account: Account, currency: str, marks: Marks) -> dict[str, Any]:
    return {
        "currency": currency,
        "equity": str(value(account, currency, marks).equity),
        "start": str(coin(account.wallets[currency].deposit)),
        "transfers": "0",
        "index": marks.index,
    }
