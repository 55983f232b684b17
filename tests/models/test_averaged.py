"""Options on an average: clock, derivatives, parity on the average, limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.averaged import CONTINUOUS, averaged_greeks, averaging_clock, fixing_basis_sd
from atomizer.models.black import black76_greeks

WINDOW = 1800.0


def test_before_the_window_it_is_black_at_t_minus_two_thirds_of_the_window():
    years = (7200.0 - 2.0 * WINDOW / 3.0) / 31_536_000.0
    price, delta, gamma, vega, *_ = averaged_greeks(
        3000.0, math.nan, 3050.0, 0.6, 7200.0, WINDOW, CONTINUOUS, True
    )
    black = black76_greeks(3000.0, 3050.0, years, 0.6, 0.0, True)
    assert (price, delta, gamma, vega) == pytest.approx(black[:4], rel=1e-11)


@settings(max_examples=60)
@given(st.floats(1.0, 1790.0), st.floats(2900.0, 3100.0), st.floats(2900.0, 3100.0), st.floats(0.1, 2.0))
def test_call_minus_put_is_the_expected_average_minus_strike(seconds, running, K, sigma):
    call = averaged_greeks(3000.0, running, K, sigma, seconds, WINDOW, 450, True)
    put = averaged_greeks(3000.0, running, K, sigma, seconds, WINDOW, 450, False)
    open_share = call[4]
    assert call[0] - put[0] == pytest.approx(open_share * 3000.0 + (1 - open_share) * running - K, abs=1e-9)
    assert call[1] - put[1] == pytest.approx(open_share, abs=1e-12)


@settings(max_examples=40)
@given(st.floats(60.0, 1700.0), st.floats(-2.0, 2.0), st.booleans())
def test_delta_gamma_and_vega_are_derivatives(seconds, distance, is_call):
    sigma, running, F = 0.6, 3002.0, 3000.0
    share, variance = averaging_clock(seconds, WINDOW, CONTINUOUS)
    deviation = share * F * sigma * math.sqrt(variance / 31_536_000.0)
    K = (1 - share) * running + share * F + distance * deviation

    def at(f=F, s=sigma):
        return averaged_greeks(f, running, K, s, seconds, WINDOW, CONTINUOUS, is_call)

    step = 0.02 * deviation / share
    assert at()[1] == pytest.approx((at(f=F + step)[0] - at(f=F - step)[0]) / (2 * step), abs=2e-4 * share)
    assert at()[2] == pytest.approx((at(f=F + step)[1] - at(f=F - step)[1]) / (2 * step), rel=2e-3)
    assert at()[3] == pytest.approx((at(s=0.601)[0] - at(s=0.599)[0]) / 0.002, rel=1e-3)


def test_gamma_runs_off_through_the_window_where_a_print_grows():
    gammas = [
        averaged_greeks(3000.0, 3000.0, 3000.0, 0.6, seconds, WINDOW, CONTINUOUS, True)[2]
        for seconds in (1500.0, 900.0, 300.0, 60.0)
    ]
    assert gammas == sorted(gammas, reverse=True)


def test_after_expiry_it_is_intrinsic_on_the_average():
    assert averaged_greeks(3300.0, 3003.0, 3000.0, 0.6, 0.0, WINDOW, 30, True)[:3] == (3.0, 0.0, 0.0)
    assert averaged_greeks(3300.0, 2990.0, 3000.0, 0.6, -5.0, WINDOW, 30, False)[0] == 10.0


def test_inside_the_window_the_running_average_is_required():
    assert math.isnan(averaged_greeks(3000.0, math.nan, 3000.0, 0.6, 900.0, WINDOW, CONTINUOUS, True)[0])


@pytest.mark.parametrize(
    ("F", "K", "sigma"), [(math.nan, 3000.0, 0.6), (3000.0, -1.0, 0.6), (3000.0, 3000.0, -0.1)]
)
def test_bad_input_is_nan(F, K, sigma):
    assert math.isnan(averaged_greeks(F, 3000.0, K, sigma, 900.0, WINDOW, CONTINUOUS, True)[0])


def test_a_print_exactly_now_counts_as_fixed():
    assert averaging_clock(900.0, WINDOW, 30)[0] == 0.5
    assert averaging_clock(900.1, WINDOW, 30)[0] == pytest.approx(16 / 30)


def test_fixing_basis_of_half_an_hour_at_sixty_vol():
    assert fixing_basis_sd(3000.0, 0.6, WINDOW) == pytest.approx(7.85, abs=0.01)
