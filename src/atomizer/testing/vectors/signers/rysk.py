"""Rysk vectors: quotes, transfers, premium authentication."""

from __future__ import annotations

from typing import Any

from atomizer.venues.eip712 import Domain, StructType
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.rysk import auth, treasury

__all__ = ["KINDS"]


def _domain(fields: dict[str, Any]) -> Domain:
    return Domain(
        fields["name"], fields["version"], fields["chainId"], Address.parse(fields["verifyingContract"])
    )


def _stated(
    kind: StructType, domain: Domain, struct_hash: bytes, digest: bytes, signature: str
) -> dict[str, Any]:
    return {
        "type_string": kind.type_string,
        "typehash": "0x" + kind.type_hash.hex(),
        "domain_separator": "0x" + domain.separator.hex(),
        "struct_hash": "0x" + struct_hash.hex(),
        "digest": "0x" + digest.hex(),
        "signature": signature,
    }


def _quote(case: dict[str, Any]) -> dict[str, Any]:
    fields = case["inputs"]["message"]
    quote = auth.QuoteMessage(
        asset_address=Address.parse(fields["assetAddress"]),
        chain_id=int(fields["chainId"]),
        is_put=fields["isPut"],
        strike=int(fields["strike"]),
        expiry=int(fields["expiry"]),
        maker=Address.parse(fields["maker"]),
        nonce=int(fields["nonce"]),
        price=int(fields["price"]),
        quantity=int(fields["quantity"]),
        is_taker_buy=fields["isTakerBuy"],
        valid_until=int(fields["validUntil"]),
        usd=Address.parse(fields["usd"]),
        collateral_asset=Address.parse(fields["collateralAsset"]),
    )
    domain, key = _domain(case["inputs"]["domain"]), EthereumKey(case["inputs"]["private_key"])
    digest = auth.quote_digest(domain, quote)
    return _stated(
        auth.QUOTE_TYPE, domain, auth.quote_hash(quote), digest, auth.sign_quote(domain, quote, key)
    )


def _transfer(case: dict[str, Any]) -> dict[str, Any]:
    fields = case["inputs"]["message"]
    transfer = treasury.TransferMessage(
        user=Address.parse(fields["user"]),
        asset=Address.parse(fields["asset"]),
        chain_id=int(fields["chainId"]),
        amount=int(fields["amount"]),
        is_deposit=fields["isDeposit"],
        nonce=int(fields["nonce"]),
    )
    domain, key = _domain(case["inputs"]["domain"]), EthereumKey(case["inputs"]["private_key"])
    digest = treasury.transfer_digest(domain, transfer)
    signature = treasury.sign_transfer(domain, transfer, key)
    return _stated(treasury.TRANSFER_TYPE, domain, treasury.transfer_hash(transfer), digest, signature)


def _premium_auth(case: dict[str, Any]) -> dict[str, Any]:
    nonce = case["inputs"]["message"]["nonce"]
    domain, key = _domain(case["inputs"]["domain"]), EthereumKey(case["inputs"]["private_key"])
    struct_hash = auth.AUTHENTICATION_TYPE.hash(nonce)
    digest = auth.authentication_digest(domain, nonce)
    signature = auth.sign_authentication(domain, nonce, key)
    return _stated(auth.AUTHENTICATION_TYPE, domain, struct_hash, digest, signature)


KINDS = {"quote": _quote, "transfer": _transfer, "premium_auth": _premium_auth}
