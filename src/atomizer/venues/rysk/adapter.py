"""The Rysk port: one socket per asset for RFQs, one for the maker. Nothing to cancel, nothing to amend.

Withdrawals are signed by the same key and are out of reach from here (`treasury`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence

import msgspec

from atomizer.domain.commands import Command, ReadAccount, SendQuote
from atomizer.domain.events import (
    BalanceReport,
    FeedAlive,
    FeedDown,
    FeedUp,
    QuoteRefused,
    ReadBegun,
    ReadEnded,
)
from atomizer.domain.ports import Sink
from atomizer.net.session import NotSentError, Session, SessionError, SessionSettings
from atomizer.net.transport import Clock, Transport
from atomizer.venues.eip712 import DomainAllowList
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.rysk import wire
from atomizer.venues.rysk.capabilities import RYSK
from atomizer.venues.rysk.codec import PREMIUM_CURRENCY, VENUE, Codec, WireError, stable_balance

log = logging.getLogger(__name__)

QUERY_TIMEOUT_S = 5.0
HEARTBEAT_S = 3.0


class RyskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`ws_url` is the base address; `assets` maps token addresses to underlyings, `stables` to decimals."""

    ws_url: str
    account: str
    maker: str
    assets: dict[str, str]
    stables: dict[str, int]


