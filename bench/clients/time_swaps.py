"""Times degenbot's swap and demeter's bar on one pool: JSON in, rates and amounts as JSON out."""

import json
import sys
import time
from decimal import Decimal

given = json.load(sys.stdin)
answer: dict = {}


def degenbot_rate() -> None:
    from degenbot.uniswap.types import UniswapV3LiquidityAtTick, UniswapV3PoolState
    from degenbot.uniswap.v3_liquidity_pool import UniswapV3Pool

    pool = object.__new__(UniswapV3Pool)
    pool.sparse_liquidity_map = False
    pool.tick_spacing, pool.fee = given["spacing"], given["fee"]
    ticks = {
        int(tick): UniswapV3LiquidityAtTick(liquidity_net=int(net), liquidity_gross=int(gross))
        for tick, net, gross in given["ticks"]
    }
    price, liquidity, tick = int(given["price"]), int(given["liquidity"]), given["tick"]
    low, high = 4295128740, 1461446703485210103287273052203988822378723970341
    amounts = []
    started = time.process_time()
    for down, amount in given["swaps"]:
        state = UniswapV3PoolState(
            pool=None, liquidity=liquidity, sqrt_price_x96=price, tick=tick, tick_bitmap={}, tick_data=ticks
        )
        amount0, amount1, price, liquidity, tick = pool._calculate_swap(
            down, amount, low if down else high, state
        )
        amounts.append((amount0, amount1))
    answer["degenbot"] = len(amounts) / (time.process_time() - started)
    answer["amounts"] = [[str(a), str(b)] for a, b in amounts]


def demeter_rate() -> None:
    from demeter import TokenInfo
    from demeter.uniswap import PositionInfo, UniV3Pool
    from demeter.uniswap._typing import Position, UniV3PoolStatus
    from demeter.uniswap.core import V3CoreLib

    token0, token1 = TokenInfo("weth", 18), TokenInfo("usdc", 6)
    pool = UniV3Pool(token0, token1, given["fee"] / 10_000, token1)
    held = [
        (
            PositionInfo(lower, upper),
            Position(Decimal(0), Decimal(0), int(liquidity), Decimal(0), Decimal(0), Decimal(0)),
        )
        for lower, upper, liquidity in given["positions"]
    ]
    bars = 2000
    state = UniV3PoolStatus(
        price=Decimal(2000),
        currentLiquidity=int(given["liquidity"]),
        inAmount0=10**18,
        inAmount1=2 * 10**9,
        closeTick=given["tick"],
    )
    started = time.process_time()
    for bar in range(bars):
        for info, position in held:
            V3CoreLib.update_fee(given["tick"] + bar % 40 - 20, pool, info, position, state)
    answer["demeter"] = bars / (time.process_time() - started)


for measure in (degenbot_rate, demeter_rate):
    try:
        measure()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        answer[f"{measure.__name__}_error"] = repr(error)
json.dump(answer, sys.stdout)
