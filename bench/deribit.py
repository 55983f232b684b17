"""A book frame to two edits on the wire, beside a loop that only decodes, keeps the book and encodes.

Ours is the node itself: session, adapter, driver, engine with slots, gate and ledger, a journal on disk.
The frames change ten levels a side of a 200-deep book and move its touch by one tick, so that each costs
both sides an edit. Thread CPU time; the cost of reading that clock is subtracted. The venue's answers to the
edits are handled and journalled between frames and reported in a row of their own.

Both sides read the same bytes one right after the other, and the ratio is the median over these pairs: a
machine that its host slows down for a while, in the middle of a run, slows both of a pair. The times are
medians of each side alone.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from atomizer.domain.events import BookChange, BookSnapshot, Event
from atomizer.domain.instruments import Side
from atomizer.engine.core import Engine
from atomizer.engine.market import NEVER
from atomizer.engine.strategy import Level, Target
from bench.node import INDEX, PERPETUAL, Bench, first_book, run_node
from bench.venue import Wire, push

TICK, SPREAD, SIZE = 0.05, 2.0, 500.0
SKEW_PER_COIN = 0.01
LIFE_NS = 10 * 10**9
BID, ASK = Level(PERPETUAL, Side.BUY), Level(PERPETUAL, Side.SELL)
encode = msgspec.json.encode


class TwoSided:
    """Quotes both sides of the perpetual around the mid, shifted against the position."""

    name = "bench-two-sided"
    number = 5

    def claims(self) -> tuple[str, ...]:
        return (PERPETUAL,)

    def wants(self, event: Event) -> bool:
        return isinstance(event, (BookChange, BookSnapshot)) and event.instrument == PERPETUAL

    def next_deadline(self) -> int:
        return NEVER

    def decide(self, engine: Engine) -> Mapping[Level, Target] | None:
        book = engine.market.usable_book(PERPETUAL, engine.now_ns)
        if book is None or book.mid is None:
            return {}
        centre = book.mid - SKEW_PER_COIN * engine.net_delta("ETH")
        why = {"mid": book.mid, "centre": centre}
        return {
            BID: Target(price=centre - SPREAD, size=SIZE, life_ns=LIFE_NS, post_only=True, why=why),
            ASK: Target(price=centre + SPREAD, size=SIZE, life_ns=LIFE_NS, post_only=True, why=why),
        }


def book_frames(count: int, start: int = 1) -> Iterator[bytes]:
    """Deribit-like changes: the touch moves by one tick each frame, nine more levels change on each side."""
    rng = random.Random(7)
    away, step = 0, 1  # ticks of the mid from the first book's; turns at ends that are whole reads apart
    for number in range(count):
        step = -1 if away == 21 else 1 if away == -19 else step
        away += step
        mid = INDEX + TICK * away
        data = {
            "type": "change",
            "timestamp": 1757289600000 + number,
            "instrument_name": "ETH-PERPETUAL",
            "change_id": start + number + 1,
            "prev_change_id": start + number,
            "bids": _changes(rng, mid, -1, step),
            "asks": _changes(rng, mid, 1, step),
        }
        yield push("book.ETH-PERPETUAL.100ms", data)


def _changes(rng: random.Random, mid: float, sign: int, step: int) -> list[list[Any]]:
    """Ten changes of one side (`sign` -1 bids, 1 asks) when the mid moved by `step`."""
    touch = mid + sign * TICK
    if sign == step:  # the side that was met loses its old touch
        changes: list[list[Any]] = [["delete", round(touch - sign * TICK, 2), 0.0]]
    else:
        changes = [["new", round(touch, 2), _size(rng)]]
    for level in rng.sample(range(1, 120), 9):
        price = round(touch + sign * TICK * level, 2)
        gone = level > 40 and rng.random() < 0.35
        changes.append(["delete", price, 0.0] if gone else ["change", price, _size(rng)])
    return changes


def _size(rng: random.Random) -> float:
    return float(rng.randrange(10, 90_000, 10))


# --- the peer: nothing but the three steps ---


class Data(msgspec.Struct, gc=False):
    bids: list[tuple[str, float, float]]
    asks: list[tuple[str, float, float]]
    change_id: int
    prev_change_id: int = 0


class Params(msgspec.Struct, gc=False):
    data: Data


class Frame(msgspec.Struct, gc=False):
    params: Params


class Edit(msgspec.Struct, gc=False):
    order_id: str
    amount: float
    price: float
    valid_until: int
    post_only: bool = True
    reject_post_only: bool = True


class Request(msgspec.Struct, gc=False):
    id: int
    method: str
    params: Edit
    jsonrpc: str = "2.0"


class BareLoop:
    """Decode, keep a dict book with its touch, price both sides, encode two edits. No check of anything."""

    def __init__(self, snapshot: bytes) -> None:
        self._decode = msgspec.json.Decoder(Frame).decode
        self._encode = msgspec.json.Encoder().encode
        data = self._decode(snapshot).params.data
        self.bids = {price: size for _, price, size in data.bids}
        self.asks = {price: size for _, price, size in data.asks}
        self.best_bid, self.best_ask = max(self.bids), min(self.asks)
        self.number = 0
        self.position = 0.0

    def frame(self, raw: bytes) -> tuple[bytes, bytes]:
        data = self._decode(raw).params.data
        bids, asks, lost = self.bids, self.asks, False
        best = self.best_bid
        for action, price, size in data.bids:
            if action == "delete":
                bids.pop(price, None)
                lost = lost or price == best
            else:
                bids[price] = size
                if price > best:
                    best = price
        self.best_bid = max(bids) if lost and best not in bids else best
        lost, best = False, self.best_ask
        for action, price, size in data.asks:
            if action == "delete":
                asks.pop(price, None)
                lost = lost or price == best
            else:
                asks[price] = size
                if price < best:
                    best = price
        self.best_ask = min(asks) if lost and best not in asks else best
        centre = 0.5 * (self.best_bid + self.best_ask) - SKEW_PER_COIN * self.position
        self.number += 2
        until = data.change_id + 1000
        return (
            self._edit(self.number, "ETH-1000001", centre - SPREAD, until),
            self._edit(self.number + 1, "ETH-1000002", centre + SPREAD, until),
        )

    def read(self, frames: list[bytes]) -> int:
        """Nanoseconds of CPU for one read of `frames`."""
        started = time.thread_time_ns()
        for frame in frames:
            self.frame(frame)
        return time.thread_time_ns() - started

    def _edit(self, number: int, order: str, price: float, until: int) -> bytes:
        ticks = round(price / TICK)
        return self._encode(Request(number, "private/edit", Edit(order, SIZE, ticks * TICK, until)))


# --- the measurement ---


class Venue:
    """Answers edits and places as the venue would, from what was sent."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._sides: dict[str, str] = {}
        self._numbers = itertools.count(1_000_001)

    def answer(self, sent: bytes, *, fill: bool = False) -> bytes:
        """The reply; with `fill` the order was executed whole at its new price."""
        request = msgspec.json.decode(sent)
        params, method = request["params"], request["method"]
        if method == "private/edit":
            order_id = params["order_id"]
        else:
            order_id = f"ETH-{next(self._numbers)}"
            self._labels[order_id] = params["label"]
            self._sides[order_id] = method.removeprefix("private/")
        order = {
            "order_id": order_id,
            "order_state": "open",
            "order_type": "limit",
            "instrument_name": "ETH-PERPETUAL",
            "direction": self._sides[order_id],
            "price": params["price"],
            "amount": params["amount"],
            "filled_amount": 0.0,
            "average_price": 0.0,
            "label": self._labels[order_id],
            "time_in_force": "good_til_cancelled",
            "post_only": True,
            "creation_timestamp": 1757289600000,
            "last_update_timestamp": 1757289600000,
        }
        trades = []
        if fill:
            order |= {"order_state": "filled", "filled_amount": params["amount"]}
            trades.append(self._trade(order))
        return encode({"jsonrpc": "2.0", "id": request["id"], "result": {"order": order, "trades": trades}})

    def _trade(self, order: dict[str, Any]) -> dict[str, Any]:
        return {
            "trade_id": f"T-{next(self._numbers)}",
            "instrument_name": "ETH-PERPETUAL",
            "direction": order["direction"],
            "price": order["price"],
            "amount": order["amount"],
            "order_id": order["order_id"],
            "fee": 0.0,
            "fee_currency": "ETH",
            "liquidity": "M",
            "label": order["label"],
            "timestamp": 1757289600000,
        }


