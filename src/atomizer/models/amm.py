"""A concentrated-liquidity position as a derivative: value, delta, gamma, LVR, fees.

Price P in token1 per token0, range [low, high], liquidity L; values in token1. Theory in floating point, for
decisions; exact pool arithmetic is `uniswap_v3`. Sources: Milionis, Moallemi, Roughgarden, Zhang (2022,
2023); Nezlobin, Tassy (2025); Cartea, Drissi, Monga (predictable loss).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive

NEZLOBIN_TASSY = 1.7164  # of f / sigma_b: arbitrage with fees at a fixed block interval


class RangeState(NamedTuple):
    """Holdings and greeks of a position: token0 x, token1 y, value y + x P, delta (token0), gamma."""

    x: float
    y: float
    value: float
    delta: float
    gamma: float


def range_state(price: float, low: float, high: float, liquidity: float) -> RangeState:
    """The position at a price, inside or outside its range. `high` may be infinite (full range with low = 0).

    Raises:
        ModelInputError: price not above 0, low below 0 or not under high, liquidity below 0.
    """
    positive(price=price)
    non_negative(low=low, liquidity=liquidity)
    if not low < high:
        raise ModelInputError("low", f"below the upper price {high!r}", low)
    inside = min(max(price, low), high)
    root, root_high = math.sqrt(inside), math.sqrt(high)
    x = liquidity * (1.0 / root - (1.0 / root_high))
    y = liquidity * (root - math.sqrt(low))
    gamma = -liquidity / (2.0 * price**1.5) if low < price < high else 0.0
    return RangeState(x, y, y + x * price, x, gamma)


def liquidity_for_value(value: float, price: float, low: float, high: float) -> float:
    """L of a position worth `value` token1.

    Raises:
        ModelInputError: as `range_state`, value below 0.
    """
    non_negative(value=value)
    return value / range_state(price, low, high, 1.0).value


def lvr_rate(price: float, low: float, high: float, liquidity: float, sigma: float) -> float:
    """Loss versus rebalancing per time, sigma^2 P^2/2 |gamma| = L sigma^2 sqrt(P)/4 inside the range, token1.

    `sigma` relative per sqrt(time); the rate is per that time.

    Raises:
        ModelInputError: as `range_state`, sigma below 0.
    """
    non_negative(sigma=sigma)
    return 0.5 * (sigma * price) ** 2 * abs(range_state(price, low, high, liquidity).gamma)


def break_even_fee_rate(price: float, low: float, high: float, sigma: float) -> float:
    """Fee income per time and per value at which the position pays for its LVR; sigma^2/8 on the full range.

    Raises:
        ModelInputError: as `lvr_rate`.
    """
    return lvr_rate(price, low, high, 1.0, sigma) / range_state(price, low, high, 1.0).value


def impermanent_loss(price: float, ratio: float, low: float, high: float) -> float:
    """Value after the price moves by `ratio`, over the value of having held the tokens, minus 1.

    Raises:
        ModelInputError: as `range_state`, ratio not above 0.
    """
    positive(ratio=ratio)
    before = range_state(price, low, high, 1.0)
    later = price * ratio
    held = min(max(price, low), high)
    moved = min(max(later, low), high)
    root, new_root = math.sqrt(held), math.sqrt(moved)
    # value after less holding, per unit of liquidity, without cancellation: small moves keep their digits
    step = (moved - held) / (root + new_root)
    loss = step * ((moved - later) / (root * new_root) - step / root)
    return loss / (before.y + before.x * later)


def full_range_impermanent_loss(ratio: float) -> float:
    """2 sqrt(k)/(1 + k) - 1, written as -(sqrt(k) - 1)^2/(1 + k).

    Raises:
        ModelInputError: ratio not above 0.
    """
    positive(ratio=ratio)
    return -(((ratio - 1.0) / (math.sqrt(ratio) + 1.0)) ** 2) / (1.0 + ratio)


def poisson_trade_share(sigma: float, log_fee: float, block_rate: float) -> float:
    """Share of LVR that arbitrage takes, 1/(1 + sqrt(2 lambda) f / sigma), blocks at Poisson times.

    Args:
        sigma: relative per sqrt(time).
        log_fee: one-sided fee, log price.
        block_rate: blocks per time.

    Raises:
        ModelInputError: sigma or block rate not above 0, fee below 0.
    """
    positive(sigma=sigma, block_rate=block_rate)
    non_negative(log_fee=log_fee)
    return 1.0 / (1.0 + math.sqrt(2.0 * block_rate) * log_fee / sigma)


def fixed_block_share(sigma: float, log_fee: float, block_rate: float) -> float:
    """The same with a fixed block interval: 1/(1 + 1.7164 f / sigma_b), sigma_b = sigma / sqrt(block rate).

    Raises:
        ModelInputError: as `poisson_trade_share`.
    """
    positive(sigma=sigma, block_rate=block_rate)
    non_negative(log_fee=log_fee)
    return 1.0 / (1.0 + NEZLOBIN_TASSY * log_fee * math.sqrt(block_rate) / sigma)


def optimal_width(
    sigma: float, fee_rate: float, concentration_cost: float, *, drift: float = 0.0, cost_rate: float = 0.0
) -> float:
    """Range width delta* of a log-utility provider with the range centred on the price (predictable loss).

    (2 gamma_c + mu^2 sigma^2) / (4 pi - eta - sigma^2/2 + mu (mu - sigma^2/2)): wider with volatility and
    with the cost of concentration, narrower with fees. NaN: fees do not pay for the predictable loss, do not
    provide.

    Args:
        sigma: relative per sqrt(time).
        fee_rate: pi, fee income rate of the pool per time.
        concentration_cost: gamma_c.
        drift: mu, relative per time.
        cost_rate: eta, running cost per time.

    Raises:
        ModelInputError: a number outside its domain.
    """
    non_negative(sigma=sigma, fee_rate=fee_rate, concentration_cost=concentration_cost, cost_rate=cost_rate)
    finite(drift=drift)
    variance = sigma**2
    margin = 4.0 * fee_rate - cost_rate - 0.5 * variance + drift * (drift - 0.5 * variance)
    if margin <= 0.0:
        return math.nan
    return (2.0 * concentration_cost + drift**2 * variance) / margin


def remint_band(risk_aversion: float, gas: float, value: float, gamma_value: float) -> float:
    """How far (log price) the reservation price may move before a re-mint pays.

    Whalley-Wilmott's band over gamma, with gas over value as the cost rate:
    (1.5 gas / (value risk_aversion |gamma_value|))^(1/3). Infinite for a position without gamma.

    Args:
        risk_aversion: per relative P&L variance, dimensionless.
        gas: cost of a re-mint, token1.
        value: of the position, token1.
        gamma_value: gamma P^2 / value of the position, dimensionless; its size is used.

    Raises:
        ModelInputError: a number outside its domain.
    """
    positive(risk_aversion=risk_aversion, value=value)
    non_negative(gas=gas)
    finite(gamma_value=gamma_value)
    if gamma_value == 0.0:
        return math.inf
    return math.cbrt(1.5 * gas / (value * risk_aversion * abs(gamma_value)))
