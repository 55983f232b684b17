"""The risk gate: the only maker of commands that reach a venue's order entry.

Every check returns a reason from the closed list and words, or nothing. Reducing risk skips position,
notional and greek limits; it never skips the collar, the account checks or the message budget.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import AmendOrder, CancelOrder, PlaceOrder, SendQuote
from atomizer.domain.instruments import Instrument, Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.allowed import Token, form_of, forms_of, tokens_of
from atomizer.engine.deposits import Deposits
from atomizer.engine.exposure import Exposure, UnitGreeks
from atomizer.engine.ledger import Ledger, Order
from atomizer.engine.market import NO_FEED, Feed, Market
from atomizer.engine.settings import AllowedAsset, AllowedChain, EngineSettings
from atomizer.engine.strategy import NoQuote, QuoteTarget, Target

# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_HEDGE, _BUY, _IOC = Purpose.HEDGE, Side.BUY, TimeInForce.IOC
E8, E18 = 10**8, 10**18
MS = 1_000_000
# The reason of each limit that is counted as a sum per underlying.
LIMITS = {
    "delta": Reason.DELTA_LIMIT,
    "gamma": Reason.GAMMA_LIMIT,
    "vega": Reason.VEGA_LIMIT,
    "notional": Reason.NOTIONAL_LIMIT,
}


class Held(msgspec.Struct, frozen=True, gc=False):
    """Why a target does not become a command now."""

    reason: Reason
    text: str


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What holds for every order on one instrument in one pass, whatever its side and size.

    `held`: why none may be sent. A buy may cost up to `highest`, a sell may go down to `lowest` (the collar,
    in the instrument's price unit). The venue refuses a request after `deadline_ns`; at `ask_ns` we ask.
    """

    held: Held | None
    mark: float = 0.0
    highest: float = 0.0
    lowest: float = 0.0
    account: str = ""
    deadline_ns: int = 0
    ask_ns: int = 0


class Halts(msgspec.Struct):
    """What is stopped, and by what. Kept by the engine, read by the gate."""

    kill_level: int = 0
    stopping: bool = False
    journal: str = "ok"
    paused: dict[str, Reason] = {}
    unreconciled: dict[tuple[str, str], str] = {}
    quote_not_before_ns: dict[tuple[str, str], int] = {}
    naked: dict[str, str] = {}
    paused_until: dict[str, int] = {}

    def quiet(self) -> bool:
        """Nothing is stopped anywhere: the common case, asked first."""
        return self.journal == "ok" and not (
            self.kill_level
            or self.stopping
            or self.paused
            or self.unreconciled
            or self.quote_not_before_ns
            or self.naked
        )


class Watched(msgspec.Struct, frozen=True, gc=False):
    """What tells of the market that hedges an underlying: its feed, and the one that tells of our fills."""

    venue: str
    instrument: str
    index: str
    feed: Feed
    fills: Feed


def _no(reason: Reason, text: str) -> NoQuote:
    return NoQuote(reason=reason, text=text)


def _beyond(greek: str, worst: float, limit: float) -> NoQuote:
    return _no(LIMITS[greek], f"{greek} would reach {worst:.4g} at worst, the limit is {limit:g}")


def _silent(what: str, venue: str, feed: Feed) -> NoQuote:
    return _no(Reason.MARKET_DATA_STALE, f"{what} of {venue}: {feed.why or 'silent for too long'}")


