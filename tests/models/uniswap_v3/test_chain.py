"""The model beside the real contracts on a real node: equal after every step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from atomizer.models.uniswap_v3 import pool_address
from atomizer.testing.chain import Node, install
from atomizer.testing.chain.duel import DifferenceError, PoolDuel
from atomizer.testing.chain.manager_duel import ManagerDuel
from atomizer.testing.chain.uniswap import UniswapChain

PACKAGES = Path(__file__).resolve().parents[2] / "chain"
POOLS = [(500, 10, 0), (3000, 60, -200_000), (100, 1, 27_000), (777, 13, 300_000), (10_000, 200, -5)]


@pytest.fixture
def chain() -> Iterator[UniswapChain]:
    with Node(install(PACKAGES)) as node:
        yield UniswapChain(node, PACKAGES / "node_modules")


@pytest.mark.system
def test_random_operations_leave_pool_contract_and_both_forms_equal(chain: UniswapChain) -> None:
    refused = 0
    for seed, (fee, spacing, tick) in enumerate(POOLS):
        duel = PoolDuel(chain, fee, spacing, seed, tick)
        duel.run(80)
        refused += duel.refused
    assert refused > 10  # refusals are compared too


@pytest.mark.system
def test_random_position_tokens_equal_the_position_manager_contract(chain: UniswapChain) -> None:
    duel = ManagerDuel(chain, 500, 10, seed=7)
    duel.run(150)
    assert duel.refused > 5


@pytest.mark.system
def test_created_pool_is_at_the_computed_address(chain: UniswapChain) -> None:
    assert chain.create_pool(3000, 60) == pool_address(chain.factory, chain.token1, chain.token0, 3000)


@pytest.mark.system
def test_a_wrong_model_is_noticed(chain: UniswapChain) -> None:
    duel = PoolDuel(chain, 500, 10, seed=3)
    duel.run(20)
    duel.pool.fee_growth_global0 += 1
    with pytest.raises(DifferenceError, match="seed 3"):
        duel.run(20)


@pytest.mark.prove
@pytest.mark.parametrize(("number", "shape"), list(enumerate(POOLS)))
def test_thousands_of_operations_equal_the_pool_contract(
    chain: UniswapChain, number: int, shape: tuple[int, int, int]
) -> None:
    PoolDuel(chain, shape[0], shape[1], 1000 + number, shape[2]).run(4000)


@pytest.mark.prove
def test_thousands_of_operations_equal_the_position_manager(chain: UniswapChain) -> None:
    ManagerDuel(chain, 500, 10, seed=1000).run(2000)
    ManagerDuel(chain, 100, 1, seed=1001, start_tick=-5000).run(1000)
