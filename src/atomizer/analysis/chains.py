"""Reads an option chain file: one expiry, prices in coin, as captured from a coin-settled venue.

Columns used: underlying, expiry (a date), strike, type (C or P), bid, ask, asof_utc, spot; an empty bid or
ask is a missing side. The options expire at 08:00 UTC on their date. Prices are coins per coin of underlying,
whatever an `is_inverse` column says.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

EXPIRY_TIME: Final = time(8, 0)
SECONDS_PER_YEAR: Final = 31_536_000.0
COLUMNS: Final = ("underlying", "expiry", "strike", "type", "bid", "ask", "asof_utc", "spot")


class ChainError(ValueError):
    """A chain file that cannot be read, or that says something impossible."""


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One strike: coin prices, NaN where a side is missing."""

    strike: float
    call_bid: float
    call_ask: float
    put_bid: float
    put_ask: float


@dataclass(frozen=True, slots=True)
class OptionChain:
    """One expiry of one underlying as it stood at `as_of`."""

    underlying: str
    as_of: datetime
    expiry: datetime
    spot: float
    rows: tuple[ChainRow, ...]

    @property
    def years(self) -> float:
        """Time to expiry, years of 365 days."""
        return (self.expiry - self.as_of).total_seconds() / SECONDS_PER_YEAR

    def column(self, name: str) -> NDArray[np.float64]:
        """One field of all rows, strikes increasing."""
        return np.array([getattr(row, name) for row in self.rows])


def _number(text: str, where: str) -> float:
    if not text.strip():
        return math.nan
    try:
        value = float(text)
    except ValueError:
        raise ChainError(f"{where}: expected a number or an empty field, found {text!r}") from None
    if not 0.0 <= value < math.inf:
        raise ChainError(f"{where}: expected a price >= 0, found {text!r}")
    return value if value > 0.0 else math.nan


def _moment(text: str, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ChainError(f"{where}: expected an ISO date and time, found {text!r}") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def load_chain(path: Path) -> OptionChain:
    """Read a chain file.

    Raises:
        OSError: the file cannot be opened.
        ChainError: a missing column, a bad field, several expiries in a file, no rows, expired at capture.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ChainError(f"{path.name}: expected columns {COLUMNS}, missing {missing}")
        records = list(reader)
    if not records:
        raise ChainError(f"{path.name}: expected at least one option, found none")
    heads = {
        (record["underlying"], record["expiry"], record["asof_utc"], record["spot"]) for record in records
    }
    if len(heads) != 1:
        raise ChainError(f"{path.name}: expected one expiry at one time, found {len(heads)} of them")
    underlying, expiry, as_of, spot = heads.pop()
    sides: dict[float, dict[str, tuple[float, float]]] = {}
    for line, record in enumerate(records, start=2):
        where = f"{path.name} line {line}"
        strike = _number(record["strike"], where)
        if math.isnan(strike) or record["type"] not in ("C", "P"):
            raise ChainError(f"{where}: expected a strike and type C or P, found {record!r}")
        sides.setdefault(strike, {})[record["type"]] = (
            _number(record["bid"], where),
            _number(record["ask"], where),
        )
    nothing = (math.nan, math.nan)
    rows = tuple(
        ChainRow(strike, *quotes.get("C", nothing), *quotes.get("P", nothing))
        for strike, quotes in sorted(sides.items())
    )
    end = datetime.combine(_moment(expiry, path.name).date(), EXPIRY_TIME, UTC)
    chain = OptionChain(underlying, _moment(as_of, path.name), end, _number(spot, path.name), rows)
    if math.isnan(chain.spot) or chain.years <= 0.0:
        raise ChainError(
            f"{path.name}: expected a spot and an expiry after the capture, found {spot!r}, {chain.expiry} "
            f"at {chain.as_of}"
        )
    return chain
