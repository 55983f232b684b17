"""What may still happen, in greeks: positions, working orders, signed quotes.

Per underlying and greek there is a base (positions) and two sums: all that could raise it and all that could
lower it. Limits hold for the worst case on each side. Units: delta in coins, gamma as change of coin delta
per 1 % move, vega in USD per vol point, notional in USD.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from atomizer.domain.instruments import Instrument, Kind
from atomizer.domain.trades import MANUAL
from atomizer.engine.accounts import Holding, Purse
from atomizer.engine.expiry import due_coins, has_expired
from atomizer.engine.ledger import Ledger, LiveQuote, Order
from atomizer.engine.market import Market
from atomizer.engine.pricing import NoPriceError, Priced
from atomizer.engine.settings import AccountSettings, HedgeMarket
from atomizer.engine.signed import Signed
from atomizer.engine.surface import Surface

GREEKS = ("delta", "gamma", "vega")
USD_CURRENCIES = ("USD", "USDC", "USDT")


class UnitGreeks(msgspec.Struct, frozen=True, gc=False):
    """Per one unit of size (one coin, or one USD of an inverse future).

    `premium` of an option in coins, at its forward when it settles in coins, else at the index.
    """

    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    notional: float = 0.0
    premium: float = 0.0


class Sums(msgspec.Struct):
    """One greek of one underlying: positions, and what quotes and orders could add on each side."""

    base: float = 0.0
    up: float = 0.0
    down: float = 0.0
    orders_up: float = 0.0
    orders_down: float = 0.0

    def add_order(self, amount: float) -> None:
        if amount > 0.0:
            self.orders_up += amount
        else:
            self.orders_down += amount

    def worst(self, change: float) -> float:
        """How far a change leads on its side, with all that could go the same way."""
        if change > 0.0:
            return self.base + self.up + self.orders_up + change
        return -(self.base + self.down + self.orders_down + change)


class Exposure:
    """Worst cases per underlying. `rebuild` recomputes; between rebuilds quotes that were signed are added
    and working orders counted again when somebody asks."""

    def __init__(
        self,
        ledger: Ledger,
        market: Market,
        surfaces: dict[str, Surface],
        accounts: Iterable[AccountSettings],
        hedge_markets: Iterable[HedgeMarket],
    ) -> None:
        self._ledger = ledger
        self._market = market
        self._surfaces = surfaces
        self._numeraire = {(item.venue, item.account): item.numeraire for item in accounts}
        self._numeraire[MANUAL, MANUAL] = "usd"  # what was done elsewhere, coins paid for it included
        self._hedges = {item.underlying: item for item in hedge_markets}
        self.sums: dict[str, dict[str, Sums]] = {}
        self.orders_stale = True  # a working order came, went or changed its size: count again when asked
        self.quotes_stale = False  # a quote was signed: count it when asked
        self._valued_ns = 0
        self._unpriced: dict[str, str] = {}
        self._unknown: dict[str, str] = {}
        self._last: dict[str, UnitGreeks] = {}
        self.agreed_ns: dict[tuple[str, str], int] = {}
        self.units: dict[str, UnitGreeks] = {}
        self.signed = Signed(ledger.instruments)
        # Per underlying and expiry: net vega and long vega of what is held, USD per vol point.
        self._expiry_vega: dict[tuple[str, int], list[float]] = {}
        self._locked: dict[Purse, float] = {}
        # Per instrument: size held, over all accounts; and with a side, what working orders may still fill.
        self._held: dict[str, float] = {}
        self._working: dict[tuple[str, int], float] = {}

    def locked(self, purse: Purse) -> float:
        """Collateral that options sold by this account hold, in the purse's currency.

        A venue's balance counts it still, as ours does: what is locked is deposited, but not free.
        """
        return self._locked.get(purse, 0.0)

    def held(self, underlying: str, expiry_ns: int) -> tuple[float, float, float, float]:
        """What a price leans on: net delta and vega held, net and gross long vega of one expiry.

        Delta in coins, vegas in USD per vol point.
        """
        vega, long_vega = self._expiry_vega.get((underlying, expiry_ns), (0.0, 0.0))
        sums = self.sums.get(underlying)
        if sums is None:
            return 0.0, 0.0, vega, long_vega
        return sums["delta"].base, sums["vega"].base, vega, long_vega

    @property
    def unpriced(self) -> dict[str, str]:
        """Instruments held or ordered that have no price now, and why."""
        if self.orders_stale:
            self._count_orders()
        return self._unpriced

    @property
    def unknown(self) -> dict[str, str]:
        """Underlyings whose delta is not known: something held was never priced."""
        if self.orders_stale:
            self._count_orders()
        return self._unknown

    def of(self, underlying: str, greek: str) -> Sums:
        return self.sums_of(underlying)[greek]

    def sums_of(self, underlying: str) -> dict[str, Sums]:
        """The sums of every greek, and of notional."""
        if self.orders_stale:
            self._count_orders()
        if self.quotes_stale:
            self.count_quotes()
        return self._by_greek(underlying)

    def net(self, underlying: str, greek: str) -> float:
        """What is held: positions and coins, nothing that is only working or quoted."""
        sums = self.sums.get(underlying)
        return 0.0 if sums is None else sums[greek].base

    def _by_greek(self, underlying: str) -> dict[str, Sums]:
        found = self.sums.get(underlying)
        if found is None:
            found = self.sums[underlying] = {name: Sums() for name in (*GREEKS, "notional")}
        return found

    def _sums(self, underlying: str, greek: str) -> Sums:
        return self._by_greek(underlying)[greek]

    def index(self, underlying: str) -> float | None:
        hedge = self._hedges.get(underlying)
        known = self._market.indices.get(hedge.index) if hedge else None
        return known[0] if known else None

    def price_option(self, instrument: Instrument, now_ns: int) -> Priced:
        """Price an option of any venue off the hedge venue's surface, per unit of its size.

        Raises:
            NoPriceError: no surface, or it has no price there.
        """
        surface = self._surfaces.get(instrument.underlying)
        if surface is None or instrument.strike is None or instrument.expiry_ns is None:
            raise NoPriceError(f"no hedge market for {instrument.underlying}")
        ratio = float(instrument.per_token)
        priced = surface.price(
            float(instrument.strike) / ratio,
            instrument.expiry_ns,
            is_call=bool(instrument.is_call),
            now_ns=now_ns,
            index=self.index(instrument.underlying) or math.nan,
        )
        return priced if ratio == 1.0 else _per_token(priced, ratio)

    def unit(self, instrument: Instrument, now_ns: int) -> UnitGreeks:
        """Greeks of one unit of size in its account's numeraire.

        Raises:
            NoPriceError: a price that this needs is missing.
        """
        if instrument.legs:
            return self._combo_unit(instrument, now_ns)
        index = self.index(instrument.underlying)
        if index is None:
            raise NoPriceError(f"no index for {instrument.underlying}")
        if instrument.kind is Kind.OPTION:
            priced = self.price_option(instrument, now_ns)
            if instrument.inverse:
                premium = priced.price / priced.forward
                gamma = priced.gamma * priced.forward * 0.01
                return UnitGreeks(priced.delta - premium, gamma, priced.vega * 0.01, index, premium)
            ratio = priced.forward / index
            gamma = priced.gamma * priced.forward * 0.01 * ratio
            notional = index * float(instrument.per_token)
            return UnitGreeks(priced.delta * ratio, gamma, priced.vega * 0.01, notional, priced.price / index)
        if instrument.kind is Kind.SPOT:
            return UnitGreeks(1.0, 0.0, 0.0, index)
        mark = self.future_mark(instrument)
        if instrument.size_in_quote:
            return UnitGreeks(1.0 / mark, 0.0, 0.0, 1.0)
        size = float(instrument.contract_size)
        return UnitGreeks(size * mark / index, 0.0, 0.0, size * mark)

    def _combo_unit(self, combo: Instrument, now_ns: int) -> UnitGreeks:
        """A combo is its legs; its notional counts each of them."""
        delta = gamma = vega = notional = premium = 0.0
        for leg in combo.legs:
            listed = self._market.instruments.get(leg.instrument)
            if listed is None:
                raise NoPriceError(f"{combo.key}: its leg {leg.instrument} is not listed")
            unit = self.unit(listed, now_ns)
            delta += leg.ratio * unit.delta
            gamma += leg.ratio * unit.gamma
            vega += leg.ratio * unit.vega
            premium += leg.ratio * unit.premium
            notional += abs(leg.ratio) * unit.notional
        return UnitGreeks(delta, gamma, vega, notional, premium)

    def future_mark(self, instrument: Instrument) -> float:
        """Mark of a future or perpetual.

        Raises:
            NoPriceError: neither a ticker mark nor a two-sided book.
        """
        known = self._market.tickers.get(instrument.key)
        if known is not None and known.ticker.mark:
            return known.ticker.mark
        index = self.index(instrument.underlying)
        if instrument.venue == MANUAL and index is not None:
            return index  # nobody marks a trade done elsewhere; the index is what it moves with
        book = self._market.books.get(instrument.key)
        if book is not None and book.mid is not None:
            return book.mid
        raise NoPriceError(f"no mark for {instrument.key}")

    # --- rebuild ---

    def rebuild(self, now_ns: int, settlement_margin_ns: dict[str, int]) -> None:
        """Recompute everything from the ledger and the market."""
        self.sums.clear()
        self._unpriced.clear()
        self._unknown.clear()
        self.units.clear()
        self._expiry_vega.clear()
        self._locked.clear()
        self._held.clear()
        self._valued_ns, self.orders_stale = now_ns, True
        for holding, size in self._ledger.position_sizes().items():
            amount = float(size)
            self._held[holding.instrument] = self._held.get(holding.instrument, 0.0) + amount
            self._add_position(holding, amount, now_ns)
        for purse, cash in sorted(self._ledger.accounts.cash.items()):
            self._add_cash(purse, float(cash))
        self._follow_quotes(now_ns, settlement_margin_ns)

    def last_unit(self, instrument: Instrument, now_ns: int) -> UnitGreeks:
        """Greeks of one unit now, else those last known.

        Raises:
            NoPriceError: it was never priced.
        """
        found = self._unit_or_note(instrument, now_ns)
        if found is None:
            raise NoPriceError(f"{instrument.key} was never priced")
        return found

    def _unit_or_note(self, instrument: Instrument, now_ns: int) -> UnitGreeks | None:
        """Greeks now, else those last known: a feed that went away closes no position."""
        found = self.units.get(instrument.key)
        if found is None:
            found = self._expired_unit(instrument, now_ns)
        if found is None:
            try:
                found = self.unit(instrument, now_ns)
                self._last[instrument.key] = found
            except NoPriceError as error:
                self._unpriced[instrument.key] = str(error)
                found = self._last.get(instrument.key)
                if found is None:
                    self._unknown[instrument.underlying] = f"{instrument.key} was never priced: {error}"
                    return None
        self.units[instrument.key] = found
        return found

    def _expired_unit(self, instrument: Instrument, now_ns: int) -> UnitGreeks | None:
        """An option between expiry and delivery counts the coins that are due; one settled in cash none."""
        index = self.index(instrument.underlying)
        if index is None or not has_expired(instrument, now_ns):
            return None
        fixing = self._ledger.fixings.get((instrument.underlying, instrument.expiry_ns or 0), index)
        return UnitGreeks(delta=due_coins(instrument, fixing), notional=index * float(instrument.per_token))

    def _add_cash(self, purse: Purse, cash: float) -> None:
        """Coins in an account that counts in USD are exposure themselves, and so is USD in one that counts in
        coins: its coin value falls as the coin rises. That coin is the first one hedged."""
        numeraire = self._numeraire.get((purse.venue, purse.account))
        if numeraire == "usd" and purse.currency in self._hedges:
            self._sums(purse.currency, "delta").base += cash
        elif numeraire == "coin" and purse.currency in USD_CURRENCIES and cash and self._hedges:
            self._in_coins(next(iter(self._hedges)), cash)

    def _in_coins(self, underlying: str, usd: float) -> None:
        """Count USD value held in an account whose numeraire is the coin."""
        index = self.index(underlying)
        if index is None:
            self._unknown[underlying] = f"no index for {underlying}"
        else:
            self._sums(underlying, "delta").base -= usd / index

    def _add_position(self, holding: Holding, size: float, now_ns: int) -> None:
        instrument = self._ledger.instruments.get(holding.instrument)
        if instrument is None:
            self._without_terms(holding.instrument)
            return
        unit = self._unit_or_note(instrument, now_ns)
        if unit is None:
            return
        delta = 0.0 if instrument.kind is Kind.SPOT else unit.delta * size  # coins bought count as cash
        numeraire = self._numeraire.get((holding.venue, holding.account))
        if numeraire == "usd" and instrument.inverse:
            delta = self._usd_delta(holding, instrument, unit, size)
        elif numeraire == "coin" and not instrument.inverse and instrument.kind is not Kind.SPOT:
            self._in_coins(instrument.underlying, self._usd_value(holding, instrument, unit, size))
        self._sums(instrument.underlying, "delta").base += delta
        self._sums(instrument.underlying, "gamma").base += unit.gamma * size
        self._sums(instrument.underlying, "vega").base += unit.vega * size
        self._sums(instrument.underlying, "notional").base += abs(unit.notional * size)
        if size < 0.0 and not instrument.inverse and instrument.strike is not None:
            currency = instrument.underlying if instrument.is_call else "USD"
            purse = Purse(holding.venue, holding.account, currency)
            amount = -size * float(instrument.per_token if instrument.is_call else instrument.strike)
            self._locked[purse] = self._locked.get(purse, 0.0) + amount
        if instrument.expiry_ns is not None and unit.vega:
            row = self._expiry_vega.setdefault((instrument.underlying, instrument.expiry_ns), [0.0, 0.0])
            row[0] += unit.vega * size
            row[1] += max(0.0, unit.vega * size)

    def _without_terms(self, instrument: str) -> None:
        """A position whose contract the journal does not describe could be of any underlying."""
        self._unpriced[instrument] = "its contract terms are not known"
        for underlying in self._hedges:
            self._unknown[underlying] = f"{instrument} is held and its contract terms are not known"

    def _usd_delta(self, holding: Holding, instrument: Instrument, unit: UnitGreeks, size: float) -> float:
        """Coin account counted in USD: options at Black delta, futures at their entry."""
        if instrument.kind is Kind.OPTION:
            return (unit.delta + unit.premium) * size
        return self._entry(holding, unit.delta * size)

    def _usd_value(self, holding: Holding, instrument: Instrument, unit: UnitGreeks, size: float) -> float:
        """USD equity in a position that settles in USD: an option's value, a future's P&L since entry."""
        if instrument.kind is Kind.OPTION:
            return unit.premium * unit.notional * size
        return unit.notional * size - self._entry(holding, unit.notional * size)

    def _entry(self, holding: Holding, now: float) -> float:
        """Entry cost of a future; one held before the first read was entered, for us, at its mark."""
        return float(self._ledger.position(holding).cost) or now

    def _count_orders(self) -> None:
        """Count what working orders may still fill, at the greeks of the last valuation."""
        self.orders_stale = False
        for by_greek in self.sums.values():
            for sums in by_greek.values():
                sums.orders_up = sums.orders_down = 0.0
        self._working.clear()
        for order in self._ledger.orders.values():
            if order.owed:
                self._add_order(order)

    def _add_order(self, order: Order) -> None:
        instrument = self._ledger.instruments[order.instrument]
        size, key = float(instrument.size(order.owed)), (order.instrument, int(order.side))
        self._working[key] = self._working.get(key, 0.0) + size
        unit = self._unit_or_note(instrument, self._valued_ns)
        if unit is None:
            return
        signed_size = order.side * size
        self._sums(instrument.underlying, "delta").add_order(unit.delta * signed_size)
        self._sums(instrument.underlying, "gamma").add_order(unit.gamma * signed_size)
        self._sums(instrument.underlying, "vega").add_order(unit.vega * signed_size)
        self._sums(instrument.underlying, "notional").add_order(abs(unit.notional * signed_size))

    # --- quotes ---

    def add_quote(self, quote: LiveQuote) -> None:
        """A quote was just signed: from now on it counts."""
        self.signed.add(quote)
        self.quotes_stale = True

    def count_quotes(self) -> None:
        """Every live signature counts as if it will be executed."""
        self.quotes_stale = False
        for underlying, worth in self.signed.worth.items():
            sums = self._by_greek(underlying)
            for greek, pair in (("delta", worth.delta), ("gamma", worth.gamma), ("vega", worth.vega)):
                counted = sums[greek]
                counted.up, counted.down = pair.up, pair.down
            sums["notional"].up = (self.index(underlying) or 0.0) * worth.size

    def _follow_quotes(self, now_ns: int, settlement_margin_ns: dict[str, int]) -> None:
        """A quote is dead past validity and settlement margin, once a read asked for after that agreed."""
        open_quotes = self._ledger.open_quotes
        self.signed.follow(open_quotes)
        for scope, agreed_ns in self.agreed_ns.items():
            before_ns = min(now_ns, agreed_ns) - settlement_margin_ns.get(scope[0], 0)
            for key in self.signed.bury(scope, before_ns):
                del open_quotes[key]
        self.count_quotes()

    def towards(self, instrument: str, side: int) -> float:
        """Size of one instrument towards a side, its working orders there filled; live quotes come on top."""
        if self.orders_stale:
            self._count_orders()
        return side * self._held.get(instrument, 0.0) + self._working.get((instrument, side), 0.0)


def _per_token(priced: Priced, ratio: float) -> Priced:
    """Value and greeks of an option on a token worth `ratio` coins, from those of the coin's option."""
    price, delta, gamma, vega, theta = (ratio * value for value in priced[:5])
    return Priced(price, delta, gamma, vega, theta, *priced[5:])