def clock_cost() -> float:
    """Nanoseconds that one pair of readings of the thread clock adds to an interval."""
    gaps = []
    for _ in range(2000):
        started = time.thread_time_ns()
        gaps.append(time.thread_time_ns() - started)
    return statistics.median(gaps)


class Session:
    """Frames into a running node, answers in between."""

    def __init__(self, bench: Bench, per_read: int) -> None:
        self.bench = bench
        self.market: Wire = bench.venues.wire("deribit")
        self.trading: Wire = bench.venues.wire("deribit", 1)
        self.venue = Venue()
        self.per_read = per_read
        self.edits = 0

    def settle(self, *, fill: bool = False) -> int:
        """Answer everything sent, one read a message as the venue does; nanoseconds of CPU it took."""
        spent = 0
        while self.trading.last:
            replies = [self.venue.answer(data, fill=fill) for data in self.trading.last]
            self.trading.last.clear()
            started = time.thread_time_ns()
            for reply in replies:
                self.trading.hear(reply)
            spent += time.thread_time_ns() - started
            fill = False
        return spent

    def read(self, frames: list[bytes]) -> int:
        """One read of `frames`; nanoseconds of CPU until the edits are written."""
        hear, last = self.market.handler.message, len(frames) - 1
        read = [(frame, number == last) for number, frame in enumerate(frames)]
        self.trading.keeping = True
        started = time.thread_time_ns()
        for frame, closes in read:
            hear(frame, closes)
        spent = time.thread_time_ns() - started
        self.trading.keeping = False
        self.edits += len(self.trading.last)
        return spent


