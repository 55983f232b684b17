"""Mass quotes: many two-sided quotes in one request, one quote per side, instrument and group.

Sources disagree on what a refused side does to the quote that rests there and to the other side; both are
settings. An amount is what may still trade from now on, whatever has been filled before (not documented).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.books import BUY, SELL
from atomizer.sim.deribit.errors import DeribitError, invalid_params
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.orders import GTC, Order, QuoteTag, Wish
from atomizer.sim.matching import Mode

if TYPE_CHECKING:
    from atomizer.sim.deribit.exchange import Exchange

SIDES = {BUY: "bid", SELL: "ask"}
REPLACED = "user_request"


@dataclass(frozen=True, slots=True)
class SideWish:
    """What a request says of one side; None leaves it as it is, amount 0 cancels."""

    price: Decimal | None
    amount: Decimal | None
    post_only: bool
    reject_post_only: bool


@dataclass(frozen=True, slots=True)
class QuoteWish:
    """One entry of a request."""

    listing: Listing
    quote_set_id: str
    sides: dict[int, SideWish]


@dataclass(frozen=True, slots=True)
class Step:
    """What will be done with one side: `wish` None cancels what stands, if anything does."""

    standing: Order | None
    wish: Wish | None
    keep_place: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of a request."""

    orders: list[Order] = field(default_factory=list)
    trades: list[list[dict[str, Any]]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, listing: Listing, side: int, error: DeribitError) -> None:
        self.errors.append({"instrument_name": listing.name, "side": SIDES[side], "error": error.body()})

    def finish(self) -> None:
        """Turn orders that met an own one on leaving the speed bump into errors."""
        for order in self.orders:
            if order.refusal is not None:
                self.refuse(order.listing, order.side, order.refusal)


