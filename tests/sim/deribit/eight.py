"""Running a venue over 08:00 UTC, and what the numbers must be by hand."""

from __future__ import annotations

import asyncio
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from atomizer.sim.market import Market
from tests.sim.deribit.client import RawClient, World

SECOND_NS = 1_000_000_000
# Friday 28 November 2025, 08:00 UTC: the first expiry of a market that begins on the 20th.
EXPIRY_NS = 1_764_316_800_000_000_000
MARKET_START_NS = 1_763_640_000_000_000_000
Q = Decimal("1e-8")


def market(underlying: str = "ETH") -> Market:
    """The market of these tests, a step a second: an hour is quickly over."""
    return Market(7, MARKET_START_NS, step_ms=1000, underlying=underlying)


def coin(value: Decimal) -> Decimal:
    return value.quantize(Q, rounding=ROUND_HALF_EVEN)


def exact(value: float | str) -> Decimal:
    return Decimal(str(value))


def average(of: Market, expiry_ns: int = EXPIRY_NS) -> Decimal:
    """Mean of the 1800 readings of the index up to an expiry, cents."""
    fresh = Market(of.seed, of.start_ns, step_ms=1000, underlying=of.underlying)
    total = sum(
        (exact(round(fresh.state(expiry_ns - second * SECOND_NS).index, 4)) for second in range(1800)),
        Decimal(0),
    )
    return (total / 1800).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


def funding(of: Market, start_ns: int, end_ns: int) -> Decimal:
    """Coins that a USD of a long perpetual pays: per 8 hours the premium beyond 0.025 %, at most 0.5 %."""
    fresh = Market(of.seed, of.start_ns, step_ms=1000, underlying=of.underlying)
    total = Decimal(0)
    for step_ns in range(start_ns + SECOND_NS, end_ns + 1, SECOND_NS):
        state = fresh.state(step_ns)
        index = round(state.index, 4)
        premium = (round(state.perpetual, 4) - index) / index
        rate = min(max(max(0.00025, premium) + min(-0.00025, premium), -0.005), 0.005)
        total += (exact(rate) / 28_800 / exact(index)).quantize(Decimal("1e-20"))
    return total


async def until(world: World, at_ns: int) -> None:
    """Let virtual time pass up to a moment."""
    await asyncio.sleep((at_ns - world.clock.now_ns()) / SECOND_NS)


async def log(client: RawClient, currency: str = "ETH", **more: Any) -> list[dict[str, Any]]:
    """The whole transaction log, oldest first, read page by page."""
    rows: list[dict[str, Any]] = []
    params: dict[str, Any] = {"currency": currency, "start_timestamp": 0, "end_timestamp": 2**45, "count": 3}
    while True:
        page = await client.call("private/get_transaction_log", **params, **more)
        rows += page["logs"]
        if page["continuation"] is None:
            return rows[::-1]
        params["continuation"] = page["continuation"]
        await asyncio.sleep(1.0)  # one request a second is what the venue allows


def change(rows: list[dict[str, Any]]) -> Decimal:
    """What rows of the log moved the balance by."""
    return sum((exact(row["change"]) for row in rows), Decimal(0))
