"""The maker's socket: quotes out; their answers, trades, balances and positions in."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from atomizer.domain.commands import ReadAccount, SendQuote
from atomizer.domain.events import (
    Event,
    FeedAlive,
    FeedDown,
    FeedUp,
    InstrumentListed,
    PositionReport,
    ReadBegun,
    ReadEnded,
)
from atomizer.domain.ports import Sink
from atomizer.net.session import HandshakeError, Session, SessionError, SessionSettings
from atomizer.net.transport import Transport
from atomizer.venues.eip712 import DomainAllowList
from atomizer.venues.ethereum import Address
from atomizer.venues.rysk import codec, holdings, wire
from atomizer.venues.rysk.settings import RyskSettings

log = logging.getLogger(__name__)

FEED = f"{codec.VENUE}/maker"
ALIVE_EVERY_S = 0.5
# Own quotes remembered for their confirmation; far more than can be alive at once.
REMEMBERED = 20_000


class MakerSocket:
    """Owns the session of `/maker`."""

    def __init__(
        self,
        settings: RyskSettings,
        url: str,
        domains: DomainAllowList,
        transport: Transport,
        rng: random.Random,
        options: codec.Options,
    ) -> None:
        self._settings = settings
        self._options = options
        self._maker = Address.parse(settings.maker)
        self._chains = frozenset(domain.chain_id for domain in domains)
        self._tokens = _tokens(settings)
        self._names = _names(settings)
        self._quotes: dict[int, SendQuote] = {}
        self._held: set[str] = set()
        self._asking = asyncio.Lock()
        self._alive_s = 0.0
        self.malformed = 0
        self.sink: Sink
        self.session: Session[None] = Session(
            SessionSettings(
                name=FEED,
                url=url,
                heartbeat_s=settings.poll_s,
                dead_after_s=settings.dead_after_s,
                rate_per_s=settings.rate_per_s,
                rate_burst=settings.rate_burst,
            ),
            transport,
            self,
            rng,
        )

    # --- the session's owner ---

    async def handshake(self) -> None:
        """Nothing to prove: signatures in the messages say who we are. Holdings are polled from here on."""
        self.session.spawn(self._poll())

    def up(self) -> None:
        self.sink.put(FeedUp(FEED))
        self.sink.flush()

    def down(self, why: str) -> None:
        self.sink.put(FeedDown(FEED, why))
        self.sink.flush()

    def heartbeat(self) -> None:
        """The poll is the sign of life."""

    def timed_out(self, context: None) -> None:
        """Queries are awaited and quotes have no deadline of their own here."""

    def message(self, data: bytes, last: bool) -> None:
        try:
            self._hear(codec.decode_maker(data))
        except codec.MALFORMED as error:
            self.malformed += 1
            log.warning("%s: a message could not be read and is ignored: %s", FEED, error)
        now = asyncio.get_running_loop().time()
        if now - self._alive_s >= ALIVE_EVERY_S:
            self._alive_s = now
            self.sink.put(FeedAlive(FEED))
        if last:
            self.sink.flush()

    def _hear(self, message: wire.MakerMessage) -> None:
        if message.id in ("balances", "positions"):
            self.session.answer(message.id, message)
            return
        told = codec.confirmation(message)
        if told is not None:
            self._trade(told)
            return
        answer = codec.quote_answer(message)
        if answer is not None:
            self.sink.put(answer)

    def _trade(self, told: wire.MakerPayload) -> None:
        """A confirmation of ours is booked whatever else it says; another maker's is not ours."""
        if told.maker and told.maker.lower() != self._maker.wire:
            return
        sent = self._quotes.get(int(told.quote_nonce or 0))
        trade, new = codec.trade(told, self._settings.account, sent, self._options)
        if new is not None:
            self.sink.put(InstrumentListed(new))
        self.sink.put(trade)

    # --- commands ---

    def quote(self, command: SendQuote, data: bytes) -> None:
        """Send a signed quote and remember it for its confirmation.

        Raises:
            NotSentError: no connection, or the backstop refuses.
        """
        self._quotes[command.nonce] = command
        if len(self._quotes) > REMEMBERED:
            del self._quotes[next(iter(self._quotes))]
        self.session.send(data, cost=1.0)

    def read(self, command: ReadAccount, later: Callable[[Event], None]) -> None:
        """One bracket; without a connection an empty one with the error."""
        if self.session.is_up:
            self.session.spawn(self._read(command))
        else:
            later(ReadBegun(command.venue, command.account, command.asked_ns))
            later(ReadEnded(command.venue, command.account, command.asked_ns, f"{FEED} is not connected"))

    # --- holdings ---

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_s)
            try:
                events = await self._holdings()
            except holdings.ShapeError as error:
                log.warning("%s: %s", FEED, error)
                continue
            self._put(events)

    async def _read(self, command: ReadAccount) -> None:
        """Everything of the bracket is told at once: nothing else comes between its ends."""
        error, events = "", list[Event]()
        try:
            events = await self._holdings()
        except (SessionError, holdings.ShapeError) as failure:
            error = str(failure)
        self.sink.put(ReadBegun(command.venue, command.account, command.asked_ns))
        for event in events:
            self.sink.put(event)
        self.sink.put(ReadEnded(command.venue, command.account, command.asked_ns, error))
        self.sink.flush()

    def _put(self, events: list[Event]) -> None:
        for event in events:
            self.sink.put(event)
        self.sink.flush()

    async def _holdings(self) -> list[Event]:
        """Balances, then positions; an option that is held no longer is reported once as zero.

        Raises:
            SessionError: no answer, or an error.
            ShapeError: an answer that cannot be understood.
        """
        account = self._settings.account
        async with self._asking:
            events: list[Event] = list(
                holdings.balances(await self._ask("balances"), account, self._tokens, self._chains)
            )
            reports = holdings.positions(await self._ask("positions"), account, self._options, self._names)
        for report, new in reports:
            if new is not None:
                events.append(InstrumentListed(new))
            events.append(report)
        held = {report.instrument for report, _ in reports}
        gone = sorted(self._held - held)
        events += [PositionReport(codec.VENUE, account, key, Decimal(0)) for key in gone]
        self._held = held
        return events

    async def _ask(self, method: str) -> Any:
        """The decoded result. The venue's ids are the method's name, so one query of a kind is out at a time
        and one without answer ends the connection: its late answer must not pass for the next one's."""
        try:
            reply: wire.MakerMessage = await self.session.ask(
                codec.query(method, self._maker), method, self._settings.answer_timeout_s
            )
        except SessionError as error:
            self.session.drop(str(error))
            raise
        if reply.error is not None:
            raise HandshakeError(f"{FEED}: {method} refused with {reply.error.code} {reply.error.message}")
        try:
            return msgspec.json.decode(reply.result)
        except codec.MALFORMED as error:
            raise holdings.ShapeError(f"rysk {method}: expected a result, found none ({error})") from None


def _tokens(settings: RyskSettings) -> dict[str, holdings.Token]:
    """By address: stables count as the premium currency, other tokens as the coins they are worth."""
    known = {
        address.lower(): holdings.Token(codec.PREMIUM_CURRENCY, decimals)
        for address, decimals in settings.stables.items()
    }
    for address, decimals in settings.coins.items():
        coin = settings.assets.get(address, settings.assets.get(address.lower(), address.lower()))
        ratio = settings.ratios.get(address, Decimal(1))
        known[address.lower()] = holdings.Token(coin, decimals, ratio)
    return known


def _names(settings: RyskSettings) -> dict[str, str]:
    """What positions may call an underlying: its address, or its coin where one asset stands for it."""
    names = {address.lower(): address.lower() for address in settings.assets}
    for address, coin in settings.assets.items():
        names.setdefault(coin.lower(), address.lower())
    return names
