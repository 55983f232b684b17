"""Several tokens on one venue: a socket each, prices on their own market, a staked one at its ratio."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from atomizer.net.virtual import DEFAULT_START_NS
from atomizer.sim.market import Market
from atomizer.sim.rysk.behaviour import Behaviour, SettingsError
from atomizer.sim.rysk.fair import Valuer, fair_value
from atomizer.sim.rysk.settings import default_settings
from tests.independent.wire import JudgeError, exact_json, fetch
from tests.sim.rysk.harness import HTTP, Scene, play


def test_every_token_has_a_socket_and_clients_of_its_own() -> None:
    async def scenario(scene: Scene) -> None:
        wires = {asset.symbol: await scene.listen(asset.address) for asset in scene.settings.assets}
        heard: dict[str, list[dict[str, Any]]] = {symbol: [] for symbol in wires}

        async def listen(symbol: str) -> None:
            while True:
                heard[symbol].append(exact_json(await wires[symbol].receive())["result"])

        tasks = [asyncio.get_running_loop().create_task(listen(symbol)) for symbol in wires]
        await scene.wait(600.0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert sorted(heard) == ["WBTC", "WETH", "WSTBTC", "WSTETH"]
        for symbol, rfqs in heard.items():
            assert 300 < len(rfqs) < 500
            assert {rfq["assetName"] for rfq in rfqs} == {symbol}
        strikes = {symbol: max(int(rfq["strike"]) for rfq in rfqs) / 1e8 for symbol, rfqs in heard.items()}
        assert strikes["WETH"] < 10_000 < strikes["WBTC"]
        assert strikes["WSTETH"] == pytest.approx(1.2 * strikes["WETH"], rel=0.1)

    play(scenario, clients=True, underlying=("ETH", "BTC"), staked=True, behaviour=Behaviour())


def test_an_option_on_a_staked_token_is_so_many_options_on_the_coin() -> None:
    settings = default_settings("ETH", staked=True)
    market = Market(1, DEFAULT_START_NS)
    valuer = Valuer([market], settings.assets)
    option = market.options[20]
    staked = settings.assets[1].address
    expiry_s = option.expiry_ns // 10**9
    terms = valuer.terms(staked, round(option.strike * 1.2 * 1e8), expiry_s, is_put=not option.is_call)
    assert terms.strike == pytest.approx(option.strike)
    one = fair_value(market, terms, DEFAULT_START_NS)
    token = one.times(valuer.ratio(staked))
    assert token.usd == pytest.approx(1.2 * one.usd)
    assert token.vega_point == pytest.approx(1.2 * one.vega_point)
    assert token.delta == one.delta
    assert valuer.price(staked, DEFAULT_START_NS) == pytest.approx(4800.0)


def test_the_asset_list_shows_a_staked_token_at_its_coin_s_price_as_the_venue_does() -> None:
    async def scenario(scene: Scene) -> None:
        listed = (await fetch(scene.network, HTTP, "/api/assets"))["31337"]
        assert [row["symbol"] for row in listed] == ["WETH", "WSTETH"]
        assert listed[0]["price"] == listed[1]["price"]
        ready = scene.twin.ready("127.0.0.1", 1)["tokens"]
        assert [row["ratio"] for row in ready["assets"]] == ["1", "1.2"]
        assert ready["asset"] == ready["assets"][0]

    play(scenario, staked=True)


def test_a_token_without_a_market_and_one_listed_twice_are_refused() -> None:
    with pytest.raises(SettingsError, match="expected a market of BTC, found ETH"):
        Valuer([Market(1, DEFAULT_START_NS)], default_settings(("ETH", "BTC")).assets)
    with pytest.raises(SettingsError, match="addresses of their own"):
        default_settings(("ETH", "ETH"))


def test_what_is_not_listed_cannot_be_asked_for_nor_listened_to() -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(SettingsError, match="listed token"):
            scene.twin.submit_rfq(scene.order(asset="0x" + "9" * 40))
        assert scene.twin.accept("/rfqs/0x" + "9" * 40, {}) is None

    play(scenario)


def test_a_quote_must_echo_the_token_it_was_asked_in() -> None:
    async def scenario(scene: Scene) -> None:
        staked = scene.settings.assets[1]
        wire = await scene.listen(staked.address)
        scene.twin.submit_rfq(scene.order(asset=staked.address, strike=Decimal(4500)))
        rfq = scene.decoded(await wire.receive())
        rfq["result"]["asset"] = scene.settings.asset.address
        with pytest.raises(JudgeError, match="assetAddress"):
            await scene.quote(rfq, "350")

    play(scenario, staked=True)
