"""Shocks of the implied level: now and then a large order moves every vol by a point or three for a moment.

Shocks come at a steady rate, either way with the same chance, and halve in some seconds. Like the paths they
are a pure function of seed and underlying: those that begin in one block of steps come from a generator keyed
by it, and what is felt at a step is the sum of what those before it have left.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np

from atomizer.sim.paths import BLOCK, Behaviour

STREAM = 1 << 31
# Half-lives after which nothing of a shock is left that could be seen: a thousandth of it.
FELT_HALF_LIVES = 10
KEPT_BLOCKS = 64


class Shock(NamedTuple):
    """Step at which it strikes and its size, vol units."""

    step: int
    size: float


class Spikes:
    """The shocks of one market; `at(step)` may be asked in any order."""

    def __init__(self, seed: int, underlying: str, behaviour: Behaviour, step_s: float) -> None:
        self._seed = seed
        self._salt = (zlib.crc32(underlying.encode()) << 32) | STREAM
        self._expected = behaviour.shocks_per_hour * step_s * BLOCK / 3600.0
        self._low, self._high = behaviour.shock_low, behaviour.shock_high
        self._half_life = behaviour.shock_half_life_s / step_s
        self._felt = int(FELT_HALF_LIVES * self._half_life)
        self._blocks: dict[int, tuple[Shock, ...]] = {}

    def at(self, step: int) -> float:
        """What the implied level is off its path, vol units."""
        total = 0.0
        for number in range(max(step - self._felt, 0) // BLOCK, step // BLOCK + 1):
            for shock in self._block(number):
                if step - self._felt <= shock.step <= step:
                    total += shock.size * 0.5 ** ((step - shock.step) / self._half_life)
        return total

    def _block(self, number: int) -> tuple[Shock, ...]:
        found = self._blocks.get(number)
        if found is None:
            key = np.array([self._seed, self._salt + number], dtype=np.uint64)
            random = np.random.Generator(np.random.Philox(key=key))
            count = int(random.poisson(self._expected))
            steps = np.sort(random.integers(BLOCK, size=count)).tolist()
            sizes = random.uniform(self._low, self._high, count) * random.choice((-1.0, 1.0), count)
            found = tuple(
                Shock(number * BLOCK + step, float(size)) for step, size in zip(steps, sizes, strict=True)
            )
            if len(self._blocks) >= KEPT_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            self._blocks[number] = found
        return found
