"""A quoting client: cancel-on-disconnect on, one protection group, prices around the book."""

from __future__ import annotations

from typing import Any

from atomizer.sim.deribit import DeribitTwinSettings
from tests.sim.deribit.client import RawClient, World

GROUP = "makers"
INDEX = "eth_usd"
PORTFOLIO = DeribitTwinSettings(takers=False, margin_model="segregated_pm")
LIMITS = {"interval": 60, "frozen_time": 5, "quantity_limit": 20, "max_quote_quantity": 30}


async def quoter(world: World, number: int = 1, group: str = GROUP, **limits: Any) -> RawClient:
    """Authenticated, with a group, ready to quote."""
    client = await world.connect(number)
    await client.call("private/enable_cancel_on_disconnect")
    await client.call("private/set_mmp_config", index_name=INDEX, mmp_group=group, **{**LIMITS, **limits})
    return client


async def quote(client: RawClient, *entries: dict[str, Any], group: str = GROUP, **more: Any) -> Any:
    """One mass quote with a detailed answer."""
    params = {"quote_id": "1", "mmp_group": group, "quotes": list(entries), "detailed": True, **more}
    return await client.call("private/mass_quote", **params)


def entry(name: str, bid: Any = None, ask: Any = None, set_id: str = "s") -> dict[str, Any]:
    """An entry; a side is (price, amount), where None leaves one out, or a ready object."""
    made: dict[str, Any] = {"instrument_name": name, "quote_set_id": set_id}
    for side, given in (("bid", bid), ("ask", ask)):
        if isinstance(given, tuple):
            price, amount = given
            price = None if price is None else round(price, 4)
            given = {key: value for key, value in (("price", price), ("amount", amount)) if value is not None}
        if given is not None:
            made[side] = given
    return made


def option(world: World, strike: float = 4000.0) -> str:
    """The first listed call of a strike."""
    return next(one.name for one in world.market.options if one.strike == strike and one.is_call)


async def inside(client: RawClient, name: str) -> tuple[float, float, float]:
    """(bid, ask, step) of an option whose book is looked at."""
    await client.call("public/subscribe", channels=[f"book.{name}.100ms"])
    ticker = await client.call("public/ticker", instrument_name=name)
    return ticker["best_bid_price"], ticker["best_ask_price"], 0.0005


async def quotes_of(client: RawClient) -> list[dict[str, Any]]:
    """Open quotes, by instrument and side."""
    found = [one for one in await client.call("private/get_open_orders") if one.get("quote")]
    return sorted(found, key=lambda one: (one["instrument_name"], one["direction"]))
