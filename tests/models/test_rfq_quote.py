"""The one-call price against the functions it is made of, each checked elsewhere on its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models import rfq
from atomizer.models.black import black76_greeks, black76_price
from atomizer.models.calibration import VolBands, fit_slice
from atomizer.models.fixing import basis_sd, fixing_charge, in_the_money
from atomizer.models.hedge_bands import whalley_wilmott
from atomizer.models.package import Leg, Sensitivities, package_quote, risk_covariance
from atomizer.models.rfq_quote import (
    COSTS,
    PLACES,
    price_request,
    price_sheet,
    recompute,
    round_e18,
    slippage,
)
from atomizer.models.surface import ExpirySlice, Surface
from atomizer.models.surface_fit import COLUMNS, fit_surface_into
from atomizer.models.svi import RawSvi

NEAR = RawSvi(0.004, 0.05, -0.2, 0.01, 0.08)
FAR = RawSvi(0.012, 0.09, -0.25, 0.02, 0.15)
PLAIN: dict[str, float] = {
    "side": 1.0,
    "call": 1.0,
    "strike": 4100.0,
    "tau": 0.05,
    "size": 2.0,
    "ratio": 1.0,
    "index": 4000.0,
    "forward": 4010.0,
    "near_years": 0.03,
    "near_tau": 0.03,
    "stretch": 1.0,
    "far_years": 0.1,
    "far_tau": 0.1,
    "far_share": (0.05 - 0.03) / (0.1 - 0.03),
    "half_spread": 2e-4,
    "fee": 5e-4,
    "slippage": 1e-4,
    "interval": 1.0 / 365.0,
    "edge_scale": 1.0,
    "edge_usd": 1.0,
    "spot_vol": 0.7,
    "validity": 30.0 / 31_536_000,
    "vol_of_vol": 1.1,
    "spot_vol_correlation": -0.3,
    "margin_share": 0.02,
    "margin_rate": 0.05,
}


def priced(**changes: float) -> dict[str, float]:
    sheet = np.zeros(len(PLACES))
    for prefix, raw in (("near", NEAR), ("far", FAR)):
        for name, value in zip(("a", "b", "rho", "m", "sigma"), raw.as_array(), strict=True):
            sheet[PLACES[f"{prefix}_{name}"]] = value
    for name, value in {**PLAIN, **changes}.items():
        sheet[PLACES[name]] = value
    price_sheet(sheet)
    return dict(zip(PLACES, sheet.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(st.floats(3000.0, 5200.0), st.floats(0.03, 0.1), st.booleans())
def test_vol_and_greeks_are_the_surfaces_and_blacks(strike: float, tau: float, is_call: bool) -> None:
    surface = Surface((ExpirySlice(0.03, 4000.0, NEAR), ExpirySlice(0.1, 4000.0, FAR)))
    found = priced(strike=strike, tau=tau, call=float(is_call), far_share=(tau - 0.03) / 0.07)
    vol = surface.vol(math.log(strike / 4010.0), tau)
    assert found["vol"] == pytest.approx(vol, rel=1e-12)
    greeks = black76_greeks(4010.0, strike, tau, found["vol"], 0.0, is_call)
    names = ("fair", "delta", "gamma", "vega", "theta")
    assert [found[name] for name in names] == pytest.approx(greeks[:5], rel=1e-12)
    chance = in_the_money(4010.0, strike, found["vol"], tau, is_call=is_call)
    assert found["in_the_money"] == pytest.approx(chance, abs=1e-12)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("call", [1.0, 0.0])
def test_costs_are_those_of_the_models(side: float, call: float) -> None:
    found = priced(side=side, call=call, funding_held=0.002, vol_error=0.001, winner=rfq.expected_maximum(3))
    delta, gamma, vega, vol = (found[name] for name in ("delta", "gamma", "vega", "vol"))
    forward, tau, rate = 4010.0, 0.05, 8e-4
    hedge = rfq.hedge_round_trip(delta, 2e-4 * forward, 5e-4 * forward, 1e-4 * forward)
    assert found["cost_hedge"] == pytest.approx(hedge)
    again = rfq.rebalancing_cost(gamma, forward, vol, 1.0 / 365.0, tau, rate)
    assert found["cost_rebalancing"] == pytest.approx(again)
    received = side * delta * forward * 0.002  # a short hedge of a call bought is paid
    carry = rfq.carry_cost(0.02 * abs(delta) * forward, 0.05, tau, received)
    assert found["cost_carry"] == pytest.approx(carry)
    option = rfq.takers_option(delta, vega, forward, 0.7, 1.1, -0.3, PLAIN["validity"])
    assert found["cost_taker_option"] == pytest.approx(option)
    assert found["cost_winners_curse"] == pytest.approx(rfq.winners_curse(vega, 0.001, 3))


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("call", [1.0, 0.0])
def test_the_fixing_charge_against_an_averaging_hedge_is_the_models(side: float, call: float) -> None:
    window = 0.5 / (24 * 365)
    found = priced(side=side, call=call, window=window, fixing_risk_price=0.2)
    vol, chance = found["vol"], found["in_the_money"]
    expected = fixing_charge(
        forward=4010.0,
        strike=4100.0,
        sigma=vol,
        years=0.05,
        is_call=call > 0.0,
        we_hold_print=side > 0.0,
        half_spread_rate=2e-4,
        fee_rate=5e-4,
        risk_price=0.2,
        residual_sd=chance * basis_sd(4010.0, vol, window),
        window=window,
    )
    assert found["cost_fixing"] == pytest.approx(expected, rel=1e-6)


def test_a_band_costs_what_a_whalley_wilmott_hedger_was_seen_to_pay() -> None:
    """Short one call, S = K = 100, 60 vol, 30 days, 5 bp, aversion 1: .167 with the first trade."""
    years = 30.0 / 365.0
    flat = {"near_b": 0.0, "far_share": 0.0, "near_years": years, "near_tau": years, "tau": years}
    found = priced(
        **flat,
        near_a=0.36 * years,
        strike=100.0,
        forward=100.0,
        index=100.0,
        half_spread=5e-4,
        fee=0.0,
        slippage=0.0,
        interval=0.0,
        risk_aversion=1.0,
    )
    first = 5e-4 * 100.0 * found["delta"]
    assert found["cost_rebalancing"] + first == pytest.approx(0.167, rel=0.2)
    half = whalley_wilmott(100.0, found["gamma"], 0.0, 0.0, 5e-4, 1.0)
    turnover = (found["gamma"] * 100.0 * 0.6) ** 2 / (2.0 * half) * years
    assert found["cost_rebalancing"] == pytest.approx(5e-4 * 100.0 * turnover)


def test_skew_and_own_size_are_the_reservation_price_of_the_models() -> None:
    """Delta-hedged book, one vol factor: coefficients from aversion, horizon and vol of vol."""
    aversion, horizon, book_vega = 2e-6, 1.0 / 365.0, 300.0
    share = aversion * horizon * 1.1**2 * 1e4  # per USD per vol point, squared
    found = priced(net_vega=book_vega, skew_vega=share, own_vega=share)
    greeks = Sensitivities(found["delta"], found["vega"], 0.0)
    expected = package_quote(
        [Leg(1.0, found["fair"], greeks)],
        Sensitivities(0.0, 100.0 * book_vega, 0.0),
        risk_covariance(4010.0, 0.6, 1.1, 0.0, 0.0, delta_hedged=True),
        size=2.0,
        risk_aversion=aversion,
        horizon_years=horizon,
    )
    assert found["skew"] == pytest.approx(expected.inventory_shift)
    assert found["cost_own_size"] == pytest.approx(expected.size_cost)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 500.0), st.floats(0.0, 500.0), st.sampled_from([1.0, -1.0]), st.floats(0.0, 30.0))
def test_more_vega_held_never_raises_a_price_of_either_side(
    less: float, more: float, side: float, concession: float
) -> None:
    lean = {"skew_vega": 1e-3, "skew_expiry_vega": 2e-3, "skew_long_vega": 1e-3, "side": side}
    for name in ("net_vega", "expiry_vega", "expiry_long_vega"):
        low, high = (
            priced(**lean, concession=concession, **{name: held})["price"] for held in sorted((less, more))
        )
        assert high <= low


def test_distance_is_costs_and_edge_never_less_than_the_least() -> None:
    plain = priced()
    costs = math.fsum(plain[name] for name in COSTS)
    assert plain["price"] == pytest.approx(plain["fair"] - costs - 1.0)
    given_up = priced(concession=0.4)
    assert given_up["price"] == pytest.approx(plain["price"] + 0.4)
    floor = priced(concession=5.0, least_edge_usd=0.25)
    assert floor["expected_edge"] == pytest.approx(0.25)
    wide = priced(least_distance_vol=0.5)
    assert wide["price"] == pytest.approx(plain["fair"] - 0.5 * plain["vega"])
    assert wide["expected_edge"] > 1.0


def test_a_missing_input_is_an_error_and_not_a_zero() -> None:
    found: dict[str, Any] = priced()
    recompute(found)
    del found["vol_error"]
    with pytest.raises(KeyError):
        recompute(found)


# --- the walk of the hedge's book ---

LEVELS = st.lists(st.tuples(st.floats(0.05, 3.0), st.floats(0.01, 5.0)), min_size=1, max_size=6)


def book(steps: list[tuple[float, float]], side: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Levels that get worse by these steps, each with its coins, from 4000 on."""
    prices, price = [], 4000.0
    for step, _coins in steps:
        prices.append(price)
        price += side * step
    return np.array([prices, [coins for _step, coins in steps]])


