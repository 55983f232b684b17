"""The generated market: a pure function of its arguments, calibrated, sane in price."""

from __future__ import annotations

import itertools
import math
import statistics
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.sim import pricing
from atomizer.sim.calendar import DAY_NS, first_expiry_ns, nearest_expiry_ns, option_name, utc
from atomizer.sim.market import ListedOption, Market, UnknownUnderlyingError
from atomizer.sim.paths import BLOCK, Behaviour
from atomizer.sim.spikes import Spikes

START = 1_763_640_000_000_000_000
STEP = 100_000_000
PRINT_STATES = f"""
from atomizer.sim.market import Market
market = Market(11, {START})
for step in (5000, 0, 1, 3, 1024):
    state = market.state({START} + step * {STEP} + 7)
    fair = (state.fair(option).hex() for option in market.options[::13])
    print(state.index.hex(), state.perpetual.hex(), state.jumped, *fair)
"""


def test_two_processes_with_other_hash_seeds_agree_bit_for_bit() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PRINT_STATES],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == 5


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 6 * BLOCK), min_size=1, max_size=6))
def test_state_does_not_depend_on_what_was_asked_before(steps: list[int]) -> None:
    asked, fresh = Market(3, START), Market(3, START)
    for step in steps:
        asked.state(START + step * STEP)
    last = steps[-1]
    assert asked.state(START + last * STEP).index == fresh.state(START + last * STEP).index


def test_time_before_the_start_shows_the_opening() -> None:
    market = Market(3, START)
    assert market.state(START - DAY_NS).index == market.state(START).index
    assert market.state(START).index == pytest.approx(4000.0)


def test_seeds_and_coins_have_paths_of_their_own() -> None:
    later = START + 500 * STEP
    moves = {
        math.log(market.state(later).index / market.state(START).index)
        for market in (Market(1, START), Market(2, START), Market(1, START, underlying="BTC"))
    }
    assert len(moves) == 3


def test_default_moves_make_delta_dominate_an_option_over_five_minutes() -> None:
    market = Market(5, START)
    states = [market.state(START + step * STEP) for step in range(0, 216_000, 3000)]
    spot = [math.log(b.index / a.index) for a, b in itertools.pairwise(states)]
    level = [b.level - a.level for a, b in itertools.pairwise(states)]
    assert 0.002 < statistics.pstdev(spot) < 0.004
    assert 0.0005 < statistics.pstdev(state.level for state in states) < 0.005
    at_the_money = min(range(len(market.options)), key=lambda i: abs(market.options[i].strike - 4000))
    prices = market.prices(market.state(START))
    from_delta = abs(prices[pricing.DELTA, at_the_money]) * 4000 * statistics.pstdev(spot)
    from_vega = prices[pricing.VEGA, at_the_money] * 100 * statistics.pstdev(level)
    assert from_delta > 2 * from_vega


def test_shocks_of_the_implied_level_come_at_their_rate_either_way_and_fade() -> None:
    behaviour = Behaviour(index=4000.0, vol=0.6)
    hours = 20
    spikes = Spikes(5, "ETH", behaviour, 0.1)
    seen = [spikes.at(step) for step in range(hours * 36_000)]
    jumps = [
        (at, after - before)
        for at, (before, after) in enumerate(itertools.pairwise(seen))
        if abs(after - before) > 0.01
    ]
    assert len(jumps) == pytest.approx(behaviour.shocks_per_hour * hours, rel=0.15)
    assert 0.35 < sum(size > 0 for _, size in jumps) / len(jumps) < 0.65
    assert all(0.0198 < abs(size) < 0.0401 for _, size in jumps)
    alone = next(
        at for (at, _), (after, _) in itertools.pairwise(jumps) if after - at > 1100 and abs(seen[at]) < 1e-4
    )
    assert seen[alone + 151] == pytest.approx(seen[alone + 1] / 2, rel=0.01)
    assert [Spikes(5, "ETH", behaviour, 0.1).at(step) for step in (90_000, 50)] == [seen[90_000], seen[50]]


def test_listed_chain_is_three_fridays_of_fifteen_strikes() -> None:
    market = Market(1, START)
    assert len(market.options) == 90
    for expiry_ns in market.expiries:
        assert (utc(expiry_ns).weekday(), utc(expiry_ns).hour) == (4, 8)
        assert expiry_ns - START >= 2 * DAY_NS
        assert len({o.strike for o in market.options if o.expiry_ns == expiry_ns}) == 15


