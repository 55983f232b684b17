"""Deribit's margins, a pre-filter before the venue's own simulation endpoint.

Requirements are positive (the port turns them into `excess`), in coin for inverse options. Every constant
is a parameter because the venue changes them without notice: read them from the margin page or the API.
Sources: Deribit's margin pages; the portfolio form follows its documented shape (price moves x vol up,
same, down; an extended table at vol up; contingencies), with the numbers of a public clone where Deribit's
are not published.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atomizer.models.inputs import ModelInputError, finite, non_negative, positive
from atomizer.models.scenario import OptionChain, expiry_and_strike_groups, reprice_kernel

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StandardParameters:
    """Fractions of the underlying, per coin of contract."""

    initial: float = 0.15
    initial_floor: float = 0.10
    maintenance: float = 0.075


def standard_short_option(
    underlying: float,
    strike: float,
    mark: float,
    quantity: float,
    *,
    is_call: bool,
    parameters: StandardParameters | None = None,
) -> tuple[float, float]:
    """(initial, maintenance) requirement in coin of a short inverse option under segregated standard margin.

    Args:
        underlying: price of the option's underlying future, USD.
        strike: USD.
        mark: mark price in coin.
        quantity: contracts short, not negative.
        is_call: call or put.
        parameters: of the venue.

    Raises:
        ModelInputError: a number outside its domain.
    """
    positive(underlying=underlying, strike=strike)
    non_negative(mark=mark, quantity=quantity)
    p = parameters or StandardParameters()
    otm = max(strike - underlying if is_call else underlying - strike, 0.0) / underlying
    initial = max(p.initial - otm, p.initial_floor) + mark
    if is_call:
        return initial * quantity, (p.maintenance + mark) * quantity
    maintenance = max(p.maintenance, p.maintenance * mark) + mark
    return max(initial, maintenance) * quantity, maintenance * quantity


@dataclass(frozen=True, slots=True)
class PortfolioParameters:
    """Scenario grid and contingencies.

    Attributes:
        price_range, price_points: evenly spaced relative price moves.
        vol_up, vol_down: relative vol moves at 30 days, scaled by (30 / days)^power.
        short_power, long_power: that power at up to 30 days and beyond.
        floor_days: least days to expiry in the scaling.
        extended: (relative price move, share of the loss that counts), at vol up.
        short_option: coins per net short option and strike.
        offset_future: share of the coins in offsetting futures.
        im_factor: initial over maintenance margin.
    """

    price_range: float = 0.16
    price_points: int = 9
    vol_up: float = 0.40
    vol_down: float = 0.22
    short_power: float = 0.30
    long_power: float = 0.13
    floor_days: float = 1.0
    extended: tuple[tuple[float, float], ...] = (
        (-0.66, 0.24),
        (-0.33, 0.48),
        (0.50, 0.32),
        (1.00, 0.16),
        (2.00, 0.08),
        (3.00, 0.0533),
        (4.00, 0.04),
        (5.00, 0.032),
    )
    short_option: float = 0.01
    offset_future: float = 0.01
    im_factor: float = 1.3


@dataclass(frozen=True, slots=True)
class PortfolioMargin:
    """Requirements in coin and the scenario that set them (relative price move, 'up' 'same' or 'down'
    vol).
    """

    initial: float
    maintenance: float
    worst_loss: float
    worst_move: float
    worst_vol: str


class PortfolioModel:
    """Unit scenario P&L in coin of a set of inverse options; build again when marks move.

    A coin price at a moved future F' is Black-76(F')/F', so a fall makes every coin-priced put dearer twice.

    Raises:
        ModelInputError: spot not above 0.
    """

    def __init__(
        self, chain: OptionChain, spot: float, parameters: PortfolioParameters | None = None
    ) -> None:
        positive(spot=spot)
        self.chain, self.spot = chain, spot
        self.parameters = p = parameters or PortfolioParameters()
        regular = np.linspace(-p.price_range, p.price_range, p.price_points)
        wide = np.array([move for move, _ in p.extended])
        self._moves = np.concatenate((np.tile(regular, 3), wide))
        self._share = np.concatenate((np.ones(3 * regular.size), [share for _, share in p.extended]))
        self._labels = ["up"] * regular.size + ["same"] * regular.size + ["down"] * regular.size
        self._labels += ["up"] * wide.size
        _, self._strike_row = expiry_and_strike_groups(chain)
        self.unit_pnl = self._unit_pnl(regular.size, wide.size)

    def _unit_pnl(self, regular: int, wide: int) -> Vector:
        p, chain = self.parameters, self.chain
        days = np.maximum(chain.years * 365.0, p.floor_days)
        ratio = 30.0 / days
        power = np.where(days <= 30.0, ratio**p.short_power, ratio**p.long_power)
        up = chain.vol * (1.0 + p.vol_up * power)
        down = chain.vol * np.maximum(1.0 - p.vol_down * power, 0.0)
        columns = [up] * regular + [chain.vol] * regular + [down] * regular + [up] * wide
        factor = 1.0 + self._moves
        vol = np.ascontiguousarray(np.column_stack(columns))
        out = np.empty_like(vol)
        undiscounted = np.ones(len(chain))
        reprice_kernel(
            chain.forward, chain.strike, chain.years, undiscounted, chain.is_call, factor, vol, out
        )
        coin = out / (chain.forward[:, None] * factor)
        pnl: Vector = (coin - (chain.values() / chain.discount / chain.forward)[:, None]) * self._share
        return pnl

    def scenario_pnl(self, amounts: ArrayLike, futures_usd: float) -> Vector:
        """Weighted P&L in coin per scenario of options and a net inverse futures position (USD, long
        positive).

        Raises:
            ModelInputError: one finite amount per option is missing, futures_usd not finite.
        """
        q = np.asarray(amounts, dtype=np.float64)
        if q.shape != (len(self.chain),) or not np.isfinite(q).all():
            raise ModelInputError("amounts", f"{len(self.chain)} finite numbers", q.shape)
        finite(futures_usd=futures_usd)
        inverse = futures_usd / self.spot * (1.0 - 1.0 / (1.0 + self._moves)) * self._share
        pnl: Vector = q @ self.unit_pnl + inverse
        return pnl

    def margin(self, amounts: ArrayLike, futures_usd: ArrayLike = ()) -> PortfolioMargin:
        """Requirement of a book.

        Args:
            amounts: signed contracts (coins) of each option.
            futures_usd: signed USD of each inverse future and perpetual.

        Raises:
            ModelInputError: as `scenario_pnl`.
        """
        legs = np.atleast_1d(np.asarray(futures_usd, dtype=np.float64))
        net = float(legs.sum())
        return self._requirement(np.asarray(amounts, dtype=np.float64), self.scenario_pnl(amounts, net), legs)

    def with_candidate(
        self, amounts: ArrayLike, pnl: Vector, index: int, amount: float, futures_usd: ArrayLike = ()
    ) -> PortfolioMargin:
        """Requirement after trading `amount` of option `index`, from the book's `scenario_pnl` (rank-one
        update).

        Raises:
            ModelInputError: an index outside the chain, amount not finite.
        """
        finite(amount=amount)
        if not 0 <= index < len(self.chain):
            raise ModelInputError("index", f"an option of the chain, 0..{len(self.chain) - 1}", index)
        q = np.array(amounts, dtype=np.float64)
        q[index] += amount
        legs = np.atleast_1d(np.asarray(futures_usd, dtype=np.float64))
        return self._requirement(q, pnl + amount * self.unit_pnl[index], legs)

    def _requirement(self, amounts: Vector, pnl: Vector, legs: Vector) -> PortfolioMargin:
        p = self.parameters
        worst = int(np.argmin(pnl))
        loss = max(-float(pnl[worst]), 0.0)
        per_strike = np.bincount(self._strike_row, weights=amounts)
        naked = -float(np.minimum(per_strike, 0.0).sum())
        longs, shorts = float(legs[legs > 0.0].sum()), -float(legs[legs < 0.0].sum())
        offset = min(longs, shorts) / self.spot
        maintenance = loss + p.short_option * naked + p.offset_future * offset
        return PortfolioMargin(
            p.im_factor * maintenance, maintenance, loss, float(self._moves[worst]), self._labels[worst]
        )
