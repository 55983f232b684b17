"""Across 08:00 with two accounts: settlement, two-step delivery, money to the last digit, faults or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from atomizer.domain.bookings import CashKind, CashMove, PositionMove
from atomizer.net.memory import MemoryNetwork
from atomizer.sim.deribit import DeribitTwinSettings
from tests.independent.deribit_client import deribit_judge
from tests.system.two_accounts import EXPIRY_NS, URL, VENUES, S, run_accounts

FUTURE, LATER, PERP, SPOT = "ETH-12SEP25", "ETH-19SEP25", "ETH-PERPETUAL", "ETH_USDC"
CALL, PUT, NEAR = "ETH-12SEP25-3300-C", "ETH-12SEP25-4700-P", "ETH-12SEP25-3900-C"
BOOKS = (PERP, SPOT, CALL, PUT, NEAR, "ETH-19SEP25-4000-C")
QUIET_NS = 30 * S


def first(now_ns: int) -> Mapping[str, float]:
    """Long calls and a hedge in their future, a call near the money, a perpetual that turns, spot."""
    wanted = {PERP: 3_000.0 if now_ns // (20 * S) % 2 else -2_000.0, LATER: 5_000.0, SPOT: 2.0}
    if now_ns < EXPIRY_NS - QUIET_NS:
        wanted |= {CALL: 10.0, NEAR: 5.0, FUTURE: -20_000.0}
    return wanted


def second(now_ns: int) -> Mapping[str, float]:
    """Short calls and puts against it, and an option that lives on."""
    wanted = {PERP: -4_000.0 if now_ns // (30 * S) % 2 else 1_000.0, "ETH-19SEP25-4000-C": 3.0}
    if now_ns < EXPIRY_NS - QUIET_NS:
        wanted |= {CALL: -8.0, PUT: -6.0}
    return wanted


async def truth(network: MemoryNetwork, settings: DeribitTwinSettings, venue: str) -> dict[str, Any]:
    credential = settings.credentials[VENUES.index(venue)]
    judge = await deribit_judge(network, URL, credential.client_id, credential.client_secret)
    try:
        summaries = {name: await judge.account_summary(name) for name in ("ETH", "USDC")}
        return {
            "positions": await judge.positions(),
            "balance": {name: item["balance"] for name, item in summaries.items()},
        }
    finally:
        await judge.close()


@pytest.mark.system
@pytest.mark.parametrize(
    "faults",
    ["", "loss=0.005,dup=0.05,delay=5..80ms", "loss=0.01,dup=0.02,delay=1..20ms,cut=1/60s"],
    ids=["calm", "noisy", "cut"],
)
def test_two_accounts_cross_a_settlement_and_an_expiry_without_a_difference(
    tmp_path: Path, faults: str
) -> None:
    session = run_accounts(
        tmp_path, 3, {"deribit": first, "deribit2": second}, BOOKS, faults=faults, judge=truth
    )
    booked = list(session.node.ledger.accounts.booked.values())
    assert session.differences == []
    assert session.ours == session.theirs
    delivered = {
        (item.venue, item.instrument.partition(":")[2]) for item in booked if isinstance(item, PositionMove)
    }
    assert {("deribit", CALL), ("deribit", NEAR), ("deribit", FUTURE)} <= delivered
    assert {("deribit2", CALL), ("deribit2", PUT), ("deribit2", FUTURE)} <= delivered
    kinds = {(item.venue, item.kind) for item in booked if isinstance(item, CashMove)}
    for venue in VENUES:
        assert {(venue, CashKind.SETTLEMENT), (venue, CashKind.DELIVERY), (venue, CashKind.FEE)} <= kinds
    assert not session.node.engine.halts.unreconciled


@pytest.mark.system
def test_orders_held_in_the_speed_bump_are_working_until_their_end_is_known(
    tmp_path: Path,
) -> None:
    session = run_accounts(
        tmp_path,
        3,
        {"deribit": first, "deribit2": second},
        BOOKS,
        faults="loss=0.005,dup=0.05,delay=5..80ms",
        speed_bump_ms=10.0,
        after_s=-180,
        judge=truth,
    )
    assert session.differences == []
    assert session.ours == session.theirs
    assert session.ours["deribit"]["positions"][CALL] == 10
    assert session.ours["deribit2"]["positions"][PUT] == -6


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(20, 30))
def test_every_market_is_settled_without_a_difference(tmp_path: Path, seed: int) -> None:
    faults = "loss=0.01,dup=0.05,delay=1..60ms,cut=1/60s"
    session = run_accounts(
        tmp_path, seed, {"deribit": first, "deribit2": second}, BOOKS, faults=faults, judge=truth
    )
    assert session.differences == []
    assert session.ours == session.theirs
