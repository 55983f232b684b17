"""The accounting contract: integers that never lose a unit."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain.rfq import OnchainTerms
from atomizer.sim.rysk.ledger import Accounting, OptionPosition, SettlementError, option_key

STABLE, COIN, MAKER = "0x" + "05" * 20, "0x" + "0e" * 20, "0x" + "aa" * 20
E18 = 10**18
TERMS = OnchainTerms(
    chain_id=31337,
    asset=COIN,
    premium_token=STABLE,
    collateral_token=COIN,
    strike_e8=3000 * 10**8,
    quantity_e18=E18,
    expiry_s=1_757_664_000,
    is_put=False,
    is_taker_buy=False,
)

trades = st.lists(
    st.tuples(
        st.booleans(),
        st.booleans(),
        st.integers(1, 30).map(lambda tenths: tenths * E18 // 10),
        st.integers(1, 500 * E18),
    ),
    min_size=1,
    max_size=12,
)


def opened(stable: int = 10**12, coins: int = 100 * E18) -> Accounting:
    accounting = Accounting({STABLE: 10**6, COIN: E18})
    accounting.open(MAKER).deposits.update({STABLE: stable, COIN: coins})
    return accounting


def terms(*, is_put: bool, is_taker_buy: bool, quantity_e18: int) -> OnchainTerms:
    return msgspec.structs.replace(
        TERMS,
        is_put=is_put,
        is_taker_buy=is_taker_buy,
        quantity_e18=quantity_e18,
        collateral_token=STABLE if is_put else COIN,
    )


@given(trades)
def test_cash_and_positions_are_the_sums_of_the_trades(steps):
    accounting = opened()
    cash, held = 10**12, {False: 0, True: 0}
    for is_put, is_taker_buy, quantity, price in steps:
        asked = terms(is_put=is_put, is_taker_buy=is_taker_buy, quantity_e18=quantity)
        sign = -1 if is_taker_buy else 1
        accounting.settle(MAKER, asked, price)
        premium = Fraction(price * quantity, E18 * E18) * 10**6
        cash -= sign * (premium.numerator // premium.denominator)
        held[is_put] += sign * quantity
    account = accounting.account(MAKER)
    assert account.deposits[STABLE] == cash
    assert account.deposits[COIN] == 100 * E18
    found = {key.is_put: position.quantity_e18 for key, position in account.positions.items()}
    assert found == {is_put: quantity for is_put, quantity in held.items() if quantity}
    assert accounting.locked(MAKER, COIN) == max(0, -held[False])
    assert accounting.locked(MAKER, STABLE) == -(min(0, held[True]) * 3000 * 10**6 // E18)


@given(trades)
def test_nothing_is_ever_spent_twice(steps):
    accounting = opened(stable=4000 * 10**6, coins=2 * E18)
    for is_put, is_taker_buy, quantity, price in steps:
        asked = terms(is_put=is_put, is_taker_buy=is_taker_buy, quantity_e18=quantity)
        before = msgspec.json.encode(
            [accounting.account(MAKER).deposits, len(accounting.account(MAKER).positions)]
        )
        try:
            accounting.settle(MAKER, asked, price)
        except SettlementError:
            account = accounting.account(MAKER)
            assert msgspec.json.encode([account.deposits, len(account.positions)]) == before
        assert accounting.available(MAKER, STABLE) >= 0
        assert accounting.available(MAKER, COIN) >= 0


@given(trades)
def test_the_sign_of_a_position_is_the_sign_of_its_premium(steps):
    position = OptionPosition()
    for _, is_taker_buy, quantity, price in steps:
        sign = -1 if is_taker_buy else 1
        position.add(sign * quantity, sign * (price + E18) * quantity // E18)
        if position.quantity_e18:
            assert (position.premium_e18 > 0) is (position.quantity_e18 > 0)
        else:
            assert position.premium_e18 == 0


def test_premium_rounds_down_and_collateral_up():
    accounting = opened()
    odd = msgspec.structs.replace(TERMS, quantity_e18=E18 + 1, is_put=True, collateral_token=STABLE)
    assert accounting.premium(odd, 1_999_999_999_999) == 1
    assert accounting.collateral(option_key(odd), E18 + 1) == 3000 * 10**6 + 1


def test_moving_money_needs_money():
    accounting = opened()
    accounting.open(MAKER).wallet[STABLE] = 7
    accounting.deposit(MAKER, STABLE, 7)
    with pytest.raises(SettlementError, match=r"expected at least 1 of 0x05.*found 0"):
        accounting.deposit(MAKER, STABLE, 1)
    accounting.withdraw(MAKER, STABLE, 10**12 + 7)
    with pytest.raises(SettlementError, match="found 0"):
        accounting.withdraw(MAKER, STABLE, 1)
    assert accounting.account(MAKER).wallet[STABLE] == 10**12 + 7


def test_option_tokens_differ_by_every_term():
    key = option_key(TERMS)
    others = [
        option_key(msgspec.structs.replace(TERMS, **change))
        for change in ({"strike_e8": 1}, {"expiry_s": 1}, {"is_put": True}, {"collateral_token": STABLE})
    ]
    assert len({one.token for one in [key, *others]}) == 5
    assert len(key.token) == 42
