"""Cancel what is ours from another process: the kill switch's own session.

It cancels orders whose label starts with the prefix one by one, never `cancel_all`: the account may be
shared. It reads the open orders again at the end and reports what it found.
"""

from __future__ import annotations

import asyncio
import random

import msgspec

from atomizer.net.session import Session, SessionError, SessionSettings
from atomizer.net.transport import Clock, Transport
from atomizer.net.virtual import WallClock
from atomizer.venues.deribit import codec, wire
from atomizer.venues.deribit.checks import SCOPE
from atomizer.venues.deribit.rpc import Rpc, VenueRefusedError
from atomizer.venues.deribit.settings import DeribitSettings


class SweepError(Exception):
    """The sweep could not be done; orders may rest. The text says how far it came."""


class Swept(msgspec.Struct, frozen=True):
    """One order of ours that was open. `outcome`: the venue's state, or why it was not cancelled."""

    venue_order_id: str
    label: str
    instrument: str
    outcome: str
    open: bool


class _SweepSession:
    """A session that authenticates and answers calls; nothing else."""

    def __init__(
        self, settings: DeribitSettings, transport: Transport, clock: Clock, rng: random.Random
    ) -> None:
        self._rng = rng
        self.ready = asyncio.Event()
        self.why = "no connection was made"
        self.session: Session[None] = Session(
            SessionSettings(
                name=f"{settings.venue}/sweep", url=settings.ws_url, heartbeat_s=0.0, retry=settings.retry
            ),
            transport,
            self,
            rng,
        )
        self.rpc = Rpc(self.session, settings, clock)

    async def handshake(self) -> None:
        await self.rpc.measure_clock()
        await self.rpc.login(self._rng, SCOPE)

    def up(self) -> None:
        self.ready.set()

    def down(self, why: str) -> None:
        self.why = why
        self.ready.clear()

    def heartbeat(self) -> None:
        """Too short a life to need one."""

    def timed_out(self, context: None) -> None:
        """Every request here is awaited."""

    def message(self, data: bytes, last: bool) -> None:  # noqa: ARG002  (the session's interface)
        try:
            message = codec.decode_message(data)
        except codec.MALFORMED as error:
            self.session.drop(
                f"{self.session.settings.name}: a message of another shape than documented ({error})"
            )
            return
        if message.id is not None:
            self.session.answer(message.id, message)


async def cancel_ours(
    transport: Transport,
    settings: DeribitSettings,
    prefix: str,
    *,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    timeout_s: float = 15.0,
) -> list[Swept]:
    """Cancel every open order whose label starts with `prefix`; what became of each.

    Raises:
        SweepError: not connected, or not finished, within the time.
    """
    owner = _SweepSession(settings, transport, clock or WallClock(), rng or random.SystemRandom())
    serving = asyncio.create_task(owner.session.run())
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                await owner.ready.wait()
                try:
                    return await _sweep(owner.rpc, prefix)
                except VenueRefusedError as error:
                    raise SweepError(f"{error}; check the key's scope; orders may rest") from error
                except SessionError as error:
                    owner.why = str(error)
    except TimeoutError as error:
        raise SweepError(
            f"{settings.venue}: expected the sweep done within {timeout_s} s, it is not ({owner.why}); "
            "orders may rest: try again, or cancel at the venue's screen"
        ) from error
    finally:
        serving.cancel()
        await asyncio.wait({serving})


async def _sweep(rpc: Rpc, prefix: str) -> list[Swept]:
    found = await _ours(rpc, prefix)
    outcomes: dict[str, str] = {}
    for order in found:
        try:
            ended = await rpc.call("private/cancel", {"order_id": order.order_id}, codec.decode_order)
            outcomes[order.order_id] = ended.order_state
        except VenueRefusedError as error:
            outcomes[order.order_id] = str(error)
    resting = {order.order_id for order in await _ours(rpc, prefix)}
    return [
        Swept(
            order.order_id,
            order.label or order.quote_set_id,
            order.instrument_name,
            outcomes[order.order_id],
            order.order_id in resting,
        )
        for order in found
    ]


async def _ours(rpc: Rpc, prefix: str) -> list[wire.OrderData]:
    orders = await rpc.call("private/get_open_orders", {}, codec.decode_orders)
    return [
        order for order in orders if order.label.startswith(prefix) or order.quote_set_id.startswith(prefix)
    ]
