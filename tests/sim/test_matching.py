"""Price-time matching against a plain-Python reference, and the rules one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atomizer.sim.matching import FIRST_CAPACITY, MakerFill, MatchingBook, Mode, Outcome, SelfTrade

BUY, SELL = 1, -1


@dataclass
class Reference:
    """The same rules written the slow way: one list of orders, scanned."""

    orders: list[dict[str, int]] = field(default_factory=list)
    arrivals: int = 0

    def queue(self, side: int) -> list[dict[str, int]]:
        mine = [order for order in self.orders if order["side"] == side]
        return sorted(mine, key=lambda order: (-side * order["ticks"], order["arrival"]))

    def place(
        self, order_id: int, owner: int, side: int, ticks: int, lots: int, mode: Mode, show: int = 0
    ) -> int:
        """Returns lots filled."""
        crossing = [o for o in self.queue(-side) if side * (ticks - o["ticks"]) >= 0]
        if mode is Mode.POST_REJECT and crossing:
            return 0
        if mode is Mode.POST_MOVE and crossing:
            ticks, crossing = crossing[0]["ticks"] - side, []
            if ticks < 1:
                return 0
        reachable = []
        for order in crossing:
            if owner and order["owner"] == owner:
                break
            reachable.append(order)
        if mode is Mode.ALL_OR_NOTHING and sum(o["left"] for o in reachable) < lots:
            return 0
        filled = 0
        while filled < lots and any(o["left"] for o in reachable):
            order = next(o for o in self.queue(-side) if o["left"])
            if order not in reachable:
                break  # what an iceberg showed next queues behind an order of the same owner
            traded = min(lots - filled, order["shown"])
            order["left"] -= traded
            order["shown"] -= traded
            filled += traded
            if not order["shown"] and order["left"]:
                self.arrivals += 1
                order["shown"], order["arrival"] = min(order["show"], order["left"]), self.arrivals
        stopped = len(reachable) < len(crossing) and filled < lots
        self.orders = [order for order in self.orders if order["left"]]
        rests = mode in (Mode.REST, Mode.POST_MOVE, Mode.POST_REJECT)
        if filled < lots and rests and not stopped:
            self.arrivals += 1
            self.orders.append(
                {
                    "id": order_id,
                    "owner": owner,
                    "side": side,
                    "ticks": ticks,
                    "left": lots - filled,
                    "show": show,
                    "shown": min(show, lots - filled) if show else lots - filled,
                    "arrival": self.arrivals,
                }
            )
        return filled


actions = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "place", "cancel", "amend"]),
        st.integers(0, 3),
        st.sampled_from([BUY, SELL]),
        st.integers(1, 12),
        st.integers(1, 9),
        st.sampled_from(list(Mode)),
        st.integers(0, 200),
        st.integers(0, 4),
    ),
    max_size=60,
)


# An iceberg shows its next lot behind an order of the one who takes: there the taking ends.
@example(
    [
        ("place", 0, BUY, 1, 2, Mode.REST, 0, 1),
        ("place", 1, BUY, 1, 1, Mode.REST, 0, 0),
        ("place", 1, SELL, 1, 4, Mode.REST, 0, 0),
    ]
)
@settings(max_examples=150, deadline=None)
@given(actions)
def test_book_agrees_with_the_reference_after_every_action(steps: list[tuple]) -> None:
    book, reference = MatchingBook(), Reference()
    for number, (what, owner, side, ticks, lots, mode, pick, show) in enumerate(steps, start=1):
        resting = [order["id"] for order in reference.orders]
        if what == "place" or not resting:
            placed = book.place(number, owner, side, ticks, lots, mode, show=show)
            assert placed.filled == reference.place(number, owner, side, ticks, lots, mode, show)
            assert placed.filled == sum(fill.lots for fill in placed.fills)
            assert placed.filled + placed.resting <= lots
        else:
            chosen = resting[pick % len(resting)]
            order = next(o for o in reference.orders if o["id"] == chosen)
            if what == "cancel":
                assert book.cancel(chosen) == order["left"]
                reference.orders.remove(order)
            elif ticks == order["ticks"] and lots <= order["left"]:
                order["left"], order["shown"] = lots, min(order["shown"], lots)
                book.amend(chosen, ticks, lots)
            else:
                reference.orders.remove(order)
                terms = (order["owner"], order["side"], ticks, lots, Mode.REST, order["show"])
                filled = reference.place(chosen, *terms)
                assert book.amend(chosen, ticks, lots).filled == filled
        for one in (BUY, SELL):
            expected = [(o["id"], o["ticks"], o["shown"]) for o in reference.queue(one)]
            assert book.queue(one) == expected
            assert [book.left(o["id"]) for o in reference.queue(one)] == [
                o["left"] for o in reference.queue(one)
            ]
        bid, ask = book.best(BUY), book.best(SELL)
        assert bid is None or ask is None or bid[0] < ask[0]
        assert len(book) == len(reference.orders)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.integers(90, 110), st.integers(1, 50)), max_size=300)
)
def test_size_is_conserved_over_any_number_of_orders(orders: list[tuple[int, int, int]]) -> None:
    book = MatchingBook()
    placed = traded = 0
    for number, (side, ticks, lots) in enumerate(orders, start=1):
        placed += lots
        traded += book.place(number, 0, side, ticks, lots).filled
    resting = sum(lots for side in (BUY, SELL) for _, lots in book.levels(side))
    assert placed == resting + 2 * traded


def test_earlier_order_at_a_price_trades_first() -> None:
    book = MatchingBook()
    for order_id in (1, 2, 3):
        book.place(order_id, 0, SELL, 100, 5)
    assert [f.order_id for f in book.place(9, 0, BUY, 100, 12, Mode.IMMEDIATE).fills] == [1, 2, 3]
    assert book.left(3) == 3


def test_smaller_size_keeps_the_place_and_larger_size_or_new_price_loses_it() -> None:
    book = MatchingBook()
    for order_id in (1, 2):
        book.place(order_id, 0, BUY, 100, 5)
    book.amend(1, 100, 3)
    assert [entry[0] for entry in book.queue(BUY)] == [1, 2]
    book.amend(1, 100, 4)
    assert [entry[0] for entry in book.queue(BUY)] == [2, 1]
    book.amend(2, 99, 5)
    assert [entry[0] for entry in book.queue(BUY)] == [1, 2]


def test_hidden_size_trades_before_a_worse_price_and_queues_anew_part_by_part() -> None:
    book = MatchingBook()
    book.place(1, 0, SELL, 100, 9, show=3)
    book.place(2, 0, SELL, 100, 4)
    book.place(3, 0, SELL, 101, 5)
    assert book.levels(SELL) == [[100, 7], [101, 5]]
    fills = book.place(9, 0, BUY, 101, 14, Mode.IMMEDIATE).fills
    assert [(fill.order_id, fill.lots, fill.left) for fill in fills] == [
        (1, 3, 6), (2, 4, 0), (1, 3, 3), (1, 3, 0), (3, 1, 4)
    ]  # fmt: skip
    assert 1 not in book


def test_immediate_order_drops_what_is_left() -> None:
    book = MatchingBook()
    book.place(1, 0, SELL, 100, 5)
    placed = book.place(2, 0, BUY, 101, 8, Mode.IMMEDIATE)
    assert (placed.filled, placed.resting) == (5, 0)
    assert placed.fills == [MakerFill(1, 0, 100, 5, 0)]
    assert len(book) == 0


@pytest.mark.parametrize(
    ("side", "resting", "asked", "expected"),
    [(BUY, 60, 70, 55), (BUY, 50, 70, 49), (BUY, 20, 25, 19), (SELL, 50, 40, 55), (SELL, 20, 5, 21)],
)
def test_post_only_moves_to_the_grid_just_inside(side: int, resting: int, asked: int, expected: int) -> None:
    book = MatchingBook(band_ticks=50, step_ticks=5)
    book.place(1, 0, -side, resting, 5)
    placed = book.place(2, 7, side, asked, 5, Mode.POST_MOVE)
    assert (placed.ticks, placed.filled, placed.resting) == (expected, 0, 5)


def test_post_only_under_the_lowest_price_is_refused() -> None:
    book = MatchingBook()
    book.place(1, 0, SELL, 1, 5)
    assert book.place(2, 7, BUY, 1, 5, Mode.POST_MOVE).outcome is Outcome.WOULD_CROSS
    assert book.place(3, 7, BUY, 1, 5, Mode.POST_REJECT).outcome is Outcome.WOULD_CROSS
    assert len(book) == 1


@pytest.mark.parametrize(
    ("rule", "outcome", "filled", "resting", "left"),
    [
        (SelfTrade.ALLOW, Outcome.OK, 9, 0, 0),
        (SelfTrade.CANCEL_TAKER, Outcome.SELF_TRADE, 4, 0, 5),
        (SelfTrade.CANCEL_MAKER, Outcome.OK, 4, 5, 0),
    ],
)
def test_meeting_an_own_order(
    rule: SelfTrade, outcome: Outcome, filled: int, resting: int, left: int
) -> None:
    book = MatchingBook()
    book.place(1, 0, SELL, 100, 4)
    book.place(2, 7, SELL, 100, 5)
    placed = book.place(3, 7, BUY, 100, 9, Mode.REST, rule)
    assert (placed.outcome, placed.filled, placed.resting) == (outcome, filled, resting)
    assert book.left(2) == left


def test_anonymous_liquidity_may_trade_with_itself() -> None:
    book = MatchingBook()
    book.place(1, 0, SELL, 100, 4)
    assert book.place(2, 0, BUY, 100, 4).filled == 4


def test_book_grows_beyond_its_first_capacity() -> None:
    book = MatchingBook()
    total = 3 * FIRST_CAPACITY
    for order_id in range(1, total + 1):
        book.place(order_id, 0, BUY, order_id, 1)
    assert [ticks for _, ticks, _ in book.queue(BUY)] == list(range(total, 0, -1))
    for order_id in range(1, total + 1):
        assert book.cancel(order_id) == 1
    assert book.cancel(1) == 0
    assert book.best(BUY) is None


def test_fills_beyond_one_call_end_the_order() -> None:
    book = MatchingBook()
    for order_id in range(1, 301):
        book.place(order_id, 0, SELL, 100, 1)
    placed = book.place(999, 0, BUY, 100, 300)
    assert placed.outcome is Outcome.FULL
    assert (placed.filled, placed.resting, len(book)) == (256, 0, 44)
