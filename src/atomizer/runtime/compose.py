"""From settings to a node: which ports, strategies and limits a configuration means."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from atomizer.config.load import plain
from atomizer.domain.ports import Port
from atomizer.engine.settings import (
    AccountSettings,
    AllowedChain,
    EngineSettings,
    HedgeMarket,
)
from atomizer.net.transport import Clock, Transport
from atomizer.runtime.dry import DryPort
from atomizer.runtime.hedging import (
    account_section,
    followed_books,
    hedge_market,
    hedger_settings,
    order_venue_names,
)
from atomizer.runtime.node import NodePlan
from atomizer.runtime.settings import Deribit, Settings, deribit_url, responder_settings, rysk_url
from atomizer.runtime.tokens import allowed_asset, answered_assets, underlyings
from atomizer.strategies.hedging import Hedger
from atomizer.strategies.manual_orders import ManualOrders
from atomizer.strategies.rfq_responder import RfqResponder
from atomizer.venues.deribit.adapter import DeribitMarketPort, DeribitPort
from atomizer.venues.deribit.auth import LoginKey
from atomizer.venues.deribit.capabilities import DERIBIT
from atomizer.venues.deribit.settings import DeribitSettings
from atomizer.venues.eip712 import DomainAllowList
from atomizer.venues.ethereum import Address, EthereumKey
from atomizer.venues.keys import Ed25519Key, HmacKey, private_key_from_pem
from atomizer.venues.rysk.adapter import RyskPort, RyskSettings
from atomizer.venues.rysk.capabilities import RYSK
from atomizer.venues.rysk.networks import DOMAIN_NAME, DOMAIN_VERSION, quote_domain

HEDGER_NUMBER = 2
ZERO_ADDRESS = "0x" + "0" * 40


def hedge_markets(settings: Settings) -> tuple[HedgeMarket, ...]:
    """One per underlying of the tokens that are answered; a named instrument is the first one's."""
    coins = underlyings(settings)
    return tuple(hedge_market(settings, coin, named=coin == coins[0]) for coin in coins)


def engine_settings(settings: Settings) -> EngineSettings:
    """Limits, allow-lists and accounts of one node."""
    rysk = settings.rysk
    chain = AllowedChain(
        chain_id=rysk.chain_id,
        domain_name=DOMAIN_NAME,
        domain_version=DOMAIN_VERSION,
        verifying_contract=rysk.verifying_contract.lower(),
        premium_tokens=(rysk.stable.lower(),),
        assets=tuple(allowed_asset(asset) for asset in answered_assets(settings)),
    )
    return EngineSettings(
        limits=settings.risk.limits(),
        freshness=settings.freshness,
        surface=settings.surface,
        accounts=(
            *(_account(settings, venue) for venue in order_venue_names(settings)),
            AccountSettings(venue="rysk", account=rysk.account, numeraire=rysk.numeraire or "usd"),
        ),
        chains=(chain,),
        hedge_markets=hedge_markets(settings),
        longest_validity_s=round(settings.rfq.valid),
        pulled_before_expiry_s=round(settings.rfq.pulled_before_expiry),
        pulled_after_expiry_s=round(settings.rfq.pulled_after_expiry),
        check_every_ms=max(1, round(settings.risk.check_interval * 1000)),
    )


def _account(settings: Settings, venue: str) -> AccountSettings:
    section = account_section(settings, venue)
    return AccountSettings(venue=venue, account=section.account, numeraire=section.numeraire or "coin")


def deribit_settings(settings: Settings, venue: str) -> DeribitSettings:
    """What the adapter of one connection is told; in dry run without any key.

    The one that prices follows the options, every one the books that hedging needs.
    """
    section, coins = account_section(settings, venue), underlyings(settings)
    books = tuple(name for market in hedge_markets(settings) for name in followed_books(market, venue))
    # Spot pairs and linear contracts move dollars, which are then cash to be read.
    stable = ("USDC",) if any("_" in name for name in books) else ()
    return DeribitSettings(
        ws_url=deribit_url(settings, venue),
        venue=venue,
        account=section.account,
        client_id=section.api_key,
        key=deribit_key(section),
        currencies=(*coins, *stable),
        books=books,
        future_books=coins if settings.hedge.futures else (),
        option_underlyings=coins if venue == settings.exchange.name else (),
        grant="client_signature" if section.use_ed25519 else "client_credentials",
        account_name=section.account_name,
        margin_model=section.margin_model,
        testnet=settings.network != "live",
    )


def deribit_key(section: Deribit) -> LoginKey | None:
    """The login key of the configured kind, None when there is none."""
    if section.use_ed25519 and section.private_key_ed25519 is not None:
        key = private_key_from_pem(section.private_key_ed25519.reveal())
        if isinstance(key, Ed25519Key):
            return key
    return HmacKey(section.api_secret.reveal()) if section.api_secret else None


def rysk_port(settings: Settings, transport: Transport, clock: Clock, rng: random.Random) -> RyskPort:
    """The maker's port; without a key in dry run."""
    section, tokens = settings.rysk, answered_assets(settings)
    domain = quote_domain(section.chain_id, Address.parse(section.verifying_contract))
    key = None
    if settings.mode == "live" and section.private_key is not None:
        key = EthereumKey(section.private_key.reveal())
    return RyskPort(
        RyskSettings(
            ws_url=rysk_url(settings),
            account=section.account,
            maker=section.maker_address or ZERO_ADDRESS,
            assets={asset.address: asset.underlying for asset in tokens},
            symbols={asset.address: asset.symbol for asset in tokens if asset.ratio is not None},
            ratios={asset.address: asset.ratio for asset in tokens if asset.ratio is not None},
            coins={asset.address: asset.decimals for asset in tokens if asset.decimals is not None},
            stables={section.stable.lower(): section.stable_decimals},
        ),
        DomainAllowList((domain,)),
        key,
        transport,
        clock,
        rng,
    )


def plan(
    settings: Settings,
    transport: Transport,
    clock: Clock,
    rng: random.Random,
    *,
    hedge: bool = True,
    on_turn: Callable[[Sequence[Any]], None] | None = None,
    **options: Any,
) -> NodePlan:
    """Compose a node. `options` are further fields of `NodePlan`."""
    hedgers = [
        Hedger(hedger_settings(settings), market, HEDGER_NUMBER + place)
        for place, market in enumerate(hedge_markets(settings))
    ]
    venues = order_venue_names(settings)
    rysk = rysk_port(settings, transport, clock, rng)
    ports: list[Port]
    if settings.mode == "live":
        ports = [DeribitPort(deribit_settings(settings, venue), transport, clock, rng) for venue in venues]
        ports.append(rysk)
    else:
        keyless = [replace(deribit_settings(settings, venue), key=None) for venue in venues]
        ports = [DryPort(DeribitMarketPort(item, transport, clock, rng), clock) for item in keyless]
        ports.append(DryPort(rysk, clock))
    return NodePlan(
        network=settings.network,
        mode=settings.mode,
        directory=settings.data_directory,
        engine=engine_settings(settings),
        ports=ports,
        strategies=[*(hedgers if hedge else []), ManualOrders()],
        responders={"rysk": RfqResponder(responder_settings(settings))}
        if settings.arbitrage.sources.rysk.enabled
        else {},
        manual=settings.arbitrage.sources.manual.enabled,
        capabilities={
            **{venue: msgspec.structs.replace(DERIBIT, venue=venue) for venue in venues},
            "rysk": RYSK,
        },
        settings_shown=plain(settings),
        tape=settings.tape,
        on_turn=on_turn,
        **options,
    )
