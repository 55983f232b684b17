"""Deribit bytes to events and commands to bytes, on payloads as the venue documents them."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain.commands import AmendOrder, PlaceOrder
from atomizer.domain.events import BookChange, BookSnapshot, OrderEnded, OrderOpen
from atomizer.domain.identity import label
from atomizer.domain.instruments import GridStep, Kind, Leg, Side
from atomizer.domain.orders import EndReason, Purpose, TimeInForce
from atomizer.venues.deribit import codec, wire
from atomizer.venues.deribit.edits import Edits

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
FIXTURES = SHARED / "data" / "exchange_message_fixtures" / "deribit" / "websocket"

OPTION = b"""{"instrument_name":"ETH-30MAY25-3000-C","instrument_id":210845,"kind":"option",
"base_currency":"ETH","quote_currency":"ETH","counter_currency":"USD","settlement_currency":"ETH","settlement_period":"month",
"instrument_type":"reversed","contract_size":1,"min_trade_amount":1,"tick_size":0.0001,
"tick_size_steps":[{"above_price":0.005,"tick_size":0.0005}],"strike":3000,"option_type":"call",
"expiration_timestamp":1748592000000,"creation_timestamp":1740729600000,"is_active":true,"state":"open",
"price_index":"eth_usd","maker_commission":0.0003,"taker_commission":0.0003}"""
PERPETUAL = b"""{"instrument_name":"BTC-PERPETUAL","kind":"future",
"base_currency":"BTC","quote_currency":"USD",
"settlement_currency":"BTC","settlement_period":"perpetual","instrument_type":"reversed","contract_size":10,
"min_trade_amount":10,"tick_size":0.5,"tick_size_steps":[],"expiration_timestamp":32503708800000,
"price_index":"btc_usd","maker_commission":0.0,"taker_commission":0.0005}"""
ORDER = b"""{"order_id":"ETH-584864807","order_state":"open","order_type":"limit",
"time_in_force":"good_til_cancelled","instrument_name":"ETH-30MAY25-3000-C","direction":"buy","price":0.0425,"amount":5.0,"filled_amount":2.0,
"average_price":0.0,"label":"%s","post_only":true,"creation_timestamp":1748500000500,
"last_update_timestamp":1748500000500}"""

option = codec.instrument(codec.decode_instrument(OPTION), "deribit")
perpetual = codec.instrument(codec.decode_instrument(PERPETUAL), "deribit")
assert option is not None and perpetual is not None


def order(**changes: object) -> wire.OrderData:
    data = codec.decode_order(ORDER % label(77).encode())
    return msgspec.structs.replace(data, **changes)


def test_option_is_listed_in_coin_on_its_finest_grid():
    assert option.key == "deribit:ETH-30MAY25-3000-C"
    assert (option.kind, option.underlying, option.strike, option.is_call) == (
        Kind.OPTION,
        "ETH",
        Decimal(3000),
        True,
    )
    assert option.grid.tick == Decimal("0.0001") and option.grid.steps == (GridStep(50, 5),)
    assert option.grid.step_at(49) == 1 and option.grid.step_at(50) == 5
    assert option.lot == 1 and option.expiry_ns == 1748592000 * 10**9
    assert option.inverse and not option.size_in_quote


def test_inverse_perpetual_counts_in_dollars():
    assert perpetual.kind is Kind.PERPETUAL and perpetual.size_in_quote and perpetual.inverse
    assert perpetual.lot == 10 and perpetual.min_lots == 1 and perpetual.expiry_ns is None
    assert perpetual.lots(Decimal(120)) == 12


def test_grid_whose_base_tick_is_not_the_finest():
    grid = codec.price_grid(Decimal("0.0005"), [wire.TickStep(Decimal("0.01"), Decimal("0.0001"))])
    assert grid.tick == Decimal("0.0001")
    assert grid.step_at(99) == 5 and grid.step_at(100) == 1


def test_a_combo_is_listed_with_its_legs_or_not_at_all():
    data = msgspec.structs.replace(
        codec.decode_instrument(OPTION), instrument_name="ETH-CS-30MAY25-3000_3200", kind="option_combo"
    )
    assert codec.instrument(data, "deribit") is None
    legs = codec.decode_combos(
        b'[{"id":"ETH-CS-30MAY25-3000_3200","state":"active","legs":'
        b'[{"instrument_name":"ETH-30MAY25-3000-C","amount":1},'
        b'{"instrument_name":"ETH-30MAY25-3200-C","amount":-1}]}]'
    )[0].legs
    combo = codec.instrument(data, "deribit", legs)
    assert combo is not None and combo.kind is Kind.COMBO and not combo.margined
    assert combo.legs == (
        Leg("deribit:ETH-30MAY25-3000-C", 1),
        Leg("deribit:ETH-30MAY25-3200-C", -1),
    )
    assert combo.expiry_ns == option.expiry_ns and combo.strike is None


def test_a_future_combo_counts_in_dollars_and_has_no_strike():
    data = msgspec.structs.replace(
        codec.decode_instrument(PERPETUAL), instrument_name="BTC-FS-27JUN25_PERP", kind="future_combo"
    )
    legs = [wire.ComboLeg("BTC-27JUN25", 1), wire.ComboLeg("BTC-PERPETUAL", -1)]
    combo = codec.instrument(data, "deribit", legs)
    assert combo is not None and combo.size_in_quote and combo.lot == 10


@pytest.mark.parametrize(
    ("changes", "kind", "inverse", "size_in_quote", "settlement"),
    [
        (
            {"kind": "future", "settlement_period": "month", "instrument_type": "reversed"},
            "future",
            1,
            1,
            "ETH",
        ),
        ({"kind": "future", "settlement_period": "perpetual"}, "perpetual", 0, 0, "USDC"),
        ({"kind": "future", "settlement_period": "week"}, "future", 0, 0, "USDC"),
        ({"kind": "option", "strike": Decimal("0.625"), "option_type": "put"}, "option", 0, 0, "USDC"),
        ({"kind": "spot", "settlement_currency": ""}, "spot", 0, 0, "USDC"),
    ],
)
def test_every_class_of_contract(
    changes: dict[str, object], kind: str, inverse: bool, size_in_quote: bool, settlement: str
):
    linear = changes.get("instrument_type") != "reversed"
    data = wire.InstrumentData(
        instrument_name="X",
        kind="",
        base_currency="ETH",
        quote_currency="USDC" if linear else "USD",
        settlement_currency="USDC" if linear else "ETH",
        instrument_type="linear",
        tick_size=Decimal("0.05"),
        contract_size=Decimal(1),
        min_trade_amount=Decimal("0.001") if linear else Decimal(1),
        expiration_timestamp=1748592000000,
    )
    listed = codec.instrument(msgspec.structs.replace(data, **changes), "deribit")
    assert listed is not None
    assert (listed.kind, listed.inverse, listed.size_in_quote) == (kind, inverse, size_in_quote)
    assert listed.settlement == settlement
    assert (listed.expiry_ns is not None) is (kind in ("future", "option"))


def test_a_combos_trade_is_one_booking_for_each_leg():
    trade = codec.decode_trades(
        b'[{"trade_id":"C-1","instrument_name":"ETH-CS-30MAY25-3000_3200","direction":"buy","price":0.01,"amount":5,'
        b'"order_id":"ETH-9","label":"%s","timestamp":1,"legs":['
        b'{"trade_id":"L-1","instrument_name":"ETH-30MAY25-3000-C","direction":"buy","price":0.03,"amount":5,'
        b'"fee":0.0015,"fee_currency":"ETH","timestamp":1},'
        b'{"trade_id":"L-2","instrument_name":"ETH-30MAY25-3200-C","direction":"sell","price":0.02,"amount":5,'
        b'"fee":0,"fee_currency":"ETH","timestamp":1}]}]' % label(77).encode()
    )[0]
    first, second = codec.fills(trade, "deribit", "main")
    assert (first.instrument, first.trade_id, first.side) == ("deribit:ETH-30MAY25-3000-C", "L-1", Side.BUY)
    assert (second.side, second.price) == (Side.SELL, Decimal("0.02"))
    assert {first.order_id, second.order_id} == {77} and first.venue_order_id == "ETH-9"


def test_an_instrument_in_settlement_is_not_open():
    data = codec.decode_instrument(OPTION)
    listed = codec.instrument(msgspec.structs.replace(data, state="settlement"), "deribit")
    assert listed is not None and not listed.open and listed.settling


def test_book_snapshot_and_change_chain():
    frame = (
        codec.BOOK_START
        + b'ETH-PERPETUAL.100ms","data":{"type":"snapshot","timestamp":7,"instrument_name":"ETH-PERPETUAL",'
        b'"change_id":100,"bids":[["new",3955.5,30]],"asks":[["new",3956,12.5]]}}}'
    )
    first = codec.book(codec.decode_book_frame(frame).params.data, "deribit")
    assert first == BookSnapshot(
        "deribit:ETH-PERPETUAL", [(3955.5, 30.0)], [(3956.0, 12.5)], sequence=100, ts_ns=7_000_000
    )
    change = codec.book(
        codec.decode_book(
            b'{"type":"change","timestamp":8,"instrument_name":"ETH-PERPETUAL","prev_change_id":100,"change_id":103,'
            b'"bids":[["change",3955.5,20],["delete",3950.0,0]],"asks":[]}'
        ),
        "deribit",
    )
    assert change == BookChange(
        "deribit:ETH-PERPETUAL",
        [("change", 3955.5, 20.0), ("delete", 3950.0, 0.0)],
        [],
        sequence=103,
        previous=100,
        ts_ns=8_000_000,
    )


def test_ticker_vols_become_fractions_and_empty_sides_none():
    ticker = codec.ticker(
        codec.decode_ticker(
            b'{"instrument_name":"ETH-30MAY25-3000-C","timestamp":1,"state":"open","mark_price":0.041,'
            b'"index_price":3950.1,"underlying_price":3960.2,"best_bid_price":0.0,"best_ask_price":0.042,'
            b'"best_bid_amount":0,"best_ask_amount":35.0,"bid_iv":0.0,"ask_iv":66.0,"mark_iv":65.2,"greeks":{"delta":0.5}}'
        ),
        "deribit",
    )
    assert (ticker.bid, ticker.ask, ticker.bid_vol) == (None, 0.042, None)
    assert (ticker.bid_size, ticker.ask_size, ticker.funding) == (None, 35.0, None)
    assert ticker.mark_vol == pytest.approx(0.652) and ticker.forward == 3960.2


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ('{"volume":12.5,"volume_usd":48000.0}', 48_000.0),
        ('{"volume":12.5,"volume_usd":null}', 12.5 * 4000.0),
        ("null", None),
    ],
)
def test_what_was_traded_in_a_day_is_told_in_usd(stats: str, expected: float | None):
    raw = (
        '{"instrument_name":"ETH-26SEP25-4000-C","timestamp":1757318400123,"index_price":4000.0,'
        f'"open_interest":310.0,"stats":{stats}}}'
    )
    ticker = codec.ticker(codec.decode_ticker(raw.encode()), "deribit")
    assert (ticker.volume_usd, ticker.open_interest) == (expected, 310.0)


def test_a_perpetuals_ticker_tells_its_funding():
    ticker = codec.ticker(
        codec.decode_ticker(
            b'{"instrument_name":"ETH-PERPETUAL","funding_8h":0.000125,"current_funding":0.0,'
            b'"best_bid_price":1.5,"best_bid_amount":120,"best_ask_price":null,"best_ask_amount":null}'
        ),
        "deribit",
    )
    assert (ticker.funding, ticker.bid_size, ticker.ask, ticker.ask_size) == (0.000125, 120.0, None, None)


def test_working_order_in_ticks_and_lots():
    event = codec.order_event(order(), option, "main", reply=True)
    assert event == OrderOpen(
        venue="deribit",
        account="main",
        order_id=77,
        venue_order_id="ETH-584864807",
        instrument=option.key,
        side=Side.BUY,
        ticks=425,
        lots=5,
        filled_lots=2,
        reply=True,
        ts_ns=1748500000500 * 10**6,
    )


def test_unknown_order_state_counts_as_working():
    assert isinstance(codec.order_event(order(order_state="queued"), option, "main"), OrderOpen)


@pytest.mark.parametrize(
    ("changes", "cancel_sent", "reason"),
    [
        ({"order_state": "filled"}, False, EndReason.FILLED),
        ({"order_state": "rejected"}, False, EndReason.REJECTED),
        ({"cancel_reason": "user_request"}, True, EndReason.CANCELLED_BY_US),
        ({"cancel_reason": "user_request"}, False, EndReason.CANCELLED_BY_VENUE),
        ({"cancel_reason": "cancel_on_disconnect"}, False, EndReason.DISCONNECT),
        ({"cancel_reason": "mmp_trigger"}, False, EndReason.MMP),
        ({"cancel_reason": "self_match_prevention"}, False, EndReason.SELF_TRADE),
        ({"time_in_force": "immediate_or_cancel"}, False, EndReason.EXPIRED),
        ({"cancel_reason": "settlement"}, False, EndReason.EXPIRED),
        ({"cancel_reason": "autoliquidation"}, False, EndReason.CANCELLED_BY_VENUE),
    ],
)
def test_why_an_order_is_over(changes: dict[str, str], cancel_sent: bool, reason: EndReason):
    ended = codec.order_event(
        order(**{"order_state": "cancelled"} | changes), option, "main", cancel_sent=cancel_sent
    )
    assert isinstance(ended, OrderEnded) and ended.reason is reason and ended.filled_lots == 2


def test_a_strangers_order_and_a_market_price():
    event = codec.order_event(order(label="web", price="market_price"), option, "main")
    assert isinstance(event, OrderOpen) and event.order_id == 0 and event.ticks == 0


def test_fill_is_exact_and_knows_our_order():
    trade = codec.decode_trades(
        b'[{"trade_id":"ETH-1","trade_seq":3,"instrument_name":"ETH-PERPETUAL","timestamp":1748500000600,"order_id":"ETH-9",'
        b'"direction":"sell","price":3955.55,"amount":120.0,"fee":-1.5e-7,"fee_currency":"ETH","liquidity":"M",'
        b'"label":"%s","state":"filled","matching_id":null}]' % label(77).encode()
    )[0]
    fill = codec.fill(trade, "deribit", "main")
    assert fill.price == Decimal("3955.55") and fill.fee == Decimal("-0.00000015")
    assert (fill.side, fill.size, fill.order_id, fill.maker) == (Side.SELL, Decimal(120), 77, True)


@pytest.mark.parametrize(("direction", "size"), [("sell", "5"), ("sell", "-5"), ("buy", "5"), ("zero", "0")])
def test_position_sign_comes_from_the_direction(direction: str, size: str):
    report = codec.position(wire.PositionData("ETH-PERPETUAL", Decimal(size), direction), "deribit", "main")
    assert report.size == {"sell": -5, "buy": 5, "zero": 0}[direction]


def test_balance_excess_is_margin_balance_less_required():
    data = codec.decode_portfolio(
        b'{"currency":"ETH","balance":10.5,"equity":10.75,"margin_balance":10.25,"initial_margin":2.25,"available_funds":8}'
    )
    report = codec.balance(data, "deribit", "main")
    assert (report.cash, report.equity, report.excess) == (Decimal("10.5"), Decimal("10.75"), Decimal(8))


def place(**changes: object) -> PlaceOrder:
    command = PlaceOrder(
        order_id=77,
        venue="deribit",
        account="main",
        instrument=option.key,
        side=Side.BUY,
        ticks=425,
        lots=5,
        time_in_force=TimeInForce.GTC,
        purpose=Purpose.QUOTE,
        deadline_ns=0,
        slot=0,
        post_only=True,
    )
    return msgspec.structs.replace(command, **changes)


def test_place_carries_label_deadline_and_reject_post_only():
    sent = json.loads(codec.place(11, place(), option, 1748500001000))
    assert sent == {
        "jsonrpc": "2.0",
        "id": 11,
        "method": "private/buy",
        "params": {
            "instrument_name": "ETH-30MAY25-3000-C",
            "amount": 5,
            "price": 0.0425,
            "type": "limit",
            "time_in_force": "good_til_cancelled",
            "label": label(77),
            "valid_until": 1748500001000,
            "post_only": True,
            "reject_post_only": True,
        },
    }


def test_immediate_order_says_that_it_is_not_post_only():
    command = place(side=Side.SELL, time_in_force=TimeInForce.IOC, post_only=False, reduce_only=True)
    sent = json.loads(codec.place(1, command, option, 5))
    assert sent["method"] == "private/sell"
    assert sent["params"]["post_only"] is False and "reject_post_only" not in sent["params"]
    assert sent["params"]["time_in_force"] == "immediate_or_cancel" and sent["params"]["reduce_only"] is True


EDITS = Edits()
AMEND = AmendOrder(
    order_id=77,
    venue="deribit",
    account="main",
    venue_order_id="ETH-9",
    instrument=perpetual.key,
    ticks=8000,
    lots=7,
    filled_lots=2,
    purpose=Purpose.QUOTE,
    deadline_ns=0,
)


def test_amend_carries_the_new_total():
    command = AmendOrder(
        order_id=77,
        venue="deribit",
        account="main",
        venue_order_id="ETH-9",
        instrument=option.key,
        ticks=430,
        lots=7,
        filled_lots=2,
        purpose=Purpose.QUOTE,
        deadline_ns=0,
    )
    sent = json.loads(Edits().write(2, command, option, 9, True))
    assert sent["method"] == "private/edit"
    assert sent["params"] == {
        "order_id": "ETH-9",
        "amount": 7,
        "price": 0.043,
        "valid_until": 9,
        "post_only": True,
        "reject_post_only": True,
    }


def test_every_edit_says_what_changed_since_the_last_one():
    edits = Edits()

    def sent(post_only: bool = True, **changes: object) -> dict[str, object]:
        asked = msgspec.structs.replace(AMEND, **changes)
        return json.loads(edits.write(2, asked, perpetual, 9, post_only))["params"]

    first = sent()
    assert sent(ticks=8001) == first | {"price": 4000.5}
    assert sent(lots=8) == first | {"amount": 80}
    assert sent(venue_order_id='ETH-"%d') == first | {"order_id": 'ETH-"%d'}
    assert sent(post_only=False) == first | {"post_only": False, "reject_post_only": False}
    edits.forget(AMEND.order_id)
    assert sent() == first


@given(ticks=st.integers(1, 10**7), lots=st.integers(1, 10**6))
def test_an_edit_carries_price_and_amount_exactly(ticks: int, lots: int):
    asked = msgspec.structs.replace(AMEND, ticks=ticks, lots=lots)
    sent = msgspec.json.decode(EDITS.write(1, asked, perpetual, 5, True), type=dict[str, msgspec.Raw])
    params = msgspec.json.decode(sent["params"], type=dict[str, msgspec.Raw])
    assert perpetual.grid.ticks(msgspec.json.decode(params["price"], type=Decimal)) == ticks
    assert perpetual.lots(msgspec.json.decode(params["amount"], type=Decimal)) == lots


@given(ticks=st.integers(1, 10**7), lots=st.integers(1, 10**6))
def test_price_and_amount_survive_the_wire_exactly(ticks: int, lots: int):
    data = codec.place(1, place(ticks=ticks, lots=lots), perpetual, 5)
    sent = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    params = msgspec.json.decode(sent["params"], type=dict[str, msgspec.Raw])
    assert perpetual.grid.ticks(msgspec.json.decode(params["price"], type=Decimal)) == ticks
    assert perpetual.lots(msgspec.json.decode(params["amount"], type=Decimal)) == lots


def test_error_text_names_reason_and_parameter():
    error = wire.ErrorData(-32602, "Invalid params", {"reason": "must be positive", "param": "amount"})
    assert codec.error_text(error) == "Invalid params (must be positive, amount)"
    assert codec.error_text(wire.ErrorData(10004, "order_not_found")) == "order_not_found"


def test_tokens_never_show():
    text = repr(
        codec.decode_auth(b'{"access_token":"aaa","expires_in":900,"refresh_token":"bbb","scope":"c"}')
    )
    assert "aaa" not in text and "bbb" not in text


@pytest.mark.needs_shared
@pytest.mark.skipif(not FIXTURES.exists(), reason="reference material is not beside the checkout")
@pytest.mark.parametrize("name", ["order_event_message", "trade_message", "orderbook_message"])
def test_sample_messages_are_read_as_far_as_they_follow_the_protocol(name: str):
    """Hand-written samples of another project: the envelope holds; bodies of older shape are refused."""
    message = codec.decode_message((FIXTURES / f"{name}.json").read_bytes())
    assert message.method == "subscription" and message.params is not None
    body = message.params.data
    if name == "order_event_message":
        assert codec.decode_order(body).order_state == "filled"
    elif name == "orderbook_message":
        with pytest.raises(msgspec.ValidationError):
            codec.decode_book(body)
    else:
        with pytest.raises(msgspec.ValidationError):
            codec.decode_trades(body)
