"""The mark smile: clamp, interpolation, and nowhere an extrapolation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain.events import Ticker
from atomizer.engine.pricing import live_vol
from atomizer.models.listed_kernels import smile_vol

from .rfq_desk import FORWARD, STRIKES, smile

K = np.array([float(strike) for strike in STRIKES])


@pytest.mark.parametrize(
    ("mark", "bid", "ask", "expected"),
    [
        (0.60, 0.55, 0.65, 0.60),
        (0.70, 0.55, 0.65, 0.65),
        (0.50, 0.55, 0.65, 0.55),
        (0.50, None, 0.65, 0.50),
        (0.70, None, 0.65, 0.65),
        (0.50, 0.55, None, 0.55),
        (0.60, None, None, math.nan),
        (None, 0.55, 0.65, math.nan),
        (0.0, None, 0.65, math.nan),
    ],
)
def test_the_mark_vol_is_held_inside_the_live_book(
    mark: float | None, bid: float | None, ask: float | None, expected: float
) -> None:
    found = live_vol(Ticker(instrument="x", mark_vol=mark, bid_vol=bid, ask_vol=ask))
    assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_a_closed_option_has_no_live_vol() -> None:
    assert math.isnan(live_vol(Ticker(instrument="x", mark_vol=0.6, bid_vol=0.5, ask_vol=0.7, open=False)))


def hyperbola(strike: float) -> float:
    """A smile of the SVI kind, smooth and no polynomial."""
    x = math.log(strike / FORWARD)
    return 0.5 + 0.3 * (-0.2 * x + math.sqrt(x * x + 0.04))


@settings(max_examples=150, deadline=None)
@given(st.floats(3000.0, 5000.0))
def test_between_strikes_a_smooth_smile_is_met_within_a_tenth_of_a_vol_point(strike: float) -> None:
    """A hundredth of one between inner strikes, where slopes are known on both sides."""
    vols = np.array([hyperbola(one) for one in K])
    inner = K[1] <= strike <= K[-2]
    expected = pytest.approx(hyperbola(strike), abs=1e-4 if inner else 1e-3)
    assert smile_vol(strike, FORWARD, K, vols) == expected


@settings(max_examples=50, deadline=None)
@given(st.floats(3250.0, 4750.0))
def test_between_inner_strikes_a_parabola_is_met_exactly(strike: float) -> None:
    vols = np.array([smile(one) for one in K])
    assert smile_vol(strike, FORWARD, K, vols) == pytest.approx(smile(strike), abs=1e-12)


def test_at_its_strikes_the_smile_is_what_was_learned() -> None:
    vols = np.array([0.5 + 0.01 * (number % 3) for number in range(len(K))])
    assert [smile_vol(one, FORWARD, K, vols) for one in K] == pytest.approx(list(vols), rel=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.floats(3000.0, 5000.0), st.sets(st.integers(1, len(K) - 2), max_size=3))
def test_unknown_strikes_are_passed_over(strike: float, missing: set[int]) -> None:
    """Within a vol point even where three neighbours in a row are missing beside the end of the chain."""
    vols = np.array([math.nan if number in missing else smile(one) for number, one in enumerate(K)])
    assert smile_vol(strike, FORWARD, K, vols) == pytest.approx(smile(strike), abs=1e-2)


def test_outside_the_known_strikes_there_is_no_vol() -> None:
    vols = np.array([smile(one) for one in K])
    vols[0] = math.nan
    for strike in (2999.0, 3100.0, 5000.1):
        assert math.isnan(smile_vol(strike, FORWARD, K, vols))
    assert not math.isnan(smile_vol(3250.0, FORWARD, K, vols))
