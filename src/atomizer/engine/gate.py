"""The risk gate: the only maker of commands that reach a venue's order entry.

Every check returns a reason from the closed list and words, or nothing. Reducing risk skips position,
notional and greek limits; it never skips the collar, the account checks or the message budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from atomizer.domain.capabilities import Capabilities
from atomizer.domain.commands import AmendOrder, CancelOrder, PlaceOrder, SendQuote
from atomizer.domain.instruments import Instrument, Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.accounts import Purse
from atomizer.engine.exposure import Exposure, UnitGreeks
from atomizer.engine.ledger import Ledger, Order
from atomizer.engine.market import NO_FEED, Market
from atomizer.engine.settings import AllowedAsset, AllowedChain, EngineSettings
from atomizer.engine.strategy import NoQuote, QuoteTarget, Target

# Members looked up once: on Python 3.11 every look-up through the enumeration costs a call.
_HEDGE, _BUY, _IOC = Purpose.HEDGE, Side.BUY, TimeInForce.IOC
E18 = 10**18
MS = 1_000_000


class Held(msgspec.Struct, frozen=True, gc=False):
    """Why a target does not become a command now."""

    reason: Reason
    text: str


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What holds for every order on one instrument in one pass, whatever its side and size.

    `held`: why none may be sent. A buy may cost up to `highest`, a sell may go down to `lowest`: the collar,
    in the instrument's price unit, as is `tick`. From `low` to `high`, in ticks, any order is on the grid and
    inside the collar (none: 1 to 0). The venue refuses a request after `deadline_ns`; at `ask_ns` we ask.
    """

    held: Held | None
    mark: float = 0.0
    highest: float = 0.0
    lowest: float = 0.0
    tick: float = 0.0
    low: int = 1
    high: int = 0
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
        self._halts = halts
        self._chains: dict[int, AllowedChain] = {chain.chain_id: chain for chain in settings.chains}
        self._assets: dict[tuple[int, str], AllowedAsset] = {
            (chain.chain_id, asset.address): asset for chain in settings.chains for asset in chain.assets
        }
        self._hedges = {item.underlying: item for item in settings.hedge_markets}
        self._accounts = {item.venue: item.account for item in settings.accounts}
        self._trading_of = {venue: f"{venue}/trading" for venue in capabilities}
        self._collar = settings.limits.collar
        self._patience_ns = {
            venue: (item.request_deadline_ms * MS, item.query_after_ms * MS)
            for venue, item in capabilities.items()
        }

    # --- RFQs ---

    def admit(self, rfq: Rfq, now_ns: int) -> NoQuote | None:
        """Everything that can be refused before pricing."""
        return (
            self._foreign(rfq)
            or self._halted(rfq.venue, rfq.account, rfq.underlying, now_ns)
            or self._paused(rfq)
            or self._signable(rfq)
            or self._sane(rfq, now_ns)
            or self._fresh(rfq, now_ns)
        )

    def _foreign(self, rfq: Rfq) -> NoQuote | None:
        if self._accounts.get(rfq.venue) == rfq.account:
            return None
        return NoQuote(
            reason=Reason.WRONG_ACCOUNT,
            text=f"account {rfq.account!r} of {rfq.venue} is not the configured one",
        )

    def _halted(self, venue: str, account: str, underlying: str, now_ns: int) -> NoQuote | None:
        halts = self._halts
        if halts.kill_level or halts.stopping:
            return NoQuote(reason=Reason.KILLED, text=f"kill level {halts.kill_level}; resume to quote again")
        if halts.journal != "ok":
            return NoQuote(reason=Reason.JOURNAL_FULL, text="the journal is on its reserve; free disk space")
        paused = halts.paused and (halts.paused.get(underlying) or halts.paused.get(""))
        if paused:
            return NoQuote(reason=paused, text=f"{underlying or 'everything'} is paused: {paused}")
        if underlying in halts.naked:
            return NoQuote(reason=Reason.HEDGE_FAILED, text=halts.naked[underlying])
        if halts.unreconciled:
            hedge = self._hedges.get(underlying)
            for scope in ((venue, account), *(hedge.accounts if hedge is not None else ())):
                if scope in halts.unreconciled:
                    return NoQuote(reason=Reason.NOT_RECONCILED, text=halts.unreconciled[scope])
        not_before = halts.quote_not_before_ns
        due = not_before.get((venue, account), 0) if not_before else 0
        if now_ns < due:
            wait = (due - now_ns) // 1_000_000_000
            return NoQuote(
                reason=Reason.WARMING_UP, text=f"signatures of an unclean run may live {wait} s longer"
            )
        return None

    def _paused(self, rfq: Rfq) -> NoQuote | None:
        """A venue or a taker can be paused by itself."""
        paused = self._halts.paused
        for scope in (f"venue/{rfq.venue}", f"taker/{rfq.taker}") if paused else ():
            if scope in paused:
                return NoQuote(reason=paused[scope], text=f"{scope} is paused")
        return None

    def asset(self, rfq: Rfq) -> AllowedAsset | None:
        """What the token of an RFQ is, as configured."""
        return self._assets.get((rfq.terms.chain_id, rfq.terms.asset))

    def _signable(self, rfq: Rfq) -> NoQuote | None:
        terms = rfq.terms
        chain = self._chains.get(terms.chain_id)
        if chain is None:
            return NoQuote(reason=Reason.CHAIN_NOT_ALLOWED, text=f"chain {terms.chain_id} is not configured")
        if terms.verifying_contract or terms.domain_name or terms.domain_version:
            named = (terms.domain_name, terms.domain_version, terms.verifying_contract)
            if named != (chain.domain_name, chain.domain_version, chain.verifying_contract):
                return NoQuote(
                    reason=Reason.CONTRACT_NOT_ALLOWED,
                    text=f"the RFQ names the signing domain {named}, configured is another",
                )
        asset = self._assets.get((terms.chain_id, terms.asset))
        if asset is None or asset.underlying != rfq.underlying:
            return NoQuote(reason=Reason.ASSET_NOT_ALLOWED, text=f"asset {terms.asset} is not configured")
        if asset.ratio is None:
            return NoQuote(
                reason=Reason.UNKNOWN_RATIO,
                text=f"what one token {terms.asset} is worth in {rfq.underlying} is not known",
            )
        if terms.premium_token not in chain.premium_tokens:
            return NoQuote(
                reason=Reason.PREMIUM_TOKEN_NOT_ALLOWED,
                text=f"premium token {terms.premium_token} is not configured",
            )
        expected = chain.premium_tokens if terms.is_put else (terms.asset,)
        if terms.collateral_token not in expected:
            return NoQuote(
                reason=Reason.COLLATERAL_NOT_ALLOWED,
                text=f"collateral {terms.collateral_token} is not the one for this option",
            )
        return None

    def _sane(self, rfq: Rfq, now_ns: int) -> NoQuote | None:
        settings, terms = self._settings, rfq.terms
        if rfq.expiry_ns <= now_ns:
            return NoQuote(reason=Reason.EXPIRED, text="the option has expired")
        settling = self._settling(rfq.expiry_ns, now_ns)
        if settling:
            return NoQuote(reason=Reason.SETTLING, text=settling)
        if terms.expiry_s % 86_400 != settings.expiry_second_of_day:
            return NoQuote(
                reason=Reason.OFF_CALENDAR, text=f"expiry {terms.expiry_s} is not on the asset's calendar"
            )
        asset = self._assets[terms.chain_id, terms.asset]
        if not asset.min_size <= rfq.size <= asset.max_size:
            return NoQuote(
                reason=Reason.QUANTITY_OUT_OF_BOUNDS,
                text=f"expected a quantity in [{asset.min_size}, {asset.max_size}], found {rfq.size}",
            )
        index = self._exposure.index(rfq.underlying)
        if rfq.underlying not in self._hedges:
            return NoQuote(reason=Reason.NO_HEDGE_MARKET, text=f"{rfq.underlying} has no hedge market")
        if index is None:
            return NoQuote(reason=Reason.MARKET_DATA_MISSING, text=f"no index for {rfq.underlying} yet")
        strike = float(rfq.strike) / float(asset.ratio or 1)
        if not settings.strike_low * index <= strike <= settings.strike_high * index:
            return NoQuote(
                reason=Reason.STRIKE_OUT_OF_RANGE,
                text=f"strike {strike:g} against an index of {index:g}: outside "
                f"[{settings.strike_low:g}, {settings.strike_high:g}] times it",
            )
        return None

    def _fresh(self, rfq: Rfq, now_ns: int) -> NoQuote | None:
        hedge = self._hedges[rfq.underlying]
        market, fresh = self._market, self._settings.freshness
        for feed_name, text in (
            (f"{hedge.venue}/market", "market data"),
            (f"{hedge.venue}/trading", "fills"),
        ):
            feed = market.feed(feed_name)
            if not feed.fresh(now_ns):
                return NoQuote(
                    reason=Reason.MARKET_DATA_STALE,
                    text=f"{text} of {hedge.venue}: {feed.why or 'silent for too long'}",
                )
        if market.usable_book(hedge.instrument, now_ns) is None:
            return NoQuote(
                reason=Reason.MARKET_DATA_STALE,
                text=f"{hedge.instrument} has no usable book (gap or one side)",
            )
        known = market.indices.get(hedge.index)
        if known is None or known[1] < market.feed(f"{hedge.venue}/market").since_ns:
            return NoQuote(
                reason=Reason.MARKET_DATA_STALE,
                text=f"no index {hedge.index} since {hedge.venue} is connected",
            )
        for venue in (hedge.venue, rfq.venue):
            offset = abs(market.clock_offset_ns.get(venue, 0))
            if offset > fresh.clock_stop_ms * MS:
                return NoQuote(
                    reason=Reason.CLOCK_OFFSET,
                    text=f"clock of {venue} is {offset / MS:.0f} ms off, {fresh.clock_stop_ms} are allowed",
                )
        read_ns = self._ledger.read_ns.get((rfq.venue, rfq.account), 0)
        if now_ns - read_ns > fresh.account_ms * MS:
            return NoQuote(
                reason=Reason.ACCOUNT_DATA_STALE,
                text=f"balances of {rfq.venue} are {(now_ns - read_ns) / 1e9:.0f} s old",
            )
        return None

    def refuse_quote(self, rfq: Rfq, target: QuoteTarget) -> NoQuote | None:
        """Why a priced quote is not sent, or None. It counts as executed in every limit."""
        return self._within(rfq, target) or self._affordable(rfq, target)

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
        limits, exposure, size = self._settings.limits, self._exposure, float(rfq.size)
        for name, why in sorted(exposure.unpriced.items()):
            if self._ledger.instruments[name].underlying == rfq.underlying:  # limits are per underlying
                return NoQuote(
                    reason=Reason.MARKET_DATA_MISSING, text=f"position {name} cannot be valued: {why}"
                )
        most_delta = limits.delta_coins(target.underlying_price)
        for greek, reason, limit, unit in (
            ("delta", Reason.DELTA_LIMIT, most_delta, target.delta),
            ("gamma", Reason.GAMMA_LIMIT, limits.gamma, target.gamma),
            ("vega", Reason.VEGA_LIMIT, limits.vega, target.vega),
            ("notional", Reason.NOTIONAL_LIMIT, limits.notional, target.underlying_price),
        ):
            sums, change = exposure.of(rfq.underlying, greek), unit * size
            worst = sums.highest + change if change > 0.0 else -(sums.lowest + change)
            if worst > limit:
                return NoQuote(
                    reason=reason, text=f"{greek} would reach {worst:.4g} at worst, the limit is {limit:g}"
                )
        worst = exposure.position_worst(rfq.instrument, rfq.side) + size
        if worst > limits.position_size:
            return NoQuote(
                reason=Reason.POSITION_LIMIT,
                text=f"{rfq.instrument} would reach {worst:g}, the limit is {limits.position_size:g}",
            )
        return self._asked_too_often(rfq)

    def _asked_too_often(self, rfq: Rfq) -> NoQuote | None:
        """Each live signature is an exposure of its own, whatever RFQ it answered."""
        limits = self._settings.limits
        same_terms, _size = self._exposure.signed.on(rfq.instrument, rfq.side)
        same_taker = self._exposure.signed.takers.get(rfq.taker, 0)
        if same_terms >= limits.quotes_per_terms:
            return NoQuote(reason=Reason.TERMS_CAP, text=f"{same_terms} live quotes on the same terms")
        if same_taker >= limits.quotes_per_taker:
            return NoQuote(reason=Reason.TAKER_CAP, text=f"{same_taker} live quotes to this taker")
        return None

    def _affordable(self, rfq: Rfq, target: QuoteTarget) -> NoQuote | None:
        premium = Decimal(target.price_e18) * rfq.size / E18
        most = self._settings.limits.premium_per_quote
        if premium > Decimal(most):
            return NoQuote(
                reason=Reason.PREMIUM_TOO_LARGE, text=f"premium {premium:.2f} USD, the most is {most:g}"
            )
        if rfq.side is not _BUY:
            return self._collateralised(rfq)
        available = self._available(Purse(rfq.venue, rfq.account, "USD"))
        if available is None:
            return NoQuote(reason=Reason.ACCOUNT_DATA_STALE, text=f"no balance of {rfq.venue} read yet")
        if premium > available:
            return NoQuote(
                reason=Reason.DEPOSIT_TOO_SMALL,
                text=f"premium {premium:.2f} USD, of the deposit {available:.2f} is not spoken for",
            )
        return None

    def _available(self, purse: Purse) -> Decimal | None:
        """What no live quote and no short option speaks for; None before the first balance.

        The smaller of our own count and the venue's, less the premiums of live bids, the collateral of live
        offers and the collateral of options sold.
        """
        reported = self._ledger.reported_balances.get(purse)
        if reported is None:
            return None
        cash = self._ledger.accounts.balance(purse.venue, purse.account, purse.currency)
        spoken = self._exposure.signed.collateral(purse) + self._exposure.locked(purse)
        if purse.currency == "USD":
            spoken += self._exposure.signed.premium(purse)
        return min(cash, reported[0].cash) - Decimal(spoken)

    def _collateralised(self, rfq: Rfq) -> NoQuote | None:
        """An option sold locks its collateral: coins of q tokens for a call, K q of the stable for a put."""
        terms = rfq.terms
        asset = self._assets[terms.chain_id, terms.asset]
        held = self._ledger.accounts.size(rfq.venue, rfq.account, rfq.instrument)
        offered = Decimal(self._exposure.signed.on(rfq.instrument, rfq.side)[1])
        uncovered = rfq.size - max(Decimal(0), held - offered)
        if uncovered <= 0:
            return None
        if terms.is_put:
            currency, needed = "USD", rfq.strike * uncovered
        else:
            currency, needed = rfq.underlying, uncovered * (asset.ratio or 1)
            if not asset.deliverable:
                return NoQuote(
                    reason=Reason.COLLATERAL_TOO_SMALL, text=f"token {terms.asset} cannot be delivered"
                )
        available = self._available(Purse(rfq.venue, rfq.account, currency)) or Decimal(0)
        if needed > available:
            return NoQuote(
                reason=Reason.COLLATERAL_TOO_SMALL,
                text=f"selling this locks {needed:.6g} {currency}, {available:.6g} of the deposit is free",
            )
        return None

    # --- orders ---

    def standing(
        self, instrument: Instrument, now_ns: int, held: Held | None, *, hedge: bool, immediate: bool
    ) -> Standing:
        """Judge an instrument for one pass; `held` is what stands against it already.

        Without a usable book of our own a hedge may still go as an immediate order, inside the collar around
        the venue's own fresh mark.
        """
        if held is None:
            held = self._order_halted(instrument, now_ns, hedge=hedge)
        if held is not None:
            return Standing(held)
        market, key = self._market, instrument.key
        if market.usable_book(key, now_ns) or market.touch(key, now_ns):
            mark = self._exposure.future_mark(instrument)
        else:
            fresh = market.fresh_mark(key, now_ns)
            if fresh is None or not (hedge and immediate):
                return Standing(Held(Reason.MARKET_DATA_STALE, f"{key} has no usable book"))
            mark = fresh
        grid, (deadline_ns, ask_ns) = instrument.grid, self._patience_ns[instrument.venue]
        tick, collar = grid.tick_size, self._collar
        highest, lowest = mark * (1.0 + collar), mark * (1.0 - collar)
        low, high = (1, 0) if grid.steps else (int(lowest / tick) + 2, int(highest / tick) - 1)
        return Standing(
            None,
            mark,
            highest,
            lowest,
            tick,
            low,
            high,
            self._accounts[instrument.venue],
            now_ns + deadline_ns,
            now_ns + ask_ns,
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
        price = standing.tick * ticks
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
        quiet = halts.quiet()
        if not quiet and (halts.kill_level >= 3 or halts.stopping or halts.journal == "dead"):
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
        if quiet:
            return None
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
            worst = sums.highest + change if change > 0.0 else -(sums.lowest + change)
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

    def amend(
        self,
        standing: Standing,
        instrument: Instrument,
        order: Order,
        ticks: int,
        left: int,
        target: Target,
        now_ns: int,
    ) -> AmendOrder | Held:
        """The amend of a resting order to this price with `left` lots to fill, or why it may not be sent."""
        # Most amends move a price well inside the collar and grow nothing: `approve_order` has no objection.
        open_lots = order.lots - order.booked
        if not (standing.low <= ticks <= standing.high and instrument.min_lots <= left <= open_lots):
            held = self.approve_order(standing, instrument, order.side, ticks, left, now_ns, order)
            if held is not None:
                return held
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
