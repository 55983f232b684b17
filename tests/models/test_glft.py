from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models import glft, glft_horizon
from atomizer.models.glft import GlftParameters
from atomizer.models.inputs import ModelInputError

PAPER = GlftParameters(0.01, 0.3, 0.9, 0.9, 0.3, 30, xi=0.01)
STIFF = GlftParameters(0.1, 2.0, 14.0, 14.0, 1.5, 8, xi=0.1)

parameter_sets = st.builds(
    GlftParameters,
    gamma=st.floats(1e-4, 0.5),
    sigma=st.floats(0.05, 5.0),
    intensity_bid=st.floats(0.1, 100.0),
    intensity_ask=st.floats(0.1, 100.0),
    decay=st.floats(0.1, 10.0),
    lots=st.integers(1, 15),
    lot=st.floats(0.2, 3.0),
    xi=st.sampled_from([0.0, 0.01, 0.3]),
    drift=st.just(0.0),
    impact=st.floats(0.0, 0.5),
    fee=st.floats(-0.5, 0.5),
    running_penalty=st.none(),
)


def hjb_steady_state(p: GlftParameters) -> tuple[np.ndarray, np.ndarray]:
    """Distances from the non-linear HJB equation (running-penalty model), integrated to its steady state."""
    n = np.arange(-p.lots, p.lots + 1)
    theta = np.zeros(n.size)
    running = 0.5 * p.gamma * (p.sigma * n * p.lot) ** 2

    def slopes(value: np.ndarray) -> np.ndarray:
        change = -running.copy()
        pb = (value[:-1] - value[1:]) / p.lot
        pa = (value[1:] - value[:-1]) / p.lot
        change[:-1] += p.lot * p.intensity_bid * np.exp(-p.decay * (p.fee + pb) - 1.0) / p.decay
        change[1:] += p.lot * p.intensity_ask * np.exp(-p.decay * (p.fee + pa) - 1.0) / p.decay
        return change

    dt = 0.005
    for _ in range(8_000):
        half = theta + 0.5 * dt * slopes(theta)
        theta = theta + dt * slopes(half)
        theta -= theta.max()
    pb = (theta[:-1] - theta[1:]) / p.lot
    return 1.0 / p.decay + p.fee + pb, 1.0 / p.decay + p.fee - pb


@pytest.mark.parametrize(
    "p",
    [
        GlftParameters(0.1, 1.0, 5.0, 5.0, 1.0, 4),
        GlftParameters(0.1, 1.0, 8.0, 3.0, 1.0, 4, fee=0.1),
        GlftParameters(0.05, 1.5, 3.0, 6.0, 0.7, 3, lot=2.0, fee=-0.05),
    ],
)
def test_stationary_quotes_solve_the_hjb_equation(p: GlftParameters) -> None:
    bid, ask = hjb_steady_state(p)
    table = glft.solve(p)
    np.testing.assert_allclose(table.delta_bid[:-1], bid, atol=1e-9)
    np.testing.assert_allclose(table.delta_ask[1:], ask, atol=1e-9)


@given(parameter_sets)
@settings(max_examples=60)
def test_eigenvector_satisfies_its_equation_in_every_component(p: GlftParameters) -> None:
    table = glft.solve(p)
    n = np.arange(-p.lots, p.lots + 1)
    ratio = np.exp(-p.decay * (table.delta_bid[:-1] - p.base - p.side_shift))  # f_(n+1) / f_n
    diagonal = p.alpha * n * n
    left = np.concatenate(([0.0], 1.0 / ratio))
    right = np.concatenate((ratio, [0.0]))
    levels = diagonal - p.eta * (left + right)
    size = np.abs(diagonal) + p.eta * (left + right)
    assert np.all(np.abs(levels - levels[p.lots]) <= 1e-9 * (size + size[p.lots]))


@given(parameter_sets)
@settings(max_examples=60)
def test_bid_and_ask_never_rise_with_inventory(p: GlftParameters) -> None:
    table = glft.solve(p)
    slack = 1e-9 * (1.0 + np.abs(table.delta_bid[:-1]).max())
    assert np.all(np.diff(table.delta_bid[:-1]) >= -slack)
    assert np.all(np.diff(table.delta_ask[1:]) <= slack)


