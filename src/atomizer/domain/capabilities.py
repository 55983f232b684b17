"""What a venue can do, as data. Nothing branches on a venue's name."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from atomizer.domain.instruments import Instrument, Kind


class DisconnectScope(StrEnum):
    """What the venue cancels when one socket is lost."""

    NONE = "none"
    CONNECTION = "connection"
    SESSION = "session"
    ACCOUNT = "account"


class Replace(StrEnum):
    """How a resting order is changed."""

    AMEND = "amend"
    ATOMIC_REPLACE = "atomic_replace"
    CANCEL_PLACE = "cancel_place"


class RateBudget(msgspec.Struct, frozen=True, gc=False):
    """Order messages per second and the burst above it; `reserve` tokens are for hedges and cancels."""

    per_s: float
    burst: float
    reserve: float


class MassQuote(msgspec.Struct, frozen=True):
    """Many quotes in one message: for options of these `indices`, at most `most` sides in one, at a rate of
    its own. A side answered with an error is unknown, and so is all else on its instrument."""

    indices: tuple[str, ...]
    most: int
    rate: RateBudget

    def covers(self, instrument: Instrument) -> bool:
        return instrument.kind is Kind.OPTION and instrument.index in self.indices


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """Declared by each venue package.

    `request_deadline_ms`: life of a place or amend request, enforced by the venue (0: it has none, then
    queries go on the same connection). `query_after_ms` must exceed it. `quote_query`: own quotes can be
    asked for after a crash. `settlement_margin_ms` counts a signed quote as live beyond its validity.
    `averaging_window_s`: what expires settles on the index's average over so long (0: on one print).

    `cash_told`: every change of the balance is told and booked, so that cash must agree. `settles_daily`:
    what futures trades earn reaches the balance at the daily settlement. `settling_ms`: how long after an
    expiry its delivery may take.
    """

    venue: str
    orders: bool = False
    rfq: bool = False
    replace: Replace = Replace.AMEND
    request_deadline_ms: int = 0
    query_after_ms: int = 3000
    cancel_on_disconnect: DisconnectScope = DisconnectScope.NONE
    label: bool = True
    quote_query: bool = False
    settlement_margin_ms: int = 0
    averaging_window_s: int = 0
    cash_told: bool = False
    settles_daily: bool = False
    settling_ms: int = 0
    rate: RateBudget = RateBudget(per_s=5.0, burst=20.0, reserve=5.0)
    mass_quote: MassQuote | None = None
