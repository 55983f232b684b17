"""Mass quotes, their cancels, and market maker protection by request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atomizer.sim.deribit.books import BUY, SELL
from atomizer.sim.deribit.calls import Call, Held, Method
from atomizer.sim.deribit.channels import CURRENCIES, KINDS
from atomizer.sim.deribit.errors import DeribitError, invalid_params
from atomizer.sim.deribit.history import matches
from atomizer.sim.deribit.orders import Order
from atomizer.sim.deribit.params import Params
from atomizer.sim.deribit.protection import MmpConfig
from atomizer.sim.deribit.public_methods import listing_of
from atomizer.sim.deribit.quoting import SIDES, Outcome, QuoteWish, SideWish
from atomizer.sim.deribit.reports import cancelled
from atomizer.sim.deribit.settings import STANDARD_MARGIN

MAX_QUOTES = 100
USER_REQUEST = "user_request"
CANCEL_TYPES = ("delta", "quote_set_id", "instrument", "instrument_kind", "currency", "currency_pair", "all")


def mass_quote(call: Call) -> Any:
    """Refused as a whole, or answered side by side."""
    call.require("trade", write=True)
    _require_cod(call)
    twin, account, params = call.twin, call.account, call.params
    group, quote_id = params.text("mmp_group"), params.text("quote_id", "")
    wishes = [_wish(call, one) for one in params.objects("quotes")]
    _check_together(call, group, wishes)
    if params.has("valid_until"):
        twin.exchange.admission.check_deadline(params.integer("valid_until"))
    twin.exchange.guards.check_quotes_open(account)
    index = wishes[0].listing.index
    twin.exchange.guards.of(account).check_open(index, group, twin.exchange.now_ms)
    via = call.socket.number
    sides = [(one.listing.name, SIDES[side]) for one in wishes for side in one.sides]
    if twin.settings.limits:
        twin.limits.charge_quotes(f"account {account.name}", len(sides), twin.exchange.now_ns)
    detailed = params.flag("detailed")
    if not params.flag("wait_for_response", default=True):
        call.after.append(
            lambda: _discard(twin.exchange.quotes.submit(account, via, group, quote_id, wishes))
        )
        pending = [{"instrument_name": name, "side": side} for name, side in sides]
        return _render(Outcome(), pending, detailed=detailed)
    outcome = twin.exchange.quotes.submit(account, via, group, quote_id, wishes)
    return Held(outcome.orders, lambda: _answer(outcome, detailed=detailed))


def _discard(outcome: Outcome) -> None:
    """Nobody waits for it: orders and trades are told by their channels."""


def _answer(outcome: Outcome, *, detailed: bool) -> dict[str, Any]:
    outcome.finish()
    return _render(outcome, [], detailed=detailed)


def _render(outcome: Outcome, pending: list[dict[str, str]], *, detailed: bool) -> dict[str, Any]:
    if not detailed:
        return {"errors_count": len(outcome.errors), "pending_requests_count": len(pending)}
    return {
        "orders": [order.render() for order in outcome.orders],
        "trades": [trade for trades in outcome.trades for trade in trades],
        "errors": outcome.errors,
        "pending_requests": pending,
    }


def _require_cod(call: Call) -> None:
    """Quoting needs a socket whose loss cancels."""
    if call.session is None or not call.session.cancel_on_disconnect:
        raise DeribitError("cod_not_enabled", "enable cancel-on-disconnect on this connection first")


def _wish(call: Call, entry: Params) -> QuoteWish:
    """One entry; its numbers are judged side by side later."""
    listing = call.twin.exchange.listing(entry.text("instrument_name"))
    sides = {}
    for side, name in SIDES.items():
        if not entry.has(name):
            continue
        given = entry.object(name)
        sides[side] = SideWish(
            price=given.decimal("price"),
            amount=given.decimal("amount"),
            post_only=given.flag("post_only"),
            reject_post_only=given.flag("reject_post_only"),
        )
    if not sides:
        raise invalid_params("quotes", f"{listing.name}: bid or ask required")
    return QuoteWish(listing, entry.text("quote_set_id"), sides)


def _check_together(call: Call, group: str, wishes: list[QuoteWish]) -> None:
    """What refuses a request as a whole."""
    if not wishes or any(sum(side in one.sides for one in wishes) > MAX_QUOTES for side in (BUY, SELL)):
        raise invalid_params("quotes", f"from 1 to {MAX_QUOTES} quotes per side")
    if len({one.listing.index for one in wishes}) > 1:
        raise invalid_params("quotes", "all instruments must share one index")
    if len({one.listing.name for one in wishes}) < len(wishes):
        raise invalid_params("quotes", "one quote per side and instrument")
    if call.twin.exchange.guards.of(call.account).guard(wishes[0].listing.index, group) is None:
        raise DeribitError("mmp_required", f"no group {group!r} on {wishes[0].listing.index}", "mmp_group")
    for one in wishes:
        if one.listing.kind == "spot":
            raise DeribitError("forbidden", "spot cannot be quoted in mass", "quotes")
        if one.listing.kind.startswith("option") and call.account.margin_model in STANDARD_MARGIN:
            raise DeribitError("forbidden", "options cannot be quoted under the standard margin", "quotes")


def cancel_quotes(call: Call) -> Any:
    """Cancel quotes of one kind; their count, or with `detailed` what they became."""
    call.require("trade", write=True)
    _require_cod(call)
    chosen = _chooser(call)
    states = call.twin.exchange.states
    found = [
        order
        for order in call.account.open_orders.values()
        if order.quote and chosen(order) and states.cancellable(order.listing)
    ]
    for order in found:
        call.twin.exchange.cancel(order, USER_REQUEST)
    if call.params.flag("freeze_quotes"):
        call.twin.exchange.guards.freeze_quotes(call.account)
    return cancelled(found) if call.params.flag("detailed") else len(found)


def _chooser(call: Call) -> Callable[[Order], bool]:
    """Which quotes a request means."""
    params = call.params
    sort = params.choice("cancel_type", CANCEL_TYPES, "")
    currency = params.choice("currency", (*CURRENCIES, *call.twin.exchange.underlyings), "any")
    if sort == "instrument":
        listing = listing_of(call)
        return lambda order: order.listing is listing
    if sort == "quote_set_id":
        wanted = params.text("quote_set_id")
        return lambda order: order.quote is not None and order.quote.quote_set_id == wanted
    if sort == "delta":
        low, high = params.decimal("min_delta"), params.decimal("max_delta")
        if low is None or high is None:
            raise invalid_params("min_delta", "min_delta and max_delta required")
        return lambda order: (
            order.listing.kind.startswith("option")
            and (float(low) <= call.twin.exchange.delta(order.listing) <= float(high))
        )
    if sort == "currency_pair":
        pair = params.text("currency_pair")
        return lambda order: order.listing.index == pair
    kind = params.choice("kind", KINDS, "any") if sort == "instrument_kind" else "any"
    if sort == "currency" and not params.has("currency"):
        raise invalid_params("currency", "value required")
    return lambda order: matches(order, currency, kind)


def set_mmp_config(call: Call) -> list[dict[str, Any]]:
    """Set or (interval 0) remove a configuration; its margin is held from now on."""
    call.require("trade", write=True)
    params, exchange, account = call.params, call.twin.exchange, call.account
    if params.flag("block_rfq"):
        raise invalid_params("block_rfq", "is not simulated")
    index = _index(call, every=False)
    group = params.text("mmp_group", "")
    config = MmpConfig(
        index=index,
        group=group,
        interval_s=params.integer("interval"),
        frozen_s=params.integer("frozen_time"),
        quantity_limit=params.decimal("quantity_limit"),
        delta_limit=params.decimal("delta_limit"),
        vega_limit=params.decimal("vega_limit"),
        max_quote_quantity=params.decimal("max_quote_quantity"),
    )
    before = exchange.guards.of(account).guard(index, group)
    old = before.config if before else None
    exchange.guards.configure(account, config)
    currency = next(one.settlement for one in exchange.listings.values() if one.index == index)
    if config.interval_s and exchange.funds(account, currency).available < 0:
        exchange.guards.configure(account, old or MmpConfig(index, group, 0, 0))
        raise DeribitError("not_enough_funds", "the group's margin cannot be held", "max_quote_quantity")
    return [guard.config.render() for guard in exchange.guards.of(account).selected(index, group)]


def get_mmp_config(call: Call) -> list[dict[str, Any]]:
    call.require("trade", write=False)
    guards = call.twin.exchange.guards.of(call.account).selected(_index(call), _group(call))
    return [guard.config.render() for guard in guards]


def get_mmp_status(call: Call) -> list[dict[str, Any]]:
    """Guards that are frozen now."""
    call.require("trade", write=False)
    now_ms = call.twin.exchange.now_ms
    guards = call.twin.exchange.guards.of(call.account).selected(_index(call), _group(call))
    return [guard.status() for guard in guards if guard.frozen(now_ms)]


def reset_mmp(call: Call) -> str:
    call.require("trade", write=True)
    if not call.twin.exchange.guards.reset(call.account, _index(call, every=False), _group(call)):
        raise DeribitError("not_found", "no such configuration", "index_name")
    return "ok"


def _index(call: Call, *, every: bool = True) -> str:
    indices = {listing.index for listing in call.twin.exchange.listings.values()}
    name = call.params.text("index_name", "all" if every else None)
    if name not in indices and not (every and name == "all"):
        raise invalid_params("index_name", f"must be one of {', '.join(sorted(indices))}")
    return name


def _group(call: Call) -> str | None:
    return call.params.text("mmp_group") if call.params.has("mmp_group") else None


METHODS: dict[str, Method] = {
    "private/mass_quote": mass_quote,
    "private/cancel_quotes": cancel_quotes,
    "private/set_mmp_config": set_mmp_config,
    "private/get_mmp_config": get_mmp_config,
    "private/get_mmp_status": get_mmp_status,
    "private/reset_mmp": reset_mmp,
}
