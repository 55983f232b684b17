"""Whatever a client sends, it gets one reply with its id and the venue goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atomizer.sim.deribit import DeribitTwinSettings
from atomizer.sim.deribit.twin import METHODS
from tests.sim.deribit.client import PERP, START, World, run
from tests.sim.deribit.eight import EXPIRY_NS, SECOND_NS, market

FUTURE, CALL = "ETH-28NOV25", "ETH-28NOV25-4000-C"

NAMES = [
    "instrument_name", "amount", "contracts", "price", "type", "time_in_force", "label", "post_only",
    "reduce_only", "valid_until", "order_id", "currency", "kind", "count", "sorting", "start_seq",
    "start_timestamp", "end_timestamp", "channels", "depth", "index_name", "interval", "scope", "grant_type",
    "client_id", "client_secret", "timestamp", "nonce", "signature", "refresh_token", "access_token",
    "currency_pair", "continuation", "offset", "extended", "mmp", "advanced", "state", "client_name",
    "combo_id", "trades", "legs", "margin_model", "simulated_positions", "length", "query", "subaccount_id",
    "user_id", "dry_run", "add_positions",
]  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        [PERP, "ETH", "USDC", FUTURE, CALL, "ETH_USDC", "ETH-5DEC25", "segregated_pm", "8h", 1, 2,
         "any", "limit", "market", "option", "future", "connection", "account", "asc",
         "true", "0", "1e999999",
         "client_signature", "client_credentials", "refresh_token", "sim-client-1", "eth_usd",
         "fill_or_kill", "1e-40", "-0", "NaN", 4000, 4000.05, 10, 1e15, 1e300]
    ),
    st.lists(st.sampled_from(["book", "user.orders", f"ticker.{PERP}.raw", "trades..", "."])),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.dictionaries(st.sampled_from([PERP, FUTURE, CALL, "x"]), st.integers(-(10**7), 10**7), max_size=2),
    st.lists(
        st.fixed_dictionaries(
            {"instrument_name": st.sampled_from([PERP, FUTURE, "ETH-5DEC25", CALL, "ETH-5DEC25-4000-P"])},
            optional={
                "amount": st.sampled_from([0, 1, -1, 10, 20, "10", None, 0.5]),
                "direction": st.sampled_from(["buy", "sell", "hold", None]),
            },
        ),
        max_size=3,
    ),
)  # fmt: skip
REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(sorted(set(METHODS) - {"private/logout"})),
        st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize("start_ns", [START, EXPIRY_NS + 3600 * SECOND_NS])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REQUESTS)
def test_every_request_is_answered(start_ns: int, requests: list[tuple[str, dict[str, Any]]]) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        for method, params in requests:
            reply = await client.raw(method, **params)
            assert ("result" in reply) != ("error" in reply)
            if "error" in reply:
                assert isinstance(reply["error"]["code"], int)
        await asyncio.sleep(0.2)
        assert client.closed_because is None
        assert (await client.raw("public/get_time"))["result"] > 0

    run(scenario, DeribitTwinSettings(limits=False), markets=[market()], start_ns=start_ns)
