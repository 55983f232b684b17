from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atomizer.config.errors import ConfigError
from atomizer.config.load import load
from atomizer.config.secret import Secret
from atomizer.runtime.settings import ALIASES, Deribit, Rysk, Settings, check, order_venues

ADDRESS = "0x" + "a1" * 20


def faults(environment: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        check(load(Settings, environment=environment, aliases=ALIASES).settings)
    return str(caught.value)


def test_nothing_set_is_a_dry_run_on_the_simulated_network() -> None:
    settings = load(Settings, aliases=ALIASES).settings
    check(settings)
    assert (settings.network, settings.mode) == ("sim", "dry-run")
    assert settings.data_directory == Path("data/sim")


def test_the_names_of_the_operations_page_set_what_they_say() -> None:
    environment = {
        "EXCHANGE_NAME": "deribit",
        "EXCHANGE_TEST_MODE": "true",
        "DERIBIT_API_KEY": "key",
        "DERIBIT_API_SECRET": "secret",
        "DERIBIT_USE_ED25519": "true",
        "DERIBIT_PRIVATE_KEY_ED25519": "pem",
        "RFQ_ASSET_ADDRESSES": f"{ADDRESS},{ADDRESS}",
        "QUOTE_VALID_DURATION": "45",
        "MAX_POSITION_DELTA": "8.5",
        "MAX_POSITION_SIZE": "90",
        "MIN_LIQUIDITY_SCORE": "0.4",
        "ENABLE_GAMMA_HEDGING": "false",
        "GAMMA_THRESHOLD": "0.6",
        "HEDGE_RATIO": "0.9",
        "ENABLE_DELTA_HEDGE": "1",
        "DELTA_THRESHOLD": "0.2",
        "HEDGE_VENUE": "deribit",
        "RYSK_PRIVATE_KEY": "0xkey",
        "RYSK_MAKER_ADDRESS": ADDRESS,
        "RYSK_WS_URL": "ws://127.0.0.1:9000",
    }
    loaded = load(Settings, environment=environment, aliases=ALIASES)
    check(loaded.settings)
    settings = loaded.settings
    assert settings.rfq.asset_addresses == (ADDRESS, ADDRESS)
    assert settings.rfq.valid == 45
    assert settings.deribit.private_key_ed25519 == Secret("pem")
    assert settings.hedge.gamma_threshold == 0.6
    assert len([item for item in loaded.values.values() if item.origin.source == "environment"]) == 20


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"EXCHANGE_NAME": "ftx"},
            "takes orders (deribit, deribit2), found 'ftx'",
        ),
        ({"HEDGE_VENUE": "x"}, "hedge.venue: expected a venue that is built"),
        (
            {"RYSK_MAKER_ADDRESS": "0x12"},
            "rysk.maker_address: expected 0x and 40 hexadecimal digits, found '0x12'",
        ),
        ({"RFQ_ASSET_ADDRESSES": "ETH"}, "rfq.asset_addresses: expected 0x and 40"),
        (
            {"RYSK_WS_URL": "wss://rysk.example/"},
            "expected a loopback address on network sim, found 'rysk.example'",
        ),
        ({"EXCHANGE_TEST_MODE": "false"}, "exchange.test_mode: expected true on network sim"),
        ({"ATOMIZER_MODE": "live"}, "deribit.numeraire: expected usd or coin in mode live, found nothing"),
        ({"ATOMIZER_MODE": "live"}, "rysk.private_key: expected a secret in mode live"),
        ({"ATOMIZER_MODE": "live"}, "deribit.api_secret: expected a secret in mode live"),
        (
            {"ATOMIZER_MODE": "live", "DERIBIT_USE_ED25519": "1"},
            "deribit.private_key_ed25519: expected a secret",
        ),
    ],
)
def test_faults_between_settings(environment: dict[str, str], expected: str) -> None:
    assert expected in faults(environment)


def test_a_network_outside_the_list_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"network: expected one of sim, test, live, found 'moon'"):
        load(Settings, environment={"ATOMIZER_NETWORK": "moon"})


@pytest.mark.parametrize(
    ("deribit", "expected"),
    [
        (Deribit(), []),
        (Deribit(api_key="k"), []),
        (Deribit(api_key="k", api_secret=Secret("s")), ["deribit"]),
    ],
)
def test_venues_are_swept_where_credentials_are_at_hand(deribit: Any, expected: list[str]) -> None:
    assert list(order_venues(Settings(deribit=deribit, rysk=Rysk()))) == expected
