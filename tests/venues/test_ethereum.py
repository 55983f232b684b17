"""Addresses and the key that never shows itself."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from coincurve import PrivateKey, PublicKey
from eth_account import Account
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from atomizer.venues.ethereum import Address, AddressError, EthereumKey, keccak256, personal_digest
from atomizer.venues.fields import SigningError
from atomizer.venues.keys import KeyFormatError

SECRET = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"


@given(st.binary(min_size=20, max_size=20))
def test_checksum_matches_eth_utils_and_every_plain_case_reads_back(raw: bytes) -> None:
    address = Address(raw)
    assert address.checksum == to_checksum_address(raw)
    digits = raw.hex()
    for text in (address.checksum, "0x" + digits, "0x" + digits.upper(), "0X" + digits):
        assert Address.parse(text) == address
    assert str(address) == address.wire == "0x" + digits


def test_address_with_a_wrong_checksum_is_refused() -> None:
    right = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
    assert Address.parse(right).checksum == right
    with pytest.raises(AddressError, match=f"wrong checksum, expected {right}"):
        Address.parse(right.replace("dAC", "DAC"))


@pytest.mark.parametrize(
    "text", ["", "0x", "0x" + "1" * 39, "0x" + "1" * 41, "1" * 40, "0x" + "g" * 40, SECRET]
)
def test_text_that_is_no_address_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(AddressError, match="expected 0x and 40 hex digits") as caught:
        Address.parse(text)
    assert len(text) < 3 or text not in str(caught.value)


def test_address_of_other_length_or_type_is_refused() -> None:
    with pytest.raises(AddressError, match="expected 20 bytes, found 19"):
        Address(bytes(19))
    with pytest.raises(AddressError, match="found a int"):
        Address.parse(5)  # type: ignore[arg-type]


def test_key_of_one_has_the_known_address() -> None:
    key = EthereumKey("0x" + "0" * 63 + "1")
    assert key.address.checksum == "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


@pytest.mark.parametrize("form", [SECRET, "0x" + SECRET, SECRET.upper()])
def test_key_reads_with_and_without_prefix(form: str) -> None:
    assert EthereumKey(form).address.checksum == Account.from_key("0x" + SECRET).address


def test_key_shows_only_its_address() -> None:
    key = EthereumKey(SECRET)
    shown = [repr(key), str(key), f"{key}", f"{key!r:.200}", repr([key]), repr(key.sign_digest)]
    for text in shown:
        assert SECRET not in text.lower()
        assert str(int(SECRET, 16)) not in text
    assert key.address.checksum in repr(key)
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_key_cannot_be_copied_or_pickled(leak: object) -> None:
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        leak(EthereumKey(SECRET))  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    ["", "0x", SECRET[:-1], SECRET + "0", "z" * 64, " " + SECRET, "0" * 64, "f" * 64, SECRET[:-2] + "\n"],
)
def test_malformed_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(KeyFormatError, match="private key: expected") as caught:
        EthereumKey(text)
    assert SECRET[:8] not in str(caught.value)


def test_key_of_another_type_is_refused() -> None:
    with pytest.raises(KeyFormatError, match="another type"):
        EthereumKey(bytes.fromhex(SECRET))  # type: ignore[arg-type]


@given(st.binary(max_size=64))
def test_signature_recovers_the_signer_and_has_low_s(message: bytes) -> None:
    key = EthereumKey(SECRET)
    digest = keccak256(message)
    raw = key.sign_digest(digest)
    assert raw[64] in (27, 28)
    assert (
        int.from_bytes(raw[32:64], "big")
        <= 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
    )
    public = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
    assert keccak256(public.format(compressed=False)[1:])[-20:] == key.address


@given(st.integers(1, 2**255), st.binary(min_size=32, max_size=32))
def test_signature_is_the_one_of_coincurves_wrapper(secret: int, digest: bytes) -> None:
    raw = PrivateKey.from_int(secret).sign_recoverable(digest, None)
    assert EthereumKey(f"{secret:064x}").sign_digest(digest) == raw[:64] + bytes([27 + raw[64]])


def test_threads_that_sign_at_once_do_not_meet() -> None:
    """The library is called without the interpreter's lock."""
    key = EthereumKey("11" * 32)
    digests = [keccak256(bytes([number])) for number in range(200)]
    alone = [key.sign_digest(digest) for digest in digests]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(key.sign_digest, digests * 5)) == alone * 5


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33), "0" * 32, bytearray(32)])
def test_what_is_no_digest_is_not_signed(digest: object) -> None:
    with pytest.raises(SigningError, match="digest: expected 32 bytes"):
        EthereumKey("11" * 32).sign_digest(digest)  # type: ignore[arg-type]


def test_personal_digest_prefixes_the_length_in_decimal() -> None:
    assert personal_digest(b"a" * 12) == keccak256(b"\x19Ethereum Signed Message:\n12" + b"a" * 12)
