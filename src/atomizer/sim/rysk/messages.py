"""Frames in and out: envelopes, and the parameters of each method with their checks of shape.

Lenient where the venue's clients differ (numbers as strings, extra keys, addresses in any case), strict in
types and ranges.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

ERROR_CODE = -32000
UINT64 = 2**64
UINT256 = 2**256
ADDRESS_CHARACTERS = 42
MAX_DIGITS = 78

_JSON = msgspec.json.Encoder()


class Fault(StrEnum):
    """Why the server refused a message; counted per kind in `/sim/state`."""

    MALFORMED = "malformed"
    METHOD = "method"
    UNKNOWN_RFQ = "unknown_rfq"
    CLOSED = "closed"
    NOT_SERVED = "not_served"
    TERMS = "terms"
    VALIDITY = "validity"
    PRICE = "price"
    NONCE = "nonce"
    SIGNATURE = "signature"
    BALANCE = "balance"
    NO_QUOTE = "no_quote"


class RpcError(Exception):
    """A refusal that goes back as a JSON-RPC error object."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Call(msgspec.Struct, frozen=True):
    """One request frame."""

    id: str
    method: str
    params: dict[str, Any]


class QuoteMessage(msgspec.Struct, frozen=True):
    """A maker's quote as received: addresses lower case, numbers as integers on the wire's scales."""

    rfq_id: str
    maker: str
    asset: str
    chain_id: int
    expiry_s: int
    is_put: bool
    is_taker_buy: bool
    nonce: int
    price_e18: int
    quantity_e18: int
    strike_e8: int
    valid_until_s: int
    usd: str
    collateral: str
    signature: str
    is_contract_wallet: bool

    def typed(self) -> dict[str, Any]:
        """The message the signature covers."""
        return {
            "assetAddress": self.asset,
            "chainId": self.chain_id,
            "isPut": self.is_put,
            "strike": self.strike_e8,
            "expiry": self.expiry_s,
            "maker": self.maker,
            "nonce": self.nonce,
            "price": self.price_e18,
            "quantity": self.quantity_e18,
            "isTakerBuy": self.is_taker_buy,
            "validUntil": self.valid_until_s,
            "usd": self.usd,
            "collateralAsset": self.collateral,
        }


class TransferMessage(msgspec.Struct, frozen=True):
    """A deposit or withdrawal; the amount in the token's own unit."""

    user: str
    asset: str
    chain_id: int
    amount: int
    is_deposit: bool
    nonce: int
    signature: str

    def typed(self) -> dict[str, Any]:
        return {
            "user": self.user,
            "asset": self.asset,
            "chainId": self.chain_id,
            "amount": self.amount,
            "isDeposit": self.is_deposit,
            "nonce": self.nonce,
        }


def parse_call(data: bytes) -> Call:
    """A request frame.

    Raises:
        RpcError: not a JSON object with string id, method and params.
    """
    try:
        frame = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise RpcError(Fault.MALFORMED, f"invalid request: expected JSON, found {exc}") from exc
    if not isinstance(frame, dict):
        raise RpcError(Fault.MALFORMED, "invalid request: expected an object")
    method, params = frame.get("method"), frame.get("params")
    if not isinstance(method, str) or not isinstance(params, dict):
        raise RpcError(Fault.MALFORMED, "invalid request: expected a method name and an object of params")
    if not isinstance(frame.get("id"), str):
        raise RpcError(Fault.MALFORMED, f"invalid request: expected a string id, found {frame.get('id')!r}")
    return Call(id=frame["id"], method=method, params=params)