class Gate:
    """Checks against the settings, the ledger, the market and the exposure, all read-only here."""

    def __init__(
        self,
        settings: EngineSettings,
        ledger: Ledger,
        market: Market,
        exposure: Exposure,
        capabilities: Mapping[str, Capabilities],
        halts: Halts,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._market = market
        self._exposure = exposure
        self._capabilities = capabilities
        self._halts = halts
        self._chains: dict[int, AllowedChain] = {chain.chain_id: chain for chain in settings.chains}
        self._assets: dict[tuple[int, str], AllowedAsset] = {
            (chain.chain_id, asset.address): asset for chain in settings.chains for asset in chain.assets
        }
        self._tokens = tokens_of(self._assets)
        self._forms = forms_of(self._chains, self._assets, self._tokens)
        self._deposits = Deposits(ledger, exposure, self._assets, settings.limits.premium_per_quote)
        self._hedges = {item.underlying: item for item in settings.hedge_markets}
        self._watched: dict[str, Watched] = {}
        self._pulled_before_ns = settings.pulled_before_expiry_s * 1000 * MS
        self._clock_stop_ns = settings.freshness.clock_stop_ms * MS
        self._account_age_ns = settings.freshness.account_ms * MS
        self._accounts = {item.venue: item.account for item in settings.accounts}
        self._trading_of = {venue: f"{venue}/trading" for venue in capabilities}

    # --- RFQs ---

    def admit(self, rfq: Rfq, now_ns: int) -> NoQuote | None:
        """Everything that can be refused before pricing."""
        if self._accounts.get(rfq.venue) != rfq.account:
            return _no(
                Reason.WRONG_ACCOUNT, f"account {rfq.account!r} of {rfq.venue} is not the configured one"
            )
        if not self._halts.quiet():
            halted = self._halted(rfq.venue, rfq.account, rfq.underlying, now_ns) or self._paused(rfq)
            if halted is not None:
                return halted
        token = self._forms.get(form_of(rfq.terms, rfq.underlying))
        if token is None:
            return self._unsignable(rfq)
        watched = self._watched.get(rfq.underlying) or self._watch(rfq.underlying)
        return self._sane(rfq, token, watched, now_ns) or self._fresh(rfq, watched, now_ns)

    def _halted(self, venue: str, account: str, underlying: str, now_ns: int) -> NoQuote | None:
        halts = self._halts
        if halts.kill_level or halts.stopping:
            return _no(Reason.KILLED, f"kill level {halts.kill_level}; resume to quote again")
        if halts.journal != "ok":
            return _no(Reason.JOURNAL_FULL, "the journal is on its reserve; free disk space")
        paused = halts.paused and (halts.paused.get(underlying) or halts.paused.get(""))
        if paused:
            return _no(paused, f"{underlying or 'everything'} is paused: {paused}")
        if underlying in halts.naked:
            return _no(Reason.HEDGE_FAILED, halts.naked[underlying])
        if halts.unreconciled:
            hedge = self._hedges.get(underlying)
            for scope in ((venue, account), *(hedge.accounts if hedge is not None else ())):
                if scope in halts.unreconciled:
                    return _no(Reason.NOT_RECONCILED, halts.unreconciled[scope])
        not_before = halts.quote_not_before_ns
        due = not_before.get((venue, account), 0) if not_before else 0
        if now_ns < due:
            wait = (due - now_ns) // 1_000_000_000
            return _no(Reason.WARMING_UP, f"signatures of an unclean run may live {wait} s longer")
        return None

    def _paused(self, rfq: Rfq) -> NoQuote | None:
        """A venue or a taker can be paused by itself."""
        paused = self._halts.paused
        for scope in (f"venue/{rfq.venue}", f"taker/{rfq.taker}") if paused else ():
            if scope in paused:
                return _no(paused[scope], f"{scope} is paused")
        return None

    def token(self, rfq: Rfq) -> Token | None:
        """What the token of an RFQ is worth; None where that is not known."""
        return self._tokens.get((rfq.terms.chain_id, rfq.terms.asset))

    def _unsignable(self, rfq: Rfq) -> NoQuote:
        """Why the form of a request is not among those that may be signed."""
        terms = rfq.terms
        chain = self._chains.get(terms.chain_id)
        if chain is None:
            return _no(Reason.CHAIN_NOT_ALLOWED, f"chain {terms.chain_id} is not configured")
        if terms.verifying_contract or terms.domain_name or terms.domain_version:
            named = (terms.domain_name, terms.domain_version, terms.verifying_contract)
            if named != (chain.domain_name, chain.domain_version, chain.verifying_contract):
                return _no(
                    Reason.CONTRACT_NOT_ALLOWED,
                    f"the RFQ names the signing domain {named}, configured is another",
                )
        asset = self._assets.get((terms.chain_id, terms.asset))
        if asset is None or asset.underlying != rfq.underlying:
            return _no(Reason.ASSET_NOT_ALLOWED, f"asset {terms.asset} is not configured")
        if asset.ratio is None:
            return _no(
                Reason.UNKNOWN_RATIO,
                f"what one token {terms.asset} is worth in {rfq.underlying} is not known",
            )
        if terms.premium_token not in chain.premium_tokens:
            return _no(
                Reason.PREMIUM_TOKEN_NOT_ALLOWED, f"premium token {terms.premium_token} is not configured"
            )
        return _no(
            Reason.COLLATERAL_NOT_ALLOWED,
            f"collateral {terms.collateral_token} is not the one for this option",
        )

    def _watch(self, underlying: str) -> Watched | None:
        """What tells of the market that hedges an underlying, looked up once."""
        hedge, market = self._hedges.get(underlying), self._market
        if hedge is None:
            return None
        feed, fills = market.feed(f"{hedge.venue}/market"), market.feed(f"{hedge.venue}/trading")
        found = self._watched[underlying] = Watched(hedge.venue, hedge.instrument, hedge.index, feed, fills)
        return found

    def _sane(self, rfq: Rfq, token: Token, watched: Watched | None, now_ns: int) -> NoQuote | None:
        settings, terms = self._settings, rfq.terms
        if rfq.expiry_ns <= now_ns:
            return _no(Reason.EXPIRED, "the option has expired")
        if rfq.expiry_ns - now_ns <= self._pulled_before_ns:
            settling = self._settling(rfq.expiry_ns, now_ns)
            if settling:
                return _no(Reason.SETTLING, settling)
        if terms.expiry_s % 86_400 != settings.expiry_second_of_day:
            return _no(Reason.OFF_CALENDAR, f"expiry {terms.expiry_s} is not on the asset's calendar")
        if not token.least_e18 <= terms.quantity_e18 <= token.most_e18:
            asset = self._assets[terms.chain_id, terms.asset]
            return _no(
                Reason.QUANTITY_OUT_OF_BOUNDS,
                f"expected a quantity in [{asset.min_size}, {asset.max_size}], found {rfq.size}",
            )
        if watched is None:
            return _no(Reason.NO_HEDGE_MARKET, f"{rfq.underlying} has no hedge market")
        known = self._market.indices.get(watched.index)
        if known is None:
            return _no(Reason.MARKET_DATA_MISSING, f"no index for {rfq.underlying} yet")
        strike, index = terms.strike_e8 / E8 / token.ratio, known[0]
        if not settings.strike_low * index <= strike <= settings.strike_high * index:
            return _no(
                Reason.STRIKE_OUT_OF_RANGE,
                f"strike {strike:g} against an index of {index:g}: outside "
                f"[{settings.strike_low:g}, {settings.strike_high:g}] times it",
            )
        return None

    def _fresh(self, rfq: Rfq, watched: Watched | None, now_ns: int) -> NoQuote | None:
        """Whether feeds, book, index, clocks and balances are young enough; `_sane` saw that there is one."""
        assert watched is not None
        market, feed, fills = self._market, watched.feed, watched.fills
        if not feed.up or now_ns - feed.alive_ns > feed.max_age_ns:
            return _silent("market data", watched.venue, feed)
        if not fills.up or now_ns - fills.alive_ns > fills.max_age_ns:
            return _silent("fills", watched.venue, fills)
        if market.usable_book(watched.instrument, now_ns) is None:
            return _no(Reason.MARKET_DATA_STALE, f"{watched.instrument} has no usable book (gap or one side)")
        known = market.indices.get(watched.index)
        if known is None or known[1] < feed.since_ns:
            return _no(
                Reason.MARKET_DATA_STALE, f"no index {watched.index} since {watched.venue} is connected"
            )
        offsets, most_ns = market.clock_offset_ns, self._clock_stop_ns
        for venue in (watched.venue, rfq.venue):
            if not -most_ns <= offsets.get(venue, 0) <= most_ns:
                off_ms, most_ms = abs(offsets[venue]) / MS, self._settings.freshness.clock_stop_ms
                return _no(
                    Reason.CLOCK_OFFSET, f"clock of {venue} is {off_ms:.0f} ms off, {most_ms} are allowed"
                )
        age_ns = now_ns - self._ledger.read_ns.get((rfq.venue, rfq.account), 0)
        if age_ns > self._account_age_ns:
            return _no(Reason.ACCOUNT_DATA_STALE, f"balances of {rfq.venue} are {age_ns / 1e9:.0f} s old")
        return None

    def refuse_quote(self, rfq: Rfq, target: QuoteTarget) -> NoQuote | None:
        """Why a priced quote is not sent, or None. It counts as executed in every limit."""
        return self._within(rfq, target) or self._deposits.refuse(rfq, target)

    @staticmethod
    def quote(rfq: Rfq, target: QuoteTarget, nonce: int, now_ns: int) -> SendQuote:
        return SendQuote(
            nonce=nonce,
            venue=rfq.venue,
            account=rfq.account,
            instrument=rfq.instrument,
            rfq_id=rfq.rfq_id,
            taker=rfq.taker,
            underlying=rfq.underlying,
            side=rfq.side,
            terms=rfq.terms,
            price_e18=target.price_e18,
            valid_until_s=now_ns // 1_000_000_000 + target.valid_for_s,
            delta=target.delta,
            gamma=target.gamma,
            vega=target.vega,
            why=target.why,
        )

    def _within(self, rfq: Rfq, target: QuoteTarget) -> NoQuote | None:
        limits, exposure, size = self._settings.limits, self._exposure, rfq.terms.quantity_e18 / E18
        unpriced = exposure.unpriced
        for name in sorted(unpriced) if unpriced else ():
            if self._ledger.instruments[name].underlying == rfq.underlying:  # limits are per underlying
                return _no(Reason.MARKET_DATA_MISSING, f"position {name} cannot be valued: {unpriced[name]}")
        sums, index = exposure.sums_of(rfq.underlying), target.underlying_price
        worst, most = sums["delta"].worst(target.delta * size), limits.delta_coins(index)
        if worst > most:
            return _beyond("delta", worst, most)
        worst = sums["gamma"].worst(target.gamma * size)
        if worst > limits.gamma:
            return _beyond("gamma", worst, limits.gamma)
        worst = sums["vega"].worst(target.vega * size)
        if worst > limits.vega:
            return _beyond("vega", worst, limits.vega)
        worst = sums["notional"].worst(index * size)
        if worst > limits.notional:
            return _beyond("notional", worst, limits.notional)
        same_terms, signed_size = exposure.signed.on(rfq.instrument, rfq.side)
        worst = exposure.towards(rfq.instrument, rfq.side) + signed_size + size
        if worst > limits.position_size:
            return _no(
                Reason.POSITION_LIMIT,
                f"{rfq.instrument} would reach {worst:g}, the limit is {limits.position_size:g}",
            )
        # Each live signature is an exposure of its own, whatever RFQ it answered.
        if same_terms >= limits.quotes_per_terms:
            return _no(Reason.TERMS_CAP, f"{same_terms} live quotes on the same terms")
        same_taker = exposure.signed.takers.get(rfq.taker, 0)
        if same_taker >= limits.quotes_per_taker:
            return _no(Reason.TAKER_CAP, f"{same_taker} live quotes to this taker")
        return None

    # --- orders ---

    def standing(
        self, instrument: Instrument, now_ns: int, held: Held | None, *, hedge: bool, immediate: bool
    ) -> Standing:
        """Judge an instrument for one pass; `held` is what stands against it already.

        Without a usable book of our own a hedge may still go as an immediate order, inside the collar around
        the venue's own fresh mark.
        """
        held = held or self._order_halted(instrument, now_ns, hedge=hedge)
        if held is not None:
            return Standing(held)
        market = self._market
        if market.usable_book(instrument.key, now_ns) or market.touch(instrument.key, now_ns):
            mark = self._exposure.future_mark(instrument)
        else:
            fresh = market.fresh_mark(instrument.key, now_ns)
            if fresh is None or not (hedge and immediate):
                return Standing(Held(Reason.MARKET_DATA_STALE, f"{instrument.key} has no usable book"))
            mark = fresh
        collar, capability = self._settings.limits.collar, self._capabilities[instrument.venue]
        return Standing(
            None,
            mark,
            mark * (1.0 + collar),
            mark * (1.0 - collar),
            self._accounts[instrument.venue],
            now_ns + capability.request_deadline_ms * MS,
            now_ns + capability.query_after_ms * MS,
        )

    def approve_order(
        self,
        standing: Standing,
        instrument: Instrument,
        side: Side,
        ticks: int,
        lots: int,
        now_ns: int,
        replaced: Order | None = None,
    ) -> Held | None:
        """None when an order (or an amend of `replaced`) may be sent."""
        if standing.held is not None:
            return standing.held
        grid = instrument.grid
        if lots < instrument.min_lots or (grid.steps and not grid.on_grid(ticks)):
            return Held(Reason.OFF_GRID, f"{instrument.key}: {lots} lots at {ticks} ticks is off the grid")
        price = ticks * grid.tick_size
        if not (price <= standing.highest if side is _BUY else price >= standing.lowest):
            return Held(
                Reason.PRICE_COLLAR,
                f"{instrument.key}: {price:g} is beyond {self._settings.limits.collar:.1%} of the mark "
                f"{standing.mark:g}",
            )
        if replaced is not None and lots <= replaced.lots - replaced.booked:
            return None
        more = lots - (replaced.owed if replaced is not None else 0)
        if more <= 0:
            return None
        try:
            unit = self._exposure.unit(instrument, now_ns)
        except LookupError as error:
            return Held(Reason.MARKET_DATA_MISSING, str(error))
        return self._order_limits(instrument, side, float(instrument.size(more)), unit)

    def _order_halted(self, instrument: Instrument, now_ns: int, *, hedge: bool) -> Held | None:
        halts = self._halts
        if halts.kill_level >= 3 or halts.stopping or halts.journal == "dead":
            return Held(Reason.KILLED, f"kill level {halts.kill_level}, journal {halts.journal}")
        account = self._accounts.get(instrument.venue)
        if account is None:
            return Held(Reason.WRONG_ACCOUNT, f"no account of {instrument.venue} is configured")
        if not instrument.open:
            return Held(Reason.INSTRUMENT_CLOSED, f"{instrument.key} is not open")
        trading = self._market.feeds.get(self._trading_of[instrument.venue], NO_FEED)
        if not trading.up:
            return Held(
                Reason.MARKET_DATA_STALE, f"{instrument.venue}: {trading.why or 'no order connection'}"
            )
        if hedge:
            return None
        expiry_ns = instrument.expiry_ns
        settling = self._settling(expiry_ns, now_ns) if expiry_ns is not None else ""
        if settling:
            return Held(Reason.SETTLING, f"{instrument.key}: {settling}")
        refusal = self._halted(instrument.venue, account, instrument.underlying, now_ns)
        return Held(refusal.reason, refusal.text) if refusal is not None else None

    def _settling(self, expiry_ns: int | None, now_ns: int) -> str:
        """Why a series that is about to fix, or that just did, is not quoted; empty otherwise."""
        if expiry_ns is None:
            return ""
        settings = self._settings
        left_s = (expiry_ns - now_ns) / (1000 * MS)
        if -settings.pulled_after_expiry_s < left_s <= settings.pulled_before_expiry_s:
            return f"the series fixes in {left_s:.0f} s; quoting is pulled until it has settled"
        return ""

    def _order_limits(self, instrument: Instrument, side: Side, size: float, unit: UnitGreeks) -> Held | None:
        """A reducing order skips delta and notional; of gamma and vega it may push none beyond its limit."""
        reducing = self.reducing(instrument.underlying, unit.delta * side * size)
        limits = self._settings.limits
        index = self._exposure.index(instrument.underlying)
        most_delta = limits.delta_coins(index) if index else limits.delta
        for greek, reason, limit, per_unit in (
            ("delta", Reason.DELTA_LIMIT, most_delta, unit.delta),
            ("gamma", Reason.GAMMA_LIMIT, limits.gamma, unit.gamma),
            ("vega", Reason.VEGA_LIMIT, limits.vega, unit.vega),
            ("notional", Reason.NOTIONAL_LIMIT, limits.notional, abs(unit.notional) * side),
        ):
            sums = self._exposure.of(instrument.underlying, greek)
            change = per_unit * side * size
            if reducing and (greek in ("delta", "notional") or change * sums.base <= 0.0):
                continue
            worst = sums.worst(change)
            if worst > limit:
                return Held(reason, f"{greek} would reach {worst:.4g} at worst, the limit is {limit:g}")
        return None

    def reduces(self, instrument: Instrument, side: Side, lots: int, now_ns: int) -> bool:
        """An order that says it reduces is believed when its delta does."""
        try:
            unit = self._exposure.unit(instrument, now_ns)
        except LookupError:
            return False
        return self.reducing(instrument.underlying, unit.delta * side * float(instrument.size(lots)))

    def reducing(self, underlying: str, change: float) -> bool:
        """Whether a delta change brings |delta| down with every order in flight assumed filled.

        Positions and working orders count, signed quotes (which may never trade) do not help: the change
        must point against the delta at both ends of what is in flight, and must not exceed it.
        """
        sums = self._exposure.of(underlying, "delta")
        high, low = sums.base + sums.orders_up, sums.base + sums.orders_down
        tolerance = 1e-9 * max(1.0, abs(sums.base))
        if change < 0.0:
            return low > 0.0 and low + change >= -tolerance
        return high < 0.0 and high + change <= tolerance

    # --- commands ---

    @staticmethod
    def place(
        order_id: int,
        instrument: Instrument,
        side: Side,
        ticks: int,
        lots: int,
        target: Target,
        slot: int,
        standing: Standing,
    ) -> PlaceOrder:
        return PlaceOrder(
            order_id=order_id,
            venue=instrument.venue,
            account=standing.account,
            instrument=instrument.key,
            side=side,
            ticks=ticks,
            lots=lots,
            time_in_force=target.time_in_force,
            purpose=target.purpose,
            deadline_ns=standing.deadline_ns,
            slot=slot,
            post_only=target.post_only,
            reduce_only=target.reduce_only,
            group=target.group,
            why=target.why,
        )

    @staticmethod
    def amend(order: Order, ticks: int, left: int, target: Target, standing: Standing) -> AmendOrder:
        return AmendOrder(
            order_id=order.order_id,
            venue=order.venue,
            account=order.account,
            venue_order_id=order.venue_order_id,
            instrument=order.instrument,
            ticks=ticks,
            lots=order.booked + left,
            filled_lots=order.booked,
            purpose=target.purpose,
            deadline_ns=standing.deadline_ns,
            why=target.why,
        )

    @staticmethod
    def cancel(order: Order, why: str) -> CancelOrder:
        return CancelOrder(
            order_id=order.order_id,
            venue=order.venue,
            account=order.account,
            instrument=order.instrument,
            venue_order_id=order.venue_order_id,
            why={"because": why},
        )
