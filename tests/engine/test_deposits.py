"""What the deposit covers, to the last unit of the venue's own scales."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.deposits import Deposits
from atomizer.engine.strategy import NoQuote, QuoteTarget

from .rfq_desk import RfqDesk

E18 = 10**18


def target(price_e18: int) -> QuoteTarget:
    return QuoteTarget(
        price_e18=price_e18, valid_for_s=10, delta=0.5, gamma=0.0, vega=1.0, underlying_price=4000.0
    )


def deposits(desk: RfqDesk, most: float = 1e9) -> Deposits:
    return Deposits(desk.engine.ledger, desk.engine.exposure, {}, most)


def bid_for(quantity_e18: int) -> Rfq:
    rfq = RfqDesk(chain=False).rfq()
    return msgspec.structs.replace(
        rfq,
        size=Decimal(quantity_e18).scaleb(-18),
        terms=msgspec.structs.replace(rfq.terms, quantity_e18=quantity_e18),
    )


@pytest.mark.parametrize("deposit", ["400", "399.999999", "0.000001", "1234567.891011"])
def test_the_whole_deposit_may_be_spent_and_not_a_unit_more(deposit: str) -> None:
    made = deposits(RfqDesk(deposit=deposit, chain=False))
    cash_e18 = int(Decimal(deposit) * E18)
    assert made.refuse(bid_for(E18), target(cash_e18)) is None
    refusal = made.refuse(bid_for(E18), target(cash_e18 + 1))
    assert isinstance(refusal, NoQuote)
    assert refusal.reason is Reason.DEPOSIT_TOO_SMALL
    # A quantity of one unit more costs a fraction of a unit of premium more: too much all the same.
    refusal = made.refuse(bid_for(E18 + 1), target(cash_e18))
    assert isinstance(refusal, NoQuote)
    assert refusal.reason is Reason.DEPOSIT_TOO_SMALL


@pytest.mark.parametrize("most", [50_000.0, 0.1, 1e9 / 3.0])
def test_the_largest_premium_is_the_limits_own_value_and_not_a_unit_more(most: float) -> None:
    made = deposits(RfqDesk(deposit="1000000000", chain=False), most)
    most_e18 = int(Decimal(most) * E18)
    assert made.refuse(bid_for(E18), target(most_e18)) is None
    refusal = made.refuse(bid_for(E18), target(most_e18 + 1))
    assert isinstance(refusal, NoQuote)
    assert refusal.reason is Reason.PREMIUM_TOO_LARGE
    assert f"{most:g}" in refusal.text


def test_a_limit_without_end_limits_nothing() -> None:
    made = deposits(RfqDesk(deposit="1000000000", chain=False), float("inf"))
    assert made.refuse(bid_for(E18), target(999_999_999 * E18)) is None


def test_what_live_quotes_speak_for_is_not_spent_twice() -> None:
    desk = RfqDesk(deposit="400")
    quote = desk.quote()
    spoken = desk.engine.exposure.signed.premium(("rysk", "maker", "USD"))
    assert spoken == pytest.approx(quote.price_e18 / E18)
    left_e18 = int((Decimal(400) - Decimal(spoken)) * E18)
    made = deposits(desk)
    assert made.refuse(bid_for(E18), target(left_e18)) is None
    assert made.refuse(bid_for(E18), target(left_e18 + 1)) is not None


def test_a_new_balance_counts_at_once() -> None:
    desk = RfqDesk(deposit="1000")
    made = deposits(desk)
    price = target(500 * E18)
    assert made.refuse(bid_for(E18), price) is None
    desk.read_rysk(usd="400")
    refusal = made.refuse(bid_for(E18), price)
    assert isinstance(refusal, NoQuote)
    assert "400.00" in refusal.text


def test_before_the_first_balance_nothing_is_bought() -> None:
    desk = RfqDesk(chain=False)
    desk.engine.ledger.reported_balances.clear()
    refusal = deposits(desk).refuse(bid_for(E18), target(E18))
    assert isinstance(refusal, NoQuote)
    assert refusal.reason is Reason.ACCOUNT_DATA_STALE
