"""Deribit's messages as typed structs: names and types as on the wire, nothing converted.

Books and tickers are floats (the venue's own decimals); everything about our orders and money is Decimal,
read from the text of the JSON number. Fields the adapter does not use are left out and ignored.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

Level = tuple[str, float, float]


class BookData(msgspec.Struct, gc=False):
    """`book.{instrument}.{interval}`: snapshot or change."""

    type: str
    instrument_name: str
    change_id: int
    bids: list[Level]
    asks: list[Level]
    timestamp: int = 0
    prev_change_id: int = 0


class BookParams(msgspec.Struct, gc=False):
    data: BookData


class BookFrame(msgspec.Struct, gc=False):
    """A whole book notification, decoded in one pass."""

    params: BookParams


class TickerStats(msgspec.Struct, gc=False):
    """What was traded in 24 h: `volume` in the instrument's size unit."""

    volume: float | None = None
    volume_usd: float | None = None


class TickerData(msgspec.Struct, gc=False):
    """`ticker.{instrument}.{interval}`; vols in percent; an empty side is 0, null or absent."""

    instrument_name: str
    timestamp: int = 0
    state: str = "open"
    mark_price: float | None = None
    index_price: float | None = None
    underlying_price: float | None = None
    best_bid_price: float | None = None
    best_ask_price: float | None = None
    best_bid_amount: float | None = None
    best_ask_amount: float | None = None
    bid_iv: float | None = None
    ask_iv: float | None = None
    mark_iv: float | None = None
    funding_8h: float | None = None
    open_interest: float | None = None
    stats: TickerStats | None = None


class IndexData(msgspec.Struct, gc=False):
    """`deribit_price_index.{index}`."""

    index_name: str
    price: float
    timestamp: int = 0


class StateData(msgspec.Struct, gc=False):
    """`instrument.state.{kind}.{currency}`."""

    instrument_name: str
    state: str
    timestamp: int = 0


class TickStep(msgspec.Struct, gc=False):
    above_price: Decimal
    tick_size: Decimal


class InstrumentData(msgspec.Struct):
    """One entry of `public/get_instruments`."""

    instrument_name: str
    kind: str
    base_currency: str
    quote_currency: str
    tick_size: Decimal
    contract_size: Decimal
    min_trade_amount: Decimal
    settlement_currency: str = ""
    settlement_period: str = ""
    instrument_type: str = ""
    tick_size_steps: list[TickStep] = []
    strike: Decimal | None = None
    option_type: str | None = None
    expiration_timestamp: int | None = None
    is_active: bool = True
    state: str = "open"
    price_index: str = ""
    maker_commission: float = 0.0
    taker_commission: float = 0.0


class ComboLeg(msgspec.Struct, gc=False):
    """A leg of a combo; `amount` < 0: traded against the combo's direction."""

    instrument_name: str
    amount: int


class ComboData(msgspec.Struct):
    """One entry of `public/get_combos`."""

    id: str
    legs: list[ComboLeg]


class OrderData(msgspec.Struct):
    """An order; `price` is the text `market_price` for market orders, else a number of at most 15 digits."""

    order_id: str
    order_state: str
    instrument_name: str
    direction: str
    amount: Decimal
    price: float | str = 0.0
    filled_amount: Decimal = Decimal(0)
    label: str = ""
    time_in_force: str = ""
    cancel_reason: str = ""
    post_only: bool = False
    quote_set_id: str = ""
    mmp_group: str = ""
    last_update_timestamp: int = 0


class TradeData(msgspec.Struct):
    """A trade of ours; `direction` is our own side, `fee` < 0 a rebate."""

    trade_id: str
    instrument_name: str
    direction: str
    price: Decimal
    amount: Decimal
    order_id: str = ""
    fee: Decimal = Decimal(0)
    fee_currency: str = ""
    liquidity: str = ""
    label: str | None = None
    timestamp: int = 0
    quote_set_id: str | None = None
    legs: list[TradeData] | None = None