class MassQuotes:
    """The quotes of all accounts."""

    def __init__(self, exchange: Exchange, quote_errors: str) -> None:
        self._exchange = exchange
        self._goes = quote_errors.startswith("goes")
        self._together = quote_errors.endswith("together")
        self._standing: dict[tuple[str, str, str, int], Order] = {}

    def standing(self, account: Account, group: str, listing: Listing, side: int) -> Order | None:
        """The open quote of a side, None when there is none."""
        order = self._standing.get((account.name, group, listing.name, side))
        return order if order is not None and order.is_open else None

    def submit(
        self, account: Account, via: int, group: str, quote_id: str, wishes: Sequence[QuoteWish]
    ) -> Outcome:
        """Do what a request asks for, entry by entry."""
        outcome = Outcome()
        for wish in wishes:
            tag = QuoteTag(group, quote_id, wish.quote_set_id)
            self._entry(account, via, tag, wish, outcome)
        return outcome

    def _entry(self, account: Account, via: int, tag: QuoteTag, wish: QuoteWish, outcome: Outcome) -> None:
        """Both sides of one instrument: judged first, then applied in the order that avoids a cross."""
        listing = wish.listing
        steps: dict[int, Step] = {}
        refused: dict[int, DeribitError] = {}
        for side in wish.sides:
            try:
                steps[side] = self._judge(account, tag, wish, side)
            except DeribitError as error:
                refused[side] = error
        self._refuse_cross(listing, steps, refused)
        if refused and self._together:
            first = next(iter(refused.values()))
            refused |= {side: first for side in steps if steps[side].wish is not None}
        for side, refusal in refused.items():
            self._turn_down(account, tag, listing, side, refusal, outcome)
        todo = {side: step for side, step in steps.items() if side not in refused}
        for side in _sequence(todo):
            try:
                self._apply(account, via, tag, listing, side, todo[side], outcome)
            except DeribitError as error:
                self._turn_down(account, tag, listing, side, error, outcome)

    def _turn_down(
        self,
        account: Account,
        tag: QuoteTag,
        listing: Listing,
        side: int,
        error: DeribitError,
        outcome: Outcome,
    ) -> None:
        """Report a refused side; in one reading of the documents its resting quote goes as well."""
        outcome.refuse(listing, side, error)
        standing = self.standing(account, tag.group, listing, side)
        if self._goes and standing is not None:
            self._exchange.cancel(standing, REPLACED)

    def _judge(self, account: Account, tag: QuoteTag, wish: QuoteWish, side: int) -> Step:
        """What to do with a side.

        Raises:
            DeribitError: this side is refused.
        """
        asked, listing = wish.sides[side], wish.listing
        standing = self.standing(account, tag.group, listing, side)
        if asked.amount == 0:
            return Step(standing, None)
        if asked.price is None and asked.amount is None:
            raise invalid_params(SIDES[side], "price or amount required")
        if standing is None and (asked.price is None or asked.amount is None):
            raise DeribitError("order_not_found", "there is no quote to amend", SIDES[side])
        if standing is not None and standing.is_bumped:
            raise DeribitError("other_reject", "cannot be changed in the speed bump", SIDES[side])
        ticks = standing.ticks if asked.price is None and standing else listing.ticks(_given(asked.price))
        lots = standing.left_lots if asked.amount is None and standing else listing.lots(_given(asked.amount))
        made = _wish(listing, side, ticks, lots, asked)
        self._exchange.states.require_open(listing)
        self._exchange.admission.check_price(made)
        self._exchange.guards.admit(account, made, ticks, tag)
        self._check_book(account, tag, made, ticks)
        return Step(standing, made, keep_place=standing is not None and _keeps(standing, ticks, lots, tag))

    def _check_book(self, account: Account, tag: QuoteTag, wish: Wish, ticks: int) -> None:
        """Refuse what would take though it must not, or meet an own order first.

        The opposite quote of the same group may be about to move and does not count.
        """
        listing = wish.listing
        other = self.standing(account, tag.group, listing, -wish.side)
        moving = other.matching_id if other is not None else 0
        for number, at, _ in self._exchange.live_book(listing).matching.queue(-wish.side):
            if wish.side * (ticks - at) < 0:
                return
            if number == moving:
                continue
            if wish.mode is Mode.POST_REJECT:
                raise DeribitError("post_only_reject", "would take liquidity", "price")
            if self._exchange.owner(number) is account:
                raise DeribitError("order_overlap", "would meet an own order", "price")
            return

    @staticmethod
    def _refuse_cross(listing: Listing, steps: dict[int, Step], refused: dict[int, DeribitError]) -> None:
        """A quote whose own sides cross is refused on both."""
        prices = {side: step.wish.ticks for side, step in steps.items() if step.wish is not None}
        bid, ask = prices.get(BUY), prices.get(SELL)
        if bid is not None and ask is not None and bid >= ask:
            crossed = DeribitError("other_reject", f"bid and ask of {listing.name} cross", "price")
            refused |= {BUY: crossed, SELL: crossed}

    def _apply(
        self,
        account: Account,
        via: int,
        tag: QuoteTag,
        listing: Listing,
        side: int,
        step: Step,
        outcome: Outcome,
    ) -> None:
        """Cancel, amend or place one side."""
        exchange, standing = self._exchange, step.standing
        if step.wish is None:
            if standing is not None:
                exchange.cancel(standing, REPLACED)
                outcome.orders.append(standing)
            return
        if standing is not None and standing.is_open:
            standing.via = via
            trades = exchange.entrance.requote(standing, step.wish, tag, keep_place=step.keep_place)
            order = standing
        else:
            order, trades = exchange.place(account, step.wish, None, via, tag)
            self._standing[account.name, tag.group, listing.name, side] = order
        outcome.orders.append(order)
        outcome.trades.append(trades)


def _given(value: Decimal | None) -> Decimal:
    assert value is not None
    return value


def _wish(listing: Listing, side: int, ticks: int, lots: int, asked: SideWish) -> Wish:
    """The order a side makes: a plain protected limit order without a label."""
    return Wish(
        listing=listing,
        side=side,
        lots=lots,
        ticks=ticks,
        order_type="limit",
        time_in_force=GTC,
        label="",
        post_only=asked.post_only,
        reject_post_only=asked.reject_post_only,
        reduce_only=False,
        mmp=True,
    )


def _keeps(standing: Order, ticks: int, lots: int, tag: QuoteTag) -> bool:
    """Whether a change keeps its place: less size, or another quote set id alone."""
    if ticks != standing.ticks or standing.quote is None:
        return False
    same = lots == standing.left_lots
    return lots < standing.left_lots or (same and standing.quote.quote_set_id != tag.quote_set_id)


def _sequence(steps: dict[int, Step]) -> list[int]:
    """Bid first, but both up: ask first, so that a quote never meets itself on the way."""
    moves = [
        step.wish.ticks - step.standing.ticks
        for step in steps.values()
        if step.wish is not None and step.wish.ticks is not None and step.standing is not None
    ]
    if len(moves) == 2 and min(moves) > 0:
        return [SELL, BUY]
    return [side for side in (BUY, SELL) if side in steps]
