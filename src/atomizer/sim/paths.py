"""How the market's hidden values move: index, its vol, the smile's level and skew, the perpetual's basis.

Paths come in blocks. A block's random numbers come from Philox keyed by (seed, underlying, block), its
state is carried from the block before, so going forward costs O(1) per step and any block can be made again.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from atomizer.sim.pricing import YEAR_S

BLOCK = 1024
KEPT_BLOCKS = 4
OPENING_STREAM = 2**32 - 1
NORMALS, UNIFORMS = 5, 2


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the generated market moves. Vols and rates are annual fractions, half-lives in seconds.

    The defaults make delta dominate an option's P&L over five minutes: spot moves by about 0.3 %, the
    implied level by about a tenth of a vol point. Shocks of that level (`spikes`) come every three
    minutes and are half gone after fifteen seconds: noise to who does not know of them, an opportunity to who
    does.
    """

    index: float
    vol: float
    carry: float = 0.03
    log_vol_sd: float = 0.15
    log_vol_half_life_s: float = 1800.0
    jumps_per_hour: float = 10.0
    jump_low: float = 0.001
    jump_high: float = 0.004
    level_sd: float = 0.001
    level_half_life_s: float = 600.0
    shocks_per_hour: float = 18.0
    shock_low: float = 0.02
    shock_high: float = 0.04
    shock_half_life_s: float = 15.0
    skew: float = -0.2
    skew_sd: float = 0.01
    skew_half_life_s: float = 3600.0
    curvature: float = 0.9
    basis_sd: float = 0.0001
    basis_half_life_s: float = 120.0


class Carry(NamedTuple):
    """The processes' values at the end of a step."""

    log_index: float
    log_vol: float  # deviation of log spot vol from its mean
    level: float  # deviation of the implied level, vol units
    skew: float  # deviation of the smile's rho
    basis: float  # perpetual over index, fraction


class Step(NamedTuple):
    """One step of the paths; `jumped`: the index jumped in it."""

    carry: Carry
    jumped: bool


@njit(
    "void(f8[::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[::1], i8, f8[:, ::1], b1[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _walk(opening, normals, uniforms, reverting, spot, start, out, jumps):  # type: ignore[no-untyped-def]
    """Fill `out` (steps x values) from the values before the block.

    `reverting` has a row (factor kept, sd added) per value after the index; `spot` is (sd of a step at mean
    vol, chance of a jump, smallest jump, range of jumps). Steps before `start` repeat the opening.
    """
    x, log_vol, level, skew, basis = opening[0], opening[1], opening[2], opening[3], opening[4]
    for at in range(out.shape[0]):
        jumps[at] = False
        if at >= start:
            sd = spot[0] * math.exp(log_vol)
            x += sd * normals[at, 0] - 0.5 * sd * sd
            if uniforms[at, 0] < spot[1]:
                jumps[at] = True
                size = spot[2] + spot[3] * abs(2.0 * uniforms[at, 1] - 1.0)
                x += size if uniforms[at, 1] < 0.5 else -size
            log_vol = reverting[0, 0] * log_vol + reverting[0, 1] * normals[at, 1]
            level = reverting[1, 0] * level + reverting[1, 1] * normals[at, 2]
            skew = reverting[2, 0] * skew + reverting[2, 1] * normals[at, 3]
            basis = reverting[3, 0] * basis + reverting[3, 1] * normals[at, 4]
        out[at, 0] = x
        out[at, 1] = log_vol
        out[at, 2] = level
        out[at, 3] = skew
        out[at, 4] = basis


class Paths:
    """The paths of one market; `at(step)` may be asked in any order."""

    def __init__(self, seed: int, underlying: str, behaviour: Behaviour, step_s: float) -> None:
        self._seed = seed
        self._salt = zlib.crc32(underlying.encode()) << 32
        root = math.sqrt(step_s / YEAR_S)
        self._reverting = np.array(
            [
                _reversion(behaviour.log_vol_sd, behaviour.log_vol_half_life_s, step_s),
                _reversion(behaviour.level_sd, behaviour.level_half_life_s, step_s),
                _reversion(behaviour.skew_sd, behaviour.skew_half_life_s, step_s),
                _reversion(behaviour.basis_sd, behaviour.basis_half_life_s, step_s),
            ]
        )
        chance = min(behaviour.jumps_per_hour * step_s / 3600.0, 1.0)
        self._spot = np.array(
            [behaviour.vol * root, chance, behaviour.jump_low, behaviour.jump_high - behaviour.jump_low]
        )
        self._openings = [self._opening(behaviour)]
        self._blocks: dict[int, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {}

    def at(self, step: int) -> Step:
        """The values after `step` steps; step 0 is the opening."""
        values, jumps = self._block(step // BLOCK)
        within = step % BLOCK
        return Step(Carry(*values[within].tolist()), bool(jumps[within]))

    def _opening(self, behaviour: Behaviour) -> NDArray[np.float64]:
        """The index at its start value, everything else drawn from where it settles."""
        draws = self._random(OPENING_STREAM).standard_normal(4)
        sds = (behaviour.log_vol_sd, behaviour.level_sd, behaviour.skew_sd, behaviour.basis_sd)
        settled = [sd * draw for sd, draw in zip(sds, draws.tolist(), strict=True)]
        return np.array([math.log(behaviour.index), *settled])

    def _random(self, block: int) -> np.random.Generator:
        key = np.array([self._seed, self._salt | block], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key))

    def _block(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        block = self._blocks.get(number)
        if block is None:
            while len(self._openings) <= number:
                self._generate(len(self._openings) - 1)
            block = self._generate(number)
            if len(self._blocks) >= KEPT_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            self._blocks[number] = block
        return block

    def _generate(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """All steps of one block; remembers where the next one opens."""
        random = self._random(number)
        normals = random.standard_normal((BLOCK, NORMALS))
        uniforms = random.random((BLOCK, UNIFORMS))
        values, jumps = np.empty((BLOCK, NORMALS)), np.empty(BLOCK, np.bool_)
        # Step 0 of all is the opening itself.
        start = 1 if number == 0 else 0
        _walk(self._openings[number], normals, uniforms, self._reverting, self._spot, start, values, jumps)
        if len(self._openings) == number + 1:
            self._openings.append(values[-1].copy())
        return values, jumps


def _reversion(sd: float, half_life_s: float, step_s: float) -> tuple[float, float]:
    """(factor kept per step, sd added per step) of a process with this stationary sd."""
    keep = 0.5 ** (step_s / half_life_s)
    return keep, sd * math.sqrt(1.0 - keep * keep)
