from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models.avellaneda import quote
from atomizer.models.inputs import ModelInputError
from atomizer.models.overlays import MarketState, OverlaySettings, adjust
from atomizer.models.volume_candles import Signals

STATE = MarketState(
    sigma=0.4,
    sigma_baseline=0.3,
    gamma=0.01,
    q=3.0,
    seconds_held=60.0,
    half_spread=0.5,
    usual_half_spread=0.25,
    volume_rate=2.0,
    usual_volume_rate=5.0,
    order_size=1.0,
)
SIGNALS = Signals(momentum=0.5, imbalance=0.4, reversal=0.2, volatility=0.6, exhaustion=0.1, seconds=30.0)
FALLING = Signals(momentum=-0.5, imbalance=-0.4, reversal=0.0, volatility=0.6, exhaustion=0.0, seconds=30.0)
WEIGHTS = [name for name in OverlaySettings._fields if not name.startswith("max_")]
WIDE = 1e9


def test_everything_is_off_by_default() -> None:
    out = adjust(OverlaySettings(), STATE, SIGNALS)
    assert (out.gamma, out.sigma, out.shift, out.widen_factor, out.widen_add) == (0.01, 0.4, 0.0, 1.0, 0.0)
    assert out.quote(100.0, 0.7) == (99.3, 100.7)


@pytest.mark.parametrize("name", [name for name in WEIGHTS if name not in ("reversal", "exhaustion")])
def test_each_overlay_switches_alone(name: str) -> None:
    off = adjust(OverlaySettings(), STATE, SIGNALS)
    on = adjust(OverlaySettings(**{name: 1.0}), STATE, SIGNALS)
    changed = {field for field in off._fields if getattr(off, field) != getattr(on, field)}
    expected = {
        "pressure": {"shift", "pressure_shift"},
        "momentum": {"shift", "momentum_shift"},
        "volume_volatility": {"sigma"},
        "dynamic_gamma": {"gamma"},
        "stress": {"gamma"},
        "market_impact": {"widen_add"},
        "volume": {"widen_factor"},
        "inventory_cost": {"shift", "inventory_shift"},
    }
    assert changed == expected[name]


@pytest.mark.parametrize("name", ["reversal", "exhaustion"])
def test_dampers_only_shrink_the_flow_shifts(name: str) -> None:
    base = OverlaySettings(momentum=1.0)
    assert adjust(OverlaySettings(**{name: 1.0}), STATE, SIGNALS).shift == 0.0
    damped = adjust(base._replace(**{name: 1.0}), STATE, SIGNALS)
    assert 0.0 < damped.momentum_shift < adjust(base, STATE, SIGNALS).momentum_shift


@given(st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.sampled_from(WEIGHTS))
def test_change_of_price_unit_and_clock_changes_nothing_but_the_unit(
    price: float, clock: float, name: str
) -> None:
    """With prices times `price` and seconds times `clock` every output scales as its unit says."""
    settings = OverlaySettings(**{name: 1.0}, max_shift_touches=WIDE)
    scaled = MarketState(
        sigma=STATE.sigma * price / math.sqrt(clock),
        sigma_baseline=STATE.sigma_baseline * price / math.sqrt(clock),
        gamma=STATE.gamma / price,
        q=STATE.q,
        seconds_held=STATE.seconds_held * clock,
        half_spread=STATE.half_spread * price,
        usual_half_spread=STATE.usual_half_spread * price,
        volume_rate=STATE.volume_rate / clock,
        usual_volume_rate=STATE.usual_volume_rate / clock,
        order_size=STATE.order_size,
    )
    here = adjust(settings, STATE, SIGNALS)
    there = adjust(settings, scaled, SIGNALS._replace(seconds=SIGNALS.seconds * clock))
    assert there.shift == pytest.approx(here.shift * price, rel=1e-9)
    assert there.widen_add == pytest.approx(here.widen_add * price, rel=1e-9)
    assert there.widen_factor == pytest.approx(here.widen_factor, rel=1e-9)
    assert there.gamma == pytest.approx(here.gamma / price, rel=1e-9)


@given(st.floats(0.0, 10.0), st.floats(0.0, 10.0), st.sampled_from(WEIGHTS))
def test_falling_market_with_net_selling_never_raises_the_reservation_price(
    fall: float, sold_to_us: float, name: str
) -> None:
    settings = OverlaySettings(**{name: 1.0})
    flat = Signals(0.0, 0.0, 0.0, 0.6, 0.0, 30.0)
    before = adjust(settings, STATE, flat)
    after = adjust(settings, STATE._replace(q=STATE.q + sold_to_us), FALLING)
    old = quote(100.0, STATE.q, before.gamma, before.sigma, 60.0, 1.5).reservation + before.shift
    new = (
        quote(100.0 - fall, STATE.q + sold_to_us, after.gamma, after.sigma, 60.0, 1.5).reservation
        + after.shift
    )
    assert new <= old + 1e-9


def test_shifts_are_bounded_by_the_touch() -> None:
    out = adjust(OverlaySettings(momentum=50.0, pressure=50.0), STATE, SIGNALS)
    assert out.shift == STATE.half_spread


def test_volume_volatility_adds_at_most_a_fifth() -> None:
    full = SIGNALS._replace(volatility=1.0)
    assert adjust(OverlaySettings(volume_volatility=1.0), STATE, full).sigma == pytest.approx(0.48)


def test_inventory_cost_pushes_towards_flat() -> None:
    settings = OverlaySettings(inventory_cost=1e-3)
    assert adjust(settings, STATE, SIGNALS).shift < 0.0
    assert adjust(settings, STATE._replace(q=-3.0), SIGNALS).shift > 0.0


def test_stress_and_thin_volume_are_capped() -> None:
    wild = STATE._replace(half_spread=1e6, volume_rate=1e-9)
    out = adjust(OverlaySettings(stress=1.0, volume=1.0), wild, SIGNALS)
    assert out.gamma == pytest.approx(5.0 * STATE.gamma)
    assert out.widen_factor == 3.0


def test_cold_candles_are_neutral() -> None:
    out = adjust(OverlaySettings(momentum=1.0, pressure=1.0, volume_volatility=1.0), STATE, None)
    assert (out.shift, out.sigma) == (0.0, STATE.sigma)


def test_negative_weight_is_refused() -> None:
    with pytest.raises(ModelInputError, match="momentum"):
        adjust(OverlaySettings(momentum=-1.0), STATE, SIGNALS)


def test_market_without_volume_is_refused() -> None:
    with pytest.raises(ModelInputError, match="volume_rate"):
        adjust(OverlaySettings(), STATE._replace(volume_rate=0.0), SIGNALS)
