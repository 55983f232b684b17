"""Rysk's messages as they are on the wire. Unknown fields are ignored, missing optional ones are None."""

from __future__ import annotations

from typing import Any

import msgspec


class RpcError(msgspec.Struct):
    """The `error` of a reply; only the text is documented."""

    code: int = 0
    message: str = ""


class Frame(msgspec.Struct):
    """Any message: a reply, a push in either of the two observed envelopes, or an error."""

    id: str | int | None = None
    method: str | None = None
    result: msgspec.Raw | None = None
    params: msgspec.Raw | None = None
    error: RpcError | None = None


class DataDomain(msgspec.Struct, rename="camel"):
    """`typeDataDomain` of an RFQ; the chain id comes as number, decimal or hex text."""

    name: str
    version: str
    chain_id: int | str
    verifying_contract: str


class RfqPush(msgspec.Struct, rename="camel"):
    """An RFQ. Quantity has 18 decimals, strike 8, expiry is in seconds, the deadlines in milliseconds."""

    asset: str
    chain_id: int
    expiry: int
    is_put: bool
    quantity: str
    strike: str
    taker: str
    usd: str
    asset_name: str = ""
    collateral_asset: str = ""
    is_taker_buy: bool = False
    auction_deadline: int | None = None
    premium_asset: str | None = None
    type_data_domain: DataDomain | None = None


class QuoteParams(msgspec.Struct, rename="camel"):
    """A signed quote; big numbers are decimal strings."""

    asset_address: str
    chain_id: int
    expiry: int
    is_put: bool
    is_taker_buy: bool
    maker: str
    nonce: str
    price: str
    quantity: str
    strike: str
    signature: str
    valid_until: int
    usd: str
    collateral_asset: str


class Request(msgspec.Struct):
    """Any request of ours."""

    id: str
    method: str
    params: Any
    jsonrpc: str = "2.0"


class Notification(msgspec.Struct, rename="camel"):
    """Another maker is better: QuoteNotification."""

    rfq_id: str
    new_best: str
    yours: str


class Confirmation(msgspec.Struct, rename="camel"):
    """A quote was executed. `nonce` is the taker's; ours is `quote_nonce`. There is no price."""

    maker: str
    asset_address: str
    chain_id: int
    expiry: int
    is_put: bool
    strike: str
    quantity: str
    quote_nonce: str
    is_taker_buy: bool = False
    taker: str = ""
    created_at: int = 0


class PositionItem(msgspec.Struct, rename="camel"):
    """One option token; strike has 18 decimals here, a negative premium means short."""

    balance: str
    strike: str
    expiry: int
    is_put: bool
    underlying: str
    premium: str = "0"


FRAME = msgspec.json.Decoder(Frame)
RFQ = msgspec.json.Decoder(RfqPush)
NOTIFICATION = msgspec.json.Decoder(Notification)
CONFIRMATION = msgspec.json.Decoder(Confirmation)
POSITIONS = msgspec.json.Decoder(list[PositionItem])
ENCODER = msgspec.json.Encoder()
