"""A node through an expiry: what it holds is fixed, delivered or worthless, and nothing is unexplained."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from atomizer.analysis.session import Session, of_journal
from atomizer.analysis.summary import summary
from atomizer.config.schema import Seconds
from atomizer.domain.bookings import CashKind, CashMove, PositionMove
from atomizer.engine.settings import SurfaceSettings
from atomizer.models.black import black76_price
from atomizer.net.virtual import VirtualClock, run_virtual
from atomizer.runtime.settings import Risk
from atomizer.runtime.world import World, WorldPlan, reports_of
from atomizer.sim.calendar import DAY_NS, SECOND_NS
from atomizer.sim.rysk.behaviour import Behaviour, Faults
from atomizer.sim.rysk.scripted import ScriptedRfq
from atomizer.strategies.responder_settings import ResponderSettings

# Wednesday 2025-09-10 08:00 UTC: listed options that expire so soon have no two-sided quotes left to price
# by, so these expire on a day of their own and are priced beyond the first listed expiry.
EXPIRY_NS = 1_757_491_200 * SECOND_NS
BEYOND = SurfaceSettings(beyond_ratio=1e6, expiry_points=0.0)
BEFORE_S = 600
SOON = Behaviour(
    rfq_interval_s=1e9, dispute_s=20.0, delivery_s=40.0, delivery_retry_s=20.0, settlement_delay_s=0.2
)
# Strikes from the index when asked: two calls and two puts, one of each in the money.
OFFSETS = ((-40, False), (40, False), (40, True), (-40, True))
PUTS = OFFSETS[2:]  # no call brings the coins that the put in the money takes
PRICE_USD = 60.0
COINS = Decimal(1)
UNEXPLAINED_USD = 4.0


def through_expiry(
    behaviour: Behaviour, *, coins: Decimal = COINS, offsets: Sequence[tuple[int, bool]] = OFFSETS
) -> tuple[Session, World, dict[str, Any]]:
    """A node that wins one option of each kind minutes before they expire, and what it wrote down."""
    found: list[Any] = []

    async def main(clock: VirtualClock) -> None:
        changes = {"behaviour": behaviour, "deposit_coins": coins}
        world = World(WorldPlan(seed=7, start_ns=EXPIRY_NS - 2 * DAY_NS, rysk_changes=changes), clock)
        await world.open()
        settings = world.settings(
            directory,
            risk=Risk(max_delta=50.0, max_delta_usd=1e6),
            responder=ResponderSettings(dummy_price=PRICE_USD),
            surface=BEYOND,
        )
        # By default a series is pulled long before it fixes; these trades are won in its last minutes.
        rfq = msgspec.structs.replace(settings.rfq, pulled_before_expiry=Seconds(60))
        settings = msgspec.structs.replace(settings, rfq=rfq)
        node = world.node(settings)
        running = asyncio.create_task(node.run())
        await asyncio.sleep(15.0)
        index = world.market.state(clock.now_ns()).index
        for offset, is_put in offsets:
            world.rysk.submit_rfq(order(round(index + offset), is_put=is_put))
            await asyncio.sleep(8.0)
        await asyncio.wait({running}, timeout=BEFORE_S + 120.0 - 15.0 - 8.0 * len(offsets))
        node.stop()
        await running
        found.extend((world, reports_of(world.deribit.equity()) + reports_of(world.rysk.equity())))
        await world.close()

    with tempfile.TemporaryDirectory(prefix="atomizer-test-") as name:
        directory = Path(name)
        run_virtual(main, EXPIRY_NS - BEFORE_S * SECOND_NS)
        session = of_journal(directory)
    return session, found[0], summary(session, found[1])


def order(strike: int, *, is_put: bool) -> ScriptedRfq:
    return ScriptedRfq(
        strike=Decimal(strike),
        expiry_s=EXPIRY_NS // SECOND_NS,
        is_put=is_put,
        quantity=Decimal(1),
        acceptance="always",
        rivals=False,
    )


def moves(session: Session, kind: type) -> list[Any]:
    return [booking for booking in session.ledger.accounts.booked.values() if isinstance(booking, kind)]


def unexplained(session: Session, result: dict[str, Any]) -> float:
    """The residual, USD, without the difference between the price that stood for fair value and our own."""
    wrong = 0.0
    for quote in session.ledger.quotes.values():
        why, terms = quote.command.why, quote.command.terms
        years = float(why["tau_days"]) / 365.0
        fair = black76_price(
            float(why["forward"]), terms.strike_e8 * 1e-8, years, float(why["vol"]), 1.0, not terms.is_put
        )
        wrong += fair - PRICE_USD
    return float(result["pnl"]["residual"]) - wrong


@pytest.mark.system
def test_an_expiry_leaves_no_difference_and_no_delta() -> None:
    session, world, result = through_expiry(SOON)
    ended = [move for move in moves(session, PositionMove) if move.reference.startswith("expiry")]
    assert sorted(move.why for move in ended) == [
        "delivered",
        "delivered",
        "expired worthless",
        "expired worthless",
    ]
    delivered = [
        move for move in moves(session, CashMove) if move.kind is CashKind.DELIVERY and move.venue == "rysk"
    ]
    coins = sum(move.amount for move in delivered if move.currency == "ETH")
    assert len(delivered) == 4
    assert coins == 0  # the call brought what the put took
    assert result["reconciliation"] == [
        {"venue": "deribit", "differences": []},
        {"venue": "rysk", "differences": []},
    ]
    assert result["dead_letters"] == 0
    assert abs(result["naked_delta"]["now"]) < 0.05
    assert abs(unexplained(session, result)) < UNEXPLAINED_USD
    account = world.rysk.accounting.account(world.rysk_settings.maker.address)
    booked = session.ledger.accounts.balance("rysk", "rysk", "USD")
    assert booked == Decimal(account.deposits[world.rysk_settings.stable]).scaleb(-6)


@pytest.mark.system
def test_while_delivery_is_short_of_coins_the_claim_is_held_and_hedged() -> None:
    """No coins for the put in the money: it stays, its delta stays hedged, the rest is delivered."""
    _, world, result = through_expiry(SOON, coins=Decimal(0), offsets=PUTS)
    waiting = [delivery for delivery in world.rysk.deliveries if delivery.stage == "waiting"]
    assert [delivery.is_put for delivery in waiting] == [True]
    assert result["reconciliation"][1]["differences"] == []
    assert abs(result["naked_delta"]["now"]) < 0.05


@pytest.mark.system
def test_a_transaction_that_fails_is_no_difference() -> None:
    failing = msgspec.structs.replace(SOON, faults=Faults(delivery_failed=1.0))
    session, world, result = through_expiry(failing)
    assert {delivery.stage for delivery in world.rysk.deliveries} == {"waiting", "worthless"}
    assert [position["venue"] for position in result["positions"]].count("rysk") == 2
    assert result["reconciliation"][1]["differences"] == []
    assert abs(result["naked_delta"]["now"]) < 0.05
    assert abs(unexplained(session, result)) < UNEXPLAINED_USD
