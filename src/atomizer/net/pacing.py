"""When to try again and how much may be sent: back-off, circuit breaker, rate backstop.

All three are plain arithmetic on the times and the generator they are given.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Reconnect delays in seconds.

    The n-th failure in a row waits up to `first_s` doubled n-1 times, at most `most_s`, less a random part
    of up to a half. After `breaker_failures` in a row the circuit opens: one trial per `breaker_rest_s`.
    A connection that stayed up `stable_s` clears the count.
    """

    first_s: float = 0.25
    most_s: float = 30.0
    breaker_failures: int = 8
    breaker_rest_s: float = 60.0
    stable_s: float = 10.0


class Retry:
    """Counts failures in a row and says how long to rest."""

    __slots__ = ("_rng", "_settings", "failures")

    def __init__(self, settings: RetrySettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self.failures = 0

    @property
    def circuit_open(self) -> bool:
        return self.failures >= self._settings.breaker_failures

    def ended(self, up_for_s: float) -> float:
        """A connection failed or ended after being up for `up_for_s` (0: never): seconds to rest."""
        if up_for_s >= self._settings.stable_s:
            self.failures = 0
        self.failures += 1
        if self.circuit_open:
            longest = self._settings.breaker_rest_s
        else:
            longest = min(self._settings.most_s, self._settings.first_s * 2.0 ** (self.failures - 1))
        return longest * (0.5 + 0.5 * self._rng.random())


class RateBackstop:
    """A token bucket that answers yes or no and never waits; `per_s` 0 means no limit."""

    __slots__ = ("_at", "_burst", "_per_s", "_tokens", "limited")

    def __init__(self, per_s: float, burst: float) -> None:
        self.limited = per_s > 0.0
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at = 0.0

    def take(self, now_s: float, cost: float) -> bool:
        if not self.limited or cost <= 0.0:
            return True
        self._tokens = min(self._burst, self._tokens + (now_s - self._at) * self._per_s)
        self._at = now_s
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
