"""Comparing the ledger with what venues report; every difference is explained, booked or shown.

A read comes as a bracket of ordinary events. At its end, orders it does not mention (and that were asked for
before it) are over, positions must agree with the fold, and on a venue that cannot be asked about its quotes
a position that no confirmation explains becomes an inferred booking.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.domain.bookings import CashKind, CashMove, PositionMove, Reversal, RfqTrade, booking_key
from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import Difference
from atomizer.domain.events import (
    BalanceReport,
    OrderEnded,
    OrderOpen,
    PositionReport,
    ReadBegun,
    ReadEnded,
)
from atomizer.domain.orders import EndReason
from atomizer.engine.accounts import Holding
from atomizer.engine.ledger import Ledger, LiveQuote

Scope = tuple[str, str]
CASH_TOLERANCE = Decimal("0.01")
INFER_AFTER_READS = 2


class Bracket(msgspec.Struct):
    """One read under way: what it mentioned so far."""

    asked_ns: int
    orders: dict[int, bool] = msgspec.field(default_factory=dict)
    positions: dict[str, Decimal] = msgspec.field(default_factory=dict)
    cash: dict[str, Decimal] = msgspec.field(default_factory=dict)


class Verdict(msgspec.Struct):
    """What a completed read leads to: records to fold and journal, and whether the account agrees.

    `again`: it does not, but something may still be on its way; read once more before judging.
    """

    records: list[OrderEnded | CashMove | PositionMove | RfqTrade | Reversal | Difference]
    agrees: bool
    text: str = ""
    again: bool = False


class Reconciler:
    """Keeps the brackets; `complete` judges one."""

    def __init__(self, ledger: Ledger, capabilities: dict[str, Capabilities]) -> None:
        self._ledger = ledger
        self._capabilities = capabilities
        self._open: dict[Scope, Bracket] = {}
        self._unexplained: dict[Holding, tuple[Decimal, int]] = {}

    def begin(self, event: ReadBegun) -> None:
        self._open[event.venue, event.account] = Bracket(event.asked_ns)

    def order(self, event: OrderOpen) -> None:
        bracket = self._open.get((event.venue, event.account))
        if bracket is not None:
            bracket.orders[event.order_id] = True

    def position(self, event: PositionReport) -> None:
        bracket = self._open.get((event.venue, event.account))
        if bracket is not None:
            bracket.positions[event.instrument] = event.size

    def balance(self, event: BalanceReport) -> None:
        bracket = self._open.get((event.venue, event.account))
        if bracket is not None:
            bracket.cash[event.currency] = event.cash

    def end(self, event: ReadEnded, now_ns: int, *, adopt: bool) -> Verdict | None:
        """Judge a completed read; None when it was not begun here.

        `adopt`: the ledger has never seen this account, so what it holds is its opening state.
        """
        scope = (event.venue, event.account)
        bracket = self._open.pop(scope, None)
        if bracket is None:
            return None
        if event.error:
            return Verdict([], agrees=False, text=f"reading {event.venue} failed: {event.error}")
        verdict = Verdict(list(self._vanished(scope, bracket, now_ns)), agrees=True)
        if adopt:
            verdict.records += self._opening(scope, bracket, now_ns)
            return verdict
        self._positions(scope, bracket, verdict, now_ns)
        return verdict

    def _vanished(self, scope: Scope, bracket: Bracket, now_ns: int) -> list[OrderEnded]:
        """Orders asked for before the read that the venue no longer lists; their fills were in the read."""
        gone = []
        for order in self._ledger.orders.values():
            if (order.venue, order.account) != scope or order.order_id in bracket.orders:
                continue
            if order.asked_ns < bracket.asked_ns and order.deadline_ns < bracket.asked_ns:
                gone.append(
                    OrderEnded(
                        venue=order.venue,
                        account=order.account,
                        order_id=order.order_id,
                        reason=EndReason.DISCONNECT,
                        filled_lots=max(order.booked, order.venue_filled),
                        venue_order_id=order.venue_order_id,
                        instrument=order.instrument,
                        text="not among the open orders read from the venue",
                        ts_ns=now_ns,
                    )
                )
        return gone

    def _opening(self, scope: Scope, bracket: Bracket, now_ns: int) -> list[CashMove | PositionMove]:
        venue, account = scope
        moves: list[CashMove | PositionMove] = [
            CashMove(
                venue=venue,
                account=account,
                kind=CashKind.DEPOSIT,
                reference="opening",
                currency=currency,
                amount=amount - self._ledger.accounts.balance(venue, account, currency),
                ts_ns=now_ns,
            )
            for currency, amount in sorted(bracket.cash.items())
        ]
        moves += [
            PositionMove(
                venue=venue,
                account=account,
                instrument=instrument,
                reference="opening",
                size=size - self._ledger.accounts.size(venue, account, instrument),
                why="held before the first run",
                ts_ns=now_ns,
            )
            for instrument, size in sorted(bracket.positions.items())
            if size != self._ledger.accounts.size(venue, account, instrument)
        ]
        return moves

    def _positions(self, scope: Scope, bracket: Bracket, verdict: Verdict, now_ns: int) -> None:
        venue, account = scope
        names = {key.instrument for key in self._ledger.accounts.positions if key[:2] == scope}
        rfq_only = not self._capabilities[venue].orders
        for instrument in sorted(names | set(bracket.positions)):
            ours = self._ledger.accounts.size(venue, account, instrument)
            theirs = bracket.positions.get(instrument, Decimal(0))
            holding = Holding(venue, account, instrument)
            known = self._ledger.differences.get((venue, account, instrument))
            if ours == theirs:
                self._unexplained.pop(holding, None)
                if known is not None:
                    verdict.records.append(msgspec.structs.replace(known, open=False))
                continue
            before, seen = self._unexplained.get(holding, (Decimal(0), 0))
            seen = seen + 1 if before == theirs - ours else 1
            self._unexplained[holding] = (theirs - ours, seen)
            if seen < INFER_AFTER_READS:
                verdict.agrees, verdict.again = False, True
                verdict.text = f"{instrument}: ledger {ours}, venue {theirs}; reading again"
                continue
            inferred = self._infer(holding, theirs - ours, bracket, now_ns) if rfq_only else []
            if inferred:
                verdict.records += inferred
                self._unexplained.pop(holding, None)
                continue
            verdict.agrees = False
            verdict.text = f"{instrument}: ledger {ours}, venue {theirs}; nothing explains it"
            if known is None or (known.ours, known.theirs) != (str(ours), str(theirs)):
                verdict.records.append(
                    Difference(
                        venue=venue, account=account, what=instrument, ours=str(ours), theirs=str(theirs)
                    )
                )

    def _infer(
        self, holding: Holding, missing: Decimal, bracket: Bracket, now_ns: int
    ) -> list[RfqTrade | Reversal]:
        """Which of our quotes were executed without a confirmation."""
        candidates = [
            quote
            for quote in self._ledger.quotes.values()
            if not quote.traded
            and (quote.command.venue, quote.command.account) == (holding.venue, holding.account)
            and quote.command.instrument == holding.instrument
            and quote.command.side * missing > 0
            and quote.size <= abs(missing)
        ]
        chosen = self._choose(candidates, abs(missing), holding, bracket)
        return [
            RfqTrade(
                venue=holding.venue,
                account=holding.account,
                instrument=holding.instrument,
                nonce=quote.command.nonce,
                side=quote.command.side,
                price=Decimal(quote.command.price_e18).scaleb(-18),
                size=quote.size,
                premium_currency="USD",
                rfq_id=quote.command.rfq_id,
                taker=quote.command.taker,
                inferred=True,
                ts_ns=now_ns,
            )
            for quote in chosen
        ]

    def _choose(
        self, candidates: list[LiveQuote], missing: Decimal, holding: Holding, bracket: Bracket
    ) -> list[LiveQuote]:
        """The quotes whose sizes make up what is missing: by the balance's change, else the dearest."""
        paid = self._ledger.accounts.balance(holding.venue, holding.account, "USD") - bracket.cash.get(
            "USD", Decimal(0)
        )
        for quote in candidates:
            premium = Decimal(quote.command.price_e18).scaleb(-18) * quote.size * quote.command.side
            if quote.size == missing and abs(premium - paid) <= CASH_TOLERANCE:
                return [quote]
        chosen: list[LiveQuote] = []
        rest = missing
        for quote in sorted(candidates, key=lambda item: (-item.command.price_e18, item.command.nonce)):
            if quote.size <= rest:
                chosen.append(quote)
                rest -= quote.size
        return chosen if not rest else []


def correct_inference(ledger: Ledger, trade: RfqTrade, now_ns: int) -> Reversal | None:
    """A confirmation came for another quote than the one inferred: undo the inference.

    Only when the position stands explained without the confirmed trade, so that booking it as well would
    count one trade twice.
    """
    if (known := ledger.accounts.booked.get(booking_key(trade))) is not None and isinstance(known, RfqTrade):
        return None
    holding = Holding(trade.venue, trade.account, trade.instrument)
    reported = ledger.reported_positions.get(holding)
    if reported is None or reported[0] != ledger.accounts.size(*holding):
        return None
    for key, booking in ledger.accounts.booked.items():
        if (
            isinstance(booking, RfqTrade)
            and booking.inferred
            and key not in ledger.accounts.reversed
            and (booking.instrument, booking.side, booking.size) == (trade.instrument, trade.side, trade.size)
        ):
            return Reversal(
                venue=trade.venue,
                account=trade.account,
                key=key,
                why=f"confirmation of quote {trade.nonce} replaces the inferred one",
                ts_ns=now_ns,
            )
    return None
