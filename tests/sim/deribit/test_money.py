"""Money between accounts: conserved, logged, charged, margined; in coin, in USDC, under two models."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from atomizer.sim import market as market_module
from atomizer.sim.deribit import DeribitTwinSettings
from atomizer.sim.deribit.accounts import value
from atomizer.sim.deribit.settings import FeeOverride
from atomizer.sim.market import Market
from tests.sim.deribit.client import PERP, START, RawClient, RefusedError, World, run
from tests.sim.deribit.eight import EXPIRY_NS, SECOND_NS, change, coin, exact, funding, log, market, until

FUTURE, LATER = "ETH-28NOV25", "ETH-5DEC25"
BEFORE_NS = 20 * 60 * SECOND_NS
QUIET = DeribitTwinSettings(takers=False, idle_close_s=86_400.0)
RICH = replace(QUIET, deposits=(("USDC", Decimal(1_000_000)),))


async def trade(client: RawClient, side: str, name: str, amount: float, **more: Any) -> list[dict[str, Any]]:
    params = {"type": "market"} | more
    reply = await client.call(f"private/{side}", instrument_name=name, amount=amount, **params)
    return list(reply["trades"])


def everything(world: World, currency: str = "ETH") -> Decimal:
    """Equity of every account, the anonymous one included, and what the venue took in fees."""
    exchange = world.twin.exchange

    return sum(
        (
            value(account, currency, exchange.marks(currency)).cash + account.wallets[currency].fees
            for account in exchange.everybody
        ),
        Decimal(0),
    )


def test_money_is_conserved_through_trades_settlement_delivery_and_the_session_after() -> None:
    async def scenario(world: World) -> None:
        first, second = await world.connect(1), await world.connect(2)
        index = world.market.state(world.clock.now_ns()).index
        strikes = sorted({o.strike for o in world.market.options if o.expiry_ns == EXPIRY_NS})
        low = max(k for k in strikes if k < index - 60)
        call = f"{FUTURE}-{low:g}-C"
        start = everything(world)
        assert start == 1000
        # With makers, and with each other.
        await trade(first, "buy", PERP, 30_000)
        await trade(second, "sell", FUTURE, 7_000)
        await trade(second, "buy", call, 4)
        ticker = await first.call("public/ticker", instrument_name=LATER)
        price = round((ticker["best_bid_price"] + 0.05) / 0.05) * 0.05
        await trade(first, "buy", LATER, 5_000, type="limit", price=round(price, 2), post_only=True)
        assert await trade(second, "sell", LATER, 5_000, type="limit", price=round(price, 2))
        assert everything(world) == start
        await until(world, EXPIRY_NS + 10 * SECOND_NS)
        await asyncio.gather(first.login(1), second.login(2))
        # Three accounts hold one future: each share is rounded by itself.
        assert abs(everything(world) - start) <= 4 * Decimal("1e-8")
        await trade(first, "sell", PERP, 30_000)
        for client in (first, second):
            rows = await log(client)
            summary = await client.call("private/get_account_summary", currency="ETH")
            assert change(rows) == exact(summary["balance"])
            earned = exact(summary["session_rpl"]) + exact(summary["session_upl"])
            assert exact(summary["equity"]) == change(rows) + earned
            balances = [exact(row["balance"]) for row in rows]
            steps = [exact(row["change"]) for row in rows]
            assert balances == [sum(steps[: n + 1], Decimal(0)) for n in range(len(rows))]
            assert [row["user_seq"] for row in rows] == list(range(1, len(rows) + 1))

    run(scenario, QUIET, markets=[market()], start_ns=EXPIRY_NS - BEFORE_NS)


def test_a_perpetual_that_trades_far_above_its_index_is_paid_for_by_the_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wild = replace(market_module.BEHAVIOURS["ETH"], basis_sd=0.002)
    monkeypatch.setitem(market_module.BEHAVIOURS, "ETH", wild)
    chosen = market()
    monkeypatch.setattr(chosen, "behaviour", wild)

    async def scenario(world: World) -> None:
        client, other = await world.connect(1), await world.connect(2)
        bought = await trade(client, "buy", PERP, 100_000)
        await trade(other, "sell", PERP, 100_000)
        opened = world.clock.now_ns()
        await until(world, EXPIRY_NS - SECOND_NS // 2)
        await asyncio.gather(client.login(1), other.login(2))
        ticker = await client.call("public/ticker", instrument_name=PERP)
        premium = ticker["mark_price"] / ticker["index_price"] - 1.0
        rate = max(0.00025, premium) + min(-0.00025, premium)
        assert ticker["current_funding"] == pytest.approx(rate, abs=1e-7)
        position = await client.call("private/get_position", instrument_name=PERP)
        per_usd = funding(chosen, opened - opened % SECOND_NS, EXPIRY_NS - SECOND_NS)
        paid = coin(100_000 * per_usd)
        assert abs(paid) > Decimal("0.00001")
        assert exact(position["realized_funding"]) == -paid
        assert (
            exact((await other.call("private/get_position", instrument_name=PERP))["realized_funding"])
            == paid
        )
        summary = await client.call("private/get_account_summary", currency="ETH")
        assert exact(summary["session_rpl"]) == -paid
        span = {"start_timestamp": opened // 10**6, "end_timestamp": EXPIRY_NS // 10**6}
        value = await client.call("public/get_funding_rate_value", instrument_name=PERP, **span)
        # Interest is a share of the position; in coins it is that share of what the position was worth.
        coins = sum(t["amount"] / t["price"] for t in bought)
        assert value * coins == pytest.approx(float(paid), rel=0.01)
        chart = await client.call("public/get_funding_chart_data", instrument_name=PERP, length="8h")
        assert chart["interest_8h"] == pytest.approx(value, rel=0.05)
        await until(world, EXPIRY_NS + SECOND_NS)
        (row,) = [r for r in await log(client, query="settlement") if r["instrument_name"] == PERP]
        whole = coin(100_000 * funding(chosen, opened - opened % SECOND_NS, EXPIRY_NS))
        assert exact(row["total_interest_pl"]) == -whole
        assert exact(row["change"]) == exact(row["session_rpl"]) + exact(row["session_upl"])
        history = await client.call("private/get_settlement_history_by_instrument", instrument_name=PERP)
        assert exact(history["settlements"][0]["funding"]) == -whole

    run(scenario, QUIET, markets=[chosen], start_ns=EXPIRY_NS - BEFORE_NS)


def test_spot_exchanges_coins_for_usdc_and_orders_reserve_what_they_spend() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        (done,) = await trade(client, "buy", "ETH_USDC", 1.5)
        paid = coin(exact(done["amount"]) * exact(done["price"]))
        ether = await client.call("private/get_account_summary", currency="ETH")
        dollars = await client.call("private/get_account_summary", currency="USDC")
        assert exact(ether["balance"]) == Decimal("501.5")
        assert exact(dollars["balance"]) == 1_000_000 - paid
        assert await client.call("private/get_positions") == []
        assert change(await log(client, "USDC")) == exact(dollars["balance"])
        await trade(client, "buy", "ETH_USDC", 10, type="limit", price=3900, post_only=True)
        held = await client.call("private/get_account_summary", currency="USDC")
        assert held["spot_reserve"] == 39_000.0
        assert held["available_funds"] == pytest.approx(dollars["available_funds"] - 39_000.0)
        with pytest.raises(RefusedError) as caught:
            await trade(client, "sell", "ETH_USDC", 600, type="limit", price=4300)
        assert caught.value.code == 10009
        _, equity = await world.get("/sim/equity")
        ours = {one["currency"]: one for one in equity["currencies"]}
        assert equity["usd"] == pytest.approx(
            float(ours["ETH"]["equity"]) * ours["ETH"]["index"] + float(ours["USDC"]["equity"])
        )

    run(scenario, RICH)


def test_margin_of_a_future_grows_with_its_coins() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        await trade(client, "buy", PERP, 400_000)
        position = await client.call("private/get_position", instrument_name=PERP)
        coins = position["size_currency"]
        assert position["initial_margin"] == pytest.approx((0.02 + 0.01 * coins / 5000) * coins, rel=1e-6)
        assert position["maintenance_margin"] == pytest.approx((0.01 + 0.01 * coins / 5000) * coins, rel=1e-6)
        await trade(client, "buy", PERP, 100_000, type="limit", price=3900)
        (held,) = await client.call("private/get_positions", currency="ETH")
        summary = await client.call("private/get_account_summary", currency="ETH")
        whole = held["initial_margin"] + held["open_orders_margin"]
        assert summary["initial_margin"] == pytest.approx(whole, rel=1e-4)
        assert held["open_orders_margin"] > 0.02 * 25

    run(scenario)


def test_portfolio_margin_nets_what_standard_margin_adds_up() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        call, further = f"{LATER}-4000-C", f"{LATER}-4200-C"
        await trade(client, "sell", call, 20)
        await trade(client, "buy", further, 20)
        await trade(client, "buy", LATER, 8_000)
        before = await client.call("private/get_account_summary", currency="ETH")
        assert before["margin_model"] == "segregated_sm"
        assert before["initial_margin"] > 0.1 * 20
        dry = await client.call("private/change_margin_model", margin_model="segregated_pm", dry_run=True)
        assert [one["currency"] for one in dry] == ["ETH", "USDC"]
        assert (await client.call("private/get_account_summary", currency="ETH"))[
            "margin_model"
        ] == "segregated_sm"
        await client.call("private/change_margin_model", margin_model="segregated_pm")
        after = await client.call("private/get_account_summary", currency="ETH")
        assert after["portfolio_margining_enabled"] is True
        assert 0 < after["maintenance_margin"] < after["initial_margin"] < before["initial_margin"]
        assert after["margin_balance"] == after["equity"]
        alone = await client.call(
            "private/simulate_portfolio", currency="ETH", add_positions=False, simulated_positions={call: -20}
        )
        assert alone["initial_margin"] > after["initial_margin"]
        assert alone["delta_total"] < 0
        with pytest.raises(RefusedError) as caught:
            await client.call("private/change_margin_model", margin_model="cross_pm")
        assert caught.value.data["param"] == "margin_model"

    run(scenario)


@pytest.mark.parametrize("model", ["segregated_sm", "segregated_pm"])
def test_orders_beyond_the_margin_are_refused_under_each_model(model: str) -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        with pytest.raises(RefusedError) as caught:
            await trade(client, "sell", f"{LATER}-4000-C", 100, type="limit", price=0.2)
        assert caught.value.code == 10009
        assert await trade(client, "sell", f"{LATER}-4000-C", 5, type="limit", price=0.2) == []
        margins = await client.call(
            "private/get_margins", instrument_name=f"{LATER}-4000-C", amount=5, price=0.05
        )
        assert 0.5 < margins["sell"] < 1.5
        assert margins["buy"] == pytest.approx(0.25)

    run(scenario, replace(QUIET, deposit=Decimal(2), margin_model=model))


def test_rates_of_an_account_replace_the_listed_ones_for_it_alone() -> None:
    own = FeeOverride("main", "perpetual", Decimal("-0.0001"), Decimal("0.0002"))

    async def scenario(world: World) -> None:
        main, second = await world.connect(1), await world.connect(2)
        (mine, *_), (theirs, *_) = await trade(main, "buy", PERP, 100), await trade(second, "buy", PERP, 100)
        for done, rate in ((mine, "0.0002"), (theirs, "0.0005")):
            assert exact(done["fee"]) == (Decimal(rate) * 100 / exact(done["price"])).quantize(
                Decimal("1e-8")
            )
        summary = await main.call("private/get_account_summary", currency="ETH", extended=True)
        rates = {"type": "fixed", "maker": -0.0001, "taker": 0.0002}
        assert summary["fees"] == {"eth_usd": {"perpetual": {"default": rates}}}
        assert "fees" not in await second.call("private/get_account_summary", currency="ETH", extended=True)

    run(scenario, replace(QUIET, fees=(own,)))


def test_the_main_account_sees_the_others_and_they_see_themselves() -> None:
    async def scenario(world: World) -> None:
        main, second = await world.connect(1), await world.connect(2)
        found = await main.call("private/get_subaccounts", with_portfolio=True)
        assert [(one["username"], one["type"]) for one in found] == [
            ("main", "main"),
            ("second", "subaccount"),
        ]
        assert found[1]["portfolio"]["eth"]["equity"] == 500.0
        assert [one["id"] for one in await second.call("private/get_subaccounts")] == [2]
        await trade(second, "buy", PERP, 1000)
        seen = await main.call("private/get_positions", currency="ETH", subaccount_id=2)
        assert seen[0]["size"] == 1000.0
        with pytest.raises(RefusedError) as caught:
            await second.call("private/get_positions", currency="ETH", subaccount_id=1)
        assert caught.value.code == 13021
        both = await main.call("private/get_account_summaries", subaccount_id=2, extended=True)
        assert both["username"] == "second"

    run(scenario)


def test_the_log_pages_filters_and_costs_what_the_venue_says() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        for _ in range(4):
            await trade(client, "buy", PERP, 100)
        await trade(client, "sell", PERP, 900)
        rows = await log(client)
        assert [row["type"] for row in rows] == ["deposit"] + ["trade"] * (len(rows) - 1)
        # A trade through zero is two rows: what it closed, and what it opened.
        assert [row["side"] for row in rows[-2:]] == ["close sell", "open sell"]
        assert rows[-2]["trade_id"] == rows[-1]["trade_id"]
        assert rows[-1]["position"] == -500.0
        await asyncio.sleep(10)
        buys = await log(client, query="buy")
        assert {row["side"] for row in buys} == {"open buy"}
        params = {"currency": "ETH", "start_timestamp": 0, "end_timestamp": 2**45}
        with pytest.raises(RefusedError) as caught:
            for _ in range(12):
                await client.call("private/get_transaction_log", **params)
        assert caught.value.code == 10028

    run(scenario)


def test_two_coins_settle_side_by_side() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        for coin_ in ("ETH", "BTC"):
            await trade(client, "buy", f"{coin_}-28NOV25", 10_000)
            await trade(client, "buy", f"{coin_}-PERPETUAL", 10_000)
        await until(world, EXPIRY_NS + SECOND_NS)
        await client.login(1)
        for coin_ in ("ETH", "BTC"):
            rows = await log(client, coin_)
            kinds = [(row["type"], row["instrument_name"]) for row in rows if row["type"] != "trade"]
            assert kinds == [
                ("deposit", None),
                ("delivery", f"{coin_}-28NOV25"),
                ("settlement", f"{coin_}-PERPETUAL"),
            ]
            summary = await client.call("private/get_account_summary", currency=coin_)
            assert change(rows) == exact(summary["balance"])
            (held,) = await client.call("private/get_positions", currency=coin_)
            assert held["size"] == 10_000.0

    both = [market(), market("BTC")]
    run(scenario, QUIET, markets=both, start_ns=EXPIRY_NS - BEFORE_NS)


def test_a_venue_started_after_an_expiry_lists_what_follows_it() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect()
        names = {one["instrument_name"] for one in await client.call("public/get_instruments", kind="future")}
        assert names == {PERP, "ETH-5DEC25", "ETH-12DEC25", "ETH-19DEC25"}
        old = await client.call("public/get_instruments", kind="future", expired=True)
        assert [one["instrument_name"] for one in old] == [FUTURE]

    run(scenario, QUIET, market=Market(7, START, step_ms=1000), start_ns=EXPIRY_NS + 3600 * SECOND_NS)
