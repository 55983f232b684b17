"""What the venue's operator can do, for judges and drills: states of instruments, locks of an index.

`GET /sim/instrument?name=ETH-PERPETUAL&state=locked`, `GET /sim/lock?index=eth_usd&locked=true`.
"""

from __future__ import annotations

from typing import Any

from atomizer.sim.deribit.errors import invalid_params
from atomizer.sim.deribit.exchange import Exchange
from atomizer.sim.deribit.params import Params
from atomizer.sim.deribit.states import STATES

INSTRUMENT, LOCK = "/sim/instrument", "/sim/lock"
PATHS = (INSTRUMENT, LOCK)


def act(exchange: Exchange, path: str, asked: dict[str, str]) -> dict[str, Any]:
    """Do what a page asks for; says what is so now.

    Raises:
        DeribitError: unknown instrument, state or index.
    """
    params = Params(asked)
    if path == INSTRUMENT:
        listing = exchange.listing(params.text("name"))
        if params.has("state"):
            exchange.set_state(listing, params.choice("state", STATES, ""))
        return {"instrument_name": listing.name, "state": exchange.books[listing.name].state}
    underlying = exchange.by_index(params.text("index"))
    if underlying is None:
        known = ", ".join(one.index_name for one in exchange.underlyings.values())
        raise invalid_params("index", f"must be one of {known}")
    if params.has("locked"):
        exchange.lock(underlying, locked=params.flag("locked"))
    return {"index": underlying.index_name, "locked": underlying.index_name in exchange.locked}
