"""EIP-712 signing, once for every venue that uses it.

Domain separators and type hashes are computed when a domain or a struct type is made; signing a
message then costs one hash of its fields, one of the digest and the curve operation. Values are
integers, booleans, `Address`, `bytes` and text: a float never gets as far as a hash.

Source: https://eips.ethereum.org/EIPS/eip-712. Type strings with nested structs carry the nested
definitions after the primary one, as the standard's `encodeType` does.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import call, methodcaller, pos, truth
from typing import Any, final

from atomizer.models.keccak import keccak256_nested
from atomizer.venues.ethereum import Address, keccak256
from atomizer.venues.fields import (
    FieldRangeError,
    FieldTypeError,
    SigningError,
    require_bool,
    require_int,
    require_text,
    require_uint,
)

__all__ = [
    "Domain",
    "DomainAllowList",
    "DomainRefusedError",
    "StructType",
    "Words",
    "array_hash",
    "opening",
    "row_digest",
    "typed_digest",
]

HASH_BYTES = 32
OPENING_BYTES = 2 + HASH_BYTES
_STRUCT = re.compile(r"[A-Z]\w*(\[\])?")


class DomainRefusedError(SigningError):
    """A signing domain that the configuration does not allow."""


def _uint_encoder(bits: int) -> Callable[[Any, str], bytes]:
    return lambda value, field: require_uint(value, field, bits).to_bytes(32, "big")


def _int_encoder(bits: int) -> Callable[[Any, str], bytes]:
    bound = 1 << (bits - 1)
    return lambda value, field: require_int(value, field, -bound, bound - 1).to_bytes(32, "big", signed=True)


def _bool_word(value: Any, field: str) -> bytes:
    return bytes(31) + (b"\x01" if require_bool(value, field) else b"\x00")


def _address_word(value: Any, field: str) -> bytes:
    if type(value) is not Address:
        raise FieldTypeError(
            f"{field}: expected an Address, found a {type(value).__name__}; read the text with Address.parse"
        )
    return bytes(12) + value


def _hash_word(value: Any, field: str) -> bytes:
    if type(value) is not bytes:
        raise FieldTypeError(f"{field}: expected bytes, found a {type(value).__name__}; pass the hash itself")
    if len(value) != HASH_BYTES:
        raise FieldRangeError(
            f"{field}: expected {HASH_BYTES} bytes, found {len(value)}; pass the whole hash"
        )
    return value


def _text_word(value: Any, field: str) -> bytes:
    return keccak256(require_text(value, field).encode())


def _bytes_word(value: Any, field: str) -> bytes:
    if type(value) is not bytes:
        raise FieldTypeError(
            f"{field}: expected bytes, found a {type(value).__name__}; encode it before signing"
        )
    return keccak256(value)


def _encoder(type_name: str) -> Callable[[Any, str], bytes]:
    """The word encoder of one Solidity type; nested structs and arrays enter as their 32-byte hash."""
    plain = {
        "bool": _bool_word,
        "address": _address_word,
        "bytes32": _hash_word,
        "string": _text_word,
        "bytes": _bytes_word,
    }
    if type_name in plain:
        return plain[type_name]
    if matched := re.fullmatch(r"(u?)int(\d+)", type_name):
        bits = int(matched[2])
        return _uint_encoder(bits) if matched[1] else _int_encoder(bits)
    if _STRUCT.fullmatch(type_name):
        return _hash_word
    raise ValueError(f"EIP-712 type: expected a Solidity type, found {type_name!r}; correct the type string")


def _exact_hash(value: bytes) -> bytes:
    if len(value) != HASH_BYTES:
        raise OverflowError
    return value


def _exact_int64(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True).rjust(32, b"\xff" if value < 0 else b"\x00")


# Exact type of a value, its place in a packed struct, and what turns it into what is packed: fields that C
# can check and lay out in one call.
_FAST: dict[str, tuple[type, str, Callable[[Any], Any]]] = {
    "address": (Address, "12x20s", bytes),
    "bool": (bool, "31x?", truth),
    "bytes": (bytes, "32s", keccak256),
    "bytes32": (bytes, "32s", _exact_hash),
    "int256": (int, "32s", methodcaller("to_bytes", 32, "big", signed=True)),
    "int64": (int, "32s", _exact_int64),
    "string": (str, "32s", lambda value: keccak256(value.encode())),
    "uint256": (int, "32s", methodcaller("to_bytes", 32, "big")),
    "uint64": (int, "24xQ", pos),
    "uint32": (int, "28xI", pos),
    "uint8": (int, "31xB", pos),
}


@final
class Words:
    """A fixed row of Solidity values: each is checked for its exact type and range, then laid out.

    `declaration` reads like a struct's fields, `uint64 nonce,address maker`. `string` and `bytes` enter as
    their hash, as EIP-712 wants it; a static ABI tuple uses neither.
    """

    __slots__ = ("_convert", "_encoders", "_exact", "_pack", "_prefix", "fields", "name")

    def __init__(self, name: str, declaration: str, prefix: bytes = b"") -> None:
        pairs = [part.split(" ") for part in declaration.split(",")]
        types = [pair[0] for pair in pairs]
        self.name = name
        self.fields = tuple(pair[1] for pair in pairs)
        self._prefix = prefix
        self._encoders = tuple(_encoder(type_name) for type_name in types)
        rows = [_FAST.get(type_name, _FAST["bytes32"]) for type_name in types]
        # A type with no row of its own is always checked, unless it enters as a struct's hash.
        fast = all(type_name in _FAST or _STRUCT.fullmatch(type_name) for type_name in types)
        self._exact = tuple(row[0] for row in rows) if fast else None
        self._pack = struct.Struct(f">{len(prefix)}s" + "".join(row[1] for row in rows)).pack
        self._convert = tuple(row[2] for row in rows)

    def encode(self, *values: object) -> bytes:
        """The prefix and a 32-byte word per value, in the order of the fields.

        Raises:
            FieldTypeError, FieldRangeError: naming the field; nothing is coerced.
        """
        if tuple(map(type, values)) == self._exact:
            try:
                return self._pack(self._prefix, *map(call, self._convert, values))
            except (struct.error, OverflowError):
                return self._checked(values)
        return self._checked(values)

    def _checked(self, values: tuple[object, ...]) -> bytes:
        """Field by field: names the field that is wrong."""
        if len(values) != len(self.fields):
            raise FieldTypeError(
                f"{self.name}: expected {len(self.fields)} values, found {len(values)}; "
                f"pass {', '.join(self.fields)}"
            )
        return self._prefix + b"".join(
            encode(value, f"{self.name}.{field}")
            for encode, value, field in zip(self._encoders, values, self.fields, strict=True)
        )


@final
class StructType:
    """One EIP-712 struct: its type string, its type hash and a checked encoder of its values."""

    __slots__ = ("_declarations", "_words", "type_hash", "type_string")

    def __init__(self, type_string: str) -> None:
        matched = re.match(r"(\w+)\(([^)]*)\)", type_string)
        if matched is None:
            raise ValueError(f"EIP-712 type: expected Name(type field,...), found {type_string!r}")
        self.type_string = type_string
        self.type_hash = keccak256(type_string.encode())
        self._declarations = matched[2].split(",")
        self._words = Words(matched[1], matched[2], self.type_hash)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the values that `hash` takes, in order."""
        return self._words.fields

    def part(self, start: int, stop: int) -> Words:
        """The row of the fields from `start` up to `stop`; the first one begins with the type hash.

        The parts of a struct, one after the other, are its whole row: what many messages share is encoded
        once.
        """
        declaration = ",".join(self._declarations[start:stop])
        return Words(self._words.name, declaration, b"" if start else self.type_hash)

    def hash(self, *values: object) -> bytes:
        """The struct hash of `values`; errors as `Words.encode`."""
        return keccak256(self._words.encode(*values))


