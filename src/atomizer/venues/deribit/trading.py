"""The trading socket: our orders, fills and balances. One socket, so that its loss cancels its orders."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from atomizer.domain.commands import AmendOrder, CancelOrder, PlaceOrder, QueryOrder, ReadAccount
from atomizer.domain.events import (
    AmendRefused,
    CancelRefused,
    Event,
    FeedAlive,
    FeedDown,
    FeedUp,
    OrderEnded,
    PlaceRefused,
    RequestTimedOut,
)
from atomizer.domain.identity import label
from atomizer.domain.instruments import Instrument
from atomizer.domain.ports import Sink
from atomizer.net.session import HandshakeError, NotSentError, Session, SessionSettings
from atomizer.net.transport import Clock, Transport
from atomizer.venues.deribit import codec, reader, wire
from atomizer.venues.deribit.asking import query
from atomizer.venues.deribit.capabilities import REQUEST_S
from atomizer.venues.deribit.checks import SCOPE, StartRefusedError, check_account, protect
from atomizer.venues.deribit.edits import Edits
from atomizer.venues.deribit.listing import Listing
from atomizer.venues.deribit.quoting import MassQuoter, MassSent
from atomizer.venues.deribit.rpc import Rpc, VenueRefusedError
from atomizer.venues.deribit.settings import DeribitSettings

log = logging.getLogger(__name__)
K = TypeVar("K")
V = TypeVar("V")

NS_PER_MS = 1_000_000
ALIVE_EVERY_S = 0.5
# Orders remembered for what may still arrive about them.
REMEMBERED = 20_000
ORDER_CHANNEL, TRADE_CHANNEL = "user.orders.any.any.raw", "user.trades.any.any.raw"


# A request in flight: what was asked, and the instrument's terms at that time.
Sent = tuple[PlaceOrder | AmendOrder | CancelOrder, Instrument] | MassSent


class TradingSocket:
    """Owns the session of the trading connection. Its methods for commands never raise for the venue."""

    def __init__(
        self,
        settings: DeribitSettings,
        transport: Transport,
        clock: Clock,
        rng: random.Random,
        listing: Listing,
        venue_clock: Rpc,
    ) -> None:
        self._settings = settings
        self._venue = settings.venue
        self._feed = f"{settings.venue}/trading"
        self._clock = clock
        self._rng = rng
        self._listing = listing
        self._venue_clock = venue_clock
        self._post_only: set[int] = set()
        self._edits = Edits()
        self._cancel_sent: dict[int, None] = {}
        self._ours: dict[str, int] = {}
        self._alive_s = 0.0
        self._was_up = False
        self._answers: list[Event] = []
        self.sink: Sink
        self.session: Session[Sent] = Session(
            SessionSettings(
                name=self._feed,
                url=settings.ws_url,
                heartbeat_s=settings.trading_ping_s,
                dead_after_s=settings.trading_dead_s,
                rate_per_s=settings.rate_per_s,
                rate_burst=settings.rate_burst,
                retry=settings.retry,
            ),
            transport,
            self,
            rng,
        )
        self.rpc = Rpc(self.session, settings, clock)
        self.quotes = MassQuoter(self, settings.mmp_groups)
        self._reader = reader.AccountReader(self.rpc, listing, settings, self.tell, self.book)

    # --- the session's owner ---

    async def handshake(self) -> None:
        await self.rpc.heartbeat()
        await self.rpc.measure_clock()
        token = await self.rpc.stay_logged_in(self._rng, SCOPE)
        await self._check(token.scope)
        await self.rpc.message("private/enable_cancel_on_disconnect", {"scope": "connection"})
        if not self._listing.complete:
            await self._listing.load(self.rpc)
        channels = [ORDER_CHANNEL, TRADE_CHANNEL]
        channels += [f"user.portfolio.{currency}" for currency in self._settings.currencies]
        channels += [f"user.mmp_trigger.{group.index}" for group in self._settings.mmp_groups]
        missing = await self.rpc.subscribe("private", channels)
        if missing:
            raise HandshakeError(
                f"{self._feed}: expected the channels {', '.join(missing)}, the venue left them out; "
                "without them fills would go unseen"
            )

    async def _check(self, scope: str) -> None:
        """A fault of the account ends the process at start; later it keeps the socket down."""
        try:
            budget = await check_account(self.rpc, self._settings, scope)
            await protect(self.rpc, self._settings)
        except StartRefusedError as refused:
            if self._was_up:
                raise HandshakeError(str(refused)) from refused
            raise
        if budget is not None:
            self.sink.put(budget)

    def up(self) -> None:
        self._was_up = True
        self.sink.put(FeedUp(self._feed))
        self.sink.flush()

    def down(self, why: str) -> None:
        self.sink.put(FeedDown(self._feed, why))
        self.sink.flush()

    def heartbeat(self) -> None:
        self.rpc.fire("public/test", {})

    def timed_out(self, context: Sent) -> None:
        if isinstance(context, MassSent):
            self.quotes.doubt(context.sides)
        else:
            self.sink.put(RequestTimedOut(context[0].order_id))
        self.sink.flush()

    def message(self, data: bytes, last: bool) -> None:
        try:
            self._hear(codec.decode_message(data))
        except codec.MALFORMED as error:
            self.session.drop(f"{self._feed}: a message of another shape than documented ({error})")
            return
        now = asyncio.get_running_loop().time()
        if now - self._alive_s >= ALIVE_EVERY_S and self.session.is_up:
            self._alive_s = now
            self.sink.put(FeedAlive(self._feed))
        if last:
            self.sink.flush()

    def _hear(self, message: wire.Message) -> None:
        if message.id is not None:
            answer = self.session.answer(message.id, message)
            if answer is not None:
                self._reply(answer.context, message)
        elif message.params is None:
            return
        elif message.method == "subscription":
            self._push(message.params.channel, message.params.data)
        elif message.method == "heartbeat" and message.params.type == "test_request":
            self.rpc.fire("public/test", {})

    # --- commands ---

    def place(self, command: PlaceOrder, listed: Instrument) -> None:
        number = next(self.rpc.numbers)
        data = codec.place(number, command, listed, self.valid_until_ms(command.deadline_ns))
        if command.post_only:
            self._post_only.add(command.order_id)
        try:
            self.session.send_request(data, number, REQUEST_S, (command, listed))
        except NotSentError as error:
            self.later(PlaceRefused(command.order_id, error.code, str(error)))

    def amend(self, commands: Sequence[AmendOrder]) -> None:
        """Send the edits of a turn: what most book frames lead to is no more."""
        numbers, by_key, write = self.rpc.numbers, self._listing.by_key, self._edits.write
        post_only, deadline_ns, until_ms = self._post_only, 0, 0
        try:
            send, waiting, deadline_s = self.session.requests(REQUEST_S)
        except NotSentError as error:
            for command in commands:
                self.later(AmendRefused(command.order_id, error.code, str(error)))
            return
        for command in commands:
            listed = by_key.get(command.instrument)
            if listed is None:
                self.later(unlisted(command))
                continue
            if command.deadline_ns != deadline_ns:
                deadline_ns = command.deadline_ns
                until_ms = self.valid_until_ms(deadline_ns)
            number = next(numbers)
            data = write(number, command, listed, until_ms, command.order_id in post_only)
            try:
                send(data)
            except NotSentError as error:
                self.later(AmendRefused(command.order_id, error.code, str(error)))
                continue
            waiting[number] = ((command, listed), deadline_s)

    def cancel(self, command: CancelOrder, listed: Instrument) -> None:
        number = next(self.rpc.numbers)
        if command.venue_order_id:
            data = codec.request(number, "private/cancel", {"order_id": command.venue_order_id})
        else:
            params = {"label": label(command.order_id), "currency": listed.settlement}
            data = codec.request(number, "private/cancel_by_label", params)
        self.cancel_asked(command.order_id)
        try:
            self.session.send_request(data, number, self._settings.request_timeout_s, (command, listed))
        except NotSentError as error:
            self.later(CancelRefused(command.order_id, error.code, str(error)))

    def query(self, command: QueryOrder, listed: Instrument) -> None:
        if not self.session.is_up:
            self.later(RequestTimedOut(command.order_id))
            return
        self.session.spawn(query(self, command.order_id, listed, command.venue_order_id))

    def read(self, command: ReadAccount) -> None:
        if not self.session.is_up:
            for event in reader.failed(command, f"{self._feed} is {self.session.state.value}"):
                self.later(event)
            return
        self._reader.sink = self.sink
        self.session.spawn(self._reader.read(command))

    def valid_until_ms(self, deadline_ns: int) -> int:
        """Our deadline on the venue's clock, ms."""
        return (deadline_ns + self._venue_clock.offset_ns) // NS_PER_MS

    def cancels_within(self) -> tuple[int, float]:
        """Until when a message of cancels alone may be answered: ns, and seconds from now."""
        patience_s = self._settings.request_timeout_s
        return self._clock.now_ns() + int(patience_s * 1e9), patience_s

    def is_post_only(self, command: PlaceOrder | AmendOrder) -> bool:
        """As the order was placed; remembered for its amends."""
        if isinstance(command, PlaceOrder) and command.post_only:
            self._post_only.add(command.order_id)
        return command.order_id in self._post_only

    def forget_post_only(self, order_id: int) -> None:
        self._post_only.discard(order_id)
        self._edits.forget(order_id)

    def cancel_asked(self, order_id: int) -> None:
        """From here on the order's end is ours."""
        _remember(self._cancel_sent, order_id, None)

    def listed(self, name: str) -> Instrument | None:
        return self._listing.by_name.get(name)

    async def ask(self, order_id: int, listed: Instrument) -> None:
        """How an order stands, by the venue's id where it was ever told."""
        known = next((venue_id for venue_id, number in self._ours.items() if number == order_id), "")
        await query(self, order_id, listed, known)

    def later(self, event: Event) -> None:
        """An answer found here and now is told in a later batch, never from inside `send`."""
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._tell)
        self._answers.append(event)

    def _tell(self) -> None:
        answers, self._answers = self._answers, []
        for event in answers:
            self.sink.put(event)
        self.sink.flush()

    # --- answers ---

    def _reply(self, sent: Sent, message: wire.Message) -> None:
        if isinstance(sent, MassSent):
            self.quotes.answered(sent, message)
            return
        command, listed = sent
        if message.error is not None:
            self._refusal(command, listed, message.error)
        elif isinstance(command, CancelOrder):
            self._cancelled(command, listed, message.result)
        else:
            result = codec.decode_order_and_trades(message.result)
            for trade in result.trades:
                self.book(trade)
            self.tell(result.order, listed, reply=True)

    def _refusal(
        self, command: PlaceOrder | AmendOrder | CancelOrder, listed: Instrument, error: wire.ErrorData
    ) -> None:
        order_id, code, text = command.order_id, str(error.code), codec.error_text(error)
        gone = error.code in codec.GONE_CODES
        if error.code in codec.UNKNOWN_OUTCOME_CODES:
            log.warning("%s: outcome of a request unknown: %s %s", self._feed, code, text)
            self.sink.put(RequestTimedOut(order_id))
        elif isinstance(command, PlaceOrder):
            self.forget_post_only(order_id)
            self.sink.put(PlaceRefused(order_id, code, text))
        elif isinstance(command, AmendOrder):
            self.sink.put(AmendRefused(order_id, code, text))
            if gone:
                self.session.spawn(query(self, order_id, listed, command.venue_order_id))
        else:
            self._cancel_sent.pop(order_id, None)
            self.sink.put(CancelRefused(order_id, code, text, gone))

    def _cancelled(self, command: CancelOrder, listed: Instrument, result: msgspec.Raw) -> None:
        if command.venue_order_id:
            self.tell(codec.decode_order(result), listed)
        elif codec.decode_count(result) == 0:
            text = f"no open order with label {label(command.order_id)}"
            self.sink.put(CancelRefused(command.order_id, "none_cancelled", text, gone=True))
        else:
            self.session.spawn(query(self, command.order_id, listed, ""))

    # --- pushes ---

    def _push(self, channel: str, data: msgspec.Raw) -> None:
        if channel.startswith("user.orders."):
            raw = channel.endswith(".raw")
            self._orders([codec.decode_order(data)] if raw else codec.decode_orders(data))
        elif channel.startswith("user.trades."):
            self._trades(codec.decode_trades(data))
        elif channel.startswith("user.portfolio."):
            self.sink.put(codec.balance(codec.decode_portfolio(data), self._venue, self._settings.account))
        elif channel.startswith("user.mmp_trigger."):
            self.quotes.triggered(codec.decode_mmp_trigger(data))
        elif channel.startswith("user.changes."):
            changes = codec.decode_changes(data)
            self._trades(changes.trades)
            self._orders(changes.orders)
            for position in changes.positions:
                self.sink.put(codec.position(position, self._venue, self._settings.account))

    def _orders(self, orders: list[wire.OrderData]) -> None:
        for order in orders:
            listed = self._listing.by_name.get(order.instrument_name)
            if listed is None:
                self.session.spawn(self._after_listing(order.instrument_name, [], [order]))
            else:
                self.tell(order, listed)

    def _trades(self, trades: list[wire.TradeData]) -> None:
        for trade in trades:
            if trade.instrument_name in self._listing.by_name:
                self.book(trade)
            else:
                self.session.spawn(self._after_listing(trade.instrument_name, [trade], []))

    async def _after_listing(
        self, name: str, trades: list[wire.TradeData], orders: list[wire.OrderData]
    ) -> None:
        """What happened in an instrument outside the listing waits until its terms are read."""
        listed = None
        try:
            listed = await self._listing.require(self.rpc, name)
        except VenueRefusedError as error:
            log.warning("%s: terms of %s unknown, told as they are: %s", self._feed, name, error)
        for trade in trades:
            self.book(trade)
        for order in orders:
            if listed is not None:
                self.tell(order, listed)
        self.sink.flush()

    def tell(self, order: wire.OrderData, listed: Instrument, *, reply: bool = False) -> None:
        number = codec.order_number(order.label, order.quote_set_id, order.direction)
        event = codec.order_event(
            order,
            listed,
            self._settings.account,
            reply=reply,
            cancel_sent=number in self._cancel_sent,
        )
        if number:
            _remember(self._ours, order.order_id, number)
            if isinstance(event, OrderEnded):
                self.forget_post_only(number)
                self.quotes.ended(number, listed.name)
            elif order.post_only:
                self._post_only.add(number)
        self.sink.put(event)

    def book(self, trade: wire.TradeData) -> None:
        """Bookings; a trade without label belongs to the order its venue id was seen with."""
        for booked in codec.fills(trade, self._venue, self._settings.account):
            number = booked.order_id or self._ours.get(trade.order_id, 0)
            self.sink.put(booked if booked.order_id else msgspec.structs.replace(booked, order_id=number))

    async def run(self) -> None:
        await self.session.run()


def unlisted(command: PlaceOrder | AmendOrder | CancelOrder | QueryOrder) -> Event:
    """The listing has not been read or does not hold the instrument: nothing was sent."""
    text = f"expected {command.instrument} in the venue's listing, it is not there (yet); not sent"
    if isinstance(command, PlaceOrder):
        return PlaceRefused(command.order_id, "not_listed", text)
    if isinstance(command, AmendOrder):
        return AmendRefused(command.order_id, "not_listed", text)
    if isinstance(command, CancelOrder):
        return CancelRefused(command.order_id, "not_listed", text)
    return RequestTimedOut(command.order_id)


def _remember(known: dict[K, V], key: K, value: V) -> None:
    """Keep the newest; the oldest makes room."""
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
