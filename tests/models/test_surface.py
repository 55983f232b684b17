"""Slices in time: arbitrage and its repair, events, sticky rules, overrides, own fit against mark."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.black import black76_greeks, black76_price
from atomizer.models.surface import (
    CalendarError,
    EventVariance,
    ExpirySlice,
    Sticky,
    Surface,
    SurfaceError,
    assert_no_arbitrage,
    calendar_violations,
    moved_vol,
    repair_calendar,
    smile_delta,
    vol_slope,
)
from atomizer.models.svi import ButterflyError, RawSvi
from atomizer.models.vol_inputs import (
    OverrideError,
    Pin,
    VolOverride,
    VolSource,
    choose_vol,
    overridden_vol,
)

WEEK = ExpirySlice(7 / 365, 3000.0, RawSvi(0.002, 0.02, -0.2, 0.0, 0.1))
MONTH = ExpirySlice(30 / 365, 3010.0, RawSvi(0.015, 0.05, -0.25, 0.0, 0.2))
SURFACE = Surface((WEEK, MONTH))


@settings(max_examples=60)
@given(st.floats(-1.5, 1.5), st.floats(0.001, 0.5), st.floats(1e-4, 0.5))
def test_variance_never_falls_with_time(k, years, more):
    assert SURFACE.variance(k, years + more) >= SURFACE.variance(k, years)


def test_slices_are_met_exactly_and_vol_is_flat_outside():
    assert SURFACE.variance(0.1, WEEK.years) == pytest.approx(WEEK.raw.variance(0.1), rel=1e-14)
    assert SURFACE.variance(0.1, MONTH.years) == pytest.approx(MONTH.raw.variance(0.1), rel=1e-14)
    assert SURFACE.vol(0.1, 1 / 365) == pytest.approx(SURFACE.vol(0.1, WEEK.years), rel=1e-12)
    assert SURFACE.vol(0.1, 1.0) == pytest.approx(SURFACE.vol(0.1, MONTH.years), rel=1e-12)
    assert WEEK.forward < SURFACE.forward(0.05) < MONTH.forward


def test_event_variance_arrives_at_its_time_and_slices_stay():
    event = EventVariance(15 / 365, 0.003)
    loaded = Surface((WEEK, MONTH), (event,))
    before, after = 14.999 / 365, 15.0 / 365
    assert loaded.variance(0.0, after) - loaded.variance(0.0, before) == pytest.approx(0.003, abs=1e-6)
    assert loaded.variance(0.0, before) < SURFACE.variance(0.0, before)
    for one in (WEEK, MONTH):
        assert loaded.variance(0.2, one.years) == pytest.approx(one.raw.variance(0.2), rel=1e-14)


def test_surfaces_that_make_no_sense_are_refused():
    with pytest.raises(SurfaceError, match="increasing"):
        Surface((MONTH, WEEK))
    with pytest.raises(SurfaceError, match="at least one"):
        Surface(())
    with pytest.raises(SurfaceError, match="event variance"):
        Surface((WEEK,), (EventVariance(1 / 365, 1.0),))
    with pytest.raises(SurfaceError, match="future"):
        Surface((WEEK,), (EventVariance(1 / 365, math.nan),))
    for k, years in ((math.nan, 0.1), (0.0, 0.0), (0.0, math.nan)):
        with pytest.raises(SurfaceError, match="T > 0"):
            SURFACE.variance(k, years)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1e-3, 0.03), st.floats(0.01, 0.2), st.floats(-0.7, 0.7)), min_size=2, max_size=4
    )
)
def test_no_arbitrage_after_calendar_repair(shapes):
    slices = [
        ExpirySlice(0.05 * (i + 1), 3000.0, RawSvi(low, b, rho, 0.0, 0.25))
        for i, (low, b, rho) in enumerate(shapes)
    ]
    if any(one.raw.butterfly()[0] < 0.0 for one in slices):
        return
    try:
        mended = repair_calendar(slices)
    except CalendarError:
        return
    assert_no_arbitrage(mended)
    assert mended[0] == slices[0]
    k = np.linspace(-1.5, 1.5, 301)
    for old, new in zip(slices, mended, strict=True):
        assert (new.raw.variances(k) >= old.raw.variances(k)).all()


def test_arbitrage_is_named():
    falling = (ExpirySlice(0.1, 3000.0, MONTH.raw), ExpirySlice(0.2, 3000.0, WEEK.raw))
    found = calendar_violations(falling)[0]
    assert found.depth > 0.0
    assert found.depth == pytest.approx(MONTH.raw.variance(found.k) - WEEK.raw.variance(found.k))
    with pytest.raises(CalendarError, match="rise with expiry"):
        assert_no_arbitrage(falling)
    vogt = RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)
    with pytest.raises(ButterflyError, match="g >= 0"):
        assert_no_arbitrage([ExpirySlice(1.0, 3000.0, vogt)])
    assert repair_calendar([]) == ()


@pytest.mark.parametrize("rule", list(Sticky))
def test_smile_delta_is_the_derivative_under_its_rule(rule):
    one, K = MONTH, 3200.0

    def value(F):
        return black76_price(F, K, one.years, moved_vol(one, K, F, rule), 1.0, True)

    step = 0.01
    vol = moved_vol(one, K, one.forward, rule)
    _, delta, _, vega, *_ = black76_greeks(one.forward, K, one.years, vol, 0.0, True)
    slope = vol_slope(one.raw, math.log(K / one.forward), one.years)
    expected = (value(one.forward + step) - value(one.forward - step)) / (2 * step)
    assert smile_delta(delta, vega, one.forward, slope, rule) == pytest.approx(expected, rel=1e-6)


def smile(k):
    return SURFACE.vol(k, MONTH.years)


def test_overrides_shift_tilt_and_pin():
    assert overridden_vol(smile, 0.1, VolOverride(0, shift=0.02, skew=-0.1)) == pytest.approx(
        smile(0.1) + 0.02 - 0.01
    )
    pinned = VolOverride(0, shift=0.01, pins=(Pin(0.0, 0.70), Pin(0.03, 0.60)), pin_width=0.05)
    assert overridden_vol(smile, 0.0, pinned) == pytest.approx(0.70)
    assert overridden_vol(smile, 0.03, pinned) == pytest.approx(0.60)
    assert overridden_vol(smile, 0.2, pinned) == pytest.approx(smile(0.2) + 0.01)
    assert VolOverride(100).active(99)
    assert not VolOverride(100).active(100)


def test_overrides_nobody_can_mean_are_refused():
    with pytest.raises(OverrideError, match="pinned"):
        VolOverride(0, pins=(Pin(0.0, 0.5), Pin(0.0, 0.6)))
    with pytest.raises(OverrideError, match="pinned"):
        VolOverride(0, pins=(Pin(0.0, -0.5),))
    with pytest.raises(OverrideError, match="pin_width"):
        VolOverride(0, pin_width=0.0)
    with pytest.raises(OverrideError, match="positive vol"):
        overridden_vol(smile, 0.0, VolOverride(0, shift=-5.0))


@pytest.mark.parametrize(
    ("own", "own_age", "mark", "mark_age", "source", "quotable"),
    [
        (0.60, 1.0, 0.61, 1.0, VolSource.OWN, True),
        (0.60, 1.0, None, 0.0, VolSource.OWN, True),
        (0.60, 1.0, 0.75, 1.0, VolSource.OWN, False),
        (0.60, 1.0, 0.75, 60.0, VolSource.OWN, True),
        (0.60, 11.0, 0.61, 1.0, VolSource.MARK, False),
        (None, 0.0, 0.61, 1.0, VolSource.MARK, False),
        (math.nan, 0.0, 0.61, 1.0, VolSource.MARK, False),
        (0.60, 11.0, 0.61, 6.0, VolSource.NONE, False),
        (0.60, math.nan, math.nan, 1.0, VolSource.NONE, False),
    ],
)
def test_which_vol_is_used_and_whether_it_may_be_quoted(own, own_age, mark, mark_age, source, quotable):
    choice = choose_vol(own=own, own_age_s=own_age, mark=mark, mark_age_s=mark_age)
    assert (choice.source, choice.quotable) == (source, quotable)
    assert choice.reason
    if source is VolSource.NONE:
        assert math.isnan(choice.vol)
