"""The exact Uniswap V3 pool, in integers.

`Pool` and `PositionManager` are the readable form. The compiled form for long runs of swaps is
`atomizer.models.uniswap_v3.batch`; it stays out of this surface, as its first call compiles for seconds.
"""

from atomizer.models.uniswap_v3.address import pool_address
from atomizer.models.uniswap_v3.errors import PoolError, error_from_revert
from atomizer.models.uniswap_v3.pool import Pool
from atomizer.models.uniswap_v3.position_manager import PositionManager
from atomizer.models.uniswap_v3.tick_math import sqrt_ratio_at_tick, tick_at_sqrt_ratio

__all__ = [
    "Pool",
    "PoolError",
    "PositionManager",
    "error_from_revert",
    "pool_address",
    "sqrt_ratio_at_tick",
    "tick_at_sqrt_ratio",
]