def parse_quote(call: Call) -> QuoteMessage:
    """The params of `quote`; the frame's id is the RFQ id.

    Raises:
        RpcError: a field is missing, of the wrong type or out of its integer's range.
    """
    params = call.params
    return QuoteMessage(
        rfq_id=call.id,
        maker=_address(params, "maker"),
        asset=_address(params, "assetAddress"),
        chain_id=_integer(params, "chainId", UINT256),
        expiry_s=_integer(params, "expiry", UINT64),
        is_put=_boolean(params, "isPut"),
        is_taker_buy=_boolean(params, "isTakerBuy"),
        nonce=_integer(params, "nonce", UINT64),
        price_e18=_integer(params, "price", UINT256),
        quantity_e18=_integer(params, "quantity", UINT256),
        strike_e8=_integer(params, "strike", UINT256),
        valid_until_s=_integer(params, "validUntil", UINT64),
        usd=_address(params, "usd"),
        collateral=_address(params, "collateralAsset"),
        signature=_text(params, "signature"),
        is_contract_wallet=params.get("isEIP1271") not in (None, False),
    )


def parse_transfer(call: Call) -> TransferMessage:
    """The params of `deposit` and `withdraw`.

    Raises:
        RpcError: as for quotes, or `isDeposit` contradicts the method.
    """
    params = call.params
    transfer = TransferMessage(
        user=_address(params, "user"),
        asset=_address(params, "asset"),
        chain_id=_integer(params, "chainId", UINT256),
        amount=_integer(params, "amount", UINT256),
        is_deposit=_boolean(params, "isDeposit"),
        nonce=_integer(params, "nonce", UINT64),
        signature=_text(params, "signature"),
    )
    if transfer.is_deposit is not (call.method == "deposit"):
        raise RpcError(Fault.MALFORMED, f"invalid params: isDeposit contradicts the method {call.method}")
    return transfer


class TermsMessage(msgspec.Struct, frozen=True):
    """What a taker asks for."""

    asset: str
    chain_id: int
    expiry_s: int
    is_put: bool
    quantity_e18: int
    strike_e8: int
    is_taker_buy: bool


def parse_terms(call: Call) -> TermsMessage:
    """The params of a taker's `request`; without `isTakerBuy` the taker sells.

    Raises:
        RpcError: a field is missing, of the wrong type or out of its integer's range.
    """
    params = call.params
    return TermsMessage(
        asset=_address(params, "asset"),
        chain_id=_integer(params, "chainId", UINT256),
        expiry_s=_integer(params, "expiry", UINT64),
        is_put=_boolean(params, "isPut"),
        quantity_e18=_integer(params, "quantity", UINT256),
        strike_e8=_integer(params, "strike", UINT256),
        is_taker_buy=_boolean(params, "isTakerBuy") if "isTakerBuy" in params else False,
    )


def parse_account(call: Call) -> str:
    """The account of a `balances` or `positions` query."""
    return _address(call.params, "account")


def encode(message: object) -> bytes:
    """Compact single-line JSON."""
    return _JSON.encode(message)


def result_frame(call_id: str, result: object) -> bytes:
    return encode({"jsonrpc": "2.0", "id": call_id, "result": result})


def error_frame(call_id: str, error: RpcError) -> bytes:
    return encode({"jsonrpc": "2.0", "id": call_id, "error": {"code": ERROR_CODE, "message": str(error)}})


def parse_address(value: object, name: str) -> str:
    """20 bytes of hex with 0x, lower case."""
    if isinstance(value, str) and len(value) == ADDRESS_CHARACTERS and value[:2].lower() == "0x":
        text = value.lower()
        if all(character in "0123456789abcdef" for character in text[2:]):
            return text
    raise RpcError(Fault.MALFORMED, f"invalid params: {name}: expected an address, found {value!r}")


def _address(params: dict[str, Any], name: str) -> str:
    return parse_address(params.get(name), name)


def _integer(params: dict[str, Any], name: str, bound: int) -> int:
    value = params.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < bound:
        raise RpcError(
            Fault.MALFORMED, f"invalid params: {name}: expected an unsigned integer, found {value!r}"
        )
    return value


def _boolean(params: dict[str, Any], name: str) -> bool:
    value = params.get(name)
    if not isinstance(value, bool):
        raise RpcError(Fault.MALFORMED, f"invalid params: {name}: expected a boolean, found {value!r}")
    return value


def _text(params: dict[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise RpcError(Fault.MALFORMED, f"invalid params: {name}: expected a string, found {value!r}")
    return value
