"""The life of a trade: its states, what can happen to it, and the one table of what follows.

A trade is one RFQ, or one manual trade. It is unexecuted until a booking stands, executed from then on, and
unexecuted again only when every booking was reversed.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from atomizer.domain.instruments import Side

# The source of trades that a person brought, the venue and account of those done elsewhere, and the
# beginning of the group of their orders. No port stands behind this venue.
MANUAL = "manual"
MANUAL_GROUP = "manual/"


class TradeState(StrEnum):
    """Where a trade stands."""

    PENDING = "pending"  # asked for, nothing of ours can be executed yet
    QUOTED = "quoted"  # a signed quote or a working order can be executed
    EXECUTED = "executed"  # booked; the delta is not back in the band yet
    HEDGED = "hedged"  # booked, and the underlying's delta was back in the band since
    FAILED = "failed"  # a venue refused it, or it was executed and its hedge failed
    CANCELLED = "cancelled"  # we declined, it lapsed or was withdrawn, or its bookings were reversed

    @property
    def open(self) -> bool:
        """Something is still expected to happen."""
        return self in OPEN_STATES


class Happening(StrEnum):
    """What moves a trade, reduced to what its state depends on."""

    OFFERED = "offered"  # a quote was signed or an order placed
    DECLINED = "declined"  # we refused to quote or to send
    REFUSED = "refused"  # the venue refused the quote or the order
    DIED = "died"  # nothing of ours can be executed any more
    ASKED_AGAIN = "asked_again"  # a person retries what a venue refused
    BOOKED = "booked"
    REVERSED = "reversed"  # the last booking that stood was undone
    FLAT = "flat"  # the underlying's net delta is inside the band
    HEDGE_FAILED = "hedge_failed"
    HEDGE_RETRIED = "hedge_retried"


_P, _Q, _E = TradeState.PENDING, TradeState.QUOTED, TradeState.EXECUTED
_H, _F, _C = TradeState.HEDGED, TradeState.FAILED, TradeState.CANCELLED

# While nothing is booked. A refusal by us leaves a live signature alive; a venue's refusal does not kill
# the signature either, but nobody there will act on it.
UNEXECUTED: dict[Happening, dict[TradeState, TradeState]] = {
    Happening.OFFERED: {_P: _Q, _Q: _Q, _F: _Q, _C: _Q},
    Happening.DECLINED: {_P: _C, _Q: _Q, _F: _F, _C: _C},
    Happening.REFUSED: {_P: _F, _Q: _F, _F: _F, _C: _C},
    Happening.DIED: {_P: _C, _Q: _C, _F: _F, _C: _C},
    Happening.ASKED_AGAIN: {_P: _P, _Q: _Q, _F: _P, _C: _C},
}
# While a booking stands. What belongs to the time before changes nothing any more.
EXECUTED: dict[Happening, dict[TradeState, TradeState]] = {
    Happening.FLAT: {_E: _H, _H: _H, _F: _H},
    Happening.HEDGE_FAILED: {_E: _F, _H: _H, _F: _F},
    Happening.HEDGE_RETRIED: {_E: _E, _H: _H, _F: _E},
}
EXECUTED_STATES = frozenset((_E, _H, _F))
OPEN_STATES = frozenset((_P, _Q, _E))


def transition(state: TradeState, what: Happening, *, executed: bool) -> TradeState:
    """The state after something happened. `executed`: a booking stands, this one included."""
    if what is Happening.BOOKED:
        return TradeState.EXECUTED
    if what is Happening.REVERSED:
        return TradeState.CANCELLED
    return (EXECUTED if executed else UNEXECUTED).get(what, {}).get(state, state)


class Request(msgspec.Struct, kw_only=True):
    """What a person asked to be executed. `wanted`: an order should work; `level` is its slot's.

    `price` in the instrument's price unit. It lapses at `until_ns`; a retry gives it `life_ns` again.
    """

    price: Decimal
    immediate: bool
    until_ns: int
    life_ns: int
    level: int
    wanted: bool = True


class Trade(msgspec.Struct, kw_only=True):
    """One RFQ or one manual trade. `side` is ours; `size`, asked for, and `executed`, booked, are in the
    instrument's size unit.

    `source` is `manual` or the venue's name with `_rfq`. `price` is the limit or last quote until something
    is booked, then the booking's. `dies_ns`: when the last signature is dead. `unmatched`: a confirmation
    came for a quote that nobody here signed.
    """

    trade_id: str
    source: str
    venue: str
    account: str
    instrument: str
    underlying: str
    side: Side
    size: Decimal
    asked_ns: int
    changed_ns: int
    state: TradeState = TradeState.PENDING
    price: Decimal | None = None
    executed: Decimal = Decimal(0)
    why: str = ""
    nonces: list[int] = []
    bookings: list[str] = []
    orders: list[int] = []
    dies_ns: int = 0
    request: Request | None = None
    attempts: int = 1
    unmatched: bool = False

    @property
    def open(self) -> bool:
        return self.state.open

    @property
    def left(self) -> Decimal:
        """What is asked for and not booked."""
        return max(self.size - self.executed, Decimal(0))
