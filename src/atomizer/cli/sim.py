"""`atomizer sim`: one simulated venue in a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import click

EPILOG = """Prints one line of JSON when ready: venue, ws, http, credentials (Rysk: also chain_id, contract,
tokens). Runs until SIGINT or SIGTERM. Venues with the same seed and start share one market.

\b
Faults are terms joined by commas, each acting on whole messages:
  loss=P          a message vanishes with probability P
  delay=A..Bms    every message waits between A and B
  dup=P           a message arrives twice
  reorder=P:D     a message is overtaken by those of the next D
  late=P:D        a client's message arrives D later, overtaken by others
  cut=N/D         the connection is cut N times per D, without a goodbye
  freeze=N/D:L    the connection stands still for L, N times per D
  refuse=P        a new connection is refused with probability P
up.loss or down.loss acts in one direction (up: to the venue); VENUE.name=value is the venue's own:
rysk.informed=0.3 lets three of ten takers know the market's next two minutes (docs/venues/rysk-twin.md).

\b
Examples:
  atomizer sim deribit --port 9001 --seed 7
  atomizer sim rysk --port 9003 --seed 7 --underlying ETH,BTC --fault rysk.informed=0.3
  atomizer sim deribit --port 9001 --recording tape.jsonl
  atomizer sim deribit --port 0 --fault loss=0.02,delay=5..80ms,cut=1/30s,late=0.05:400ms

Exit codes: 3 unusable options, 4 port in use, 130 or 143 after SIGINT or SIGTERM."""


@click.command(epilog=EPILOG)
@click.argument("venue")
@click.option("--port", type=click.IntRange(0, 65_535), required=True, help="Local port; 0 takes a free one.")
@click.option("--seed", type=int, default=1, show_default=True, help="Fixes the market and the order flow.")
@click.option("--chain", type=click.Path(path_type=Path), help="Recorded option chain (CSV) to start from.")
@click.option("--recording", type=click.Path(path_type=Path), help="Deribit: recorded depth and trades.")
@click.option("--underlying", default="ETH", show_default=True, help="Coins, where no chain is given.")
@click.option("--staked", is_flag=True, help="Rysk: list a staked token per coin too, worth 1.2 coins.")
@click.option("--fault", default="", help="Faults to inject; see below.")
@click.option("--key", default="", help="Client id (Deribit) of the first account.")
@click.option("--secret", default="", help="Its secret; on Rysk the maker's private key.")
@click.option("--start", "start_ns", type=click.IntRange(0), help="Market start, ns UTC; default midnight.")
def command(
    venue: str,
    port: int,
    seed: int,
    chain: Path | None,
    recording: Path | None,
    underlying: str,
    staked: bool,
    fault: str,
    key: str,
    secret: str,
    start_ns: int | None,
) -> None:
    """Run the simulated VENUE on a local port.

    Example: atomizer sim deribit --port 9001 --seed 7
    """
    import uvloop

    from atomizer.net.sockets import SocketTransport
    from atomizer.net.virtual import WallClock
    from atomizer.runtime import twins

    clock = WallClock()
    options, faults = twins.read_options(
        venue,
        seed=seed,
        start_ns=start_ns,
        now_ns=clock.now_ns(),
        chain=chain,
        underlying=underlying,
        staked=staked,
        recording=recording,
        fault=fault,
        key=key,
        secret=secret,
    )
    twin = twins.build_twin(venue, options, clock)
    caught: list[int] = []

    async def main() -> None:
        stop = asyncio.Event()

        def end(number: int) -> None:
            caught.append(number)
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, end, number)
        transport = SocketTransport()
        try:
            await twins.run_until(twin, transport, port, faults, seed, _announce, stop)
        finally:
            await transport.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    raise SystemExit(128 + caught[0])


def _announce(ready: dict[str, Any]) -> None:
    click.echo(json.dumps(ready))
