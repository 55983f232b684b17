"""Positions as tokens: the bookkeeping of the NonfungiblePositionManager over one pool.

All tokens of one range share the manager's single position in the pool; each token keeps its own
growth reading and rounds its own fees, so what it is credited may differ by units from what the
pool pays. Ownership and approvals are the chain's business and not modelled.
"""

from __future__ import annotations

from typing import NamedTuple

from atomizer.models.uniswap_v3.errors import (
    DeadlineError,
    InvalidTokenIdError,
    NotClearedError,
    NothingAskedError,
    PositionTooSmallError,
    SlippageError,
    UintOverflowError,
    ZeroLiquidityError,
)
from atomizer.models.uniswap_v3.liquidity import liquidity_for_amounts
from atomizer.models.uniswap_v3.pool import Pool, fees_earned
from atomizer.models.uniswap_v3.sqrt_price import UINT128, UINT256
from atomizer.models.uniswap_v3.tick_math import sqrt_ratio_at_tick


class Token(NamedTuple):
    """One position token; `owed` is what the manager would pay out, without fees since its last touch."""

    tick_lower: int
    tick_upper: int
    liquidity: int
    fee_growth_inside0_last: int
    fee_growth_inside1_last: int
    owed0: int
    owed1: int


class Collected(NamedTuple):
    """`amount*` is what the pool paid, `credited*` what the manager's event reports."""

    amount0: int
    amount1: int
    credited0: int
    credited1: int


