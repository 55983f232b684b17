"""Which listed option stands best against one held by RFQ: the same, or the nearest of its type.

Judged by cost and by what the pair loses at worst, delta hedged, on a grid of spot and vol now and at the
first of the two expiries; it must beat the option left alone with its delta hedge. USD per unit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from atomizer.domain.instruments import Instrument, Kind
from atomizer.engine.pricing import YEAR_NS, NoPriceError, Priced
from atomizer.engine.settings import HedgeMarket
from atomizer.models.black import black76_price
from atomizer.strategies.hedging.settings import HedgerSettings

if TYPE_CHECKING:
    from atomizer.engine.core import Engine

SPOTS = (0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3)
VOLS = (0.75, 1.0, 1.25)
MS = 1_000_000


class Leg(NamedTuple):
    """One option of a pair: signed units, terms, and how it is priced now."""

    units: float
    strike: float
    expiry_ns: int
    is_call: bool
    priced: Priced


class Pair(NamedTuple):
    """A listed option against one unit of the RFQ option; losses in USD."""

    listed: Instrument
    priced: Priced
    loss: float
    bare_loss: float
    coin_usd: float
    risk_price: float

    def pays(self, cost: float) -> bool:
        """Whether the loss it saves is worth a cost per unit (coins of a coin-settled option, else USD)."""
        usd = cost * self.coin_usd if self.listed.inverse else cost
        return usd < self.risk_price * (self.bare_loss - self.loss)


def worst_loss(legs: list[Leg], now_ns: int) -> float:
    """What delta-hedged legs lose at worst on the grid, now and at the first expiry; at least 0."""
    first_ns = min(leg.expiry_ns for leg in legs)
    before = sum(leg.units * leg.priced.price for leg in legs)
    slope = sum(leg.units * leg.priced.delta * leg.priced.forward for leg in legs)
    worst = 0.0
    for at_ns in (now_ns, first_ns):
        for factor in SPOTS:
            for vol in VOLS:
                after = 0.0
                for leg in legs:
                    years = (leg.expiry_ns - at_ns) / YEAR_NS
                    after += leg.units * black76_price(
                        leg.priced.forward * factor, leg.strike, years, leg.priced.vol * vol, 1.0, leg.is_call
                    )
                worst = max(worst, before - after + slope * (factor - 1.0))
    return worst


class ListedOptions:
    """Listed options of the first hedge venue, and the choice made for each RFQ option."""

    def __init__(self, market: HedgeMarket, settings: HedgerSettings) -> None:
        self._market = market
        self._settings = settings
        self._seen = 0
        self._by_terms: dict[tuple[int, Decimal, bool], Instrument] = {}
        self._strikes: dict[tuple[int, bool], list[Decimal]] = {}
        self._chosen: dict[str, Pair] = {}
        self._again_ns: dict[str, int] = {}

    def pair(self, engine: Engine, instrument: Instrument, size: Decimal) -> Pair | None:
        """The pair chosen for an RFQ holding; None when none is worth it (asked again after a while)."""
        chosen = self._chosen.get(instrument.key)
        if chosen is not None:
            listed = engine.market.instruments[chosen.listed.key]
            if listed.open and (listed.expiry_ns or 0) > engine.now_ns:
                return chosen._replace(listed=listed)
            del self._chosen[instrument.key]
        if engine.now_ns < self._again_ns.get(instrument.key, 0):
            return None
        found = self._choose(engine, instrument, size)
        if found is None:
            self._again_ns[instrument.key] = engine.now_ns + self._settings.resale_retry_ms * MS
        else:
            self._chosen[instrument.key] = found
        return found

    def _choose(self, engine: Engine, instrument: Instrument, size: Decimal) -> Pair | None:
        index = engine.exposure.index(self._market.underlying)
        if index is None:
            return None
        units = 1.0 if size > 0 else -1.0
        try:
            mine = self._leg(engine, instrument, units)
        except NoPriceError:
            return None
        bare, best = worst_loss([mine], engine.now_ns), None
        for listed in self._near(engine, instrument):
            pair = self._judge(engine, mine, listed, bare, index)
            if pair is None:
                continue
            held = engine.ledger.accounts.size(listed.venue, self._market.account, listed.key)
            if held * size < 0:
                return pair  # what was begun is gone on with
            cost = listed.maker_fee * (index if listed.inverse else pair.priced.price)
            score = cost + self._settings.resale_risk_price * pair.loss
            if pair.pays(listed.maker_fee) and (best is None or score < best[0]):
                best = (score, pair)
        return None if best is None else best[1]

    def _judge(self, engine: Engine, mine: Leg, listed: Instrument, bare: float, index: float) -> Pair | None:
        if not listed.open or engine.market.touch(listed.key, engine.now_ns) is None:
            return None
        try:
            other = self._leg(engine, listed, -mine.units)
        except NoPriceError:
            return None
        loss = worst_loss([mine, other], engine.now_ns)
        return Pair(listed, other.priced, loss, bare, index, self._settings.resale_risk_price)

    @staticmethod
    def _leg(engine: Engine, instrument: Instrument, units: float) -> Leg:
        return Leg(
            units,
            float(instrument.strike or 0),
            instrument.expiry_ns or 0,
            bool(instrument.is_call),
            engine.exposure.price_option(instrument, engine.now_ns),
        )

    def _near(self, engine: Engine, instrument: Instrument) -> Iterator[Instrument]:
        """Listed options of the same type at the nearest expiries and strikes, the same one first."""
        self._learn(engine)
        is_call, strike = bool(instrument.is_call), instrument.strike or Decimal(0)
        expiry_ns, width = instrument.expiry_ns or 0, self._settings.resale_strikes
        expiries = sorted({at for at, call in self._strikes if call is is_call and at > engine.now_ns})
        place = bisect_left(expiries, expiry_ns)
        exact = place < len(expiries) and expiries[place] == expiry_ns
        near = [expiry_ns] if exact else expiries[max(0, place - 1) : place + 1]
        for at in near:
            strikes = self._strikes[at, is_call]
            middle = bisect_left(strikes, strike)
            around = strikes[max(0, middle - width) : middle + width]
            for listed_strike in sorted(around, key=lambda one: (abs(one - strike), one)):
                yield self._by_terms[at, listed_strike, is_call]

    def _learn(self, engine: Engine) -> None:
        """Take in what was listed since the last time."""
        if self._seen == len(engine.market.instruments):
            return
        self._seen = len(engine.market.instruments)
        self._by_terms.clear()
        strikes: dict[tuple[int, bool], set[Decimal]] = {}
        for listed in engine.market.instruments.values():
            if listed.kind is not Kind.OPTION or listed.venue != self._market.venue:
                continue
            if listed.underlying != self._market.underlying or listed.strike is None:
                continue
            terms = (listed.expiry_ns or 0, listed.strike, bool(listed.is_call))
            self._by_terms[terms] = listed
            strikes.setdefault((terms[0], terms[2]), set()).add(listed.strike)
        self._strikes = {key: sorted(found) for key, found in strikes.items()}
