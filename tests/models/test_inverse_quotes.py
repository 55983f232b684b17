from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models import avellaneda, inverse_quotes
from atomizer.models.inputs import ModelInputError


@given(st.floats(-40.0, 40.0), st.floats(500.0, 90_000.0))
def test_same_coin_position_gives_the_same_quotes_as_a_linear_perp(coins: float, mark: float) -> None:
    q = inverse_quotes.inverse_inventory(
        coins * mark, mark, coin_equity=0.0, target_coins=0.0, numeraire="coin"
    )
    inverse = avellaneda.quote(mark, q, 1e-5, 1e-4 * mark, 60.0, 300.0 / mark)
    linear = avellaneda.quote(mark, coins, 1e-5, 1e-4 * mark, 60.0, 300.0 / mark)
    assert inverse.bid == pytest.approx(linear.bid, rel=1e-12)


def test_usd_account_counts_its_coin_equity() -> None:
    q = inverse_quotes.inverse_inventory(
        -60_000.0, 3000.0, coin_equity=14.0, target_coins=0.0, numeraire="usd"
    )
    assert q == pytest.approx(-6.0)


@given(st.floats(10.0, 1e5), st.floats(0.0, 500.0), st.sampled_from([0.05, 0.5, 2.5]))
def test_orders_round_against_us_and_to_whole_contracts(mid: float, half: float, tick: float) -> None:
    orders = inverse_quotes.inverse_orders(
        mid - half, mid + half, order_coins=3.0, contract_usd=10.0, tick=tick
    )
    assert orders.bid_tick <= mid - half + 1e-8 * tick + 1e-9
    assert orders.ask_tick >= mid + half - 1e-8 * tick - 1e-9
    assert orders.bid_size_usd % 10.0 == 0.0
    assert orders.ask_size_usd % 10.0 == 0.0


def test_order_below_one_contract_is_no_quote() -> None:
    orders = inverse_quotes.inverse_orders(2999.0, 3001.0, order_coins=0.001, contract_usd=10.0, tick=0.05)
    assert orders.bid_size_usd == 0.0


def test_unknown_numeraire_is_refused() -> None:
    with pytest.raises(ModelInputError, match="numeraire"):
        inverse_quotes.inverse_inventory(
            1.0,
            3000.0,
            coin_equity=0.0,
            target_coins=0.0,
            numeraire="eur",  # type: ignore[arg-type]
        )


def test_mark_that_is_no_number_is_refused() -> None:
    with pytest.raises(ModelInputError, match="mark"):
        inverse_quotes.inverse_inventory(1.0, math.nan, coin_equity=0.0, target_coins=0.0, numeraire="usd")


def test_crossed_model_quote_is_refused() -> None:
    with pytest.raises(ModelInputError, match="bid"):
        inverse_quotes.inverse_orders(10.0, 9.0, order_coins=1.0, contract_usd=1.0, tick=0.5)
