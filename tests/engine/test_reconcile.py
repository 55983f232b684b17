"""Reads against the fold: what is explained, inferred, corrected, or left open."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest

from atomizer.domain import events as ev
from atomizer.domain.bookings import Fill, Reversal, RfqTrade
from atomizer.domain.commands import Difference, ReadAccount, Refused, SendQuote
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason, OrderState
from atomizer.domain.refusals import Reason

from .bench_desk import PERP, T0, Desk, S, Wishes, bid, placed
from .rfq_desk import RfqDesk


def premium(quote: SendQuote) -> Decimal:
    """What the contract takes: rounded down to the stable's unit."""
    exact = Decimal(quote.price_e18).scaleb(-18) * Decimal(quote.terms.quantity_e18).scaleb(-18)
    return exact.quantize(Decimal("1e-6"), rounding=ROUND_DOWN)


def inferred(out: list[Any]) -> list[RfqTrade]:
    return [item for item in out if isinstance(item, RfqTrade)]


def unconfirmed(desk: RfqDesk, quote: SendQuote, paid: Decimal) -> list[RfqTrade]:
    """The venue shows a position and a smaller balance, and no confirmation came."""
    usd = str(Decimal(desk.deposit) - paid)
    desk.read_rysk({quote.instrument: "1"}, usd=usd)
    return inferred(desk.read_rysk({quote.instrument: "1"}, usd=usd))


def test_a_position_seen_once_is_looked_at_again_before_it_is_judged() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    out = desk.read_rysk({quote.instrument: "1"})
    assert not inferred(out)
    assert desk.engine.next_deadline() <= desk.now_ns + S


def test_an_unconfirmed_execution_is_booked_by_the_balances_change() -> None:
    desk = RfqDesk()
    cheap = desk.quote()
    desk.feed(ev.Operator("widen", args={"factor": 0.1}))
    dear = desk.quote()
    assert dear.price_e18 > cheap.price_e18
    (trade,) = unconfirmed(desk, cheap, premium(cheap))
    assert (trade.nonce, trade.inferred) == (cheap.nonce, True)
    assert desk.engine.ledger.accounts.balance("rysk", "maker", "USD") == Decimal(desk.deposit) - premium(
        cheap
    )
    desk.quote()


def test_without_a_hint_from_the_balance_the_dearest_live_quote_is_booked() -> None:
    desk = RfqDesk()
    desk.quote()
    desk.feed(ev.Operator("widen", args={"factor": 0.1}))
    dear = desk.quote()
    (trade,) = unconfirmed(desk, dear, Decimal(0))
    assert trade.nonce == dear.nonce


def test_the_confirmation_of_an_inferred_trade_changes_nothing() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    unconfirmed(desk, quote, premium(quote))
    before = dict(desk.engine.ledger.accounts.cash)
    desk.win(quote)
    assert desk.engine.ledger.accounts.cash == before
    assert desk.engine.ledger.accounts.size("rysk", "maker", quote.instrument) == 1
    (booked,) = [item for item in desk.engine.ledger.accounts.booked.values() if isinstance(item, RfqTrade)]
    assert not booked.inferred
    assert not desk.engine.ledger.accounts.alarms


def test_a_confirmation_of_another_quote_replaces_the_inferred_one() -> None:
    desk = RfqDesk()
    real = desk.quote()
    desk.feed(ev.Operator("widen", args={"factor": 0.1}))
    wrong = desk.quote()
    (trade,) = unconfirmed(desk, wrong, Decimal(0))
    assert trade.nonce == wrong.nonce
    desk.win(real)
    usd = str(Decimal(desk.deposit) - premium(real))
    out = [item for _ in range(2) for item in desk.read_rysk({real.instrument: "1"}, usd=usd)]
    assert [item.key for item in out if isinstance(item, Reversal)] == [f"rysk/maker/rfq/{wrong.nonce}"]
    accounts = desk.engine.ledger.accounts
    assert accounts.size("rysk", "maker", real.instrument) == 1
    assert accounts.balance("rysk", "maker", "USD") == Decimal(desk.deposit) - premium(real)


def test_a_confirmation_beside_an_inference_is_a_second_trade_when_the_position_says_so() -> None:
    desk = RfqDesk()
    one, two = desk.quote(), desk.quote()
    unconfirmed(desk, one, premium(one))
    desk.read_rysk({one.instrument: "2"})
    other = two if desk.engine.ledger.quotes["rysk", "maker", one.nonce].traded else one
    assert not [item for item in desk.win(other) if isinstance(item, Reversal)]
    assert desk.engine.ledger.accounts.size("rysk", "maker", one.instrument) == 2


def test_two_executions_at_once_are_both_inferred() -> None:
    desk = RfqDesk()
    quotes = [desk.quote(), desk.quote()]
    desk.read_rysk({quotes[0].instrument: "2"})
    out = inferred(desk.read_rysk({quotes[0].instrument: "2"}))
    assert sorted(item.nonce for item in out) == [item.nonce for item in quotes]