def test_chain_kernel_and_scalar_prices_agree_and_keep_parity() -> None:
    market = Market(9, START)
    state = market.state(START + 777 * STEP)
    prices = market.prices(state)
    for i, option in enumerate(market.options):
        assert prices[pricing.USD, i] == pytest.approx(state.fair_usd(option), abs=1e-9)
    for i in range(0, len(market.options), 2):
        call, put = market.options[i], market.options[i + 1]
        gap = prices[pricing.USD, i] - prices[pricing.USD, i + 1]
        assert gap == pytest.approx(state.forward(call.expiry_ns) - put.strike, abs=1e-6)


def test_smile_has_no_butterfly_and_no_calendar_arbitrage() -> None:
    market = Market(9, START)
    state = market.state(START + 5000 * STEP)
    previous = None
    for expiry_ns in market.expiries:
        forward, tau = state.forward(expiry_ns), state.tau(expiry_ns)
        ks = [i * 0.02 for i in range(-20, 21)]
        vols = [state.vol(forward * math.exp(k), expiry_ns) for k in ks]
        calls = [pricing.black(1.0, math.exp(k), vol, tau, True) for k, vol in zip(ks, vols, strict=True)]
        strikes = [math.exp(k) for k in ks]
        slopes = [(calls[i + 1] - calls[i]) / (strikes[i + 1] - strikes[i]) for i in range(len(ks) - 1)]
        assert all(b >= a - 1e-9 for a, b in itertools.pairwise(slopes))
        variances = [vol * vol * tau for vol in vols]
        if previous is not None:
            assert all(later > earlier for earlier, later in zip(previous, variances, strict=True))
        previous = variances


@settings(max_examples=50, deadline=None)
@given(st.floats(0.6, 1.6), st.floats(0.05, 2.0), st.floats(0.01, 1.0), st.booleans())
def test_implied_vol_inverts_the_price(ratio: float, vol: float, tau: float, is_call: bool) -> None:
    price = pricing.black(100.0, 100.0 * ratio, vol, tau, is_call)
    intrinsic = pricing.black(100.0, 100.0 * ratio, 0.0, tau, is_call)
    if price - intrinsic > 1e-6:
        found = pricing.implied_vol(price, 100.0, 100.0 * ratio, tau, is_call=is_call)
        assert found is not None
        assert pricing.black(100.0, 100.0 * ratio, found, tau, is_call) == pytest.approx(price, abs=1e-8)


def test_price_without_an_implied_vol_gives_none() -> None:
    assert pricing.implied_vol(0.5, 101.0, 100.0, 0.1, is_call=True) is None


def test_expired_option_is_worth_its_intrinsic_value() -> None:
    market = Market(1, START)
    option = ListedOption("ETH-20NOV25-3900-C", "ETH", 3900.0, START + 5 * STEP, is_call=True)
    state = market.state(START + 6 * STEP)
    assert state.fair_usd(option) == pytest.approx(max(state.index - option.strike, 0.0))


@pytest.mark.parametrize(("kwargs", "text"), [({"seed": -1}, "seed"), ({"step_ms": 0}, "step")])
def test_arguments_out_of_range_are_refused(kwargs: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Market(**{"seed": 1, "start_ns": START, **kwargs})


def test_unknown_coin_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownUnderlyingError, match="ETH, BTC"):
        Market(1, START, underlying="DOGE")


@settings(max_examples=50, deadline=None)
@given(st.integers(START, START + 30 * DAY_NS), st.integers(0, 60 * DAY_NS))
def test_expiries_are_fridays_at_least_two_days_away(start_ns: int, tenor_ns: int) -> None:
    first, nearest = first_expiry_ns(start_ns), nearest_expiry_ns(start_ns, tenor_ns)
    assert 2 * DAY_NS <= first - start_ns < 9 * DAY_NS + 1_000_000_000
    assert nearest >= first
    assert nearest == first or abs(nearest - start_ns - tenor_ns) <= 3.5 * DAY_NS + 1
    assert utc(nearest).weekday() == 4


def test_option_names_follow_the_venue() -> None:
    assert option_name("ETH", 1_748_592_000_000_000_000, 3000.0, is_call=True) == "ETH-30MAY25-3000-C"
    assert option_name("ETH", 1_749_196_800_000_000_000, 0.625, is_call=False) == "ETH-6JUN25-0d625-P"
