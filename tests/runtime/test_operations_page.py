"""What the operations page promises of configuration: its file as printed, and each of its variables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from atomizer.config.load import load, plain
from atomizer.config.secret import HIDDEN, Secret
from atomizer.runtime.settings import ALIASES, Settings, resting

ADDRESS = "0x7b79995e5f793A07Bc00c21412e50Ecae098E7f9"
AS_PRINTED = """\
exchange:
  name: derive
  test_mode: false

market_maker:
  instruments:
    - underlying: ETH
      expiry: 20250530
      strikes: [2800, 3000, 3200]
  spread: 50                  # basis points
  min_spread: 10
  size: 0.1
  improvement: 0.05           # For aggressive mode (aggression >= 1.0)
  aggression: 0.7             # 0-0.9: conservative, 1.0+: aggressive
  max_position: 10.0

risk:
  max_delta: 10.0
  max_gamma: 5.0
  max_vega: 1000.0
  check_interval: 30s
"""
# Each variable of the page, a value, the setting it reaches and what that becomes.
VARIABLES = [
    ("EXCHANGE_NAME", "deribit", "exchange.name", "deribit"),
    ("EXCHANGE_TEST_MODE", "false", "exchange.test_mode", False),
    ("DERIVE_PRIVATE_KEY", "aa" * 32, "derive.private_key", Secret("aa" * 32)),
    ("DERIVE_WALLET_ADDRESS", ADDRESS, "derive.wallet_address", ADDRESS),
    ("DERIBIT_API_KEY", "id", "deribit.api_key", "id"),
    ("DERIBIT_API_SECRET", "s", "deribit.api_secret", Secret("s")),
    ("DERIBIT_USE_ED25519", "true", "deribit.use_ed25519", True),
    ("DERIBIT_PRIVATE_KEY_ED25519", "pem", "deribit.private_key_ed25519", Secret("pem")),
    ("RFQ_ASSET_ADDRESSES", ADDRESS, "rfq.asset_addresses", (ADDRESS,)),
    ("WS_URL", "wss://api.lyra.finance/ws/v2", "derive.ws_url", "wss://api.lyra.finance/ws/v2"),
    ("QUOTE_VALID_DURATION", "30", "rfq.valid", 30.0),
    ("MAX_POSITION_DELTA", "9.5", "risk.max_delta", 9.5),
    ("MAX_POSITION_SIZE", "99.0", "risk.max_position_size", 99.0),
    ("MIN_LIQUIDITY_SCORE", "0.4", "hedge.min_liquidity_score", 0.4),
    ("ENABLE_GAMMA_HEDGING", "true", "hedge.enable_gamma", True),
    ("GAMMA_THRESHOLD", "0.6", "hedge.gamma_threshold", 0.6),
    ("HEDGE_RATIO", "0.9", "hedge.ratio", 0.9),
    ("ENABLE_DELTA_HEDGE", "false", "hedge.enable_delta", False),
    ("DELTA_THRESHOLD", "0.2", "hedge.delta_threshold", 0.2),
    ("HEDGE_VENUE", "deribit", "hedge.venue", "deribit"),
    ("GAMMA_HEDGE_RATIO", "0.8", "hedge.gamma_ratio", 0.8),
]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(AS_PRINTED)
    return path


def test_the_file_of_the_page_loads_as_printed(page: Path) -> None:
    loaded = load(Settings, files=[page], aliases=ALIASES)
    settings = loaded.settings
    assert (settings.exchange.name, settings.exchange.test_mode) == ("derive", False)
    maker = settings.market_maker
    assert [(one.underlying, one.expiry, one.strikes) for one in maker.instruments] == [
        ("ETH", 20250530, (2800.0, 3000.0, 3200.0))
    ]
    assert (maker.spread, maker.min_spread, maker.size, maker.improvement) == (50, 10, 0.1, 0.05)
    assert (maker.aggression, maker.max_position) == (0.7, 10.0)
    risk = settings.risk
    assert (risk.max_delta, risk.max_gamma, risk.max_vega, risk.check_interval) == (10, 5, 1000, 30)
    assert sum(item.origin.source == "file" for item in loaded.values.values()) == 13


def test_what_nothing_uses_yet_is_said(page: Path) -> None:
    lines = resting(load(Settings, files=[page], aliases=ALIASES))
    assert len(lines) == 7
    assert lines[0].startswith("market_maker.instruments (file ")
    assert lines[0].endswith("is read but rests: quoting on books is not built")


def _config(command: str, page: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "atomizer", "config", command, "--config", str(page)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
    )


def test_show_prints_the_file_and_says_what_keeps_it_from_running(page: Path) -> None:
    shown = _config("show", page)
    assert shown.returncode == 0
    assert "derive" in shown.stdout
    assert "does not run as it stands: exchange.name: expected a venue that is built" in shown.stderr


def test_check_ends_with_the_code_of_a_bad_configuration(page: Path) -> None:
    checked = _config("check", page)
    assert checked.returncode == 3
    assert "found 'derive'; built are deribit" in checked.stderr


@pytest.mark.parametrize(("name", "text", "key", "expected"), VARIABLES)
def test_each_variable_of_the_page_reaches_its_setting(name: str, text: str, key: str, expected: Any) -> None:
    loaded = load(Settings, environment={name: text}, aliases=ALIASES)
    value = loaded.values[key]
    assert value.value == expected
    assert (value.origin.source, value.origin.detail) == ("environment", name)
    if isinstance(expected, Secret):
        assert plain(value.value) == HIDDEN
        assert text.encode() not in msgspec.json.encode(loaded.rows()) or len(text) < 3
