"""Our quotes: what is signed, told and refused, for the first quote of a form and for later ones."""

import json
from typing import Any

import msgspec
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from atomizer.venues.ethereum import Address
from atomizer.venues.fields import FieldRangeError, FieldTypeError, SigningError
from atomizer.venues.rysk import auth, quotes
from atomizer.venues.rysk.quotes import QuoteSigner

from .samples import ASSET, CHAIN, CONTRACT, DOMAIN, DOMAINS, EXPIRY_S, KEY, MAKER, STABLE, send_quote


def signer() -> QuoteSigner:
    return QuoteSigner(MAKER, KEY, DOMAINS)


def test_quote_echoes_the_terms_and_its_signature_recovers_to_the_maker():
    frame = json.loads(signer().encode(send_quote()))
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
        signer().encode(send_quote(**changes))


@given(
    nonce=st.integers(0, 2**64 - 1),
    price=st.integers(0, 2**256 - 1),
    quantity=st.integers(0, 2**256 - 1),
    is_taker_buy=st.booleans(),
    valid_until=st.integers(0, 2**64 - 1),
)
def test_later_quotes_of_a_form_are_signed_like_whole_messages(
    nonce: int, price: int, quantity: int, is_taker_buy: bool, valid_until: int
) -> None:
    kept = signer()
    kept.encode(send_quote())
    command = msgspec.structs.replace(
        send_quote(nonce, quantity_e18=quantity, is_taker_buy=is_taker_buy),
        price_e18=price,
        valid_until_s=valid_until,
    )
    params = json.loads(kept.encode(command))["params"]
    asset, usd = Address.parse(ASSET), Address.parse(STABLE)
    message = auth.QuoteMessage(
        asset, CHAIN, False, 4000 * 10**8, EXPIRY_S, MAKER, nonce, price, quantity, is_taker_buy, valid_until,
        usd, asset,
    )  # fmt: skip
    assert params["signature"] == auth.sign_quote(DOMAIN, message, KEY)
    assert (params["nonce"], params["price"], params["quantity"]) == (str(nonce), str(price), str(quantity))
    assert (params["isTakerBuy"], params["validUntil"]) == (is_taker_buy, valid_until)
    assert _recovered(params, params.pop("signature")) == MAKER.checksum


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"nonce": 2**64}, FieldRangeError, "nonce"),
        ({"nonce": -1}, FieldRangeError, "nonce"),
        ({"nonce": 7.0}, FieldTypeError, "nonce"),
        ({"price_e18": 2**256}, FieldRangeError, "price"),
        ({"price_e18": 1e18}, FieldTypeError, "price"),
        ({"price_e18": True}, FieldTypeError, "price"),
        ({"valid_until_s": 2**64}, FieldRangeError, "validUntil"),
        ({"valid_until_s": "1"}, FieldTypeError, "validUntil"),
    ],
)
def test_what_does_not_fit_is_named_and_not_signed(
    changes: dict[str, Any], error: type[Exception], field: str
) -> None:
    kept = signer()
    kept.encode(send_quote())
    with pytest.raises(error, match=rf"Quote\.{field}: expected"):
        kept.encode(msgspec.structs.replace(send_quote(), **changes))


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"quantity_e18": -1}, FieldRangeError, "quantity"),
        ({"quantity_e18": 1.5}, FieldTypeError, "quantity"),
        ({"is_taker_buy": 1}, FieldTypeError, "isTakerBuy"),
        ({"strike_e8": 2**256}, FieldRangeError, "strike"),
        ({"expiry_s": -1}, FieldRangeError, "expiry"),
    ],
)
def test_terms_that_do_not_fit_are_named_and_not_signed(
    changes: dict[str, Any], error: type[Exception], field: str
) -> None:
    kept = signer()
    kept.encode(send_quote())
    with pytest.raises(error, match=rf"Quote\.{field}: expected"):
        kept.encode(send_quote(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": 1},
        {"domain_name": "rysk", "domain_version": "0.0.1", "verifying_contract": CONTRACT},
        {"domain_name": "rysk", "domain_version": "0.0.0", "verifying_contract": "0x" + "9" * 40},
    ],
)
def test_a_domain_is_judged_again_for_an_option_that_was_quoted(changes: dict[str, Any]) -> None:
    kept = signer()
    kept.encode(send_quote())
    with pytest.raises(SigningError):
        kept.encode(send_quote(**changes))
    kept.encode(send_quote(domain_name="rysk", domain_version="0.0.0", verifying_contract=CONTRACT))


@given(st.text())
def test_an_rfqs_name_comes_back_whatever_is_in_it(rfq_id: str) -> None:
    command = msgspec.structs.replace(send_quote(), rfq_id=rfq_id)
    assert json.loads(signer().encode(command))["id"] == rfq_id


def test_forms_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "FORMS_KNOWN", 2)
    kept = signer()
    first = kept.form(send_quote().terms)
    assert kept.form(send_quote().terms) is first
    for strike in (1, 2):
        kept.form(send_quote(strike_e8=strike).terms)
    assert kept.form(send_quote().terms) is not first
