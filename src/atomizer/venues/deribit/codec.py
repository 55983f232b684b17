"""Deribit bytes to events, commands to Deribit bytes. Pure: no clock, no socket, no state.

`venue` is the name of the connection (one account): two accounts are two venues, and their instruments two
sets of keys.

Prices and amounts of orders become ticks and lots here, Decimals of bookings are taken as printed. An
order state this module does not know counts as working, never as over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from atomizer.domain.bookings import Fill
from atomizer.domain.commands import PlaceOrder
from atomizer.domain.events import (
    BalanceReport,
    BookChange,
    BookSnapshot,
    IndexPrice,
    OrderEnded,
    OrderOpen,
    PositionReport,
    Ticker,
)
from atomizer.domain.identity import from_label, label
from atomizer.domain.instruments import (
    GridStep,
    Instrument,
    Kind,
    Leg,
    PriceGrid,
    Side,
    instrument_key,
)
from atomizer.domain.orders import EndReason, TimeInForce
from atomizer.venues.deribit import quote_wire, wire

NS_PER_MS = 1_000_000
BOOK_START = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.'

# What decoding raises for bytes of another shape: not JSON, not UTF-8, nested without end, no number.
MALFORMED = (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError)

decode_message = msgspec.json.Decoder(wire.Message).decode
decode_book_frame = msgspec.json.Decoder(wire.BookFrame).decode
decode_book = msgspec.json.Decoder(wire.BookData).decode
decode_ticker = msgspec.json.Decoder(wire.TickerData).decode
decode_index = msgspec.json.Decoder(wire.IndexData).decode
decode_state = msgspec.json.Decoder(wire.StateData).decode
decode_instruments = msgspec.json.Decoder(list[wire.InstrumentData]).decode
decode_instrument = msgspec.json.Decoder(wire.InstrumentData).decode
decode_combos = msgspec.json.Decoder(list[wire.ComboData]).decode
decode_order = msgspec.json.Decoder(wire.OrderData).decode
decode_orders = msgspec.json.Decoder(list[wire.OrderData]).decode
decode_trades = msgspec.json.Decoder(list[wire.TradeData]).decode
decode_trade_page = msgspec.json.Decoder(wire.TradePage).decode
decode_order_and_trades = msgspec.json.Decoder(wire.OrderAndTrades).decode
decode_positions = msgspec.json.Decoder(list[wire.PositionData]).decode
decode_log_page = msgspec.json.Decoder(wire.LogPage).decode
decode_summaries = msgspec.json.Decoder(wire.SummariesData).decode
decode_account = msgspec.json.Decoder(wire.AccountData).decode
decode_portfolio = msgspec.json.Decoder(wire.PortfolioData).decode
decode_changes = msgspec.json.Decoder(wire.ChangesData).decode
decode_mass_quote = msgspec.json.Decoder(quote_wire.MassQuoteResult).decode
decode_mmp_configs = msgspec.json.Decoder(list[quote_wire.MmpConfig]).decode
decode_mmp_trigger = msgspec.json.Decoder(quote_wire.MmpTrigger).decode
decode_auth = msgspec.json.Decoder(wire.AuthResult).decode
decode_channels = msgspec.json.Decoder(list[str]).decode
decode_count = msgspec.json.Decoder(int).decode

_encode = msgspec.json.Encoder(decimal_format="number").encode
_TIME_IN_FORCE = {TimeInForce.GTC: "good_til_cancelled", TimeInForce.IOC: "immediate_or_cancel"}
_DATED = (Kind.OPTION, Kind.FUTURE, Kind.COMBO)
# Instrument states of which something follows here; those after which an instrument never trades again.
OPEN, SETTLEMENT = "open", "settlement"
FINAL_STATES = frozenset({"delivered", "archivized"})
_KINDS = {"option": Kind.OPTION, "spot": Kind.SPOT}
_END_REASONS = {
    "cancel_on_disconnect": EndReason.DISCONNECT,
    "mmp_trigger": EndReason.MMP,
    "mmp_config_curtailment": EndReason.MMP,
    "edit_post_only_reject": EndReason.REJECTED,
    "settlement": EndReason.EXPIRED,
}
SET_MARK = "."
OVER = frozenset({"filled", "cancelled", "rejected"})

# Refusals after which the order may be gone at the venue: ask how it ended.
GONE_CODES = frozenset({10004, 10010, 11008, 11044})
# Answers that do not say whether the request took effect.
UNKNOWN_OUTCOME_CODES = frozenset({11094, 13503})


# --- instruments ---


def instrument(
    data: wire.InstrumentData, venue: str, legs: Sequence[wire.ComboLeg] = ()
) -> Instrument | None:
    """The domain's view of a listed instrument; None for a combo whose legs are not known.

    Sizes are amounts: coins for options and linear contracts, USD for inverse futures. The size step is the
    contract size for futures and the smallest amount for everything else.
    """
    combo = data.kind.endswith("_combo")
    if combo and not legs:
        return None
    kind = Kind.COMBO if combo else _KINDS.get(data.kind)
    if kind is None:
        kind = Kind.PERPETUAL if data.settlement_period == "perpetual" else Kind.FUTURE
    inverse = data.instrument_type == "reversed"
    future = data.kind in ("future", "future_combo")
    lot = min(data.contract_size, data.min_trade_amount) if future else data.min_trade_amount
    return Instrument(
        key=instrument_key(venue, data.instrument_name),
        venue=venue,
        name=data.instrument_name,
        kind=kind,
        underlying=data.base_currency,
        quote=data.quote_currency,
        settlement=data.settlement_currency or data.quote_currency,
        grid=price_grid(data.tick_size, data.tick_size_steps),
        lot=lot,
        min_lots=max(1, int(-(-data.min_trade_amount // lot))),
        inverse=inverse,
        size_in_quote=inverse and future,
        strike=data.strike if kind is Kind.OPTION else None,
        is_call=data.option_type == "call" if kind is Kind.OPTION else None,
        expiry_ns=(
            data.expiration_timestamp * NS_PER_MS
            if data.expiration_timestamp is not None and kind in _DATED
            else None
        ),
        index=data.price_index,
        maker_fee=data.maker_commission,
        taker_fee=data.taker_commission,
        open=data.is_active and data.state == OPEN,
        settling=data.state == SETTLEMENT,
        legs=tuple(Leg(instrument_key(venue, leg.instrument_name), leg.amount) for leg in legs),
    )


def price_grid(tick_size: Decimal, steps: Iterable[wire.TickStep]) -> PriceGrid:
    """Ticks on the finest step; coarser steps become rules from their threshold on."""
    rules = sorted(steps, key=lambda rule: rule.above_price)
    finest = min([tick_size, *(rule.tick_size for rule in rules)])
    grid = [GridStep(0, int(tick_size / finest))] if tick_size != finest else []
    grid += [GridStep(int(rule.above_price / finest), int(rule.tick_size / finest)) for rule in rules]
    return PriceGrid(finest, tuple(grid))


# --- market data ---


def book(data: wire.BookData, venue: str) -> BookSnapshot | BookChange:
    """A book event; `change_id` chains through `previous`."""
    if data.type == "snapshot":
        return BookSnapshot(
            f"{venue}:{data.instrument_name}",
            [(price, size) for _, price, size in data.bids],
            [(price, size) for _, price, size in data.asks],
            data.change_id,
            data.timestamp * NS_PER_MS,
        )
    return BookChange(
        f"{venue}:{data.instrument_name}",
        data.bids,
        data.asks,
        data.change_id,
        data.prev_change_id,
        data.timestamp * NS_PER_MS,
    )


def ticker(data: wire.TickerData, venue: str) -> Ticker:
    """A ticker; an empty side (0 or null) is None, vols become fractions."""
    return Ticker(
        instrument=f"{venue}:{data.instrument_name}",
        mark=data.mark_price,
        index=data.index_price,
        forward=data.underlying_price,
        bid=data.best_bid_price or None,
        ask=data.best_ask_price or None,
        bid_size=data.best_bid_amount or None,
        ask_size=data.best_ask_amount or None,
        bid_vol=data.bid_iv / 100.0 if data.bid_iv else None,
        ask_vol=data.ask_iv / 100.0 if data.ask_iv else None,
        mark_vol=data.mark_iv / 100.0 if data.mark_iv else None,
        funding=data.funding_8h,
        volume_usd=_volume_usd(data),
        open_interest=data.open_interest,
        open=data.state == OPEN,
        ts_ns=data.timestamp * NS_PER_MS,
    )


def _volume_usd(data: wire.TickerData) -> float | None:
    """As the venue says it; where it does not, what was traded at the index (options count coins)."""
    stats = data.stats
    if stats is None or stats.volume_usd is not None or stats.volume is None:
        return None if stats is None else stats.volume_usd
    return None if data.index_price is None else stats.volume * data.index_price


def index_price(data: wire.IndexData, venue: str) -> IndexPrice:
    return IndexPrice(venue, data.index_name, data.price, data.timestamp * NS_PER_MS)


# --- our orders and money ---


def order_number(label_text: str | None, set_id: str | None, direction: str) -> int:
    """Our order id behind a label, or behind the set id of a quote, which names both of its sides; 0 for an
    order that is not ours."""
    if label_text:
        return from_label(label_text) or 0
    bid, _, ask = (set_id or "").partition(SET_MARK)
    return from_label(bid if direction == "buy" else ask) or 0


def set_id(bid: int, ask: int) -> str:
    """How a quote names its sides, 0 where it has only one."""
    return f"{label(bid)}{SET_MARK}{label(ask)}"


def order_event(
    data: wire.OrderData, listed: Instrument, account: str, *, reply: bool = False, cancel_sent: bool = False
) -> OrderOpen | OrderEnded:
    """What the venue says of an order. `reply`: it answers our place or amend; `cancel_sent`: we asked for
    its end, so `user_request` means us and not a person at the venue's screen."""
    oid = order_number(data.label, data.quote_set_id, data.direction)
    filled = whole(data.filled_amount, listed.lot)
    if data.order_state in OVER:
        return OrderEnded(
            venue=listed.venue,
            account=account,
            order_id=oid,
            reason=end_reason(data, cancel_sent=cancel_sent),
            filled_lots=filled,
            venue_order_id=data.order_id,
            instrument=listed.key,
            text=data.cancel_reason,
            ts_ns=data.last_update_timestamp * NS_PER_MS,
        )
    return OrderOpen(
        venue=listed.venue,
        account=account,
        order_id=oid,
        venue_order_id=data.order_id,
        instrument=listed.key,
        side=side(data.direction),
        ticks=whole(Decimal(repr(data.price)), listed.grid.tick) if isinstance(data.price, float) else 0,
        lots=whole(data.amount, listed.lot),
        filled_lots=filled,
        reply=reply,
        ts_ns=data.last_update_timestamp * NS_PER_MS,
    )


