"""Generated order flow: makers that keep books around fair value, takers that come less often far from it.

Makers rest a ladder per side. A taker arrives at a rate and accepts prices up to a random, exponentially
distributed distance from fair: an order resting at distance d is therefore hit at a rate A exp(-k d).
Only live books are kept up; the touch of all others is computed when it is shown.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from atomizer.sim import pricing
from atomizer.sim.deribit.books import BUY, SELL, VenueBook
from atomizer.sim.deribit.columns import OptionColumns
from atomizer.sim.deribit.listings import LARGEST_TICKS, OPTION_TICK, Listing
from atomizer.sim.market import Market, MarketState
from atomizer.sim.matching import Mode

BASIS_POINT = 1e-4
SIZE_MIX = 2_654_435_761  # Knuth's multiplicative hash: sizes look random but belong to a price


@dataclass(frozen=True, slots=True)
class FutureFlow:
    """Makers and takers of a future or a spot pair; the defaults are the perpetual's.

    Distances in basis points, sizes in USD, rates per side.
    """

    half_spread: float = 0.25
    spacing: float = 0.6
    levels: int = 12
    level_usd: float = 60_000.0
    taker_rate: float = 0.8
    taker_distance: float = 0.8
    taker_usd: float = 6_000.0


@dataclass(frozen=True, slots=True)
class OptionFlow:
    """Makers and takers of one option. Distances in usual half spreads, sizes in coins, rates per side."""

    depths: tuple[float, ...] = (1.0, 1.8, 3.0)
    level_coins: float = 30.0
    taker_rate: float = 0.02
    taker_distance: float = 0.7
    taker_coins: float = 4.0


DATED = FutureFlow(half_spread=0.8, spacing=1.5, levels=8, level_usd=40_000.0, taker_rate=0.1)
SPOT = FutureFlow(half_spread=1.0, spacing=2.0, levels=8, level_usd=20_000.0, taker_rate=0.1)
# Makers of combos stand this many ticks from fair.
COMBO_TICKS = 5


class Touch(NamedTuple):
    """Best generated prices of all options in ticks (0: none) and their vols; a column per option."""

    bid: NDArray[np.int64]
    ask: NDArray[np.int64]
    bid_vol: NDArray[np.float64]
    ask_vol: NDArray[np.float64]


@njit("i8(f8, i8, i8, i8)", cache=True, nogil=True, error_model="numpy")
def _to_grid(ticks, band, step, side):  # type: ignore[no-untyped-def]
    """Whole ticks on the grid, away from fair: bids down, asks up."""
    whole = math.floor(ticks + 1e-9) if side > 0 else math.ceil(ticks - 1e-9)
    count = int(whole)
    if count >= band:
        count = count - count % step if side > 0 else count + (-count) % step
    return count


@njit(
    "void(f8, f8, f8[:, ::1], f8[::1], f8[::1], f8[::1], b1[::1], i8, i8, i8[:, ::1], f8[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _touch(  # type: ignore[no-untyped-def]
    index, tick, prices, half_spreads, strikes, taus, calls, band, step, ticks, vols
):
    """Best bid and ask of every option: fair value at vol -+ half spread, on the grid, and back to vol."""
    for i in range(strikes.shape[0]):
        forward, vol = prices[pricing.FORWARD, i], prices[pricing.VOL, i]
        for at in range(2):
            side = 1 if at == 0 else -1
            wanted = max(vol - side * half_spreads[i], 0.01)
            usd = pricing.black(forward, strikes[i], wanted, taus[i], calls[i])
            count = _to_grid(usd / index / tick, band, step, side)
            if at == 1 and count < 1:
                count = 1
            ticks[at, i] = count
            if count < 1:
                vols[at, i] = 0.0
                continue
            target = count * tick * index
            found = wanted
            for _ in range(6):
                gap = pricing.black(forward, strikes[i], found, taus[i], calls[i]) - target
                root = math.sqrt(max(taus[i], pricing.MIN_TAU))
                d1 = math.log(forward / strikes[i]) / (found * root) + 0.5 * found * root
                slope = forward * root * 0.3989422804014327 * math.exp(-0.5 * d1 * d1)
                if slope < 1e-9:
                    break
                found = min(max(found - gap / slope, 0.01), 5.0)
            # At the floor the price is below what any vol gives: there is no implied vol.
            vols[at, i] = found if found > 0.01 else 0.0
        if ticks[0, i] >= ticks[1, i]:
            ticks[0, i] = _to_grid(float(ticks[1, i] - 1), band, step, 1)


class Flow:
    """The anonymous participants of one venue. `trade` places their orders in the venue's matching."""

    def __init__(
        self,
        market: Market,
        columns: OptionColumns,
        fair: Callable[[Listing, MarketState], float],
        seed: int,
        trade: Callable[[VenueBook, int, int, int, Mode], int],
    ) -> None:
        self._market = market
        self._columns = columns
        self._fair = fair
        self._trade = trade
        self._random = random.Random(seed)  # noqa: S311 - a simulated market, not a secret
        self._salt = self._random.getrandbits(32)
        self.perpetual = FutureFlow()
        self.option = OptionFlow()
        self._ticks = np.zeros((2, 0), np.int64)
        self._vols = np.zeros((2, 0))
        self._touch_step = -1
        self._sizes: dict[tuple[int, int], int] = {}

    def _future_flow(self, listing: Listing) -> FutureFlow:
        if listing.kind == "spot":
            return SPOT
        return self.perpetual if listing.is_perpetual else DATED

    def touch(self, state: MarketState, listing: Listing) -> Touch:
        """Best prices of all options; `listing` gives the options' common grid."""
        columns = self._columns
        if state.step != self._touch_step or self._ticks.shape[1] != len(columns.options):
            if self._ticks.shape[1] != len(columns.options):
                self._ticks = np.zeros((2, len(columns.options)), np.int64)
                self._vols = np.zeros((2, len(columns.options)))
            _touch(
                state.index,
                float(OPTION_TICK),
                columns.prices(state),
                columns.half_spreads,
                columns.strikes,
                columns.taus(state),
                columns.calls,
                listing.band_ticks,
                listing.step_ticks,
                self._ticks,
                self._vols,
            )
            self._touch_step = state.step
        return Touch(self._ticks[0], self._ticks[1], self._vols[0], self._vols[1])

    def size_at(self, listing: Listing, ticks: int) -> int:
        """Lots that makers rest at a price: seeded, and the same whenever the price is visited."""
        key = (listing.number, ticks)
        lots = self._sizes.get(key)
        if lots is None:
            lots = self._sizes[key] = self._size(listing, ticks)
        return lots

    def _size(self, listing: Listing, ticks: int) -> int:
        share = ((ticks * SIZE_MIX ^ self._salt ^ listing.number * 40_503) & 0xFFFF) / 0xFFFF
        if not _in_coins(listing):
            usd = self._future_flow(listing).level_usd * (0.4 + 1.2 * share)
            size = usd / self._market.behaviour.index if listing.kind == "spot" else usd
        else:
            cheaper = min(4000.0 / self._market.behaviour.index, 1.0)
            size = self.option.level_coins * (0.3 + 1.4 * share) * cheaper
        return max(int(size / float(listing.lot)), 1)

    def refresh(self, book: VenueBook, state: MarketState) -> None:
        """Move the makers of a book to where they want to be; what they meet on the way they trade with."""
        wanted = {side: self._ladder(book.listing, side, state) for side in (BUY, SELL)}
        changed = False
        for side in (BUY, SELL):
            ladder, target = book.ladders[side], wanted[side]
            for ticks in [ticks for ticks in ladder if ticks not in target]:
                changed |= book.matching.cancel(ladder.pop(ticks)) > 0
        for side in (BUY, SELL):
            ladder = book.ladders[side]
            for ticks in wanted[side]:
                if ladder.get(ticks, 0) in book.matching:
                    continue
                lots = self.size_at(book.listing, ticks)
                ladder[ticks] = self._trade(book, side, ticks, lots, Mode.REST)
                changed = True
        if changed:
            book.touch()

    def take(self, book: VenueBook, state: MarketState, elapsed_s: float) -> None:
        """Let takers arrive during `elapsed_s`."""
        listing, random_ = book.listing, self._random
        if listing.is_combo:
            return
        flow = self.option if listing.option else self._future_flow(listing)
        for side in (BUY, SELL):
            if random_.random() >= flow.taker_rate * elapsed_s:
                continue
            distance = random_.expovariate(1.0)
            ticks = self._reach(listing, side, distance, state)
            if ticks < 1:
                continue
            mean = flow.taker_coins if isinstance(flow, OptionFlow) else flow.taker_usd
            if listing.kind == "spot":
                mean /= self._market.behaviour.index
            lots = random_.expovariate(1.0 / mean) / float(listing.lot)
            self._trade(book, side, ticks, max(round(lots), 1), Mode.IMMEDIATE)
            book.touch()

    def _reach(self, listing: Listing, side: int, distance: float, state: MarketState) -> int:
        """The worst price a taker accepts, in ticks; `distance` is in mean distances."""
        if listing.option is None:
            away = distance * self._future_flow(listing).taker_distance * BASIS_POINT
            price = self._fair(listing, state) * (1.0 + side * away)
        else:
            price = self._option_price(listing, side * distance * self.option.taker_distance, state)
        return int(_to_grid(price / float(listing.tick), listing.band_ticks, listing.step_ticks, side))

    def _option_price(self, listing: Listing, half_spreads: float, state: MarketState) -> float:
        """Coin price at fair vol plus a number of usual half spreads."""
        option = listing.option
        assert option is not None
        prices, spreads = self._columns.prices(state), self._columns.half_spreads
        vol = max(prices[pricing.VOL, listing.row] + half_spreads * spreads[listing.row], 0.01)
        forward, tau = prices[pricing.FORWARD, listing.row], state.tau(option.expiry_ns)
        return float(pricing.black(forward, option.strike, vol, tau, option.is_call)) / state.index

    def _ladder(self, listing: Listing, side: int, state: MarketState) -> list[int]:
        """Prices, best first, where makers want to rest."""
        if listing.is_combo:
            ticks = self._fair(listing, state) / float(listing.tick) - side * COMBO_TICKS
            at = int(_to_grid(ticks, LARGEST_TICKS, 1, side))
            return [at] if at >= listing.lowest_ticks else []
        if listing.option is None:
            return self._future_ladder(listing, side, state)
        touch = self.touch(state, listing)
        best = int((touch.bid if side == BUY else touch.ask)[listing.row])
        if best < 1:
            return []
        ladder = [best]
        for depth in self.option.depths[1:]:
            price = self._option_price(listing, -side * depth, state)
            ticks = int(_to_grid(price / float(listing.tick), listing.band_ticks, listing.step_ticks, side))
            if ticks >= 1 and side * (ladder[-1] - ticks) > 0:
                ladder.append(ticks)
        return ladder

    def _future_ladder(self, listing: Listing, side: int, state: MarketState) -> list[int]:
        """The best price follows fair value; deeper ones stand on fixed prices, so they rest for long."""
        flow, tick = self._future_flow(listing), float(listing.tick)
        fair = self._fair(listing, state)
        best = int(_to_grid((fair - side * fair * flow.half_spread * BASIS_POINT) / tick, 0, 1, side))
        spacing = max(round(self._market.behaviour.index * flow.spacing * BASIS_POINT / tick), 1)
        behind = (best - 1) // spacing * spacing if side == BUY else -(-(best + 1) // spacing) * spacing
        return [best, *(behind - side * step * spacing for step in range(flow.levels - 1))]


def _in_coins(listing: Listing) -> bool:
    """Whether its size is thought of as options are."""
    return listing.option is not None or listing.kind == "option_combo"
