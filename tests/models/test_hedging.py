"""Bands, targets and fixing basis: formulas, and what they save in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models import fixing, hedge_bands, hedge_targets
from atomizer.models.black import black76_greeks_into
from atomizer.models.inputs import ModelInputError

YEARS, SIGMA, STEPS, PATHS, COST = 30.0 / 365.0, 0.6, 720, 1500, 0.0005
MINUTE = 1.0 / (365.0 * 24.0 * 60.0)


def greeks(
    spot: np.ndarray, years: float, sigma: float | np.ndarray = SIGMA
) -> tuple[np.ndarray, np.ndarray]:
    """Delta and gamma of the 100 call along a vector of spots."""
    n = spot.size
    out = np.empty((9, n))
    black76_greeks_into(
        spot,
        np.full(n, 100.0),
        np.full(n, years),
        np.broadcast_to(sigma, n).copy(),
        np.zeros(n),
        np.ones(n, dtype=np.bool_),
        out,
    )
    return out[1], out[2]


def hedge_short_call(
    half_width: object, every: int = 1, modified_sigma: object = None
) -> tuple[float, float]:
    """(mean cost, sd of P&L) of hedging one short at-the-money call, hourly grid."""
    draw = np.random.default_rng(1)
    spot, held = np.full(PATHS, 100.0), np.zeros(PATHS)
    cost, gains = np.zeros(PATHS), np.zeros(PATHS)
    dt = YEARS / STEPS
    for step in range(STEPS):
        left = YEARS - step * dt
        if step % every == 0:
            delta, gamma = greeks(spot, left)
            width = half_width(spot, gamma, left)  # type: ignore[operator]
            if modified_sigma is not None:
                delta, _ = greeks(spot, left, modified_sigma(spot, gamma, left))  # type: ignore[operator]
            target = np.clip(held, delta - width, delta + width)
            cost += COST * spot * np.abs(target - held)
            held = target
        moved = spot * np.exp(draw.normal(-0.5 * SIGMA**2 * dt, SIGMA * math.sqrt(dt), PATHS))
        gains += held * (moved - spot)
        spot = moved
    cost += COST * spot * np.abs(held)
    pnl = gains - np.maximum(spot - 100.0, 0.0) - cost
    return float(cost.mean()), float(pnl.std())


def test_whalley_wilmott_beats_daily_rehedging_at_the_same_cost() -> None:
    daily_cost, daily_sd = hedge_short_call(lambda s, g, t: 0.0, every=24)

    def width(s: np.ndarray, g: np.ndarray, t: float) -> np.ndarray:
        return np.cbrt(1.5 * COST * s * g**2 / 0.3)

    np.testing.assert_allclose(
        width(np.array([100.0]), np.array([0.02]), 0.05),
        hedge_bands.whalley_wilmott(100.0, 0.02, 0.05, 0.0, COST, 0.3),
    )
    cost, sd = hedge_short_call(width)
    assert cost <= daily_cost * 1.02
    assert sd <= 0.65 * daily_sd


def test_zakamouline_beats_a_fixed_band_in_cost_and_in_risk() -> None:
    fixed_cost, fixed_sd = hedge_short_call(lambda s, g, t: 0.06)
    aversion = 0.1

    def width(s: np.ndarray, g: np.ndarray, t: float) -> np.ndarray:
        h0 = COST / (aversion * s * SIGMA**2 * t)
        return h0 + 1.12 * COST**0.31 * t**0.05 * SIGMA**-0.25 * np.sqrt(g / aversion)

    def sigma(s: np.ndarray, g: np.ndarray, t: float) -> np.ndarray:
        k = -4.76 * COST**0.78 / t**0.02 * SIGMA**-0.25 * (aversion * s**2 * g) ** 0.15
        return SIGMA * np.sqrt(1.0 - k)

    one = hedge_bands.zakamouline(100.0, 0.02, SIGMA, 0.05, 0.0, COST, aversion, "short")
    point = (np.array([100.0]), np.array([0.02]), 0.05)
    assert width(*point)[0] == pytest.approx(one.half_width)
    assert sigma(*point)[0] == pytest.approx(one.modified_sigma)
    cost, sd = hedge_short_call(width, modified_sigma=sigma)
    assert cost < fixed_cost
    assert sd < fixed_sd


@given(st.floats(-2.0, 2.0), st.floats(0.0, 1.0), st.floats(-3.0, 3.0))
def test_band_trades_to_the_nearest_edge_and_no_further(target: float, width: float, held: float) -> None:
    zone = hedge_bands.band(target, width)
    after = held + zone.trade(held)
    assert zone.low - 1e-12 <= after <= zone.high + 1e-12
    if zone.low <= held <= zone.high:
        assert zone.trade(held) == 0.0
    else:
        assert min(abs(after - zone.low), abs(after - zone.high)) < 1e-12


@given(st.floats(1e-5, 0.01), st.floats(1.0, 8.0))
def test_band_widens_with_the_cube_root_of_cost_and_narrows_with_risk_aversion(
    cost: float, factor: float
) -> None:
    base = hedge_bands.whalley_wilmott(100.0, 0.02, 0.1, 0.0, cost, 1.0)
    dear = hedge_bands.whalley_wilmott(100.0, 0.02, 0.1, 0.0, cost * factor, 1.0)
    careful = hedge_bands.whalley_wilmott(100.0, 0.02, 0.1, 0.0, cost, factor)
    assert dear == pytest.approx(base * factor ** (1.0 / 3.0))
    assert careful == pytest.approx(base / factor ** (1.0 / 3.0))


def test_short_gamma_hedges_at_a_higher_volatility_and_long_at_a_lower() -> None:
    short = hedge_bands.zakamouline(100.0, 0.02, 0.6, 0.1, 0.0, COST, 1.0, "short")
    long = hedge_bands.zakamouline(100.0, 0.02, 0.6, 0.1, 0.0, COST, 1.0, "long")
    assert short.modified_sigma > 0.6 > long.modified_sigma
    assert hedge_bands.leland_volatility(0.6, COST, 1.0 / 365.0, "short") > 0.6
    assert hedge_bands.leland_volatility(0.6, COST, 1.0 / 365.0, "long") < 0.6


def test_costs_beyond_the_approximation_give_no_volatility() -> None:
    wide = hedge_bands.zakamouline(100.0, 0.02, 0.6, 0.1, 0.0, 0.5, 50.0, "long")
    assert math.isnan(wide.modified_sigma)
    assert math.isnan(hedge_bands.leland_volatility(0.6, 0.5, MINUTE, "long"))


@given(st.floats(-5.0, 5.0), st.floats(0.1, 3.0))
def test_single_gamma_hedge_reaches_its_target(book: float, unit: float) -> None:
    amount = hedge_targets.single_gamma_hedge(book, unit, target=0.5)
    assert book + amount * unit == pytest.approx(0.5)


def test_free_hedge_is_least_squares() -> None:
    units = np.array([[1.0, 0.2], [0.3, 1.1]])
    choice = hedge_targets.choose_hedge(
        [2.0, -1.0], units, np.eye(2), 0.0, risk_aversion=1.0, horizon_years=1.0
    )
    np.testing.assert_allclose(choice.residual, 0.0, atol=1e-9)
    assert choice.risk_after == pytest.approx(0.0, abs=1e-12)
    assert choice.saving == pytest.approx(choice.risk_before)


def test_hedge_dearer_than_its_saving_is_not_bought() -> None:
    choice = hedge_targets.choose_hedge([2.0], [[1.0]], [[1.0]], 100.0, risk_aversion=1.0, horizon_years=1.0)
    assert choice.amounts[0] == 0.0
    assert choice.saving == 0.0


@given(
    st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=2),
    st.floats(0.0, 2.0),
    st.floats(-2.0, 0.0),
    st.floats(0.0, 2.0),
)
def test_no_small_change_improves_a_chosen_hedge(
    exposures: list[float], cost: float, low: float, high: float
) -> None:
    units = np.array([[1.0, 0.2], [0.3, 1.1]])
    sigma = np.array([[1.0, 0.3], [0.3, 0.5]])
    choice = hedge_targets.choose_hedge(
        exposures, units, sigma, cost, risk_aversion=2.0, horizon_years=0.5, lower=low, upper=high
    )

    def objective(h: np.ndarray) -> float:
        residual = np.array(exposures) + h @ units
        return float(np.abs(h).sum() * cost + 0.5 * residual @ sigma @ residual)

    best = objective(choice.amounts)
    assert best == pytest.approx(choice.cost + choice.risk_after, abs=1e-9)
    assert choice.saving >= -1e-9
    for i in (0, 1):
        for nudge in (-1e-3, 1e-3):
            trial = choice.amounts.copy()
            trial[i] = min(max(trial[i] + nudge, low), high)
            assert objective(trial) >= best - 1e-9


def test_gamma_saving_is_the_variance_price() -> None:
    saving = hedge_targets.gamma_hedge_saving(
        -0.02, 0.0, sigma=0.6, forward=100.0, rehedge_years=0.01, horizon_years=0.1, risk_aversion=2.0
    )
    assert saving == pytest.approx(0.5 * 2.0 * 0.5 * 0.6**4 * 1e8 * 0.01 * 0.1 * 0.0004)


def test_perpetual_hedge_of_a_long_expiry_is_larger_than_its_future() -> None:
    assert hedge_targets.delta_hedge(10.0, 0.0, forward=3090.0, price=3090.0) == -10.0
    assert hedge_targets.delta_hedge(10.0, 0.0, forward=3090.0, price=3000.0) == pytest.approx(-10.3)


def test_fixing_basis_of_the_stated_example() -> None:
    assert fixing.basis_sd(3000.0, 0.6) == pytest.approx(7.9, abs=0.1)
    now = fixing.expected_difference(3000.0, 3000.0, 0.6, fixing.HALF_HOUR, is_call=True)
    week = fixing.expected_difference(3000.0, 3000.0, 0.6, 7.0 / 365.0, is_call=True)
    assert now == pytest.approx(2.3, abs=0.1)
    assert week == pytest.approx(0.1, abs=0.02)


@given(st.floats(2500.0, 3500.0), st.booleans(), st.floats(1.0, 500.0))
def test_print_is_never_worth_less_than_the_average(strike: float, is_call: bool, windows: float) -> None:
    years = fixing.HALF_HOUR * windows
    assert fixing.expected_difference(3000.0, strike, 0.6, years, is_call=is_call) >= -1e-9


def test_charge_is_lower_for_whoever_holds_the_print() -> None:
    terms = {
        "forward": 3000.0,
        "strike": 3000.0,
        "sigma": 0.6,
        "years": 0.01,
        "is_call": True,
        "half_spread_rate": 1e-4,
        "fee_rate": 5e-4,
        "risk_price": 0.1,
        "residual_sd": 0.7,
    }
    ours = fixing.fixing_charge(we_hold_print=True, **terms)  # type: ignore[arg-type]
    theirs = fixing.fixing_charge(we_hold_print=False, **terms)  # type: ignore[arg-type]
    gap = fixing.expected_difference(3000.0, 3000.0, 0.6, 0.01, is_call=True)
    assert theirs - ours == pytest.approx(2.0 * gap)


def run_off_pnl(strike: float, *, hedged: bool) -> np.ndarray:
    """P&L per coin of long print, short average through the window, hedged by the minute."""
    draw = np.random.default_rng(4)
    spot, total = np.full(400, 3000.0), np.zeros(400)
    pnl = np.zeros(400)
    for minute in range(30):
        if hedged:
            average = total / minute if minute else np.full(400, 3000.0)
            for i in range(400):
                hold = fixing.run_off_hedge(
                    forward=float(spot[i]),
                    strike=strike,
                    sigma=0.6,
                    seconds_left=(30 - minute) * 60.0,
                    running_average=float(average[i]) if minute else math.nan,
                    is_call=True,
                    print_units=1.0,
                    averaged_units=-1.0,
                )
                pnl[i] -= hold * spot[i]
                spot_i = spot[i] * math.exp(0.6 * math.sqrt(MINUTE) * draw.standard_normal())
                pnl[i] += hold * spot_i
                spot[i] = spot_i
        else:
            spot = spot * np.exp(0.6 * math.sqrt(MINUTE) * draw.standard_normal(400))
        total += spot
    pnl += np.maximum(spot - strike, 0.0) - np.maximum(total / 30.0 - strike, 0.0)
    return pnl


def test_run_off_removes_the_basis_of_an_option_in_the_money() -> None:
    assert run_off_pnl(2900.0, hedged=False).std() == pytest.approx(7.9, rel=0.15)
    assert run_off_pnl(2900.0, hedged=True).std() < 0.6


def run_off(seconds_left: float, running_average: float = 3000.0) -> float:
    return fixing.run_off_hedge(
        forward=3000.0,
        strike=2900.0,
        sigma=0.6,
        seconds_left=seconds_left,
        running_average=running_average,
        is_call=True,
        print_units=1.0,
        averaged_units=-1.0,
    )


def test_pair_is_flat_before_the_window_and_one_coin_long_at_its_end() -> None:
    hedges = [run_off(seconds) for seconds in (1800.0, 900.0, 180.0, 1e-6)]
    assert hedges == sorted(hedges, reverse=True)
    assert hedges[0] == pytest.approx(0.0, abs=1e-3)
    assert hedges[-1] == pytest.approx(-1.0, abs=1e-3)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: hedge_bands.whalley_wilmott(100.0, math.nan, 0.1, 0.0, COST, 1.0),
        lambda: hedge_bands.whalley_wilmott(100.0, 0.02, 0.1, 0.0, COST, 0.0),
        lambda: hedge_bands.zakamouline(100.0, 0.02, -0.6, 0.1, 0.0, COST, 1.0, "long"),
        lambda: hedge_bands.zakamouline(100.0, 0.02, 0.6, 0.1, 0.0, COST, 1.0, "flat"),  # type: ignore[arg-type]
        lambda: hedge_bands.leland_number(0.6, COST, 0.0),
        lambda: hedge_bands.band(0.0, -1.0),
        lambda: hedge_targets.single_gamma_hedge(1.0, 0.0),
        lambda: hedge_targets.choose_hedge(
            [1.0], [[1.0]], [[-1.0]], 0.0, risk_aversion=1.0, horizon_years=1.0
        ),
        lambda: hedge_targets.choose_hedge(
            [1.0], [[1.0]], [[1.0]], 0.0, risk_aversion=1.0, horizon_years=1.0, lower=0.5
        ),
        lambda: fixing.expected_difference(3000.0, 3000.0, 0.6, 0.0, is_call=True),
        lambda: run_off(900.0, math.nan),
        lambda: run_off(-1.0),
    ],
)
def test_bad_hedge_inputs_are_refused(bad: object) -> None:
    with pytest.raises(ModelInputError):
        bad()  # type: ignore[operator]
