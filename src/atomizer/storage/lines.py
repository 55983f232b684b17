"""The form of one journal line: `{"n":7,"t":1700000000000000000,"r":{...},"c":"89abcdef"}`.

`n` numbers the lines of the whole journal, `t` is the time in ns, `r` the record. `c` is the CRC-32 of
everything before it in this line, continued from the checksum of the line before: a line that is edited,
missing or moved breaks the chain at that line. A checksum is no signature; it finds accidents.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32 as _crc32

import msgspec

from atomizer import __version__

FORMAT_VERSION = 1
CHECK_BYTES = len(b',"c":"00000000"}')
_CHECK = b',"c":"%08x"}\n'
_STAMP = b',"t":%d,"r":'
_LINE = b'{"n":%d%b%b'


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a segment. `first` is the number of the line after it, `previous` the checksum of
    the last line of the segment before, `version` the program that began the segment."""

    journal: int
    segment: int
    first: int
    previous: str
    version: str


class RawLine(msgspec.Struct, frozen=True):
    """A line with its record undecoded."""

    n: int
    t: int
    r: msgspec.Raw


class Record(msgspec.Struct, frozen=True):
    """One journalled record: its number, the time of its batch and what it says."""

    sequence: int
    ts_ns: int
    body: Any


_RAW = msgspec.json.Decoder(RawLine)
_HEADER = msgspec.json.Decoder(Header)


def seal(body: bytes, check: int) -> tuple[bytes, int]:
    """The finished line of an open `body` (no closing brace) and its checksum."""
    check = _crc32(body, check)
    return body + _CHECK % check, check


def block(last: int, ts_ns: int, records_json: Iterable[bytes], check: int) -> tuple[bytes, int]:
    """The lines of records that follow number `last` and its checksum, and the last one's checksum."""
    stamp, data = _STAMP % ts_ns, b""
    for record_json in records_json:
        last += 1
        body = _LINE % (last, stamp, record_json)
        check = _crc32(body, check)
        data += body + _CHECK % check
    return data, check


def header(segment: int, last: int, check: int) -> Header:
    """The header of a segment that follows record number `last` with checksum `check`."""
    return Header(
        journal=FORMAT_VERSION,
        segment=segment,
        first=last + 1,
        previous=f"{check:08x}",
        version=__version__,
    )


def header_line(stated: Header) -> tuple[bytes, int]:
    return seal(msgspec.json.encode(stated)[:-1], int(stated.previous, 16))


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


def parse(text: bytes) -> RawLine:
    return _RAW.decode(text)


def parse_header(text: bytes) -> Header:
    return _HEADER.decode(text)
