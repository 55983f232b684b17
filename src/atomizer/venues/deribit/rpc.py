"""Awaited JSON-RPC calls over a session: numbering, refusals, typed results."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from atomizer.net.session import HandshakeError, Session
from atomizer.net.transport import Clock
from atomizer.venues.deribit import auth, codec, wire
from atomizer.venues.deribit.credits import Credits
from atomizer.venues.deribit.settings import DeribitSettings
from atomizer.venues.keys import HmacKey

T = TypeVar("T")

NS_PER_MS = 1_000_000
CHANNELS_PER_CALL = 500
HEARTBEAT_S = 10


CLOCK_TRIES = 3
CLOCK_DOUBT_NS = 200_000_000


class VenueRefusedError(HandshakeError):
    """The venue answered with an error; `code` is its own."""

    def __init__(self, venue: str, method: str, error: wire.ErrorData) -> None:
        super().__init__(f"{venue} {method}: refused with {error.code} {codec.error_text(error)}")
        self.code = error.code


class Rpc:
    """Calls over one session. Request numbers never repeat within it."""

    def __init__(self, session: Session[Any], settings: DeribitSettings, clock: Clock) -> None:
        self._session = session
        self._settings = settings
        self._clock = clock
        self.numbers = itertools.count(1)
        self._credits = Credits()
        self.offset_ns = 0

    async def message(self, method: str, params: Any) -> wire.Message:
        """The whole reply, asked for when there are credits for it.

        Raises:
            VenueRefusedError: an error reply.
            SessionError: no connection, or no answer in time.
        """
        wait_s = self._credits.wait_s(method, asyncio.get_running_loop().time())
        if wait_s:
            await asyncio.sleep(wait_s)
        number = next(self.numbers)
        data = codec.request(number, method, params)
        reply: wire.Message = await self._session.ask(data, number, self._settings.read_timeout_s)
        if reply.error is not None:
            raise VenueRefusedError(self._settings.venue, method, reply.error)
        return reply

    async def call(self, method: str, params: Any, decode: Callable[[msgspec.Raw], T]) -> T:
        """The decoded result; errors as `message`, and HandshakeError for a result of another shape."""
        reply = await self.message(method, params)
        return self.decoded(method, reply.result, decode)

    def decoded(self, method: str, result: msgspec.Raw, decode: Callable[[msgspec.Raw], T]) -> T:
        """A result read; HandshakeError for one of another shape."""
        try:
            return decode(result)
        except codec.MALFORMED as error:
            raise HandshakeError(
                f"{self._settings.venue} {method}: result of another shape than documented ({error})"
            ) from None

    def fire(self, method: str, params: Any) -> None:
        """Send without waiting; raises NotSentError without a connection."""
        self._session.send(codec.request(next(self.numbers), method, params))

    async def heartbeat(self) -> None:
        await self.message("public/set_heartbeat", {"interval": HEARTBEAT_S})

    async def subscribe(self, scope: str, channels: list[str]) -> list[str]:
        """Subscribe in portions; returns the channels the venue left out."""
        missing = []
        for start in range(0, len(channels), CHANNELS_PER_CALL):
            part = channels[start : start + CHANNELS_PER_CALL]
            taken = await self.call(f"{scope}/subscribe", {"channels": part}, codec.decode_channels)
            known = {name.lower() for name in taken}
            missing += [name for name in part if name.lower() not in known]
        return missing

    async def login(self, rng: random.Random, scope: str) -> wire.AuthResult:
        """`public/auth` for this connection with no more than this scope."""
        settings = self._settings
        if settings.key is None:
            raise HandshakeError(
                f"{settings.venue}: expected a key to log in with, found none; set it or listen only"
            )
        if settings.grant == "client_credentials" and isinstance(settings.key, HmacKey):
            params = auth.client_credentials_params(settings.client_id, settings.key, scope=scope)
        else:
            now_ms = (self._clock.now_ns() + self.offset_ns) // NS_PER_MS
            nonce = f"{rng.getrandbits(63):d}"
            params = auth.client_signature_params(
                settings.client_id, settings.key, now_ms, nonce, scope=scope
            )
        return await self.call("public/auth", params, codec.decode_auth)

    async def stay_logged_in(self, rng: random.Random, scope: str) -> wire.AuthResult:
        """Log in, and renew the token before it ends for as long as this connection lives: by its refresh
        token, which keeps the scope and the secret off the wire, else by logging in again."""
        token = await self.login(rng, scope)
        held = [token.refresh_token]

        async def renew() -> float:
            try:
                params = auth.refresh_params(held[0])
                again = await self.call("public/auth", params, codec.decode_auth)
            except VenueRefusedError:
                again = await self.login(rng, scope)
            held[0] = again.refresh_token
            return again.expires_in

        self._session.keep_authenticated(token.expires_in, renew)
        return token

    async def measure_clock(self) -> int:
        """Venue clock minus ours in nanoseconds: half the sum of what both directions show.

        A slow round trip says little: half of it may lie in one direction. It is tried again, and the offset
        known before is kept when none was quick enough.
        """
        for _ in range(CLOCK_TRIES):
            sent = self._clock.now_ns()
            reply = await self.message("public/get_time", {})
            heard = self._clock.now_ns()
            doubt_ns = (heard - sent - (reply.us_out - reply.us_in) * 1000) // 2
            if reply.us_in and reply.us_out and doubt_ns <= CLOCK_DOUBT_NS:
                self.offset_ns = (reply.us_in * 1000 - sent + reply.us_out * 1000 - heard) // 2
                break
        return self.offset_ns


async def repeat(every_s: float, work: Callable[[], Any]) -> None:
    """`await work()` every so often, for as long as the connection that spawned this lives."""
    while True:
        await asyncio.sleep(every_s)
        await work()
