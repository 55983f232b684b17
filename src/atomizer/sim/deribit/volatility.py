"""What the venue publishes of volatility: realised by the hour, and a thirty-day index of implied vol."""

from __future__ import annotations

import itertools
import math
from typing import Any

from atomizer.sim.calendar import DAY_NS, SECOND_NS
from atomizer.sim.deribit.calls import Call, Method
from atomizer.sim.deribit.errors import invalid_params
from atomizer.sim.deribit.listings import NS_PER_MS
from atomizer.sim.deribit.underlyings import Underlying

HOUR_NS = 3600 * SECOND_NS
SAMPLE_NS = 300 * SECOND_NS
KEPT_HOURS = 15 * 24
HOURS_A_YEAR = 365 * 24
INDEX_TENOR_NS = 30 * DAY_NS


def get_historical_volatility(call: Call) -> list[list[float]]:
    """[hour in ms, realised vol of that hour in percent a year] since the market began."""
    coin = call.params.text("currency")
    underlying = call.twin.exchange.underlyings.get(coin)
    if underlying is None:
        raise invalid_params("currency", f"must be one of {', '.join(call.twin.exchange.underlyings)}")
    return realised(underlying, call.twin.exchange.now_ns)


def realised(underlying: Underlying, now_ns: int) -> list[list[float]]:
    """Realised vol of every full hour, from five-minute returns."""
    market = underlying.market
    first = market.start_ns + (-market.start_ns) % HOUR_NS
    hours = range(max(first, now_ns - now_ns % HOUR_NS - KEPT_HOURS * HOUR_NS), now_ns - HOUR_NS + 1, HOUR_NS)
    found = []
    for begin in hours:
        levels = [market.state(begin + at).index for at in range(0, HOUR_NS + 1, SAMPLE_NS)]
        squares = sum(math.log(b / a) ** 2 for a, b in itertools.pairwise(levels))
        found.append([(begin + HOUR_NS) // NS_PER_MS, round(100.0 * math.sqrt(squares * HOURS_A_YEAR), 4)])
    return found


def volatility_index(underlying: Underlying, now_ms: int) -> dict[str, Any]:
    """The message of deribit_volatility_index: implied vol at the money in thirty days, percent."""
    state = underlying.state()
    expiry_ns = state.ts_ns + INDEX_TENOR_NS
    volatility = round(100.0 * state.vol(state.forward(expiry_ns), expiry_ns), 4)
    return {
        "index_name": underlying.index_name,
        "volatility": volatility,
        "timestamp": now_ms,
        "estimated_delivery": volatility,
    }


METHODS: dict[str, Method] = {"public/get_historical_volatility": get_historical_volatility}
