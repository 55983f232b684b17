"""A recorded option chain as the seed of a market: its strikes, its smile, its spreads in vol.

The recording gives shape only. Times, forward and sizes come from the market that is built on it.
"""

from __future__ import annotations

import csv
import math
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from atomizer.sim.calendar import EXPIRY_HOUR, SECOND_NS
from atomizer.sim.pricing import YEAR_S, implied_vol

COLUMNS = ("underlying", "expiry", "strike", "type", "bid", "ask", "asof_utc", "spot")
# Parity is read off strikes this near the spot: further out one leg is all intrinsic value.
PARITY_RANGE = 0.1
MIN_POINTS = 5
MIN_HALF_SPREAD, MAX_HALF_SPREAD = 0.0025, 0.05


class ChainError(Exception):
    """The file is not a recorded chain. The text says what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One recorded line; prices in coin, None where there was none."""

    strike: float
    is_call: bool
    bid: float | None
    ask: float | None

    @property
    def mid(self) -> float | None:
        if self.bid is None or self.ask is None:
            return None
        return 0.5 * (self.bid + self.ask)


@dataclass(frozen=True, slots=True)
class Chain:
    """One recorded expiry.

    `knots` are log-moneyness points in ascending order, `vols` and `half_spreads` (vol units) belong to
    them. `listed` holds (strike, is_call) as recorded.
    """

    underlying: str
    spot: float
    forward: float
    tenor_ns: int
    listed: tuple[tuple[float, bool], ...]
    knots: tuple[float, ...]
    vols: tuple[float, ...]
    half_spreads: tuple[float, ...]

    @property
    def atm_vol(self) -> float:
        """Vol of the knot nearest the forward."""
        nearest = min(range(len(self.knots)), key=lambda i: abs(self.knots[i]))
        return self.vols[nearest]

    def half_spread(self, k: float) -> float:
        """Half the recorded bid-ask spread in vol at the knot nearest to log-moneyness `k`."""
        nearest = min(range(len(self.knots)), key=lambda i: abs(self.knots[i] - k))
        return self.half_spreads[nearest]


def load_chain(path: Path | str) -> Chain:
    """Read a recorded chain (CSV, prices in coin).

    Raises:
        ChainError: unreadable, not a chain, several expiries, or too few usable quotes.
    """
    path = Path(path)
    rows = _rows(path)
    underlying = _only(path, rows, "underlying")
    spot = _positive(path, rows[0], "spot", 1)
    asof_ns = _time_ns(path, rows[0]["asof_utc"])
    expiry_ns = _time_ns(path, _only(path, rows, "expiry")[:10]) + EXPIRY_HOUR * 3600 * SECOND_NS
    if expiry_ns <= asof_ns:
        raise ChainError(f"{path.name}: expected an expiry after the capture time, found one before it")
    quotes = [_quote(path, row, number) for number, row in enumerate(rows, start=2)]
    forward = _parity_forward(path, quotes, spot)
    tau = (expiry_ns - asof_ns) / SECOND_NS / YEAR_S
    points = _smile(quotes, forward, spot, tau)
    if len(points) < MIN_POINTS:
        raise ChainError(
            f"{path.name}: expected at least {MIN_POINTS} out-of-the-money two-sided quotes, "
            f"found {len(points)}; choose a recording with more quotes"
        )
    listed = sorted({(quote.strike, quote.is_call) for quote in quotes})
    return Chain(
        underlying=underlying,
        spot=spot,
        forward=forward,
        tenor_ns=expiry_ns - asof_ns,
        listed=tuple(listed),
        knots=tuple(point[0] for point in points),
        vols=tuple(point[1] for point in points),
        half_spreads=tuple(point[2] for point in points),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ChainError(
                    f"{path.name}: expected the columns {', '.join(COLUMNS)}, missing {', '.join(missing)}"
                )
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ChainError(
            f"{path}: expected a readable CSV file of a recorded chain, found: {error}"
        ) from error
    if not rows:
        raise ChainError(f"{path.name}: expected a line per option, found none")
    return rows


def _only(path: Path, rows: list[dict[str, str]], column: str) -> str:
    found = sorted({row[column] or "" for row in rows})
    if len(found) != 1 or not found[0]:
        raise ChainError(
            f"{path.name}: expected one {column} in the file, found {', '.join(found) or 'none'}"
        )
    return found[0]


def _time_ns(path: Path, text: str | None) -> int:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise ChainError(f"{path.name}: expected an ISO time, found {text!r}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND_NS


def _positive(path: Path, row: dict[str, str], column: str, number: int) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0.0):
        raise ChainError(f"{path.name} line {number}: expected a positive {column}, found {row[column]!r}")
    return value


def _price(path: Path, row: dict[str, str], column: str, number: int) -> float | None:
    if not row[column]:
        return None
    return _positive(path, row, column, number)


def _quote(path: Path, row: dict[str, str], number: int) -> Quote:
    kind = row["type"]
    if kind not in ("C", "P"):
        raise ChainError(f"{path.name} line {number}: expected type C or P, found {kind!r}")
    bid, ask = _price(path, row, "bid", number), _price(path, row, "ask", number)
    if bid is not None and ask is not None and bid >= ask:
        bid = ask = None  # locked or crossed: the capture tore, nothing can be read off it
    return Quote(_positive(path, row, "strike", number), kind == "C", bid, ask)


def _parity_forward(path: Path, quotes: list[Quote], spot: float) -> float:
    """Median of K + S (C - P) near the money (coin prices, carry over the tenor ignored)."""
    mids = {(quote.strike, quote.is_call): quote.mid for quote in quotes}
    found = []
    for strike in sorted({quote.strike for quote in quotes}):
        call, put = mids.get((strike, True)), mids.get((strike, False))
        if call is not None and put is not None and abs(strike / spot - 1.0) < PARITY_RANGE:
            found.append(strike + spot * (call - put))
    if not found:
        raise ChainError(
            f"{path.name}: expected a strike within {PARITY_RANGE:.0%} of the spot {spot} with call and put "
            "quoted on both sides, found none"
        )
    return statistics.median(found)


def _smile(quotes: list[Quote], forward: float, spot: float, tau: float) -> list[tuple[float, float, float]]:
    """(log-moneyness, vol, half spread in vol) of every two-sided out-of-the-money quote."""
    points = []
    for quote in sorted(quotes, key=lambda one: one.strike):
        if quote.is_call is not (quote.strike >= forward) or quote.bid is None or quote.ask is None:
            continue
        bid, mid, ask = (
            implied_vol(price * spot, forward, quote.strike, tau, is_call=quote.is_call)
            for price in (quote.bid, 0.5 * (quote.bid + quote.ask), quote.ask)
        )
        if mid is None or ask is None:
            continue
        half = (ask - bid) / 2 if bid is not None else ask - mid
        half = min(max(half, MIN_HALF_SPREAD), MAX_HALF_SPREAD)
        points.append((math.log(quote.strike / forward), mid, half))
    return points
