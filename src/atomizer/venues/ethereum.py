"""What every Ethereum-style signer shares: the hash, addresses and the private key.

The curve is libsecp256k1, the hash the compiled `models.keccak`. coincurve brings the library and its
binding; a signature calls it directly, for the wrapper around the two calls takes longer than one of them.
Source: include/secp256k1_recovery.h of https://github.com/bitcoin-core/secp256k1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import final

from coincurve import PrivateKey
from coincurve.ecdsa import ffi, lib

from atomizer.models.keccak import keccak256
from atomizer.venues.fields import SigningError
from atomizer.venues.keys import HiddenKey, KeyFormatError

__all__ = ["Address", "AddressError", "EthereumKey", "keccak256", "personal_digest"]

ADDRESS_BYTES = 20
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HEX_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_HEX_KEY = re.compile(r"(?:0[xX])?[0-9a-fA-F]{64}")
DIGEST_BYTES = 32
# v by recovery id. Ids 2 and 3 (r beyond the curve's order) have no v, and a probability of 2**-127.
_V = (b"\x1b", b"\x1c")
_SIGNATURE = ffi.typeof("secp256k1_ecdsa_recoverable_signature *")
_COMPACT = ffi.typeof("unsigned char[64]")
_RECOVERY_ID = ffi.typeof("int *")


class AddressError(SigningError):
    """Text that is not an address, or whose checksum is wrong."""


@final
class Address(bytes):
    """Twenty bytes of an account or contract; `parse` reads the usual hex text."""

    __slots__ = ()

    def __new__(cls, raw: bytes) -> Address:
        if len(raw) != ADDRESS_BYTES:
            raise AddressError(
                f"address: expected {ADDRESS_BYTES} bytes, found {len(raw)}; pass the whole address"
            )
        return super().__new__(cls, raw)

    @classmethod
    def parse(cls, text: str) -> Address:
        """From `0x` and 40 hex digits: all lower case, all upper case, or with the right checksum.

        Raises:
            AddressError: another form, or mixed case with a wrong EIP-55 checksum.
        """
        if not isinstance(text, str):
            raise AddressError(f"address: expected text, found a {type(text).__name__}; pass the hex text")
        return _parse_address(text)

    @property
    def wire(self) -> str:
        """`0x` and lower-case hex, as venues want it on the wire."""
        return "0x" + self.hex()

    @property
    def checksum(self) -> str:
        """EIP-55 mixed-case form, for people."""
        digits = self.hex()
        marks = keccak256(digits.encode()).hex()
        return "0x" + "".join(
            digit.upper() if int(mark, 16) > 7 else digit for digit, mark in zip(digits, marks, strict=False)
        )

    def __repr__(self) -> str:
        return f"Address({self.checksum})"

    def __str__(self) -> str:
        return self.wire


@lru_cache(maxsize=4096)
def _parse_address(text: str) -> Address:
    if not _HEX_ADDRESS.fullmatch(text):
        raise AddressError(
            f"address: expected 0x and 40 hex digits, found text of length {len(text)} that is not that; "
            "check the configuration"
        )
    address = Address(bytes.fromhex(text[2:]))
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and digits != address.checksum[2:]:
        raise AddressError(
            f"address: {text} has a wrong checksum, expected {address.checksum}; "
            "a digit is mistyped, or write it in lower case if it is right"
        )
    return address


@final
class EthereumKey(HiddenKey):
    """A secp256k1 private key that shows only its address.

    `sign_digest` makes 65 bytes r, s, v (27 or 28) over a 32-byte digest; low s, deterministic nonce
    (RFC 6979). It raises SigningError for anything else than 32 bytes.
    """

    __slots__ = ("address", "sign_digest")

    def __init__(self, text: str) -> None:
        if type(text) is not str or not _HEX_KEY.fullmatch(text):
            found = f"text of length {len(text)}" if type(text) is str else "another type"
            raise KeyFormatError(
                f"private key: expected 64 hex digits with or without 0x, found {found} that is not that; "
                "check the variable or file that holds it"
            )
        secret = bytes.fromhex(text[-64:])
        if not 0 < int.from_bytes(secret, "big") < CURVE_ORDER:
            raise KeyFormatError(
                "private key: expected a number between 1 and the order of secp256k1, found one outside; "
                "create a new key"
            )
        key = PrivateKey(secret)
        self.sign_digest = _signer(secret, key.context.ctx)
        self.address = Address(keccak256(key.public_key.format(compressed=False)[1:])[-ADDRESS_BYTES:])

    def __repr__(self) -> str:
        return f"EthereumKey(address={self.address.checksum})"


def _signer(secret: bytes, context: object) -> Callable[[bytes], bytes]:
    """What signs digests with this secret. Each call has memory of its own: threads do not meet in it."""
    new, null, buffer = ffi.new, ffi.NULL, ffi.buffer
    sign = lib.secp256k1_ecdsa_sign_recoverable
    serialize = lib.secp256k1_ecdsa_recoverable_signature_serialize_compact

    def signed(digest: bytes) -> bytes:
        if type(digest) is not bytes or len(digest) != DIGEST_BYTES:
            raise SigningError("digest: expected 32 bytes, found something else; hash the message first")
        signature, compact, recovery_id = new(_SIGNATURE), new(_COMPACT), new(_RECOVERY_ID)
        if not sign(context, signature, digest, secret, null, null):
            raise SigningError("secp256k1: expected a signature, found that none could be made; not signed")
        serialize(context, compact, recovery_id, signature)
        return bytes(buffer(compact)) + _V[recovery_id[0]]

    return signed


def personal_digest(message: bytes) -> bytes:
    """EIP-191 `personal_sign`: keccak of the prefix, the length in decimal and the message."""
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)
