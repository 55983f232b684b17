"""Everything a journal line may carry, and its one JSON form.

JSON because a journal is read by people, and because amounts on chains have 256 bits. Decimals are text,
integers are integers of any size; both come back exactly. Records only ever gain fields with defaults.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite
from operator import attrgetter
from typing import Any, Union, get_args

import msgspec

from atomizer.domain.commands import (
    AmendOrder,
    CancelOrder,
    Fact,
    InstrumentUsed,
    PlaceOrder,
    Refused,
    SendQuote,
    VenueCommand,
)
from atomizer.domain.events import DURABLE_EVENTS
from atomizer.domain.rfq import Rfq
from atomizer.storage.errors import RecordError


class LedgerSnapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """The ledger after every record before this one; the first record of every segment but the first.

    `state` comes back as JSON values (a Decimal as text, keys as text): `msgspec.to_builtins` writes and
    `msgspec.convert(..., strict=False)` reads it exactly.
    """

    state: dict[str, Any]


RECORD_TYPES: tuple[type[msgspec.Struct], ...] = (
    *DURABLE_EVENTS,
    *get_args(VenueCommand),
    *get_args(Fact),
    LedgerSnapshot,
)
RecordUnion: Any = Union[RECORD_TYPES]  # noqa: UP007  (built from a table)

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(RecordUnion)
# Where the records that a node writes all the time hold floats which must be finite: none, or two and more
# attributes. What stands in an explanation (`why`) need not be.
FLOATS: dict[type, tuple[str, ...]] = {
    PlaceOrder: (),
    AmendOrder: (),
    CancelOrder: (),
    Refused: (),
    Rfq: (),
    SendQuote: ("delta", "gamma", "vega"),
    InstrumentUsed: ("instrument.maker_fee", "instrument.taker_fee"),
}
_floats_of = {kind: attrgetter(*paths) for kind, paths in FLOATS.items() if paths}
_known = frozenset(FLOATS).issuperset
_without_floats = frozenset(kind for kind, paths in FLOATS.items() if not paths).issuperset
_null_in = re.compile(b"null").search  # half of what `in` costs on a line


def tag_of(record_type: type[msgspec.Struct]) -> str:
    """The word that names this type of record in the journal."""
    return str(record_type.__struct_config__.tag)


TAGS: frozenset[str] = frozenset(tag_of(kind) for kind in RECORD_TYPES)


def encode(record: msgspec.Struct) -> bytes:
    """The record's JSON, exactly what `decode` turns back into it.

    JSON has no word for NaN or infinity and the encoder writes null. In an explanation (`why`) that is what
    such a number becomes, so that a missing input never keeps a cancel from being journalled.

    Raises:
        RecordError: a number that is not finite stands anywhere else.
    """
    data = _ENCODER.encode(record)
    if _doubtful((record,), data):
        _require_finite(record)
    return data


class Batch(msgspec.Struct, frozen=True):
    """What a line is before it is sealed: see `storage.lines`."""

    n: int
    t: int
    r: Sequence[msgspec.Struct | msgspec.Raw]


def encode_batch(first: int, ts_ns: int, batch: Sequence[msgspec.Struct], out: bytearray) -> None:
    """Fill `out` with the records of a batch as one JSON object; `first` is the number of the first.

    Raises:
        As `encode`; `out` holds nothing of use then.
    """
    _ENCODER.encode_into(Batch(first, ts_ns, batch), out)
    if not _without_floats(map(type, batch)) and _doubtful(batch, out):
        for record in batch:
            _require_finite(record)


def _doubtful(batch: Sequence[msgspec.Struct], text: bytes | bytearray) -> bool:
    """Whether a number that must be finite may have become a null in this JSON of them."""
    if not _known(map(type, batch)):
        return _null_in(text) is not None
    for record in batch:
        floats = _floats_of.get(type(record))
        if floats is not None and not all(map(isfinite, floats(record))):
            return True
    return False


def _require_finite(record: msgspec.Struct) -> None:
    """Raises RecordError unless every null of a record is None, or a number of an explanation in it."""
    plain = msgspec.to_builtins(record)
    if not all_finite(plain, but="why"):
        raise RecordError(
            f"{type(record).__name__}: expected finite numbers, found NaN or infinity in"
            f" {str(plain)[:300]}; refuse before making such a command"
        )


def all_finite(value: object, but: str | None = None) -> bool:
    """Whether no NaN or infinity stands anywhere in a plain value, except under the name `but`."""
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(all_finite(item, but) for name, item in value.items() if name != but)
    if isinstance(value, (list, tuple)):
        return all(all_finite(item, but) for item in value)
    return True


def decode(data: bytes | msgspec.Raw) -> msgspec.Struct:
    """The record behind its JSON.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: it is none of the known records.
    """
    record: msgspec.Struct = _DECODER.decode(data)
    return record


class _Tagged(msgspec.Struct):
    type: str


def unknown_tag(data: bytes | msgspec.Raw) -> str | None:
    """The record's tag where this version does not know it, else None."""
    try:
        tag = msgspec.json.decode(data, type=_Tagged).type
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
    return None if tag in TAGS else tag
