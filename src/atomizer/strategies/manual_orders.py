"""Brings to the market what a person asked to be executed: one order for one request.

A request is a target like any other and passes the same gate. When its order is over, or its time is, or it
was refused, so is the request: nothing is asked for a second time unless a person says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from atomizer.domain.events import Event, Operator
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.domain.trades import MANUAL, MANUAL_GROUP, Request, Trade
from atomizer.engine.keeping import MANUAL_STRATEGY
from atomizer.engine.market import NEVER
from atomizer.engine.strategy import Level, Target

if TYPE_CHECKING:
    from atomizer.engine.core import Engine


class ManualOrders:
    """A `Strategy`. It may rest on any instrument that no other strategy claims."""

    name = MANUAL
    number = MANUAL_STRATEGY

    def __init__(self) -> None:
        self._next_ns = NEVER

    def claims(self) -> tuple[str, ...]:
        return ()

    def wants(self, event: Event) -> bool:
        return isinstance(event, Operator)

    def next_deadline(self) -> int:
        return self._next_ns

    def decide(self, engine: Engine) -> Mapping[Level, Target]:
        """One target for each request that is still wanted."""
        targets: dict[Level, Target] = {}
        self._next_ns = NEVER
        for trade in engine.ledger.trades.requests():
            request = trade.request
            listed = trade.instrument in engine.market.instruments
            if request is None or not listed or request.until_ns <= engine.now_ns or not trade.left:
                continue
            self._next_ns = min(self._next_ns, request.until_ns)
            target = self._target(engine, trade, request)
            if target.purpose is Purpose.QUOTE and self._pulled(engine, trade):
                continue
            targets[Level(trade.instrument, trade.side, request.level)] = target
        return targets

    @staticmethod
    def _pulled(engine: Engine, trade: Trade) -> bool:
        """A kill level pulls what rests and adds risk; what is not sent yet is the gate's to refuse."""
        stopped = engine.halts.kill_level >= 1 or engine.halts.journal != "ok"
        return stopped and any(order in engine.ledger.orders for order in trade.orders)

    @staticmethod
    def _target(engine: Engine, trade: Trade, request: Request) -> Target:
        return Target(
            price=float(request.price),
            size=float(trade.left),
            life_ns=request.until_ns - engine.now_ns,
            time_in_force=TimeInForce.IOC if request.immediate else TimeInForce.GTC,
            purpose=Purpose.REDUCE if _reduces(engine, trade) else Purpose.QUOTE,
            group=MANUAL_GROUP + trade.trade_id,
            why={"trade_id": trade.trade_id, "because": "asked for by a person"},
        )


def _reduces(engine: Engine, trade: Trade) -> bool:
    """Whether it brings the underlying's net delta towards zero and not through it.

    Only a name for the order: whether it may pass as reducing is the gate's to find.
    """
    unit = engine.exposure.units.get(trade.instrument)
    if unit is None:
        return False
    net = engine.net_delta(trade.underlying)
    change = unit.delta * trade.side * float(trade.left)
    return change * net < 0.0 and abs(change) <= abs(net)
