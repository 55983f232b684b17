"""Trades, positions and money of the account that asks."""

from __future__ import annotations

from typing import Any

from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.channels import KINDS
from atomizer.sim.deribit.public_methods import listing_of, read_currency
from atomizer.sim.deribit.reports import empty_portfolio, portfolio, position_report, positions


def get_positions(call: Call) -> list[dict[str, Any]]:
    call.require("trade", write=False)
    currency, kind = read_currency(call, "any"), call.params.choice("kind", KINDS, "any")
    return positions(call.account, call.twin.exchange.marks, currency, kind)


def get_position(call: Call) -> dict[str, Any]:
    call.require("trade", write=False)
    listing = listing_of(call)
    return position_report(call.account.position(listing), call.twin.exchange.marks(listing.settlement))


def get_account_summary(call: Call) -> dict[str, Any]:
    call.require("account", write=False)
    return _summary(call, read_currency(call, None)) | _identity(call)


def get_account_summaries(call: Call) -> dict[str, Any]:
    call.require("account", write=False)
    return {"summaries": [_summary(call, one) for one in call.account.wallets], **_identity(call)}


def _summary(call: Call, currency: str) -> dict[str, Any]:
    account, exchange = call.account, call.twin.exchange
    if currency == "any":
        currency = next(iter(account.wallets))
    if currency not in account.wallets:
        return empty_portfolio(currency)
    body = portfolio(account, currency, exchange.marks(currency))
    body["limits"] = call.twin.limits.describe()
    body["fees"] = [
        {
            "kind": kind,
            "index_name": underlying.index_name,
            "value": {
                "default": {
                    "type": "relative" if kind == "future" else "fixed",
                    "maker": float(listing.maker_fee),
                    "taker": float(listing.taker_fee),
                }
            },
        }
        for underlying in exchange.underlyings.values()
        if currency == underlying.coin
        for kind, listing in (("future", underlying.perpetual), ("option", underlying.options[0]))
    ]
    return body


def _identity(call: Call) -> dict[str, Any]:
    if not call.params.flag("extended"):
        return {}
    account = call.account
    return {
        "id": account.number,
        "username": account.name,
        "type": "main",
        "email": f"{account.name}@example.com",
        "system_name": account.name,
        "mmp_enabled": True,
        "creation_timestamp": call.twin.exchange.start_ns // 1_000_000,
        "login_enabled": True,
        "self_trading_reject_mode": "reject_taker",
        "self_trading_extended_to_subaccounts": False,
    }


def get_transaction_log(call: Call) -> dict[str, Any]:
    """Trades as log rows; the simulation has no other money movements."""
    call.require("account", write=False)
    start, end = call.params.integer("start_timestamp"), call.params.integer("end_timestamp")
    currency, count = read_currency(call, None), call.params.integer("count", 100)
    skip = call.params.integer("continuation", 0)
    rows = [
        {
            "id": number,
            "type": "trade",
            "timestamp": trade["timestamp"],
            "currency": trade["fee_currency"],
            "instrument_name": trade["instrument_name"],
            "trade_id": trade["trade_id"],
            "order_id": trade["order_id"],
            "side": f"open {trade['direction']}",
            "price": trade["price"],
            "amount": trade["amount"],
            "commission": trade["fee"],
            "profit_as_cashflow": False,
        }
        for number, trade in enumerate(call.account.trades, start=1)
        if start <= trade["timestamp"] <= end and trade["fee_currency"] == currency
    ]
    page = rows[skip : skip + count]
    more = skip + count if skip + count < len(rows) else None
    return {"logs": page, "continuation": more}


METHODS: dict[str, Method] = {
    "private/get_positions": get_positions,
    "private/get_position": get_position,
    "private/get_account_summary": get_account_summary,
    "private/get_account_summaries": get_account_summaries,
    "private/get_transaction_log": get_transaction_log,
}
