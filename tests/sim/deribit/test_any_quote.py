"""Whatever is quoted, the venue answers and never holds two quotes where one is allowed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atomizer.sim.deribit.settings import BUMPED_CANCELS, QUOTE_ERRORS
from tests.sim.deribit.client import PERP, World, run
from tests.sim.deribit.quoter import GROUP, INDEX, PORTFOLIO, quoter

NUMBERS = st.one_of(
    st.none(),
    st.sampled_from([0, 1, 2, 5, 19, 20, -1, 0.5, "3", "x", True, [], {}, 1e30]),
    st.integers(0, 40),
)
PRICES = st.one_of(
    st.none(),
    st.sampled_from([0.0005, 0.02, 0.0305, 0.031, 0.0315, 0.04, 0.5, 0, -1, 0.00001, "0.03", "x", 4000]),
)
SIDE = st.one_of(
    st.none(),
    st.just(5),
    st.fixed_dictionaries(
        {},
        optional={
            "price": PRICES,
            "amount": NUMBERS,
            "post_only": st.booleans(),
            "reject_post_only": st.booleans(),
        },
    ),
)
ENTRY = st.fixed_dictionaries(
    {"instrument_name": st.sampled_from([0, 1, 2, PERP, "ETH_USDC", "ETH-1JAN20", None])},
    optional={"quote_set_id": st.sampled_from(["a", "b", 3, None]), "bid": SIDE, "ask": SIDE},
)
CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "interval": st.sampled_from([0, 1, 60, -1, "x"]),
        "frozen_time": st.sampled_from([0, 1, 5]),
        "quantity_limit": st.sampled_from([5, 20, 0, None, 0.00001]),
        "delta_limit": st.sampled_from([1, 30, None]),
        "vega_limit": st.sampled_from([1, 1000, None]),
        "max_quote_quantity": st.sampled_from([3, 30, None, 10**9]),
    },
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("quote"), st.lists(ENTRY, max_size=3), st.booleans()),
        st.tuples(st.just("config"), CONFIG, st.sampled_from([GROUP, "two", ""])),
        st.tuples(
            st.just("cancel"),
            st.sampled_from(["all", "delta", "quote_set_id", "instrument", "currency", "x", None]),
            st.booleans(),
        ),
        st.tuples(st.just("hit"), st.sampled_from(["buy", "sell"]), st.integers(1, 30)),
        st.tuples(st.just("reset"), st.none(), st.none()),
    ),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize("speed_bump_ms", [0, 5])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.sampled_from(QUOTE_ERRORS), st.sampled_from(BUMPED_CANCELS))
def test_every_quote_is_answered_and_none_is_doubled(
    speed_bump_ms: float, steps: list[tuple[Any, ...]], errors: str, cancels: str
) -> None:
    async def scenario(world: World) -> None:
        maker, taker = await quoter(world), await world.connect(2)
        names = [option.name for option in world.market.options if option.strike == 4000.0][:3]
        for what, one, two in steps:
            if what == "quote":
                quotes = [
                    {**entry, "instrument_name": names[number]}
                    if isinstance(number := entry["instrument_name"], int)
                    else entry
                    for entry in one
                ]
                reply = await maker.raw(
                    "private/mass_quote", mmp_group=GROUP, quotes=quotes, detailed=two, wait_for_response=two
                )
            elif what == "config":
                given = {"interval": 60, "frozen_time": 1, **one}
                reply = await maker.raw("private/set_mmp_config", index_name=INDEX, mmp_group=two, **given)
            elif what == "cancel":
                reply = await maker.raw(
                    "private/cancel_quotes", cancel_type=one, instrument_name=names[0], quote_set_id="a",
                    currency="ETH", min_delta=0, max_delta=1, freeze_quotes=two,
                )  # fmt: skip
            elif what == "hit":
                order = {"instrument_name": names[0], "amount": two, "type": "market"}
                reply = await taker.raw(f"private/{one}", **order)
            else:
                reply = await maker.raw("private/reset_mmp", index_name=INDEX)
            assert ("result" in reply) != ("error" in reply)
            await asyncio.sleep(0.1)
            found = await maker.call("private/get_open_orders")
            places = Counter((o["mmp_group"], o["instrument_name"], o["direction"]) for o in found)
            assert max(places.values(), default=0) <= 1
        assert maker.closed_because is None
        await asyncio.sleep(0.1)
        assert all(order["order_state"] == "open" for order in await maker.call("private/get_open_orders"))

    changes = {
        "limits": False,
        "speed_bump_ms": speed_bump_ms,
        "quote_errors": errors,
        "bumped_cancel": cancels,
    }
    run(scenario, replace(PORTFOLIO, **changes))