async def measure(bench: Bench, frames: list[bytes], per_read: int) -> dict[str, float]:
    """Medians over reads, nanoseconds: ours, the answers, the bare loop; and of ours, without and with the
    answers, over the bare loop's on the same read (`ratio`, `answered`). Each read goes to both, to one of
    them first in turn."""
    session, peer = Session(bench, per_read), BareLoop(first_book(0))
    session.settle()  # both orders were placed on the first book
    session.market.hear(frames[0])
    session.settle()
    peer.frame(frames[0])
    cost = clock_cost()
    taken: dict[str, list[float]] = {"ours": [], "answers": [], "bare": []}
    for at in range(1, len(frames) - per_read + 1, per_read):
        read = frames[at : at + per_read]
        session.edits = 0
        if (at // per_read) % 2:
            taken["bare"].append(peer.read(read) - cost)
        taken["ours"].append(session.read(read) - cost)
        if not (at // per_read) % 2:
            taken["bare"].append(peer.read(read) - cost)
        if session.edits != 2:
            raise AssertionError(f"expected two edits per read, found {session.edits}")
        taken["answers"].append(session.settle() - cost)
        await asyncio.sleep(0.005)
    ours, answers, bare = taken["ours"], taken["answers"], taken["bare"]
    return {
        **{name: statistics.median(values) for name, values in taken.items()},
        "ratio": statistics.median(mine / its for mine, its in zip(ours, bare, strict=True)),
        "answered": statistics.median(
            (mine + told) / its for mine, told, its in zip(ours, answers, bare, strict=True)
        ),
    }


def run(quick: bool) -> list[dict[str, Any]]:
    reads = 1_000 if quick else 5_000
    found = []
    for per_read in (1, 10):
        frames = list(book_frames(reads * per_read + 1))

        async def work(
            bench: Bench, frames: list[bytes] = frames, per_read: int = per_read
        ) -> dict[str, float]:
            return await measure(bench, frames, per_read)

        found.append(run_node(work, [TwoSided()], {}, expiries=4))
    one, ten = found
    both = {"ours": one["ours"] + one["answers"], "bare": one["bare"], "ratio": one["answered"]}
    return [
        _row("Deribit frame to two edits beside the bare loop", one, "<= 3"),
        _row("the same with the answers to both edits", both, "report"),
        _row("ten frames in one read to two edits", ten, "report"),
    ]


def _row(name: str, found: dict[str, float], target: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours": found["ours"] / 1000,
        "peer": found["bare"] / 1000,
        "ratio": found["ratio"],
        "unit": "us CPU",
        "target": target,
    }
