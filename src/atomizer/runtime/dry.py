"""Dry run: a port that listens and cannot send.

It holds an adapter without a key, lets its market data through, and answers account reads with an empty
account of its own. There is no path from here to a venue's order entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from atomizer.domain.commands import Command, PlaceOrder, ReadAccount, Resubscribe
from atomizer.domain.events import (
    BalanceReport,
    Event,
    FeedAlive,
    FeedUp,
    PlaceRefused,
    ReadBegun,
    ReadEnded,
)
from atomizer.domain.ports import Port, Sink
from atomizer.net.transport import Clock

PAPER_CASH = Decimal(1_000_000)
ALIVE_EVERY_S = 1.0


class DryPort:
    """Wraps a listening port. `PAPER_CASH` stands in for balances, in whatever the venue counts."""

    def __init__(self, inner: Port, clock: Clock) -> None:
        self.venue = inner.venue
        self.capabilities = inner.capabilities
        self._inner = inner
        self._clock = clock
        self._sink: Sink | None = None
        self._feed = f"{self.venue}/trading" if self.capabilities.orders else f"{self.venue}/maker"

    async def run(self, sink: Sink) -> None:
        """Serve the inner port's market data until cancelled."""
        self._sink = sink
        async with asyncio.TaskGroup() as group:
            group.create_task(self._inner.run(sink))
            group.create_task(self._alive())

    async def _alive(self) -> None:
        self._tell(FeedUp(self._feed))
        while True:
            await asyncio.sleep(ALIVE_EVERY_S)
            self._tell(FeedAlive(self._feed))

    def _tell(self, *events: Event) -> None:
        if self._sink is not None:
            for event in events:
                self._sink.put(event)
            self._sink.flush()

    def send(self, commands: Sequence[Command]) -> None:
        """Nothing leaves: reads are answered here, orders are refused, quotes are only in the journal."""
        loop = asyncio.get_running_loop()
        for command in commands:
            if isinstance(command, ReadAccount):
                loop.call_soon(self._tell, *self._account_events(command))
            elif isinstance(command, PlaceOrder):
                refused = PlaceRefused(command.order_id, "dry_run", "a dry run sends nothing")
                loop.call_soon(self._tell, refused)
            elif isinstance(command, Resubscribe):
                self._inner.send([command])

    def _account_events(self, command: ReadAccount) -> list[Event]:
        now_ns = self._clock.now_ns()
        currency = "USD" if self.capabilities.rfq else "coin"
        return [
            ReadBegun(self.venue, command.account, command.asked_ns),
            BalanceReport(
                venue=self.venue,
                account=command.account,
                currency=currency,
                cash=PAPER_CASH,
                equity=PAPER_CASH,
                excess=PAPER_CASH,
                ts_ns=now_ns,
            ),
            ReadEnded(self.venue, command.account, command.asked_ns),
        ]
