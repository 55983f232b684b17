"""A journal with a story: an RFQ answered twice, won once, hedged; a refusal; two signatures alive."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from atomizer.domain.bookings import Fill, RfqTrade
from atomizer.domain.commands import (
    InstrumentUsed,
    PlaceOrder,
    Refused,
    RunStarted,
    SendQuote,
)
from atomizer.domain.events import OrderEnded, OrderOpen
from atomizer.domain.identity import order_id
from atomizer.domain.instruments import Instrument, Kind, PriceGrid, Side
from atomizer.domain.orders import EndReason, Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import OnchainTerms, Rfq
from atomizer.storage.journal import Journal

OPTION, PERPETUAL = "rysk:ETH-CALL", "deribit:ETH-PERPETUAL"
HEDGE, RESTING = order_id(1, 2, 1), order_id(1, 1, 5)
TERMS = OnchainTerms(
    chain_id=31337,
    asset="0xa1",
    premium_token="0xb2",
    collateral_token="0xa1",
    strike_e8=440_000_000_000,
    quantity_e18=2 * 10**18,
    expiry_s=2_000_000_000,
    is_put=False,
    is_taker_buy=False,
)


def rfq(rfq_id: str) -> Rfq:
    return Rfq(
        rfq_id=rfq_id,
        venue="rysk",
        account="maker",
        instrument=OPTION,
        underlying="ETH",
        side=Side.BUY,
        size=Decimal(2),
        strike=Decimal(4400),
        is_call=True,
        expiry_ns=2_000_000_000 * 10**9,
        taker="0xc3",
        terms=TERMS,
    )


def quote(nonce: int, rfq_id: str, valid_until_s: int, side: Side = Side.BUY) -> SendQuote:
    return SendQuote(
        nonce=nonce,
        venue="rysk",
        account="maker",
        instrument=OPTION,
        rfq_id=rfq_id,
        taker="0xc3",
        underlying="ETH",
        side=side,
        terms=TERMS,
        price_e18=75 * 10**18,
        valid_until_s=valid_until_s,
        delta=0.4 * side,
        gamma=0.001 * side,
        vega=2.0 * side,
        why={"fair": 77.0, "edge": 2.0},
    )


def option() -> Instrument:
    return Instrument(
        key=OPTION,
        venue="rysk",
        name="ETH-CALL",
        kind=Kind.OPTION,
        underlying="ETH",
        quote="USD",
        settlement="USD",
        grid=PriceGrid(Decimal("0.01")),
        lot=Decimal("0.001"),
        strike=Decimal(4400),
        is_call=True,
        expiry_ns=2_000_000_000 * 10**9,
    )


def perpetual() -> Instrument:
    return Instrument(
        key=PERPETUAL,
        venue="deribit",
        name="ETH-PERPETUAL",
        kind=Kind.PERPETUAL,
        underlying="ETH",
        quote="USD",
        settlement="ETH",
        grid=PriceGrid(Decimal("0.05")),
        lot=Decimal(1),
        inverse=True,
        size_in_quote=True,
    )


def order(number: int, purpose: Purpose, why: dict[str, float | int | str]) -> PlaceOrder:
    return PlaceOrder(
        order_id=number,
        venue="deribit",
        account="main",
        instrument=PERPETUAL,
        side=Side.SELL,
        ticks=86_000,
        lots=3_440,
        time_in_force=TimeInForce.GTC,
        purpose=purpose,
        deadline_ns=1,
        slot=1,
        why=why,
    )


def write_story(directory: Path) -> int:
    """Writes it as of now; returns the second at which the last signature's validity ends."""
    now_ns = time.time_ns()
    now_s = now_ns // 10**9
    journal = Journal.open(directory, reserve_bytes=4096, sync_interval_s=None)
    for record in (
        RunStarted(run=1, network="sim", mode="live", version="0.1.0"),
        rfq("rfq-1"),
        quote(100, "rfq-1", now_s + 20),
        quote(101, "rfq-1", now_s + 25),
        Refused(reason=Reason.TERMS_CAP, text="3 quotes of these terms", subject="rfq-2"),
        quote(102, "rfq-3", now_s + 30, Side.SELL),
        quote(103, "rfq-4", now_s - 61),
        InstrumentUsed(option()),
        RfqTrade(
            venue="rysk",
            account="maker",
            instrument=OPTION,
            nonce=100,
            side=Side.BUY,
            price=Decimal(75),
            size=Decimal(2),
            premium_currency="USD",
            rfq_id="rfq-1",
        ),
        InstrumentUsed(perpetual()),
        order(HEDGE, Purpose.HEDGE, {"net_delta": 0.8, "rfq_id": "rfq-1"}),
        OrderOpen(
            venue="deribit",
            account="main",
            order_id=HEDGE,
            venue_order_id="ETH-77",
            instrument=PERPETUAL,
            side=Side.SELL,
            ticks=86_000,
            lots=3_440,
            filled_lots=0,
        ),
        Fill(
            venue="deribit",
            account="main",
            instrument=PERPETUAL,
            trade_id="ETH-1001",
            side=Side.SELL,
            price=Decimal(4300),
            size=Decimal(3440),
            order_id=HEDGE,
        ),
        OrderEnded(
            venue="deribit", account="main", order_id=HEDGE, reason=EndReason.FILLED, filled_lots=3_440
        ),
        order(RESTING, Purpose.QUOTE, {}),
    ):
        journal.append(now_ns, [record], essential=True)
    journal.close()
    return now_s + 30


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A data directory with the story in it and no node."""
    write_story(tmp_path)
    return tmp_path


@pytest.fixture
def last_valid_s(tmp_path: Path) -> Callable[[], int]:
    """Writes the story and says when the last signature's validity ends."""
    return lambda: write_story(tmp_path)
