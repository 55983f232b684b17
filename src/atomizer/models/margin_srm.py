"""Derive's standard manager: margin contributions of one market, negative means cash required, cash not
included.

Per expiry the better of (sum of isolated short-option margins) and (worst payoff over settlement prices 0
and every strike, plus net short calls at a multiple of the forward). Options are marked undiscounted.
Parameters are those of the public ETH and BTC configuration: read live ones from the venue. Source: Derive
v2-core, StandardManager.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive
from atomizer.models.scenario import OptionChain

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SrmParameters:
    """Fractions of spot unless said; `im_offset` multiplies the put's maintenance margin."""

    max_spot: float = 0.15
    min_spot: float = 0.13
    mm_call: float = 0.09
    mm_put: float = 0.09
    mm_put_mtm: float = 0.09
    im_offset: float = 1.05
    unpaired_im: float = 1.2
    unpaired_mm: float = 1.1
    perp_im: float = 0.10
    perp_mm: float = 0.065


@dataclass(frozen=True, slots=True)
class SrmMargin:
    """Contributions: initial, maintenance (negative: cash required) and the options' mark to market."""

    initial: float
    maintenance: float
    option_mtm: float


def isolated(
    mark: float, strike: float, amount: float, spot: float, *, is_call: bool, parameters: SrmParameters
) -> tuple[float, float]:
    """(initial, maintenance) contribution of one short option position; `mark` is its signed mark to
    market.
    """
    p = parameters
    otm = max(strike - spot if is_call else spot - strike, 0.0) / spot
    initial = max(p.max_spot - otm, p.min_spot) * spot * amount + mark
    if is_call:
        return initial, p.mm_call * spot * amount + mark
    maintenance = min(p.mm_put * spot * amount, p.mm_put_mtm * mark) + mark
    return min(initial, p.im_offset * maintenance), maintenance


def base_collateral(amount: float, spot: float, *, mm_factor: float, im_scale: float) -> tuple[float, float]:
    """(initial, maintenance) contribution of coins, e.g. ETH .8 and .9375, BTC .75 and .93.

    Raises:
        ModelInputError: a number below 0.
    """
    non_negative(amount=amount, spot=spot, mm_factor=mm_factor, im_scale=im_scale)
    maintenance = amount * spot * mm_factor
    return maintenance * im_scale, maintenance


class SrmBook:
    """One market's positions with the margin of every expiry, so that a candidate order re-margins one
    expiry.

    Args:
        chain: options, marked undiscounted whatever their discount factor.
        amounts: signed positions.
        spot: index.
        perp_position: coins, signed. perp_price: its mark. perp_unrealised: unsettled P&L, USD.
        parameters: of the market.

    Raises:
        ModelInputError: a number outside its domain, amounts that do not match the chain.
    """

    def __init__(
        self,
        chain: OptionChain,
        amounts: ArrayLike,
        spot: float,
        *,
        perp_position: float = 0.0,
        perp_price: float = 0.0,
        perp_unrealised: float = 0.0,
        parameters: SrmParameters | None = None,
    ) -> None:
        positive(spot=spot)
        finite(perp_position=perp_position, perp_unrealised=perp_unrealised)
        non_negative(perp_price=perp_price)
        q = np.array(amounts, dtype=np.float64)
        if q.shape != (len(chain),) or not np.isfinite(q).all():
            raise ModelInputError("amounts", f"{len(chain)} finite numbers", q.shape)
        self._chain, self._amounts, self._spot = chain, q, spot
        self._parameters = parameters or SrmParameters()
        self._unit_marks = chain.values() / chain.discount
        self._members = [np.flatnonzero(chain.years == tenor) for tenor in np.unique(chain.years)]
        self._row = np.searchsorted(np.unique(chain.years), chain.years)
        self._position, self._perp_price, self._unrealised = perp_position, perp_price, perp_unrealised
        self._expiries = [self._margin_of(members, q) for members in self._members]
        self._mtm = float(self._unit_marks @ q)

    def _margin_of(self, members: NDArray[np.int64], amounts: Vector) -> tuple[float, float]:
        held = members[amounts[members] != 0.0]
        if not held.size:
            return 0.0, 0.0
        marks = self._unit_marks * amounts
        return _expiry(self._chain, amounts, marks, held, self._spot, self._parameters)

    def margin(self) -> SrmMargin:
        """Contribution of the book as it stands."""
        return self._with_perp_at(self._position, self._unrealised)

    def _with_perp_at(self, position: float, unrealised: float) -> SrmMargin:
        notional = abs(position) * self._perp_price
        initial = sum(im for im, _ in self._expiries) - self._parameters.perp_im * notional
        maintenance = sum(mm for _, mm in self._expiries) - self._parameters.perp_mm * notional
        return SrmMargin(initial + unrealised, maintenance + unrealised, self._mtm)

    def with_perp(self, amount: float, price: float) -> SrmMargin:
        """Contribution after trading `amount` coins (signed) of the perpetual at `price` against its mark.

        Raises:
            ModelInputError: a number not finite, a book without a perpetual price.
        """
        finite(amount=amount, price=price)
        positive(perp_price=self._perp_price)
        gain = amount * (self._perp_price - price)
        return self._with_perp_at(self._position + amount, self._unrealised + gain)

    def with_candidate(self, index: int, amount: float) -> SrmMargin:
        """Contribution after trading `amount` (signed) of option `index`; its premium is a matter of cash.

        Raises:
            ModelInputError: an index outside the chain, amount not finite.
        """
        finite(amount=amount)
        if not 0 <= index < len(self._chain):
            raise ModelInputError("index", f"an option of the chain, 0..{len(self._chain) - 1}", index)
        amounts = self._amounts.copy()
        amounts[index] += amount
        row = int(self._row[index])
        im, mm = self._margin_of(self._members[row], amounts)
        now = self.margin()
        return SrmMargin(
            now.initial - self._expiries[row][0] + im,
            now.maintenance - self._expiries[row][1] + mm,
            self._mtm + amount * float(self._unit_marks[index]),
        )


def _expiry(
    chain: OptionChain, q: Vector, marks: Vector, held: NDArray[np.int64], spot: float, p: SrmParameters
) -> tuple[float, float]:
    alone_im = alone_mm = 0.0
    for i in held:
        if q[i] < 0.0:
            im, mm = isolated(
                float(marks[i]),
                float(chain.strike[i]),
                float(q[i]),
                spot,
                is_call=bool(chain.is_call[i]),
                parameters=p,
            )
            alone_im += im
            alone_mm += mm
    strikes, calls, size = chain.strike[held], chain.is_call[held], q[held]
    settlements = np.concatenate(([0.0], strikes))[:, None]
    payoff = np.where(calls, settlements - strikes, strikes - settlements)
    worst = min(float((np.maximum(payoff, 0.0) @ size).min()), 0.0)
    net_calls = float(size[calls].sum())
    unpaired = min(net_calls, 0.0) * float(chain.forward[held[0]])
    return (
        max(alone_im, worst + p.unpaired_im * unpaired),
        max(alone_mm, worst + p.unpaired_mm * unpaired),
    )
