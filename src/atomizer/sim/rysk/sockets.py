"""Who is connected: RFQ listeners by asset, makers by the accounts they have spoken for, takers.

Connecting needs no credentials on Rysk. A maker socket is told of an account's trades and outbids once it
has queried that account or sent a valid quote of it.
"""

from __future__ import annotations

from collections.abc import Callable

from atomizer.net.transport import Connection

Receive = Callable[["Socket", bytes], None]


class Socket:
    """One open socket; `Handler` of the transport seam."""

    def __init__(self, members: list[Socket], receive: Receive) -> None:
        self._members = members
        self._receive = receive
        self._connection: Connection | None = None
        self.accounts: list[str] = []

    def speaks_for(self, account: str) -> None:
        if account not in self.accounts:
            self.accounts.append(account)

    def send(self, frame: bytes) -> None:
        if self._connection is not None:
            self._connection.send(frame)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close(1001, "server stops")

    def opened(self, connection: Connection) -> None:
        self._connection = connection
        self._members.append(self)

    def message(self, data: bytes, last: bool) -> None:  # noqa: ARG002  (the seam's signature)
        self._receive(self, data)

    def closed(self, reason: str) -> None:  # noqa: ARG002  (the seam's signature)
        if self._connection is not None:
            self._connection = None
            self._members.remove(self)


class Sockets:
    """Everybody connected to one twin."""

    def __init__(self) -> None:
        self.listeners: dict[str, list[Socket]] = {}
        self.makers: list[Socket] = []
        self.takers: list[Socket] = []

    def listener(self, asset: str) -> Socket:
        return Socket(self.listeners.setdefault(asset, []), _ignore)

    def push_rfq(self, asset: str, frame: bytes) -> None:
        for socket in self.listeners.get(asset, ()):
            socket.send(frame)

    def push_maker(self, account: str, frame: bytes) -> bool:
        """To every socket that speaks for this account; False when there is none."""
        told = [socket for socket in self.makers if account in socket.accounts]
        for socket in told:
            socket.send(frame)
        return bool(told)

    def push_all_makers(self, frame: bytes) -> None:
        for socket in self.makers:
            socket.send(frame)

    def close_all(self) -> None:
        for members in (*self.listeners.values(), self.makers, self.takers):
            for socket in list(members):
                socket.close()


def _ignore(socket: Socket, data: bytes) -> None:
    """RFQ sockets take no messages; what a client sends there is dropped, as on the venue."""