def walked(levels: Any, coins: float) -> float:
    """What a market order pays beyond the touch, coin by coin: the last level has no end."""
    (touch, *_), left, paid = levels[0].tolist(), coins, 0.0
    sizes = [*levels[1].tolist()[:-1], math.inf]
    for price, size in zip(levels[0].tolist(), sizes, strict=True):
        paid += min(left, size) * abs(price - touch)
        left -= min(left, size)
    return paid / (coins * touch)


@settings(max_examples=100, deadline=None)
@given(LEVELS, st.floats(0.001, 40.0), st.sampled_from([1.0, -1.0]))
def test_slippage_is_what_a_market_order_pays_beyond_the_touch(
    steps: list[tuple[float, float]], coins: float, side: float
) -> None:
    levels = book(steps, side)
    assert slippage(levels, coins) == pytest.approx(walked(levels, coins), abs=1e-15, rel=1e-9)
    assert slippage(levels, 0.0) == 0.0


@settings(max_examples=100, deadline=None)
@given(LEVELS, st.floats(3000.0, 5200.0), st.floats(0.1, 30.0), st.booleans(), st.sampled_from([0.0, 5e-3]))
def test_a_request_walks_its_own_delta_and_is_recomputed_to_the_last_digit(
    steps: list[tuple[float, float]], strike: float, size: float, is_call: bool, least: float
) -> None:
    sheet, levels = np.zeros(len(PLACES)), book(steps, 1.0)
    for name, value in priced(strike=strike, size=size, call=float(is_call), slippage=0.0).items():
        sheet[PLACES[name]] = value
    price_request(sheet, levels, least)
    found = dict(zip(PLACES, sheet.tolist(), strict=True))
    expected = max(slippage(levels, size * abs(found["delta"])), least)
    assert found["slippage"] == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert recompute(found) == round_e18(found["price"], 1)
    price_sheet(sheet)
    assert dict(zip(PLACES, sheet.tolist(), strict=True)) == found


# --- the fit of a whole chain in one call ---


def test_the_compiled_fit_is_the_typed_one() -> None:
    forward, years = 4000.0, 0.08
    k = np.linspace(-0.4, 0.35, 15)
    vols = np.sqrt(FAR.variances(k) / 0.1)
    strikes = forward * np.exp(k)
    fitted = fit_slice(VolBands(forward, years, strikes, vols - 0.006, vols + 0.006))
    out = np.empty((1, len(COLUMNS)))
    fit_surface_into(
        strikes,
        np.array([0, 15]),
        vols - 0.006,
        vols + 0.006,
        np.full(15, np.nan),
        np.array([forward]),
        np.array([years]),
        np.full((1, 5), np.nan),
        0.25,
        out,
    )
    assert out[0, :5] == pytest.approx(fitted.raw.as_array(), rel=1e-9, abs=1e-12)
    row = dict(zip(COLUMNS, out[0], strict=True))
    assert (row["status"], row["quotes"], row["inside"], row["raised"]) == (0.0, 15.0, 1.0, 0.0)
    assert black76_price(forward, 4000.0, years, fitted.atm_vol, 1.0, True) > 0.0
