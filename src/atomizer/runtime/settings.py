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

SMALLEST_WINS = msgspec.Meta(ge=0, extra={"tightest": "smallest"})
LARGEST_WINS = msgspec.Meta(ge=0, extra={"tightest": "largest"})
BUILT_VENUES = ("deribit", "rysk")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
Numeraire = Literal["", "usd", "coin"]


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """The venue that hedges and prices. `test_mode` false is refused outside `network: live`."""

    name: str = "deribit"
    test_mode: bool = True


class Deribit(msgspec.Struct, frozen=True, kw_only=True):
    """One Deribit account. `numeraire`: what its profit is counted in; no default in live."""

    ws_url: str = ""
    account: str = "deribit"
    api_key: str = ""
    api_secret: Secret | None = None
    use_ed25519: bool = False
    private_key_ed25519: Secret | None = None
    numeraire: Numeraire = ""


class Rysk(msgspec.Struct, frozen=True, kw_only=True):
    """One Rysk maker. The socket's address is the base; `/rfqs/<asset>` and `/maker` follow it."""

    ws_url: str = ""
    account: str = "rysk"
    private_key: Secret | None = None
    maker_address: str = ""
    numeraire: Numeraire = ""


class RfqSection(msgspec.Struct, frozen=True, kw_only=True):
    """Answering RFQs: tokens whose options are answered, and how long a signature lives."""

    asset_addresses: tuple[str, ...] = ()
    valid: Seconds = Seconds(30)
    min_liquidity_score: float = 0.5


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """Hedging: thresholds in coins of delta, `ratio` 1 is a full hedge."""

    venue: str = "deribit"
    enable_delta: bool = False
    delta_threshold: Annotated[float, msgspec.Meta(ge=0)] = 0.1
    enable_gamma: bool = False
    gamma_threshold: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """Limits; the tightest of file, environment and flag counts. Units as in `engine.settings.Limits`."""

    max_delta: Annotated[float, SMALLEST_WINS] = 10.0
    max_gamma: Annotated[float, SMALLEST_WINS] = 50.0
    max_vega: Annotated[float, SMALLEST_WINS] = 5_000.0
    max_notional: Annotated[float, SMALLEST_WINS] = 5_000_000.0
    max_position_size: Annotated[float, SMALLEST_WINS] = 100.0
    max_premium_per_quote: Annotated[float, SMALLEST_WINS] = 50_000.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. With nothing set: the simulated network, and nothing is sent."""

    network: Literal["sim", "test", "live"] = "sim"
    mode: Literal["dry-run", "paper", "live"] = "dry-run"
    data_dir: Path | None = None
    log_dir: Path = Path("logs")
    exchange: Exchange = Exchange()
    deribit: Deribit = Deribit()
    rysk: Rysk = Rysk()
    rfq: RfqSection = RfqSection()
    hedge: Hedge = Hedge()
    risk: Risk = Risk()

    @property
    def data_directory(self) -> Path:
        return self.data_dir or Path("data") / self.network


ALIASES: dict[str, str] = {
    "EXCHANGE_NAME": "exchange.name",
    "EXCHANGE_TEST_MODE": "exchange.test_mode",
    "DERIBIT_API_KEY": "deribit.api_key",
    "DERIBIT_API_SECRET": "deribit.api_secret",
    "DERIBIT_USE_ED25519": "deribit.use_ed25519",
    "DERIBIT_PRIVATE_KEY_ED25519": "deribit.private_key_ed25519",
    "DERIBIT_WS_URL": "deribit.ws_url",
    "RYSK_PRIVATE_KEY": "rysk.private_key",
    "RYSK_MAKER_ADDRESS": "rysk.maker_address",
    "RYSK_WS_URL": "rysk.ws_url",
    "RFQ_ASSET_ADDRESSES": "rfq.asset_addresses",
    "QUOTE_VALID_DURATION": "rfq.valid",
    "MIN_LIQUIDITY_SCORE": "rfq.min_liquidity_score",
    "MAX_POSITION_DELTA": "risk.max_delta",
    "MAX_POSITION_SIZE": "risk.max_position_size",
    "ENABLE_DELTA_HEDGE": "hedge.enable_delta",
    "DELTA_THRESHOLD": "hedge.delta_threshold",
    "ENABLE_GAMMA_HEDGING": "hedge.enable_gamma",
    "GAMMA_THRESHOLD": "hedge.gamma_threshold",
    "HEDGE_RATIO": "hedge.ratio",
    "HEDGE_VENUE": "hedge.venue",
}


def check(settings: Settings) -> None:
    """Rules that no single key can state.

    Raises:
        ConfigError: every one that is broken.
    """
    faults = [*_venue_faults(settings), *_address_faults(settings), *_sending_faults(settings)]
    if faults:
        raise ConfigError(faults)


def _venue_faults(settings: Settings) -> Iterator[str]:
    for key, venue in (("exchange.name", settings.exchange.name), ("hedge.venue", settings.hedge.venue)):
        if venue not in BUILT_VENUES:
            yield f"{key}: expected a venue that is built ({', '.join(BUILT_VENUES)}), found {venue!r}"
    if settings.network != "live" and not settings.exchange.test_mode:
        yield (
            f"exchange.test_mode: expected true on network {settings.network}, found false; set network:"
            " live or test_mode: true"
        )


def _address_faults(settings: Settings) -> Iterator[str]:
    addresses = [("rysk.maker_address", settings.rysk.maker_address)] if settings.rysk.maker_address else []
    addresses += [("rfq.asset_addresses", address) for address in settings.rfq.asset_addresses]
    for key, address in addresses:
        if not _ADDRESS.fullmatch(address):
            yield f"{key}: expected 0x and 40 hexadecimal digits, found {address!r}; copy it from the venue"
    if settings.network != "sim":
        return
    for key, url in (("deribit.ws_url", settings.deribit.ws_url), ("rysk.ws_url", settings.rysk.ws_url)):
        if url and urlsplit(url).hostname not in _LOOPBACK:
            yield (
                f"{key}: expected a loopback address on network sim, found {urlsplit(url).hostname!r}; start"
                " `atomizer sim` or choose another network"
            )


def _sending_faults(settings: Settings) -> Iterator[str]:
    """What is needed before anything is signed and sent."""
    if settings.mode != "live":
        return
    for key, numeraire in (
        ("deribit.numeraire", settings.deribit.numeraire),
        ("rysk.numeraire", settings.rysk.numeraire),
    ):
        if not numeraire:
            yield f"{key}: expected usd or coin in mode live, found nothing; say what profit is counted in"
    if settings.rysk.private_key is None:
        yield "rysk.private_key: expected a secret in mode live, found nothing; set RYSK_PRIVATE_KEY"
    deribit = settings.deribit
    if deribit.use_ed25519 and deribit.private_key_ed25519 is None:
        yield "deribit.private_key_ed25519: expected a secret, found nothing; set DERIBIT_PRIVATE_KEY_ED25519"
    if not deribit.use_ed25519 and deribit.api_secret is None:
        yield "deribit.api_secret: expected a secret in mode live, found nothing; set DERIBIT_API_SECRET"


def configured(
    files: Sequence[Path] = (), flags: Mapping[str, Any] | None = None, *, live: bool = False
) -> Loaded[Settings]:
    """The settings of this process: flags over its environment over files over defaults, checked.

    Raises:
        ConfigError: anything wrong with them, rules between sections included.
    """
    loaded = load(Settings, flags=flags, environment=os.environ, files=files, aliases=ALIASES, live=live)
    check(loaded.settings)
    return loaded


def order_venues(settings: Settings) -> Mapping[str, Any]:
    """Venues where orders can rest and credentials are at hand, with their settings."""
    deribit = settings.deribit
    usable = deribit.api_key and (deribit.api_secret or deribit.private_key_ed25519)
    return {"deribit": deribit} if usable else {}
