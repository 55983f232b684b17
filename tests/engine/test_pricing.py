"""The surface: clamp, interpolation, and nowhere an extrapolation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.domain.events import Ticker
from atomizer.domain.instruments import Instrument
from atomizer.engine.pricing import YEAR_NS, NoPriceError, Surface, live_vol, smile_vol

from .bench_desk import T0, S
from .rfq_desk import FAR_S, FORWARD, NEAR_S, STRIKES, option, smile

K = np.array([float(strike) for strike in STRIKES])


def ticker(instrument: Instrument, vol: float | None, **changes: object) -> Ticker:
    fields: dict[str, object] = {
        "instrument": instrument.key,
        "forward": FORWARD,
        "mark_vol": vol,
        "bid_vol": None if vol is None else vol - 0.01,
        "ask_vol": None if vol is None else vol + 0.01,
    }
    return Ticker(**{**fields, **changes})  # type: ignore[arg-type]


def surface(share: float = 0.6, far_factor: float = 1.0) -> Surface:
    made = Surface("deribit", "ETH", share)
    for expiry_s, factor in ((NEAR_S, 1.0), (FAR_S, far_factor)):
        for strike in STRIKES:
            for is_call in (True, False):
                instrument = option("deribit", strike, expiry_s, is_call=is_call)
                made.list_option(instrument)
                made.learn(instrument, ticker(instrument, smile(strike) * factor))
    return made


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


@pytest.mark.parametrize(
    ("strike", "expiry_s"),
    [(2999.0, NEAR_S), (5001.0, NEAR_S), (4000.0, NEAR_S - 86_400), (4000.0, FAR_S + 86_400), (4000.0, 0)],
)
def test_outside_the_listing_there_is_no_price(strike: float, expiry_s: int) -> None:
    with pytest.raises(NoPriceError):
        surface().price(strike, expiry_s * S, is_call=True, now_ns=T0)


def test_between_expiries_total_variance_is_linear_in_time() -> None:
    made, middle_s = surface(far_factor=0.9), (NEAR_S + FAR_S) // 2
    _, vol = made.forward_and_vol(4000.0, middle_s * S, T0)
    t0, t1, t = (one * S - T0 for one in (NEAR_S, FAR_S, middle_s))
    near, far = smile(4000.0) ** 2 * t0, (0.9 * smile(4000.0)) ** 2 * t1
    assert vol**2 * t == pytest.approx(near + (far - near) * (t - t0) / (t1 - t0))


@settings(max_examples=60, deadline=None)
@given(st.floats(3100.0, 4900.0), st.integers(NEAR_S, FAR_S))
def test_put_call_parity_everywhere(strike: float, expiry_s: int) -> None:
    made = surface()
    call, put = (made.price(strike, expiry_s * S, is_call=flag, now_ns=T0) for flag in (True, False))
    assert call.price - put.price == pytest.approx(call.forward - strike, abs=1e-8)
    assert call.delta - put.delta == pytest.approx(1.0, abs=1e-12)
    assert call.tau == pytest.approx((expiry_s * S - T0) / YEAR_NS)


def test_too_few_live_strikes_price_nothing() -> None:
    made = surface(share=0.6)
    for strike in list(STRIKES)[:4]:
        instrument = option("deribit", strike, NEAR_S, is_call=False)
        made.learn(instrument, ticker(instrument, None))
    with pytest.raises(NoPriceError, match="60%"):
        made.price(4500.0, NEAR_S * S, is_call=True, now_ns=T0)
    made.price(4500.0, FAR_S * S, is_call=True, now_ns=T0)


def test_a_lost_feed_leaves_no_vol() -> None:
    made = surface()
    made.forget()
    with pytest.raises(NoPriceError, match="forward"):
        made.price(4000.0, NEAR_S * S, is_call=True, now_ns=T0)


def test_an_expired_slice_is_dropped_and_never_used_to_interpolate() -> None:
    made = surface()
    made.drop_expired(NEAR_S * S)
    assert made.expiries == [FAR_S * S]
    with pytest.raises(NoPriceError):
        made.price(4000.0, (NEAR_S + 86_400) * S, is_call=True, now_ns=NEAR_S * S)


def test_only_out_of_the_money_options_teach() -> None:
    made = surface()
    inside = option("deribit", 4500.0, NEAR_S, is_call=False)
    before = made.forward_and_vol(4500.0, NEAR_S * S, T0)
    made.learn(inside, ticker(inside, 3.0))
    assert made.forward_and_vol(4500.0, NEAR_S * S, T0) == before
