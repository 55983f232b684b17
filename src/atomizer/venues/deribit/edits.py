"""`private/edit`, the one message sent for nearly every book frame, from parts that are kept as bytes.

What stays the same from one edit of an order to the next is written once; prices are remembered by ticks.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.domain.commands import AmendOrder
from atomizer.domain.instruments import Instrument

_encode = msgspec.json.Encoder(decimal_format="number").encode
_EDIT = (
    b'{"id":%%d,"method":"private/edit","params":{"order_id":%b,"amount":%b,"price":%%b,"valid_until":%%d,'
    b'"post_only":%b,"reject_post_only":%b},"jsonrpc":"2.0"}'
)
PRICES_KEPT = 4_096  # per price grid; beyond it they are written anew
# Venue's order id, total lots, the instrument's terms, whether it is post-only.
MadeOf = tuple[str, int, Instrument, bool]


class Form:
    """An order's message but for number, price and validity, what it was made from, and its prices."""

    __slots__ = ("made_of", "prices", "text")

    def __init__(self, made_of: MadeOf, prices: dict[int, bytes]) -> None:
        venue_order_id, lots, listed, post_only = self.made_of = made_of
        self.prices = prices
        maker_only = b"true" if post_only else b"false"
        self.text: bytes = _EDIT % (
            _encode(venue_order_id).replace(b"%", b"%%"),
            _encode(listed.lot * lots),
            maker_only,
            maker_only,
        )


class Edits:
    """Writes edits. Orders that ended are to be forgotten."""

    def __init__(self) -> None:
        self._forms: dict[int, Form] = {}
        self._prices: dict[Decimal, dict[int, bytes]] = {}

    def write(
        self,
        number: int,
        command: AmendOrder,
        listed: Instrument,
        valid_until_ms: int,
        post_only: bool,
    ) -> bytes:
        """The request with the new total amount; `post_only` as the order was placed."""
        made_of = (command.venue_order_id, command.lots, listed, post_only)
        form = self._forms.get(command.order_id)
        if form is None or form.made_of != made_of:
            prices = self._prices.setdefault(listed.grid.tick, {})
            form = self._forms[command.order_id] = Form(made_of, prices)
        ticks = command.ticks
        price = form.prices.get(ticks) or self._price(form.prices, listed, ticks)
        return form.text % (number, price, valid_until_ms)

    def forget(self, order_id: int) -> None:
        self._forms.pop(order_id, None)

    @staticmethod
    def _price(prices: dict[int, bytes], listed: Instrument, ticks: int) -> bytes:
        if len(prices) >= PRICES_KEPT:
            prices.clear()
        text = prices[ticks] = _encode(listed.grid.tick * ticks)
        return text
