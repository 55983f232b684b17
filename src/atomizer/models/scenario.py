"""Revaluation of option books on a grid of spot and volatility moves.

One engine for the desk's scenario limit and for the venues' portfolio margins: every option's value in every
scenario is computed once (n options x m scenarios), a book is a weighted sum of rows, and a candidate order
is a rank-one update. Values are full Black-76 revaluations in the quote currency, not greeks.

The kernel inlines `black.black76_price`, and numba's disk cache does not notice an edit there: after
changing it delete the `__pycache__` folder of `models`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models._jit import kernel
from atomizer.models._normal import mills
from atomizer.models.black import _arguments, _value, black76_price
from atomizer.models.inputs import ModelInputError, finite, non_negative

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]


@kernel("void(f8[::1], f8[::1], f8[::1], f8[::1], b1[::1], f8[::1], f8[:,::1], f8[:,::1])")
def reprice_kernel(
    forward: Vector,
    strike: Vector,
    years: Vector,
    discount: Vector,
    is_call: Flags,
    spot_factor: Vector,
    vol: Vector,
    out: Vector,
) -> None:
    """out[i, j] = value of option i with its forward times spot_factor[j] and volatility vol[i, j].

    The same numbers as `black76_price`, a row at a time so that the Mills ratios (polynomials, no branches)
    become vector instructions; what has no time or volatility left goes through the scalar form.
    """
    size = spot_factor.shape[0]
    arguments = np.empty(2 * size)
    densities = np.empty(size)
    for i in range(strike.shape[0]):
        root = math.sqrt(years[i]) if years[i] > 0.0 else 0.0
        for j in range(size):
            arguments[j], arguments[size + j], densities[j] = _arguments(
                forward[i] * spot_factor[j], strike[i], vol[i, j] * root
            )
        for j in range(2 * size):
            arguments[j] = math.copysign(mills(abs(arguments[j])), arguments[j])
        for j in range(size):
            moved = forward[i] * spot_factor[j]
            if vol[i, j] * root > 0.0:
                tail1 = densities[j] * abs(arguments[j])
                tail2 = densities[j] * (moved / strike[i]) * abs(arguments[size + j])
                out[i, j] = discount[i] * _value(
                    moved, strike[i], arguments[j], arguments[size + j], tail1, tail2, is_call[i]
                )
            else:
                out[i, j] = black76_price(moved, strike[i], years[i], vol[i, j], discount[i], is_call[i])


@dataclass(frozen=True, slots=True)
class OptionChain:
    """Options as columns: forward, strike, years to expiry, discount factor, volatility, call flag.

    Build it with `option_chain`, which checks the columns.
    """

    forward: Vector
    strike: Vector
    years: Vector
    discount: Vector
    vol: Vector
    is_call: Flags

    def __len__(self) -> int:
        return int(self.strike.size)

    def values(self) -> Vector:
        """Mark values today, per unit, quote currency."""
        out = np.empty((len(self), 1))
        one = np.ones(1)
        vol = np.ascontiguousarray(self.vol[:, None])
        reprice_kernel(self.forward, self.strike, self.years, self.discount, self.is_call, one, vol, out)
        column: Vector = out[:, 0]
        return column


def expiry_and_strike_groups(chain: OptionChain) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(expiry number, number of the expiry-strike pair) of every option, both counted from 0."""
    _, expiry = np.unique(chain.years, return_inverse=True)
    strikes, level = np.unique(chain.strike, return_inverse=True)
    _, pair = np.unique(expiry * strikes.size + level, return_inverse=True)
    return expiry.astype(np.int64), pair.astype(np.int64)


