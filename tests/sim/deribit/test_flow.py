"""Generated makers and takers: where they stand, how deep, and how takers thin out with distance."""

from __future__ import annotations

import math

import pytest

from atomizer.sim.deribit.books import BUY, SELL, VenueBook
from atomizer.sim.deribit.underlyings import Underlying
from atomizer.sim.market import Market
from atomizer.sim.matching import Mode
from tests.sim.deribit.client import START, Standing

STEP = 100_000_000


class Ledger:
    """A venue that takes every order of the flow and remembers takers."""

    def __init__(self, market: Market) -> None:
        self.taken: list[tuple[int, int]] = []
        self.number = 0
        self.underlying = Underlying(market, Standing(START), 0, 5, self.trade)
        self.flow = self.underlying.flow

    def trade(self, book: VenueBook, side: int, ticks: int, lots: int, mode: Mode) -> int:
        self.number += 1
        if mode is Mode.IMMEDIATE:
            self.taken.append((side, ticks))
        else:
            book.matching.place(self.number, 0, side, ticks, lots, mode)
        return self.number


def test_takers_reach_a_distance_with_exponentially_falling_frequency() -> None:
    market = Market(7, START)
    ledger = Ledger(market)
    book = VenueBook(ledger.underlying.perpetual)
    state = market.state(START)
    for _ in range(20_000):
        ledger.flow.take(book, state, 0.5)
    mean = ledger.flow.perpetual.taker_distance * 1e-4 * state.perpetual / 0.05
    distances = [side * (ticks - state.perpetual / 0.05) for side, ticks in ledger.taken]
    for away in (0.5, 1.0, 2.0):
        share = sum(distance >= away * mean for distance in distances) / len(distances)
        assert share == pytest.approx(math.exp(-away), abs=0.04)
    expected = 2 * 20_000 * ledger.flow.perpetual.taker_rate * 0.5
    assert len(ledger.taken) == pytest.approx(expected, rel=0.05)


def test_perpetual_holds_several_hundred_thousand_usd_within_a_few_basis_points() -> None:
    market = Market(7, START)
    ledger = Ledger(market)
    book = VenueBook(ledger.underlying.perpetual)
    for step in range(200):
        state = market.state(START + step * STEP)
        ledger.flow.refresh(book, state)
        for side in (BUY, SELL):
            near = [
                amount for price, amount in book.levels(side) if abs(price / state.perpetual - 1.0) < 5e-4
            ]
            assert sum(near) > 300_000
        bid, ask = book.levels(BUY, 1)[0][0], book.levels(SELL, 1)[0][0]
        assert bid < state.perpetual < ask
        assert (ask - bid) / state.perpetual < 2e-4


def test_option_makers_quote_around_fair_on_the_grid() -> None:
    market = Market(7, START)
    ledger = Ledger(market)
    listings = ledger.underlying.options
    state = market.state(START)
    touch = ledger.flow.touch(state, listings[0])
    for one in listings:
        assert one.option is not None
        fair = state.fair(one.option) / 1e-4
        bid, ask = touch.bid[one.row], touch.ask[one.row]
        assert bid <= fair <= ask
        assert ask - bid > 0
        for ticks in (bid, ask):
            assert ticks < one.band_ticks or ticks % one.step_ticks == 0
        vol = state.vol(one.option.strike, one.option.expiry_ns)
        if 0.1 < abs(fair * 1e-4) < 0.2 and bid:
            assert touch.bid_vol[one.row] <= vol <= touch.ask_vol[one.row]


def test_kept_option_book_shows_the_same_touch_as_one_nobody_looks_at() -> None:
    market = Market(7, START)
    ledger = Ledger(market)
    one = next(x for x in ledger.underlying.options if x.option and x.option.strike == 4000)
    state = market.state(START)
    touch = ledger.flow.touch(state, one)
    book = VenueBook(one)
    ledger.flow.refresh(book, state)
    best = [book.matching.best(side) for side in (BUY, SELL)]
    assert [top[0] for top in best if top] == [touch.bid[one.row], touch.ask[one.row]]
    assert len(book.levels(SELL)) >= 2
