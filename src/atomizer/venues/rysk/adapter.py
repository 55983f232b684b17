"""The Rysk port: one socket per asset for RFQs, one for the maker. Nothing to cancel, nothing to amend.

Withdrawals are signed by the same key and are out of reach from here (`treasury`).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence

from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import Command, ReadAccount, SendQuote
from atomizer.domain.events import Event, FeedDown, FeedUp, InstrumentListed, QuoteRefused
from atomizer.domain.ports import Sink
from atomizer.net.session import NotSentError, Session, SessionSettings
from atomizer.net.transport import Clock, Transport
from atomizer.venues.eip712 import DomainAllowList
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.fields import SigningError
from atomizer.venues.rysk import codec
from atomizer.venues.rysk.capabilities import RYSK
from atomizer.venues.rysk.maker import MakerSocket
from atomizer.venues.rysk.quotes import QuoteSigner
from atomizer.venues.rysk.requests import Requests
from atomizer.venues.rysk.settings import RyskSettings

__all__ = ["RyskPort", "RyskSettings"]

log = logging.getLogger(__name__)


class RyskSettingsError(SigningError):
    """The settings contradict each other."""


class RyskPort:
    """A `Port`. Feeds: `rysk/maker`, the socket that tells of trades, and `rysk/rfqs-ADDRESS` per asset.

    Without a key nothing can be signed: every quote is refused.

    Raises:
        RyskSettingsError: the maker's address is not the key's.
    """

    venue = codec.VENUE
    capabilities: Capabilities = RYSK

    def __init__(
        self,
        settings: RyskSettings,
        domains: DomainAllowList,
        key: EthereumKey | None,
        transport: Transport,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        maker = Address.parse(settings.maker)
        if key is not None and not settings.contract_wallet and key.address != maker:
            raise RyskSettingsError(
                f"rysk: expected the private key of the maker {maker.checksum}, found the key of "
                f"{key.address.checksum}; correct one of them, or say that the maker is a contract wallet"
            )
        self._signer = None if key is None else QuoteSigner(maker, key, domains)
        self._clock = clock
        self._answers: list[Event] = []
        self._sink: Sink
        assets = {address.lower(): underlying for address, underlying in settings.assets.items()}
        ratios = {address.lower(): ratio for address, ratio in settings.ratios.items()}
        symbols = {address.lower(): symbol for address, symbol in settings.symbols.items()}
        options = codec.Options(assets, ratios, symbols)
        base = settings.ws_url.rstrip("/")
        self._maker = MakerSocket(settings, f"{base}/maker", domains, transport, rng, options)
        self._rfqs = [
            RfqSocket(settings, f"{base}/rfqs/{address}", address, transport, rng, options)
            for address in sorted(assets)
        ]

    async def run(self, sink: Sink) -> None:
        """Serve until cancelled."""
        self._sink = self._maker.sink = sink
        async with asyncio.TaskGroup() as group:
            group.create_task(self._maker.session.run())
            for socket in self._rfqs:
                socket.sink = sink
                group.create_task(socket.session.run())

    @property
    def malformed(self) -> int:
        """Messages that could not be read."""
        return self._maker.malformed + sum(socket.malformed for socket in self._rfqs)

    def send(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, SendQuote):
                self._quote(command)
            elif isinstance(command, ReadAccount):
                self._maker.read(command, self._later)

    def _quote(self, command: SendQuote) -> None:
        """Sign and send; what cannot leave is not signed either, except when the backstop refuses it."""
        if not self._maker.session.is_up:
            self._refuse(command, "not_connected", "rysk/maker is not connected; not signed")
            return
        if self._signer is None:
            self._refuse(command, "no_key", "there is no maker key here; not signed")
            return
        try:
            data = self._signer.encode(command)
        except SigningError as error:
            self._refuse(command, "not_signed", str(error))
            return
        try:
            self._maker.quote(command, data)
        except NotSentError as error:
            self._refuse(command, error.code, str(error))

    def _refuse(self, command: SendQuote, code: str, text: str) -> None:
        self._later(QuoteRefused(codec.VENUE, command.rfq_id, code, text, self._clock.now_ns()))

    def _later(self, event: Event) -> None:
        """An answer found here and now is told in a later batch, never from inside `send`."""
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._tell)
        self._answers.append(event)

    def _tell(self) -> None:
        answers, self._answers = self._answers, []
        for event in answers:
            self._sink.put(event)
        self._sink.flush()


class RfqSocket:
    """Owns the session of one asset's RFQs."""

    def __init__(
        self,
        settings: RyskSettings,
        url: str,
        address: str,
        transport: Transport,
        rng: random.Random,
        options: codec.Options,
    ) -> None:
        self._requests = Requests(settings.account, options)
        self._feed = f"{codec.VENUE}/rfqs-{address}"
        self.malformed = 0
        self.sink: Sink
        # A quiet market is no sign of a dead socket: the transport's own pings look after it.
        self.session: Session[None] = Session(
            SessionSettings(name=self._feed, url=url, heartbeat_s=0.0), transport, self, rng
        )

    async def handshake(self) -> None:
        """Nothing: RFQs are pushed at once."""

    def up(self) -> None:
        self.sink.put(FeedUp(self._feed))
        self.sink.flush()

    def down(self, why: str) -> None:
        self.sink.put(FeedDown(self._feed, why))
        self.sink.flush()

    def heartbeat(self) -> None:
        """Off."""

    def timed_out(self, context: None) -> None:
        """Nothing is asked here."""

    def message(self, data: bytes, last: bool) -> None:
        try:
            event, new = self._requests.read(codec.decode_rfq(data))
        except codec.MALFORMED as error:
            self.malformed += 1
            log.warning("%s: an RFQ could not be read and is ignored: %s", self._feed, error)
        else:
            if new is not None:
                self.sink.put(InstrumentListed(new))
            if event is not None:
                self.sink.put(event)
        if last:
            self.sink.flush()
