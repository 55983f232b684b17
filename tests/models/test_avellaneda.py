from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models import avellaneda
from atomizer.models.inputs import ModelInputError

gammas = st.floats(1e-6, 2.0)
sigmas = st.floats(0.01, 10.0)
taus = st.floats(1e-4, 10.0)
decays = st.floats(0.05, 20.0)
inventories = st.floats(-50.0, 50.0)
TINY = 1e-9


@given(gammas, sigmas, taus, decays, st.floats(1.0, 3.0))
def test_spread_grows_with_volatility_and_time_left(
    gamma: float, sigma: float, tau: float, k: float, factor: float
) -> None:
    narrow = avellaneda.total_spread(gamma, sigma, tau, k)
    assert avellaneda.total_spread(gamma, sigma * factor, tau, k) >= narrow
    assert avellaneda.total_spread(gamma, sigma, tau * factor, k) >= narrow


@given(gammas, sigmas, decays, st.floats(1.0, 5.0), st.floats(1.0, 3.0))
def test_spread_grows_with_risk_aversion_where_risk_outweighs_the_fill_scale(
    gamma: float, sigma: float, k: float, excess: float, factor: float
) -> None:
    tau = excess / (k * sigma) ** 2
    narrow = avellaneda.total_spread(gamma, sigma, tau, k)
    assert avellaneda.total_spread(gamma * factor, sigma, tau, k) >= narrow * (1.0 - TINY)


def test_spread_may_shrink_with_risk_aversion_when_little_time_is_left() -> None:
    assert avellaneda.total_spread(1.0, 2.0, 0.0, 1.5) < avellaneda.total_spread(0.1, 2.0, 0.0, 1.5)


@given(gammas, sigmas, taus, decays, inventories, st.floats(1.0, 3.0))
def test_skew_grows_with_risk_aversion_always(
    gamma: float, sigma: float, tau: float, k: float, q: float, factor: float
) -> None:
    near = avellaneda.quote(0.0, q, gamma, sigma, tau, k).reservation
    far = avellaneda.quote(0.0, q, gamma * factor, sigma, tau, k).reservation
    assert abs(far) >= abs(near)
    assert near * q <= 0.0


@given(gammas, sigmas, taus, decays, inventories, st.floats(0.0, 20.0))
def test_bid_and_ask_never_rise_with_inventory(
    gamma: float, sigma: float, tau: float, k: float, q: float, bought: float
) -> None:
    before = avellaneda.quote(100.0, q, gamma, sigma, tau, k)
    after = avellaneda.quote(100.0, q + bought, gamma, sigma, tau, k)
    assert after.bid <= before.bid
    assert after.ask <= before.ask


@given(gammas, sigmas, taus, decays, inventories, st.floats(0.0, 10.0), st.floats(0.0, 10.0))
def test_falling_market_with_net_selling_never_raises_the_reservation_price(
    gamma: float, sigma: float, tau: float, k: float, q: float, fall: float, sold_to_us: float
) -> None:
    before = avellaneda.quote(100.0, q, gamma, sigma, tau, k).reservation
    after = avellaneda.quote(100.0 - fall, q + sold_to_us, gamma, sigma, tau, k).reservation
    assert after <= before


@given(gammas, sigmas, taus, decays, inventories)
def test_each_side_carries_half_of_the_total_spread(
    gamma: float, sigma: float, tau: float, k: float, q: float
) -> None:
    quote = avellaneda.quote(100.0, q, gamma, sigma, tau, k)
    total = gamma * sigma**2 * tau + 2.0 / gamma * math.log1p(gamma / k)
    assert quote.ask - quote.bid == pytest.approx(total, rel=1e-9, abs=1e-9)


def test_array_form_is_the_scalar_form() -> None:
    columns = np.array([[100.0, 3000.0], [2.0, -7.0], [0.1, 0.0], [2.0, 0.3], [0.5, 60.0], [1.5, 2.0]])
    out = np.empty((4, 2))
    avellaneda.as_quotes_into(*columns, out)
    assert out[:, 0].tolist() == list(avellaneda.quote(*columns[:, 0].tolist()))
    assert out[:, 1].tolist() == list(avellaneda.quote(*columns[:, 1].tolist()))


def test_risk_neutral_maker_quotes_one_decay_length() -> None:
    quote = avellaneda.quote(100.0, 7.0, 0.0, 2.0, 1.0, 1.5)
    assert quote.bid == pytest.approx(100.0 - 1.0 / 1.5, rel=1e-15)
    assert quote.reservation == 100.0


def test_absolute_volatility_of_the_stated_example() -> None:
    assert avellaneda.absolute_volatility(3000.0, 0.6) == pytest.approx(0.3205, abs=5e-5)


def test_aggression_moves_half_way_inside_the_touch() -> None:
    assert avellaneda.inside_touch(100.0, 102.0, 0.5) == (100.5, 101.5)


def test_aggression_is_clamped_below_the_mid() -> None:
    bid, ask = avellaneda.inside_touch(100.0, 102.0, 5.0)
    assert (bid, ask) == pytest.approx((100.9, 101.1))


@pytest.mark.parametrize(
    "bad",
    [
        {"s": math.nan},
        {"q": math.inf},
        {"gamma": -0.1},
        {"sigma": -1.0},
        {"tau": -1e-9},
        {"k": 0.0},
    ],
)
def test_bad_input_is_refused_by_name(bad: dict[str, float]) -> None:
    good = {"s": 100.0, "q": 0.0, "gamma": 0.1, "sigma": 2.0, "tau": 1.0, "k": 1.5}
    with pytest.raises(ModelInputError, match=next(iter(bad))):
        avellaneda.quote(**{**good, **bad})


def test_crossed_touch_is_refused() -> None:
    with pytest.raises(ModelInputError, match="best_bid"):
        avellaneda.inside_touch(102.0, 100.0, 0.5)