def array_hash(struct_hashes: list[bytes]) -> bytes:
    """The word of an array of structs: the hash of its members' hashes."""
    return keccak256(b"".join(struct_hashes))


@final
@dataclass(frozen=True, slots=True)
class Domain:
    """A signing domain; `verifying_contract` is left out of the type where a venue has none."""

    name: str
    version: str
    chain_id: int
    verifying_contract: Address | None = None
    separator: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "separator", _separator(self))

    def require_chain(self, chain_id: int, what: str) -> None:
        """Refuse a message whose own chain id is another than the domain's.

        Raises:
            DomainRefusedError: they differ.
        """
        if chain_id != self.chain_id:
            raise DomainRefusedError(
                f"{what}: expected chain {self.chain_id} of the signing domain, found chain {chain_id} "
                "in the message; not signed; take the domain of the message's chain"
            )

    def __str__(self) -> str:
        contract = self.verifying_contract.wire if self.verifying_contract is not None else "none"
        return f"{self.name!r} version {self.version!r}, chain {self.chain_id}, contract {contract}"


def _separator(domain: Domain) -> bytes:
    values: list[object] = [domain.name, domain.version, domain.chain_id]
    if domain.verifying_contract is None:
        return _DOMAIN_TYPE.hash(*values)
    return _CONTRACT_DOMAIN_TYPE.hash(*values, domain.verifying_contract)


