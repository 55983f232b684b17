"""What the core asks for. Only the risk gate makes the ones that reach a venue's order entry.

`why` carries the terms of the decision (numbers and short words) into the journal, so that `explain`
needs nothing else. A number that is not finite comes back from there as None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

import msgspec

from atomizer.domain.controls import Control
from atomizer.domain.instruments import Instrument, Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import OnchainTerms

Why = dict[str, float | int | str | None]


def number_in(why: Mapping[str, float | int | str | None], name: str, default: float | None = None) -> float:
    """A number among the terms of a decision; NaN where it was none.

    Raises:
        KeyError: there is no such term, and no default.
    """
    found = why[name] if default is None else why.get(name, default)
    return math.nan if found is None else float(found)


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, tag="place", omit_defaults=True):
    """A new order. `deadline_ns`: the venue must refuse it when it arrives later."""

    order_id: int
    venue: str
    account: str
    instrument: str
    side: Side
    ticks: int
    lots: int
    time_in_force: TimeInForce
    purpose: Purpose
    deadline_ns: int
    slot: int
    post_only: bool = False
    reduce_only: bool = False
    group: str = ""
    why: Why = {}


class AmendOrder(msgspec.Struct, frozen=True, kw_only=True, tag="amend", omit_defaults=True, gc=False):
    """New price and new *total* size, assuming `filled_lots` of it are done."""

    order_id: int
    venue: str
    account: str
    venue_order_id: str
    instrument: str
    ticks: int
    lots: int
    deadline_ns: int
    filled_lots: int = 0
    purpose: Purpose = Purpose.QUOTE
    why: Why = {}


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True, tag="cancel", omit_defaults=True):
    """Cancel one order; without a venue id (its ack is missing) by label."""

    order_id: int
    venue: str
    account: str
    instrument: str
    venue_order_id: str = ""
    why: Why = {}


class QueryOrder(msgspec.Struct, frozen=True, kw_only=True, tag="query", omit_defaults=True):
    """Ask how an order stands, after the deadline of its last request."""

    order_id: int
    venue: str
    account: str
    instrument: str
    venue_order_id: str = ""


class SendQuote(msgspec.Struct, frozen=True, kw_only=True, tag="quote", omit_defaults=True):
    """Sign and send one RFQ quote: a bearer order until `valid_until_s` plus the settlement margin.

    `price_e18` is the premium per unit of underlying, 18 decimals; `delta`, `gamma`, `vega` are per unit
    of our side (signed), as priced.
    """

    nonce: int
    venue: str
    account: str
    instrument: str
    rfq_id: str
    taker: str
    underlying: str
    side: Side
    terms: OnchainTerms
    price_e18: int
    valid_until_s: int
    delta: float
    gamma: float
    vega: float
    why: Why = {}


class ReadAccount(msgspec.Struct, frozen=True, kw_only=True, tag="read_account", omit_defaults=True):
    """Read open orders, trades since `since_ns`, the account's history since `log_since_ns`, positions and
    balances; answered in a bracket."""

    venue: str
    account: str
    asked_ns: int
    since_ns: int
    log_since_ns: int = 0


class Resubscribe(msgspec.Struct, frozen=True, tag="resubscribe"):
    """The book of this instrument has a gap: get a new snapshot."""

    venue: str
    instrument: str


class RunJob(msgspec.Struct, frozen=True, kw_only=True, tag="job"):
    """Background work: `job` names a pure function, `inputs` are its own copies."""

    job: str
    job_id: int
    as_of_ns: int
    inputs: Any


# --- facts the core writes into the journal; no port sees them ---


class RunStarted(msgspec.Struct, frozen=True, kw_only=True, tag="run", omit_defaults=True):
    """A process took this run number. `clean`: the run before it closed its journal."""

    run: int
    network: str
    mode: str
    version: str
    clean: bool = True
    settings: dict[str, Any] = {}


class RunEnded(msgspec.Struct, frozen=True, tag="run_ended", omit_defaults=True):
    """A clean stop: nothing of ours was resting. `stats` are counters for people, not inputs."""

    run: int
    stats: dict[str, Any] = {}


class InstrumentUsed(msgspec.Struct, frozen=True, tag="instrument_used"):
    """First use of an instrument; the fold needs its contract terms."""

    instrument: Instrument


class NonceBlock(msgspec.Struct, frozen=True, tag="nonces"):
    """Nonces first..last of (venue, account) are ours to use once; written before the first is used."""

    venue: str
    account: str
    first: int
    last: int


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused", omit_defaults=True):
    """Something was not sent, and why. Written when the reason changes."""

    reason: Reason
    text: str
    subject: str
    instrument: str = ""
    why: Why = {}


class Marks(msgspec.Struct, frozen=True, kw_only=True, tag="marks", omit_defaults=True):
    """Prices at which positions are valued from here on, for attribution.

    Index by underlying; per instrument held (forward, vol, mark in the instrument's price unit); per
    underlying the net delta in coins: now, its time integral in coin seconds since start, its maximum.
    """

    index: dict[str, float]
    instruments: dict[str, tuple[float, float, float]]
    naked: dict[str, tuple[float, float, float]] = {}


class RiskState(msgspec.Struct, frozen=True, kw_only=True, tag="risk_state", omit_defaults=True):
    """Risk facts that must survive a restart: also what a trader changed while quoting ran.

    `paused_until`: when a pause of a scope lapses, for those that do.
    """

    kill_level: int = 0
    paused: list[str] = []
    naked: dict[str, float] = {}
    controls: list[Control] = []
    paused_until: dict[str, int] = {}


class Markout(msgspec.Struct, frozen=True, kw_only=True, tag="markout", omit_defaults=True):
    """What a quote or trade was worth `after_s` later, per unit of size: the ledger judges edges by it.

    USD: fair value, delta per 1 of forward; the delta-hedged result of a trade is side x (fair - price -
    delta then x (forward - forward then)). `missing` says why there is no value.
    """

    venue: str
    account: str
    nonce: int
    rfq_id: str
    instrument: str
    kind: str
    after_s: int
    fair: float = 0.0
    delta: float = 0.0
    forward: float = 0.0
    vol: float = 0.0
    index: float = 0.0
    missing: str = ""


class HedgeState(msgspec.Struct, frozen=True, kw_only=True, tag="hedge_state", omit_defaults=True):
    """How the hedge of an underlying stands; written when that changes, never in between.

    `state`: `flat` (inside the band, nothing under way), `hedging`, or `failed` (too much unhedged for too
    long, or a hedge venue is away): quoting on the underlying stops until flat, or until a person released
    it (`released`). `net_delta` and `band` (its half width) in coins, `since_ns` when this state began,
    `group` of the order at work, `trades` the booking keys of the trades that no hedge covers yet.
    """

    underlying: str
    state: Literal["flat", "hedging", "failed"]
    net_delta: float
    band: float
    naked_usd: float
    since_ns: int
    group: str = ""
    trades: tuple[str, ...] = ()
    text: str = ""
    released: bool = False


class Fixing(msgspec.Struct, frozen=True, kw_only=True, tag="fixing", omit_defaults=True):
    """The index (USD) we saw when an expiry fixed; what is held of it counts by this until it is gone."""

    underlying: str
    expiry_ns: int
    price: float


class Difference(msgspec.Struct, frozen=True, kw_only=True, tag="difference", omit_defaults=True):
    """Venue and ledger disagree about this and nothing explains it (`open`), or it was explained."""

    venue: str
    account: str
    what: str
    ours: str
    theirs: str
    open: bool = True


class Breach(msgspec.Struct, frozen=True, kw_only=True, tag="breach", omit_defaults=True):
    """What is held of one underlying went beyond a limit (`open`) or came back.

    `measure` is delta, gamma, vega or notional, in the limits' units. Nothing is folded from it: it is found
    anew from positions.
    """

    underlying: str
    measure: str
    value: float
    limit: float
    open: bool = True


class LetterState(StrEnum):
    """Where a dead letter stands. RETRYING is open as well: the retry has not succeeded yet."""

    OPEN = "open"
    RETRYING = "retrying"
    DISCARDED = "discarded"
    RESOLVED = "resolved"


class LetterKind(StrEnum):
    """What could not be done, which says what a retry does."""

    HEDGE = "hedge"  # an underlying stayed naked for too long; subject: the underlying
    MANUAL = "manual"  # a venue refused a manual request; subject: the trade
    UNMATCHED = "unmatched"  # a confirmation of a quote nobody here signed; subject: the trade
    CONTRADICTION = "contradiction"  # one booking told of in two ways; subject: the booking's key
    DIFFERENCE = "difference"  # venue and ledger disagree; subject: venue/account/what


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, tag="dead_letter", omit_defaults=True):
    """Something that needs a person, written when it appears and whenever it changes.

    It is about retries and alerts only: no state of it changes a position. `attempts` counts the first try
    and every retry; `by` is who changed it last (empty: the node).
    """

    letter_id: str
    kind: LetterKind
    subject: str
    text: str
    since_ns: int
    state: LetterState = LetterState.OPEN
    attempts: int = 1
    by: str = ""


VenueCommand = (
    PlaceOrder | AmendOrder | CancelOrder | QueryOrder | SendQuote | ReadAccount | Resubscribe | RunJob
)
Fact = (
    RunStarted
    | RunEnded
    | InstrumentUsed
    | NonceBlock
    | Refused
    | Marks
    | RiskState
    | HedgeState
    | Fixing
    | Difference
    | Markout
    | Breach
    | DeadLetter
)
Command = VenueCommand | Fact
