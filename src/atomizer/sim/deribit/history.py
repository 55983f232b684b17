"""Orders and trades of an account as they can be read back: open ones, past ones, page by page.

The venue keeps ended orders for 30 minutes and trades for a day where everybody finds them; what is older is
found with `historical` alone (`articles/accessing-historical-trades-orders`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.channels import KINDS
from atomizer.sim.deribit.errors import DeribitError, invalid_params
from atomizer.sim.deribit.hub import rendered
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.orders import Order, own_order
from atomizer.sim.deribit.public_methods import listing_of, page_of, read_currency

ORDER_TYPES = ("all", "limit", "trigger_all", "stop_all", "stop_limit", "stop_market", "take_all",
               "take_limit", "take_market", "trailing_all", "trailing_stop")  # fmt: skip
RECENT_ORDERS_MS = 30 * 60_000
RECENT_TRADES_MS = 24 * 3_600_000
MAX_ORDERS = 10_000


def matches(order: Order, currency: str, kind: str) -> bool:
    """Whether an order is of a currency and a kind; `any` is."""
    return currency in ("any", *order.listing.currencies) and kind in ("any", order.listing.kind)


def of_type(call: Call) -> bool:
    """Whether plain orders are of the `type` asked for: conditional ones are not simulated."""
    return call.params.choice("type", ORDER_TYPES, "all") in ("all", "limit")


# --- open orders ---


def get_open_orders(call: Call) -> list[dict[str, Any]]:
    kind = call.params.choice("kind", KINDS, "any")
    return _open_where(call, lambda order: matches(order, "any", kind))


def get_open_orders_by_currency(call: Call) -> list[dict[str, Any]]:
    currency, kind = read_currency(call, None), call.params.choice("kind", KINDS, "any")
    return _open_where(call, lambda order: matches(order, currency, kind))


def get_open_orders_by_instrument(call: Call) -> list[dict[str, Any]]:
    listing = listing_of(call)
    return _open_where(call, lambda order: order.listing is listing)


def get_open_orders_by_label(call: Call) -> list[dict[str, Any]]:
    currency, label = read_currency(call, "any"), call.params.text("label", "")
    return _open_where(call, lambda order: matches(order, currency, "any") and label in ("", order.label))


def _open_where(call: Call, chosen: Callable[[Order], bool]) -> list[dict[str, Any]]:
    call.require("trade", write=False)
    return rendered([o for o in call.account.open_orders.values() if chosen(o) and of_type(call)])


# --- past orders ---


def get_order_state(call: Call) -> dict[str, Any]:
    call.require("trade", write=False)
    order = own_order(call.account, call.params.text("order_id"))
    if not _within_reach(call, order):
        raise DeribitError("order_not_found", "ended long ago: ask with historical", "order_id")
    return order.render()


def get_order_state_by_label(call: Call) -> list[dict[str, Any]]:
    currency, label = read_currency(call, None), call.params.text("label")
    return rendered(_reached(call, lambda o: o.label == label and matches(o, currency, "any")))


def get_order_history_by_currency(call: Call) -> list[dict[str, Any]]:
    currency, kind = read_currency(call, None), call.params.choice("kind", KINDS, "any")
    return _past(call, lambda order: matches(order, currency, kind))


def get_order_history_by_instrument(call: Call) -> list[dict[str, Any]]:
    listing = listing_of(call)
    return _past(call, lambda order: order.listing is listing)


def _within_reach(call: Call, order: Order) -> bool:
    recent = call.twin.exchange.now_ms - order.updated_ms <= RECENT_ORDERS_MS
    return order.is_open or recent or call.params.flag("historical")


def _reached(call: Call, chosen: Callable[[Order], bool]) -> list[Order]:
    call.require("trade", write=False)
    return [o for o in call.account.orders.values() if chosen(o) and _within_reach(call, o)]


def _past(call: Call, chosen: Callable[[Order], bool]) -> list[dict[str, Any]]:
    """Ended orders, the last to end first; those that never traded on request."""
    count, offset = call.params.integer("count", 20), call.params.integer("offset", 0)
    if not 1 <= count <= MAX_ORDERS:
        raise invalid_params("count", f"must be from 1 to {MAX_ORDERS}")
    unfilled = call.params.flag("include_unfilled")
    ended = [o for o in _reached(call, chosen) if not o.is_open and (o.filled_lots or unfilled)]
    ended.sort(key=lambda order: (order.updated_ms, order.matching_id), reverse=True)
    return rendered(ended[offset : offset + count])


# --- trades ---


def get_user_trades_by_instrument(call: Call) -> dict[str, Any]:
    """Trades in an instrument; asked for a combo, its own trades with those of their legs."""
    name = listing_of(call).name
    return page_of(call, _trades(call, lambda trade: trade["instrument_name"] == name), "desc")


def get_user_trades_by_currency(call: Call) -> dict[str, Any]:
    exchange = call.twin.exchange
    currency, kind = read_currency(call, "any"), call.params.choice("kind", KINDS, "any")

    def chosen(listing: Listing) -> bool:
        return currency in ("any", *listing.currencies) and kind in ("any", listing.kind)

    found = _trades(call, lambda trade: chosen(exchange.listings[trade["instrument_name"]]))
    return page_of(call, found, "desc")


def get_user_trades_by_order(call: Call) -> list[dict[str, Any]]:
    order_id = own_order(call.account, call.params.text("order_id")).order_id
    found = _trades(call, lambda trade: trade["order_id"] == order_id)
    return found if call.params.text("sorting", "default") == "asc" else found[::-1]


def _trades(call: Call, chosen: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Own trades, oldest first."""
    call.require("trade", write=False)
    since = 0 if call.params.flag("historical") else call.twin.exchange.now_ms - RECENT_TRADES_MS
    combos_only = call.params.text("kind", "any").endswith("_combo") or _names_combo(call)
    trades = call.account.combo_trades if combos_only else call.account.trades
    return [trade for trade in trades if trade["timestamp"] >= since and chosen(trade)]


def _names_combo(call: Call) -> bool:
    listing = call.twin.exchange.listings.get(call.params.text("instrument_name", ""))
    return listing is not None and listing.is_combo


METHODS: dict[str, Method] = {
    "private/get_open_orders": get_open_orders,
    "private/get_open_orders_by_currency": get_open_orders_by_currency,
    "private/get_open_orders_by_instrument": get_open_orders_by_instrument,
    "private/get_open_orders_by_label": get_open_orders_by_label,
    "private/get_order_state": get_order_state,
    "private/get_order_state_by_label": get_order_state_by_label,
    "private/get_order_history_by_currency": get_order_history_by_currency,
    "private/get_order_history_by_instrument": get_order_history_by_instrument,
    "private/get_user_trades_by_instrument": get_user_trades_by_instrument,
    "private/get_user_trades_by_instrument_and_time": get_user_trades_by_instrument,
    "private/get_user_trades_by_currency": get_user_trades_by_currency,
    "private/get_user_trades_by_currency_and_time": get_user_trades_by_currency,
    "private/get_user_trades_by_order": get_user_trades_by_order,
}
