"""Daily settlement, expiry and delivery in the fold, and cash against the venue's balance."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain import events as ev
from atomizer.domain.bookings import Booking, CashKind, CashMove, Fill, PositionMove, Reversal, booking_key
from atomizer.domain.commands import Difference
from atomizer.domain.instruments import Kind, Side
from atomizer.domain.orders import Purpose
from atomizer.engine.accounts import Accounts, Holding, Purse

from .bench_desk import DERIBIT, PERP, Desk

DATED = msgspec.structs.replace(
    PERP, key="deribit:ETH-26SEP25", name="ETH-26SEP25", kind=Kind.FUTURE, expiry_ns=1_758_873_600 * 10**9
)
OPTION = msgspec.structs.replace(
    DATED,
    key="deribit:ETH-26SEP25-4000-C",
    name="ETH-26SEP25-4000-C",
    kind=Kind.OPTION,
    size_in_quote=False,
    strike=Decimal(4000),
    is_call=True,
)
ETH = Purse("deribit", "main", "ETH")


def accounts(*bookings: Booking) -> Accounts:
    made = Accounts({item.key: item for item in (PERP, DATED, OPTION)})
    for booking in bookings:
        made.book(booking)
    return made


def fill(number: int, side: Side, size: int, price: str, ts: int, instrument: str = PERP.key) -> Fill:
    return Fill(
        venue="deribit",
        account="main",
        instrument=instrument,
        trade_id=f"ETH-{number}",
        side=side,
        price=Decimal(price),
        size=Decimal(size),
        ts_ns=ts,
    )


def cash(number: int, kind: CashKind, amount: str, ts: int, **fields: Any) -> CashMove:
    return CashMove(
        venue="deribit",
        account="main",
        kind=kind,
        reference=str(number),
        currency="ETH",
        amount=Decimal(amount),
        ts_ns=ts,
        **fields,
    )


def move(
    number: int, size: int, why: str, ts: int, instrument: str, price: str | None = None
) -> PositionMove:
    return PositionMove(
        venue="deribit",
        account="main",
        instrument=instrument,
        reference=str(number),
        size=Decimal(size),
        why=why,
        price=None if price is None else Decimal(price),
        ts_ns=ts,
    )


def settled(number: int, amount: str, ts: int, price: str | None = None) -> CashMove:
    return cash(number, CashKind.SETTLEMENT, amount, ts, instrument=PERP.key, price=price and Decimal(price))


# Long 8,000 USD at 4000, half of it sold at 4100, the rest settled at 4200, then sold at 4150.
SESSION: tuple[Booking, ...] = (
    fill(1, Side.BUY, 8_000, "4000", 10),
    fill(2, Side.SELL, 4_000, "4100", 20),
    settled(90, "0.07200000", 30, "4200"),
    fill(3, Side.SELL, 4_000, "4150", 40),
    settled(91, "-0.01147447", 50),
)


def test_what_a_session_realised_is_in_our_cash_at_once_and_in_the_balance_at_its_settlement() -> None:
    made = accounts(*SESSION[:2])
    assert made.cash[ETH] == Decimal("0.02439024")
    assert made.unpaid(*ETH) == Decimal("0.02439024"), "the balance has none of it yet"
    made.book(SESSION[2])
    assert made.cash[ETH] == Decimal("0.07200000"), "a settlement pays the whole session once"
    assert made.unpaid(*ETH) == 0
    held = made.positions[Holding("deribit", "main", PERP.key)]
    assert held.average(inverse=True) == 4200, "from now on the position counts from the settlement price"


def test_the_cash_of_a_position_is_what_its_settlements_paid() -> None:
    made = accounts(*SESSION)
    assert made.cash[ETH] == Decimal("0.07200000") + Decimal("-0.01147447")
    assert made.unpaid(*ETH) == 0 and not made.size("deribit", "main", PERP.key)


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_entries_heard_in_any_order_make_the_same_position(order: tuple[int, ...]) -> None:
    made, straight = accounts(*(SESSION[index] for index in order)), accounts(*SESSION)
    assert made.positions == straight.positions
    assert made.cash == straight.cash


@given(st.permutations(range(5)), st.integers(0, 4))
def test_a_busted_entry_leaves_what_would_be_without_it(order: list[int], busted: int) -> None:
    made = accounts(*(SESSION[index] for index in order))
    made.book(Reversal(venue="deribit", account="main", key=booking_key(SESSION[busted]), why="bust"))
    without = accounts(*(entry for index, entry in enumerate(SESSION) if index != busted))
    assert made.positions == without.positions
    assert made.cash == without.cash


def test_funding_and_fees_are_cash_of_their_own() -> None:
    made = accounts(*SESSION[:3], cash(90, CashKind.FUNDING, "-0.00012345", 30, instrument=PERP.key))
    assert made.cash[ETH] == Decimal("0.07200000") - Decimal("0.00012345")
    assert made.unpaid(*ETH) == 0


def test_an_option_is_delivered_through_its_future_to_the_cash_it_pays() -> None:
    """Five calls of strike 4000 at a fixing of 5000: 5 (1 - 4000/5000) coins, in two events."""
    made = accounts(
        fill(1, Side.BUY, 5, "0.1", 10, OPTION.key),
        move(50, -5, "exercise", 30, OPTION.key),
        move(51, 20_000, "delivered by an option", 30, DATED.key, "4000"),
    )
    held = made.positions[Holding("deribit", "main", DATED.key)]
    assert (held.size, held.average(inverse=True)) == (20_000, 4000)
    assert made.cash[ETH] == Decimal("-0.5"), "an exercise moves no cash"
    made.book(move(52, -20_000, "delivery", 31, DATED.key, "5000"))
    assert made.cash[ETH] == Decimal("0.5") and made.unpaid(*ETH) == 1
    made.book(cash(52, CashKind.DELIVERY, "1.00000000", 31, instrument=DATED.key))
    made.book(cash(52, CashKind.FEE, "-0.00075", 31, instrument=DATED.key))
    assert made.cash[ETH] == Decimal("0.49925") and made.unpaid(*ETH) == 0
    assert not held.size and not held.cost


def test_a_hedge_in_the_future_nets_with_what_the_option_delivers() -> None:
    """Short 20,000 USD at 4500 against it: what is delivered is flat, and the whole P&L is paid."""
    made = accounts(
        fill(2, Side.SELL, 20_000, "4500", 20, DATED.key),
        move(51, 20_000, "delivered by an option", 30, DATED.key, "4000"),
    )
    assert not made.size("deribit", "main", DATED.key)
    expected = Decimal(20_000) / 4000 - Decimal(20_000) / 4500
    assert made.cash[ETH] == expected.quantize(Decimal("1e-8")) == made.unpaid(*ETH)
    made.book(cash(52, CashKind.DELIVERY, str(made.cash[ETH]), 31, instrument=DATED.key))
    assert made.unpaid(*ETH) == 0


def test_a_position_held_before_the_first_run_counts_from_its_mark() -> None:
    made = accounts(
        move(0, 8_000, "held before the first run", 1, PERP.key, "4000"),
        fill(1, Side.SELL, 8_000, "4000", 10),
    )
    assert made.cash[ETH] == 0


# --- cash against the balance ---


class Banked(Desk):
    """A desk on a venue that tells every change of its balance and settles daily."""

    def __init__(self) -> None:
        told = msgspec.structs.replace(DERIBIT, cash_told=True, settles_daily=True)
        super().__init__(capabilities={"deribit": told})
        self.feed(ev.FeedAlive("deribit/trading"))


def differences(desk: Desk) -> list[Difference]:
    return list(desk.engine.ledger.differences.values())


def test_realised_profit_that_is_not_settled_yet_is_no_difference() -> None:
    desk = Banked()
    desk.feed(*SESSION[:2])
    desk.read(equity="100", positions={PERP.key: "4000"})
    assert not differences(desk) and not desk.engine.halts.unreconciled
    desk.feed(SESSION[2])
    desk.read(equity="100.072", positions={PERP.key: "4000"})
    assert not differences(desk) and not desk.engine.halts.unreconciled


def test_cash_that_nothing_explains_is_read_again_then_shown_and_stops_quoting() -> None:
    desk = Banked()
    desk.read(equity="100.5")
    assert not differences(desk) and not desk.engine.halts.unreconciled, "it may still be on its way"
    desk.read(equity="100.5")
    (shown,) = differences(desk)
    assert (shown.what, shown.ours, shown.theirs) == ("cash ETH", "100", "100.5")
    assert "nothing explains it" in desk.engine.halts.unreconciled["deribit", "main"]
    desk.feed(cash(7, CashKind.TRANSFER, "0.5", 1))
    desk.read(equity="100.5")
    assert not differences(desk) and not desk.engine.halts.unreconciled


def test_between_an_expiry_and_its_delivery_nothing_is_judged() -> None:
    told = msgspec.structs.replace(DERIBIT, cash_told=True, settles_daily=True, settling_ms=60_000)
    desk = Desk(capabilities={"deribit": told})
    expiring = msgspec.structs.replace(OPTION, expiry_ns=desk.now_ns + 1_000_000_000)
    desk.feed(ev.InstrumentListed(expiring), fill(1, Side.BUY, 5, "0.1", desk.now_ns, expiring.key))
    desk.read(equity="99.5", positions={expiring.key: "5"})
    desk.tick(2_000)
    for _ in range(3):
        desk.read(equity="99.9")
        assert not differences(desk)
    desk.tick(61_000)
    for _ in range(2):
        desk.read(equity="99.9")
    assert {item.what for item in differences(desk)} == {expiring.key, "cash ETH"}


def test_an_entry_nobody_understands_is_a_difference_told_once() -> None:
    desk = Banked()
    entry = ev.UnknownEntry(
        venue="deribit",
        account="main",
        reference="77",
        kind="staking_reward",
        text="a type of entry that is not known here",
        currency="ETH",
        amount=Decimal("0.5"),
    )
    desk.feed(entry)
    desk.feed(entry)
    (shown,) = [item for item in desk.all if isinstance(item, Difference)]
    assert shown.what == "log 77" and "staking_reward" in shown.theirs and "0.5 ETH" in shown.theirs


def test_the_accounts_own_rate_replaces_the_declared_one() -> None:
    desk = Banked()
    desk.feed(ev.BudgetRead("deribit", 24.0, 80.0))
    budget, now_ns = desk.engine.flight._budgets["deribit"], desk.now_ns
    quotes = [budget.take(Purpose.QUOTE, now_ns) for _ in range(80)]
    hedges = [budget.take(Purpose.HEDGE, now_ns) for _ in range(80)]
    assert (sum(quotes), sum(hedges)) == (70, 10), "a burst of 80, of which 10 are reserved"
    assert abs(budget.due_ns(Purpose.HEDGE, now_ns) - now_ns - 10**9 / 24.0) < 100


def test_what_comes_late_of_an_expired_option_is_no_fault() -> None:
    """After a delivery an option is told to be closed, and another one's last ticker arrives."""
    desk = Desk()
    near = [
        msgspec.structs.replace(
            OPTION, key=f"deribit:ETH-X-{strike}-C", strike=Decimal(strike), expiry_ns=desk.now_ns + 10**9
        )
        for strike in (3900, 4000, 4100)
    ]
    desk.feed(*(ev.InstrumentListed(item) for item in near))
    desk.feed(ev.Look(), after_ms=2_000)
    desk.feed(ev.InstrumentListed(msgspec.structs.replace(near[0], open=False)))
    desk.feed(ev.Ticker(instrument=near[2].key, bid=0.1, ask=0.2, forward=4000.0, index=4000.0))
    assert not desk.engine.surfaces["ETH"].expiries
    later = msgspec.structs.replace(near[1], expiry_ns=desk.now_ns + 3600 * 10**9)
    desk.feed(ev.InstrumentListed(later))
    desk.feed(ev.Ticker(instrument=near[2].key, bid=0.1, ask=0.2, forward=4000.0, index=4000.0))
    assert list(desk.engine.surfaces["ETH"].expiries) == [later.expiry_ns]
