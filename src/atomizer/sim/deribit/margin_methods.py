"""Margin by request: the model of an account, what an order would need, what a portfolio would need."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from atomizer.sim.deribit.account_methods import account_asked
from atomizer.sim.deribit.accounts import Account, value
from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.errors import DeribitError, invalid_params
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.margins import Exposure, standard
from atomizer.sim.deribit.params import Params
from atomizer.sim.deribit.positions import Position
from atomizer.sim.deribit.public_methods import read_currency
from atomizer.sim.deribit.settings import MARGIN_MODELS

SEGREGATED = tuple(model for model in MARGIN_MODELS if model.startswith("segregated"))


def change_margin_model(call: Call) -> list[dict[str, Any]]:
    """Another margin model for an account; refused where it could not hold its positions under it."""
    call.require("account", write=True)
    # This method names another account `user_id`.
    asked = Params({"subaccount_id": call.params.values.get("user_id")})
    account = account_asked(replace(call, params=asked))
    model = call.params.text("margin_model")
    if model not in SEGREGATED:
        raise invalid_params("margin_model", f"expected {' or '.join(SEGREGATED)}: no cross collateral here")
    changed = replace(account, margin_model=model)
    states: list[dict[str, Any]] = [
        {"currency": one, "old_state": _state(call, account, one), "new_state": _state(call, changed, one)}
        for one in account.wallets
    ]
    if call.params.flag("dry_run"):
        return states
    if any(one["new_state"]["available_balance"] < 0 for one in states):
        raise DeribitError("not_enough_funds", f"positions need more than there is under {model}")
    account.margin_model = model
    return states


def _state(call: Call, account: Account, currency: str) -> dict[str, float]:
    """Margins as shares of the balance that carries them."""
    free = call.twin.exchange.funds(account, currency)
    scale = free.balance or 1.0
    return {
        "initial_margin_rate": round(free.margin.initial / scale, 8),
        "maintenance_margin_rate": round(free.margin.maintenance / scale, 8),
        "available_balance": round(free.available, 8),
    }


def get_margins(call: Call) -> dict[str, float]:
    """Initial margin of an order of this size, bought or sold, by itself."""
    call.require("account", write=False)
    listing, amount, price = (
        call.twin.exchange.current(call.params.text("instrument_name")),
        call.params.decimal("amount"),
        call.params.decimal("price"),
    )
    if listing.kind == "spot" or listing.is_combo:
        raise DeribitError(
            "invalid_or_unsupported_instrument", "expected a future or an option", "instrument_name"
        )
    if amount is None or price is None:
        raise invalid_params("amount" if amount is None else "price", "value required")
    marks = call.twin.exchange.marks(listing.settlement)
    buy, sell = (
        standard([Exposure(listing, side * float(amount), 0.0, 0.0)], marks).initial for side in (1, -1)
    )
    band = 0.1 * marks.mark[listing.name]
    return {
        "buy": round(buy + (float(amount * price) if listing.option else 0.0), 8),
        "sell": round(sell, 8),
        "min_price": marks.mark[listing.name] - band,
        "max_price": marks.mark[listing.name] + band,
    }


def simulate_portfolio(call: Call) -> dict[str, Any]:
    """The summary of a currency as it were with other positions, entered at their marks."""
    call.require("account", write=False)
    exchange, currency, account = call.twin.exchange, read_currency(call, None), call.account
    if currency not in exchange.underlyings:
        raise invalid_params("currency", f"must be one of {', '.join(exchange.underlyings)}")
    add = call.params.flag("add_positions", default=True)
    held = dict(account.positions) if add else {}
    marks = exchange.marks(currency)
    for listing, size in _simulated(call, currency):
        before = held.get(listing.name)
        made = replace(before) if before is not None else Position(listing)
        made.trade(size, marks.exact(listing.name))
        held[listing.name] = made
    wallets = {name: replace(wallet) for name, wallet in account.wallets.items()}
    simulated = replace(account, positions=held, wallets=wallets, open_orders=dict(account.open_orders))
    # Premiums of simulated options are paid, as they would be.
    gap = value(account, currency, marks).equity - value(simulated, currency, marks).equity
    wallets[currency].balance = account.wallets[currency].balance + gap
    return exchange.portfolio(simulated, currency)


def _simulated(call: Call, currency: str) -> list[tuple[Listing, Decimal]]:
    given = call.params.values.get("simulated_positions") or {}
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, dict):
        raise invalid_params("simulated_positions", "must be an object of sizes by instrument name")
    sizes = Params(given)
    found = []
    for name in given:
        listing, size = call.twin.exchange.current(name), sizes.decimal(name)
        if listing.settlement != currency or listing.kind not in ("future", "option"):
            raise invalid_params("simulated_positions", f"{name} is no future or option of {currency}")
        if size:
            found.append((listing, size))
    return found


METHODS: dict[str, Method] = {
    "private/change_margin_model": change_margin_model,
    "private/get_margins": get_margins,
    "private/simulate_portfolio": simulate_portfolio,
}
