"""The settings of a node, composed of what each package declares, and what flat names set them.

Modes: `dry-run` (default) prices and decides, holds no key and cannot send; `live` sends. Networks: `sim`
allows loopback addresses and one chain id only, which is how a node knows that it faces simulated venues.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from atomizer.config.errors import ConfigError
from atomizer.config.schema import Seconds
from atomizer.config.secret import Secret
from atomizer.engine.settings import Freshness, Limits
from atomizer.strategies.delta_hedger import HedgerSettings
from atomizer.strategies.rfq_responder import ResponderSettings

SIM_CHAIN_ID = 31337
BUILT_VENUES = ("deribit", "rysk")

Smallest = msgspec.Meta(extra={"tightest": "smallest"})


class ExchangeSection(msgspec.Struct, frozen=True, kw_only=True):
    """Where to hedge: `name` of the venue; `test_mode` picks its test network."""

    name: str = "deribit"
    test_mode: bool = False


class DeribitSection(msgspec.Struct, frozen=True, kw_only=True):
    """Deribit connection and account; `numeraire` is what the account counts in (`coin` or `usd`)."""

    ws_url: str = ""
    account: str = "main"
    api_key: str = ""
    api_secret: Secret | None = None
    use_ed25519: bool = False
    private_key_ed25519: Secret | None = None
    numeraire: Literal["coin", "usd", ""] = ""


class RyskSection(msgspec.Struct, frozen=True, kw_only=True):
    """Rysk connection and what may be signed there.

    `assets` are token addresses, `underlying` what each of them is (the same for all here); `live_ok` is
    the explicit word that live use needs while the venue's message flow has no independent judge.
    """

    ws_url: str = ""
    account: str = "main"
    maker_address: str = ""
    private_key: Secret | None = None
    chain_id: int = 0
    verifying_contract: str = ""
    stable: str = ""
    stable_decimals: int = 6
    assets: tuple[str, ...] = ()
    underlying: str = "ETH"
    numeraire: Literal["coin", "usd", ""] = ""
    live_ok: bool = False


class RiskSection(msgspec.Struct, frozen=True, kw_only=True):
    """Limits; of several sources the tightest wins. Units as in `engine.settings.Limits`."""

    max_delta: Annotated[float, Smallest] = 10.0
    max_gamma: Annotated[float, Smallest] = 50.0
    max_vega: Annotated[float, Smallest] = 5_000.0
    max_notional: Annotated[float, Smallest] = 5_000_000.0
    max_position_size: Annotated[float, Smallest] = 100.0
    max_premium_per_quote: Annotated[float, Smallest] = 50_000.0
    quotes_per_terms: Annotated[int, Smallest] = 3
    quotes_per_taker: Annotated[int, Smallest] = 20
    collar: Annotated[float, Smallest] = 0.02

    def limits(self) -> Limits:
        return Limits(
            delta=self.max_delta,
            gamma=self.max_gamma,
            vega=self.max_vega,
            notional=self.max_notional,
            position_size=self.max_position_size,
            premium_per_quote=self.max_premium_per_quote,
            quotes_per_terms=self.quotes_per_terms,
            quotes_per_taker=self.quotes_per_taker,
            collar=self.collar,
        )


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a node is told."""

    network: Literal["sim", "testnet", "mainnet"] = "sim"
    mode: Literal["dry-run", "live"] = "dry-run"
    data_dir: Path | None = None
    log_dir: Path = Path("logs")
    tape: bool = False
    hedge_instrument: str = ""
    quote_valid_duration: Seconds = Seconds(10.0)
    exchange: ExchangeSection = ExchangeSection()
    deribit: DeribitSection = DeribitSection()
    rysk: RyskSection = RyskSection()
    risk: RiskSection = RiskSection()
    freshness: Freshness = Freshness()
    responder: ResponderSettings = ResponderSettings()
    hedger: HedgerSettings = HedgerSettings()

    @property
    def directory(self) -> Path:
        return self.data_dir or Path("data") / self.network


# Flat environment names that users know, and the key each sets.
ALIASES: dict[str, str] = {
    "EXCHANGE_NAME": "exchange.name",
    "EXCHANGE_TEST_MODE": "exchange.test_mode",
    "DERIBIT_API_KEY": "deribit.api_key",
    "DERIBIT_API_SECRET": "deribit.api_secret",
    "DERIBIT_USE_ED25519": "deribit.use_ed25519",
    "DERIBIT_PRIVATE_KEY_ED25519": "deribit.private_key_ed25519",
    "RYSK_PRIVATE_KEY": "rysk.private_key",
    "RYSK_MAKER_ADDRESS": "rysk.maker_address",
    "RYSK_WS_URL": "rysk.ws_url",
    "RFQ_ASSET_ADDRESSES": "rysk.assets",
    "QUOTE_VALID_DURATION": "quote_valid_duration",
    "MAX_POSITION_DELTA": "risk.max_delta",
    "MAX_POSITION_SIZE": "risk.max_position_size",
    "HEDGE_RATIO": "hedger.ratio",
    "DELTA_THRESHOLD": "hedger.threshold",
    "ENABLE_DELTA_HEDGE": "hedger.enabled",
}

