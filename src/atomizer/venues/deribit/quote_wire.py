"""Messages of mass quotes and of market maker protection: names and types as on the wire."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.venues.deribit import wire


class QuoteSide(msgspec.Struct, omit_defaults=True):
    """One side of a quote; an amount of 0 cancels it, and needs no price."""

    amount: Decimal
    price: Decimal | None = None
    post_only: bool | None = None
    reject_post_only: bool | None = None


class Quote(msgspec.Struct, omit_defaults=True):
    """Both sides of one instrument, or one of them."""

    instrument_name: str
    quote_set_id: str
    bid: QuoteSide | None = None
    ask: QuoteSide | None = None


class MassQuoteParams(msgspec.Struct):
    """`private/mass_quote`."""

    quote_id: str
    mmp_group: str
    quotes: list[Quote]
    valid_until: int
    detailed: bool = True
    wait_for_response: bool = True


class QuoteError(msgspec.Struct):
    """Why a side was not taken."""

    instrument_name: str
    error: wire.ErrorData
    side: str = ""


class MassQuoteResult(msgspec.Struct):
    """Result of a detailed mass quote; what waits in the speed bump is pending."""

    orders: list[wire.OrderData] = []
    trades: list[wire.TradeData] = []
    errors: list[QuoteError] = []


class MmpConfig(msgspec.Struct):
    """`private/get_mmp_config` and what `private/set_mmp_config` answers."""

    index_name: str
    mmp_group: str = ""
    interval: int = 0
    frozen_time: int = 0
    quantity_limit: Decimal | None = None
    delta_limit: Decimal | None = None
    vega_limit: Decimal | None = None
    max_quote_quantity: Decimal | None = None


class MmpTrigger(msgspec.Struct):
    """`user.mmp_trigger.{index}`; `frozen_until` 0: until it is reset by hand."""

    index_name: str
    mmp_group: str = ""
    frozen_until: int = 0
