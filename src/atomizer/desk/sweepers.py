"""Cancelling our orders at a venue by a session of the desk's own, with the node dead or frozen.

A table by venue: whoever supports a venue adds its sweep here, and nothing branches on names.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from typing import Any

import msgspec

from atomizer.desk.errors import SweepError
from atomizer.domain.identity import LABEL_PREFIX
from atomizer.net.transport import Transport

# venue -> "module:function", called as `await function(transport, settings, label_prefix)`.
SWEEPERS: dict[str, str] = {"deribit": "atomizer.venues.deribit.sweep:cancel_ours"}
DEADLINE_S = 10.0


class Sweep(msgspec.Struct, frozen=True):
    """What one venue's sweep did: its own answer, or why our orders there may still rest."""

    venue: str
    result: Any = None
    error: str = ""


async def sweep_all(transport: Transport, venues: Mapping[str, Any]) -> list[Sweep]:
    """Sweep every venue at once; `venues` holds the settings of each. One failing stops no other."""
    return list(await asyncio.gather(*(_sweep(transport, venue, venues[venue]) for venue in sorted(venues))))


async def _sweep(transport: Transport, venue: str, settings: Any) -> Sweep:
    try:
        async with asyncio.timeout(DEADLINE_S):
            result = await _function(venue)(transport, settings, LABEL_PREFIX)
    except TimeoutError:
        return Sweep(venue, error=f"expected an answer within {DEADLINE_S} s, found none")
    except Exception as error:  # noqa: BLE001  (the switch's edge: told in the report, the next step follows)
        return Sweep(venue, error=f"{type(error).__name__}: {error}")
    return Sweep(venue, result=msgspec.to_builtins(result))


def _function(venue: str) -> Any:
    target = SWEEPERS.get(venue)
    if target is None:
        raise SweepError(
            f"expected one of {', '.join(sorted(SWEEPERS))}, found {venue}; cancel there by hand"
        )
    module_name, name = target.split(":")
    return getattr(importlib.import_module(module_name), name)
