"""What may enter a signed field, and the errors that say why something may not.

A signature covers exact integers. A float, a boolean standing in for a number or a value too large
for its field would sign something other than what was meant, so each is refused with its name, what
was expected and what was found. Private keys and secrets never pass through here.
"""

from __future__ import annotations

from decimal import Decimal

__all__ = [
    "FieldRangeError",
    "FieldTypeError",
    "SigningError",
    "require_bool",
    "require_int",
    "require_text",
    "require_uint",
    "scaled_exactly",
    "truncated",
]


class SigningError(ValueError):
    """A message cannot be signed as given."""


class FieldTypeError(SigningError, TypeError):
    """A signed field holds a value of the wrong type (a float, say)."""


class FieldRangeError(SigningError):
    """A signed field holds an integer that its type cannot hold."""


def require_int(value: object, field: str, low: int, high: int) -> int:
    """`value` as an integer in [low, high].

    Raises:
        FieldTypeError: not exactly an `int` (floats, booleans, text and numpy scalars are refused).
        FieldRangeError: outside the bounds.
    """
    if type(value) is not int:
        raise FieldTypeError(
            f"{field}: expected an int, found {_shown(value)}; scale the amount to an integer before signing"
        )
    if not low <= value <= high:
        raise FieldRangeError(
            f"{field}: expected an integer in [{low}, {high}], found {value}; check the unit and the scale"
        )
    return value


def require_uint(value: object, field: str, bits: int) -> int:
    """`value` as an unsigned integer of `bits` bits; errors as `require_int`."""
    return require_int(value, field, 0, (1 << bits) - 1)


def truncated(value: Decimal, decimals: int, field: str) -> int:
    """`value` times 10**decimals without what lies beyond, towards zero, exact at any length.

    Raises:
        FieldTypeError: not a Decimal (floats are refused, however whole).
        FieldRangeError: not a finite number.
    """
    whole, _ = _scaled(value, decimals, field)
    return whole


def scaled_exactly(value: Decimal, decimals: int, field: str) -> int:
    """`value` times 10**decimals where that is a whole number; errors as `truncated`.

    Raises:
        FieldRangeError: `value` is finer than 10**-decimals.
    """
    whole, rest = _scaled(value, decimals, field)
    if rest:
        raise FieldRangeError(
            f"{field}: expected at most {decimals} decimals, found {value:f}; round it before signing"
        )
    return whole


def _scaled(value: Decimal, decimals: int, field: str) -> tuple[int, int]:
    if type(value) is not Decimal:
        raise FieldTypeError(
            f"{field}: expected a Decimal, found {_shown(value)}; make it from ticks or text"
        )
    if not value.is_finite():
        raise FieldRangeError(f"{field}: expected a finite number, found {value}; do not sign without one")
    numerator, denominator = value.as_integer_ratio()
    power: int = 10**decimals
    whole, rest = divmod(abs(numerator) * power, denominator)
    return (whole if numerator >= 0 else -whole), rest


def require_bool(value: object, field: str) -> bool:
    """`value` as a boolean; numbers are refused."""
    if type(value) is not bool:
        raise FieldTypeError(f"{field}: expected a bool, found {_shown(value)}; pass True or False")
    return value


def require_text(value: object, field: str) -> str:
    """`value` as text; numbers are refused."""
    if type(value) is not str:
        raise FieldTypeError(f"{field}: expected a str, found {_shown(value)}; render it before signing")
    return value


def _shown(value: object) -> str:
    kind = type(value).__name__
    return f"the {kind} {value!r}" if isinstance(value, int | float) else f"a value of type {kind}"
