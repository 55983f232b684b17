"""The one shape of everything outside the core: commands in, events out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import Command
from atomizer.domain.events import Event


class Sink(Protocol):
    """Where a port puts what it learned. Events wait until the read closes; `flush` closes it."""

    def put(self, event: Event) -> None: ...

    def flush(self) -> None: ...


class Port(Protocol):
    """A venue (or a part of one). `send` neither waits, returns, raises for the venue, nor calls back:
    answers, refusals and time-outs arrive at the sink in a later batch."""

    venue: str
    capabilities: Capabilities

    async def run(self, sink: Sink) -> None:
        """Serve until cancelled: connect, reconnect, subscribe, feed the sink."""
        ...

    def send(self, commands: Sequence[Command]) -> None: ...
