"""Binance vectors: REST and WebSocket API requests, shared secrets and Ed25519."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from atomizer.venues.binance import auth
from atomizer.venues.keys import Ed25519Key, HmacKey, private_key_from_pem

__all__ = ["KINDS"]


def _key(given: dict[str, Any]) -> auth.ApiKey:
    if "secret_key" in given:
        return HmacKey(given["secret_key"])
    key = private_key_from_pem(given["private_pem_pkcs8"])
    seeded = Ed25519Key.from_seed(bytes.fromhex(given["ed25519_seed_hex"]))
    if not key.public_pem() == seeded.public_pem() == given["public_pem"]:
        raise ValueError("keys: expected seed, private PEM and public PEM of one pair")
    return key


def _rest(case: dict[str, Any]) -> dict[str, Any]:
    given = case["inputs"]
    key, params = _key(given), dict(given["params"])
    payload = auth.rest_payload(params)
    signature = auth.signature(payload, key)
    return {
        "payload": payload,
        "signature": signature,
        "signature_base64": signature,
        "signature_percent_encoded": quote(signature, safe=""),
        "query_string": auth.sign_query(params, key),
        "headers": auth.key_headers(given["api_key"]),
    }


def _socket(case: dict[str, Any]) -> dict[str, Any]:
    given = case["inputs"]
    params = auth.sign_socket_params(given["params"], given["api_key"], _key(given))
    return {
        "payload": auth.socket_payload(params),
        "signature": params["signature"],
        "signature_base64": params["signature"],
        "request": {"id": "1", "method": given["method"], "params": params},
    }


KINDS = {
    "hmac_sha256_rest": _rest,
    "hmac_sha256_ws_api": _socket,
    "ed25519_rest": _rest,
    "ed25519_ws_api": _socket,
}
