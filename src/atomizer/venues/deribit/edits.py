"""`private/edit`, the one message sent for nearly every book frame, from parts that are kept as bytes.

What stays the same from one edit of an order to the next is written once; prices are remembered by ticks.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from atomizer.domain.commands import AmendOrder
from atomizer.domain.instruments import Instrument

_encode = msgspec.json.Encoder(decimal_format="number").encode
_EDIT = (
    b'{"id":%%d,"method":"private/edit","params":{"order_id":%b,"amount":%b,"price":%%b,"valid_until":%%d,'
    b'"post_only":%b,"reject_post_only":%b},"jsonrpc":"2.0"}'
)
PRICES_KEPT = 4_096  # per price grid; beyond it they are written anew


class Form(NamedTuple):
    """An order's message but for number, price and validity, and what it was made from."""

    text: bytes
    prices: dict[int, bytes]
    listed: Instrument
    venue_order_id: str
    lots: int
    post_only: bool


class Edits:
    """Writes edits. Orders that ended are to be forgotten."""

    def __init__(self) -> None:
        self._forms: dict[int, Form] = {}
        self._prices: dict[Decimal, dict[int, bytes]] = {}

    def write(
        self, number: int, command: AmendOrder, listed: Instrument, valid_until_ms: int, *, post_only: bool
    ) -> bytes:
        """The request with the new total amount; `post_only` as the order was placed."""
        text, prices, of, venue_order_id, lots, as_placed = self._forms.get(command.order_id, _NONE)
        if (
            of is not listed
            or lots != command.lots
            or venue_order_id != command.venue_order_id
            or as_placed is not post_only
        ):
            text, prices, *_ = self._formed(command, listed, post_only=post_only)
        price = prices.get(command.ticks) or self._price(prices, listed, command.ticks)
        return text % (number, price, valid_until_ms)

    def forget(self, order_id: int) -> None:
        self._forms.pop(order_id, None)

    def _formed(self, command: AmendOrder, listed: Instrument, *, post_only: bool) -> Form:
        maker_only = b"true" if post_only else b"false"
        text = _EDIT % (
            _encode(command.venue_order_id).replace(b"%", b"%%"),
            _encode(listed.lot * command.lots),
            maker_only,
            maker_only,
        )
        prices = self._prices.setdefault(listed.grid.tick, {})
        form = Form(text, prices, listed, command.venue_order_id, command.lots, post_only)
        self._forms[command.order_id] = form
        return form

    @staticmethod
    def _price(prices: dict[int, bytes], listed: Instrument, ticks: int) -> bytes:
        if len(prices) >= PRICES_KEPT:
            prices.clear()
        text = prices[ticks] = _encode(listed.grid.tick * ticks)
        return text


_NONE: tuple[bytes, dict[int, bytes], Instrument | None, str, int, bool] = (b"", {}, None, "", 0, False)
