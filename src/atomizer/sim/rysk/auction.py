"""One RFQ while it lives: its terms, the quotes it drew, which of them is best."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from atomizer.domain.rfq import OnchainTerms
from atomizer.sim.rysk.behaviour import Acceptance, RfqFault
from atomizer.sim.rysk.rivals import Rival


class Stage(StrEnum):
    """Where an RFQ stands."""

    OPEN = "open"
    DECIDING = "deciding"
    TRADED = "traded"
    LOST = "lost"
    DECLINED = "declined"
    UNANSWERED = "unanswered"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class LiveQuote:
    """A quote the server holds. A rival's has no signature: rivals are part of the simulation."""

    rfq_id: str
    maker: str
    nonce: int
    price_e18: int
    valid_until_s: int
    received_ns: int
    signature: str = ""
    is_rival: bool = False


@dataclass(slots=True)
class Auction:
    """One RFQ. `trap` names what is wrong with its terms, where something is on purpose; `informed`: its
    taker knows the market's future; `rivals`: those who have quoted so far."""

    rfq_id: str
    number: int
    terms: OnchainTerms
    taker: str
    opened_ns: int
    closes_ns: int
    acceptance: Acceptance | None = None
    trap: RfqFault | None = None
    informed: bool = False
    stage: Stage = Stage.OPEN
    quotes: list[LiveQuote] = field(default_factory=list)
    rivals: list[Rival] = field(default_factory=list)
    best: LiveQuote | None = None
    on_closed: Callable[[Auction], None] | None = None

    def better(self, price_e18: int, other_e18: int) -> bool:
        """Better for the client, strictly: the earlier of two equal quotes stays best."""
        return price_e18 < other_e18 if self.terms.is_taker_buy else price_e18 > other_e18

    def offer(self, quote: LiveQuote) -> bool:
        """Take a checked quote in; whether it is now the best."""
        self.quotes.append(quote)
        if self.best is None or self.better(quote.price_e18, self.best.price_e18):
            self.best = quote
            return True
        return False

    def best_of(self, maker: str) -> LiveQuote | None:
        """This maker's best quote, alive or not."""
        return self._best(quote for quote in self.quotes if quote.maker == maker)

    def best_alive(self, now_s: int) -> LiveQuote | None:
        """The best quote that can still be executed."""
        return self._best(quote for quote in self.quotes if quote.valid_until_s > now_s)

    def makers(self) -> list[str]:
        """Makers that answered, in order of their first quote."""
        return list(dict.fromkeys(quote.maker for quote in self.quotes if not quote.is_rival))

    def _best(self, quotes: Iterable[LiveQuote]) -> LiveQuote | None:
        best: LiveQuote | None = None
        for quote in quotes:
            if best is None or self.better(quote.price_e18, best.price_e18):
                best = quote
        return best
