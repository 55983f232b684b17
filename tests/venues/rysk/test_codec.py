"""Rysk bytes to events, commands to signed bytes."""

import json
from decimal import Decimal
from typing import Any

import pytest

from atomizer.domain.bookings import RfqTrade
from atomizer.domain.events import QuoteBest, QuoteOutbid, QuoteRefused
from atomizer.domain.instruments import Side
from atomizer.venues.rysk import codec

from .samples import (
    ASSET,
    CHAIN,
    E18,
    TAKER,
    send_quote,
)
from .samples import confirmation as told


def options() -> codec.Options:
    return codec.Options({ASSET: "ETH"})


def hear(message: Any) -> Any:
    return codec.decode_maker(json.dumps(message).encode())


def test_answers_to_quotes():
    assert codec.quote_answer(hear({"id": "5f1c", "result": "OK"})) == QuoteBest("rysk", "5f1c")
    note = {
        "rfqId": "5f1c",
        "assetAddress": ASSET,
        "chainId": CHAIN,
        "newBest": str(126 * E18),
        "yours": str(125 * E18),
    }
    outbid = QuoteOutbid("rysk", "5f1c", 126 * E18, 125 * E18)
    assert codec.quote_answer(hear({"id": "5f1c", "result": note})) == outbid
    assert codec.quote_answer(hear({"method": "quote_notification", "params": note})) == outbid
    error = {"id": "5f1c", "error": {"code": -32000, "message": "insufficient balance", "data": {}}}
    assert codec.quote_answer(hear(error)) == QuoteRefused("rysk", "5f1c", "-32000", "insufficient balance")
    assert codec.quote_answer(hear({"id": "x", "result": {"status": "new"}})) is None


@pytest.mark.parametrize(
    "envelope",
    [{"id": "trade", "result": told()}, {"jsonrpc": "2.0", "method": "rfq_confirmation", "params": told()}],
)
def test_confirmation_in_either_envelope_takes_its_price_from_our_quote(envelope: Any):
    payload = codec.confirmation(hear(envelope))
    assert payload is not None
    trade, new = codec.trade(payload, "maker", send_quote(), options())
    assert trade == RfqTrade(
        venue="rysk",
        account="maker",
        instrument="rysk:ETH-20250926-4000-C",
        nonce=1757289600123,
        side=Side.BUY,
        price=Decimal(125),
        size=Decimal("1.5"),
        premium_currency="USD",
        rfq_id="5f1c",
        taker=TAKER,
        ts_ns=1757289603 * 10**9,
    )
    assert new is not None


def test_confirmation_of_a_quote_this_process_did_not_send_leaves_the_price_open():
    payload = codec.confirmation(hear({"id": "trade", "result": told(5, isTakerBuy=True)}))
    assert payload is not None
    trade, _ = codec.trade(payload, "maker", None, options())
    assert trade.price is None and trade.nonce == 5 and trade.side is Side.SELL


def test_confirmation_of_an_unknown_asset_is_still_a_booking():
    payload = codec.confirmation(hear({"id": "trade", "result": told(assetAddress="0x" + "e" * 40)}))
    assert payload is not None
    assert codec.trade(payload, "maker", None, options())[0].instrument == "rysk:0x" + "e" * 40
