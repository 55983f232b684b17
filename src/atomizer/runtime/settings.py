"""What a user can set, put together from sections, with the operations page's names for the environment.

The keys are the reference of docs/configuration.md. Rules that span sections are in `check`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from atomizer.config.errors import ConfigError
from atomizer.config.load import Loaded, load
from atomizer.config.schema import Seconds
from atomizer.config.secret import Secret
from atomizer.engine.settings import Freshness, Limits, SurfaceSettings
from atomizer.runtime import arbitrage
from atomizer.runtime.arbitrage import Arbitrage
from atomizer.runtime.hedging import Hedge, account_section, hedge_faults, order_venue_names
from atomizer.runtime.tokens import answered_assets, token_faults
from atomizer.strategies.responder_settings import ResponderSettings

SMALLEST_WINS = msgspec.Meta(ge=0, extra={"tightest": "smallest"})
SHORTEST_WINS = msgspec.Meta(extra={"tightest": "smallest"})
SIM_CHAIN_ID = 31337
DERIBIT_URLS = {"test": "wss://test.deribit.com/ws/api/v2", "live": "wss://www.deribit.com/ws/api/v2"}
RYSK_URLS = {"test": "wss://rip-testnet.rysk.finance/", "live": "wss://v12.rysk.finance/"}
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
Numeraire = Literal["", "usd", "coin"]


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """The venue that hedges and prices. `test_mode` false is refused outside `network: live`."""

    name: str = "deribit"
    test_mode: bool = True


class Deribit(msgspec.Struct, frozen=True, kw_only=True):
    """One Deribit account. `numeraire`: what its profit is counted in; no default in live.

    `account_name` (the venue's user or system name) and `margin_model` (its word, e.g. segregated_pm) are
    compared with the account before the first order, where set.
    """

    ws_url: str = ""
    account: str = "deribit"
    api_key: str = ""
    api_secret: Secret | None = None
    use_ed25519: bool = False
    private_key_ed25519: Secret | None = None
    numeraire: Numeraire = ""
    account_name: str = ""
    margin_model: str = ""


class Rysk(msgspec.Struct, frozen=True, kw_only=True):
    """One Rysk maker and what it may sign.

    The socket's address is the base; `/rfqs/<asset>` and `/maker` follow it. Chain, verifying contract and
    stable token are the allow-list of signing. `live_ok` is the explicit word that `network: live` needs
    while no independent judge has checked the venue's message flow.
    """

    ws_url: str = ""
    account: str = "rysk"
    private_key: Secret | None = None
    maker_address: str = ""
    numeraire: Numeraire = ""
    chain_id: int = 0
    verifying_contract: str = ""
    stable: str = ""
    stable_decimals: int = 6
    live_ok: bool = False


class Derive(msgspec.Struct, frozen=True, kw_only=True):
    """One Derive account. Read and checked; the venue is not built yet, so naming it exits with code 3."""

    ws_url: str = ""
    private_key: Secret | None = None
    wallet_address: str = ""


class Series(msgspec.Struct, frozen=True):
    """Options to quote: one expiry (20250530 is 30 May 2025, 08:00 UTC) and its strikes in USD."""

    underlying: str
    expiry: int
    strikes: tuple[float, ...]


class MarketMaker(msgspec.Struct, frozen=True, kw_only=True):
    """Quoting on a book, as the operations page writes it.

    `spread` and `min_spread` in basis points of mid, `size` and `max_position` in units of underlying,
    `improvement` in USD. `aggression` below 1 rests between touch and mid, from 1 on it improves the touch.
    """

    instruments: tuple[Series, ...] = ()
    spread: Annotated[float, msgspec.Meta(ge=0)] = 50.0
    min_spread: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    size: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    improvement: Annotated[float, msgspec.Meta(ge=0)] = 0.05
    aggression: Annotated[float, msgspec.Meta(ge=0)] | None = None
    max_position: Annotated[float, SMALLEST_WINS] = 10.0


class RfqSection(msgspec.Struct, frozen=True, kw_only=True):
    """Answering RFQs: tokens whose options are answered, how long a signature lives.

    Without addresses every token of `assets` is answered; an address that `assets` does not describe is a
    1:1 wrapper of `underlying`. A series is not quoted from `pulled_before_expiry` to `pulled_after_expiry`.
    """

    asset_addresses: tuple[str, ...] = ()
    underlying: str = "ETH"
    valid: Seconds = Seconds(30)
    pulled_before_expiry: Seconds = Seconds(2_100)
    pulled_after_expiry: Seconds = Seconds(600)


class Assets(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens and the coins they stand for, by address: a `file` (`asset_mapping.json`, or YAML) and a `table`
    of the same form. A plain symbol is a 1:1 wrapper; a staked token says its ratio and where that is from.
    """

    file: Path | None = None
    table: dict[str, Any] = {}


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """Limits; the tightest of file, environment and flag counts. Units as in `engine.settings.Limits`.

    `check_interval`: how often what is held is compared with them; what is sent is compared always.
    """

    max_delta: Annotated[float, SMALLEST_WINS] = 10.0
    max_delta_usd: Annotated[float, SMALLEST_WINS] = 1_500_000.0
    max_gamma: Annotated[float, SMALLEST_WINS] = 50.0
    max_vega: Annotated[float, SMALLEST_WINS] = 5_000.0
    max_notional: Annotated[float, SMALLEST_WINS] = 5_000_000.0
    max_position_size: Annotated[float, SMALLEST_WINS] = 100.0
    max_premium_per_quote: Annotated[float, SMALLEST_WINS] = 50_000.0
    quotes_per_terms: Annotated[int, SMALLEST_WINS] = 3
    quotes_per_taker: Annotated[int, SMALLEST_WINS] = 20
    collar: Annotated[float, SMALLEST_WINS] = 0.02
    check_interval: Annotated[Seconds, SHORTEST_WINS] = Seconds(30)

    def limits(self) -> Limits:
        return Limits(
            delta=self.max_delta,
            delta_usd=self.max_delta_usd,
            gamma=self.max_gamma,
            vega=self.max_vega,
            notional=self.max_notional,
            position_size=self.max_position_size,
            premium_per_quote=self.max_premium_per_quote,
            quotes_per_terms=self.quotes_per_terms,
            quotes_per_taker=self.quotes_per_taker,
            collar=self.collar,
        )


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. With nothing set: the simulated network, and nothing is sent."""

    network: Literal["sim", "test", "live"] = "sim"
    mode: Literal["dry-run", "paper", "live"] = "dry-run"
    data_dir: Path | None = None
    log_dir: Path = Path("logs")
    exchange: Exchange = Exchange()
    deribit: Deribit = Deribit()
    deribit2: Deribit = Deribit(account="deribit2")
    rysk: Rysk = Rysk()
    derive: Derive = Derive()
    rfq: RfqSection = RfqSection()
    assets: Assets = Assets()
    hedge: Hedge = Hedge()
    risk: Risk = Risk()
    freshness: Freshness = Freshness()
    surface: SurfaceSettings = SurfaceSettings()
    responder: ResponderSettings = ResponderSettings()
    market_maker: MarketMaker = MarketMaker()
    arbitrage: Arbitrage = Arbitrage()
    tape: bool = False

    @property
    def data_directory(self) -> Path:
        return self.data_dir or Path("data") / self.network


ALIASES: dict[str, str] = {
    **arbitrage.ALIASES,
    "EXCHANGE_NAME": "exchange.name",
    "EXCHANGE_TEST_MODE": "exchange.test_mode",
    "DERIBIT_API_KEY": "deribit.api_key",
    "DERIBIT_API_SECRET": "deribit.api_secret",
    "DERIBIT_USE_ED25519": "deribit.use_ed25519",
    "DERIBIT_PRIVATE_KEY_ED25519": "deribit.private_key_ed25519",
    "DERIBIT_WS_URL": "deribit.ws_url",
    "DERIBIT2_API_KEY": "deribit2.api_key",
    "DERIBIT2_API_SECRET": "deribit2.api_secret",
    "DERIBIT2_USE_ED25519": "deribit2.use_ed25519",
    "DERIBIT2_PRIVATE_KEY_ED25519": "deribit2.private_key_ed25519",
    "DERIBIT2_WS_URL": "deribit2.ws_url",
    "DERIVE_PRIVATE_KEY": "derive.private_key",
    "DERIVE_WALLET_ADDRESS": "derive.wallet_address",
    "WS_URL": "derive.ws_url",
    "RYSK_PRIVATE_KEY": "rysk.private_key",
    "RYSK_MAKER_ADDRESS": "rysk.maker_address",
    "RYSK_WS_URL": "rysk.ws_url",
    "RFQ_ASSET_ADDRESSES": "rfq.asset_addresses",
    "ASSET_MAPPING_FILE": "assets.file",
    "QUOTE_VALID_DURATION": "rfq.valid",
    "MIN_LIQUIDITY_SCORE": "hedge.min_liquidity_score",
    "MAX_POSITION_DELTA": "risk.max_delta",
    "MAX_POSITION_SIZE": "risk.max_position_size",
    "ENABLE_DELTA_HEDGE": "hedge.enable_delta",
    "DELTA_THRESHOLD": "hedge.delta_threshold",
    "ENABLE_GAMMA_HEDGING": "hedge.enable_gamma",
    "GAMMA_THRESHOLD": "hedge.gamma_threshold",
    "GAMMA_HEDGE_RATIO": "hedge.gamma_ratio",
    "HEDGE_RATIO": "hedge.ratio",
    "HEDGE_VENUE": "hedge.venue",
    "HEDGE_DELAY_MS": "hedge.delay_ms",
    "HEDGE_ORDER_TYPE": "hedge.order_type",
    "HEDGE_MAX_SPREAD_BPS": "hedge.max_spread_bps",
    "HEDGE_RETRY_ATTEMPTS": "hedge.retry_attempts",
    "TARGET_SPREAD_BPS": "hedge.target_spread_bps",
}


# Sections whose part is not built: what they say is read and checked, and said at start to rest.
NOT_BUILT: dict[str, str] = {
    "derive": "the venue derive",
    "market_maker": "quoting on books",
}


def resting(loaded: Loaded[Settings]) -> list[str]:
    """Settings that were made and that nothing here uses, in words."""
    return [
        f"{key} ({item.origin}) is read but rests: {part} is not built"
        for section, part in NOT_BUILT.items()
        for key, item in loaded.values.items()
        if key.startswith(f"{section}.") and item.origin.source != "default"
    ] + arbitrage.resting(loaded.values)


def check(settings: Settings) -> None:
    """Rules that no single key can state.

    Raises:
        ConfigError: every one that is broken.
    """
    faults = [*_venue_faults(settings), *_address_faults(settings), *_sending_faults(settings)]
    faults += token_faults(settings) if not faults else []
    if faults:
        raise ConfigError(faults)


def _venue_faults(settings: Settings) -> Iterator[str]:
    yield from hedge_faults(settings)
    if settings.responder.dummy_price is not None and settings.network != "sim":
        yield (
            f"responder.dummy_price: expected none on network {settings.network}, found "
            f"{settings.responder.dummy_price}; placeholder prices exist against simulated venues only"
        )
    if settings.risk.check_interval <= 0:
        yield f"risk.check_interval: expected a time above 0, found {float(settings.risk.check_interval):g} s"
    if settings.network != "live" and not settings.exchange.test_mode:
        yield (
            f"exchange.test_mode: expected true on network {settings.network}, found false; set network:"
            " live or test_mode: true"
        )


def _address_faults(settings: Settings) -> Iterator[str]:
    addresses = [("rysk.maker_address", settings.rysk.maker_address)] if settings.rysk.maker_address else []
    if settings.derive.wallet_address:
        addresses.append(("derive.wallet_address", settings.derive.wallet_address))
    addresses += [("rfq.asset_addresses", address) for address in settings.rfq.asset_addresses]
    for key, address in addresses:
        if not _ADDRESS.fullmatch(address):
            yield f"{key}: expected 0x and 40 hexadecimal digits, found {address!r}; copy it from the venue"
    if settings.network != "sim":
        return
    for key, url in (
        ("deribit.ws_url", settings.deribit.ws_url),
        ("deribit2.ws_url", settings.deribit2.ws_url),
        ("rysk.ws_url", settings.rysk.ws_url),
    ):
        if url and urlsplit(url).hostname not in _LOOPBACK:
            yield (
                f"{key}: expected a loopback address on network sim, found {urlsplit(url).hostname!r}; start"
                " `atomizer sim` or choose another network"
            )


def _sending_faults(settings: Settings) -> Iterator[str]:
    """What is needed before anything is signed and sent."""
    if settings.mode != "live":
        return
    if settings.network == "live" and not settings.rysk.live_ok:
        yield (
            "rysk.live_ok: expected true on network live, found false; no independent judge has checked "
            "Rysk's message flow: record a test-network run first"
        )
    if not settings.rysk.numeraire:
        yield _no_numeraire("rysk")
    if settings.rysk.private_key is None:
        yield "rysk.private_key: expected a secret in mode live, found nothing; set RYSK_PRIVATE_KEY"
    for venue in order_venue_names(settings):
        yield from _account_faults(venue, account_section(settings, venue))


def _no_numeraire(section: str) -> str:
    return (
        f"{section}.numeraire: expected usd or coin in mode live, found nothing; "
        "say what profit is counted in"
    )


def _account_faults(venue: str, account: Deribit) -> Iterator[str]:
    """What an account that prices and hedges needs before it may send."""
    if not account.numeraire:
        yield _no_numeraire(venue)
    name = venue.upper()
    if account.use_ed25519 and account.private_key_ed25519 is None:
        yield f"{venue}.private_key_ed25519: expected a secret, found nothing; set {name}_PRIVATE_KEY_ED25519"
    if not account.use_ed25519 and account.api_secret is None:
        yield f"{venue}.api_secret: expected a secret in mode live, found nothing; set {name}_API_SECRET"


def deribit_url(settings: Settings, venue: str = "deribit") -> str:
    """The address of a connection's socket: its own, else the first account's, else the network's."""
    own = account_section(settings, venue).ws_url
    return own or settings.deribit.ws_url or DERIBIT_URLS.get(settings.network, "")


def rysk_url(settings: Settings) -> str:
    """The base address: the configured one, else the network's."""
    return settings.rysk.ws_url or RYSK_URLS.get(settings.network, "")


def responder_settings(settings: Settings) -> ResponderSettings:
    """The responder's own settings; the validity is the RFQ section's, in whole seconds."""
    return msgspec.structs.replace(settings.responder, validity_s=max(1, round(settings.rfq.valid)))


def check_node(settings: Settings) -> Settings:
    """What running a node needs beyond a consistent configuration.

    Raises:
        ConfigError: every fault found.
    """
    faults = [*_endpoint_faults(settings), *_signing_faults(settings)]
    if faults:
        raise ConfigError(faults)
    return settings


def _endpoint_faults(settings: Settings) -> Iterator[str]:
    sockets = [(f"{venue}.ws_url", deribit_url(settings, venue)) for venue in order_venue_names(settings)]
    for key, url in (*sockets, ("rysk.ws_url", rysk_url(settings))):
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            yield f"{key}: expected a ws:// or wss:// address, found {url!r}; set it, or start `atomizer sim`"


def _signing_faults(settings: Settings) -> Iterator[str]:
    rysk = settings.rysk
    if not answered_assets(settings):
        yield "rfq.asset_addresses: expected at least one token, found none; set it or assets.file"
    for key, address in (("rysk.verifying_contract", rysk.verifying_contract), ("rysk.stable", rysk.stable)):
        if not _ADDRESS.fullmatch(address):
            yield f"{key}: expected 0x and 40 hexadecimal digits, found {address!r}; copy it from the venue"
    if settings.network == "sim" and rysk.chain_id != SIM_CHAIN_ID:
        yield f"rysk.chain_id: expected {SIM_CHAIN_ID} on network sim, found {rysk.chain_id}"
    if settings.mode == "live" and not rysk.maker_address:
        yield "rysk.maker_address: expected the maker's address in mode live, found none"


def read(
    files: Sequence[Path] = (), flags: Mapping[str, Any] | None = None, *, live: bool = False
) -> Loaded[Settings]:
    """What this process is told: flags over its environment over files over defaults.

    Raises:
        ConfigError: a key, type or bound is wrong. Rules between sections are for `check`.
    """
    loaded = load(Settings, flags=flags, environment=os.environ, files=files, aliases=ALIASES, live=live)
    return arbitrage.applied(loaded)


def configured(
    files: Sequence[Path] = (), flags: Mapping[str, Any] | None = None, *, live: bool = False
) -> Loaded[Settings]:
    """The settings of this process, checked.

    Raises:
        ConfigError: anything wrong with them, rules between sections included.
    """
    loaded = read(files, flags, live=live)
    check(loaded.settings)
    return loaded


def order_venues(settings: Settings) -> Mapping[str, Any]:
    """Venues where orders can rest and credentials are at hand, with their adapters' settings."""
    from atomizer.runtime.compose import deribit_settings

    made = {venue: deribit_settings(settings, venue) for venue in order_venue_names(settings)}
    return {venue: item for venue, item in made.items() if item.key is not None and item.client_id}
