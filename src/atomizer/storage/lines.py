"""The form of one journal line: `{"n":7,"t":1700000000000000000,"r":[{...},{...}],"c":"89abcdef"}`.

A line is a batch: what is appended at once is there as a whole or not at all. `r` holds its records, `n` is
the number of the first of them, counted over the whole journal, `t` the time in ns. `c` is the CRC-32 of
everything before it in this line, continued from the checksum of the line before: a line that is edited,
missing or moved breaks the chain at that line. A checksum is no signature; it finds accidents. In format 1 a
line was one record and `r` the record itself; such lines are read like any other.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32 as _crc32

import msgspec

from atomizer import __version__

FORMAT_VERSION = 2
CHECK_BYTES = len(b',"c":"00000000"}')
_CHECK = b',"c":"%08x"}\n'
_ARRAY = ord("[")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a segment. `first` is the number of the line after it, `previous` the checksum of
    the last line of the segment before, `version` the program that began the segment."""

    journal: int
    segment: int
    first: int
    previous: str
    version: str


class RawLine(msgspec.Struct, frozen=True):
    """A line, or one record of it, with what `r` holds undecoded."""

    n: int
    t: int
    r: msgspec.Raw


class Record(msgspec.Struct, frozen=True):
    """One journalled record: its number, the time of its batch and what it says."""

    sequence: int
    ts_ns: int
    body: Any


_RAW = msgspec.json.Decoder(RawLine)
_RECORDS = msgspec.json.Decoder(list[msgspec.Raw])
_HEADER = msgspec.json.Decoder(Header)


def seal(line: bytearray, check: int) -> int:
    """Make a JSON object `n`, `t`, `r` (or a header) the line after checksum `check`; its own checksum."""
    del line[-1]
    check = _crc32(line, check)
    line += _CHECK % check
    return check


def header(segment: int, last: int, check: int) -> Header:
    """The header of a segment that follows record number `last` with checksum `check`."""
    return Header(
        journal=FORMAT_VERSION,
        segment=segment,
        first=last + 1,
        previous=f"{check:08x}",
        version=__version__,
    )


def header_line(stated: Header) -> tuple[bytearray, int]:
    line = bytearray(msgspec.json.encode(stated))
    return line, seal(line, int(stated.previous, 16))


def found_check(text: bytes) -> int | None:
    """The checksum a line (without its newline) states, or None when it has not that form."""
    tail = text[-CHECK_BYTES:]
    if not (tail.startswith(b',"c":"') and tail.endswith(b'"}')):
        return None
    try:
        return int(tail[6:14], 16)
    except ValueError:
        return None


def computed_check(text: bytes, check: int) -> int:
    return _crc32(text[:-CHECK_BYTES], check)


def parse(text: bytes) -> list[RawLine]:
    """The records of a line, each with its own number.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: it is no line, or one without records.
    """
    line = _RAW.decode(text)
    if memoryview(line.r)[0] != _ARRAY:
        return [line]
    records = _RECORDS.decode(line.r)
    if not records:
        raise msgspec.ValidationError("a line without records")
    return [RawLine(number, line.t, record) for number, record in enumerate(records, line.n)]


def parse_header(text: bytes) -> Header:
    return _HEADER.decode(text)