_DOMAIN_TYPE = StructType("EIP712Domain(string name,string version,uint256 chainId)")
_CONTRACT_DOMAIN_TYPE = StructType(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)


@final
class DomainAllowList:
    """The domains that configuration allows signing for; everything else is refused."""

    __slots__ = ("_domains",)

    def __init__(self, domains: tuple[Domain, ...]) -> None:
        if not domains:
            raise DomainRefusedError(
                "signing domains: expected at least one, found none; list them in the configuration"
            )
        self._domains = domains

    def __iter__(self) -> Iterator[Domain]:
        return iter(self._domains)

    def require(self, name: str, version: str, chain_id: int, verifying_contract: Address | None) -> Domain:
        """The allowed domain with exactly these four parts.

        Raises:
            DomainRefusedError: unknown chain, name, version or contract.
        """
        for domain in self._domains:
            if (
                domain.chain_id == chain_id
                and domain.verifying_contract == verifying_contract
                and domain.name == name
                and domain.version == version
            ):
                return domain
        raise self._refusal(name, version, chain_id, verifying_contract)

    def for_chain(self, chain_id: int) -> Domain:
        """The first allowed domain of a chain.

        Raises:
            DomainRefusedError: the chain is not allowed.
        """
        for domain in self._domains:
            if domain.chain_id == chain_id:
                return domain
        chains = ", ".join(str(chain) for chain in sorted({domain.chain_id for domain in self._domains}))
        raise DomainRefusedError(
            f"signing domain: expected one of the chains {chains}, found chain {chain_id!r:.40}; "
            "not signed; allow the chain in the configuration if it is meant"
        )

    def _refusal(
        self, name: str, version: str, chain_id: int, contract: Address | None
    ) -> DomainRefusedError:
        self.for_chain(chain_id)
        allowed = "; ".join(str(domain) for domain in self._domains if domain.chain_id == chain_id)
        shown = contract.wire if contract is not None else "none"
        return DomainRefusedError(
            f"signing domain: expected {allowed}; found {name!r:.40} version {version!r:.20}, "
            f"chain {chain_id}, contract {shown}; not signed; "
            "allow it in the configuration only if the venue has redeployed"
        )


def typed_digest(domain: Domain, struct_hash: bytes) -> bytes:
    """What is signed: keccak(0x1901, domain separator, struct hash)."""
    return keccak256(opening(domain) + struct_hash)


def opening(domain: Domain) -> bytes:
    """What a message's type hash and words follow where `row_digest` takes them."""
    return b"\x19\x01" + domain.separator


def row_digest(opened: bytearray) -> bytes:
    """`typed_digest` of an opening, a type hash and words, which are lost."""
    return keccak256_nested(opened, OPENING_BYTES)
