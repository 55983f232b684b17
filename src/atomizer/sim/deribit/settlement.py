"""What happens at 08:00 UTC: daily settlement, delivery of what expires, new listings, the archive.

On the hour every book enters `settlement` and money moves: options that expire in the money become futures of
their expiry at the strike, those futures are paid in cash at the index average, everything else is settled at
its mark. A little later books are open again or delivered, and after some time the delivered are archived.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from atomizer.sim.calendar import DAY_NS, EXPIRY_HOUR, SECOND_NS, utc
from atomizer.sim.deribit.accounts import Account
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.underlyings import Underlying

if TYPE_CHECKING:
    from atomizer.sim.deribit.exchange import Exchange

EIGHT_NS = EXPIRY_HOUR * 3600 * SECOND_NS


class Delivered(NamedTuple):
    """An expiry whose instruments wait for the archive."""

    underlying: Underlying
    expiry_ns: int
    archive_ns: int


def next_settlement_ns(now_ns: int) -> int:
    """The first 08:00 UTC after a moment."""
    today = now_ns - now_ns % DAY_NS + EIGHT_NS
    return today if today > now_ns else today + DAY_NS


class Settlement:
    """Runs the daily settlement of one venue as its time comes."""

    def __init__(self, exchange: Exchange, pause_s: float, archive_s: float) -> None:
        self._exchange = exchange
        self._pause_ns = int(pause_s * SECOND_NS)
        self._archive_ns = int(archive_s * SECOND_NS)
        self.next_ns = next_settlement_ns(exchange.now_ns)
        self._until_ns: int | None = None
        self._delivered: list[Delivered] = []
        self._to_replace: list[Underlying] = []
        self.delivery_prices: dict[str, list[tuple[str, Decimal]]] = {}

    @property
    def running(self) -> bool:
        return self._until_ns is not None

    def advance(self) -> None:
        """Do what is due."""
        now_ns = self._exchange.now_ns
        if self._until_ns is None and now_ns >= self.next_ns:
            if any(book.state == "halted" for book in self._exchange.books.values()):
                return  # nothing settles while one book is halted
            at_ns = next_settlement_ns(now_ns) - DAY_NS  # the last one, where several were slept through
            self._begin(at_ns)
            self._until_ns = at_ns + self._pause_ns
            self.next_ns = at_ns + DAY_NS
        if self._until_ns is not None and now_ns >= self._until_ns:
            self._until_ns = None
            self._finish(now_ns)
        for one in [one for one in self._delivered if now_ns >= one.archive_ns]:
            self._delivered.remove(one)
            self._archive(one)

    def _begin(self, at_ns: int) -> None:
        exchange = self._exchange
        for underlying in exchange.underlyings.values():
            exchange.states.enter_settlement(underlying.listings.values())
            waiting = [one.expiry_ns for one in self._delivered if one.underlying is underlying]
            for expiry_ns in sorted(underlying.fixings):
                if expiry_ns <= at_ns and expiry_ns not in waiting:
                    self._deliver(underlying, expiry_ns)
                    self._delivered.append(Delivered(underlying, expiry_ns, at_ns + self._archive_ns))
                    self._to_replace.append(underlying)
            self._settle(underlying)
        exchange.money_moved()

    def _deliver(self, underlying: Underlying, expiry_ns: int) -> None:
        """Options into the expiry's future, then the future into cash."""
        exchange, price = self._exchange, underlying.delivery_price(expiry_ns)
        day = utc(expiry_ns).strftime("%Y-%m-%d")
        self.delivery_prices.setdefault(underlying.index_name, []).append((day, price))
        future = underlying.future(expiry_ns)
        listings = [listing for listing in underlying.of_expiry(expiry_ns) if not listing.is_combo]
        for account in exchange.everybody:
            for listing in listings:
                position = account.positions.get(listing.name)
                if listing.option and position is not None and position.size:
                    size = position.size
                    worth = exchange.booking.deliver_option(account, position, future, price)
                    self._record(account, listing, "delivery", size, worth, price, size * worth)
            position = account.positions.get(future.name)
            if position is not None and (position.size or position.session):
                size = position.size
                total = exchange.booking.deliver_future(account, position, price)
                self._record(account, future, "delivery", size, price, price, total)
        for listing in underlying.of_expiry(expiry_ns):
            exchange.books[listing.name].delivery_price = price

    def _settle(self, underlying: Underlying) -> None:
        """Everything that goes on trading begins a new session at its mark."""
        exchange, marks = self._exchange, underlying.marks()
        index = Decimal(repr(marks.index))
        gone = {one.expiry_ns for one in self._delivered if one.underlying is underlying}
        for name, listing in underlying.listings.items():
            if listing.kind == "spot" or listing.is_combo or listing.expiry_ns in gone:
                continue
            price = marks.exact(name)
            exchange.books[name].settlement_price = price
            for account in exchange.everybody:
                position = account.positions.get(name)
                if position is not None:
                    exchange.booking.accrue(position)
                    size, funding = position.size, position.funding
                    total = exchange.booking.settle(account, position, price)
                    if size or total:
                        self._record(account, listing, "settlement", size, price, index, total, funding)

    def _record(
        self,
        account: Account,
        listing: Listing,
        kind: str,
        size: Decimal,
        mark: Decimal,
        index: Decimal,
        total: Decimal,
        funding: Decimal | None = None,
    ) -> None:
        """One entry of the settlement history."""
        if account.is_house:
            return
        entry = {
            "type": kind,
            "timestamp": self._exchange.now_ms,
            "instrument_name": listing.name,
            "position": float(size),
            "index_price": float(index),
            "mark_price": float(mark),
            "profit_loss": float(total),
            "session_profit_loss": float(total),
        }
        if listing.is_perpetual and funding is not None:
            entry["funding"] = float(funding)
        account.settlements.append(entry)

    def _finish(self, now_ns: int) -> None:
        exchange = self._exchange
        delivered = {(one.underlying.coin, one.expiry_ns) for one in self._delivered}
        for underlying in exchange.underlyings.values():
            for listing in list(underlying.listings.values()):
                done = bool(listing.expiry_ns) and (underlying.coin, listing.expiry_ns) in delivered
                exchange.states.leave_settlement(listing, "delivered" if done else "open")
        for underlying in self._to_replace:
            exchange.list_new(underlying.list_next(now_ns))
        self._to_replace.clear()

    def _archive(self, one: Delivered) -> None:
        for listing in one.underlying.retire(one.expiry_ns):
            self._exchange.states.set(listing, "archivized")
