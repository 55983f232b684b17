"""Reading an account: open orders, trades, its history, positions, balances, between two brackets.

Orders are read before trades, so that an order gone from the first list has its trades in the second; the
history before the balances, so that a balance shows nothing that was not told. All balances come in one
answer that closes the bracket: what happens meanwhile is told before it or after the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from atomizer.domain.commands import ReadAccount
from atomizer.domain.events import ReadBegun, ReadEnded
from atomizer.domain.instruments import Instrument
from atomizer.domain.ports import Sink
from atomizer.net.session import HandshakeError, SessionError
from atomizer.venues.deribit import codec, history, wire
from atomizer.venues.deribit.listing import Listing
from atomizer.venues.deribit.rpc import Rpc, VenueRefusedError
from atomizer.venues.deribit.settings import DeribitSettings

NS_PER_MS = 1_000_000
PAGE = 500
LOG_PAGE = 250
REMEMBERED = 20_000
# A trade this young may be told after the read that its row is in.
UNDER_WAY_NS = 10 * 10**9
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


class AccountReader:
    """Reads one account over one session. Log rows told once are not told again by this process."""

    def __init__(
        self,
        rpc: Rpc,
        listing: Listing,
        settings: DeribitSettings,
        tell_order: OrderTeller,
        book: Callable[[wire.TradeData], None],
    ) -> None:
        self._rpc = rpc
        self._listing = listing
        self._settings = settings
        self._tell_order = tell_order
        self._book = book
        self._told: dict[tuple[str, int], None] = {}
        self.sink: Sink

    async def read(self, command: ReadAccount) -> None:
        """One bracket. A part that fails ends it with the error; what was told before stays true."""
        self.sink.put(ReadBegun(command.venue, command.account, command.asked_ns))
        error = ""
        try:
            await self._orders()
            await self._history(command, await self._trades(command))
            await self._holdings()
        except SessionError as failure:
            error = str(failure)
        self.sink.put(ReadEnded(command.venue, command.account, command.asked_ns, error))
        self.sink.flush()

    async def _orders(self) -> None:
        for order in await self._rpc.call("private/get_open_orders", {}, codec.decode_orders):
            listed = await self._listing.require(self._rpc, order.instrument_name)
            if listed is not None:
                self._tell_order(order, listed)

    async def _trades(self, command: ReadAccount) -> set[str]:
        """Book the trades since the last read; the ids of them all."""
        ids = set()
        for currency in self._settings.currencies:
            for trade in await read_trades(command, self._rpc, currency):
                await self._listing.require(self._rpc, trade.instrument_name)
                self._book(trade)
                ids.add(trade.trade_id)
                ids.update(leg.trade_id for leg in trade.legs or ())
        return ids

    async def _history(self, command: ReadAccount, traded: set[str]) -> None:
        """Tell the log's rows in the venue's order; a trade's row must be of a trade that was read."""
        told = command.since_ns // NS_PER_MS, (command.asked_ns - UNDER_WAY_NS) // NS_PER_MS
        for currency in self._settings.currencies:
            for row in await read_log(command, self._rpc, currency):
                if (currency, row.id) in self._told:
                    continue
                if history.is_trade(row):
                    if told[0] <= row.timestamp < told[1] and row.trade_id not in traded:
                        self._tell(row, [self._scribe(row).unknown(f"no trade {row.trade_id} was told of")])
                    continue
                listed = await self._known(row.instrument_name)
                future = await self._known(history.delivered_into(row))
                venue, account = self._settings.venue, self._settings.account
                self._tell(row, history.entries(row, listed, future, venue, account))

    def _scribe(self, row: wire.LogData) -> history.Scribe:
        return history.Scribe(row, self._settings.venue, self._settings.account)

    def _tell(self, row: wire.LogData, entries: Sequence[history.Entry]) -> None:
        for entry in entries:
            self.sink.put(entry)
        self._told[row.currency, row.id] = None
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]

    async def _known(self, name: str | None) -> Instrument | None:
        try:
            return await self._listing.require(self._rpc, name) if name else None
        except VenueRefusedError:
            return None  # the entry is told as one that is not understood

    async def _holdings(self) -> None:
        venue, account = self._settings.venue, self._settings.account
        for position in await self._rpc.call(
            "private/get_positions", {"currency": "any"}, codec.decode_positions
        ):
            await self._listing.require(self._rpc, position.instrument_name)
            self.sink.put(codec.position(position, venue, account))
        found = await self._rpc.call("private/get_account_summaries", {}, codec.decode_summaries)
        used = {currency.upper() for currency in self._settings.currencies}
        for summary in found.summaries:
            if summary.currency.upper() in used:
                self.sink.put(codec.balance(summary, venue, account))


async def read_log(command: ReadAccount, rpc: Rpc, currency: str) -> list[wire.LogData]:
    """Rows of the transaction log since `log_since_ns`, in the order of their ids."""
    found: dict[int, wire.LogData] = {}
    params: dict[str, Any] = {
        "currency": currency,
        "start_timestamp": command.log_since_ns // NS_PER_MS,
        "end_timestamp": command.asked_ns // NS_PER_MS + 60_000,
        "count": LOG_PAGE,
    }
    while True:
        page = await rpc.call("private/get_transaction_log", params, codec.decode_log_page)
        before = len(found)
        found |= {row.id: row for row in page.logs}
        if page.continuation is None or len(found) == before:
            return [found[number] for number in sorted(found)]
        params = params | {"continuation": page.continuation}


async def read_trades(command: ReadAccount, rpc: Rpc, currency: str) -> list[wire.TradeData]:
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
