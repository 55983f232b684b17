"""GRVT names: `BTC_USDT_Perp`, `BTC_USDT_Fut_20Oct23`, `ETH_USDT_Call_20Oct23_2800`, `USDC_USDT_SpotSwap`.

All linear. Days are written with two digits; that, and `.` as the decimal mark of a strike, no page
confirms: names to trade come from the venue's listing.
"""

from __future__ import annotations

import re

from atomizer.domain.instruments import Kind
from atomizer.domain.names import InstrumentNameError, NameParts
from atomizer.venues.naming import (
    day_month_year,
    no_contract,
    parse_day_month_year,
    parse_strike,
    render_strike,
    unknown_name,
)

__all__ = ["parse", "render"]

STRIKE_MARK = "."
SIDES = {"Call": True, "Put": False}
FORMS = "BTC_USDT_Perp, BTC_USDT_Fut_20Oct23, ETH_USDT_Call_20Oct23_2800 or USDC_USDT_SpotSwap"
_CURRENCY = re.compile(r"[A-Za-z0-9]+", re.ASCII)


def parse(name: str) -> NameParts:
    """What a GRVT name says.

    Raises:
        InstrumentNameError: not a name that GRVT could list.
    """
    underlying, *rest = name.split("_")
    quote, *rest = rest or [""]
    if _CURRENCY.fullmatch(underlying) is None or _CURRENCY.fullmatch(quote) is None:
        raise unknown_name("grvt", name, FORMS)
    match rest:
        case ["Perp"]:
            return NameParts(underlying=underlying, quote=quote, kind=Kind.PERPETUAL)
        case ["SpotSwap"]:
            return NameParts(underlying=underlying, quote=quote, kind=Kind.SPOT)
        case ["Fut", date]:
            expiry_s = parse_day_month_year(date, name, padded=True, title=True)
            return NameParts(underlying=underlying, quote=quote, kind=Kind.FUTURE, expiry_s=expiry_s)
        case ["Call" | "Put" as side, date, strike]:
            return NameParts(
                underlying=underlying,
                quote=quote,
                kind=Kind.OPTION,
                expiry_s=parse_day_month_year(date, name, padded=True, title=True),
                strike=parse_strike(strike, name, STRIKE_MARK),
                is_call=SIDES[side],
            )
        case _:
            raise unknown_name("grvt", name, FORMS)


def render(parts: NameParts) -> str:
    """The name of a contract on GRVT.

    Raises:
        InstrumentNameError: GRVT has no name for it (an inverse contract).
    """
    if parts.inverse:
        raise InstrumentNameError(
            "grvt: expected a linear contract, found an inverse one; translate it with relisted() first"
        )
    pair = f"{parts.underlying}_{parts.quote}"
    match parts.kind:
        case Kind.SPOT:
            return f"{pair}_SpotSwap"
        case Kind.PERPETUAL:
            return f"{pair}_Perp"
        case Kind.FUTURE:
            return f"{pair}_Fut_{day_month_year(parts.expiry_s, padded=True, title=True)}"
        case Kind.OPTION:
            date = day_month_year(parts.expiry_s, padded=True, title=True)
            strike = render_strike(parts.strike, STRIKE_MARK)
            return f"{pair}_{'Call' if parts.is_call else 'Put'}_{date}_{strike}"
        case Kind.COMBO:
            raise no_contract("grvt")
