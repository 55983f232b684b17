from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models import microprice, microstructure
from atomizer.models.inputs import ModelInputError

sizes = st.floats(0.1, 100.0)
BIDS = [(100.0, 2.0), (99.5, 3.0), (99.0, 10.0)]
ASKS = [(101.0, 6.0), (101.5, 4.0), (102.0, 1.0)]


@given(sizes, sizes)
def test_weighted_mid_stays_inside_the_touch_and_leans_to_the_thin_side(bid: float, ask: float) -> None:
    price = microstructure.weighted_mid([(100.0, bid)], [(101.0, ask)])
    assert 100.0 <= price <= 101.0
    assert (price - 100.5) * (bid - ask) >= 0.0


@given(sizes, st.floats(0.1, 10.0))
def test_mirrored_book_mirrors_every_price(size: float, quantity: float) -> None:
    bids = [(100.0, size), (99.0, 20.0)]
    asks = [(101.0, 5.0), (102.0, 20.0)]
    mirrored = ([(-p, q) for p, q in asks], [(-p, q) for p, q in bids])
    for price in (
        microstructure.weighted_mid,
        lambda b, a: microstructure.vamp(b, a, quantity),
        lambda b, a: microstructure.vamp_cross(b, a, 2),
    ):
        assert price(*mirrored) == pytest.approx(-price(bids, asks), rel=1e-12)


def test_vamp_on_a_book_thinner_than_asked_is_nan() -> None:
    assert math.isnan(microstructure.vamp(BIDS, ASKS, 12.0))


def test_sweep_price_walks_the_levels() -> None:
    assert microstructure.fill_price(BIDS, 4.0) == pytest.approx((2.0 * 100.0 + 2.0 * 99.5) / 4.0)


def test_bid_improvement_counts_as_buying_pressure() -> None:
    assert microstructure.order_flow_event((100.0, 2.0, 101.0, 6.0), (100.5, 4.0, 101.0, 6.0)) == 4.0


def test_ask_that_lifts_counts_as_buying_pressure() -> None:
    assert microstructure.order_flow_event((100.0, 2.0, 101.0, 6.0), (100.0, 2.0, 101.5, 1.0)) == 6.0


def test_unchanged_touch_has_no_flow() -> None:
    touch = (100.0, 2.0, 101.0, 6.0)
    assert microstructure.order_flow_imbalance([touch, touch]) == 0.0


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_trade_imbalance_is_a_share(buy: float, sell: float) -> None:
    assert -1.0 <= microstructure.trade_imbalance(buy, sell) <= 1.0


def test_no_trades_are_no_imbalance() -> None:
    assert microstructure.trade_imbalance(0.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([], ASKS),
        ([(101.0, 1.0)], [(101.0, 1.0)]),
        ([(99.0, 1.0), (100.0, 1.0)], ASKS),
        ([(100.0, 0.0)], ASKS),
        ([(math.nan, 1.0)], ASKS),
    ],
)
def test_books_that_are_none_are_refused(
    bids: list[tuple[float, float]], asks: list[tuple[float, float]]
) -> None:
    with pytest.raises(ModelInputError):
        microstructure.weighted_mid(bids, asks)


def test_signal_is_bounded_to_the_touch() -> None:
    assert microstructure.bounded_to_touch(105.0, 100.0, 101.0) == 101.0


def simulated_touches(n: int) -> np.ndarray:
    """A touch of one tick whose next mid move follows the imbalance."""
    draw = np.random.default_rng(3)
    bid, rows = 100.0, []
    for _ in range(n):
        size_bid, size_ask = draw.uniform(1.0, 10.0, 2)
        rows.append((bid, size_bid, bid + 0.5, size_ask))
        if draw.random() < 0.3:
            up = draw.random() < size_bid / (size_bid + size_ask)
            bid += 0.5 if up else -0.5
    return np.array(rows)


def test_microprice_rises_with_imbalance_and_is_antisymmetric() -> None:
    model = microprice.fit_microprice(simulated_touches(8000), tick=0.5, buckets=5, spreads=1)
    total = model.adjustment.total
    assert np.all(np.diff(total) > 0.0)
    np.testing.assert_allclose(total, -total[::-1], atol=1e-12)
    assert model.microprice(100.0, 9.0, 100.5, 1.0) > 100.25 > model.microprice(100.0, 1.0, 100.5, 9.0)


def test_microprice_of_a_one_sided_model_is_refused() -> None:
    with pytest.raises(ModelInputError, match="symmetrised"):
        microprice.adjustments([[0.5]], [0.1], [[0.5]])


def test_transition_rows_above_one_are_refused() -> None:
    with pytest.raises(ModelInputError, match="probabilities"):
        microprice.adjustments([[0.9]], [0.1], [[0.3]])


def test_touches_that_cross_are_refused() -> None:
    with pytest.raises(ModelInputError, match="touches"):
        microprice.fit_microprice([[100.0, 1.0, 99.0, 1.0]] * 3, tick=0.5)