@given(parameter_sets, st.floats(1.0, 2.0))
@settings(max_examples=60)
def test_spread_at_zero_inventory_grows_with_volatility(p: GlftParameters, factor: float) -> None:
    even = p._replace(intensity_ask=p.intensity_bid)
    calm = glft.solve(even)
    wild = glft.solve(even._replace(sigma=even.sigma * factor))
    assert wild.delta_bid[p.lots] >= calm.delta_bid[p.lots] - 1e-9 * abs(calm.delta_bid[p.lots])


@given(parameter_sets, st.floats(1.0, 2.0))
@settings(max_examples=60)
def test_skew_grows_with_the_risk_penalty(p: GlftParameters, factor: float) -> None:
    even = p._replace(intensity_ask=p.intensity_bid, xi=0.0)
    _, skew, _ = glft.closed_form(even)
    _, steeper, _ = glft.closed_form(even._replace(gamma=even.gamma * factor))
    assert steeper >= skew


def test_no_bid_at_the_upper_bound_and_no_ask_at_the_lower() -> None:
    table = glft.solve(STIFF)
    assert math.isnan(table.at(8.0)[0])
    assert math.isnan(table.at(-8.0)[1])
    assert math.isfinite(table.at(8.0)[1])
    assert math.isnan(table.at(7.5)[0])


def test_position_beyond_the_bound_keeps_the_reducing_quote() -> None:
    table = glft.solve(STIFF)
    assert table.at(50.0)[1] == table.at(8.0)[1]
    assert table.at(-50.0)[0] == table.at(-8.0)[0]


def test_fractional_inventory_lies_between_its_lots() -> None:
    table = glft.solve(STIFF)
    bids = [table.at(q)[0] for q in (2.0, 2.25, 3.0)]
    assert bids[0] < bids[1] < bids[2]
    assert bids[1] == pytest.approx(0.75 * bids[0] + 0.25 * bids[2])


def test_single_lot_bound_quotes_one_side_at_a_time() -> None:
    table = glft.solve(STIFF._replace(lots=1))
    assert np.isfinite(table.at(0.0)).all()
    assert math.isnan(table.at(1.0)[0])
    assert math.isnan(table.at(-1.0)[1])


def test_closed_form_is_close_where_it_says_so() -> None:
    p = GlftParameters(0.01, 0.2, 5.0, 5.0, 1.0, 30, xi=0.01)
    for q in (-2.0, 0.0, 1.0, 3.0):
        assert glft.closed_form_is_good(p, q)
        exact, fast = glft.distances(p, q), glft.distances(p, q, "auto")
        assert fast == glft.distances(p, q, "closed")
        assert fast == pytest.approx(exact, rel=0.02)


def test_auto_falls_back_to_the_eigenvector_when_flow_is_thin() -> None:
    assert not glft.closed_form_is_good(STIFF._replace(sigma=4.0), 0.0)
    p = STIFF._replace(sigma=4.0)
    assert glft.distances(p, 2.0, "auto") == glft.distances(p, 2.0)


def test_upward_drift_raises_both_quotes() -> None:
    flat, rising = glft.solve(STIFF), glft.solve(STIFF._replace(drift=0.3))
    assert rising.delta_bid[8] < flat.delta_bid[8]
    assert rising.delta_ask[8] > flat.delta_ask[8]


def test_fee_is_passed_on_and_rebate_given_away() -> None:
    free = glft.solve(STIFF)
    dear, rebated = glft.solve(STIFF._replace(fee=0.2)), glft.solve(STIFF._replace(fee=-0.2))
    assert dear.delta_bid[8] > free.delta_bid[8] > rebated.delta_bid[8]


def test_impact_widens_both_sides() -> None:
    free, hurt = glft.solve(STIFF), glft.solve(STIFF._replace(impact=0.3))
    assert hurt.delta_bid[8] >= free.delta_bid[8] + 0.15


