"""The words of an order's life."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "gtc"
    IOC = "ioc"


class Purpose(IntEnum):
    """Why a message is sent, in the order the message budget serves it (lowest first)."""

    CANCEL = 0
    HEDGE = 1
    REDUCE = 2
    QUOTE = 3


class OrderState(IntEnum):
    """Where an order stands, as far as we know.

    PENDING, AMENDING and CANCELLING wait for an answer; UNKNOWN waits for the answer to a query; OWED has
    ended at the venue while booked fills do not yet add up to what the venue says was filled.
    """

    DONE = 0
    PENDING = 1
    LIVE = 2
    AMENDING = 3
    CANCELLING = 4
    UNKNOWN = 5
    OWED = 6


class Answer(IntEnum):
    """What can happen to an order, reduced to what its state depends on."""

    ACK = 0  # the venue says it is open (placed, amended, or read in a snapshot)
    PLACE_REFUSED = 1
    AMEND_REFUSED = 2
    CANCEL_REFUSED = 3
    FILL = 4  # a fill was booked
    ENDED = 5  # the venue says it is over: filled, cancelled, expired, rejected
    TIMED_OUT = 6  # no answer within the deadline
    NOT_FOUND = 7  # a query after the request's own deadline found nothing
    SENT_AMEND = 8
    SENT_CANCEL = 9


class EndReason(StrEnum):
    """Why an order is over; the owner column decides whether its slot rests for a back-off."""

    FILLED = "filled"
    CANCELLED_BY_US = "cancelled_by_us"
    CANCELLED_BY_VENUE = "cancelled_by_venue"
    DISCONNECT = "cancel_on_disconnect"
    MMP = "mmp"
    SELF_TRADE = "self_trade"
    REJECTED = "rejected"
    EXPIRED = "expired"
    NOT_FOUND = "not_found"