# Names of the operations page that belong to parts that are not built: said at start, never silent.
NOT_BUILT: dict[str, str] = {
    "DERIVE_PRIVATE_KEY": "the venue derive",
    "DERIVE_WALLET_ADDRESS": "the venue derive",
    "WS_URL": "the venue derive (it is Derive's socket, not Rysk's: that is RYSK_WS_URL)",
    "MIN_LIQUIDITY_SCORE": "liquidity scoring",
    "ENABLE_GAMMA_HEDGING": "gamma hedging",
    "GAMMA_THRESHOLD": "gamma hedging",
    "GAMMA_HEDGE_RATIO": "gamma hedging",
    "HEDGE_VENUE": "hedging on a venue other than --exchange",
}

DERIBIT_URLS = {
    "testnet": "wss://test.deribit.com/ws/api/v2",
    "mainnet": "wss://www.deribit.com/ws/api/v2",
}
RYSK_URLS = {"testnet": "wss://rip-testnet.rysk.finance/", "mainnet": "wss://v12.rysk.finance/"}


def deribit_url(settings: NodeSettings) -> str:
    return settings.deribit.ws_url or DERIBIT_URLS.get(settings.network, "")


def rysk_url(settings: NodeSettings) -> str:
    return settings.rysk.ws_url or RYSK_URLS.get(settings.network, "")


def check(settings: NodeSettings) -> NodeSettings:
    """What types cannot say.

    Raises:
        ConfigError: every fault found.
    """
    faults = [
        *_venue_faults(settings),
        *_network_faults(settings),
        *_secret_faults(settings),
        *_mode_faults(settings),
    ]
    if faults:
        raise ConfigError(faults)
    return settings


def _venue_faults(settings: NodeSettings) -> list[str]:
    name = settings.exchange.name
    if name != "deribit":
        return [
            f"exchange.name: expected a venue that can hedge, found {name!r}; built are "
            f"{', '.join(BUILT_VENUES)}, of which deribit takes orders"
        ]
    if settings.responder.dummy_price is not None and settings.network != "sim":
        return [
            f"responder.dummy_price: expected none on network {settings.network}, found "
            f"{settings.responder.dummy_price}; placeholder prices exist against simulated venues only"
        ]
    return []


def _network_faults(settings: NodeSettings) -> list[str]:
    faults = []
    for key, url in (("deribit.ws_url", deribit_url(settings)), ("rysk.ws_url", rysk_url(settings))):
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            faults.append(f"{key}: expected a ws:// or wss:// address, found {url!r}; set it")
        elif settings.network == "sim" and not _loopback(parts.hostname):
            faults.append(
                f"{key}: expected a loopback address on network sim, found {parts.hostname}; "
                "set network to testnet or mainnet for real venues"
            )
    chain = settings.rysk.chain_id
    if settings.network == "sim" and chain != SIM_CHAIN_ID:
        faults.append(f"rysk.chain_id: expected {SIM_CHAIN_ID} on network sim, found {chain}")
    if not settings.rysk.assets:
        faults.append("rysk.assets: expected at least one token address; set RFQ_ASSET_ADDRESSES")
    return faults


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret_faults(settings: NodeSettings) -> list[str]:
    if settings.mode == "dry-run":
        return []
    faults, deribit = [], settings.deribit
    if not deribit.api_key:
        faults.append("deribit.api_key: missing; set DERIBIT_API_KEY")
    if deribit.use_ed25519 and deribit.private_key_ed25519 is None:
        faults.append("deribit.private_key_ed25519: missing; set DERIBIT_PRIVATE_KEY_ED25519 or .._FILE")
    if not deribit.use_ed25519 and deribit.api_secret is None:
        faults.append("deribit.api_secret: missing; set DERIBIT_API_SECRET or DERIBIT_API_SECRET_FILE")
    if settings.rysk.private_key is None:
        faults.append("rysk.private_key: missing; set RYSK_PRIVATE_KEY or RYSK_PRIVATE_KEY_FILE")
    return faults


def _mode_faults(settings: NodeSettings) -> list[str]:
    if settings.mode != "live" or settings.network == "sim":
        return []
    faults = [
        f"{name}.numeraire: expected usd or coin in live, found none; say what the account counts in"
        for name, section in (("deribit", settings.deribit), ("rysk", settings.rysk))
        if not section.numeraire
    ]
    if settings.network == "mainnet" and not settings.rysk.live_ok:
        faults.append(
            "rysk.live_ok: expected true for live use: no independent judge has checked Rysk's message "
            "flow; record a test-network run first"
        )
    return faults
