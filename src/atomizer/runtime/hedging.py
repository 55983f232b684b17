"""What the settings mean for hedging: venues and accounts, instruments, and what the hedger is told.

One exchange prices (`exchange.name`), one hedges (`hedge.venue`). They are the same unless `hedge.cross` says
otherwise; then hedges go to the second while it can be reached, and the first is the fallback.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec

from atomizer.engine.settings import HedgeInstrument, HedgeMarket
from atomizer.strategies.hedging import HedgerSettings
from atomizer.strategies.hedging.settings import BandEdge, BandRule, OrderType, Policy

if TYPE_CHECKING:
    from atomizer.runtime.settings import Deribit, Settings

# Connections that price and take orders: two accounts of one exchange are two venues.
HEDGE_VENUES = ("deribit", "deribit2")
_NOT_NEGATIVE = msgspec.Meta(ge=0)
Amount = Annotated[float, _NOT_NEGATIVE]
Milliseconds = Annotated[int, _NOT_NEGATIVE]


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """Hedging: thresholds in coins of delta (and in USD: the wider counts), `ratio` 1 is a full hedge.

    `venue` takes the hedges; another one than `exchange.name` needs `cross`; with `cheapest` they go wherever
    it is cheapest, split by depth. `instrument` is the first hedge's name (empty: the underlying's
    perpetual), `instruments` are further ones (`NAME`, or `VENUE:NAME`), `futures` adds every dated future.
    The rest is what `HedgerSettings` says of it.
    """

    venue: str = "deribit"
    cross: bool = False
    cheapest: bool = False
    instrument: str = ""
    instruments: tuple[str, ...] = ()
    futures: bool = False
    enable_delta: bool = True
    policy: Policy = "delta"
    delta_threshold: Amount = 0.1
    delta_threshold_usd: Amount = 0.0
    band: BandRule = "fixed"
    band_to: BandEdge = "target"
    risk_aversion: Annotated[float, msgspec.Meta(gt=0)] = 1e-3
    ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    delay_ms: Milliseconds = 0
    order_type: OrderType = "ioc"
    cross_bps: Amount = 10.0
    max_spread_bps: Amount = 0.0
    target_spread_bps: Amount = 0.0
    post_deadline_ms: Milliseconds = 5_000
    retry_attempts: Annotated[int, msgspec.Meta(ge=1)] = 3
    fallback_ms: Milliseconds = 10_000
    holding_h: Amount = 24.0
    slice_usd: Amount = 1_000.0
    resale_deadline_ms: Milliseconds = 15_000
    resale_retry_ms: Milliseconds = 60_000
    resale_risk_price: Amount = 0.02
    resale_strikes: Annotated[int, msgspec.Meta(ge=1)] = 1
    run_off: bool = True
    alarm_ms: Milliseconds = 5_000
    naked_stop: Amount = 1.0
    outage_ms: Milliseconds = 1_000
    enable_gamma: bool = False
    gamma_threshold: Amount = 0.5
    gamma_ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    gamma_rehedge_h: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    min_liquidity_score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


# Names that the hedger calls otherwise.
_RENAMED = {
    "enabled": "enable_delta",
    "threshold": "delta_threshold",
    "threshold_usd": "delta_threshold_usd",
    "gamma": "enable_gamma",
}


def hedger_settings(settings: Settings) -> HedgerSettings:
    """The hedger's own settings; what the section does not name keeps its default."""
    section = settings.hedge
    names = {name: _RENAMED.get(name, name) for name in HedgerSettings.__struct_fields__}
    return HedgerSettings(
        **{name: getattr(section, theirs) for name, theirs in names.items() if hasattr(section, theirs)}
    )


def order_venue_names(settings: Settings) -> tuple[str, ...]:
    """The connections that price and hedge, the one that prices first."""
    hedge = settings.hedge
    return tuple(dict.fromkeys([settings.exchange.name, *([hedge.venue] if hedge.cross else [])]))


def account_section(settings: Settings, venue: str) -> Deribit:
    """The settings section of one connection."""
    found: Deribit = getattr(settings, venue)
    return found


def hedge_market(settings: Settings, underlying: str, *, named: bool = True) -> HedgeMarket:
    """The market that prices and hedges one underlying; `named`: the section's instruments are its own."""
    hedge, prices_at = settings.hedge, settings.exchange.name
    name = hedge.instrument if named and hedge.instrument else f"{underlying}-PERPETUAL"
    others = [f"{venue}:{name}" for venue in order_venue_names(settings)[1:]]
    further = hedge.instruments if named else ()
    others += [item if ":" in item else f"{hedge.venue}:{item}" for item in further]
    return HedgeMarket(
        underlying=underlying,
        venue=prices_at,
        account=account_section(settings, prices_at).account,
        instrument=f"{prices_at}:{name}",
        index=f"{underlying.lower()}_usd",
        others=tuple(_instrument(settings, key) for key in others),
        futures=hedge.futures,
        hedge_venue=hedge.venue if hedge.cross and not hedge.cheapest else "",
    )


def _instrument(settings: Settings, key: str) -> HedgeInstrument:
    venue = key.partition(":")[0]
    return HedgeInstrument(venue, account_section(settings, venue).account, key)


def followed_books(market: HedgeMarket, venue: str) -> tuple[str, ...]:
    """Names of the instruments at a venue whose whole book a market's hedging needs."""
    return tuple(item.instrument.partition(":")[2] for item in market.instruments if item.venue == venue)


def hedge_faults(settings: Settings) -> Iterator[str]:
    """What the hedge section says that cannot be."""
    hedge, prices_at = settings.hedge, settings.exchange.name
    known = ", ".join(HEDGE_VENUES)
    for key, venue in (("exchange.name", prices_at), ("hedge.venue", hedge.venue)):
        if venue not in HEDGE_VENUES:
            yield (
                f"{key}: expected a venue that is built and takes orders ({known}), found {venue!r}; "
                "built are deribit, rysk"
            )
            return
    if hedge.cross and hedge.venue == prices_at:
        yield (
            f"hedge.cross: expected hedge.venue to be another than exchange.name, found {prices_at!r} for "
            "both; set --hedge-exchange"
        )
    elif not hedge.cross and hedge.venue != prices_at:
        yield (
            f"hedge.venue: expected {prices_at!r}, which prices, found {hedge.venue!r}; hedging elsewhere "
            "needs hedge.cross: true (--enable-cross-hedge)"
        )
    used = order_venue_names(settings)
    for name in hedge.instruments:
        venue = name.partition(":")[0] if ":" in name else hedge.venue
        if venue not in used:
            yield f"hedge.instruments: expected a venue in use ({', '.join(used)}), found {name!r}"
