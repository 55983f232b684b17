"""Orders: placing, editing, cancelling, asking about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atomizer.sim.deribit.calls import Call, Held, Method
from atomizer.sim.deribit.channels import KINDS
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.history import matches, of_type
from atomizer.sim.deribit.orders import Order, changed_wish, own_order, read_lots, read_wish
from atomizer.sim.deribit.public_methods import listing_of, read_currency
from atomizer.sim.deribit.reports import cancelled

USER_REQUEST = "user_request"


def buy(call: Call) -> Held:
    return _place(call, 1)


def sell(call: Call) -> Held:
    return _place(call, -1)


def _place(call: Call, side: int) -> Held:
    call.require("trade", write=True)
    wish = read_wish(call.params, listing_of(call), side)
    call.twin.count_placement(wish.label)
    via = call.session.number if call.session else 0
    return _answer(*call.twin.exchange.place(call.account, wish, _deadline(call), via))


def _answer(order: Order, trades: list[dict[str, Any]]) -> Held:
    """Order and trades, once the order is past the speed bump."""

    def build() -> dict[str, Any]:
        if order.refusal is not None:
            raise order.refusal
        return {"order": order.render(), "trades": trades}

    return Held([order], build)


def close_position(call: Call) -> Held:
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
    return _answer(*call.twin.exchange.place(account, wish, None, via))


def edit(call: Call) -> Held:
    call.require("trade", write=True)
    return _edit(call, own_order(call.account, call.params.text("order_id")))


def edit_by_label(call: Call) -> Held:
    call.require("trade", write=True)
    label, listing = call.params.text("label"), listing_of(call)
    found = [o for o in call.account.open_orders.values() if o.label == label and o.listing is listing]
    if not found:
        raise DeribitError("order_not_found", "no open order with this label", "label")
    if len(found) > 1:
        raise DeribitError("non_unique_order_label", f"{len(found)} open orders share it", "label")
    return _edit(call, found[0])


def _edit(call: Call, order: Order) -> Held:
    if order.quote is not None:
        raise DeribitError("order_not_found", "a quote is changed by mass_quote", "order_id")
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
    return _answer(*call.twin.exchange.edit(call.account, order, wish, _deadline(call)))


def _deadline(call: Call) -> int | None:
    return call.params.integer("valid_until") if call.params.has("valid_until") else None


def cancel(call: Call) -> dict[str, Any]:
    call.require("trade", write=True)
    order = own_order(call.account, call.params.text("order_id"))
    if not order.is_open:
        raise DeribitError("not_open_order", f"order is {order.state}", "order_id")
    call.twin.exchange.states.require_cancellable(order.listing)
    call.twin.exchange.cancel(order, USER_REQUEST)
    if order.is_bumped:
        raise DeribitError("not_open_order", "in the speed bump: it will not rest, but may trade", "order_id")
    return order.render()


def cancel_all(call: Call) -> Any:
    return _cancel_where(call, lambda order: True)  # noqa: ARG005 - every order


def cancel_all_by_currency(call: Call) -> Any:
    currency = read_currency(call, None)
    kind = call.params.choice("kind", KINDS, "any")
    return _cancel_where(call, lambda order: matches(order, currency, kind))


def cancel_all_by_currency_pair(call: Call) -> Any:
    pair = call.params.text("currency_pair")
    return _cancel_where(call, lambda order: order.listing.index == pair)


def cancel_all_by_instrument(call: Call) -> Any:
    listing = listing_of(call)
    return _cancel_where(call, lambda order: order.listing is listing)


def cancel_by_label(call: Call) -> Any:
    label, currency = call.params.text("label"), read_currency(call, "any")
    return _cancel_where(call, lambda order: order.label == label and matches(order, currency, "any"))


def _cancel_where(call: Call, chosen: Callable[[Order], bool]) -> Any:
    """Cancel what its instrument's state lets go; the count, or with `detailed` the orders of each book."""
    call.require("trade", write=True)
    states = call.twin.exchange.states
    found = [
        order
        for order in call.account.open_orders.values()
        if chosen(order) and of_type(call) and states.cancellable(order.listing)
    ]
    for order in found:
        call.twin.exchange.cancel(order, USER_REQUEST)
    if call.params.flag("freeze_quotes"):
        call.twin.exchange.guards.freeze_quotes(call.account)
    return cancelled(found) if call.params.flag("detailed") else len(found)


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
}
