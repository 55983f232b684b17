"""Thalex login tokens: a JWT signed RS512 with the one claim `iat`.

`iat` is seconds with a fraction; here it is integer nanoseconds rendered as text, so no float is
ever involved. Each token of a key must carry a later `iat` than all before it, at the resolution of
a double (a quarter of a microsecond): the caller keeps moments at least a microsecond apart.
"""

from __future__ import annotations

import base64

from atomizer.venues.fields import FieldRangeError, require_text, require_uint
from atomizer.venues.keys import RsaKey

__all__ = ["iat_text", "login_params", "login_token", "signing_input"]

NS_PER_S = 1_000_000_000
# What a key name may hold without JSON escapes; the venue's look like K123456789.
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def iat_text(iat_ns: int) -> str:
    """Nanoseconds as decimal seconds without trailing zeros: `1700000000.5`."""
    seconds, fraction = divmod(require_uint(iat_ns, "iat", 63), NS_PER_S)
    return f"{seconds}.{fraction:09d}".rstrip("0").rstrip(".") if fraction else str(seconds)


def signing_input(kid: str, iat_ns: int) -> str:
    """Header and claims as the signature covers them.

    Raises:
        FieldTypeError, FieldRangeError: a float time, or a key name with other than letters, digits, `-_.`.
    """
    if not require_text(kid, "kid") or not _PLAIN.issuperset(kid):
        raise FieldRangeError(
            f"kid: expected a key name of letters, digits, '-', '_' and '.', found {kid!r:.40}; "
            "copy the name shown beside the key at the venue"
        )
    header = f'{{"alg":"RS512","kid":"{kid}","typ":"JWT"}}'
    claims = f'{{"iat":{iat_text(iat_ns)}}}'
    return f"{_b64(header.encode())}.{_b64(claims.encode())}"


def login_token(kid: str, iat_ns: int, key: RsaKey) -> str:
    """A token for one login or one HTTP request."""
    text = signing_input(kid, iat_ns)
    return f"{text}.{_b64(key.sign_sha512(text.encode()))}"


def login_params(kid: str, iat_ns: int, key: RsaKey, account: str = "") -> dict[str, str]:
    """The parameters of `public/login`; an account only where the key has several."""
    params = {"token": login_token(kid, iat_ns, key)}
    return params | {"account": require_text(account, "account")} if account else params


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
