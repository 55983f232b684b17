"""Market data by request."""

from __future__ import annotations

from typing import Any

import msgspec

from atomizer.sim.deribit.books import BUY, SELL
from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.channels import CURRENCIES, KINDS
from atomizer.sim.deribit.errors import DeribitError, invalid_params
from atomizer.sim.deribit.floor import USDC
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.states import ARCHIVIZED

DEPTHS = (1, 5, 10, 20, 50, 100, 1000, 10000)
MAX_COUNT = 1000
NAMES = {"ETH": ("Ethereum", "ETHER"), "BTC": ("Bitcoin", "BITCOIN"), "USDC": ("USD Coin", "USDC")}


def get_time(call: Call) -> int:
    return call.twin.exchange.now_ms


def status(call: Call) -> dict[str, Any]:
    """Which indices are locked: all, some (`partial`), or none."""
    exchange = call.twin.exchange
    locked = list(exchange.locked)
    everything = len(locked) == len(exchange.underlyings)
    return {"locked": everything or ("partial" if locked else False), "locked_indices": locked}


def get_currencies(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "currency": currency,
            "currency_long": NAMES.get(currency, (currency, currency))[0],
            "coin_type": NAMES.get(currency, (currency, currency))[1],
            "min_confirmations": 1,
            "min_withdrawal_fee": 0.0001,
            "withdrawal_fee": 0.0006,
            "withdrawal_priorities": [],
            "network_fee": 0.0,
            "decimals": 8,
            "fee_precision": 4,
        }
        for currency in (*call.twin.exchange.underlyings, USDC)
    ]


def read_currency(call: Call, default: str | None) -> str:
    """The `currency` asked for.

    Raises:
        DeribitError: no currency of this venue.
    """
    currency = call.params.text("currency", default)
    if currency not in CURRENCIES and currency not in call.twin.exchange.underlyings:
        raise invalid_params("currency", f"must be one of {', '.join(CURRENCIES)}")
    return currency


def _selected(call: Call) -> list[Listing]:
    """Instruments of `currency` and `kind`; either missing means any."""
    currency = read_currency(call, "any")
    kind = call.params.choice("kind", KINDS, "any")
    gone = call.params.flag("expired")
    exchange = call.twin.exchange
    return [
        listing
        for listing in exchange.listings.values()
        if kind in ("any", listing.kind)
        and currency in ("any", *listing.currencies)
        and (exchange.books[listing.name].state == ARCHIVIZED) is gone
    ]


def get_instruments(call: Call) -> list[dict[str, Any]]:
    return [_rendered(call, listing) for listing in _selected(call)]


def _rendered(call: Call, listing: Listing) -> dict[str, Any]:
    return listing.render(call.twin.exchange.books[listing.name].state)


def get_instrument(call: Call) -> dict[str, Any]:
    return _rendered(call, listing_of(call))


def listing_of(call: Call) -> Listing:
    """The instrument that `instrument_name` names."""
    return call.twin.exchange.listing(call.params.text("instrument_name"))


def ticker(call: Call) -> msgspec.Raw:
    return msgspec.Raw(call.twin.hub.tickers.data(listing_of(call)))


def get_order_book(call: Call) -> dict[str, Any]:
    depth = call.params.integer("depth", 5)
    if depth not in DEPTHS:
        raise invalid_params("depth", f"must be one of {', '.join(map(str, DEPTHS))}")
    listing = listing_of(call)
    book = call.twin.exchange.live_book(listing)
    body: dict[str, Any] = msgspec.json.decode(call.twin.hub.tickers.data(listing))
    body["change_id"] = book.change_id
    body["bids"], body["asks"] = book.levels(BUY, depth), book.levels(SELL, depth)
    return body


def get_book_summary(call: Call) -> list[dict[str, Any]]:
    return [_summary(call, listing) for listing in _selected(call)]


def get_book_summary_by_instrument(call: Call) -> list[dict[str, Any]]:
    return [_summary(call, listing_of(call))]


