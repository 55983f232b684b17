"""What has happened to money: transaction log, settlements and deliveries, funding."""

from __future__ import annotations

from typing import Any

from atomizer.sim.calendar import DAY_NS
from atomizer.sim.deribit.account_methods import account_asked
from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.errors import DeribitError, invalid_params
from atomizer.sim.deribit.funding import PERIOD_NS, Funding, rate_of
from atomizer.sim.deribit.listings import NS_PER_MS
from atomizer.sim.deribit.public_methods import MAX_COUNT, listing_of, read_currency

MAX_LOG = 250
HOUR_MS = 3_600_000
CHARTS = {"8h": PERIOD_NS, "24h": DAY_NS, "1m": 30 * DAY_NS}


def get_transaction_log(call: Call) -> dict[str, Any]:
    """Every movement of cash, newest first."""
    call.require("account", write=False)
    params = call.params
    count = _count(call, 100, MAX_LOG)
    logs, continuation = account_asked(call).log.page(
        read_currency(call, None),
        params.integer("start_timestamp"),
        params.integer("end_timestamp"),
        params.text("query", ""),
        count,
        params.integer("continuation") if params.has("continuation") else None,
    )
    return {"logs": logs, "continuation": continuation}


def get_settlement_history_by_instrument(call: Call) -> dict[str, Any]:
    name = listing_of(call).name
    return _settlements(call, lambda entry: entry["instrument_name"] == name)


def get_settlement_history_by_currency(call: Call) -> dict[str, Any]:
    currency, listings = read_currency(call, None), call.twin.exchange.listings
    return _settlements(call, lambda entry: currency in listings[entry["instrument_name"]].currencies)


def _settlements(call: Call, chosen: Any) -> dict[str, Any]:
    """Newest first; the continuation counts what has been shown."""
    call.require("trade", write=False)
    params, count = call.params, _count(call, 20, MAX_COUNT)
    kind = params.choice("type", ("settlement", "delivery", "bankruptcy", "any"), "any")
    before = params.integer("search_start_timestamp", 2**62)
    skip = params.integer("continuation", 0)
    found = [
        entry
        for entry in reversed(call.account.settlements)
        if chosen(entry) and kind in (entry["type"], "any") and entry["timestamp"] <= before
    ]
    more = skip + count
    return {
        "settlements": found[skip:more],
        "continuation": str(more) if more < len(found) else "none",
    }


def get_delivery_prices(call: Call) -> dict[str, Any]:
    """By index, newest first."""
    underlying = call.twin.exchange.by_index(call.params.text("index_name"))
    if underlying is None:
        raise DeribitError("not_found", "unknown index", "index_name")
    offset, count = call.params.integer("offset", 0), _count(call, 10, MAX_COUNT)
    prices = call.twin.exchange.settlement.delivery_prices.get(underlying.index_name, [])
    data = [{"date": day, "delivery_price": float(price)} for day, price in reversed(prices)]
    return {"data": data[offset : offset + count], "records_total": len(data)}


def get_funding_rate_value(call: Call) -> float:
    """Interest of a perpetual over a period."""
    funding, (start, end) = _funding(call), _period(call)
    return funding.value(start, end)


def get_funding_rate_history(call: Call) -> list[dict[str, Any]]:
    """Hour by hour."""
    funding, (start, end) = _funding(call), _period(call)
    end = min(end, call.twin.exchange.now_ms)
    hours = range(-(-max(start, funding.samples[0].at_ms) // HOUR_MS) * HOUR_MS, end + 1, HOUR_MS)
    return [
        {
            "timestamp": at,
            "index_price": funding.paid_at(at).index_price,
            "prev_index_price": funding.paid_at(at - HOUR_MS).index_price,
            "interest_1h": funding.value(at - HOUR_MS, at),
            "interest_8h": funding.value(at - 8 * HOUR_MS, at),
        }
        for at in hours
    ]


def get_funding_chart_data(call: Call) -> dict[str, Any]:
    funding, exchange = _funding(call), call.twin.exchange
    length = CHARTS[call.params.choice("length", tuple(CHARTS), "8h")]
    first = exchange.now_ms - length // NS_PER_MS
    shown = [sample for sample in funding.samples if sample.at_ms >= first]
    data = [
        {
            "timestamp": sample.at_ms,
            "index_price": sample.index_price,
            "interest_8h": funding.value(sample.at_ms - 8 * HOUR_MS, sample.at_ms),
        }
        for sample in shown[:: max(len(shown) // MAX_COUNT, 1)]
    ]
    state = exchange.underlying(listing_of(call)).state()
    return {
        "current_interest": rate_of(state),
        "interest_8h": funding.last_8h(exchange.now_ms),
        "data": data,
    }


def _funding(call: Call) -> Funding:
    listing = listing_of(call)
    if not listing.is_perpetual:
        raise invalid_params("instrument_name", "expected a perpetual")
    return call.twin.exchange.underlying(listing).funding


def _period(call: Call) -> tuple[int, int]:
    return call.params.integer("start_timestamp"), call.params.integer("end_timestamp")


def _count(call: Call, default: int, most: int) -> int:
    count = call.params.integer("count", default)
    if not 1 <= count <= most:
        raise invalid_params("count", f"must be from 1 to {most}")
    return count


METHODS: dict[str, Method] = {
    "private/get_transaction_log": get_transaction_log,
    "private/get_settlement_history_by_instrument": get_settlement_history_by_instrument,
    "private/get_settlement_history_by_currency": get_settlement_history_by_currency,
    "public/get_delivery_prices": get_delivery_prices,
    "public/get_funding_rate_value": get_funding_rate_value,
    "public/get_funding_rate_history": get_funding_rate_history,
    "public/get_funding_chart_data": get_funding_chart_data,
}
