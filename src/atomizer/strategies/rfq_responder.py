"""Answers option RFQs: fair value off our own surface, every cost added, edge on top, checks last.

The taker who sells meets our bid, the taker who buys our ask. All numbers of a price come from one kernel
(`models.rfq_quote`) whose inputs stand in the quote's terms. Nothing is quoted with a negative expected edge,
off a surface that fails a gate, or on missing, stale or placeholder prices.
"""

from __future__ import annotations

import math
from decimal import Decimal
from struct import Struct as Packed
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from atomizer.domain.commands import Why
from atomizer.domain.controls import WIDEN, scopes_of
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.allowed import Token
from atomizer.engine.pricing import NoPriceError
from atomizer.engine.settings import HedgeMarket
from atomizer.engine.strategy import NoQuote, QuoteTarget
from atomizer.engine.surface import Located, look_at
from atomizer.models.rfq_quote import (
    ASKED,
    E18,
    FIXED,
    OUTPUTS,
    PLACES,
    price_request_now,
    price_sheet_now,
    round_e18,
)
from atomizer.strategies.hedge_costs import BPS, HedgeCosts, LiveHedge
from atomizer.strategies.responder_settings import S_PER_YEAR, ResponderSettings
from atomizer.strategies.vol_overrides import NONE, Override, override

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
FLOAT_BYTES = 8
MOST_KEPT = 10_000
# A request writes everything of `ASKED` but the last, slippage: that one the kernel finds, with the outputs.
WRITTEN, FOUND = ASKED[:-1], (ASKED[-1], *OUTPUTS)
_write = Packed(f"{len(WRITTEN)}d").pack_into
_WRITTEN_AT = FLOAT_BYTES * len(FIXED)
_CONCESSION = PLACES[WRITTEN[-1]]
_AT = {name: place for place, name in enumerate(FOUND)}
_VOL, _FAIR, _DELTA, _GAMMA, _VEGA = (_AT[name] for name in ("vol", "fair", "delta", "gamma", "vega"))
_EDGE, _LEAST, _EXPECTED, _PRICE = (_AT[name] for name in ("edge", "least_edge", "expected_edge", "price"))


class Market(msgspec.Struct, frozen=True, gc=False):
    """What pricing one option needs of the market, and when it was read."""

    read_ns: int
    located: Located
    override: Override
    spot: float
    hedge: LiveHedge


class Sheet(msgspec.Struct, gc=False):
    """One priced request: what it asked, what came out, the market behind it, what listed options say.

    `written` and `found` are in the order of these names. `mark_vol`: the venue's own, NaN without one.
    `floor`, `cap`: dearest listed bid below the option and cheapest listed super-hedge, USD; 0 and infinity
    without one.
    """

    written: tuple[float, ...]
    found: list[float]
    market: Market
    strike: float
    ratio: float
    valid_for_s: int
    mark_vol: float
    floor: float
    cap: float
    controls: str


