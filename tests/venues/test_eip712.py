"""The EIP-712 core against the standard's own example and its checked path against its fast one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.venues.eip712 import (
    Domain,
    DomainAllowList,
    DomainRefusedError,
    StructType,
    Words,
    typed_digest,
)
from atomizer.venues.ethereum import Address, EthereumKey, keccak256
from atomizer.venues.fields import FieldRangeError, FieldTypeError

CONTRACT = Address(b"\xcc" * 20)
PERSON = "Person(string name,address wallet)"
EVERY = Words(
    "every",
    "address a,bool b,bytes c,bytes32 d,int256 e,int64 f,string g,uint256 h,uint64 i,uint32 j,uint8 k",
    b"prefix",
)


def test_standards_mail_example() -> None:
    domain = Domain("Ether Mail", "1", 1, CONTRACT)
    assert domain.separator.hex() == "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    person = StructType(PERSON)
    mail = StructType(f"Mail(Person from,Person to,string contents){PERSON}")
    assert mail.type_hash.hex() == "a0cedeb2dc280ba39b857546d74f5549c3a1d7bdc2dd96bf881f76108e23dac2"
    cow = person.hash("Cow", Address.parse("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"))
    bob = person.hash("Bob", Address(b"\xbb" * 20))
    digest = typed_digest(domain, mail.hash(cow, bob, "Hello, Bob!"))
    assert digest.hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    key = EthereumKey(keccak256(b"cow").hex())
    raw = key.sign_digest(digest)
    assert raw[:32].hex() == "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
    assert raw[32:64].hex() == "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
    assert raw[64] == 28


VALUES = st.tuples(
    st.binary(min_size=20, max_size=20).map(Address),
    st.booleans(),
    st.binary(max_size=50),
    st.binary(min_size=32, max_size=32),
    st.integers(-(2**255), 2**255 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=20),
    st.integers(0, 2**256 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
)


@given(VALUES)
def test_fast_layout_equals_the_checked_one(values: tuple[object, ...]) -> None:
    row = EVERY.encode(*values)
    assert row == EVERY._checked(values)
    assert len(row) == len(b"prefix") + 32 * len(values)


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (3, b"short"), (3, bytes(33)), (4, 2**255), (4, -(2**255) - 1), (5, 2**63), (5, -(2**63) - 1),
        (7, 2**256), (7, -1), (8, 2**64), (8, -1), (9, 2**32), (10, 256),
    ],
)  # fmt: skip
def test_value_that_does_not_fit_is_refused_by_name(index: int, value: object) -> None:
    values: list[object] = [CONTRACT, True, b"", bytes(32), 0, 0, "", 0, 0, 0, 0]
    values[index] = value
    with pytest.raises(FieldRangeError, match=rf"every\.{EVERY.fields[index]}: expected"):
        EVERY.encode(*values)


@pytest.mark.parametrize("index", range(11))
@pytest.mark.parametrize("value", [1.0, None, [], bytearray(32)])
def test_value_of_another_type_is_refused_by_name(index: int, value: object) -> None:
    values: list[object] = [CONTRACT, True, b"", bytes(32), 0, 0, "", 0, 0, 0, 0]
    values[index] = value
    with pytest.raises(FieldTypeError, match=rf"every\.{EVERY.fields[index]}: expected"):
        EVERY.encode(*values)


def test_integer_of_unusual_width_is_always_checked() -> None:
    row = Words("odd", "uint96 a,int24 b")
    assert row.encode(2**96 - 1, -1) == (2**96 - 1).to_bytes(32, "big") + b"\xff" * 32
    with pytest.raises(FieldTypeError, match=r"odd\.a: expected an int"):
        row.encode(bytes(32), bytes(32))
    with pytest.raises(FieldRangeError, match=r"odd\.b: expected an integer"):
        row.encode(0, 2**23)


def test_missing_value_is_refused() -> None:
    with pytest.raises(FieldTypeError, match="expected 11 values, found 2; pass a, b, c"):
        EVERY.encode(CONTRACT, True)


@pytest.mark.parametrize("text", ["", "Quote", "Quote(float price)", "Quote(fixed128x18 price)"])
def test_type_string_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="EIP-712 type: expected"):
        StructType(text)


ALLOWED = DomainAllowList((Domain("rysk", "0.0.0", 84532, CONTRACT), Domain("rysk", "0.0.0", 999, CONTRACT)))


def test_allowed_domain_is_found_by_its_four_parts() -> None:
    domain = ALLOWED.require("rysk", "0.0.0", 999, Address(b"\xcc" * 20))
    assert domain.chain_id == 999
    assert domain is ALLOWED.for_chain(999)


@pytest.mark.parametrize(
    ("name", "version", "chain_id", "contract", "said"),
    [
        ("rysk", "0.0.0", 1, CONTRACT, "expected one of the chains 999, 84532, found chain 1"),
        ("risk", "0.0.0", 999, CONTRACT, "found 'risk'"),
        ("rysk", "1", 999, CONTRACT, "version '1'"),
        ("rysk", "0.0.0", 999, Address(bytes(20)), "contract 0x0000000000000000000000000000000000000000"),
        ("rysk", "0.0.0", 999, None, "contract none"),
    ],
)
def test_domain_outside_the_allow_list_is_refused(
    name: str, version: str, chain_id: int, contract: Address | None, said: str
) -> None:
    with pytest.raises(DomainRefusedError, match=said):
        ALLOWED.require(name, version, chain_id, contract)


def test_empty_allow_list_is_refused() -> None:
    with pytest.raises(DomainRefusedError, match="expected at least one"):
        DomainAllowList(())


def test_message_of_another_chain_is_refused() -> None:
    with pytest.raises(DomainRefusedError, match="expected chain 999 of the signing domain, found chain 1 "):
        ALLOWED.for_chain(999).require_chain(1, "quote")
