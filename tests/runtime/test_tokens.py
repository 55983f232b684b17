"""Which tokens are answered and what that composes: allow-list, hedge markets, the adapter's tables."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atomizer.config.errors import ConfigError
from atomizer.runtime.compose import deribit_settings, engine_settings, hedge_markets
from atomizer.runtime.settings import Assets, RfqSection, Rysk, Settings, check
from atomizer.runtime.tokens import answered_assets, underlyings

WETH = "0x7b79995e5f793A07Bc00c21412e50Ecae098E7f9"
OTHER = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
WBTC = "0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599"
STAKED = "0x" + "5e" * 20
MAPPING = {WETH: "ETH", OTHER: "ETH", WBTC: "BTC"}


def settings(**changes: Any) -> Settings:
    return Settings(
        rysk=Rysk(chain_id=31337, verifying_contract="0x" + "c0" * 20, stable="0x" + "57" * 20), **changes
    )


def test_the_operations_page_s_mapping_makes_two_underlyings(tmp_path: Path) -> None:
    path = tmp_path / "asset_mapping.json"
    path.write_text(json.dumps(MAPPING))
    made = settings(assets=Assets(file=path))
    assert underlyings(made) == ("ETH", "BTC")
    assert [market.instrument for market in hedge_markets(made)] == [
        "deribit:ETH-PERPETUAL",
        "deribit:BTC-PERPETUAL",
    ]
    assert [market.index for market in hedge_markets(made)] == ["eth_usd", "btc_usd"]
    allowed = engine_settings(made).chains[0].assets
    assert {(asset.address, asset.underlying, asset.ratio) for asset in allowed} == {
        (address.lower(), coin, Decimal(1)) for address, coin in MAPPING.items()
    }
    adapter = deribit_settings(made, "deribit")
    assert adapter.option_underlyings == ("ETH", "BTC")
    assert {"ETH-PERPETUAL", "BTC-PERPETUAL"} <= set(adapter.books)


def test_addresses_choose_and_what_the_table_does_not_know_is_a_wrapper() -> None:
    only = settings(assets=Assets(table=MAPPING), rfq=RfqSection(asset_addresses=(WBTC,)))
    assert underlyings(only) == ("BTC",)
    plain = settings(rfq=RfqSection(asset_addresses=(WETH, STAKED), underlying="ETH"))
    assert [asset.underlying for asset in answered_assets(plain)] == ["ETH", "ETH"]
    assert settings().rfq.asset_addresses == ()
    assert underlyings(settings()) == ("ETH",)


def test_a_staked_token_carries_its_ratio_and_haircut_and_an_unknown_ratio_stays_unknown() -> None:
    entry = {"underlying": "ETH", "kind": "staked", "symbol": "WSTETH", "ratio_source": "rate provider"}
    known = settings(assets=Assets(table={STAKED: {**entry, "ratio": "1.2071", "haircut": "0.01"}}))
    (allowed,) = engine_settings(known).chains[0].assets
    assert (allowed.ratio, allowed.haircut) == (Decimal("1.2071"), Decimal("0.01"))
    (unknown,) = engine_settings(settings(assets=Assets(table={STAKED: entry}))).chains[0].assets
    assert unknown.ratio is None


def test_a_token_of_another_chain_is_not_answered() -> None:
    made = settings(assets=Assets(table={f"84532:{WETH}": "ETH", f"31337:{WBTC}": "BTC"}))
    assert underlyings(made) == ("BTC",)


@pytest.mark.parametrize(
    ("assets", "text"),
    [
        (Assets(file=Path("nowhere.json")), "nowhere.json"),
        (Assets(table={"0x12": "ETH"}), "40 hex digits"),
        (Assets(table={STAKED: {"underlying": "ETH", "kind": "staked"}}), "ratio_source"),
        (Assets(table={STAKED: {"underlying": "ETH", "ratoi": "1"}}), "did you mean ratio"),
    ],
)
def test_what_cannot_be_used_is_a_configuration_error(assets: Assets, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        check(settings(assets=assets))
