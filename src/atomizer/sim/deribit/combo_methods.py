"""Combo books: which there are, making new ones, and the prices of their legs."""

from __future__ import annotations

import json
import math
from typing import Any

from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.combos import canonical, combo_listing, leg_prices, render_combo
from atomizer.sim.deribit.errors import DeribitError, invalid_params
from atomizer.sim.deribit.listings import Leg, Listing
from atomizer.sim.deribit.params import Params
from atomizer.sim.deribit.public_methods import read_currency
from atomizer.sim.deribit.states import ARCHIVIZED

MAX_RATIO = 1_000_000


def get_combos(call: Call) -> list[dict[str, Any]]:
    """Combos of a currency that are not archived."""
    currency = read_currency(call, None)
    return [_rendered(call, one) for one in _combos(call, currency)]


def get_combo_ids(call: Call) -> list[str]:
    currency = read_currency(call, None)
    wanted = call.params.choice("state", ("active", "inactive", "any"), "any")
    found = [_rendered(call, one) for one in _combos(call, currency)]
    return [body["id"] for body in found if wanted in (body["state"], "any")]


def get_combo_details(call: Call) -> dict[str, Any]:
    listing = call.twin.exchange.listings.get(call.params.text("combo_id"))
    if listing is None or not listing.is_combo:
        raise DeribitError("not_found", "no such combo", "combo_id")
    return _rendered(call, listing)


def _combos(call: Call, currency: str) -> list[Listing]:
    exchange = call.twin.exchange
    return [
        listing
        for listing in exchange.listings.values()
        if listing.is_combo
        and currency in ("any", *listing.currencies)
        and exchange.books[listing.name].state != ARCHIVIZED
    ]


def _rendered(call: Call, combo: Listing) -> dict[str, Any]:
    book = call.twin.exchange.books[combo.name]
    return render_combo(combo, book.state, book.state_ms or combo.created_ms)


def create_combo(call: Call) -> dict[str, Any]:
    """The combo of these trades: an existing one, or a new one with an empty book of its own."""
    call.require("trade", write=True)
    exchange = call.twin.exchange
    legs = _legs(call, "trades", "amount")
    name, structure = canonical(legs)
    combo = exchange.listings.get(name)
    if combo is None:
        for leg in structure:
            exchange.states.require_open(leg.listing)
        underlying = exchange.underlying(structure[0].listing)
        count = sum(one.is_combo and one.coin == underlying.coin for one in exchange.listings.values())
        combo = combo_listing(name, structure, count, exchange.now_ms)
        underlying.add_combo(combo)
        exchange.list_new([combo])
    return _rendered(call, combo)


def get_leg_prices(call: Call) -> dict[str, Any]:
    """How a price of a structure is shared out between its legs."""
    call.require("trade", write=False)
    exchange = call.twin.exchange
    legs, price = _legs(call, "legs", "amount"), call.params.decimal("price")
    if price is None:
        raise invalid_params("price", "value required")
    name, structure = canonical(legs)
    combo = combo_listing(name, structure, 0, exchange.now_ms)
    ticks = combo.ticks(price)
    if ticks < combo.lowest_ticks:
        raise DeribitError("price_too_low", "below one tick for each leg", "price")
    shared = leg_prices(combo, ticks, exchange.underlying(combo).marks())
    amounts = [abs(leg.ratio) for leg in legs]
    return {
        "amount": float(min(amounts)),
        "legs": [
            {
                "instrument_name": leg.listing.name,
                "direction": "buy" if leg.ratio > 0 else "sell",
                "ratio": abs(leg.ratio),
                "price": float(at),
            }
            for leg, at in shared
        ],
    }


def _legs(call: Call, name: str, size: str) -> list[Leg]:
    """Instruments with signed ratios: amounts divided by what is common to them."""
    given = call.params.values.get(name)
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given) or not given:
        raise invalid_params(name, "must be an array of objects")
    legs: list[tuple[Listing, int]] = []
    for one in given:
        params = Params(one)
        listing = call.twin.exchange.current(params.text("instrument_name"))
        lots = listing.lots(params.decimal(size) or listing.lot)
        side = -1 if params.choice("direction", ("buy", "sell"), "buy") == "sell" else 1
        legs.append((listing, side * min(lots, MAX_RATIO)))
    common = math.gcd(*(abs(lots) for _, lots in legs))
    return [Leg(listing, lots // common) for listing, lots in legs]


METHODS: dict[str, Method] = {
    "public/get_combos": get_combos,
    "public/get_combo_ids": get_combo_ids,
    "public/get_combo_details": get_combo_details,
    "private/create_combo": create_combo,
    "private/get_leg_prices": get_leg_prices,
}
