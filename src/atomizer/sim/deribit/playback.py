"""Recorded instruments on the venue: their books follow the recording, everything else the generator.

The recording's first moment is the venue's first step; what falls due within a step happens in order at its
end. A recorded future, perpetual or spot is marked at the middle of its recorded book, the index stays the
generator's. After the last event a book stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.states import OPEN
from atomizer.sim.matching import Mode
from atomizer.sim.recorded import RecordedBook
from atomizer.sim.recording import Recording, RecordingError

if TYPE_CHECKING:
    from atomizer.sim.deribit.exchange import Exchange

# A recording waits where its book will open again.
PAUSED = ("locked", "settlement", "halted")


class Playback:
    """A recording on its way through a venue.

    Raises:
        RecordingError: an instrument that is not listed, or a value off its grid.
    """

    def __init__(self, recording: Recording, exchange: Exchange) -> None:
        self._exchange = exchange
        self._events = recording.events
        self._next = 0
        self._shift_ns: int | None = None
        for name in recording.instruments:
            book = exchange.books.get(name)
            if book is None:
                raise RecordingError(f"recording: expected listed instruments, found {name}")
            book.recorded = self._recorded(book)
        for event in self._events:
            self._book(event.instrument).check(event)

    def advance(self, now_ns: int) -> None:
        """Let everything happen that is due."""
        if self._shift_ns is None:
            self._shift_ns = now_ns - self._events[0].ts_ns
        changed: dict[str, None] = {}
        while self._next < len(self._events) and self._events[self._next].ts_ns + self._shift_ns <= now_ns:
            event = self._events[self._next]
            state = self._exchange.books[event.instrument].state
            if state in PAUSED:
                break
            self._next += 1
            if state == OPEN:
                self._book(event.instrument).apply(event)
                changed[event.instrument] = None
        for name, book in self._exchange.books.items():
            if book.recorded is None or book.state != OPEN:
                continue
            if book.recorded.settle() or name in changed:
                self._mark(book)
                self._exchange.changed(book)

    def _mark(self, book: VenueBook) -> None:
        assert book.recorded is not None
        middle = book.recorded.middle()
        if middle is not None and book.listing.option is None:
            self._exchange.underlying(book.listing).play(book.listing.name, float(middle))

    def _recorded(self, book: VenueBook) -> RecordedBook:
        def trade(side: int, ticks: int, lots: int, mode: Mode) -> int:
            return self._exchange.play(book, side, ticks, lots, mode)

        return RecordedBook(book.listing, book.matching, trade)

    def _book(self, name: str) -> RecordedBook:
        recorded = self._exchange.books[name].recorded
        assert recorded is not None
        return recorded
