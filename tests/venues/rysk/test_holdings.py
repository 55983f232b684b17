"""Balances and positions in every shape the venue might answer with."""

from decimal import Decimal
from typing import Any

import pytest

from atomizer.venues.rysk import codec, holdings

from .samples import ASSET, CHAIN, STABLE, position

TOKENS = {STABLE: holdings.Token("USD", 6), ASSET: holdings.Token("ETH", 18)}
NAMES = {ASSET: ASSET, "eth": ASSET}


def cash(answer: Any) -> dict[str, Decimal]:
    reports = holdings.balances(answer, "maker", TOKENS, frozenset({CHAIN}))
    assert all(report.cash == report.equity == report.excess for report in reports)
    return {report.currency: report.cash for report in reports}


@pytest.mark.parametrize(
    "answer",
    [
        [{"asset": STABLE, "balance": "500250000", "chainId": CHAIN}],
        [{"assetAddress": STABLE.upper().replace("0X", "0x"), "amount": 500250000}],
        {STABLE: "500250000"},
        {str(CHAIN): {STABLE: "500250000"}},
        {str(CHAIN): [{"token": STABLE, "total": "500250000"}]},
        {"balances": [{"address": STABLE, "balance": "500.25", "decimals": 6}]},
        {"chainId": CHAIN, "balances": {STABLE: {"balance": "500250000"}}},
        {"1": {STABLE: "7"}, str(CHAIN): {STABLE: "500250000"}},
    ],
)
def test_deposit_is_found_in_any_shape(answer: Any):
    assert cash(answer) == {"USD": Decimal("500.25")}


def test_tokens_of_one_currency_add_up_and_others_keep_their_own():
    other = "0x" + "5" * 40
    tokens = TOKENS | {other: holdings.Token("USD", 18)}
    answer = {STABLE: "1000000", other: str(2 * 10**18), ASSET: str(3 * 10**18)}
    reports = holdings.balances(answer, "maker", tokens, frozenset({CHAIN}))
    assert [(report.currency, report.cash) for report in reports] == [("ETH", 3), ("USD", 3)]


@pytest.mark.parametrize(
    "answer", ["none", 5, None, [], {}, {"0x" + "9" * 40: "5"}, [{"asset": STABLE, "balance": "x"}]]
)
def test_what_cannot_be_understood_is_an_error_and_never_zero(answer: Any):
    with pytest.raises(holdings.ShapeError):
        cash(answer)


def held(answer: Any) -> dict[str, Decimal]:
    reports = holdings.positions(answer, "maker", codec.Options({ASSET: "ETH"}), NAMES)
    return {report.instrument: report.size for report, _ in reports}


@pytest.mark.parametrize(
    "answer",
    [
        [position()],
        {"positions": [position()]},
        {"0xaaa": position()},
        [position(strike="400000000000")],
        [position(underlying="ETH")],
        [position(balance="1000000000000000000"), position(balance="500000000000000000")],
    ],
)
def test_position_is_found_in_any_shape(answer: Any):
    assert held(answer) == {"rysk:ETH-20250926-4000-C": Decimal("1.5")}


@pytest.mark.parametrize(
    "changes", [{"balance": "-1500000000000000000"}, {"premium": "-125000000000000000000"}]
)
def test_short_position_is_negative(changes: dict[str, str]):
    assert held([position(**changes)]) == {"rysk:ETH-20250926-4000-C": Decimal("-1.5")}


def test_unknown_underlying_is_reported_under_its_token():
    assert held([position(underlying="0x" + "e" * 40)]) == {"rysk:0x" + "a" * 40: Decimal("1.5")}


def test_what_is_no_option_token_is_left_out():
    assert held([position(isOtoken=False)]) == {}
    assert held([]) == {}


@pytest.mark.parametrize("answer", ["none", 5, None, [5], [position(strike="x")], [position(balance=None)]])
def test_positions_that_cannot_be_understood_are_an_error(answer: Any):
    with pytest.raises(holdings.ShapeError):
        held(answer)
