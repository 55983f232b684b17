"""A real node over the scripted venues, in virtual time: sessions, adapters, driver, engine, journal."""

from __future__ import annotations

import asyncio
import gc
import random
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from atomizer.domain.capabilities import RateBudget
from atomizer.domain.commands import RunJob
from atomizer.domain.events import JobDone
from atomizer.domain.ports import Port
from atomizer.engine.fitting import JOBS
from atomizer.engine.settings import (
    AccountSettings,
    AllowedAsset,
    AllowedChain,
    EngineSettings,
    HedgeMarket,
    Limits,
)
from atomizer.engine.strategy import Responder, Strategy
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.driver import FIT_DELAY_S, InlineWorker
from atomizer.runtime.node import Node, NodePlan
from atomizer.venues.deribit.adapter import DeribitPort
from atomizer.venues.deribit.capabilities import DERIBIT
from atomizer.venues.deribit.settings import DeribitSettings
from atomizer.venues.eip712 import DomainAllowList
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.keys import HmacKey
from atomizer.venues.rysk.adapter import RyskPort, RyskSettings
from atomizer.venues.rysk.capabilities import RYSK
from atomizer.venues.rysk.networks import quote_domain
from bench.venue import (
    DERIBIT_URL,
    RYSK_URL,
    ScriptedVenues,
    index_frame,
    option_listing,
    push,
    ticker_frame,
)

T = TypeVar("T")

INDEX = 4000.0
PERPETUAL = "deribit:ETH-PERPETUAL"
HEDGE = HedgeMarket(underlying="ETH", venue="deribit", account="main", instrument=PERPETUAL, index="eth_usd")
KEY = EthereumKey("0x" + "17" * 32)
CHAIN_ID = 84532
CONTRACT, STABLE, ASSET = (Address(bytes([byte]) * 20) for byte in (1, 2, 3))
DOMAIN = quote_domain(CHAIN_ID, CONTRACT)
FAST = RateBudget(per_s=1e9, burst=1e9, reserve=0.0)
SETTINGS = EngineSettings(
    limits=Limits(
        delta=1e9,
        delta_usd=1e12,
        gamma=1e9,
        vega=1e9,
        notional=1e12,
        position_size=1e9,
        premium_per_quote=1e9,
        quotes_per_terms=1000,
        quotes_per_taker=1000,
    ),
    accounts=(
        AccountSettings(venue="deribit", account="main", numeraire="coin"),
        AccountSettings(venue="rysk", account="main", numeraire="usd"),
    ),
    chains=(
        AllowedChain(
            chain_id=CHAIN_ID,
            domain_name=DOMAIN.name,
            domain_version=DOMAIN.version,
            verifying_contract=CONTRACT.wire,
            premium_tokens=(STABLE.wire,),
            assets=(AllowedAsset(address=ASSET.wire, underlying="ETH"),),
        ),
    ),
    hedge_markets=(HEDGE,),
)


class LateWorker:
    """Runs a job when its answer is due, outside what a bench times: in a live node a thread does it."""

    def start(self, job: RunJob, deliver: Callable[[JobDone], None]) -> None:
        asyncio.get_running_loop().call_later(
            FIT_DELAY_S, lambda: InlineWorker(JOBS, 0.0).start(job, deliver)
        )


class Bench:
    """A running node and its scripted venues."""

    def __init__(self, node: Node, venues: ScriptedVenues, clock: VirtualClock, listing: list[Any]) -> None:
        self.node = node
        self.venues = venues
        self.clock = clock
        self.listing = listing

    def tickers(self, count: int | None = None) -> None:
        """Fresh index and tickers, the perpetual's first, in one read."""
        market, now_ns = self.venues.wire("deribit"), self.clock.now_ns()
        for listed in self.listing[:count]:
            market.hear(ticker_frame(listed, now_ns, INDEX), False)
        market.hear(index_frame(now_ns, INDEX))


def run_node(
    work: Callable[[Bench], Coroutine[Any, Any, T]],
    strategies: Sequence[Strategy],
    responders: dict[str, Responder],
    *,
    expiries: int = 4,
    strikes: int = 12,
) -> T:
    """Start a node, bring it to where it trades, run `work` on it with the garbage collector off."""

    async def main(clock: VirtualClock) -> T:
        with tempfile.TemporaryDirectory(prefix="atomizer-bench-") as directory:
            bench = _made(Path(directory), clock, strategies, responders, expiries, strikes)
            serving = asyncio.create_task(bench.node.run())
            await asyncio.sleep(1.0)
            market = bench.venues.wire("deribit")
            market.hear(first_book(bench.clock.now_ns()))
            bench.tickers()
            await asyncio.sleep(1.0)
            gc.collect()
            gc.freeze()
            gc.disable()
            try:
                return await work(bench)
            finally:
                gc.enable()
                gc.unfreeze()
                serving.cancel()
                await asyncio.wait({serving})

    return run_virtual(main)


def _made(
    directory: Path,
    clock: VirtualClock,
    strategies: Sequence[Strategy],
    responders: dict[str, Responder],
    expiries: int,
    strikes: int,
) -> Bench:
    listing = option_listing(clock.now_ns(), INDEX, expiries=expiries, strikes=strikes)
    venues = ScriptedVenues(clock, listing, {STABLE.wire: str(10**16)})
    venues.positions = [_position(listed) for listed in listing[1:40:8]]
    rng = random.Random(1)
    deribit = DeribitSettings(
        ws_url=DERIBIT_URL,
        account="main",
        client_id="bench",
        key=HmacKey("bench-secret"),
        rate_per_s=0.0,
        listing_every_s=1e6,
    )
    rysk = RyskSettings(
        ws_url=RYSK_URL,
        account="main",
        maker=KEY.address.wire,
        assets={ASSET.wire: "ETH"},
        stables={STABLE.wire: 6},
        rate_per_s=0.0,
    )
    ports: list[Port] = [
        DeribitPort(deribit, venues, clock, rng),
        RyskPort(rysk, DomainAllowList((DOMAIN,)), KEY, venues, clock, rng),
    ]
    plan = NodePlan(
        network="sim",
        mode="live",
        directory=directory,
        engine=SETTINGS,
        ports=ports,
        strategies=strategies,
        responders=responders,
        capabilities={
            "deribit": msgspec.structs.replace(DERIBIT, rate=FAST),
            "rysk": msgspec.structs.replace(RYSK, rate=FAST),
        },
        control=False,
        worker=LateWorker(),
    )
    return Bench(Node(plan, clock), venues, clock, listing)


def _position(listed: dict[str, Any]) -> dict[str, Any]:
    return {
        "asset": ASSET.wire,
        "assetAddress": "0x" + "09" * 20,
        "expiry": listed["expiration_timestamp"] // 1000,
        "strike": str(listed["strike"] * 10**8),
        "isPut": listed["option_type"] == "put",
        "balance": str(5 * 10**18),
    }


def first_book(now_ns: int) -> bytes:
    """The perpetual's book, 200 levels a side around the index, 0.05 apart."""
    bids = [["new", round(INDEX - 0.05 * (1 + level), 2), 1000.0] for level in range(200)]
    asks = [["new", round(INDEX + 0.05 * (1 + level), 2), 1000.0] for level in range(200)]
    data = {
        "type": "snapshot",
        "timestamp": now_ns // 1_000_000,
        "instrument_name": "ETH-PERPETUAL",
        "change_id": 1,
        "bids": bids,
        "asks": asks,
    }
    return push("book.ETH-PERPETUAL.100ms", data)
