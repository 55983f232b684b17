"""Hedge groups: first in first out, exact to the last fill, alive across a snapshot."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomizer.domain.bookings import Fill, RfqTrade, booking_key
from atomizer.domain.instruments import Side
from atomizer.engine.groups import Groups
from tests.engine.bench_desk import PERP, T0
from tests.engine.rfq_desk import NEAR_S, option

CALL = option("rysk", 4000.0, NEAR_S, is_call=True)
LISTED = option("deribit", 4000.0, NEAR_S, is_call=True)
KNOWN = {item.key: item for item in (CALL, LISTED, PERP)}


def trade(nonce: int, size: str, price: str = "100", side: Side = Side.BUY) -> RfqTrade:
    return RfqTrade(
        venue="rysk",
        account="maker",
        instrument=CALL.key,
        nonce=nonce,
        side=side,
        price=Decimal(price),
        size=Decimal(size),
        premium_currency="USD",
        ts_ns=T0,
    )


def hedge(usd: int, price: str = "4000", side: Side = Side.SELL, fee: str = "0", number: int = 1) -> Fill:
    return Fill(
        venue="deribit",
        account="main",
        instrument=PERP.key,
        trade_id=str(number),
        side=side,
        price=Decimal(price),
        size=Decimal(usd),
        fee=Decimal(fee),
        fee_currency="ETH",
        order_id=number,
        ts_ns=T0,
    )


def mark(key: str) -> float:
    return {CALL.key: 110.0, LISTED.key: 0.028, PERP.key: 4100.0}[key]


def test_a_trade_and_its_hedge_are_one_group_whose_equity_is_their_sum() -> None:
    groups, bought = Groups(), trade(1, "2")
    groups.rfq_trade(bought, CALL, 0.5)
    groups.hedge(hedge(4000, fee="0.0005"), PERP, "")
    group = groups.groups[booking_key(bought)]
    coins = -4000 / 4000 + 4000 / 4100
    assert group.equity(KNOWN, mark, 4100.0) == pytest.approx(2 * 10.0 + (coins - 0.0005) * 4100.0)
    assert list(groups.groups) == [booking_key(bought)]
    assert groups.uncovered("ETH") == ()


def test_a_net_hedge_covers_the_oldest_trade_first_and_the_rest_is_nobodys() -> None:
    groups = Groups()
    for nonce in (1, 2):
        groups.rfq_trade(trade(nonce, "2"), CALL, 0.5)
    groups.hedge(hedge(6000), PERP, "")
    assert groups.groups["rysk/maker/rfq/1"].sizes[PERP.key] == pytest.approx(-4000)
    assert groups.groups["rysk/maker/rfq/2"].sizes[PERP.key] == pytest.approx(-2000)
    assert groups.uncovered("ETH") == ("rysk/maker/rfq/2",)
    groups.hedge(hedge(6000, number=2), PERP, "")
    assert groups.groups["hedge/ETH"].sizes[PERP.key] == pytest.approx(-4000)


def test_trades_of_opposite_delta_cover_each_other() -> None:
    groups = Groups()
    groups.rfq_trade(trade(1, "2"), CALL, 0.5)
    groups.rfq_trade(trade(2, "1", side=Side.SELL), CALL, -0.5)
    assert [(item.key, item.delta) for item in groups.open["ETH"]] == [("rysk/maker/rfq/1", 0.5)]


def test_a_resold_option_belongs_to_its_trade_whole() -> None:
    groups = Groups()
    groups.rfq_trade(trade(1, "1"), CALL, 0.5)
    sold = msgspec.structs.replace(hedge(1, price="0.03"), instrument=LISTED.key)
    groups.hedge(sold, LISTED, "rysk/maker/rfq/1")
    group = groups.groups["rysk/maker/rfq/1"]
    assert group.equity(KNOWN, mark, 4100.0) == pytest.approx(10.0 + (0.03 - 0.028) * 4100.0)


def test_a_busted_trade_has_no_group_and_flat_leaves_nothing_open() -> None:
    groups = Groups()
    groups.rfq_trade(trade(1, "1"), CALL, 0.5)
    groups.rfq_trade(trade(2, "1"), CALL, 0.5)
    groups.drop("rysk/maker/rfq/1")
    assert groups.uncovered("ETH") == ("rysk/maker/rfq/2",)
    groups.flat("ETH")
    assert groups.uncovered("ETH") == ()


EVENTS = st.lists(st.tuples(st.booleans(), st.integers(1, 5000), st.booleans()), max_size=25)


@given(EVENTS)
def test_the_groups_add_up_to_everything_traded_and_survive_a_snapshot(
    drawn: list[tuple[bool, int, bool]],
) -> None:
    groups, calls, perp = Groups(), 0.0, 0.0
    for number, (is_trade, size, buys) in enumerate(drawn, 1):
        side = Side.BUY if buys else Side.SELL
        if is_trade:
            groups.rfq_trade(trade(number, str(size), side=side), CALL, 0.5 * side)
            calls += side * size
        else:
            groups.hedge(hedge(size, side=side, number=number), PERP, "")
            perp += side * size
    restored = Groups()
    restored.restore(json.loads(json.dumps(groups.state())))
    for found in (groups, restored):
        held = found.groups.values()
        assert sum(item.sizes.get(CALL.key, 0.0) for item in held) == pytest.approx(calls)
        assert sum(item.sizes.get(PERP.key, 0.0) for item in held) == pytest.approx(perp, abs=1e-6)
        signs = {item.delta > 0.0 for item in found.open.get("ETH", [])}
        assert len(signs) <= 1, "open trades of both signs would have covered each other"
