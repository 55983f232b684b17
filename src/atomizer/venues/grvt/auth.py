"""GRVT order signatures (EIP-712) and the login body. Pure functions of message and key.

Sizes are integers in 10**-base_decimals of the base currency, prices in 1e-9; `contract_size` and
`limit_price` truncate a Decimal as the venue's client does. Cancels are not signed.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum

import msgspec

from atomizer.venues.eip712 import Domain, DomainRefusedError, StructType, array_hash, typed_digest
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.fields import SigningError, require_uint, truncated
from atomizer.venues.keys import HmacKey

__all__ = [
    "BUILDER_ORDER_TYPE",
    "DOMAINS",
    "LEG_TYPE",
    "ORDER_TYPE",
    "OrderLeg",
    "OrderMessage",
    "OrderSignature",
    "TimeInForce",
    "contract_size",
    "domain",
    "limit_price",
    "login_body",
    "order_digest",
    "order_hash",
    "sign_order",
]

_LEG = "OrderLeg(uint256 assetID,uint64 contractSize,uint64 limitPrice,bool isBuyingContract)"
_HEAD = "uint64 subAccountID,bool isMarket,uint8 timeInForce,bool postOnly,bool reduceOnly,OrderLeg[] legs"
LEG_TYPE = StructType(_LEG)
ORDER_TYPE = StructType(f"Order({_HEAD},uint32 nonce,int64 expiration){_LEG}")
BUILDER_ORDER_TYPE = StructType(
    f"OrderWithBuilderFee({_HEAD},address builder,uint32 builderFee,uint32 nonce,int64 expiration){_LEG}"
)
PRICE_DECIMALS = 9

# Network -> L2 chain of the signing domain; the domain names no contract.
DOMAINS = {
    name: Domain("GRVT Exchange", "0", chain_id)
    for name, chain_id in (("mainnet", 325), ("testnet", 326), ("dev", 327), ("sim", 31337))
}


class TimeInForce(IntEnum):
    """The signed numbers of the times in force."""

    GOOD_TILL_TIME = 1
    ALL_OR_NONE = 2
    IMMEDIATE_OR_CANCEL = 3
    FILL_OR_KILL = 4


class OrderLeg(msgspec.Struct, frozen=True, gc=False):
    """One leg: `asset_id` is the instrument's hash as a number."""

    asset_id: int
    contract_size: int
    limit_price: int
    is_buying_contract: bool


class OrderMessage(msgspec.Struct, frozen=True):
    """What an order's signature covers; `expiration_ns` is unix nanoseconds, at most 30 days ahead."""

    sub_account_id: int
    is_market: bool
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool
    legs: tuple[OrderLeg, ...]
    nonce: int
    expiration_ns: int
    builder: Address | None = None
    builder_fee: int = 0


class OrderSignature(msgspec.Struct, frozen=True, gc=False):
    """A signature as the venue takes it apart: `r` and `s` with 0x, `v` 27 or 28."""

    signer: str
    r: str
    s: str
    v: int
    expiration: str
    nonce: int


def domain(network: str) -> Domain:
    """The signing domain of a network.

    Raises:
        DomainRefusedError: unknown network.
    """
    if network not in DOMAINS:
        raise DomainRefusedError(
            f"grvt: expected one of {', '.join(DOMAINS)}, found {network!r:.20}; correct the venue's settings"
        )
    return DOMAINS[network]


def contract_size(size: Decimal, base_decimals: int) -> int:
    """A size as the contract counts it, truncated."""
    return truncated(size, require_uint(base_decimals, "base_decimals", 6), "size")


def limit_price(price: Decimal) -> int:
    """A price as the contract counts it, truncated; 0 for market orders."""
    return truncated(price, PRICE_DECIMALS, "limit_price")


def order_hash(order: OrderMessage) -> bytes:
    """The EIP-712 struct hash.

    Raises:
        SigningError: no leg, an unknown time in force, or a builder fee without a builder.
        FieldTypeError, FieldRangeError: a field is not of its exact type or does not fit.
    """
    if not order.legs or type(order.time_in_force) is not TimeInForce:
        raise SigningError(
            f"grvt order: expected legs and a TimeInForce, found {len(order.legs)} legs and "
            f"{order.time_in_force!r}; fill in the order"
        )
    legs = array_hash(
        [
            LEG_TYPE.hash(leg.asset_id, leg.contract_size, leg.limit_price, leg.is_buying_contract)
            for leg in order.legs
        ]
    )
    head = (
        order.sub_account_id,
        order.is_market,
        int(order.time_in_force),
        order.post_only,
        order.reduce_only,
        legs,
    )
    if order.builder is not None:
        fee = (order.builder, order.builder_fee)
        return BUILDER_ORDER_TYPE.hash(*head, *fee, order.nonce, order.expiration_ns)
    if order.builder_fee:
        raise SigningError(
            f"grvt order: expected a builder for the fee {order.builder_fee}, found none; name it"
        )
    return ORDER_TYPE.hash(*head, order.nonce, order.expiration_ns)


def order_digest(signing_domain: Domain, order: OrderMessage) -> bytes:
    """The 32 bytes that are signed."""
    return typed_digest(signing_domain, order_hash(order))


def sign_order(signing_domain: Domain, order: OrderMessage, key: EthereumKey) -> OrderSignature:
    """The signature object of a create-order request."""
    raw = key.sign_digest(order_digest(signing_domain, order))
    return OrderSignature(
        signer=key.address.checksum,
        r="0x" + raw[:32].hex(),
        s="0x" + raw[32:64].hex(),
        v=raw[64],
        expiration=str(order.expiration_ns),
        nonce=order.nonce,
    )


def login_body(api_key: HmacKey) -> dict[str, str]:
    """The body of `POST /auth/api_key/login`: holds the key, so never log the request."""
    return {"api_key": api_key.reveal()}
