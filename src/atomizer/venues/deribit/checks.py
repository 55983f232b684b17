"""What must be true of an account before anything is sent: asked on the trading socket, refused with words.

A fault of this kind is not cured by another connection: it ends the process at start, and after a reconnect
it keeps the socket down. Source: the desk's rules on disconnects, strangers and restarts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from atomizer.config.errors import ConfigError
from atomizer.domain.events import BudgetRead
from atomizer.venues.deribit import codec, quote_wire, wire
from atomizer.venues.deribit.rpc import Rpc, VenueRefusedError
from atomizer.venues.deribit.settings import DeribitSettings, MmpGroup

log = logging.getLogger(__name__)

# What the token is asked for (cancel-on-disconnect needs to write the account), and what it must not do.
SCOPE = "account:read_write trade:read_write wallet:none custody:none"
NEEDED = ("account", "trade")
FORBIDDEN = ("wallet", "custody")
# The part of the account's rate that the core may use: the rest is for what other sessions send.
USED = 0.8


class StartRefusedError(ConfigError):
    """The account is not the one, or not the kind of one, that the configuration says."""


async def check_account(rpc: Rpc, settings: DeribitSettings, scope: str) -> BudgetRead | None:
    """Compare account and configuration; the account's own message rate, where it tells one.

    Raises:
        StartRefusedError: every fault found.
        SessionError: the venue did not answer.
    """
    params = {"currency": settings.currencies[0], "extended": True}
    reply = await rpc.message("private/get_account_summary", params)
    account = rpc.decoded("private/get_account_summary", reply.result, codec.decode_account)
    faults = [
        *_scope_faults(scope),
        *_network_faults(settings, reply.testnet),
        *_account_faults(settings, account),
    ]
    if faults:
        raise StartRefusedError([f"{settings.venue}: {fault}" for fault in faults])
    return _budget(settings.venue, account)


async def protect(rpc: Rpc, settings: DeribitSettings) -> None:
    """Set the protection of every configured group where the venue holds another, and see that it took it.

    Raises:
        StartRefusedError: the venue did not take it.
        SessionError: the venue did not answer.
    """
    for group in settings.mmp_groups:
        where = {"index_name": group.index, "mmp_group": group.name}
        held = await _mmp_configs(rpc, "private/get_mmp_config", where)
        if not any(_same(config, group) for config in held):
            held = await _mmp_configs(rpc, "private/set_mmp_config", where | _mmp_params(group))
        if not any(_same(config, group) for config in held):
            fault = (
                f"{settings.venue}: expected the protection of {group.name} on {group.index} as configured, "
                f"the venue answered {held}; correct mmp_groups"
            )
            raise StartRefusedError([fault])


async def _mmp_configs(rpc: Rpc, method: str, params: dict[str, Any]) -> list[quote_wire.MmpConfig]:
    try:
        return await rpc.call(method, params, codec.decode_mmp_configs)
    except VenueRefusedError as refused:
        log.warning("%s", refused)
        return []


def _mmp_params(group: MmpGroup) -> dict[str, Any]:
    params: dict[str, Any] = {
        "interval": group.interval_s,
        "frozen_time": group.frozen_s,
        "quantity_limit": group.quantity,
        "delta_limit": group.delta,
        "max_quote_quantity": group.max_quote_quantity,
    }
    return params | ({"vega_limit": group.vega} if group.vega else {})


def _same(held: quote_wire.MmpConfig, group: MmpGroup) -> bool:
    return (
        held.index_name,
        held.mmp_group,
        held.interval,
        held.frozen_time,
        held.quantity_limit,
        held.delta_limit,
        held.max_quote_quantity,
        held.vega_limit or 0,
    ) == (
        group.index,
        group.name,
        group.interval_s,
        group.frozen_s,
        group.quantity,
        group.delta,
        group.max_quote_quantity,
        group.vega,
    )


def _scope_faults(scope: str) -> Iterator[str]:
    granted = dict(part.split(":", 1) for part in scope.split() if ":" in part)
    for name in FORBIDDEN:
        if granted.get(name, "none") == "read_write":
            yield f"expected a key that cannot withdraw, found the scope {name}:read_write; make another key"
    for name in NEEDED:
        if granted.get(name, "none") == "none":
            yield f"expected a key with the scope {name}, found it without; add it to the key"


def _network_faults(settings: DeribitSettings, testnet: bool | None) -> Iterator[str]:
    if settings.testnet is not None and testnet is not None and testnet is not settings.testnet:
        found, expected = ("test" if flag else "live" for flag in (testnet, settings.testnet))
        yield f"expected the {expected} network, the venue says {found}; correct ws_url or network"


def _account_faults(settings: DeribitSettings, account: wire.AccountData) -> Iterator[str]:
    names = (account.username, account.system_name)
    if settings.account_name and settings.account_name not in names:
        found = " or ".join(filter(None, names)) or "none"
        yield f"expected the account {settings.account_name}, found {found}; correct the key or account_name"
    if settings.mmp_groups and not account.mmp_enabled:
        yield "expected market maker protection on, found it off; ask the venue, or set no mmp_groups"
    if settings.margin_model and account.margin_model != settings.margin_model:
        yield (
            f"expected the margin model {settings.margin_model}, found {account.margin_model or 'none'}; "
            "switch the account or correct margin_model"
        )


def _budget(venue: str, account: wire.AccountData) -> BudgetRead | None:
    matching = account.limits.matching_engine if account.limits else None
    total = matching.trading.total if matching and matching.trading else None
    if total is None or total.rate <= 0.0 or total.burst <= 0.0:
        return None
    return BudgetRead(venue, total.rate * USED, max(1.0, total.burst * USED))
