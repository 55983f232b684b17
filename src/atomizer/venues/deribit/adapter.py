"""Deribit as one port: a market-data socket and a trading socket behind `send`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import (
    AmendOrder,
    CancelOrder,
    Command,
    PlaceOrder,
    QueryOrder,
    ReadAccount,
    Resubscribe,
)
from atomizer.domain.instruments import Instrument, instrument_key
from atomizer.domain.ports import Sink
from atomizer.net.transport import Clock, Transport
from atomizer.venues.deribit.capabilities import capabilities
from atomizer.venues.deribit.listing import Listing
from atomizer.venues.deribit.market import MarketSocket
from atomizer.venues.deribit.settings import DeribitSettings
from atomizer.venues.deribit.trading import TradingSocket, unlisted

AMENDS_ONLY = frozenset((AmendOrder,))


class DeribitPort:
    """A `Port`. Feeds: `VENUE/market`, and `VENUE/trading`, the socket that tells of fills, with the name
    of its settings for VENUE.

    Without a key in its settings it listens to public data and refuses every order.
    """

    def __init__(
        self, settings: DeribitSettings, transport: Transport, clock: Clock, rng: random.Random
    ) -> None:
        self.venue = settings.venue
        self.capabilities: Capabilities = capabilities(settings)
        self._prefix = instrument_key(settings.venue, "")
        self._can_trade = settings.key is not None
        self._listing = Listing(settings, clock)
        self._market = MarketSocket(settings, transport, clock, rng, self._listing)
        self._trading = TradingSocket(settings, transport, clock, rng, self._listing, self._market.rpc)
        trading = self._trading
        self._takers: dict[type, Callable[[Any, Instrument], None]] = {
            PlaceOrder: trading.place,
            AmendOrder: lambda command, _: trading.amend((command,)),
            CancelOrder: trading.cancel,
            QueryOrder: trading.query,
        }
        self._quotes = trading.quotes if settings.mmp_groups else None

    async def run(self, sink: Sink) -> None:
        """Serve until cancelled; without a key the market-data socket only."""
        self._listing.sink = self._market.sink = self._trading.sink = sink
        async with asyncio.TaskGroup() as group:
            group.create_task(self._market.run())
            if self._can_trade:
                group.create_task(self._trading.run())

    def send(self, commands: Sequence[Any]) -> None:
        quotes = self._quotes
        if quotes is None and AMENDS_ONLY.issuperset(map(type, commands)):
            self._trading.amend(commands)
            return
        takers, by_key = self._takers, self._listing.by_key
        for command in commands:
            take = takers.get(type(command))
            if take is not None:
                listed = by_key.get(command.instrument)
                if listed is None:
                    self._trading.later(unlisted(command))
                elif quotes is not None and quotes.takes(command, listed):
                    quotes.add(command, listed)
                else:
                    take(command, listed)
            elif isinstance(command, ReadAccount):
                self._trading.read(command)
            elif isinstance(command, Resubscribe):
                self._market.resubscribe(command.instrument.removeprefix(self._prefix))
        if quotes is not None:
            quotes.flush()

    def instrument(self, name: str) -> Instrument | None:
        """What the venue lists under this name, once read."""
        return self._listing.by_name.get(name)


class DeribitMarketPort:
    """The market-data half alone: no key, no trading socket, nothing to send an order through."""

    def __init__(
        self, settings: DeribitSettings, transport: Transport, clock: Clock, rng: random.Random
    ) -> None:
        self.venue = settings.venue
        self.capabilities: Capabilities = capabilities(settings)
        self._prefix = instrument_key(settings.venue, "")
        self._listing = Listing(settings, clock)
        self._market = MarketSocket(settings, transport, clock, rng, self._listing)

    async def run(self, sink: Sink) -> None:
        """Serve until cancelled."""
        self._listing.sink = self._market.sink = sink
        await self._market.run()

    def send(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, Resubscribe):
                self._market.resubscribe(command.instrument.removeprefix(self._prefix))
