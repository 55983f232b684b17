"""Answers option RFQs: fair value off the hedge venue's live smile, every cost added, edge on top.

The taker who sells meets our bid, the taker who buys our ask. Cost terms that are not modelled from data are
configured numbers; each is present, named in the explanation and counted once. Nothing is quoted with a
negative expected edge, nor on missing, stale or placeholder prices.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from atomizer.domain.commands import Why
from atomizer.domain.instruments import Side
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.pricing import NoPriceError, Priced
from atomizer.engine.strategy import NoQuote, QuoteTarget
from atomizer.models import rfq as rfq_models

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

E18 = 10**18
S_PER_YEAR = 365.0 * 86_400.0


class ResponderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Units in the names; `bps` of the underlying's value, `vol` in vol points (0.01).

    `edge_*`: the largest of the three is charged, times `edge_scale`. `dummy_price` (USD per unit) replaces
    the model's fair value and is accepted on simulated networks only.
    """

    validity_s: int = 10
    edge_usd: float = 1.0
    edge_bps_of_premium: float = 50.0
    edge_vol_points: float = 0.5
    edge_scale: float = 1.0
    hedge_half_spread_bps: float = 1.0
    hedge_fee_bps: float = 5.0
    slippage_bps: float = 1.0
    rehedge_interval_s: float = 86_400.0
    margin_rate: float = 0.05
    margin_share: float = 0.02
    funding_rate: float = 0.0
    stable_rate: float = 0.0
    vol_of_vol: float = 1.0
    spot_vol_correlation: float = 0.0
    fixing_basis_bps: float = 0.2
    delivery_usd: float = 0.0
    vol_error_points: float = 0.1
    makers_in_auction: int = 3
    skew_delta_usd_per_coin: float = 0.0
    skew_vega_usd_per_vega: float = 0.0
    mark_distance_points: float = 5.0
    dummy_price: float | None = None


class Costs(NamedTuple):
    """Each term in USD per unit of underlying; + is against us."""

    hedge: float
    rebalancing: float
    carry: float
    taker_option: float
    fixing: float
    delivery: float
    own_size: float
    winners_curse: float

    @property
    def total(self) -> float:
        return sum(self)


COST_NAMES = tuple(f"cost_{name}" for name in Costs._fields)


