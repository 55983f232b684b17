"""What takers took from a maker, by what they knew: counted by the generator's own values.

For every settled trade the result of holding the option since the quote, per unit: `timing`, the move up to
the settlement, which nobody can hedge, and `value`, what it gained since for a holder who hedges its delta
every ten seconds. What a maker loses on these is what its takers took, beyond what it charged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atomizer.sim.rysk.fair import Valuer, fair_value
from atomizer.sim.rysk.informed import hedged_result
from atomizer.sim.rysk.settings import PRICE_UNIT, QUANTITY_UNIT
from atomizer.sim.rysk.settlement import Outcome, Trade


def taken(trade: Trade, valuer: Valuer, now_ns: int) -> tuple[float, float]:
    """(timing, value) of one settled trade in USD, positive when the taker took it from the maker."""
    option = valuer.terms(trade.asset, int(trade.strike), trade.expiry, is_put=trade.is_put)
    market = valuer.market(trade.asset)
    timing, value = hedged_result(market, option, trade.quoted_ns, trade.settled_ns, now_ns)
    units = int(trade.quantity) / QUANTITY_UNIT * valuer.ratio(trade.asset)
    sign = units if trade.is_taker_buy else -units
    return sign * timing, sign * value


def charged(trade: Trade, valuer: Valuer) -> float:
    """What the price was away from the generator's value when it was quoted, USD in the maker's favour."""
    option = valuer.terms(trade.asset, int(trade.strike), trade.expiry, is_put=trade.is_put)
    fair = fair_value(valuer.market(trade.asset), option, trade.quoted_ns).usd * valuer.ratio(trade.asset)
    distance = int(trade.price) / PRICE_UNIT - fair
    return int(trade.quantity) / QUANTITY_UNIT * (distance if trade.is_taker_buy else -distance)


def takings(
    heard: Mapping[tuple[bool, str], int], trades: Sequence[Trade], maker: str, valuer: Valuer, now_ns: int
) -> dict[str, Any]:
    """Per group of takers: RFQs, those the maker quoted, trades, USD charged by the
    generator's values, and USD taken up to now.

    `heard` counts RFQs and quotes by (informed, what), closed auctions only.
    """
    rows = {
        name: {
            "rfqs": heard.get((informed, "rfqs"), 0),
            "quoted": heard.get((informed, "quoted"), 0),
            "trades": 0,
            "charged_usd": 0.0,
            "timing_usd": 0.0,
            "value_usd": 0.0,
        }
        for name, informed in (("informed", True), ("others", False))
    }
    for trade in trades:
        if trade.maker != maker or trade.outcome is not Outcome.SETTLED:
            continue
        row = rows["informed" if trade.informed else "others"]
        timing, value = taken(trade, valuer, now_ns)
        row["trades"] += 1
        row["charged_usd"] += charged(trade, valuer)
        row["timing_usd"] += timing
        row["value_usd"] += value
    return rows
