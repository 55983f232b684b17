"""Both venues as a script behind the transport seam: they answer what a node asks and count what it sends.

No matching, no market: a bench feeds the frames it wants to time into the very sessions a node runs.
Everything the adapters ask for at start-up is answered in the venues' own shapes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from atomizer.models.black import black76_greeks
from atomizer.net.transport import Clock, Connection, Handler

DERIBIT_URL, RYSK_URL = "ws://deribit.bench/ws/api/v2", "ws://rysk.bench"
NS_PER_S = 10**9
YEAR_NS = 365 * 86_400 * NS_PER_S
SCOPE = "account:read_write trade:read_write"
FUNDS = {"balance": 1000, "equity": 1000, "initial_margin": 0}
encode = msgspec.json.encode


# What a bench times or answers itself: kept for it instead of being answered.
HELD = (b'"private/edit"', b'"quote"', b'"private/buy"', b'"private/sell"', b'"private/cancel"')


class Wire:
    """One connection. The script replies to everything but orders and quotes, which are kept in `last`; while
    a bench times (`keeping`) all that is sent is, so that no sorting of ours is in what it reads."""

    peer = "bench"

    def __init__(self, venue: ScriptedVenues, url: str, handler: Handler) -> None:
        self.url = url
        self.handler = handler
        self.keeping = False
        self.last: list[bytes] = []
        self._venue = venue

    def send(self, data: bytes) -> None:
        if self.keeping or any(mark in data for mark in HELD):
            self.last.append(data)
            return
        reply = self._venue.reply(self.url, msgspec.json.decode(data))
        asyncio.get_running_loop().call_soon(self.handler.message, encode(reply), True)

    def hear(self, data: bytes, last: bool = True) -> None:
        """A frame from the venue, as the transport would deliver it."""
        self.handler.message(data, last)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """The script lives as long as its bench."""

    def abort(self) -> None:
        self.handler.closed("aborted")


class ScriptedVenues:
    """A `Transport` of sockets only: it connects to both scripts, and nothing here asks by HTTP."""

    def __init__(self, clock: Clock, listing: list[dict[str, Any]], balances: dict[str, Any]) -> None:
        self.wires: list[Wire] = []
        self._clock = clock
        self._listing = listing
        self._balances = balances
        self.positions: list[dict[str, Any]] = []

    def connect(
        self,
        url: str,
        handler: Handler,
        headers: Mapping[str, str] | None = None,
    ) -> Awaitable[Connection]:
        return self._connect(url, handler)

    async def _connect(self, url: str, handler: Handler) -> Connection:
        wire = Wire(self, url, handler)
        self.wires.append(wire)
        handler.opened(wire)
        return wire

    def wire(self, part: str, number: int = 0) -> Wire:
        """The connection whose address holds `part`."""
        return [wire for wire in self.wires if part in wire.url][number]

    def reply(self, url: str, asked: dict[str, Any]) -> dict[str, Any]:
        method, params = asked["method"], asked.get("params") or {}
        result = self._rysk(method) if url.startswith(RYSK_URL) else self._deribit(method, params)
        now_us = self._clock.now_ns() // 1000
        return {"jsonrpc": "2.0", "id": asked["id"], "result": result, "usIn": now_us, "usOut": now_us}

    def _rysk(self, method: str) -> Any:
        return self._balances if method == "balances" else self.positions if method == "positions" else "OK"

    def _deribit(self, method: str, params: dict[str, Any]) -> Any:
        plain: dict[str, Callable[[], Any]] = {
            "public/get_instruments": lambda: self._listing,
            "public/get_time": lambda: self._clock.now_ns() // 1_000_000,
            "public/auth": lambda: {"access_token": "t", "expires_in": 900, "scope": SCOPE},
            "public/subscribe": lambda: params["channels"],
            "private/subscribe": lambda: params["channels"],
            "private/get_open_orders": list,
            "private/get_positions": list,
            "private/get_user_trades_by_currency_and_time": lambda: {"trades": [], "has_more": False},
            "private/get_transaction_log": lambda: {"logs": [], "continuation": None},
            "private/get_account_summary": lambda: {"currency": params["currency"], **FUNDS},
            "private/get_account_summaries": lambda: {"summaries": [{"currency": "ETH", **FUNDS}]},
        }
        return plain[method]() if method in plain else "ok"


def option_listing(
    now_ns: int, index: float, *, expiries: int = 4, strikes: int = 12
) -> list[dict[str, Any]]:
    """An inverse perpetual and calls and puts around the index on `expiries` Fridays."""
    listing = [_perpetual()]
    first_s = (now_ns // NS_PER_S // 86_400 + 4) * 86_400 + 8 * 3600
    for week in range(expiries):
        expiry_s = first_s + week * 7 * 86_400
        for step in range(strikes):
            strike = round(index * (0.8 + 0.4 * step / (strikes - 1)) / 50) * 50
            listing += [_option(expiry_s, strike, right) for right in ("call", "put")]
    return listing


def _perpetual() -> dict[str, Any]:
    return {
        "instrument_name": "ETH-PERPETUAL",
        "kind": "future",
        "base_currency": "ETH",
        "quote_currency": "USD",
        "settlement_currency": "ETH",
        "settlement_period": "perpetual",
        "instrument_type": "reversed",
        "contract_size": 1,
        "min_trade_amount": 1,
        "tick_size": 0.05,
        "price_index": "eth_usd",
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
    }


def _option(expiry_s: int, strike: int, right: str) -> dict[str, Any]:
    return {
        "instrument_name": f"ETH-{expiry_s}-{strike}-{right[0].upper()}",
        "kind": "option",
        "base_currency": "ETH",
        "quote_currency": "ETH",
        "settlement_currency": "ETH",
        "instrument_type": "reversed",
        "contract_size": 1,
        "min_trade_amount": 1,
        "tick_size": 0.0001,
        "strike": strike,
        "option_type": right,
        "expiration_timestamp": expiry_s * 1000,
        "price_index": "eth_usd",
        "maker_commission": 0.0003,
        "taker_commission": 0.0003,
    }


def push(channel: str, data: Any) -> bytes:
    """A Deribit notification."""
    return encode({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}})


def ticker_frame(listed: dict[str, Any], now_ns: int, index: float) -> bytes:
    """A ticker of a live book: one vol point either side of a smile, at the prices these vols make."""
    name = listed["instrument_name"]
    data = {
        "instrument_name": name,
        "timestamp": now_ns // 1_000_000,
        "state": "open",
        "index_price": index,
        "underlying_price": index,
    }
    if listed["kind"] == "future":
        data |= {"mark_price": index, "best_bid_price": index - 0.05, "best_ask_price": index + 0.05}
    else:
        data |= _option_prices(listed, now_ns, index)
    return push(f"ticker.{name}.100ms", data)


def _option_prices(listed: dict[str, Any], now_ns: int, forward: float) -> dict[str, float]:
    strike, is_call = float(listed["strike"]), listed["option_type"] == "call"
    years = (listed["expiration_timestamp"] * 1_000_000 - now_ns) / YEAR_NS
    k = math.log(strike / forward)
    mark_vol = 0.6 - 0.1 * k + 0.5 * k * k

    def price(vol: float) -> float:
        return black76_greeks(forward, strike, years, vol, 0.0, is_call)[0] / forward

    return {
        "mark_price": price(mark_vol),
        "best_bid_price": price(mark_vol - 0.01),
        "best_ask_price": price(mark_vol + 0.01),
        "bid_iv": 100 * (mark_vol - 0.01),
        "ask_iv": 100 * (mark_vol + 0.01),
        "mark_iv": 100 * mark_vol,
    }


def index_frame(now_ns: int, index: float) -> bytes:
    data = {"index_name": "eth_usd", "price": index, "timestamp": now_ns // 1_000_000}
    return push("deribit_price_index.eth_usd", data)
