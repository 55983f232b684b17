"""Rysk bytes to events, commands to signed bytes."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain.bookings import RfqTrade
from atomizer.domain.events import QuoteBest, QuoteOutbid, QuoteRefused
from atomizer.domain.instruments import Instrument, Side
from atomizer.domain.rfq import Rfq
from atomizer.venues.fields import SigningError
from atomizer.venues.rysk import codec

from .samples import (
    ASSET,
    CHAIN,
    CONTRACT,
    DOMAINS,
    E18,
    EXPIRY_S,
    KEY,
    MAKER,
    STABLE,
    TAKER,
    rfq_terms,
    send_quote,
)
from .samples import confirmation as told
from .samples import rfq as push


def options() -> codec.Options:
    return codec.Options({ASSET: "ETH"})


def read(message: Any, known: codec.Options | None = None) -> tuple[Rfq, Instrument | None]:
    event, new = codec.rfq(codec.decode_rfq(json.dumps(message).encode()), "maker", known or options())
    assert event is not None
    return event, new


def hear(message: Any) -> Any:
    return codec.decode_maker(json.dumps(message).encode())


@pytest.mark.parametrize(
    "message",
    [
        push(),
        {"jsonrpc": "2.0", "method": "rfq", "id": "5f1c", "params": rfq_terms()},
        {"method": "rfq", "params": rfq_terms(id="5f1c")},
    ],
)
def test_rfq_is_read_from_either_envelope(message: Any):
    event, new = read(message)
    assert (event.rfq_id, event.instrument, event.underlying) == ("5f1c", "rysk:ETH-20250926-4000-C", "ETH")
    assert (event.side, event.size, event.strike) == (Side.BUY, Decimal("1.5"), Decimal(4000))
    assert event.terms.strike_e8 == 400000000000 and event.terms.quantity_e18 == 15 * 10**17
    assert event.expiry_ns == EXPIRY_S * 10**9 and event.is_call and event.taker == TAKER
    assert new is not None and new.key == event.instrument and new.strike == 4000


def test_option_is_listed_once():
    known = options()
    assert read(push(), known)[1] is not None
    assert read(push("other"), known)[1] is None


def test_taker_who_buys_makes_us_sell_and_times_are_read():
    event, _ = read(push(isTakerBuy=True, auctionDeadline=1757289602000, createdAt=1757289600, isPut=True))
    assert event.side is Side.SELL and not event.is_call
    assert event.closes_ns == 1757289602 * 10**9 and event.ts_ns == 1757289600 * 10**9


def test_addresses_become_lower_case():
    event, _ = read(push(asset=ASSET.upper().replace("0X", "0x"), usd=STABLE.upper().replace("0X", "0x")))
    assert event.terms.asset == ASSET and event.terms.premium_token == STABLE


@pytest.mark.parametrize(
    "changes",
    [
        {"asset": "0x" + "e" * 40},
        {"strike": "0"},
        {"strike": "-5"},
        {"expiry": EXPIRY_S * 1000},
    ],
)
def test_what_can_be_no_option_of_ours_has_no_underlying(changes: dict[str, Any]):
    event, new = read(push(**changes))
    assert event.underlying == "" and new is None


@pytest.mark.parametrize(
    "changes", [{"strike": "4e11"}, {"quantity": ""}, {"quantity": "1.5"}, {"expiry": None}]
)
def test_what_is_no_number_is_an_error(changes: dict[str, Any]):
    with pytest.raises((ValueError, msgspec.DecodeError)):
        read(push(**changes))


@pytest.mark.parametrize("chain", [CHAIN, str(CHAIN), hex(CHAIN)])
def test_named_domain_is_passed_on_for_the_allow_list(chain: Any):
    domain = {"name": "rysk", "version": "0.0.0", "chainId": chain, "verifyingContract": CONTRACT.upper()}
    terms = read(push(typeDataDomain=domain))[0].terms
    assert (terms.domain_name, terms.domain_version, terms.verifying_contract) == ("rysk", "0.0.0", CONTRACT)


@pytest.mark.parametrize("chain", [1, "0x1", "one", ""])
def test_domain_of_another_chain_is_on_nobodys_allow_list(chain: Any):
    domain = {"name": "rysk", "version": "0.0.0", "chainId": chain, "verifyingContract": CONTRACT}
    assert read(push(typeDataDomain=domain))[0].terms.domain_name != "rysk"


def test_premium_asset_that_differs_is_on_nobodys_allow_list():
    assert read(push(premiumAsset=STABLE.upper().replace("0X", "0x")))[0].terms.premium_token == STABLE
    assert read(push(premiumAsset=ASSET))[0].terms.premium_token != STABLE


@given(st.integers(0, 2**256 - 1))
def test_quantities_are_exact_however_large(quantity: int):
    event, _ = read(push(quantity=str(quantity)))
    digits = "".join(map(str, event.size.as_tuple().digits))
    assert (int(digits), event.size.as_tuple().exponent) == (quantity, -18)


def test_quote_echoes_the_terms_and_its_signature_recovers_to_the_maker():
    frame = json.loads(codec.quote(send_quote(), MAKER, KEY, DOMAINS))
    assert frame["id"] == "5f1c" and frame["method"] == "quote"
    params = frame["params"]
    signature = params.pop("signature")
    assert params == {
        "assetAddress": ASSET,
        "chainId": CHAIN,
        "expiry": EXPIRY_S,
        "isPut": False,
        "isTakerBuy": False,
        "maker": MAKER.wire,
        "nonce": "1757289600123",
        "price": "125000000000000000000",
        "quantity": "1500000000000000000",
        "strike": "400000000000",
        "validUntil": 1757289630,
        "usd": STABLE,
        "collateralAsset": ASSET,
    }
    assert _recovered(params, signature) == MAKER.checksum


def _recovered(params: dict[str, Any], signature: str) -> str:
    """By another library, from the wire alone."""
    fields = (
        "assetAddress:address chainId:uint256 isPut:bool strike:uint256 expiry:uint64 maker:address "
        "nonce:uint64 price:uint256 quantity:uint256 isTakerBuy:bool validUntil:uint64 usd:address "
        "collateralAsset:address"
    )
    types = [dict(zip(("name", "type"), part.split(":"), strict=True)) for part in fields.split()]
    message = {
        item["name"]: params[item["name"]]
        if item["type"] in ("address", "bool")
        else int(params[item["name"]])
        for item in types
    }
    domain = {"name": "rysk", "version": "0.0.0", "chainId": CHAIN, "verifyingContract": CONTRACT}
    signable = encode_typed_data(domain, {"Quote": types}, message)
    return str(Account.recover_message(signable, signature=signature))


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": 1},
        {"domain_name": "rysk", "domain_version": "0.0.0", "verifying_contract": "0x" + "9" * 40},
        {"domain_name": "evil", "domain_version": "0.0.0", "verifying_contract": CONTRACT},
        {"premium_token": f"{STABLE} (premium paid in {ASSET})"},
        {"quantity_e18": -1},
        {"strike_e8": 2**256},
    ],
)
def test_nothing_is_signed_outside_the_allow_list_or_the_types(changes: dict[str, Any]):
    with pytest.raises(SigningError):
        codec.quote(send_quote(**changes), MAKER, KEY, DOMAINS)


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
