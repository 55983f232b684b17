"""Answers option RFQs: fair value off our own surface, every cost added, edge on top, checks last.

The taker who sells meets our bid, the taker who buys our ask. All numbers of a price come from one kernel
(`models.rfq_quote`) whose inputs stand in the quote's terms. Nothing is quoted with a negative expected edge,
off a surface that fails a gate, or on missing, stale or placeholder prices.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from atomizer.domain.commands import Why
from atomizer.domain.controls import WIDEN, scopes_of
from atomizer.domain.instruments import Side
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.allowed import Token
from atomizer.engine.pricing import NoPriceError
from atomizer.engine.settings import HedgeMarket
from atomizer.engine.strategy import NoQuote, QuoteTarget
from atomizer.engine.surface import Located
from atomizer.models.rfq_quote import E18, IN, INPUTS, OUT, OUTPUTS, price_rfq_into, round_e18
from atomizer.strategies.hedge_costs import BPS, HedgeCosts, LiveHedge, slippage
from atomizer.strategies.responder_settings import S_PER_YEAR, ResponderSettings
from atomizer.strategies.vol_overrides import Override, override

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
NAMES = (*INPUTS, *OUTPUTS)
_VOL, _FAIR, _DELTA, _GAMMA, _VEGA = (OUT[name] for name in ("vol", "fair", "delta", "gamma", "vega"))
_EDGE, _LEAST, _EXPECTED, _PRICE = (OUT[name] for name in ("edge", "least_edge", "expected_edge", "price"))
_CONCESSION = IN["concession"]


class Market(NamedTuple):
    """What pricing one option needs of the market, and when it was read."""

    read_ns: int
    located: Located
    override: Override
    spot: float
    hedge: LiveHedge
    mark_vol: float
    floor: float
    cap: float


class Sheet(NamedTuple):
    """One priced request: the inputs and outputs of the kernel, and the market behind them."""

    given: list[float]
    out: list[float]
    market: Market
    controls: str

    def why(self) -> Why:
        """Everything that made the price; the inputs alone make it again."""
        found: Why = dict(zip(NAMES, [*self.given, *self.out], strict=True))
        market = self.market
        found["fit_ns"] = market.located.near.as_of_ns
        found["far_fit_ns"] = market.located.far.as_of_ns
        found["tau_days"] = market.located.tau * 365.0
        if market.mark_vol > 0.0:
            found["mark_vol"] = market.mark_vol
        if market.floor > 0.0:
            found["listed_floor"] = market.floor
        if market.cap < math.inf:
            found["listed_cap"] = market.cap
        if self.controls:
            found["controls"] = self.controls
        return found


class RfqResponder:
    """A `Responder`. Money inside is USD per coin of underlying; a price is per token."""

    def __init__(self, settings: ResponderSettings) -> None:
        self.settings = settings
        self._fixed = settings.fixed_inputs()
        self._costs = HedgeCosts()
        self._out = np.empty(len(OUTPUTS))
        self._kept: dict[tuple[str, int], Market] = {}
        self._ttl_ns = settings.cache_ttl_ms * MS
        self.reused = 0

    # --- answers ---

    def answer(self, rfq: Rfq, size: Decimal, engine: Engine) -> QuoteTarget | NoQuote:
        """Price one RFQ that the gate admitted."""
        sheet = self.sheet(rfq, float(size), engine)
        return sheet if isinstance(sheet, NoQuote) else self._checked(rfq, sheet, engine)

    def value(self, rfq: Rfq, engine: Engine) -> float:
        """Expected edge of the whole request, USD; 0 where it would not be priced."""
        sheet = self.sheet(rfq, float(rfq.size), engine)
        return 0.0 if isinstance(sheet, NoQuote) else sheet.out[_EXPECTED] * sheet.given[IN["size"]]

    def improve(self, rfq: Rfq, best_e18: int, engine: Engine) -> QuoteTarget | NoQuote:
        """A price that beats `best_e18` by one step, out of our edge and never beyond the reservation price.

        The reservation price is fair value less costs, skew and least edge; one improvement gives up at most
        `improve_most_share` of the edge.
        """
        settings, side = self.settings, int(rfq.side)
        sheet = self.sheet(rfq, float(rfq.size), engine)
        if isinstance(sheet, NoQuote):
            return sheet
        wanted = best_e18 / E18 * (1.0 + side * settings.improve_step_bps * BPS)
        needed = side * (wanted - sheet.out[_PRICE]) / sheet.given[IN["ratio"]]
        most = max(0.0, settings.improve_most_share * (sheet.out[_EDGE] - sheet.out[_LEAST]))
        sheet.given[_CONCESSION] = min(max(needed, 0.0), most)
        sheet = sheet._replace(out=self._run(sheet.given))
        if side * (round_e18(sheet.out[_PRICE], side) - best_e18) <= 0:
            return NoQuote(
                reason=Reason.BEYOND_RESERVATION,
                text=f"the best quote {best_e18 / E18:.4f} is at or beyond what we may give "
                f"({sheet.out[_PRICE]:.4f})",
                why=sheet.why(),
            )
        return self._checked(rfq, sheet, engine)

    # --- the sheet ---

    def sheet(self, rfq: Rfq, size: float, engine: Engine) -> Sheet | NoQuote:
        """All numbers of one request, or why there are none."""
        token = engine.gate.token(rfq)
        hedge = engine.hedge_markets.get(rfq.underlying)
        if hedge is None or token is None:
            return NoQuote(reason=Reason.NO_HEDGE_MARKET, text=f"{rfq.underlying} has no hedge market")
        ratio = token.ratio
        try:
            market = self._market(rfq, ratio, hedge, engine)
        except NoPriceError as error:
            return NoQuote(reason=error.reason, text=str(error))
        if isinstance(market, NoQuote):
            return market
        width, named = self._width(rfq, engine)
        given = self._given(rfq, size * ratio, token, market, width, engine)
        words = [*named, *market.override.words]
        return Sheet(given, self._run(given), market, "; ".join(words))

    def _market(self, rfq: Rfq, ratio: float, hedge: HedgeMarket, engine: Engine) -> Market | NoQuote:
        """The market's part, read now or at most `cache_ttl_ms` ago.

        Raises:
            NoPriceError: the surface has no price that may be quoted.
        """
        key = (rfq.instrument, engine.controls_epoch)
        kept = self._kept.get(key) if self._ttl_ns else None
        if kept is not None and engine.now_ns - kept.read_ns <= self._ttl_ns:
            self.reused += 1
            return kept
        index, state = engine.exposure.index(rfq.underlying), self._costs.state(engine, hedge)
        if index is None or state is None:
            return NoQuote(reason=Reason.MARKET_DATA_STALE, text=f"{hedge.instrument}: no index or book")
        surface, now_ns = engine.surfaces[rfq.underlying], engine.now_ns
        strike, expiry_ns = float(rfq.strike) / ratio, rfq.expiry_ns
        located = surface.locate(strike, expiry_ns, now_ns, index)
        floor, cap = surface.bounds(strike, expiry_ns, index, is_call=rfq.is_call)
        found = Market(
            now_ns,
            located,
            override(engine.controls, rfq.underlying, located, expiry_ns, now_ns),
            index,
            state,
            surface.mark(strike, expiry_ns, now_ns, index)[1],
            floor,
            cap,
        )
        if self._ttl_ns:
            if len(self._kept) > 10_000:
                self._kept.clear()
            self._kept[key] = found
        return found

    @staticmethod
    def _width(rfq: Rfq, engine: Engine) -> tuple[float, list[str]]:
        """Product of the widths in force, and who set them."""
        if not engine.controls.rules:
            return 1.0, []
        rules = engine.controls.on(WIDEN, scopes_of(rfq.underlying, rfq.venue, rfq.taker))
        return math.prod(rule.number("factor") for rule in rules), [rule.in_words() for rule in rules]

    def _given(
        self, rfq: Rfq, coins: float, token: Token, market: Market, width: float, engine: Engine
    ) -> list[float]:
        """The inputs, in the order of `INPUTS`."""
        settings, state, side = self.settings, market.hedge, float(rfq.side)
        located = market.located
        near, far = located.near, located.far
        vega, long_vega = engine.exposure.expiry_vega(rfq.underlying, rfq.expiry_ns)
        selling = (rfq.side > 0) is rfq.is_call  # the hedge of a call bought or a put sold
        hedge_coins = coins * _rough_delta(located, rfq.is_call)
        slipped = slippage(state.bids if selling else state.asks, hedge_coins)
        horizon = min(located.tau, settings.funding_hours / (24.0 * 365.0))
        ratio = token.ratio
        return [
            side,
            1.0 if rfq.is_call else 0.0,
            float(rfq.strike) / ratio,
            located.tau,
            coins,
            ratio,
            market.spot,
            located.forward,
            *near[:6],
            located.near_tau,
            located.stretch,
            *far[:6],
            located.far_tau,
            located.share,
            market.override.variance,
            market.override.vol,
            located.beyond,
            max(state.half_spread, settings.hedge_half_spread_bps * BPS),
            max(state.fee, settings.hedge_fee_bps * BPS),
            max(slipped, settings.slippage_bps * BPS),
            state.funding_rate * horizon,
            state.window_years,
            math.sqrt(near.variance(0.0, near.years) / near.years),
            self.validity_s(rfq, engine.now_ns) / S_PER_YEAR,
            token.haircut,
            engine.net_delta(rfq.underlying),
            engine.exposure.net(rfq.underlying, "vega"),
            vega,
            long_vega,
            settings.edge_scale * settings.tier(rfq.taker) * width,
            0.0,
            *self._fixed,
        ]

    def _run(self, given: list[float]) -> list[float]:
        price_rfq_into(np.array(given), self._out)
        found: list[float] = self._out.tolist()
        return found

    def validity_s(self, rfq: Rfq, now_ns: int) -> int:
        """Whole seconds a signature binds us: the setting's, less where the request says when it closes."""
        after = self.settings.validity_after_close_s
        if not after or rfq.closes_ns <= now_ns:
            return self.settings.validity_s
        return min(self.settings.validity_s, -(-(rfq.closes_ns - now_ns) // (1000 * MS)) + after)

    # --- checks ---

    def _checked(self, rfq: Rfq, sheet: Sheet, engine: Engine) -> QuoteTarget | NoQuote:
        """The target, unless the price is none, earns nothing, or an independent check speaks against it."""
        given, out, market = sheet.given, sheet.out, sheet.market
        why = sheet.why()
        side, ratio = int(rfq.side), given[IN["ratio"]]
        price_e18 = round_e18(out[_PRICE], side)
        refused = self._refused(rfq, sheet, price_e18)
        if refused is not None:
            return NoQuote(reason=refused[0], text=refused[1], why=why)
        index, lean = market.spot, market.located.forward / market.spot
        return QuoteTarget(
            price_e18=price_e18,
            valid_for_s=self.validity_s(rfq, engine.now_ns),
            delta=side * ratio * out[_DELTA] * lean,
            gamma=side * ratio * out[_GAMMA] * index * 0.01 * lean,
            vega=side * ratio * out[_VEGA] * 0.01,
            underlying_price=index * ratio,
            why=why,
        )

    def _refused(self, rfq: Rfq, sheet: Sheet, price_e18: int) -> tuple[Reason, str] | None:
        given, out, market = sheet.given, sheet.out, sheet.market
        if price_e18 <= 0:
            return Reason.NEGATIVE_EDGE, "costs and edge exceed the fair value"
        if not out[_EXPECTED] >= 0.0:
            return Reason.NEGATIVE_EDGE, f"expected edge {out[_EXPECTED]:.4g} USD per coin"
        price = price_e18 / E18 / given[IN["ratio"]]
        cap = market.spot if rfq.is_call else given[IN["strike"]]
        if price > cap:
            return Reason.PRICE_ABOVE_CAP, f"{price:.2f} above {cap:.2f}"
        if self.settings.dummy_price is not None:
            return None
        return self._off_mark(rfq, price, sheet) or _off_listed(rfq.side, price, market)

    def _off_mark(self, rfq: Rfq, price: float, sheet: Sheet) -> tuple[Reason, str] | None:
        """Our vol against the venue's own, and our price as a vol against ours, on the side that costs us."""
        out, limit = sheet.out, self.settings.mark_distance_points
        distance = 100.0 * (out[_VOL] - sheet.market.mark_vol)
        if abs(distance) > limit:
            return Reason.OFF_MARK, f"our vol is {distance:+.1f} points from the mark's, {limit:g} allowed"
        if out[_VEGA] <= 0.0:
            return None
        against = int(rfq.side) * (price - out[_FAIR]) / out[_VEGA] * 100.0
        if against > limit:
            return Reason.OFF_MARK, (
                f"{against:.1f} vol points beyond the surface on the wrong side, {limit:g} allowed"
            )
        return None


def _off_listed(side: Side, price: float, market: Market) -> tuple[Reason, str] | None:
    """Never pay more than a listed super-hedge costs, nor ask less than a listed bid pays."""
    if side > 0 and price > market.cap:
        return Reason.LISTED_BOUND, f"{price:.4f}: listed options that pay as much cost {market.cap:.4f}"
    if side < 0 and price < market.floor:
        return Reason.LISTED_BOUND, f"{price:.4f}: the same is bid {market.floor:.4f} in the listed market"
    return None


def _rough_delta(located: Located, is_call: bool) -> float:
    """|Delta| for walking the book: N(+-d1), which the kernel gives only after this is known."""
    deviation = located.vol() * math.sqrt(located.tau)
    d1 = -located.k / deviation + 0.5 * deviation
    above = 0.5 * math.erfc(-d1 * math.sqrt(0.5))
    return above if is_call else 1.0 - above
