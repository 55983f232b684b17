"""Dates and strikes as names write them; the venues differ in order, case, padding and marks.

Every expiry here falls on 08:00 UTC of the date in the name, the second that Deribit, Derive,
Thalex, GRVT and Binance share; a name cannot say another one, so none is rendered. Reading is as
strict as writing: a name that would not be written back letter for letter is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from atomizer.domain.names import InstrumentNameError, NameParts

__all__ = [
    "check_listing",
    "date_of",
    "day_month_year",
    "expiry_of",
    "no_contract",
    "parse_day_month_year",
    "parse_strike",
    "render_strike",
    "unknown_name",
]

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
EXPIRY_HOUR = 8
CENTURY = 2000
DAY_S = 86_400
FIRST_EXPIRY_S, END_EXPIRY_S = 946_684_800, 4_102_444_800
_DIGITS = re.compile(r"0|[1-9][0-9]*")
_FRACTION = re.compile(r"[0-9]*[1-9]")


def unknown_name(venue: str, name: str, forms: str) -> InstrumentNameError:
    """The error for a name of no known form."""
    return InstrumentNameError(
        f"{venue}: expected a name like {forms}, found {name!r:.60}; take names from the venue's listing"
    )


def expiry_of(year: int, month: int, day: int, name: str) -> int:
    """Unix seconds of 08:00 UTC on a date.

    Raises:
        InstrumentNameError: no such day.
    """
    try:
        return int(datetime(year, month, day, EXPIRY_HOUR, tzinfo=UTC).timestamp())
    except ValueError as error:
        raise InstrumentNameError(
            f"{name!r:.60}: expected a calendar date, found {year}-{month}-{day} ({error}); correct the name"
        ) from None


def no_contract(venue: str) -> InstrumentNameError:
    """The error for a combo, which is no contract of its own."""
    return InstrumentNameError(f"{venue}: expected one contract, found a combo; name its legs instead")


def date_of(expiry_s: int | None) -> datetime:
    """The date that stands for an expiry.

    Raises:
        InstrumentNameError: none, not at 08:00 UTC, or out of the century that two digits can say.
    """
    if expiry_s is None or not FIRST_EXPIRY_S <= expiry_s < END_EXPIRY_S:
        raise InstrumentNameError(
            f"expected an expiry between 2000 and 2099 in unix seconds, found {expiry_s!r}; check its unit"
        )
    moment = datetime.fromtimestamp(expiry_s, UTC)
    if expiry_s % DAY_S != EXPIRY_HOUR * 3600:
        raise InstrumentNameError(
            f"expected an expiry at 08:00:00 UTC, found {moment.isoformat()}; "
            "this venue's names hold a date only"
        )
    return moment


def day_month_year(expiry_s: int | None, *, padded: bool, title: bool = False) -> str:
    """`6JUN25`, `06JUN25` (padded) or `06Jun25` (title)."""
    date = date_of(expiry_s)
    month = MONTHS[date.month - 1]
    day = f"{date.day:02d}" if padded else str(date.day)
    return f"{day}{month.title() if title else month}{date.year - CENTURY:02d}"


def parse_day_month_year(text: str, name: str, *, padded: bool, title: bool = False) -> int:
    """The inverse of `day_month_year`: unix seconds.

    Raises:
        InstrumentNameError: another form, padding or case, or no such day.
    """
    matched = re.fullmatch(r"([0-9]{1,2})([A-Za-z]{3})([0-9]{2})", text, re.ASCII)
    if matched is None or matched[2].upper() not in MONTHS:
        raise InstrumentNameError(
            f"{name!r:.60}: expected a date like 30MAY25, found {text!r:.20}; correct the name"
        )
    month = MONTHS.index(matched[2].upper()) + 1
    expiry_s = expiry_of(CENTURY + int(matched[3]), month, int(matched[1]), name)
    written = day_month_year(expiry_s, padded=padded, title=title)
    if written != text:
        raise InstrumentNameError(
            f"{name!r:.60}: expected the date as {written}, found {text}; "
            "another venue pads days or writes months otherwise"
        )
    return expiry_s


def render_strike(strike: Decimal | None, mark: str) -> str:
    """Digits without exponent or trailing zeros; `mark` stands for the decimal point."""
    if strike is None:
        raise InstrumentNameError("expected a strike, found none; only options have one")
    text = f"{strike:f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return whole + (mark + fraction if fraction else "")


def parse_strike(text: str, name: str, mark: str) -> Decimal:
    """The inverse of `render_strike`.

    Raises:
        InstrumentNameError: not a positive number in its shortest form with this mark.
    """
    whole, found, fraction = text.partition(mark)
    right = _DIGITS.fullmatch(whole) and (_FRACTION.fullmatch(fraction) if found else True)
    if not right or (strike := Decimal(f"{whole}.{fraction or 0}")) == 0:
        raise InstrumentNameError(
            f"{name!r:.60}: expected a strike like 3000 or 0{mark}625, found {text!r:.30}; correct the name"
        )
    return strike if found else Decimal(whole)


def check_listing(venue: str, parts: NameParts, *, quotes: tuple[str, ...], inverse: bool) -> None:
    """Refuse parts that this venue does not list: another quote currency, another margining.

    Raises:
        InstrumentNameError: naming what differs.
    """
    if parts.quote not in quotes or parts.inverse is not inverse:
        raise InstrumentNameError(
            f"{venue}: expected quote {' or '.join(quotes)} and inverse {inverse}, found {parts.quote} and "
            f"{parts.inverse}; translate the contract with relisted() first"
        )
