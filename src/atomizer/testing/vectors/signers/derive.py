"""Derive vectors: orders, RFQ quotes and executions, logins, both generations."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from coincurve import PublicKey

from atomizer.venues.derive import auth
from atomizer.venues.derive.networks import NETWORKS, DeriveNetwork
from atomizer.venues.ethereum import Address, EthereumKey, keccak256, personal_digest

__all__ = ["KINDS"]


def _network(case: dict[str, Any]) -> DeriveNetwork:
    """The deployment that the case's domain separator names; logins have none and need none."""
    separator = case["inputs"].get("domain_separator")
    for candidate in NETWORKS:
        if candidate.generation == case["api_version"] and (
            separator is None or candidate.domain.separator.hex() == separator.lower().removeprefix("0x")
        ):
            return candidate
    raise ValueError(f"domain_separator: no {case['api_version']} deployment has {separator}")


def _stated(case: dict[str, Any], action: auth.Action) -> dict[str, Any]:
    """The hashes of an action, after checking that the file means the type and module we sign."""
    given, ours = case["inputs"], _network(case)
    for name, value in (("action_typehash", auth.ACTION_TYPE.type_hash), ("module_address", action.module)):
        if bytes.fromhex(given[name].removeprefix("0x")) != value:
            raise ValueError(f"{name}: expected {given[name]}, found 0x{value.hex()}")
    stated = {
        "encoded_data": "0x" + action.data.hex(),
        "encoded_data_hash": "0x" + keccak256(action.data).hex(),
        "action_hash": "0x" + auth.action_hash(action).hex(),
        "typed_data_hash": "0x" + auth.action_digest(ours, action).hex(),
    }
    return stated | _signed(case, ours, action)


def _signed(case: dict[str, Any], ours: DeriveNetwork, action: auth.Action) -> dict[str, Any]:
    """Our signature; without a private key the stated one if its signer is recovered from our digest."""
    if case["inputs"]["private_key"] is not None:
        return {"signature": auth.sign_action(ours, action, EthereumKey(case["inputs"]["private_key"]))}
    signature = case["expected"]["signature"]
    raw = bytes.fromhex(signature[2:])
    digest = auth.action_digest(ours, action)
    public = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
    signer = Address(keccak256(public.format(compressed=False)[1:])[-20:])
    if signer != action.signer:
        raise ValueError(f"signature: expected signer {action.signer.checksum}, recovered {signer.checksum}")
    return {"signature": signature, "recovered_signer": signer.checksum}


def _trade(case: dict[str, Any]) -> dict[str, Any]:
    given = case["inputs"]
    order = auth.OrderMessage(
        asset=Address.parse(given["asset_address"]),
        sub_id=int(given["sub_id"]),
        limit_price=auth.scaled(Decimal(given["limit_price"]), "limit_price"),
        amount=auth.scaled(Decimal(given["amount"]), "amount"),
        max_fee=auth.scaled(Decimal(given["max_fee"]), "max_fee"),
        recipient_subaccount_id=given["recipient_id"],
        is_bid=given["is_bid"],
    )
    action = auth.order_action(
        _network(case),
        order,
        int(given["nonce"]),
        given["signature_expiry_sec"],
        Address.parse(given["owner"]),
        Address.parse(given["signer"]),
    )
    return _stated(case, action)


def _legs(given: dict[str, Any]) -> tuple[auth.QuoteLeg, ...]:
    return tuple(
        auth.QuoteLeg(
            instrument_name=leg["instrument_name"],
            is_buy=leg["direction"] == "buy",
            asset=Address.parse(leg["asset_address"]),
            sub_id=int(leg["sub_id"]),
            price=auth.scaled(Decimal(leg["price"]), "price"),
            amount=auth.scaled(Decimal(leg["amount"]), "amount"),
        )
        for leg in given["legs"]
    )


def _rfq(case: dict[str, Any], data: bytes) -> dict[str, Any]:
    given = case["inputs"]
    action = auth.rfq_action(
        _network(case),
        data,
        subaccount_id=given["subaccount_id"],
        nonce=int(given["nonce"]),
        expiry_s=given["signature_expiry_sec"],
        owner=Address.parse(given["owner"]),
        signer=Address.parse(given["signer"]),
    )
    return _stated(case, action)


def _rfq_quote(case: dict[str, Any]) -> dict[str, Any]:
    given = case["inputs"]
    fee = auth.scaled(Decimal(given["max_fee"]), "max_fee")
    return _rfq(case, auth.quote_data(given["direction"] == "buy", fee, _legs(given)))


def _rfq_execute(case: dict[str, Any]) -> dict[str, Any]:
    given = case["inputs"]
    fee = auth.scaled(Decimal(given["max_fee"]), "max_fee")
    is_buy, legs = given["direction"] == "buy", _legs(given)
    stated = _rfq(case, auth.execute_data(is_buy, fee, legs))
    return stated | {"legs_hash": "0x" + auth.legs_hash(is_buy, legs).hex()}


def _login(case: dict[str, Any]) -> dict[str, Any]:
    given, ours = case["inputs"], _network(case)
    key, wallet = EthereumKey(given["private_key"]), Address.parse(given["wallet"])
    if key.address.checksum != given["signer"]:
        raise ValueError(f"signer: expected {given['signer']}, found {key.address.checksum}")
    timestamp_ms = int(given["timestamp_ms"])
    return {
        "eip191_message_hash": "0x" + personal_digest(given["timestamp_ms"].encode()).hex(),
        "signature": auth.login_signature(timestamp_ms, key),
        "rest_headers": auth.login_headers(ours, wallet, timestamp_ms, key),
        "ws_login_params": auth.login_params(ours, wallet, timestamp_ms, key),
    }


KINDS = {"trade": _trade, "rfq_quote": _rfq_quote, "rfq_execute": _rfq_execute, "login": _login}
