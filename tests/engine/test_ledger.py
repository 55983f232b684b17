"""The fold: a snapshot continues it exactly, quotes and nonces live in it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain import events as ev
from atomizer.domain.bookings import CashKind, CashMove, Fill, Reversal, booking_key
from atomizer.domain.commands import InstrumentUsed, NonceBlock, RunEnded, RunStarted, SendQuote
from atomizer.domain.orders import EndReason, OrderState
from atomizer.engine.ledger import Ledger
from atomizer.strategies.hedging import Hedger, HedgerSettings

from .bench_desk import HEDGE, PERP, Desk, Wishes, bid, cancelled, placed
from .rfq_desk import RfqDesk, chain_events


def history() -> list[tuple[int, Any]]:
    """The journal of a session with quotes, a trade, hedges, a bust and a resting order."""
    records: list[tuple[int, Any]] = []
    wishes = Wishes()

    class Recorded(RfqDesk):
        def feed(self, *batch: ev.Event, after_ms: float = 1.0) -> list[Any]:
            self.now_ns += round(after_ms * 1_000_000)
            admitted = self.engine.admit(self.now_ns, batch)
            self.out = self.engine.handle(self.now_ns, batch)
            self.all += self.out
            records.extend((self.now_ns, item) for item in (*admitted, *self.out))
            self.work_all()
            return self.out

    desk = Recorded(wishes, Hedger(HedgerSettings(), HEDGE, 2))
    hedges = placed(desk.win(desk.quote(size="3")))
    desk.fill_whole(hedges)
    desk.quote(taker_buys=True)
    desk.ask(chain_id=1)
    wishes.targets = bid(size=10.0)
    desk.refresh()
    (order,) = placed(desk.out)
    desk.fill(order, 4, trade="part")
    busted = next(item for _, item in records if isinstance(item, Fill) and item.trade_id == "part")
    desk.feed(Reversal(venue="deribit", account="main", key=booking_key(busted), why="bust"))
    desk.feed(
        CashMove(
            venue="deribit",
            account="main",
            kind=CashKind.FUNDING,
            reference="f",
            currency="ETH",
            amount=Decimal("-0.0001"),
        ),
        ev.Operator("pause", scope="BTC"),
    )
    wishes.targets = {}
    desk.refresh()
    assert cancelled(desk.out)
    desk.ended(order.order_id, 4, EndReason.CANCELLED_BY_US)
    assert desk.engine.ledger.state() == fold(records).state()
    return records


def fold(records: list[tuple[int, Any]], ledger: Ledger | None = None) -> Ledger:
    made = ledger or Ledger()
    for now_ns, record in records:
        made.apply(record, now_ns)
    return made


RECORDS = history()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, len(RECORDS)))
def test_a_snapshot_anywhere_continues_as_the_whole_fold(cut: int) -> None:
    before = fold(RECORDS[:cut])
    carried = msgspec.json.decode(msgspec.json.encode(before.state()))
    again = Ledger()
    again.restore(carried)
    assert again.state() == before.state()
    assert fold(RECORDS[cut:], again).state() == fold(RECORDS).state()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, len(RECORDS) - 1))
def test_bookings_fed_again_change_nothing(which: int) -> None:
    """A venue's snapshot tells of the same trades once more."""
    whole = fold(RECORDS)
    before = whole.state()
    now_ns, record = RECORDS[which]
    if not isinstance(record, (Fill, CashMove, Reversal)):
        return
    whole.apply(record, now_ns)
    assert whole.state() == before


def test_a_fill_of_an_instrument_nobody_knows_is_a_difference_not_a_crash() -> None:
    ledger = Ledger()
    ledger.apply(
        Fill(
            venue="deribit",
            account="main",
            instrument="deribit:NOVA",
            trade_id="1",
            side=PERP_FILL.side,
            price=Decimal(1),
            size=Decimal(1),
        ),
        1,
    )
    (difference,) = ledger.differences.values()
    assert difference.what == "deribit:NOVA"
    assert "1" in difference.theirs


PERP_FILL = next(item for _, item in RECORDS if isinstance(item, Fill))


def test_nonces_of_a_restored_ledger_go_on_behind_the_last_one_used() -> None:
    ledger = fold(RECORDS)
    used = [item.nonce for _, item in RECORDS if isinstance(item, SendQuote)]
    blocks = [item for _, item in RECORDS if isinstance(item, NonceBlock)]
    assert used == list(range(used[0], used[0] + len(used)))
    assert ledger.next_nonce["rysk", "maker"] == used[-1] + 1
    assert all(block.first <= nonce <= block.last for block in blocks for nonce in used)


def test_a_new_run_reserves_a_block_beyond_the_last_one() -> None:
    ledger = fold(RECORDS)
    last = ledger.nonces["rysk", "maker"].last
    sizes = {holding.instrument: str(size) for holding, size in ledger.position_sizes().items()}
    desk = RfqDesk(ledger=ledger)
    desk.read(positions={key: size for key, size in sizes.items() if key == PERP.key})
    desk.read_rysk({key: size for key, size in sizes.items() if key != PERP.key})
    desk.refresh(after_s=100.0)
    desk.feed(*chain_events())
    assert desk.quote(rfq_id="new").nonce > last


def test_a_run_that_did_not_end_is_not_clean() -> None:
    ledger = Ledger()
    ledger.apply(RunStarted(run=1, network="sim", mode="live", version="0"), 1)
    assert not ledger.clean_end
    ledger.apply(RunEnded(1), 2)
    assert ledger.clean_end


def test_an_order_lost_with_the_process_is_unknown_and_asked_about() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    ledger = Ledger()
    ledger.apply(InstrumentUsed(PERP), 1)
    ledger.apply(order, desk.now_ns)
    assert ledger.orders[order.order_id].state is OrderState.PENDING
    assert ledger.orders[order.order_id].owed == order.lots
