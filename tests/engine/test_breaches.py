"""Limits against what is held: the market can carry a position over a limit that every order kept."""

from __future__ import annotations

from typing import Any

from atomizer.domain import events as ev
from atomizer.domain.commands import Breach, PlaceOrder, SendQuote
from atomizer.engine.settings import Limits

from .rfq_desk import NEAR_S, RfqDesk, option

LONG_CALLS = option("rysk", 4000.0, NEAR_S, is_call=True)


def look(desk: RfqDesk) -> list[Breach]:
    """A second later with fresh feeds, and one valuation of everything."""
    out: list[Any] = desk.refresh(31.0)
    out += desk.feed(ev.Look())
    return [item for item in out if isinstance(item, Breach)]


def held(**limits: float) -> RfqDesk:
    """A desk that held ten calls before its first run."""
    return RfqDesk(limits=Limits(**limits), listed=(LONG_CALLS,), options={LONG_CALLS.key: "10"})


def test_a_breach_is_recorded_once_when_it_begins_and_once_when_it_ends() -> None:
    desk = held(delta=4.0)
    (began,) = look(desk)
    assert (began.underlying, began.measure, began.limit, began.open) == ("ETH", "delta", 4.0, True)
    assert 5.0 < began.value < 6.0
    assert look(desk) == []
    desk.read_rysk({LONG_CALLS.key: "10"})
    quote = desk.quote(size="5", taker_buys=True)
    desk.win(quote)
    (ended,) = look(desk)
    assert (ended.measure, ended.open) == ("delta", False)
    assert look(desk) == []


def test_inside_the_limits_nothing_is_recorded() -> None:
    assert look(held()) == []


def test_beyond_a_limit_what_reduces_is_quoted_and_what_adds_is_not() -> None:
    desk = held(delta=4.0)
    look(desk)
    assert not isinstance(desk.ask(size="1"), SendQuote)
    assert isinstance(desk.ask(size="1", taker_buys=True), SendQuote)


def test_a_breach_sends_no_order_of_its_own() -> None:
    desk = held(delta=4.0)
    out = desk.refresh(31.0) + desk.feed(ev.Look())
    assert [item for item in out if isinstance(item, Breach)]
    assert not [item for item in out if isinstance(item, PlaceOrder)]
