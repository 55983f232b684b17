"""One coin on the venue: its market, what is listed on it, what that is worth, and who trades it."""

from __future__ import annotations

from collections.abc import Callable

from atomizer.net.transport import Clock
from atomizer.sim import pricing
from atomizer.sim.deribit.accounts import Marks
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.flow import Flow
from atomizer.sim.deribit.listings import list_instruments
from atomizer.sim.market import Market, MarketState
from atomizer.sim.matching import Mode

FLOW_SALT = 0xD3B1
NUMBERS_EACH = 100_000

Trade = Callable[[VenueBook, int, int, int, Mode], int]


class Underlying:
    """Listings, marks and order flow of one market. `position` counts the venue's markets from 0."""

    def __init__(
        self, market: Market, clock: Clock, position: int, flow_seed: int | None, trade: Trade
    ) -> None:
        self.market = market
        self.coin = market.underlying
        self.index_name = f"{self.coin.lower()}_usd"
        self._clock = clock
        self.listings = list_instruments(market, NUMBERS_EACH * position)
        self.perpetual = self.listings[f"{self.coin}-PERPETUAL"]
        self.options = [listing for listing in self.listings.values() if listing.option]
        seed = market.seed ^ FLOW_SALT if flow_seed is None else flow_seed
        self.flow = Flow(market, seed + position, trade)
        self._option_names = [option.name for option in market.options]
        self._marks: Marks | None = None
        self._marks_step = -1

    def state(self) -> MarketState:
        return self.market.state(self._clock.now_ns())

    def index(self) -> float:
        """The index in USD."""
        return round(self.state().index, 4)

    def perpetual_mark(self) -> float:
        """Mark of the perpetual in USD."""
        return round(self.state().perpetual, 4)

    def marks(self) -> Marks:
        """Marks of every instrument now: the generator's fair values."""
        state = self.state()
        if self._marks is None or state.step != self._marks_step:
            prices = self.market.prices(state)
            mark = dict(
                zip(self._option_names, (prices[pricing.USD] / state.index).round(6).tolist(), strict=True)
            )
            delta = dict(zip(self._option_names, prices[pricing.DELTA].tolist(), strict=True))
            mark[self.perpetual.name] = self.perpetual_mark()
            delta[self.perpetual.name] = 1.0
            self._marks = Marks(self.index(), mark, delta)
            self._marks_step = state.step
        return self._marks
