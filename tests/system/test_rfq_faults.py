"""RFQs that must not be answered, over the wire: each a refusal, nothing signed, and the next one is quoted.

What is signed is judged by the simulated venue: every quote it saw is counted, taken or refused.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atomizer.domain.commands import Refused, SendQuote
from atomizer.net.transport import Clock
from atomizer.net.virtual import DEFAULT_START_NS, VirtualClock, run_virtual
from atomizer.runtime.node import Node
from atomizer.runtime.world import World, WorldPlan
from atomizer.sim.deribit.twin import DeribitTwin
from atomizer.sim.rysk.behaviour import Acceptance, Behaviour, RfqFault
from atomizer.sim.rysk.scripted import ScriptedRfq
from atomizer.storage.journal import read

pytestmark = pytest.mark.system

S = 1_000_000_000
SILENT = Behaviour(rfq_interval_s=1e9, acceptance=Acceptance.NEVER)
TERMS = {
    RfqFault.FOREIGN_DOMAIN: "contract_not_allowed",
    RfqFault.FOREIGN_USD: "premium_token_not_allowed",
    RfqFault.FOREIGN_CHAIN: "chain_not_allowed",
    RfqFault.FOREIGN_COLLATERAL: "collateral_not_allowed",
    RfqFault.STRIKE_OFF: "strike_out_of_range",
    RfqFault.HUGE_QUANTITY: "quantity_out_of_bounds",
    RfqFault.EXPIRED: "expired",
}


@dataclass
class Told:
    """What one step led to: reasons and quotes in the journal, quotes at the venue, alive afterwards."""

    reasons: list[str] = field(default_factory=list)
    signed: int = 0
    at_the_venue: int = 0


class Late:
    """A clock that runs ahead."""

    def __init__(self, clock: Clock, ahead_ns: int) -> None:
        self._clock = clock
        self._ahead_ns = ahead_ns

    def now_ns(self) -> int:
        return self._clock.now_ns() + self._ahead_ns


class Stage:
    """A node on simulated venues that ask only what they are told to."""

    def __init__(self, world: World, node: Node, running: asyncio.Task[None], directory: Path) -> None:
        self.world = world
        self.node = node
        self._running = running
        self._directory = directory
        self._records = 0

    def good(self, **changes: Any) -> ScriptedRfq:
        """An RFQ on a listed option at the money."""
        surface, index = self.node.engine.surfaces["ETH"], self.node.engine.exposure.index("ETH")
        assert index is not None
        expiry_ns = surface.expiries[1]
        strike = min(surface.slices[expiry_ns].listed, key=lambda one: abs(one - index))
        plain: dict[str, Any] = {
            "strike": Decimal(str(strike)),
            "expiry_s": expiry_ns // S,
            "is_put": False,
            "quantity": Decimal("0.5"),
        }
        return ScriptedRfq(**{**plain, **changes})

    def venue_saw(self) -> int:
        quotes = self.world.rysk.state()["quotes"]
        return int(quotes["accepted"]) + sum(quotes["refused"].values())

    async def ask(self, **changes: Any) -> Told:
        """Push one RFQ; what the journal says two seconds later."""
        seen = self.venue_saw()
        self.world.rysk.submit_rfq(self.good(**changes))
        await asyncio.sleep(2.0)
        assert not self._running.done(), "the process goes on"
        found = list(read(self._directory))
        fresh, self._records = [record.body for record in found[self._records :]], len(found)
        told = Told(at_the_venue=self.venue_saw() - seen)
        told.reasons = [str(body.reason) for body in fresh if isinstance(body, Refused)]
        told.signed = sum(isinstance(body, SendQuote) for body in fresh)
        return told


def on_stage(
    play: Callable[[Stage], Coroutine[Any, Any, list[Told]]],
    *,
    clock_ahead_ns: int = 0,
    **rysk: Any,
) -> list[Told]:
    """Run a play in virtual time."""

    async def main(clock: VirtualClock) -> list[Told]:
        plan = WorldPlan(seed=3, start_ns=DEFAULT_START_NS, rysk_changes={"behaviour": SILENT, **rysk})
        world = World(plan, clock)
        if clock_ahead_ns:
            world.deribit = DeribitTwin([world.market], plan.deribit, Late(clock, clock_ahead_ns))
        await world.open()
        with tempfile.TemporaryDirectory(prefix="atomizer-test-") as name:
            node = world.node(world.settings(Path(name)))
            running = asyncio.create_task(node.run())
            await asyncio.sleep(5.0)
            stage = Stage(world, node, running, Path(name))
            told = await play(stage)
            node.stop()
            await running
        await world.close()
        return told

    return run_virtual(main, DEFAULT_START_NS)


QUOTED = Told([], signed=1, at_the_venue=1)


def test_forbidden_terms_are_refused_by_name_and_the_next_good_rfq_is_quoted() -> None:
    async def play(stage: Stage) -> list[Told]:
        told = [await stage.ask()]
        for fault in TERMS:
            told.append(await stage.ask(faults=(fault,)))
            told.append(await stage.ask(strike=stage.good().strike + len(told) * 25))
        assert stage.world.rysk.state()["quotes"]["refused"] == {}
        return told

    first, *rest = on_stage(play)
    assert first == QUOTED
    for (fault, reason), bad in zip(TERMS.items(), rest[::2], strict=True):
        assert bad == Told([reason], signed=0, at_the_venue=0), fault
    assert [good.signed for good in rest[1::2]] == [1] * len(TERMS)


def test_more_than_the_cap_of_the_same_terms_is_refused() -> None:
    async def play(stage: Stage) -> list[Told]:
        return [
            await stage.ask(faults=(RfqFault.SAME_TERMS,)),
            await stage.ask(),
            await stage.ask(is_put=True),
        ]

    flood, again, other = on_stage(play)
    assert (flood.signed, flood.at_the_venue) == (3, 3)
    assert flood.reasons == ["terms_cap"] * 9
    assert again == Told(["terms_cap"], signed=0, at_the_venue=0)
    assert other == QUOTED


def test_a_deposit_smaller_than_the_premium_is_refused() -> None:
    async def play(stage: Stage) -> list[Told]:
        return [await stage.ask(), await stage.ask(quantity=Decimal("0.1"))]

    large, small = on_stage(play, deposit_usd=Decimal(20))
    assert large == Told(["deposit_too_small"], signed=0, at_the_venue=0)
    assert small == QUOTED


def test_a_clock_two_seconds_off_stops_signing() -> None:
    async def play(stage: Stage) -> list[Told]:
        return [await stage.ask(), await stage.ask()]

    assert on_stage(play, clock_ahead_ns=2 * S) == [Told(["clock_offset"], 0, 0)] * 2


def test_pushes_that_are_no_rfq_are_passed_over() -> None:
    async def play(stage: Stage) -> list[Told]:
        return [await stage.ask(faults=(RfqFault.MALFORMED,)), await stage.ask()]

    assert on_stage(play) == [Told(), QUOTED]