def end_reason(data: wire.OrderData, *, cancel_sent: bool) -> EndReason:
    if data.order_state == "filled":
        return EndReason.FILLED
    if data.order_state == "rejected":
        return EndReason.REJECTED
    if data.cancel_reason in _END_REASONS:
        return _END_REASONS[data.cancel_reason]
    if "self" in data.cancel_reason:
        return EndReason.SELF_TRADE
    if cancel_sent and data.cancel_reason in ("", "user_request"):
        return EndReason.CANCELLED_BY_US
    if data.time_in_force == _TIME_IN_FORCE[TimeInForce.IOC]:
        return EndReason.EXPIRED
    return EndReason.CANCELLED_BY_VENUE


def whole(value: Decimal, step: Decimal) -> int:
    """Whole steps in a venue's number. Another client's order may lie off our grid: it rounds down and is
    never compared with anything of ours."""
    return int(value / step)


def side(direction: str) -> Side:
    return Side.BUY if direction == "buy" else Side.SELL


def fills(data: wire.TradeData, venue: str, account: str) -> list[Fill]:
    """Bookings: one, or one for each leg of a combo's trade, which belongs to the combo's order."""
    if not data.legs:
        return [fill(data, venue, account)]
    owner = {"label": data.label, "order_id": data.order_id}
    return [fill(msgspec.structs.replace(leg, **owner), venue, account) for leg in data.legs]


