"""From settings to a node: which ports, strategies and limits a configuration means."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

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
from atomizer.runtime.node import NodePlan
from atomizer.runtime.settings import (
    Settings,
    deribit_url,
    hedger_settings,
    responder_settings,
    rysk_url,
)
from atomizer.runtime.tokens import allowed_asset, answered_assets, underlyings
from atomizer.strategies.delta_hedger import DeltaHedger
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


def hedge_market(settings: Settings, underlying: str) -> HedgeMarket:
    """The market that prices and hedges one underlying."""
    first = underlying == underlyings(settings)[0]
    name = settings.hedge.instrument if first and settings.hedge.instrument else f"{underlying}-PERPETUAL"
    return HedgeMarket(
        underlying=underlying,
        venue="deribit",
        account=settings.deribit.account,
        instrument=f"deribit:{name}",
        index=f"{underlying.lower()}_usd",
    )


def hedge_markets(settings: Settings) -> tuple[HedgeMarket, ...]:
    """One per underlying of the tokens that are answered."""
    return tuple(hedge_market(settings, underlying) for underlying in underlyings(settings))


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
        accounts=(
            AccountSettings(
                venue="deribit",
                account=settings.deribit.account,
                numeraire=settings.deribit.numeraire or "coin",
            ),
            AccountSettings(venue="rysk", account=rysk.account, numeraire=rysk.numeraire or "usd"),
        ),
        chains=(chain,),
        hedge_markets=hedge_markets(settings),
        longest_validity_s=round(settings.rfq.valid),
        check_every_ms=max(1, round(settings.risk.check_interval * 1000)),
    )


def deribit_settings(settings: Settings) -> DeribitSettings:
    """The adapter's settings; in dry run without any key."""
    section, coins = settings.deribit, underlyings(settings)
    return DeribitSettings(
        ws_url=deribit_url(settings),
        account=section.account,
        client_id=section.api_key,
        key=deribit_key(settings),
        currencies=coins,
        books=tuple(market.instrument.partition(":")[2] for market in hedge_markets(settings)),
        option_underlyings=coins,
        grant="client_signature" if section.use_ed25519 else "client_credentials",
    )


def deribit_key(settings: Settings) -> LoginKey | None:
    """The login key of the configured kind, None when there is none."""
    section = settings.deribit
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
        DeltaHedger(hedger_settings(settings), market, HEDGER_NUMBER + place)
        for place, market in enumerate(hedge_markets(settings))
    ]
    deribit, rysk = deribit_settings(settings), rysk_port(settings, transport, clock, rng)
    ports: list[Port]
    if settings.mode == "live":
        ports = [DeribitPort(deribit, transport, clock, rng), rysk]
    else:
        keyless = replace(deribit, key=None)
        ports = [DryPort(DeribitMarketPort(keyless, transport, clock, rng), clock), DryPort(rysk, clock)]
    return NodePlan(
        network=settings.network,
        mode=settings.mode,
        directory=settings.data_directory,
        engine=engine_settings(settings),
        ports=ports,
        strategies=[*(hedgers if hedge else []), ManualOrders()],
        responders={"rysk": RfqResponder(responder_settings(settings))},
        capabilities={"deribit": DERIBIT, "rysk": RYSK},
        settings_shown=plain(settings),
        tape=settings.tape,
        on_turn=on_turn,
        **options,
    )
