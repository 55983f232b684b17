"""What an engine does about orders, reads and deadlines that an earlier run or a lost connection left."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill, Reversal, RfqTrade
from atomizer.domain.commands import Marks, PlaceOrder, QueryOrder, ReadAccount
from atomizer.domain.identity import order_id
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason, Purpose, TimeInForce
from atomizer.engine.accounts import Accounts
from tests.engine.bench_desk import MS, PERP, T0, Desk, S, Wishes, bid, cancelled, placed


def left_by_run_one(state: str = "live", time_in_force: TimeInForce = TimeInForce.GTC) -> Desk:
    """A second run whose ledger holds an order of the first: resting, or asked for and not answered."""
    desk = Desk(Wishes(), ready=False)
    number = order_id(1, 1, 1)
    ledger = desk.engine.ledger
    ledger.instruments[PERP.key] = PERP
    ledger.apply(
        PlaceOrder(
            order_id=number,
            venue="deribit",
            account="main",
            instrument=PERP.key,
            side=Side.BUY,
            ticks=79_800,
            lots=100,
            time_in_force=time_in_force,
            purpose=Purpose.QUOTE,
            deadline_ns=T0 + S,
            slot=0,
        ),
        T0,
    )
    if state == "live":
        ledger.apply(shown(number), T0)
    desk.restart(run=2)
    return desk


def shown(number: int) -> ev.OrderOpen:
    return ev.OrderOpen(
        venue="deribit",
        account="main",
        order_id=number,
        venue_order_id="ETH-1",
        instrument=PERP.key,
        side=Side.BUY,
        ticks=79_800,
        lots=100,
        filled_lots=0,
    )


def test_a_resting_order_of_an_earlier_run_is_cancelled_before_its_slot_is_used_again() -> None:
    desk = left_by_run_one()
    strategy: Any = desk.engine._strategies[0]
    strategy.targets = bid()
    desk.open()
    number = order_id(1, 1, 1)
    assert [item.order_id for item in cancelled(desk.all)] == [number]
    desk.tick(after_ms=100)
    assert not placed(desk.all)
    desk.ended(number, 0, EndReason.CANCELLED_BY_US)
    desk.tick()
    assert len(placed(desk.all)) == 1


def test_nothing_is_placed_while_an_order_of_an_earlier_run_is_not_accounted_for() -> None:
    desk = left_by_run_one("asked", TimeInForce.IOC)
    strategy: Any = desk.engine._strategies[0]
    strategy.targets = bid()
    desk.open()
    assert not placed(desk.all)
    desk.tick(after_ms=3_000)
    assert any(isinstance(item, QueryOrder) for item in desk.out)
    desk.feed(ev.OrderNotFound(order_id(1, 1, 1)))
    desk.tick()
    assert len(placed(desk.all)) == 1


def test_a_hedge_waits_for_the_first_read_of_the_run() -> None:
    strategy = Wishes()
    strategy.targets = bid(time_in_force=TimeInForce.IOC, purpose=Purpose.HEDGE)
    desk = Desk(strategy, ready=False)
    desk.feed(
        ev.FeedUp("deribit/market"),
        ev.FeedUp("deribit/trading"),
        ev.InstrumentListed(PERP),
        ev.IndexPrice("deribit", "eth_usd", 4000.0),
        ev.Ticker(instrument=PERP.key, mark=4000.0, index=4000.0),
        ev.BookSnapshot(PERP.key, [(3999.5, 1e6)], [(4000.5, 1e6)], 1),
    )
    assert not placed(desk.all)
    desk.read()
    desk.tick()
    assert len(placed(desk.all)) == 1


def test_a_read_that_is_due_without_a_connection_does_not_keep_the_core_awake() -> None:
    desk = Desk(Wishes())
    desk.feed(ev.FeedDown("deribit/trading", "cut"))
    desk.feed(ev.Look(accounts=True))
    assert not any(isinstance(item, ReadAccount) for item in desk.out)
    assert desk.engine.next_deadline() > desk.now_ns + MS
    desk.feed(ev.FeedUp("deribit/trading"))
    assert any(isinstance(item, ReadAccount) for item in desk.out)


def test_a_strategy_that_is_not_asked_does_not_keep_the_core_awake() -> None:
    class Due(Wishes):
        def next_deadline(self) -> int:
            return 0

    desk = Desk(Due())
    desk.feed(ev.Operator("kill", 3))
    assert desk.engine.next_deadline() > desk.now_ns + MS


def test_a_look_values_positions_and_reads_accounts_at_once() -> None:
    desk = Desk(Wishes())
    desk.feed(ev.Look(accounts=True))
    assert any(isinstance(item, Marks) for item in desk.out)
    assert any(isinstance(item, ReadAccount) for item in desk.out)


def test_an_older_read_that_ends_late_does_not_open_the_account_half_read() -> None:
    desk = Desk(Wishes(), ready=False)
    desk.feed(ev.FeedUp("deribit/trading"))
    desk.feed(ev.ReadBegun("deribit", "main", 1))
    desk.feed(ev.ReadBegun("deribit", "main", 2))
    desk.feed(ev.ReadEnded("deribit", "main", 1))
    assert ("deribit", "main") not in desk.engine.ledger.opened_ns
    cash = Decimal(100)
    desk.feed(
        ev.BalanceReport(
            venue="deribit", account="main", currency="ETH", cash=cash, equity=cash, excess=cash
        ),
        ev.ReadEnded("deribit", "main", 2),
    )
    ledger = desk.engine.ledger
    assert ledger.accounts.balance("deribit", "main", "ETH") == cash
    assert ledger.opened_ns["deribit", "main"] == 2


def test_a_read_whose_opening_was_torn_off_opens_nothing() -> None:
    """The journal's last batch may be cut: the end of the read is there, what it led to is not."""
    ledger = Desk(Wishes(), ready=False).engine.ledger
    ledger.apply(ev.ReadEnded("deribit", "main", T0), T0)
    assert not ledger.opened_ns


