"""Selling on, as a listed option, what was bought by RFQ (and buying back what was sold).

Wanted is read off the positions, so that a restart changes nothing: per listed option, the opposite of every
RFQ holding it stands for, less what is already held of it there. What is below the venue's least size waits
for more and is hedged as delta meanwhile. An offer rests post-only; past its deadline it takes once that
pays, or it is closed and its part released to delta hedging. It only ever adds to a resale, never undoes one.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from atomizer.domain.commands import Why
from atomizer.domain.instruments import Instrument, Kind, Side
from atomizer.domain.orders import Purpose, TimeInForce
from atomizer.engine.market import Touch
from atomizer.engine.pricing import NoPriceError, Priced
from atomizer.engine.settings import HedgeMarket
from atomizer.engine.strategy import Level, Target
from atomizer.strategies.hedging.costs import BPS, reachable
from atomizer.strategies.hedging.linear import REST, TAKE
from atomizer.strategies.hedging.pairs import ListedOptions, Pair
from atomizer.strategies.hedging.settings import HedgerSettings
from atomizer.strategies.hedging.tries import Tries

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

MS = 1_000_000
TAKE_LIFE_NS, REST_LIFE_NS = 1_000 * MS, 2_000 * MS
ZERO = Decimal(0)


class Offer(msgspec.Struct):
    """One listed option on offer since `since_ns`; closed until `closed_ns` at the size it then had."""

    since_ns: int
    closed_ns: int = 0
    closed_size: Decimal = ZERO
    takes: int = 0


class Wanted(NamedTuple):
    """Signed size still to trade in a listed option, and what it stands against."""

    listed: Instrument
    size: Decimal
    pair: Pair
    group: str


class Resales:
    """Decides what is on offer; `planned` is the delta that offers will bring."""

    def __init__(self, market: HedgeMarket, settings: HedgerSettings, number: int, tries: Tries) -> None:
        self._market = market
        self._settings = settings
        self._number = number
        self._tries = tries
        self._options = ListedOptions(market, settings)
        self._offers: dict[str, Offer] = {}
        self.planned = 0.0

    def targets(self, engine: Engine) -> dict[Level, Target]:
        """Every offer that should rest or take now; sets `planned`.

        Raises:
            NoPriceError: an option on offer was never priced.
        """
        self.planned = 0.0
        targets: dict[Level, Target] = {}
        if self._settings.policy == "delta":
            return targets
        working = self._working(engine)
        offered: dict[str, Decimal] = {}
        seen = list(self._wanted(engine))
        keys = {item.listed.key for item in seen}
        self._offers = {key: offer for key, offer in self._offers.items() if key in keys}
        for wanted in seen:
            working_size = working.get(wanted.listed.key, ZERO)
            found = self._offer(engine, wanted, working_size)
            if found is not None:
                offered[wanted.listed.key] = wanted.size
                targets.update(found)
        if self._settings.policy == "resale":
            for key in sorted({*offered, *working}):
                listed = engine.ledger.instruments.get(key) or engine.market.instruments[key]
                unit = engine.exposure.last_unit(listed, engine.now_ns)
                self.planned += float(offered.get(key, working.get(key, ZERO))) * unit.delta
        return targets

    def _working(self, engine: Engine) -> dict[str, Decimal]:
        """Signed sizes that option hedges on their way may still fill, by instrument."""
        found: dict[str, Decimal] = {}
        for order in engine.ledger.orders.values():
            instrument = engine.ledger.instruments[order.instrument]
            if order.purpose is not Purpose.HEDGE or instrument.kind is not Kind.OPTION or not order.owed:
                continue
            if instrument.underlying == self._market.underlying:
                size = int(order.side) * instrument.size(order.owed)
                found[order.instrument] = found.get(order.instrument, ZERO) + size
        return found

    # --- what is wanted ---

    def _wanted(self, engine: Engine) -> Iterator[Wanted]:
        """Per listed option what is still to be traded, in whole lots of at least the least size."""
        totals: dict[str, Decimal] = {}
        pairs: dict[str, tuple[Pair, str]] = {}
        for instrument, size in self._held_by_rfq(engine):
            pair = self._options.pair(engine, instrument, size)
            if pair is not None:
                totals[pair.listed.key] = totals.get(pair.listed.key, ZERO) - size
                pairs.setdefault(pair.listed.key, (pair, self._group(engine, instrument.key)))
        for key in sorted(totals):
            pair, group = pairs[key]
            listed = pair.listed
            left = totals[key] - engine.ledger.accounts.size(listed.venue, self._market.account, key)
            if left * totals[key] <= 0:
                continue
            lots = int(abs(left) / listed.lot)
            if lots >= listed.min_lots:
                yield Wanted(listed, listed.size(lots) * (1 if left > 0 else -1), pair, group)

    def _held_by_rfq(self, engine: Engine) -> Iterator[tuple[Instrument, Decimal]]:
        """Options of the underlying held where they cannot be traded."""
        traded_at = {venue for venue, _account in self._market.accounts}
        for holding, instrument, size in engine.ledger.held():
            if instrument.kind is not Kind.OPTION or instrument.underlying != self._market.underlying:
                continue
            if holding.venue not in traded_at and (instrument.expiry_ns or 0) > engine.now_ns:
                yield instrument, size

    @staticmethod
    def _group(engine: Engine, instrument: str) -> str:
        """The group of the newest trade in this option."""
        groups = engine.ledger.groups.groups
        for key in reversed(groups):
            if instrument in groups[key].sizes and not key.startswith("hedge/"):
                return key
        return f"hedge/{engine.ledger.instruments[instrument].underlying}"

    # --- one offer ---

    def _offer(self, engine: Engine, wanted: Wanted, working: Decimal) -> dict[Level, Target] | None:
        """The targets of one option; None when its part is released to delta hedging."""
        key, now_ns = wanted.listed.key, engine.now_ns
        touch = engine.market.touch(key, now_ns)
        usable = (
            touch is not None
            and wanted.listed.open
            and reachable(engine, wanted.listed.venue, self._market.account)
        )
        offer = self._offers.get(key)
        if offer is None:
            offer = self._offers[key] = Offer(now_ns)
        if offer.closed_ns:
            grown = abs(wanted.size) > abs(offer.closed_size)
            if now_ns < offer.closed_ns and not grown:
                return None
            offer = self._offers[key] = Offer(now_ns)
        if touch is None or not usable or self._tries.passed_over(key, now_ns):
            self._close(offer, wanted, now_ns)
            return None
        late = now_ns - offer.since_ns >= self._settings.resale_deadline_ms * MS
        if self._settings.policy == "both" or not late:
            return self._rest(engine, wanted, touch)
        return self._take(engine, offer, wanted, touch, working)

    def _close(self, offer: Offer, wanted: Wanted, now_ns: int) -> None:
        """Release the part of a plan that failed; look again later, or when there is more to sell."""
        offer.closed_ns = now_ns + self._settings.resale_retry_ms * MS
        offer.closed_size = wanted.size

    def _take(
        self, engine: Engine, offer: Offer, wanted: Wanted, touch: Touch, working: Decimal
    ) -> dict[Level, Target] | None:
        """Take what rests on the other side if the pair is still worth it; nothing while an order works."""
        side = Side.BUY if wanted.size > 0 else Side.SELL
        price = touch.ask if side is Side.BUY else touch.bid
        pays = wanted.pair.pays(side * (price - self._fair(wanted)) + wanted.listed.taker_fee)
        if not pays or offer.takes >= self._settings.retry_attempts:
            self._close(offer, wanted, engine.now_ns)
            return None
        if working:
            return {}
        offer.takes += 1
        return self._state(wanted, side, TAKE, price, self._why(wanted, touch))

    def _rest(self, engine: Engine, wanted: Wanted, touch: Touch) -> dict[Level, Target] | None:
        """At fair value or better, inside the spread of others, never crossing it."""
        try:
            priced = engine.exposure.price_option(wanted.listed, engine.now_ns)
        except NoPriceError:
            return None
        wanted = wanted._replace(pair=wanted.pair._replace(priced=priced))
        side = Side.BUY if wanted.size > 0 else Side.SELL
        tick = float(wanted.listed.grid.tick)
        fair = self._fair(wanted) * (1.0 - side * 0.5 * self._settings.target_spread_bps * BPS)
        price = min(fair, touch.ask - tick) if side is Side.BUY else max(fair, touch.bid + tick)
        if price < tick:
            return None
        return self._state(wanted, side, REST, price, self._why(wanted, touch))

    def _state(self, wanted: Wanted, side: Side, level: int, price: float, why: Why) -> dict[Level, Target]:
        take = level == TAKE
        return {
            Level(wanted.listed.key, side, level): Target(
                price=price,
                size=float(abs(wanted.size)),
                life_ns=TAKE_LIFE_NS if take else REST_LIFE_NS,
                time_in_force=TimeInForce.IOC if take else TimeInForce.GTC,
                purpose=Purpose.HEDGE,
                post_only=not take,
                group=wanted.group,
                retry_ns=self._settings.retry_ms * MS,
                why=why,
            )
        }

    @staticmethod
    def _fair(wanted: Wanted) -> float:
        """Fair value in the listed option's price unit."""
        priced = wanted.pair.priced
        return priced.price / priced.forward if wanted.listed.inverse else priced.price

    def _why(self, wanted: Wanted, touch: Touch) -> Why:
        priced: Priced = wanted.pair.priced
        return {
            "because": "resale",
            "mid": self._fair(wanted),
            "forward": priced.forward,
            "vol": priced.vol,
            "bid": touch.bid,
            "ask": touch.ask,
            "pair_loss": wanted.pair.loss,
            "bare_loss": wanted.pair.bare_loss,
        }
