"""Times and records in words, for people reading a terminal."""

from __future__ import annotations

import datetime as dt

import msgspec

_SECOND_NS = 10**9


def time_text(ts_ns: int) -> str:
    """UTC to the microsecond: `2025-09-08T08:00:00.000000Z`."""
    seconds, rest = divmod(ts_ns, _SECOND_NS)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def second_text(ts_s: int) -> str:
    return f"{dt.datetime.fromtimestamp(ts_s, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def one_line(record: msgspec.Struct) -> str:
    """`tag key=value ...`, leaving out the terms of the decision."""
    fields = msgspec.to_builtins(record)
    tag = fields.pop("type")
    fields.pop("why", None)
    return " ".join([f"{tag:<14}", *(f"{key}={value}" for key, value in fields.items())])
