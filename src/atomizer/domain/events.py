"""What the core is told: market data, answers about our orders and money, RFQs, the operator.

One read of a socket is one batch of these. Venue times are kept in `ts_ns` (integer nanoseconds UTC, 0
where the venue gives none); the driver stamps the batch itself. Prices and sizes of books stay the venue's
own decoded numbers; prices and sizes of our orders are ticks and lots.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from atomizer.domain.bookings import CashMove, Fill, PositionMove, Reversal, RfqTrade
from atomizer.domain.instruments import Instrument, Side
from atomizer.domain.orders import EndReason
from atomizer.domain.rfq import Rfq

# --- market data ---


class InstrumentListed(msgspec.Struct, frozen=True, tag="instrument"):
    """An instrument exists or its listing changed."""

    instrument: Instrument


class BookSnapshot(msgspec.Struct, frozen=True, tag="book", omit_defaults=True):
    """A whole book. Levels are (price, size), any order."""

    instrument: str
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    sequence: int = 0
    ts_ns: int = 0


class BookChange(msgspec.Struct, frozen=True, tag="book_change", omit_defaults=True, gc=False):
    """Changes to a book: (action, price, absolute size), action new, change or delete.

    `previous` must equal the sequence last applied; otherwise the book has a gap.
    """

    instrument: str
    bids: list[tuple[str, float, float]]
    asks: list[tuple[str, float, float]]
    sequence: int
    previous: int
    ts_ns: int = 0


class Ticker(msgspec.Struct, frozen=True, kw_only=True, tag="ticker", omit_defaults=True):
    """The venue's own view of one instrument. Vols are fractions (0.652); None: the venue gave none.

    Sizes of the touch in the instrument's size unit; `funding` of a perpetual as a fraction per 8 hours, paid
    by longs when positive. `volume_usd` of 24 h, `open_interest` in the instrument's size unit.
    """

    instrument: str
    mark: float | None = None
    index: float | None = None
    forward: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    bid_vol: float | None = None
    ask_vol: float | None = None
    mark_vol: float | None = None
    funding: float | None = None
    volume_usd: float | None = None
    open_interest: float | None = None
    open: bool = True
    ts_ns: int = 0


class IndexPrice(msgspec.Struct, frozen=True, tag="index", omit_defaults=True):
    """A venue's index, e.g. ("deribit", "eth_usd")."""

    venue: str
    index: str
    price: float
    ts_ns: int = 0


class FeedUp(msgspec.Struct, frozen=True, tag="feed_up"):
    """A stream is connected and subscribed. `feed` is `venue/stream`, e.g. `deribit/market`."""

    feed: str


class FeedAlive(msgspec.Struct, frozen=True, tag="feed_alive"):
    """Proof of life without data: a heartbeat or pong."""

    feed: str


class FeedDown(msgspec.Struct, frozen=True, tag="feed_down"):
    """A stream is gone; everything learned from it is stale until it is up and resynchronised."""

    feed: str
    why: str


class ClockOffset(msgspec.Struct, frozen=True, tag="clock"):
    """Measured venue clock minus ours."""

    venue: str
    offset_ns: int


# --- our orders ---


class OrderOpen(msgspec.Struct, frozen=True, kw_only=True, tag="order_open", omit_defaults=True):
    """The venue says this order rests: the answer to a place or amend, a push, or part of a snapshot.

    `ticks` is what the venue made of the price (it may have moved it); `filled_lots` is its own count.
    `order_id` 0: an order that is not ours. `reply`: this answers our own request, it is not a push.
    """

    venue: str
    account: str
    order_id: int
    venue_order_id: str
    instrument: str
    side: Side
    ticks: int
    lots: int
    filled_lots: int
    reply: bool = False
    ts_ns: int = 0


class OrderEnded(msgspec.Struct, frozen=True, kw_only=True, tag="order_ended", omit_defaults=True):
    """The venue says this order is over, having filled `filled_lots` in all."""

    venue: str
    account: str
    order_id: int
    reason: EndReason
    filled_lots: int
    venue_order_id: str = ""
    instrument: str = ""
    text: str = ""
    ts_ns: int = 0


class PlaceRefused(msgspec.Struct, frozen=True, tag="place_refused", omit_defaults=True):
    """The venue did not take the order; it never existed there."""

    order_id: int
    code: str
    text: str
    ts_ns: int = 0


class AmendRefused(msgspec.Struct, frozen=True, tag="amend_refused", omit_defaults=True):
    """The order stays as it was."""

    order_id: int
    code: str
    text: str
    ts_ns: int = 0


class CancelRefused(msgspec.Struct, frozen=True, tag="cancel_refused", omit_defaults=True):
    """The order stays as it was; `gone`: the venue knows no such open order, so ask how it ended."""

    order_id: int
    code: str
    text: str
    gone: bool = False
    ts_ns: int = 0


class RequestTimedOut(msgspec.Struct, frozen=True, tag="timed_out"):
    """No answer to our last request about this order within its deadline."""

    order_id: int


class OrderNotFound(msgspec.Struct, frozen=True, tag="not_found"):
    """A query found no such order, open or ended. Final only after the request's own deadline."""

    order_id: int


# --- quotes ---


