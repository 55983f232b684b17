"""Comparing the ledger with what venues report; every difference is explained, booked or shown.

A read comes as a bracket of ordinary events. At its end, orders it does not mention (and that were asked for
before it) are over, positions must agree with the fold, and on a venue that cannot be asked about its quotes
a position that no confirmation explains becomes an inferred booking.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from atomizer.domain.bookings import CashKind, CashMove, Fill, PositionMove, Reversal, RfqTrade, booking_key
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
from atomizer.domain.instruments import Kind
from atomizer.domain.orders import EndReason
from atomizer.engine import inference
from atomizer.engine.accounts import Holding
from atomizer.engine.expiry import became_of, has_expired
from atomizer.engine.ledger import OPENING, Ledger, LiveQuote

Scope = tuple[str, str]
INFER_AFTER_READS = 2


class Bracket(msgspec.Struct):
    """One read under way: what it mentioned so far."""

    asked_ns: int
    orders: dict[int, bool] = msgspec.field(default_factory=dict)
    positions: dict[str, PositionReport] = msgspec.field(default_factory=dict)
    cash: dict[str, Decimal] = msgspec.field(default_factory=dict)
    cash_gaps: dict[str, tuple[Decimal, Decimal]] = msgspec.field(default_factory=dict)

    def size(self, instrument: str) -> Decimal:
        report = self.positions.get(instrument)
        return report.size if report else Decimal(0)


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
        self._agreed_ns: dict[Holding, int] = {}

    def begin(self, event: ReadBegun) -> None:
        self._open[event.venue, event.account] = Bracket(event.asked_ns)

    def order(self, event: OrderOpen) -> None:
        bracket = self._open.get((event.venue, event.account))
        if bracket is not None:
            bracket.orders[event.order_id] = True

    def position(self, event: PositionReport) -> None:
        bracket = self._open.get((event.venue, event.account))
        if bracket is not None:
            bracket.positions[event.instrument] = event

    def balance(self, event: BalanceReport) -> None:
        """What the venue counts as paid, against the fold as it stands at this moment."""
        bracket = self._open.get((event.venue, event.account))
        if bracket is not None:
            bracket.cash[event.currency] = event.cash
            ours = self._paid(event.venue, event.account, event.currency)
            bracket.cash_gaps[event.currency] = (ours, event.cash)

    def _paid(self, venue: str, account: str, currency: str) -> Decimal:
        """Our cash as far as the venue's balance shows it by now."""
        accounts = self._ledger.accounts
        cash = accounts.balance(venue, account, currency)
        if self._capabilities[venue].settles_daily:
            cash -= accounts.unpaid(venue, account, currency)
        return cash

    def end(self, event: ReadEnded, now_ns: int, *, adopt: bool) -> Verdict | None:
        """Judge a completed read; None when it was not begun here.

        `adopt`: the ledger has never seen this account, so what it holds is its opening state.
        """
        scope = (event.venue, event.account)
        bracket = self._open.get(scope)
        if bracket is None or bracket.asked_ns != event.asked_ns:
            return None  # an older read ends late, while a newer one is under way
        del self._open[scope]
        if event.error:
            return Verdict([], agrees=False, text=f"reading {event.venue} failed: {event.error}")
        verdict = Verdict(list(self._vanished(scope, bracket, now_ns)), agrees=True)
        if adopt:
            verdict.records += self._opening(scope, bracket)
            return verdict
        self._positions(scope, bracket, verdict, now_ns)
        if self._capabilities[event.venue].cash_told:
            self._cash(scope, bracket, verdict, now_ns)
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

    def part_of_opening(self, event: ReadEnded) -> list[Reversal]:
        """Trades told of until the first read ended are part of what it opens the account with.

        They are taken back, so that their keys stay known: the next read, which overlaps, tells of them
        again.
        """
        scope, accounts = (event.venue, event.account), self._ledger.accounts
        bracket = self._open.get(scope)
        if event.error or bracket is None or bracket.asked_ns != event.asked_ns:
            return []
        return [
            Reversal(
                venue=scope[0], account=scope[1], key=key, why="part of the opening", ts_ns=event.asked_ns
            )
            for key, booking in accounts.booked.items()
            if isinstance(booking, Fill)
            and (booking.venue, booking.account) == scope
            and key not in accounts.reversed
        ]

    def _opening(self, scope: Scope, bracket: Bracket) -> list[CashMove | PositionMove]:
        """What the account held when it was first read, its cash last: that is what opens it."""
        venue, account = scope
        accounts = self._ledger.accounts
        moves: list[CashMove | PositionMove] = [
            PositionMove(
                venue=venue,
                account=account,
                instrument=instrument,
                reference=OPENING,
                size=report.size - accounts.size(venue, account, instrument),
                why="held before the first run",
                price=report.mark,
                ts_ns=bracket.asked_ns,
            )
            for instrument, report in sorted(bracket.positions.items())
            if report.size != accounts.size(venue, account, instrument)
        ]
        moves += [
            CashMove(
                venue=venue,
                account=account,
                kind=CashKind.DEPOSIT,
                reference=f"{OPENING} {currency}",
                currency=currency,
                amount=amount - self._paid(venue, account, currency),
                ts_ns=bracket.asked_ns,
            )
            for currency, amount in sorted(bracket.cash.items())
        ]
        return moves

    def _positions(self, scope: Scope, bracket: Bracket, verdict: Verdict, now_ns: int) -> None:
        venue, account = scope
        names = {
            key.instrument
            for key in self._ledger.accounts.positions
            if key[:2] == scope and self._is_position(key.instrument)
        }
        names |= {
            key[2]
            for key in self._ledger.differences
            if key[:2] == scope and key[2] in self._ledger.instruments
        }
        gaps: dict[Holding, Decimal] = {}
        for instrument in sorted(names | set(bracket.positions)):
            holding = Holding(venue, account, instrument)
            if self._settling(instrument, now_ns):
                continue
            gap = bracket.size(instrument) - self._ledger.accounts.size(*holding)
            if gap:
                gaps[holding] = gap
                continue
            self._unexplained.pop(holding, None)
            self._agreed_ns[holding] = bracket.asked_ns
            known = self._ledger.differences.get((venue, account, instrument))
            if known is not None:
                verdict.records.append(msgspec.structs.replace(known, open=False))
        fresh = [holding for holding, gap in gaps.items() if self._met(holding, gap) < INFER_AFTER_READS]
        if fresh:
            verdict.agrees, verdict.again = False, True
            verdict.text = f"{self._words(fresh[0], bracket)}; reading again"
            return
        if not self._capabilities[venue].orders:
            self._vanished_options(scope, gaps, bracket, verdict, now_ns)
        if gaps and not self._capabilities[venue].orders:
            for record in self._explained(scope, gaps, bracket, now_ns):
                verdict.records.append(record)
                for holding in [
                    item for item in gaps if item.instrument == _instrument_of(record, self._ledger)
                ]:
                    self._unexplained.pop(holding, None)
                    del gaps[holding]
        for holding in gaps:
            verdict.agrees = False
            verdict.text = f"{self._words(holding, bracket)}; nothing explains it"
            self._show(holding, bracket, verdict)

    def _vanished_options(
        self, scope: Scope, gaps: dict[Holding, Decimal], bracket: Bracket, verdict: Verdict, now_ns: int
    ) -> None:
        """Expired options that the venue shows no more: worthless or delivered, as its balances say."""
        instruments = self._ledger.instruments
        gone = {
            holding: gap
            for holding, gap in gaps.items()
            if not bracket.size(holding.instrument)
            and holding.instrument in instruments
            and has_expired(instruments[holding.instrument], now_ns)
        }
        if not gone:
            return
        changed = {
            currency: amount - self._ledger.accounts.balance(*scope, currency)
            for currency, amount in bracket.cash.items()
        }
        for move in became_of(gone, instruments, changed, now_ns):
            verdict.records.append(move)
            if isinstance(move, PositionMove):
                holding = Holding(*scope, move.instrument)
                self._unexplained.pop(holding, None)
                del gaps[holding]

    def _settling(self, instrument: str, now_ns: int) -> bool:
        """Between its expiry and its delivery an instrument is a state of the venue, not a difference."""
        known = self._ledger.instruments.get(instrument)
        if known is None or known.expiry_ns is None:
            return False
        patience_ns = self._capabilities[known.venue].settling_ms * 1_000_000
        return known.expiry_ns <= now_ns < known.expiry_ns + patience_ns

    def _cash(self, scope: Scope, bracket: Bracket, verdict: Verdict, now_ns: int) -> None:
        """Every change of a balance is told, so it must be the fold's to the last digit; what is on its way
        is there when the account is read again."""
        venue, account = scope
        held = [key.instrument for key in self._ledger.position_sizes() if key[:2] == scope]
        if any(self._settling(name, now_ns) for name in held):
            return
        for currency, (ours, theirs) in sorted(bracket.cash_gaps.items()):
            what, text = f"cash {currency}", f"{venue} {currency}: ledger {ours}, venue {theirs}"
            known = self._ledger.differences.get((venue, account, what))
            if ours == theirs:
                self._unexplained.pop(Holding(venue, account, what), None)
                if known is not None:
                    verdict.records.append(msgspec.structs.replace(known, open=False))
                continue
            verdict.agrees = False
            if self._met(Holding(venue, account, what), theirs - ours) < INFER_AFTER_READS:
                verdict.again, verdict.text = True, f"{text}; reading again"
                continue
            verdict.text = f"{text}; nothing explains it"
            if known is None or (known.ours, known.theirs) != (str(ours), str(theirs)):
                verdict.records.append(
                    Difference(venue=venue, account=account, what=what, ours=str(ours), theirs=str(theirs))
                )

    def _is_position(self, instrument: str) -> bool:
        """Coins bought on the spot market are a balance, which no venue lists among its positions."""
        known = self._ledger.instruments.get(instrument)
        return known is None or known.kind is not Kind.SPOT

    def _met(self, holding: Holding, gap: Decimal) -> int:
        """How many reads in a row showed this gap."""
        before, reads = self._unexplained.get(holding, (Decimal(0), 0))
        reads = reads + 1 if before == gap else 1
        self._unexplained[holding] = (gap, reads)
        return reads

    def _words(self, holding: Holding, bracket: Bracket) -> str:
        ours = self._ledger.accounts.size(*holding)
        theirs = bracket.size(holding.instrument)
        return f"{holding.instrument}: ledger {ours}, venue {theirs}"

    def _show(self, holding: Holding, bracket: Bracket, verdict: Verdict) -> None:
        """A difference is recorded when it appears and when it changes."""
        ours = str(self._ledger.accounts.size(*holding))
        theirs = str(bracket.size(holding.instrument))
        known = self._ledger.differences.get((holding.venue, holding.account, holding.instrument))
        if known is None or (known.ours, known.theirs) != (ours, theirs):
            verdict.records.append(
                Difference(
                    venue=holding.venue,
                    account=holding.account,
                    what=holding.instrument,
                    ours=ours,
                    theirs=theirs,
                )
            )

    # --- trades that no confirmation told of ---

    def _explained(
        self, scope: Scope, gaps: dict[Holding, Decimal], bracket: Bracket, now_ns: int
    ) -> list[RfqTrade | Reversal]:
        """Which of our quotes were executed unseen, and which inferences were wrong.

        Every gap has its possible explanations; of their combinations the one that also explains the cash
        is taken, else for each gap the one of the dearest quotes.
        """
        known = [choices for holding, gap in gaps.items() if (choices := self._choices(holding, gap))]
        if not known:
            return []
        paid = self._ledger.accounts.balance(*scope, "USD") - bracket.cash.get("USD", Decimal(0))
        chosen = inference.matching(known, paid) or [inference.dearest(choices) for choices in known]
        return [
            self._inferred(item, now_ns) if isinstance(item, LiveQuote) else _undone(item, now_ns)
            for choice in chosen
            for item in choice
        ]

    def _choices(self, holding: Holding, gap: Decimal) -> list[inference.Choice]:
        """Sets of quotes not known to be executed and of inferred trades that together make up the gap."""
        agreed_ns = self._agreed_ns.get(holding, 0)
        margin_ns = self._capabilities[holding.venue].settlement_margin_ms * 1_000_000
        quotes: list[LiveQuote | RfqTrade] = [
            quote
            for quote in self._ledger.quotes.values()
            if not quote.traded
            and (quote.command.venue, quote.command.account) == holding[:2]
            and quote.command.instrument == holding.instrument
            and quote.command.valid_until_s * 1_000_000_000 + margin_ns >= agreed_ns
        ]
        accounts = self._ledger.accounts
        guesses: list[LiveQuote | RfqTrade] = [
            booking
            for key, booking in accounts.booked.items()
            if isinstance(booking, RfqTrade) and booking.inferred and key not in accounts.reversed
            if (booking.venue, booking.account, booking.instrument) == holding
        ]
        newest = sorted(quotes + guesses, key=inference.nonce, reverse=True)
        return inference.sums(newest[: inference.MOST_CANDIDATES], gap)

    @staticmethod
    def _inferred(quote: LiveQuote, now_ns: int) -> RfqTrade:
        command = quote.command
        return RfqTrade(
            venue=command.venue,
            account=command.account,
            instrument=command.instrument,
            nonce=command.nonce,
            side=command.side,
            price=inference.price(quote),
            size=quote.size,
            premium_currency="USD",
            rfq_id=command.rfq_id,
            taker=command.taker,
            inferred=True,
            ts_ns=now_ns,
        )


def _undone(trade: RfqTrade, now_ns: int) -> Reversal:
    return Reversal(
        venue=trade.venue,
        account=trade.account,
        key=booking_key(trade),
        why="the position shows that the trade inferred was another, which was confirmed",
        ts_ns=now_ns,
    )


def _instrument_of(record: RfqTrade | Reversal, ledger: Ledger) -> str:
    booking = ledger.accounts.booked[record.key] if isinstance(record, Reversal) else record
    return booking.instrument if isinstance(booking, RfqTrade) else ""
