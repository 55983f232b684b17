"""What the contracts refuse, as types.

    PoolError (ValueError)
      one class per revert code of the pool, its oracle and the position manager

`code` is the contract's own short text, empty where it reverts without one. Nodes report that
text, so `error_from_revert` turns a failed transaction into the same class that the model raises.
Every model operation that raises leaves the pool as it was.
"""

from __future__ import annotations

from typing import ClassVar


class PoolError(ValueError):
    """A request that the real contracts would refuse."""

    code: ClassVar[str] = ""
    advice: ClassVar[str] = "check the arguments against the pool's limits"

    def __init__(self, found: str) -> None:
        super().__init__(f"{found}; {self.advice}")
        self.found = found


class TickRangeError(PoolError):
    code = "T"
    advice = "use a tick from -887272 to 887272"


class PriceRangeError(PoolError):
    code = "R"
    advice = "use a sqrt price from 4295128739 up to, not including, the price of tick 887272"


class PriceLimitError(PoolError):
    code = "SPL"
    advice = (
        "a limit must lie beyond the current price in the swap's direction and strictly inside the bounds"
    )


class ZeroAmountError(PoolError):
    code = "AS"
    advice = "specify an amount other than zero (positive: exact input, negative: exact output)"


class LockedError(PoolError):
    code = "LOK"
    advice = "initialise the pool with a price before using it"


class AlreadyInitializedError(PoolError):
    code = "AI"
    advice = "a pool takes one initial price only; use the pool as it is"


class NoPositionError(PoolError):
    code = "NP"
    advice = "only a position with liquidity can be poked; collect what it is owed instead"


class TickOrderError(PoolError):
    code = "TLU"
    advice = "the lower tick must be below the upper tick"


class LowerTickError(PoolError):
    code = "TLM"
    advice = "raise the lower tick to -887272 or more"


class UpperTickError(PoolError):
    code = "TUM"
    advice = "lower the upper tick to 887272 or less"


class TickSpacingError(PoolError):
    advice = "use ticks that are multiples of the pool's tick spacing"


class LiquidityCapError(PoolError):
    code = "LO"
    advice = "mint less, or spread the liquidity over other ticks"


class LiquidityUnderflowError(PoolError):
    code = "LS"
    advice = "burn at most the liquidity that the position holds"


class LiquidityOverflowError(PoolError):
    code = "LA"
    advice = "mint less: liquidity is an unsigned 128-bit number"


class ZeroLiquidityError(PoolError):
    advice = "use a liquidity above zero"


class UintOverflowError(PoolError):
    advice = "use an amount that fits the contract's integer type"


class FeeProtocolError(PoolError):
    advice = "a protocol fee is 0 (off) or 4 to 10 (one n-th of the fee), for each token"


class PoolShapeError(PoolError):
    advice = "use a fee from 0 to 999999 ppm and a tick spacing from 1 to 16383"


class OracleUninitializedError(PoolError):
    code = "I"
    advice = "initialise the pool first"


class ObservationTooOldError(PoolError):
    code = "OLD"
    advice = "ask for a shorter window, or raise the observation cardinality and wait"


class InputNotPaidError(PoolError):
    code = "IIA"
    advice = "the callback must pay the input in full; fee-on-transfer tokens do not work"


class Mint0NotPaidError(PoolError):
    code = "M0"
    advice = "the callback must pay token0 in full"


class Mint1NotPaidError(PoolError):
    code = "M1"
    advice = "the callback must pay token1 in full"


class FlashNoLiquidityError(PoolError):
    code = "L"
    advice = "a flash loan needs liquidity in range"


class FlashNotPaidError(PoolError):
    code = "F0"
    advice = "the callback must return the loan and its fee in full"


class TransferFailedError(PoolError):
    code = "TF"
    advice = "the pool could not pay out; the token refuses transfers"


class TransferFromFailedError(PoolError):
    code = "STF"
    advice = "check the payer's balance and the allowance given to this contract"


class SlippageError(PoolError):
    code = "Price slippage check"
    advice = "the price moved: lower the minimum amounts or quote again"


class DeadlineError(PoolError):
    code = "Transaction too old"
    advice = "send again with a later deadline"


class TooLittleReceivedError(PoolError):
    code = "Too little received"
    advice = "the price moved: lower the minimum output or quote again"


class TooMuchRequestedError(PoolError):
    code = "Too much requested"
    advice = "the price moved: raise the maximum input or quote again"


class InvalidTokenIdError(PoolError):
    code = "Invalid token ID"
    advice = "use the id of a position that exists and has not been burned"


class PositionTooSmallError(PoolError):
    advice = "decrease by at most the liquidity that the position token holds"


class NothingAskedError(PoolError):
    advice = "ask for more than zero of at least one token"


class NotClearedError(PoolError):
    code = "Not cleared"
    advice = "withdraw all liquidity and collect everything before burning the position"


class NotApprovedError(PoolError):
    code = "Not approved"
    advice = "act as the position's owner or as an approved operator"


_BY_CODE: dict[str, type[PoolError]] = {kind.code: kind for kind in PoolError.__subclasses__() if kind.code}
_BY_CODE["F1"] = FlashNotPaidError


def error_from_revert(code: str) -> PoolError:
    """The typed error for a node's revert text (with or without "execution reverted: ").

    An unknown or empty text gives a plain `PoolError` naming it.
    """
    text = code.removeprefix("execution reverted").removeprefix(": ").strip()
    return _BY_CODE.get(text, PoolError)(f"the contract reverted with {text!r}")