class PositionManager:
    """Restoring a snapshot of the pool restores its manager too."""

    def __init__(self, pool: Pool, address: str = "position manager") -> None:
        self.pool = pool
        self.address = address
        self.tokens: dict[int, Token] = {}
        self._next_id = {"token": 1}

    def mint(
        self,
        tick_lower: int,
        tick_upper: int,
        desired0: int,
        desired1: int,
        *,
        min0: int = 0,
        min1: int = 0,
        deadline: int | None = None,
        now: int = 0,
    ) -> tuple[int, int, int, int]:
        """New token for the most liquidity both amounts fund: (id, liquidity, amount0, amount1).

        Raises:
            DeadlineError, SlippageError and all of `Pool.mint`.
        """
        _check_deadline(deadline, now)
        liquidity, amount0, amount1 = self._add(
            tick_lower, tick_upper, (desired0, desired1), (min0, min1), now
        )
        inside = self._inside(tick_lower, tick_upper)
        token_id = self._next_id["token"]
        history = self.pool.history
        history.put(self._next_id, "token", token_id + 1)
        history.put(self.tokens, token_id, Token(tick_lower, tick_upper, liquidity, *inside, 0, 0))
        return token_id, liquidity, amount0, amount1

    def increase(
        self,
        token_id: int,
        desired0: int,
        desired1: int,
        *,
        min0: int = 0,
        min1: int = 0,
        deadline: int | None = None,
        now: int = 0,
    ) -> tuple[int, int, int]:
        """More liquidity for a token: (liquidity added, amount0, amount1).

        Raises:
            DeadlineError, InvalidTokenIdError, SlippageError and all of `Pool.mint`.
        """
        _check_deadline(deadline, now)
        token = self.token(token_id)
        added, amount0, amount1 = self._add(
            token.tick_lower, token.tick_upper, (desired0, desired1), (min0, min1), now
        )
        token = self._credited(token)
        self._store(token_id, token._replace(liquidity=(token.liquidity + added) % UINT128))
        return added, amount0, amount1

    def decrease(
        self,
        token_id: int,
        liquidity: int,
        *,
        min0: int = 0,
        min1: int = 0,
        deadline: int | None = None,
        now: int = 0,
    ) -> tuple[int, int]:
        """Credit the amounts of some liquidity to the token; `collect` moves them.

        Raises:
            ZeroLiquidityError, DeadlineError, InvalidTokenIdError, PositionTooSmallError, SlippageError
        """
        token = self.token(token_id)
        _check_deadline(deadline, now)
        if liquidity <= 0:
            raise ZeroLiquidityError(f"a decrease by {liquidity}")
        if liquidity > token.liquidity:
            raise PositionTooSmallError(f"token {token_id} holds {token.liquidity}, not {liquidity}")
        before = self.pool.snapshot()
        try:
            amount0, amount1 = self.pool.burn(
                self.address, token.tick_lower, token.tick_upper, liquidity, now=now
            )
            _check_slippage((amount0, amount1), (min0, min1))
        except BaseException:
            self.pool.restore(before)
            raise
        finally:
            self.pool.release(before)
        token = self._credited(token)
        self._store(
            token_id,
            token._replace(
                liquidity=token.liquidity - liquidity,
                owed0=(token.owed0 + amount0) % UINT128,
                owed1=(token.owed1 + amount1) % UINT128,
            ),
        )
        return amount0, amount1

    def collect(
        self, token_id: int, most0: int = UINT128 - 1, most1: int = UINT128 - 1, *, now: int = 0
    ) -> Collected:
        """Refresh the fees if liquidity is left, then pay out what the token is owed.

        Raises:
            NothingAskedError, UintOverflowError, InvalidTokenIdError
        """
        if not (0 <= most0 < UINT128 and 0 <= most1 < UINT128):
            raise UintOverflowError(f"amounts ({most0}, {most1}) are not unsigned 128-bit numbers")
        if not most0 and not most1:
            raise NothingAskedError("a collect of nothing")
        token = self.token(token_id)
        if token.liquidity:
            self.pool.burn(self.address, token.tick_lower, token.tick_upper, 0, now=now)
            token = self._credited(token)
        credited0, credited1 = min(most0, token.owed0), min(most1, token.owed1)
        paid = self.pool.collect(self.address, token.tick_lower, token.tick_upper, credited0, credited1)
        self._store(token_id, token._replace(owed0=token.owed0 - credited0, owed1=token.owed1 - credited1))
        return Collected(*paid, credited0, credited1)

    def burn(self, token_id: int) -> None:
        """Delete an empty token. Raises InvalidTokenIdError, NotClearedError."""
        token = self.token(token_id)
        if token.liquidity or token.owed0 or token.owed1:
            raise NotClearedError(
                f"token {token_id} has liquidity {token.liquidity}, owed {token.owed0}, {token.owed1}"
            )
        self.pool.history.drop(self.tokens, token_id)

    def token(self, token_id: int) -> Token:
        """The token's record. Raises InvalidTokenIdError."""
        if token_id not in self.tokens:
            raise InvalidTokenIdError(f"position token {token_id} does not exist")
        return self.tokens[token_id]

    def _add(
        self, tick_lower: int, tick_upper: int, desired: tuple[int, int], least: tuple[int, int], now: int
    ) -> tuple[int, int, int]:
        for amount in desired:
            if not 0 <= amount < UINT256:
                raise UintOverflowError(f"desired amount {amount} is not an unsigned 256-bit number")
        self.pool.require_open()
        low, high = sqrt_ratio_at_tick(tick_lower), sqrt_ratio_at_tick(tick_upper)
        liquidity = liquidity_for_amounts(self.pool.sqrt_price, low, high, *desired)
        before = self.pool.snapshot()
        try:
            amounts = self.pool.mint(self.address, tick_lower, tick_upper, liquidity, now=now)
            _check_slippage(amounts, least)
        except BaseException:
            self.pool.restore(before)
            raise
        finally:
            self.pool.release(before)
        return liquidity, *amounts

    def _inside(self, tick_lower: int, tick_upper: int) -> tuple[int, int]:
        """The growth that the pool stored in the manager's position at its last change."""
        position = self.pool.positions[self.address, tick_lower, tick_upper]
        return position.fee_growth_inside0_last, position.fee_growth_inside1_last

    def _credited(self, token: Token) -> Token:
        inside0, inside1 = self._inside(token.tick_lower, token.tick_upper)
        earned0 = fees_earned(inside0, token.fee_growth_inside0_last, token.liquidity)
        earned1 = fees_earned(inside1, token.fee_growth_inside1_last, token.liquidity)
        return token._replace(
            fee_growth_inside0_last=inside0,
            fee_growth_inside1_last=inside1,
            owed0=(token.owed0 + earned0) % UINT128,
            owed1=(token.owed1 + earned1) % UINT128,
        )

    def _store(self, token_id: int, token: Token) -> None:
        self.pool.history.put(self.tokens, token_id, token)


def _check_deadline(deadline: int | None, now: int) -> None:
    if deadline is not None and now > deadline:
        raise DeadlineError(f"deadline {deadline} is before block time {now}")


def _check_slippage(amounts: tuple[int, int], least: tuple[int, int]) -> None:
    if amounts[0] < least[0] or amounts[1] < least[1]:
        raise SlippageError(f"amounts {amounts} are below the minimum {least}")
