"""Where the money came from: greek terms per instrument, statement terms per account, delta-hedged markouts.

All greek terms use start-of-interval greeks: dV = Delta dF + Gamma dF^2/2 + vega dsigma + theta dt
+ vanna dF dsigma + volga dsigma^2/2 + charm dF dt + residual. dsigma is the change of the option's own vol
(sticky strike). The residual is the only plug: terms plus residual equal the total.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from atomizer.models.black import black76_greeks

SECOND_ORDER: Final = ("vanna", "volga", "charm")


@dataclass(frozen=True, slots=True)
class GreekPnl:
    """P&L of a position by greek, in the currency of the price; `total` was measured, not summed."""

    total: float
    delta: float
    gamma: float
    vega: float
    theta: float
    vanna: float
    volga: float
    charm: float

    @property
    def residual_first(self) -> float:
        """What delta, gamma, vega and theta leave unexplained."""
        return self.total - math.fsum((self.delta, self.gamma, self.vega, self.theta))

    @property
    def residual(self) -> float:
        """What all terms leave unexplained."""
        return self.total - math.fsum(self._terms())

    @property
    def residual_share(self) -> float:
        """|residual| over the gross of the terms; above 0.05 the interval was too long."""
        gross = math.fsum(abs(term) for term in self._terms())
        return abs(self.residual) / gross if gross > 0.0 else 0.0

    def _terms(self) -> tuple[float, ...]:
        return (self.delta, self.gamma, self.vega, self.theta, self.vanna, self.volga, self.charm)

    def __add__(self, other: GreekPnl) -> GreekPnl:
        return GreekPnl(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(GreekPnl)))


def attribute_option(
    *,
    start_forward: float,
    end_forward: float,
    strike: float,
    is_call: bool,
    years: float,
    elapsed: float,
    start_sigma: float,
    end_sigma: float,
    quantity: float,
) -> GreekPnl:
    """Explain one option's P&L over `elapsed` years; `years` is the time to expiry at the start.

    Raises:
        ValueError: an input that no option has (vol or price not positive, time running backwards, NaN).
    """
    inputs = (start_forward, end_forward, strike, start_sigma, end_sigma)
    if not all(0.0 < value < math.inf for value in inputs) or not (
        0.0 <= elapsed < math.inf and 0.0 < years < math.inf and math.isfinite(quantity)
    ):
        raise ValueError(
            "expected positive forwards, strike, vols and time to expiry, and elapsed >= 0, found "
            f"F={start_forward!r}->{end_forward!r}, K={strike!r}, vol={start_sigma!r}->{end_sigma!r}, "
            f"T={years!r}, elapsed={elapsed!r}, quantity={quantity!r}"
        )
    value, delta, gamma, vega, theta, _, vanna, volga, charm = black76_greeks(
        start_forward, strike, years, start_sigma, 0.0, is_call
    )
    later = black76_greeks(end_forward, strike, years - elapsed, end_sigma, 0.0, is_call)[0]
    move = end_forward - start_forward
    shift = end_sigma - start_sigma
    return GreekPnl(
        total=quantity * (later - value),
        delta=quantity * delta * move,
        gamma=quantity * 0.5 * gamma * move * move,
        vega=quantity * vega * shift,
        theta=quantity * theta * elapsed,
        vanna=quantity * vanna * move * shift,
        volga=quantity * 0.5 * volga * shift * shift,
        charm=quantity * charm * move * elapsed,
    )


STATEMENT_TERMS: Final = (
    "trading",
    "fees",
    "funding",
    "delta",
    "gamma",
    "vega",
    "theta",
    "vanna",
    "volga",
    "charm",
    "surface",
    "fixing",
    "delivery",
    "carry",
    "gas",
    "fx",
)


@dataclass(frozen=True, slots=True)
class Statement:
    """An account's P&L over an interval, in one reporting currency."""

    total: float
    terms: Mapping[str, float]
    residual: float


def close_statement(
    *, equity_start: float, equity_end: float, net_transfers: float, terms: Mapping[str, float]
) -> Statement:
    """Measure the total from outside (equity end - start - net transfers) and close it with one residual.

    Raises:
        ValueError: a term that is not in `STATEMENT_TERMS`, or an amount that is not finite.
    """
    unknown = sorted(set(terms) - set(STATEMENT_TERMS))
    if unknown:
        raise ValueError(f"expected terms among {STATEMENT_TERMS}, found {unknown}")
    amounts = {name: terms.get(name, 0.0) for name in STATEMENT_TERMS}
    total = math.fsum((equity_end, -equity_start, -net_transfers))
    if not all(math.isfinite(amount) for amount in (total, *amounts.values())):
        raise ValueError(f"expected finite amounts, found total {total!r} and {amounts!r}")
    return Statement(total, amounts, total - math.fsum(amounts.values()))


@dataclass(frozen=True, slots=True)
class Markout:
    """Value of a fill some time later, per unit: in quote currency, and in vol points (0.01 of vol)."""

    money: float
    vol_points: float


def linear_markout(*, bought: bool, fill: float, later_mid: float) -> float:
    """Signed move after a fill of a perpetual, future or spot: positive is good."""
    return (later_mid - fill) * (1.0 if bought else -1.0)


def option_markout(
    *,
    bought: bool,
    fill: float,
    later_value: float,
    delta: float,
    forward: float,
    later_forward: float,
    vega: float,
) -> Markout:
    """Delta-hedged markout side (V' - fill - Delta (F' - F)): a plain one mostly measures the spot.

    `delta`, `forward` and `vega` (per 1.00 of vol) are those at the fill; all prices in USD, coin prices at
    the forward of their own time. `vol_points` is NaN where vega is not positive.
    """
    side = 1.0 if bought else -1.0
    money = side * (later_value - fill - delta * (later_forward - forward))
    return Markout(money, money / (vega / 100.0) if vega > 0.0 else math.nan)
