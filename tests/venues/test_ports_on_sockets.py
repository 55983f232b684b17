"""Both ports over real sockets on the loopback, against the scripted venues."""

import asyncio
import random
from typing import Any

import pytest
import uvloop

from atomizer.domain.events import (
    BookSnapshot,
    FeedUp,
    InstrumentListed,
    OrderOpen,
    QuoteBest,
    ReadEnded,
)
from atomizer.domain.rfq import Rfq
from atomizer.net.sockets import SocketTransport
from atomizer.net.virtual import WallClock
from atomizer.venues.deribit.adapter import DeribitPort
from atomizer.venues.deribit.settings import DeribitSettings
from atomizer.venues.rysk.adapter import RyskPort, RyskSettings

from .deribit.scripted import SETTINGS, Sink
from .deribit.scripted import Venue as Deribit
from .deribit.test_adapter import order, place
from .rysk.samples import ASSET, DOMAINS, KEY, MAKER, STABLE, rfq, send_quote
from .rysk.test_adapter import READ
from .rysk.test_adapter import Venue as Rysk

pytestmark = pytest.mark.system

LOOPS: list[Any] = [asyncio.new_event_loop, uvloop.new_event_loop]


async def until(sink: Sink, kind: type, count: int = 1) -> None:
    while len(sink.of(kind)) < count:  # noqa: ASYNC110  (the loopback answers within a turn or two)
        await asyncio.sleep(0.002)


def drive(main: Any, loop_factory: Any) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(bounded())


async def stop(running: "asyncio.Task[None]", server: Any, transport: SocketTransport) -> None:
    running.cancel()
    await asyncio.wait({running})
    await server.stop()
    await transport.aclose()


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_deribit_lists_follows_and_trades(loop_factory: Any):
    async def main() -> None:
        transport, clock, sink = SocketTransport(), WallClock(), Sink()
        venue = Deribit(clock)
        venue.answers["private/buy"] = {"order": order(), "trades": []}
        server = await transport.serve("127.0.0.1", 0, venue)
        settings = SETTINGS | {"ws_url": f"ws://127.0.0.1:{server.port}/ws/api/v2"}
        port = DeribitPort(DeribitSettings(**settings), transport, clock, random.Random(1))
        running = asyncio.create_task(port.run(sink))
        await until(sink, FeedUp, 2)
        book = {
            "type": "snapshot",
            "instrument_name": "ETH-PERPETUAL",
            "change_id": 5,
            "bids": [],
            "asks": [],
        }
        venue.market.push("book.ETH-PERPETUAL.100ms", book)
        await until(sink, BookSnapshot)

        class Now:
            """What `place` needs of a scene."""

            clock = WallClock()

        port.send([place(Now())])  # type: ignore[arg-type]
        await until(sink, OrderOpen)
        assert sink.of(OrderOpen)[0].order_id == 77 and sink.of(InstrumentListed)
        await stop(running, server, transport)
        assert running.cancelled()

    drive(main, loop_factory)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_rysk_hears_quotes_and_reads(loop_factory: Any):
    async def main() -> None:
        transport, sink, venue = SocketTransport(), Sink(), Rysk()
        server = await transport.serve("127.0.0.1", 0, venue)
        settings = RyskSettings(
            ws_url=f"ws://127.0.0.1:{server.port}/",
            account="maker",
            maker=MAKER.wire,
            assets={ASSET: "ETH"},
            stables={STABLE: 6},
        )
        port = RyskPort(settings, DOMAINS, KEY, transport, WallClock(), random.Random(1))
        running = asyncio.create_task(port.run(sink))
        await until(sink, FeedUp, 2)
        venue.socket(ASSET).send(rfq())
        await until(sink, Rfq)
        port.send([send_quote(), READ])
        await until(sink, QuoteBest)
        await until(sink, ReadEnded)
        assert sink.of(ReadEnded)[0].error == ""
        await stop(running, server, transport)

    drive(main, loop_factory)
