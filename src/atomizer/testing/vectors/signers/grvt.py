"""GRVT vectors: orders, with the request in both encodings around the signature."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from atomizer.venues.eip712 import DomainAllowList
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.fields import truncated
from atomizer.venues.grvt import auth

__all__ = ["KINDS"]

ALLOWED = DomainAllowList(tuple(auth.DOMAINS.values()))
LITE_ORDER = {
    "sub_account_id": "sa",
    "is_market": "im",
    "time_in_force": "ti",
    "post_only": "po",
    "reduce_only": "ro",
    "legs": "l",
    "signature": "s",
    "metadata": "m",
    "builder": "b",
    "builder_fee": "bf",
}
LITE_LEG = {"instrument": "i", "size": "s", "limit_price": "lp", "is_buying_asset": "ib"}
LITE_SIGNATURE = {"signer": "s", "r": "r", "s": "s1", "v": "v", "expiration": "e", "nonce": "n"}
LITE_METADATA = {"client_order_id": "co"}


def _message(given: dict[str, Any]) -> auth.OrderMessage:
    order = given["order"]
    return auth.OrderMessage(
        sub_account_id=int(order["sub_account_id"]),
        is_market=order["is_market"],
        time_in_force=auth.TimeInForce[order["time_in_force"]],
        post_only=order["post_only"],
        reduce_only=order["reduce_only"],
        legs=tuple(
            auth.OrderLeg(
                asset_id=int(given["instrument_hash"], 16),
                contract_size=auth.contract_size(Decimal(leg["size"]), given["base_decimals"]),
                limit_price=auth.limit_price(Decimal(leg["limit_price"])),
                is_buying_contract=leg["is_buying_asset"],
            )
            for leg in order["legs"]
        ),
        nonce=given["nonce"],
        expiration_ns=int(given["expiration"]),
        builder=Address.parse(order["builder"]) if order.get("builder") else None,
        builder_fee=truncated(Decimal(order.get("builder_fee") or "0"), 4, "builder_fee"),
    )


def _signed_fields(given: dict[str, Any], message: auth.OrderMessage) -> dict[str, Any]:
    legs = [
        {
            "assetID": given["instrument_hash"],
            "contractSize": leg.contract_size,
            "limitPrice": leg.limit_price,
            "isBuyingContract": leg.is_buying_contract,
        }
        for leg in message.legs
    ]
    builder = (
        {"builder": message.builder.checksum, "builderFee": message.builder_fee} if message.builder else {}
    )
    return builder | {
        "subAccountID": str(message.sub_account_id),
        "isMarket": message.is_market,
        "timeInForce": int(message.time_in_force),
        "postOnly": message.post_only,
        "reduceOnly": message.reduce_only,
        "legs": legs,
        "nonce": message.nonce,
        "expiration": str(message.expiration_ns),
    }


def _short(fields: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in fields.items()}


def _order(case: dict[str, Any]) -> dict[str, Any]:
    given = case["inputs"]
    message, domain = _message(given), ALLOWED.for_chain(given["chain_id"])
    signed = auth.sign_order(domain, message, EthereumKey(given["private_key"]))
    signature = {name: getattr(signed, name) for name in LITE_SIGNATURE}
    full = {**given["order"], "signature": signature}
    lite = _short(full, LITE_ORDER)
    lite["l"] = [_short(leg, LITE_LEG) for leg in full["legs"]]
    lite["s"] = _short(signature, LITE_SIGNATURE)
    lite["m"] = _short(full["metadata"], LITE_METADATA)
    return {
        "message": _signed_fields(given, message),
        "domain_separator": "0x" + domain.separator.hex(),
        "struct_hash": "0x" + auth.order_hash(message).hex(),
        "digest": "0x" + auth.order_digest(domain, message).hex(),
        "signer": signed.signer,
        "r": signed.r,
        "s": signed.s,
        "v": signed.v,
        "full_request": {"order": full},
        "lite_request": {"o": lite},
    }


KINDS = {"order_eip712": _order}
