"""Orders: placing, editing, cancelling, asking about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.channels import KINDS
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.hub import rendered
from atomizer.sim.deribit.orders import Order, changed_wish, own_order, read_lots, read_wish
from atomizer.sim.deribit.public_methods import listing_of, read_currency

USER_REQUEST = "user_request"
ORDER_TYPES = ("all", "limit", "trigger_all", "stop_all", "stop_limit", "stop_market", "take_all",
               "take_limit", "take_market", "trailing_all", "trailing_stop")  # fmt: skip


def buy(call: Call) -> dict[str, Any]:
    return _place(call, 1)


def sell(call: Call) -> dict[str, Any]:
    return _place(call, -1)


def _place(call: Call, side: int) -> dict[str, Any]:
    call.require("trade", write=True)
    wish = read_wish(call.params, listing_of(call), side)
    call.twin.count_placement(wish.label)
    via = call.session.number if call.session else 0
    order, trades = call.twin.exchange.place(call.account, wish, _deadline(call), via)
    return {"order": order.render(), "trades": trades}


def close_position(call: Call) -> dict[str, Any]:
    """An immediate order for the whole position."""
    call.require("trade", write=True)
    listing, account = listing_of(call), call.account
    position = account.positions.get(listing.name)
    if position is None or not position.size:
        raise DeribitError("already_closed", "no position", "instrument_name")
    values = {**call.params.values, "amount": str(abs(position.size)), "reduce_only": True}
    values.setdefault("type", "limit")
    wish = read_wish(type(call.params)(values), listing, -1 if position.size > 0 else 1)
    via = call.session.number if call.session else 0
    order, trades = call.twin.exchange.place(account, wish, None, via)
    return {"order": order.render(), "trades": trades}


def edit(call: Call) -> dict[str, Any]:
    call.require("trade", write=True)
    return _edit(call, own_order(call.account, call.params.text("order_id")))


def edit_by_label(call: Call) -> dict[str, Any]:
    call.require("trade", write=True)
    label, listing = call.params.text("label"), listing_of(call)
    found = [o for o in call.account.open_orders.values() if o.label == label and o.listing is listing]
    if not found:
        raise DeribitError("order_not_found", "no open order with this label", "label")
    if len(found) > 1:
        raise DeribitError("non_unique_order_label", f"{len(found)} open orders share it", "label")
    return _edit(call, found[0])


def _edit(call: Call, order: Order) -> dict[str, Any]:
    params, listing, old = call.params, order.listing, order.wish
    price = params.decimal("price")
    sized = params.has("amount") or params.has("contracts")
    wish = changed_wish(
        order,
        read_lots(params, listing) if sized else order.lots,
        None if price is None else listing.ticks(price),
        post_only=params.flag("post_only", default=old.post_only),
        reject_post_only=params.flag("reject_post_only", default=old.reject_post_only),
        reduce_only=params.flag("reduce_only", default=old.reduce_only),
        mmp=params.flag("mmp", default=old.mmp),
    )
    order, trades = call.twin.exchange.edit(call.account, order, wish, _deadline(call))
    return {"order": order.render(), "trades": trades}


def _deadline(call: Call) -> int | None:
    return call.params.integer("valid_until") if call.params.has("valid_until") else None


def cancel(call: Call) -> dict[str, Any]:
    call.require("trade", write=True)
    order = own_order(call.account, call.params.text("order_id"))
    if not order.is_open:
        raise DeribitError("not_open_order", f"order is {order.state}", "order_id")
    call.twin.exchange.cancel(order, USER_REQUEST)
    return order.render()


def cancel_all(call: Call) -> int:
    return _cancel_where(call, lambda order: True)  # noqa: ARG005 - every order


def cancel_all_by_currency(call: Call) -> int:
    currency = read_currency(call, None)
    kind = call.params.choice("kind", KINDS, "any")
    return _cancel_where(call, lambda order: _matches(order, currency, kind))


def cancel_all_by_currency_pair(call: Call) -> int:
    pair = call.params.text("currency_pair")
    return _cancel_where(call, lambda order: order.listing.index == pair)


def cancel_all_by_instrument(call: Call) -> int:
    listing = listing_of(call)
    return _cancel_where(call, lambda order: order.listing is listing)


def cancel_by_label(call: Call) -> int:
    label, currency = call.params.text("label"), read_currency(call, "any")
    return _cancel_where(call, lambda order: order.label == label and _matches(order, currency, "any"))


def _cancel_where(call: Call, chosen: Callable[[Order], bool]) -> int:
    """Cancel; the count. Conditional orders are not simulated, so asking for them alone finds none."""
    call.require("trade", write=True)
    order_type = call.params.choice("type", ORDER_TYPES, "all")
    if order_type not in ("all", "limit"):
        return 0
    found = [order for order in call.account.open_orders.values() if chosen(order)]
    for order in found:
        call.twin.exchange.cancel(order, USER_REQUEST)
    return len(found)


def _matches(order: Order, currency: str, kind: str) -> bool:
    return currency in ("any", order.listing.currency) and kind in ("any", order.listing.kind)


def get_open_orders(call: Call) -> list[dict[str, Any]]:
    kind = call.params.choice("kind", KINDS, "any")
    return _open_where(call, lambda order: _matches(order, "any", kind))


def get_open_orders_by_currency(call: Call) -> list[dict[str, Any]]:
    currency, kind = read_currency(call, None), call.params.choice("kind", KINDS, "any")
    return _open_where(call, lambda order: _matches(order, currency, kind))


def get_open_orders_by_instrument(call: Call) -> list[dict[str, Any]]:
    listing = listing_of(call)
    return _open_where(call, lambda order: order.listing is listing)


def get_open_orders_by_label(call: Call) -> list[dict[str, Any]]:
    currency, label = read_currency(call, "any"), call.params.text("label", "")
    return _open_where(call, lambda order: _matches(order, currency, "any") and label in ("", order.label))


def _open_where(call: Call, chosen: Callable[[Order], bool]) -> list[dict[str, Any]]:
    call.require("trade", write=False)
    return rendered([order for order in call.account.open_orders.values() if chosen(order)])


def get_order_state(call: Call) -> dict[str, Any]:
    call.require("trade", write=False)
    return own_order(call.account, call.params.text("order_id")).render()


def get_order_state_by_label(call: Call) -> list[dict[str, Any]]:
    call.require("trade", write=False)
    currency, label = read_currency(call, None), call.params.text("label")
    return rendered(_history(call.account, lambda o: o.label == label and _matches(o, currency, "any")))


def get_order_history_by_currency(call: Call) -> list[dict[str, Any]]:
    currency, kind = read_currency(call, None), call.params.choice("kind", KINDS, "any")
    return _past(call, lambda order: _matches(order, currency, kind))


def get_order_history_by_instrument(call: Call) -> list[dict[str, Any]]:
    listing = listing_of(call)
    return _past(call, lambda order: order.listing is listing)


def _history(account: Account, chosen: Callable[[Order], bool]) -> list[Order]:
    return [order for order in account.orders.values() if chosen(order)]


def _past(call: Call, chosen: Callable[[Order], bool]) -> list[dict[str, Any]]:
    """Ended orders, newest first."""
    call.require("trade", write=False)
    count, offset = call.params.integer("count", 20), call.params.integer("offset", 0)
    ended = [order for order in _history(call.account, chosen) if not order.is_open]
    unfilled = call.params.flag("include_unfilled")
    ended = [order for order in ended if order.filled_lots or unfilled]
    return rendered(ended[::-1][offset : offset + count])


METHODS: dict[str, Method] = {
    "private/buy": buy,
    "private/sell": sell,
    "private/close_position": close_position,
    "private/edit": edit,
    "private/edit_by_label": edit_by_label,
    "private/cancel": cancel,
    "private/cancel_all": cancel_all,
    "private/cancel_all_by_currency": cancel_all_by_currency,
    "private/cancel_all_by_currency_pair": cancel_all_by_currency_pair,
    "private/cancel_all_by_kind_or_type": cancel_all_by_currency,
    "private/cancel_all_by_instrument": cancel_all_by_instrument,
    "private/cancel_by_label": cancel_by_label,
    "private/get_open_orders": get_open_orders,
    "private/get_open_orders_by_currency": get_open_orders_by_currency,
    "private/get_open_orders_by_instrument": get_open_orders_by_instrument,
    "private/get_open_orders_by_label": get_open_orders_by_label,
    "private/get_order_state": get_order_state,
    "private/get_order_state_by_label": get_order_state_by_label,
    "private/get_order_history_by_currency": get_order_history_by_currency,
    "private/get_order_history_by_instrument": get_order_history_by_instrument,
}
