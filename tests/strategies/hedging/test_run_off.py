"""The last half hour: average against print, minute by minute, and the book flat at the print."""

from __future__ import annotations

import math
import random
from decimal import Decimal

import msgspec
import pytest

from atomizer.domain import events as ev
from atomizer.domain.capabilities import Capabilities
from atomizer.domain.instruments import Instrument, Kind
from atomizer.engine.accounts import Holding, Position
from atomizer.models.averaged import averaged_greeks
from atomizer.models.black import black76_greeks
from atomizer.strategies.hedging.runoff import RunOff
from tests.engine.bench_desk import DERIBIT, PERP, Desk, S
from tests.engine.rfq_desk import NEAR_S, RfqDesk, option

PRINTED = option("rysk", 3900.0, NEAR_S, is_call=True)
AVERAGED = option("deribit", 3900.0, NEAR_S, is_call=True)
VOL = 0.6


class Fixing(RfqDesk):
    """Long the print option, short the averaged one of the same strike, near their end."""

    def __init__(self, seconds_left: float) -> None:
        self.start_s = seconds_left
        super().__init__(
            chain=False,
            listed=(PRINTED, AVERAGED),
            options={PRINTED.key: "5"},
        )
        self.engine.capabilities = {
            **self.engine.capabilities,
            "deribit": Capabilities(venue="deribit", orders=True, averaging_window_s=1800, rate=DERIBIT.rate),
        }
        self.engine.ledger.accounts.positions.clear()
        for instrument, size in ((PRINTED, "5"), (AVERAGED, "-5")):
            self.hold(instrument, size)
        self.at(seconds_left, 4000.0)

    def hold(self, instrument: Instrument, size: str) -> None:
        account = "maker" if instrument is PRINTED else "main"
        self.engine.ledger.instruments[instrument.key] = instrument
        key = Holding(instrument.venue, account, instrument.key)
        self.engine.ledger.accounts.positions[key] = Position(size=Decimal(size))

    def at(self, seconds_left: float, index: float) -> None:
        self.now_ns = NEAR_S * S - round(seconds_left * S)
        self.feed(
            ev.FeedAlive("deribit/trading"),
            ev.IndexPrice("deribit", "eth_usd", index),
            ev.Ticker(instrument=PERP.key, mark=index, index=index),
            ev.BookSnapshot(PERP.key, [(index - 0.5, 1e6)], [(index + 0.5, 1e6)], 1),
            *[
                ev.Ticker(
                    instrument=option("deribit", strike, NEAR_S, is_call=is_call).key,
                    forward=index,
                    mark_vol=VOL,
                    bid_vol=VOL,
                    ask_vol=VOL,
                )
                for strike in range(3000, 5001, 250)
                for is_call in (True, False)
            ],
            after_ms=0.0,
        )


def priced(desk: Fixing) -> None:
    """List the chain, so that both options have a price."""
    for strike in (*range(3000, 5001, 250), 3900):
        for is_call in (True, False):
            desk.feed(
                ev.InstrumentListed(option("deribit", float(strike), NEAR_S, is_call=is_call)), after_ms=0.0
            )


def test_outside_the_window_nothing_is_added() -> None:
    desk = Fixing(3_600.0)
    priced(desk)
    desk.at(3_599.0, 4000.0)
    assert RunOff("ETH").correction(desk.engine) == 0.0


def test_inside_the_window_the_averaged_delta_runs_off_as_the_models_say() -> None:
    desk = Fixing(1_900.0)
    priced(desk)
    run_off = RunOff("ETH")
    left = 1_799.0
    while left > 660.0:
        desk.at(left, 4000.0)
        found = run_off.correction(desk.engine)
        left -= 60.0
    left += 60.0
    years = left / (365.0 * 86_400.0)
    black = black76_greeks(4000.0, 3900.0, years, VOL, 0.0, True)[1]
    averaged = averaged_greeks(4000.0, 4000.0, 3900.0, VOL, left, 1800.0, 0, True)[1]
    assert found == pytest.approx(-5.0 * (averaged - black), abs=1e-9)
    assert found == pytest.approx(5.0 * (1.0 - left / 1800.0), abs=0.02), "deep enough in the money: linear"


def test_a_future_that_expires_into_the_average_runs_off_too() -> None:
    desk = Fixing(900.0)
    priced(desk)
    future = msgspec.structs.replace(
        PERP, key="deribit:ETH-FUT", name="ETH-FUT", kind=Kind.FUTURE, expiry_ns=NEAR_S * S
    )
    desk.engine.ledger.accounts.positions.clear()
    desk.hold(future, "4000")
    desk.feed(ev.InstrumentListed(future), ev.Ticker(instrument=future.key, mark=4000.0, index=4000.0))
    assert RunOff("ETH").correction(desk.engine) == pytest.approx(-0.5, abs=0.01)


@pytest.mark.parametrize(("strike", "most"), [(3900.0, 0.15)])
def test_running_it_off_leaves_the_pair_flat_against_the_print(strike: float, most: float) -> None:
    """Minute by minute over random paths: sd of the pair with and without the run-off, per coin."""
    rng, bare, hedged = random.Random(7), [], []
    for _ in range(25):
        desk, run_off = Fixing(1_801.0), RunOff("ETH")
        priced(desk)
        index, total, count, held, earned = 4000.0, 0.0, 0, 0.0, 0.0
        for left in range(1_790, -1, -60):
            step = VOL * math.sqrt(60.0 / (365.0 * 86_400.0)) * rng.gauss(0.0, 1.0)
            moved = index * math.exp(step)
            earned += held * (moved - index)
            index = moved
            total, count = total + index, count + 1
            if left > 30:
                desk.at(float(left), index)
                held = -run_off.correction(desk.engine) / 5.0
        pair = max(index - strike, 0.0) - max(total / count - strike, 0.0)
        bare.append(pair)
        hedged.append(pair + earned)

    def sd(values: list[float]) -> float:
        mean = sum(values) / len(values)
        return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))

    assert sd(hedged) < most * sd(bare)


def test_a_desk_has_no_window_of_its_own() -> None:
    assert Desk().engine.capabilities["deribit"].averaging_window_s == 0
