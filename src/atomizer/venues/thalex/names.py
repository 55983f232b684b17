"""Thalex names: `BTC-PERPETUAL`, `BTC-03APR26`, `BTC-25DEC26-120000-C`. All linear, in USD.

Days are zero padded. Rolls (`BTC-25DEC26-25SEP26`) are combinations of two instruments, not one
instrument, and are refused. No fractional strike has been seen; `.` would be its decimal mark.
"""

from __future__ import annotations

import re

from atomizer.domain.instruments import Kind
from atomizer.domain.names import InstrumentNameError, NameParts
from atomizer.venues.naming import (
    check_listing,
    day_month_year,
    no_contract,
    parse_day_month_year,
    parse_strike,
    render_strike,
    unknown_name,
)

__all__ = ["parse", "render"]

QUOTE = "USD"
STRIKE_MARK = "."
FORMS = "BTC-PERPETUAL, BTC-03APR26 or BTC-25DEC26-120000-C"
_CURRENCY = re.compile(r"[A-Z0-9]+", re.ASCII)


def parse(name: str) -> NameParts:
    """What a Thalex name says.

    Raises:
        InstrumentNameError: not the name of a single instrument that Thalex could list.
    """
    underlying, *rest = name.split("-")
    if _CURRENCY.fullmatch(underlying) is None:
        raise unknown_name("thalex", name, FORMS)
    if rest == ["PERPETUAL"]:
        return NameParts(underlying=underlying, quote=QUOTE, kind=Kind.PERPETUAL)
    if len(rest) == 1:
        expiry_s = parse_day_month_year(rest[0], name, padded=True)
        return NameParts(underlying=underlying, quote=QUOTE, kind=Kind.FUTURE, expiry_s=expiry_s)
    if len(rest) == 3 and rest[2] in ("C", "P"):
        return NameParts(
            underlying=underlying,
            quote=QUOTE,
            kind=Kind.OPTION,
            expiry_s=parse_day_month_year(rest[0], name, padded=True),
            strike=parse_strike(rest[1], name, STRIKE_MARK),
            is_call=rest[2] == "C",
        )
    raise unknown_name("thalex", name, FORMS)


def render(parts: NameParts) -> str:
    """The name of a contract on Thalex.

    Raises:
        InstrumentNameError: Thalex has no name for it (spot, another quote, an inverse contract).
    """
    check_listing("thalex", parts, quotes=(QUOTE,), inverse=False)
    match parts.kind:
        case Kind.PERPETUAL:
            return f"{parts.underlying}-PERPETUAL"
        case Kind.FUTURE:
            return f"{parts.underlying}-{day_month_year(parts.expiry_s, padded=True)}"
        case Kind.OPTION:
            date = day_month_year(parts.expiry_s, padded=True)
            strike = render_strike(parts.strike, STRIKE_MARK)
            return f"{parts.underlying}-{date}-{strike}-{'C' if parts.is_call else 'P'}"
        case Kind.SPOT:
            raise InstrumentNameError("thalex: expected a derivative, found spot; none is listed")
        case Kind.COMBO:
            raise no_contract("thalex")