def test_running_penalty_equals_the_risk_it_replaces() -> None:
    p = STIFF._replace(xi=0.0)
    same = p._replace(running_penalty=0.5 * p.gamma * p.sigma**2)
    assert glft.solve(same).at(2.0) == glft.solve(p).at(2.0)


def test_more_flow_on_the_bid_moves_the_quotes_down() -> None:
    even, busy = glft.solve(STIFF), glft.solve(STIFF._replace(intensity_bid=28.0))
    assert busy.delta_bid[8] > even.delta_bid[8]
    assert busy.delta_ask[8] < even.delta_ask[8]


def test_long_horizon_reaches_the_stationary_quotes() -> None:
    far = glft_horizon.solve_horizon(STIFF, 500.0)
    np.testing.assert_allclose(far.delta_bid, glft.solve(STIFF).delta_bid, atol=1e-10)


def test_unequal_sides_reach_the_stationary_quotes_too() -> None:
    p = STIFF._replace(intensity_ask=9.0)
    far = glft_horizon.solve_horizon(p, 12.0)
    np.testing.assert_allclose(far.delta_bid, glft.solve(p).delta_bid, atol=1e-7)


def test_horizon_zero_quotes_against_the_terminal_cost() -> None:
    end = glft_horizon.solve_horizon(STIFF, 0.0, terminal_linear=0.4)
    # buying while short saves the liquidation cost, buying while long adds it
    assert end.delta_bid[5] == pytest.approx(STIFF.base - 0.4)
    assert end.delta_bid[10] == pytest.approx(STIFF.base + 0.4)


def test_short_time_left_stays_near_the_terminal_quotes() -> None:
    end = glft_horizon.solve_horizon(STIFF, 0.0, terminal_quadratic=0.05)
    soon = glft_horizon.solve_horizon(STIFF, 1e-7, terminal_quadratic=0.05)
    np.testing.assert_allclose(soon.delta_bid, end.delta_bid, atol=1e-5)


def test_terminal_penalty_too_steep_for_doubles_is_refused() -> None:
    with pytest.raises(ModelInputError, match="terminal penalty"):
        glft_horizon.solve_horizon(STIFF, 1e-60, terminal_quadratic=1e6)


def test_inventory_law_is_a_distribution_around_zero() -> None:
    law = glft.inventory_law(PAPER)
    n = np.arange(-30, 31)
    assert law.sum() == pytest.approx(1.0)
    assert float(law @ n) == pytest.approx(0.0, abs=1e-9)


def test_gamma_for_inventory_hits_its_band() -> None:
    p = GlftParameters(0.1, 2.0, 140.0, 140.0, 1.5, 40, xi=0.1)
    gamma = glft.gamma_for_inventory(p, 2.54)
    assert gamma == pytest.approx(0.1, rel=0.02)
    law = glft.inventory_law(p._replace(gamma=gamma, xi=gamma))
    n = np.arange(-40, 41)
    assert math.sqrt(float(law @ (n * n))) == pytest.approx(2.54, rel=0.05)


def test_table_is_solved_once_per_parameter_set() -> None:
    assert glft.table(STIFF) is glft.table(GlftParameters(*STIFF))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"gamma": -1.0}, "gamma"),
        ({"sigma": math.nan}, "sigma"),
        ({"intensity_bid": 0.0}, "intensity_bid"),
        ({"decay": -1.0}, "decay"),
        ({"lots": 0}, "lots"),
        ({"lot": 0.0}, "lot"),
        ({"fee": 1e4}, "fee"),
        ({"running_penalty": -1.0}, "running_penalty"),
    ],
)
def test_bad_parameters_are_refused_by_name(change: dict[str, float], name: str) -> None:
    with pytest.raises(ModelInputError, match=name):
        glft.distances(STIFF._replace(**change), 0.0)


def test_inventory_that_is_no_number_is_refused() -> None:
    with pytest.raises(ModelInputError, match="q"):
        glft.distances(STIFF, math.nan)


def test_drift_without_risk_has_no_closed_form() -> None:
    with pytest.raises(ModelInputError, match="drift"):
        glft.closed_form(STIFF._replace(gamma=0.0, xi=0.0, drift=0.1))
