"""What an RFQ must pass before it is priced, and its price before it is sent.

Every check returns a reason from the closed list and words, or nothing. A quote counts as executed in every
limit.
"""

from __future__ import annotations

import msgspec

from atomizer.domain.refusals import Reason
from atomizer.domain.rfq import Rfq
from atomizer.engine.allowed import Token, form_of, forms_of, tokens_of
from atomizer.engine.deposits import Deposits
from atomizer.engine.exposure import Exposure
from atomizer.engine.halts import Halts
from atomizer.engine.ledger import Ledger
from atomizer.engine.market import Feed, Market
from atomizer.engine.settings import AllowedAsset, AllowedChain, EngineSettings
from atomizer.engine.strategy import NoQuote, QuoteTarget

E8, E18 = 10**8, 10**18
MS = 1_000_000
# The reason of each limit that is counted as a sum per underlying.
LIMITS = {
    "delta": Reason.DELTA_LIMIT,
    "gamma": Reason.GAMMA_LIMIT,
    "vega": Reason.VEGA_LIMIT,
    "notional": Reason.NOTIONAL_LIMIT,
}


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


class QuoteGate:
    """Checks against the settings, the ledger, the market and the exposure, all read-only here."""

    def __init__(
        self, settings: EngineSettings, ledger: Ledger, market: Market, exposure: Exposure, halts: Halts
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
        self._tokens = tokens_of(self._assets)
        self._forms = forms_of(self._chains, self._assets, self._tokens)
        self._deposits = Deposits(ledger, exposure, self._assets, settings.limits.premium_per_quote)
        self._hedges = {item.underlying: item for item in settings.hedge_markets}
        self._watched: dict[str, Watched] = {}
        self._pulled_before_ns = settings.pulled_before_expiry_s * 1000 * MS
        self._clock_stop_ns = settings.freshness.clock_stop_ms * MS
        self._account_age_ns = settings.freshness.account_ms * MS
        self._accounts = {item.venue: item.account for item in settings.accounts}

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

    def _within(self, rfq: Rfq, target: QuoteTarget) -> NoQuote | None:
        limits, exposure, size = self._settings.limits, self._exposure, rfq.terms.quantity_e18 / E18
        unpriced = exposure.unpriced
        for name in sorted(unpriced) if unpriced else ():
            if self._ledger.instruments[name].underlying == rfq.underlying:  # limits are per underlying
                return _no(Reason.MARKET_DATA_MISSING, f"position {name} cannot be valued: {unpriced[name]}")
        sums, index = exposure.sums_of(rfq.underlying), target.underlying_price
        worst, most = sums["delta"].worst(target.delta * size), limits.delta_coins(index)
        if not worst <= most:  # nor NaN, here and below
            return _beyond("delta", worst, most)
        worst = sums["gamma"].worst(target.gamma * size)
        if not worst <= limits.gamma:
            return _beyond("gamma", worst, limits.gamma)
        worst = sums["vega"].worst(target.vega * size)
        if not worst <= limits.vega:
            return _beyond("vega", worst, limits.vega)
        worst = sums["notional"].worst(index * size)
        if not worst <= limits.notional:
            return _beyond("notional", worst, limits.notional)
        same_terms, signed_size = exposure.signed.on(rfq.instrument, rfq.side)
        worst = exposure.towards(rfq.instrument, rfq.side) + signed_size + size
        if not worst <= limits.position_size:
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

    def _settling(self, expiry_ns: int | None, now_ns: int) -> str:
        """Why a series that is about to fix, or that just did, is not quoted; empty otherwise."""
        if expiry_ns is None:
            return ""
        settings = self._settings
        left_s = (expiry_ns - now_ns) / (1000 * MS)
        if -settings.pulled_after_expiry_s < left_s <= settings.pulled_before_expiry_s:
            return f"the series fixes in {left_s:.0f} s; quoting is pulled until it has settled"
        return ""
