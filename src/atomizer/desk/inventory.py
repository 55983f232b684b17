"""What is held: positions with greeks, value and unrealised P&L, and which delta is meant.

With the node running the valuations are its own, of this moment; without it they are the last marks in the
journal. Two deltas are in use and each row names its own: in an account that counts coins, an option that
settles in coins has the premium-adjusted delta (Black delta less the premium in coins); all else is Black.
"""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from atomizer.desk.fold import folded
from atomizer.domain.bookings import Fill, RfqTrade
from atomizer.domain.instruments import Instrument, Kind
from atomizer.domain.trades import MANUAL
from atomizer.engine.accounts import ZERO, Holding
from atomizer.engine.ledger import Ledger
from atomizer.models.black import black76_greeks
from atomizer.runtime.control import ControlError, ask
from atomizer.runtime.words import Request

YEAR_NS = 365 * 86_400 * 10**9
DAYS = 365.0
BLACK, ADJUSTED = "Black", "premium-adjusted"


class Valued(NamedTuple):
    """Forward (a future's mark), vol, and mark in the instrument's price unit."""

    forward: float
    vol: float
    mark: float


class Prices(NamedTuple):
    """At what everything is valued, when, and by whom."""

    instruments: dict[str, Valued]
    rates: dict[str, float]
    now_ns: int
    net_delta: dict[str, float]
    source: str


def read(data_dir: Path) -> dict[str, Any]:
    """The inventory of a data directory.

    Raises:
        JournalError: its journal cannot be read.
    """
    ledger = folded(data_dir)
    try:
        told = ask(data_dir, Request(word="inventory"))["inventory"]
    except ControlError:
        prices = last_marks(ledger)
    else:
        prices = of_node(told)
    return inventory(ledger, prices)


def of_node(told: dict[str, Any]) -> Prices:
    """What a running node says of its prices."""
    valued = {
        row["instrument"]: Valued(row["forward"], row["vol"], row["mark"])
        for row in told["positions"]
        if "unpriced" not in row
    }
    return Prices(valued, told["index"], told["now_ns"], told["net_delta"], "the running node")


def last_marks(ledger: Ledger) -> Prices:
    """The last marks that a node wrote."""
    marks = ledger.marks
    if marks is None:
        return Prices({}, {}, ledger.now_ns or time.time_ns(), {}, "nothing: no marks were written yet")
    valued = {name: Valued(*row) for name, row in marks.instruments.items()}
    net = {name: track[0] for name, track in marks.naked.items()}
    return Prices(valued, marks.index, ledger.now_ns, net, "the last marks in the journal")


def inventory(ledger: Ledger, prices: Prices) -> dict[str, Any]:
    """Rows by holding, cash by purse, sums by underlying."""
    numeraire = _numeraires(ledger)
    rows = [
        _row(ledger, prices, holding, float(size), numeraire.get((holding.venue, holding.account), ""))
        for holding, size in ledger.position_sizes().items()
    ]
    return {
        "valued_by": prices.source,
        "as_of_ns": prices.now_ns,
        "positions": rows,
        "cash": [
            {
                "venue": purse.venue,
                "account": purse.account,
                "currency": purse.currency,
                "amount": str(amount),
            }
            for purse, amount in sorted(ledger.accounts.cash.items())
            if amount
        ],
        "underlyings": _sums(rows, prices),
    }


def _numeraires(ledger: Ledger) -> dict[tuple[str, str], str]:
    """What each account counts in, from the settings of the last run."""
    settings = ledger.run.settings if ledger.run is not None else {}
    found = {(MANUAL, MANUAL): "usd"}
    for venue, section in settings.items():
        if isinstance(section, dict) and "numeraire" in section:
            otherwise = (
                "usd" if venue == "rysk" else "coin"
            )  # as `runtime.compose` takes it where none is set
            account = str(section.get("account") or venue)
            found[venue, account] = str(section["numeraire"] or otherwise)
    return found


