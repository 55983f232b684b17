"""ETH and BTC on one venue: one set of accounts, one clock, money kept apart by currency."""

from __future__ import annotations

from decimal import Decimal

import pytest

from atomizer.net.virtual import VirtualClock
from atomizer.sim.deribit import DeribitTwin, DeribitTwinSettings
from atomizer.sim.market import Market
from tests.sim.deribit.client import START, World, run

BOTH = (Market(7, START), Market(7, START, underlying="BTC"))


def test_each_coin_has_its_instruments_prices_and_books() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        for coin, index in (("ETH", 4000.0), ("BTC", 110_000.0)):
            listed = await client.call("public/get_instruments", currency=coin)
            assert {one["base_currency"] for one in listed} == {coin}
            ticker = await client.call("public/ticker", instrument_name=f"{coin}-PERPETUAL")
            assert ticker["mark_price"] == pytest.approx(index, rel=0.01)
            price = await client.call("public/get_index_price", index_name=f"{coin.lower()}_usd")
            assert price["index_price"] == pytest.approx(index, rel=0.01)
        every = await client.call("public/get_instruments", currency="any")
        assert len({one["instrument_id"] for one in every}) == len(every)
        granted = await client.call(
            "public/subscribe", channels=["deribit_price_index.btc_usd", "markprice.options.eth_usd"]
        )
        assert len(granted) == 2

    run(scenario, markets=BOTH)


def test_money_of_one_coin_does_not_move_the_other() -> None:
    async def scenario(world: World) -> None:
        client = await world.connect(1)
        reply = await client.call(
            "private/buy", instrument_name="BTC-PERPETUAL", amount=50_000, type="market"
        )
        assert reply["trades"][0]["fee_currency"] == "BTC"
        ether = await client.call("private/get_account_summary", currency="ETH")
        bitcoin = await client.call("private/get_account_summary", currency="BTC")
        assert (ether["equity"], ether["initial_margin"]) == (500.0, 0.0)
        assert bitcoin["equity"] < 20.0
        assert bitcoin["delta_total"] == pytest.approx(50_000 / 110_000, rel=0.01)
        _, equity = await world.get("/sim/equity")
        assert (equity["currency"], equity["equity"]) == ("ETH", "500.00000000")
        assert [one["currency"] for one in equity["currencies"]] == ["ETH", "BTC", "USDC"]
        assert Decimal(equity["currencies"][1]["equity"]) == Decimal(str(bitcoin["equity"]))
        positions = await client.call("private/get_positions", currency="BTC")
        assert [one["instrument_name"] for one in positions] == ["BTC-PERPETUAL"]
        assert await client.call("private/get_positions", currency="ETH") == []

    run(scenario, markets=BOTH)


@pytest.mark.parametrize(
    "markets",
    [(), (BOTH[0], BOTH[0]), (BOTH[0], Market(7, START + 1, underlying="BTC"))],
)
def test_markets_that_do_not_belong_together_are_refused(markets: tuple[Market, ...]) -> None:
    with pytest.raises(ValueError, match="expected markets"):
        DeribitTwin(markets, DeribitTwinSettings(), VirtualClock(START))
