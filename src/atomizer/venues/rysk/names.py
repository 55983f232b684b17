"""Rysk options: terms on the wire, and the names we give them.

Rysk has no instrument names. An option is its underlying, expiry second, strike (scaled by 1e8)
and side; the name is ours, the date as Derive writes it with the time of day appended where it is
not 08:00 UTC (the gold token's calendar): `ETH-20250530-3000-C`, `XAUT-20250530T173000-3000-P`.
The underlying must come from the asset table by token address, never from an RFQ's label.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from atomizer.domain.instruments import Kind
from atomizer.domain.names import InstrumentNameError, NameParts
from atomizer.venues.naming import check_listing, expiry_of, parse_strike, render_strike, unknown_name

__all__ = ["OptionTerms", "parse", "parts_of_terms", "render", "terms_of"]

STRIKE_SCALE = 10**8
QUOTE = "USD"
STRIKE_MARK = "."
FORMS = "ETH-20250530-3000-C or XAUT-20250530T173000-3000-P"
_NAME = re.compile(r"([A-Z0-9]+)-([0-9]{8})(?:T([0-9]{6}))?-([0-9.]+)-([CP])", re.ASCII)


class OptionTerms(msgspec.Struct, frozen=True, gc=False):
    """Expiry (unix seconds), strike (1e8 scale) and side, as RFQs and quotes carry them."""

    expiry: int
    strike_e8: int
    is_put: bool


def parts_of_terms(underlying: str, terms: OptionTerms) -> NameParts:
    """The contract behind an RFQ's terms.

    Raises:
        InstrumentNameError: no positive strike, or an expiry that is no date.
    """
    if type(terms.strike_e8) is not int or terms.strike_e8 <= 0:
        raise InstrumentNameError(
            f"rysk {underlying}: expected a positive integer strike (1e8 scale), found {terms.strike_e8!r}"
        )
    whole, fraction = divmod(terms.strike_e8, STRIKE_SCALE)
    return NameParts(
        underlying=underlying,
        quote=QUOTE,
        kind=Kind.OPTION,
        expiry_s=terms.expiry,
        strike=Decimal(f"{whole}.{fraction:08d}".rstrip("0").rstrip(".")),
        is_call=not terms.is_put,
    )


def terms_of(parts: NameParts) -> OptionTerms:
    """The wire terms of a contract.

    Raises:
        InstrumentNameError: not an option in USD, or a strike finer than 1e-8.
    """
    check_listing("rysk", parts, quotes=(QUOTE,), inverse=False)
    if parts.strike is None or parts.expiry_s is None:
        raise InstrumentNameError(f"rysk: expected an option, found a {parts.kind}; only options trade there")
    numerator, denominator = parts.strike.as_integer_ratio()
    strike_e8, rest = divmod(numerator * STRIKE_SCALE, denominator)
    if rest:
        raise InstrumentNameError(f"rysk: expected a strike in steps of 1e-8, found {parts.strike}")
    return OptionTerms(expiry=parts.expiry_s, strike_e8=strike_e8, is_put=not parts.is_call)


def parse(name: str) -> NameParts:
    """What one of our names for a Rysk option says.

    Raises:
        InstrumentNameError: another form.
    """
    matched = _NAME.fullmatch(name)
    if matched is None:
        raise unknown_name("rysk", name, FORMS)
    underlying, date, clock, strike, side = matched.groups()
    expiry_s = expiry_of(int(date[:4]), int(date[4:6]), int(date[6:]), name)
    if clock is not None:
        hours, minutes, seconds = int(clock[:2]), int(clock[2:4]), int(clock[4:])
        if hours > 23 or minutes > 59 or seconds > 59 or clock == "080000":
            raise unknown_name("rysk", name, FORMS)
        expiry_s += (hours - 8) * 3600 + minutes * 60 + seconds
    return NameParts(
        underlying=underlying,
        quote=QUOTE,
        kind=Kind.OPTION,
        expiry_s=expiry_s,
        strike=parse_strike(strike, name, STRIKE_MARK),
        is_call=side == "C",
    )


def render(parts: NameParts) -> str:
    """Our name for a Rysk option; errors as `terms_of`."""
    terms = terms_of(parts)
    try:
        moment = datetime.fromtimestamp(terms.expiry, UTC)
    except (ValueError, OverflowError, OSError):
        raise InstrumentNameError(
            f"rysk: expected an expiry in unix seconds, found {terms.expiry}; check that it is not in ms"
        ) from None
    clock = moment.strftime("%H%M%S")
    date = f"{moment.year:04d}{moment.month:02d}{moment.day:02d}"
    if clock != "080000":
        date += f"T{clock}"
    return (
        f"{parts.underlying}-{date}-{render_strike(parts.strike, STRIKE_MARK)}-{'P' if terms.is_put else 'C'}"
    )
