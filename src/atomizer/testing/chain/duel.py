"""The same random operations on a real pool and on both forms of the model, compared after each.

A difference raises `DifferenceError`, which names the seed and the step so that it can be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from atomizer.models.uniswap_v3.batch import swap_one
from atomizer.models.uniswap_v3.errors import PoolError
from atomizer.models.uniswap_v3.pool import Pool
from atomizer.models.uniswap_v3.state import NO_POSITION
from atomizer.models.uniswap_v3.tick_math import MAX_TICK, MIN_TICK, sqrt_ratio_at_tick
from atomizer.models.uniswap_v3.ticks import EMPTY_TICK
from atomizer.testing.chain.node import GENESIS, CallRevertedError
from atomizer.testing.chain.uniswap import UniswapChain, encode_call, event_data

SWAP_EVENT = "Swap(address,address,int256,int256,uint160,uint128,int24)"
MINT_EVENT = "Mint(address,address,int24,int24,uint128,uint256,uint256)"
BURN_EVENT = "Burn(address,int24,int24,uint128,uint256,uint256)"
COLLECT_EVENT = "Collect(address,address,int24,int24,uint128,uint128)"
SWAP_TYPES = ("int256", "int256", "uint160", "uint128", "int24")
TICK_TYPES = ("uint128", "int128", "uint256", "uint256", "int56", "uint160", "uint32", "bool")
POSITION_TYPES = ("uint128", "uint256", "uint256", "uint128", "uint128")
FULL_CHECK_EVERY = 250
Read = tuple[str, str, Sequence[Any], Sequence[str]]


class DifferenceError(AssertionError):
    """Model and contract disagree."""


class Operation(NamedTuple):
    """A contract call (from a payer when `payer` is set), the model's doing of it, and how to compare."""

    signature: str
    arguments: tuple[Any, ...]
    model: Callable[[Pool, int], tuple[int, ...]]
    payer: str | None = None
    amounts: Callable[[dict[str, Any]], tuple[int, ...]] | None = None
    position: tuple[str, int, int] | None = None
    compiled: Callable[[Pool, int], tuple[int, ...]] | None = None


