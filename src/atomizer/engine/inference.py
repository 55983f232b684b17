"""Which trades nobody confirmed would explain what a venue holds: pure searches over quotes and guesses."""

from __future__ import annotations

import itertools
from decimal import Decimal

from atomizer.domain.bookings import RfqTrade
from atomizer.engine.accounts import premium as token_premium
from atomizer.engine.ledger import LiveQuote

CASH_TOLERANCE = Decimal("0.000005")
# Bounds on the search for what explains a position: beyond them the dearest quotes are taken.
MOST_CANDIDATES, MOST_CHOICES, MOST_COMBINATIONS = 24, 500, 20_000
ALL_SUBSETS_OF, LARGEST_SUBSET = 12, 4

Choice = tuple[LiveQuote | RfqTrade, ...]


def price(item: LiveQuote | RfqTrade) -> Decimal:
    if isinstance(item, LiveQuote):
        return Decimal(item.command.price_e18).scaleb(-18)
    return item.price or Decimal(0)


def nonce(item: LiveQuote | RfqTrade) -> int:
    return item.command.nonce if isinstance(item, LiveQuote) else item.nonce


def moves(item: LiveQuote | RfqTrade) -> Decimal:
    """What booking the quote, or undoing the inferred trade, does to the position."""
    if isinstance(item, LiveQuote):
        return item.command.side * item.size
    return -item.side * item.size


def premium(choice: Choice) -> Decimal:
    """Cash that a choice says we paid."""
    paid = Decimal(0)
    for item in choice:
        moved = moves(item)
        paid += token_premium("USD", price(item) * abs(moved)).copy_sign(moved)
    return paid


def sums(items: list[LiveQuote | RfqTrade], gap: Decimal) -> list[Choice]:
    """Sets whose moves add up to the gap, smaller ones first, at most `MOST_CHOICES`."""
    most = len(items) if len(items) <= ALL_SUBSETS_OF else LARGEST_SUBSET
    sets = itertools.chain.from_iterable(itertools.combinations(items, size) for size in range(1, most + 1))
    fitting = (found for found in sets if sum(map(moves, found), Decimal(0)) == gap)
    return list(itertools.islice(fitting, MOST_CHOICES))


def dearest(choices: list[Choice]) -> Choice:
    """Of the smallest sets the one that says we paid most."""
    return max((found for found in choices if len(found) == len(choices[0])), key=premium)


def matching(known: list[list[Choice]], paid: Decimal) -> list[Choice] | None:
    """One choice for each gap, together worth what was paid as nearly as any; None when none is."""
    nearest: list[Choice] | None = None
    miss = CASH_TOLERANCE
    for combination in itertools.islice(itertools.product(*known), MOST_COMBINATIONS):
        found = abs(sum(map(premium, combination), Decimal(0)) - paid)
        if found < miss:
            nearest, miss = list(combination), found
        if not miss:
            break
    return nearest
