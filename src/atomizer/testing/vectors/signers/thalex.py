"""Thalex vectors: login tokens."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from atomizer.venues.fields import truncated
from atomizer.venues.keys import RsaKey, private_key_from_pem
from atomizer.venues.thalex import auth

__all__ = ["KINDS"]


def _login(case: dict[str, Any]) -> dict[str, Any]:
    given, keys = case["inputs"], case["file"]["keys"]
    material = keys[given["key"].rpartition(".")[2]]
    key = private_key_from_pem(material["private_pem_pkcs1"])
    if not isinstance(key, RsaKey) or key.public_pem() != material["public_pem"]:
        raise ValueError("keys: expected one RSA pair, found two different keys")
    # The shortest decimal of the file's number, exactly, in nanoseconds.
    iat_ns = truncated(Decimal(str(given["iat"])), 9, "iat")
    token = auth.login_token(given["kid"], iat_ns, key)
    header, claims, signature = token.split(".")
    texts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode() for part in (header, claims)]
    return {
        "header": json.loads(texts[0]),
        "claims": json.loads(texts[1]),
        "header_json": texts[0],
        "claims_json": texts[1],
        "signing_input": auth.signing_input(given["kid"], iat_ns),
        "signature_b64url": signature,
        "token": token,
        "login_request": {**case["expected"]["login_request"], "method": "public/login"}
        | {"params": auth.login_params(given["kid"], iat_ns, key)},
    }


KINDS = {"login_jwt": _login}