class PoolDuel:
    """One pool contract against `Pool` and against a second `Pool` whose swaps run compiled."""

    def __init__(self, chain: UniswapChain, fee: int, spacing: int, seed: int, start_tick: int = 0) -> None:
        self.chain, self.node = chain, chain.node
        self.random = random.Random(seed)  # noqa: S311  a repeatable test sequence
        self.name = f"seed {seed}, fee {fee}, spacing {spacing}"
        self.address = chain.create_pool(fee, spacing)
        self.forms = {"pure": Pool(fee, spacing), "compiled": Pool(fee, spacing)}
        self.pool = self.forms["pure"]
        self.centre = start_tick
        self.now = max(GENESIS, self._latest()) + 1
        self.step_number = 0
        self.refused = 0
        self.seen_ticks: dict[int, Any] = {}
        price = sqrt_ratio_at_tick(start_tick) + 12345
        self._perform(
            Operation(
                "initialize(uint160)", (price,), lambda pool, now: _done(pool.initialize, price, now=now)
            )
        )

    def _latest(self) -> int:
        return int(self.node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def run(self, steps: int) -> None:
        """Raises DifferenceError at the first step after which anything differs."""
        makers = [self._swap, self._mint, self._burn, self._poke, self._collect, self._flash]
        makers += [self._fee_protocol, self._collect_protocol, self._grow]
        weights = [60, 14, 10, 3, 7, 2, 1, 1, 1]
        for _ in range(steps):
            maker = self.random.choices(makers, weights)[0]
            self._perform(maker())
            if self.step_number % 40 == 0:
                self._compare_oracle()
                self._wander()
            if self.step_number % FULL_CHECK_EVERY == 0:
                self.compare_all()
        self.compare_all()

    # Operations

    def _bits(self, low: int, high: int) -> int:
        return self.random.getrandbits(self.random.randint(low, high)) + 1

    def _range(self) -> tuple[int, int]:
        spacing, around = self.pool.tick_spacing, self.pool.tick
        if self.random.random() < 0.05:
            return self.random.choice([(5, 5), (MIN_TICK - 1, 0), (0, MAX_TICK + 1), (1, spacing * 7 + 1)])
        if self.random.random() < 0.1:
            return -(MAX_TICK // spacing) * spacing, MAX_TICK // spacing * spacing
        low = (around // spacing + self.random.randint(-400, 300)) * spacing
        high = low + self.random.choice([1, 2, 10, 100, 700]) * spacing
        most = MAX_TICK // spacing * spacing
        return max(low, -most), min(high, most)

    def _held(self) -> tuple[str, int, int]:
        keys = [key for key, position in self.pool.positions.items() if position != NO_POSITION]
        if not keys or self.random.random() < 0.05:
            return (self.random.choice(self.chain.payers), *self._range())
        return self.random.choice(keys)

    def _mint(self) -> Operation:
        owner, (lower, upper) = self.random.choice(self.chain.payers), self._range()
        most = self.random.choice([70, 70, 70, 80, 100, 127])
        liquidity = 0 if self.random.random() < 0.02 else self._bits(20, most)
        if self.random.random() < 0.3:
            held = self._held()
            owner, lower, upper = held
        return Operation(
            "mint(address,int24,int24,uint128,bytes)",
            (owner, lower, upper, liquidity, b""),
            lambda pool, now: pool.mint(owner, lower, upper, liquidity, now=now),
            owner,
            lambda receipt: event_data(
                receipt, self.address, MINT_EVENT, ("address", "uint128", "uint256", "uint256")
            )[2:],
            (owner, lower, upper),
        )

    def _burn(self) -> Operation:
        key = self._held()
        held = self.pool.positions.get(key, NO_POSITION).liquidity
        part = self.random.choice([held, held, held // 2, held // 3 + 1, held + 1])
        return self._burn_of(key, part)

    def _poke(self) -> Operation:
        return self._burn_of(self._held(), 0)

    def _burn_of(self, key: tuple[str, int, int], liquidity: int) -> Operation:
        return Operation(
            "burn(int24,int24,uint128)",
            (key[1], key[2], liquidity),
            lambda pool, now: pool.burn(*key, liquidity, now=now),
            key[0],
            lambda receipt: event_data(receipt, self.address, BURN_EVENT, ("uint128", "uint256", "uint256"))[
                1:
            ],
            key,
        )

    def _collect(self) -> Operation:
        key = self._held()
        most0, most1 = (self.random.choice([2**128 - 1, self._bits(1, 70)]) for _ in range(2))
        return Operation(
            "collect(address,int24,int24,uint128,uint128)",
            (key[0], key[1], key[2], most0, most1),
            lambda pool, _now: pool.collect(*key, most0, most1),
            key[0],
            lambda receipt: event_data(
                receipt, self.address, COLLECT_EVENT, ("address", "uint128", "uint128")
            )[1:],
            key,
        )

    def _swap(self) -> Operation:
        down = self.random.random() < (0.85 if self.pool.tick > self.centre else 0.15)
        if self.random.random() < 0.7:
            down = self.random.random() < 0.5
        amount = self._bits(1, self.random.choice([40, 64, 64, 90, 254]))
        if self.random.random() < 0.4:
            amount = -amount
        if self.random.random() < 0.01:
            amount = 0
        away = self.random.choice([10, 500, 3000, 30000])
        tick = self.pool.tick + self.random.randint(0, away) * (-1 if down else 1)
        if self.random.random() < 0.02:
            tick = 2 * self.pool.tick - tick
        limit = sqrt_ratio_at_tick(min(max(tick, MIN_TICK), MAX_TICK)) + self.random.randint(0, 3)
        owner = self.random.choice(self.chain.payers)
        return Operation(
            "swap(address,bool,int256,uint160,bytes)",
            (owner, down, amount, limit, b""),
            lambda pool, now: pool.swap(down, amount, limit, now=now),
            owner,
            lambda receipt: event_data(receipt, self.address, SWAP_EVENT, SWAP_TYPES)[:2],
            compiled=lambda pool, now: swap_one(pool, down, amount, limit, now=now),
        )

    def _flash(self) -> Operation:
        loan = [self.random.randint(0, balance) for balance in (self.pool.balance0, self.pool.balance1)]
        fees = [-(-amount * self.pool.fee // 1_000_000) for amount in loan]
        paid = [fee + self.random.choice([0, 0, self._bits(1, 60)]) for fee in fees]
        back = b"".join(
            (amount + extra).to_bytes(32, "big") for amount, extra in zip(loan, paid, strict=True)
        )
        owner = self.chain.payers[0]
        return Operation(
            "flash(address,uint256,uint256,bytes)",
            (owner, *loan, back),
            lambda pool, _now: pool.flash(loan[0], loan[1], paid[0], paid[1]),
            owner,
        )

    def _fee_protocol(self) -> Operation:
        shares = tuple(self.random.choice([0, 4, 5, 6, 10, 10, 3]) for _ in range(2))
        return Operation(
            "setFeeProtocol(uint8,uint8)",
            shares,
            lambda pool, _now: _done(pool.set_fee_protocol, *shares),
        )

    def _collect_protocol(self) -> Operation:
        most = tuple(self.random.choice([2**128 - 1, self._bits(1, 60)]) for _ in range(2))
        return Operation(
            "collectProtocol(address,uint128,uint128)",
            (self.node.account, *most),
            lambda pool, _now: pool.collect_protocol(*most),
            None,
            lambda receipt: event_data(
                receipt,
                self.address,
                "CollectProtocol(address,address,uint128,uint128)",
                ("uint128", "uint128"),
            ),
        )

    def _grow(self) -> Operation:
        most = min(self.pool.oracle.cardinality_next + self.random.randint(0, 6), 120)
        return Operation(
            "increaseObservationCardinalityNext(uint16)",
            (most,),
            lambda pool, _now: _done(pool.increase_observation_cardinality_next, most),
        )

    # Doing and comparing

    def _perform(self, operation: Operation) -> None:
        self.step_number += 1
        now = self.now + self.random.choice([1, 1, 12, 300, 90_000])
        found: dict[str, Any] = {}
        for form, pool in self.forms.items():
            act = operation.compiled if form == "compiled" and operation.compiled else operation.model
            try:
                found[form] = act(pool, now)
            except PoolError as error:
                found[form] = error
        data = encode_call(operation.signature, *operation.arguments)
        to = self.address
        if operation.payer is not None:
            to, data = operation.payer, bytes(12) + bytes.fromhex(self.address[2:]) + data
        refusal = found["pure"]
        if isinstance(refusal, PoolError):
            self.refused += 1
            self._expect(operation, "refusal", type(found["compiled"]), type(refusal))
            try:
                self.node.call(to, data)
            except CallRevertedError as error:
                self._expect(operation, "revert", refusal.code, error.reason)
                return
            self._expect(operation, "revert", repr(refusal), "success")
        self._expect(operation, "compiled amounts", found["compiled"], found["pure"])
        receipt = self.node.send(to, data, timestamp=now)
        self.now = now
        self._expect(operation, "status", "0x1", receipt["status"])
        if operation.amounts is not None:
            self._expect(operation, "amounts", tuple(found["pure"]), operation.amounts(receipt))
        self._compare_state(operation)

    def _expect(self, operation: Operation | str, what: str, model: Any, contract: Any) -> None:
        if model != contract:
            raise DifferenceError(
                f"{self.name}, step {self.step_number}, {operation}: {what}: "
                f"model {model}, contract {contract}"
            )

    def _compare_state(self, operation: Operation | str, *, everything: bool = False) -> None:
        changed = self.pool.ticks.items() ^ self.seen_ticks.items()
        ticks = sorted(
            self.seen_ticks.keys() | self.pool.ticks.keys() if everything else {t for t, _ in changed}
        )
        keys = list(self.pool.positions) if everything else []
        if not everything and isinstance(operation, Operation) and operation.position:
            keys = [operation.position]
        index = self.pool.oracle.index
        at = self.address
        reads: list[Read] = [
            (at, "slot0()", (), ("uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool")),
            (at, "liquidity()", (), ("uint128",)),
            (at, "feeGrowthGlobal0X128()", (), ("uint256",)),
            (at, "feeGrowthGlobal1X128()", (), ("uint256",)),
            (at, "protocolFees()", (), ("uint128", "uint128")),
            (self.chain.token0, "balanceOf(address)", (at,), ("uint256",)),
            (self.chain.token1, "balanceOf(address)", (at,), ("uint256",)),
            (at, "observations(uint256)", (index,), ("uint32", "int56", "uint160", "bool")),
        ]
        reads += [(at, "ticks(int24)", (tick,), TICK_TYPES) for tick in ticks]
        reads += [
            (at, "positions(bytes32)", (self.chain.position_key(*key),), POSITION_TYPES) for key in keys
        ]
        if everything:
            reads += [(at, "tickBitmap(int16)", (word,), ("uint256",)) for word in self.pool.bitmap]
        answers = self.chain.read(reads)
        for form, pool in self.forms.items():
            expected = [*_head(pool)]
            expected += [(*pool.ticks.get(tick, EMPTY_TICK), tick in pool.ticks) for tick in ticks]
            expected += [tuple(pool.positions.get(key, NO_POSITION)) for key in keys]
            if everything:
                expected += [(bits,) for bits in pool.bitmap.values()]
            for read, model, contract in zip(reads, expected, answers, strict=True):
                self._expect(operation, f"{form} {read[1]}{read[2]}", model, contract)
        self.seen_ticks = dict(self.pool.ticks)

    def compare_all(self) -> None:
        """Every tick, position and bitmap word, on top of what each step compares."""
        self._compare_state("full comparison", everything=True)

    def _compare_oracle(self) -> None:
        agos = [0, *(self.random.randint(0, 4000) for _ in range(4))]
        if self.random.random() < 0.2:
            agos.append(10**8)
        try:
            sums = self.pool.observe(agos, now=self.now)
            model: Any = tuple(s.tick_cumulative for s in sums), tuple(s.seconds_per_liquidity for s in sums)
        except PoolError as error:
            model = error.code
        read: Read = (self.address, "observe(uint32[])", (agos,), ("int56[]", "uint160[]"))
        try:
            contract: Any = self.chain.read([read])[0]
        except CallRevertedError as error:
            contract = error.reason
        self._expect("observe", str(agos), model, contract)
        if self.pool.ticks:
            lower, upper = sorted(self.random.choices(sorted(self.pool.ticks), k=2))
            self._compare_inside(lower, upper)

    def _compare_inside(self, lower: int, upper: int) -> None:
        try:
            model: Any = self.pool.seconds_inside(lower, upper, now=self.now)
        except PoolError as error:
            model = error.code
        signature = "snapshotCumulativesInside(int24,int24)"
        try:
            contract: Any = self.chain.read(
                [(self.address, signature, (lower, upper), ("int56", "uint160", "uint32"))]
            )[0]
        except CallRevertedError as error:
            contract = error.reason
        self._expect(signature, f"{lower}, {upper}", model, contract)

    def _wander(self) -> None:
        """Do things to the models only and take them back: snapshots must leave no trace."""
        for pool in self.forms.values():
            snapshot = pool.snapshot()
            for _ in range(3):
                operation = self.random.choice([self._swap, self._mint, self._burn, self._collect])()
                try:
                    (operation.compiled or operation.model)(pool, self.now + 5)
                except PoolError:
                    continue
            pool.restore(snapshot)
            pool.release(snapshot)
        self._compare_state("restored snapshot", everything=True)


def _done(act: Callable[..., None], *arguments: int, **named: int) -> tuple[int, ...]:
    """Do something that has no amounts."""
    act(*arguments, **named)
    return ()


def _head(pool: Pool) -> list[tuple[Any, ...]]:
    oracle = pool.oracle
    shares = pool.fee_protocol0 + (pool.fee_protocol1 << 4)
    place = oracle.index, oracle.cardinality, oracle.cardinality_next
    return [
        (pool.sqrt_price, pool.tick, *place, shares, True),
        (pool.liquidity,),
        (pool.fee_growth_global0,),
        (pool.fee_growth_global1,),
        (pool.protocol_fees0, pool.protocol_fees1),
        (pool.balance0,),
        (pool.balance1,),
        (*oracle.observations[oracle.index], True),
    ]
