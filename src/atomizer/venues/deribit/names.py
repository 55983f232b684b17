"""Deribit names: `ETH-PERPETUAL`, `ETH-6JUN25`, `ETH-6JUN25-3000-C`, linear `ETH_USDC-...`, spot `ETH_USDC`.

Days are not zero padded; `d` is the decimal mark of a strike. Without a quote currency the
contract is inverse: it settles in its underlying. Source: the venue's naming section.
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

STRIKE_MARK = "d"
INVERSE_QUOTE = "USD"
_PAIR = re.compile(r"([A-Z0-9]+)(?:_([A-Z0-9]+))?")
FORMS = "ETH-PERPETUAL, ETH-30MAY25, ETH_USDC-30MAY25-3000-C or ETH_USDC"


def parse(name: str) -> NameParts:
    """What a Deribit name says; combos are refused.

    Raises:
        InstrumentNameError: not a name that Deribit could list.
    """
    pair, *rest = name.split("-")
    matched = _PAIR.fullmatch(pair)
    if matched is None or matched[2] == INVERSE_QUOTE:
        raise unknown_name("deribit", name, FORMS)
    underlying, quote, inverse = matched[1], matched[2] or INVERSE_QUOTE, matched[2] is None
    if not rest and not inverse:
        return NameParts(underlying=underlying, quote=quote, kind=Kind.SPOT)
    if rest == ["PERPETUAL"]:
        return NameParts(underlying=underlying, quote=quote, kind=Kind.PERPETUAL, inverse=inverse)
    if len(rest) == 1:
        expiry_s = parse_day_month_year(rest[0], name, padded=False)
        return NameParts(
            underlying=underlying, quote=quote, kind=Kind.FUTURE, expiry_s=expiry_s, inverse=inverse
        )
    if len(rest) == 3 and rest[2] in ("C", "P"):
        return NameParts(
            underlying=underlying,
            quote=quote,
            kind=Kind.OPTION,
            expiry_s=parse_day_month_year(rest[0], name, padded=False),
            strike=parse_strike(rest[1], name, STRIKE_MARK),
            is_call=rest[2] == "C",
            inverse=inverse,
        )
    raise unknown_name("deribit", name, FORMS)


def render(parts: NameParts) -> str:
    """The name of a contract on Deribit.

    Raises:
        InstrumentNameError: Deribit has no name for it (an inverse contract not quoted in USD, a
        linear one quoted in USD, an expiry at another time than 08:00 UTC).
    """
    if parts.kind is not Kind.SPOT and parts.inverse is not (parts.quote == INVERSE_QUOTE):
        raise InstrumentNameError(
            f"deribit: expected inverse contracts in USD and linear ones in a stable coin, found quote "
            f"{parts.quote} with inverse {parts.inverse}; translate the contract with relisted() first"
        )
    pair = parts.underlying if parts.inverse else f"{parts.underlying}_{parts.quote}"
    match parts.kind:
        case Kind.SPOT:
            return pair
        case Kind.PERPETUAL:
            return f"{pair}-PERPETUAL"
        case Kind.FUTURE:
            return f"{pair}-{day_month_year(parts.expiry_s, padded=False)}"
        case Kind.OPTION:
            date = day_month_year(parts.expiry_s, padded=False)
            side = "C" if parts.is_call else "P"
            return f"{pair}-{date}-{render_strike(parts.strike, STRIKE_MARK)}-{side}"
        case Kind.COMBO:
            raise no_contract("deribit")
