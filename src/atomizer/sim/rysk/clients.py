"""Seeded clients and rival makers: what is asked, for how much it is sold, what others bid.

Every draw comes from a stream named by (seed, purpose, number), so what client 17 asks does not depend on
how anybody answered client 16. Two runs that quote differently still meet the same requests.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from atomizer.sim.market import ListedOption, Market, MarketState
from atomizer.sim.rysk.fair import NS_PER_S, FairValue
from atomizer.sim.rysk.settings import PRICE_UNIT, QUANTITY_UNIT, STRIKE_UNIT, Behaviour, TwinAsset

WEEK_S = 7 * 86_400
MIN_TENOR_S = 86_400
MAX_DEVIATIONS = 1.5
STRIKE_RANGE = (0.25, 4.0)
RIVAL_EARLIEST = 0.05
RIVAL_LATEST = 0.9
RIVAL_SPREAD_OF_WIDTHS = 0.8
PRICE_GRID_E18 = PRICE_UNIT // 10**4


class Stream(IntEnum):
    """Purposes of random numbers."""

    ARRIVAL = 1
    REQUEST = 2
    RIVALS = 3
    DECISION = 4
    RFQ_FAULT = 5
    TRADE = 6
    IDENTITY = 7
    MALFORMED = 8
    EXECUTE_ALL = 9
    FOREIGN = 10


class Streams:
    """Independent generators by purpose and number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def of(self, purpose: Stream, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, purpose, number])


class Request(NamedTuple):
    """What a client asks for, before it becomes a push."""

    strike_e8: int
    expiry_s: int
    is_put: bool
    quantity_e18: int
    is_taker_buy: bool
    taker: int


class RivalQuote(NamedTuple):
    """One rival's answer: seconds after the push, USD distance from fair in widths, standard normal noise."""

    delay_s: float
    widths: float
    maker: int


def draw_request(
    random: np.random.Generator,
    behaviour: Behaviour,
    asset: TwinAsset,
    market: Market,
    now_ns: int,
    takers: int,
) -> Request | None:
    """One client's wish on the current market; None while nothing suitable is listed."""
    state = market.state(now_ns)
    suitable = [option for option in market.options if _suitable(option, state, now_ns)]
    if not suitable:
        return None
    wants_put = bool(random.random() < behaviour.put_share)
    kind = [option for option in suitable if option.is_call is not wants_put] or suitable
    option = kind[int(random.integers(len(kind)))]
    strike_e8 = round(option.strike * STRIKE_UNIT)
    expiry_s = option.expiry_ns // NS_PER_S
    if random.random() < behaviour.off_strike_share:
        strike_e8 = _between_strikes(random, market, option)
    if random.random() < behaviour.off_expiry_share:
        expiry_s = _between_expiries(random, market, expiry_s)
    return Request(
        strike_e8=strike_e8,
        expiry_s=expiry_s,
        is_put=not option.is_call,
        quantity_e18=_size(random, asset),
        is_taker_buy=bool(random.random() < behaviour.taker_buy_share),
        taker=int(random.integers(takers)),
    )


def draw_rivals(random: np.random.Generator, behaviour: Behaviour, window_s: float) -> list[RivalQuote]:
    """Which rivals answer, when, and how far from fair they stand."""
    quotes = []
    for maker in range(behaviour.rivals):
        answers = random.random() < behaviour.rival_answers
        delay_s = window_s * random.uniform(RIVAL_EARLIEST, RIVAL_LATEST)
        widths = math.exp(RIVAL_SPREAD_OF_WIDTHS * random.standard_normal())
        if answers:
            quotes.append(RivalQuote(delay_s, widths, maker))
    return quotes


def rival_price(quote: RivalQuote, behaviour: Behaviour, fair: FairValue, *, is_taker_buy: bool) -> int:
    """A rival's price, 1e18 USD per coin, on its grid of a hundredth of a cent; zero or less: no quote."""
    width = quote.widths * fair.width(behaviour.rival_vol_points, behaviour.rival_bps)
    price = fair.usd + width if is_taker_buy else fair.usd - width
    return round(price * PRICE_UNIT / PRICE_GRID_E18) * PRICE_GRID_E18


def reservation(
    random: np.random.Generator, behaviour: Behaviour, fair: FairValue, *, is_taker_buy: bool
) -> float:
    """The worst price, USD per coin, at which this client still trades.

    Exponentially far from fair: the chance that a quote is taken falls by e per `width` of distance.
    """
    distance = random.exponential(fair.width(behaviour.client_vol_points, behaviour.client_bps))
    return fair.usd + distance if is_taker_buy else fair.usd - distance


def _suitable(option: ListedOption, state: MarketState, now_ns: int) -> bool:
    """Strikes within one and a half deviations of the forward, more than a day before expiry."""
    if option.expiry_ns - now_ns < MIN_TENOR_S * NS_PER_S:
        return False
    if not STRIKE_RANGE[0] <= option.strike / state.index <= STRIKE_RANGE[1]:
        return False
    deviation = state.vol(option.strike, option.expiry_ns) * math.sqrt(state.tau(option.expiry_ns))
    moneyness = math.log(option.strike / state.forward(option.expiry_ns))
    out = moneyness if option.is_call else -moneyness
    return -0.5 * deviation <= out <= MAX_DEVIATIONS * deviation


def _between_strikes(random: np.random.Generator, market: Market, option: ListedOption) -> int:
    """A strike between this one and the next listed one, rounded to a whole USD where there is room."""
    strikes = sorted(
        {
            one.strike
            for one in market.options
            if one.expiry_ns == option.expiry_ns and one.is_call == option.is_call
        }
    )
    at = strikes.index(option.strike)
    if at + 1 == len(strikes):
        return round(option.strike * STRIKE_UNIT)
    gap = strikes[at + 1] - option.strike
    strike = option.strike + gap * random.uniform(0.2, 0.8)
    return round(strike) * STRIKE_UNIT if gap > 2.0 else round(strike * STRIKE_UNIT)


def _between_expiries(random: np.random.Generator, market: Market, expiry_s: int) -> int:
    """A Friday between this expiry and the next listed one; the listed one where there is none."""
    later = [option.expiry_ns // NS_PER_S for option in market.options]
    following = min((one for one in later if one > expiry_s), default=expiry_s)
    weeks = (following - expiry_s) // WEEK_S
    if weeks < 2:
        return expiry_s
    return expiry_s + WEEK_S * int(random.integers(1, weeks))


def _size(random: np.random.Generator, asset: TwinAsset) -> int:
    """Coins x 1e18: the least in one of ten, the most in one of fifty, else log-uniform on the step."""
    least, most, step = (
        int(size * QUANTITY_UNIT) for size in (asset.min_size, asset.max_size, asset.size_step)
    )
    kind = random.random()
    if kind < 0.1:
        return least
    if kind < 0.12:
        return most
    drawn = math.exp(random.uniform(math.log(float(asset.min_size)), math.log(float(asset.max_size))))
    return min(max(int(drawn * QUANTITY_UNIT) // step * step, least), most)
