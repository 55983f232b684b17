"""Derive signatures: logins, orders, RFQ quotes and executions. Pure functions of message and key.

Every action is an EIP-712 struct around the hash of ABI-encoded module data. Amounts and prices
are integers scaled by 1e18 (`scaled` truncates a Decimal as the venue's clients do). Transfers and
withdrawals are not here: no part of the system signs them.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.venues.derive.networks import DeriveNetwork
from atomizer.venues.eip712 import StructType, Words, typed_digest
from atomizer.venues.ethereum import Address, EthereumKey, keccak256, personal_digest
from atomizer.venues.fields import SigningError, require_bool, require_uint, scaled_exactly, truncated

__all__ = [
    "ACTION_TYPE",
    "Action",
    "OrderMessage",
    "QuoteLeg",
    "action_digest",
    "action_hash",
    "execute_data",
    "legs_hash",
    "login_headers",
    "login_params",
    "login_signature",
    "option_sub_id",
    "order_action",
    "order_data",
    "quote_data",
    "rfq_action",
    "scaled",
    "sign_action",
]

ACTION_TYPE = StructType(
    "Action(uint256 subaccountId,uint256 nonce,address module,bytes data,uint256 expiry,"
    "address owner,address signer)"
)
_ORDER = Words(
    "order",
    "address asset,uint256 sub_id,int256 limit_price,int256 amount,uint256 max_fee,"
    "uint256 recipient_subaccount_id,bool is_bid",
)
_LEG = Words("leg", "address asset,uint256 sub_id,uint256 price,int256 amount")
_QUOTE_HEAD = Words("quote", "uint256 offset,uint256 max_fee,uint256 legs_offset,uint256 count")
_LEGS_HEAD = Words("legs", "uint256 offset,uint256 count")
_EXECUTE = Words("execute", "bytes32 order_hash,uint256 max_fee")
DECIMALS = 18


class OrderMessage(msgspec.Struct, frozen=True, gc=False):
    """What an order's signature covers; price, amount and fee per unit scaled by 1e18."""

    asset: Address
    sub_id: int
    limit_price: int
    amount: int
    max_fee: int
    recipient_subaccount_id: int
    is_bid: bool


class QuoteLeg(msgspec.Struct, frozen=True, gc=False):
    """One priced leg of an RFQ, with the direction that the RFQ states; amounts scaled by 1e18."""

    instrument_name: str
    is_buy: bool
    asset: Address
    sub_id: int
    price: int
    amount: int


class Action(msgspec.Struct, frozen=True, gc=False):
    """Module data with who does it, once (`nonce`), until when (`expiry_s`, unix seconds)."""

    subaccount_id: int
    nonce: int
    module: Address
    data: bytes
    expiry_s: int
    owner: Address
    signer: Address


def scaled(value: Decimal, field: str) -> int:
    """A decimal amount as the contracts count it (1e18, truncated)."""
    return truncated(value, DECIMALS, field)


def option_sub_id(expiry_s: int, strike: Decimal, is_call: bool) -> int:
    """An option's sub id: expiry, strike (1e8 scale, exact) and side packed into one integer.

    Raises:
        FieldTypeError, FieldRangeError: a float, a strike finer than 1e-8, a field that overflows.
    """
    strike_e8 = require_uint(scaled_exactly(strike, 8, "strike"), "strike", 63)
    call = require_bool(is_call, "is_call")
    return require_uint(expiry_s, "expiry", 32) | strike_e8 << 32 | call << 95


def order_data(order: OrderMessage) -> bytes:
    """The trade module's data; field errors name field and value."""
    return _ORDER.encode(
        order.asset,
        order.sub_id,
        order.limit_price,
        order.amount,
        order.max_fee,
        order.recipient_subaccount_id,
        order.is_bid,
    )


def quote_data(is_buy: bool, max_fee: int, legs: tuple[QuoteLeg, ...]) -> bytes:
    """The RFQ module's data of a maker's quote; `max_fee` is total USD scaled by 1e18."""
    rows = _leg_rows(is_buy, legs)
    return _QUOTE_HEAD.encode(32, max_fee, 64, len(legs)) + rows


def legs_hash(is_buy: bool, legs: tuple[QuoteLeg, ...]) -> bytes:
    """The hash of the maker's legs that a taker executes; `is_buy` is the taker's own direction."""
    rows = _leg_rows(not require_bool(is_buy, "direction"), legs)
    return keccak256(_LEGS_HEAD.encode(32, len(legs)) + rows)


