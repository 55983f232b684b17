"""Listed expiries and the venues' way of writing them: Fridays, 08:00 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
WEEK_NS = 7 * DAY_NS
# The shortest life a listed option may have left when the market starts.
MIN_TENOR_NS = 2 * DAY_NS

FRIDAY = 4
EXPIRY_HOUR = 8
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def utc(ts_ns: int) -> datetime:
    """The whole second of a nanosecond time stamp."""
    return datetime.fromtimestamp(ts_ns // SECOND_NS, UTC)


def first_expiry_ns(start_ns: int) -> int:
    """The first Friday 08:00 UTC that is at least two days after `start_ns`."""
    earliest = utc(start_ns + MIN_TENOR_NS + SECOND_NS - 1)
    day = earliest.replace(hour=EXPIRY_HOUR, minute=0, second=0, microsecond=0)
    day += timedelta(days=(FRIDAY - day.weekday()) % 7)
    if day < earliest:
        day += timedelta(days=7)
    return int(day.timestamp()) * SECOND_NS


def nearest_expiry_ns(start_ns: int, tenor_ns: int) -> int:
    """The Friday 08:00 UTC nearest to `start_ns + tenor_ns`, at least two days after `start_ns`."""
    first = first_expiry_ns(start_ns)
    weeks = round((start_ns + tenor_ns - first) / WEEK_NS)
    return first + max(weeks, 0) * WEEK_NS


def date_code(expiry_ns: int) -> str:
    """`30MAY25`; the day is not padded."""
    day = utc(expiry_ns)
    return f"{day.day}{MONTHS[day.month - 1]}{day.year % 100:02d}"


def strike_code(strike: float) -> str:
    """`3000`, or `0d625` for a fractional strike."""
    return f"{strike:.10g}".replace(".", "d")


def option_name(underlying: str, expiry_ns: int, strike: float, *, is_call: bool) -> str:
    """`ETH-30MAY25-3000-C`."""
    return f"{underlying}-{date_code(expiry_ns)}-{strike_code(strike)}-{'C' if is_call else 'P'}"
