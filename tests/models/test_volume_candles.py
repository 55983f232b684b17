from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models.inputs import ModelInputError
from atomizer.models.volume_candles import VolumeCandles

trades = st.lists(
    st.tuples(st.floats(50.0, 150.0), st.floats(0.01, 25.0), st.booleans()), min_size=1, max_size=60
)


@given(trades)
def test_closed_candles_hold_the_threshold_each_and_no_volume_is_lost(
    tape: list[tuple[float, float, bool]],
) -> None:
    candles = VolumeCandles(10.0, history=1000)
    closed = sum(
        candles.add(price, volume, buyer_aggressor=buyer, seconds=float(i))
        for i, (price, volume, buyer) in enumerate(tape)
    )
    assert closed == len(candles.candles)
    assert closed == pytest.approx(sum(volume for _, volume, _ in tape) / 10.0, abs=1.0 + 1e-6)
    for candle in candles.candles:
        assert candle.buy_volume + candle.sell_volume == pytest.approx(10.0)
        assert candle.low <= min(candle.open, candle.close)
        assert candle.high >= max(candle.open, candle.close)


@given(trades)
def test_signals_stay_in_their_ranges(tape: list[tuple[float, float, bool]]) -> None:
    candles = VolumeCandles(5.0)
    for i, (price, volume, buyer) in enumerate(tape):
        candles.add(price, volume, buyer_aggressor=buyer, seconds=float(i))
    signals = candles.signals()
    if signals is None:
        assert len(candles.candles) < 2
        return
    assert -1.0 - 1e-12 <= signals.momentum <= 1.0 + 1e-12
    assert -1.0 <= signals.imbalance <= 1.0
    for share in (signals.reversal, signals.volatility, signals.exhaustion):
        assert 0.0 <= share <= 1.0


def test_one_large_trade_closes_several_candles() -> None:
    candles = VolumeCandles(10.0)
    assert candles.add(100.0, 35.0, buyer_aggressor=True, seconds=1.0) == 3


def test_steady_rise_has_full_momentum_and_no_reversal() -> None:
    candles = VolumeCandles(1.0)
    for i in range(20):
        candles.add(100.0 + i, 1.0, buyer_aggressor=True, seconds=float(i))
    signals = candles.signals()
    assert signals is not None
    assert signals.momentum == pytest.approx(1.0)
    assert signals.reversal == 0.0
    assert signals.imbalance == 1.0


def test_one_sided_flow_that_stops_moving_the_price_is_exhausted() -> None:
    candles = VolumeCandles(1.0)
    for price in (100.0, 101.0, 102.0, 102.0):
        candles.add(price, 1.0, buyer_aggressor=True, seconds=price)
    signals = candles.signals()
    assert signals is not None
    assert signals.exhaustion == 1.0


def test_cold_buffer_has_no_signals() -> None:
    candles = VolumeCandles(10.0)
    candles.add(100.0, 15.0, buyer_aggressor=True, seconds=0.0)
    assert candles.signals() is None


def test_time_running_backwards_is_refused() -> None:
    candles = VolumeCandles(10.0)
    candles.add(100.0, 1.0, buyer_aggressor=True, seconds=5.0)
    with pytest.raises(ModelInputError, match="seconds"):
        candles.add(100.0, 1.0, buyer_aggressor=True, seconds=4.0)


@pytest.mark.parametrize(("price", "volume"), [(math.nan, 1.0), (100.0, 0.0), (-1.0, 1.0), (100.0, math.inf)])
def test_bad_trades_are_refused(price: float, volume: float) -> None:
    with pytest.raises(ModelInputError):
        VolumeCandles(10.0).add(price, volume, buyer_aggressor=True, seconds=0.0)