class QuoteBest(msgspec.Struct, frozen=True, tag="quote_best", omit_defaults=True):
    """The venue took the quote and it is the best so far."""

    venue: str
    rfq_id: str
    ts_ns: int = 0


class QuoteOutbid(msgspec.Struct, frozen=True, tag="quote_outbid", omit_defaults=True):
    """Another maker is better: prices as integers with 18 decimals."""

    venue: str
    rfq_id: str
    best_e18: int
    ours_e18: int
    ts_ns: int = 0


class QuoteRefused(msgspec.Struct, frozen=True, tag="quote_refused", omit_defaults=True):
    """The venue refused a quote. Its signature exists all the same and counts until it expires."""

    venue: str
    rfq_id: str
    code: str
    text: str
    ts_ns: int = 0


# --- account state read from a venue: a check, never an input ---


class ReadBegun(msgspec.Struct, frozen=True, tag="read_begun"):
    """A start-up read starts; `asked_ns` is when it was asked for."""

    venue: str
    account: str
    asked_ns: int


class ReadEnded(msgspec.Struct, frozen=True, tag="read_ended", omit_defaults=True):
    """A start-up read is complete, or failed with `error`."""

    venue: str
    account: str
    asked_ns: int
    error: str = ""


class PositionReport(msgspec.Struct, frozen=True, tag="position", omit_defaults=True):
    """What the venue says we hold (signed, in the instrument's size unit), and its mark where given."""

    venue: str
    account: str
    instrument: str
    size: Decimal
    ts_ns: int = 0
    mark: Decimal | None = None


class BalanceReport(msgspec.Struct, frozen=True, kw_only=True, tag="balance", omit_defaults=True):
    """What the venue says of one currency. `excess` = equity - required margin, positive is good.

    `cash` is its balance: what it counts as paid. `margin_model` is the venue's own word, where it has one.
    """

    venue: str
    account: str
    currency: str
    cash: Decimal
    equity: Decimal
    excess: Decimal
    margin_model: str = ""
    ts_ns: int = 0


class BudgetRead(msgspec.Struct, frozen=True, tag="budget"):
    """The account's own message rate, as the venue tells it."""

    venue: str
    per_s: float
    burst: float


class UnknownEntry(msgspec.Struct, frozen=True, kw_only=True, tag="unknown_entry", omit_defaults=True):
    """The venue's account history holds an entry that nothing here understands, or that contradicts what was
    told before. It is shown as a difference, never dropped."""

    venue: str
    account: str
    reference: str
    kind: str
    text: str
    currency: str = ""
    amount: Decimal = Decimal(0)
    instrument: str = ""
    ts_ns: int = 0


# --- the rest ---


class JobDone(msgspec.Struct, frozen=True, tag="job_done", omit_defaults=True):
    """A background computation came back. `as_of_ns` is the batch its inputs came from."""

    job: str
    job_id: int
    as_of_ns: int
    result: Any = None
    error: str = ""


class Operator(msgspec.Struct, frozen=True, tag="operator", omit_defaults=True):
    """A person's word: kill (with a level), resume, pause, accept, stop, and the run-time controls.

    `scope` is what it is about: empty (everything), an underlying, `venue/NAME`, `taker/ADDRESS` or an id;
    `args` are the word's own values, `until_ns` when it lapses (0: never), `by` who said it.
    """

    word: str
    level: int = 0
    scope: str = ""
    request_id: str = ""
    args: dict[str, float | str] = {}
    until_ns: int = 0
    by: str = ""


class Look(msgspec.Struct, frozen=True, tag="look", omit_defaults=True):
    """Value every position now, and with `accounts` read every account: the last look of a run."""

    accounts: bool = False


class StorageState(msgspec.Struct, frozen=True, tag="storage"):
    """The journal fell back to its reserve (`reserve`), to nothing (`dead`), or recovered (`ok`)."""

    state: str


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """Time passed; carried by timer batches so that a tape explains them."""


Event = (
    InstrumentListed
    | BookSnapshot
    | BookChange
    | Ticker
    | IndexPrice
    | FeedUp
    | FeedAlive
    | FeedDown
    | ClockOffset
    | OrderOpen
    | OrderEnded
    | PlaceRefused
    | AmendRefused
    | CancelRefused
    | RequestTimedOut
    | OrderNotFound
    | Rfq
    | QuoteBest
    | QuoteOutbid
    | QuoteRefused
    | ReadBegun
    | ReadEnded
    | PositionReport
    | BalanceReport
    | UnknownEntry
    | BudgetRead
    | Fill
    | RfqTrade
    | CashMove
    | PositionMove
    | Reversal
    | JobDone
    | Operator
    | StorageState
    | Look
    | Tick
)

# Events about our orders and money: these go to the journal as they come.
DURABLE_EVENTS: tuple[type, ...] = (
    OrderOpen,
    OrderEnded,
    PlaceRefused,
    AmendRefused,
    CancelRefused,
    RequestTimedOut,
    OrderNotFound,
    Rfq,
    QuoteBest,
    QuoteOutbid,
    QuoteRefused,
    ReadBegun,
    ReadEnded,
    PositionReport,
    BalanceReport,
    UnknownEntry,
    Fill,
    RfqTrade,
    CashMove,
    PositionMove,
    Reversal,
    Operator,
    StorageState,
)
