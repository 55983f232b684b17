"""NaN and infinity in any argument of any quoting function: a typed error or NaN out, never a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from atomizer.models import (
    amm,
    amm_ranges,
    avellaneda,
    exposure,
    fill_intensity,
    fixing,
    glft,
    glft_horizon,
    hedge_bands,
    hedge_targets,
    inverse_quotes,
    ladder,
    listed_bounds,
    margin_deribit,
    margin_srm,
    microstructure,
    package,
    rfq,
)
from atomizer.models.inputs import ModelInputError

P = glft.GlftParameters(0.1, 2.0, 14.0, 14.0, 1.5, 8, xi=0.1)
FLOW = fill_intensity.Exponential(14.0, 1.5)
OPTION = {"forward": 3000.0, "strike": 2900.0, "sigma": 0.6}
ZAK = {
    "spot": 100.0,
    "gamma": 0.02,
    "sigma": 0.6,
    "years": 0.1,
    "rate": 0.0,
    "cost_rate": 5e-4,
    "risk_aversion": 1.0,
}
SPAN = {"price": 100.0, "low": 80.0, "high": 130.0, "liquidity": 10.0}

CALLS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (avellaneda.quote, {"s": 100.0, "q": 1.0, "gamma": 0.1, "sigma": 2.0, "tau": 1.0, "k": 1.5}),
    (avellaneda.absolute_volatility, {"price": 3000.0, "annual_volatility": 0.6}),
    (avellaneda.inside_touch, {"best_bid": 100.0, "best_ask": 101.0, "aggression": 0.5, "ceiling": 0.9}),
    (glft.distances, {"parameters": P, "q": 1.0}),
    (glft.gamma_for_inventory, {"parameters": P, "sd_lots": 2.0}),
    (
        glft_horizon.solve_horizon,
        {"parameters": P, "time_left": 1.0, "terminal_linear": 0.1, "terminal_quadratic": 0.1},
    ),
    (
        inverse_quotes.inverse_inventory,
        {"size_usd": 1e4, "mark": 3000.0, "coin_equity": 1.0, "target_coins": 0.0, "numeraire": "usd"},
    ),
    (
        inverse_quotes.inverse_orders,
        {"bid": 2999.0, "ask": 3001.0, "order_coins": 1.0, "contract_usd": 10.0, "tick": 0.5},
    ),
    (
        package.risk_covariance,
        {
            "forward": 3000.0,
            "sigma": 0.6,
            "vol_of_vol": 0.7,
            "rho": 0.1,
            "rehedge_years": 0.01,
            "delta_hedged": False,
        },
    ),
    (rfq.hedge_round_trip, {"delta": 0.5, "half_spread": 0.1, "fee": 0.5, "slippage": 0.1}),
    (
        rfq.rebalancing_cost,
        {"gamma": 1e-3, "forward": 3000.0, "sigma": 0.6, "interval": 0.01, "years": 0.1, "cost_rate": 5e-4},
    ),
    (
        rfq.carry_cost,
        {"hedge_margin": 300.0, "margin_rate": 0.05, "years": 0.1, "expected_funding": 1.0},
    ),
    (
        rfq.takers_option,
        {
            "delta": 0.5,
            "vega": 300.0,
            "forward": 3000.0,
            "sigma_now": 0.6,
            "vol_of_vol": 0.7,
            "rho": 0.1,
            "validity_years": 1e-5,
        },
    ),
    (rfq.winners_curse, {"vega": 300.0, "vol_error_sd": 0.01, "makers": 3}),
    (
        rfq.edge,
        {"premium": 100.0, "vega": 300.0, "edge_usd": 1.0, "edge_bps": 50.0, "edge_vol": 0.01, "curse": 1.0},
    ),
    (
        rfq.effective_half_spread,
        {"mid": 100.0, "tick": 0.5, "vega": 300.0, "minimum_bps": 5.0, "vol_floor": 0.001},
    ),
    (
        rfq.assemble,
        {
            "value": 100.0,
            "discount": 1.0,
            "buy": rfq.SideCosts(),
            "sell": rfq.SideCosts(),
            "edge_amount": 1.0,
            "skew": 0.0,
            "tick": 0.5,
            "minimum_half_spread": 0.0,
        },
    ),
    (fill_intensity.best_distance, {"intensity": FLOW, "p": 0.1, "xi": 0.1, "size": 1.0}),
    (
        fill_intensity.quadratic_distances,
        {"intensity": FLOW, "q": 1.0, "gamma": 0.1, "sigma": 2.0, "size": 1.0},
    ),
    (microstructure.bounded_to_touch, {"price": 100.0, "best_bid": 99.0, "best_ask": 101.0}),
    (microstructure.trade_imbalance, {"buy_volume": 1.0, "sell_volume": 2.0}),
    (hedge_bands.band, {"target": 0.5, "half_width": 0.1}),
    (hedge_bands.whalley_wilmott, {name: value for name, value in ZAK.items() if name != "sigma"}),
    (hedge_bands.zakamouline, {**ZAK, "position": "long"}),
    (
        hedge_bands.leland_volatility,
        {"sigma": 0.6, "cost_rate": 5e-4, "interval": 0.01, "position": "short"},
    ),
    (hedge_targets.single_gamma_hedge, {"book_gamma": 1.0, "instrument_gamma": 0.1, "target": 0.0}),
    (
        hedge_targets.gamma_hedge_saving,
        {
            "gamma_before": 0.1,
            "gamma_after": 0.0,
            "sigma": 0.6,
            "forward": 3000.0,
            "rehedge_years": 0.01,
            "horizon_years": 0.1,
            "risk_aversion": 1.0,
        },
    ),
    (
        hedge_targets.delta_hedge,
        {"net_delta_coins": 1.0, "target_coins": 0.0, "forward": 3000.0, "price": 3000.0},
    ),
    (fixing.basis_sd, {"forward": 3000.0, "sigma": 0.6, "window": 1e-4}),
    (fixing.expected_difference, {**OPTION, "years": 0.1, "is_call": True, "window": 1e-4}),
    (fixing.in_the_money, {**OPTION, "years": 0.1, "is_call": True}),
    (
        fixing.fixing_charge,
        {
            **OPTION,
            "years": 0.1,
            "is_call": True,
            "we_hold_print": True,
            "half_spread_rate": 1e-4,
            "fee_rate": 5e-4,
            "risk_price": 0.1,
            "residual_sd": 1.0,
        },
    ),
    (
        fixing.run_off_hedge,
        {
            **OPTION,
            "seconds_left": 600.0,
            "running_average": 3000.0,
            "is_call": True,
            "print_units": 1.0,
            "averaged_units": -1.0,
            "window_seconds": 1800.0,
        },
    ),
    (ladder.size_schedule, {"total": 10.0, "levels": 3, "schedule": "geometric", "ratio": 1.5}),
    (
        ladder.spaced_ladder,
        {"best": 100.0, "step": 1.0, "sizes": (1.0, 1.0), "side": "bid", "growth": 1.0},
    ),
    (
        listed_bounds.price_bounds,
        {"strike": 3000.0, "years": 0.1, "listed": (), "is_call": True, "forward": 3000.0, "discount": 1.0},
    ),
    (
        margin_deribit.standard_short_option,
        {"underlying": 3000.0, "strike": 3000.0, "mark": 0.05, "quantity": 1.0, "is_call": True},
    ),
    (margin_srm.base_collateral, {"amount": 1.0, "spot": 3000.0, "mm_factor": 0.8, "im_scale": 0.9}),
    (exposure.exposure, {"position": 1.0, "price": 3000.0, "volatility": 0.6}),
    (exposure.pair_risk, {"first": 1.0, "second": 2.0, "correlation": 0.5}),
    (amm.range_state, SPAN),
    (amm.lvr_rate, {**SPAN, "sigma": 0.6}),
    (amm.break_even_fee_rate, {"price": 100.0, "low": 80.0, "high": 130.0, "sigma": 0.6}),
    (amm.impermanent_loss, {"price": 100.0, "ratio": 1.1, "low": 80.0, "high": 130.0}),
    (amm.full_range_impermanent_loss, {"ratio": 1.1}),
    (amm.poisson_trade_share, {"sigma": 0.05, "log_fee": 0.003, "block_rate": 7200.0}),
    (amm.fixed_block_share, {"sigma": 0.05, "log_fee": 0.003, "block_rate": 7200.0}),
    (
        amm.optimal_width,
        {"sigma": 0.03, "fee_rate": 0.01, "concentration_cost": 1e-4, "drift": 0.0, "cost_rate": 0.0},
    ),
    (amm.remint_band, {"risk_aversion": 1.0, "gas": 1.0, "value": 1e5, "gamma_value": -0.2}),
    (amm_ranges.inventory_skew, {"amount0": 1.0, "amount1": 100.0, "price": 100.0, "target": 0.5}),
    (amm_ranges.width_from_volatility, {"sigma": 0.03, "rebalance_time": 1.0, "multiple": 1.0}),
    (
        amm_ranges.simple_ranges,
        {"price": 100.0, "skew": 0.1, "widths": amm_ranges.Widths(0.03), "edge": 0.01},
    ),
    (
        amm_ranges.avellaneda_ranges,
        {
            "price": 100.0,
            "skew": 0.1,
            "widths": amm_ranges.Widths(0.03),
            "gamma": 0.5,
            "sigma": 0.03,
            "horizon": 1.0,
            "decay": 400.0,
        },
    ),
    (
        amm_ranges.glft_ranges,
        {"price": 100.0, "skew": 0.1, "widths": amm_ranges.Widths(0.03), "parameters": P},
    ),
]

CASES = [
    pytest.param(
        function, good, name, id=f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}-{name}"
    )
    for function, good in CALLS
    for name, value in good.items()
    if isinstance(value, float)
]
INFINITE_IS_MEANT = {"high"}  # the full range


def numbers(result: Any) -> list[float]:
    """Every float of a result, however nested."""
    if isinstance(result, float):
        return [result]
    if isinstance(result, np.ndarray):
        return [float(x) for x in result.ravel()]
    if isinstance(result, tuple):
        return [x for item in result for x in numbers(item)]
    if hasattr(result, "__dataclass_fields__"):
        return [x for name in result.__dataclass_fields__ for x in numbers(getattr(result, name))]
    return []


@pytest.mark.parametrize(("function", "good", "name"), CASES)
def test_nan_is_refused_or_passed_on(function: Callable[..., Any], good: dict[str, Any], name: str) -> None:
    try:
        result = function(**{**good, name: math.nan})
    except ModelInputError:
        return
    assert any(math.isnan(x) for x in numbers(result)), result


@pytest.mark.parametrize(("function", "good", "name"), CASES)
def test_infinity_never_gives_a_finite_answer_only(
    function: Callable[..., Any], good: dict[str, Any], name: str
) -> None:
    if name in INFINITE_IS_MEANT:
        assert all(math.isfinite(x) for x in numbers(function(**{**good, name: math.inf})))
        return
    for infinity in (math.inf, -math.inf):
        try:
            result = function(**{**good, name: infinity})
        except ModelInputError:
            continue
        assert not all(math.isfinite(x) for x in numbers(result)), result


@pytest.mark.parametrize(("function", "good"), CALLS, ids=lambda x: getattr(x, "__name__", ""))
def test_the_good_arguments_are_good(function: Callable[..., Any], good: dict[str, Any]) -> None:
    function(**good)
