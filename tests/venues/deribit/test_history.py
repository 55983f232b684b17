"""Rows of the transaction log, the first of them as the venue's reference prints them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from atomizer.domain.bookings import CashKind, CashMove, PositionMove
from atomizer.domain.events import UnknownEntry
from atomizer.venues.deribit import codec, history, wire

from .scripted import DATED, OPTION, PERPETUAL

TRANSFER = b"""{"username":"TestUser","user_seq":6009,"user_id":7,"type":"transfer","trade_id":null,
"timestamp":1613659830333,"side":"-","price":null,"position":null,"order_id":null,"interest_pl":null,
"instrument_name":null,"info":{"transfer_type":"subaccount","other_user_id":27,"other_user":"Subaccount"},
"id":61312,"equity":3000.9275869,"currency":"BTC","commission":0,"change":-2.5,"cashflow":-2.5,
"balance":3001.22270418}"""
SETTLEMENT = b"""{"username":"TestUser","user_seq":6008,"user_id":7,"type":"settlement","trade_id":null,
"total_interest_pl":0.00001243,"timestamp":1613659544153,"side":"long","session_upl":0.00220172,
"session_rpl":-0.00004467,"price_currency":"USD","price":51807.07,"position":1520,"order_id":null,
"interest_pl":0.00000993,"instrument_name":"BTC-PERPETUAL",
"info":{"settlement_price":51807,"floating_pl":0.00220172},"id":61311,"equity":3003.42821428,
"currency":"BTC","commission":null,"change":0.00215706,"cashflow":0.00215706,"balance":3003.72270418,
"amount":1520}"""
DEPOSIT = b"""{"username":"TestUser","user_seq":6007,"user_id":7,"type":"deposit","trade_id":null,
"timestamp":1613657828414,"side":"-","price":null,"position":null,"order_id":null,"interest_pl":null,
"instrument_name":null,"info":{"addr":"2N8prMvpZHr8aYqodX3S4yhz5wMxjY8La3p"},"id":61291,
"equity":3003.4876111,"currency":"BTC","commission":0,"change":0.65,"cashflow":0.65,
"balance":3003.72054712}"""

decode = msgspec.json.Decoder(wire.LogData).decode
encode = msgspec.json.Encoder(decimal_format="number").encode


def listed(data: dict[str, Any]) -> Any:
    return codec.instrument(msgspec.convert(data, wire.InstrumentData, strict=False), "deribit")


perpetual, dated, option = listed(PERPETUAL), listed(DATED), listed(OPTION)


def row(**fields: Any) -> wire.LogData:
    made = {"id": 7, "currency": "ETH", "timestamp": 1757289600000, "side": "-"} | fields
    return decode(encode(made))


def booked(data: wire.LogData, instrument: Any = None, future: Any = None) -> list[Any]:
    return history.entries(data, instrument, future, "deribit", "main")


def test_money_that_came_or_went_is_its_change_in_its_currency():
    (move,) = booked(decode(TRANSFER))
    assert move == CashMove(
        venue="deribit",
        account="main",
        kind=CashKind.TRANSFER,
        reference="61312",
        currency="BTC",
        amount=Decimal("-2.5"),
        ts_ns=1613659830333 * 10**6,
    )
    (move,) = booked(decode(DEPOSIT))
    assert (move.kind, move.amount) == (CashKind.DEPOSIT, Decimal("0.65"))


def test_a_settlement_is_funding_and_the_rest_and_together_its_change():
    funding, rest = booked(decode(SETTLEMENT), perpetual)
    assert (funding.kind, funding.amount) == (CashKind.FUNDING, Decimal("0.00001243"))
    assert (rest.kind, rest.price) == (CashKind.SETTLEMENT, Decimal("51807.07"))
    assert funding.amount + rest.amount == Decimal("0.00215706")
    assert {funding.instrument, rest.instrument} == {"deribit:BTC-PERPETUAL"}
    assert {funding.reference, rest.reference} == {"61311"}


@pytest.mark.parametrize(
    ("kind", "booking"),
    [
        ("withdrawal", CashKind.WITHDRAWAL),
        ("swap", CashKind.CONVERSION),
        ("liquidation", CashKind.LIQUIDATION),
        ("negative_balance_fee", CashKind.FEE),
        ("usdc_reward", CashKind.INTEREST),
    ],
)
def test_every_kind_of_cash_has_its_word(kind: str, booking: CashKind):
    (move,) = booked(row(type=kind, change=Decimal("-0.125")))
    assert (move.kind, move.amount) == (booking, Decimal("-0.125"))


def test_an_option_that_expires_worthless_is_one_move_and_no_cash():
    data = row(
        type="expiry",
        side="close sell",
        amount=5,
        price=0,
        change=0,
        instrument_name=OPTION["instrument_name"],
    )
    (move,) = booked(data, option)
    assert isinstance(move, PositionMove)
    assert (move.size, move.why, move.price) == (-5, "expiry", None)


@pytest.mark.parametrize(
    ("kind", "side", "sign"), [("exercise", "close sell", -1), ("assignment", "close buy", 1)]
)
def test_an_exercised_option_goes_and_pays_its_fee_alone(kind: str, side: str, sign: int):
    data = row(
        type=kind,
        side=side,
        amount=5,
        price=Decimal("4100.5"),
        commission=Decimal("0.00075"),
        change=Decimal("-0.00075"),
        instrument_name=OPTION["instrument_name"],
    )
    move, fee = booked(data, option)
    assert (move.size, move.why) == (sign * 5, kind)
    assert (fee.kind, fee.amount) == (CashKind.FEE, Decimal("-0.00075"))


def test_the_future_an_option_delivers_comes_in_at_the_strike():
    data = row(
        type="future creation",
        side="open buy",
        amount=20_000,
        price=4000,
        change=0,
        instrument_name=DATED["instrument_name"],
    )
    (move,) = booked(data, dated)
    assert (move.size, move.price) == (20_000, 4000)


def test_a_delivered_future_goes_at_its_price_and_ends_its_session_even_with_nothing_to_pay():
    fields: dict[str, Any] = {
        "type": "delivery",
        "side": "close sell",
        "amount": 20_000,
        "price": Decimal("4100.5"),
        "commission": Decimal("0.0012"),
        "instrument_name": DATED["instrument_name"],
    }
    move, fee, paid = booked(row(**fields, change=Decimal("0.1188")), dated)
    assert (move.size, move.price, move.why) == (-20_000, Decimal("4100.5"), "delivery")
    assert (fee.kind, fee.amount) == (CashKind.FEE, Decimal("-0.0012"))
    assert (paid.kind, paid.amount, paid.price) == (CashKind.DELIVERY, Decimal("0.12"), None)
    *_, paid = booked(row(**fields, change=Decimal("-0.0012")), dated)
    assert (paid.kind, paid.amount) == (CashKind.DELIVERY, 0)


@pytest.mark.parametrize(
    ("side", "is_call", "size"),
    [
        ("close sell", True, 20_000),
        ("close buy", True, -20_000),
        ("close sell", False, -20_000),
        ("close buy", False, 20_000),
    ],
)
def test_an_option_whose_row_names_its_future_brings_it_in_at_the_strike(side: str, is_call: bool, size: int):
    data = row(
        type="delivery",
        side=side,
        amount=5,
        change=Decimal("-0.00075"),
        commission=Decimal("0.00075"),
        price=Decimal("0.1"),
        instrument_name=OPTION["instrument_name"],
        info={"delivered_into": DATED["instrument_name"], "strike": 4000.0},
    )
    held = msgspec.structs.replace(option, is_call=is_call)
    assert history.delivered_into(data) == DATED["instrument_name"]
    gone, came, fee = booked(data, held, dated)
    assert (gone.instrument, abs(gone.size), gone.price) == (option.key, 5, None)
    assert (came.instrument, came.size, came.price) == (dated.key, size, 4000)
    assert fee.amount == Decimal("-0.00075")
    (unknown,) = booked(data, held, None)
    assert isinstance(unknown, UnknownEntry), "half of it is not booked"


def test_an_option_delivered_in_cash_at_once_is_booked_as_well():
    data = row(
        type="delivery",
        side="close sell",
        amount=5,
        change=Decimal("0.1185"),
        commission=Decimal("0.0015"),
        instrument_name=OPTION["instrument_name"],
    )
    move, fee, paid = booked(data, option)
    assert (move.size, fee.amount, paid.amount) == (-5, Decimal("-0.0015"), Decimal("0.12"))


@pytest.mark.parametrize(
    ("fields", "instrument", "words"),
    [
        ({"type": "staking_reward", "change": Decimal("0.5")}, None, "not known"),
        ({"type": "correction", "change": Decimal("-0.5")}, None, "not known"),
        ({"type": "options_settlement_summary", "change": Decimal("0.5")}, None, "not known"),
        ({"type": "settlement", "change": 1}, None, "not known"),
        ({"type": "delivery", "change": 1, "instrument_name": "ETH-1JAN25"}, None, "terms of ETH-1JAN25"),
        ({"type": "delivery", "change": 1, "instrument_name": "X"}, dated, "a side and an amount"),
        ({"type": "expiry", "side": "close sell", "instrument_name": "X"}, option, "a side and an amount"),
    ],
)
def test_what_is_not_understood_is_told_never_dropped(fields: dict[str, Any], instrument: Any, words: str):
    (entry,) = booked(row(**fields), instrument)
    assert isinstance(entry, UnknownEntry) and words in entry.text
    assert (entry.reference, entry.amount) == ("7", fields.get("change", 0))


def test_a_summary_without_cash_says_nothing():
    data = row(type="options_settlement_summary", change=0, instrument_name=OPTION["instrument_name"])
    assert booked(data, option) == []
