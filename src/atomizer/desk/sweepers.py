"""Cancelling our orders at a venue by a session of the desk's own, with the node dead or frozen.

A table by venue: whoever supports a venue adds its sweep here, and nothing branches on names.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from atomizer.desk.errors import SweepError
from atomizer.domain.identity import LABEL_PREFIX
from atomizer.net.transport import Transport

# exchange -> "module:function", called as `await function(transport, settings, label_prefix,
# timeout_s=...)`; it answers with a `SweptOrder` for each order of ours that was open.
SWEEPERS: dict[str, str] = {"deribit": "atomizer.venues.deribit.sweep:cancel_ours"}
TIMEOUT_S = 8.0
_BACKSTOP_S = 10.0  # for a sweep that does not keep its own deadline


class SweptOrder(Protocol):
    """One order of ours that was open. `open`: it still is; `outcome` says why."""

    @property
    def label(self) -> str: ...

    @property
    def instrument(self) -> str: ...

    @property
    def outcome(self) -> str: ...

    @property
    def open(self) -> bool: ...


class Sweep(msgspec.Struct, frozen=True):
    """What one venue's sweep did: labels of the orders cancelled, or why some may still rest."""

    venue: str
    cancelled: list[str] = []
    error: str = ""


async def sweep_all(transport: Transport, venues: Mapping[str, Any]) -> list[Sweep]:
    """Sweep every venue at once; `venues` holds the settings of each. One failing stops no other.

    A venue name may be one account of several: its settings then name the `exchange`.
    """
    return list(await asyncio.gather(*(_sweep(transport, venue, venues[venue]) for venue in sorted(venues))))


async def _sweep(transport: Transport, venue: str, settings: Any) -> Sweep:
    try:
        async with asyncio.timeout(_BACKSTOP_S):
            orders: Sequence[SweptOrder] = await _function(getattr(settings, "exchange", venue))(
                transport, settings, LABEL_PREFIX, timeout_s=TIMEOUT_S
            )
    except TimeoutError:
        return Sweep(venue, error=f"expected an answer within {_BACKSTOP_S} s, found none")
    except Exception as error:  # noqa: BLE001  (the switch's edge: told in the report, the next step follows)
        return Sweep(venue, error=f"{type(error).__name__}: {error}")
    resting = [f"{item.label} {item.instrument} ({item.outcome})" for item in orders if item.open]
    left = f"expected none of our orders open, found {', '.join(resting)}" if resting else ""
    return Sweep(venue, [item.label for item in orders if not item.open], left)


def _function(exchange: str) -> Any:
    target = SWEEPERS.get(exchange)
    if target is None:
        raise SweepError(
            f"expected one of {', '.join(sorted(SWEEPERS))}, found {exchange}; cancel there by hand"
        )
    module_name, name = target.split(":")
    return getattr(importlib.import_module(module_name), name)
