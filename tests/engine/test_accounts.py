"""Positions and cash: identities of profit, reversals, several currencies, alarms."""

from __future__ import annotations

from decimal import Decimal
from itertools import count

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain.bookings import (
    CashKind,
    CashMove,
    Fill,
    PositionMove,
    Reversal,
    RfqTrade,
    booking_key,
)
from atomizer.domain.instruments import Instrument, Kind, Side
from atomizer.engine.accounts import CURRENCY_QUANTUM, Accounts, Holding

from .bench_desk import PERP
from .rfq_desk import NEAR_S, option

LINEAR = msgspec.structs.replace(
    PERP,
    key="deribit:ETH_USDC-PERPETUAL",
    name="ETH_USDC-PERPETUAL",
    inverse=False,
    size_in_quote=False,
    settlement="USDC",
    lot=Decimal("0.001"),
    contract_size=Decimal("0.1"),
)
CALL = option("deribit", 4000.0, NEAR_S, is_call=True)
SPOT = msgspec.structs.replace(
    LINEAR, key="deribit:ETH_USDC", name="ETH_USDC", kind=Kind.SPOT, contract_size=Decimal(1)
)
INSTRUMENTS = {item.key: item for item in (PERP, LINEAR, CALL, SPOT)}
NUMBERS = count()

fills = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(1, 5000), st.integers(20_000, 120_000)),
    min_size=1,
    max_size=12,
)


def accounts() -> Accounts:
    return Accounts(dict(INSTRUMENTS))


def fill(
    instrument: Instrument, sign: int, size: Decimal, price: Decimal, trade: str = "", **other: object
) -> Fill:
    return msgspec.structs.replace(
        Fill(
            venue="deribit",
            account="main",
            instrument=instrument.key,
            trade_id=trade or f"t{next(NUMBERS)}",
            side=Side(sign),
            price=price,
            size=size,
        ),
        **other,
    )


def wealth(book: Accounts, instrument: Instrument, mark: Decimal) -> Decimal:
    """Realised plus unrealised, in the settlement currency."""
    cash = book.balance("deribit", "main", instrument.settlement)
    holding = Holding("deribit", "main", instrument.key)
    return cash + (book.unrealised(holding, mark) if holding in book.positions else 0)


def made(instrument: Instrument, rows: list[tuple[int, int, int]]) -> list[Fill]:
    scale = Decimal(1) if instrument.size_in_quote else Decimal("0.001")
    return [
        fill(instrument, sign, size * scale, Decimal(price) / 20, trade=f"n{number}")
        for number, (sign, size, price) in enumerate(rows)
    ]


def flows(instrument: Instrument, booked: list[Fill], mark: Decimal) -> Decimal:
    """What the same trades come to when each is valued at once against the mark."""
    if instrument.inverse:
        return sum((item.side * item.size * (1 / item.price - 1 / mark) for item in booked), Decimal(0))
    unit = instrument.contract_size
    return sum((item.side * item.size * unit * (mark - item.price) for item in booked), Decimal(0))


@pytest.mark.parametrize("instrument", [PERP, LINEAR], ids=["inverse", "linear"])
@settings(max_examples=80, deadline=None)
@given(rows=fills, mark=st.integers(20_000, 120_000))
def test_realised_and_unrealised_are_the_cash_flows(
    instrument: Instrument, rows: list[tuple[int, int, int]], mark: int
) -> None:
    book, trades = accounts(), made(instrument, rows)
    for item in trades:
        assert book.book(item)
    at = Decimal(mark) / 20
    quantum = CURRENCY_QUANTUM[instrument.settlement]
    assert abs(wealth(book, instrument, at) - flows(instrument, trades, at)) <= len(trades) * quantum


@pytest.mark.parametrize("instrument", [PERP, LINEAR], ids=["inverse", "linear"])
@settings(max_examples=40, deadline=None)
@given(rows=fills, mark=st.integers(20_000, 120_000), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_fills_does_not_matter(
    instrument: Instrument, rows: list[tuple[int, int, int]], mark: int, shuffle: object
) -> None:
    trades = made(instrument, rows)
    mixed = list(trades)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]
    one, two = accounts(), accounts()
    for first, second in zip(trades, mixed, strict=True):
        one.book(first)
        two.book(second)
    at, quantum = Decimal(mark) / 20, CURRENCY_QUANTUM[instrument.settlement]
    assert one.size("deribit", "main", instrument.key) == two.size("deribit", "main", instrument.key)
    assert abs(wealth(one, instrument, at) - wealth(two, instrument, at)) <= 2 * len(rows) * quantum


@pytest.mark.parametrize("instrument", [PERP, LINEAR, CALL, SPOT], ids=lambda item: item.name)
@settings(max_examples=40, deadline=None)
@given(rows=fills, which=st.integers(0, 11))
def test_a_bust_leaves_what_would_be_without_the_trade(
    instrument: Instrument, rows: list[tuple[int, int, int]], which: int
) -> None:
    trades = [
        msgspec.structs.replace(item, fee=Decimal("0.001"), fee_currency="ETH")
        for item in made(instrument, rows)
    ]
    busted = trades[which % len(trades)]
    with_it, without = accounts(), accounts()
    for item in trades:
        with_it.book(item)
        if item is not busted:
            without.book(item)
    with_it.book(Reversal(venue="deribit", account="main", key=booking_key(busted), why="bust"))
    holding = Holding("deribit", "main", instrument.key)
    left = without.positions.get(holding)
    assert with_it.positions[holding].size == (left.size if left else 0)
    assert abs(with_it.positions[holding].cost - (left.cost if left else 0)) < Decimal("1e-15")
    for purse, amount in with_it.cash.items():
        assert amount == without.cash.get(purse, Decimal(0)), purse
    for purse, amount in with_it.fees.items():
        assert amount == without.fees.get(purse, Decimal(0))


