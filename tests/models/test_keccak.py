"""The compiled Keccak against another implementation."""

from __future__ import annotations

import pytest
from Crypto.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models.keccak import keccak256, keccak256_nested


def test_empty_message_has_the_known_hash() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@pytest.mark.parametrize("block", [0, 136, 272, 408])
@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
def test_lengths_around_a_block_match_pycryptodome(block: int, offset: int) -> None:
    data = bytes(range(256)) * 2
    data = data[: max(block + offset, 0)]
    assert keccak256(data) == keccak.new(digest_bits=256, data=data).digest()


@given(st.binary(max_size=1000))
def test_any_message_matches_pycryptodome(data: bytes) -> None:
    assert keccak256(data) == keccak.new(digest_bits=256, data=data).digest()


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=700))
def test_a_hash_within_a_hash_is_the_two_after_each_other(before: bytes, inner: bytes) -> None:
    expected = keccak256(before + keccak256(inner))
    assert keccak256_nested(bytearray(before + inner), len(before)) == expected
