"""Prices and pressures read off the order book and the tape.

Books are sequences of (price, size), best first, and must be without our own resting orders. A fair-price
signal replaces s in the quoting models; bound its shift to the touch (`bounded_to_touch`), for a book says
little beyond it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

Levels = Sequence[tuple[float, float]]


def checked_book(bids: Levels, asks: Levels) -> None:
    """The book has both sides, positive sizes, ordered prices and is not crossed.

    Raises:
        ModelInputError: it does not.
    """
    if not bids or not asks:
        raise ModelInputError("book", "both sides", f"{len(bids)} bids, {len(asks)} asks")
    for name, levels, sign in (("bids", bids, -1.0), ("asks", asks, 1.0)):
        for price, size in levels:
            finite(**{f"{name} price": price})
            positive(**{f"{name} size": size})
        if any(sign * (b[0] - a[0]) <= 0.0 for a, b in pairwise(levels)):
            raise ModelInputError(name, "best first, no price twice", [p for p, _ in levels][:5])
    if bids[0][0] >= asks[0][0]:
        raise ModelInputError("book", "best bid below best ask", (bids[0][0], asks[0][0]))


def mid(bids: Levels, asks: Levels) -> float:
    """Middle of the touch.

    Raises:
        ModelInputError: as `checked_book`.
    """
    checked_book(bids, asks)
    return 0.5 * (bids[0][0] + asks[0][0])


def weighted_mid(bids: Levels, asks: Levels) -> float:
    """(P_b Q_a + P_a Q_b) / (Q_a + Q_b): leans towards the thin side.

    Raises:
        ModelInputError: as `checked_book`.
    """
    checked_book(bids, asks)
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    return (bid * ask_size + ask * bid_size) / (bid_size + ask_size)


def imbalance(bids: Levels, asks: Levels) -> float:
    """(Q_b - Q_a) / (Q_b + Q_a) of the touch in [-1, 1]; Stoikov's I in [0, 1] is (1 + this) / 2.

    Raises:
        ModelInputError: as `checked_book`.
    """
    checked_book(bids, asks)
    return (bids[0][1] - asks[0][1]) / (bids[0][1] + asks[0][1])


def fill_price(levels: Levels, quantity: float) -> float:
    """Average price of a sweep of `quantity` through one side; NaN when the side is thinner than that.

    Raises:
        ModelInputError: quantity not above 0.
    """
    positive(quantity=quantity)
    left, money = quantity, 0.0
    for price, size in levels:
        part = min(left, size)
        money += part * price
        left -= part
        if left <= 0.0:
            return money / quantity
    return float("nan")


def vamp(bids: Levels, asks: Levels, quantity: float) -> float:
    """Volume-adjusted mid price: middle of the sweep prices of `quantity` on each side; NaN on a thin book.

    Raises:
        ModelInputError: as `checked_book`, quantity not above 0.
    """
    checked_book(bids, asks)
    return 0.5 * (fill_price(bids, quantity) + fill_price(asks, quantity))


def vamp_cross(bids: Levels, asks: Levels, levels: int) -> float:
    """Cross form over n levels: each side's average price weighted by the other side's size.

    Raises:
        ModelInputError: as `checked_book`, fewer than 1 level.
    """
    checked_book(bids, asks)
    if levels < 1:
        raise ModelInputError("levels", "at least 1", levels)
    bid_size = sum(size for _, size in bids[:levels])
    ask_size = sum(size for _, size in asks[:levels])
    bid = sum(price * size for price, size in bids[:levels]) / bid_size
    ask = sum(price * size for price, size in asks[:levels]) / ask_size
    return (bid * ask_size + ask * bid_size) / (bid_size + ask_size)


def bounded_to_touch(price: float, best_bid: float, best_ask: float) -> float:
    """The price moved into [best bid, best ask].

    Raises:
        ModelInputError: a number not finite, a crossed touch.
    """
    finite(price=price, best_bid=best_bid, best_ask=best_ask)
    if best_bid > best_ask:
        raise ModelInputError("best_bid", f"at most the ask {best_ask!r}", best_bid)
    return min(max(price, best_bid), best_ask)


def order_flow_event(
    before: tuple[float, float, float, float], after: tuple[float, float, float, float]
) -> float:
    """Order-flow imbalance of one change of the touch (Cont, Kukanov, Stoikov 2014), in size units.

    Args:
        before, after: (bid, bid size, ask, ask size).

    Raises:
        ModelInputError: a price not finite, a size below 0.
    """
    for bid, bid_size, ask, ask_size in (before, after):
        finite(bid=bid, ask=ask)
        non_negative(bid_size=bid_size, ask_size=ask_size)
    flow = 0.0
    if after[0] >= before[0]:
        flow += after[1]
    if after[0] <= before[0]:
        flow -= before[1]
    if after[2] <= before[2]:
        flow -= after[3]
    if after[2] >= before[2]:
        flow += before[3]
    return flow


def order_flow_imbalance(updates: Iterable[tuple[float, float, float, float]]) -> float:
    """Sum of `order_flow_event` over consecutive touches; 0 for fewer than two. dP ~ OFI / (2 depth).

    Raises:
        ModelInputError: as `order_flow_event`.
    """
    total, previous = 0.0, None
    for update in updates:
        if previous is not None:
            total += order_flow_event(previous, update)
        previous = update
    return total


def trade_imbalance(buy_volume: float, sell_volume: float) -> float:
    """(buy - sell) / (buy + sell) of aggressor volume in [-1, 1]; 0 when nothing traded.

    Raises:
        ModelInputError: a volume below 0.
    """
    non_negative(buy_volume=buy_volume, sell_volume=sell_volume)
    total = buy_volume + sell_volume
    return (buy_volume - sell_volume) / total if total > 0.0 else 0.0
