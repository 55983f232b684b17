"""Orders of accounts: what a request asks for, and the life of what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from atomizer.sim.deribit.errors import DeribitError, invalid_params
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.params import Params
from atomizer.sim.matching import Mode

if TYPE_CHECKING:
    from atomizer.sim.deribit.accounts import Account

GTC, GTD, IOC, FOK = "good_til_cancelled", "good_til_day", "immediate_or_cancel", "fill_or_kill"
MAX_LABEL = 64
# An iceberg shows this many times the smallest order, and one part in this many of itself, at the least.
SHOW_MINIMUM, SHOW_PARTS = 100, 100
MARKET_TYPES = ("market", "market_limit")
OPEN, SPEED_BUMPED = "open", "speed_bumped"


@dataclass(frozen=True, slots=True)
class Wish:
    """A checked order request. `ticks` None: take whatever price there is (market); `show` 0: all shows."""

    listing: Listing
    side: int
    lots: int
    ticks: int | None
    order_type: str
    time_in_force: str
    label: str
    post_only: bool
    reject_post_only: bool
    reduce_only: bool
    mmp: bool
    show: int = 0

    @property
    def mode(self) -> Mode:
        """How the matching treats what does not trade."""
        if self.order_type == "market" or self.time_in_force == IOC:
            return Mode.IMMEDIATE
        if self.order_type == "market_limit":
            return Mode.REST
        if self.time_in_force == FOK:
            return Mode.ALL_OR_NOTHING
        if self.post_only:
            return Mode.POST_REJECT if self.reject_post_only else Mode.POST_MOVE
        return Mode.REST


def read_wish(params: Params, listing: Listing, side: int) -> Wish:
    """Check an order's parameters.

    Raises:
        DeribitError: off the grids, contradictory, or not offered by this simulation.
    """
    order_type = params.text("type", "limit")
    if order_type not in ("limit", *MARKET_TYPES):
        raise DeribitError("other_reject", f"order type {order_type} is not simulated", "type")
    if params.has("advanced"):
        raise DeribitError("no_adv_for_futures" if listing.option is None else "other_reject",
                           "advanced orders are not simulated", "advanced")  # fmt: skip
    time_in_force = params.choice("time_in_force", (GTC, GTD, IOC, FOK), GTC)
    label = params.text("label", "")
    if len(label) > MAX_LABEL:
        raise invalid_params("label", f"must be at most {MAX_LABEL} characters")
    post_only = params.flag("post_only")
    if post_only and (order_type in MARKET_TYPES or time_in_force in (IOC, FOK)):
        raise invalid_params("post_only", "contradicts an order that may not rest")
    ticks = None
    if order_type == "limit":
        price = params.decimal("price")
        if price is None:
            raise invalid_params("price", "value required")
        ticks = listing.ticks(price)
    lots = read_lots(params, listing)
    return Wish(
        listing=listing,
        side=side,
        lots=lots,
        ticks=ticks,
        order_type=order_type,
        time_in_force=time_in_force,
        label=label,
        post_only=post_only,
        reject_post_only=params.flag("reject_post_only"),
        reduce_only=params.flag("reduce_only"),
        mmp=params.flag("mmp"),
        show=_read_show(params, listing, lots, resting=time_in_force in (GTC, GTD)),
    )


def _read_show(params: Params, listing: Listing, lots: int, *, resting: bool) -> int:
    """Lots of an iceberg that show at a time (`display_amount`, once `max_show`), 0 where all of it does.

    Raises:
        DeribitError: 10036, too small a part of it or of the smallest order, or of an order that cannot rest.
    """
    name = "display_amount" if params.has("display_amount") else "max_show"
    amount = params.decimal(name)
    if amount is None:
        return 0
    show = listing.lots(amount)
    if show >= lots:
        return 0
    if not resting or show < SHOW_MINIMUM or lots > SHOW_PARTS * show:
        reason = f"at least {SHOW_MINIMUM} times {listing.lot} and one part in {SHOW_PARTS}"
        raise DeribitError("invalid_max_show_amount", reason, name)
    return show


def read_lots(params: Params, listing: Listing) -> int:
    """The size in lots from `amount` or `contracts`; when both are given they must agree."""
    amount, contracts = params.decimal("amount"), params.decimal("contracts")
    if contracts is not None:
        in_amount = contracts * listing.contract_size
        if amount is not None and amount != in_amount:
            raise invalid_params("contracts", "contradicts amount")
        amount = in_amount
    if amount is None:
        raise invalid_params("amount", "value required")
    return listing.lots(amount)


@dataclass(frozen=True, slots=True)
class QuoteTag:
    """What makes an order one side of a mass quote."""

    group: str
    quote_id: str
    quote_set_id: str


class Order:
    """One order of an account. `lots` is the total asked for, `left_lots` what may still trade.

    `state` `speed_bumped`: accepted, not yet in the book. `immediate`: cancelled while there, so that
    nothing of it will rest. `refusal`: why it ended when it left the speed bump.
    """

    __slots__ = (
        "account",
        "cancel_reason",
        "created_ms",
        "filled_lots",
        "immediate",
        "label",
        "listing",
        "lots",
        "matching_id",
        "order_id",
        "paid",
        "quote",
        "refusal",
        "replaced",
        "shown_lots",
        "state",
        "ticks",
        "updated_ms",
        "via",
        "wish",
    )

    def __init__(
        self,
        matching_id: int,
        account: Account,
        wish: Wish,
        ticks: int,
        now_ms: int,
        via: int,
        quote: QuoteTag | None = None,
    ) -> None:
        self.matching_id = matching_id
        self.order_id = f"{wish.listing.prefix}{matching_id}"
        self.account = account
        self.wish = wish
        self.listing = wish.listing
        self.label = wish.label
        self.ticks = ticks
        self.lots = wish.lots
        self.filled_lots = 0
        self.paid = Decimal(0)  # sum of ticks x lots
        self.state = OPEN
        self.cancel_reason = ""
        self.quote = quote
        self.shown_lots = 0
        self.immediate = False
        self.refusal: DeribitError | None = None
        self.replaced = False
        self.created_ms = self.updated_ms = now_ms
        self.via = via  # session number, 0 by HTTP

    @property
    def side(self) -> int:
        return self.wish.side

    @property
    def left_lots(self) -> int:
        return self.lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        """Whether anything of it may still trade."""
        return self.state in (OPEN, SPEED_BUMPED)

    @property
    def is_bumped(self) -> bool:
        return self.state == SPEED_BUMPED

    @property
    def mode(self) -> Mode:
        """How the matching treats it when it enters the book."""
        return Mode.IMMEDIATE if self.immediate else self.wish.mode

    @property
    def average(self) -> float:
        """Average fill price: by coins for the inverse perpetual's cost this is the plain mean by size."""
        if not self.filled_lots:
            return 0.0
        return float(self.paid / self.filled_lots * self.listing.tick)

    def render(self) -> dict[str, Any]:
        """The order object of the API."""
        wish, listing = self.wish, self.listing
        amount = listing.amount(self.lots)
        body: dict[str, Any] = {
            "order_id": self.order_id,
            "order_state": self.state,
            "order_type": "limit" if wish.order_type == "market_limit" else wish.order_type,
            "original_order_type": "market_limit" if wish.order_type == "market_limit" else None,
            "time_in_force": wish.time_in_force,
            "instrument_name": listing.name,
            "direction": "buy" if wish.side > 0 else "sell",
            "price": "market_price" if wish.order_type == "market" else listing.price(self.ticks),
            "amount": amount,
            "contracts": amount / float(listing.contract_size),
            "filled_amount": listing.amount(self.filled_lots),
            "average_price": self.average,
            "max_show": listing.amount(wish.show) if wish.show else amount,
            "label": self.label,
            "post_only": wish.post_only,
            "reject_post_only": wish.reject_post_only,
            "reduce_only": wish.reduce_only,
            "replaced": self.replaced,
            "mmp": wish.mmp,
            "api": True,
            "web": False,
            "is_liquidation": False,
            "is_rebalance": False,
            "risk_reducing": False,
            "creation_timestamp": self.created_ms,
            "last_update_timestamp": self.updated_ms,
        }
        if wish.show:
            body["display_amount"] = listing.amount(self.shown_lots)
            body["refresh_amount"] = listing.amount(wish.show)
        if self.quote is not None:
            body |= {
                "quote": True,
                "quote_id": self.quote.quote_id,
                "quote_set_id": self.quote.quote_set_id,
                "mmp_group": self.quote.group,
            }
        if self.cancel_reason and not self.is_open:
            body["cancel_reason"] = self.cancel_reason
            if self.cancel_reason == "mmp_trigger":
                body["mmp_cancelled"] = True
        return body


def own_order(account: Account, order_id: str) -> Order:
    """An order of this account.

    Raises:
        DeribitError: 10004, whoever else may own it.
    """
    order = account.orders.get(order_id)
    if order is None:
        raise DeribitError("order_not_found", "no such order of this account", "order_id")
    return order


def changed_wish(
    order: Order,
    lots: int,
    ticks: int | None,
    *,
    post_only: bool,
    reject_post_only: bool,
    reduce_only: bool,
    mmp: bool,
) -> Wish:
    """What an edit asks for: the order's own terms with another price, size and flags.

    Raises:
        DeribitError: an edit of `mmp`, or of an order without a price.
    """
    if mmp != order.wish.mmp:
        raise invalid_params("mmp", "cannot be changed by edit")
    if order.wish.order_type == "market":
        raise DeribitError("other_reject", "a market order cannot be edited", "order_id")
    return replace(
        order.wish,
        lots=lots,
        ticks=order.ticks if ticks is None else ticks,
        post_only=post_only,
        reject_post_only=reject_post_only,
        reduce_only=reduce_only,
    )
