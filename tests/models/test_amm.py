from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models import amm, amm_ranges
from atomizer.models.amm_ranges import Shape, Widths
from atomizer.models.glft import GlftParameters
from atomizer.models.inputs import ModelInputError

prices = st.floats(50.0, 200.0)
skews = st.floats(-1.0, 1.0)
FLOW = GlftParameters(
    gamma=0.5, sigma=0.02, intensity_bid=50.0, intensity_ask=50.0, decay=400.0, lots=10, lot=0.1, xi=0.5
)


@given(prices)
def test_delta_is_the_derivative_of_value(price: float) -> None:
    step = 1e-5 * price
    up = amm.range_state(price + step, 80.0, 130.0, 1000.0).value
    down = amm.range_state(price - step, 80.0, 130.0, 1000.0).value
    delta = amm.range_state(price, 80.0, 130.0, 1000.0).delta
    assert (up - down) / (2.0 * step) == pytest.approx(delta, rel=1e-5, abs=1e-5)


@given(st.floats(80.1, 129.9))
def test_position_is_short_gamma_inside_and_flat_outside(price: float) -> None:
    assert amm.range_state(price, 80.0, 130.0, 10.0).gamma < 0.0
    assert amm.range_state(price + 60.0, 80.0, 130.0, 10.0).gamma == 0.0


def test_value_is_continuous_at_the_edges_and_single_sided_beyond() -> None:
    below, above = amm.range_state(79.9, 80.0, 130.0, 10.0), amm.range_state(130.1, 80.0, 130.0, 10.0)
    assert below.y == 0.0
    assert above.x == 0.0
    inside = amm.range_state(129.999999, 80.0, 130.0, 10.0)
    assert inside.value == pytest.approx(amm.range_state(130.000001, 80.0, 130.0, 10.0).value, rel=1e-9)


def test_full_range_break_even_is_an_eighth_of_the_variance() -> None:
    assert amm.break_even_fee_rate(100.0, 0.0, math.inf, 0.6) == pytest.approx(0.36 / 8.0)


@given(st.floats(1.01, 3.0))
def test_concentration_multiplies_loss_versus_rebalancing(width: float) -> None:
    concentrated = amm.break_even_fee_rate(100.0, 100.0 / width, 100.0 * width, 0.6)
    low, high = 100.0 / width, 100.0 * width
    ratio = 20.0 / (20.0 - 100.0 / math.sqrt(high) - math.sqrt(low))
    assert concentrated / (0.36 / 8.0) == pytest.approx(ratio, rel=1e-9)


@given(st.floats(0.3, 3.0))
def test_impermanent_loss_is_never_a_gain_and_matches_the_full_range(ratio: float) -> None:
    assert amm.impermanent_loss(100.0, ratio, 80.0, 130.0) <= 1e-15
    assert amm.impermanent_loss(100.0, ratio, 0.0, math.inf) == pytest.approx(
        amm.full_range_impermanent_loss(ratio), rel=1e-9, abs=1e-15
    )


def test_liquidity_for_value_gives_that_value() -> None:
    liquidity = amm.liquidity_for_value(5000.0, 100.0, 80.0, 130.0)
    assert amm.range_state(100.0, 80.0, 130.0, liquidity).value == pytest.approx(5000.0)


def test_arbitrage_with_fees_takes_less_than_lvr_and_all_of_it_without() -> None:
    assert amm.poisson_trade_share(0.05, 0.0, 7200.0) == 1.0
    assert amm.fixed_block_share(0.05, 0.003, 7200.0) < amm.fixed_block_share(0.05, 0.0005, 7200.0) < 1.0


def simulate_arbitrage(sigma_block: float, fee: float) -> float:
    """Share of LVR taken by arbitrage at a fixed block interval (log price, one-sided log fee)."""
    draw = np.random.default_rng(2)
    gap, taken, n = np.zeros(4000), 0.0, 400
    for step in range(n + 100):
        gap = gap + draw.normal(0.0, sigma_block, gap.size)
        moved = np.where(gap > fee, gap - fee, np.where(gap < -fee, gap + fee, 0.0))
        if step >= 100:
            taken += float((moved**2).sum()) / 2.0
        gap = gap - moved
    return taken / (gap.size * n * sigma_block**2 / 2.0)


def test_fixed_block_share_is_what_arbitrageurs_keep_in_simulation() -> None:
    assert simulate_arbitrage(0.001, 0.001) == pytest.approx(
        amm.fixed_block_share(0.001, 0.001, 1.0), rel=0.03
    )


@given(st.floats(0.01, 0.05), st.floats(1.0, 2.0))
def test_optimal_width_grows_with_volatility_and_shrinks_with_fees(sigma: float, factor: float) -> None:
    base = amm.optimal_width(sigma, 0.01, 1e-4)
    assert amm.optimal_width(sigma * factor, 0.01, 1e-4) >= base
    assert amm.optimal_width(sigma, 0.01 * factor, 1e-4) <= base


def test_fees_below_the_predictable_loss_mean_no_position() -> None:
    assert math.isnan(amm.optimal_width(0.5, 0.01, 1e-4))


