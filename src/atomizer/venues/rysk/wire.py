"""Rysk's messages as typed structs. Unknown fields are ignored; integers travel as decimal strings."""

from __future__ import annotations

from typing import Any

import msgspec

Integer = str | int


class SigningDomain(msgspec.Struct, rename="camel"):
    """`typeDataDomain` of an RFQ; the chain id is a number, decimal or hex text."""

    name: str = ""
    version: str = ""
    chain_id: Integer = 0
    verifying_contract: str = ""


class RfqTerms(msgspec.Struct, rename="camel", gc=False):
    """What an RFQ asks for. The domain stays text: it is read once for all requests that name it alike."""

    asset: str
    chain_id: int
    expiry: int
    is_put: bool
    quantity: Integer
    strike: Integer
    usd: str
    collateral_asset: str
    taker: str = ""
    id: str = ""
    is_taker_buy: bool = False
    auction_deadline: int = 0
    created_at: int = 0
    premium_asset: str = ""
    type_data_domain: msgspec.Raw = msgspec.Raw()


class RfqPush(msgspec.Struct, gc=False):
    """An RFQ in either envelope: `result`, or `method: rfq` with `params`."""

    id: str | int = ""
    result: RfqTerms | None = None
    params: RfqTerms | None = None


class QuotedOption(msgspec.Struct, rename="camel"):
    """What every quote of ours on an option tells of it, as the RFQ named it."""

    asset_address: str
    chain_id: int
    expiry: int
    is_put: bool
    maker: str
    strike: str
    usd: str
    collateral_asset: str


class Request(msgspec.Struct):
    """A JSON-RPC request with a string id."""

    id: str
    method: str
    params: Any
    jsonrpc: str = "2.0"


class ErrorData(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Any = None


class MakerMessage(msgspec.Struct):
    """Anything heard on `/maker`."""

    id: str | int | None = None
    method: str = ""
    result: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()
    error: ErrorData | None = None


class MakerPayload(msgspec.Struct, rename="camel"):
    """A quote notification (`newBest`, `yours`) or a trade confirmation (`quoteNonce`)."""

    rfq_id: str = ""
    new_best: Integer | None = None
    yours: Integer | None = None
    quote_nonce: Integer | None = None
    maker: str = ""
    asset_address: str = ""
    expiry: int = 0
    is_put: bool = False
    is_taker_buy: bool = False
    strike: Integer = 0
    quantity: Integer = 0
    taker: str = ""
    created_at: int = 0
