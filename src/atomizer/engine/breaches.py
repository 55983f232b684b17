"""Watches what is held against the limits, beside the gate that watches what may be added.

The market can carry a position beyond a limit that every order kept. Then nothing is sent because of it
here: the gate already refuses what would add and lets through what reduces, and the hedger trades delta. A
breach is a fact: recorded when it begins, when it ends, and shown until then.
"""

from __future__ import annotations

from atomizer.domain.commands import Breach
from atomizer.engine.exposure import Exposure
from atomizer.engine.settings import Limits


class BreachWatch:
    """Compares net greeks and notional per underlying with the limits, every `every_ns`."""

    def __init__(self, limits: Limits, exposure: Exposure, every_ns: int) -> None:
        self._limits = {
            "delta": limits.delta,
            "gamma": limits.gamma,
            "vega": limits.vega,
            "notional": limits.notional,
        }
        self._exposure = exposure
        self._every_ns = every_ns
        self._next_ns = 0
        self.open: dict[tuple[str, str], Breach] = {}

    def due(self, now_ns: int) -> list[Breach]:
        """What began or ended since the last look; nothing before the next one is due."""
        if now_ns < self._next_ns:
            return []
        self._next_ns = now_ns + self._every_ns
        changed: list[Breach] = []
        known = self._exposure.sums.keys() | {underlying for underlying, _measure in self.open}
        for underlying in sorted(known - self._exposure.unknown.keys()):
            for measure, limit in self._limits.items():
                value = self._exposure.net(underlying, measure)
                key, over = (underlying, measure), abs(value) > limit
                if over is not (key in self.open):
                    found = Breach(
                        underlying=underlying, measure=measure, value=value, limit=limit, open=over
                    )
                    changed.append(found)
                    if over:
                        self.open[key] = found
                    else:
                        del self.open[key]
        return changed
