"""A recording of depth and trades: what a file may hold, and how it is read.

Our own form is JSON lines, times in nanoseconds UTC, prices and amounts as text or numbers:

    {"recording": "depth and trades", "version": 1}
    {"t": 1640995200000000000, "i": "ETH-PERPETUAL", "whole": true, "bids": [["3000.05", "100"]], "asks": []}
    {"t": 1640995200100000000, "i": "ETH-PERPETUAL", "bids": [["3000.05", "40"], ["2999.9", "0"]]}
    {"t": 1640995200150000000, "i": "ETH-PERPETUAL", "side": "sell", "price": "3000.05", "amount": "20"}

Amounts of depth are absolute, 0 ends a level, `whole` replaces both sides. Deribit's own notifications
(`book.*` and `trades.*`, one a line, or one alone in a file) are read too; other channels are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

FORMAT, VERSION = "depth and trades", 1
NS_PER_MS = 1_000_000
SIDES = {"buy": 1, "sell": -1}

Level = tuple[Decimal, Decimal]


class RecordingError(Exception):
    """The file is not a recording. The text names the line, what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Depth:
    """(price, amount) of levels that changed, or with `whole` of all there are."""

    ts_ns: int
    instrument: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Print:
    """One trade; `side` is the aggressor's, +1 or -1."""

    ts_ns: int
    instrument: str
    side: int
    price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Recording:
    """Events in the order of their times; what came with one time keeps the file's order."""

    events: tuple[Depth | Print, ...]

    @property
    def instruments(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(event.instrument for event in self.events))

    def middle(self, instrument: str) -> Decimal | None:
        """The middle of an instrument's first two-sided snapshot."""
        for event in self.events:
            if isinstance(event, Depth) and event.instrument == instrument and event.whole:
                bids = [price for price, amount in event.bids if amount]
                asks = [price for price, amount in event.asks if amount]
                if bids and asks:
                    return (max(bids) + min(asks)) / 2
        return None


def load_recording(path: Path) -> Recording:
    """Read a file.

    Raises:
        RecordingError: unreadable, empty, or a line that is no part of a recording.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: {error}") from error
    reader = _Reader()
    for number, body in _objects(path, text):
        try:
            reader.take(body)
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise RecordingError(f"{path} line {number}: expected depth or a trade, found {error}") from error
    if not reader.events:
        raise RecordingError(f"{path}: expected depth and trades, found neither")
    return Recording(tuple(sorted(reader.events, key=lambda event: event.ts_ns)))


def _objects(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of every line, or the one object that the whole file is."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    try:
        whole = json.loads(text, parse_float=Decimal)
        lines = [(1, text)] if isinstance(whole, dict) else lines
    except ValueError:
        whole = None
    for number, line in lines:
        try:
            body = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            raise RecordingError(f"{path} line {number}: expected JSON, found {error}") from error
        if not isinstance(body, dict):
            raise RecordingError(f"{path} line {number}: expected an object, found {line[:40]!r}")
        yield number, body


class _Reader:
    """Turns objects into events; remembers each channel's last change so that no gap passes."""

    def __init__(self) -> None:
        self.events: list[Depth | Print] = []
        self._changes: dict[str, int] = {}

    def take(self, body: dict[str, Any]) -> None:
        if "recording" in body:
            if (body["recording"], body.get("version")) != (FORMAT, VERSION):
                raise ValueError(f"{body['recording']!r} version {body.get('version')!r}, not {FORMAT!r} 1")
        elif body.get("method") == "subscription":
            self._notification(body["params"]["channel"], body["params"]["data"])
        elif "side" in body:
            self.events.append(
                Print(int(body["t"]), str(body["i"]), SIDES[body["side"]],
                      _positive(body["price"]), _positive(body["amount"]))
            )  # fmt: skip
        else:
            bids, asks = (tuple(_level(one) for one in body.get(side, ())) for side in ("bids", "asks"))
            if not bids and not asks and not body.get("whole"):
                raise ValueError("neither bids nor asks")
            self.events.append(Depth(int(body["t"]), str(body["i"]), bids, asks, bool(body.get("whole"))))

    def _notification(self, channel: str, data: Any) -> None:
        feed, _, rest = channel.partition(".")
        instrument = rest.partition(".")[0]
        if feed == "book":
            self._book(channel, instrument, data)
        elif feed == "trades":
            for trade in data:
                self.events.append(
                    Print(
                        int(trade["timestamp"]) * NS_PER_MS,
                        str(trade.get("instrument_name", instrument)),
                        SIDES[trade["direction"]],
                        _positive(trade["price"]),
                        _positive(trade["amount"]),
                    )
                )

    def _book(self, channel: str, instrument: str, data: dict[str, Any]) -> None:
        """A snapshot (also one without a type: grouped channels), or a change that follows the last one."""
        before = data.get("prev_change_id")
        if data.get("type") == "change" and self._changes.get(channel) != before:
            raise ValueError(f"a gap: change after {before}, last was {self._changes.get(channel)}")
        self._changes[channel] = int(data["change_id"])
        bids, asks = (tuple(_level(one[-2:]) for one in data[side]) for side in ("bids", "asks"))
        whole = data.get("type") != "change"
        self.events.append(Depth(int(data["timestamp"]) * NS_PER_MS, instrument, bids, asks, whole))


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise TypeError(f"{value!r}, not a number")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError(f"{value!r}, not a finite number")
    return number


def _positive(value: Any) -> Decimal:
    number = _number(value)
    if number <= 0:
        raise ValueError(f"{value!r}, not positive")
    return number


def _level(pair: Any) -> Level:
    price, amount = pair
    number = _number(amount)
    if number < 0:
        raise ValueError(f"{amount!r}, a negative amount")
    return _positive(price), number
