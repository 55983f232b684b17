"""Manual requests in the fold of trades: one request is one order, wanted until something ends it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from atomizer.domain.bookings import Fill
from atomizer.domain.commands import DeadLetter, LetterKind, LetterState, PlaceOrder
from atomizer.domain.events import Operator, OrderEnded, OrderNotFound, PlaceRefused
from atomizer.domain.instruments import Side
from atomizer.domain.orders import EndReason, OrderState
from atomizer.domain.trades import MANUAL, MANUAL_GROUP, Happening, Request, Trade, TradeState

if TYPE_CHECKING:
    from atomizer.engine.ledger import Ledger, Order
    from atomizer.engine.trades import Trades


class ManualRequests:
    """What records about requests and their orders do to `trades`. `of_order`: trade by order id."""

    def __init__(self, trades: Trades, ledger: Ledger) -> None:
        self._trades = trades
        self._ledger = ledger
        self.of_order: dict[int, str] = {}

    def operator(self, word: Operator) -> None:
        """A person asks for a trade, or takes it back."""
        if word.word == "execute" and word.request_id not in self._trades.trades:
            self._requested(word)
        elif word.word == "withdraw":
            trade = self._trades.trades.get(word.scope)
            if trade is not None and trade.request is not None:
                self.end_request(trade, f"withdrawn by {word.by or 'a person'}")

    def _requested(self, word: Operator) -> None:
        args = word.args
        instrument, side = str(args["instrument"]), Side[str(args["side"]).upper()]
        venue = instrument.partition(":")[0]
        known = self._ledger.instruments.get(instrument)
        self._trades.trades[word.request_id] = trade = Trade(
            trade_id=word.request_id,
            source=MANUAL,
            venue=venue,
            account=str(args["account"]),
            instrument=instrument,
            underlying=known.underlying if known is not None else str(args["underlying"]),
            side=side,
            size=Decimal(str(args["amount"])),
            asked_ns=self._trades.now_ns,
            changed_ns=self._trades.now_ns,
            price=Decimal(str(args["price"])),
            request=Request(
                price=Decimal(str(args["price"])),
                immediate=args.get("time_in_force") == "ioc",
                until_ns=word.until_ns,
                life_ns=max(word.until_ns - self._trades.now_ns, 0),
                level=self._free_level(instrument, side),
            ),
        )
        self._trades.index(trade)

    def _free_level(self, instrument: str, side: Side) -> int:
        """A level of its own for every try: a slot that a venue's refusal put to rest is not waited for."""
        taken = (
            trade.request.level
            for trade in self._trades.trades.values()
            if trade.request is not None and (trade.instrument, trade.side) == (instrument, side)
        )
        return max(taken, default=-1) + 1

    def _working(self, trade: Trade) -> bool:
        return any(order_id in self._ledger.orders for order_id in trade.orders)

    def end_request(self, trade: Trade, why: str) -> None:
        """Nothing more is wanted; what works is being cancelled and may still be filled."""
        if trade.request is None or not trade.request.wanted:
            return
        trade.request.wanted = False
        if self._working(trade):
            trade.why = why
            self._trades.index(trade)
        else:
            self._trades.happens(trade, Happening.DIED, why)

    def letter(self, letter: DeadLetter) -> None:
        """A retry wants the request again."""
        if letter.kind is LetterKind.MANUAL and letter.state is LetterState.RETRYING:
            self._rearm(letter.subject)

    def _rearm(self, trade_id: str) -> None:
        """Want a failed request again, for as long as it was wanted at first."""
        trade = self._trades.trades.get(trade_id)
        if trade is None or trade.request is None or trade.state is not TradeState.FAILED or trade.bookings:
            return
        trade.request.level = self._free_level(trade.instrument, trade.side)
        trade.request.wanted = True
        trade.request.until_ns = self._trades.now_ns + trade.request.life_ns
        trade.attempts += 1
        self._trades.happens(trade, Happening.ASKED_AGAIN)

    def placed(self, command: PlaceOrder) -> None:
        """An order of a request went out."""
        if not command.group.startswith(MANUAL_GROUP):
            return
        trade = self._trades.trades.get(command.group.removeprefix(MANUAL_GROUP))
        if trade is not None:
            trade.orders.append(command.order_id)
            self.of_order[command.order_id] = trade.trade_id
            self._trades.happens(trade, Happening.OFFERED)

    def order_done(self, event: OrderEnded | PlaceRefused | OrderNotFound | Fill) -> None:
        """One request is one order: when that is over, so is the request."""
        trade_id = self.of_order.get(event.order_id)
        if trade_id is None:
            return
        trade, order = self._trades.trades[trade_id], self._ledger.find(event.order_id)
        if order is None or order.state is not OrderState.DONE or event.order_id != trade.orders[-1]:
            return
        if trade.request is not None:
            trade.request.wanted = False
        refused = order.end is EndReason.REJECTED
        self._trades.happens(
            trade, Happening.REFUSED if refused else Happening.DIED, _ended_text(trade, order)
        )

    def lapse(self) -> None:
        """End what is past its time."""
        for trade in list(self._trades.requests()):
            if trade.request is not None and trade.request.until_ns <= self._trades.now_ns:
                self.end_request(trade, "its time is over")

    def restarted(self) -> None:
        """A new process takes no request over: it is asked again or not at all."""
        for trade in list(self._trades.requests()):
            self.end_request(trade, "the node was started again")


def _ended_text(trade: Trade, order: Order) -> str:
    return trade.why or f"{order.end or 'ended'} {order.end_text}".strip()
