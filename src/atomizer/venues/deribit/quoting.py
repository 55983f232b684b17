"""Mass quotes: what one turn of the core quotes goes out in one message, answers come back side by side.

A quote is one instrument with a bid and an ask of ours; its set id names both orders, since quotes carry no
label. The venue's documents contradict each other on what an error does to the quote that rests, so nothing
is concluded from one: the instrument's quotes are cancelled and both of its sides are unknown until they have
been asked about. The same holds for a message without an answer. Source: the protocol page on mass quotes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from atomizer.domain.commands import AmendOrder, CancelOrder, PlaceOrder, QueryOrder
from atomizer.domain.events import AmendRefused, CancelRefused, Event, PlaceRefused, RequestTimedOut
from atomizer.domain.instruments import Instrument, Kind, Side
from atomizer.domain.orders import Purpose
from atomizer.net.session import NotSentError, SessionError
from atomizer.venues.deribit import codec, quote_wire, wire
from atomizer.venues.deribit.capabilities import REQUEST_S
from atomizer.venues.deribit.settings import MmpGroup

if TYPE_CHECKING:
    from atomizer.venues.deribit.trading import TradingSocket

log = logging.getLogger(__name__)
QUOTES_PER_MESSAGE = 100
# How long the pushes of what protection cancelled may take.
TOLD_WITHIN_S = 1.0
# Refusals of a whole message after which nothing in it was looked at: the group is frozen, or just was.
FROZEN_CODES = frozenset({13030, 13043})
QuoteCommand = PlaceOrder | AmendOrder | CancelOrder


class QuotedSide(NamedTuple):
    """One side of one message."""

    command: QuoteCommand
    listed: Instrument
    side: Side


class MassSent(NamedTuple):
    """A mass quote in flight."""

    sides: tuple[QuotedSide, ...]


class Sides:
    """The orders that make up the quote of one instrument; 0 where a side has none."""

    __slots__ = ("ask", "bid", "listed")

    def __init__(self, listed: Instrument) -> None:
        self.listed = listed
        self.bid = self.ask = 0

    def put(self, side: Side, order_id: int) -> int:
        """The order that this side was before."""
        before = self.bid if side is Side.BUY else self.ask
        if side is Side.BUY:
            self.bid = order_id
        else:
            self.ask = order_id
        return before


class MassQuoter:
    """Collects a turn's quotes and sends them. Part of the trading socket."""

    def __init__(self, socket: TradingSocket, groups: Iterable[MmpGroup]) -> None:
        self._socket = socket
        self._groups = {group.index: group.name for group in groups}
        self._sides: dict[str, Sides] = {}
        self._quoted: dict[int, Side] = {}
        self._waiting: list[QuotedSide] = []

    # --- commands ---

    def takes(self, command: QuoteCommand | QueryOrder, listed: Instrument) -> bool:
        """Whether a command is about an order that rides in mass quotes."""
        if isinstance(command, QueryOrder):
            return False
        if isinstance(command, PlaceOrder):
            covered = listed.kind is Kind.OPTION and listed.index in self._groups
            return covered and command.purpose is Purpose.QUOTE
        return command.order_id in self._quoted

    def add(self, command: QuoteCommand, listed: Instrument) -> None:
        """Keep a side until the turn's commands are all here."""
        if isinstance(command, PlaceOrder):
            sides = self._sides.get(listed.name)
            if sides is None:
                sides = self._sides[listed.name] = Sides(listed)
            self._quoted.pop(sides.put(command.side, command.order_id), None)
            self._quoted[command.order_id] = command.side
        self._waiting.append(QuotedSide(command, listed, self._quoted[command.order_id]))

    def flush(self) -> None:
        """Send what waits: one message for each group and hundred instruments."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        by_group: dict[str, dict[str, list[QuotedSide]]] = {}
        for quoted in waiting:
            names = by_group.setdefault(self._groups[quoted.listed.index], {})
            names.setdefault(quoted.listed.name, []).append(quoted)
        for group, names in by_group.items():
            quotes = list(names.values())
            for start in range(0, len(quotes), QUOTES_PER_MESSAGE):
                self._send(group, quotes[start : start + QUOTES_PER_MESSAGE])

    def _send(self, group: str, quotes: list[list[QuotedSide]]) -> None:
        socket, sides = self._socket, [quoted for pair in quotes for quoted in pair]
        number = next(socket.rpc.numbers)
        deadline_ns, within_s = _deadline_ns(sides), REQUEST_S
        if not deadline_ns:
            deadline_ns, within_s = socket.cancels_within()
        params = quote_wire.MassQuoteParams(
            quote_id=f"q{number}",
            mmp_group=group,
            quotes=[self._quote(pair) for pair in quotes],
            valid_until=socket.valid_until_ms(deadline_ns),
        )
        try:
            data = codec.request(number, "private/mass_quote", params)
            socket.session.send_request(data, number, within_s, MassSent(tuple(sides)))
        except NotSentError as error:
            for quoted in sides:
                socket.later(_refused(quoted, error.code, str(error)))

    def _quote(self, pair: list[QuotedSide]) -> quote_wire.Quote:
        name = pair[0].listed.name
        sides = self._sides[name]
        quote = quote_wire.Quote(name, codec.set_id(sides.bid, sides.ask))
        for command, listed, side in pair:
            made = self._side(command, listed)
            if side is Side.BUY:
                quote.bid = made
            else:
                quote.ask = made
        return quote

    def _side(self, command: QuoteCommand, listed: Instrument) -> quote_wire.QuoteSide:
        """What should rest; the amount of a quote is what may still trade."""
        if isinstance(command, CancelOrder):
            self._socket.cancel_asked(command.order_id)
            return quote_wire.QuoteSide(amount=listed.lot * 0)
        left = command.lots - (command.filled_lots if isinstance(command, AmendOrder) else 0)
        post_only = self._socket.is_post_only(command)
        return quote_wire.QuoteSide(
            amount=listed.lot * left,
            price=listed.grid.tick * command.ticks,
            post_only=post_only,
            reject_post_only=post_only,
        )

    # --- answers ---

    def answered(self, sent: MassSent, message: wire.Message) -> None:
        """The reply to a mass quote."""
        sides = sent.sides
        if message.error is not None:
            self._refused_whole(sides, message.error)
            return
        result = codec.decode_mass_quote(message.result)
        for trade in result.trades:
            self._socket.book(trade)
        for order in result.orders:
            listed = self._socket.listed(order.instrument_name)
            if listed is not None:
                self._socket.tell(order, listed, reply=True)
        if result.errors:
            for error in result.errors:
                text = codec.error_text(error.error)
                log.warning("mass quote: %s %s: %s", error.instrument_name, error.side, text)
            wrong = {error.instrument_name for error in result.errors}
            self.doubt([quoted for quoted in sides if quoted.listed.name in wrong])

    def _refused_whole(self, sides: tuple[QuotedSide, ...], error: wire.ErrorData) -> None:
        code, text = str(error.code), codec.error_text(error)
        if error.code in FROZEN_CODES:
            for quoted in sides:
                self._socket.sink.put(_refused(quoted, code, text))
            return
        log.warning("mass quote refused: %s %s", code, text)
        self.doubt(sides)

    def doubt(self, sides: Iterable[QuotedSide]) -> None:
        """Nothing is known of these instruments' quotes: both sides are cancelled and asked about."""
        socket = self._socket
        for name in dict.fromkeys(quoted.listed.name for quoted in sides):
            for order_id in self._of(self._sides[name]):
                socket.sink.put(RequestTimedOut(order_id))
            if socket.session.is_up:
                socket.session.spawn(self._pull(self._sides[name]))

    def _of(self, sides: Sides) -> list[int]:
        return [order_id for order_id in (sides.bid, sides.ask) if order_id in self._quoted]

    async def _pull(self, sides: Sides) -> None:
        """Cancel whatever rests on an instrument and ask how its orders stand."""
        asked = self._of(sides)
        params = {"cancel_type": "instrument", "instrument_name": sides.listed.name}
        try:
            await self._socket.rpc.message("private/cancel_quotes", params)
        except SessionError as error:
            log.warning("quotes of %s not cancelled: %s", sides.listed.name, error)
        for order_id in asked:
            await self._socket.ask(order_id, sides.listed)

    def is_quote(self, order_id: int) -> bool:
        return order_id in self._quoted

    async def find(self, order_id: int, listed: Instrument) -> wire.OrderData | None:
        """The order among the open ones of its instrument: quotes carry no label to ask by."""
        params = {"instrument_name": listed.name}
        for order in await self._socket.rpc.call(
            "private/get_open_orders_by_instrument", params, codec.decode_orders
        ):
            if codec.order_number(order.label, order.quote_set_id, order.direction) == order_id:
                return order
        return None

    def triggered(self, trigger: quote_wire.MmpTrigger) -> None:
        """Protection fired: the venue cancels the group's quotes and says so; what it leaves out is asked."""
        log.warning(
            "protection of %s %s fired, frozen until %s",
            trigger.index_name,
            trigger.mmp_group,
            trigger.frozen_until or "it is reset",
        )
        named = self._groups.get(trigger.index_name)
        if named is not None and trigger.mmp_group in ("", named):
            self._socket.session.spawn(self._after_trigger(trigger.index_name))

    async def _after_trigger(self, index: str) -> None:
        await asyncio.sleep(TOLD_WITHIN_S)
        for sides in list(self._sides.values()):
            if sides.listed.index == index:
                for order_id in self._of(sides):
                    await self._socket.ask(order_id, sides.listed)

    def ended(self, order_id: int, name: str) -> None:
        """An order is over: its side of the quote is free."""
        side = self._quoted.pop(order_id, None)
        if side is None:
            return
        sides = self._sides[name]
        if order_id in (sides.bid, sides.ask):
            sides.put(side, 0)


def _deadline_ns(sides: Iterable[QuotedSide]) -> int:
    """The earliest deadline of what is placed or amended; 0 when all are cancels."""
    found = [item.command.deadline_ns for item in sides if not isinstance(item.command, CancelOrder)]
    return min(found, default=0)


def _refused(quoted: QuotedSide, code: str, text: str) -> Event:
    """The venue, or our own socket, took nothing of it: an order stays as it was."""
    command = quoted.command
    if isinstance(command, PlaceOrder):
        return PlaceRefused(command.order_id, code, text)
    if isinstance(command, AmendOrder):
        return AmendRefused(command.order_id, code, text)
    return CancelRefused(command.order_id, code, text)
