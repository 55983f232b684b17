from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.models.inputs import ModelInputError
from atomizer.models.package import (
    Leg,
    PackageQuote,
    Sensitivities,
    after_trade,
    package_quote,
    risk_covariance,
)

numbers = st.floats(-50.0, 50.0)
books = st.builds(Sensitivities, delta=numbers, vega=st.floats(-1e5, 1e5), gamma=st.floats(-0.5, 0.5))
legs_of_one = st.builds(
    Leg,
    ratio=st.sampled_from([1.0, -1.0, 2.0]),
    fair=st.floats(1.0, 500.0),
    sensitivities=st.builds(
        Sensitivities, delta=st.floats(-1.0, 1.0), vega=st.floats(0.0, 900.0), gamma=st.floats(0.0, 1e-3)
    ),
)
packages = st.lists(legs_of_one, min_size=1, max_size=4)


def covariance(*, delta_hedged: bool, complete: bool = False) -> object:
    return risk_covariance(
        3000.0, 0.6, 0.7, -0.3, 1.0 / 365.0, delta_hedged=delta_hedged, complete_market=complete
    )


def quote(
    legs: list[Leg], book: Sensitivities, size: float = 5.0, *, hedged: bool = True, complete: bool = False
) -> PackageQuote:
    return package_quote(
        legs,
        book,
        covariance(delta_hedged=hedged, complete=complete),  # type: ignore[arg-type]
        size=size,
        risk_aversion=1e-4,
        horizon_years=1.0 / 365.0,
    )


@given(packages, books, st.floats(0.0, 20.0), st.booleans())
def test_bid_after_buying_is_never_higher(
    legs: list[Leg], book: Sensitivities, size: float, hedged: bool
) -> None:
    before = quote(legs, book, size, hedged=hedged)
    after = quote(legs, after_trade(book, before.sensitivities, size), size, hedged=hedged)
    slack = 1e-9 * (abs(before.bid) + abs(before.fair))
    assert after.bid <= before.bid + slack
    assert after.ask <= before.ask + slack


@given(packages, books, st.floats(0.0, 20.0), st.floats(1.0, 4.0))
def test_larger_size_gets_a_worse_price(
    legs: list[Leg], book: Sensitivities, size: float, factor: float
) -> None:
    small, large = quote(legs, book, size), quote(legs, book, size * factor)
    slack = 1e-9 * (abs(small.fair) + abs(small.bid))
    assert large.bid <= small.bid + slack
    assert large.ask >= small.ask - slack


@given(packages, books)
def test_complete_market_quotes_do_not_depend_on_inventory(legs: list[Leg], book: Sensitivities) -> None:
    found = quote(legs, book, complete=True)
    assert found.bid == found.ask == found.fair


@given(packages, books, numbers)
def test_delta_hedged_book_does_not_skew_on_delta(legs: list[Leg], book: Sensitivities, more: float) -> None:
    moved = Sensitivities(book.delta + more, book.vega, book.gamma)
    assert quote(legs, book).bid == quote(legs, moved).bid


@given(books, st.floats(0.0, 50.0))
def test_unhedged_book_bids_lower_for_a_call_when_longer_delta(book: Sensitivities, more: float) -> None:
    call = [Leg(1.0, 100.0, Sensitivities(0.5, 0.0, 0.0))]
    longer = Sensitivities(book.delta + more, book.vega, book.gamma)
    assert quote(call, longer, hedged=False).bid <= quote(call, book, hedged=False).bid


@given(books, st.floats(0.0, 1e4))
def test_delta_hedged_book_bids_lower_when_longer_vega(book: Sensitivities, more: float) -> None:
    call = [Leg(1.0, 100.0, Sensitivities(0.5, 300.0, 5e-4))]
    longer = Sensitivities(book.delta, book.vega + more, book.gamma)
    assert quote(call, longer).bid <= quote(call, book).bid


def test_book_long_the_call_but_shorter_vega_elsewhere_bids_above_fair() -> None:
    call = [Leg(1.0, 100.0, Sensitivities(0.5, 300.0, 0.0))]
    assert quote(call, Sensitivities(10.0, -20_000.0, 0.0), size=0.0).bid > 100.0


def test_shift_and_size_cost_rebuild_the_reservation_prices() -> None:
    call = [Leg(1.0, 100.0, Sensitivities(0.5, 300.0, 5e-4))]
    found = quote(call, Sensitivities(3.0, 1e4, 0.1))
    assert found.fair - found.inventory_shift - found.size_cost == pytest.approx(found.bid)
    assert found.fair - found.inventory_shift + found.size_cost == pytest.approx(found.ask)
    assert found.inventory_shift > 0.0
    assert found.size_cost > 0.0


def test_legs_that_cancel_cost_nothing_to_hold() -> None:
    one = Sensitivities(0.5, 300.0, 5e-4)
    found = quote([Leg(1.0, 100.0, one), Leg(-1.0, 90.0, one)], Sensitivities(3.0, 1e4, 0.1))
    assert found.bid == found.ask == pytest.approx(10.0)


def test_book_that_is_no_number_is_refused() -> None:
    call = [Leg(1.0, 100.0, Sensitivities(0.5, 300.0, 5e-4))]
    with pytest.raises(ModelInputError, match="book_vega"):
        quote(call, Sensitivities(0.0, math.nan, 0.0))


def test_package_without_legs_is_refused() -> None:
    with pytest.raises(ModelInputError, match="legs"):
        quote([], Sensitivities(0.0, 0.0, 0.0))


def test_correlation_beyond_one_is_refused() -> None:
    with pytest.raises(ModelInputError, match="rho"):
        risk_covariance(3000.0, 0.6, 0.7, -1.3, 0.001, delta_hedged=True)
