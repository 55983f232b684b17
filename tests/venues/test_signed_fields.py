"""No float, boolean or numpy number reaches a signed integer of any venue; nothing overflows silently."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.venues.binance import auth as binance
from atomizer.venues.deribit import auth as deribit
from atomizer.venues.derive import auth as derive
from atomizer.venues.derive.networks import network
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.fields import (
    FieldRangeError,
    FieldTypeError,
    SigningError,
    require_bool,
    require_int,
    require_text,
    scaled_exactly,
    truncated,
)
from atomizer.venues.grvt import auth as grvt
from atomizer.venues.keys import HmacKey, private_key_from_pem
from atomizer.venues.rysk import auth as rysk
from atomizer.venues.rysk import treasury
from atomizer.venues.rysk.networks import quote_domain
from atomizer.venues.thalex import auth as thalex

A = Address(b"\x11" * 20)
KEY = EthereumKey("01" * 32)
RYSK = quote_domain(84532, A)
DERIVE = network("v3", "testnet")
QUOTE = rysk.QuoteMessage(
    A, 84532, False, 3000_0000_0000, 1790000000, A, 7, 10**18, 10**18, False, 1789999999, A, A
)
TRANSFER = treasury.TransferMessage(A, A, 84532, 500_000_000, True, 9)
ORDER = derive.OrderMessage(A, 2**95, 10**18, 10**18, 10**17, 30769, True)
LEG = derive.QuoteLeg("ETH-20261030-3000-C", True, A, 2**95, 10**18, 10**18)
ACTION = derive.order_action(DERIVE, ORDER, 1790871617000000000, 1790881617, A, KEY.address)
GRVT_LEG = grvt.OrderLeg(0x030501, 10**9, 10**12, True)
GRVT_ORDER = grvt.OrderMessage(
    7, False, grvt.TimeInForce.GOOD_TILL_TIME, True, False, (GRVT_LEG,), 5, 1767225600000000000, A, 1
)

SIGNERS: list[tuple[Any, Callable[[Any], object]]] = [
    (QUOTE, lambda message: rysk.sign_quote(RYSK, message, KEY)),
    (TRANSFER, lambda message: treasury.sign_transfer(RYSK, message, KEY)),
    (ORDER, derive.order_data),
    (LEG, lambda leg: derive.quote_data(True, 1, (leg,))),
    (LEG, lambda leg: derive.execute_data(True, 1, (leg,))),
    (ACTION, lambda action: derive.sign_action(DERIVE, action, KEY)),
    (GRVT_LEG, lambda leg: grvt.order_hash(msgspec.structs.replace(GRVT_ORDER, legs=(leg,)))),
    (GRVT_ORDER, lambda order: grvt.sign_order(grvt.domain("testnet"), order, KEY)),
]
FIELDS = [
    pytest.param(message, field, sign, id=f"{type(message).__module__.split('.')[-2]}-{field}-{number}")
    for number, (message, sign) in enumerate(SIGNERS)
    for field in message.__struct_fields__
    if type(getattr(message, field)) is int
]


@pytest.mark.parametrize("wrong", [float, np.float64, np.int64, Decimal, str, bool])
@pytest.mark.parametrize(("message", "field", "sign"), FIELDS)
def test_integer_field_takes_nothing_but_an_int(
    message: Any, field: str, sign: Callable[[Any], object], wrong: Callable[[Any], object]
) -> None:
    sign(message)
    value = getattr(message, field)
    small = 1 if wrong is np.int64 else value
    with pytest.raises(FieldTypeError):
        sign(msgspec.structs.replace(message, **{field: wrong(small)}))


@pytest.mark.parametrize(("message", "field", "sign"), FIELDS)
@pytest.mark.parametrize("value", [-1, 2**256])
def test_integer_field_refuses_what_does_not_fit(
    message: Any, field: str, sign: Callable[[Any], object], value: int
) -> None:
    if value < 0 and (type(message), field) in {
        (derive.OrderMessage, "limit_price"),
        (derive.OrderMessage, "amount"),
        (grvt.OrderMessage, "expiration_ns"),
    }:
        sign(msgspec.structs.replace(message, **{field: value}))
        return
    with pytest.raises(FieldRangeError):
        sign(msgspec.structs.replace(message, **{field: value}))


BOOLEANS = [
    pytest.param(message, field, sign, id=f"{type(message).__module__.split('.')[-2]}-{field}-{number}")
    for number, (message, sign) in enumerate(SIGNERS)
    for field in message.__struct_fields__
    if type(getattr(message, field)) is bool
]


@pytest.mark.parametrize("wrong", [0, 1, 1.0, "true", None])
@pytest.mark.parametrize(("message", "field", "sign"), BOOLEANS)
def test_boolean_field_takes_nothing_but_a_bool(
    message: Any, field: str, sign: Callable[[Any], object], wrong: object
) -> None:
    with pytest.raises(FieldTypeError):
        sign(msgspec.structs.replace(message, **{field: wrong}))


ADDRESSES = [
    pytest.param(message, field, sign, id=f"{type(message).__module__.split('.')[-2]}-{field}-{number}")
    for number, (message, sign) in enumerate(SIGNERS)
    for field in message.__struct_fields__
    if type(getattr(message, field)) is Address and (field, type(message)) != ("signer", derive.Action)
]


@pytest.mark.parametrize("wrong", [bytes(20), "0x" + "11" * 20, 5])
@pytest.mark.parametrize(("message", "field", "sign"), ADDRESSES)
def test_address_field_takes_nothing_but_an_address(
    message: Any, field: str, sign: Callable[[Any], object], wrong: object
) -> None:
    with pytest.raises(SigningError):
        sign(msgspec.structs.replace(message, **{field: wrong}))


@given(st.floats() | st.booleans())
def test_time_of_a_login_is_an_int(moment: float) -> None:
    key = HmacKey("secret")
    with pytest.raises(FieldTypeError):
        deribit.client_signature_params("id", key, moment, "n")  # type: ignore[arg-type]
    with pytest.raises(FieldTypeError):
        deribit.http_authorization("id", key, moment, "n", "GET", "/x")  # type: ignore[arg-type]
    with pytest.raises(FieldTypeError):
        thalex.iat_text(moment)  # type: ignore[arg-type]
    with pytest.raises(FieldTypeError):
        derive.login_signature(moment, KEY)  # type: ignore[arg-type]


@given(st.floats())
def test_decimal_amounts_are_not_made_from_floats(value: float) -> None:
    for make in (
        lambda: derive.scaled(value, "price"),  # type: ignore[arg-type]
        lambda: grvt.limit_price(value),  # type: ignore[arg-type]
        lambda: grvt.contract_size(value, 9),  # type: ignore[arg-type]
        lambda: derive.option_sub_id(1790000000, value, True),  # type: ignore[arg-type]
    ):
        with pytest.raises(FieldTypeError, match="expected a Decimal, found the float"):
            make()


@pytest.mark.parametrize(
    "params", [{"price": 1.5}, {"ids": [1.5]}, {"orders": [{"price": 1.5}]}, {"x": None}]
)
def test_binance_parameter_that_is_a_float_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(FieldTypeError, match="render decimals as text"):
        binance.sign_query({**params, "timestamp": 1}, HmacKey("secret"))
    with pytest.raises(FieldTypeError, match="render decimals as text"):
        binance.sign_socket_params({**params, "timestamp": 1}, "key", HmacKey("secret"))


def test_binance_request_without_a_time_is_refused() -> None:
    with pytest.raises(SigningError, match="expected a timestamp"):
        binance.sign_query({"symbol": "BTCUSDT"}, HmacKey("secret"))


@given(st.integers(0, 2**63 - 1))
def test_thalex_iat_is_the_exact_decimal_of_its_nanoseconds(iat_ns: int) -> None:
    text = thalex.iat_text(iat_ns)
    assert Decimal(text) * 10**9 == iat_ns
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize(
    ("iat_ns", "text"),
    [(1700000000_000000000, "1700000000"), (1700000000_500000000, "1700000000.5"),
     (1700000000_000000001, "1700000000.000000001"), (0, "0"), (10, "0.00000001")],
)  # fmt: skip
def test_thalex_iat_examples(iat_ns: int, text: str) -> None:
    assert thalex.iat_text(iat_ns) == text


@pytest.mark.parametrize("kid", ["", 'K"1', "K\n1", "K 1", "Ü", None])
def test_thalex_key_name_with_other_letters_is_refused(kid: object) -> None:
    with pytest.raises((FieldRangeError, FieldTypeError), match="kid"):
        thalex.signing_input(kid, 1)  # type: ignore[arg-type]


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30),
    st.integers(0, 18),
)
def test_truncation_is_exact_and_towards_zero(value: Decimal, places: int) -> None:
    numerator, denominator = value.as_integer_ratio()
    whole = truncated(value, places, "x")
    assert abs(whole) * denominator <= abs(numerator) * 10**places < (abs(whole) + 1) * denominator
    assert whole == 0 or (whole > 0) == (value > 0)


def test_amount_finer_than_its_scale_is_refused_where_it_must_be_exact() -> None:
    assert scaled_exactly(Decimal("0.00000001"), 8, "strike") == 1
    with pytest.raises(FieldRangeError, match=r"strike: expected at most 8 decimals, found 0\.000000001"):
        scaled_exactly(Decimal("0.000000001"), 8, "strike")


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal("sNaN")]
)
def test_amount_that_is_no_number_is_refused(value: Decimal) -> None:
    with pytest.raises(FieldRangeError, match="expected a finite number"):
        truncated(value, 18, "price")


def test_texts_name_field_expectation_and_finding() -> None:
    with pytest.raises(
        FieldTypeError, match=r"nonce: expected an int, found the float 7\.0; scale the amount"
    ):
        require_int(7.0, "nonce", 0, 1)
    with pytest.raises(
        FieldRangeError, match=r"nonce: expected an integer in \[0, 1\], found 2; check the unit"
    ):
        require_int(2, "nonce", 0, 1)
    with pytest.raises(FieldTypeError, match="isPut: expected a bool, found the int 1"):
        require_bool(1, "isPut")
    with pytest.raises(FieldTypeError, match="nonce: expected a str, found the int 1"):
        require_text(1, "nonce")


def test_secret_given_as_a_field_is_not_shown() -> None:
    with pytest.raises(FieldTypeError) as caught:
        require_int("very-secret", "nonce", 0, 1)
    assert "very-secret" not in str(caught.value)


def test_derive_action_of_another_signer_or_module_is_refused() -> None:
    with pytest.raises(SigningError, match="expected the key of signer"):
        derive.sign_action(DERIVE, msgspec.structs.replace(ACTION, signer=A), KEY)
    with pytest.raises(SigningError, match="expected the trade or RFQ module of v3 testnet"):
        derive.sign_action(DERIVE, msgspec.structs.replace(ACTION, module=A), KEY)


def test_derive_legs_are_sorted_and_unique() -> None:
    other = msgspec.structs.replace(LEG, instrument_name="ETH-20261030-2600-C")
    assert derive.quote_data(True, 1, (LEG, other)) == derive.quote_data(True, 1, (other, LEG))
    for legs in ((), (LEG, LEG)):
        with pytest.raises(SigningError, match="expected at least one and no name twice"):
            derive.quote_data(True, 1, legs)


def test_derive_maker_and_taker_hash_the_same_legs() -> None:
    maker = derive.quote_data(False, 5, (LEG,))
    assert maker[-128:] == derive._leg_rows(False, (LEG,))
    assert derive.legs_hash(True, (LEG,)) == derive.keccak256(
        (32).to_bytes(32, "big") + (1).to_bytes(32, "big") + maker[-128:]
    )


def test_grvt_order_without_legs_or_with_a_fee_for_nobody_is_refused() -> None:
    with pytest.raises(SigningError, match="found 0 legs"):
        grvt.order_hash(msgspec.structs.replace(GRVT_ORDER, legs=()))
    with pytest.raises(SigningError, match="expected legs and a TimeInForce"):
        grvt.order_hash(msgspec.structs.replace(GRVT_ORDER, time_in_force=1))
    with pytest.raises(SigningError, match="expected a builder for the fee 1"):
        grvt.order_hash(msgspec.structs.replace(GRVT_ORDER, builder=None))


@pytest.mark.parametrize(("nonce", "target"), [("a\nb", "/x"), ("", "/x"), ("n", "/x\ny")])
def test_deribit_line_feed_in_a_signed_line_is_refused(nonce: str, target: str) -> None:
    with pytest.raises(FieldRangeError, match="line"):
        deribit.http_string_to_sign(1, nonce, "GET", target)


def test_deribit_refuses_an_object_that_is_no_key() -> None:
    with pytest.raises(ValueError, match="expected an unencrypted PEM"):
        deribit.socket_signature(private_key_from_pem("nothing"), 1, "n")
