"""Trades, positions and money of the account that asks."""

from __future__ import annotations

from typing import Any

from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.channels import CURRENCIES, KINDS
from atomizer.sim.deribit.errors import invalid_params
from atomizer.sim.deribit.orders import own_order
from atomizer.sim.deribit.public_methods import listing_of, page_of
from atomizer.sim.deribit.reports import empty_portfolio, portfolio, position_report, positions


def get_user_trades_by_instrument(call: Call) -> dict[str, Any]:
    call.require("trade", write=False)
    name = listing_of(call).name
    return page_of(call, [t for t in call.account.trades if t["instrument_name"] == name], "desc")


def get_user_trades_by_currency(call: Call) -> dict[str, Any]:
    call.require("trade", write=False)
    exchange = call.twin.exchange
    currency, kind = _currency(call, "any"), call.params.choice("kind", KINDS, "any")
    mine = currency in ("any", call.account.currency)
    trades = [
        trade
        for trade in call.account.trades
        if mine and kind in ("any", exchange.listings[trade["instrument_name"]].kind)
    ]
    return page_of(call, trades, "desc")


def get_user_trades_by_order(call: Call) -> list[dict[str, Any]]:
    call.require("trade", write=False)
    order = own_order(call.account, call.params.text("order_id"))
    trades = [trade for trade in call.account.trades if trade["order_id"] == order.order_id]
    return trades if call.params.text("sorting", "default") == "asc" else trades[::-1]


def get_positions(call: Call) -> list[dict[str, Any]]:
    call.require("trade", write=False)
    currency, kind = _currency(call, "any"), call.params.choice("kind", KINDS, "any")
    if currency not in ("any", call.account.currency):
        return []
    return positions(call.account, call.twin.exchange.marks(), kind)


def get_position(call: Call) -> dict[str, Any]:
    call.require("trade", write=False)
    position = call.account.position(listing_of(call))
    return position_report(position, call.twin.exchange.marks())


def get_account_summary(call: Call) -> dict[str, Any]:
    call.require("account", write=False)
    return _summary(call, _currency(call, None)) | _identity(call)


def get_account_summaries(call: Call) -> dict[str, Any]:
    call.require("account", write=False)
    return {"summaries": [_summary(call, call.account.currency)], **_identity(call)}


def _summary(call: Call, currency: str) -> dict[str, Any]:
    account = call.account
    if currency not in ("any", account.currency):
        return empty_portfolio(currency)
    body = portfolio(account, call.twin.exchange.marks())
    body["limits"] = call.twin.limits.describe()
    body["fees"] = [
        {
            "kind": kind,
            "index_name": call.twin.exchange.perpetual.index,
            "value": {
                "default": {
                    "type": "relative" if kind == "future" else "fixed",
                    "maker": float(listing.maker_fee),
                    "taker": float(listing.taker_fee),
                }
            },
        }
        for kind, listing in (
            ("future", call.twin.exchange.perpetual),
            ("option", call.twin.exchange.options[0]),
        )
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
        "mmp_enabled": False,
        "creation_timestamp": call.twin.exchange.market.start_ns // 1_000_000,
        "login_enabled": True,
        "self_trading_reject_mode": "reject_taker",
        "self_trading_extended_to_subaccounts": False,
    }


def get_transaction_log(call: Call) -> dict[str, Any]:
    """Trades as log rows; the simulation has no other money movements."""
    call.require("account", write=False)
    start, end = call.params.integer("start_timestamp"), call.params.integer("end_timestamp")
    count = call.params.integer("count", 100)
    skip = call.params.integer("continuation", 0)
    rows = [
        {
            "id": number,
            "type": "trade",
            "timestamp": trade["timestamp"],
            "currency": call.account.currency,
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
        if start <= trade["timestamp"] <= end
    ]
    page = rows[skip : skip + count]
    more = skip + count if skip + count < len(rows) else None
    return {"logs": page, "continuation": more}


def _currency(call: Call, default: str | None) -> str:
    currency = call.params.text("currency", default)
    if currency not in (*CURRENCIES, call.account.currency):
        raise invalid_params("currency", f"must be one of {', '.join(CURRENCIES)}")
    return currency


METHODS: dict[str, Method] = {
    "private/get_user_trades_by_instrument": get_user_trades_by_instrument,
    "private/get_user_trades_by_instrument_and_time": get_user_trades_by_instrument,
    "private/get_user_trades_by_currency": get_user_trades_by_currency,
    "private/get_user_trades_by_currency_and_time": get_user_trades_by_currency,
    "private/get_user_trades_by_order": get_user_trades_by_order,
    "private/get_positions": get_positions,
    "private/get_position": get_position,
    "private/get_account_summary": get_account_summary,
    "private/get_account_summaries": get_account_summaries,
    "private/get_transaction_log": get_transaction_log,
}
