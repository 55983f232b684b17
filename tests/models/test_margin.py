"""Scenario engine and the venues' margins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomizer.models.black import black76_price
from atomizer.models.inputs import ModelInputError
from atomizer.models.margin_deribit import PortfolioModel, standard_short_option
from atomizer.models.margin_pm2 import Collateral, Pm2Account, Pm2Book, Pm2Model
from atomizer.models.margin_srm import SrmBook, base_collateral
from atomizer.models.scenario import OptionChain, ScenarioMatrix, grid, option_chain, reprice_kernel

STRIKES = [2400.0, 2800.0, 3000.0, 3000.0, 3300.0, 3000.0]
YEARS = [7.0, 7.0, 30.0, 30.0, 30.0, 120.0]
CALLS = [False, True, True, False, True, True]
amounts_of_book = st.lists(st.floats(-20.0, 20.0), min_size=6, max_size=6)


def chain() -> OptionChain:
    years = np.array(YEARS) / 365.0
    return option_chain(
        3010.0, STRIKES, years, [0.9, 0.7, 0.6, 0.6, 0.65, 0.55], CALLS, np.exp(-0.05 * years)
    )


MODEL = Pm2Model(chain(), 3000.0, rates=0.05)
ACCOUNT = Pm2Account(
    500_000.0,
    -8.0,
    3001.0,
    120.0,
    (Collateral(3.0, 3000.0, 0.02, 0.01), Collateral(1.0, 3000.0, 0.1, 0.1, False)),
)
MATRIX = ScenarioMatrix(chain(), grid([-0.2, -0.1, 0.0, 0.1, 0.2], [-0.1, 0.0, 0.2]))
PORTFOLIO = PortfolioModel(chain(), 3000.0)


def book(amounts: list[float], account: Pm2Account = ACCOUNT) -> Pm2Book:
    return MODEL.book(amounts, account)


def test_scenario_pnl_is_a_full_revaluation() -> None:
    pnl = MATRIX.book_pnl([0.0, 0.0, 2.0, 0.0, 0.0, 0.0], linear_coins=-1.0, spot=3000.0)
    df = math.exp(-0.05 * 30.0 / 365.0)
    down_up = 0 * 3 + 2
    moved = black76_price(3010.0 * 0.8, 3000.0, 30.0 / 365.0, 0.8, df, True)
    now = black76_price(3010.0, 3000.0, 30.0 / 365.0, 0.6, df, True)
    assert pnl[down_up] == pytest.approx(2.0 * (moved - now) + 600.0)


@given(
    st.lists(st.floats(0.2, 6.0), min_size=1, max_size=5),
    st.lists(st.sampled_from([0.0, 1e-6, 0.3, 2.0]), min_size=6, max_size=6),
    st.sampled_from([0.0, 0.5, 40.0]),
)
def test_rows_of_the_engine_are_the_scalar_price_to_the_bit(
    factors: list[float], vols: list[float], age: float
) -> None:
    options = chain()
    years = np.maximum(options.years - age / 365.0, 0.0)
    vol = np.tile(np.array(vols)[:, None], len(factors))
    out = np.empty_like(vol)
    spots = np.array(factors)
    reprice_kernel(options.forward, options.strike, years, options.discount, options.is_call, spots, vol, out)
    for i in range(6):
        for j, factor in enumerate(factors):
            assert out[i, j] == black76_price(
                options.forward[i] * factor,
                options.strike[i],
                years[i],
                vol[i, j],
                options.discount[i],
                bool(options.is_call[i]),
            )


def test_pair_is_valued_at_the_first_expiry() -> None:
    pair = option_chain(3000.0, [3000.0, 3000.0], [7.0 / 365.0, 30.0 / 365.0], 0.6, True)
    week = ScenarioMatrix(pair, grid([0.1, -0.3], [0.0]), elapsed_years=7.0 / 365.0)
    short, long = pair.values()
    later = black76_price(3300.0, 3000.0, 23.0 / 365.0, 0.6, 1.0, True)
    assert week.book_pnl([-1.0, 1.0])[0] == pytest.approx(later - long - (300.0 - short))
    gone = black76_price(2100.0, 3000.0, 23.0 / 365.0, 0.6, 1.0, True)
    assert week.book_pnl([-1.0, 1.0])[1] == pytest.approx(gone - long + short)


def test_waiting_without_moves_costs_the_time_value() -> None:
    waited = ScenarioMatrix(chain(), grid([0.0], [0.0]), elapsed_years=1.0 / 365.0)
    assert np.all(waited.unit_pnl[:, 0] < 0.0)


def test_unshocked_scenario_has_no_pnl() -> None:
    assert MATRIX.book_pnl([1.0] * 6)[2 * 3 + 1] == pytest.approx(0.0, abs=1e-9)


@given(amounts_of_book, st.integers(0, 5), st.floats(-10.0, 10.0))
def test_candidate_in_the_scenario_grid_equals_the_whole_book(
    amounts: list[float], index: int, size: float
) -> None:
    updated = MATRIX.with_candidate(MATRIX.book_pnl(amounts), index, size)
    amounts[index] += size
    np.testing.assert_allclose(updated, MATRIX.book_pnl(amounts), atol=1e-8)


@given(amounts_of_book, st.integers(0, 5), st.floats(-10.0, 10.0), st.floats(0.0, 500.0))
@settings(max_examples=50)
def test_pm2_candidate_equals_the_whole_book(
    amounts: list[float], index: int, size: float, price: float
) -> None:
    quick = book(amounts).with_candidate(index, size, price)
    amounts[index] += size
    paid = Pm2Account(500_000.0 - size * price, *_rest(ACCOUNT))
    whole = book(amounts, paid).margin()
    scale = max(1.0, abs(whole.initial))
    assert quick.initial == pytest.approx(whole.initial, abs=1e-9 * scale)
    assert quick.maintenance == pytest.approx(whole.maintenance, abs=1e-9 * scale)
    assert quick.mark_to_market == pytest.approx(whole.mark_to_market, abs=1e-9 * scale)


def _rest(account: Pm2Account) -> tuple[object, ...]:
    return (
        account.perp_position,
        account.perp_price,
        account.perp_unrealised,
        account.collateral,
        account.stable_price,
        account.confidence,
    )


@given(amounts_of_book)
@settings(max_examples=50)
def test_pm2_initial_never_exceeds_maintenance(amounts: list[float]) -> None:
    margin = book(amounts).margin()
    assert margin.initial <= margin.maintenance + 1e-6
    assert margin.maintenance <= margin.mark_to_market + 1e-6


@given(amounts_of_book, st.floats(1.0, 4.0))
@settings(max_examples=50)
def test_pm2_requirement_of_options_scales_with_the_book(amounts: list[float], factor: float) -> None:
    empty = Pm2Account(0.0)
    small = MODEL.book(amounts, empty).margin()
    large = MODEL.book([factor * q for q in amounts], empty).margin()
    scale = max(1.0, abs(large.initial))
    assert large.initial == pytest.approx(factor * small.initial, abs=1e-8 * scale)


def test_pm2_depeg_and_low_confidence_cost_initial_margin_only() -> None:
    amounts = [-5.0] * 6
    sound = book(amounts).margin()
    shaky = book(amounts, Pm2Account(500_000.0, -8.0, 3001.0, 120.0, ACCOUNT.collateral, 0.95, 0.4)).margin()
    assert shaky.initial < sound.initial
    assert shaky.maintenance == pytest.approx(sound.maintenance)


def test_pm2_low_confidence_counts_a_candidate_too() -> None:
    doubtful = Pm2Account(500_000.0, confidence=0.4)
    quick = MODEL.book([-5.0] * 6, doubtful).with_candidate(2, -3.0, 0.0)
    whole = MODEL.book([-5.0, -5.0, -8.0, -5.0, -5.0, -5.0], doubtful).margin()
    assert quick.initial == pytest.approx(whole.initial)


@given(st.floats(-20.0, 20.0), st.floats(2900.0, 3100.0))
@settings(max_examples=30)
def test_perp_candidate_equals_the_whole_account(amount: float, price: float) -> None:
    quick = book([1.0] * 6).with_perp(amount, price)
    whole = book(
        [1.0] * 6,
        Pm2Account(500_000.0, -8.0 + amount, 3001.0, 120.0 + amount * (3001.0 - price), ACCOUNT.collateral),
    ).margin()
    assert quick.initial == pytest.approx(whole.initial)
    standard = SrmBook(chain(), [1.0] * 6, 3000.0, perp_position=-8.0, perp_price=3001.0)
    after = SrmBook(
        chain(),
        [1.0] * 6,
        3000.0,
        perp_position=-8.0 + amount,
        perp_price=3001.0,
        perp_unrealised=amount * (3001.0 - price),
    )
    assert standard.with_perp(amount, price).initial == pytest.approx(after.margin().initial)
    assert standard.with_perp(amount, price).maintenance == pytest.approx(after.margin().maintenance)


def test_hedge_with_the_perpetual_frees_margin_of_a_short_call() -> None:
    naked = MODEL.book([0.0, 0.0, -10.0, 0.0, 0.0, 0.0], Pm2Account(0.0, perp_price=3000.0))
    assert naked.with_perp(5.0, 3000.0).initial > naked.margin().initial


def test_pm2_account_without_options_is_margined() -> None:
    empty = Pm2Model(option_chain([], [], [], [], []), 3000.0)
    margin = empty.book([], Pm2Account(1000.0, 1.0, 3000.0)).margin()
    # damped tails: 18 % down in full; plus 4 % and 3 % of notional
    assert margin.initial == pytest.approx(1000.0 - 0.18 * 3000.0 - 0.04 * 3000.0)
    assert margin.maintenance == pytest.approx(1000.0 - 0.8 * 0.18 * 3000.0 - 0.03 * 3000.0)


@given(amounts_of_book)
@settings(max_examples=50)
def test_srm_maintenance_is_the_weaker_requirement(amounts: list[float]) -> None:
    margin = SrmBook(chain(), amounts, 3000.0, perp_position=2.0, perp_price=3000.0).margin()
    assert margin.initial <= margin.maintenance <= 1e-6


@given(amounts_of_book, st.integers(0, 5), st.floats(-10.0, 10.0))
@settings(max_examples=50)
def test_srm_candidate_equals_the_whole_book(amounts: list[float], index: int, size: float) -> None:
    quick = SrmBook(chain(), amounts, 3000.0).with_candidate(index, size)
    amounts[index] += size
    whole = SrmBook(chain(), amounts, 3000.0).margin()
    assert quick.initial == pytest.approx(whole.initial, abs=1e-7)
    assert quick.option_mtm == pytest.approx(whole.option_mtm, abs=1e-7)


def test_srm_long_options_need_nothing() -> None:
    assert SrmBook(chain(), [1.0] * 6, 3000.0).margin().initial == 0.0


def test_srm_call_spread_is_capped_by_its_width() -> None:
    spread = [0.0, 0.0, 10.0, 0.0, -10.0, 0.0]
    # long 3000, short 3300 of one expiry: no settlement price loses anything
    assert SrmBook(chain(), spread, 3000.0).margin().initial == 0.0
    reverse = [0.0, 0.0, -10.0, 0.0, 10.0, 0.0]
    assert SrmBook(chain(), reverse, 3000.0).margin().initial == pytest.approx(-3000.0)


def test_srm_base_collateral_is_haircut_once_for_maintenance_and_again_for_initial() -> None:
    initial, maintenance = base_collateral(2.0, 3000.0, mm_factor=0.8, im_scale=0.9375)
    assert (initial, maintenance) == pytest.approx((4500.0, 4800.0))


@given(amounts_of_book, st.integers(0, 5), st.floats(-10.0, 10.0))
@settings(max_examples=50)
def test_deribit_portfolio_candidate_equals_the_whole_book(
    amounts: list[float], index: int, size: float
) -> None:
    pnl = PORTFOLIO.scenario_pnl(amounts, -30_000.0)
    quick = PORTFOLIO.with_candidate(amounts, pnl, index, size, [-30_000.0])
    amounts[index] += size
    whole = PORTFOLIO.margin(amounts, [-30_000.0])
    assert quick.initial == pytest.approx(whole.initial, abs=1e-9)


def test_deribit_portfolio_loss_of_a_lone_future_is_its_worst_move() -> None:
    margin = PORTFOLIO.margin([0.0] * 6, [30_000.0])
    # 10 coins of inverse long: 16 % down loses 10 (1/0.84 - 1); the damped -66 % tail loses more
    assert margin.worst_move in (-0.16, -0.66, -0.33)
    assert margin.worst_loss >= 10.0 * (1.0 / 0.84 - 1.0) - 1e-9


def test_deribit_portfolio_offsetting_futures_still_cost_a_contingency() -> None:
    margin = PORTFOLIO.margin([0.0] * 6, [30_000.0, -30_000.0])
    assert margin.worst_loss == 0.0
    assert margin.maintenance == pytest.approx(0.1)


def test_deribit_portfolio_short_straddle_pays_per_strike() -> None:
    naked = PORTFOLIO.margin([0.0, 0.0, -1.0, -1.0, 0.0, 0.0])
    assert naked.maintenance == pytest.approx(naked.worst_loss + 0.02)


def test_deribit_standard_short_call_floor() -> None:
    initial, maintenance = standard_short_option(3000.0, 6000.0, 0.001, 2.0, is_call=True)
    assert (initial, maintenance) == pytest.approx((0.202, 0.152))


@pytest.mark.parametrize(
    "bad",
    [
        lambda: option_chain(3000.0, [3000.0, -1.0], 0.1, 0.6, True),
        lambda: option_chain(3000.0, 3000.0, -0.1, 0.6, True),
        lambda: option_chain(3000.0, 3000.0, 0.1, math.nan, True),
        lambda: option_chain([3000.0, 3000.0], [3000.0] * 3, 0.1, 0.6, True),
        lambda: grid([-1.0], [0.0]),
        lambda: grid([], [0.0]),
        lambda: ScenarioMatrix(chain(), grid([0.0], [0.0]), elapsed_years=-1.0),
        lambda: MATRIX.book_pnl([1.0]),
        lambda: MATRIX.book_pnl([0.0] * 6, linear_coins=1.0),
        lambda: MODEL.book([math.nan] * 6, ACCOUNT),
        lambda: MODEL.book([0.0] * 6, Pm2Account(math.nan)),
        lambda: MODEL.book([0.0] * 6, Pm2Account(0.0, perp_position=1.0)),
        lambda: book([0.0] * 6).with_candidate(6, 1.0, 0.0),
        lambda: book([0.0] * 6).with_candidate(0, math.nan, 0.0),
        lambda: Pm2Model(option_chain(3000.0, 3000.0, 0.0, 0.6, True), 3000.0),
        lambda: Pm2Model(chain(), 0.0),
        lambda: MODEL.book([0.0] * 6, Pm2Account(0.0)).with_perp(1.0, 3000.0),
        lambda: book([0.0] * 6).with_perp(math.nan, 3000.0),
        lambda: SrmBook(chain(), [0.0] * 6, 3000.0).with_perp(1.0, 3000.0),
        lambda: SrmBook(chain(), [0.0] * 5, 3000.0),
        lambda: SrmBook(chain(), [0.0] * 6, 3000.0).with_candidate(9, 1.0),
        lambda: PORTFOLIO.margin([0.0] * 5),
        lambda: standard_short_option(3000.0, 3000.0, -0.1, 1.0, is_call=True),
    ],
)
def test_bad_portfolios_are_refused(bad: object) -> None:
    with pytest.raises(ModelInputError):
        bad()  # type: ignore[operator]
