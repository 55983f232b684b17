"""Listening to a venue for a moment, without a node: is it there, does it know us, what does it show.

A probe places no order and signs no quote. With keys it logs in as the node would.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from atomizer.domain.events import (
    BookChange,
    BookSnapshot,
    ClockOffset,
    Event,
    FeedDown,
    FeedUp,
    IndexPrice,
    InstrumentListed,
    Ticker,
)
from atomizer.domain.ports import Port
from atomizer.engine.market import Market
from atomizer.net.sockets import SocketTransport
from atomizer.net.transport import Clock, Transport
from atomizer.net.virtual import WallClock
from atomizer.runtime.compose import deribit_settings, rysk_port
from atomizer.runtime.hedging import HEDGE_VENUES
from atomizer.runtime.settings import Settings
from atomizer.runtime.views import market_row
from atomizer.venues.deribit.adapter import DeribitMarketPort, DeribitPort

CONNECTIONS = (*HEDGE_VENUES, "rysk")


@dataclass
class Heard:
    """A `Sink` that keeps what a port told; `heard_enough` is set once `done` says so."""

    clock: Clock
    done: Callable[[Heard], bool]
    heard_enough: asyncio.Event = field(default_factory=asyncio.Event)
    market: Market = field(default_factory=lambda: Market({}))
    up: dict[str, bool] = field(default_factory=dict)
    down: dict[str, str] = field(default_factory=dict)
    tickers: int = 0
    ended: bool = False  # from here on the sockets say goodbye, which is no finding

    def put(self, event: Event) -> None:
        if self.ended:
            return
        now_ns, market = self.clock.now_ns(), self.market
        if isinstance(event, FeedUp):
            self.up[event.feed] = True
            market.feed_up(event, now_ns)
        elif isinstance(event, FeedDown):
            self.up.pop(event.feed, None)
            self.down[event.feed] = event.why
        elif isinstance(event, InstrumentListed):
            market.listed(event.instrument)
        elif isinstance(event, Ticker):
            self.tickers += 1
            market.ticker(event, now_ns)
        elif isinstance(event, BookSnapshot):
            market.book_snapshot(event, now_ns)
        elif isinstance(event, BookChange):
            market.book_change(event, now_ns)
        elif isinstance(event, IndexPrice):
            market.index_price(event, now_ns)
        elif isinstance(event, ClockOffset):
            market.clock_offset_ns[event.venue] = event.offset_ns

    def flush(self) -> None:
        """The read is closed: look whether it was enough."""
        if self.done(self):
            self.heard_enough.set()


async def _listen(port: Port, heard: Heard, timeout_s: float) -> None:
    """Run a port until enough was heard, it gave up, or time is over."""
    running = asyncio.ensure_future(port.run(heard))
    enough = asyncio.ensure_future(heard.heard_enough.wait())
    try:
        await asyncio.wait({running, enough}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        heard.ended = True
        enough.cancel()
        running.cancel()
        await asyncio.gather(running, enough, return_exceptions=True)


def connected(settings: Settings, venue: str, timeout_s: float) -> dict[str, Any]:
    """Connect to a venue; what worked, what did not: `ok` when everything did that could be tried."""

    async def main() -> Heard:
        transport, clock = SocketTransport(), WallClock()
        heard = Heard(clock, lambda item: _complete(item, wanted))
        try:
            await _listen(_port(settings, venue, transport, clock), heard, timeout_s)
        finally:
            await transport.aclose()
        return heard

    if venue not in CONNECTIONS:
        raise ValueError(f"expected one of {', '.join(CONNECTIONS)}, found {venue!r}")
    wanted = _feeds(settings, venue)
    heard = asyncio.run(main())
    offset = heard.market.clock_offset_ns.get(venue)
    feeds = {feed: heard.up.get(feed, False) for feed in wanted}
    return {
        "venue": venue,
        "ok": all(feeds.values()),
        "feeds": feeds,
        "failures": {feed: why for feed, why in sorted(heard.down.items()) if not heard.up.get(feed)},
        "authenticated": feeds.get(f"{venue}/trading") if f"{venue}/trading" in feeds else None,
        "clock_offset_ms": None if offset is None else offset / 1e6,
        "instruments": len(heard.market.instruments),
        "tickers": heard.tickers,
    }


def _feeds(settings: Settings, venue: str) -> tuple[str, ...]:
    if venue == "rysk":
        return ("rysk/maker",)
    has_key = deribit_settings(settings, venue).key is not None
    return (f"{venue}/market", f"{venue}/trading") if has_key else (f"{venue}/market",)


def _complete(heard: Heard, wanted: Sequence[str]) -> bool:
    return all(heard.up.get(feed) for feed in wanted) and (heard.tickers > 0 or wanted == ("rysk/maker",))


def _port(settings: Settings, venue: str, transport: Transport, clock: Clock) -> Port:
    rng = random.Random()  # noqa: S311  (jitter of reconnects)
    if venue == "rysk":
        return rysk_port(settings, transport, clock, rng)
    made = deribit_settings(settings, venue)
    if made.key is None:
        return DeribitMarketPort(made, transport, clock, rng)
    return DeribitPort(made, transport, clock, rng)


def markets(settings: Settings, timeout_s: float) -> dict[str, Any]:
    """The hedge venue's public market, read for a moment by a port that has no key."""

    async def main() -> Heard:
        transport, clock = SocketTransport(), WallClock()
        heard = Heard(clock, _all_seen)
        rng = random.Random()  # noqa: S311  (jitter of reconnects)
        port = DeribitMarketPort(
            replace(deribit_settings(settings, settings.exchange.name), key=None), transport, clock, rng
        )
        try:
            await _listen(port, heard, timeout_s)
        finally:
            await transport.aclose()
        return heard

    heard = asyncio.run(main())
    market, now_ns = heard.market, WallClock().now_ns()
    return {
        "instruments": [
            market_row(
                instrument,
                market.books.get(key),
                None if key not in market.tickers else market.tickers[key].ticker,
            )
            for key, instrument in sorted(market.instruments.items())
        ],
        "index": {name: price for name, (price, _seen) in sorted(market.indices.items())},
        "feeds": {
            **{feed: {"fresh": True, "age_ms": None, "why": ""} for feed in sorted(heard.up)},
            **{
                feed: {"fresh": False, "age_ms": None, "why": why}
                for feed, why in sorted(heard.down.items())
                if feed not in heard.up
            },
        },
        "clock_offset_ms": {name: ns / 1e6 for name, ns in sorted(market.clock_offset_ns.items())},
        "now_ns": now_ns,
    }


def _all_seen(heard: Heard) -> bool:
    """Every option that is followed has spoken once."""
    market = heard.market
    return bool(market.tickers) and len(market.tickers) >= 0.95 * sum(
        1 for item in market.instruments.values() if item.kind == "option"
    )
