"""SVI slices, jump-wings, repair, SSVI, SABR."""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib as quantlib  # noqa: N813  (the package has no lower-case name)
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from atomizer.models.sabr import sabr_vol, sabr_vol_into
from atomizer.models.ssvi import Ssvi
from atomizer.models.svi import (
    ButterflyError,
    JumpWings,
    RawSvi,
    SviBoundsError,
    from_jump_wings,
    repair_butterfly,
    repaired_wings,
    to_jump_wings,
)

VOGT = RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)
slices = st.builds(
    lambda low, b, rho, m, s: RawSvi(low - b * s * math.sqrt(1 - rho * rho), b, rho, m, s),
    st.floats(1e-4, 0.1),
    st.floats(1e-3, 0.4),
    st.floats(-0.9, 0.9),
    st.floats(-0.2, 0.2),
    st.floats(0.02, 0.5),
)


@settings(max_examples=60)
@given(slices, st.floats(0.01, 2.0))
def test_jump_wings_lead_back_to_the_slice(raw, years):
    try:
        back = from_jump_wings(to_jump_wings(raw, years), years)
    except SviBoundsError:
        assume(False)
    k = np.linspace(-1.0, 1.0, 21)
    assume(abs(raw.rho - raw.m / math.hypot(raw.m, raw.sigma)) > 1e-2)
    np.testing.assert_allclose(back.variances(k), raw.variances(k), rtol=1e-6)


@settings(max_examples=40)
@given(slices, st.floats(-1.5, 1.5))
def test_slopes_are_derivatives(raw, k):
    step = 1e-5
    w, slope, bend, _ = raw.point(k)
    up, down = raw.point(k + step), raw.point(k - step)
    assert slope == pytest.approx((up[0] - down[0]) / (2 * step), abs=1e-7)
    assert bend == pytest.approx((up[1] - down[1]) / (2 * step), rel=1e-3, abs=1e-6)
    assert w == raw.variance(k)


def test_repair_moves_vogts_slice_no_further_than_it_must():
    assert VOGT.butterfly()[0] < -0.03
    mended = repair_butterfly(VOGT, 1.0)
    assert 0.0 <= mended.butterfly()[0] < 1e-3
    before, after = to_jump_wings(VOGT, 1.0), to_jump_wings(mended, 1.0)
    assert (after.v, after.psi, after.p) == pytest.approx((before.v, before.psi, before.p), rel=1e-9)
    full = from_jump_wings(repaired_wings(before), 1.0)
    assert abs(after.c - before.c) < abs(to_jump_wings(full, 1.0).c - before.c)


@settings(max_examples=60)
@given(slices)
@example(RawSvi(a=-0.0223609375, b=0.359375, rho=0.0, m=1.1e-96, sigma=0.0625))
def test_after_repair_there_is_no_butterfly_arbitrage(raw):
    try:
        mended = repair_butterfly(raw, 0.25)
    except ButterflyError:
        assert raw.butterfly()[0] < 0.0
        return
    assert mended.butterfly()[0] >= 0.0
    if raw.butterfly()[0] >= 0.0:
        assert mended is raw


@pytest.mark.parametrize(
    "bad",
    [
        (0.1, -0.1, 0.0, 0.0, 0.1),
        (0.1, 0.1, 1.0, 0.0, 0.1),
        (0.1, 0.1, 0.0, 0.0, 0.0),
        (-1.0, 0.1, 0.0, 0.0, 0.1),
        (math.nan, 0.1, 0.0, 0.0, 0.1),
    ],
)
def test_parameters_outside_the_bounds_are_refused(bad):
    with pytest.raises(SviBoundsError, match="expected"):
        RawSvi(*bad)


def test_wings_no_slice_has_are_refused():
    with pytest.raises(SviBoundsError, match="expected"):
        from_jump_wings(JumpWings(0.04, -0.5, 0.1, 0.1, 0.03), 1.0)
    with pytest.raises(SviBoundsError, match="v_tilde"):
        from_jump_wings(JumpWings(0.04, 0.05, 0.5, 0.5, 0.05), 1.0)
    with pytest.raises(SviBoundsError, match="T > 0"):
        to_jump_wings(VOGT, 0.0)


@settings(max_examples=40)
@given(st.floats(-0.9, 0.9), st.floats(0.1, 0.99), st.floats(0.05, 0.5), st.floats(0.001, 1.0))
def test_the_global_ssvi_condition_leaves_no_arbitrage(rho, share, gamma, theta):
    surface = Ssvi(rho, share * 2.0 / (1.0 + abs(rho)), gamma)
    assert surface.globally_free
    assert surface.butterfly_free(theta)
    thetas = [theta, 1.5 * theta, 3.0 * theta]
    assert surface.calendar_free(thetas)
    assert surface.slice(theta).butterfly(-3.0, 3.0)[0] >= -1e-9
    k = np.linspace(-2.0, 2.0, 81)
    rising = [surface.slice(t).variances(k) for t in thetas]
    assert (rising[1] >= rising[0]).all()
    assert (rising[2] >= rising[1]).all()
    assert not surface.calendar_free([theta, 0.5 * theta])


def test_ssvi_bounds_are_refused():
    for bad in ((1.0, 1.0, 0.5), (0.0, 0.0, 0.5), (0.0, 1.0, 1.5)):
        with pytest.raises(SviBoundsError):
            Ssvi(*bad)
    with pytest.raises(SviBoundsError, match="ATM"):
        Ssvi(0.0, 1.0, 0.5).slice(0.0)


@pytest.mark.parametrize("K", [1500.0, 2700.0, 2999.9, 3000.0, 3000.1, 3600.0, 6000.0])
@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.5])
def test_sabr_agrees_with_quantlib(K, rho):
    alpha, beta, nu, T = 4.0, 0.7, 1.2, 0.3
    expected = quantlib.sabrVolatility(K, 3000.0, T, alpha, beta, nu, rho)
    assert sabr_vol(3000.0, K, T, alpha, beta, nu, rho) == pytest.approx(expected, rel=1e-10)


def test_sabr_is_smooth_through_the_money_and_nan_on_bad_input():
    strikes = 3000.0 * np.exp(np.linspace(-1e-3, 1e-3, 41))
    out = np.empty(41)
    sabr_vol_into(3000.0, strikes, 0.3, 4.0, 0.7, 1.2, -0.3, out)
    assert np.abs(np.diff(out, 3)).max() < 1e-11
    assert math.isnan(sabr_vol(3000.0, 3000.0, 0.3, 4.0, 0.7, 1.2, 1.0))
    assert math.isnan(sabr_vol(3000.0, -1.0, 0.3, 4.0, 0.7, 1.2, 0.0))