def _row(ledger: Ledger, prices: Prices, holding: Holding, size: float, numeraire: str) -> dict[str, Any]:
    instrument = ledger.instruments[holding.instrument]
    row: dict[str, Any] = {
        "venue": holding.venue,
        "account": holding.account,
        "instrument": instrument.key,
        "underlying": instrument.underlying,
        "size": str(ledger.accounts.positions[holding].size),
        "entry": None,
        "mark": None,
        "value_usd": None,
        "unrealised_usd": None,
        "delta": None,
        "delta_kind": BLACK,
        "gamma_1pct": None,
        "vega_usd": None,
        "theta_usd_day": None,
        "numeraire": numeraire,
    }
    entry = _entry(ledger, holding, instrument)
    row["entry"] = None if entry is None else float(entry)
    valued, index = prices.instruments.get(instrument.key), prices.rates.get(instrument.underlying)
    if valued is None or index is None:
        return row
    rate = index if instrument.settlement == instrument.underlying else 1.0
    row["mark"] = valued.mark
    row.update(_greeks(instrument, valued, index, size, prices.now_ns, numeraire))
    if instrument.margined:
        row["value_usd"] = 0.0
        gained = ledger.accounts.unrealised(holding, Decimal(str(valued.mark)))
        row["unrealised_usd"] = float(gained) * rate
    else:
        unit = float(instrument.contract_size)
        row["value_usd"] = size * valued.mark * unit * rate
        if entry is not None:
            row["unrealised_usd"] = size * (valued.mark - float(entry)) * unit * rate
    return row


def _greeks(
    instrument: Instrument, valued: Valued, index: float, size: float, now_ns: int, numeraire: str
) -> dict[str, Any]:
    """Delta in coins, gamma as coins per 1 % move, vega in USD per vol point, theta in USD per day."""
    if instrument.kind is not Kind.OPTION:
        if instrument.kind is Kind.SPOT:
            delta = size
        elif instrument.size_in_quote:
            delta = size / valued.forward
        else:
            delta = size * float(instrument.contract_size) * valued.forward / index
        return {"delta": delta, "gamma_1pct": 0.0, "vega_usd": 0.0, "theta_usd_day": 0.0}
    tau = ((instrument.expiry_ns or 0) - now_ns) / YEAR_NS
    if tau <= 0.0 or valued.vol <= 0.0:
        return {}
    coins = float(instrument.per_token)  # an option on a token is that many options on the coin
    strike = float(instrument.strike or 0) / coins
    price, delta, gamma, vega, theta, *_ = black76_greeks(
        valued.forward, strike, tau, valued.vol, 0.0, bool(instrument.is_call)
    )
    size, ratio = size * coins, 1.0 if instrument.inverse else valued.forward / index
    adjusted = instrument.inverse and numeraire != "usd"
    premium = price / valued.forward if adjusted else 0.0
    return {
        "delta": size * (delta * ratio - premium),
        "delta_kind": ADJUSTED if adjusted else BLACK,
        "gamma_1pct": size * gamma * valued.forward * 0.01 * ratio,
        "vega_usd": size * vega * 0.01,
        "theta_usd_day": size * theta / DAYS,
    }


def _entry(ledger: Ledger, holding: Holding, instrument: Instrument) -> Decimal | None:
    """Average price at which what is held was entered; None where it was held before the first run."""
    if instrument.margined:
        return ledger.accounts.positions[holding].average(inverse=instrument.inverse)
    size, cost = ZERO, ZERO
    for key, booking in ledger.accounts.booked.items():
        if key in ledger.accounts.reversed or not isinstance(booking, (Fill, RfqTrade)):
            continue
        if (booking.venue, booking.account, booking.instrument) != holding or booking.price is None:
            continue
        traded = int(booking.side) * booking.size
        if size * traded >= 0:
            cost += traded * booking.price
        elif abs(traded) <= abs(size):
            cost += cost / size * traded
        else:
            cost = (size + traded) * booking.price
        size += traded
    return cost / size if size and size == ledger.accounts.positions[holding].size else None


def _sums(rows: list[dict[str, Any]], prices: Prices) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sorted({row["underlying"] for row in rows} | set(prices.net_delta)):
        mine = [row for row in rows if row["underlying"] == name]
        kinds = sorted({row["delta_kind"] for row in mine if row["delta"] is not None})
        found[name] = {
            "index": prices.rates.get(name),
            "net_delta": prices.net_delta.get(name),
            "delta_kind": " + ".join(kinds) or BLACK,
            **{
                total: sum(row[total] or 0.0 for row in mine)
                for total in ("gamma_1pct", "vega_usd", "theta_usd_day", "value_usd", "unrealised_usd")
            },
            "not_valued": [row["instrument"] for row in mine if row["mark"] is None],
        }
    return found
