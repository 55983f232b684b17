"""Derive names: `ETH-PERP`, `ETH-20250530-3000-C`, spot `ETH-USDC`. All linear, in USDC.

Dates are zero padded; `_` is the decimal mark of a strike.
"""

from __future__ import annotations

import re

from atomizer.domain.instruments import Kind
from atomizer.domain.names import InstrumentNameError, NameParts
from atomizer.venues.naming import (
    check_listing,
    date_of,
    expiry_of,
    no_contract,
    parse_strike,
    render_strike,
    unknown_name,
)

__all__ = ["parse", "render"]

QUOTE = "USDC"
STRIKE_MARK = "_"
FORMS = "ETH-PERP, ETH-20250530-3000-C or ETH-USDC"
_CURRENCY = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_DATE = re.compile(r"(20[0-9]{2})([0-9]{2})([0-9]{2})", re.ASCII)


def parse(name: str) -> NameParts:
    """What a Derive name says.

    Raises:
        InstrumentNameError: not a name that Derive could list.
    """
    underlying, *rest = name.split("-")
    if _CURRENCY.fullmatch(underlying) is None:
        raise unknown_name("derive", name, FORMS)
    if rest == ["PERP"]:
        return NameParts(underlying=underlying, quote=QUOTE, kind=Kind.PERPETUAL)
    if rest == [QUOTE]:
        return NameParts(underlying=underlying, quote=QUOTE, kind=Kind.SPOT)
    if len(rest) == 3 and rest[2] in ("C", "P") and (date := _DATE.fullmatch(rest[0])):
        return NameParts(
            underlying=underlying,
            quote=QUOTE,
            kind=Kind.OPTION,
            expiry_s=expiry_of(int(date[1]), int(date[2]), int(date[3]), name),
            strike=parse_strike(rest[1], name, STRIKE_MARK),
            is_call=rest[2] == "C",
        )
    raise unknown_name("derive", name, FORMS)


def render(parts: NameParts) -> str:
    """The name of a contract on Derive.

    Raises:
        InstrumentNameError: Derive has no name for it (a future, another quote, an inverse contract).
    """
    check_listing("derive", parts, quotes=(QUOTE,), inverse=False)
    match parts.kind:
        case Kind.SPOT:
            return f"{parts.underlying}-{QUOTE}"
        case Kind.PERPETUAL:
            return f"{parts.underlying}-PERP"
        case Kind.OPTION:
            date = date_of(parts.expiry_s).strftime("%Y%m%d")
            strike = render_strike(parts.strike, STRIKE_MARK)
            return f"{parts.underlying}-{date}-{strike}-{'C' if parts.is_call else 'P'}"
        case Kind.FUTURE:
            raise InstrumentNameError(
                "derive: expected spot, a perpetual or an option, found a future; none is listed"
            )
        case Kind.COMBO:
            raise no_contract("derive")
