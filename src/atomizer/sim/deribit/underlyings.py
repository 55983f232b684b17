"""One coin on the venue: its market, what is listed on it, what that is worth, and who trades it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from atomizer.models.scenario import OptionChain, option_chain
from atomizer.net.transport import Clock
from atomizer.sim import pricing
from atomizer.sim.calendar import DAY_NS, WEEK_NS, first_expiry_ns
from atomizer.sim.deribit.accounts import Greeks, Marks
from atomizer.sim.deribit.books import VenueBook
from atomizer.sim.deribit.columns import OptionColumns
from atomizer.sim.deribit.fixing import DELIVERY_QUANTUM, WINDOW_NS, Fixing
from atomizer.sim.deribit.flow import Flow
from atomizer.sim.deribit.funding import Funding
from atomizer.sim.deribit.listings import NS_PER_MS, Listing, future_name, list_expiry, list_market
from atomizer.sim.market import ListedOption, Market, MarketState
from atomizer.sim.matching import Mode

FLOW_SALT = 0xD3B1
NUMBERS_EACH = 100_000

Trade = Callable[[VenueBook, int, int, int, Mode], int]


class Underlying:
    """Listings, marks and order flow of one market. `position` counts the venue's markets from 0.

    `listings` changes as expiries pass; what is gone is in `expired`.
    """

    def __init__(
        self, market: Market, clock: Clock, position: int, flow_seed: int | None, trade: Trade
    ) -> None:
        self.market = market
        self.coin = market.underlying
        self.index_name = f"{self.coin.lower()}_usd"
        self._clock = clock
        self._first_number = NUMBERS_EACH * position
        self.funding = Funding(market, clock.now_ns())
        self.fixings: dict[int, Fixing] = {}
        self.played: dict[str, float] = {}  # middles of recorded books
        self.columns = OptionColumns(market, self.fixings)
        created_ms = (market.start_ns - 7 * DAY_NS) // NS_PER_MS
        self.listings = list_market(market, self._first_number, created_ms)
        self.expired: dict[str, Listing] = {}
        self.perpetual = self.listings[f"{self.coin}-PERPETUAL"]
        self.spot = self.listings[f"{self.coin}_USDC"]
        seed = market.seed ^ FLOW_SALT if flow_seed is None else flow_seed
        self.flow = Flow(market, self.columns, self.fair, seed + position, trade)
        self._marks: Marks | None = None
        self._marks_step = -1
        self._fixing_from_ns = 0
        self.options: list[Listing] = []
        for expiry_ns in market.expiries:
            self._list([one for one in market.options if one.expiry_ns == expiry_ns], market.start_ns)
        while min(self.fixings) <= clock.now_ns():
            expiry_ns = min(self.fixings)
            self.retire(expiry_ns)
            self.list_next(expiry_ns)

    # --- what is listed ---

    @property
    def next_expiry_ns(self) -> int:
        now_ns = self._clock.now_ns()
        return min(expiry for expiry in self.fixings if expiry > now_ns)

    def of_expiry(self, expiry_ns: int) -> list[Listing]:
        """Everything that is delivered at an expiry; combos of its instruments last."""
        found = [listing for listing in self.listings.values() if listing.expiry_ns == expiry_ns]
        return sorted(found, key=lambda listing: listing.is_combo)

    def future(self, expiry_ns: int) -> Listing:
        """The future of an expiry."""
        return self.listings[future_name(self.coin, expiry_ns)]

    def retire(self, expiry_ns: int) -> list[Listing]:
        """Move an expiry's instruments to the expired ones."""
        gone = self.of_expiry(expiry_ns)
        for listing in gone:
            self.expired[listing.name] = self.listings.pop(listing.name)
        del self.fixings[expiry_ns]
        self._listed_anew()
        return gone

    def list_next(self, now_ns: int) -> list[Listing]:
        """List the nearest Friday, two days away at least, that is not listed yet."""
        expiry_ns = first_expiry_ns(now_ns)
        while expiry_ns in self.fixings:
            expiry_ns += WEEK_NS
        index = self.market.state(now_ns).index
        return self._list(list(self.market.chain_of(expiry_ns, now_ns, index)), now_ns)

    def add_combo(self, combo: Listing) -> None:
        """List a combo of listed instruments."""
        self.listings[combo.name] = combo
        self._listed_anew()

    def _list(self, options: list[ListedOption], now_ns: int) -> list[Listing]:
        first_row = self.columns.add(options, self.market.state(now_ns))
        expiry_ns = options[0].expiry_ns
        self.fixings[expiry_ns] = Fixing(self.market, expiry_ns)
        opening = now_ns <= self.market.start_ns
        created_ms = (now_ns - 7 * DAY_NS if opening else now_ns) // NS_PER_MS
        fresh = list_expiry(self.market, options, first_row, self._first_number, created_ms)
        self.listings.update(fresh)
        self._listed_anew()
        return list(fresh.values())

    def _listed_anew(self) -> None:
        """What was made of the listings is made again."""
        self._marks_step = -1
        self._fixing_from_ns = min(self.fixings, default=WINDOW_NS) - WINDOW_NS
        self.options = [listing for listing in self.listings.values() if listing.option]

    # --- what it is worth ---

    def state(self) -> MarketState:
        """The market now; fixings take what is due."""
        now_ns = self._clock.now_ns()
        if now_ns >= self._fixing_from_ns:
            for fixing in self.fixings.values():
                fixing.advance(now_ns)
        return self.market.state(now_ns)

    def index(self) -> float:
        """The index in USD."""
        return round(self.state().index, 4)

    def estimated_delivery(self, expiry_ns: int) -> float:
        """What an expiry would be delivered at: the average so far in its last half hour, else the index."""
        index, fixing = self.index(), self.fixings.get(expiry_ns)
        return float(fixing.average) if fixing is not None and fixing.taken else index

    def delivery_price(self, expiry_ns: int) -> Decimal:
        """The average that an expiry is delivered at; known from the expiry on."""
        fixing = self.fixings[expiry_ns]
        fixing.advance(expiry_ns)
        return fixing.average.quantize(DELIVERY_QUANTUM)

    def decay(self, listing: Listing) -> float:
        """Share of its delta that an instrument still shows: falls to 0 over the last half hour."""
        fixing = self.fixings.get(listing.expiry_ns)
        return 1.0 - fixing.share if fixing is not None else 1.0

    def play(self, name: str, middle: float) -> None:
        """Mark a recorded instrument at the middle of its recorded book."""
        if self.played.get(name) != middle:
            self.played[name] = middle
            self._marks_step = -1

    def fair(self, listing: Listing, state: MarketState) -> float:
        """What makers hold fair, in the instrument's own unit; of recorded ones what was recorded."""
        if listing.name in self.played:
            return self.played[listing.name]
        if listing.legs:
            return sum(leg.ratio * self.fair(leg.listing, state) for leg in listing.legs)
        if listing.option is not None:
            return float(self.columns.prices(state)[pricing.USD, listing.row]) / state.index
        if listing.kind == "spot":
            return state.index
        if not listing.expiry_ns:
            return state.perpetual
        return self.fixings[listing.expiry_ns].blend(state.forward(listing.expiry_ns))

    def risk_columns(self, options: list[Listing]) -> OptionChain:
        """Options as the margin models want them."""
        state = self.state()
        prices = self.columns.prices(state)
        rows = [listing.row for listing in options]
        return option_chain(
            prices[pricing.FORWARD, rows],
            self.columns.strikes[rows],
            self.columns.taus(state)[rows],
            prices[pricing.VOL, rows],
            self.columns.calls[rows],
        )

    def mark(self, listing: Listing) -> float:
        """Mark of one instrument without a strike: cheaper than all of them."""
        return round(self.fair(listing, self.state()), 6 if listing.kind == "option_combo" else 4)

    def marks(self) -> Marks:
        """Marks of every instrument now: the generator's fair values."""
        state = self.state()
        if self._marks is None or state.step != self._marks_step:
            options = self.options
            names, rows = [listing.name for listing in options], [listing.row for listing in options]
            prices = self.columns.prices(state)[:, rows]
            mark = dict(zip(names, (prices[pricing.USD] / state.index).round(6).tolist(), strict=True))
            delta = dict(zip(names, prices[pricing.DELTA].tolist(), strict=True))
            greeks = prices[[pricing.GAMMA, pricing.VEGA, pricing.THETA]].T.tolist()
            for name, listing in self.listings.items():
                if not listing.option:
                    mark[name] = self.mark(listing)
                    delta[name] = self.decay(listing)
            fixing = any(one.taken for one in self.fixings.values())
            self.funding.advance(state.ts_ns)
            self._marks = Marks(
                round(state.index, 4),
                mark,
                delta,
                dict(zip(names, map(Greeks._make, greeks), strict=True)),
                {name: self.decay(one) for name, one in self.listings.items()} if fixing else {},
                self.funding.coins_per_usd,
            )
            self._marks_step = state.step
        return self._marks