class RfqResponder:
    """A `Responder`. Greeks and prices are per unit of underlying in USD."""

    def __init__(self, settings: ResponderSettings) -> None:
        self.settings = settings

    def answer(self, rfq: Rfq, size: Decimal, engine: Engine) -> QuoteTarget | NoQuote:
        """Price one RFQ that the gate admitted."""
        strike = float(rfq.strike)
        surface = engine.surfaces.get(rfq.underlying)
        index = engine.exposure.index(rfq.underlying)
        if surface is None or index is None:
            return NoQuote(reason=Reason.NO_HEDGE_MARKET, text=f"{rfq.underlying} has no surface and index")
        try:
            priced = surface.price(strike, rfq.expiry_ns, is_call=rfq.is_call, now_ns=engine.now_ns)
        except NoPriceError as error:
            return NoQuote(reason=Reason.NO_SURFACE, text=str(error))
        fair = priced.price * math.exp(-self.settings.stable_rate * priced.tau)
        if self.settings.dummy_price is not None:
            fair = self.settings.dummy_price
        return self._quote(rfq, float(size), strike, index, fair, priced, engine)

    def _quote(
        self, rfq: Rfq, size: float, strike: float, index: float, fair: float, priced: Priced, engine: Engine
    ) -> QuoteTarget | NoQuote:
        side = int(rfq.side)
        costs = self.costs(priced, index, size)
        edge = self.edge(fair, priced)
        skew = self.skew(rfq, priced, engine)
        price = fair - side * (costs.total + edge) - skew
        price_e18 = _round_e18(price, rfq.side)
        expected = side * (fair - price_e18 / E18) - costs.total - side * skew
        why = _why(fair, priced, index, costs, edge, skew, expected)
        if price_e18 <= 0:
            return NoQuote(reason=Reason.NEGATIVE_EDGE, text="costs and edge exceed the fair value", why=why)
        if expected < 0.0:
            return NoQuote(
                reason=Reason.NEGATIVE_EDGE, text=f"expected edge {expected:.4g} USD per unit", why=why
            )
        cap = index if rfq.is_call else strike
        if price_e18 > int(cap * E18):
            return NoQuote(reason=Reason.PRICE_ABOVE_CAP, text=f"{price:.2f} above {cap:.2f}", why=why)
        far = self._off_mark(rfq, price_e18 / E18, priced)
        if far is not None:
            return NoQuote(reason=Reason.OFF_MARK, text=far, why=why)
        ratio = priced.forward / index
        return QuoteTarget(
            price_e18=price_e18,
            valid_for_s=self.settings.validity_s,
            delta=side * priced.delta * ratio,
            gamma=side * priced.gamma * index * 0.01 * ratio,
            vega=side * priced.vega * 0.01,
            underlying_price=index,
            why=why,
        )

    def edge(self, fair: float, priced: Priced) -> float:
        """Edge before winner's curse, USD per unit: the largest of three floors."""
        settings = self.settings
        return settings.edge_scale * max(
            settings.edge_usd,
            settings.edge_bps_of_premium * 1e-4 * fair,
            settings.edge_vol_points * 0.01 * priced.vega,
        )

    def costs(self, priced: Priced, index: float, size: float) -> Costs:
        """Every cost of taking this option and hedging it to its end."""
        settings = self.settings
        hedge, rebalancing, carry, taker_option = rfq_models.cost_terms(
            priced.delta,
            priced.gamma,
            priced.vega,
            priced.forward,
            priced.vol,
            priced.tau,
            settings.hedge_half_spread_bps * 1e-4,
            settings.hedge_fee_bps * 1e-4,
            settings.slippage_bps * 1e-4,
            settings.rehedge_interval_s / S_PER_YEAR,
            settings.margin_share,
            settings.margin_rate,
            max(0.0, settings.funding_rate),
            settings.vol_of_vol,
            settings.spot_vol_correlation,
            settings.validity_s / S_PER_YEAR,
        )
        curse = rfq_models.expected_maximum(settings.makers_in_auction)
        return Costs(
            hedge=hedge,
            rebalancing=rebalancing,
            carry=carry,
            taker_option=taker_option,
            fixing=settings.fixing_basis_bps * 1e-4 * index,
            delivery=settings.delivery_usd,
            own_size=0.5
            * size
            * (
                settings.skew_delta_usd_per_coin * priced.delta**2
                + settings.skew_vega_usd_per_vega * (priced.vega * 0.01) ** 2
            ),
            winners_curse=settings.vol_error_points * 0.01 * priced.vega * curse,
        )

    def skew(self, rfq: Rfq, priced: Priced, engine: Engine) -> float:
        """Shift of both sides for what the book already holds; positive lowers the price.

        Linear in net delta and net vega times this option's own, so a longer book never bids higher for
        more of the same. The signed size's own part is a cost on both sides.
        """
        settings = self.settings
        net_delta = engine.net_delta(rfq.underlying)
        net_vega = engine.exposure.net(rfq.underlying, "vega")
        return (
            settings.skew_delta_usd_per_coin * net_delta * priced.delta
            + settings.skew_vega_usd_per_vega * net_vega * priced.vega * 0.01
        )

    def _off_mark(self, rfq: Rfq, price: float, priced: Priced) -> str | None:
        """Our price as a vol, against the venue's mark vol: an independent check on everything above."""
        if self.settings.dummy_price is not None or priced.vega <= 0.0:
            return None
        shift = (price - priced.price) / priced.vega * 100.0
        against = -int(rfq.side) * shift
        limit = self.settings.mark_distance_points
        if against < -limit:
            return f"{shift:.1f} vol points from the surface on the wrong side, {limit:g} allowed"
        return None


def _round_e18(price: float, side: Side) -> int:
    """Premium with 18 decimals, rounded against us; the float's own value is taken exactly."""
    if not math.isfinite(price):
        return 0
    numerator, denominator = price.as_integer_ratio()
    scaled = numerator * E18
    return scaled // denominator if side is Side.BUY else -(-scaled // denominator)


def _why(
    fair: float, priced: Priced, index: float, costs: Costs, edge: float, skew: float, expected: float
) -> Why:
    """The terms of a price, in the order they are added."""
    return {
        "fair": fair,
        "forward": priced.forward,
        "index": index,
        "vol": priced.vol,
        "tau_days": priced.tau * 365.0,
        "delta": priced.delta,
        "gamma": priced.gamma,
        "vega": priced.vega,
        "theta": priced.theta,
        **dict(zip(COST_NAMES, costs, strict=True)),
        "edge": edge,
        "skew": skew,
        "expected_edge": expected,
    }
