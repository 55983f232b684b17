"""Binance request signatures: REST queries and WebSocket API parameters.

HMAC-SHA256 (hex), Ed25519 and RSA (base64). Time comes from the caller as integer milliseconds
among the parameters. Values are text, integers or booleans; numbers with decimals travel as text,
so a float is refused.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

import msgspec

from atomizer.venues.fields import FieldTypeError, SigningError, require_text
from atomizer.venues.keys import Ed25519Key, HmacKey, RsaKey

__all__ = [
    "ApiKey",
    "key_headers",
    "rest_payload",
    "sign_query",
    "sign_socket_params",
    "signature",
    "socket_payload",
]

ApiKey = HmacKey | Ed25519Key | RsaKey
Value = str | int | bool | Sequence[object]
Params = Mapping[str, Value]


def rest_payload(params: Params) -> str:
    """The percent-encoded query (or form body) in sent order; lists as compact JSON.

    Raises:
        FieldTypeError: a float, or another type that has no one text.
    """
    return urlencode([(name, _text(name, value)) for name, value in params.items()])


def socket_payload(params: Params) -> str:
    """What a WebSocket API signature covers: sorted by name, not percent-encoded."""
    return "&".join(f"{name}={_text(name, params[name])}" for name in sorted(params) if name != "signature")


def signature(payload: str, key: ApiKey) -> str:
    """Lower-case hex for a shared secret, base64 for a private key."""
    if isinstance(key, HmacKey):
        return key.hex_sha256(payload)
    raw = key.sign(payload.encode()) if isinstance(key, Ed25519Key) else key.sign_sha256(payload.encode())
    return base64.b64encode(raw).decode()


def sign_query(params: Params, key: ApiKey) -> str:
    """The query (or form body) with its signature last, ready to send.

    Raises:
        SigningError: no timestamp, without which the venue refuses a signed request.
    """
    _require_time(params)
    payload = rest_payload(params)
    return f"{payload}&signature={quote(signature(payload, key), safe='')}"


def sign_socket_params(params: Params, api_key: str, key: ApiKey) -> dict[str, Value]:
    """The parameters of a signed WebSocket API request, with `apiKey` and `signature`."""
    _require_time(params)
    signed = {**params, "apiKey": require_text(api_key, "apiKey")}
    return {**signed, "signature": signature(socket_payload(signed), key)}


def key_headers(api_key: str) -> dict[str, str]:
    """The header of every keyed REST request."""
    return {"X-MBX-APIKEY": require_text(api_key, "apiKey")}


def _require_time(params: Params) -> None:
    if "timestamp" not in params:
        raise SigningError(
            f"binance request: expected a timestamp among {sorted(params)}, found none; "
            "add the venue's time in ms"
        )


def _text(name: str, value: object) -> str:
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if isinstance(value, list | tuple):
        _refuse_floats(name, value)
        return msgspec.json.encode(value).decode()
    raise FieldTypeError(
        f"{name}: expected text, an int, a bool or a list, found a {type(value).__name__}; "
        "render decimals as text"
    )


def _refuse_floats(name: str, value: object) -> None:
    if isinstance(value, float):
        raise FieldTypeError(f"{name}: expected no float in a list, found {value!r}; render decimals as text")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_floats(f"{name}.{key}", item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(name, item)