# --- bookings in another order than the venue's ---


def fill(number: int, side: Side, price: str, size: int) -> Fill:
    return Fill(
        venue="deribit",
        account="main",
        instrument=PERP.key,
        trade_id=f"ETH-{number}",
        side=side,
        price=Decimal(price),
        size=Decimal(size),
        order_id=number,
        ts_ns=T0 + number,
    )


def test_fills_heard_of_in_any_order_leave_the_same_cash_and_cost() -> None:
    fills = [
        fill(1, Side.BUY, "4000", 400),
        fill(2, Side.SELL, "4100", 600),
        fill(3, Side.BUY, "3900", 100),
        fill(4, Side.BUY, "4050", 300),
    ]
    outcomes = []
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        accounts = Accounts({PERP.key: PERP})
        for index in order:
            accounts.book(fills[index])
        outcomes.append((accounts.balance("deribit", "main", "ETH"), list(accounts.positions.values())))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert outcomes[0][0] != 0


# --- trades inferred ---


def trade(nonce: int, *, inferred: bool) -> RfqTrade:
    return RfqTrade(
        venue="rysk",
        account="maker",
        instrument="rysk:ETH-1",
        nonce=nonce,
        side=Side.BUY,
        price=Decimal("1.2345678"),
        size=Decimal(1),
        premium_currency="USD",
        inferred=inferred,
    )


def test_an_inference_can_be_undone_made_again_and_undone_again() -> None:
    ledger = Desk(Wishes(), ready=False).engine.ledger
    undo = Reversal(venue="rysk", account="maker", key="rysk/maker/rfq/7", why="another was confirmed")
    for _ in range(2):
        ledger.apply(trade(7, inferred=True), T0)
        assert ledger.accounts.size("rysk", "maker", "rysk:ETH-1") == 1
        ledger.apply(undo, T0)
        assert ledger.accounts.size("rysk", "maker", "rysk:ETH-1") == 0
    ledger.apply(trade(7, inferred=False), T0)
    assert ledger.accounts.size("rysk", "maker", "rysk:ETH-1") == 1


def test_a_premium_moves_whole_units_of_its_token() -> None:
    accounts = Accounts({})
    accounts.book(trade(1, inferred=False))
    assert accounts.balance("rysk", "maker", "USD") == Decimal("-1.234567")
