"""Delta of a whole account, in both numeraires.

Which delta to hedge is a property of the account's numeraire: `usd_delta` (coins) is d(USD value)/d(index),
`coin_delta` (coins) is index times d(value in coins)/d(index), under a bump that moves every forward and mark
in the index's proportion. For every account and every sum: usd_delta - coin_delta = equity in coins. Rates
are zero, as on the venues' marks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from atomizer.models.black import black76_greeks
from atomizer.models.inverse import future_pnl_coin


@dataclass(frozen=True, slots=True)
class OptionHolding:
    """`quantity` options (long positive) on a forward; T in years, sigma per sqrt(year)."""

    is_call: bool
    strike: float
    years: float
    sigma: float
    forward: float
    quantity: float
    entry: float = 0.0
    """Entry price in USD; only a futures-style (daily settled) linear option uses it."""


@dataclass(frozen=True, slots=True)
class InverseFuture:
    """`size_usd` USD of an inverse perpetual or future (long positive)."""

    size_usd: float
    entry: float
    mark: float


@dataclass(frozen=True, slots=True)
class LinearFuture:
    """`quantity` coins of a linear perpetual or future (long positive)."""

    quantity: float
    entry: float
    mark: float


@dataclass(frozen=True, slots=True)
class CoinAccount:
    """Coin-settled account; `cash` in coins, without option value and unrealised P&L."""

    cash: float
    options: Sequence[OptionHolding] = ()
    futures: Sequence[InverseFuture] = ()


@dataclass(frozen=True, slots=True)
class UsdAccount:
    """USD-settled account. `futures_style`: options count as value minus entry."""

    cash: float
    coin_collateral: float = 0.0
    options: Sequence[OptionHolding] = ()
    futures: Sequence[LinearFuture] = ()
    futures_style: bool = False


Account: TypeAlias = CoinAccount | UsdAccount


@dataclass(frozen=True, slots=True)
class AccountDelta:
    """Equity in the account's own currency, value in USD, deltas in coins, gamma in coins per +1 %."""

    equity: float
    value_usd: float
    usd_delta: float
    coin_delta: float
    gamma_1pct: float


def _option(holding: OptionHolding) -> tuple[float, float, float]:
    greeks = black76_greeks(
        holding.forward, holding.strike, holding.years, holding.sigma, 0.0, holding.is_call
    )
    return greeks[0], greeks[1], greeks[2]


def _coin_account(account: CoinAccount, index: float) -> AccountDelta:
    equity, coin_delta, gamma = [account.cash], [], []
    for held in account.options:
        price, delta, curve = _option(held)
        coin = price / held.forward
        equity.append(held.quantity * coin)
        coin_delta.append(held.quantity * (delta - coin))
        gamma.append(held.quantity * curve * held.forward / 100.0)
    for future in account.futures:
        equity.append(future_pnl_coin(future.size_usd, future.entry, future.mark))
        coin_delta.append(future.size_usd / future.mark)
    total = math.fsum(equity)
    in_coin = math.fsum(coin_delta)
    return AccountDelta(total, total * index, total + in_coin, in_coin, math.fsum(gamma))


def _usd_account(account: UsdAccount, index: float) -> AccountDelta:
    equity = [account.cash, account.coin_collateral * index]
    usd_delta, gamma = [account.coin_collateral], []
    for held in account.options:
        price, delta, curve = _option(held)
        equity.append(held.quantity * (price - held.entry if account.futures_style else price))
        usd_delta.append(held.quantity * delta * held.forward / index)
        gamma.append(held.quantity * curve * held.forward * held.forward / index / 100.0)
    for future in account.futures:
        equity.append(future.quantity * (future.mark - future.entry))
        usd_delta.append(future.quantity * future.mark / index)
    total = math.fsum(equity)
    in_usd = math.fsum(usd_delta)
    return AccountDelta(total, total, in_usd, in_usd - total / index, math.fsum(gamma))


def account_delta(account: Account, index: float) -> AccountDelta:
    """Equity and deltas of one account at `index` (USD per coin).

    NaN in a position (bad vol, non-positive forward) makes the sums NaN.

    Raises:
        ValueError: the index is not a positive number.
    """
    if not 0.0 < index < math.inf:
        raise ValueError(f"expected a positive index price, found {index!r}; check the index feed")
    if isinstance(account, CoinAccount):
        return _coin_account(account, index)
    return _usd_account(account, index)


def total_delta(accounts: Sequence[Account], index: float) -> AccountDelta:
    """Sum over accounts; `equity` is then in USD, the one currency they share."""
    parts = [account_delta(account, index) for account in accounts]
    value = math.fsum(part.value_usd for part in parts)
    return AccountDelta(
        value,
        value,
        math.fsum(part.usd_delta for part in parts),
        math.fsum(part.coin_delta for part in parts),
        math.fsum(part.gamma_1pct for part in parts),
    )
