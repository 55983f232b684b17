"""Over 08:00 UTC: states, settlement, funding, two-step delivery, and money to the last digit."""

from __future__ import annotations

from decimal import Decimal

from atomizer.sim.deribit import DeribitTwinSettings
from tests.sim.deribit.client import PERP, RawClient, World, run
from tests.sim.deribit.eight import (
    EXPIRY_NS,
    SECOND_NS,
    average,
    change,
    coin,
    exact,
    funding,
    log,
    market,
    until,
)

FUTURE = "ETH-28NOV25"
LATER = "ETH-5DEC25"
BEFORE_NS = 40 * 60 * SECOND_NS
QUIET = DeribitTwinSettings(takers=False, idle_close_s=86_400.0)


async def buy(client: RawClient, name: str, amount: float, side: str = "buy") -> list[dict[str, object]]:
    reply = await client.call(f"private/{side}", instrument_name=name, amount=amount, type="market")
    assert reply["order"]["order_state"] == "filled"
    trades: list[dict[str, object]] = reply["trades"]
    return trades


def coins(trades: list[dict[str, object]]) -> Decimal:
    """Coins of the fills of a future, not rounded."""
    return sum((exact(t["amount"]) / exact(t["price"]) for t in trades), Decimal(0))  # type: ignore[arg-type]


def paid(trades: list[dict[str, object]], key: str) -> Decimal:
    return sum((exact(t[key]) for t in trades), Decimal(0))  # type: ignore[arg-type]


def around(world: World) -> tuple[float, float]:
    """The strikes next to the index that it will not cross in the last hour."""
    index = world.market.state(world.clock.now_ns()).index
    every = sorted({o.strike for o in world.market.options if o.expiry_ns == EXPIRY_NS})
    return max(k for k in every if k < index - 60), min(k for k in every if k > index + 60)


def premium(trades: list[dict[str, object]], side: int) -> Decimal:
    """Cash of option fills: what a buyer pays is rounded per fill."""
    return sum(
        (-side * coin(exact(t["amount"]) * exact(t["price"])) for t in trades),  # type: ignore[arg-type]
        Decimal(0),
    )


def delivery_fee(amount: int, worth: Decimal) -> Decimal:
    """0.015 % of a coin for each, at most an eighth of what it is worth."""
    return coin(amount * min(Decimal("0.00015"), Decimal("0.125") * worth))


def test_positions_become_cash_to_the_last_digit_and_the_log_explains_all_of_it() -> None:
    chosen = market()

    async def scenario(world: World) -> None:
        client = await world.connect(1)
        low, high = around(world)
        call, put, lottery = f"{FUTURE}-{low:g}-C", f"{FUTURE}-{high:g}-P", f"{FUTURE}-{high:g}-C"
        perpetual = await buy(client, PERP, 20_000)
        hedge = await buy(client, FUTURE, 12_000, "sell")
        later = await buy(client, LATER, 8_000)
        options = (
            await buy(client, call, 5),
            await buy(client, put, 3, "sell"),
            await buy(client, lottery, 2),
        )
        await until(world, EXPIRY_NS + 2 * SECOND_NS)
        await client.login()

        delivered, state = average(chosen), market().state(EXPIRY_NS)
        k_call, k_put = Decimal(int(low)), Decimal(int(high))
        assert k_call < delivered < k_put
        cash = Decimal(500)
        cash += premium(options[0], 1) + premium(options[1], -1) + premium(options[2], 1)
        cash -= sum((paid(ts, "fee") for ts in (perpetual, hedge, later, *options)), Decimal(0))
        # The daily settlement pays what the perpetual and the later future made against their marks.
        marked = exact(round(state.perpetual, 4))
        cash += coin(coins(perpetual) - 20_000 / marked)
        funded = coin(20_000 * funding(chosen, EXPIRY_NS - BEFORE_NS, EXPIRY_NS))
        assert funded != 0
        cash -= funded
        week = exact(round(state.forward(EXPIRY_NS + 7 * 86_400 * SECOND_NS), 4))
        cash += coin(coins(later) - 8_000 / week)
        # The long call becomes 5 K USD bought at K, the short put 3 K USD bought at K; 12,000 USD were sold.
        cash -= delivery_fee(5, (delivered - k_call) / delivered) + delivery_fee(
            3, (k_put - delivered) / delivered
        )
        closed = Decimal(12_000) / k_call
        cash += coin(closed - coins(hedge))
        size, basis = 5 * k_call - 12_000 + 3 * k_put, 5 - closed + 3
        cash += coin(basis - size / delivered)
        # 28 November is the last Friday of its month: a monthly future pays for its delivery.
        cash -= coin(size * Decimal("0.00025") / delivered)

        summary = await client.call("private/get_account_summary", currency="ETH")
        assert exact(summary["balance"]) == cash
        rows = await log(client)
        assert change(rows) == cash == exact(rows[-1]["balance"])
        events = [
            (row["type"], row["instrument_name"]) for row in rows if row["type"] not in ("trade", "deposit")
        ]
        assert sorted(events[:3]) == sorted([("delivery", call), ("delivery", put), ("delivery", lottery)])
        assert events[3:] == [("delivery", FUTURE), ("settlement", PERP), ("settlement", LATER)]
        held = {p["instrument_name"]: p for p in await client.call("private/get_positions", currency="ETH")}
        assert {name: p["size"] for name, p in held.items()} == {PERP: 20_000.0, LATER: 8_000.0}
        assert held[PERP]["settlement_price"] == float(marked)
        prices = await client.call("public/get_delivery_prices", index_name="eth_usd")
        assert prices["data"] == [{"date": "2025-11-28", "delivery_price": float(delivered)}]

        # Flat again: equity is the balance plus this session, and settles into the balance the next day.
        await until(world, EXPIRY_NS + 10 * SECOND_NS)
        await buy(client, PERP, 20_000, "sell")
        await buy(client, LATER, 8_000, "sell")
        summary = await client.call("private/get_account_summary", currency="ETH")
        assert summary["session_upl"] == summary["options_value"] == 0.0
        assert exact(summary["equity"]) == exact(summary["balance"]) + exact(summary["session_rpl"])

    run(scenario, QUIET, markets=[chosen], start_ns=EXPIRY_NS - BEFORE_NS)
