"""Derive's portfolio margin (PM2): net margin, positive is excess.

    margin = cash + MtM + factor * min(basis contingency, worst scenario P&L) - contingencies

Per expiry the shocked value carries a static discount that depends on its sign, so the book is kept as one
row per expiry; a candidate order changes one row. Parameters are those of the public contracts at the time of
writing: read live ones from the venue. Source: Derive v2-core, PMRM_2 and PMRMLib_2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models._jit import kernel
from atomizer.models.inputs import ModelInputError, finite, non_negative, positive
from atomizer.models.pm2_parameters import Pm2Parameters
from atomizer.models.scenario import OptionChain, expiry_and_strike_groups, reprice_kernel

Vector = NDArray[np.float64]

_MONTH = 30.0 / 365.0


@dataclass(frozen=True, slots=True)
class Collateral:
    """Coins held as collateral: amount, USD price, haircuts (the IM one comes on top), whether scenarios
    move it.
    """

    amount: float
    price: float
    mm_haircut: float
    im_haircut: float
    risk_cancelling: bool = True
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Pm2Account:
    """Everything but the options: cash, perpetual, collateral, oracle state."""

    cash: float
    perp_position: float = 0.0
    perp_price: float = 0.0
    perp_unrealised: float = 0.0
    collateral: tuple[Collateral, ...] = ()
    stable_price: float = 1.0
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Pm2Margin:
    """Net margins (positive is excess), mark to market with cash, index of the worst scenario.

    The number of scenarios as index stands for the basis contingency.
    """

    initial: float
    maintenance: float
    mark_to_market: float
    worst: int


@kernel(
    "Tuple((f8, f8, f8, i8))(f8[:,::1], f8[::1], f8[::1], f8[::1], b1[::1], f8[::1], f8[::1],"
    " i8, f8, f8[::1])"
)
def span_kernel(
    rows: Vector,
    long_discount: Vector,
    short_discount: Vector,
    basis_factor: Vector,
    is_skew: NDArray[np.bool_],
    damping: Vector,
    linear: Vector,
    row: int,
    amount: float,
    unit: Vector,
) -> tuple[float, float, float, int]:
    """(worst P&L, basis contingency, option MtM, worst index) of rows, with `amount` of `unit` added to
    `row`.

    A row holds one expiry: its value in every scenario, then at basis up, basis down and unshocked. `row` =
    -1 adds nothing.
    """
    scenarios = damping.shape[0]
    basis, mtm = 0.0, 0.0
    for e in range(rows.shape[0]):
        extra = amount if e == row else 0.0
        now = rows[e, scenarios + 2] + extra * unit[scenarios + 2]
        up = rows[e, scenarios] + extra * unit[scenarios]
        down = rows[e, scenarios + 1] + extra * unit[scenarios + 1]
        basis += min(min(up, down) - now, 0.0) * basis_factor[e]
        mtm += now
    worst, index = basis, scenarios
    for j in range(scenarios):
        total = linear[j]
        for e in range(rows.shape[0]):
            extra = amount if e == row else 0.0
            value = rows[e, j] + extra * unit[j]
            now = rows[e, scenarios + 2] + extra * unit[scenarios + 2]
            value *= long_discount[e] if value >= 0.0 else short_discount[e]
            pnl = (value - now) * damping[j]
            total += -abs(pnl) if is_skew[j] else pnl
        if total < worst:
            worst, index = total, j
    return worst, basis, mtm, index


class Pm2Model:
    """Unit scenario values of a set of options at one moment; build again when marks move.

    Args:
        chain: the options, with their discount factors.
        spot: index price.
        rates: interest rate per option's expiry (negative counts as 0).
        parameters: of the manager.
        confidences: oracle confidence per option's expiry.

    Raises:
        ModelInputError: spot not above 0, an option at or past expiry, columns that disagree.
    """

    def __init__(
        self,
        chain: OptionChain,
        spot: float,
        *,
        rates: ArrayLike = 0.0,
        parameters: Pm2Parameters | None = None,
        confidences: ArrayLike = 1.0,
    ) -> None:
        positive(spot=spot)
        if len(chain) and float(chain.years.min()) <= 0.0:
            raise ModelInputError("years", "options before expiry", float(chain.years.min()))
        self.chain, self.spot = chain, spot
        self.parameters = p = parameters or Pm2Parameters()
        shape = (len(chain),)
        self._rates = np.maximum(np.broadcast_to(np.asarray(rates, dtype=np.float64), shape), 0.0)
        self._confidence = np.broadcast_to(np.asarray(confidences, dtype=np.float64), shape)
        self.row, self.strike_row = expiry_and_strike_groups(chain)
        tenors, first = np.unique(chain.years, return_index=True)
        self.expiry_confidence = self._confidence[first]
        self.long_discount = p.long_discount * np.exp(
            -tenors * (self._rates[first] * p.long_rate_scale + p.long_rate)
        )
        grown = p.short_discount * np.exp(tenors * (self._rates[first] * p.short_rate_scale + p.short_rate))
        self.short_discount = np.minimum(1.0 / chain.discount[first], grown)
        self.basis_factor = p.basis_add + p.basis_per_year * tenors
        self.membership = np.zeros((tenors.size, len(chain)))
        self.membership[self.row, np.arange(len(chain))] = 1.0
        self.damping = np.array([s.damping for s in p.scenarios])
        self.is_skew = np.array([s.direction in ("Linear", "Abs") for s in p.scenarios])
        self.moves = np.array([s.spot - 1.0 for s in p.scenarios])
        self.units = self._unit_values()

    def _unit_values(self) -> Vector:
        """(options, scenarios + 3): every scenario, then basis up, basis down, unshocked."""
        p, chain = self.parameters, self.chain
        spots = np.array([*(s.spot for s in p.scenarios), p.basis_up, p.basis_down, 1.0])
        shocks = {
            "Up": np.maximum(chain.vol * (1.0 + p.vol_up * self._vol_power()), p.min_vol_up),
            "Down": chain.vol * np.maximum(1.0 - p.vol_down * self._vol_power(), 0.0),
            "None": chain.vol,
            "Linear": chain.vol * self._skew_factor(linear=True),
            "Abs": chain.vol * self._skew_factor(linear=False),
        }
        columns = [shocks[s.direction] for s in p.scenarios] + [chain.vol] * 3
        vol = np.ascontiguousarray(np.column_stack(columns)) if len(chain) else np.empty((0, spots.size))
        out = np.empty_like(vol)
        reprice_kernel(
            chain.forward, chain.strike, chain.years, chain.discount, chain.is_call, spots, vol, out
        )
        return out

    def _vol_power(self) -> Vector:
        p, years = self.parameters, self.chain.years
        ratio = _MONTH / np.maximum(years, p.floor_days / 365.0)
        power: Vector = np.where(years <= _MONTH, ratio**p.short_power, ratio**p.long_power)
        return power

    def _skew_factor(self, *, linear: bool) -> Vector:
        p, chain = self.parameters, self.chain
        root = np.sqrt(chain.years)
        cap = (p.linear_cap if linear else p.abs_cap) + (
            p.linear_cap_slope if linear else p.abs_cap_slope
        ) * root
        star = np.maximum(p.min_k_star, root * p.width_scale * (p.width_vol + p.width_vol_slope * root))
        k = np.log(chain.strike / chain.forward)
        k = k if linear else np.abs(k)
        factor: Vector = np.maximum(1.0 + np.clip(k * cap / star, -cap, cap), 0.0)
        return factor

    def book(self, amounts: ArrayLike, account: Pm2Account) -> Pm2Book:
        """Aggregate positions once; its `margin` and `with_candidate` are then cheap.

        Raises:
            ModelInputError: one finite amount per option is missing, account numbers outside their domain.
        """
        q = np.asarray(amounts, dtype=np.float64)
        if q.shape != (len(self.chain),) or not np.isfinite(q).all():
            raise ModelInputError("amounts", f"{len(self.chain)} finite numbers", q.shape)
        return Pm2Book(self, q, account)


class Pm2Book:
    """Positions aggregated per expiry and strike."""

    __slots__ = (
        "_account",
        "_amounts",
        "_collateral_value",
        "_fixed_im",
        "_fixed_mm",
        "_linear",
        "_model",
        "_net",
        "_nothing",
        "_rows",
    )

    def __init__(self, model: Pm2Model, amounts: Vector, account: Pm2Account) -> None:
        self._model, self._account, self._amounts = model, account, amounts
        self._rows = np.ascontiguousarray((model.membership * amounts) @ model.units)
        strikes = int(model.strike_row.max()) + 1 if amounts.size else 0
        self._net = np.bincount(model.strike_row, weights=amounts, minlength=strikes)
        self._nothing = np.zeros(self._rows.shape[1])
        self._fix(amounts)

    def _fix(self, amounts: Vector) -> None:
        """Contingencies and scenario P&L that do not depend on a candidate order."""
        model, account, p = self._model, self._account, self._model.parameters
        finite(
            cash=account.cash, perp_position=account.perp_position, perp_unrealised=account.perp_unrealised
        )
        non_negative(perp_price=account.perp_price, stable_price=account.stable_price)
        if account.perp_position != 0.0:
            positive(perp_price=account.perp_price)
        notional = abs(account.perp_position) * model.spot
        mm = p.mm_perp * notional
        im = p.im_perp * notional + self._confidence(account.confidence, notional)
        moved, value = 0.0, 0.0
        for held in account.collateral:
            non_negative(collateral_amount=held.amount, collateral_price=held.price)
            worth = held.amount * held.price
            value += worth
            moved += worth if held.risk_cancelling else 0.0
            mm += held.mm_haircut * worth
            im += held.im_haircut * worth + self._confidence(held.confidence, worth)
        gross = model.membership @ np.abs(amounts)
        for confidence, size in zip(model.expiry_confidence, gross, strict=True):
            im += self._confidence(min(float(confidence), account.confidence), float(size) * model.spot)
        self._fixed_mm, self._fixed_im, self._collateral_value = mm, im, value
        self._linear = (
            account.perp_position * account.perp_price * model.damping + moved * model.damping
        ) * model.moves

    def _confidence(self, confidence: float, notional: float) -> float:
        p = self._model.parameters
        return (
            (1.0 - confidence) * p.confidence_factor * notional
            if confidence < p.confidence_threshold
            else 0.0
        )

    def margin(self) -> Pm2Margin:
        """Net margin of the book as it stands."""
        return self._evaluate(-1, 0.0, self._nothing, 0.0, float(np.minimum(self._net, 0.0).sum()), 0.0)

    def with_candidate(self, index: int, amount: float, price: float) -> Pm2Margin:
        """Net margin if `amount` (signed) of option `index` traded at `price` (USD per unit, paid from cash).

        Raises:
            ModelInputError: a number not finite, an index outside the chain.
        """
        finite(amount=amount, price=price)
        model = self._model
        if not 0 <= index < len(model.chain):
            raise ModelInputError("index", f"an option of the chain, 0..{len(model.chain) - 1}", index)
        net = float(self._net[model.strike_row[index]])
        short = float(np.minimum(self._net, 0.0).sum()) - min(net, 0.0) + min(net + amount, 0.0)
        row, held = int(model.row[index]), float(self._amounts[index])
        confidence = min(float(model.expiry_confidence[row]), self._account.confidence)
        gross = (abs(held + amount) - abs(held)) * model.spot
        doubt = self._confidence(confidence, gross)
        return self._evaluate(row, amount, model.units[index], -amount * price, short, doubt)

    def with_perp(self, amount: float, price: float) -> Pm2Margin:
        """Net margin if `amount` coins (signed) of the perpetual traded at `price` against its mark.

        Raises:
            ModelInputError: a number not finite, no perpetual price in the account.
        """
        finite(amount=amount, price=price)
        held = self._account
        positive(perp_price=held.perp_price)
        account = replace(
            held,
            perp_position=held.perp_position + amount,
            perp_unrealised=held.perp_unrealised + amount * (held.perp_price - price),
        )
        return Pm2Book(self._model, self._amounts, account).margin()

    def _evaluate(
        self, row: int, amount: float, unit: Vector, cash: float, short: float, doubt: float
    ) -> Pm2Margin:
        model, account, p = self._model, self._account, self._model.parameters
        worst, _, options, index = span_kernel(
            self._rows,
            model.long_discount,
            model.short_discount,
            model.basis_factor,
            model.is_skew,
            model.damping,
            self._linear,
            row,
            amount,
            unit,
        )
        mtm = options + account.perp_unrealised + self._collateral_value + account.cash + cash
        naked = -short * model.spot
        mm_fixed = self._fixed_mm + p.mm_option * naked
        im_fixed = mm_fixed + self._fixed_im + p.im_option * naked + doubt
        depeg = p.peg_factor * max(p.peg_threshold - account.stable_price, 0.0)
        initial = mtm + (p.im_factor + depeg) * worst - im_fixed
        maintenance = mtm + p.mm_factor * worst - mm_fixed
        if not (math.isfinite(initial) and math.isfinite(maintenance)):
            raise ModelInputError("portfolio", "values with finite scenario P&L", (initial, maintenance))
        return Pm2Margin(initial, maintenance, mtm, index)
