"""States of instruments: what may be done in each, and telling the world when one changes.

Sources: the venue's description of order book states (in force since 13 January 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.errors import DeribitError
from atomizer.sim.deribit.listings import Listing
from atomizer.sim.deribit.orders import GTD, Order

OPEN, LOCKED, SETTLEMENT, DELIVERED = "open", "locked", "settlement", "delivered"
INACTIVE, HALTED, ARCHIVIZED = "inactive", "halted", "archivized"
STATES = (OPEN, LOCKED, SETTLEMENT, DELIVERED, INACTIVE, HALTED, ARCHIVIZED)
REFUSALS = {LOCKED: "locked_by_admin", SETTLEMENT: "settlement_in_progress"}


class States:
    """Moves books from state to state.

    Args:
        books: by instrument name.
        orders_of: open orders of accounts on an instrument.
        cancel: ends an order with a reason, whatever the state.
        release: sends the makers of a book home.
        tell: announces an instrument's state.
        now_ms: the time.
    """

    def __init__(
        self,
        books: dict[str, VenueBook],
        orders_of: Callable[[Listing], list[Order]],
        cancel: Callable[[Order, str], None],
        release: Callable[[VenueBook], None],
        tell: Callable[[Listing, str], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._books = books
        self._orders_of = orders_of
        self._cancel = cancel
        self._release = release
        self._tell = tell
        self._now_ms = now_ms
        self._before: dict[str, str] = {}

    def require_open(self, listing: Listing) -> None:
        """New orders and edits.

        Raises:
            DeribitError: the state takes none.
        """
        self._require(listing, (OPEN,))

    def cancellable(self, listing: Listing) -> bool:
        """Whether orders on it may be cancelled now."""
        return self._books[listing.name].state in (OPEN, LOCKED)

    def require_cancellable(self, listing: Listing) -> None:
        """Cancels: also while locked.

        Raises:
            DeribitError: the state takes none.
        """
        self._require(listing, (OPEN, LOCKED))

    def _require(self, listing: Listing, allowed: tuple[str, ...]) -> None:
        state = self._books[listing.name].state
        if state not in allowed:
            name = REFUSALS.get(state, "book_closed")
            raise DeribitError(name, f"{listing.name} is {state}", "instrument_name")

    def set(self, listing: Listing, state: str) -> None:
        """Enter a state; the orders that it does not keep are cancelled first."""
        book = self._books[listing.name]
        if book.state == state:
            return
        for order in self._orders_of(listing):
            day_over = state == SETTLEMENT and order.wish.time_in_force == GTD
            if day_over or state in (DELIVERED, INACTIVE, ARCHIVIZED):
                self._cancel(order, "settlement")
        book.state, book.state_ms = state, self._now_ms()
        if state not in (OPEN, LOCKED, SETTLEMENT):
            self._release(book)
        book.touch()
        self._tell(listing, state)

    def enter_settlement(self, listings: Iterable[Listing]) -> None:
        """Every book that is open or locked; the others stay what they are."""
        for listing in list(listings):
            state = self._books[listing.name].state
            if state in (OPEN, LOCKED):
                self._before[listing.name] = state
                self.set(listing, SETTLEMENT)

    def leave_settlement(self, listing: Listing, state: str) -> None:
        """Back to what it was, or on to delivered."""
        before = self._before.pop(listing.name, None)
        if before is not None:
            self.set(listing, state if state == DELIVERED else before)
