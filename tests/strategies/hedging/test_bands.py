"""Bands from the models on the book's gamma, and where a hedge goes."""

from __future__ import annotations

import pytest

from atomizer.models.hedge_bands import whalley_wilmott
from atomizer.strategies.hedging import Hedger, HedgerSettings
from atomizer.strategies.hedging.bands import Band, band
from tests.engine.bench_desk import HEDGE, placed
from tests.engine.rfq_desk import FORWARD, RfqDesk


def test_to_the_target_or_to_the_edge() -> None:
    zone = Band(0.5)
    assert zone.trade(0.4, to_edge=False) == 0.0
    assert zone.trade(2.0, to_edge=False) == -2.0
    assert zone.trade(-2.0, to_edge=True) == 1.5
    assert zone.trade(0.51, to_edge=True) == 0.0, "less than a tenth of the band beyond its edge"


def test_a_shifted_target_is_the_middle_of_the_band() -> None:
    assert Band(0.5, 1.0).trade(1.4, to_edge=False) == 0.0
    assert Band(0.5, 1.0).trade(0.0, to_edge=False) == 1.0


def test_whalley_wilmott_on_the_book_is_the_models_band_of_its_gamma() -> None:
    settings = HedgerSettings(band="whalley_wilmott", band_to="edge", risk_aversion=1e-3, threshold=0.01)
    desk = RfqDesk(Hedger(settings, HEDGE, 2))
    desk.win(desk.quote(size="15"))
    gamma = desk.engine.exposure.net("ETH", "gamma") * 100.0 / FORWARD
    expected = whalley_wilmott(FORWARD, gamma, 0.0, 0.0, 5e-4, 1e-3)
    assert band(desk.engine, "ETH", settings, 5e-4).half_width == pytest.approx(expected)
    (order,) = placed(desk.all)
    delta = desk.engine.net_delta("ETH")
    half = order.why["band"]
    assert order.lots == pytest.approx((delta - float(half)) * FORWARD, rel=0.01)
    assert half == pytest.approx(whalley_wilmott(FORWARD, gamma, 0.0, 0.0, 0.5 / FORWARD, 1e-3), rel=1e-6)


def test_zakamouline_shifts_the_target_and_widens_with_costs() -> None:
    settings = HedgerSettings(band="zakamouline", risk_aversion=1e-3, threshold=0.01)
    desk = RfqDesk()
    desk.win(desk.quote(size="15"))
    near, far = (band(desk.engine, "ETH", settings, cost) for cost in (1e-4, 1e-3))
    assert far.half_width > near.half_width > 0.01
    assert abs(far.shift) > abs(near.shift) > 0.0


def test_the_threshold_in_usd_counts_where_it_is_wider() -> None:
    desk = RfqDesk()
    settings = HedgerSettings(threshold=0.01, threshold_usd=400.0)
    assert band(desk.engine, "ETH", settings, 0.0).half_width == pytest.approx(400.0 / FORWARD)
