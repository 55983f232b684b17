"""From settings to a node: which ports, strategies and limits a configuration means."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from atomizer.config.load import plain
from atomizer.domain.ports import Port
from atomizer.engine.settings import (
    AccountSettings,
    AllowedAsset,
    AllowedChain,
    EngineSettings,
    HedgeMarket,
)
from atomizer.net.transport import Clock, Transport
from atomizer.runtime.dry import DryPort
from atomizer.runtime.node import NodePlan
from atomizer.runtime.settings import NodeSettings, deribit_url, rysk_url
from atomizer.strategies.delta_hedger import DeltaHedger
from atomizer.strategies.rfq_responder import RfqResponder
from atomizer.venues.deribit.adapter import DeribitPort
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


def hedge_market(settings: NodeSettings) -> HedgeMarket:
    """The market that prices and hedges the configured underlying."""
    underlying = settings.rysk.underlying
    name = settings.hedge_instrument or f"{underlying}-PERPETUAL"
    return HedgeMarket(
        underlying=underlying,
        venue="deribit",
        account=settings.deribit.account,
        instrument=f"deribit:{name}",
        index=f"{underlying.lower()}_usd",
    )


def engine_settings(settings: NodeSettings) -> EngineSettings:
    """Limits, allow-lists and accounts of one node."""
    rysk = settings.rysk
    chain = AllowedChain(
        chain_id=rysk.chain_id,
        domain_name=DOMAIN_NAME,
        domain_version=DOMAIN_VERSION,
        verifying_contract=rysk.verifying_contract.lower(),
        premium_tokens=(rysk.stable.lower(),),
        assets=tuple(
            AllowedAsset(address=address.lower(), underlying=rysk.underlying) for address in rysk.assets
        ),
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
        hedge_markets=(hedge_market(settings),),
        longest_validity_s=round(settings.quote_valid_duration),
    )


def deribit_settings(settings: NodeSettings) -> DeribitSettings:
    """The adapter's settings; in dry run without any key."""
    section, underlying = settings.deribit, settings.rysk.underlying
    return DeribitSettings(
        ws_url=deribit_url(settings),
        account=section.account,
        client_id=section.api_key,
        key=deribit_key(settings),
        currencies=(underlying,),
        books=(hedge_market(settings).instrument.partition(":")[2],),
        option_underlyings=(underlying,),
        grant="client_signature" if section.use_ed25519 else "client_credentials",
    )


def deribit_key(settings: NodeSettings) -> LoginKey | None:
    """The login key of the configured kind, None in dry run."""
    section = settings.deribit
    if settings.mode == "dry-run":
        return None
    if section.use_ed25519 and section.private_key_ed25519 is not None:
        key = private_key_from_pem(section.private_key_ed25519.reveal())
        if isinstance(key, Ed25519Key):
            return key
    return HmacKey(section.api_secret.reveal()) if section.api_secret else None


def rysk_port(settings: NodeSettings, transport: Transport, clock: Clock, rng: random.Random) -> RyskPort:
    """The maker's port; without a key in dry run."""
    section = settings.rysk
    domain = quote_domain(section.chain_id, Address.parse(section.verifying_contract))
    key = None
    if settings.mode != "dry-run" and section.private_key is not None:
        key = EthereumKey.parse(section.private_key.reveal())
    return RyskPort(
        RyskSettings(
            ws_url=rysk_url(settings),
            account=section.account,
            maker=section.maker_address or ZERO_ADDRESS,
            assets=dict.fromkeys((address.lower() for address in section.assets), section.underlying),
            stables={section.stable.lower(): section.stable_decimals},
        ),
        DomainAllowList((domain,)),
        key,
        transport,
        clock,
        rng,
    )


def plan(
    settings: NodeSettings,
    transport: Transport,
    clock: Clock,
    rng: random.Random,
    *,
    hedge: bool = True,
    on_outputs: Callable[[Sequence[Any]], None] | None = None,
    **options: Any,
) -> NodePlan:
    """Compose a node. `options` are further fields of `NodePlan`."""
    responder = settings.responder
    market = hedge_market(settings)
    hedger = DeltaHedger(settings.hedger, market, HEDGER_NUMBER)
    ports: list[Port] = [
        DeribitPort(deribit_settings(settings), transport, clock, rng),
        rysk_port(settings, transport, clock, rng),
    ]
    if settings.mode == "dry-run":
        ports = [DryPort(port, settings.deribit.account, clock) for port in ports]
    return NodePlan(
        network=settings.network,
        mode=settings.mode,
        directory=settings.directory,
        engine=engine_settings(settings),
        ports=ports,
        strategies=[hedger] if hedge else [],
        responders={"rysk": RfqResponder(responder)},
        capabilities={"deribit": DERIBIT, "rysk": RYSK},
        settings_shown=plain(settings),
        tape=settings.tape,
        on_outputs=on_outputs,
        **options,
    )