def execute_data(is_buy: bool, max_fee: int, legs: tuple[QuoteLeg, ...]) -> bytes:
    """The RFQ module's data of a taker's execution."""
    return _EXECUTE.encode(legs_hash(is_buy, legs), max_fee)


def _leg_rows(is_buy: bool, legs: tuple[QuoteLeg, ...]) -> bytes:
    """Legs by name, each amount with the sign of leg direction times action direction."""
    names = [leg.instrument_name for leg in legs]
    if not legs or len(set(names)) != len(names):
        raise SigningError(
            f"legs: expected at least one and no name twice, found {names}; correct the RFQ's legs"
        )
    outer = 1 if require_bool(is_buy, "direction") else -1
    return b"".join(
        _LEG.encode(
            leg.asset,
            leg.sub_id,
            leg.price,
            require_uint(leg.amount, f"{leg.instrument_name} amount", 255)
            * (outer if require_bool(leg.is_buy, f"{leg.instrument_name} direction") else -outer),
        )
        for leg in sorted(legs, key=lambda leg: leg.instrument_name)
    )


def order_action(
    network: DeriveNetwork, order: OrderMessage, nonce: int, expiry_s: int, owner: Address, signer: Address
) -> Action:
    """An order of the subaccount that receives its fills."""
    subaccount = order.recipient_subaccount_id
    return Action(subaccount, nonce, network.trade_module, order_data(order), expiry_s, owner, signer)


def rfq_action(
    network: DeriveNetwork,
    data: bytes,
    *,
    subaccount_id: int,
    nonce: int,
    expiry_s: int,
    owner: Address,
    signer: Address,
) -> Action:
    """A quote or an execution (`quote_data`, `execute_data`)."""
    return Action(subaccount_id, nonce, network.rfq_module, data, expiry_s, owner, signer)


def action_hash(action: Action) -> bytes:
    """The EIP-712 struct hash of an action."""
    return ACTION_TYPE.hash(
        action.subaccount_id,
        action.nonce,
        action.module,
        action.data,
        action.expiry_s,
        action.owner,
        action.signer,
    )


def action_digest(network: DeriveNetwork, action: Action) -> bytes:
    """The 32 bytes that are signed."""
    return typed_digest(network.domain, action_hash(action))


def sign_action(network: DeriveNetwork, action: Action, key: EthereumKey) -> str:
    """`0x` and 65 bytes (r, s, v 27 or 28).

    Raises:
        SigningError: the key is not the action's signer, or the module is not the network's.
    """
    digest = action_digest(network, action)
    if action.signer != key.address:
        raise SigningError(
            f"derive action: expected the key of signer {action.signer.checksum}, found that of "
            f"{key.address.checksum}; check the session key in the configuration"
        )
    if action.module not in (network.trade_module, network.rfq_module):
        raise SigningError(
            f"derive action: expected the trade or RFQ module of {network.generation} {network.name}, found "
            f"{action.module.checksum}; not signed"
        )
    return "0x" + key.sign_digest(digest).hex()


def login_signature(timestamp_ms: int, key: EthereumKey) -> str:
    """EIP-191 signature of the decimal millisecond timestamp."""
    text = str(require_uint(timestamp_ms, "timestamp", 63))
    return "0x" + key.sign_digest(personal_digest(text.encode())).hex()


def login_params(
    network: DeriveNetwork, wallet: Address, timestamp_ms: int, key: EthereumKey
) -> dict[str, str | int]:
    """The parameters of `public/login`; `wallet` owns the subaccounts."""
    signature = login_signature(timestamp_ms, key)
    timestamp = str(timestamp_ms) if network.login_timestamp_is_text else timestamp_ms
    return {"wallet": wallet.checksum, "timestamp": timestamp, "signature": signature}


def login_headers(
    network: DeriveNetwork, wallet: Address, timestamp_ms: int, key: EthereumKey
) -> dict[str, str]:
    """The headers of a private HTTP request."""
    prefix = network.header_prefix
    return {
        f"{prefix}Wallet": wallet.checksum,
        f"{prefix}Timestamp": str(timestamp_ms),
        f"{prefix}Signature": login_signature(timestamp_ms, key),
    }
