"""What hedging through an instrument is expected to cost, level by level of its book.

Costs are fractions of the traded value: distance of a level from the instrument's own mid (half spread, then
impact), its taker fee, and the funding expected over the holding time. Sizes are in coins of delta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from atomizer.domain.instruments import Instrument, Kind, Side
from atomizer.engine.market import Book, Touch
from atomizer.engine.pricing import NoPriceError
from atomizer.engine.settings import HedgeInstrument, HedgeMarket
from atomizer.models.scoring import liquidity_score

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

FUNDING_HOURS = 8.0
BPS = 1e-4


class Step(NamedTuple):
    """One level of a book as a hedge meets it: cost (fraction), coins there, price."""

    cost: float
    coins: float
    price: float


class Candidate(NamedTuple):
    """One instrument that could take the hedge now.

    `unit`: coins of delta per unit of size; `steps`: the side a hedge meets, best first; empty when our own
    book is not usable and only the venue's mark is known (`touch` is then that mark on both sides).
    `post_cost`: of resting at the touch until somebody comes.
    """

    instrument: Instrument
    unit: float
    touch: Touch
    steps: tuple[Step, ...]
    post_cost: float

    @property
    def mid(self) -> float:
        return 0.5 * (self.touch.bid + self.touch.ask)

    @property
    def spread_bps(self) -> float:
        return (self.touch.ask - self.touch.bid) / self.mid / BPS

    @property
    def take_cost(self) -> float:
        """Cost of the first coin."""
        return self.steps[0].cost if self.steps else self.instrument.taker_fee


def reachable(engine: Engine, venue: str, account: str) -> bool:
    """Whether an order could be sent there now: connected, and the account was read since.

    What a read left unexplained stops quoting, not hedging.
    """
    feed, scope = engine.market.feed(f"{venue}/trading"), (venue, account)
    if not feed.up:
        return False
    read_ns = engine.ledger.read_asked_ns.get(scope, 0)
    return scope not in engine.halts.unreconciled or read_ns >= feed.since_ns


def listed(engine: Engine, market: HedgeMarket) -> list[HedgeInstrument]:
    """Every instrument that may hedge: the configured ones, then dated futures whose book is followed."""
    found = list(market.instruments)
    if market.futures:
        for venue, account in market.accounts:
            for key in sorted(engine.market.books):
                instrument = engine.market.instruments.get(key)
                if (
                    instrument is not None
                    and instrument.venue == venue
                    and instrument.kind is Kind.FUTURE
                    and instrument.underlying == market.underlying
                    and (instrument.expiry_ns or 0) > engine.now_ns
                ):
                    found.append(HedgeInstrument(venue, account, key))
    return list(dict.fromkeys(found))


def candidate(engine: Engine, instrument: Instrument, side: Side, holding_h: float) -> Candidate | None:
    """This instrument as a hedge on this side; None without a price that may be trusted."""
    now_ns, market = engine.now_ns, engine.market
    touch = market.touch(instrument.key, now_ns)
    steps: tuple[Step, ...] = ()
    try:
        unit = engine.exposure.unit(instrument, now_ns).delta
    except NoPriceError:
        return None
    carry = funding(engine, instrument, side, holding_h)
    if touch is None:
        mark = market.fresh_mark(instrument.key, now_ns)
        if mark is None:
            return None
        touch = Touch(mark, mark, 0.0, 0.0)
    else:
        mid = 0.5 * (touch.bid + touch.ask)
        base = instrument.taker_fee + carry
        steps = tuple(
            Step(side * (price / mid - 1.0) + base, size * abs(unit), price)
            for price, size in levels(market.books.get(instrument.key), touch, side)
        )
    return Candidate(instrument, unit, touch, steps, instrument.maker_fee + carry)


def levels(book: Book | None, touch: Touch, side: Side) -> list[tuple[float, float]]:
    """What an order on this side meets, best first: the whole book, or the touch where none is followed."""
    if book is None:
        return [(touch.ask, touch.ask_size) if side is Side.BUY else (touch.bid, touch.bid_size)]
    if side is Side.BUY:
        return sorted(book.asks.items())
    return sorted(book.bids.items(), reverse=True)


def liquidity(engine: Engine, instrument: Instrument, touch: Touch, index: float) -> float:
    """How liquid an option is, 0 to 1: spread, depth at the touch, volume and open interest of its ticker."""
    known = engine.market.fresh_ticker(instrument.key, engine.now_ns)
    return liquidity_score(
        relative_spread=2.0 * (touch.ask - touch.bid) / (touch.ask + touch.bid),
        depth_usd=0.5 * (touch.bid_size + touch.ask_size) * index,
        volume_usd=(known.volume_usd or 0.0) if known is not None else 0.0,
        open_interest_usd=(known.open_interest or 0.0) * index if known is not None else 0.0,
    )


def funding(engine: Engine, instrument: Instrument, side: Side, holding_h: float) -> float:
    """Expected funding of a perpetual over the holding time at its present rate; buyers pay when positive."""
    if instrument.kind is not Kind.PERPETUAL:
        return 0.0
    known = engine.market.fresh_ticker(instrument.key, engine.now_ns)
    rate = known.funding if known is not None else None
    return side * (rate or 0.0) * holding_h / FUNDING_HOURS


def others_touch(book: Book, own: tuple[float, float] | None, side: Side) -> float | None:
    """Best price of our own side of a book without our own order resting there (price, size)."""
    best = book.best_bid if side is Side.BUY else book.best_ask
    if own is None or best is None or best != own[0]:
        return best
    mine = book.bids if side is Side.BUY else book.asks
    if mine[best] > own[1] * (1.0 + 1e-9):
        return best
    behind = [price for price in mine if price != best]
    return (max(behind) if side is Side.BUY else min(behind)) if behind else best