def test_a_position_no_quote_explains_is_a_difference_and_stops_quoting_there() -> None:
    desk = RfqDesk()
    quote = desk.quote()
    for _ in range(2):
        out = desk.read_rysk({quote.instrument: "7"})
    (difference,) = [item for item in out if isinstance(item, Difference)]
    assert (difference.ours, difference.theirs, difference.open) == ("0", "7", True)
    refusal = desk.ask()
    assert isinstance(refusal, Refused)
    assert refusal.reason is Reason.NOT_RECONCILED
    again = desk.read_rysk({quote.instrument: "7"})
    assert not [item for item in again if isinstance(item, Difference)], "said once"
    closed = [item for item in desk.read_rysk() if isinstance(item, Difference)]
    assert [item.open for item in closed] == [False]
    desk.quote()


def test_on_an_order_venue_nothing_is_inferred() -> None:
    desk = Desk()
    for _ in range(2):
        desk.read(positions={PERP.key: "100"})
    assert desk.engine.ledger.differences["deribit", "main", PERP.key].theirs == "100"
    assert desk.engine.ledger.accounts.size("deribit", "main", PERP.key) == 0


@pytest.mark.parametrize("venue_lists_it", [True, False])
def test_an_order_the_read_does_not_mention_is_over_when_it_was_asked_for_before(
    venue_lists_it: bool,
) -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    desk.ack(order)
    desk.now_ns += 2 * S
    asked = desk.now_ns
    events: list[ev.Event] = [ev.ReadBegun("deribit", "main", asked)]
    if venue_lists_it:
        events.append(
            ev.OrderOpen(
                venue="deribit",
                account="main",
                order_id=order.order_id,
                venue_order_id=f"ETH-{order.order_id}",
                instrument=order.instrument,
                side=order.side,
                ticks=order.ticks,
                lots=order.lots,
                filled_lots=0,
            )
        )
    desk.feed(*events, ev.ReadEnded("deribit", "main", asked))
    known = desk.engine.ledger.find(order.order_id)
    assert known is not None
    assert known.state is (OrderState.LIVE if venue_lists_it else OrderState.DONE)
    assert venue_lists_it or known.end is EndReason.DISCONNECT


def test_an_order_placed_after_the_read_was_asked_for_is_not_judged_by_it() -> None:
    wishes = Wishes()
    desk = Desk(wishes)
    asked = desk.now_ns
    desk.now_ns += 2 * S
    wishes.targets = bid()
    (order,) = placed(desk.tick())
    desk.feed(ev.ReadBegun("deribit", "main", asked), ev.ReadEnded("deribit", "main", asked))
    assert desk.engine.ledger.orders[order.order_id].state is OrderState.PENDING


def test_a_failed_read_agrees_with_nothing() -> None:
    desk = RfqDesk()
    desk.feed(
        ev.ReadBegun("rysk", "maker", desk.now_ns), ev.ReadEnded("rysk", "maker", desk.now_ns, "no answer")
    )
    refusal = desk.ask()
    assert isinstance(refusal, Refused)
    assert refusal.reason is Reason.NOT_RECONCILED
    assert "no answer" in refusal.text


def test_an_account_opens_with_every_currency_and_position_it_holds() -> None:
    desk = RfqDesk(deposit="1234.5", perpetual="-700")
    accounts = desk.engine.ledger.accounts
    assert accounts.balance("deribit", "main", "ETH") == 100
    assert accounts.balance("rysk", "maker", "USD") == Decimal("1234.5")
    assert accounts.balance("rysk", "maker", "ETH") == 0
    assert accounts.size("deribit", "main", PERP.key) == -700
    assert not accounts.alarms


def just_before() -> Fill:
    """Somebody sold 40 USD of the perpetual right before the node's first read."""
    return Fill(
        venue="deribit",
        account="main",
        instrument=PERP.key,
        trade_id="before-1",
        side=Side.SELL,
        price=Decimal(3990),
        size=Decimal(40),
        fee=Decimal("0.000005"),
        venue_order_id="ETH-77",
        ts_ns=T0,
    )


def test_a_trade_right_before_the_first_read_counts_once() -> None:
    desk = Desk(ready=False)
    told = just_before()
    desk.feed(
        ev.FeedUp("deribit/market"),
        ev.FeedUp("deribit/trading"),
        ev.InstrumentListed(PERP),
        ev.IndexPrice("deribit", "eth_usd", 4000.0),
        ev.Ticker(instrument=PERP.key, mark=4000.0, index=4000.0),
        ev.BookSnapshot(PERP.key, [(3999.5, 1e6)], [(4000.5, 1e6)], 1),
    )
    (read,) = [item for item in desk.all if isinstance(item, ReadAccount)]
    assert read.since_ns < told.ts_ns, "the first read tells what the next one's overlap tells again"
    desk.feed(told)
    desk.read(positions={PERP.key: "60"})
    accounts = desk.engine.ledger.accounts
    assert accounts.size("deribit", "main", PERP.key) == 60
    assert accounts.balance("deribit", "main", "ETH") == 100
    desk.feed(told)
    desk.read(positions={PERP.key: "60"})
    assert accounts.size("deribit", "main", PERP.key) == 60
    assert accounts.balance("deribit", "main", "ETH") == 100
    assert not desk.engine.ledger.differences
    assert not desk.engine.halts.paused, "what was there before is nobody's intrusion"
