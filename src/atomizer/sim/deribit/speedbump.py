"""The speed bump: what would match at once waits a fixed time, first come first out; cancels never wait.

The venue's page `starbase/speed-bumps` decides: the wait runs in full whatever the book does meanwhile,
sockets answer only when it is over, and the state shows in open orders alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from atomizer.sim.deribit.orders import Order

# The largest perpetuals are not delayed, linear or inverse.
EXEMPT_COINS = ("BTC", "ETH", "SOL", "XRP", "HYPE")
CLOCK_GRAIN_S = 1e-9


def exempt(instrument_name: str) -> bool:
    """Whether an instrument is one of the large perpetuals."""
    base, _, rest = instrument_name.partition("-")
    return rest == "PERPETUAL" and base.partition("_")[0] in EXEMPT_COINS


class SpeedBump:
    """What waits, in order of arrival, on the running loop."""

    def __init__(self, delay_ms: float) -> None:
        self.delay_s = delay_ms / 1000.0
        self._queue: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[Sequence[Order], Callable[[], None]]] = []

    def delays(self, instrument_name: str) -> bool:
        return self.delay_s > 0 and not exempt(instrument_name)

    def hold(self, release: Callable[[], None]) -> None:
        """Call `release` when the wait is over, behind everything held before."""
        self._queue.append((asyncio.get_running_loop().time() + self.delay_s, release))
        self._arm()

    def after(self, orders: Sequence[Order], call: Callable[[], None]) -> None:
        """Call when none of the orders waits any more, at once where none does."""
        if any(order.is_bumped for order in orders):
            self._waiting.append((orders, call))
        else:
            call()

    def notice(self) -> None:
        """Some order has left: whoever waited for it alone may go on."""
        ready = [call for orders, call in self._waiting if not any(order.is_bumped for order in orders)]
        self._waiting = [one for one in self._waiting if any(order.is_bumped for order in one[0])]
        for call in ready:
            call()

    def stop(self) -> None:
        """Release nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._queue:
            self._timer = asyncio.get_running_loop().call_at(self._queue[0][0], self._release)

    def _release(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time() + CLOCK_GRAIN_S
        while self._queue and self._queue[0][0] <= now:
            _, release = self._queue.popleft()
            release()
        self._arm()