def fill(data: wire.TradeData, venue: str, account: str) -> Fill:
    """A booking. Identity: instrument, trade id, own order (by label, else by the venue's id)."""
    return Fill(
        venue=venue,
        account=account,
        instrument=f"{venue}:{data.instrument_name}",
        trade_id=data.trade_id,
        side=side(data.direction),
        price=data.price,
        size=data.amount,
        fee=data.fee,
        fee_currency=data.fee_currency,
        order_id=order_number(data.label, data.quote_set_id, data.direction),
        venue_order_id=data.order_id,
        maker=data.liquidity == "M",
        ts_ns=data.timestamp * NS_PER_MS,
    )


def position(data: wire.PositionData, venue: str, account: str) -> PositionReport:
    """Sign from `direction`, size from its absolute value: safe whichever sign the venue prints."""
    size = abs(data.size)
    signed = -size if data.direction == "sell" else size if data.direction == "buy" else Decimal(0)
    return PositionReport(venue, account, f"{venue}:{data.instrument_name}", signed, mark=data.mark_price)


def balance(data: wire.PortfolioData, venue: str, account: str) -> BalanceReport:
    """`cash` is the balance, which futures profit reaches at the daily settlement; `excess` is the margin
    balance less initial margin."""
    funds = data.equity if data.margin_balance is None else data.margin_balance
    return BalanceReport(
        venue=venue,
        account=account,
        currency=data.currency.upper(),
        cash=data.balance,
        equity=data.equity,
        excess=funds - data.initial_margin,
        margin_model=data.margin_model,
    )


def error_text(error: wire.ErrorData) -> str:
    """The message with its reason and parameter, where the venue gives them."""
    data = error.data if isinstance(error.data, Mapping) else {}
    parts = [str(data[name]) for name in ("reason", "param") if data.get(name)]
    return f"{error.message} ({', '.join(parts)})" if parts else error.message


# --- requests ---


def request(number: int, method: str, params: Any) -> bytes:
    return _encode(wire.Request(number, method, params))


def place(number: int, command: PlaceOrder, listed: Instrument, valid_until_ms: int) -> bytes:
    """`private/buy` or `private/sell`. A post-only order that would cross is refused, not re-priced."""
    return _encode(
        wire.Request(
            number,
            "private/buy" if command.side is Side.BUY else "private/sell",
            wire.PlaceParams(
                instrument_name=listed.name,
                amount=listed.lot * command.lots,
                price=listed.grid.tick * command.ticks,
                type="limit",
                time_in_force=_TIME_IN_FORCE[command.time_in_force],
                label=label(command.order_id),
                valid_until=valid_until_ms,
                post_only=command.post_only,
                reject_post_only=command.post_only,
                reduce_only=command.reduce_only,
            ),
        )
    )
