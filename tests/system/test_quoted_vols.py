"""Quoted prices against the generator's true values: at, between and beyond listed strikes and expiries.

A node on the simulated Deribit, in virtual time; the truth is `sim.market`'s own, priced with `sim.pricing`.
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import NamedTuple

import pytest

from atomizer.engine.core import Engine
from atomizer.engine.pricing import NoPriceError
from atomizer.net.virtual import DEFAULT_START_NS, VirtualClock, run_virtual
from atomizer.runtime.world import World, WorldPlan
from atomizer.sim.market import MarketState

pytestmark = pytest.mark.system
DAY_NS = 86_400 * 10**9
SEEDS = (3, 17, 101)
DISTANCES = (-2.0, -1.3, -0.6, 0.1, 0.7, 1.4, 2.1)  # standard deviations from the forward


class Miss(NamedTuple):
    """Our vol less the true one, in points, and the points that were charged for not knowing."""

    where: str
    points: float
    charged: float


def misses(engine: Engine, truth: MarketState, expiries: list[int]) -> list[Miss]:
    """Errors on a grid of strikes at the listed expiries, between them, and beyond."""
    surface, found = engine.surfaces["ETH"], []
    near, middle, far = expiries
    now_ns = engine.now_ns
    index = engine.exposure.index("ETH")
    assert index is not None
    places = {
        "listed": expiries,
        "between": [(near + middle) // 2, (middle + far) // 2, middle + DAY_NS],
        "beyond": [near - (near - now_ns) // 4, far + (far - now_ns) // 4],
    }
    for where, times in places.items():
        for expiry_ns in times:
            deviation = 0.6 * math.sqrt(truth.tau(expiry_ns))
            for distance in DISTANCES:
                strike = truth.forward(expiry_ns) * math.exp(distance * deviation)
                located = surface.locate(strike, expiry_ns, now_ns, index)
                error = located.vol() - truth.vol(strike, expiry_ns)
                found.append(Miss(where, 100.0 * error, 100.0 * located.beyond))
            for distance in (-3.5, 3.5):
                strike = truth.forward(expiry_ns) * math.exp(distance * deviation)
                try:
                    located = surface.locate(strike, expiry_ns, now_ns, index)
                except NoPriceError:
                    continue
                error = located.vol() - truth.vol(strike, expiry_ns)
                found.append(Miss("far strikes", 100.0 * error, 100.0 * located.beyond))
    return found


def measured(seed: int, directory: Path) -> list[Miss]:
    found: list[Miss] = []

    async def main(clock: VirtualClock) -> None:
        world = World(WorldPlan(seed=seed, start_ns=DEFAULT_START_NS), clock)
        await world.open()
        node = world.node(world.settings(directory))
        running = asyncio.create_task(node.run())
        for _ in range(6):
            await asyncio.sleep(7.0)
            truth = world.market.state(clock.now_ns())
            found.extend(misses(node.engine, truth, list(world.market.expiries)))
        node.stop()
        await running
        await world.close()

    run_virtual(main)
    return found


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Miss]]:
    """Errors by place, over three seeds."""
    by_place: dict[str, list[Miss]] = {}
    for seed in SEEDS:
        for miss in measured(seed, tmp_path_factory.mktemp(f"seed{seed}")):
            by_place.setdefault(miss.where, []).append(miss)
    for where, found in by_place.items():
        sizes = sorted(abs(miss.points) for miss in found)
        print(
            f"{where:12} {len(sizes):4} prices: median error {sizes[len(sizes) // 2]:.3f}, "
            f"p95 {sizes[int(0.95 * len(sizes))]:.3f}, worst {sizes[-1]:.3f} vol points, "
            f"charged up to {max(miss.charged for miss in found):.2f}"
        )
    return by_place


@pytest.mark.parametrize(
    ("where", "median", "worst"),
    [("listed", 0.02, 0.1), ("between", 0.12, 0.7), ("beyond", 0.02, 0.1), ("far strikes", 0.1, 1.2)],
)
def test_error_in_vol_points(table: dict[str, list[Miss]], where: str, median: float, worst: float) -> None:
    sizes = sorted(abs(miss.points) for miss in table[where])
    assert len(sizes) > 20
    assert sizes[len(sizes) // 2] < median
    assert sizes[-1] < worst


def test_what_is_extrapolated_is_charged_and_covers_its_error(table: dict[str, list[Miss]]) -> None:
    assert all(miss.charged == 0.0 for miss in table["listed"] + table["between"] if abs(miss.points) > 1.0)
    beyond = table["beyond"] + table["far strikes"]
    covered = sum(miss.charged >= abs(miss.points) for miss in beyond if miss.charged > 0.0)
    assert covered > 0.8 * sum(miss.charged > 0.0 for miss in beyond)
