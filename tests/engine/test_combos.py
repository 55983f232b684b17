"""Combos: ordered as one instrument, held as legs."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill
from atomizer.domain.instruments import Instrument, Kind, Leg, Side
from atomizer.domain.orders import OrderState
from atomizer.engine.strategy import Level, Target

from .bench_desk import PERP, Desk, S, Wishes, placed

DATED = msgspec.structs.replace(
    PERP, key="deribit:ETH-26SEP25", name="ETH-26SEP25", kind=Kind.FUTURE, expiry_ns=1_758_873_600 * S
)
SPREAD = msgspec.structs.replace(
    PERP,
    key="deribit:ETH-FS-26SEP25_PERP",
    name="ETH-FS-26SEP25_PERP",
    kind=Kind.COMBO,
    legs=(Leg(DATED.key, 2), Leg(PERP.key, -2)),
)


def desk() -> tuple[Desk, Wishes]:
    wishes = Wishes(claims=(SPREAD.key,))
    made = Desk(wishes)
    made.feed(
        ev.InstrumentListed(DATED),
        ev.InstrumentListed(SPREAD),
        ev.Ticker(instrument=DATED.key, mark=4100.0, index=4000.0),
        ev.Ticker(instrument=SPREAD.key, mark=100.0, index=4000.0),
        ev.BookSnapshot(SPREAD.key, [(99.0, 1e6)], [(101.0, 1e6)], 1),
    )
    return made, wishes


def leg_fill(instrument: Instrument, side: Side, price: str, order_id: int, trade: str) -> Fill:
    return Fill(
        venue="deribit",
        account="main",
        instrument=instrument.key,
        trade_id=trade,
        side=side,
        price=Decimal(price),
        size=Decimal(40),
        order_id=order_id,
        ts_ns=1,
    )


def test_a_combo_counts_its_legs_greeks() -> None:
    made, _ = desk()
    unit = made.engine.exposure.unit(SPREAD, made.now_ns)
    assert unit.delta == pytest.approx(2 / 4100.0 - 2 / 4000.0)
    assert unit.notional == pytest.approx(4.0)


def test_a_combos_order_is_done_when_its_first_legs_trades_add_up() -> None:
    made, wishes = desk()
    wishes.targets = {Level(SPREAD.key, Side.BUY): Target(price=100.0, size=20.0, life_ns=3600 * S)}
    made.feed(ev.BookSnapshot(SPREAD.key, [(99.0, 1e6)], [(101.0, 1e6)], 2))
    (order,) = placed(made.out)
    made.ack(order)
    made.feed(leg_fill(PERP, Side.SELL, "4000", order.order_id, "L2"))
    assert made.engine.ledger.orders[order.order_id].booked == 0, "another leg says nothing of the size done"
    made.feed(leg_fill(DATED, Side.BUY, "4100", order.order_id, "L1"))
    done = made.engine.ledger.finished[order.order_id]
    assert (done.booked, done.state) == (20, OrderState.DONE)
    sizes = {key.instrument: size for key, size in made.engine.ledger.position_sizes().items()}
    assert sizes == {PERP.key: -40, DATED.key: 40}
    assert not made.engine.halts.paused, "its legs' trades are ours, not a stranger's"


def test_a_slot_that_settlement_refused_places_when_the_instrument_opens_again() -> None:
    made, wishes = desk()
    wishes.targets = {Level(SPREAD.key, Side.BUY): Target(price=100.0, size=20.0, life_ns=3600 * S)}
    made.feed(ev.BookSnapshot(SPREAD.key, [(99.0, 1e6)], [(101.0, 1e6)], 2))
    (order,) = placed(made.out)
    closed = msgspec.structs.replace(SPREAD, open=False, settling=True)
    made.feed(ev.PlaceRefused(order.order_id, "10041", "settlement_in_progress"), ev.InstrumentListed(closed))
    assert not placed(made.tick(5_000)), "nothing is placed while it settles"
    assert placed(made.feed(ev.InstrumentListed(SPREAD))), "and at once when it is over"
