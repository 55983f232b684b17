"""What an account pays: the instrument's rate unless the account has its own (a volume tier)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.listings import OPTION_FEE_CAP, QUANTUM, ZERO, Listing
from atomizer.sim.deribit.settings import FeeOverride

KINDS = ("perpetual", "future", "option", "spot")


def fee_kind(listing: Listing) -> str:
    """The class by which fees are set."""
    return "perpetual" if listing.is_perpetual else listing.kind


class Fees:
    """Rates of every account."""

    def __init__(self, overrides: tuple[FeeOverride, ...]) -> None:
        self._overrides = {(one.account, one.kind): (one.maker, one.taker) for one in overrides}

    def rate(self, account: Account, listing: Listing, *, maker: bool) -> Decimal:
        """Share of the value, coins per coin for options; the house pays nothing."""
        if account.is_house:
            return ZERO
        own = self._overrides.get((account.name, fee_kind(listing)))
        listed = (listing.maker_fee, listing.taker_fee)
        return (own or listed)[0 if maker else 1]

    def describe(self, account: Account, listings: list[Listing]) -> dict[str, Any]:
        """The `fees` member of the account summary: by index and class, where the account has its own."""
        body: dict[str, Any] = {}
        for listing in listings:
            own = self._overrides.get((account.name, fee_kind(listing)))
            if own is not None:
                rates = {"type": "fixed", "maker": float(own[0]), "taker": float(own[1])}
                body.setdefault(listing.index, {})[fee_kind(listing)] = {"default": rates}
        return body


def option_delivery_fee(listing: Listing, size: Decimal, worth: Decimal) -> Decimal:
    """Fee in coin of delivering `size` coins of an option worth `worth` coins each."""
    return (abs(size) * min(listing.delivery_fee, OPTION_FEE_CAP * worth)).quantize(QUANTUM)


def future_delivery_fee(listing: Listing, size: Decimal, price: Decimal) -> Decimal:
    """Fee in coin of delivering `size` USD of a future."""
    return (abs(size) * listing.delivery_fee / price).quantize(QUANTUM)
