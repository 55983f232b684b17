"""Trades, positions and money of the account that asks."""

from __future__ import annotations

from typing import Any

from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.channels import KINDS
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.positions import Position
from atomizer.sim.deribit.public_methods import listing_of, read_currency
from atomizer.sim.deribit.reports import empty_portfolio, position_report, positions

MAIN = 1
SUBACCOUNT_PORTFOLIO = (
    "additional_reserve",
    "available_funds",
    "available_withdrawal_funds",
    "balance",
    "equity",
    "initial_margin",
    "maintenance_margin",
    "margin_balance",
    "spot_reserve",
)


def get_positions(call: Call) -> list[dict[str, Any]]:
    call.require("trade", write=False)
    currency, kind = read_currency(call, "any"), call.params.choice("kind", KINDS, "any")
    return positions(account_asked(call), call.twin.exchange.marks, currency, kind)


def get_position(call: Call) -> dict[str, Any]:
    call.require("trade", write=False)
    listing = listing_of(call)
    position = call.account.positions.get(listing.name) or Position(listing)
    return position_report(position, call.twin.exchange.marks(listing.settlement))


def account_asked(call: Call) -> Account:
    """The account of the key, or the one that the main account names.

    Raises:
        DeribitError: not the main account, or no such account.
    """
    if not call.params.has("subaccount_id"):
        return call.account
    number = call.params.integer("subaccount_id")
    if call.account.number not in (MAIN, number):
        raise DeribitError("forbidden", "only the main account sees others", "subaccount_id")
    for account in call.twin.exchange.accounts.values():
        if account.number == number:
            return account
    raise DeribitError("not_found", f"no account {number}", "subaccount_id")


def get_account_summary(call: Call) -> dict[str, Any]:
    call.require("account", write=False)
    currency, account = read_currency(call, None), account_asked(call)
    if currency == "any":
        currency = next(iter(account.wallets))
    return _summary(call, account, currency) | _identity(call, account)


def get_account_summaries(call: Call) -> dict[str, Any]:
    call.require("account", write=False)
    account = account_asked(call)
    return {"summaries": [_summary(call, account, one) for one in account.wallets]} | _identity(call, account)


def _summary(call: Call, account: Account, currency: str) -> dict[str, Any]:
    exchange = call.twin.exchange
    if currency not in account.wallets:
        return empty_portfolio(currency)
    body = exchange.portfolio(account, currency)
    body["limits"] = call.twin.limits.describe()
    if call.params.flag("extended"):
        listings = [one for one in exchange.listings.values() if currency in one.currencies]
        own = exchange.fees.describe(account, listings)
        if own:  # only accounts with rates of their own have this member
            body["fees"] = own
    return body


def get_subaccounts(call: Call) -> list[dict[str, Any]]:
    """Every account of the venue; a subaccount sees itself alone."""
    call.require("account", write=False)
    exchange, with_portfolio = call.twin.exchange, call.params.flag("with_portfolio")
    found = exchange.accounts.values() if call.account.number == MAIN else [call.account]
    bodies = []
    for account in found:
        body: dict[str, Any] = {
            "id": account.number,
            "username": account.name,
            "system_name": account.name,
            "type": "main" if account.number == MAIN else "subaccount",
            "email": f"{account.name}@example.com",
            "is_password": True,
            "login_enabled": True,
            "receive_notifications": False,
            "security_keys_enabled": False,
            "security_keys_assignments": [],
            "margin_model": account.margin_model,
        }
        if with_portfolio:
            body["portfolio"] = {
                currency.lower(): {
                    key: value
                    for key, value in exchange.portfolio(account, currency).items()
                    if key in SUBACCOUNT_PORTFOLIO
                }
                | {"currency": currency.lower()}
                for currency in account.wallets
            }
        bodies.append(body)
    return bodies


def _identity(call: Call, account: Account) -> dict[str, Any]:
    if not call.params.flag("extended"):
        return {}
    return {
        "id": account.number,
        "username": account.name,
        "type": "main" if account.number == MAIN else "subaccount",
        "email": f"{account.name}@example.com",
        "system_name": account.name,
        "mmp_enabled": True,
        "creation_timestamp": call.twin.exchange.start_ns // 1_000_000,
        "login_enabled": True,
        "self_trading_reject_mode": "reject_taker",
        "self_trading_extended_to_subaccounts": False,
    }


METHODS: dict[str, Method] = {
    "private/get_positions": get_positions,
    "private/get_position": get_position,
    "private/get_account_summary": get_account_summary,
    "private/get_account_summaries": get_account_summaries,
    "private/get_subaccounts": get_subaccounts,
}
