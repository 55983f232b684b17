"""Inverse (coin-settled) contracts in the quoting models.

The models of `avellaneda` and `glft` want inventory in coins, volatility in USD per sqrt(time), gamma and k
in 1/USD. A position of N USD on an inverse contract at mark S is N/S coins; putting N itself into q is wrong
by a factor of the price. An account measured in USD is exposed to its own coin equity as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

Numeraire = Literal["usd", "coin"]
_GRID_SLACK = 1e-9  # a price this close to a grid line (in ticks) is on it


@dataclass(frozen=True, slots=True)
class InverseOrders:
    """Prices in USD on the tick grid, sizes in USD (whole contracts); a size of 0 is no quote."""

    bid_tick: float
    ask_tick: float
    bid_size_usd: float
    ask_size_usd: float


def inverse_inventory(
    size_usd: float, mark: float, *, coin_equity: float, target_coins: float, numeraire: Numeraire
) -> float:
    """Model inventory q in coins of an account holding an inverse position.

    Args:
        size_usd: position, long positive, in USD.
        mark: mark price, USD per coin.
        coin_equity: equity of the account in coins, unrealised P&L included.
        target_coins: inventory at which quotes are not skewed, coins.
        numeraire: what the account is measured in; its coin equity is exposure only when that is `usd`.

    Raises:
        ModelInputError: mark not above 0, a number not finite, an unknown numeraire.
    """
    positive(mark=mark)
    finite(size_usd=size_usd, coin_equity=coin_equity, target_coins=target_coins)
    if numeraire == "usd":
        return size_usd / mark + coin_equity - target_coins
    if numeraire == "coin":
        return size_usd / mark - target_coins
    raise ModelInputError("numeraire", "'usd' or 'coin'", numeraire)


def floor_tick(price: float, tick: float) -> float:
    """The highest grid price not above `price` (within 1e-9 tick)."""
    return math.floor(price / tick + _GRID_SLACK) * tick


def ceil_tick(price: float, tick: float) -> float:
    """The lowest grid price not below `price` (within 1e-9 tick)."""
    return math.ceil(price / tick - _GRID_SLACK) * tick


def contracts_usd(order_coins: float, price: float, contract_usd: float) -> float:
    """USD size of an order of `order_coins` coins at `price`, in whole contracts rounded down."""
    return math.floor(order_coins * price / contract_usd + _GRID_SLACK) * contract_usd


def inverse_orders(
    bid: float, ask: float, *, order_coins: float, contract_usd: float, tick: float
) -> InverseOrders:
    """Round a model quote to the venue: bid down, ask up, each side sized at its own rounded price.

    Args:
        bid, ask: model prices, USD per coin.
        order_coins: size wanted per side, coins.
        contract_usd: face value of one contract, USD.
        tick: price grid, USD.

    Raises:
        ModelInputError: a price not finite, a grid not above 0, bid above ask.
    """
    positive(contract_usd=contract_usd, tick=tick)
    non_negative(order_coins=order_coins)
    finite(bid=bid, ask=ask)
    if bid > ask:
        raise ModelInputError("bid", f"at most the ask {ask!r}", bid)
    bid_tick, ask_tick = floor_tick(bid, tick), ceil_tick(ask, tick)
    return InverseOrders(
        bid_tick,
        ask_tick,
        max(contracts_usd(order_coins, bid_tick, contract_usd), 0.0),
        max(contracts_usd(order_coins, ask_tick, contract_usd), 0.0),
    )
