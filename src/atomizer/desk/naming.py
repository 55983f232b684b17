"""Which things a record names: what `explain` starts from and follows."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

# Fields that name a thing, and the kind of thing: a nonce and an order may be the same number.
FIELDS = {
    "rfq_id": "rfq",
    "subject": "rfq",
    "nonce": "nonce",
    "order_id": "order",
    "venue_order_id": "venue order",
    "trade_id": "trade",
    "reference": "reference",
    "request_id": "request",
    "letter_id": "letter",
}
# Things that lead on to others; a trade or reference is only itself.
LEADING = frozenset({"rfq", "nonce", "order", "venue order"})
Key = tuple[str, str]


def names(body: msgspec.Struct) -> Iterator[Key]:
    """(kind, name) of everything this record names."""
    for field, kind in FIELDS.items():
        value = getattr(body, field, None)
        if value:
            yield kind, str(value)
    why = getattr(body, "why", None)
    if isinstance(why, dict):
        if why.get("rfq_id"):
            yield "rfq", str(why["rfq_id"])
        if why.get("trade_id"):
            yield "request", str(why["trade_id"])