class RyskPort:
    """A `Port`. Without a key it listens and prices nothing into signatures."""

    venue = VENUE
    capabilities = RYSK

    def __init__(
        self,
        settings: RyskSettings,
        domains: DomainAllowList,
        key: EthereumKey | None,
        transport: Transport,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sink: Sink | None = None
        self._reads: asyncio.Queue[ReadAccount] = asyncio.Queue(maxsize=4)
        self._asked = 0
        self.malformed = 0
        assets = {address.lower(): underlying for address, underlying in settings.assets.items()}
        self._stables = {address.lower(): decimals for address, decimals in settings.stables.items()}
        self.codec = Codec(settings.account, Address.parse(settings.maker), assets, domains, key)
        base = settings.ws_url if settings.ws_url.endswith("/") else settings.ws_url + "/"
        self._maker = Session(
            SessionSettings(
                name="rysk maker", url=f"{base}maker", heartbeat_s=HEARTBEAT_S, dead_after_s=12.0
            ),
            transport,
            _MakerOwner(self),
            rng,
        )
        self._rfqs = [
            Session(
                SessionSettings(name=f"rysk rfqs {address}", url=f"{base}rfqs/{address}", heartbeat_s=0.0),
                transport,
                _RfqOwner(self, address),
                rng,
            )
            for address in sorted(assets)
        ]

    async def run(self, sink: Sink) -> None:
        """Serve until cancelled."""
        self._sink = sink
        async with asyncio.TaskGroup() as group:
            group.create_task(self._maker.run())
            group.create_task(self._serve_reads())
            for session in self._rfqs:
                group.create_task(session.run())

    def send(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, SendQuote):
                self._send_quote(command)
            elif isinstance(command, ReadAccount):
                with contextlib.suppress(asyncio.QueueFull):  # the reads before it answer the same question
                    self._reads.put_nowait(command)

    def _send_quote(self, command: SendQuote) -> None:
        try:
            self._maker.send(self.codec.quote(command))
        except NotSentError as error:
            refused = QuoteRefused(VENUE, command.rfq_id, error.code, str(error), self._clock.now_ns())
            asyncio.get_running_loop().call_soon(self.tell, refused)

    # --- events ---

    def put(self, event: object) -> None:
        if self._sink is not None:
            self._sink.put(event)  # type: ignore[arg-type]  # the codec makes events only

    def flush(self) -> None:
        if self._sink is not None:
            self._sink.flush()

    def tell(self, event: object) -> None:
        """One event as a batch of its own."""
        self.put(event)
        self.flush()

    def rfq_message(self, data: bytes, last: bool) -> None:
        try:
            for event in self.codec.rfq(wire.FRAME.decode(data), self._clock.now_ns()):
                self.put(event)
        except (msgspec.DecodeError, WireError) as error:
            self._malformed("RFQ", error)
        if last:
            self.flush()

    def maker_message(self, data: bytes, last: bool) -> None:
        try:
            frame = wire.FRAME.decode(data)
            if isinstance(frame.id, str) and frame.id.startswith("atm-"):
                self._maker.answer(frame.id, frame)
            else:
                for event in self.codec.maker_message(frame, self._clock.now_ns()):
                    self.put(event)
        except (msgspec.DecodeError, WireError) as error:
            self._malformed("maker message", error)
        self.put(FeedAlive(f"{VENUE}/maker"))
        if last:
            self.flush()

    def _malformed(self, what: str, error: Exception) -> None:
        self.malformed += 1
        log.warning("rysk: %s could not be read and is ignored: %s", what, error)

    # --- reads ---

    def ping(self) -> None:
        """A query nobody waits for; its answer is the sign of life."""
        with contextlib.suppress(NotSentError):
            self._maker.send(self.codec.query("balances", self._next_id()))

    def _next_id(self) -> str:
        self._asked += 1
        return f"atm-{self._asked}"

    async def _serve_reads(self) -> None:
        """One read at a time, each as a bracket of events."""
        while True:
            command = await self._reads.get()
            self.put(ReadBegun(VENUE, command.account, command.asked_ns))
            error = ""
            try:
                await self._read()
            except (SessionError, WireError, msgspec.DecodeError, ArithmeticError) as failure:
                error = str(failure) or type(failure).__name__
            self.tell(ReadEnded(VENUE, command.account, command.asked_ns, error))

    async def _read(self) -> None:
        balances = await self._ask("balances")
        cash = stable_balance(msgspec.json.decode(balances), self._stables)
        if cash is None:
            raise WireError("balances: none of the configured stable tokens is named in the answer")
        positions = self.codec.positions(await self._ask("positions"), self._clock.now_ns())
        for event in positions:
            self.put(event)
        self.put(
            BalanceReport(
                venue=VENUE,
                account=self._settings.account,
                currency=PREMIUM_CURRENCY,
                cash=cash,
                equity=cash,
                excess=cash,
                ts_ns=self._clock.now_ns(),
            )
        )

    async def _ask(self, method: str) -> msgspec.Raw:
        request_id = self._next_id()
        frame: wire.Frame = await self._maker.ask(
            self.codec.query(method, request_id), request_id, QUERY_TIMEOUT_S
        )
        if frame.error is not None or frame.result is None:
            told = frame.error.message if frame.error else "no result"
            raise WireError(f"{method}: {told}")
        return frame.result


class _MakerOwner:
    """What the maker session calls."""

    def __init__(self, port: RyskPort) -> None:
        self._port = port

    async def handshake(self) -> None:
        """Nothing: signatures in the messages prove who we are."""

    def up(self) -> None:
        self._port.tell(FeedUp(f"{VENUE}/maker"))

    def down(self, why: str) -> None:
        self._port.tell(FeedDown(f"{VENUE}/maker", why))

    def message(self, data: bytes, last: bool) -> None:
        self._port.maker_message(data, last)

    def heartbeat(self) -> None:
        self._port.ping()

    def timed_out(self, context: object) -> None:
        """Queries are awaited and quotes are not matched: nothing is kept in the request table."""


class _RfqOwner:
    """What the session of one asset's RFQs calls."""

    def __init__(self, port: RyskPort, address: str) -> None:
        self._port = port
        self._feed = f"{VENUE}/rfqs-{address}"

    async def handshake(self) -> None:
        """Nothing: RFQs are pushed at once."""

    def up(self) -> None:
        self._port.tell(FeedUp(self._feed))

    def down(self, why: str) -> None:
        self._port.tell(FeedDown(self._feed, why))

    def message(self, data: bytes, last: bool) -> None:
        self._port.rfq_message(data, last)

    def heartbeat(self) -> None:
        """Off: a quiet market is no sign of a dead socket."""

    def timed_out(self, context: object) -> None:
        """Nothing is asked here."""
