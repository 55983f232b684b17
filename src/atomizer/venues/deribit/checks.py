"""What must be true of an account before anything is sent: asked on the trading socket, refused with words.

A fault of this kind is not cured by another connection: it ends the process at start, and after a reconnect
it keeps the socket down. Source: the desk's rules on disconnects, strangers and restarts.
"""

from __future__ import annotations

from collections.abc import Iterator

from atomizer.config.errors import ConfigError
from atomizer.domain.events import BudgetRead
from atomizer.venues.deribit import codec, wire
from atomizer.venues.deribit.rpc import Rpc
from atomizer.venues.deribit.settings import DeribitSettings

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
