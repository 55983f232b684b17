"""Position tokens and routed swaps on the real periphery and on the model, compared after each."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from atomizer.models.uniswap_v3.errors import PoolError, ZeroLiquidityError
from atomizer.models.uniswap_v3.pool import Pool
from atomizer.models.uniswap_v3.position_manager import PositionManager
from atomizer.models.uniswap_v3.quoter import quote
from atomizer.models.uniswap_v3.state import NO_POSITION
from atomizer.models.uniswap_v3.tick_math import MAX_TICK, MIN_TICK, sqrt_ratio_at_tick
from atomizer.testing.chain.duel import (
    COLLECT_EVENT,
    POSITION_TYPES,
    SWAP_EVENT,
    SWAP_TYPES,
    DifferenceError,
)
from atomizer.testing.chain.node import GENESIS, CallRevertedError
from atomizer.testing.chain.uniswap import UniswapChain, encode_call, event_data

FAR = 2**40
MOST = 2**128 - 1
TOKEN_TYPES = (
    *("uint96", "address", "address", "address", "uint24", "int24", "int24", "uint128"),
    *("uint256", "uint256", "uint128", "uint128"),
)
Numbers = tuple[int, ...]
Model = Callable[[int], Numbers]
Events = Callable[[dict[str, Any]], Numbers]


class ManagerDuel:
    """One pool used through the position manager and the swap router only."""

    def __init__(self, chain: UniswapChain, fee: int, spacing: int, seed: int, start_tick: int = 0) -> None:
        self.chain, self.node = chain, chain.node
        self.random = random.Random(seed)  # noqa: S311  a repeatable test sequence
        self.name = f"manager, seed {seed}, fee {fee}"
        self.fee = fee
        self.pool = Pool(fee, spacing)
        self.manager = PositionManager(self.pool, chain.manager)
        self.address = chain.create_pool(fee, spacing)
        latest = self.node.request("eth_getBlockByNumber", "latest", False)["timestamp"]
        self.now = max(GENESIS, int(latest, 16)) + 1
        price = sqrt_ratio_at_tick(start_tick) + 1
        chain.transact(self.address, "initialize(uint160)", price, timestamp=self.now)
        self.pool.initialize(price, now=self.now)
        self.first_token: int | None = None
        self.step_number = 0
        self.refused = 0

    def run(self, steps: int) -> None:
        """Raises DifferenceError at the first step after which anything differs."""
        makers = [self._swap, self._mint, self._increase, self._decrease, self._collect, self._burn]
        for _ in range(steps):
            if not self.manager.tokens:
                self._mint()
            else:
                self.random.choices(makers, [50, 15, 8, 12, 12, 3])[0]()

    def _bits(self, low: int, high: int) -> int:
        return self.random.getrandbits(self.random.randint(low, high)) + 1

    def _choice(self) -> int:
        return self.random.choice(list(self.manager.tokens))

    def _chain_id(self, token: int) -> int:
        """Tokens are numbered over all pools of a manager on the chain, over one pool in the model."""
        return token if self.first_token is None else token + self.first_token - 1

    def _least(self) -> tuple[int, int]:
        return (2**120, 0) if self.random.random() < 0.03 else (0, 0)

    def _deadline(self) -> int:
        return 1 if self.random.random() < 0.03 else FAR

    def _mint(self) -> None:
        spacing, around = self.pool.tick_spacing, self.pool.tick // self.pool.tick_spacing
        most = MAX_TICK // spacing
        if self.manager.tokens and self.random.random() < 0.3:
            shared = self.manager.tokens[self._choice()]
            lower, upper = shared.tick_lower, shared.tick_upper
        else:
            lower = max(around + self.random.randint(-300, 200), -most) * spacing
            upper = min(lower // spacing + self.random.choice([1, 5, 60, 500]), most) * spacing
        desired = self._bits(8, 70), self._bits(8, 70)
        least, deadline = self._least(), self._deadline()
        if self.first_token is None:
            deadline, least = FAR, (0, 0)
            self.first_token = self.chain.tokens_minted + 1
        chain, account = self.chain, self.node.account
        arguments = (chain.token0, chain.token1, self.fee, lower, upper, *desired, *least, account, deadline)

        def model(now: int) -> Numbers:
            made = self.manager.mint(
                lower, upper, *desired, min0=least[0], min1=least[1], deadline=deadline, now=now
            )
            self.chain.tokens_minted += 1
            return made[1:]

        self._perform(
            chain.manager,
            "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))",
            arguments,
            model,
            self._increased,
        )

    def _increase(self) -> None:
        token, desired, least, deadline = (
            self._choice(),
            (self._bits(8, 70), self._bits(8, 70)),
            self._least(),
            FAR,
        )
        self._perform(
            self.chain.manager,
            "increaseLiquidity((uint256,uint256,uint256,uint256,uint256,uint256))",
            (self._chain_id(token), *desired, *least, deadline),
            lambda now: self.manager.increase(token, *desired, min0=least[0], min1=least[1], now=now),
            self._increased,
        )

    def _increased(self, receipt: dict[str, Any]) -> Numbers:
        signature = "IncreaseLiquidity(uint256,uint128,uint256,uint256)"
        return event_data(receipt, self.chain.manager, signature, ("uint128", "uint256", "uint256"))

    def _decrease(self) -> None:
        token, least, deadline = self._choice(), self._least(), self._deadline()
        held = self.manager.tokens[token].liquidity
        liquidity = self.random.choice([held, held, held // 2, held + 1, 0])
        signature = "DecreaseLiquidity(uint256,uint128,uint256,uint256)"
        self._perform(
            self.chain.manager,
            "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))",
            (self._chain_id(token), liquidity, *least, deadline),
            lambda now: self.manager.decrease(
                token, liquidity, min0=least[0], min1=least[1], deadline=deadline, now=now
            ),
            lambda receipt: event_data(
                receipt, self.chain.manager, signature, ("uint128", "uint256", "uint256")
            )[1:],
        )

    def _collect(self) -> None:
        token = self._choice()
        most = [self.random.choice([MOST, MOST, self._bits(1, 60), 0]) for _ in range(2)]

        def events(receipt: dict[str, Any]) -> Numbers:
            paid = event_data(receipt, self.address, COLLECT_EVENT, ("address", "uint128", "uint128"))[1:]
            credited = event_data(
                receipt,
                self.chain.manager,
                "Collect(uint256,address,uint256,uint256)",
                ("address", "uint256", "uint256"),
            )[1:]
            return (*paid, *credited)

        self._perform(
            self.chain.manager,
            "collect((uint256,address,uint128,uint128))",
            (self._chain_id(token), self.node.account, *most),
            lambda now: self.manager.collect(token, most[0], most[1], now=now),
            events,
        )

    def _burn(self) -> None:
        token = self._choice()
        number = self._chain_id(token)

        def model(_now: int) -> Numbers:
            self.manager.burn(token)
            return ()

        self._perform(self.chain.manager, "burn(uint256)", number, model, lambda _receipt: ())

    def _swap(self) -> None:
        down, exact_in = self.random.random() < 0.5, self.random.random() < 0.6
        amount = self._bits(4, self.random.choice([40, 66, 75]))
        away = self.random.choice([50, 2000, 20000])
        tick = self.pool.tick + self.random.randint(0, away) * (-1 if down else 1)
        limit = sqrt_ratio_at_tick(min(max(tick, MIN_TICK), MAX_TICK)) + 1
        tokens = [self.chain.token0, self.chain.token1]
        if not down:
            tokens.reverse()
        name = "exactInputSingle" if exact_in else "exactOutputSingle"
        signed = amount if exact_in else -amount
        bound = 0 if exact_in else 2**200
        arguments = (*tokens, self.fee, self.node.account, FAR, amount, bound, limit)
        self._compare_quote(down, signed, limit, (*tokens, amount, self.fee, limit))
        self._perform(
            self.chain.router,
            f"{name}((address,address,uint24,address,uint256,uint256,uint256,uint160))",
            arguments,
            lambda now: self._routed(down, signed, limit, now),
            lambda receipt: event_data(receipt, self.address, SWAP_EVENT, SWAP_TYPES)[:2],
        )

    def _compare_quote(self, down: bool, amount: int, limit: int, arguments: tuple[Any, ...]) -> None:
        name = "quoteExactInputSingle" if amount > 0 else "quoteExactOutputSingle"
        signature = f"{name}((address,address,uint256,uint24,uint160))"
        try:
            self._require_movement(down, amount, limit)
            model: Any = tuple(quote(self.pool, down, amount, limit))
        except PoolError:
            return  # the quoter hides the pool's reason behind its own
        types = ("uint256", "uint160", "uint32", "uint256")
        contract = self.chain.read([(self.chain.quoter, signature, (arguments,), types)])[0]
        self._expect(signature, model, contract[:3])

    def _require_movement(self, down: bool, amount: int, limit: int) -> None:
        end = self.pool.quote(down, amount, limit)
        if end.amount0 <= 0 and end.amount1 <= 0:
            raise ZeroLiquidityError("a routed swap through a range without liquidity")

    def _routed(self, down: bool, amount: int, limit: int, now: int) -> Numbers:
        """A swap as the router allows it: its callback refuses one that moves no input at all."""
        self._require_movement(down, amount, limit)
        return self.pool.swap(down, amount, limit, now=now)

    def _perform(self, to: str, signature: str, argument: Any, model: Model, events: Events) -> None:
        self.step_number += 1
        now = self.now + self.random.choice([1, 12, 600])
        data = encode_call(signature, argument)
        try:
            found = tuple(model(now))
        except PoolError as error:
            self.refused += 1
            try:
                self.node.call(to, data)
            except CallRevertedError as reverted:
                self._expect(signature, error.code, reverted.reason)
                return
            self._expect(signature, repr(error), "success")
        receipt = self.node.send(to, data, timestamp=now)
        self.now = now
        self._expect(f"{signature} status", "0x1", receipt["status"])
        self._expect(f"{signature} amounts", found, tuple(events(receipt)))
        self._compare(signature)

    def _expect(self, what: str, model: Any, contract: Any) -> None:
        if model != contract:
            raise DifferenceError(
                f"{self.name}, step {self.step_number}, {what}: model {model}, contract {contract}"
            )

    def _compare(self, what: str) -> None:
        pool, at = self.pool, self.address
        tokens = list(self.manager.tokens.items())
        keys = list(pool.positions)
        answers = self.chain.read(
            [
                (at, "slot0()", (), ("uint160", "int24")),
                (at, "liquidity()", (), ("uint128",)),
                (at, "feeGrowthGlobal0X128()", (), ("uint256",)),
                (at, "feeGrowthGlobal1X128()", (), ("uint256",)),
                (self.chain.token0, "balanceOf(address)", (at,), ("uint256",)),
                (self.chain.token1, "balanceOf(address)", (at,), ("uint256",)),
                *(
                    (self.chain.manager, "positions(uint256)", (self._chain_id(number),), TOKEN_TYPES)
                    for number, _token in tokens
                ),
                *(
                    (at, "positions(bytes32)", (self.chain.position_key(*key),), POSITION_TYPES)
                    for key in keys
                ),
            ]
        )
        head = [
            (pool.sqrt_price, pool.tick),
            (pool.liquidity,),
            (pool.fee_growth_global0,),
            (pool.fee_growth_global1,),
            (pool.balance0,),
            (pool.balance1,),
        ]
        for model, contract in zip(head, answers, strict=False):
            self._expect(f"{what} state", model, contract)
        rest = answers[len(head) :]
        for (number, token), contract in zip(tokens, rest, strict=False):
            self._expect(f"{what} token {number}", tuple(token), contract[5:])
        for key, contract in zip(keys, rest[len(tokens) :], strict=True):
            self._expect(f"{what} position {key}", tuple(pool.positions.get(key, NO_POSITION)), contract)
