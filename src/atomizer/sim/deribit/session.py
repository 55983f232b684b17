"""One websocket connection: its authentication, subscriptions, heartbeat and cancel-on-disconnect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from atomizer.net.transport import Connection
from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.auth import Grant
from atomizer.sim.deribit.channels import Channel

if TYPE_CHECKING:
    from atomizer.sim.deribit.twin import DeribitTwin

HEARTBEAT = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}'
TEST_REQUEST = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
POLICY_CLOSE = 1008

_decode = msgspec.json.Decoder().decode


class Session:
    """Handler of one connection. `number` tells connections apart, from 1."""

    def __init__(self, twin: DeribitTwin, number: int) -> None:
        self._twin = twin
        self.number = number
        self.connection: Connection | None = None
        self.grant: Grant | None = None
        self.account: Account | None = None
        self.channels: dict[str, Channel] = {}
        self.cancel_on_disconnect = False
        self.logged_out = False
        self._heartbeat_s = 0
        self._beat: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._last_message = 0.0

    @property
    def peer(self) -> str:
        return self.connection.peer if self.connection else ""

    # --- Handler ---

    def opened(self, connection: Connection) -> None:
        self.connection = connection
        self._last_message = asyncio.get_running_loop().time()
        self._watch_idle()

    def message(self, data: bytes, last: bool) -> None:  # noqa: ARG002 - requests are answered one by one
        self._last_message = asyncio.get_running_loop().time()
        received_us = self._twin.now_us
        try:
            request = _decode(data)
        except msgspec.DecodeError:
            request = None
        self._twin.answer(self, request, received_us)

    def closed(self, reason: str) -> None:  # noqa: ARG002 - the venue does not care why
        for timer in (self._beat, self._deadline, self._idle):
            if timer is not None:
                timer.cancel()
        self.connection = None
        self._twin.session_closed(self)

    # --- for the venue ---

    def push(self, data: bytes) -> None:
        if self.connection is not None:
            self.connection.send(data)

    def reply(self, body: dict[str, Any]) -> None:
        self.push(msgspec.json.encode(body))

    def close(self, code: int, reason: str) -> None:
        if self.connection is not None:
            self.connection.close(code, reason)

    def authenticate(self, grant: Grant, account: Account) -> None:
        """From now on the socket itself is trusted."""
        self.grant = grant
        self.account = account
        self.cancel_on_disconnect = self.cancel_on_disconnect or account.cod_default

    # --- heartbeat ---

    def set_heartbeat(self, interval_s: int) -> None:
        """Beat every `interval_s`; 0 stops."""
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        self._heartbeat_s = interval_s
        if interval_s:
            self._beat = asyncio.get_running_loop().call_later(interval_s, self._send_beat)
        elif self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def tested(self) -> None:
        """public/test arrived: the proof of life that a test_request asks for."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _send_beat(self) -> None:
        loop = asyncio.get_running_loop()
        self.push(HEARTBEAT)
        self.push(TEST_REQUEST)
        if self._deadline is None:
            self._deadline = loop.call_later(self._twin.settings.heartbeat_grace_s, self._silent)
        self._beat = loop.call_later(self._heartbeat_s, self._send_beat)

    def _silent(self) -> None:
        """The grace is over. A peer that does not answer may not take a goodbye either."""
        if self.connection is not None:
            self.connection.abort()

    def _watch_idle(self) -> None:
        loop = asyncio.get_running_loop()
        limit = self._twin.settings.idle_close_s
        left = self._last_message + limit - loop.time()
        if left <= 0 and not self._heartbeat_s:
            self.close(POLICY_CLOSE, "idle")
            return
        self._idle = loop.call_later(left if left > 0 else limit, self._watch_idle)