class RfqResponder:
    """A `Responder`. Money inside is USD per coin of underlying; a price is per token."""

    def __init__(self, settings: ResponderSettings) -> None:
        self.settings = settings
        self._costs = HedgeCosts(settings.hedge_half_spread_bps * BPS, settings.hedge_fee_bps * BPS)
        self._least_slippage = settings.slippage_bps * BPS
        self._funding_years = settings.funding_hours / (24.0 * 365.0)
        self._scale = settings.edge_scale * settings.default_tier
        self._scales = {taker: settings.edge_scale * tier for taker, tier in settings.taker_tiers.items()}
        # One sheet for all requests: a request writes what it asks, the kernel what comes out.
        self._sheet = np.zeros(len(PLACES))
        self._sheet[: len(FIXED)] = settings.fixed_inputs()
        self._buffer, self._found = self._sheet.data, self._sheet[len(FIXED) + len(WRITTEN) :]
        self._terms: Why = dict.fromkeys((*ASKED, *FIXED, *OUTPUTS), 0.0)
        self._terms.update(zip(FIXED, settings.fixed_inputs(), strict=True))
        self._kept: dict[tuple[str, int], Market] = {}
        self._ttl_ns = settings.cache_ttl_ms * MS
        # The validity where it is the same for all requests, else 0.
        self._valid_for_s = 0 if settings.validity_after_close_s else settings.validity_s
        self.reused = 0

    # --- answers ---

    def answer(self, rfq: Rfq, size: Decimal, engine: Engine) -> QuoteTarget | NoQuote:
        """Price one RFQ that the gate admitted."""
        sheet = self.sheet(rfq, float(size), engine)
        return sheet if isinstance(sheet, NoQuote) else self._checked(rfq, sheet)

    def value(self, rfq: Rfq, engine: Engine) -> float:
        """Expected edge of the whole request, USD; 0 where it would not be priced."""
        sheet = self.sheet(rfq, float(rfq.size), engine)
        return 0.0 if isinstance(sheet, NoQuote) else sheet.found[_EXPECTED] * float(rfq.size) * sheet.ratio

    def improve(self, rfq: Rfq, best_e18: int, engine: Engine) -> QuoteTarget | NoQuote:
        """A price that beats `best_e18` by one step, out of our edge and never beyond the reservation price.

        The reservation price is fair value less costs, skew and least edge; one improvement gives up at most
        `improve_most_share` of the edge.
        """
        settings, side = self.settings, int(rfq.side)
        sheet = self.sheet(rfq, float(rfq.size), engine)
        if isinstance(sheet, NoQuote):
            return sheet
        found = sheet.found
        wanted = best_e18 / E18 * (1.0 + side * settings.improve_step_bps * BPS)
        needed = side * (wanted - found[_PRICE]) / sheet.ratio
        most = max(0.0, settings.improve_most_share * (found[_EDGE] - found[_LEAST]))
        concession = self._sheet[_CONCESSION] = min(max(needed, 0.0), most)
        price_sheet_now(self._sheet)
        sheet.written, sheet.found = (*sheet.written[:-1], concession), self._found.tolist()
        if side * (round_e18(sheet.found[_PRICE], side) - best_e18) <= 0:
            return NoQuote(
                reason=Reason.BEYOND_RESERVATION,
                text=f"the best quote {best_e18 / E18:.4f} is at or beyond what we may give "
                f"({sheet.found[_PRICE]:.4f})",
                why=self._why(sheet),
            )
        return self._checked(rfq, sheet)

    # --- the sheet ---

    def sheet(self, rfq: Rfq, size: float, engine: Engine) -> Sheet | NoQuote:
        """All numbers of one request, or why there are none."""
        token = engine.gate.token(rfq)
        hedge = engine.hedge_markets.get(rfq.underlying)
        if hedge is None or token is None:
            return NoQuote(reason=Reason.NO_HEDGE_MARKET, text=f"{rfq.underlying} has no hedge market")
        strike = float(rfq.strike) / token.ratio
        try:
            market = self._market(rfq, strike, hedge, engine)
        except NoPriceError as error:
            return NoQuote(reason=error.reason, text=str(error))
        if market is None:
            return NoQuote(reason=Reason.MARKET_DATA_STALE, text=f"{hedge.instrument}: no index or book")
        width, words = 1.0, ""
        if engine.controls.rules:
            width, named = self._width(rfq, engine)
            words = "; ".join((*named, *market.override.words))
        valid_for_s = self._valid_for_s or self.validity_s(rfq, engine.now_ns)
        written = self._asked(rfq, strike, size, token, market, valid_for_s / S_PER_YEAR, width, engine)
        _write(self._buffer, _WRITTEN_AT, *written)
        live, spot, is_call = market.hedge, market.spot, rfq.is_call
        selling = (rfq.side > 0) is is_call  # the hedge of a call bought or a put sold
        price_request_now(self._sheet, live.bids if selling else live.asks, self._least_slippage)
        mark_vol, floor, cap = look_at(market.located, strike, spot, is_call)
        found: list[float] = self._found.tolist()
        return Sheet(written, found, market, strike, token.ratio, valid_for_s, mark_vol, floor, cap, words)

    def _market(self, rfq: Rfq, strike: float, hedge: HedgeMarket, engine: Engine) -> Market | None:
        """The market's part, read now or at most `cache_ttl_ms` ago; None without an index or a book.

        Raises:
            NoPriceError: the surface has no price that may be quoted.
        """
        now_ns = engine.now_ns
        if self._ttl_ns:
            kept = self._kept.get((rfq.instrument, engine.controls_epoch))
            if kept is not None and now_ns - kept.read_ns <= self._ttl_ns:
                self.reused += 1
                return kept
        known, live = engine.market.indices.get(hedge.index), self._costs.state(engine, hedge)
        if known is None or live is None:
            return None
        located = engine.surfaces[rfq.underlying].locate(strike, rfq.expiry_ns, now_ns, known[0])
        added = NONE
        if engine.controls.rules:
            added = override(engine.controls, rfq.underlying, located, rfq.expiry_ns, now_ns)
        found = Market(now_ns, located, added, known[0], live)
        if self._ttl_ns:
            if len(self._kept) > MOST_KEPT:
                self._kept.clear()
            self._kept[rfq.instrument, engine.controls_epoch] = found
        return found

    @staticmethod
    def _width(rfq: Rfq, engine: Engine) -> tuple[float, list[str]]:
        """Product of the widths in force, and who set them."""
        rules = engine.controls.on(WIDEN, scopes_of(rfq.underlying, rfq.venue, rfq.taker))
        return math.prod(rule.number("factor") for rule in rules), [rule.in_words() for rule in rules]

    def _asked(
        self,
        rfq: Rfq,
        strike: float,
        size: float,
        token: Token,
        market: Market,
        validity: float,
        width: float,
        engine: Engine,
    ) -> tuple[float, ...]:
        """What a request asks, in the order of `WRITTEN`."""
        located, added, live = market.located, market.override, market.hedge
        near, tau, ratio, most = located.near, located.tau, token.ratio, self._funding_years
        return (
            1.0 if rfq.side > 0 else -1.0,
            1.0 if rfq.is_call else 0.0,
            strike,
            tau,
            size * ratio,
            ratio,
            market.spot,
            located.forward,
            *near[:6],
            located.near_tau,
            located.stretch,
            *located.far[:6],
            located.far_tau,
            located.share,
            added.variance,
            added.vol,
            located.beyond,
            live.half_spread,
            live.fee,
            live.funding_rate * (min(tau, most)),
            live.window_years,
            near.atm_vol,
            validity,
            token.haircut,
            *engine.exposure.held(rfq.underlying, rfq.expiry_ns),
            self._scales.get(rfq.taker, self._scale) * width,
            0.0,
        )

    def validity_s(self, rfq: Rfq, now_ns: int) -> int:
        """Whole seconds a signature binds us: the setting's, less where the request says when it closes."""
        after = self.settings.validity_after_close_s
        if not after or rfq.closes_ns <= now_ns:
            return self.settings.validity_s
        return min(self.settings.validity_s, -(-(rfq.closes_ns - now_ns) // (1000 * MS)) + after)

    def _why(self, sheet: Sheet) -> Why:
        """Everything that made the price; the inputs alone make it again."""
        found = self._terms.copy()
        found.update(zip(WRITTEN, sheet.written, strict=True))
        found.update(zip(FOUND, sheet.found, strict=True))
        located = sheet.market.located
        found["fit_ns"] = located.near.as_of_ns
        found["far_fit_ns"] = located.far.as_of_ns
        found["tau_days"] = located.tau * 365.0
        if sheet.mark_vol > 0.0:
            found["mark_vol"] = sheet.mark_vol
        if sheet.floor > 0.0:
            found["listed_floor"] = sheet.floor
        if sheet.cap < math.inf:
            found["listed_cap"] = sheet.cap
        if sheet.controls:
            found["controls"] = sheet.controls
        return found

    # --- checks ---

    def _checked(self, rfq: Rfq, sheet: Sheet) -> QuoteTarget | NoQuote:
        """The target, unless the price is none, earns nothing, or an independent check speaks against it."""
        found, side, why = sheet.found, int(rfq.side), self._why(sheet)
        price_e18 = round_e18(found[_PRICE], side)
        refused = self._refused(rfq, sheet, price_e18, side)
        if refused is not None:
            return NoQuote(reason=refused[0], text=refused[1], why=why)
        tokens, index = side * sheet.ratio, sheet.market.spot
        lean = sheet.market.located.forward / index
        return QuoteTarget(
            price_e18=price_e18,
            valid_for_s=sheet.valid_for_s,
            delta=tokens * found[_DELTA] * lean,
            gamma=tokens * found[_GAMMA] * index * 0.01 * lean,
            vega=tokens * found[_VEGA] * 0.01,
            underlying_price=index * sheet.ratio,
            why=why,
        )

    def _refused(self, rfq: Rfq, sheet: Sheet, price_e18: int, side: int) -> tuple[Reason, str] | None:
        found = sheet.found
        if price_e18 <= 0:
            return Reason.NEGATIVE_EDGE, "costs and edge exceed the fair value"
        if not found[_EXPECTED] >= 0.0:
            return Reason.NEGATIVE_EDGE, f"expected edge {found[_EXPECTED]:.4g} USD per coin"
        price = price_e18 / E18 / sheet.ratio
        cap = sheet.market.spot if rfq.is_call else sheet.strike
        if price > cap:
            return Reason.PRICE_ABOVE_CAP, f"{price:.2f} above {cap:.2f}"
        if self.settings.dummy_price is not None:
            return None
        # Our vol against the venue's own, and our price as a vol against ours, on the side that costs us.
        limit, vega = self.settings.mark_distance_points, found[_VEGA]
        distance = 100.0 * (found[_VOL] - sheet.mark_vol)
        if abs(distance) > limit:
            return Reason.OFF_MARK, f"our vol is {distance:+.1f} points from the mark's, {limit:g} allowed"
        against = side * (price - found[_FAIR]) / vega * 100.0 if vega > 0.0 else 0.0
        if against > limit:
            return Reason.OFF_MARK, (
                f"{against:.1f} vol points beyond the surface on the wrong side, {limit:g} allowed"
            )
        # Never pay more than a listed super-hedge costs, nor ask less than a listed bid pays.
        if side > 0:
            if price > sheet.cap:
                text = f"{price:.4f}: listed options that pay as much cost {sheet.cap:.4f}"
                return Reason.LISTED_BOUND, text
        elif price < sheet.floor:
            text = f"{price:.4f}: the same is bid {sheet.floor:.4f} in the listed market"
            return Reason.LISTED_BOUND, text
        return None
