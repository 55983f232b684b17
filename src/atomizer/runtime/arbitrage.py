"""The `arbitrage` section as its page prints it: each key is another name of a setting that is in force
elsewhere, or is said at start to rest because its part is not built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from atomizer.config.errors import ConfigError
from atomizer.config.load import Loaded
from atomizer.config.schema import Seconds

POSITIVE = msgspec.Meta(ge=0)
# Numbers that the page writes as text.
Number = Annotated[float, POSITIVE] | Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)?$")]


class RyskSource(msgspec.Struct, frozen=True, kw_only=True):
    """RFQs of Rysk as a source of trades."""

    enabled: bool = True
    websocket_url: str = ""
    assets: tuple[str, ...] = ()


class ManualSource(msgspec.Struct, frozen=True, kw_only=True):
    """Trades that a person asks for; `api_port` is the desk's."""

    enabled: bool = True
    api_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where trades come from."""

    rysk: RyskSource = RyskSource()
    manual: ManualSource = ManualSource()


class ArbitrageHedging(msgspec.Struct, frozen=True, kw_only=True):
    """Other names of `hedge.*`."""

    exchange: str = ""
    max_spread_bps: Number = 0.0
    order_type: str = ""
    retry_attempts: Annotated[int, POSITIVE] = 0


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """A cache of market data; rests."""

    backend: str = ""
    valkey_addr: str = ""
    file_dir: str = ""
    default_ttl: Seconds = Seconds(0)


class GammaDdh(msgspec.Struct, frozen=True, kw_only=True):
    """Other names of gamma hedging; its own limits rest."""

    enabled: bool = False
    perp_name: str = ""
    max_abs_delta: Number = 0.0
    max_abs_spread: Number = 0.0
    action_wait_ms: Annotated[int, POSITIVE] = 0


class ArbitrageRisk(msgspec.Struct, frozen=True, kw_only=True):
    """Other names of limits: the tightest counts."""

    max_position_size: Number = 0.0
    max_delta_exposure: Number = 0.0
    stop_loss_pct: Number = 0.0


class Arbitrage(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. `auto_hedging` false leaves delta open, as `hedge.enable_delta` does."""

    auto_hedging: bool = True
    sources: Sources = Sources()
    hedging: ArbitrageHedging = ArbitrageHedging()
    cache: Cache = Cache()
    gamma_ddh: GammaDdh = GammaDdh()
    risk: ArbitrageRisk = ArbitrageRisk()


# Keys of this section, the setting each names, and what its value becomes there.
MEANS: dict[str, str] = {
    "arbitrage.auto_hedging": "hedge.enable_delta",
    "arbitrage.sources.rysk.websocket_url": "rysk.ws_url",
    "arbitrage.sources.rysk.assets": "rfq.asset_addresses",
    "arbitrage.hedging.exchange": "hedge.venue",
    "arbitrage.hedging.max_spread_bps": "hedge.max_spread_bps",
    "arbitrage.hedging.order_type": "hedge.order_type",
    "arbitrage.hedging.retry_attempts": "hedge.retry_attempts",
    "arbitrage.gamma_ddh.enabled": "hedge.enable_gamma",
    "arbitrage.gamma_ddh.perp_name": "hedge.instrument",
    "arbitrage.risk.max_position_size": "risk.max_position_size",
    "arbitrage.risk.max_delta_exposure": "risk.max_delta",
}
LIMITS = frozenset(("risk.max_position_size", "risk.max_delta"))
RESTS: dict[str, str] = {
    "arbitrage.cache.": "a cache of market data (books are read from the venue)",
    "arbitrage.gamma_ddh.": "that limit of gamma hedging",
    "arbitrage.risk.stop_loss_pct": "the stop loss of a strategy",
}
ALIASES = {
    "ENABLE_MANUAL_TRADES": "arbitrage.sources.manual.enabled",
    "ENABLE_AUTO_HEDGING": "arbitrage.auto_hedging",
}


def said(values: Mapping[str, Any]) -> Iterator[str]:
    """Keys of this section that somebody set."""
    return (
        key
        for key, item in values.items()
        if key.startswith("arbitrage.") and item.origin.source != "default"
    )


def resting(values: Mapping[str, Any]) -> list[str]:
    """What was set here and nothing uses, in words."""
    found = []
    for key in said(values):
        target = MEANS.get(key)
        if target is not None and target in values:
            continue
        part = next((what for start, what in RESTS.items() if key.startswith(start)), target)
        if part is not None:
            found.append(f"{key} ({values[key].origin}) is read but rests: {part} is not built")
    return found


def applied(loaded: Loaded[Any]) -> Loaded[Any]:
    """The settings with what this section says of others.

    Raises:
        ConfigError: both names of one setting were set and do not agree.
    """
    settings, faults = loaded.settings, []
    for key in said(loaded.values):
        target = MEANS.get(key)
        if target is None or target not in loaded.values:
            continue
        value, other = _meant(target, loaded.values[key].value), loaded.values[target]
        if target in LIMITS:
            value = min(value, other.value)
        elif target == "hedge.enable_delta":
            value = value and other.value
        elif other.origin.source != "default" and other.value != value:
            faults.append(
                f"{key}: expected what {target} says ({other.value!r}, {other.origin}), found {value!r}; they"
                " are two names of one setting: set one"
            )
            continue
        settings = _with(settings, target.split("."), value)
    if faults:
        raise ConfigError(faults)
    return msgspec.structs.replace(loaded, settings=settings)


def _meant(target: str, value: Any) -> Any:
    if target == "rysk.ws_url":
        return str(value).removesuffix("/maker") + "/" if str(value).endswith("/maker") else value
    if target in LIMITS or target.endswith("_bps"):
        return float(value)
    return value


def _with(settings: Any, path: list[str], value: Any) -> Any:
    """A copy with one nested value replaced."""
    inner = value if len(path) == 1 else _with(getattr(settings, path[0]), path[1:], value)
    return msgspec.structs.replace(settings, **{path[0]: inner})
