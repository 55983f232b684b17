"""Market maker protection at work on the venue: what its guards count, refuse and cancel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.orders import Order, QuoteTag, Wish
from atomizer.sim.deribit.positions import coin
from atomizer.sim.deribit.protection import Guard, MmpConfig, Protection
from atomizer.sim.deribit.underlyings import Underlying

TRIGGERED, CURTAILED = "mmp_trigger", "mmp_config_curtailment"
FREEZE_MS = 1000


class Exposure(NamedTuple):
    """What one unit of an instrument's amount carries: coins of size, net transaction delta, vega in USD."""

    size: float
    delta: float
    vega: float


def exposure(listing: Listing, underlying: Underlying, ticks: int) -> Exposure:
    """What one unit carries now: an inverse future's dollars are coins at the price."""
    marks = underlying.marks()
    if listing.kind == "spot":
        return Exposure(1.0, 1.0, 0.0)
    if listing.is_combo:
        delta = sum(leg.ratio * marks.delta[leg.listing.name] for leg in listing.legs)
        vega = sum(
            leg.ratio * marks.greeks[leg.listing.name].vega for leg in listing.legs if leg.listing.option
        )
        return Exposure(1.0, delta - marks.mark[listing.name], vega)
    if listing.option is None:
        coins = 1.0 / listing.price(ticks)
        return Exposure(coins, coins, 0.0)
    return Exposure(
        1.0, marks.delta[listing.name] - marks.mark[listing.name], marks.greeks[listing.name].vega
    )


class Guards:
    """The protection of every account."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        underlyings: Mapping[str, Underlying],
        cancel: Callable[[Order, str], None],
        tell: Callable[[Account, dict[str, Any]], None],
    ) -> None:
        self._now_ms = now_ms
        self._underlyings = underlyings
        self._cancel = cancel
        self._tell = tell
        self._accounts: dict[str, Protection] = {}
        self._due: list[tuple[Account, Guard]] = []

    def of(self, account: Account) -> Protection:
        found = self._accounts.get(account.name)
        if found is None:
            found = self._accounts[account.name] = Protection()
        return found

    # --- before an order ---

    def admit(self, account: Account, wish: Wish, ticks: int, tag: QuoteTag | None) -> None:
        """Refuse a protected order while frozen or beyond the largest size allowed open.

        Raises:
            DeribitError: 13030 frozen, 10022 too large.
        """
        if not wish.mmp:
            return
        group, protection = tag.group if tag else "", self.of(account)
        protection.check_open(wish.listing.index, group, self._now_ms())
        guard = protection.guard(wish.listing.index, group)
        if guard is None:
            return
        size = self._size(wish.listing, wish.lots, ticks)
        quantity, most = guard.config.quantity_limit, guard.config.max_quote_quantity
        if tag is not None and quantity is not None and size >= float(quantity):
            raise DeribitError("invalid_quantity", f"must be below quantity_limit {quantity}", "amount")
        if most is None:
            return
        open_size = 0.0 if tag is not None else self._open_size(account, guard, wish)
        if open_size + size > float(most):
            raise DeribitError("invalid_quantity", f"open size would exceed {most}", "amount")

    def _open_size(self, account: Account, guard: Guard, wish: Wish) -> float:
        """What already rests on the order's side; a group has one quote there, which the new one replaces."""
        return sum(
            self._size(order.listing, order.left_lots, order.ticks)
            for order in self._covered(account, guard)
            if order.listing is wish.listing and order.side == wish.side
        )

    def check_quotes_open(self, account: Account) -> None:
        """Refuse mass quotes for a second after a cancel that asked for it.

        Raises:
            DeribitError: 13043.
        """
        until = self.of(account).quotes_frozen_until_ms
        if self._now_ms() < until:
            raise DeribitError("quotes_frozen", f"until {until}", "quotes")

    def freeze_quotes(self, account: Account) -> None:
        self.of(account).quotes_frozen_until_ms = self._now_ms() + FREEZE_MS

    # --- what happens ---

    def traded(self, order: Order, ticks: int, lots: int) -> None:
        """Count an execution of a protected order; `act` follows when the matching is through."""
        if not order.wish.mmp:
            return
        group = order.quote.group if order.quote else ""
        guard = self.of(order.account).guard(order.listing.index, group)
        if guard is None:
            return
        unit, amount = self._exposure(order.listing, ticks), order.listing.amount(lots)
        signed = order.side * amount
        if guard.trade(self._now_ms(), amount * unit.size, signed * unit.delta, signed * unit.vega):
            self._due.append((order.account, guard))

    def act(self) -> None:
        """Cancel what the limits that were reached cover, and say so."""
        due, self._due = self._due, []
        for account, guard in due:
            for order in self._covered(account, guard):
                self._cancel(order, TRIGGERED)
            self._tell(account, guard.status())

    # --- configuration ---

    def configure(self, account: Account, config: MmpConfig) -> None:
        """Change a configuration; quotes it no longer allows are cancelled.

        Raises:
            DeribitError: contradictory, or too many groups.
        """
        protection = self.of(account)
        before = protection.guard(config.index, config.group)
        protection.configure(config)
        self._reserve(account, config.index)
        guard = protection.guard(config.index, config.group)
        covered = self._covered(account, guard or before) if config.group else []
        for order in covered:
            if guard is None or self._too_large(order, config):
                self._cancel(order, CURTAILED)

    def reset(self, account: Account, index: str, group: str | None) -> int:
        """End the freezes of an index, or of one group; how many guards there were."""
        guards = list(self.of(account).selected(index, group))
        for guard in guards:
            guard.reset()
        return len(guards)

    def _reserve(self, account: Account, index: str) -> None:
        """Hold the margin of an index's groups: coins where it settles in coin, else their worth now."""
        base, _, quote = index.partition("_")
        coins = self.of(account).reserved(index)
        if quote == "usd":
            account.reserved[base.upper(), index] = coins
        else:
            worth = Decimal(repr(self._underlyings[base.upper()].index()))
            account.reserved[quote.upper(), index] = coin(coins * worth)

    def _too_large(self, order: Order, config: MmpConfig) -> bool:
        size = self._size(order.listing, order.left_lots, order.ticks)
        quantity, most = config.quantity_limit, config.max_quote_quantity
        return (quantity is not None and size >= float(quantity)) or (most is not None and size > float(most))

    def _covered(self, account: Account, guard: Guard | None) -> list[Order]:
        """Open orders that a guard watches."""
        if guard is None:
            return []
        index, group = guard.config.index, guard.config.group
        return [
            order
            for order in account.open_orders.values()
            if order.wish.mmp
            and order.listing.index == index
            and (order.quote.group if order.quote else "") == group
        ]

    def _exposure(self, listing: Listing, ticks: int) -> Exposure:
        return exposure(listing, self._underlyings[listing.coin], ticks)

    def _size(self, listing: Listing, lots: int, ticks: int) -> float:
        return listing.amount(lots) * self._exposure(listing, ticks).size
