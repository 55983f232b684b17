"""Which instruments refuse or miss: after some tries in a row they are passed over for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atomizer.domain.orders import EndReason, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.engine.ledger import Order
from atomizer.engine.strategy import Level
from atomizer.strategies.hedging.settings import HedgerSettings

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000


class Tries:
    """`learn` judges what came of the hedger's slots since it last looked."""

    def __init__(self, settings: HedgerSettings, number: int) -> None:
        self._settings = settings
        self._number = number
        self._judged: dict[Level, int] = {}
        self._misses: dict[str, int] = {}
        self._until_ns: dict[str, int] = {}
        self._counted_ns: dict[str, int] = {}
        self._rearmed_ns = 0

    def rearm(self, asked_ns: int) -> None:
        """A person asked at this time to try again: what was passed over is asked again."""
        if asked_ns > self._rearmed_ns:
            self._rearmed_ns = asked_ns
            self._misses.clear()
            self._until_ns.clear()

    def learn(self, engine: Engine) -> None:
        """Count what ended without a fill, and what the gate holds back."""
        for level, slot in engine.slots.of_strategy.get(self._number, {}).items():
            ended = slot.ended
            if ended is not None and self._judged.get(level) != ended.order_id:
                self._judged[level] = ended.order_id
                self._judge(ended, engine.now_ns)
            if not slot.refused or slot.refused == Reason.BACK_OFF or slot.target is None:
                continue
            if engine.now_ns - self._counted_ns.get(level.instrument, 0) >= self._settings.check_ms * MS:
                self._counted_ns[level.instrument] = engine.now_ns
                self._miss(level.instrument, engine.now_ns)

    def _judge(self, ended: Order, now_ns: int) -> None:
        if ended.booked:
            self._misses.pop(ended.instrument, None)
        elif ended.time_in_force is TimeInForce.IOC or ended.end is EndReason.REJECTED:
            self._miss(ended.instrument, now_ns)

    def _miss(self, instrument: str, now_ns: int) -> None:
        count = self._misses.get(instrument, 0) + 1
        if count >= self._settings.retry_attempts:
            self._until_ns[instrument] = now_ns + self._settings.fallback_ms * MS
            count = 0
        self._misses[instrument] = count

    def passed_over(self, instrument: str, now_ns: int) -> bool:
        """Whether it refused too often to be asked again now."""
        return self._until_ns.get(instrument, 0) > now_ns
