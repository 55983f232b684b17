"""Hedge groups: an RFQ trade and what hedges it, as a fold over bookings.

A group's id is the booking key of its trade. The hedge of an underlying is one net position, so its fills are
attributed first in, first out: a fill covers the oldest trade whose delta is open on the other side, and what
it covers of none belongs to the underlying's own group (`hedge/ETH`): re-hedging as deltas drift. An option
resold for one trade belongs to that trade whole. Trades of opposite delta cover each other before any
hedge. Deltas are those of the moment of the trade; once the underlying is flat nothing is left open.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from atomizer.domain.bookings import Fill, RfqTrade, booking_key
from atomizer.domain.instruments import Instrument, Kind

DAY_NS = 86_400 * 1_000_000_000


class OpenTrade(msgspec.Struct):
    """A trade and the delta (coins, signed) of it that nothing covers yet."""

    key: str
    delta: float


class Group(msgspec.Struct):
    """What one group holds: signed sizes by instrument key, cash by currency, coins or USD owed by futures.

    `futures` holds the signed entry cost of margined positions by instrument key: size/price in coins for an
    inverse contract, size x price otherwise.
    """

    underlying: str
    sizes: dict[str, float] = {}
    cash: dict[str, float] = {}
    futures: dict[str, float] = {}
    last_ns: int = 0

    def trade(
        self, instrument: Instrument, size: float, price: float, fee: float, fee_currency: str, ts_ns: int
    ) -> None:
        """Book a signed size at a price, in the instrument's units."""
        key, unit = instrument.key, float(instrument.contract_size)
        self.sizes[key] = self.sizes.get(key, 0.0) + size
        self.last_ns = max(self.last_ns, ts_ns, instrument.expiry_ns or 0)
        if instrument.margined:
            cost = size / price if instrument.size_in_quote else size * price * unit
            self.futures[key] = self.futures.get(key, 0.0) + cost
        else:
            self._pay(instrument.settlement, -size * price * unit)
            if instrument.kind is Kind.SPOT:
                self._pay(instrument.underlying, size)
        if fee:
            self._pay(fee_currency or instrument.settlement, -fee)

    def _pay(self, currency: str, amount: float) -> None:
        self.cash[currency] = self.cash.get(currency, 0.0) + amount

    def equity(self, instruments: dict[str, Instrument], mark: Callable[[str], float], index: float) -> float:
        """What the group gained since it began, USD, with every position at its mark (price unit).

        Raises:
            LookupError: `mark` knows no price of something held.
        """
        usd = sum(amount * (index if name == self.underlying else 1.0) for name, amount in self.cash.items())
        for key, size in self.sizes.items():
            instrument = instruments[key]
            if not size or instrument.kind is Kind.SPOT:
                continue
            price = mark(key)
            if not instrument.margined:
                value = size * price * float(instrument.contract_size)
                usd += value * (index if instrument.settlement == self.underlying else 1.0)
            elif instrument.size_in_quote:
                usd += (self.futures[key] - size / price) * index
            else:
                usd += size * price * float(instrument.contract_size) - self.futures[key]
        return usd


class Groups:
    """The fold. `open` holds the trades not covered yet per underlying, the oldest first."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.open: dict[str, list[OpenTrade]] = {}

    def rfq_trade(self, trade: RfqTrade, instrument: Instrument, unit_delta: float) -> None:
        """A won RFQ opens a group; `unit_delta` is the delta per unit of our side, as quoted."""
        key, size = booking_key(trade), int(trade.side) * float(trade.size)
        group = self._group(key, instrument.underlying)
        group.trade(instrument, size, float(trade.price or Decimal(0)), 0.0, "", trade.ts_ns)
        delta = unit_delta * float(trade.size)
        left = delta + sum(amount for _key, amount in self._cover(instrument.underlying, delta))
        if left:
            self.open.setdefault(instrument.underlying, []).append(OpenTrade(key, left))

    def hedge(self, fill: Fill, instrument: Instrument, group: str) -> None:
        """A hedge's fill goes to the trades it covers, the rest to the underlying's own group."""
        size = int(fill.side) * float(fill.size)
        if instrument.kind is Kind.OPTION:
            named = group if group in self.groups else _own(instrument.underlying)
            self._part(named, fill, instrument, 1.0)
            return
        coins = (
            size / float(fill.price) if instrument.size_in_quote else size * float(instrument.contract_size)
        )
        left = 1.0
        for key, amount in self._cover(instrument.underlying, coins):
            share = min(-amount / coins, left)
            self._part(key, fill, instrument, share)
            left -= share
        if left > 1e-12:
            self._part(_own(instrument.underlying), fill, instrument, left)

    def _part(self, key: str, fill: Fill, instrument: Instrument, share: float) -> None:
        group = self._group(key, instrument.underlying)
        size = int(fill.side) * float(fill.size) * share
        group.trade(
            instrument, size, float(fill.price), float(fill.fee) * share, fill.fee_currency, fill.ts_ns
        )

    def _cover(self, underlying: str, delta: float) -> list[tuple[str, float]]:
        """Close open deltas of the other sign with this one, the oldest first; what of which was closed."""
        waiting, closed = self.open.get(underlying, []), []
        left = delta
        for item in waiting:
            if item.delta * left >= 0.0:
                continue
            part = -left if abs(left) < abs(item.delta) else item.delta
            item.delta -= part
            left += part
            closed.append((item.key, part))
            if not left:
                break
        self.open[underlying] = [item for item in waiting if item.delta]
        return closed

    def drop(self, key: str) -> None:
        """The trade was busted: its group is no more."""
        group = self.groups.pop(key, None)
        if group is not None:
            waiting = self.open.get(group.underlying, [])
            self.open[group.underlying] = [item for item in waiting if item.key != key]

    def flat(self, underlying: str) -> None:
        """The underlying is inside its band: nothing is left open."""
        self.open.pop(underlying, None)

    def _group(self, key: str, underlying: str) -> Group:
        found = self.groups.get(key)
        if found is None:
            found = self.groups[key] = Group(underlying)
        return found

    def uncovered(self, underlying: str) -> tuple[str, ...]:
        """Booking keys of the trades that no hedge covers yet, the oldest first."""
        return tuple(item.key for item in self.open.get(underlying, ()))

    # --- upkeep ---

    def forget(self, before_ns: int) -> None:
        """Drop groups whose last trade and last expiry are both before this."""
        self.groups = {key: group for key, group in self.groups.items() if group.last_ns >= before_ns}

    def state(self) -> dict[str, Any]:
        """Plain values for a journal segment's snapshot."""
        return {"groups": msgspec.to_builtins(self.groups), "open": msgspec.to_builtins(self.open)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` made; an empty one (an older journal's) begins anew."""
        self.groups = msgspec.convert(state.get("groups", {}), dict[str, Group])
        self.open = msgspec.convert(state.get("open", {}), dict[str, list[OpenTrade]])


def _own(underlying: str) -> str:
    """The group of what hedges no single trade."""
    return f"hedge/{underlying}"