def test_remint_band_grows_with_the_cube_root_of_gas() -> None:
    cheap, dear = (amm.remint_band(2.0, gas, 1e5, -0.25) for gas in (1.0, 8.0))
    assert dear == pytest.approx(2.0 * cheap)
    assert amm.remint_band(2.0, 1.0, 1e5, 0.0) == math.inf


MODELS = {
    "simple": lambda skew, widths: amm_ranges.simple_ranges(100.0, skew, widths, edge=0.002),
    "avellaneda": lambda skew, widths: amm_ranges.avellaneda_ranges(
        100.0, skew, widths, gamma=0.5, sigma=0.02, horizon=1.0, decay=400.0
    ),
    "glft": lambda skew, widths: amm_ranges.glft_ranges(100.0, skew, widths, FLOW),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shape", list(Shape))
def test_ranges_are_continuous_and_symmetric_at_zero_skew(model: str, shape: Shape) -> None:
    widths = Widths(0.03, 0.8, shape)
    centre = MODELS[model](0.0, widths)
    assert centre.bid is not None
    assert centre.ask is not None
    assert math.log(centre.ask.low / 100.0) == pytest.approx(math.log(100.0 / centre.bid.high))
    assert math.log(centre.ask.high / centre.ask.low) == pytest.approx(0.03)
    for skew in (1e-9, -1e-9):
        near = MODELS[model](skew, widths)
        assert near.bid == pytest.approx(centre.bid, rel=1e-7)
        assert near.ask == pytest.approx(centre.ask, rel=1e-7)


@pytest.mark.parametrize("model", MODELS)
@given(skew=st.floats(0.01, 0.85))
def test_excess_token_gets_the_wide_range_by_default_and_the_narrow_one_on_request(
    model: str, skew: float
) -> None:
    for shape, sign in ((Shape.WIDE_EXCESS, 1.0), (Shape.NARROW_EXCESS, -1.0)):
        plan = MODELS[model](skew, Widths(0.03, 0.8, shape))
        assert plan.bid is not None
        assert plan.ask is not None
        ask_width = math.log(plan.ask.high / plan.ask.low)
        bid_width = math.log(plan.bid.high / plan.bid.low)
        assert (ask_width - bid_width) * sign > 0.0


@pytest.mark.parametrize("model", ["avellaneda", "glft"])
@given(skew=st.floats(-0.8, 0.8), more=st.floats(0.0, 0.1))
def test_more_token0_never_raises_the_reservation_price(model: str, skew: float, more: float) -> None:
    widths = Widths(0.03)
    assert MODELS[model](skew + more, widths).reservation <= MODELS[model](skew, widths).reservation + 1e-9


@pytest.mark.parametrize("model", MODELS)
@given(skew=skews)
def test_each_range_stays_on_its_side_of_the_price(model: str, skew: float) -> None:
    plan = MODELS[model](skew, Widths(0.03, 0.8))
    assert plan.bid is not None or plan.ask is not None
    if plan.bid is not None:
        assert plan.bid.low < plan.bid.high <= 100.0
    if plan.ask is not None:
        assert 100.0 <= plan.ask.low < plan.ask.high


def test_glft_ranges_end_at_the_inventory_bound() -> None:
    assert amm_ranges.glft_ranges(100.0, 1.0, Widths(0.03), FLOW).bid is None
    assert amm_ranges.glft_ranges(100.0, -1.0, Widths(0.03), FLOW).ask is None


def test_inventory_skew_of_a_balanced_position_is_zero() -> None:
    assert amm_ranges.inventory_skew(1.0, 100.0, 100.0) == 0.0
    assert amm_ranges.inventory_skew(1.0, 0.0, 100.0) == 0.5


@given(st.floats(10.0, 1e4), st.floats(0.0001, 0.5), st.sampled_from([1, 10, 60, 200]))
def test_ticks_lie_on_the_spacing_and_apart(low: float, width: float, spacing: int) -> None:
    lower, upper = amm_ranges.tick_range(amm_ranges.PriceRange(low, low * math.exp(width)), spacing)
    assert lower % spacing == upper % spacing == 0
    assert upper - lower >= spacing


@pytest.mark.parametrize(
    "bad",
    [
        lambda: amm.range_state(0.0, 80.0, 130.0, 1.0),
        lambda: amm.range_state(100.0, 130.0, 80.0, 1.0),
        lambda: amm.range_state(100.0, 80.0, math.nan, 1.0),
        lambda: amm.lvr_rate(100.0, 80.0, 130.0, 1.0, -0.1),
        lambda: amm.poisson_trade_share(0.0, 0.003, 7200.0),
        lambda: amm.optimal_width(math.nan, 0.01, 1e-4),
        lambda: amm_ranges.simple_ranges(100.0, 1.5, Widths(0.03)),
        lambda: amm_ranges.simple_ranges(100.0, 0.0, Widths(0.0)),
        lambda: amm_ranges.inventory_skew(0.0, 0.0, 100.0),
        lambda: amm_ranges.tick_range(amm_ranges.PriceRange(2.0, 1.0), 10),
    ],
)
def test_bad_positions_are_refused(bad: object) -> None:
    with pytest.raises(ModelInputError):
        bad()  # type: ignore[operator]
