"""EIP-712 as the venue checks it, with eth_account; the trading system signs with another library.

Type tables are typed here from the protocol page, so that a mistake in the maker's codec cannot hide.
"""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
SIGNATURE_BYTES = 65

DOMAIN_FIELDS = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
QUOTE_FIELDS = [
    {"name": "assetAddress", "type": "address"},
    {"name": "chainId", "type": "uint256"},
    {"name": "isPut", "type": "bool"},
    {"name": "strike", "type": "uint256"},
    {"name": "expiry", "type": "uint64"},
    {"name": "maker", "type": "address"},
    {"name": "nonce", "type": "uint64"},
    {"name": "price", "type": "uint256"},
    {"name": "quantity", "type": "uint256"},
    {"name": "isTakerBuy", "type": "bool"},
    {"name": "validUntil", "type": "uint64"},
    {"name": "usd", "type": "address"},
    {"name": "collateralAsset", "type": "address"},
]
TRANSFER_FIELDS = [
    {"name": "user", "type": "address"},
    {"name": "asset", "type": "address"},
    {"name": "chainId", "type": "uint256"},
    {"name": "amount", "type": "uint256"},
    {"name": "isDeposit", "type": "bool"},
    {"name": "nonce", "type": "uint64"},
]
TABLES = {"Quote": QUOTE_FIELDS, "Transfer": TRANSFER_FIELDS}


class SignatureError(ValueError):
    """The bytes are no signature the contract would accept; the text says why."""


def signing_domain(chain_id: int, contract: str) -> dict[str, Any]:
    """The venue's own domain on one chain."""
    return {"name": "rysk", "version": "0.0.0", "chainId": chain_id, "verifyingContract": contract}


def _typed(domain: dict[str, Any], kind: str, message: dict[str, Any]) -> Any:
    fields = TABLES[kind]
    return encode_typed_data(
        full_message={
            "types": {"EIP712Domain": DOMAIN_FIELDS, kind: fields},
            "primaryType": kind,
            "domain": domain,
            "message": {field["name"]: message[field["name"]] for field in fields},
        }
    )


def recover(domain: dict[str, Any], kind: str, message: dict[str, Any], signature: str) -> str:
    """The lower-case address that signed `message` ("Quote" or "Transfer").

    Raises:
        SignatureError: wrong length, v or s, or no point of the curve.
    """
    raw = _signature_bytes(signature)
    try:
        address = Account.recover_message(_typed(domain, kind, message), signature=raw)
    except (BadSignature, ValidationError, ValueError) as exc:
        raise SignatureError("the signature recovers to no address") from exc
    return str(address).lower()


def sign(domain: dict[str, Any], kind: str, message: dict[str, Any], private_key: str) -> str:
    """A simulated taker's signature, 65 bytes hex with 0x."""
    signed = Account.sign_message(_typed(domain, kind, message), private_key)
    return "0x" + bytes(signed.signature).hex()


def _signature_bytes(signature: str) -> bytes:
    if not signature.startswith("0x") or len(signature) != 2 + 2 * SIGNATURE_BYTES:
        raise SignatureError(f"expected 65 bytes of hex with 0x, found {len(signature)} characters")
    try:
        raw = bytes.fromhex(signature[2:])
    except ValueError as exc:
        raise SignatureError("expected 65 bytes of hex with 0x, found other characters") from exc
    if raw[64] not in (27, 28):
        raise SignatureError(f"expected v 27 or 28, found {raw[64]}")
    if int.from_bytes(raw[32:64], "big") > HALF_ORDER:
        raise SignatureError("expected s in the lower half of the curve order, found the mirrored one")
    return raw
