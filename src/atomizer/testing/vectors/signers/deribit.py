"""Deribit vectors: socket logins (HMAC, Ed25519) and the HTTP header."""

from __future__ import annotations

import base64
from typing import Any

from atomizer.venues.deribit import auth
from atomizer.venues.keys import Ed25519Key, HmacKey, private_key_from_pem

__all__ = ["KINDS"]


def _socket_hmac(case: dict[str, Any]) -> dict[str, Any]:
    given = case["inputs"]
    key = HmacKey(given["client_secret"])
    moment = (given["timestamp"], given["nonce"], given["data"])
    params = auth.client_signature_params(given["client_id"], key, *moment[:2], data=given["data"])
    return {
        "string_to_sign": auth.socket_string_to_sign(*moment),
        "signature": auth.socket_signature(key, *moment),
        "auth_params": params,
    }


def _http(case: dict[str, Any]) -> dict[str, Any]:
    given = case["inputs"]
    key = HmacKey(given["client_secret"])
    request = (given["timestamp"], given["nonce"], given["http_method"], given["uri"], given["body"])
    text = auth.http_string_to_sign(*request)
    return {
        "string_to_sign": text,
        "signature": key.hex_sha256(text),
        "authorization_header": auth.http_authorization(given["client_id"], key, *request),
    }


def _socket_ed25519(case: dict[str, Any]) -> dict[str, Any]:
    given = case["inputs"]
    key = private_key_from_pem(given["private_key_pem"])
    if not isinstance(key, Ed25519Key):
        raise TypeError(f"private_key_pem: expected Ed25519, found {key!r}")
    seeded = Ed25519Key.from_seed(bytes.fromhex(given["private_seed_hex"]))
    if not seeded.public_pem() == key.public_pem() == given["public_key_pem"]:
        raise ValueError("seed, private PEM and public PEM are not one key")
    moment = (given["timestamp"], given["nonce"], given["data"])
    signature = auth.socket_signature(key, *moment)
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    return {
        "string_to_sign": auth.socket_string_to_sign(*moment),
        "signature_raw_hex": raw.hex(),
        "signature_base64_std": base64.b64encode(raw).decode(),
        "signature_base64_urlsafe_nopad": signature,
    }


KINDS = {
    "ws_client_signature_hmac": _socket_hmac,
    "http_deri_hmac_sha256": _http,
    "ws_client_signature_ed25519": _socket_ed25519,
}
