"""A node as a process: real sockets, real time, signals, logs, a banner that says what it may do."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import time
from typing import Any

import uvloop

from atomizer.config.load import Loaded
from atomizer.config.secret import Secret
from atomizer.domain.events import Operator
from atomizer.engine.fitting import JOBS
from atomizer.net.sockets import SocketTransport
from atomizer.net.virtual import WallClock
from atomizer.runtime.compose import plan
from atomizer.runtime.driver import ThreadWorker
from atomizer.runtime.node import Node
from atomizer.runtime.settings import NOT_BUILT, Settings, check_node, deribit_url, rysk_url
from atomizer.runtime.speaking import Speaker
from atomizer.runtime.warm import warm
from atomizer.telemetry import logs

FREEZE_AFTER_S = 5.0


def serve(loaded: Loaded[Settings], level: str, environment: dict[str, str]) -> int:
    """Run until SIGINT or SIGTERM, or until a `stop` word. Returns the exit code."""
    settings = check_node(loaded.settings)
    hidden = [item.reveal() for item in _secrets(settings)]
    log = logs.configure(
        level=level, directory=settings.log_dir, secrets=hidden, context={"network": settings.network}
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(loaded, environment))
    finally:
        log.close()


def _secrets(settings: Settings) -> list[Secret]:
    found = (settings.deribit.api_secret, settings.deribit.private_key_ed25519, settings.rysk.private_key)
    return [item for item in found if item is not None]


def _announce(loaded: Loaded[Settings], environment: dict[str, str]) -> None:
    settings, log = loaded.settings, logs.get()
    log.warning(
        "start",
        network=settings.network,
        mode=settings.mode,
        sends=settings.mode == "live",
        deribit=deribit_url(settings),
        rysk=rysk_url(settings),
        data_dir=str(settings.data_directory),
        numeraire={"deribit": settings.deribit.numeraire or "coin", "rysk": settings.rysk.numeraire or "usd"},
        limits={name: getattr(settings.risk, name) for name in settings.risk.__struct_fields__},
    )
    for line in (*loaded.overrides(), *loaded.notes):
        log.info("configuration", text=line)
    for name, part in NOT_BUILT.items():
        if name in environment:
            log.warning("ignored_variable", name=name, text=f"{part} is not built")


async def _serve(loaded: Loaded[Settings], environment: dict[str, str]) -> int:
    settings = loaded.settings
    warm()
    transport, clock = SocketTransport(), WallClock()
    made = plan(
        settings,
        transport,
        clock,
        random.Random(),  # noqa: S311  (jitter of reconnects)
        stopwatch=time.perf_counter_ns,
        worker=ThreadWorker(JOBS),
        on_turn=Speaker(shadow=settings.mode != "live"),
    )
    node = Node(made, clock)
    _announce(loaded, environment)
    for note in node.journal.notes:
        logs.get().warning("journal_mended", text=note)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        node.operate(Operator("stop"))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    loop.call_later(FREEZE_AFTER_S, _freeze)
    try:
        await node.run()
    finally:
        await transport.aclose()
    logs.get().warning("stopped", clean=node.engine.idle, **_counts(node))
    return 128 + received[0] if received else 0


def _freeze() -> None:
    """Start-up's objects never die: keep the collector from walking them in the pass."""
    gc.collect()
    gc.freeze()


def _counts(node: Node) -> dict[str, Any]:
    counters = node.engine.counters
    return {"rfqs": counters.rfqs, "quotes": counters.quotes, "trades": counters.trades}
