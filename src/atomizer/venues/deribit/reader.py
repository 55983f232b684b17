"""Reading an account: open orders, trades since, positions, balances, between two brackets.

Orders are read before trades, so that an order gone from the first list has its trades in the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from atomizer.domain.commands import ReadAccount
from atomizer.domain.events import ReadBegun, ReadEnded
from atomizer.domain.instruments import Instrument
from atomizer.domain.ports import Sink
from atomizer.net.session import HandshakeError, SessionError
from atomizer.venues.deribit import codec, wire
from atomizer.venues.deribit.listing import Listing
from atomizer.venues.deribit.rpc import Rpc
from atomizer.venues.deribit.settings import DeribitSettings

NS_PER_MS = 1_000_000
PAGE = 500
# Trades older than this are asked for in the venue's history as well.
RECENT_NS = 12 * 3600 * 10**9


class OrderTeller(Protocol):
    def __call__(self, order: wire.OrderData, listed: Instrument, *, reply: bool = False) -> None: ...


def failed(command: ReadAccount, error: str) -> tuple[ReadBegun, ReadEnded]:
    """A bracket around nothing: the account could not be read."""
    return (
        ReadBegun(command.venue, command.account, command.asked_ns),
        ReadEnded(command.venue, command.account, command.asked_ns, error),
    )


async def read(
    command: ReadAccount,
    rpc: Rpc,
    listing: Listing,
    settings: DeribitSettings,
    sink: Sink,
    tell_order: OrderTeller,
    book: Callable[[wire.TradeData], None],
) -> None:
    """One bracket. A part that fails ends it with the error; what was told before stays true."""
    sink.put(ReadBegun(command.venue, command.account, command.asked_ns))
    error = ""
    try:
        await _orders(rpc, listing, tell_order)
        for currency in settings.currencies:
            for trade in await _trades(command, rpc, currency):
                await listing.require(rpc, trade.instrument_name)
                book(trade)
        for position in await rpc.call("private/get_positions", {"currency": "any"}, codec.decode_positions):
            await listing.require(rpc, position.instrument_name)
            sink.put(codec.position(position, settings.venue, settings.account))
        for currency in settings.currencies:
            summary = await rpc.call(
                "private/get_account_summary", {"currency": currency}, codec.decode_portfolio
            )
            sink.put(codec.balance(summary, settings.venue, settings.account))
    except SessionError as failure:
        error = str(failure)
    sink.put(ReadEnded(command.venue, command.account, command.asked_ns, error))
    sink.flush()


async def _orders(rpc: Rpc, listing: Listing, tell_order: OrderTeller) -> None:
    for order in await rpc.call("private/get_open_orders", {}, codec.decode_orders):
        listed = await listing.require(rpc, order.instrument_name)
        if listed is not None:
            tell_order(order, listed)


async def _trades(command: ReadAccount, rpc: Rpc, currency: str) -> list[wire.TradeData]:
    """Trades since `since_ns`, oldest first, each once."""
    found: dict[str, wire.TradeData] = {}
    sources = (True, False) if 0 < command.since_ns < command.asked_ns - RECENT_NS else (False,)
    for historical in sources:
        start_ms = command.since_ns // NS_PER_MS
        while True:
            params: dict[str, Any] = {
                "currency": currency,
                "start_timestamp": start_ms,
                "end_timestamp": command.asked_ns // NS_PER_MS + 60_000,
                "count": PAGE,
                "sorting": "asc",
                "historical": historical,
            }
            page = await rpc.call(
                "private/get_user_trades_by_currency_and_time", params, codec.decode_trade_page
            )
            for trade in page.trades:
                found[f"{trade.instrument_name}/{trade.trade_id}/{trade.order_id}"] = trade
            if not page.has_more or not page.trades:
                break
            last_ms = page.trades[-1].timestamp
            if last_ms <= start_ms:
                raise HandshakeError(
                    f"{command.venue} trades: more than {PAGE} in the millisecond {last_ms}; "
                    "they cannot be paged"
                )
            start_ms = last_ms
    return sorted(found.values(), key=lambda trade: trade.timestamp)
