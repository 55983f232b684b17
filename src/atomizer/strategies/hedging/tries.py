"""Which instruments refuse or miss: after some tries in a row they are passed over for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atomizer.domain.events import Event, OrderEnded, OrderNotFound, PlaceRefused
from atomizer.domain.identity import strategy_of
from atomizer.domain.orders import EndReason, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.strategies.hedging.settings import HedgerSettings

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
OUTCOMES = (OrderEnded, PlaceRefused, OrderNotFound)


class Tries:
    """`hear` collects outcomes as they come, `learn` judges them with the ledger at hand."""

    def __init__(self, settings: HedgerSettings, number: int) -> None:
        self._settings = settings
        self._number = number
        self._heard: list[int] = []
        self._misses: dict[str, int] = {}
        self._until_ns: dict[str, int] = {}
        self._counted_ns: dict[str, int] = {}

    def hear(self, event: Event) -> None:
        if isinstance(event, OUTCOMES) and strategy_of(event.order_id) == self._number:
            self._heard.append(event.order_id)

    def learn(self, engine: Engine) -> None:
        """Count what ended without a fill, and what the gate holds back."""
        for number in self._heard:
            order = engine.ledger.find(number)
            if order is None or order.owed:
                continue
            if order.booked:
                self._misses.pop(order.instrument, None)
            elif order.time_in_force is TimeInForce.IOC or order.end is EndReason.REJECTED:
                self._miss(order.instrument, engine.now_ns)
        self._heard.clear()
        for level, slot in engine.slots.of_strategy.get(self._number, {}).items():
            if not slot.refused or slot.refused == Reason.BACK_OFF or slot.target is None:
                continue
            if engine.now_ns - self._counted_ns.get(level.instrument, 0) >= self._settings.check_ms * MS:
                self._counted_ns[level.instrument] = engine.now_ns
                self._miss(level.instrument, engine.now_ns)

    def _miss(self, instrument: str, now_ns: int) -> None:
        count = self._misses.get(instrument, 0) + 1
        if count >= self._settings.retry_attempts:
            self._until_ns[instrument] = now_ns + self._settings.fallback_ms * MS
            count = 0
        self._misses[instrument] = count

    def passed_over(self, instrument: str, now_ns: int) -> bool:
        """Whether it refused too often to be asked again now."""
        return self._until_ns.get(instrument, 0) > now_ns