class OrderAndTrades(msgspec.Struct):
    """Result of buy, sell, edit."""

    order: OrderData
    trades: list[TradeData] = []


class TradePage(msgspec.Struct):
    """Result of the paged trade reads."""

    trades: list[TradeData]
    has_more: bool = False


class LogData(msgspec.Struct):
    """One row of `private/get_transaction_log`. `change` is that of the balance, `commission` what was paid;
    `amount` and `side` are those of the trade the row is or stands for."""

    id: int
    type: str
    currency: str
    timestamp: int = 0
    change: Decimal = Decimal(0)
    commission: Decimal | None = None
    instrument_name: str | None = None
    side: str | None = None
    amount: Decimal | None = None
    price: Decimal | None = None
    trade_id: str | None = None
    total_interest_pl: Decimal | None = None
    info: Any = None


class LogPage(msgspec.Struct):
    """Result of `private/get_transaction_log`."""

    logs: list[LogData]
    continuation: int | str | None = None


class PositionData(msgspec.Struct):
    """A position; the sign of `size` is not relied on, `direction` decides."""

    instrument_name: str
    size: Decimal
    direction: str = "zero"
    mark_price: Decimal | None = None


class PortfolioData(msgspec.Struct):
    """`user.portfolio.{currency}` and account summaries."""

    currency: str
    balance: Decimal
    equity: Decimal
    initial_margin: Decimal = Decimal(0)
    margin_balance: Decimal | None = None
    margin_model: str = ""


class SummariesData(msgspec.Struct):
    """Result of `private/get_account_summaries`."""

    summaries: list[PortfolioData]


class Rate(msgspec.Struct):
    """Requests per second and burst."""

    rate: float
    burst: float


class TradingLimits(msgspec.Struct):
    total: Rate | None = None


class MatchingLimits(msgspec.Struct):
    trading: TradingLimits | None = None


class LimitsData(msgspec.Struct):
    matching_engine: MatchingLimits | None = None


class AccountData(msgspec.Struct):
    """`private/get_account_summary` with `extended`: who the account is and what it may."""

    username: str = ""
    system_name: str = ""
    margin_model: str = ""
    mmp_enabled: bool = False
    limits: LimitsData | None = None


class ChangesData(msgspec.Struct):
    """`user.changes.*`."""

    instrument_name: str = ""
    trades: list[TradeData] = []
    orders: list[OrderData] = []
    positions: list[PositionData] = []


class AuthResult(msgspec.Struct):
    """Result of `public/auth`. Holds tokens: never logged."""

    access_token: str
    expires_in: float
    refresh_token: str = ""
    scope: str = ""

    def __repr__(self) -> str:
        return f"AuthResult(scope={self.scope!r}, expires_in={self.expires_in})"


class ErrorData(msgspec.Struct):
    """The error object of a reply."""

    code: int
    message: str = ""
    data: Any = None


class PushParams(msgspec.Struct):
    """Parameters of a notification; heartbeats carry `type`, subscriptions `channel` and `data`."""

    channel: str = ""
    data: msgspec.Raw = msgspec.Raw()
    type: str = ""


class Message(msgspec.Struct, rename={"us_in": "usIn", "us_out": "usOut"}):
    """Any message: a reply has `id`, a notification `method`."""

    id: int | str | None = None
    method: str = ""
    params: PushParams | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: ErrorData | None = None
    us_in: int = 0
    us_out: int = 0
    testnet: bool | None = None


class Request(msgspec.Struct):
    """A JSON-RPC request."""

    id: int
    method: str
    params: Any
    jsonrpc: str = "2.0"


class PlaceParams(msgspec.Struct, omit_defaults=True):
    """`private/buy` and `private/sell`. `post_only` is always sent: its default is documented both ways."""

    instrument_name: str
    amount: Decimal
    price: Decimal
    type: str
    time_in_force: str
    label: str
    valid_until: int
    post_only: bool | None = None
    reject_post_only: bool = False
    reduce_only: bool = False
