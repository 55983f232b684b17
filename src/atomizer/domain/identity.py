"""Who an order is: one integer below 2^63, rendered by each venue's codec.

Layout, high to low: run (20 bits), strategy (11), sequence (32). A restart takes a new run number from
the journal, so ids never repeat; the strategy can be read from any id.
"""

from __future__ import annotations

RUN_BITS, STRATEGY_BITS, SEQUENCE_BITS = 20, 11, 32
LABEL_PREFIX = "atm-"

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class IdentityError(ValueError):
    """A run, strategy or sequence number outside its bits, or a label that is not ours."""


def order_id(run: int, strategy: int, sequence: int) -> int:
    """Compose an order id.

    Raises:
        IdentityError: a part does not fit its bits; a run number that does not fit means the journal is
            at its end of life and a new data directory is due.
    """
    for value, bits, what in (
        (run, RUN_BITS, "run"),
        (strategy, STRATEGY_BITS, "strategy"),
        (sequence, SEQUENCE_BITS, "sequence"),
    ):
        if not 0 <= value < 1 << bits:
            raise IdentityError(f"expected a {what} number below 2^{bits}, found {value}")
    return run << (STRATEGY_BITS + SEQUENCE_BITS) | strategy << SEQUENCE_BITS | sequence


def run_of(oid: int) -> int:
    return oid >> (STRATEGY_BITS + SEQUENCE_BITS)


def strategy_of(oid: int) -> int:
    return oid >> SEQUENCE_BITS & ((1 << STRATEGY_BITS) - 1)


def label(oid: int) -> str:
    """The text form for venues that carry a label: `atm-` and the id in base 36."""
    digits = []
    rest = oid
    while rest:
        rest, digit = divmod(rest, 36)
        digits.append(_ALPHABET[digit])
    return LABEL_PREFIX + ("".join(reversed(digits)) or "0")


def from_label(text: str) -> int | None:
    """The order id behind a label of ours, or None for any other label."""
    if not text.startswith(LABEL_PREFIX):
        return None
    try:
        return int(text[len(LABEL_PREFIX) :], 36)
    except ValueError:
        return None
