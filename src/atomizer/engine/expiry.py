"""Expired options until they are gone: what is due on them, and what a balance says became of them.

A venue that delivers coins against strike cash tells of neither: a position vanishes, balances change. Every
expired option that vanished was either worthless or delivered; the combination whose cash and coins are what
the balances changed by is booked. Between fixing and delivery an option in the money is an exchange that
will take place: its delta is whole, without gamma, and its value is the coins' less the strike cash.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from atomizer.domain.bookings import CashKind, CashMove, PositionMove
from atomizer.domain.commands import Fixing
from atomizer.domain.instruments import Instrument, Kind
from atomizer.engine.accounts import Holding

CASH = "USD"
TOLERANCE = Decimal("0.000005")
MOST_COMBINATIONS = 20_000
MOST_AT_ONCE = 24
ZERO = Decimal(0)

Move = CashMove | PositionMove


def has_expired(instrument: Instrument, now_ns: int) -> bool:
    return instrument.kind is Kind.OPTION and 0 < (instrument.expiry_ns or 0) <= now_ns


def due_coins(instrument: Instrument, fixing: float) -> float:
    """Coins due to the holder of one unit at this fixing (USD per coin); a put's are negative."""
    if instrument.strike is None or instrument.inverse:
        return 0.0
    ratio = float(instrument.per_token)
    sign = 1.0 if instrument.is_call else -1.0
    return sign * ratio if sign * (fixing * ratio - float(instrument.strike)) > 0.0 else 0.0


def due_value(instrument: Instrument, fixing: float, index: float) -> float:
    """USD that the exchange due on one unit is worth at this index; negative where it has become a loss."""
    coins = due_coins(instrument, fixing)
    if not coins or instrument.strike is None:
        return 0.0
    return coins * index - (1.0 if coins > 0.0 else -1.0) * float(instrument.strike)


def new_fixings(
    held: Iterable[Instrument],
    known: Mapping[tuple[str, int], float],
    index: Mapping[str, float | None],
    now_ns: int,
) -> Iterator[Fixing]:
    """The index at which expired options count as fixed: the first one seen at or after the second."""
    told: dict[tuple[str, int], bool] = {}
    for instrument in held:
        key = (instrument.underlying, instrument.expiry_ns or 0)
        price = index.get(instrument.underlying)
        if has_expired(instrument, now_ns) and key not in known and key not in told and price is not None:
            told[key] = True
            yield Fixing(underlying=key[0], expiry_ns=key[1], price=price)


def became_of(
    gone: Mapping[Holding, Decimal],
    instruments: Mapping[str, Instrument],
    changed: Mapping[str, Decimal],
    now_ns: int,
) -> list[Move]:
    """Bookings for expired options that vanished (`gone`: what the position changed by, whole positions).

    `changed`: by how much a balance exceeds ours, per currency; one that is not told of explains everything.
    Nothing where no combination of worthless and delivered is what the balances say.
    """
    holdings = sorted(gone)[:MOST_AT_ONCE]
    choices = itertools.product((False, True), repeat=len(holdings))
    for delivered in itertools.islice(choices, MOST_COMBINATIONS):
        moves = [
            _exchanged(instruments[holding.instrument], -gone[holding]) if was else {}
            for holding, was in zip(holdings, delivered, strict=True)
        ]
        if _explains(moves, changed):
            return [
                move
                for holding, exchanged in zip(holdings, moves, strict=True)
                for move in _booked(
                    holding, instruments[holding.instrument], gone[holding], exchanged, now_ns
                )
            ]
    return []


def _exchanged(instrument: Instrument, held: Decimal) -> dict[str, Decimal]:
    """What delivery of so much of an option moves: strike cash and coins, signed."""
    sign = 1 if instrument.is_call else -1
    strike = instrument.strike or ZERO
    return {CASH: -sign * held * strike, instrument.underlying: sign * held * instrument.per_token}


def _explains(moves: Iterable[Mapping[str, Decimal]], changed: Mapping[str, Decimal]) -> bool:
    sums: dict[str, Decimal] = {}
    for one in moves:
        for currency, amount in one.items():
            sums[currency] = sums.get(currency, ZERO) + amount
    return all(abs(sums.get(currency, ZERO) - amount) <= TOLERANCE for currency, amount in changed.items())


def _booked(
    holding: Holding, instrument: Instrument, gap: Decimal, exchanged: Mapping[str, Decimal], now_ns: int
) -> Iterator[Move]:
    venue, account, name = holding
    expiry_s = (instrument.expiry_ns or 0) // 1_000_000_000
    why = "delivered" if exchanged else "expired worthless"
    yield PositionMove(
        venue=venue,
        account=account,
        instrument=name,
        reference=f"expiry {expiry_s}",
        size=gap,
        why=why,
        ts_ns=now_ns,
    )
    for currency, amount in exchanged.items():
        yield CashMove(
            venue=venue,
            account=account,
            kind=CashKind.DELIVERY,
            reference=f"{name} {currency}",
            currency=currency,
            amount=amount,
            instrument=name,
            ts_ns=now_ns,
        )
