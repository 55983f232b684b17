"""The generator's fair value of any option, listed or not, and its scale: what a vol point is worth.

A token worth `ratio` coins turns a strike per token into one of `strike / ratio` per coin: an option on the
token is `ratio` options on the coin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from atomizer.domain.rfq import OnchainTerms
from atomizer.sim.market import Market, MarketState
from atomizer.sim.rysk.behaviour import SettingsError
from atomizer.sim.rysk.settings import STRIKE_UNIT, TwinAsset

NS_PER_S = 1_000_000_000


class Terms(NamedTuple):
    """What the generator needs to price an option on a coin."""

    strike: float
    expiry_ns: int
    is_call: bool


class FairValue(NamedTuple):
    """USD per unit: the price, the underlying's index, the value of one vol point; `delta` in units."""

    usd: float
    index_usd: float
    vega_point: float
    delta: float

    def width(self, vol_points: float, bps: float) -> float:
        """A distance in USD: vol points at their value plus basis points of the index."""
        return vol_points * self.vega_point + bps * 1e-4 * self.index_usd

    def times(self, units: float) -> FairValue:
        """The same of so many units; the delta stays one of the underlying's price."""
        return FairValue(self.usd * units, self.index_usd * units, self.vega_point * units, self.delta)


def fair_value(market: Market, terms: Terms, now_ns: int) -> FairValue:
    """Fair value on the generated market at `now_ns`; after expiry, intrinsic value at the expiry."""
    return valued(market.state(min(now_ns, terms.expiry_ns)), terms)


def valued(state: MarketState, terms: Terms) -> FairValue:
    """Fair value in one state of the market."""
    price, tau = state.fair_usd(terms), state.tau(terms.expiry_ns)
    sign = 1.0 if terms.is_call else -1.0
    if tau <= 0.0:
        return FairValue(price, state.index, 0.0, sign if price > 0.0 else 0.0)
    forward, vol = state.forward(terms.expiry_ns), state.vol(terms.strike, terms.expiry_ns)
    deviation = vol * math.sqrt(tau)
    d1 = math.log(forward / terms.strike) / deviation + 0.5 * deviation
    density = math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
    delta = sign * 0.5 * math.erfc(-sign * d1 / math.sqrt(2.0)) * forward / state.index
    return FairValue(price, state.index, 0.01 * forward * density * math.sqrt(tau), delta)


class Valuer:
    """Fair values of the tokens one twin lists, each on its underlying's market.

    Raises:
        SettingsError: a token whose underlying no market is given for.
    """

    def __init__(self, markets: Sequence[Market], assets: Sequence[TwinAsset]) -> None:
        self.markets = {market.underlying: market for market in markets}
        self._assets = {asset.address: asset for asset in assets}
        for asset in assets:
            if asset.underlying not in self.markets:
                raise SettingsError(
                    f"{asset.symbol}: expected a market of {asset.underlying}, found "
                    f"{', '.join(self.markets)}"
                )

    def market(self, address: str) -> Market:
        return self.markets[self._assets[address].underlying]

    def ratio(self, address: str) -> float:
        return float(self._assets[address].ratio)

    def price(self, address: str, now_ns: int) -> float:
        """USD per token."""
        return self.market(address).state(now_ns).index * self.ratio(address)

    def terms(self, address: str, strike_e8: int, expiry_s: int, *, is_put: bool) -> Terms:
        """The option on the coin that one on the token is `ratio` of."""
        return Terms(strike_e8 / STRIKE_UNIT / self.ratio(address), expiry_s * NS_PER_S, not is_put)

    def fair(self, terms: OnchainTerms, now_ns: int) -> FairValue:
        """Per token, of an RFQ's terms."""
        option = self.terms(terms.asset, terms.strike_e8, terms.expiry_s, is_put=terms.is_put)
        return fair_value(self.market(terms.asset), option, now_ns).times(self.ratio(terms.asset))
