"""Parameters of Derive's portfolio margin (PM2): the public mainnet configuration at the time of writing.

Read live parameters from the venue in production; these are what the golden numbers use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["Up", "None", "Down", "Linear", "Abs"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Spot factor, direction of the vol shock, share of the P&L that counts."""

    spot: float
    direction: Direction
    damping: float = 1.0


_REGULAR = (1.135, 1.09, 1.045, 1.0, 0.955, 0.91, 0.865)
_TAILS = (
    (0.34, 0.21),
    (0.67, 0.42),
    (1.5, 0.2772),
    (2.0, 0.1386),
    (3.0, 0.0693),
    (4.0, 0.0462),
    (5.0, 0.03465),
    (6.0, 0.02772),
)
_DIRECTIONS: tuple[Direction, ...] = ("Up", "None", "Down")
SCENARIOS: tuple[Scenario, ...] = (
    Scenario(1.18, "Up"),
    *(Scenario(spot, direction) for spot in _REGULAR for direction in _DIRECTIONS),
    Scenario(0.82, "Up"),
    *(Scenario(spot, "Up", damping) for spot, damping in _TAILS),
    Scenario(1.0, "Linear"),
    Scenario(1.0, "Abs"),
)


@dataclass(frozen=True, slots=True)
class Pm2Parameters:
    """Margin parameters; defaults are the public mainnet configuration. Fractions unless said."""

    scenarios: tuple[Scenario, ...] = SCENARIOS
    vol_up: float = 0.5
    vol_down: float = 0.3
    short_power: float = 0.3
    long_power: float = 0.13
    floor_days: float = 1.0
    min_vol_up: float = 0.4
    im_factor: float = 1.0
    mm_factor: float = 0.8
    long_discount: float = 0.95
    short_discount: float = 1.05
    long_rate_scale: float = 0.0
    short_rate_scale: float = 0.0
    long_rate: float = 0.16
    short_rate: float = 0.16
    basis_up: float = 1.045
    basis_down: float = 0.955
    basis_add: float = 0.5
    basis_per_year: float = 2.0
    peg_threshold: float = 0.99
    peg_factor: float = 4.0
    confidence_threshold: float = 0.55
    confidence_factor: float = 1.0
    mm_perp: float = 0.03
    im_perp: float = 0.01
    mm_option: float = 0.003
    im_option: float = 0.002
    linear_cap: float = 0.25
    abs_cap: float = 0.25
    linear_cap_slope: float = -0.1
    abs_cap_slope: float = -0.1
    min_k_star: float = 0.01
    width_scale: float = 4.0
    width_vol: float = 0.6
    width_vol_slope: float = 0.0
