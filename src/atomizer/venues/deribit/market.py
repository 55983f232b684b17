"""The market-data socket: instruments, books, tickers, indices, the venue's clock."""

from __future__ import annotations

import asyncio
import logging
import random

import msgspec

from atomizer.domain.events import ClockOffset, FeedAlive, FeedDown, FeedUp
from atomizer.domain.ports import Sink
from atomizer.net.session import HandshakeError, Session, SessionSettings
from atomizer.net.transport import Clock, Transport
from atomizer.venues.deribit import codec, wire
from atomizer.venues.deribit.listing import Listing
from atomizer.venues.deribit.rpc import Rpc, repeat
from atomizer.venues.deribit.settings import DeribitSettings

log = logging.getLogger(__name__)
# How long the states of new instruments are collected before the listing is read.
NEW_LISTINGS_S = 1.0
# Raw books need a socket that is logged in, and nothing more.
READ_SCOPE = "account:read trade:none wallet:none custody:none"


class MarketSocket:
    """Owns the session of the market-data connection."""

    def __init__(
        self,
        settings: DeribitSettings,
        transport: Transport,
        clock: Clock,
        rng: random.Random,
        listing: Listing,
    ) -> None:
        self._settings = settings
        self._venue = settings.venue
        self._feed = f"{settings.venue}/market"
        self._rng = rng
        self._listing = listing
        self._subscribed: set[str] = set()
        self._resubscribing: set[str] = set()
        self._unlisted = False
        self.sink: Sink
        self.session: Session[None] = Session(
            SessionSettings(
                name=self._feed,
                url=settings.ws_url,
                heartbeat_s=settings.market_ping_s,
                dead_after_s=settings.market_dead_s,
                retry=settings.retry,
            ),
            transport,
            self,
            rng,
        )
        self.rpc = Rpc(self.session, settings, clock)

    # --- the session's owner ---

    async def handshake(self) -> None:
        await self.rpc.heartbeat()
        if self._settings.book_interval == "raw":
            await self.rpc.stay_logged_in(self._rng, READ_SCOPE)
        await self._listing.load(self.rpc)
        self._subscribed.clear()
        absent = [name for name in self._settings.books if name not in self._listing.by_name]
        if absent:
            raise HandshakeError(
                f"{self._feed}: expected the instruments {', '.join(absent)} among the venue's listing, "
                "found them missing; correct books or currencies in the configuration"
            )
        missing = await self._follow()
        lost = [name for name in missing if name.startswith("book.")]
        if lost:
            raise HandshakeError(
                f"{self._feed}: expected the channels {', '.join(lost)}, the venue left them out"
            )
        await self._measure_clock()
        self.session.spawn(repeat(self._settings.clock_every_s, self._measure_clock))
        self.session.spawn(repeat(self._settings.listing_every_s, self._refresh))

    def up(self) -> None:
        self.sink.put(FeedUp(self._feed))
        self.sink.flush()

    def down(self, why: str) -> None:
        self._resubscribing.clear()
        self._unlisted = False
        self.sink.put(FeedDown(self._feed, why))
        self.sink.flush()

    def heartbeat(self) -> None:
        self.rpc.fire("public/test", {})

    def timed_out(self, context: None) -> None:
        """Nothing here is sent with a deadline of its own."""

    def message(self, data: bytes, last: bool) -> None:
        try:
            if data.startswith(codec.BOOK_START):
                self.sink.put(codec.book(codec.decode_book_frame(data).params.data, self._venue))
            else:
                self._other(codec.decode_message(data))
        except codec.MALFORMED as error:
            self.session.drop(f"{self._feed}: a message of another shape than documented ({error})")
            return
        if last:
            self.sink.flush()

    # --- messages ---

    def _other(self, message: wire.Message) -> None:
        if message.id is not None:
            self.session.answer(message.id, message)
            self.sink.put(FeedAlive(self._feed))
        elif message.params is None:
            return
        elif message.method == "subscription":
            self._push(message.params.channel, message.params.data)
        elif message.method == "heartbeat":
            self.sink.put(FeedAlive(self._feed))
            if message.params.type == "test_request":
                self.rpc.fire("public/test", {})

    def _push(self, channel: str, data: msgspec.Raw) -> None:
        kind = channel.partition(".")[0]
        if kind == "ticker":
            self.sink.put(codec.ticker(codec.decode_ticker(data), self._venue))
        elif kind == "book":
            self.sink.put(codec.book(codec.decode_book(data), self._venue))
        elif kind == "deribit_price_index":
            self.sink.put(codec.index_price(codec.decode_index(data), self._venue))
        elif kind == "instrument":
            self._state(codec.decode_state(data))

    def _state(self, data: wire.StateData) -> None:
        if not self._listing.state_changed(data):
            if not self._unlisted:
                self._unlisted = True
                self.session.spawn(self._listed())
        elif data.state in codec.FINAL_STATES:
            self.session.spawn(self._leave(data.instrument_name))

    # --- subscriptions ---

    def channels(self) -> list[str]:
        """Everything to follow, hedge books first."""
        settings, listing = self._settings, self._listing
        books = listing.books()
        wanted = [f"book.{name}.{settings.book_interval}" for name in books]
        wanted += [f"ticker.{name}.{settings.ticker_interval}" for name in books]
        wanted += [f"deribit_price_index.{index}" for index in listing.indices()]
        wanted += [f"instrument.state.any.{currency}" for currency in settings.currencies]
        wanted += [f"ticker.{listed.name}.{settings.ticker_interval}" for listed in listing.options()]
        return wanted

    async def _follow(self) -> list[str]:
        """Subscribe to what is wanted and not followed yet; the channels the venue left out."""
        new = [name for name in self.channels() if name not in self._subscribed]
        missing = await self.rpc.subscribe("public", new) if new else []
        self._subscribed.update(new)
        if missing:
            log.warning("%s: %d channels left out by the venue: %s", self._feed, len(missing), missing[:5])
        return missing

    async def _refresh(self) -> None:
        await self._listing.load(self.rpc)
        await self._follow()

    async def _listed(self) -> None:
        """States came of instruments nobody here knows: they are new. They come in crowds, so one read of the
        listing serves all that came while it waited."""
        await asyncio.sleep(NEW_LISTINGS_S)
        self._unlisted = False
        await self._refresh()

    async def _leave(self, name: str) -> None:
        """An instrument is over: its channels bring nothing more."""
        settings = self._settings
        over = [f"book.{name}.{settings.book_interval}", f"ticker.{name}.{settings.ticker_interval}"]
        over = [channel for channel in over if channel in self._subscribed]
        self._subscribed.difference_update(over)
        if over:
            await self.rpc.call("public/unsubscribe", {"channels": over}, codec.decode_channels)

    async def _measure_clock(self) -> None:
        self.sink.put(ClockOffset(self._venue, await self.rpc.measure_clock()))
        self.sink.flush()

    def resubscribe(self, name: str) -> None:
        """The book has a gap: leave its channel and join again, which brings a snapshot."""
        if name in self._resubscribing or not self.session.is_up:
            return  # a new connection brings snapshots of its own
        self._resubscribing.add(name)
        self.session.spawn(self._rejoin(name))

    async def _rejoin(self, name: str) -> None:
        channel = f"book.{name}.{self._settings.book_interval}"
        try:
            await self.rpc.call("public/unsubscribe", {"channels": [channel]}, codec.decode_channels)
            if await self.rpc.subscribe("public", [channel]):
                raise HandshakeError(
                    f"{self._feed}: expected the channel {channel} again, the venue left it out"
                )
        finally:
            self._resubscribing.discard(name)

    async def run(self) -> None:
        await self.session.run()