def test_a_bust_twice_or_of_nothing_changes_nothing() -> None:
    book = accounts()
    trade = fill(PERP, 1, Decimal(100), Decimal(4000))
    book.book(trade)
    undo = Reversal(venue="deribit", account="main", key=booking_key(trade), why="bust")
    assert book.book(undo)
    assert not book.book(undo)
    book.book(Reversal(venue="deribit", account="main", key="no such booking", why="bust"))
    assert book.size("deribit", "main", PERP.key) == 0
    assert not book.alarms


def test_inverse_profit_in_numbers() -> None:
    """Long 4000 USD from 4000 to 5000: one coin in, 0.8 out."""
    book = accounts()
    book.book(fill(PERP, 1, Decimal(4000), Decimal(4000)))
    assert wealth(book, PERP, Decimal(5000)) == Decimal("0.2")
    assert book.positions[Holding("deribit", "main", PERP.key)].average(inverse=True) == 4000
    book.book(fill(PERP, -1, Decimal(4000), Decimal(5000)))
    assert book.balance("deribit", "main", "ETH") == Decimal("0.2")


def test_a_trade_through_zero_closes_then_opens_at_its_own_price() -> None:
    book = accounts()
    book.book(fill(LINEAR, 1, Decimal(10), Decimal(100)))
    book.book(fill(LINEAR, -1, Decimal(25), Decimal(110)))
    position = book.positions[Holding("deribit", "main", LINEAR.key)]
    assert position.size == -15
    assert book.balance("deribit", "main", "USDC") == 10
    assert position.cost == -15 * 110 * LINEAR.contract_size


def test_currencies_are_kept_apart() -> None:
    book = accounts()
    book.book(fill(CALL, 1, Decimal(2), Decimal("0.05"), fee=Decimal("0.0006"), fee_currency="ETH"))
    book.book(fill(SPOT, 1, Decimal(3), Decimal(4000), fee=Decimal(6), fee_currency="USDC"))
    assert book.balance("deribit", "main", "ETH") == Decimal("-0.1") - Decimal("0.0006") + 3
    assert book.balance("deribit", "main", "USDC") == -12_006
    assert sum(book.fees.values()) == Decimal("6.0006")


def test_a_key_with_other_contents_is_an_alarm_once_and_moves_nothing() -> None:
    book = accounts()
    first = fill(PERP, 1, Decimal(100), Decimal(4000), trade="7")
    book.book(first)
    other = msgspec.structs.replace(first, size=Decimal(200))
    assert not book.book(other)
    assert not book.book(other)
    assert [alarm.key for alarm in book.alarms] == [booking_key(first)]
    assert book.size("deribit", "main", PERP.key) == 100
    assert book.duplicates == 0


def test_the_same_fill_twice_is_a_duplicate_and_no_alarm() -> None:
    book = accounts()
    first = fill(PERP, 1, Decimal(100), Decimal(4000), trade="7", ts_ns=1)
    book.book(first)
    assert not book.book(msgspec.structs.replace(first, ts_ns=2, maker=True))
    assert (book.duplicates, book.alarms) == (1, [])


@pytest.mark.parametrize(
    "change",
    [
        {"order_id": 9},
        {"leg": 1},
        {"account": "other"},
        {"venue_order_id": "ETH-2", "order_id": 0},
        {"trade_id": "8"},
    ],
)
def test_a_trade_id_alone_does_not_make_two_fills_one(change: dict[str, object]) -> None:
    book = accounts()
    first = fill(PERP, 1, Decimal(100), Decimal(4000), trade="7", order_id=3)
    assert book.book(first)
    assert book.book(msgspec.structs.replace(first, **change))


def test_cash_and_position_moves_are_booked_once_and_undone() -> None:
    book = accounts()
    moves: list[CashMove | PositionMove] = [
        CashMove(
            venue="deribit",
            account="main",
            kind=CashKind.FUNDING,
            reference="f1",
            currency="ETH",
            amount=Decimal("-0.25"),
        ),
        PositionMove(
            venue="deribit",
            account="main",
            instrument=CALL.key,
            reference="x1",
            size=Decimal(-2),
            why="expiry",
        ),
    ]
    for move in moves:
        assert book.book(move)
        assert not book.book(move)
    assert book.balance("deribit", "main", "ETH") == Decimal("-0.25")
    for move in moves:
        book.book(Reversal(venue="deribit", account="main", key=booking_key(move), why="wrong"))
    assert book.balance("deribit", "main", "ETH") == 0
    assert book.size("deribit", "main", CALL.key) == 0


def test_an_rfq_trade_pays_its_premium_and_a_confirmation_without_a_price_agrees() -> None:
    rysk = option("rysk", 4000.0, NEAR_S, is_call=True)
    trade = RfqTrade(
        venue="rysk",
        account="maker",
        instrument=rysk.key,
        nonce=5,
        side=Side.BUY,
        price=Decimal("120.5"),
        size=Decimal(2),
        premium_currency="USD",
    )
    book = Accounts({rysk.key: rysk})
    assert book.book(trade)
    assert not book.book(msgspec.structs.replace(trade, price=None))
    assert (book.duplicates, book.alarms) == (1, [])
    assert not book.book(msgspec.structs.replace(trade, price=Decimal(120)))
    assert len(book.alarms) == 1
    assert book.balance("rysk", "maker", "USD") == -241
    assert book.size("rysk", "maker", rysk.key) == 2