def _summary(call: Call, listing: Listing) -> dict[str, Any]:
    data = msgspec.json.decode(call.twin.hub.tickers.data(listing))
    body = {
        "instrument_name": listing.name,
        "base_currency": listing.currency,
        "quote_currency": listing.quote,
        "bid_price": data["best_bid_price"] or None,
        "ask_price": data["best_ask_price"] or None,
        "mid_price": None,
        "mark_price": data["mark_price"],
        "last": data["last_price"],
        "open_interest": data["open_interest"],
        "volume": data["stats"]["volume"],
        "volume_usd": None,
        "high": None,
        "low": None,
        "price_change": None,
        "creation_timestamp": data["timestamp"],
        "estimated_delivery_price": data["estimated_delivery_price"],
    }
    if body["bid_price"] and body["ask_price"]:
        body["mid_price"] = (body["bid_price"] + body["ask_price"]) / 2
    if listing.option:
        body |= {
            key: data[key] for key in ("mark_iv", "underlying_price", "underlying_index", "interest_rate")
        }
    return body


def get_index_price(call: Call) -> dict[str, float]:
    name = call.params.text("index_name")
    underlying = call.twin.exchange.by_index(name)
    if underlying is None:
        raise DeribitError("not_found", f"unknown index {name}", "index_name")
    estimate = underlying.estimated_delivery(underlying.next_expiry_ns)
    return {"index_price": underlying.index(), "estimated_delivery_price": estimate}


def get_last_trades(call: Call) -> dict[str, Any]:
    """By instrument or by currency; newest first unless sorted otherwise."""
    exchange, params = call.twin.exchange, call.params
    listings = [listing_of(call)] if params.has("instrument_name") else _selected(call)
    trades = [trade for listing in listings for trade in exchange.books[listing.name].trades]
    trades.sort(key=lambda trade: (trade["timestamp"], trade["trade_id"]))
    return page_of(call, trades, default_order="desc")


def _id_number(trade_id: str) -> int:
    """`ETH-210000007` as a number; ids grow over all instruments."""
    return int(trade_id.rpartition("-")[2])


def _id_bound(call: Call, name: str) -> int:
    text = call.params.text(name).rpartition("-")[2]
    if not text.isdigit():
        raise invalid_params(name, "must be a trade id")
    return int(text)


def page_of(call: Call, trades: list[dict[str, Any]], default_order: str) -> dict[str, Any]:
    """One page of trades given oldest first: filtered, sorted, cut to `count`, with `has_more`."""
    params = call.params
    count = params.integer("count", 10)
    if not 1 <= count <= MAX_COUNT:
        raise invalid_params("count", f"must be from 1 to {MAX_COUNT}")
    bounds = (
        ("trade_seq", params.integer("start_seq", 0), params.integer("end_seq", 2**62)),
        ("timestamp", params.integer("start_timestamp", 0), params.integer("end_timestamp", 2**62)),
    )
    found = [trade for trade in trades if all(low <= trade[key] <= high for key, low, high in bounds)]
    if params.has("start_id"):
        found = [trade for trade in found if _id_number(trade["trade_id"]) >= _id_bound(call, "start_id")]
    if params.has("end_id"):
        found = [trade for trade in found if _id_number(trade["trade_id"]) <= _id_bound(call, "end_id")]
    sorting = params.choice("sorting", ("asc", "desc", "default"), "default")
    if (default_order if sorting == "default" else sorting) == "desc":
        found.reverse()
    return {"trades": found[:count], "has_more": len(found) > count}


METHODS: dict[str, Method] = {
    "public/get_time": get_time,
    "public/status": status,
    "public/get_currencies": get_currencies,
    "public/get_instruments": get_instruments,
    "public/get_instrument": get_instrument,
    "public/ticker": ticker,
    "public/get_order_book": get_order_book,
    "public/get_book_summary_by_currency": get_book_summary,
    "public/get_book_summary_by_instrument": get_book_summary_by_instrument,
    "public/get_index_price": get_index_price,
    "public/get_last_trades_by_instrument": get_last_trades,
    "public/get_last_trades_by_instrument_and_time": get_last_trades,
    "public/get_last_trades_by_currency_and_time": get_last_trades,
    "public/get_last_trades_by_currency": get_last_trades,
}
