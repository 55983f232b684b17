"""Deribit's `public/auth` parameters and HTTP signature.

Pure functions: time and nonce come from the caller. The timestamp must be within 60 s of the
venue's clock and a nonce is used once. An HMAC key signs sockets and HTTP; an asymmetric key
(Ed25519, RSA) signs the socket's login only.
"""

from __future__ import annotations

import base64

from atomizer.venues.fields import FieldRangeError, require_text, require_uint
from atomizer.venues.keys import Ed25519Key, HmacKey, RsaKey

__all__ = [
    "LoginKey",
    "client_credentials_params",
    "client_signature_params",
    "http_authorization",
    "http_string_to_sign",
    "refresh_params",
    "socket_signature",
    "socket_string_to_sign",
]

LoginKey = HmacKey | Ed25519Key | RsaKey
Params = dict[str, str | int]


def socket_string_to_sign(timestamp_ms: int, nonce: str, data: str = "") -> str:
    """`timestamp LF nonce LF data`; empty data keeps the second LF.

    Raises:
        FieldTypeError, FieldRangeError: a float timestamp, text with a line feed in the nonce.
    """
    return f"{_timestamp(timestamp_ms)}\n{_nonce(nonce)}\n{require_text(data, 'data')}"


def socket_signature(key: LoginKey, timestamp_ms: int, nonce: str, data: str = "") -> str:
    """HMAC: lower-case hex. Asymmetric: URL-safe base64 without padding."""
    text = socket_string_to_sign(timestamp_ms, nonce, data)
    if isinstance(key, HmacKey):
        return key.hex_sha256(text)
    raw = key.sign(text.encode()) if isinstance(key, Ed25519Key) else key.sign_sha256(text.encode())
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def client_signature_params(
    client_id: str, key: LoginKey, timestamp_ms: int, nonce: str, *, data: str = "", scope: str = ""
) -> Params:
    """`public/auth` with grant `client_signature`; no scope gives the connection's own."""
    params: Params = {
        "grant_type": "client_signature",
        "client_id": require_text(client_id, "client_id"),
        "timestamp": timestamp_ms,
        "signature": socket_signature(key, timestamp_ms, nonce, data),
        "nonce": nonce,
        "data": data,
    }
    return params | _scope(scope)


def client_credentials_params(client_id: str, key: HmacKey, *, scope: str = "") -> Params:
    """`public/auth` with grant `client_credentials`: holds the secret, so never log the request."""
    params: Params = {
        "grant_type": "client_credentials",
        "client_id": require_text(client_id, "client_id"),
        "client_secret": key.reveal(),
    }
    return params | _scope(scope)


def refresh_params(refresh_token: str) -> Params:
    """`public/auth` with grant `refresh_token`."""
    return {"grant_type": "refresh_token", "refresh_token": require_text(refresh_token, "refresh_token")}


def http_string_to_sign(timestamp_ms: int, nonce: str, method: str, target: str, body: str = "") -> str:
    """`ts LF nonce LF METHOD LF path?query LF body LF`; the last LF stays when the body is empty."""
    for field, value in (("method", method), ("target", target)):
        if "\n" in require_text(value, field):
            raise FieldRangeError(f"{field}: expected one line, found a line feed; encode the request first")
    lines = (str(_timestamp(timestamp_ms)), _nonce(nonce), method.upper(), target, require_text(body, "body"))
    return "".join(f"{line}\n" for line in lines)


def http_authorization(
    client_id: str, key: HmacKey, timestamp_ms: int, nonce: str, method: str, target: str, body: str = ""
) -> str:
    """The `Authorization` header of one HTTP request; `target` is the path with its query."""
    signature = key.hex_sha256(http_string_to_sign(timestamp_ms, nonce, method, target, body))
    name = require_text(client_id, "client_id")
    return f"deri-hmac-sha256 id={name},ts={timestamp_ms},sig={signature},nonce={nonce}"


def _timestamp(timestamp_ms: int) -> int:
    return require_uint(timestamp_ms, "timestamp", 63)


def _nonce(nonce: str) -> str:
    if "\n" in require_text(nonce, "nonce") or not nonce:
        raise FieldRangeError(
            "nonce: expected one line of text, found an empty nonce or a line feed; use digits"
        )
    return nonce


def _scope(scope: str) -> Params:
    return {"scope": require_text(scope, "scope")} if scope else {}