def option_chain(
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> OptionChain:
    """Checked columns; scalars are broadcast.

    Raises:
        ModelInputError: a forward, strike or discount not above 0, a vol or time below 0, NaN, shapes that
            disagree.
    """
    calls = np.atleast_1d(np.asarray(is_call, dtype=np.bool_))
    try:
        columns = np.broadcast_arrays(
            *(
                np.atleast_1d(np.asarray(x, dtype=np.float64))
                for x in (forward, strike, years, discount, vol)
            ),
            calls,
        )
    except ValueError as error:
        raise ModelInputError("option columns", "arrays of one length", str(error)) from None
    f, k, t, d, v = (np.array(column, dtype=np.float64) for column in columns[:5])
    if f.ndim != 1:
        raise ModelInputError("option columns", "one-dimensional arrays", f.shape)
    for name, values, strict in (
        ("forward", f, True),
        ("strike", k, True),
        ("discount", d, True),
        ("years", t, False),
        ("vol", v, False),
    ):
        good = np.isfinite(values) & ((values > 0.0) if strict else (values >= 0.0))
        if not good.all():
            index = int(np.argmin(good))
            raise ModelInputError(
                f"{name}[{index}]", "above 0" if strict else "at least 0", float(values[index])
            )
    return OptionChain(f, k, t, d, v, np.array(columns[5], dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class ScenarioGrid:
    """Scenarios as columns: relative spot factors and volatility moves, absolute and relative.

    vol in scenario j = max(vol (1 + vol_relative[j]) + vol_absolute[j], 0).
    """

    spot_factor: Vector
    vol_absolute: Vector
    vol_relative: Vector


def grid(spot_moves: ArrayLike, vol_moves: ArrayLike, *, relative_vol: bool = False) -> ScenarioGrid:
    """The product of spot moves (relative, -0.2 is down 20 %) and vol moves, spot varying slowest.

    Args:
        spot_moves: above -1.
        vol_moves: absolute (0.1 is ten vol points) or relative.
        relative_vol: how vol moves are read.

    Raises:
        ModelInputError: an empty axis, NaN, a spot move of -100 % or worse.
    """
    spots = np.atleast_1d(np.asarray(spot_moves, dtype=np.float64))
    vols = np.atleast_1d(np.asarray(vol_moves, dtype=np.float64))
    if spots.size == 0 or vols.size == 0 or not (np.isfinite(spots).all() and np.isfinite(vols).all()):
        raise ModelInputError("grid", "finite moves on both axes", (spots.size, vols.size))
    if (spots <= -1.0).any():
        raise ModelInputError("spot_moves", "above -1", float(spots.min()))
    factor = np.repeat(1.0 + spots, vols.size)
    move = np.tile(vols, spots.size)
    none = np.zeros_like(move)
    return ScenarioGrid(factor, none if relative_vol else move, move if relative_vol else none)


class ScenarioMatrix:
    """P&L of one unit of every option in every scenario, computed once per set of marks.

    Args:
        chain: the options.
        scenarios: moves, see `grid`.
        elapsed_years: time that passes with the moves; options that expire meanwhile are worth their payoff.
            With the time to the first expiry this is the scenario loss of a pair that does not expire
            together.

    Raises:
        ModelInputError: elapsed_years below 0.
    """

    __slots__ = ("chain", "grid", "unit_pnl")

    def __init__(self, chain: OptionChain, scenarios: ScenarioGrid, *, elapsed_years: float = 0.0) -> None:
        non_negative(elapsed_years=elapsed_years)
        self.chain = chain
        self.grid = scenarios
        left = np.maximum(chain.years - elapsed_years, 0.0)
        share = np.divide(left, chain.years, out=np.zeros_like(left), where=chain.years > 0.0)
        shocked = chain.vol[:, None] * (1.0 + scenarios.vol_relative) + scenarios.vol_absolute
        vol = np.ascontiguousarray(np.maximum(shocked, 0.0))
        out = np.empty_like(vol)
        reprice_kernel(
            chain.forward,
            chain.strike,
            left,
            chain.discount**share,
            chain.is_call,
            scenarios.spot_factor,
            vol,
            out,
        )
        out -= chain.values()[:, None]
        self.unit_pnl: Vector = out

    def book_pnl(self, amounts: ArrayLike, *, linear_coins: float = 0.0, spot: float = 0.0) -> Vector:
        """P&L per scenario of a book.

        Args:
            amounts: signed units of each option.
            linear_coins: coins of spot, perpetuals, futures (an inverse position of N USD entered at e is
                N/e).
            spot: index, needed with `linear_coins`.

        Raises:
            ModelInputError: one amount per option is missing, a number not finite, coins without a spot.
        """
        q = np.asarray(amounts, dtype=np.float64)
        if q.shape != (len(self.chain),) or not np.isfinite(q).all():
            raise ModelInputError("amounts", f"{len(self.chain)} finite numbers", q.shape)
        finite(linear_coins=linear_coins, spot=spot)
        if linear_coins != 0.0 and spot <= 0.0:
            raise ModelInputError("spot", "above 0 with linear_coins", spot)
        pnl: Vector = q @ self.unit_pnl + linear_coins * spot * (self.grid.spot_factor - 1.0)
        return pnl

    def with_candidate(self, book: Vector, index: int, amount: float) -> Vector:
        """P&L of a book's `book_pnl` after trading `amount` of option `index`: a rank-one update."""
        updated: Vector = book + amount * self.unit_pnl[index]
        return updated
