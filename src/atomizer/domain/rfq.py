"""Requests for quote and the quotes that answer them."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.domain.instruments import Side


class OnchainTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The terms a quote's signature covers, as integers on the venue's scales.

    Addresses are lower case. `strike_e8` has 8 decimals, `quantity_e18` 18. An empty `verifying_contract`
    means the RFQ named no signing domain, so the configured one of the chain applies.
    """

    chain_id: int
    asset: str
    premium_token: str
    collateral_token: str
    strike_e8: int
    quantity_e18: int
    expiry_s: int
    is_put: bool
    is_taker_buy: bool
    domain_name: str = ""
    domain_version: str = ""
    verifying_contract: str = ""


class Rfq(msgspec.Struct, frozen=True, kw_only=True, tag="rfq", omit_defaults=True):
    """A request for quote on one option. `side` is ours: SELL when the taker buys."""

    rfq_id: str
    venue: str
    account: str
    instrument: str
    underlying: str
    side: Side
    size: Decimal
    strike: Decimal
    is_call: bool
    expiry_ns: int
    taker: str
    terms: OnchainTerms
    closes_ns: int = 0
    ts_ns: int = 0
