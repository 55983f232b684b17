"""How an order stands, asked of the venue: its state, its fills first."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from atomizer.domain.events import OrderNotFound, RequestTimedOut
from atomizer.domain.identity import label
from atomizer.domain.instruments import Instrument
from atomizer.net.session import SessionError
from atomizer.venues.deribit import codec, wire
from atomizer.venues.deribit.rpc import VenueRefusedError

if TYPE_CHECKING:
    from atomizer.venues.deribit.trading import TradingSocket

log = logging.getLogger(__name__)


async def query(socket: TradingSocket, order_id: int, listed: Instrument, venue_order_id: str) -> None:
    """How an order stands, its fills first; a failure leaves the outcome unknown."""
    try:
        found = await _find(socket, order_id, listed, venue_order_id)
        if found is None:
            socket.forget_post_only(order_id)
            socket.sink.put(OrderNotFound(order_id))
        else:
            if found.filled_amount > 0:
                params = {"order_id": found.order_id}
                for trade in await socket.rpc.call(
                    "private/get_user_trades_by_order", params, codec.decode_trades
                ):
                    socket.book(trade)
            socket.tell(found, listed)
    except SessionError as error:
        log.warning("%s: query of order %s failed: %s", socket.session.settings.name, label(order_id), error)
        socket.sink.put(RequestTimedOut(order_id))
    socket.sink.flush()


async def _find(
    socket: TradingSocket, order_id: int, listed: Instrument, venue_order_id: str
) -> wire.OrderData | None:
    if venue_order_id:
        try:
            return await socket.rpc.call(
                "private/get_order_state", {"order_id": venue_order_id}, codec.decode_order
            )
        except VenueRefusedError as error:
            if error.code in codec.GONE_CODES:
                return None
            raise
    if socket.quotes.is_quote(order_id):
        return await socket.quotes.find(order_id, listed)
    params = {"currency": listed.settlement, "label": label(order_id)}
    found = await socket.rpc.call("private/get_order_state_by_label", params, codec.decode_orders)
    return max(found, key=lambda order: order.last_update_timestamp, default=None)
