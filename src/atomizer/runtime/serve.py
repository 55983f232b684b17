"""A node as a process: real sockets, real time, signals, logs, a banner that says what it may do."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import time
from typing import Any

import uvloop

from atomizer.config.load import Loaded, plain
from atomizer.config.secret import Secret
from atomizer.domain.events import Operator
from atomizer.engine.fitting import JOBS
from atomizer.engine.settings import EngineSettings
from atomizer.net.sockets import SocketTransport
from atomizer.net.virtual import WallClock
from atomizer.runtime.compose import plan
from atomizer.runtime.driver import ThreadWorker
from atomizer.runtime.hedging import order_venue_names
from atomizer.runtime.node import Node
from atomizer.runtime.settings import Settings, check_node, deribit_url, resting, rysk_url
from atomizer.runtime.speaking import Speaker
from atomizer.runtime.warm import warm
from atomizer.telemetry import logs

FREEZE_AFTER_S = 5.0
# With `responder.quiet_gc`: how often young objects are collected, and every how manieth time all are.
COLLECT_EVERY_S, WHOLE_EVERY = 1.0, 60


def serve(loaded: Loaded[Settings], level: str) -> int:
    """Run until SIGINT or SIGTERM, or until a `stop` word. Returns the exit code."""
    settings = check_node(loaded.settings)
    hidden = [item.reveal() for item in _secrets(settings)]
    log = logs.configure(
        level=level, directory=settings.log_dir, secrets=hidden, context={"network": settings.network}
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(loaded))
    finally:
        log.close()


def _secrets(settings: Settings) -> list[Secret]:
    accounts = (settings.deribit, settings.deribit2)
    found = [settings.rysk.private_key, settings.derive.private_key]
    found += [secret for item in accounts for secret in (item.api_secret, item.private_key_ed25519)]
    return [item for item in found if item is not None]


def _announce(loaded: Loaded[Settings], engine: EngineSettings) -> None:
    settings, log = loaded.settings, logs.get()
    log.warning(
        "start",
        network=settings.network,
        mode=settings.mode,
        sends=settings.mode == "live",
        prices_and_hedges={venue: deribit_url(settings, venue) for venue in order_venue_names(settings)},
        rysk=rysk_url(settings),
        data_dir=str(settings.data_directory),
        numeraire={item.venue: item.numeraire for item in engine.accounts},
        hedges=engine.delta_name,
        limits=plain(settings.risk),
        speed=speed_of(settings),
    )
    for line in (*loaded.overrides(), *loaded.notes):
        log.info("configuration", text=line)
    for line in resting(loaded):
        log.warning("setting_rests", text=line)


def speed_of(settings: Settings) -> dict[str, Any]:
    """What `--performance-mode`, `--cache-ttl` and `--parallel-quotes` came to."""
    names = ("cache_ttl_ms", "parallel_quotes", "quiet_gc", "answer_within_ms")
    return {name: getattr(settings.responder, name) for name in names}


async def _serve(loaded: Loaded[Settings]) -> int:
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
    _announce(loaded, made.engine)
    for note in node.journal.notes:
        logs.get().warning("journal_mended", text=note)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        node.operate(Operator("stop"))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    loop.call_later(FREEZE_AFTER_S, _freeze, settings.responder.quiet_gc)
    try:
        await node.run()
    finally:
        await transport.aclose()
    logs.get().warning("stopped", clean=node.engine.idle, **_counts(node))
    return 128 + received[0] if received else 0


def _freeze(quiet: bool) -> None:
    """Start-up's objects never die: keep the collector from walking them in the pass.

    `quiet`: the collector runs between passes only, once a second; whatever it takes falls into a pause.
    """
    gc.collect()
    gc.freeze()
    if quiet:
        gc.disable()
        asyncio.get_running_loop().call_later(COLLECT_EVERY_S, _collect, 0)


def _collect(turn: int) -> None:
    gc.collect(2 if turn % WHOLE_EVERY == 0 else 1)
    asyncio.get_running_loop().call_later(COLLECT_EVERY_S, _collect, turn + 1)


def _counts(node: Node) -> dict[str, Any]:
    counters = node.engine.counters
    return {"rfqs": counters.rfqs, "quotes": counters.quotes, "trades": counters.trades}
