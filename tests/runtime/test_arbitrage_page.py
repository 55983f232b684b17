"""The arbitrage page's YAML as printed: it loads, what is built is in force, the rest is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from atomizer.config.errors import ConfigError
from atomizer.runtime.arbitrage import MEANS, applied
from atomizer.runtime.settings import Settings, check, configured, read, resting

AS_PRINTED = """\
arbitrage:
  # Trade sources
  sources:
    rysk:
      enabled: true
      websocket_url: "wss://rip-testnet.rysk.finance/maker"
      assets:
        - "0xb67bfa7b488df4f2efa874f4e59242e9130ae61f"
    manual:
      enabled: true
      api_port: 8080

  # Hedging configuration
  hedging:
    exchange: "derive"  # or "deribit"

    # Execution parameters
    max_spread_bps: 50
    order_type: "post_only"
    retry_attempts: 3

  # Cache configuration
  cache:
    backend: "valkey"  # or "file"
    valkey_addr: "localhost:6379"
    file_dir: "./cache"
    default_ttl: 3600  # 1 hour

  # Gamma hedging
  gamma_ddh:
    enabled: true
    perp_name: "ETH-PERPETUAL"
    max_abs_delta: "100"
    max_abs_spread: "0.01"
    action_wait_ms: 1000

  # Risk limits
  risk:
    max_position_size: "1000"
    max_delta_exposure: "500"
    stop_loss_pct: "10"
"""
ON_THE_TEST_NETWORK = "network: test\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENABLE_MANUAL_TRADES", "ENABLE_AUTO_HEDGING", "RYSK_WS_URL", "MAX_POSITION_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_the_page_loads_as_printed_and_what_is_built_is_in_force(tmp_path: Path) -> None:
    loaded = read([written(tmp_path, ON_THE_TEST_NETWORK + AS_PRINTED)])
    settings = loaded.settings
    assert settings.rysk.ws_url == "wss://rip-testnet.rysk.finance/"
    assert settings.rfq.asset_addresses == ("0xb67bfa7b488df4f2efa874f4e59242e9130ae61f",)
    assert settings.hedge.venue == "derive"
    assert settings.hedge.instrument == "ETH-PERPETUAL"
    assert settings.hedge.enable_gamma
    hedge = settings.hedge
    assert (hedge.max_spread_bps, hedge.order_type, hedge.retry_attempts) == (50.0, "post_only", 3)
    assert settings.arbitrage.sources.manual.api_port == 8080
    # The limits' defaults are tighter than the page's: the tightest counts.
    assert (settings.risk.max_position_size, settings.risk.max_delta) == (100.0, 10.0)


def test_what_is_not_built_is_said(tmp_path: Path) -> None:
    said = "\n".join(resting(read([written(tmp_path, ON_THE_TEST_NETWORK + AS_PRINTED)])))
    for key in ("cache.backend", "cache.default_ttl", "gamma_ddh.max_abs_delta", "risk.stop_loss_pct"):
        assert f"arbitrage.{key} " in said
    for key in (
        "sources.manual.enabled",
        "hedging.exchange",
        "gamma_ddh.perp_name",
        "risk.max_delta_exposure",
    ):
        assert f"arbitrage.{key} " not in said


def test_a_venue_that_is_not_built_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"hedge\.venue: expected a venue that is built"):
        check(read([written(tmp_path, ON_THE_TEST_NETWORK + AS_PRINTED)]).settings)
    with_deribit = AS_PRINTED.replace('exchange: "derive"', 'exchange: "deribit"')
    configured([written(tmp_path, ON_THE_TEST_NETWORK + with_deribit)])


def test_the_tighter_of_two_names_of_a_limit_counts(tmp_path: Path) -> None:
    text = "arbitrage: {risk: {max_position_size: '7', max_delta_exposure: 3}}\nrisk: {max_delta: 2}\n"
    settings = configured([written(tmp_path, text)]).settings
    assert (settings.risk.max_position_size, settings.risk.max_delta) == (7.0, 2.0)


def test_two_names_of_one_setting_must_agree(tmp_path: Path) -> None:
    text = "arbitrage: {gamma_ddh: {perp_name: ETH-PERPETUAL}}\nhedge: {instrument: ETH_USDC-PERPETUAL}\n"
    with pytest.raises(ConfigError, match="two names of one setting"):
        read([written(tmp_path, text)])
    same = "arbitrage: {gamma_ddh: {perp_name: ETH-PERPETUAL}}\nhedge: {instrument: ETH-PERPETUAL}\n"
    assert read([written(tmp_path, same)]).settings.hedge.instrument == "ETH-PERPETUAL"


def test_the_switches_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read().settings.arbitrage.sources.manual.enabled
    monkeypatch.setenv("ENABLE_MANUAL_TRADES", "false")
    monkeypatch.setenv("ENABLE_AUTO_HEDGING", "false")
    settings = read().settings
    assert not settings.arbitrage.sources.manual.enabled
    assert not settings.hedge.enable_delta


def test_an_unknown_key_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean arbitrage\.hedging\.exchange"):
        read([written(tmp_path, "arbitrage: {hedging: {exchnge: deribit}}\n")])


def test_every_name_means_a_setting_of_its_own() -> None:
    assert len(set(MEANS.values())) == len(MEANS)
    loaded = read()
    assert applied(loaded).settings == loaded.settings
    assert isinstance(loaded.settings, Settings)
